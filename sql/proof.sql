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
'What can be said of the integrity of a run: one row for each of its traces, by started_at and trace_id, or one row without a trace. Arguments, tenant rule and errors as runlink_evidence, for runs, aos_traces and aos_trace_steps; a database not in UTF8 is an error (0A000). model: HASH_CHAIN for a trace, NONE without one. verification_status: UNSEALED, since nothing was recorded that the steps could be compared with, or UNSUPPORTED without a trace or steps; failure_reason says why in words. assurance: none. covers: steps. chain_length: the trace''s steps, all of them unsealed_length; sealed_length and backfilled_length are 0; first_bad_step, root_hash, sealed_root_hash, merkle_root, sealed_at and checkpoint_size are NULL. coordinator_root_hash: the digest of the application''s proof coordinator over run_id as given and the trace''s steps (lower-case hex SHA-256, NULL without steps), to compare with older reports: it covers three columns and proves nothing. verified_at: when the statement began. Reads every step once in constant memory. Stable, parallel restricted, works on a standby.';

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
'The steps behind runlink_proof: one row for each step of each trace of the run, by the trace''s started_at and trace_id, then step_index. verdict: unsealed, since nothing was recorded that the step could be compared with; leaf_hash and sealed_leaf_hash are NULL. Arguments, tenant rule and errors as runlink_proof. Stable, parallel restricted, works on a standby.';

-- The application's tables may come after the extension.
set local check_function_bodies = off;

create function runlink_proof_json(run_id text, tenant_id text default null)
returns jsonb
as $$
  with proof as materialized (
    select p.*, t.started_at, t.completed_at
    from @extschema@.runlink_proof($1, $2) with ordinality as p
      left join @extschema@.aos_traces as t on t.trace_id operator(pg_catalog.=) p.trace_id
  )
  select pg_catalog.jsonb_build_object(
    'run_id', $1,
    'integrity', (
      select pg_catalog.jsonb_build_object(
        'model', p.model,
        'root_hash', p.coordinator_root_hash,
        'chain_length', p.chain_length,
        'verification_status', p.verification_status,
        'failure_reason', p.failure_reason,
        'runlink', pg_catalog.jsonb_build_object(
          'verification_status', p.verification_status,
          'root_hash', p.root_hash,
          'assurance', p.assurance))
      from proof as p
      where p.ordinality operator(pg_catalog.=) 1),
    'aos_traces', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
          'trace_id', p.trace_id,
          'run_id', p.run_id,
          'status', p.trace_status,
          'step_count', p.chain_length,
          'started_at', p.started_at,
          'completed_at', p.completed_at
        ) order by p.ordinality using operator(pg_catalog.<))
      from proof as p
      where p.trace_id is not null), '[]'),
    'aos_trace_steps', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
          'trace_id', s.trace_id,
          'step_index', s.step_index,
          'skill_name', s.skill_name,
          'status', s.status,
          'duration_ms', s.duration_ms,
          'cost_cents', s.cost_cents
        ) order by p.ordinality using operator(pg_catalog.<),
          s.step_index using operator(pg_catalog.<))
      from proof as p
        join @extschema@.aos_trace_steps as s on s.trace_id operator(pg_catalog.=) p.trace_id), '[]'),
    'raw_logs', null,
    'verified_at', pg_catalog.statement_timestamp())
$$
language sql stable parallel restricted cost 10000;

comment on function runlink_proof_json(text, text) is
'The proof of a run in the shape of the application''s proof coordinator: run_id, integrity {model, root_hash, chain_length, verification_status, failure_reason, runlink {verification_status, root_hash, assurance}}, aos_traces[], aos_trace_steps[], raw_logs (null), verified_at. integrity is of the first trace by started_at; its root_hash is the coordinator''s digest, under runlink is our own status, root and assurance. Arguments, tenant rule and errors as runlink_proof; an answer over the size of a jsonb value is an error (54000): runlink_proof has no such bound. Stable, parallel restricted, works on a standby.';
