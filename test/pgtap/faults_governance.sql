-- What the application's governance log got wrong, fault by fault.

begin;
select plan(27);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql

-- newest 100 of the tenant, then filtered by run

insert into runs (id, tenant_id) values ('run-old', 'tenant-a'), ('run-busy', 'tenant-a');
insert into audit_ledger (id, tenant_id, event_type, entity_type, after_state, created_at)
  select 'old-' || i, 'tenant-a', 'LimitBreached', 'LIMIT', '{"run_id": "run-old"}'::jsonb, timestamptz '2026-01-01 00:00:00+00' + i * interval '1 s'
  from generate_series(1, 3) as i
  union all
  select 'busy-' || i, 'tenant-a', 'PolicyRuleModified', 'POLICY_RULE', '{"run_id": "run-busy"}'::jsonb, timestamptz '2026-02-01 00:00:00+00' + i * interval '1 s'
  from generate_series(1, 250) as i;

select results_eq(
  $$ select record_id from runlink_governance('run-old') $$,
  $$ values ('old-3'), ('old-2'), ('old-1') $$,
  'newest 100 of the tenant: 250 newer events hide none of the run''s');
select results_eq(
  $$ select record_id from runlink_governance('run-busy') $$,
  $$ select 'busy-' || i from generate_series(250, 1, -1) as i $$,
  'newest 100 of the tenant: every event of the run is there, newest first');
select results_eq(
  $$ select (select count(*) from runlink_evidence('run-busy') where kind = 'governance_event'), governance_event_count
     from runlink_linkage('run-busy') $$,
  $$ values (250::bigint, 250::bigint) $$,
  'newest 100 of the tenant: in evidence and linkage too');
select is(
  (select jsonb_array_length(runlink_evidence_json('run-busy') -> 'governance_events')), 250,
  'newest 100 of the tenant: and in evidence_json');

-- the run id `None` matches 15 foreign events

insert into audit_ledger (id, tenant_id, after_state, before_state)
  select 'none-' || i, 'tenant-a',
    case i % 5 when 0 then null when 1 then '{"run_id": null}' when 2 then '{}' when 3 then '{"source_run_id": null}' else 'null' end::jsonb,
    case i % 3 when 0 then null when 1 then '{"run_id": null}' else '{}' end::jsonb
  from generate_series(1, 15) as i;

select is_empty(format('select * from runlink_governance(%L)', id), 'events without a run id are not of a run ' || id)
from unnest(array['None', 'null', 'NULL', '{}', '[]']) as id;
select is(
  (select governance_event_count from runlink_linkage('None')), 0::bigint,
  'the run id None: linkage counts none of them');
select is_empty($$ select * from runlink_evidence('None') $$, 'the run id None: evidence has none of them');

insert into audit_ledger (id, tenant_id, after_state) values ('none-string', 'tenant-a', '{"run_id": "None"}');
select is(
  (select array_agg(record_id) from runlink_governance('None')), '{none-string}',
  'the run id None: an event that names such a run is found, alone');

-- JSON numbers and booleans match string ids

insert into runs (id, tenant_id) values ('42', 'tenant-a'), ('true', 'tenant-a');
insert into audit_ledger (id, tenant_id, after_state, before_state) values
  ('number', 'tenant-a', '{"run_id": 42}', null),
  ('number-before', 'tenant-a', null, '{"run_id": 42.0}'),
  ('number-source', 'tenant-a', '{"source_run_id": 42}', null),
  ('number-source-before', 'tenant-a', null, '{"source_run_id": 42}'),
  ('boolean', 'tenant-a', '{"run_id": true}', null),
  ('boolean-before', 'tenant-a', null, '{"run_id": true}'),
  ('array', 'tenant-a', '{"run_id": ["42"]}', null),
  ('object', 'tenant-a', '{"run_id": {"run_id": "42"}}', null),
  ('nested', 'tenant-a', '{"context": {"run_id": "42"}}', null),
  ('other-key', 'tenant-a', '{"RUN_ID": "42", "runid": "42", "parent_run_id": "42"}', null);

