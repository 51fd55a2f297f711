-- Traces that completed and have no steps.

create function runlink_gap_trace_without_steps()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'trace_without_steps'::pg_catalog.text, 'error'::pg_catalog.text, 'logs'::pg_catalog.text,
    'completed trace without steps'::pg_catalog.text, t.run_id, t.tenant_id, 'aos_traces'::pg_catalog.text,
    t.trace_id,
    'The trace is completed, and aos_trace_steps has no step of it. Either they were written to another store: '
      'set USE_POSTGRES_TRACES=true wherever steps are recorded; or they were removed, of which runlink_proof '
      'tells where they were sealed. Lost steps cannot come back.'::pg_catalog.text,
    null::pg_catalog.text, 'certain'::pg_catalog.text, null::pg_catalog.text
  from (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text,
        status::pg_catalog.text
      from @extschema@.aos_traces
    ) as t
  where t.status operator(pg_catalog.=) 'completed'::pg_catalog.text
    and not exists (
      select from @extschema@.aos_trace_steps s where s.trace_id operator(pg_catalog.=) t.trace_id)
$$;

comment on function runlink_gap_trace_without_steps() is
'@omit
Rule of runlink_gaps: a completed trace without a step. One that failed or was aborted may have ended before
its first.
Out: a row a trace, of level error. No remedy: lost steps cannot come back.
Errors: as a SELECT from aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
