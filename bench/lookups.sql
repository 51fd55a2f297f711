-- What runlink_evidence looks up, as plain prepared SELECTs: one for each source and link, with the
-- columns that evidence tells of it, typed as they are. $1 is the run, $2 its tenant. The first
-- column is the record's id.

prepare run (text) as
  select id, tenant_id, created_at, risk_level, status, goal,
    policy_violation, policy_draft_count, agent_id, parent_run_id, attempts, max_attempts, error_message,
    started_at, completed_at, duration_ms, incident_count, termination_reason, stopped_at_step,
    violation_policy_id, execution_mode, provider_type, input_tokens, output_tokens, estimated_cost_usd,
    actor_type, actor_id, is_synthetic, synthetic_scenario_id
  from runs where id = $1;

prepare incident (text, text) as
  select id, tenant_id, created_at, severity, status, title,
    llm_run_id, lifecycle_state, category, trigger_type, cause_type, source_type, started_at, ended_at, resolved_at,
    resolved_by, error_code, error_message, cost_impact, escalated, inflection_step_index,
    is_synthetic, synthetic_scenario_id
  from incidents where source_run_id = $1 and ($2 is null or tenant_id = $2);

prepare incident_llm_run_id (text, text) as
  select id, tenant_id, created_at, severity, status, title,
    llm_run_id, lifecycle_state, category, trigger_type, cause_type, source_type, started_at, ended_at, resolved_at,
    resolved_by, error_code, error_message, cost_impact, escalated, inflection_step_index,
    is_synthetic, synthetic_scenario_id
  from incidents where source_run_id is null and llm_run_id = $1 and ($2 is null or tenant_id = $2);

prepare policy_evaluation (text, text) as
  select p.id, p.tenant_id, p.created_at, p.outcome, r.name,
    p.policy_id, p.blocked_incident_id, p.original_incident_id, p.pattern_id, p.signature_match_confidence,
    p.policy_age_seconds, p.calls_evaluated, p.is_simulated, p.is_synthetic, p.synthetic_scenario_id
  from prevention_records p
    left join policy_rules r on r.id = p.policy_id and r.tenant_id = p.tenant_id
  where p.run_id = $1 and ($2 is null or p.tenant_id = $2);

prepare policy_evaluation_blocked (text, text) as
  select p.id, p.tenant_id, p.created_at, p.outcome, r.name,
    p.policy_id, p.blocked_incident_id, p.original_incident_id, p.pattern_id, p.signature_match_confidence,
    p.policy_age_seconds, p.calls_evaluated, p.is_simulated, p.is_synthetic, p.synthetic_scenario_id
  from prevention_records p
    left join policy_rules r on r.id = p.policy_id and r.tenant_id = p.tenant_id
  where p.run_id is null and p.blocked_incident_id = $1 and ($2 is null or p.tenant_id = $2);

prepare policy_evaluation_original (text, text) as
  select p.id, p.tenant_id, p.created_at, p.outcome, r.name,
    p.policy_id, p.blocked_incident_id, p.original_incident_id, p.pattern_id, p.signature_match_confidence,
    p.policy_age_seconds, p.calls_evaluated, p.is_simulated, p.is_synthetic, p.synthetic_scenario_id
  from prevention_records p
    left join policy_rules r on r.id = p.policy_id and r.tenant_id = p.tenant_id
  where p.run_id is null and p.original_incident_id = $1 and ($2 is null or p.tenant_id = $2);

prepare policy_enforcement (text, text) as
  select e.id, e.tenant_id, e.triggered_at, e.action_taken, r.name, e.rule_id, e.incident_id, e.details
  from policy_enforcements e
    left join policy_rules r on r.id = e.rule_id and r.tenant_id = e.tenant_id
  where e.run_id = $1 and ($2 is null or e.tenant_id = $2);

prepare limit_breach (text, text) as
  select b.id, b.tenant_id, b.breached_at, b.breach_type, l.name,
    b.limit_id, b.value_at_breach, b.limit_value, b.incident_id, b.recovered_at, b.details
  from limit_breaches b
    left join limits l on l.id = b.limit_id and l.tenant_id = b.tenant_id
  where b.run_id = $1 and ($2 is null or b.tenant_id = $2);

prepare event_after_run_id (text, text) as
  select id, tenant_id, created_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason,
    before_state, after_state, correlation_id
  from audit_ledger
  where runlink_json_string(after_state, 'run_id') = $1 and ($2 is null or tenant_id = $2);

prepare event_after_source_run_id (text, text) as
  select id, tenant_id, created_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason,
    before_state, after_state, correlation_id
  from audit_ledger
  where runlink_json_string(after_state, 'source_run_id') = $1 and ($2 is null or tenant_id = $2);

prepare event_before_run_id (text, text) as
  select id, tenant_id, created_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason,
    before_state, after_state, correlation_id
  from audit_ledger
  where runlink_json_string(before_state, 'run_id') = $1 and ($2 is null or tenant_id = $2);

prepare event_before_source_run_id (text, text) as
  select id, tenant_id, created_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason,
    before_state, after_state, correlation_id
  from audit_ledger
  where runlink_json_string(before_state, 'source_run_id') = $1 and ($2 is null or tenant_id = $2);

-- $1: the incidents that were found
prepare event_of_incident (text[], text) as
  select id, tenant_id, created_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason,
    before_state, after_state, correlation_id
  from audit_ledger
  where entity_type = 'INCIDENT' and entity_id = any ($1) and ($2 is null or tenant_id = $2);

prepare trace (text, text) as
  select trace_id, tenant_id, started_at, status,
    completed_at, agent_id, correlation_id, root_hash, incident_id, violation_step_index, violation_policy_id,
    violation_reason, replay_mode, archived_at, is_synthetic, synthetic_scenario_id
  from aos_traces where run_id = $1 and ($2 is null or tenant_id = $2);

prepare llm_run_record (text, text) as
  select id, tenant_id, started_at, execution_status, provider, model,
    trace_id, input_tokens, output_tokens, cost_cents, completed_at, source, is_synthetic, synthetic_scenario_id
  from llm_run_records where run_id = $1 and ($2 is null or tenant_id = $2);

-- The calls themselves.

prepare evidence (text) as select * from runlink_evidence($1);
prepare governance (text) as select * from runlink_governance($1);
prepare linkage (text) as select * from runlink_linkage($1);
