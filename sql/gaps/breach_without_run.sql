create function runlink_gap_breach_without_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  with breach as not materialized (
    select b.*
    from (select null::pg_catalog.text as incident_id) as missing
      cross join lateral (
        select incident_id::pg_catalog.text, tenant_id::pg_catalog.text, id::pg_catalog.text
        from @extschema@.limit_breaches
        where run_id is null
      ) as b
  ),
  incident as not materialized (
    select i.run_id, i.tenant_id, i.record_id, i.linked_by
    from @extschema@.runlink_incident_runs() i
      join @extschema@.runs r on r.id operator(pg_catalog.=) i.run_id
    where r.tenant_id is null or r.tenant_id operator(pg_catalog.=) i.tenant_id
  )
  select 'breach_without_run', 'warn', 'controls', 'Limit breach of an incident of a run names no run',
    i.run_id, b.tenant_id, 'limit_breaches', b.id,
    'run_id is NULL; the incident of incident_id is of a run of the same tenant. Writer: policies_handler.',
    pg_catalog.concat(
      @extschema@.runlink_link_remedy('limit_breaches', 'run_id', b.id, i.run_id, 'incident_id', b.incident_id),
      pg_catalog.format(' and exists (select from %s.incidents i where i.id operator(pg_catalog.=) %L'
        ' and i.%I operator(pg_catalog.=) %L)', '@extschema@'::pg_catalog.text, b.incident_id, i.linked_by,
        i.run_id)),
    'likely', i.run_id
  from breach b
    join incident i on i.record_id operator(pg_catalog.=) b.incident_id
      and i.tenant_id operator(pg_catalog.=) b.tenant_id
  union all
  select 'breach_without_run', 'warn', 'controls', 'Limit breach names no run',
    null, b.tenant_id, 'limit_breaches', b.id,
    'run_id is NULL, and incident_id leads to no run of the tenant, so there is no remedy; whether a run '
    'caused it cannot be told. Writer: policies_handler.',
    null, 'unknown', null
  from breach b
  where not exists (
    select from incident i
    where i.record_id operator(pg_catalog.=) b.incident_id
      and i.tenant_id operator(pg_catalog.=) b.tenant_id
  )
$$;

comment on function runlink_gap_breach_without_run() is
'@omit
Rule of runlink_gaps: limit breaches whose run_id is NULL. likely: incident_id is an incident of the same
tenant that names a run of it, which the remedy writes into run_id. unknown: nothing leads to a run.
Errors: as a SELECT from limit_breaches, incidents and runs.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run. For one run it looks
through the breaches without run_id, by an index on run_id.';
