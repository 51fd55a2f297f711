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
'What can be said of the integrity of a run''s traces.
In and errors: as runlink_evidence, for runs, aos_traces and aos_trace_steps; a database that is not
in UTF8 is an error too (0A000).
Out: a row for each trace of the run, by started_at and trace_id, or one row without a trace: run_id
(as given), tenant_id and trace_id and trace_status (of the trace), model (HASH_CHAIN; NONE without a
trace), verification_status (UNSEALED: nothing was recorded that the steps could be compared with;
UNSUPPORTED: no trace or no steps), assurance (none), covers (steps), failure_reason (in words),
chain_length and unsealed_length (the trace''s steps), sealed_length and backfilled_length (0),
coordinator_root_hash (below), verified_at (when the statement began); first_bad_step, root_hash,
sealed_root_hash, merkle_root, sealed_at and checkpoint_size are NULL.
coordinator_root_hash is the digest of the application''s proof coordinator over run_id and the trace''s
steps, as lower-case hex of SHA-256 (FIPS 180-4), NULL without steps. It compares with older reports.
It covers three columns, different steps can share it, and it proves nothing.
Reads one snapshot, every step once, in constant memory, as the caller, under row-level security;
ACCESS SHARE locks as any SELECT. Stable, parallel restricted; works on a standby.';

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
In and errors: as runlink_proof, in any encoding.
Out: a row for each step of each trace of the run, by the trace''s started_at and trace_id, then
step_index: trace_id, step_index, skill_name, status, verdict (unsealed: nothing was recorded that the
step could be compared with), leaf_hash and sealed_leaf_hash (NULL).
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
