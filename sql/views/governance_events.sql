create function runlink_governance_events_rows()
returns table (
  run_id text,
  tenant_id text,
  record_id text,
  occurred_at timestamptz,
  event_type text,
  entity_type text,
  entity_id text,
  actor_type text,
  actor_id text,
  action_reason text,
  linked_by text
)
language sql stable parallel safe rows 10000
as $$
  select l.run_id, l.tenant_id, l.record_id, l.occurred_at, l.event_type, l.entity_type, l.entity_id,
    l.actor_type, l.actor_id, l.action_reason, l.linked_by
  from @extschema@.runlink_ledger_links() l
    left join @extschema@.runs r on r.id operator(pg_catalog.=) l.run_id
  where r.tenant_id is null or r.tenant_id operator(pg_catalog.=) l.tenant_id
$$;

comment on function runlink_governance_events_rows() is
'@omit
The rows of the view runlink_governance_events, whose comment says what they are.
Errors: a table or column that is missing (42P01, 42703) or may not be read (42501).
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined into
the query. Stable, parallel safe; works on a standby.';

create view runlink_governance_events with (security_invoker) as
  select * from @extschema@.runlink_governance_events_rows();

grant select on runlink_governance_events to public;

comment on view runlink_governance_events is
'@primaryKey run_id,record_id
@foreignKey (run_id) references runlink_runs (run_id)
The audit ledger by run: a row for each event and run that it belongs to, as runlink_governance(run_id)
returns them for one; the states before and after are there. A run''s events are those of its tenant, of
every tenant where the run has none or is missing from runs. Events that name no run are not here.
Predicates on run_id, tenant_id and occurred_at reach audit_ledger and its indexes.';
comment on column runlink_governance_events.run_id is 'The run that the event belongs to';
comment on column runlink_governance_events.tenant_id is 'The tenant of the event';
comment on column runlink_governance_events.record_id is 'audit_ledger.id';
comment on column runlink_governance_events.occurred_at is 'When it happened';
comment on column runlink_governance_events.event_type is 'What happened, such as PolicyRuleModified';
comment on column runlink_governance_events.entity_type is
'What it happened to: POLICY_RULE, LIMIT, POLICY_PROPOSAL, INCIDENT or another';
comment on column runlink_governance_events.entity_id is 'Id of what it happened to';
comment on column runlink_governance_events.actor_type is 'HUMAN, SYSTEM or AGENT';
comment on column runlink_governance_events.actor_id is 'Who did it';
comment on column runlink_governance_events.action_reason is 'Why, as the actor gave it';
comment on column runlink_governance_events.linked_by is
'The first that holds of after_state.run_id, after_state.source_run_id, before_state.run_id,
before_state.source_run_id; else entity_id: the event is of an incident of the run';
