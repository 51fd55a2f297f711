-- Who is told what by proofs: the application's tables are read as the caller, leaves
-- and seals as their owner. What vanished is told to auditors alone; who cannot see a
-- trace learns nothing of it; and nothing that an owner can do launders a step.

begin;
select plan(271);
set local client_min_messages = warning;

create role runlink_test_owner;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
reset role;

\i test/fixture/defaults.sql
-- long ago, so that runlink_seal_pending() takes a running trace for idle
alter table app.aos_trace_steps alter "timestamp" set default '2026-01-01 00:00:00+00';
set local search_path = public, tap;
select app.runlink_enable_sealing() \g /dev/null

-- The roles, none of which has anything in schema runlink but the auditors and, by
-- runlink_enable_sealing(), the owner of the steps.

create role runlink_test_app;
create role runlink_test_tenant;
create role runlink_test_auditor bypassrls;
create role runlink_test_seals;
grant usage on schema app, tap to public;
grant select, insert on all tables in schema app to runlink_test_app;
grant update (status) on app.aos_traces to runlink_test_app;
grant select on all tables in schema app to runlink_test_tenant, runlink_test_auditor, runlink_test_seals;
grant select on runlink.seal to runlink_test_auditor, runlink_test_seals;

select is_empty(
  $$ select r, c.oid::regclass from unnest('{runlink_test_app,runlink_test_tenant}'::text[]) as r, pg_class c
     where c.relnamespace = 'runlink'::regnamespace and c.relkind = 'r'
       and (has_schema_privilege(r, 'runlink', 'usage') or has_table_privilege(r, c.oid, 'select, insert, update, delete, truncate')) $$,
  'the application''s roles have no privilege on the state');
select is_empty(
  $$ select c.oid::regclass from pg_class c
     where c.relnamespace = 'runlink'::regnamespace and c.relkind = 'r'
       and has_table_privilege('runlink_test_owner', c.oid, 'insert, update, delete, truncate, references, trigger') $$,
  'and the owner of the steps may only read it');

-- What a role is told, in one text; an error is its SQLSTATE and message.
create function pg_temp.ask(caller text, query text) returns text
language plpgsql as $$
declare
  answer text;
begin
  execute format('set local role %I', caller);
  execute query into answer;
  reset role;
  return answer;
exception when others then
  return sqlstate || ' ' || sqlerrm;
end $$;

-- trace, status, first bad step, and the steps that are not ok
create function pg_temp.told(caller text, run text, tenant text default null) returns text
language sql as $$
  select pg_temp.ask(caller, format($q$
    select string_agg(concat_ws(' ', p.trace_id, p.verification_status, 'at ' || p.first_bad_step,
        '(' || (select string_agg(s.step_index || ' ' || s.verdict, ', ' order by s.step_index)
                from app.runlink_proof_steps(%1$L, %2$L) as s where s.trace_id = p.trace_id and s.verdict <> 'ok') || ')',
        case when p.verification_status <> 'VERIFIED' then 'because ' || p.failure_reason end), '; ' order by p.trace_id)
    from app.runlink_proof(%1$L, %2$L) as p $q$, run, tenant))
$$;

-- Everything that proofs say of a run, but for its id and the time of the call.
create function pg_temp.answers(caller text, run text, tenant text default null) returns text
language sql as $$
  select replace(pg_temp.ask(caller, format($q$
    select concat_ws(e'\n',
      (select string_agg((to_jsonb(p) - 'verified_at')::text, e'\n') from app.runlink_proof(%1$L, %2$L) as p),
      (select string_agg(s::text, e'\n') from app.runlink_proof_steps(%1$L, %2$L) as s),
      app.runlink_proof_json(%1$L, %2$L) - 'verified_at') $q$, run, tenant)), run, '<run>')
$$;

-- The application's role works, as it always did.

create function pg_temp.work(run text, tenant text, steps integer, ends boolean) returns void
language plpgsql as $$
begin
  set local role runlink_test_app;
  insert into app.aos_traces (trace_id, run_id, tenant_id, status) values ('trace-' || run, 'run-' || run, 'tenant-' || tenant, 'running');
  insert into app.aos_trace_steps (trace_id, step_index, skill_name)
    select 'trace-' || run, i, 'skill of ' || tenant from generate_series(0, steps - 1) as i;
  if ends then
    update app.aos_traces set status = 'completed' where trace_id = 'trace-' || run;
  end if;
  reset role;
