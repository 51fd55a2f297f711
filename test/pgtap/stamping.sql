-- Run stamping: which events of the audit ledger get the run of the setting, and
-- that the trigger stands in the way of none.

begin;
select plan(184);
set local client_min_messages = error;
set local check_function_bodies = off;

create role runlink_test_owner;
create role runlink_test_app;
create role runlink_test_mallory;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
\i test/fixture/example.sql
grant usage on schema app to runlink_test_app, runlink_test_mallory;
grant insert on app.audit_ledger to runlink_test_app;
reset role;
set local search_path = public, tap;

\i test/fixture/asking.sql

create function pg_temp.triggers() returns text language sql as $$
  select coalesce(string_agg(format('%s %s %s %s', tgname, tgrelid::regclass, tgtype, tgenabled), ', '
    order by tgrelid::regclass::text), '')
  from pg_trigger where tgname ~ 'runlink'
$$;

-- after_state of an event; 'NULL' where it has none.
create function pg_temp.state(event text) returns text language sql as $$
  select coalesce(after_state::text, 'NULL') from app.audit_ledger where id = event
$$;

create function pg_temp.stamped(run text) returns text language sql as $$
  select jsonb_build_object('run_id', run, 'run_id_stamped_by', 'runlink')::text
$$;

-- What enabling refuses.

select is(pg_temp.try(name, 'select app.' || call), '42501', format('%s() is not for %s', call, name))
from unnest('{runlink_test_app,runlink_test_owner}'::text[]) as name,
  unnest('{runlink_enable_run_stamping(),runlink_disable_run_stamping()}'::text[]) as call;
savepoint s;
grant execute on function app.runlink_enable_run_stamping(), app.runlink_disable_run_stamping()
  to runlink_test_owner;
select is(pg_temp.try('runlink_test_owner', 'select app.' || call), '42501',
  call || '() is for superusers, EXECUTE or not')
from unnest('{runlink_enable_run_stamping(),runlink_disable_run_stamping()}'::text[]) as call;
rollback to s;

create function pg_temp.refused(obstacle text, expected text, what text) returns setof text
language plpgsql as $$
declare
  error text;
  made text;
begin
  begin
    execute obstacle;
    error := pg_temp.error_of('select app.runlink_enable_run_stamping()');
    made := pg_temp.triggers();
    raise exception using errcode = 'ZZZZZ';
  exception when sqlstate 'ZZZZZ' then
  end;
  return next matches(error, expected, what || ': enabling is refused');
  return next matches(error, e'\n.+\n.+', what || ': with DETAIL and HINT');
  return next is(made, '', what || ': and makes nothing');
end $$;

select pg_temp.refused('drop table app.audit_ledger', '^42P01 .*audit_ledger', 'no ledger');
select pg_temp.refused('alter table app.audit_ledger rename to ledger; create view '
  'app.audit_ledger as select * from app.ledger', '^42809 .*audit_ledger', 'a view');
select pg_temp.refused(format('alter table app.audit_ledger drop column %s', c), '^42703 .*' || c, 'no ' || c)
from unnest('{after_state,before_state}'::text[]) as c;
select pg_temp.refused(format('alter table app.audit_ledger alter %s type %s', c, t),
  format('^42804 .*%s.*\n.*jsonb.*%s', c, t), format('%s of type %s', c, t))
from unnest('{after_state,before_state}'::text[]) as c, unnest('{json,text}'::text[]) as t;
create domain app.state as jsonb check (not value ? 'run_id_stamped_by');
select pg_temp.refused('alter table app.audit_ledger alter after_state type app.state',
  '^0A000 .*after_state.*\n.*app\.state', 'after_state of a domain');

-- Enabled; twice; disabled; enabled again.

set local runlink.run_id = 'run-1';
select is(pg_temp.try('runlink_test_app', $$ insert into app.audit_ledger (id, after_state)
  values ('before', '{}') $$), 'ok', 'before stamping is enabled, an event');
