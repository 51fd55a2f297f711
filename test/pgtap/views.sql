-- The views: what they are to a reader, that they say of every run what the calls say of one, what
-- they say of sealing, and what they do without what an installation may lack.

begin;
select plan(95);
set local client_min_messages = warning;

create extension runlink schema public;

create temp table view (name text primary key, key text[], columns text);
insert into view values
  ('runlink_runs', '{run_id}',
   'run_id text, tenant_id text, parent_run_id text, agent_id text, goal text, status text, risk_level text, '
   'policy_violation boolean, created_at timestamp with time zone, started_at timestamp with time zone, '
   'completed_at timestamp with time zone, duration_ms double precision, input_tokens integer, output_tokens integer, '
   'estimated_cost_usd numeric, is_synthetic boolean, incident_count integer, policy_evaluation_count integer, '
   'decision_count integer, policy_enforcement_count integer, limit_breach_count integer, governance_event_count integer, '
   'trace_count integer, step_count integer, llm_run_record_count integer, legacy_link_count integer, '
   'other_tenant_count integer, gap_count integer, sealing text, last_verification_status text, '
   'last_verified_at timestamp with time zone'),
  ('runlink_evidence_items', '{run_id,kind,record_id}',
   'run_id text, tenant_id text, domain text, kind text, record_id text, occurred_at timestamp with time zone, severity text, '
   'outcome text, title text, linked_by text, is_synthetic boolean'),
  ('runlink_governance_events', '{run_id,record_id}',
   'run_id text, tenant_id text, record_id text, occurred_at timestamp with time zone, event_type text, entity_type text, '
   'entity_id text, actor_type text, actor_id text, action_reason text, linked_by text'),
  ('runlink_policy_decisions', '{run_id,decision_id}',
   'run_id text, tenant_id text, decision_id text, evaluation_id text, decided_at timestamp with time zone, decision text, '
   'policy_id text, policy_name text, match_confidence double precision, linked_by text, is_synthetic boolean, '
   'is_simulated boolean'),
  ('runlink_limit_hits', '{breach_id}',
   'run_id text, tenant_id text, breach_id text, limit_id text, limit_name text, breach_type text, '
   'breached_at timestamp with time zone, recovered_at timestamp with time zone, recovered_after_ms double precision, '
   'value_at_breach numeric, limit_value numeric'),
  ('runlink_trace_integrity', '{trace_id}',
   'run_id text, tenant_id text, trace_id text, trace_status text, started_at timestamp with time zone, '
   'completed_at timestamp with time zone, duration_ms double precision, step_count integer, sealing text, '
   'sealed_step_count integer, backfilled_step_count integer, recorded_step_count integer, unsealed_step_count integer, '
   'sealed_as_ended boolean, sealed_root_hash text, sealed_merkle_root text, sealed_at timestamp with time zone, '
   'is_synthetic boolean, last_verification_status text, '
   'last_verified_at timestamp with time zone');

-- To a reader, before there is any table.

select is(
  (select string_agg(attname || ' ' || format_type(atttypid, null), ', ' order by attnum)
   from pg_attribute where attrelid = name::regclass and attnum > 0),
  columns, name || ' has the documented columns')
from view order by name;
select is((select reloptions from pg_class where oid = name::regclass), '{security_invoker=true}',
  name || ' reads as its reader')
from view order by name;
select ok(has_table_privilege('public', name, 'select') and not has_table_privilege('public', name, 'insert, update, delete'),
  name || ' may be read by everyone, and no more')
from view order by name;
select is(
  (select format('%s %s strict %s settings %s', lanname, provolatile, proisstrict, proconfig)
   from pg_proc join pg_language l on l.oid = prolang where proname = name || '_rows'),
  'sql s strict f settings ', name || '_rows can be inlined')
from view order by name;
select is(
  (select obj_description(name::regclass) ~ format('^@primaryKey %s\n(@foreignKey \(run_id\) references runlink_runs \(run_id\)\n)?[A-Z]',
    array_to_string(key, ','))),
  true, name || ' names its key for GraphQL, then speaks to people')
from view order by name;
select throws_ok('select * from ' || name, '42P01', null, name || ' without the application''s tables is an error')
from view order by name;