end $$;
insert into app.runs (id, tenant_id)
  select 'run-' || r || t, 'tenant-' || t from unnest('{sealed-,recorded-,gone-,moved-,archived-,dropped-}'::text[]) as r, unnest('{aaa,bbb}'::text[]) as t;
select pg_temp.work(r || t, t, 3, r <> 'recorded-')
from unnest('{sealed-,recorded-,gone-,moved-,archived-,dropped-}'::text[]) as r, unnest('{aaa,bbb}'::text[]) as t \g /dev/null

select is(pg_temp.ask('runlink_test_app', format('select count(*) from runlink.%I', t)), '42501 permission denied for schema runlink',
  'the application''s role cannot read runlink.' || t)
from unnest('{leaf,seal,trace,encoding}'::text[]) as t;
select is(pg_temp.told('runlink_test_app', run), replace(run, 'run-', 'trace-') || ' VERIFIED', run || ' is VERIFIED to the application''s role')
from unnest('{run-sealed-aaa,run-recorded-aaa,run-gone-bbb}'::text[]) as run;
select results_eq(
  $$ select run, pg_temp.ask('runlink_test_app', format('select assurance from app.runlink_proof(%L)', run)) from unnest('{run-sealed-aaa,run-recorded-aaa}'::text[]) as run $$,
  $$ values ('run-sealed-aaa', 'sealed'), ('run-recorded-aaa', 'recorded') $$,
  'on the rung that it is');
create temp table before as
  select r as run, pg_temp.answers('runlink_test_app', r) as answer
  from unnest('{run-sealed-aaa,run-recorded-aaa,run-gone-aaa,run-moved-aaa,run-archived-aaa,run-dropped-aaa}'::text[]) as r;
select is(pg_temp.answers(r, run), answer, format('%s: %s is told the same', run, r))
from before cross join unnest('{runlink_test_owner,runlink_test_auditor,runlink_test_seals}'::text[] || current_user::text) as r;

-- Row-level security: a tenant's role gets its own.

select format('alter table app.%I enable row level security', relname),
    format('create policy tenant on app.%I using (%s)', relname,
      case relname
        when 'aos_trace_steps' then
          'exists (select from app.aos_traces t where t.trace_id = aos_trace_steps.trace_id and t.tenant_id = current_setting(''app.tenant'', true))'
        else 'tenant_id = current_setting(''app.tenant'', true)'
      end),
    format('create policy application on app.%I to runlink_test_app using (true)', relname)
  from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
\gexec
set local app.tenant = 'tenant-aaa';

select is(pg_temp.answers('runlink_test_tenant', run), answer, run || ' is told to its tenant as before') from before;
select is(pg_temp.told('runlink_test_tenant', run), replace(run, 'run-', 'trace-') || ' VERIFIED', run || ' is VERIFIED to its tenant') from before;

-- What befalls traces; each says what an auditor is told of it.

create temp table fate as
  select * from (values
    ('run-sealed-', '', '%1$s VERIFIED'),
    ('run-recorded-', '', '%1$s VERIFIED'),
    ('run-gone-', 'delete from app.aos_traces where trace_id = ''trace-gone-%1$s''',
     '%1$s FAILED at 0 (0 missing, 1 missing, 2 missing) because the trace is missing from aos_traces; '
       '3 steps are not as recorded: 3 missing; the first is step 0'),
    ('run-moved-', 'update app.aos_traces set run_id = ''run-of-nobody'', tenant_id = ''tenant-ccc'' where trace_id = ''trace-moved-%1$s''',
     '%1$s FAILED because the trace was recorded for run "run-moved-%2$s" of tenant "tenant-%2$s"'),
    ('run-archived-',
     'with t as (delete from app.aos_traces where trace_id = ''trace-archived-%1$s'' returning *), '
       's as (delete from app.aos_trace_steps where trace_id = ''trace-archived-%1$s'') insert into app.aos_traces_archive select * from t',
     '%1$s ARCHIVED because the application moved the trace to aos_traces_archive and its steps are gone: nothing was compared'),
    ('run-dropped-', 'delete from app.runs where id = ''run-dropped-%1$s''', '%1$s VERIFIED')
  ) as v (run, befalls, told);
