-- Who may do what with leaves and seals, and what those who may not try instead:
-- forged leaves, state put in the place of ours, hostile names on the search_path.

begin;
select plan(444);
set local client_min_messages = error;
set local check_function_bodies = off;

-- The role is the cluster's: another database may have brought it.
do $$ begin
  if exists (select from pg_roles where rolname = 'runlink_owner') then
    alter role runlink_owner rename to runlink_test_former;
  end if;
end $$;

create role runlink_test_owner;
create role runlink_test_app;
create role runlink_test_sealer;
create role runlink_test_mallory;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
alter table aos_trace_steps
  alter skill_id set default 'http_call', alter skill_name set default 'fetch',
    alter params set default '{}',
  alter status set default 'success', alter outcome_category set default 'SUCCESS',
    alter cost_cents set default 0,
  alter duration_ms set default 0, alter retry_count set default 0,
    alter replay_behavior set default 'check';
grant usage on schema app to runlink_test_app, runlink_test_sealer;
grant select, insert, update on all tables in schema app to runlink_test_app;
grant select on all tables in schema app to runlink_test_sealer;
reset role;
set local search_path = public, tap;

\i test/fixture/asking.sql

-- Likewise, with what it came to undone.
create function pg_temp.probe(caller name, statement text) returns text language plpgsql as $$
declare
  outcome text;
begin
  outcome := pg_temp.try(caller, statement);
  if outcome <> 'ok' then
    return outcome;
  end if;
  raise exception using errcode = 'ZZZZZ', message = outcome;
exception when sqlstate 'ZZZZZ' then
  return sqlerrm;
end $$;

create function pg_temp.trace(wanted text) returns text language sql as $$
  select format($q$ insert into app.aos_traces (trace_id, run_id, correlation_id, tenant_id,
    root_hash, schema_version, plan, trace, status)
    values (%L, %L, 'c', 'tenant', 'pending', '1.0', '{}', '{}', 'running') $q$, wanted,
      'run-' || wanted)
$$;

create function pg_temp.step(wanted text, i integer) returns text language sql as $$
  select format('insert into app.aos_trace_steps (trace_id, step_index) values (%L, %s)', wanted,
    i)
$$;

create function pg_temp.finish(wanted text) returns text language sql as $$
  select format('update app.aos_traces set status = ''completed'' where trace_id '
    'operator(pg_catalog.=) %L', wanted)
$$;

create function pg_temp.leaves(wanted text) returns integer[] language sql as $$
  select coalesce(array_agg(step_index order by step_index), '{}') from runlink.leaf
    where trace_id = wanted
$$;

create function pg_temp.seals(wanted text) returns text language sql as $$
  select string_agg(concat_ws(' ', seal_no, step_count, backfilled,
    case when final then 'final' else 'open' end), ', ' order by seal_no)
  from runlink.seal where trace_id = wanted
$$;

create temp table hostile_ran (what text, as_role name default current_user);
grant all on hostile_ran to public;
create temp table role as select unnest(array['runlink_test_app', 'runlink_test_owner',
  'runlink_test_mallory', 'runlink_test_sealer']) as name;

-- What enabling refuses.

select is(pg_temp.try(name, 'select app.' || call), '42501',
  format('%s() is not for %s', call, name))
from role,
  unnest('{runlink_enable_sealing(),runlink_disable_sealing(),'
    'runlink_seal_pending()}'::text[]) as call order by call, name;
savepoint s;
grant execute on function app.runlink_enable_sealing(), app.runlink_disable_sealing(),
  app.runlink_seal_pending(bigint, text) to runlink_test_owner;
select is(pg_temp.try('runlink_test_owner', 'select app.runlink_enable_sealing()'), '42501',
  'enabling is for superusers, EXECUTE or not');
select is(pg_temp.try('runlink_test_owner', 'select app.runlink_disable_sealing()'), '42501',
  'so is disabling');
select is(pg_temp.try('runlink_test_owner', 'select * from app.runlink_seal_pending()'), '55000',
  'who may execute runlink_seal_pending finds no state');
rollback to s;

create function pg_temp.refused(obstacle text, expected text,
  what text) returns setof text language plpgsql as $$
declare
  error text;
  before text := pg_temp.made();
begin
  execute obstacle;
  error := pg_temp.error_of('select app.runlink_enable_sealing()');
  return next matches(error, expected, what || ': enabling is refused');
  return next matches(error, e'\n.+\n.+', what || ': with DETAIL and HINT');
end $$;

-- What there is of runlink's triggers, state and role.
create function pg_temp.made() returns text language sql as $$
  select concat_ws(' ', (select string_agg(tgname, ',' order by tgname) from pg_trigger
    where tgname ~ '^runlink_' and not tgisinternal),
    to_regnamespace('runlink'), (select rolname from pg_roles where rolname = 'runlink_owner'))
$$;

savepoint s;
select pg_temp.refused('create schema runlink authorization runlink_test_mallory',
  '^55000 .*runlink.*\n.*runlink_test_mallory', 'a schema runlink of another role''s');
