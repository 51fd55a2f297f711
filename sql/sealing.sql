create function runlink_enable_sealing()
returns void
as 'MODULE_PATHNAME', 'runlink_enable_sealing'
language c volatile parallel unsafe
set search_path = pg_catalog, pg_temp;

revoke all on function runlink_enable_sealing() from public;

comment on function runlink_enable_sealing() is
'Makes the state (schema runlink, owned by the role runlink_owner) and the triggers that record a leaf
with every insert into aos_trace_steps and seal a trace when its status leaves ''running''. What is
there already is kept, so twice is safe, and after runlink_disable_sealing() it goes on.
Out: nothing.
Errors: the caller is no superuser (42501); aos_traces or aos_trace_steps is missing (42P01), no table
(42809), or lacks a column that names a step or its trace (42703) or has it of another type (42804);
the database is not in UTF8, or a column of aos_trace_steps has a type without canonical form (0A000);
something in schema runlink, or the role, is not as runlink makes it (55000); others did not let it have
its locks within lock_timeout, which counts as 2 s where it is 0 (55P03). An error changes nothing.
Locks: SHARE ROW EXCLUSIVE on both tables until the transaction ends: it waits for writers and holds
them off. Grants SELECT on the state to the owner of aos_trace_steps.
Volatile, parallel unsafe.';

create function runlink_disable_sealing()
returns void
as 'MODULE_PATHNAME', 'runlink_disable_sealing'
language c volatile parallel unsafe
set search_path = pg_catalog, pg_temp;

revoke all on function runlink_disable_sealing() from public;

comment on function runlink_disable_sealing() is
'Drops the triggers that runlink_enable_sealing() made, and keeps every leaf and seal: proofs go on.
Steps inserted meanwhile have no leaf; runlink_seal_pending() seals them as backfilled.
Out: nothing.
Errors: as runlink_enable_sealing(), of the caller, the tables and their locks.
Locks: ACCESS EXCLUSIVE on both tables until the transaction ends.
Volatile, parallel unsafe.';

create function runlink_seal_pending(max bigint default null, run_id text default null)
returns table (
  tenant_id text,
  run_id text,
  trace_id text,
  seal_no integer,
  step_count bigint,
  added bigint,
  backfilled bigint,
  sealed_at timestamptz
)
as 'MODULE_PATHNAME', 'runlink_seal_pending'
language c volatile parallel unsafe rows 100 cost 100000;

revoke all on function runlink_seal_pending(bigint, text) from public;

comment on function runlink_seal_pending(bigint, text) is
'Seals whatever has no seal: leaves recorded since the last seal of their trace, and steps that have no
leaf, which count as backfilled for good, as do all leaves of a trace whose run and tenant were not
recorded before. Traces that run are left alone until they had no step for
runlink.idle_after (an hour unless set).
In: max, the number of traces to seal at most, not negative (22023), NULL: no limit; run_id, to seal
the traces of one run, any string but '''' (22023), NULL: of all.
Out: a row for each trace sealed, the earliest started_at first: tenant_id, run_id and trace_id (as
recorded), seal_no (of its newest seal), step_count (steps sealed in all), added (steps sealed now),
backfilled (of all steps sealed, those whose leaf was computed after their insert), sealed_at.
A trace that another sealer is at work on, or whose seals are damaged, is left out.
Errors: sealing was never enabled, or the state is not as runlink made it (55000); tables and columns as
runlink_proof has them; no SELECT on the application''s traces and steps or on the tables of schema
runlink (42501); a standby, or a transaction that is read only (25006); in REPEATABLE READ and above, a
conflict with another sealer (40001).
All traces of a call are sealed in its transaction: for small ones call it with max, again and again.
Locks: rows of schema runlink; writers of the application are never held up.
Reads the application''s tables as the caller, under row-level security. Volatile, parallel unsafe.';

create function runlink_record_step()
returns trigger
as 'MODULE_PATHNAME', 'runlink_record_step'
language c volatile parallel unsafe;

revoke all on function runlink_record_step() from public;

comment on function runlink_record_step() is
'Trigger of runlink_enable_sealing(), after each row inserted into aos_trace_steps: records its leaf in
runlink.leaf, in the same transaction. A step that has a leaf keeps it. Waits for nobody.
What can be foreseen (the state is missing or not as expected, a column without canonical form, an id
too long) is a WARNING, one a statement, and leaves the step without a leaf. On any other table it is
an error (39P01). Volatile, parallel unsafe.';

create function runlink_record_trace()
returns trigger
as 'MODULE_PATHNAME', 'runlink_record_trace'
language c volatile parallel unsafe;

revoke all on function runlink_record_trace() from public;

comment on function runlink_record_trace() is
'Trigger of runlink_enable_sealing(), after each row inserted into aos_traces: records its tenant_id,
run_id and trace_id in runlink.trace; after each update: seals the trace where its status was
''running'' and is not any longer. Where another sealer is at work, and in REPEATABLE READ and above,
that is left to runlink_seal_pending(). Warnings and errors as runlink_record_step.
Volatile, parallel unsafe.';

create function runlink_guard_state()
returns trigger
as 'MODULE_PATHNAME', 'runlink_guard_state'
language c volatile parallel unsafe;

revoke all on function runlink_guard_state() from public;

comment on function runlink_guard_state() is
'Trigger of runlink_enable_sealing() on the tables of schema runlink: an error (55000) before any UPDATE,
DELETE or TRUNCATE that is not runlink''s own, whoever runs it. Volatile, parallel unsafe.';
