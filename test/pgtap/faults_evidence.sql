-- What the application's evidence got wrong, fault by fault. That it came from
-- three snapshots is tested with several sessions, elsewhere.

begin;
select plan(31);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql

-- cut at 100 rows, so 60 blocked decisions become 10

insert into runs (id, tenant_id) values ('run-many', 'tenant-a');
insert into incidents (id, tenant_id, source_run_id)
  select 'inc-' || i, 'tenant-a', 'run-many' from generate_series(1, 130) as i;
insert into prevention_records (id, tenant_id, run_id, outcome)
  select 'eval-' || i, 'tenant-a', 'run-many', 'BLOCKED' from generate_series(1, 250) as i;
insert into limit_breaches (id, tenant_id, run_id)
  select 'breach-' || i, 'tenant-a', 'run-many' from generate_series(1, 120) as i;

select results_eq(
  $$ select kind, count(*), count(distinct record_id) from runlink_evidence('run-many') group by kind order by kind $$,
  $$ values ('decision', 250::bigint, 250::bigint), ('incident', 130, 130), ('limit_breach', 120, 120),
       ('policy_evaluation', 250, 250), ('run', 1, 1) $$,
  'cut at 100 rows: 250 blocked evaluations are 250 evaluations and 250 decisions');
select results_eq(
  $$ select incident_count, policy_evaluation_count, decision_count, limit_breach_count from runlink_linkage('run-many') $$,
  $$ values (130::bigint, 250::bigint, 250::bigint, 120::bigint) $$,
  'cut at 100 rows: linkage counts all');
select results_eq(
  $$ select jsonb_array_length(j -> 'incidents_caused'), jsonb_array_length(j -> 'policies_evaluated'),
       jsonb_array_length(j -> 'decisions_made'), jsonb_array_length(j -> 'limits_hit')
     from runlink_evidence_json('run-many') as j $$,
  $$ values (130, 250, 250, 120) $$,
  'cut at 100 rows: evidence_json has all');
select is(
  (select count(distinct decision ->> 'decision_id')
   from jsonb_array_elements(runlink_evidence_json('run-many') -> 'decisions_made') as decision),
  250::bigint, 'cut at 100 rows: the decisions have ids of their own in evidence_json');
select is(
  (select count(*) from regexp_matches(runlink_report('run-many'), '\| dec-eval-\d+ \|', 'g')),
  250::bigint, 'cut at 100 rows: the report lists all');

insert into runs (id, tenant_id) values ('run-outcomes', 'tenant-a');
insert into prevention_records (id, tenant_id, run_id, outcome)
  select 'outcome-' || n, 'tenant-a', 'run-outcomes', outcome
  from unnest('{prevented,Blocked,WARNED,stopped,Killed,audited,mitigated,failed,allowed,violation_incident,no_violation,advisory,not_applicable}'::text[])
    with ordinality as o (outcome, n);
select results_eq(
  $$ select record_id, outcome from runlink_evidence('run-outcomes') where kind = 'decision' $$,
  $$ values ('dec-outcome-1', 'PREVENTED'), ('dec-outcome-2', 'BLOCKED'), ('dec-outcome-3', 'WARNED'),
       ('dec-outcome-4', 'STOPPED'), ('dec-outcome-5', 'KILLED') $$,
  'the decisions are those evaluations and no others');
select is(
  (select count(distinct outcome) from runlink_evidence('run-outcomes') where kind = 'policy_evaluation'),
  13::bigint, 'and evaluations keep their outcome as stored');

-- no privilege on incidents gives all-empty lists

create role runlink_test_reader;
grant usage on schema public, tap to runlink_test_reader;
grant select on all tables in schema public to runlink_test_reader;
revoke select on incidents from runlink_test_reader;
set local role runlink_test_reader;
select throws_ok(format('select * from %s(''run-many'')', call), '42501', 'permission denied for relation public.incidents',
  'no privilege on incidents: ' || call || ' says so')
from unnest('{runlink_evidence,runlink_evidence_json,runlink_linkage,runlink_governance,runlink_report}'::text[]) as call;
reset role;

savepoint no_table;
drop table incidents;
select throws_ok(format('select * from %s(''run-many'')', call), '42P01', 'relation public.incidents does not exist',
  'no table incidents: ' || call || ' says so')
from unnest('{runlink_evidence,runlink_evidence_json}'::text[]) as call;
rollback to no_table;

-- NULL created_at becomes now()

