-- Traces with steps before the first.

create function runlink_gap_negative_step()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'negative_step'::pg_catalog.text, 'error'::pg_catalog.text, 'logs'::pg_catalog.text,
    'steps with negative index'::pg_catalog.text, t.run_id, t.tenant_id, 'aos_traces'::pg_catalog.text,
    t.trace_id,
    pg_catalog.format('Steps with a negative step_index: %s, the lowest %s. The steps of a trace are counted '
      'from 0, so these were not written by the recorder of steps, or it counted wrongly: mend that writer. '
      'aos_trace_steps is immutable: to number them anew would alter evidence.', there.steps, there.lowest),
    null::pg_catalog.text, 'certain'::pg_catalog.text, null::pg_catalog.text
  from (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text
      from @extschema@.aos_traces
    ) as t
    cross join lateral (
      select pg_catalog.count(*) as steps, pg_catalog.min(s.step_index) as lowest
      from @extschema@.aos_trace_steps s
      where s.trace_id operator(pg_catalog.=) t.trace_id and s.step_index operator(pg_catalog.<) 0
    ) as there
  where there.steps operator(pg_catalog.>) 0::pg_catalog.int8
$$;

comment on function runlink_gap_negative_step() is
'@omit
Rule of runlink_gaps: a trace, running or not, that has steps whose step_index is negative.
Out: a row a trace, of level error; detail says how many and the lowest. No remedy: steps are immutable.
Errors: as a SELECT from aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
