create function runlink_gap_event_cause_unknown()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 10
as $$
  select 'event_cause_unknown', 'info', 'logs', 'Ledger events of policies and limits of which the cause is unknown',
    null, c.tenant_id, 'audit_ledger', null,
    pg_catalog.concat(c.events, ' events of policies, proposals or limits carry no run_id, and nothing says whether '
      'a run caused them (those of a HUMAN are not counted). No remedy: the ledger takes no changes. '
      'Writer: audit_ledger_driver, as policies_handler calls it.'),
    null, 'unknown', null
  from (
    select e.tenant_id, pg_catalog.count(*) as events
    from (
      -- grouped, not joined: how many events lead to a run is not estimated well
      select e.tenant_id, e.record_id
      from (
        select e.tenant_id, e.record_id, false as leads_to_run
        from @extschema@.runlink_unlinked_events() e
        where e.entity_type operator(pg_catalog.=)
            any ('{POLICY_RULE,POLICY_PROPOSAL,LIMIT}'::pg_catalog.text[])
          and (e.actor_type operator(pg_catalog.<>) 'HUMAN'::pg_catalog.text
            or e.event_type operator(pg_catalog.=) 'LimitBreached'::pg_catalog.text)
        union all
        select g.tenant_id, g.record_id, true
        from @extschema@.runlink_gap_breach_event_without_run() g
        union all
        select g.tenant_id, g.record_id, true
        from @extschema@.runlink_gap_policy_event_without_run() g
      ) as e
      group by e.tenant_id, e.record_id
      having not pg_catalog.bool_or(e.leads_to_run)
    ) as e
    group by e.tenant_id
  ) as c
$$;

comment on function runlink_gap_event_cause_unknown() is
'@omit
Rule of runlink_gaps: a row a tenant that counts its POLICY_RULE, POLICY_PROPOSAL and LIMIT events which carry no
run and for which neither breach_event_without_run nor policy_event_without_run finds one. What a HUMAN did is
not counted, since no run caused it, unless it is LimitBreached. info, unknown, without remedy.
Errors: as a SELECT from audit_ledger, limit_breaches and aos_traces.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run.';