insert into runs (id, tenant_id) values ('run-undated', 'tenant-a');
insert into incidents (id, tenant_id, source_run_id, created_at) values
  ('inc-undated', 'tenant-a', 'run-undated', null), ('inc-dated', 'tenant-a', 'run-undated', '2030-01-01 00:00:00+00');
insert into prevention_records (id, tenant_id, run_id, outcome, created_at) values
  ('eval-undated', 'tenant-a', 'run-undated', 'BLOCKED', null);

select results_eq(
  $$ select record_id, occurred_at from runlink_evidence('run-undated') where kind <> 'run' $$,
  $$ values ('inc-dated', '2030-01-01 00:00:00+00'::timestamptz), ('dec-eval-undated', null), ('inc-undated', null), ('eval-undated', null) $$,
  'NULL created_at stays NULL, and comes last');
select results_eq(
  $$ select j #> '{incidents_caused,1,created_at}', j #> '{policies_evaluated,0,evaluated_at}', j #> '{decisions_made,0,decided_at}'
     from runlink_evidence_json('run-undated') as j $$,
  $$ values ('null'::jsonb, 'null'::jsonb, 'null'::jsonb) $$,
  'NULL created_at is null in evidence_json');
select is(
  (select count(*) from regexp_matches(runlink_report('run-undated'), '^\|  \| \w+ \| [a-z-]*undated \|', 'gn')),
  3::bigint, 'NULL created_at is an empty cell in the report');

-- another tenant's rule names leak through the join

insert into runs (id, tenant_id) values ('run-names', 'tenant-a');
insert into policy_rules (id, tenant_id, name) values
  ('rule-of-a', 'tenant-a', 'Rule of A'), ('rule-of-b', 'tenant-b', 'Secret rule of B');
insert into limits (id, tenant_id, name) values
  ('limit-of-a', 'tenant-a', 'Limit of A'), ('limit-of-b', 'tenant-b', 'Secret limit of B');
insert into prevention_records (id, tenant_id, run_id, policy_id, outcome) values
  ('eval-names-a', 'tenant-a', 'run-names', 'rule-of-a', 'WARNED'), ('eval-names-b', 'tenant-a', 'run-names', 'rule-of-b', 'WARNED'),
  ('eval-names-none', 'tenant-a', 'run-names', 'no-such-rule', 'allowed');
insert into policy_enforcements (id, tenant_id, run_id, rule_id) values
  ('enf-names-a', 'tenant-a', 'run-names', 'rule-of-a'), ('enf-names-b', 'tenant-a', 'run-names', 'rule-of-b');
insert into limit_breaches (id, tenant_id, run_id, limit_id) values
  ('breach-names-a', 'tenant-a', 'run-names', 'limit-of-a'), ('breach-names-b', 'tenant-a', 'run-names', 'limit-of-b');

select results_eq(
  $$ select record_id, title from runlink_evidence('run-names') where kind <> 'run' order by record_id $$,
  $$ values ('breach-names-a', 'Limit of A'), ('breach-names-b', null),
       ('dec-eval-names-a', 'Rule of A'), ('dec-eval-names-b', null),
       ('enf-names-a', 'Rule of A'), ('enf-names-b', null),
       ('eval-names-a', 'Rule of A'), ('eval-names-b', null), ('eval-names-none', null) $$,
  'another tenant''s rules and limits are not named');
select unalike(runlink_evidence_json('run-names')::text, '%Secret%', 'not in evidence_json');
select unalike(runlink_report('run-names'), '%Secret%', 'nor in the report');
select is_empty(
  $$ select * from runlink_evidence('run-names', 'tenant-b') where title is not null $$,
  'nor when the other tenant asks for it');

-- rows of another tenant that name the run are not evidence of it
insert into prevention_records (id, tenant_id, run_id, policy_id, outcome) values
  ('eval-names-foreign', 'tenant-b', 'run-names', 'rule-of-b', 'WARNED');
select is_empty(
  $$ select * from runlink_evidence('run-names') where tenant_id <> 'tenant-a' or record_id ~ 'foreign' $$,
  'another tenant''s records are not evidence');
select results_eq(
  $$ select policy_evaluation_count, other_tenant_count from runlink_linkage('run-names') $$,
  $$ values (3::bigint, 1::bigint) $$,
  'another tenant''s records are counted apart');

-- decision ids are `dec-` + 8 characters and collide