set local session_replication_role = replica;
select format(befalls, t) from fate cross join unnest('{aaa,bbb}'::text[]) as t where befalls <> ''
\gexec
delete from app.aos_trace_steps where trace_id ~ 'gone';
set local session_replication_role = origin;

-- The auditor, the owner that policies do not hold back, and a superuser are told all.
select is(pg_temp.told(r, run || t), format(told, replace(run, 'run-', 'trace-') || t, t), format('%s%s: what %s is told', run, t, r))
from fate cross join unnest('{aaa,bbb}'::text[]) as t cross join unnest('{runlink_test_auditor,runlink_test_owner}'::text[] || current_user::text) as r;
select is(pg_temp.told('runlink_test_auditor', 'run-gone-aaa', tenant), case tenant when 'tenant-aaa' then format(told, 'trace-gone-aaa', 'aaa')
    else 'UNSUPPORTED because the run is not of this tenant, which has no trace of it' end,
  'run-gone-aaa: what the auditor is told for ' || tenant)
from fate cross join unnest('{tenant-aaa,tenant-bbb}'::text[]) as tenant where run = 'run-gone-';
select is(
  (select a.answer::jsonb #>> '{integrity,verification_status}'
   from pg_temp.ask('runlink_test_auditor', 'select app.runlink_proof_json(''run-gone-aaa'')') as a (answer)), 'FAILED',
  'proof_json tells it to the auditor');
select matches(pg_temp.ask('runlink_test_auditor', 'select app.runlink_report(''run-gone-aaa'')'), '\| Proof result \| FAILED', 'and so does the report');

-- Whoever is no auditor is told what it sees; of what vanished or went away, that there is nothing.
select is(pg_temp.told('runlink_test_app', run || t), case
    when run in ('run-gone-', 'run-moved-') then 'UNSUPPORTED because the run has no trace'
    else format(told, replace(run, 'run-', 'trace-') || t, t) end, format('%s%s: what the application''s role is told', run, t))
from fate cross join unnest('{aaa,bbb}'::text[]) as t;
select is(pg_temp.told(r, run || 'aaa'), case
    when run in ('run-gone-', 'run-moved-') then 'UNSUPPORTED because the run has no trace'
    else format(told, replace(run, 'run-', 'trace-') || 'aaa', 'aaa') end,
  format('%saaa: what %s is told, SELECT on seals or not', run, r))
from fate cross join unnest('{runlink_test_tenant,runlink_test_seals}'::text[]) as r;
select is(pg_temp.answers(r, run || 'bbb', tenant), pg_temp.answers(r, 'run-none', tenant),
  format('%sbbb is to %s as a run that does not exist, tenant_id %s', run, r, tenant))
from fate cross join unnest('{runlink_test_tenant,runlink_test_seals}'::text[]) as r cross join (values (null), ('tenant-aaa'), ('tenant-bbb')) as v (tenant);

-- To whom a trace was moved, only that it was not always theirs.
set local app.tenant = 'tenant-ccc';
select is(pg_temp.told('runlink_test_tenant', 'run-of-nobody'),
  'trace-moved-aaa FAILED because the trace was recorded for another run or tenant; '
    'trace-moved-bbb FAILED because the trace was recorded for another run or tenant', 'moved to a tenant: what it is told');