\i test/fixture/schema.sql
\i test/fixture/example.sql

-- The documented example.

select results_eq(
  $$ select incident_count, policy_evaluation_count, decision_count, limit_breach_count, governance_event_count,
       trace_count, step_count, legacy_link_count, other_tenant_count, duration_ms, sealing
     from runlink_runs where run_id = 'run-linkage-test-001' $$,
  $$ values (2, 3, 3, 1, 3, 1, 5, 0, 0, 720000::float8, 'unsealed') $$,
  'the documented run');
select results_eq('select count(*) from runlink_evidence_items', 'values (14::bigint)', 'has its evidence');

-- Awkward rows.

\i test/fixture/defaults.sql
alter table incidents drop constraint incidents_source_run_id_fkey;

insert into runs (id, tenant_id) values
  ('run-a', 'tenant-a'), ('run-a2', 'tenant-a'), ('run-b', 'tenant-b'), ('run-nobody', null), ('run-empty', 'tenant-a'),
  ('123', 'tenant-a'), ('true', 'tenant-a'), ('None', 'tenant-b'), ('run "q" ''s', 'tenant-a');
insert into policy_rules (id, tenant_id, name) values ('rule-a', 'tenant-a', 'Rule of a'), ('rule-b', 'tenant-b', 'Rule of b');
insert into limits (id, tenant_id, name) values ('limit-a', 'tenant-a', 'Limit of a'), ('limit-b', 'tenant-b', 'Limit of b');
insert into incidents (id, tenant_id, source_run_id, llm_run_id, created_at) values
  ('inc-a', 'tenant-a', 'run-a', null, null), ('inc-both', 'tenant-a', 'run-a', 'run-a2', 'infinity'),
  ('inc-old', 'tenant-a', null, 'run-a', '-infinity'), ('inc-foreign', 'tenant-b', 'run-a', null, null),
  ('inc-foreign-old', 'tenant-b', null, 'run-a', null), ('inc-gone', 'tenant-a', 'run-gone', null, '2026-01-01'),
  ('inc-gone-b', 'tenant-b', 'run-gone', null, '2026-01-01'), ('inc-nobody', 'tenant-a', 'run-nobody', null, '2026-01-01'),
  ('inc-nobody-b', 'tenant-b', 'run-nobody', null, '2026-01-01'), ('inc-unlinked', 'tenant-a', null, null, '2026-01-01'),
  ('inc-q', 'tenant-a', 'run "q" ''s', null, '2026-01-01');
insert into prevention_records (id, tenant_id, run_id, blocked_incident_id, original_incident_id, outcome, policy_id, created_at) values
  ('eval-a', 'tenant-a', 'run-a', 'run-a2', 'run-a2', 'blocked', 'rule-a', null),
  ('eval-a-other-rule', 'tenant-a', 'run-a', 'x', 'x', 'Killed', 'rule-b', '2026-01-01'),
  ('eval-a-allowed', 'tenant-a', 'run-a', 'x', 'x', 'allowed', 'no rule', '2026-01-01'),
  ('eval-old-blocked', 'tenant-a', null, 'run-a', 'x', 'WARNED', 'rule-a', '2026-01-01'),
  ('eval-old-original', 'tenant-a', null, 'x', 'run-a', 'allowed', 'rule-a', '2026-01-01'),
  ('eval-old-same', 'tenant-a', null, 'run-a', 'run-a', 'stopped', 'rule-a', '2026-01-01'),
  ('eval-old-two', 'tenant-a', null, 'run-a', 'run-a2', 'prevented', 'rule-a', '2026-01-01'),
  ('eval-foreign', 'tenant-b', 'run-a', 'x', 'x', 'BLOCKED', 'rule-b', '2026-01-01'),
  ('eval-foreign-old', 'tenant-b', null, 'x', 'run-a', 'BLOCKED', 'rule-b', '2026-01-01'),
  ('eval-unlinked', 'tenant-a', null, 'inc-a', 'inc-old', 'BLOCKED', 'rule-a', '2026-01-01'),
  ('eval-gone', 'tenant-a', 'run-gone', 'x', 'x', 'BLOCKED', 'rule-a', '2026-01-01');
