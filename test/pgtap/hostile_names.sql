-- Objects that an ordinary role plants where a superuser's unqualified SQL would
-- find them: none of them runs, and no answer changes.

begin;
select plan(191);
set local client_min_messages = warning;
set local check_function_bodies = off;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/example.sql

-- Something of every kind and link; ids that another collation would order otherwise.
insert into policy_enforcements (id, tenant_id, rule_id, run_id, action_taken, triggered_at)
  values ('enf-test-001', 'tenant-test-001', 'policy-002', 'run-linkage-test-001', 'BLOCK', '2026-01-15 09:05:00+00');
insert into llm_run_records (
    id, tenant_id, run_id, provider, model, input_tokens, output_tokens, cost_cents, execution_status, started_at,
    source, is_synthetic)
  values ('llm-test-001', 'tenant-test-001', 'run-linkage-test-001', 'anthropic', 'model', 1, 1, 1, 'SUCCESS',
    '2026-01-15 09:02:00+00', 'test', false);
insert into incidents (id, tenant_id, title, severity, status, lifecycle_state, trigger_type, cause_type, source_run_id, llm_run_id,
    started_at, created_at)
  select id, tenant, 'Incident', 'LOW', 'open', 'ACTIVE', 'test', 'LLM_RUN', source, llm, '2026-01-15 09:00:00+00', null
  from (values
    ('b-canonical', 'tenant-test-001', 'run-linkage-test-001', null), ('A-canonical', 'tenant-test-001', 'run-linkage-test-001', null),
    ('a-canonical', 'tenant-test-001', 'run-linkage-test-001', null), ('B-legacy', 'tenant-test-001', null, 'run-linkage-test-001'),
    ('foreign', 'tenant-other', 'run-linkage-test-001', null)) as v (id, tenant, source, llm);
insert into prevention_records (id, tenant_id, policy_id, outcome, pattern_id, original_incident_id, blocked_incident_id,
    signature_match_confidence, created_at) values
  ('eval-legacy', 'tenant-test-001', 'policy-001', 'blocked', 'p', 'x', 'run-linkage-test-001', 0.5, '2026-01-15 09:05:00+00');
insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, actor_type, after_state, created_at) values
  ('audit-entity', 'tenant-test-001', 'IncidentResolved', 'INCIDENT', 'inc-test-001', 'HUMAN', '[]', '2026-01-15 09:30:00+00');

create table hostile_ran (what text);
grant insert on hostile_ran to public;