select is(pg_temp.made(), 'runlink', '... and makes nothing');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner; create schema runlink authorization '
  'runlink_owner; create table runlink.leaf (i int); '
  'alter table runlink.leaf owner to runlink_test_mallory',
    '^55000 .*runlink\.leaf.*\n.*runlink_test_mallory', 'a table runlink.leaf of another role''s');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner; create schema runlink authorization '
  'runlink_owner; create table runlink.seal (i int); '
  'alter table runlink.seal owner to runlink_owner', '^55000 ',
    'a table runlink.seal with other columns');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner; create schema runlink authorization '
  'runlink_owner; create view runlink.trace as select 1 as i; '
  'alter view runlink.trace owner to runlink_owner', '^55000 ', 'a view runlink.trace');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner login', '^55000 .*runlink_owner',
  'a role runlink_owner that can log in');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner superuser', '^55000 .*runlink_owner',
  'a role runlink_owner that is a superuser');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner createrole', '^55000 .*runlink_owner',
  'a role runlink_owner that can create roles');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner bypassrls', '^55000 .*runlink_owner',
  'a role runlink_owner that row-level security does not bind');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner; grant runlink_owner to runlink_test_mallory',
  '^55000 .*runlink_owner', 'a role runlink_owner that another can become');
rollback to s;
savepoint s;
select pg_temp.refused('create role runlink_owner; grant runlink_test_owner to runlink_owner',
  '^55000 .*runlink_owner', 'a role runlink_owner that can do what another can');
rollback to s;
savepoint s;
select pg_temp.refused('alter table app.aos_trace_steps add column "Where?" point',
  '^0A000 .*"Where\?".*\n.*point', 'a column of a type without canonical form');
select is(pg_temp.made(), '', '... and makes nothing');
rollback to s;
savepoint s;
select pg_temp.refused('alter table app.aos_trace_steps add column tags text[]',
  '^0A000 .*"tags".*\n.*text\[\]', 'a column of an array type');
rollback to s;
savepoint s;
select pg_temp.refused('alter table app.aos_trace_steps rename to steps; create view '
  'app.aos_trace_steps as select * from app.steps', '^42809 .*aos_trace_steps', 'a view in place '
  'of the steps');
rollback to s;
savepoint s;
select pg_temp.refused('alter table app.aos_traces rename to traces; create view app.aos_traces '
  'as select * from app.traces', '^42809 .*aos_traces', 'a view in place of the traces');
rollback to s;
savepoint s;
select pg_temp.refused('drop table app.aos_trace_steps', '^42P01 .*aos_trace_steps', 'no steps');
select is(pg_temp.error_of('select app.runlink_disable_sealing()') ~ '^42P01 .*aos_trace_steps',
  true, '... so is disabling');
rollback to s;
savepoint s;
select pg_temp.refused('drop table app.aos_traces cascade', '^42P01 .*aos_traces', 'no traces');
rollback to s;

-- Enabled; twice; disabled and enabled again.

select lives_ok('select app.runlink_enable_sealing()', 'sealing is enabled');
select is(pg_temp.made(),
  repeat('runlink_guard,', 14) || 'runlink_record_step,runlink_record_trace runlink runlink_owner',
  '... with triggers, state and role');
select is((select row(rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
  rolreplication, rolbypassrls)::text from pg_roles where rolname = 'runlink_owner'),
  '(f,t,f,f,f,f,f)', '... a role that can do nothing');
select is((select array_agg(distinct pg_get_userbyid(relowner)::text) from pg_class
  where relnamespace = 'runlink'::regnamespace), '{runlink_owner}', '... and owns the state');
select is((select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = 'runlink'),
  'runlink_owner', '... and its schema');
select is((select count(*) from pg_depend where deptype = 'e'
  and refobjid = (select oid from pg_extension where extname = 'runlink')
    and (objid = 'runlink'::regnamespace or objid in (select oid from pg_class
      where relnamespace = 'runlink'::regnamespace))),
  0::bigint, '... which is no part of the extension');

select is(pg_temp.try('runlink_test_app', pg_temp.trace('t')), 'ok',
  'the application inserts traces');
select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 0)), 'ok', '... and steps');
select is(pg_temp.leaves('t'), '{0}',
  '... which are recorded, though it has no privilege on the state');
create temp table catalogue as
  select (select array_agg((oid, relname, relacl, relowner)::text order by oid) from pg_class
    where relnamespace = 'runlink'::regnamespace) as relations,
    (select array_agg((tgname, tgrelid, tgfoid, tgtype, tgenabled)::text order by tgrelid, tgname)
      from pg_trigger where tgname ~ '^runlink_') as triggers;
select lives_ok('select app.runlink_enable_sealing()', 'enabling twice is safe');
select results_eq('table catalogue',
  $$ select (select array_agg((oid, relname, relacl, relowner)::text order by oid) from pg_class
    where relnamespace = 'runlink'::regnamespace),
       (select array_agg((tgname, tgrelid, tgfoid, tgtype, tgenabled)::text order by tgrelid,
         tgname) from pg_trigger where tgname ~ '^runlink_') $$,
  '... and changes nothing');
