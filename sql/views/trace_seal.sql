create function runlink_trace_seal(trace_id text)
returns table (
  sealed_length bigint,
  backfilled_length bigint,
  recorded_length bigint,
  final boolean,
  root_hash text,
  merkle_root text,
  sealed_at timestamptz,
  last_verification_status text,
  last_verified_at timestamptz
)
as 'MODULE_PATHNAME', 'runlink_trace_seal'
language c stable parallel restricted rows 1 cost 1000;

comment on function runlink_trace_seal(text) is
'What was recorded and sealed of a trace, as leaves and seals say it, and what was last found of it. The
steps are not looked at: this verifies nothing, runlink_proof does.
In: trace_id, any string or NULL.
Out: always one row: sealed_length (steps in seals), backfilled_length (of these, the ones whose leaf was
computed later than their insert), recorded_length (steps with a leaf that no seal holds yet), final (the
newest seal was made when the trace had ended), root_hash and merkle_root (of the newest seal: head of the
chain and RFC 6962 root, lower-case hex of SHA-256), sealed_at (of the newest seal),
last_verification_status and last_verified_at (what runlink_tick() found when it verified the trace last; the
status is NULL if it was sealed again since, both if it was never verified).
Zeros, false and NULLs where nothing was recorded, sealing was never enabled, or the caller does not see the
trace in aos_traces. Lengths and all else NULL where what was recorded cannot be known: the state is not as
runlink made it (runlink_schema_check() says how), or the newest seal says what cannot be.
Errors: those of a SELECT of trace_id from aos_traces, once sealing is enabled, and no USAGE on the schema
(42501); damage of the state is none.
Leaves and seals are read as runlink_owner, aos_traces as the caller, under row-level security. Reads one
snapshot, by indexes; ACCESS SHARE locks as any SELECT. Stable, parallel restricted; works on a standby.';