select is(pg_temp.state('before'), '{}', '... is inserted as it is');
select lives_ok('select app.runlink_enable_run_stamping()', 'enabled');
select is(pg_temp.triggers(), 'zz_runlink_stamp_run app.audit_ledger 7 O', '... there is a trigger');
create temp table made as select * from pg_trigger where tgrelid = 'app.audit_ledger'::regclass;
select lives_ok('select app.runlink_enable_run_stamping()', 'enabled twice');
select results_eq($$ select * from pg_trigger where tgrelid = 'app.audit_ledger'::regclass order by oid $$,
  'select * from made order by oid', '... which changes nothing');
select lives_ok('select app.runlink_disable_run_stamping()', 'disabled');
select lives_ok('select app.runlink_disable_run_stamping()', '... twice');
select is(pg_temp.triggers(), '', '... there is none');
insert into app.audit_ledger (id, after_state) values ('disabled', '{}');
select is(pg_temp.state('disabled'), '{}', '... and an event is inserted as it is');
select app.runlink_enable_run_stamping() \g /dev/null
select is(to_regnamespace('runlink'), null, 'stamping makes no state');

-- What is stamped, and what not.

create temp table case_of (id text, before jsonb, after jsonb, stamped boolean, what text);
insert into case_of values
  ('object', '{"a": 1}', '{"status": "ack", "n": [1.50, {"run_id": "nested"}]}', true, 'an object'),
  ('empty', null, '{}', true, 'an empty object'),
  ('null', null, null, true, 'no after_state'),
  ('retired', '{"a": 1}', null, true, 'no after_state, but a before_state'),
  ('nested', null, '{"run": {"run_id": "x", "source_run_id": "y"}}', true, 'a run in a nested object'),
  ('case', null, '{"RUN_ID": "x", "runid": "y", "run_id ": "z"}', true, 'keys that are much like run_id'),
  ('string', null, '{"run_id": "theirs"}', false, 'a run_id'),
  ('same', null, '{"run_id": "run-1"}', false, 'a run_id that is the same'),
  ('no-text', null, '{"run_id": ""}', false, 'a run_id that is empty'),
  ('number', null, '{"run_id": 1}', false, 'a run_id that is a number'),
  ('boolean', null, '{"run_id": false}', false, 'a run_id that is a boolean'),
  ('json-null', null, '{"run_id": null}', false, 'a run_id that is null'),
  ('array', null, '{"run_id": ["run-1"]}', false, 'a run_id that is an array'),
  ('container', null, '{"run_id": {}}', false, 'a run_id that is an object'),
  ('source', null, '{"source_run_id": "theirs"}', false, 'a source_run_id'),
  ('source-null', null, '{"source_run_id": null}', false, 'a source_run_id that is null'),
  ('mark', null, '{"run_id_stamped_by": "somebody"}', false, 'a mark of another''s'),
  ('before', '{"run_id": "theirs"}', '{}', false, 'a run_id in before_state'),
  ('before-source', '{"source_run_id": "theirs"}', '{}', false, 'a source_run_id in before_state'),
  ('before-alone', '{"run_id": "theirs"}', null, false, 'a run_id in before_state alone'),
  ('before-null', '{"run_id": null, "source_run_id": 7}', '{}', true, 'a before_state that links to no run'),
  ('before-array', '["run_id"]', '{}', true, 'a before_state that is no object'),
  ('an-array', null, '[{"run_id": "x"}]', false, 'an array'),
  ('no-elements', null, '[]', false, 'an empty array'),
  ('a-string', null, '"run_id"', false, 'a string'),
  ('a-number', null, '1', false, 'a number'),
  ('true', null, 'true', false, 'a boolean'),
  ('a-null', null, 'null', false, 'a null of JSON');
select is(pg_temp.try('runlink_test_app', format('insert into app.audit_ledger (id, before_state, after_state) '
  'values (%L, %L, %L)', 'case-' || id, before, after)), 'ok', what || ' is inserted') from case_of;
select is(pg_temp.state('case-' || id),
  case when stamped then (coalesce(after, '{}') || pg_temp.stamped('run-1')::jsonb)::text
    else coalesce(after::text, 'NULL') end,
  format('%s is %s', what, case when stamped then 'stamped' else 'left alone' end)) from case_of;