select is(pg_temp.leaves('t'), '{0}', '... nor any leaf');
select lives_ok('select app.runlink_disable_sealing()', 'sealing is disabled');
select lives_ok('select app.runlink_disable_sealing()', '... twice');
select is((select count(*) from pg_trigger where tgname ~ '^runlink_record_'), 0::bigint,
  '... the triggers are gone');
select is(pg_temp.leaves('t'), '{0}', '... the leaves are not');
select is(pg_temp.try(current_user, 'delete from runlink.leaf'), '55000', '... and are guarded');
select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 1)), 'ok', '... a step meanwhile');
select is(pg_temp.leaves('t'), '{0}', '... has no leaf');
select lives_ok('select app.runlink_enable_sealing()', 'enabled again');
select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 2)), 'ok', '... a step');
select is(pg_temp.leaves('t'), '{0,2}', '... is recorded');
select is(pg_temp.try('runlink_test_app', pg_temp.finish('t')), 'ok',
  'the application ends its trace');
select is(pg_temp.seals('t'), '0 2 0 final', '... which seals what was recorded');
select is((select array_agg(format('%s %s %s', seal_no, step_count, backfilled))
  from app.runlink_seal_pending()), '{"1 3 1"}', '... and the rest is backfilled');

-- Who seals, and what it needs.

select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 3)), 'ok', 'a step that is pending');
grant execute on function app.runlink_seal_pending(bigint, text) to runlink_test_sealer;
select is(pg_temp.probe('runlink_test_sealer', 'select * from app.runlink_seal_pending()'),
  '42501', 'a sealer needs SELECT on the state');
grant usage on schema runlink to runlink_test_sealer;
grant select on runlink.leaf to runlink_test_sealer;
select is(pg_temp.probe('runlink_test_sealer', 'select * from app.runlink_seal_pending()'),
  '42501', '... on its seals too');
grant select on runlink.seal to runlink_test_sealer;
revoke select on app.aos_trace_steps from runlink_test_sealer;
select is(pg_temp.probe('runlink_test_sealer', 'select * from app.runlink_seal_pending()'),
  '42501', '... and on the application''s steps');
grant select on app.aos_trace_steps to runlink_test_sealer;
revoke select on app.aos_traces from runlink_test_sealer;
select is(pg_temp.probe('runlink_test_sealer', 'select * from app.runlink_seal_pending()'),
  '42501', '... and traces');
grant select on app.aos_traces to runlink_test_sealer;
select is(pg_temp.leaves('t'), '{3}', '... and what is refused seals nothing');
select is(pg_temp.try('runlink_test_sealer', 'select * from app.runlink_seal_pending()'), 'ok',
  'with all of them it seals');
select is(pg_temp.seals('t'), '0 2 0 final, 1 3 1 final, 2 4 1 final', '... as anyone does');
select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 4)), 'ok', 'another step');
grant execute on function app.runlink_seal_pending(bigint, text) to runlink_test_owner;
select is(pg_temp.try('runlink_test_owner', 'select * from app.runlink_seal_pending()'), 'ok',
  'the owner of the steps has SELECT on the state already');
select is(pg_temp.leaves('t'), '{}', '... and seals');
revoke execute on function app.runlink_seal_pending(bigint, text) from runlink_test_owner;

-- Nobody changes the state.

select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 5)), 'ok', 'a leaf to be changed');
select is(pg_temp.try('runlink_test_app', pg_temp.trace('running')), 'ok',
  'a trace to be changed');
create temp table attempt as
  select t.name, a.sqlstate, a.command, a.statement
  from (values ('encoding', 'id'), ('trace', 'run_id'), ('leaf', 'leaf'),
    ('seal', 'leaves')) as t (name, col)
    cross join lateral (values
      ('55000', 'update', format('update runlink.%s set %s = %s', t.name, t.col, t.col)),
      ('55000', 'update of no row', format('update runlink.%s set %s = %s where false', t.name,
        t.col, t.col)),
      ('55000', 'delete', format('delete from runlink.%s', t.name)),
      ('55000', 'truncate', format('truncate runlink.%s', t.name)),
      ('55000', 'truncate of all',
        'truncate runlink.encoding, runlink.trace, runlink.leaf, runlink.seal cascade'),
      ('55000', 'merge',
        format('merge into runlink.%s as t using (select 1) as s on true when matched then delete',
        t.name))) as a (sqlstate, command, statement);
select is(pg_temp.probe(caller, statement), sqlstate,
  format('%s of runlink.%s by %s', command, name, caller))
from attempt, unnest(array[current_user, 'runlink_owner']) as caller order by caller, name,
  command;
select is(pg_temp.probe(caller, statement), '42501',
  format('%s of runlink.%s by %s', command, name, caller))
