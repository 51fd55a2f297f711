create function runlink_gap_policy_event_without_run()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select distinct 'policy_event_without_run', 'warn', 'logs',
    'Ledger event of a run''s policies or limits carries no run_id',
    t.run_id, e.tenant_id, 'audit_ledger', e.record_id,
    pg_catalog.concat(e.event_type, ' of ', e.entity_type, ' ', e.entity_id,
      ' has the correlation_id of a trace of the run, and happened while that ran. No remedy: the ledger '
      'takes no changes. Writer: audit_ledger_driver, as policies_handler calls it.'),
    null, 'likely', t.run_id
  from (
    select null::pg_catalog.text as correlation_id, null::pg_catalog.timestamptz as completed_at
  ) as missing
    cross join lateral (
      -- case, since coalesce() is not leakproof, and under row-level security would not reach the index
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, correlation_id::pg_catalog.text,
        started_at::pg_catalog.timestamptz,
        case when completed_at is null then 'infinity'::pg_catalog.timestamptz
          else completed_at::pg_catalog.timestamptz end as ended_at
      from @extschema@.aos_traces
    ) as t
    join @extschema@.runlink_unlinked_events() e on e.tenant_id operator(pg_catalog.=) t.tenant_id
      and e.correlation_id operator(pg_catalog.=) t.correlation_id
      and e.occurred_at operator(pg_catalog.>=) t.started_at
      and e.occurred_at operator(pg_catalog.<=) t.ended_at
  where e.entity_type operator(pg_catalog.=)
      any ('{POLICY_RULE,POLICY_PROPOSAL,LIMIT}'::pg_catalog.text[])
    and e.event_type operator(pg_catalog.<>) 'LimitBreached'::pg_catalog.text
$$;

comment on function runlink_gap_policy_event_without_run() is
'@omit
Rule of runlink_gaps: POLICY_RULE, POLICY_PROPOSAL and LIMIT events of the audit ledger that carry no run, while
they have the correlation_id of a trace of the same tenant and lie between its start and its end. likely,
without remedy. LimitBreached events have a rule of their own.
Errors: as a SELECT from audit_ledger and aos_traces.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run. For one run it looks
through the events of the tenant while its traces ran.';
