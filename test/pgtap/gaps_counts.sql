-- Rules of runlink_gaps about what runs say of their records: each fires, stays silent where the two agree,
-- and is gone once its remedy, where it has one, was run as it is printed.

begin;
select plan(17);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/example.sql
\i test/fixture/defaults.sql

create temp view gap as
  select * from runlink_gap_incident_count_differs() union all select * from runlink_gap_policy_violation_differs();
create function pg_temp.told() returns setof text language sql stable as $$
  select concat_ws(' ', gap, level, domain, run_id, tenant_id, source_table, record_id, confidence,
    case when remedy is null then 'no remedy' else 'remedy' end)
  from gap order by gap collate "C", record_id collate "C"
$$;

select is_empty('select * from gap', 'the documented example has none');

-- incident_count

insert into runs (id, tenant_id, status, incident_count) values
  ('o''run %s', 'te''nant', 'succeeded', 5), ('low', 'a', 'failed', 0), ('none-left', 'a', 'halted', 1), ('legacy', 'a', 'succeeded', 3),
  ('legacy-canonical', 'a', 'succeeded', 1), ('legacy-all', 'a', 'succeeded', 2), ('foreign', 'a', 'succeeded', 1), ('shared', null, 'succeeded', 2),
  ('right', 'a', 'succeeded', 1), ('zero', 'a', 'succeeded', 0), ('going', 'a', 'running', 7), ('queued', 'a', 'queued', 7),
  ('retry', 'a', 'retry', 7), ('pending', 'a', 'pending_approval', 7), ('named-by-none', 'a', 'succeeded', 0);
insert into incidents (id, tenant_id, source_run_id, llm_run_id) values
  ('i-1', 'te''nant', 'o''run %s', null), ('i-2', 'te''nant', 'o''run %s', 'right'), ('i-3', 'a', 'low', null),
  ('i-4', 'a', 'legacy', null), ('i-5', 'a', null, 'legacy'), ('i-6', 'a', 'legacy-canonical', null), ('i-7', 'a', null, 'legacy-canonical'),
  ('i-8', 'a', 'legacy-all', null), ('i-9', 'a', null, 'legacy-all'), ('i-10', 'a', 'foreign', null), ('i-11', 'b', 'foreign', null),
  ('i-12', 'a', 'shared', null), ('i-13', 'b', 'shared', null), ('i-14', 'a', 'right', null), ('i-15', 'a', null, 'nope');
select results_eq('select pg_temp.told()',
  $$ values ('incident_count_differs warn incidents legacy a runs legacy certain remedy'), ('incident_count_differs warn incidents low a runs low certain remedy'),
       ('incident_count_differs warn incidents none-left a runs none-left certain remedy'),
       ('incident_count_differs warn incidents o''run %s te''nant runs o''run %s certain remedy') $$,
  'runs that are over, whose incident_count is not that of the incidents of their tenant, with old links or without');
select matches(detail, '^runs.incident_count is 3; incidents .*: 1 by source_run_id, 1 more by llm_run_id.*incident_write_engine', 'detail tells the numbers and the writer')
from gap where run_id = 'legacy';
select remedy as reviewed from gap where run_id = 'low' \gset
savepoint reviewed;
update runs set incident_count = 9 where id = 'low';
:reviewed;
select is((select incident_count from runs where id = 'low'), 9, 'the remedy changes nothing where the count is not what it was');
rollback to reviewed;
create temp table before as select * from runs;
select remedy from gap \gexec
select is_empty('select * from gap', 'the remedies mend them');
select set_eq($$ select r.id::text, r.incident_count from runs as r join before as b on b.id = r.id where r <> b $$,
  $$ values ('legacy', 2), ('low', 1), ('none-left', 0), ('o''run %s', 2) $$, 'and no other run');
delete from runs where id <> 'run-linkage-test-001' and id not in (select source_run_id from incidents where source_run_id is not null);

-- policy_violation

insert into runs (id, tenant_id, status, policy_violation, violation_policy_id) values
  ('v ''%I', 'te''nant', 'succeeded', false, null), ('v-lower', 'a', 'halted', false, null), ('v-legacy', 'a', 'failed', false, null), ('v-no-tenant', null, 'succeeded', false, null),
  ('v-warned', 'a', 'succeeded', false, null), ('v-allowed', 'a', 'succeeded', false, null), ('v-foreign', 'a', 'succeeded', false, null), ('v-simulated', 'a', 'succeeded', false, null),
  ('v-going', 'a', 'running', false, null), ('v-true', 'a', 'succeeded', true, null), ('v-none', 'a', 'succeeded', false, null),
  ('t-nothing', 'a', 'succeeded', true, null), ('t-allowed', 'a', 'failed', true, null), ('t-foreign', 'a', 'halted', true, null), ('t-warned', 'a', 'succeeded', true, null),
  ('t-incident', 'a', 'succeeded', true, null), ('t-enforced', 'a', 'succeeded', true, null), ('t-breach', 'a', 'succeeded', true, null),
  ('t-policy', 'a', 'succeeded', true, 'policy'), ('t-going', 'a', 'running', true, null);
