create function runlink_gap_evaluation_without_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'evaluation_without_run', 'warn', 'policies', 'Policy evaluation names its run in an old column',
    e.run_id, e.tenant_id, 'prevention_records', e.record_id,
    pg_catalog.concat('run_id is NULL; ', e.linked_by, ' names a run of the same tenant',
      case when o.has_other then ', and the other old column another run: which of them it was cannot be '
        'told here, so there is no remedy' end,
      '. Writer: policies_handler.'),
    case when not o.has_other then @extschema@.runlink_link_remedy('prevention_records', 'run_id',
      e.record_id, e.run_id, e.linked_by, e.run_id) end,
    case when o.has_other then 'unknown' else 'likely' end,
    e.run_id
  from @extschema@.runlink_evaluation_runs() e
    join @extschema@.runs r on r.id operator(pg_catalog.=) e.run_id
    -- offset 0: looked up once, where three columns ask
    cross join lateral (
      select exists (
        select from @extschema@.runlink_evaluation_runs() o
          join @extschema@.runs r on r.id operator(pg_catalog.=) o.run_id
        where o.record_id operator(pg_catalog.=) e.record_id
          and o.linked_by operator(pg_catalog.<>) e.linked_by
          and o.linked_by operator(pg_catalog.<>) 'run_id'::pg_catalog.text
          and (r.tenant_id is null or r.tenant_id operator(pg_catalog.=) o.tenant_id)
      ) as has_other
      offset 0
    ) as o
  where e.linked_by operator(pg_catalog.<>) 'run_id'::pg_catalog.text
    and (r.tenant_id is null or r.tenant_id operator(pg_catalog.=) e.tenant_id)
  union all
  select 'evaluation_without_run', 'warn', 'policies', 'Policy evaluation names no run',
    null, e.tenant_id, 'prevention_records', e.id,
    'run_id is NULL, and neither blocked_incident_id nor original_incident_id is the id of a run, so there '
    'is no remedy. Writer: policies_handler.',
    null, 'unknown', null
  from (
    select null::pg_catalog.text as blocked_incident_id, null::pg_catalog.text as original_incident_id
  ) as missing
    cross join lateral (
      select blocked_incident_id::pg_catalog.text as blocked,
        original_incident_id::pg_catalog.text as original, tenant_id::pg_catalog.text,
        id::pg_catalog.text
      from @extschema@.prevention_records
      where run_id is null
    ) as e
  where not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) e.blocked)
    and not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) e.original)
$$;

comment on function runlink_gap_evaluation_without_run() is
'@omit
Rule of runlink_gaps: policy evaluations whose run_id is NULL. likely: blocked_incident_id or
original_incident_id is a run of the same tenant, which the remedy writes into run_id; where both are, and
differ, a row for each, unknown and without remedy. unknown: neither is a run. One that is a run of another
tenant is link_across_tenants.
Errors: as a SELECT from prevention_records and runs.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run.';
