create function runlink_erase(trace_id text, step_index integer, reason text)
returns table (
  trace_id text,
  step_index integer,
  erased_columns text[],
  payload_digest text,
  erased_at timestamptz
)
as 'MODULE_PATHNAME', 'runlink_erase'
language c volatile parallel unsafe rows 1 cost 10000;

revoke all on function runlink_erase(text, integer, text) from public;

comment on function runlink_erase(text, integer, text) is
'Erases the payload of a sealed step for good: its columns of type json and jsonb become
{"runlink_erased": true} where they are not NULL, input_hash and output_hash become NULL, and its salt is
destroyed, without which nobody can try guesses against the leaf that stays. Its proof goes on: the verdict
is erased, and any other change of the row is altered as ever.
In: trace_id and step_index, of a step; reason, why, which is kept and told, not NULL (22004), not blank
(22023): say nothing of the payload in it.
Out: one row: trace_id and step_index, erased_columns (names), payload_digest (of the payload that was,
lower-case hex; doc/format.md; it is kept. NULL, and not kept, where input_hash or output_hash was there:
who had it could try guesses of these), erased_at.
Errors, each of which changes nothing: the step has no seal, has not one row that the caller sees, was
altered, is erased already, or has nothing to erase; its seal is damaged; input_hash or output_hash has a
value and is NOT NULL; a trigger, rule or policy kept the row from being erased; sealing was never
enabled, or the state is not as runlink made it (55000); a constraint of the table refuses the erased row
(23000 and its like); aos_trace_steps is no table (42809); the caller lacks SELECT on aos_traces, or SELECT
or UPDATE on aos_trace_steps (42501); a read-only transaction or a standby (25006); in REPEATABLE READ and
above, a conflict with another call or a sealer (40001); a database that is not in UTF8 (0A000).
Privileges: EXECUTE is not PUBLIC''s. It is the privilege to pass the application''s triggers and rules on
aos_trace_steps for that one row: they do not fire for its UPDATE, unless they are ENABLE ALWAYS or ENABLE
REPLICA. Row-level security and constraints hold. During that UPDATE search_path is the schema of
aos_trace_steps alone: who erases cannot put functions of his own in the place of those that constraints
and policies call. Runs as the caller, whose session user is kept as erased_by in runlink.erasure, with
the time and the reason.
What it does not reach keeps what it had: WAL and what was shipped of it, replicas'' WAL, dead versions of
the rows in aos_trace_steps, runlink.seal and runlink.leaf until VACUUM FULL, samples in pg_statistic until
ANALYZE, backups, packages and answers already given out, logs of the server, other columns of the row
(idempotency_key, for one), other steps (where the input_hash of one is the output_hash of another) and
the application''s other tables.
Locks: ROW EXCLUSIVE on the tables, the row of the step, and its trace against sealers, for whom it waits;
who seals the trace meanwhile leaves it to runlink_seal_pending().
Volatile, parallel unsafe.';