select is_empty($$ select * from runlink_governance('42') $$, 'JSON numbers do not match string ids');
select is_empty(format('select * from runlink_governance(%L)', id), 'JSON booleans do not match the id ' || id)
from unnest('{true,True,t,1}'::text[]) as id;

insert into audit_ledger (id, tenant_id, after_state, before_state, created_at) values
  ('string-1', 'tenant-a', '{"run_id": "42", "source_run_id": "42"}', '{"run_id": "42"}', '2026-01-01 00:00:04+00'),
  ('string-2', 'tenant-a', '{"run_id": 42, "source_run_id": "42"}', '{"run_id": "42"}', '2026-01-01 00:00:03+00'),
  ('string-3', 'tenant-a', '{"run_id": "another run"}', '{"run_id": "42", "source_run_id": "42"}', '2026-01-01 00:00:02+00'),
  ('string-4', 'tenant-a', '["run_id", "42"]', '{"run_id": null, "source_run_id": "42"}', '2026-01-01 00:00:01+00');
select results_eq(
  $$ select record_id, linked_by from runlink_governance('42') $$,
  $$ values ('string-1', 'after_state.run_id'), ('string-2', 'after_state.source_run_id'),
       ('string-3', 'before_state.run_id'), ('string-4', 'before_state.source_run_id') $$,
  'JSON strings do: one row an event, with the first link that holds');

-- one array-valued after_state breaks every run of the tenant

insert into audit_ledger (id, tenant_id, after_state, before_state)
  select 'shape-' || n, 'tenant-a', state::jsonb, state::jsonb
  from unnest(array['[]', '["run_id"]', '[{"run_id": "run-old"}]', '"run-old"', '"run_id"', '17', 'true', 'null', '{}',
      '{"run_id": []}', '[[[]]]']) with ordinality as s (state, n);

select lives_ok(format('select * from %s(''run-old'')', call), 'states that are no object do not break ' || call)
from unnest('{runlink_governance,runlink_evidence,runlink_evidence_json,runlink_linkage,runlink_report}'::text[]) as call;
select results_eq(
  $$ select record_id from runlink_governance('run-old') $$,
  $$ values ('old-3'), ('old-2'), ('old-1') $$,
  'states that are no object name no run, and hide none');
select is(
  (select count(*) from audit_ledger where runlink_json_string(after_state, 'run_id') = 'run-old'), 3::bigint,
  'nor does the function that their index calls');

-- events of incidents of the run

insert into incidents (id, tenant_id, source_run_id, llm_run_id) values
  ('inc-linked', 'tenant-a', 'run-old', null), ('inc-legacy', 'tenant-a', null, 'run-old'),
  ('inc-other', 'tenant-a', 'run-busy', 'run-old'), ('inc-of-b', 'tenant-b', 'run-old', null);
insert into audit_ledger (id, tenant_id, entity_type, entity_id, event_type) values
  ('event-linked', 'tenant-a', 'INCIDENT', 'inc-linked', 'IncidentResolved'),
  ('event-legacy', 'tenant-a', 'INCIDENT', 'inc-legacy', 'IncidentResolved'),
  ('event-other', 'tenant-a', 'INCIDENT', 'inc-other', 'IncidentResolved'),
  ('event-of-b', 'tenant-a', 'INCIDENT', 'inc-of-b', 'IncidentResolved'),
  ('event-limit', 'tenant-a', 'LIMIT', 'inc-linked', 'LimitUpdated');
select set_eq(
  $$ select record_id from runlink_governance('run-old') where linked_by = 'entity_id' $$,
  $$ values ('event-linked'), ('event-legacy') $$,
  'an incident''s events belong to its run, of the same tenant');
select is(
  (select count(*) from runlink_governance('run-old')), 5::bigint,
  'and every event is there once');

select * from finish();
rollback;