insert into prevention_records (id, tenant_id, run_id, outcome, is_simulated, blocked_incident_id) values
  ('p-1', 'te''nant', 'v ''%I', 'BLOCKED', false, 'x'), ('p-2', 'te''nant', 'v ''%I', 'ALLOWED', false, 'x'), ('p-3', 'a', 'v-lower', 'violation_incident', false, 'x'),
  ('p-4', 'a', null, 'killed', false, 'v-legacy'), ('p-5', 'b', 'v-no-tenant', 'Stopped', false, 'x'), ('p-6', 'a', 'v-warned', 'WARNED', false, 'x'),
  ('p-7', 'a', 'v-allowed', 'allowed', false, 'x'), ('p-8', 'b', 'v-foreign', 'BLOCKED', false, 'x'), ('p-9', 'a', 'v-simulated', 'BLOCKED', true, 'x'),
  ('p-10', 'a', 'v-going', 'BLOCKED', false, 'x'), ('p-11', 'a', 'v-true', 'PREVENTED', false, 'x'), ('p-12', 'a', 't-allowed', 'no_violation', false, 'x'),
  ('p-13', 'b', 't-foreign', 'BLOCKED', false, 'x'), ('p-14', 'a', 't-warned', 'warned', false, 'x');
insert into incidents (id, tenant_id, source_run_id) values ('t-i-1', 'a', 't-incident'), ('t-i-2', 'b', 't-foreign');
update runs set incident_count = 1 where id = 't-incident';
insert into policy_enforcements (id, tenant_id, run_id) values ('t-e-1', 'a', 't-enforced'), ('t-e-2', 'b', 't-foreign');
insert into limit_breaches (id, tenant_id, run_id) values ('t-b-1', 'a', 't-breach'), ('t-b-2', 'b', 't-foreign');
select results_eq('select pg_temp.told()',
  $$ values ('policy_violation_differs warn policies t-allowed a runs t-allowed unknown no remedy'), ('policy_violation_differs warn policies t-foreign a runs t-foreign unknown no remedy'),
       ('policy_violation_differs warn policies t-nothing a runs t-nothing unknown no remedy'), ('policy_violation_differs warn policies v ''%I te''nant runs v ''%I certain remedy'),
       ('policy_violation_differs warn policies v-legacy a runs v-legacy likely remedy'), ('policy_violation_differs warn policies v-lower a runs v-lower certain remedy'),
       ('policy_violation_differs warn policies v-no-tenant runs v-no-tenant certain remedy') $$,
  'runs that are over, whose policy_violation is not what their tenant''s records say');
select matches(detail, '^runs.policy_violation is false; .*: 1, the first p-1\..*run_signal_driver.*policies_handler', 'detail tells the evidence and the writer')
from gap where run_id = 'v ''%I';
select alike(detail, '%policies_handler%The flag may be all that tells of the violation, so nothing here takes it back.', 'and why there is no remedy')
from gap where run_id = 't-nothing';
truncate before;
insert into before select * from runs;
select remedy from gap where remedy is not null \gexec
select results_eq('select run_id from gap order by 1', $$ values ('t-allowed'), ('t-foreign'), ('t-nothing') $$, 'the remedies mend what has one');
select set_eq($$ select r.id::text, r.policy_violation from runs as r join before as b on b.id = r.id where r <> b $$,
  $$ values ('v ''%I', true), ('v-legacy', true), ('v-lower', true), ('v-no-tenant', true) $$, 'and no other run');

savepoint narrow;
drop table policy_enforcements;
alter table runs drop column violation_policy_id;
select bag_eq('select run_id from gap',  $$ values ('t-allowed'), ('t-foreign'), ('t-nothing'), ('t-enforced'), ('t-policy') $$,
  'an installation may lack enforcements and the column');
alter table runs drop column incident_count;
select is_empty('select * from runlink_gap_incident_count_differs()', 'or the count, which then differs from nothing');
rollback to narrow;

-- What lies on the search_path is not called.

insert into runs (id, tenant_id, status, incident_count) values ('again', 'a', 'succeeded', 4);
create temp table answered as select * from gap;
\i test/fixture/hostile_path.sql
set local search_path = hostile, public, tap, pg_catalog;
create temp table answered_there as select * from gap;
set local search_path = public, tap;
select set_eq('select * from answered_there', 'select * from answered', 'hostile operators and functions on the path change no answer');
select isnt_empty('select * from answered', 'of which there are some');

-- One run is looked up, whatever plan is kept, where the recommended indexes are.

create index on limit_breaches (run_id);
\i test/fixture/asking.sql
set local jit = off;
set local enable_seqscan = off;
set local plan_cache_mode = force_generic_plan;
prepare of_run(text) as select * from gap where run_id = $1;
select unalike(pg_temp.plan_of('execute of_run(''t-nothing'')'), '%Seq Scan%', 'no table is read whole');
execute of_run('t-nothing') \gset one_
select is(:'one_record_id'::text, 't-nothing', 'the gap of the run is found so');

select * from finish();
rollback;
