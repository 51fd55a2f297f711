-- runlink_evidence_json: the evidence in the coordinator's shape.
set timezone = 'UTC';
\pset format unaligned

-- the documented example
select jsonb_pretty(runlink_evidence_json('run-linkage-test-001') - 'computed_at');

-- computed_at is the time the statement began
select (runlink_evidence_json('run-linkage-test-001') ->> 'computed_at')::timestamptz = statement_timestamp() as began;

begin;
alter table incidents drop constraint incidents_source_run_id_fkey;
insert into runs (id, tenant_id) values ('run-empty', 'tenant-a'), ('run-old', 'tenant-a');

-- nothing linked: empty arrays, never null
select runlink_evidence_json('run-empty') - 'computed_at' as evidence;

-- a run that is missing: what is linked to it
select runlink_evidence_json('run-missing') - 'computed_at' as evidence;
insert into incidents (id, source_run_id) values ('inc-orphan', 'run-missing');
select runlink_evidence_json('run-missing') -> 'incidents_caused' as incidents_caused;

-- Contents and order are those of runlink_evidence: legacy links are named, what
-- is unknown is null, and other tenants' rows and names are left out.
insert into policy_rules (id, tenant_id, name) values ('policy-b', 'tenant-b', 'Rule of B');
insert into limits (id, tenant_id, name) values ('limit-b', 'tenant-b', 'Limit of B');
insert into incidents (id, tenant_id, llm_run_id, created_at) values
  ('inc-2', 'tenant-a', 'run-old', null), ('inc-1', 'tenant-a', 'run-old', null),
  ('inc-3', 'tenant-a', 'run-old', '2026-02-01 00:01+00'), ('inc-b', 'tenant-b', 'run-old', null);
insert into prevention_records (id, tenant_id, outcome, policy_id, blocked_incident_id, original_incident_id) values
  ('prev-1', 'tenant-a', 'blocked', 'policy-b', 'run-old', 'none'),
  ('prev-2', 'tenant-a', 'allowed', 'policy-b', 'none', 'run-old'),
  ('prev-b', 'tenant-b', 'blocked', 'policy-b', 'run-old', 'none');
insert into limit_breaches (id, tenant_id, run_id, limit_id, value_at_breach, limit_value) values
  ('breach-1', 'tenant-a', 'run-old', 'limit-b', null, 0.0001),
  ('breach-b', 'tenant-b', 'run-old', 'limit-b', 1, 1);
insert into audit_ledger (id, tenant_id, entity_type, entity_id, actor_type, actor_id, after_state) values
  ('audit-1', 'tenant-a', 'INCIDENT', 'inc-1', 'AGENT', null, null),
  ('audit-b', 'tenant-b', 'LIMIT', 'limit-b', 'HUMAN', 'user-b', '{"run_id": "run-old"}');
select jsonb_pretty(runlink_evidence_json('run-old') - 'computed_at');

-- the tenant given
select runlink_evidence_json('run-old', 'tenant-b') #> '{limits_hit,0,limit_name}' as limit_name,
  runlink_evidence_json('run-old', 'tenant-b') #> '{policies_evaluated,0,policy_name}' as policy_name;

-- no limit on rows
insert into prevention_records (id, run_id, outcome)
  select 'evaluation-' || i, 'run-empty', case when i % 5 = 0 then 'BLOCKED' else 'ALLOWED' end
    from generate_series(1, 300) as i;
select jsonb_array_length(e -> 'policies_evaluated') as evaluations, jsonb_array_length(e -> 'decisions_made') as decisions
  from runlink_evidence_json('run-empty') as e;
rollback;