select is((select array_agg(c.id) from case_of c join app.audit_ledger l on l.id = 'case-' || c.id
  where l.before_state is distinct from c.before), null, 'before_state is never touched');

-- The stamped value is the one that Postgres would make, byte for byte.

create temp table object as
  select n, (select jsonb_object_agg(
      (array['run_i', 'run_ic', 'run_ie', 'run_id_stamped_bx', 'run_id_stamped_bz', 'ä', ''])[1 + (i + n) % 7]
        || case when i < 7 then '' else repeat(chr(97 + (i * 7 + n) % 26), (i * n) % 23) || i end,
      case (i + n) % 6
        when 0 then to_jsonb(i * 1.5)
        when 1 then to_jsonb(repeat('s', i % 9))
        when 2 then 'null'
        when 3 then 'true'
        when 4 then jsonb_build_array(i, n::numeric / 7, '{"q": []}'::jsonb)
        else jsonb_build_object('run_id', i, 'x', repeat('x', n % 5))
      end) from generate_series(1, n) as i) as state
  from generate_series(1, 150) as n;
do $$
begin
  for length in 1..8 loop
    perform set_config('runlink.run_id', repeat('r', length), true);
    insert into app.audit_ledger (id, after_state) select format('object-%s-%s', length, n), state from object;
  end loop;
end $$;
select is((select count(*) from object, generate_series(1, 8) as length
    join lateral (select after_state as stored from app.audit_ledger where id = format('object-%s-%s', length, n)) as l on true
    where record_image_eq(row(stored), row(state || pg_temp.stamped(repeat('r', length))::jsonb))),
  150 * 8::bigint, 'objects of 1 to 150 keys, run ids of 1 to 8 bytes: as Postgres''s own operator makes them');

-- Run ids are any string.