insert into policy_enforcements (id, tenant_id, run_id, rule_id) values
  ('enf-a', 'tenant-a', 'run-a', 'rule-a'), ('enf-foreign', 'tenant-b', 'run-a', 'rule-b'), ('enf-none', 'tenant-a', null, 'rule-a');
insert into limit_breaches (id, tenant_id, run_id, limit_id, breached_at, recovered_at) values
  ('breach-a', 'tenant-a', 'run-a', 'limit-a', '2026-01-01 00:00:00+00', '2026-01-01 00:00:01.5+00'),
  ('breach-a-other', 'tenant-a', 'run-a', 'limit-b', '-infinity', 'infinity'), ('breach-foreign', 'tenant-b', 'run-a', 'limit-b', now(), null),
  ('breach-none', 'tenant-a', null, 'limit-a', now(), null), ('breach-gone', 'tenant-b', 'run-gone', 'limit-b', now(), null);
insert into audit_ledger (id, tenant_id, entity_type, entity_id, before_state, after_state) values
  ('ev-after', 'tenant-a', 'LIMIT', 'limit-a', null, '{"run_id": "run-a"}'),
  ('ev-after-source', 'tenant-a', 'LIMIT', 'limit-a', null, '{"source_run_id": "run-a"}'),
  ('ev-before', 'tenant-a', 'LIMIT', 'limit-a', '{"run_id": "run-a"}', null),
  ('ev-before-source', 'tenant-a', 'LIMIT', 'limit-a', '{"source_run_id": "run-a"}', null),
  ('ev-all', 'tenant-a', 'INCIDENT', 'inc-a', '{"run_id": "run-a", "source_run_id": "run-a"}', '{"run_id": "run-a", "source_run_id": "run-a"}'),
  ('ev-four-runs', 'tenant-a', 'INCIDENT', 'inc-a', '{"run_id": "run-gone", "source_run_id": "123"}', '{"run_id": "run-a2", "source_run_id": "run-empty"}'),
  ('ev-entity', 'tenant-a', 'INCIDENT', 'inc-a', null, null), ('ev-entity-old', 'tenant-a', 'INCIDENT', 'inc-old', '[]', '[]'),
  ('ev-entity-foreign', 'tenant-b', 'INCIDENT', 'inc-a', null, null), ('ev-entity-limit', 'tenant-a', 'LIMIT', 'inc-a', null, null),
  ('ev-foreign', 'tenant-b', 'LIMIT', 'limit-b', null, '{"run_id": "run-a"}'),
  ('ev-number', 'tenant-a', 'LIMIT', 'limit-a', '{"run_id": 123.0}', '{"run_id": 123}'),
  ('ev-boolean', 'tenant-a', 'LIMIT', 'limit-a', null, '{"run_id": true}'), ('ev-null', 'tenant-a', 'LIMIT', 'limit-a', null, '{"run_id": null}'),
  ('ev-array', 'tenant-a', 'LIMIT', 'limit-a', '"run-a"', '["run_id", "run-a"]'), ('ev-array-object', 'tenant-a', 'LIMIT', 'limit-a', 'null', '[{"run_id": "run-a"}]'),
  ('ev-nested', 'tenant-a', 'LIMIT', 'limit-a', '3', '{"x": {"run_id": "run-a"}}'), ('ev-none', 'tenant-a', 'LIMIT', 'limit-a', null, '{"run_id": "None"}'),
  ('ev-gone', 'tenant-a', 'LIMIT', 'limit-a', null, '{"run_id": "run-gone"}'), ('ev-empty', 'tenant-a', 'LIMIT', 'limit-a', null, '{"run_id": ""}'),
  ('ev-nobody', 'tenant-b', 'LIMIT', 'limit-a', null, '{"run_id": "run-nobody"}'), ('ev-q', 'tenant-a', 'LIMIT', 'limit-a', null, '{"run_id": "run \"q\" ''s"}');