from attempt, unnest(array['runlink_test_app', 'runlink_test_owner',
  'runlink_test_sealer']) as caller order by caller, name, command;

select is(pg_temp.probe(r.name, format('insert into runlink.%s select * from runlink.%s', t.name,
  t.name)), '42501', format('insert into runlink.%s by %s', t.name, r.name))
from role r, unnest('{encoding,trace,leaf,seal}'::text[]) as t (name) order by t.name, r.name;
select is(pg_temp.probe(r.name, $$ insert into runlink.leaf select 9, encoding, trace_id, leaf,
  salt from (values (1, 't', '\x00'::bytea, '\x00'::bytea)) as v (encoding, trace_id, leaf,
  salt) $$),
  '42501', format('a leaf forged by %s', r.name)) from role r order by r.name;
select is(pg_temp.probe('runlink_test_owner', format('select * from runlink.%s', t)), 'ok',
  format('the owner of the steps reads runlink.%s', t))
from unnest('{encoding,trace,leaf,seal}'::text[]) as t;
select is(pg_temp.probe('runlink_test_app', format('select * from runlink.%s', t)), '42501',
  format('the application does not read runlink.%s', t))
from unnest('{encoding,trace,leaf,seal}'::text[]) as t;
select is(pg_temp.probe(r.name, statement), '42501', format('%s by %s', statement, r.name))
from role r, unnest(array['select * from runlink.seal for update',
  'select * from runlink.trace for key share', 'lock table runlink.leaf in row exclusive mode',
  'alter table runlink.leaf disable trigger all', 'drop table runlink.seal',
    'drop schema runlink cascade', 'create table runlink.more (i int)',
  'alter table runlink.leaf owner to current_user',
    'create trigger t before insert on runlink.leaf for each row execute function '
      'pg_catalog.suppress_redundant_updates_trigger()',
  'create rule r as on insert to runlink.leaf do instead nothing',
    'create index on runlink.leaf (trace_id)']) as statement
order by statement, r.name;

select is(pg_has_role(name, 'runlink_owner', 'member'), false,
  format('%s cannot become runlink_owner', name)) from role order by name;

-- The trigger functions, called and attached.

select is(pg_temp.probe(r.name, format('select app.%s()', f)), '42501',
  format('%s() called by %s', f, r.name))
from role r, unnest('{runlink_record_step,runlink_record_trace,runlink_guard_state}'::text[]) as f
  order by f, r.name;
select is(pg_temp.probe(current_user, format('select app.%s()', f)), '39P01',
  format('%s() called by a superuser', f))
from unnest('{runlink_record_step,runlink_record_trace,runlink_guard_state}'::text[]) as f;

set local role runlink_test_owner;
create table app.other (like app.aos_trace_steps including defaults);
create table app.other_traces (like app.aos_traces including defaults);
reset role;
select is(pg_temp.probe('runlink_test_owner',
  format('create trigger x after insert on app.%s for each row execute function app.%s()', t, f)),
  '42501',
  format('%s attached to %s by its owner', f, t))
from unnest('{other,other_traces,aos_traces,aos_trace_steps}'::text[]) as t,
  unnest('{runlink_record_step,runlink_record_trace,runlink_guard_state}'::text[]) as f;

create function pg_temp.fire(definition text, statement text) returns text language plpgsql as $$
begin
  execute 'create trigger zz_' || definition;
  return pg_temp.try('runlink_test_owner', statement);
end $$;

savepoint s;
select is(pg_temp.fire('a after insert on app.other for each row execute function '
  'app.runlink_record_step()', $$ insert into app.other (trace_id, step_index) values ('t', 9) $$),
  '39P01', 'runlink_record_step on another table is an error when it fires');
rollback to s;
savepoint s;
select is(pg_temp.fire('a after insert on app.other_traces for each row execute function '
  'app.runlink_record_trace()', replace(pg_temp.trace('x'), 'aos_traces', 'other_traces')),
  '39P01', 'runlink_record_trace on another table is an error when it fires');
rollback to s;
savepoint s;
select is(pg_temp.fire('a after insert on app.aos_traces for each row execute function '
  'app.runlink_record_step()', pg_temp.trace('x')),
  '39P01', 'runlink_record_step on the traces is one');
rollback to s;
-- After our own trigger fired for the table, and on its own.
savepoint s;
select is(pg_temp.fire('a after insert on app.aos_trace_steps for each row execute function '
  'app.runlink_record_trace()', pg_temp.step('t', 9)),
  '39P01', 'runlink_record_trace on the steps is one');
rollback to s;
savepoint s;
drop trigger runlink_record_step on app.aos_trace_steps;
select is(pg_temp.fire('a after insert on app.aos_trace_steps for each row execute function '
  'app.runlink_record_trace()', pg_temp.step('t', 9)),
  '39P01', 'runlink_record_trace on the steps is one where it stands alone');
rollback to s;
savepoint s;
select is(pg_temp.fire('a before insert on app.aos_trace_steps for each row execute function '
  'app.runlink_record_step()', pg_temp.step('t', 9)),
  '39P01', 'runlink_record_step before a row is one');
