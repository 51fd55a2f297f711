create function runlink_trace_integrity_rows()
returns table (
  run_id text,
  tenant_id text,
  trace_id text,
  trace_status text,
  started_at timestamptz,
  completed_at timestamptz,
  duration_ms float8,
  step_count integer,
  sealing text,
  sealed_step_count integer,
  backfilled_step_count integer,
  recorded_step_count integer,
  unsealed_step_count integer,
  sealed_as_ended boolean,
  sealed_root_hash text,
  sealed_merkle_root text,
  sealed_at timestamptz,
  is_synthetic boolean,
  last_verification_status text,
  last_verified_at timestamptz
)
language sql stable parallel restricted rows 10000
as $$
  select t.run_id, t.tenant_id, t.trace_id, t.status, t.started_at, t.completed_at,
    case when pg_catalog.isfinite(t.started_at) and pg_catalog.isfinite(t.completed_at) then
      pg_catalog.date_part('epoch', t.completed_at operator(pg_catalog.-) t.started_at)
        operator(pg_catalog.*) 1000::pg_catalog.float8
    end,
    there.steps::pg_catalog.int4,
    case
      when seal.sealed is null then 'unknown'
      when there.steps operator(pg_catalog.<) (seal.sealed operator(pg_catalog.+) seal.recorded)
        then 'steps_missing'
      when there.steps operator(pg_catalog.>) (seal.sealed operator(pg_catalog.+) seal.recorded)
        then 'unsealed'
      when there.steps operator(pg_catalog.=) 0::pg_catalog.int8 then 'no_steps'
      when seal.recorded operator(pg_catalog.>) 0::pg_catalog.int8 then 'recorded'
      else 'sealed'
    end,
    seal.sealed::pg_catalog.int4, seal.backfilled::pg_catalog.int4, seal.recorded::pg_catalog.int4,
    case when seal.sealed is not null then
      greatest(0::pg_catalog.int8, there.steps operator(pg_catalog.-) seal.sealed
        operator(pg_catalog.-) seal.recorded)::pg_catalog.int4
    end,
    seal.final, seal.root_hash, seal.merkle_root, seal.sealed_at, t.is_synthetic,
    seal.last_verification_status, seal.last_verified_at
  from (
    select null::pg_catalog.timestamptz as completed_at, null::pg_catalog.bool as is_synthetic
  ) as missing
    cross join lateral (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text,
        status::pg_catalog.text, started_at::pg_catalog.timestamptz,
        completed_at::pg_catalog.timestamptz, is_synthetic::pg_catalog.bool
      from @extschema@.aos_traces
    ) as t
    left join @extschema@.runs r on r.id operator(pg_catalog.=) t.run_id
    -- Aggregates of one row are known to be one row: where no column of theirs is asked for, the
    -- planner leaves the join out.
    left join lateral (
      select pg_catalog.count(*) as steps
      from @extschema@.aos_trace_steps s
      where s.trace_id operator(pg_catalog.=) t.trace_id
    ) as there on true
    left join lateral (
      select pg_catalog.max(s.sealed_length) as sealed,
        pg_catalog.max(s.backfilled_length) as backfilled,
        pg_catalog.max(s.recorded_length) as recorded, pg_catalog.bool_and(s.final) as final,
        pg_catalog.max(s.root_hash) as root_hash, pg_catalog.max(s.merkle_root) as merkle_root,
        pg_catalog.max(s.sealed_at) as sealed_at,
        pg_catalog.max(s.last_verification_status) as last_verification_status,
        pg_catalog.max(s.last_verified_at) as last_verified_at
      from @extschema@.runlink_trace_seal(t.trace_id) s
    ) as seal on true
  where r.tenant_id is null or r.tenant_id operator(pg_catalog.=) t.tenant_id
$$;

comment on function runlink_trace_integrity_rows() is
'@omit
The rows of the view runlink_trace_integrity, whose comment says what they are.
Errors: a table or column that is missing (42P01, 42703) or may not be read (42501).
Reads one snapshot, the application''s tables as the caller, under row-level security, leaves and seals as
runlink_trace_seal does; ACCESS SHARE locks as any SELECT. Inlined into the query. Stable, parallel
restricted; works on a standby.';

create view runlink_trace_integrity with (security_invoker) as
  select * from @extschema@.runlink_trace_integrity_rows();

grant select on runlink_trace_integrity to public;

comment on view runlink_trace_integrity is
'@primaryKey trace_id
@foreignKey (run_id) references runlink_runs (run_id)
How far the steps of each trace in aos_traces are sealed. Steps are counted and not compared with what was
recorded: nothing here verifies a trace, runlink_proof(run_id) does; what runlink_tick() found last is
told. Traces that the application archived are not here. A run''s traces are those of its tenant, of every tenant where the run has none or is missing
from runs.
Predicates on run_id, tenant_id and trace_id reach aos_traces and its indexes. Counting costs an index scan
a trace, what is told of seals four lookups; columns that are not asked for cost nothing.';
comment on column runlink_trace_integrity.run_id is 'The run of the trace';
comment on column runlink_trace_integrity.tenant_id is 'The tenant of the trace';
comment on column runlink_trace_integrity.trace_id is 'The trace';
comment on column runlink_trace_integrity.trace_status is 'running, completed, failed or aborted';
comment on column runlink_trace_integrity.started_at is 'When it began';
comment on column runlink_trace_integrity.completed_at is 'When it ended; NULL: not yet, or not recorded';
comment on column runlink_trace_integrity.duration_ms is 'Milliseconds from one to the other';
comment on column runlink_trace_integrity.step_count is 'Steps in aos_trace_steps';
comment on column runlink_trace_integrity.sealing is
'How far its steps are sealed, by their number alone. sealed: as many as seals hold; recorded: as many as
leaves and seals hold; unsealed: more than that; steps_missing: fewer than that; no_steps: none, and none
recorded; unknown: what was recorded cannot be read, see runlink_schema_check(). None of these says that the
steps are as they were: runlink_proof(run_id) does';
comment on column runlink_trace_integrity.sealed_step_count is 'Steps that seals hold; NULL: unknown';
comment on column runlink_trace_integrity.backfilled_step_count is
'Of these, the ones whose leaf was computed later than their insert: what was changed before is not covered';
comment on column runlink_trace_integrity.recorded_step_count is
'Steps with a leaf that no seal holds yet; NULL: unknown';
comment on column runlink_trace_integrity.unsealed_step_count is
'Steps there are more than leaves and seals hold; NULL: unknown';
comment on column runlink_trace_integrity.sealed_as_ended is
'The newest seal was made when the trace had ended; NULL: unknown';
comment on column runlink_trace_integrity.sealed_root_hash is
'Head of the hash chain as the newest seal has it, SHA-256 in lower-case hex; NULL: no seal';
comment on column runlink_trace_integrity.sealed_merkle_root is
'RFC 6962 Merkle root as the newest seal has it, likewise';
comment on column runlink_trace_integrity.sealed_at is 'When the newest seal was made; NULL: no seal';
comment on column runlink_trace_integrity.is_synthetic is
'Made up for a test; NULL where the trace does not say';
comment on column runlink_trace_integrity.last_verification_status is
'What the last verification by runlink_tick() found: VERIFIED, FAILED, UNSEALED, ARCHIVED or UNSUPPORTED, as
runlink_proof has them. It says nothing of what was changed since last_verified_at. NULL: the trace was sealed
again since, and is to be verified again; or, where last_verified_at is NULL too, it was never verified';
comment on column runlink_trace_integrity.last_verified_at is
'When that was; NULL: never, as with a trace that runs and has no seal';