insert into aos_traces (trace_id, tenant_id, run_id, status, started_at, completed_at) values
  ('tr-a', 'tenant-a', 'run-a', 'completed', '2026-01-01 00:00:00+00', '2026-01-01 00:00:02.25+00'),
  ('tr-a-again', 'tenant-a', 'run-a', 'running', '2026-01-01 00:00:00+00', null), ('tr-foreign', 'tenant-b', 'run-a', 'completed', '-infinity', 'infinity'),
  ('tr-gone', 'tenant-b', 'run-gone', 'failed', '-infinity', 'infinity'), ('run-b', 'tenant-a', 'run-a2', 'completed', now(), now());
insert into aos_trace_steps (trace_id, step_index) select t, i from unnest('{tr-a,tr-foreign,run-b}'::text[]) as t, generate_series(0, 2) as i;
insert into llm_run_records (id, tenant_id, run_id, provider, model) values ('llm-a', 'tenant-a', 'run-a', 'p', 'm'), ('llm-b', 'tenant-b', 'run-a', 'p', 'm');

-- Every id that any record has where a run's may be, but for old links, and some that are none.
create temp table id as
  select id as run_id from runs union select source_run_id from incidents where source_run_id is not null
  union select run_id from prevention_records where run_id is not null
  union values ('nope'), ('run-gone'), ('None'), ('true'), ('123.0'), ('run');

select bag_eq(
  $$ select run_id, tenant_id, domain, kind, record_id, occurred_at, severity, outcome, title, linked_by from runlink_evidence_items where run_id <> '' $$,
  $$ select e.run_id, tenant_id, domain, kind, record_id, occurred_at, severity, outcome, title, linked_by from id, runlink_evidence(id.run_id) as e $$,
  'evidence items are the evidence of every run');
select cmp_ok((select count(*) from runlink_evidence_items where run_id = 'run-a'), '>', 20::bigint, 'of which there is some');
select results_eq(
  $$ select kind, linked_by from runlink_evidence_items where run_id in ('run-a', 'run-a2') group by 1, 2 order by kind collate "C", linked_by collate "C" $$,
  $$ values ('decision', 'blocked_incident_id'), ('decision', 'original_incident_id'), ('decision', 'run_id'),
       ('governance_event', 'after_state.run_id'), ('governance_event', 'after_state.source_run_id'),
       ('governance_event', 'before_state.run_id'), ('governance_event', 'before_state.source_run_id'), ('governance_event', 'entity_id'),
       ('incident', 'llm_run_id'), ('incident', 'source_run_id'), ('limit_breach', 'run_id'), ('llm_run_record', 'run_id'),
       ('policy_enforcement', 'run_id'), ('policy_evaluation', 'blocked_incident_id'), ('policy_evaluation', 'original_incident_id'),
       ('policy_evaluation', 'run_id'), ('run', 'id'), ('trace', 'run_id') $$,
  'of every kind and link');
select bag_eq(
  $$ select run_id, tenant_id, record_id, occurred_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason, linked_by
     from runlink_governance_events where run_id <> '' $$,
  $$ select g.run_id, tenant_id, record_id, occurred_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason, linked_by
     from id, runlink_governance(id.run_id) as g $$,
  'governance events are those of every run');
