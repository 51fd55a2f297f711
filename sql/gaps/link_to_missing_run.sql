create function runlink_gap_link_to_missing_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'link_to_missing_run', 'error', l.domain, 'Record names a run that does not exist',
    l.run_id, l.tenant_id, l.source_table, l.record_id,
    pg_catalog.concat(l.linked_by, ' names a run that runs does not have',
      case when l.is_narrowed then ', or that row-level security hides from this role' end,
      '. No remedy: a run cannot be made up, and what the record says of it is evidence',
      case when l.source_table operator(pg_catalog.=) 'audit_ledger'::pg_catalog.text
        then ', in a ledger that takes no changes' end,
      '. Writer: ', @extschema@.runlink_link_writer(l.source_table), '.'),
    null,
    case when l.is_narrowed then 'unknown' else 'certain' end,
    null
  from (
    select l.*,
      (select pg_catalog.row_security_active('@extschema@.runs'::pg_catalog.text)) as is_narrowed
    from @extschema@.runlink_named_runs() l
  ) as l
  where l.source_table operator(pg_catalog.<>) 'aos_traces'::pg_catalog.text
    and not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) l.run_id)
$$;

comment on function runlink_gap_link_to_missing_run() is
'@omit
Rule of runlink_gaps: records that name a run which runs does not have; where source_run_id of an incident is
NULL its llm_run_id counts. Traces have a rule of their own. certain, but unknown where row-level security
may hide the run from the caller. No remedy.
Errors: as runlink_named_runs.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run.';
