create function runlink_gap_breach_event_without_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'breach_event_without_run', 'warn', 'logs', 'Ledger event of a limit breach of a run carries no run_id',
    b.run_id::pg_catalog.text, e.tenant_id, 'audit_ledger', e.record_id,
    pg_catalog.concat('LimitBreached of limit ', e.entity_id, ', whose last breach before it, ', b.id,
      ', names the run. No remedy: the ledger takes no changes. Writer: audit_ledger_driver, as '
      'policies_handler calls it.'),
    null, 'likely', b.run_id::pg_catalog.text
  from @extschema@.runlink_unlinked_events() e
    join @extschema@.limit_breaches b on b.limit_id operator(pg_catalog.=) e.entity_id
      and b.tenant_id operator(pg_catalog.=) e.tenant_id
      and b.id operator(pg_catalog.=) (
        -- of whatever tenant, so that the index of limit_id and breached_at ends at the first
        select l.id from @extschema@.limit_breaches l
        where l.limit_id operator(pg_catalog.=) e.entity_id
          and l.breached_at operator(pg_catalog.<=) e.occurred_at
        order by l.breached_at desc, l.id desc
        limit 1)
  where e.entity_type operator(pg_catalog.=) 'LIMIT'::pg_catalog.text
    and e.event_type operator(pg_catalog.=) 'LimitBreached'::pg_catalog.text
    and b.run_id is not null
$$;

comment on function runlink_gap_breach_event_without_run() is
'@omit
Rule of runlink_gaps: LimitBreached events of the audit ledger that carry no run, while the last breach of the
limit before them is of the same tenant and names one. likely, without remedy.
Errors: as a SELECT from audit_ledger and limit_breaches.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run.';
