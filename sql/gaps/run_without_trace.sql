-- Runs that ended and have no trace.

create function runlink_gap_run_without_trace()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'run_without_trace'::pg_catalog.text, 'error'::pg_catalog.text, 'logs'::pg_catalog.text,
    'run ended with no trace'::pg_catalog.text, r.run_id, r.tenant_id, 'runs'::pg_catalog.text, r.run_id,
    pg_catalog.format('The run is %s, and no trace of its tenant names it: its steps are not in aos_traces '
      'and aos_trace_steps, and runlink_proof has nothing to prove. Either the trace store is another one: '
      'set USE_POSTGRES_TRACES=true wherever runs are executed whose proof is expected; or the trace was '
      'deleted and is not in aos_traces_archive. Steps that were not written here cannot be brought back.',
      r.status),
    null::pg_catalog.text, 'certain'::pg_catalog.text, null::pg_catalog.text
  from (select null::pg_catalog.timestamptz as started_at, null::pg_catalog.int4 as attempts) as missing
    cross join lateral (
      select id::pg_catalog.text as run_id, tenant_id::pg_catalog.text, status::pg_catalog.text,
        started_at::pg_catalog.timestamptz, attempts::pg_catalog.int4
      from @extschema@.runs
    ) as r
  where r.status operator(pg_catalog.=) any ('{succeeded,failed,halted}'::pg_catalog.text[])
    -- Refused or called off before it began, it has no steps that could be missing.
    and (r.status operator(pg_catalog.=) 'succeeded'::pg_catalog.text or r.started_at is not null
      or r.attempts operator(pg_catalog.>) 0) is not false
    and not exists (
      select from @extschema@.aos_traces t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or t.tenant_id operator(pg_catalog.=) r.tenant_id))
    and not exists (
      select from @extschema@.runlink_archived_traces() a
      where a.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or a.tenant_id operator(pg_catalog.=) r.tenant_id))
$$;

comment on function runlink_gap_run_without_trace() is
'@omit
Rule of runlink_gaps: a run that succeeded, failed or was halted, and that no trace of its tenant names (of
any tenant, where the run has none), neither in aos_traces nor in aos_traces_archive, where that is there. A
run that failed or was halted before it began (no started_at, no attempts) is none.
Out: a row a run, of level error. No remedy: steps that were not written cannot come back; detail names the
setting of the trace store, USE_POSTGRES_TRACES.
Errors: as a SELECT from runs, aos_traces and aos_traces_archive.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined, so
that predicates on run_id and tenant_id reach the indexes. Stable, parallel restricted.';
