create function runlink_verify(
  tenant_id text default null,
  since timestamptz default null,
  until timestamptz default null,
  full boolean default false)
returns table (
  tenant_id text,
  run_id text,
  trace_id text,
  step_index integer,
  finding text,
  expected text,
  found text
)
as 'MODULE_PATHNAME', 'runlink_verify'
language c stable parallel unsafe rows 100 cost 1000000;

comment on function runlink_verify(text, timestamptz, timestamptz, boolean) is
'Every trace against its leaves and seals, as runlink_proof has it of one run; only what is wrong or
cannot be known. Traces that runlink_tick() verified before are not read again, unless full is asked for.
In: tenant_id, any string but '''' (22023), for the traces recorded for that tenant and those that are
filed under it now, NULL: all; since and until, for traces sealed (their newest seal) at since or later
and before until; a trace without seal goes by its started_at in aos_traces, which is not protected as a
seal''s time is, and by none where it is not there. NULL: any time.
full, NULL as false: false leaves out the traces that were verified without a finding and neither
sealed nor recorded any further since, by runlink.verification, and
does not look for traces and steps of which nothing was recorded; a notice says how many traces are left
out, since when. What was changed in them meanwhile is not seen: full => true reads everything. So does
full => false where no verification is kept, or more than an eighth of the traces would be read again.
A trace is read again on every call while it has findings, while something of it is recorded and not
sealed, and where its verification is gone or is not of its newest seal.
Out: a row for each finding, in no order: tenant_id and run_id (as recorded, else as in aos_traces),
trace_id, step_index, finding, expected and found:
altered, missing, reordered, inserted: as the verdicts of runlink_proof_steps, a row a step, with the
leaf as recorded or sealed and the leaf as it is;
unsealed: a row a trace of which steps have neither leaf nor seal, with the lowest step_index of these
and how many there are, or of which it was not recorded what run and tenant it began with;
trace_missing: it is not in aos_traces; moved: it is filed under another run or tenant;
archived_with_steps: it was archived, and its steps are still there; column_missing: a column that
altered steps cover is gone or of another type;
seal_damaged: found says what is wrong with its seals;
unreadable: found is the error that reading ended in, of a trace, or of a block of runlink.seal;
trace_unknown: steps of a trace that is neither in aos_traces nor recorded; row_count: aos_trace_steps
has another number of rows than are found by their trace_id, as with a damaged index. The latter two are
looked for where nothing narrows the call and everything is read.
A trace that is read has a row exactly where its proof is FAILED or UNSEALED, or its seals are damaged;
but for the log, which is not looked at here: runlink_verify_checkpoint() does that for all of it.
What is skipped (archived traces, traces without steps) has none; runlink_verify_summary counts it.
Damage never ends it: errors of what is read (classes 22, 54, 58 and XX) are findings.
Errors: the caller may not read schema runlink and its tables, or row-level security hides rows of
aos_traces, aos_trace_steps or aos_traces_archive from it (42501); sealing was never enabled, or the
state is not as runlink made it (55000); tables and columns as runlink_proof has them; a database that
is not in UTF8 (0A000).
Reads one snapshot, as the caller, nothing written: a standby will do. Memory within a few times
work_mem; a trace of several seals, without seal or with damage is read by itself, and others batch by
batch, with up to max_parallel_workers_per_gather workers where the tables are ordinary ones.
ACCESS SHARE locks as any SELECT. A notice every runlink.progress_every (10 s unless set, 0: never)
tells how far it is.
Stable; parallel unsafe, because it uses subtransactions.';

create function runlink_verify_summary(
  tenant_id text default null,
  since timestamptz default null,
  until timestamptz default null,
  full boolean default false)
returns table (
  traces bigint,
  steps bigint,
  bytes_hashed bigint,
  verified bigint,
  failed bigint,
  unsealed bigint,
  skipped bigint,
  skipped_why jsonb,
  findings bigint,
  seconds double precision,
  workers integer
)
as 'MODULE_PATHNAME', 'runlink_verify_summary'
language c stable parallel unsafe rows 1 cost 1000000;

comment on function runlink_verify_summary(text, timestamptz, timestamptz, boolean) is
'Totals over what runlink_verify finds, which see for arguments, errors, reads and locks.
Out: one row: traces (verified, failed, unsealed and skipped together), steps (rows of aos_trace_steps
read now), bytes_hashed (leaves, chains and trees), verified, failed and unsealed (traces, by the
verification_status of their proof; one that could not be read has failed), skipped (traces archived,
without steps, or verified before and not read again) and skipped_why (how many for which reason, as
"archived", "without steps" and "verified_before"; NULL: none), findings (rows of
runlink_verify), seconds (it took), workers (besides this process).
Stable; parallel unsafe, because it uses subtransactions.';
