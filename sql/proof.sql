create function runlink_proof(run_id text, tenant_id text default null)
returns table (
  run_id text,
  tenant_id text,
  trace_id text,
  trace_status text,
  model text,
  verification_status text,
  assurance text,
  covers text,
  failure_reason text,
  first_bad_step integer,
  chain_length bigint,
  sealed_length bigint,
  backfilled_length bigint,
  unsealed_length bigint,
  root_hash text,
  sealed_root_hash text,
  merkle_root text,
  coordinator_root_hash text,
  sealed_at timestamptz,
  checkpoint_size bigint,
  verified_at timestamptz
)
as 'MODULE_PATHNAME', 'runlink_proof'
language c stable parallel restricted rows 1 cost 10000;

comment on function runlink_proof(text, text) is
'What can be said of the integrity of a run''s traces: their steps, hashed as they are, against the
leaves that were recorded with their inserts and the seals that hold these.
In and errors: as runlink_evidence, for runs, aos_traces, aos_trace_steps and, where it exists,
aos_traces_archive; a database that is not in UTF8 is an error too (0A000).
Out: a row for each trace of the run, by started_at and trace_id, then those that only leaves and seals
still know, by trace_id; one row without a trace where there is none. run_id (as given), tenant_id,
trace_id and trace_status (of the trace), model (HASH_CHAIN; NONE without a trace),
verification_status (VERIFIED: every step has a leaf or a seal and matches it or is what runlink_erase()
left of it, the seals are sound, and the trace is of the run and tenant that it began with; FAILED:
something does not match, the log where there is one included: a seal that is not the one that entered
it, one that entered it and is missing, one that neither entered it nor waits to, or entries, tree and
checkpoint that contradict each other; UNSEALED: a step has nothing to compare with, or what run the
trace began with was not recorded; ARCHIVED: the application moved the trace to aos_traces_archive, its
steps are gone and were not compared, FAILED if they are not gone; UNSUPPORTED: no trace or no steps),
assurance (none, recorded, sealed, logged or signed: the weakest of its steps; logged: the newest seal
is the trace''s newest entry of the log, and entry and tree lead to the root of a checkpoint; signed: so
they do to one that a registered key signed; a step erased with its input_hash or output_hash: sealed at
most), covers (steps), failure_reason (in words, NULL where
VERIFIED), first_bad_step (the lowest step_index that is not as recorded, NULL where there is none),
chain_length (steps that are there), sealed_length (steps that seals hold), backfilled_length (of these,
the ones whose leaf was computed later than their insert: what was changed before is not covered),
unsealed_length (steps that are there without leaf or seal), root_hash (head of the chain over the steps
as they are), sealed_root_hash (head as sealed), merkle_root (RFC 6962, over the leaves recorded and
sealed), coordinator_root_hash (below), sealed_at (of the newest seal), checkpoint_size (where logged or
signed: of the smallest such checkpoint), verified_at (when the statement began). Hashes are lower-case
hex of SHA-256 (FIPS 180-4); doc/format.md says over what bytes.
Leaves and seals are read as runlink_owner, only for traces of the run asked for. Of a trace that is no
longer under its run in aos_traces only a caller is told who has SELECT on runlink.seal and from whom
row-level security hides no trace.
coordinator_root_hash is the digest of the application''s proof coordinator over run_id and the trace''s
steps, NULL without steps. It compares with older reports. It covers three columns, different steps can
share it, and it proves nothing.
Reads one snapshot, every step once (twice where there is damage), in constant memory, the
application''s tables as the caller, under row-level security; ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';

create function runlink_proof_steps(run_id text, tenant_id text default null)
returns table (
  trace_id text,
  step_index integer,
  skill_name text,
  status text,
  verdict text,
  leaf_hash text,
  sealed_leaf_hash text
)
as 'MODULE_PATHNAME', 'runlink_proof_steps'
language c stable parallel restricted rows 1000 cost 10000;

comment on function runlink_proof_steps(text, text) is
'The steps behind runlink_proof.
In and errors: as runlink_proof.
Out: a row for each step of each trace of the run, and for each that is missing, in the order of the
traces, then by step_index: trace_id, step_index, skill_name and status (NULL of a missing step),
verdict (ok; altered: another value than recorded in a covered column; missing: recorded and not there;
reordered: what was recorded as another step_index, told where no more than 256 steps of the trace are
not as recorded, else these are altered; inserted: there without leaf or seal in a trace that was sealed
as ended, or a second row of one step_index; unsealed: without leaf or seal in any other trace; erased:
runlink_erase() erased its payload, and its row is what was left then, which is no damage),
leaf_hash (of the step as it is; NULL where there is nothing to compare with, and of an erased step that
had an input_hash or output_hash), sealed_leaf_hash (as recorded or sealed). Steps of archived traces
are gone and give no row.
Reads, locks, volatility and parallel mark as runlink_proof.';

create function runlink_proof_json(run_id text, tenant_id text default null)
returns jsonb
as 'MODULE_PATHNAME', 'runlink_proof_json'
language c stable parallel restricted cost 10000;

comment on function runlink_proof_json(text, text) is
'The proof of a run in the shape of the application''s proof coordinator.
In and errors: as runlink_proof; an answer larger than a jsonb value can be is an error too (54000).
Out: an object of run_id, integrity (of the first trace by started_at: model, root_hash, which is the
coordinator''s digest, chain_length, verification_status, failure_reason, and under runlink our own
verification_status, root_hash and assurance), aos_traces[] and aos_trace_steps[] (of all traces),
raw_logs (null) and verified_at (when the statement began).
Reads, locks, volatility and parallel mark as runlink_proof.';
