create function runlink_gap_incident_without_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'incident_without_run', 'warn', 'incidents', 'Incident names its run in the old column',
    i.run_id, i.tenant_id, 'incidents', i.record_id,
    'source_run_id is NULL; llm_run_id names a run of the same tenant. Writer: incident_write_engine.',
    @extschema@.runlink_link_remedy('incidents', 'source_run_id', i.record_id, i.run_id,
      'llm_run_id', i.run_id),
    'likely', i.run_id
  from @extschema@.runlink_incident_runs() i
    join @extschema@.runs r on r.id operator(pg_catalog.=) i.run_id
  where i.linked_by operator(pg_catalog.=) 'llm_run_id'::pg_catalog.text
    and (r.tenant_id is null or r.tenant_id operator(pg_catalog.=) i.tenant_id)
  union all
  select 'incident_without_run',
    case when i.of_run then 'error' else 'info' end,
    'incidents',
    case when i.of_run then 'Incident of a run that it does not name' else 'Incident names no run' end,
    null, i.tenant_id, 'incidents', i.id,
    pg_catalog.concat('source_run_id is NULL',
      case when i.of_run then ', though cause_type is LLM_RUN'
        else pg_catalog.concat(', cause_type ', coalesce(pg_catalog.concat('is ', i.cause_type), 'is not told'),
          ': whether a run caused it cannot be told')
      end,
      '. Nothing says which run, so there is no remedy. Writer: incident_write_engine.'),
    null,
    case when i.of_run then 'certain' else 'unknown' end,
    null
  from (
    select null::pg_catalog.text as llm_run_id, null::pg_catalog.text as cause_type
  ) as missing
    cross join lateral (
      select source_run_id is null as is_old, llm_run_id::pg_catalog.text,
        tenant_id::pg_catalog.text, id::pg_catalog.text, cause_type::pg_catalog.text,
        (cause_type::pg_catalog.text operator(pg_catalog.=) 'LLM_RUN'::pg_catalog.text) is true as of_run
      from @extschema@.incidents
    ) as i
  -- all in one place: beside the condition that NULL is a run, the planner then sees that there is no row
  where i.is_old and i.llm_run_id is null
$$;

comment on function runlink_gap_incident_without_run() is
'@omit
Rule of runlink_gaps: incidents whose source_run_id is NULL. warn, likely: llm_run_id names a run of the same
tenant, which the remedy writes into source_run_id. error, certain: llm_run_id is NULL too, though cause_type
is LLM_RUN; info, unknown: with another cause_type, since no run may have caused it; no remedy for either. An
llm_run_id that names no run is link_to_missing_run, one of another tenant link_across_tenants.
Errors: as a SELECT from incidents and runs.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined.
Stable, parallel restricted.';