insert into runs (id, tenant_id) values ('run-decisions', 'tenant-a');
insert into prevention_records (id, tenant_id, run_id, outcome) values
  ('deadbeef-0001', 'tenant-a', 'run-decisions', 'BLOCKED'),
  ('deadbeef-0002', 'tenant-a', 'run-decisions', 'KILLED'),
  ('deadbeef', 'tenant-a', 'run-decisions', 'WARNED'),
  (repeat('deadbeef', 8), 'tenant-a', 'run-decisions', 'STOPPED');

select set_eq(
  $$ select record_id, detail ->> 'evaluation_id', outcome from runlink_evidence('run-decisions') where kind = 'decision' $$,
  $$ select 'dec-' || id, id::text, outcome::text from prevention_records where run_id = 'run-decisions' $$,
  'decision ids hold the whole id of the evaluation');
select bag_eq(
  $$ select decision ->> 'decision_id' from jsonb_array_elements(runlink_evidence_json('run-decisions') -> 'decisions_made') as decision $$,
  $$ select 'dec-' || id from prevention_records where run_id = 'run-decisions' $$,
  'decision ids in evidence_json too');

-- synthetic rows unmarked

insert into runs (id, tenant_id, is_synthetic, synthetic_scenario_id) values ('run-synthetic', 'tenant-a', true, 'scenario-1');
insert into incidents (id, tenant_id, source_run_id, is_synthetic, synthetic_scenario_id) values
  ('synthetic-inc', 'tenant-a', 'run-synthetic', true, 'scenario-1');
insert into prevention_records (id, tenant_id, run_id, outcome, is_synthetic, synthetic_scenario_id, is_simulated) values
  ('synthetic-eval', 'tenant-a', 'run-synthetic', 'BLOCKED', true, 'scenario-1', false),
  ('simulated-eval', 'tenant-a', 'run-synthetic', 'BLOCKED', false, null, true);
insert into aos_traces (trace_id, run_id, tenant_id, is_synthetic, synthetic_scenario_id) values
  ('synthetic-trace', 'run-synthetic', 'tenant-a', true, 'scenario-1');
insert into llm_run_records (id, tenant_id, run_id, is_synthetic, synthetic_scenario_id) values
  ('synthetic-llm', 'tenant-a', 'run-synthetic', true, 'scenario-1');

select results_eq(
  $$ select kind, detail -> 'is_synthetic', detail ->> 'synthetic_scenario_id'
     from runlink_evidence('run-synthetic') where record_id !~ 'simulated' order by kind $$,
  $$ select kind, 'true'::jsonb, 'scenario-1' from unnest('{decision,incident,llm_run_record,policy_evaluation,run,trace}'::text[]) as kind $$,
  'synthetic rows are marked');
select results_eq(
  $$ select kind, detail -> 'is_synthetic', detail -> 'is_simulated'
     from runlink_evidence('run-synthetic') where record_id ~ 'simulated' order by kind $$,
  $$ values ('decision', 'false'::jsonb, 'true'::jsonb), ('policy_evaluation', 'false', 'true') $$,
  'simulated rows are marked');
select is_empty(
  $$ select * from runlink_evidence('run-names')
     where kind in ('run', 'policy_evaluation', 'decision') and detail -> 'is_synthetic' is distinct from 'false' $$,
  'rows that are not synthetic say so');

-- A run with nothing linked and a run that is missing never look the same.

insert into runs (id, tenant_id) values ('run-bare', 'tenant-a');
select results_eq(
  $$ select kind, record_id, linked_by from runlink_evidence('run-bare') $$,
  $$ values ('run', 'run-bare', 'id') $$,
  'a run with nothing linked gives its own row');
select is_empty($$ select * from runlink_evidence('run-nowhere') $$, 'a missing run gives none');
select results_eq(
  $$ select run, tenant, runlink_evidence_json(run, tenant) - 'computed_at'
     from (values ('run-bare', null), ('run-bare', 'tenant-b'), ('run-nowhere', null)) as v (run, tenant) $$,
  $$ select run, tenant, jsonb_build_object('run_id', run, 'run_found', found, 'incidents_caused', '[]'::jsonb,
       'policies_evaluated', '[]'::jsonb, 'limits_hit', '[]'::jsonb, 'decisions_made', '[]'::jsonb, 'governance_events', '[]'::jsonb)
     from (values ('run-bare', null, true), ('run-bare', 'tenant-b', true), ('run-nowhere', null, false)) as v (run, tenant, found) $$,
  'in evidence_json, run_found tells them apart, whoever owns the run');

select * from finish();
rollback;