rollback to s;
savepoint s;
select is(pg_temp.fire('a after insert on app.aos_trace_steps for each statement execute '
  'function app.runlink_record_step()', pg_temp.step('t', 9)),
  '39P01', 'runlink_record_step after a statement is one');
rollback to s;
savepoint s;
create table app.steps_child () inherits (app.aos_trace_steps);
grant insert on app.steps_child to runlink_test_owner;
select is(pg_temp.fire('a after insert on app.steps_child for each row execute function '
  'app.runlink_record_step()',
    $$ insert into app.steps_child (trace_id, step_index) values ('t', 9) $$), '39P01',
      'on a table that inherits it is one');
rollback to s;
savepoint s;
create schema elsewhere;
create table elsewhere.aos_trace_steps (like app.aos_trace_steps including defaults);
grant all on schema elsewhere to runlink_test_owner;
grant all on elsewhere.aos_trace_steps to runlink_test_owner;
select is(pg_temp.fire('a after insert on elsewhere.aos_trace_steps for each row execute '
  'function app.runlink_record_step()',
    $$ insert into elsewhere.aos_trace_steps (trace_id, step_index) values ('t', 9) $$), '39P01',
      'on a table of that name in another schema it is one');
rollback to s;
savepoint s;
alter table app.aos_trace_steps rename to renamed;
select is(pg_temp.try('runlink_test_owner',
  $$ insert into app.renamed (trace_id, step_index) values ('t', 9) $$), '39P01',
  'on the steps renamed it is one');
rollback to s;

-- What the owner of the steps can do: switch triggers off, which is seen.

savepoint s;
select is(pg_temp.try('runlink_test_owner',
  'alter table app.aos_trace_steps disable trigger runlink_record_step'), 'ok',
  'the owner can disable the trigger');
select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 20)), 'ok', '... a step');
select is(pg_temp.leaves('t'), '{5}', '... has no leaf');
select lives_ok('select app.runlink_enable_sealing()', '... until sealing is enabled');
select is((select tgenabled::text from pg_trigger where tgname = 'runlink_record_step'), 'O',
  '... which enables it');
select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 21)), 'ok', '... the next step');
select is(pg_temp.leaves('t'), '{5,21}', '... has one');
select is((select format('%s %s %s', seal_no, step_count, backfilled)
  from app.runlink_seal_pending()), '5 8 2', '... and what was missed is backfilled');
rollback to s;
savepoint s;
set local role runlink_test_owner;
drop trigger runlink_record_step on app.aos_trace_steps;
create function app.forged() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger runlink_record_step after insert on app.aos_trace_steps for each row
  execute function app.forged();
reset role;
select lives_ok('select app.runlink_enable_sealing()', 'a trigger put in the place of ours');
select is((select tgfoid::regprocedure::text from pg_trigger where tgname = 'runlink_record_step'),
  'app.runlink_record_step()', '... is replaced by enabling');
rollback to s;
savepoint s;
alter table runlink.leaf disable trigger runlink_guard;
select lives_ok('select app.runlink_enable_sealing()', 'a guard that a superuser switched off');
select is(pg_temp.probe(current_user, 'delete from runlink.leaf'), '55000',
  '... is switched on by enabling');
rollback to s;

-- State put in the place of ours: it is not touched, and runs nobody's code.
-- Functions that an index takes must not write: they raise an error, once armed.

create function app.hostile_trigger() returns trigger language plpgsql as $$
begin insert into pg_temp.hostile_ran values ('trigger'); return new; end $$;
create function app.hostile(anyelement) returns boolean language plpgsql immutable as $$
begin
  if current_setting('runlink_test.armed',
    true) = 'yes' then raise exception 'hostile ran' using errcode = '66666'; end if;
  return true;
end $$;
create function app.hostile_key(varchar) returns varchar language plpgsql immutable as $$
begin
  if current_setting('runlink_test.armed',
    true) = 'yes' then raise exception 'hostile ran' using errcode = '66666'; end if;
  return $1;
end $$;
alter function app.hostile_trigger() owner to runlink_test_mallory;
alter function app.hostile(anyelement) owner to runlink_test_mallory;
alter function app.hostile_key(varchar) owner to runlink_test_mallory;
grant usage on schema app to runlink_test_mallory, runlink_owner;

create function pg_temp.attack(attack text, what text,
  refused boolean default true) returns setof text language plpgsql as $$
declare
  before bigint := (select count(*) from runlink.seal);
