create function runlink_governance(run_id text, tenant_id text default null)
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
  linked_by text,
  before_state jsonb,
  after_state jsonb
)
as 'MODULE_PATHNAME', 'runlink_governance'
language c stable parallel restricted rows 20 cost 1000;

comment on function runlink_governance(text, text) is
'The events of the audit ledger that belong to a run.
In and errors: as runlink_evidence, for runs, incidents and audit_ledger.
Out: rows, newest first, then by record_id, without a limit: run_id (as given), tenant_id (of the
event), record_id, occurred_at, event_type, entity_type, entity_id, actor_type, actor_id,
action_reason, linked_by (the first that holds of after_state.run_id, after_state.source_run_id,
before_state.run_id, before_state.source_run_id, where a top-level string of the state is the run id;
else entity_id, for an event of entity_type INCIDENT whose entity is an incident of the run and of the
event''s tenant), before_state, after_state.
Numbers, arrays and nested keys never link. Events of every entity_type are returned: POLICY_RULE,
LIMIT, POLICY_PROPOSAL and INCIDENT are those of the linkage plan.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';