select unalike(pg_temp.ask('runlink_test_tenant', 'select string_agg(failure_reason || tenant_id || run_id, '''') from app.runlink_proof(''run-of-nobody'')'),
  '%tenant-aaa%', 'and nothing of whose it was');
select is(pg_temp.told('runlink_test_auditor', 'run-of-nobody'),
  'trace-moved-aaa FAILED because the trace was recorded for run "run-moved-aaa" of tenant "tenant-aaa"; '
    'trace-moved-bbb FAILED because the trace was recorded for run "run-moved-bbb" of tenant "tenant-bbb"', 'and what the auditor is told');
set local app.tenant = 'tenant-aaa';

-- Forced policies hold the owner back, too.
select format('alter table app.%I force row level security', relname) from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
\gexec
select is(pg_temp.told('runlink_test_owner', 'run-gone-aaa'), 'UNSUPPORTED because the run has no trace', 'under FORCE the owner is not told what vanished');
select is(pg_temp.answers('runlink_test_owner', 'run-gone-bbb'), pg_temp.answers('runlink_test_owner', 'run-none'), 'least of all of another tenant');
select format('alter table app.%I no force row level security', relname) from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
\gexec

-- One becomes an auditor by GRANT, and none any longer by REVOKE, in one session.
alter table app.aos_traces disable row level security;
select is(pg_temp.told('runlink_test_seals', 'run-gone-aaa'), 'UNSUPPORTED because the run has no trace',
  'with a policy on the archive, which may hide the trace: not told');
alter table app.aos_traces_archive disable row level security;
select is(pg_temp.told('runlink_test_seals', 'run-gone-aaa') ~ '^trace-gone-aaa FAILED', true, 'with SELECT on seals and no policy on traces: told');
revoke select on runlink.seal from runlink_test_seals;
select is(pg_temp.told('runlink_test_seals', 'run-gone-aaa'), 'UNSUPPORTED because the run has no trace', 'and not without SELECT');
grant select (trace_id, seal_no) on runlink.seal to runlink_test_seals;
select is(pg_temp.told('runlink_test_seals', 'run-gone-aaa'), 'UNSUPPORTED because the run has no trace', 'nor with SELECT on some columns');
grant runlink_test_auditor to runlink_test_seals;
select is(pg_temp.told('runlink_test_seals', 'run-gone-aaa') ~ '^trace-gone-aaa FAILED', true, 'but as a member of the auditors');
revoke runlink_test_auditor from runlink_test_seals;
alter table app.aos_traces enable row level security;
alter table app.aos_traces_archive enable row level security;

-- Archived traces: their last seal is told, damage in it too, and never VERIFIED or FAILED.

select results_eq(
  $$ select p.verification_status, p.assurance, p.chain_length, p.sealed_length, p.sealed_root_hash = encode(s.chain_head, 'hex'), p.sealed_at = s.sealed_at, p.tenant_id
     from app.runlink_proof('run-archived-aaa') as p join runlink.seal s on s.trace_id = p.trace_id $$,
  $$ values ('ARCHIVED', 'sealed', 0::bigint, 3::bigint, true, true, 'tenant-aaa') $$,
  'an archived trace has its last seal');
select is_empty($$ select * from app.runlink_proof_steps('run-archived-aaa') $$, 'and no steps');
savepoint archived;
insert into app.aos_traces_archive select * from app.aos_traces where trace_id = 'trace-recorded-aaa';
set local session_replication_role = replica;
delete from app.aos_traces where trace_id = 'trace-recorded-aaa';
delete from app.aos_trace_steps where trace_id = 'trace-recorded-aaa';
update runlink.seal set chain_head = sha256('') where trace_id = 'trace-archived-aaa';
set local session_replication_role = origin;
select is(pg_temp.told('runlink_test_tenant', 'run-recorded-aaa'),
  'trace-recorded-aaa ARCHIVED because the application moved the trace to aos_traces_archive and its steps are gone: nothing was compared; it was never sealed',
  'archived before it was sealed');
select is(pg_temp.told('runlink_test_tenant', 'run-archived-aaa'),
  'trace-archived-aaa ARCHIVED because the application moved the trace to aos_traces_archive and its steps are gone: nothing was compared; '
    'seal 0 has another chain head than its leaves give', 'archived, and its seal damaged');
insert into app.aos_traces_archive select * from app.aos_traces where trace_id = 'trace-sealed-aaa';
select is(pg_temp.told('runlink_test_tenant', 'run-sealed-aaa'), 'trace-sealed-aaa VERIFIED', 'a trace that is in both is there');
set local session_replication_role = replica;
delete from app.aos_traces where trace_id = 'trace-sealed-aaa';
update app.aos_trace_steps set status = 'forged' where trace_id = 'trace-sealed-aaa' and step_index = 1;
set local session_replication_role = origin;
select results_eq(
  $$ select verification_status, first_bad_step, failure_reason from app.runlink_proof('run-sealed-aaa') $$,
  $$ values ('FAILED', 1, 'the trace is in aos_traces_archive, but its steps are not gone; '
       '1 step is not as recorded: 1 altered; the first is step 1') $$, 'in the archive alone, with its steps still there');
select results_eq(
  $$ select step_index from app.runlink_proof_steps('run-sealed-aaa') where verdict <> 'ok' $$, '{1}'::integer[],
  'and the altered one is told');
drop table app.aos_traces_archive;
select is(pg_temp.told('runlink_test_auditor', 'run-archived-bbb') ~ '^trace-archived-bbb FAILED at 0 \(0 missing, 1 missing, 2 missing\) because the trace is missing from aos_traces;', true,
  'without an archive it is missing');
rollback to archived;
revoke select on app.aos_traces_archive from runlink_test_tenant;
select is(pg_temp.told('runlink_test_tenant', 'run-sealed-aaa'), '42501 permission denied for relation app.aos_traces_archive', 'an archive that cannot be read is an error');
grant select on app.aos_traces_archive to runlink_test_tenant;

-- Laundering, as the owner of the application's tables: what runlink did not see
-- inserted is backfilled for ever, and what was changed stays changed.

create temp table laundering (no serial, title text, attack text, expected text, backfilled bigint);
insert into laundering (title, attack, expected, backfilled) values
  ('a step inserted past the trigger',
   'alter table aos_trace_steps disable trigger runlink_record_step; insert into aos_trace_steps (trace_id, step_index) values (''<t>'', 3); '
     'alter table aos_trace_steps enable trigger runlink_record_step', '<t> VERIFIED', 1),
  ('a step inserted past a trigger that does nothing',
   'drop trigger runlink_record_step on aos_trace_steps; create function nothing() returns trigger language plpgsql as ''begin return null; end''; '
     'create trigger runlink_record_step after insert on aos_trace_steps for each row execute function nothing(); '
     'insert into aos_trace_steps (trace_id, step_index) values (''<t>'', 3), (''<t>'', -1)', '<t> VERIFIED', 2),
  ('a trace inserted past both triggers',
   'alter table aos_trace_steps disable trigger user; alter table aos_traces disable trigger user; '
     'insert into aos_traces (trace_id, run_id, tenant_id, status) values (''trace-new'', ''<r>'', ''tenant-aaa'', ''completed''); '
     'insert into aos_trace_steps (trace_id, step_index) values (''trace-new'', 0), (''trace-new'', 1)', 'trace-new VERIFIED; <t> VERIFIED', 2),
  ('a trace inserted past its trigger, and moved',
   'alter table aos_traces disable trigger user; insert into aos_traces (trace_id, run_id, tenant_id, status) values (''trace-new'', ''run-sealed-bbb'', ''tenant-bbb'', ''running''); '
     'insert into aos_trace_steps (trace_id, step_index) values (''trace-new'', 0), (''trace-new'', 1); '
     'update aos_traces set run_id = ''<r>'', tenant_id = ''tenant-aaa'', status = ''completed'' where trace_id = ''trace-new''; '
     'alter table aos_traces enable trigger user', 'trace-new VERIFIED; <t> VERIFIED', 2),
  ('a step edited',
   'alter table aos_trace_steps disable trigger user; update aos_trace_steps set status = ''forged'' where trace_id = ''<t>'' and step_index = 1; alter table aos_trace_steps enable trigger user',
   '<t> FAILED at 1 (1 altered) because 1 step is not as recorded: 1 altered; the first is step 1', 0),
  ('a step deleted',
   'alter table aos_trace_steps disable trigger user; delete from aos_trace_steps where trace_id = ''<t>'' and step_index = 1; alter table aos_trace_steps enable trigger user',
   '<t> FAILED at 1 (1 missing) because 1 step is not as recorded: 1 missing; the first is step 1', 0),
  ('a step deleted and inserted anew, seen',
   'alter table aos_trace_steps disable trigger aos_trace_steps_reject_delete; delete from aos_trace_steps where trace_id = ''<t>'' and step_index = 1; '
     'insert into aos_trace_steps (trace_id, step_index, status) values (''<t>'', 1, ''forged'')',
   '<t> FAILED at 1 (1 altered) because 1 step is not as recorded: 1 altered; the first is step 1', 0),
  ('a step deleted and inserted anew, not seen',
   'alter table aos_trace_steps disable trigger user; delete from aos_trace_steps where trace_id = ''<t>'' and step_index = 1; '
     'insert into aos_trace_steps (trace_id, step_index, status) values (''<t>'', 1, ''forged'')',
   '<t> FAILED at 1 (1 altered) because 1 step is not as recorded: 1 altered; the first is step 1', 0),
  ('the trace deleted and inserted anew',
   'delete from aos_traces where trace_id = ''<t>''; insert into aos_traces (trace_id, run_id, tenant_id, status) values (''<t>'', ''<r>'', ''tenant-aaa'', ''running''); '
     'insert into aos_trace_steps (trace_id, step_index, status) select ''<t>'', i, ''forged'' from generate_series(0, 2) as i; '
     'update aos_traces set status = ''completed'' where trace_id = ''<t>''',
   '<t> FAILED at 0 (0 altered, 1 altered, 2 altered) because 3 steps are not as recorded: 3 altered; the first is step 0', 0),
  ('the trace deleted and inserted anew for another run',
   'delete from aos_traces where trace_id = ''<t>''; insert into aos_traces (trace_id, run_id, tenant_id, status) values (''<t>'', ''<r>'', ''tenant-bbb'', ''running''); '
     'update aos_traces set status = ''completed'' where trace_id = ''<t>''; update runs set tenant_id = ''tenant-bbb'' where id = ''<r>''',
   '<t> FAILED at 0 (0 missing, 1 missing, 2 missing) because the trace was recorded for run "<r>" of tenant "tenant-aaa"; '
     '3 steps are not as recorded: 3 missing; the first is step 0', 0),
  ('the table of steps replaced',
   'alter table aos_trace_steps rename to old_steps; create table aos_trace_steps as select * from old_steps; '
     'alter table aos_trace_steps alter id set default gen_random_uuid(); update aos_trace_steps set status = ''forged'' where step_index = 2; '
     'insert into aos_trace_steps (id, trace_id, step_index) values (default, ''<t>'', 3)',
   '<t> FAILED at 2 (2 altered) because 1 step is not as recorded: 1 altered; the first is step 2', 1);

create function pg_temp.launder(l laundering, run text) returns setof text
language plpgsql as $$
declare
  t text := replace(run, 'run-', 'trace-');
  said text;
  backfilled bigint;
begin
  begin
    set local search_path = app;
    set local role runlink_test_owner;
    execute replace(replace(l.attack, '<t>', t), '<r>', run);
    reset role;
    set local search_path = public, tap;
    perform app.runlink_seal_pending();
    select sum(p.backfilled_length) into backfilled from app.runlink_proof(run) as p;
    said := pg_temp.told(current_user::text, run);
    raise exception using errcode = 'RLTST';
  exception when sqlstate 'RLTST' then null;
  end;
  return next is(said || ' backfilled ' || backfilled,
    replace(replace(l.expected, '<t>', t), '<r>', run) || ' backfilled ' || l.backfilled, format('laundering %s: %s', run, l.title));
end $$;
select pg_temp.launder(l, run) from unnest('{run-sealed-aaa,run-recorded-aaa}'::text[]) as run cross join laundering as l order by run, no;

-- Who seals by hand needs SELECT on what it reads, and no more.

create role runlink_test_sealer bypassrls;
grant select on app.aos_traces, app.aos_trace_steps to runlink_test_sealer;
grant execute on function app.runlink_seal_pending to runlink_test_sealer;
select matches(pg_temp.ask('runlink_test_sealer', 'select count(*) from app.runlink_seal_pending()'), '^42501 permission denied for (schema runlink|relation app\.runs)', 'without SELECT on the state');
grant usage on schema runlink to runlink_test_sealer;
grant select on all tables in schema runlink to runlink_test_sealer;
select is(pg_temp.ask('runlink_test_sealer', 'select count(*) from app.runlink_seal_pending(0)'), '0', 'with it, and SELECT on traces and steps');
grant select on app.runs to runlink_test_sealer;
select is(pg_temp.ask('runlink_test_sealer', 'select string_agg(trace_id || '' '' || backfilled, '', '' order by trace_id) from app.runlink_seal_pending()'),
  'trace-recorded-aaa 0, trace-recorded-bbb 0', 'seals what is pending');
select is(pg_temp.told('runlink_test_tenant', 'run-recorded-aaa'), 'trace-recorded-aaa VERIFIED', 'which is VERIFIED after as before');
select is(pg_temp.ask('runlink_test_tenant', 'select count(*) from app.runlink_seal_pending()'), '42501 permission denied for function runlink_seal_pending', 'others may not');
select is(pg_temp.ask('runlink_test_owner', 'update runlink.seal set sealed_at = now()'), '42501 permission denied for table seal', 'nor write seals');
select is(pg_temp.ask('runlink_test_owner', 'insert into runlink.leaf values (9, 9, ''trace-recorded-aaa'', '''', '''')'), '42501 permission denied for table leaf', 'or leaves');

-- The schema check of sealing: every fault is told with its status, and the remedy mends it.

create temp table sealing_fault (no serial, fault text, damage text, expected text, remedies integer);
insert into sealing_fault (fault, damage, expected, remedies) values
  ('the state is missing', 'drop schema runlink cascade', 'sealing.state missing info', 0),
  ('a table of the state is missing', 'drop table runlink.trace', 'sealing.state not_valid recommended', 0),
  ('a table has another owner', 'alter table runlink.leaf owner to runlink_test_owner', 'sealing.state not_valid recommended', 0),
  ('a table has a foreign trigger', 'create trigger t before insert on runlink.leaf for each row execute function suppress_redundant_updates_trigger()', 'sealing.state not_valid recommended', 0),
  ('a table has an index with code', 'create index on runlink.seal (length(leaves))', 'sealing.state not_valid recommended', 0),
  ('a table is under policies', 'alter table runlink.seal enable row level security', 'sealing.state not_valid recommended', 0),
  ('a table is inherited', 'create table app.heir () inherits (runlink.leaf)', 'sealing.state not_valid recommended', 0),
  ('the owner has members', 'grant runlink_owner to runlink_test_app, runlink_test_owner', 'sealing.owner not_valid recommended', 1),
  ('the owner can log in', 'alter role runlink_owner login', 'sealing.owner not_valid recommended', 1),
  ('the guard is missing', 'drop trigger runlink_guard on runlink.seal', 'sealing.guard.seal missing recommended', 1),
  ('the guard is disabled', 'alter table runlink.leaf disable trigger all', 'sealing.guard.leaf disabled recommended', 1),
  ('a trigger is missing', 'drop trigger runlink_record_step on app.aos_trace_steps', 'sealing.record_step missing recommended', 1),
  ('a trigger is disabled', 'alter table app.aos_trace_steps disable trigger runlink_record_step', 'sealing.record_step disabled recommended', 1),
  ('both are disabled', 'alter table app.aos_trace_steps disable trigger runlink_record_step; alter table app.aos_traces disable trigger runlink_record_trace',
   'sealing.record_step disabled recommended, sealing.record_trace disabled recommended', 2),
  ('a trigger has a condition',
   'drop trigger runlink_record_step on app.aos_trace_steps; create trigger runlink_record_step after insert on app.aos_trace_steps for each row when (new.step_index < 10) execute function app.runlink_record_step()',
   'sealing.record_step not_valid recommended', 1),
  ('a trigger is of some columns',
   'drop trigger runlink_record_trace on app.aos_traces; create trigger runlink_record_trace after insert or update of run_id on app.aos_traces for each row execute function app.runlink_record_trace()',
   'sealing.record_trace not_valid recommended', 1),
  ('a trigger calls another function',
   'create or replace trigger runlink_record_step after insert on app.aos_trace_steps for each row execute function app.aos_trace_steps_reject_delete()',
   'sealing.record_step not_valid recommended', 1),
  ('a trigger calls a function of its name elsewhere',
   'create function public.runlink_record_step() returns trigger language plpgsql as ''begin return null; end''; '
     'create or replace trigger runlink_record_step after insert on app.aos_trace_steps for each row execute function public.runlink_record_step()',
   'sealing.record_step not_valid recommended', 1),
  ('sealing is disabled', 'select app.runlink_disable_sealing()', 'sealing.record_step missing recommended, sealing.record_trace missing recommended', 2);

create function pg_temp.faults() returns text
language sql as $$
  select string_agg(concat_ws(' ', check_id, status, level), ', ' order by check_id)
  from app.runlink_schema_check() where check_id like 'sealing.%' and status <> 'ok'
$$;
create function pg_temp.mends(f sealing_fault) returns setof text
language plpgsql as $$
declare
  said text;
  mended text := 'no remedy';
  remedies text[];
  statement text;
begin
  begin
    execute f.damage;
    said := pg_temp.faults();
    select coalesce(array_agg(remedy), '{}') into remedies from app.runlink_schema_check() where check_id like 'sealing.%' and remedy is not null;
    foreach statement in array remedies loop
      execute statement;
      mended := pg_temp.faults();
    end loop;
    raise exception using errcode = 'RLTST';
  exception when sqlstate 'RLTST' then null;
  end;
  return next is(said, f.expected, f.fault || ': the schema check says so, and nothing else of sealing');
  return next is(cardinality(remedies), f.remedies, f.fault || ': remedies');
  return next is(mended, case when f.remedies = 0 then 'no remedy' end, f.fault || case when f.remedies = 0 then ': nothing brings it back' else ': mended' end);
end $$;
select is(pg_temp.faults(), null, 'nothing is wrong with sealing');
select pg_temp.mends(f) from sealing_fault f order by no;
select is(pg_temp.faults(), null, 'nor afterwards');

-- The same of a partitioned table, where one partition is enough.

alter table app.aos_trace_steps rename to old_steps;
create table app.aos_trace_steps (like app.old_steps including defaults, unique (trace_id, step_index)) partition by list (trace_id);
create table app.steps_recorded partition of app.aos_trace_steps for values in ('trace-recorded-aaa', 'trace-recorded-bbb');
create table app.steps_others partition of app.aos_trace_steps default partition by range (step_index);
create table app.steps_low partition of app.steps_others for values from (minvalue) to (2);
create table app.steps_high partition of app.steps_others for values from (2) to (maxvalue);
insert into app.aos_trace_steps select * from app.old_steps;
select is(pg_temp.faults(), 'sealing.record_step missing recommended', 'a table partitioned since: the trigger is missing');
select app.runlink_enable_sealing() \g /dev/null
select is(pg_temp.told(current_user::text, run), replace(run, 'run-', 'trace-') || ' VERIFIED', run || ': partitioned, VERIFIED')
from unnest('{run-sealed-aaa,run-recorded-bbb}'::text[]) as run;
truncate sealing_fault;
insert into sealing_fault (fault, damage, expected, remedies) values
  ('disabled on one partition', 'alter table app.steps_recorded disable trigger runlink_record_step', 'sealing.record_step disabled recommended', 1),
  ('disabled on a partition of a partition', 'alter table app.steps_high disable trigger runlink_record_step', 'sealing.record_step disabled recommended', 1),
  ('disabled above the partitions', 'alter table only app.aos_trace_steps disable trigger runlink_record_step', 'sealing.record_step disabled recommended', 1),
  ('missing', 'drop trigger runlink_record_step on app.aos_trace_steps', 'sealing.record_step missing recommended', 1);
select pg_temp.mends(f) from sealing_fault f order by no;
select lives_ok($$ create table app.steps_new partition of app.aos_trace_steps for values in ('trace-new') $$, 'a partition added since');
select is(pg_temp.faults(), null, 'has the trigger');
insert into app.steps_new (trace_id, step_index) values ('trace-new', 0);
select is((select count(*) from runlink.leaf where trace_id = 'trace-new'), 1::bigint, 'which records what is inserted into it by its own name');

select count(*) as fates from fate \gset
select count(*) as attacks from laundering \gset
select diag(format('%s fates of traces, %s attacks of laundering on two traces, %s faults of sealing', :'fates', :'attacks', 19 + 4));
select * from finish();
rollback;