begin
  perform pg_temp.try('runlink_test_app', pg_temp.trace('attack'));
  execute attack;
  delete from hostile_ran;
  perform set_config('runlink_test.armed', 'yes', true);
  return next is(pg_temp.try('runlink_test_app', pg_temp.step('attack', 0)), 'ok',
    what || ': a step is inserted');
  return next is(pg_temp.try('runlink_test_app', pg_temp.trace('attack-2')), 'ok',
    what || ': a trace is inserted');
  return next is(pg_temp.try('runlink_test_app', pg_temp.finish('attack')), 'ok',
    what || ': a trace ends');
  if refused then
    return next is(pg_temp.try(current_user, 'select * from app.runlink_seal_pending()'), '55000',
      what || ': runlink_seal_pending is refused');
  end if;
  return next is(pg_temp.try(current_user, 'select app.runlink_enable_sealing()'), '55000',
    what || ': enabling is refused');
  return next is((select string_agg(format('%s as %s', r.what, r.as_role), ', ')
    from hostile_ran r), null, what || ': nothing hostile ran');
end $$;

create function pg_temp.replace_leaf() returns void language sql as $$
  create table app.leaf (like runlink.leaf including indexes);
  drop table runlink.leaf;
  alter table app.leaf set schema runlink;
$$;

savepoint s;
select pg_temp.attack('select pg_temp.replace_leaf(); alter table runlink.leaf owner to '
  'runlink_test_mallory', 'a table of another role''s');
rollback to s;
savepoint s;
select pg_temp.attack('select pg_temp.replace_leaf(); alter table runlink.leaf owner to '
  'runlink_test_mallory; '
  'create trigger t before insert on runlink.leaf for each row execute function '
    'app.hostile_trigger()', 'a table of another role''s with a trigger');
rollback to s;
savepoint s;
select pg_temp.attack(format('create trigger t before insert or update or delete on runlink.%s '
  'for each row execute function app.hostile_trigger()', t),
  format('a trigger on runlink.%s', t)) from unnest('{leaf,seal}'::text[]) as t where t = 'leaf';
rollback to s;
savepoint s;
select pg_temp.attack('create trigger t before insert on runlink.seal for each row execute '
  'function app.hostile_trigger()', 'a trigger on runlink.seal');
rollback to s;
savepoint s;
create function app.runlink_guard_state(int) returns int language sql as 'select 1';
create schema fake;
create function fake.runlink_guard_state() returns trigger
  language plpgsql as $$ begin insert into pg_temp.hostile_ran values ('guard'); return new; end $$;
alter function fake.runlink_guard_state() owner to runlink_test_mallory;
select pg_temp.attack('create trigger t before insert on runlink.trace for each row execute '
  'function fake.runlink_guard_state()', 'a trigger with the name of our guard');
rollback to s;
savepoint s;
select pg_temp.attack('create rule r as on insert to runlink.seal do also insert into '
  'pg_temp.hostile_ran values (''rule'')', 'a rule on runlink.seal');
rollback to s;
savepoint s;
select pg_temp.attack('alter table runlink.leaf rename to real; create view runlink.leaf as '
  'select * from runlink.real where app.hostile(trace_id); '
  'alter view runlink.leaf owner to runlink_owner', 'a view in place of runlink.leaf');
rollback to s;
savepoint s;
select pg_temp.attack('create index on runlink.leaf (app.hostile_key(trace_id))',
  'an index over a function');
rollback to s;
savepoint s;
select pg_temp.attack('create index on runlink.leaf (trace_id) where app.hostile(trace_id)',
  'an index with a predicate');
rollback to s;
savepoint s;
select pg_temp.attack('alter table runlink.seal enable row level security; alter table '
  'runlink.seal force row level security; '
  'create policy p on runlink.seal using (app.hostile(trace_id))', 'a policy on runlink.seal');
rollback to s;
savepoint s;
select pg_temp.attack('create table runlink.child () inherits (runlink.leaf)',
  'a table that inherits runlink.leaf');
rollback to s;
savepoint s;
select pg_temp.attack('alter role runlink_owner superuser',
  'the owner of the state made a superuser');
rollback to s;
savepoint s;
select pg_temp.attack('drop table runlink.leaf; create unlogged table runlink.leaf (step_index '
  'int not null, encoding int not null, trace_id varchar(64) not null, '
  'leaf bytea not null, salt bytea not null, primary key (trace_id, step_index)); alter table '
    'runlink.leaf owner to runlink_owner', 'an unlogged table');
rollback to s;
savepoint s;
select pg_temp.attack('alter table runlink.seal add check (app.hostile(trace_id))',
  'a constraint on runlink.seal');
rollback to s;
savepoint s;
select pg_temp.attack('alter table runlink.trace add check (app.hostile(trace_id))',
  'a constraint on runlink.trace');
rollback to s;
savepoint s;
select pg_temp.attack('alter schema runlink owner to runlink_test_mallory',
  'the schema given to another role');
rollback to s;

select is(pg_temp.try('runlink_test_app', pg_temp.step('t', 6)), 'ok',
  'with all that undone, a step');
select is(pg_temp.leaves('t'), '{5,6}', '... is recorded');

-- What a schema on the search_path, or temporary objects, have: nothing of it is called.

create schema hostile;
grant usage, create on schema hostile to runlink_test_mallory;
grant usage on schema hostile to public;

create function pg_temp.body(what text) returns text language sql immutable
  set search_path = pg_catalog, pg_temp as $$
  select format('begin insert into pg_temp.hostile_ran (what) values (%L); return null; end', what)
