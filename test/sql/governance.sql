-- runlink_governance: the events of the audit ledger that belong to a run.
set timezone = 'UTC';
set datestyle = 'ISO';

-- the documented example
\pset expanded on
select * from runlink_governance('run-linkage-test-001');
\pset expanded off

begin;
alter table incidents drop constraint incidents_source_run_id_fkey;
insert into runs (id, tenant_id) values
  ('run-1', 'tenant-a'), ('run-2', 'tenant-a'), ('run-old', 'tenant-a'), ('run-shared', 'tenant-a'),
  ('run-nobody', null), ('run-long', 'tenant-a'), ('None', 'tenant-a'), ('null', 'tenant-a'),
  ('123', 'tenant-a'), ('true', 'tenant-a'), ('o''r"\u0041 %', 'tenant-a');

-- The five links. An event is one row, by the first link that holds; events of
-- every entity_type belong to the run, and equal times are in the order of ids.
insert into incidents (id, source_run_id, llm_run_id) values
  ('inc-1', 'run-1', null), ('inc-2', 'run-2', 'run-1'), ('inc-old', null, 'run-old');
insert into audit_ledger (id, entity_type, entity_id, before_state, after_state) values
  ('audit-1', 'INCIDENT', 'inc-1', '{"run_id": "run-1", "source_run_id": "run-1"}', '{"run_id": "run-1", "source_run_id": "run-1"}'),
  ('audit-2', 'INCIDENT', 'inc-1', '{"run_id": "run-1", "source_run_id": "run-1"}', '{"source_run_id": "run-1"}'),
  ('audit-3', 'INCIDENT', 'inc-1', '{"run_id": "run-1", "source_run_id": "run-1"}', '{"run_id": "run-2"}'),
  ('audit-4', 'INCIDENT', 'inc-1', '{"source_run_id": "run-1"}', null),
  ('audit-5', 'INCIDENT', 'inc-1', null, null),
  ('audit-6', 'SIGNAL', 'signal-1', null, '{"run_id": "run-1"}'),
  ('audit-7', 'POLICY_PROPOSAL', 'proposal-1', null, '{"source_run_id": "run-1", "run_id": 1}'),
  ('audit-8', 'POLICY_RULE', 'policy-1', '{"run_id": "run-1"}', '{"run_id": null}'),
  ('audit-9', 'LIMIT', 'limit-1', '{"source_run_id": "run-1"}', '[]');
select record_id, entity_type, linked_by from runlink_governance('run-1');

-- an event may belong to two runs, each by its own link
select record_id, entity_type, linked_by from runlink_governance('run-2');

-- An incident found by a legacy link brings its events too, but not an incident
-- whose canonical link names another run.
insert into audit_ledger (id, entity_type, entity_id) values
  ('audit-old', 'INCIDENT', 'inc-old'), ('audit-inc-2', 'INCIDENT', 'inc-2');
select record_id, linked_by from runlink_governance('run-old');
select record_id, linked_by from runlink_governance('run-1') where record_id = 'audit-inc-2';

-- entity_id links only events of entity_type INCIDENT
insert into audit_ledger (id, entity_type, entity_id) values
  ('audit-limit', 'LIMIT', 'inc-old'), ('audit-rule', 'POLICY_RULE', 'inc-old'), ('audit-run', 'RUN', 'run-old');
select record_id, linked_by from runlink_governance('run-old');

-- What is no string at the top level names no run, whatever it looks like, and
-- harms no answer.
insert into audit_ledger (id, after_state, before_state)
  select 'state-' || n, state, state
    from (values
      (1, null::jsonb), (2, 'null'), (3, '123'), (4, 'true'), (5, '"123"'), (6, '"run_id"'), (7, '[]'), (8, '{}'),
      (9, '["run_id", "123"]'), (10, '[{"run_id": "123"}]'), (11, '{"run_id": 123}'), (12, '{"run_id": true}'),
      (13, '{"run_id": null}'), (14, '{"run_id": ["123"]}'), (15, '{"run_id": {"run_id": "123"}}'),
      (16, '{"run": {"run_id": "123"}}'), (17, '{"RUN_ID": "123", "runId": "123", "run_id ": "123"}'),
      (18, '{"source_run_id": 123, "run_id": 123}'), (19, '{"run_id": "1234"}'), (20, '{"run_id": "123 "}'),
      (21, '{"run_id": "none"}'), (22, '{"note": "None null true 123"}')
    ) as v (n, state);
select record_id from runlink_governance('123');
select record_id from runlink_governance('true');
select record_id from runlink_governance('null');
select record_id from runlink_governance('None');
insert into audit_ledger (id, after_state) values ('state-23', '{"run_id": "123"}');
select record_id, linked_by from runlink_governance('123');

-- ids are taken literally
insert into audit_ledger (id, after_state) values
  ('audit-''"\', jsonb_build_object('run_id', 'o''r"\u0041 %')), ('audit-A', '{"run_id": "o''r\"\u0041 %"}');
select record_id from runlink_governance('o''r"\u0041 %');

-- newest first
insert into audit_ledger (id, created_at, after_state)
  select 'event-' || i, timestamptz '2026-03-01 00:00+00' + i * interval '1 hour', '{"run_id": "run-long"}'
    from generate_series(1, 250) as i;
select count(*), min(occurred_at), max(occurred_at) from runlink_governance('run-long');
select record_id, occurred_at from runlink_governance('run-long') limit 3;
select count(*) as out_of_order
  from (select occurred_at > lag(occurred_at) over (order by ordinality) as later
    from runlink_governance('run-long') with ordinality) as g
  where later;

-- Another tenant's events do not belong to the run, nor do events about another
-- tenant's incident; a tenant given narrows to its own.
insert into incidents (id, tenant_id, source_run_id) values
  ('inc-a', 'tenant-a', 'run-shared'), ('inc-b', 'tenant-b', 'run-shared');
insert into audit_ledger (id, tenant_id, entity_type, entity_id, after_state) values
  ('audit-a', 'tenant-a', 'LIMIT', 'limit-a', '{"run_id": "run-shared"}'),
  ('audit-aa', 'tenant-a', 'INCIDENT', 'inc-a', null),
  ('audit-ab', 'tenant-a', 'INCIDENT', 'inc-b', null),
  ('audit-b', 'tenant-b', 'LIMIT', 'limit-b', '{"run_id": "run-shared"}'),
  ('audit-ba', 'tenant-b', 'INCIDENT', 'inc-a', null),
  ('audit-bb', 'tenant-b', 'INCIDENT', 'inc-b', null);
select tenant_id, record_id, linked_by from runlink_governance('run-shared');
select tenant_id, record_id, linked_by from runlink_governance('run-shared', 'tenant-b');
select tenant_id, record_id, linked_by from runlink_governance('run-shared', 'tenant-c');

-- a run without a tenant, and one that is missing, take in every tenant
insert into audit_ledger (id, tenant_id, after_state) values
  ('audit-nobody-a', 'tenant-a', '{"run_id": "run-nobody"}'), ('audit-nobody-b', 'tenant-b', '{"run_id": "run-nobody"}'),
  ('audit-gone-a', 'tenant-a', '{"run_id": "run-gone"}'), ('audit-gone-b', 'tenant-b', '{"run_id": "run-gone"}');
select tenant_id, record_id from runlink_governance('run-nobody');
select tenant_id, record_id from runlink_governance('run-gone');
select tenant_id, record_id from runlink_governance('run-gone', 'tenant-b');

-- nothing names it
select count(*) from runlink_governance('run-missing');
rollback;