create temp table run_of (n serial, run text);
insert into run_of (run) values (' '), ('None'), ('null'), ('0'), (e'a "quoted"\\ \n\t id'), ('läuft-é-😀'),
  ('''; drop table audit_ledger; --'), (repeat('x', 65)), (repeat('ä', 1000));
do $$
declare
  r run_of;
begin
  for r in select * from run_of loop
    perform set_config('runlink.run_id', r.run, true);
    insert into app.audit_ledger (id, after_state) values ('run-' || r.n, '{"a": 1}');
  end loop;
end $$;
select is(l.after_state ->> 'run_id', r.run, format('run id %s of any characters', r.n))
from run_of r left join app.audit_ledger l on l.id = 'run-' || r.n order by r.n;

-- The setting.

create function pg_temp.run_of_next(event text) returns text language plpgsql as $$
begin
  insert into app.audit_ledger (id, after_state) values (event, '{}');
  return (select coalesce(after_state ->> 'run_id', 'none') from app.audit_ledger where id = event);
end $$;

set local runlink.run_id = '';
select is(pg_temp.run_of_next('set-1'), 'none', 'the setting is empty');
set local runlink.run_id = 'run-2';
select is(pg_temp.run_of_next('set-2'), 'run-2', '... is set');
savepoint s;
set local runlink.run_id = 'run-3';
select is(pg_temp.run_of_next('set-3'), 'run-3', '... is set after a savepoint');
rollback to s;
select is(pg_temp.run_of_next('set-4'), 'run-2', '... is what it was after ROLLBACK TO');
savepoint s;
set local runlink.run_id = 'run-4';
release s;
select is(pg_temp.run_of_next('set-5'), 'run-4', '... stays after RELEASE');
reset runlink.run_id;
select is(pg_temp.run_of_next('set-6'), 'none', '... is reset');
create function pg_temp.in_run_5(event text) returns text language sql set runlink.run_id = 'run-5' as
  'select pg_temp.run_of_next(event)';
select is(pg_temp.in_run_5('set-7'), 'run-5', '... is of a function');
select is(pg_temp.run_of_next('set-8'), 'none', '... and not longer than it runs');
set local runlink.run_id = 'run-6';
set local role runlink_test_app;
insert into app.audit_ledger (id, after_state) values ('set-9', '{}');
reset role;
select is(pg_temp.state('set-9'), pg_temp.stamped('run-6'),
  'it is what counts, whoever inserts, without a privilege of runlink''s');

-- Statements.

insert into app.audit_ledger (id, after_state) values ('rows-1', '{}'), ('rows-2', '{"run_id": "x"}'), ('rows-3', null);
select is(array_agg(after_state ->> 'run_id' order by id), '{run-6,x,run-6}', 'several rows')
  from app.audit_ledger where id ~ '^rows-';
insert into app.audit_ledger (id, after_state) select 'select-' || i, '{}' from generate_series(1, 100) as i;
select is(count(*), 100::bigint, 'INSERT SELECT') from app.audit_ledger
  where id ~ '^select-' and after_state ->> 'run_id' = 'run-6';
copy app.audit_ledger (id, after_state) from stdin;
copy-1	{"a": 1}
copy-2	\N
\.
select is(count(*), 2::bigint, 'COPY') from app.audit_ledger
  where id ~ '^copy-' and after_state ->> 'run_id' = 'run-6';
insert into app.audit_ledger (id, after_state) values ('copy-1', '{"other": 1}'), ('conflict', '{}')
  on conflict do nothing;
select is(pg_temp.state('copy-1'), '{"a": 1, "run_id": "run-6", "run_id_stamped_by": "runlink"}',
  'ON CONFLICT DO NOTHING: the row that was there stays');
select is(pg_temp.state('conflict'), pg_temp.stamped('run-6'), '... the new one is stamped');
prepare event (text, jsonb) as insert into app.audit_ledger (id, after_state) values ($1, $2) returning after_state;
create function pg_temp.returned(event text) returns jsonb language sql as $$
  insert into app.audit_ledger (id, after_state) values (event, '{}') returning after_state
$$;
select is(pg_temp.returned('returning')::text, pg_temp.stamped('run-6'), 'RETURNING has the stamp');
execute event ('prepared-1', '{}') \g /dev/null
set local runlink.run_id = 'run-7';
execute event ('prepared-2', '{}') \g /dev/null
select is(array_agg(after_state ->> 'run_id' order by id), '{run-6,run-7}',
  'a prepared statement has the run of the time when it is executed') from app.audit_ledger where id ~ '^prepared-';
with event as (insert into app.audit_ledger (id, after_state) values ('cte', '{}') returning id)
  select id from event \g /dev/null
select is(pg_temp.state('cte'), pg_temp.stamped('run-7'), 'an INSERT in a CTE');
select throws_ok($$ update app.audit_ledger set after_state = '{}' where id = 'cte' $$, 'P0001', null,
  'the guard of the application rejects an UPDATE as ever');
savepoint s;
alter table app.audit_ledger disable trigger audit_ledger_reject_update;
update app.audit_ledger set after_state = '{}' where id = 'cte';
select is(pg_temp.state('cte'), '{}', 'where the application lets an UPDATE pass, it stamps nothing');
rollback to s;
savepoint s;
set local session_replication_role = replica;
insert into app.audit_ledger (id, after_state) values ('replica', '{}');
select is(pg_temp.state('replica'), '{}', 'what a replica applies is as it comes');
rollback to s;

-- The application's triggers and constraints.

savepoint s;
create function app.set_state() returns trigger language plpgsql as $$
begin
  new.after_state := coalesce(new.after_state, '{}') || tg_argv[0]::jsonb;
  new.action_reason := new.after_state::text;
  return new;
end $$;
create trigger z_last before insert on app.audit_ledger for each row
  when (new.id = 'theirs') execute function app.set_state('{"run_id": "theirs"}');
create trigger a_first before insert on app.audit_ledger for each row
  when (new.id = 'filled') execute function app.set_state('{"filled": true}');
insert into app.audit_ledger (id, after_state) values ('theirs', '{}'), ('filled', null);
select is(pg_temp.state('theirs'), '{"run_id": "theirs"}', 'a trigger of the application that names the run has its way');
select is(pg_temp.state('filled'), '{"filled": true, "run_id": "run-7", "run_id_stamped_by": "runlink"}',
  'what one makes of a row is stamped');
create function app.reject() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger reject before insert on app.audit_ledger for each row
  when (new.id = 'rejected') execute function app.reject();
insert into app.audit_ledger (id, after_state) values ('rejected', '{}');
select is(pg_temp.state('rejected'), null, 'a row that one keeps out stays out');
alter table app.audit_ledger add column run text generated always as (after_state ->> 'run_id') stored;
insert into app.audit_ledger (id, after_state) values ('generated', '{}');
select is(run, 'run-7', 'a generated column is of the row with its stamp') from app.audit_ledger where id = 'generated';
alter table app.audit_ledger drop column run, drop column correlation_id, add column late text default 'late';
insert into app.audit_ledger (id, after_state) values ('dropped', '{}');
select is((after_state, late)::text, row(pg_temp.stamped('run-7')::jsonb, 'late')::text,
  'columns may come and go') from app.audit_ledger where id = 'dropped';
rollback to s;
savepoint s;
alter table app.audit_ledger enable row level security;
create policy p on app.audit_ledger for insert to runlink_test_app with check (after_state ->> 'run_id' = 'run-7');
select is(pg_temp.try('runlink_test_app', $$ insert into app.audit_ledger (id, after_state) values ('rls', '{}') $$),
  'ok', 'a policy sees the row with its stamp');
select is(pg_temp.try('runlink_test_app', $$ insert into app.audit_ledger (id, after_state) values ('rls', '{"run_id": 1}') $$),
  '42501', '... and holds');
rollback to s;

-- Governance.

set local runlink.run_id = 'run-linkage-test-001';
insert into app.audit_ledger (id, tenant_id, event_type, entity_type, entity_id, after_state) values
  ('gov-1', 'tenant-test-001', 'PolicyRuleModified', 'POLICY_RULE', 'policy-001', '{"enabled": false}'),
  ('gov-2', 'tenant-test-001', 'PolicyRuleRetired', 'POLICY_RULE', 'policy-002', null),
  ('gov-3', 'tenant-test-001', 'LimitUpdated', 'LIMIT', 'limit-001', '[]');
select results_eq($$ select record_id, linked_by from app.runlink_governance('run-linkage-test-001')
    where record_id ~ '^gov-' order by record_id $$,
  $$ values ('gov-1', 'after_state.run_id'), ('gov-2', 'after_state.run_id') $$,
  'policy events that were stamped belong to the run');
select is(governance_event_count, 5::bigint, '... and count')
  from app.runlink_linkage('run-linkage-test-001');
set local runlink.run_id = 'run-7';

-- What stands in the way: the insert goes on, and the row is as it was.

create function pg_temp.left_alone(obstacle text, state text, what text) returns setof text language plpgsql as $$
declare
  found text;
begin
  begin
    execute obstacle;
    execute format('insert into app.audit_ledger (id, after_state) select ''obstacle'', %s', state);
    select string_agg(case when after_state::text ~ 'stamped' then 'stamped' else 'left alone' end, ', ')
      into found from app.audit_ledger where id = 'obstacle';
    raise exception using errcode = 'ZZZZZ';
  exception when sqlstate 'ZZZZZ' then
  end;
  return next is(found, 'left alone', what || ': the event is inserted as it is');
end $$;

create index by_run on app.audit_ledger ((after_state ->> 'run_id'));
select pg_temp.left_alone($$ select set_config('runlink.run_id', string_agg(md5(i::text), ''), true)
  from generate_series(1, 313) as i $$, $$ '{}'::jsonb $$, 'a run id that no index has room for');
select pg_temp.left_alone($$ select set_config('runlink.run_id', repeat('x', 2001), true) $$, $$ '{}'::jsonb $$,
  'a run id of 2001 bytes');
drop index app.by_run;
select pg_temp.left_alone('select', $$ jsonb_build_object('x', repeat('x', 64 * 1024 * 1024)) $$,
  'a state of more than 64 MB');
select pg_temp.left_alone(format('truncate app.audit_ledger; alter table app.audit_ledger alter after_state type %s', t),
  format($$ '{}'::%s $$, t), 'after_state of type ' || t) from unnest('{json,text,app.state}'::text[]) as t;
select pg_temp.left_alone('alter table app.audit_ledger alter before_state type text', $$ '{}'::jsonb $$,
  'before_state of type text');
select pg_temp.left_alone('alter table app.audit_ledger drop before_state', $$ '{}'::jsonb $$, 'no before_state');
select pg_temp.left_alone('alter table app.audit_ledger rename to ledger; create view app.audit_ledger as '
  'select * from app.ledger', $$ '{}'::jsonb $$, 'a ledger that was renamed');
savepoint s;
alter table app.audit_ledger drop after_state;
insert into app.audit_ledger (id) values ('no-state');
select is(count(*), 1::bigint, 'no after_state: the event is inserted') from app.audit_ledger where id = 'no-state';
rollback to s;
insert into app.audit_ledger (id, after_state)
  select 'large', jsonb_build_object('x', repeat('x', 64 * 1024 * 1024 - 100));
select is(after_state ->> 'run_id', 'run-7', 'a state of little less than 64 MB is stamped')
  from app.audit_ledger where id = 'large';
create temp table deep as
  select format('{"deep": %s1%s}', repeat('[', 1500), repeat(']', 1500))::jsonb as state;
savepoint s;
set local max_stack_depth = '100kB';
select throws_ok($$ select state || '{"a": 1}' from deep $$, '54001', null,
  'a state that nests deeper than the stack allows, for Postgres''s own operator');
insert into app.audit_ledger (id, after_state) select 'deep', state from deep;
rollback to s;
insert into app.audit_ledger (id, after_state) select 'deep', state from deep;
select is(l.after_state, d.state || pg_temp.stamped('run-7')::jsonb, '... is stamped')
  from app.audit_ledger l, deep d where l.id = 'deep';
insert into app.audit_ledger (id, after_state) values ('gone', '{}');
select is(pg_temp.state('gone'), pg_temp.stamped('run-7'), 'with the obstacles gone, events are stamped');

-- Partitions.

savepoint s;
alter table app.audit_ledger rename to old_ledger;
create table app.audit_ledger (like app.old_ledger including defaults, primary key (id, created_at, tenant_id))
  partition by range (created_at);
select app.runlink_enable_run_stamping() \g /dev/null
create table app.ledger_2025 partition of app.audit_ledger for values from ('2025-01-01') to ('2026-01-01')
  partition by list (tenant_id);
create table app.ledger_2025_t partition of app.ledger_2025 for values in ('t');
create table app.ledger_2025_rest partition of app.ledger_2025 default;
create table app.ledger_2026 (unlike text, like app.old_ledger including defaults);
alter table app.ledger_2026 drop column unlike;
alter table app.audit_ledger attach partition app.ledger_2026 for values from ('2026-01-01') to ('2027-01-01');
insert into app.audit_ledger (id, tenant_id, created_at, after_state) values
  ('p-1', 't', '2025-06-01', '{}'), ('p-2', 'u', '2025-06-01', '{}'), ('p-3', 't', '2026-06-01', '{}'),
  ('p-4', 't', '2026-06-01', '{"run_id": "x"}');
insert into app.ledger_2025_t (id, tenant_id, created_at, after_state) values ('p-5', 't', '2025-06-01', '{}');
insert into app.ledger_2026 (id, tenant_id, created_at, after_state) values ('p-6', 't', '2026-06-01', '{}');
select is(array_agg(after_state ->> 'run_id' order by id), '{run-7,run-7,run-7,x,run-7,run-7}',
  'partitions, made and attached after enabling, and inserts into them') from app.audit_ledger where id ~ '^p-';
alter table app.ledger_2026 disable trigger zz_runlink_stamp_run;
select results_eq($$ select level, status, found from app.runlink_schema_check() where check_id = 'stamping.stamp_run' $$,
  $$ values ('recommended', 'disabled', 'app.ledger_2026 disabled') $$,
  'a partition whose trigger is disabled: the check names it');
select app.runlink_enable_run_stamping() \g /dev/null
select is(status, 'ok', '... and its remedy mends it') from app.runlink_schema_check() where check_id = 'stamping.stamp_run';
alter table app.audit_ledger detach partition app.ledger_2025;
insert into app.ledger_2025 (id, tenant_id, created_at, after_state) values ('p-7', 't', '2025-06-01', '{}');
select is(after_state::text, '{}', 'what is not a partition any longer is left alone') from app.ledger_2025 where id = 'p-7';
insert into app.old_ledger (id, after_state) values ('old', '{}');
select is(after_state::text, '{}', '... so is a ledger that was renamed, though it has the trigger')
  from app.old_ledger where id = 'old';
rollback to s;
savepoint s;
alter table app.audit_ledger rename to old_ledger;
create table app.audit_ledger (like app.old_ledger including defaults) partition by list ((after_state ->> 'run_id'));
select app.runlink_enable_run_stamping() \g /dev/null
create table app.ledger_none partition of app.audit_ledger for values in (null);
create table app.ledger_rest partition of app.audit_ledger default partition by hash (id);
create table app.ledger_rest_0 partition of app.ledger_rest for values with (modulus 1, remainder 0);
insert into app.audit_ledger (id, after_state) values ('by-run-1', '{}'), ('by-run-2', '{"run_id": "x"}');
select is(array_agg(tableoid::regclass::text order by id), '{app.ledger_none,app.ledger_rest_0}',
  'partitions by the run: no insert fails') from app.audit_ledger;
insert into app.ledger_rest (id, after_state) values ('by-run-3', '{"run_id": "y"}');
select is(pg_temp.state('by-run-1'), '{}', '... and no row is stamped out of its partition');
rollback to s;

-- Who may not.

select is(pg_temp.try('runlink_test_owner', 'create trigger t before insert on app.incidents for each row '
  'execute function app.runlink_stamp_run()'), '42501', 'no owner of a table can attach the function');
select is(pg_temp.try('runlink_test_app', 'select app.runlink_stamp_run()'), '42501', 'nor anybody call it');
select is(pg_temp.try(current_user::name, format('create trigger t %s on app.incidents %s '
  'execute function app.runlink_stamp_run(); insert into app.incidents (id) values (''i'')', timing, each)), '39P01',
  timing || ': a trigger that a superuser attaches otherwise is refused')
from (values ('after insert', 'for each row'), ('before insert', '')) as t (timing, each);
savepoint s;
create table app.other (id int, after_state jsonb, before_state jsonb);
create trigger t before insert on app.other for each row execute function app.runlink_stamp_run();
create schema elsewhere;
create table elsewhere.audit_ledger (like app.audit_ledger including defaults);
create trigger zz_runlink_stamp_run before insert on elsewhere.audit_ledger for each row
  execute function app.runlink_stamp_run();
insert into app.other values (1, '{}');
insert into elsewhere.audit_ledger (id, after_state) values ('e', '{}');
select is((select after_state::text from app.other) || (select after_state::text from elsewhere.audit_ledger), '{}{}',
  'on another table, and an audit_ledger of another schema, it does nothing');
rollback to s;
create schema hostile;
grant usage, create on schema hostile to runlink_test_mallory;
create temp table hostile_ran (what text);
grant all on hostile_ran to public;
set local role runlink_test_mallory;
create function hostile.concat(jsonb, jsonb) returns jsonb language plpgsql as $$
begin
  insert into pg_temp.hostile_ran values ('||');
  return $1;
end $$;
create operator hostile.|| (procedure = hostile.concat, leftarg = jsonb, rightarg = jsonb);
create function hostile.current_setting(text, boolean) returns text language plpgsql as $$
begin
  insert into pg_temp.hostile_ran values ('current_setting');
  return 'forged';
end $$;
create function hostile.runlink_stamp_run() returns trigger language plpgsql as $$
begin
  insert into pg_temp.hostile_ran values ('runlink_stamp_run');
  return new;
end $$;
create table hostile.audit_ledger (id text, before_state text, after_state text);
reset role;
create temp table audit_ledger (id text, before_state text, after_state text);
set local search_path = hostile, pg_temp, pg_catalog;
insert into app.audit_ledger (id, after_state) values ('path-1', '{}');
select app.runlink_disable_run_stamping(), app.runlink_enable_run_stamping() \g /dev/null
insert into app.audit_ledger (id, after_state) values ('path-2', '{}');
set local search_path = public, tap;
drop table pg_temp.audit_ledger;
select is(array_agg(pg_temp.state(id)), array_fill(pg_temp.stamped('run-7'), array[2]),
  'whatever is on the path of who inserts or enables, events are stamped')
  from unnest('{path-1,path-2}'::text[]) as id;
select is_empty('select * from hostile_ran', '... and nothing hostile ran');

-- The schema check.

create function pg_temp.found(damage text) returns text language plpgsql as $$
declare
  answer text;
begin
  execute damage;
  select concat_ws(' ', level, status, (remedy is not null)::text) into answer
    from app.runlink_schema_check() where check_id = 'stamping.stamp_run';
  if answer ~ 'true$' then
    execute (select remedy from app.runlink_schema_check() where check_id = 'stamping.stamp_run');
    answer := answer || ' ' || (select status from app.runlink_schema_check() where check_id = 'stamping.stamp_run');
  end if;
  raise exception using errcode = 'ZZZZZ', message = coalesce(answer, 'no row');
exception when sqlstate 'ZZZZZ' then
  return sqlerrm;
end $$;

select is(pg_temp.found('select'), 'recommended ok false', 'the check: enabled');
select is(pg_temp.found('select app.runlink_disable_run_stamping()'), 'info missing false',
  'the check: not enabled, which is for the administrator to decide');
select is(pg_temp.found('alter table app.audit_ledger ' || damage), 'recommended disabled true ok',
  format('the check: %s', damage))
from unnest('{disable trigger zz_runlink_stamp_run,disable trigger all,enable replica trigger zz_runlink_stamp_run}'::text[])
  as damage;
select is(pg_temp.found('alter table app.audit_ledger enable always trigger zz_runlink_stamp_run'),
  'recommended ok false', 'the check: a trigger that always fires');
select is(pg_temp.found('drop trigger zz_runlink_stamp_run on app.audit_ledger; create trigger zz_runlink_stamp_run '
  || otherwise), 'recommended not_valid true ok', format('the check: %s', what))
from (values
  ('a condition', 'before insert on app.audit_ledger for each row when (new.id = ''x'') execute function app.runlink_stamp_run()'),
  ('after the insert', 'after insert on app.audit_ledger for each row execute function app.runlink_stamp_run()'),
  ('updates too', 'before insert or update on app.audit_ledger for each row execute function app.runlink_stamp_run()'),
  ('another function', 'before insert on app.audit_ledger for each row execute function hostile.runlink_stamp_run()'))
  as t (what, otherwise);
select is(pg_temp.found('drop table app.audit_ledger'), 'no row', 'the check: no ledger, which is told as a table');
select is(pg_temp.found('alter table app.audit_ledger rename to ledger; create view app.audit_ledger as select * from app.ledger'),
  'no row', 'the check: a view, which cannot have the trigger');
select results_eq($$ select domain, object, needed_by from app.runlink_schema_check() where check_id = 'stamping.stamp_run' $$,
  $$ values ('logs', 'zz_runlink_stamp_run on audit_ledger', 'runlink_governance (policy and limit events)') $$,
  'the check says what it is of, and for whom');

-- The extension goes.

select matches(pg_temp.error_of('drop extension runlink'),
  '^2BP01 .*\n.*trigger zz_runlink_stamp_run on table app\.audit_ledger depends on function app\.runlink_stamp_run',
  'DROP EXTENSION says that the trigger is there');
drop extension runlink cascade;
insert into app.audit_ledger (id, after_state) values ('dropped', '{}');
select is(pg_temp.state('dropped'), '{}', 'with CASCADE the trigger goes, and inserts go on');
select is(pg_temp.state('gone'), pg_temp.stamped('run-7'), '... and what was stamped stays');

select * from finish();
rollback;
