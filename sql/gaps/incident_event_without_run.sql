create function runlink_gap_incident_event_without_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'incident_event_without_run', 'warn', 'logs', 'Ledger event of an incident of a run carries no run_id',
    i.run_id, e.tenant_id, 'audit_ledger', e.record_id,
    pg_catalog.concat(e.event_type, ' of incident ', e.entity_id, ', which names the run in ', i.linked_by,
      '. No remedy: the ledger takes no changes. Writer: audit_ledger_driver, as incident_write_engine calls it.'),
    null,
    case when i.linked_by operator(pg_catalog.=) 'source_run_id'::pg_catalog.text then 'certain' else 'likely' end,
    i.run_id
  from @extschema@.runlink_unlinked_events() e
    join @extschema@.runlink_incident_runs() i on i.record_id operator(pg_catalog.=) e.entity_id
      and i.tenant_id operator(pg_catalog.=) e.tenant_id
  where e.entity_type operator(pg_catalog.=) 'INCIDENT'::pg_catalog.text
$$;

comment on function runlink_gap_incident_event_without_run() is
'@omit
Rule of runlink_gaps: INCIDENT events of the audit ledger that carry no run, while their incident, of the same
tenant, names one: certain by its source_run_id, likely by its llm_run_id. No remedy. Evidence has the event
all the same, by entity_id.
Errors: as a SELECT from audit_ledger and incidents.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run.';