$$;

create function pg_temp.plant() returns bigint language plpgsql set search_path = pg_catalog,
  pg_temp as $$
declare
  f record;
  planted bigint := 0;
begin
  for f in
    select o.oprname, format_type(o.oprleft, null) as l, format_type(o.oprright, null) as r,
      format_type(o.oprresult, null) as result
    from pg_operator o join pg_type l on l.oid = o.oprleft join pg_type r on r.oid = o.oprright
    where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprkind = 'b' and l.typtype <> 'p'
      and r.typtype <> 'p'
      and l.typname = any ('{text,name,int2,int4,int8,timestamptz,interval,bytea,bool,oid,'
        'int8range,int8multirange,bpchar}')
    union all
    select o, l, r, case when o = '||' then 'text' else 'boolean' end
    from unnest('{=,<>,<,>,<=,>=,~~,||}'::text[]) as o
      cross join (values ('character varying', 'character varying'), ('character varying', 'text'),
        ('text', 'character varying')) as t (l, r)
  loop
    planted := planted + 1;
    execute format('create function hostile.operator_%s(%s, %s) returns %s language plpgsql as %L',
      planted, f.l, f.r, f.result,
      pg_temp.body(format('operator %s (%s, %s)', f.oprname, f.l, f.r)));
    execute format('create operator hostile.%s (procedure = hostile.operator_%s, leftarg = %s, '
      'rightarg = %s)', f.oprname, planted, f.l, f.r);
  end loop;
  for f in
    select p.proname, pg_get_function_identity_arguments(p.oid) as arguments,
      format_type(p.prorettype, null) as result
    from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0
      and not p.proretset and p.proargmodes is null
      and p.prorettype = any ('{text,name,int4,int8,timestamptz,bytea,bool,int8multirange,'
        'void}'::regtype[])
      and p.proname ~ '^(now|length|int4|int8|text|varchar|bool|sha256|upper|lower|name|bytea|int8multirange|timestamptz|max|count|current_setting|set_config)'
      and not exists (select from unnest(p.proargtypes) as a (type)
        join pg_type t on t.oid = a.type where t.typtype = 'p')
  loop
    planted := planted + 1;
    execute format('create function hostile.%I(%s) returns %s language plpgsql as %L', f.proname,
      f.arguments, f.result, pg_temp.body('function ' || f.proname));
  end loop;
  for f in
    select format('hostile.step_%s', n) as step, name, type
    from unnest('{max,count,bool_and,array_agg}'::text[]) as name
      cross join unnest('{integer,bigint,text,character varying,timestamp with time '
        'zone}'::text[]) with ordinality as t (type, n)
  loop
    planted := planted + 1;
    execute format('create or replace function %s(bigint, %s) returns bigint language plpgsql as '
      '%L', f.step, f.type, pg_temp.body('aggregate'));
    execute format('create aggregate hostile.%I(%s) (sfunc = %s, stype = bigint, initcond = 0)',
      f.name, f.type, f.step);
  end loop;
  create function hostile.count_step(bigint) returns bigint
    language plpgsql as 'begin insert into pg_temp.hostile_ran values (''count''); return 0; end';
  create aggregate hostile.count(*) (sfunc = hostile.count_step, stype = bigint, initcond = 0);

  for f in select unnest('{text,varchar,bytea,int4,int8,int8multirange,timestamptz,'
    'bool}'::text[]) as type loop
    execute format('create type hostile.%I as enum (''hostile'')', f.type);
    execute format('create function hostile.cast_to_%s(pg_catalog.text) returns hostile.%I '
      'language plpgsql as %L', f.type, f.type, pg_temp.body('cast to ' || f.type));
    execute format('create cast (pg_catalog.text as hostile.%I) with function '
      'hostile.cast_to_%s(pg_catalog.text) as implicit', f.type, f.type);
  end loop;

  create function hostile.mark() returns trigger
    language plpgsql as 'begin insert into pg_temp.hostile_ran values (tg_table_name); return '
    'new; end';
  return planted;
end $$;

-- Tables and views of the names of the state and of what is read.
create function pg_temp.plant_tables(s text) returns void language plpgsql as $$
declare
  name text;
begin
  foreach name in array '{encoding,trace,leaf,seal}'::text[] loop
    execute format('create %s table %I.%I (like runlink.%I)',
      case when s = 'pg_temp' then 'temp' else '' end, s, name, name);
    execute format('create trigger t before insert or update or delete on %I.%I for each row '
      'execute function hostile.mark()', s, name);
  end loop;
  foreach name in array '{aos_traces,aos_trace_steps}'::text[] loop
    execute format('create %s table %I.%I (like app.%I including defaults)',
      case when s = 'pg_temp' then 'temp' else '' end, s, name, name);
    execute format('create trigger t before insert or update or delete on %I.%I for each row '
      'execute function hostile.mark()', s, name);
  end loop;
  foreach name in array '{runlink_record_step,runlink_record_trace,'
    'runlink_guard_state}'::text[] loop
    execute format('create or replace function hostile.%s() returns trigger language plpgsql as '
      '%L', name, pg_temp.body(name));
  end loop;