-- What every call answers, but for the time of the call. Nothing here is left to search_path.
create function pg_temp.answers() returns table (call pg_catalog.text, answer pg_catalog.text)
language sql stable as $$
  values
    ('linkage'::pg_catalog.text, (select pg_catalog.string_agg(l::pg_catalog.text, e'\n'::pg_catalog.text)
      from public.runlink_linkage('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text) as l)),
    ('evidence', (select pg_catalog.string_agg(e::pg_catalog.text, e'\n'::pg_catalog.text)
      from public.runlink_evidence('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text) as e)),
    ('evidence_json', (public.runlink_evidence_json('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text)
      operator(pg_catalog.-) 'computed_at'::pg_catalog.text)::pg_catalog.text),
    ('governance', (select pg_catalog.string_agg(g::pg_catalog.text, e'\n'::pg_catalog.text)
      from public.runlink_governance('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text) as g)),
    ('proof', (select pg_catalog.string_agg((pg_catalog.to_jsonb(p) operator(pg_catalog.-) 'verified_at'::pg_catalog.text)::pg_catalog.text,
        e'\n'::pg_catalog.text)
      from public.runlink_proof('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text) as p)),
    ('proof_steps', (select pg_catalog.string_agg(s::pg_catalog.text, e'\n'::pg_catalog.text)
      from public.runlink_proof_steps('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text) as s)),
    ('proof_json', (public.runlink_proof_json('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text)
      operator(pg_catalog.-) 'verified_at'::pg_catalog.text)::pg_catalog.text),
    ('report', pg_catalog.regexp_replace(public.runlink_report('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text, 'markdown'::pg_catalog.text),
      'Reported at [^\n]*'::pg_catalog.text, ''::pg_catalog.text)),
    ('report in HTML', pg_catalog.regexp_replace(public.runlink_report('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text, 'html'::pg_catalog.text),
      'Reported at.*?</tr>'::pg_catalog.text, ''::pg_catalog.text)),
    ('report in JSON', pg_catalog.regexp_replace(public.runlink_report('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text, 'json'::pg_catalog.text),
      '"reported_at": "[^"]*"'::pg_catalog.text, ''::pg_catalog.text)),
    ('runs', (select pg_catalog.string_agg(v::pg_catalog.text, e'\n'::pg_catalog.text) from public.runlink_runs as v)),
    ('evidence_items', (select pg_catalog.string_agg(v::pg_catalog.text, e'\n'::pg_catalog.text order by v.kind, v.record_id)
      from public.runlink_evidence_items as v)),
    ('governance_events', (select pg_catalog.string_agg(v::pg_catalog.text, e'\n'::pg_catalog.text order by v.record_id)
      from public.runlink_governance_events as v)),
    ('policy_decisions', (select pg_catalog.string_agg(v::pg_catalog.text, e'\n'::pg_catalog.text order by v.decision_id)
      from public.runlink_policy_decisions as v)),
    ('limit_hits', (select pg_catalog.string_agg(v::pg_catalog.text, e'\n'::pg_catalog.text) from public.runlink_limit_hits as v)),
    ('trace_integrity', (select pg_catalog.string_agg(v::pg_catalog.text, e'\n'::pg_catalog.text) from public.runlink_trace_integrity as v)),
    ('gaps', (select pg_catalog.string_agg(g::pg_catalog.text, e'\n'::pg_catalog.text)
      from public.runlink_gaps(null::pg_catalog.text, null::pg_catalog.text) as g)),
    ('gaps_of_a_run', (select pg_catalog.string_agg(g::pg_catalog.text, e'\n'::pg_catalog.text)
      from public.runlink_gaps('run-linkage-test-001'::pg_catalog.text, null::pg_catalog.text) as g)),
    ('gap_list', (select pg_catalog.string_agg(v::pg_catalog.text, e'\n'::pg_catalog.text order by v.gap, v.source_table, v.record_id, v.run_id)
      from public.runlink_gap_list as v)),
    ('schema_check', (select pg_catalog.string_agg(c::pg_catalog.text, e'\n'::pg_catalog.text) from public.runlink_schema_check() as c)),
    ('require_schema', public.runlink_require_schema()::pg_catalog.text),
    ('json_string', public.runlink_json_string('{"run_id": "run"}'::pg_catalog.jsonb, 'run_id'::pg_catalog.text))
$$;

create table answers (scene text, call text, answer text);
insert into answers select 'nothing hostile', a.* from pg_temp.answers() as a;
select is(count(*), 22::bigint, 'every call and view answers where nothing is hostile') from answers where answer is not null;
select is(count(*), 23::bigint, 'the evidence is of every kind and link')
from runlink_evidence('run-linkage-test-001');

-- The planting, by a role that may only create in a schema.

create role runlink_test_mallory;
create schema hostile;
grant usage, create on schema hostile to runlink_test_mallory;
grant usage on schema tap, public to runlink_test_mallory;

create function pg_temp.body(what text, returned text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('begin insert into public.hostile_ran values (%L); return%s; end', what, returned)
$$;

-- A twin of every function and operator of pg_catalog that can have one in plpgsql.
create function pg_temp.plant_twins(s name) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  f record;
  planted bigint := 0;
begin
  for f in
    select p.proname, p.proretset, pg_get_function_identity_arguments(p.oid) as arguments, format_type(p.prorettype, null) as result
    from pg_proc p join pg_type r on r.oid = p.prorettype
    where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0 and r.typtype in ('b', 'r')
      and p.proargmodes is null
      and not exists (select from unnest(p.proargtypes) as a (type) join pg_type t on t.oid = a.type where t.typtype = 'p')
  loop
    execute format('create function %I.%I(%s) returns %s%s language plpgsql as %L', s, f.proname, f.arguments,
      case when f.proretset then 'setof ' else '' end, f.result,
      pg_temp.body('function ' || f.proname, case when f.proretset then '' else ' null' end));
    planted := planted + 1;
  end loop;

  for f in
    select o.oprname, format_type(o.oprleft, null) as l, format_type(o.oprright, null) as r, format_type(o.oprresult, null) as result
    from pg_operator o
      join pg_type l on l.oid = o.oprleft
      join pg_type r on r.oid = o.oprright
    where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprkind = 'b' and l.typtype <> 'p' and r.typtype <> 'p'
    union all
    -- closer to the application's columns than what pg_catalog has
    select o, l, r, 'boolean'
    from unnest('{=,<>,<,>,<=,>=,~~}'::text[]) as o
      cross join (values ('character varying', 'character varying'), ('character varying', 'text'), ('text', 'character varying')) as t (l, r)
    union all
    select '||', l, r, 'text'
    from (values ('character varying', 'character varying'), ('character varying', 'text'), ('text', 'character varying')) as t (l, r)
  loop
    planted := planted + 1;
    execute format('create function %I.operator_%s(%s, %s) returns %s language plpgsql as %L', s, planted, f.l, f.r, f.result,
      pg_temp.body(format('operator %s (%s, %s)', f.oprname, f.l, f.r), ' null'));
    execute format('create operator %I.%s (procedure = %I.operator_%s, leftarg = %s, rightarg = %s)', s, f.oprname, s, planted, f.l, f.r);
  end loop;
  return planted;
end $$;

-- What has no twin: variadic functions, aggregates, types with casts, a collation, relations.
create function pg_temp.plant_others(s name) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  f record;
begin
  for f in
    select name, arguments
    from unnest('{concat,concat_ws,format,jsonb_build_object,jsonb_build_array,num_nulls}'::text[]) as name
      cross join unnest('{variadic text[],text,"text, text","character varying, character varying","text, character varying",'
        '"character varying, text","character varying, text, character varying","text, jsonb","anyelement, anyelement"}'::text[]) as arguments
  loop
    execute format('create or replace function %I.%I(%s) returns text language plpgsql as %L', s, f.name, f.arguments, pg_temp.body('function ' || f.name, ' null'));
  end loop;

  execute format('create function %I.step(state bigint, variadic value text[]) returns bigint language plpgsql as %L', s, pg_temp.body('aggregate', ' 0'));
  execute format('create function %I.count_step(state bigint) returns bigint language plpgsql as %L', s, pg_temp.body('aggregate count(*)', ' 0'));
  execute format('create aggregate %I.count(*) (sfunc = %I.count_step, stype = bigint)', s, s);
  for f in
    select name, format('%I.%s_step_%s', s, name, n) as step, arguments
    from unnest('{count,jsonb_agg,json_agg,array_agg,string_agg,bool_and,bool_or,max,min}'::text[]) as name
      cross join unnest('{text,jsonb,boolean,"timestamp with time zone","text, text"}'::text[]) with ordinality as a (arguments, n)
  loop
    execute format('create function %s(bigint, %s) returns bigint language plpgsql as %L', f.step, f.arguments, pg_temp.body('aggregate ' || f.name, ' 0'));
    execute format('create aggregate %I.%I(%s) (sfunc = %s, stype = bigint)', s, f.name, f.arguments, f.step);
  end loop;

  for f in select unnest('{text,varchar,jsonb,timestamptz,bool,int4,int8,name,oid}'::text[]) as type loop
    execute format('create type %I.%I as enum (%L)', s, f.type, 'hostile');
    execute format('create function %I.cast_to_%s(pg_catalog.text) returns %I.%I language plpgsql as %L', s, f.type, s, f.type, pg_temp.body('cast to ' || f.type, ' null'));
    execute format('create function %I.cast_to_%s(pg_catalog.varchar) returns %I.%I language plpgsql as %L', s, f.type, s, f.type, pg_temp.body('cast to ' || f.type, ' null'));
    execute format('create function %I.cast_from_%s(%I.%I) returns pg_catalog.text language plpgsql as %L', s, f.type, s, f.type, pg_temp.body('cast from ' || f.type, ' null'));
    execute format('create cast (pg_catalog.text as %I.%I) with function %I.cast_to_%s(pg_catalog.text) as implicit', s, f.type, s, f.type);
    execute format('create cast (pg_catalog.varchar as %I.%I) with function %I.cast_to_%s(pg_catalog.varchar) as implicit', s, f.type, s, f.type);
    execute format('create cast (%I.%I as pg_catalog.text) with function %I.cast_from_%s(%I.%I) as implicit', s, f.type, s, f.type, s, f.type);
  end loop;

  -- one that would order ids otherwise, where the server has it
  if exists (select from pg_collation where collname = 'en-x-icu') then
    execute format('create collation %I."C" from pg_catalog."en-x-icu"', s);
  end if;
end $$;

-- Views in place of the application's tables and of the catalogues.
create function pg_temp.plant_relations(s text, r text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  f record;
begin
  execute format('create function %s.mark(what text) returns text language plpgsql as %L', s,
    'begin insert into public.hostile_ran values (what); return what; end');
  for f in select unnest(r) as name loop
    execute format('create view %s.%I as select c.*, %s.mark(%L) from %s as c', s, f.name, s, 'view ' || f.name,
      (select c.oid::regclass from pg_class c where c.relname = f.name and c.relnamespace in ('public'::regnamespace, 'pg_catalog'::regnamespace)));
  end loop;
end $$;

-- The extension's own functions, where the schema is another.
create function pg_temp.plant_own(s name) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  f record;
begin
  -- and its type: a twin that returned the extension's own would keep it from being dropped, as it should
  execute format('create type %I.runlink_gap as (gap pg_catalog.text, level pg_catalog.text)', s);
  for f in
    select proname, proretset, prorettype, pg_get_function_arguments(oid) as arguments,
      replace(pg_get_function_result(oid), 'public.runlink_gap', format('%I.runlink_gap', s)) as result
    from pg_proc where pronamespace = 'public'::regnamespace and proname like 'runlink\_%' and prorettype <> 'internal'::regtype
  loop
    execute format('create function %I.%I(%s) returns %s language plpgsql as %L', s, f.proname, f.arguments, f.result,
      pg_temp.body('function ' || f.proname, case when f.proretset or f.prorettype = 'void'::regtype then '' else ' null' end));
  end loop;
end $$;

grant select on all tables in schema public to runlink_test_mallory;
create temp table relation as
  select array_agg(relname::text) as names from pg_class
  where (relnamespace = 'public'::regnamespace and relkind = 'r' and relname not in ('answers', 'hostile_ran'))
    or (relnamespace = 'pg_catalog'::regnamespace
      and relname in ('pg_class', 'pg_index', 'pg_am', 'pg_trigger', 'pg_constraint', 'pg_namespace', 'pg_type', 'pg_proc'));
grant select on relation to runlink_test_mallory;

-- First on the search_path.

set local role runlink_test_mallory;
select pg_temp.plant_twins('hostile') as planted \gset
select pg_temp.plant_others('hostile'), pg_temp.plant_own('hostile'), pg_temp.plant_relations('hostile', names) from relation \g /dev/null
reset role;
select cmp_ok(:planted, '>', 2500, 'a schema is full of twins of functions and operators');

-- they do run where SQL is not qualified
set local search_path = hostile, public, tap;
select 'a'::pg_catalog.varchar = 'a'::pg_catalog.varchar as captured \gset
set local search_path = public, tap;
select is(array_agg(what), '{"operator = (character varying, character varying)"}', 'unqualified SQL runs a hostile operator even with pg_catalog first')
from hostile_ran;
delete from hostile_ran;
set local search_path = hostile, public, tap, pg_catalog;
select upper('a'::pg_catalog.text), count(*), concat('a'::pg_catalog.text, 'b'::pg_catalog.text), 'a'::pg_catalog.text::text as text from runs limit 1 \g /dev/null
set local search_path = public, tap;
select set_has('select what from hostile_ran',
  $$ values ('function upper'), ('aggregate count(*)'), ('function concat'), ('cast to text'), ('view runs') $$,
  'and hostile functions, aggregates, casts and views where it is last');
delete from hostile_ran;

set local search_path = hostile, public, tap;
insert into public.answers select 'first on the path', a.call, a.answer from pg_temp.answers() as a;
set local search_path = hostile, public, tap, pg_catalog;
insert into public.answers select 'first on the path, pg_catalog last', a.call, a.answer from pg_temp.answers() as a;
discard plans;
insert into public.answers select 'first on the path, pg_catalog last, new plans', a.call, a.answer from pg_temp.answers() as a;
set local search_path = public, tap;
select is_empty('select what from hostile_ran', 'nothing hostile on the path ran');

-- What the schema check tells to run, run as it stands.

savepoint remedies;
drop view hostile.incidents, hostile.prevention_records, hostile.limit_breaches, hostile.runs, hostile.audit_ledger;
alter table incidents drop column source_run_id, alter column created_at type timestamp;
alter table prevention_records drop column run_id;
alter table limit_breaches alter column run_id type integer using null;
alter table runs drop column tenant_id, drop column risk_level, drop column policy_violation, drop column policy_draft_count;
alter table audit_ledger drop column after_state;
create temp table remedy as
  select check_id, replace(remedy, ' concurrently', '') as statement from runlink_schema_check()
  where status <> 'ok' and remedy is not null;
select set_eq(
  $$ select check_id from remedy where check_id like 'column.%' $$,
  $$ select 'column.' || unnest('{incidents.source_run_id,incidents.created_at,prevention_records.run_id,limit_breaches.run_id,'
       'runs.tenant_id,runs.risk_level,runs.policy_violation,runs.policy_draft_count,audit_ledger.after_state}'::text[]) $$,
  'nine columns are to be mended, a default of now() with them');

create function pg_temp.run_remedies() returns void
language plpgsql as $$
declare
  statement pg_catalog.text;
begin
  for statement in select r.statement from pg_temp.remedy as r loop
    begin
      execute statement;
    exception when others then
      insert into public.hostile_ran values (pg_catalog.format('%s: %s', sqlerrm, statement));
    end;
  end loop;
end $$;

savepoint path;
set local search_path = hostile, public, tap;
select pg_temp.run_remedies() \g /dev/null
set local search_path = public, tap;
select is_empty('select check_id, status, found from runlink_schema_check() where level = ''required'' and status <> ''ok''',
  'remedies run with something hostile on the path mend what is required');
insert into runs (id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id)
  values ('run-after', 'agent', 'goal', 'queued', 0, 1, 0, 'test');
insert into incidents (id, tenant_id, title, severity, status, lifecycle_state, trigger_type, cause_type, started_at)
  values ('inc-after', 'tenant', 'Incident', 'LOW', 'open', 'ACTIVE', 'test', 'LLM_RUN', now());
select is_empty('select distinct what from hostile_ran', 'and run nothing hostile, not in a default either');
rollback to path;

set local search_path = hostile, public, tap, pg_catalog;
select pg_temp.run_remedies() \g /dev/null
set local search_path = public, tap;
select is_empty('select check_id, status, found from runlink_schema_check() where level = ''required'' and status <> ''ok''',
  'remedies run with pg_catalog last on the path mend what is required');
insert into incidents (id, tenant_id, title, severity, status, lifecycle_state, trigger_type, cause_type, started_at)
  values ('inc-after', 'tenant', 'Incident', 'LOW', 'open', 'ACTIVE', 'test', 'LLM_RUN', now());
select is_empty('select distinct what from hostile_ran', 'and run nothing hostile either, not in a default');
select is((select created_at from incidents where id = 'inc-after'), now(), 'and the default is what it was');
rollback to remedies;

-- In pg_temp.

set local role runlink_test_mallory;
select pg_temp.plant_relations('pg_temp', names) from relation \g /dev/null
create type pg_temp.text as enum ('hostile');
create type pg_temp.varchar as enum ('hostile');
create type pg_temp.jsonb as enum ('hostile');
reset role;
set local search_path = public, tap;
insert into public.answers select 'in pg_temp', a.call, a.answer from pg_temp.answers() as a;
set local search_path = pg_temp, hostile, public, tap, pg_catalog;
insert into public.answers select 'in pg_temp, first on the path', a.call, a.answer from pg_temp.answers() as a;
set local search_path = pg_catalog, public, tap, pg_temp;
drop type pg_temp.text, pg_temp.varchar, pg_temp.jsonb;
select pg_catalog.format('drop view pg_temp.%I', name) from pg_temp.relation cross join pg_catalog.unnest(names) as name
\gexec
set local search_path = public, tap;
select is_empty('select what from hostile_ran', 'nothing hostile in pg_temp ran');

-- In public itself, beside the extension.

grant create on schema public to runlink_test_mallory;
set local role runlink_test_mallory;
set local search_path = pg_catalog, pg_temp;
select pg_temp.plant_twins('public'), pg_temp.plant_others('public') \g /dev/null
-- overloads that are nearer to the columns' types; one with a further, defaulted
-- argument would make calls ambiguous, an error, and run no more than these
select pg_catalog.format('create function public.%s(%s) returns %s language plpgsql as %L', name, arguments, result,
    pg_temp.body('overload ' || name, case result when 'text' then ' null' else '' end))
  from (values
    ('runlink_linkage', 'run_id varchar, tenant_id varchar', 'setof record'),
    ('runlink_linkage', 'variadic ids text[]', 'setof record'),
    ('runlink_evidence', 'run_id varchar, tenant_id varchar', 'setof record'),
    ('runlink_evidence', 'variadic ids text[]', 'setof record'),
    ('runlink_governance', 'run_id varchar, tenant_id varchar', 'setof record'),
    ('runlink_proof', 'run_id varchar, tenant_id varchar', 'setof record'),
    ('runlink_proof', 'variadic ids text[]', 'setof record'),
    ('runlink_json_string', 'state jsonb, key varchar', 'text'),
    ('runlink_json_string', 'state jsonb, key name', 'text'),
    ('runlink_json_string', 'state jsonb, variadic keys text[]', 'text'),
    ('runlink_json_string', 'state json, key text', 'text')
  ) as v (name, arguments, result)
\gexec
reset role;
set local search_path = public, tap;
insert into public.answers select 'in public', a.call, a.answer from pg_temp.answers() as a;
set local search_path = public, tap, pg_catalog;
insert into public.answers select 'in public, pg_catalog last', a.call, a.answer from pg_temp.answers() as a;

-- the extension made anew among all of that
set local search_path = hostile, public, tap, pg_catalog;
drop extension runlink;
create extension runlink schema public;
insert into public.answers select 'created anew', a.call, a.answer from pg_temp.answers() as a;

-- a function of the extension's own is not adopted
drop extension runlink;
set local role runlink_test_mallory;
create function public.runlink_linkage(run_id pg_catalog.text, tenant_id pg_catalog.text) returns setof record
  language plpgsql as 'begin insert into public.hostile_ran values (''adopted''); return; end';
reset role;
set local search_path = pg_catalog, pg_temp;
do $$
begin
  create extension runlink schema public;
exception when others then
  perform set_config('test.adoption', sqlstate, true);
end $$;

drop owned by runlink_test_mallory cascade;
set local search_path = public, tap;

select is_empty('select what from hostile_ran', 'nothing hostile in public ran');
select is(current_setting('test.adoption', true), '42723', 'CREATE EXTENSION refuses a function of its own name that is there already');

select is(a.answer, b.answer, a.scene || ': ' || a.call || ' is the same as without')
from answers a join answers b on b.call = a.call and b.scene = 'nothing hostile'
where a.scene <> 'nothing hostile'
order by a.scene, a.call;

select * from finish();
rollback;