select results_eq($$ select record_id from runlink_governance_events where run_id = '' $$, $$ values ('ev-empty'::text) $$,
  'and one that names the run '''', which no call can be asked for');
select bag_eq(
  $$ select run_id, tenant_id, decision_id, decided_at, decision, policy_name, linked_by from runlink_policy_decisions $$,
  $$ select e.run_id, tenant_id, record_id, occurred_at, outcome, title, linked_by from id, runlink_evidence(id.run_id) as e where kind = 'decision' $$,
  'policy decisions are those of the evidence');
select bag_eq(
  $$ select run_id, tenant_id, breach_id, breached_at, breach_type, limit_name from runlink_limit_hits $$,
  $$ select e.run_id, tenant_id, record_id, occurred_at, outcome, title from id, runlink_evidence(id.run_id) as e where kind = 'limit_breach' $$,
  'limit hits are the limit breaches of the evidence');
select bag_eq(
  $$ select run_id, tenant_id, trace_id, trace_status, started_at from runlink_trace_integrity $$,
  $$ select e.run_id, tenant_id, record_id, outcome, occurred_at from id, runlink_evidence(id.run_id) as e where kind = 'trace' $$,
  'traces are those of the evidence');
select bag_eq(
  $$ select run_id, tenant_id, incident_count, policy_evaluation_count, decision_count, limit_breach_count, governance_event_count,
       trace_count, step_count, legacy_link_count, other_tenant_count from runlink_runs $$,
  $$ select l.run_id, l.tenant_id, l.incident_count::int, policy_evaluation_count::int, decision_count::int, limit_breach_count::int,
       governance_event_count::int, trace_count::int, step_count::int, legacy_link_count::int, other_tenant_count::int
     from runs, runlink_linkage(id) as l $$,
  'the counts of runs are those of their linkage');
select results_eq($$ select legacy_link_count, other_tenant_count, policy_enforcement_count, llm_run_record_count from runlink_runs where run_id = 'run-a' $$,
  $$ values (5, 9, 1, 1) $$, 'which are counts of something');
select bag_eq('select run_id, gap_count from runlink_runs',
  $$ select id, (select count(*) from runlink_gaps(id) where level in ('error', 'warn'))::int from runs $$,
  'the count of gaps is of those of the run');
select cmp_ok((select gap_count from runlink_runs where run_id = 'run-a'), '>', 10, 'which are some');
select is_empty(
  format('select %s, count(*) from %s group by %1$s having count(*) > 1 or num_nulls(%1$s) > 0', array_to_string(key, ', '), name),
  'the key of ' || name || ' is one')
from view order by name;

-- Old links to what is no run are no evidence of one, and unlinked records are of none.
select is_empty(
  $$ select run_id, record_id from runlink_evidence_items
     where record_id in ('inc-unlinked', 'eval-unlinked', 'breach-none', 'enf-none', 'ev-number', 'ev-array', 'ev-nested') $$,
  'what names no run is not there');

-- Durations are milliseconds, and none where an end is infinite.
select results_eq($$ select breach_id, recovered_after_ms from runlink_limit_hits where run_id = 'run-a' order by 1 $$,
  $$ values ('breach-a', 1500::float8), ('breach-a-other', null) $$, 'how long a limit was exceeded');
select results_eq($$ select trace_id, duration_ms from runlink_trace_integrity where run_id in ('run-a', 'run-gone') order by 1 $$,
  $$ values ('tr-a', 2250::float8), ('tr-a-again', null), ('tr-gone', null) $$, 'how long a trace took');

-- How far traces are sealed.

create function pg_temp.sealings() returns text language sql stable as $$
  select string_agg(run_id || ' ' || sealing, ', ' order by run_id) from runlink_runs where run_id ~ '^s-'
$$;
create function pg_temp.add_trace(run text, trace text, steps integer, status text) returns void
begin atomic
  insert into aos_traces (trace_id, tenant_id, run_id, status) values (trace, 'tenant-s', run, 'running');
  insert into aos_trace_steps (trace_id, step_index) select trace, i from generate_series(0, steps - 1) as i;
  update aos_traces as t set status = add_trace.status where t.trace_id = add_trace.trace;
end;
insert into runs (id, tenant_id) select 's-' || s, 'tenant-s'
from unnest('{no_trace,sealed,recorded,unsealed,missing,no_steps,several}'::text[]) as s;
select is(pg_temp.sealings(),
  's-missing no_trace, s-no_steps no_trace, s-no_trace no_trace, s-recorded no_trace, s-sealed no_trace, s-several no_trace, s-unsealed no_trace',
  'runs without traces');
select pg_temp.add_trace('s-unsealed', 'tr-unsealed', 3, 'completed') \g /dev/null
select is((select sealing from runlink_runs where run_id = 's-unsealed'), 'unsealed', 'nothing is sealed where sealing was never enabled');
select runlink_enable_sealing() \g /dev/null
select pg_temp.add_trace('s-sealed', 'tr-sealed', 3, 'completed'), pg_temp.add_trace('s-recorded', 'tr-recorded', 3, 'running'),
  pg_temp.add_trace('s-missing', 'tr-missing', 3, 'completed'), pg_temp.add_trace('s-no_steps', 'tr-no_steps', 0, 'completed'),
  pg_temp.add_trace('s-several', 'tr-several-1', 3, 'completed'), pg_temp.add_trace('s-several', 'tr-several-2', 3, 'running') \g /dev/null
set local session_replication_role = replica;
delete from aos_trace_steps where trace_id = 'tr-missing' and step_index = 1;
set local session_replication_role = origin;
select is(pg_temp.sealings(),
  's-missing steps_missing, s-no_steps no_steps, s-no_trace no_trace, s-recorded recorded, s-sealed sealed, s-several recorded, s-unsealed unsealed',
  'each as far as it is, and a run with several traces as the worst');
select results_eq(
  $$ select trace_id, sealing, step_count, sealed_step_count, backfilled_step_count, recorded_step_count, unsealed_step_count, sealed_as_ended
     from runlink_trace_integrity where tenant_id = 'tenant-s' order by trace_id collate "C" $$,
  $$ values ('tr-missing', 'steps_missing', 2, 3, 0, 0, 0, true), ('tr-no_steps', 'no_steps', 0, 0, 0, 0, 0, true),
       ('tr-recorded', 'recorded', 3, 0, 0, 3, 0, false), ('tr-sealed', 'sealed', 3, 3, 0, 0, 0, true),
       ('tr-several-1', 'sealed', 3, 3, 0, 0, 0, true), ('tr-several-2', 'recorded', 3, 0, 0, 3, 0, false),
       ('tr-unsealed', 'unsealed', 3, 0, 0, 0, 3, false) $$,
  'and so the traces');
select bag_eq(
  $$ select trace_id, step_count::bigint, sealed_step_count::bigint, backfilled_step_count::bigint, unsealed_step_count::bigint, sealed_root_hash, sealed_at
     from runlink_trace_integrity where tenant_id = 'tenant-s' and trace_id <> 'tr-missing' $$,
  $$ select p.trace_id, chain_length, sealed_length, backfilled_length, unsealed_length, sealed_root_hash, sealed_at
     from runs, runlink_proof(id) as p where runs.tenant_id = 'tenant-s' and p.trace_id <> 'tr-missing' $$,
  'in numbers and hashes as the proof has them, where it finds nothing');
select runlink_seal_pending(null, 's-unsealed') \g /dev/null
select results_eq($$ select sealing, backfilled_step_count from runlink_trace_integrity where trace_id = 'tr-unsealed' $$,
  $$ values ('sealed', 3) $$, 'what was sealed later is backfilled');
set local session_replication_role = replica;
update aos_trace_steps set skill_name = 'altered' where trace_id = 'tr-sealed' and step_index = 0;
set local session_replication_role = origin;
select results_eq($$ select sealing, (select verification_status from runlink_proof(run_id)) from runlink_runs where run_id = 's-sealed' $$,
  $$ values ('sealed', 'FAILED') $$, 'sealed says nothing of whether steps are as they were, as its comment says');
select alike(col_description('runlink_runs'::regclass, attnum), '%None of these says that the steps are as they were: runlink_proof(run_id) does%',
  'as its comment says')
from pg_attribute where attrelid = 'runlink_runs'::regclass and attname = 'sealing';
alter table runlink.seal add column more integer;
select is(pg_temp.sealings(),
  's-missing unknown, s-no_steps unknown, s-no_trace no_trace, s-recorded unknown, s-sealed unknown, s-several unknown, s-unsealed unknown',
  'a state that cannot be read is unknown, never good');
drop schema runlink cascade;

-- What is not asked for costs nothing, and what an installation may lack is not missed.

\i test/fixture/asking.sql
select unalike(pg_temp.plan_of('select run_id, tenant_id, status, created_at, duration_ms from runlink_runs'), '%SubPlan%',
  'a list of runs counts nothing');
select unalike(pg_temp.plan_of('select run_id, trace_id, duration_ms from runlink_trace_integrity'), '%aos_trace_steps%',
  'a list of traces counts no steps');
select unalike(pg_temp.plan_of('select run_id, step_count from runlink_trace_integrity'), '%runlink_trace_seal%',
  'and looks for no seals where steps are counted');
select unalike(pg_temp.plan_of('select run_id, trace_id, duration_ms from runlink_trace_integrity'), '%Function Scan%', 'nor elsewhere');
select unalike(pg_temp.plan_of('select legacy_link_count from runlink_runs'), '%llm_run_records%',
  'legacy links are looked up where there are some');
select unalike(pg_temp.plan_of('select run_id, record_id from runlink_evidence_items'), '%policy_rules%', 'a list of evidence looks up no names');
select unalike(pg_temp.plan_of($$ select * from runlink_evidence_items where kind = 'incident' $$), '%audit_ledger%',
  'evidence of one kind reads no other table');

prepare enforcements as select count(*) from runlink_evidence_items where kind in ('policy_enforcement', 'llm_run_record');
execute enforcements \gset with_tables_
select is(:with_tables_count, 2, 'the optional tables are read');
savepoint optional;
drop table policy_enforcements, llm_run_records;
execute enforcements \gset without_tables_
select is(:without_tables_count, 0, 'where they are gone, the same prepared statement goes on');
select results_eq($$ select policy_enforcement_count, llm_run_record_count, other_tenant_count from runlink_runs where run_id = 'run-a' $$,
  $$ values (0, 0, 7) $$, 'and so do the counts');
create table llm_run_records (id text, tenant_id text, run_id text, provider text, model text, execution_status text, started_at timestamptz);
insert into llm_run_records values ('llm-new', 'tenant-a', 'run-a', 'p', 'm', 's', now());
execute enforcements \gset new_table_
select is(:new_table_count, 1, 'and reads one that came after it was prepared');
select is((select llm_run_record_count from runlink_runs where run_id = 'run-a'), 1, 'as do the counts');
rollback to optional;

-- Columns that only detail tells of.
insert into id select id from runs where id ~ '^s-';
alter table runs drop column started_at, drop column duration_ms, drop column agent_id, drop column parent_run_id, drop column is_synthetic;
alter table incidents drop column llm_run_id, drop column is_synthetic;
alter table prevention_records drop column blocked_incident_id, drop column is_simulated, drop column is_synthetic;
alter table limit_breaches drop column recovered_at;
alter table llm_run_records drop column is_synthetic;
select is_empty(
  $$ select run_id from runlink_runs where num_nonnulls(started_at, duration_ms, agent_id, parent_run_id, is_synthetic) > 0 $$,
  'columns that the table does not have are NULL');
select bag_eq(
  $$ select run_id, tenant_id, domain, kind, record_id, occurred_at, severity, outcome, title, linked_by from runlink_evidence_items where run_id <> '' $$,
  $$ select e.run_id, tenant_id, domain, kind, record_id, occurred_at, severity, outcome, title, linked_by from id, runlink_evidence(id.run_id) as e $$,
  'and evidence items are still the evidence, without old links that are gone');
select bag_eq(
  $$ select run_id, incident_count, legacy_link_count, other_tenant_count from runlink_runs $$,
  $$ select l.run_id, l.incident_count::int, legacy_link_count::int, other_tenant_count::int from runs, runlink_linkage(id) as l $$,
  'and counts those of linkage');
select lives_ok('select * from ' || name, name || ' can be read') from view order by name;
-- This one runlink_gaps needs.
alter table aos_traces drop column completed_at;
select throws_like('select gap_count from runlink_runs', 'column "completed_at" of public.aos_traces does not exist', 'gaps that cannot be looked for are no count');
select lives_ok('select run_id, trace_count, sealing from runlink_runs', 'and not looked for where nobody asks');
select lives_ok('select * from runlink_trace_integrity', 'as in the other views');

-- What is required is an error that names it.
alter table incidents drop column source_run_id;
select throws_ok('select * from runlink_evidence_items', '42703', 'column "source_run_id" does not exist', 'a column that the calls need is missed');
select throws_ok('select incident_count from runlink_runs', '42703', null, 'by the counts too');
drop table audit_ledger cascade;
select throws_ok('select * from runlink_governance_events', '42P01', 'relation "public.audit_ledger" does not exist', 'and so is a table');

select * from finish();
rollback;