end $$;

set local role runlink_test_mallory;
select pg_temp.plant() as planted \gset
reset role;
select pg_temp.plant_tables('hostile'), pg_temp.plant_tables('pg_temp') \g /dev/null
select cmp_ok(:planted, '>', 300, 'a schema is full of twins of operators and functions');

-- They do run where SQL is not qualified.
delete from hostile_ran;
set local search_path = hostile, pg_temp, public, tap, pg_catalog;
select 'a'::pg_catalog.varchar = 'a'::pg_catalog.varchar, count(*),
  max(1::pg_catalog.int4) from app.runs \g /dev/null
set local search_path = public, tap;
select cmp_ok(count(*), '>', 0::bigint, 'unqualified SQL runs them') from hostile_ran;
delete from hostile_ran;

create temp table path (n int, setting text);
insert into path values (1, 'hostile, pg_temp, public, tap, pg_catalog'),
  (2, 'hostile, public, tap'), (3, 'pg_temp, hostile, pg_catalog, public, tap'),
  (4, 'hostile, app, runlink');

-- A trace recorded, ended, added to, sealed; by whom, under what search_path.
create function pg_temp.live(wanted text, writer name,
  sealer name) returns text language plpgsql as $$
begin
  execute pg_catalog.format('set local role %I', writer);
  insert into app.aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash,
    schema_version, plan, trace, status)
    values (wanted, wanted, 'c', 'tenant', 'pending', '1.0', '{}', '{}', 'running');
  insert into app.aos_trace_steps (trace_id, step_index) values (wanted, 0), (wanted, 1);
  update app.aos_traces set status = 'completed' where trace_id operator(pg_catalog.=) wanted;
  insert into app.aos_trace_steps (trace_id, step_index) values (wanted, 2);
  execute pg_catalog.format('set local role %I', sealer);
  perform app.runlink_seal_pending(null, wanted);
  reset role;
  return 'ok';
end $$;

discard plans;
do $$
declare
  p record;
begin
  for p in select * from path order by n loop
    execute format('set local search_path = %s', p.setting);
    perform pg_temp.live(pg_catalog.concat('path-app-', p.n), 'runlink_test_app',
      'runlink_test_sealer');
    perform pg_temp.live(pg_catalog.concat('path-owner-', p.n), 'runlink_test_owner',
      'runlink_test_sealer');
    perform pg_temp.live(pg_catalog.concat('path-superuser-', p.n), session_user, session_user);
    perform app.runlink_disable_sealing();
    perform app.runlink_enable_sealing();
    set local search_path = public, tap;
  end loop;
end $$;
select is_empty('select * from hostile_ran',
  'whatever is on the path of writer, sealer and superuser: nothing hostile ran');
select is((select array_agg(distinct pg_temp.seals(trace_id)) from app.aos_traces
  where trace_id like 'path-%'), '{"0 2 0 final, 1 3 0 final"}',
  '... and every trace is recorded and sealed');
select is((select count(*) from app.aos_traces where trace_id like 'path-%'), 12::bigint,
  '... by three roles on four paths');
select is((select array_agg(pg_temp.probe(current_user, format('delete from runlink.%s', t)))
  from unnest('{leaf,seal}'::text[]) as t), '{55000,55000}', '... and the state is guarded');

-- State made under such a path.
drop schema runlink cascade;
delete from hostile_ran;
set local search_path = hostile, pg_temp, public, tap, pg_catalog;
select app.runlink_enable_sealing() \g /dev/null
set local search_path = public, tap;
select is_empty('select * from hostile_ran',
  'enabling makes the state without what is on the path');
select is(pg_temp.probe('runlink_test_app', pg_temp.step('t', 30)), 'ok', '... a step');
select lives_ok(pg_temp.step('t', 31), '... and another');
select is(pg_temp.leaves('t'), '{31}', '... are recorded there');

-- A column of a type of the owner's, whose cast would run as the superuser who enables.
savepoint s;
create type app.hostile_text as (value text);
create function app.hostile_cast(app.hostile_text) returns varchar language plpgsql as $$
begin
  insert into pg_temp.hostile_ran values ('cast');
  return 'run';
end $$;
create cast (app.hostile_text as varchar) with function app.hostile_cast(app.hostile_text)
  as assignment;
set local session_replication_role = replica;
alter table app.aos_traces alter run_id type app.hostile_text using row(run_id)::app.hostile_text;
set local session_replication_role = origin;
select throws_ok('select app.runlink_enable_sealing()', '42804', null,
  'a run_id of a type of the owner''s is refused');
select is_empty('select * from hostile_ran', '... and its cast did not run');
rollback to s;
-- (What is rolled back last is not counted by finish() but for a test after it.)
select lives_ok('select app.runlink_enable_sealing()', '... nor is anything refused with its own type again');

select * from finish();
rollback;
