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
'The events of the governance audit log that belong to a run, newest first, without a limit. An event is linked where a top-level string of its states names the run (linked_by after_state.run_id, after_state.source_run_id, before_state.run_id or before_state.source_run_id: the first that holds), else, for an event of entity_type INCIDENT, where entity_id is an incident of the run and of the event''s tenant (linked_by entity_id). Numbers, arrays and nested keys never link. Events of every entity_type are returned: filter for POLICY_RULE, LIMIT, POLICY_PROPOSAL and INCIDENT where only those are meant. Arguments, tenant rule and errors as runlink_evidence. Reads as the caller, under row-level security. Stable, parallel restricted, works on a standby.';
