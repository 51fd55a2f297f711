-- Traces of runs that are not in runs.

create function runlink_gap_trace_without_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'trace_without_run'::pg_catalog.text, 'error'::pg_catalog.text, 'logs'::pg_catalog.text,
    'trace without run'::pg_catalog.text, t.run_id, t.tenant_id, 'aos_traces'::pg_catalog.text, t.trace_id,
    pg_catalog.concat('The trace names a run that is not in runs. ',
      case when named.id is not null then
        pg_catalog.format('Its trace_id is the one that writers give to a trace of run %s, of the same tenant. ',
          named.id)
      end,
      'aos_traces is immutable and a run cannot be made up from its trace, so there is no SQL that mends it: '
      'see to it that the runner writes the run before its trace, and that runs are not deleted before their '
      'traces are archived.'),
    null::pg_catalog.text,
    case when named.id is null then 'certain'::pg_catalog.text else 'likely'::pg_catalog.text end,
    named.id
  from (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text
      from @extschema@.aos_traces
    ) as t
    -- Not pulled up by the planner: under row-level security substr, which is not leakproof, would keep the
    -- comparison from the index of runs.
    cross join lateral (
      select case when pg_catalog.starts_with(t.trace_id, 'trace_') then pg_catalog.substr(t.trace_id, 7) end as id
      offset 0
    ) as meant
    left join lateral (
      select r.id::pg_catalog.text as id
      from @extschema@.runs r
      where r.id operator(pg_catalog.=) meant.id
        and (r.tenant_id is null or r.tenant_id operator(pg_catalog.=) t.tenant_id)
      limit 1
    ) as named on true
  where not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) t.run_id)
$$;

comment on function runlink_gap_trace_without_run() is
'@omit
Rule of runlink_gaps: a trace whose run_id is not in runs, as far as the caller sees runs.
Out: a row a trace, of level error. proposed_run_id is the run of the same tenant after which the trace is
named (trace_ and its id), if there is one; confidence is then likely, else certain. No remedy: traces are
immutable, and runs cannot be made up.
Errors: as a SELECT from runs and aos_traces.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
