-- runlink_linkage: one row of counts.
\pset expanded on

-- the documented example
select * from runlink_linkage('run-linkage-test-001');

-- the counts are the plan's own
select
  (select count(*) from incidents where source_run_id = l.run_id) = incident_count as incidents,
  (select count(*) from prevention_records where run_id = l.run_id) = policy_evaluation_count as evaluations,
  (select count(*) from limit_breaches where run_id = l.run_id) = limit_breach_count as breaches,
  (select count(*) from aos_traces where run_id = l.run_id) = trace_count as traces,
  (select count(*) from runlink_evidence(l.run_id) where kind = 'decision') = decision_count as decisions,
  (select count(*) from runlink_governance(l.run_id)) = governance_event_count as events,
  (select count(*) from runlink_proof_steps(l.run_id)) = step_count as steps
  from runlink_linkage('run-linkage-test-001') as l;

-- a run that is missing: a row too, with or without a tenant
select * from runlink_linkage('run-missing');
select * from runlink_linkage('run-missing', 'tenant-a');

begin;
alter table incidents drop constraint incidents_source_run_id_fkey;
insert into runs (id, tenant_id) values
  ('run-empty', 'tenant-a'), ('run-old', 'tenant-a'), ('run-shared', 'tenant-a'), ('run-nobody', null);

-- a run with nothing linked is found, and so differs from one that is missing
select * from runlink_linkage('run-empty');

-- Legacy links are counted apart, and only where the canonical one is NULL; a
-- decision is not another record than its evaluation.
insert into incidents (id, source_run_id, llm_run_id) values
  ('inc-1', null, 'run-old'), ('inc-2', 'run-old', 'run-old'), ('inc-3', 'run-empty', 'run-old');
insert into prevention_records (id, outcome, run_id, blocked_incident_id, original_incident_id) values
  ('prev-1', 'BLOCKED', null, 'run-old', 'none'),
  ('prev-2', 'allowed', null, 'none', 'run-old'),
  ('prev-3', 'warned', null, 'run-old', 'run-old'),
  ('prev-4', 'allowed', 'run-old', 'run-old', 'run-old'),
  ('prev-5', 'blocked', 'run-empty', 'run-old', 'run-old');
select * from runlink_linkage('run-old');

-- Records of other tenants are counted apart, whatever their kind; a ledger
-- event that only names another tenant's incident is not linked at all.
insert into incidents (id, tenant_id, source_run_id) values
  ('inc-a', 'tenant-a', 'run-shared'), ('inc-b', 'tenant-b', 'run-shared');
insert into prevention_records (id, tenant_id, outcome, run_id) values
  ('prev-a', 'tenant-a', 'blocked', 'run-shared'), ('prev-b', 'tenant-b', 'blocked', 'run-shared');
insert into prevention_records (id, tenant_id, outcome, blocked_incident_id) values
  ('prev-old', 'tenant-b', 'blocked', 'run-shared');
insert into limit_breaches (id, tenant_id, run_id) values ('breach-b', 'tenant-b', 'run-shared');
insert into audit_ledger (id, tenant_id, entity_type, entity_id, after_state) values
  ('audit-a', 'tenant-a', 'INCIDENT', 'inc-a', null),
  ('audit-b1', 'tenant-b', 'LIMIT', 'limit-a', '{"run_id": "run-shared"}'),
  ('audit-b2', 'tenant-b', 'INCIDENT', 'inc-a', null);
insert into aos_traces (trace_id, tenant_id, run_id) values ('trace-b', 'tenant-b', 'run-shared');
insert into aos_trace_steps (trace_id, step_index) values ('trace-b', 0), ('trace-b', 1);
select * from runlink_linkage('run-shared');

-- the other tenant's view: the run's own row is now a record of another tenant
select * from runlink_linkage('run-shared', 'tenant-b');

-- a tenant that has nothing of it
select * from runlink_linkage('run-shared', 'tenant-c');

-- a run without a tenant, and one that is missing, take in every tenant
insert into limit_breaches (id, tenant_id, run_id) values
  ('breach-1', 'tenant-a', 'run-nobody'), ('breach-2', 'tenant-b', 'run-nobody'),
  ('breach-3', 'tenant-a', 'run-gone'), ('breach-4', 'tenant-b', 'run-gone');
select tenant_id, run_found, limit_breach_count, other_tenant_count from runlink_linkage('run-nobody');
select tenant_id, run_found, limit_breach_count, other_tenant_count from runlink_linkage('run-nobody', 'tenant-a');
select tenant_id, run_found, limit_breach_count, other_tenant_count from runlink_linkage('run-gone');
select tenant_id, run_found, limit_breach_count, other_tenant_count from runlink_linkage('run-gone', 'tenant-b');

-- the optional tables may be absent
drop table policy_enforcements, llm_run_records;
select limit_breach_count from runlink_linkage('run-nobody');
rollback;
