-- The calls read as their caller: what a role may not read is an error that
-- names the table, in the calls that read it and in no other.

begin;
select plan(326);
set local client_min_messages = warning;

create role runlink_test_owner;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/example.sql
insert into policy_enforcements (id, tenant_id, rule_id, run_id, action_taken)
  values ('enf-test-001', 'tenant-test-001', 'policy-002', 'run-linkage-test-001', 'BLOCK');
insert into llm_run_records (
    id, tenant_id, run_id, provider, model, input_tokens, output_tokens, cost_cents, execution_status, started_at,
    source, is_synthetic)
  values ('llm-test-001', 'tenant-test-001', 'run-linkage-test-001', 'anthropic', 'model', 1, 1, 1, 'SUCCESS',
    '2026-01-15 09:02:00+00', 'test', false);
-- a gap of the run
insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, actor_type)
  values ('audit-test-gap', 'tenant-test-001', 'IncidentResolved', 'INCIDENT', 'inc-test-001', 'HUMAN');
reset role;
set local search_path = public, tap;

create temp view application_table as
  select relname::text as name from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r';
select is((select count(*) from application_table), 12::bigint, 'the application has twelve tables');

-- A role's name may need quotes; so may that of the role that the remedy names.
\set reader 'runlink_test "Reader"'
create role :"reader";
create role runlink_test_other;
grant usage on schema app to :"reader", runlink_test_other;
grant select on all tables in schema app to runlink_test_other;

\i test/fixture/asking.sql

-- The calls, and the tables that each reads.
create temp table call as
  select name, query, tables::text[] as tables, pg_temp.ask(current_user, query) as expected
  from (values
    ('runlink_linkage', $q$ select l::text from app.runlink_linkage('run-linkage-test-001') as l $q$,
     '{runs,incidents,prevention_records,policy_enforcements,limit_breaches,audit_ledger,aos_traces,aos_trace_steps,llm_run_records}'),
    ('runlink_evidence', $q$ select string_agg(e::text, e'\n') from app.runlink_evidence('run-linkage-test-001') as e $q$,
     '{runs,incidents,prevention_records,policy_rules,policy_enforcements,limit_breaches,limits,audit_ledger,aos_traces,llm_run_records}'),
    ('runlink_evidence_json', $q$ select app.runlink_evidence_json('run-linkage-test-001') - 'computed_at' $q$,
     '{runs,incidents,prevention_records,policy_rules,policy_enforcements,limit_breaches,limits,audit_ledger,aos_traces,llm_run_records}'),
    ('runlink_governance', $q$ select string_agg(g::text, e'\n') from app.runlink_governance('run-linkage-test-001') as g $q$,
     '{runs,incidents,audit_ledger}'),
    ('runlink_proof', $q$ select to_jsonb(p) - 'verified_at' from app.runlink_proof('run-linkage-test-001') as p $q$,
     '{runs,aos_traces,aos_trace_steps,aos_traces_archive}'),
    ('runlink_proof_steps', $q$ select string_agg(s::text, e'\n') from app.runlink_proof_steps('run-linkage-test-001') as s $q$,
     '{runs,aos_traces,aos_trace_steps,aos_traces_archive}'),
    ('runlink_proof_json', $q$ select app.runlink_proof_json('run-linkage-test-001') - 'verified_at' $q$,
     '{runs,aos_traces,aos_trace_steps,aos_traces_archive}'),
    ('runlink_gaps', $q$ select string_agg(g::text, e'\n') from app.runlink_gaps('run-linkage-test-001') as g $q$,
     '{runs,incidents,prevention_records,policy_enforcements,limit_breaches,audit_ledger,aos_traces,aos_trace_steps,aos_traces_archive,llm_run_records}'),
    ('runlink_report', $q$ select regexp_replace(app.runlink_report('run-linkage-test-001'), 'Reported at [^\n]*', '') $q$,
     '{runs,incidents,prevention_records,policy_rules,policy_enforcements,limit_breaches,limits,audit_ledger,aos_traces,aos_trace_steps,'
     'aos_traces_archive,llm_run_records}')
  ) as c (name, query, tables);

select matches(expected, 'run-linkage-test-001', name || ' answers a superuser') from call order by name;

-- What the schema check says of a role's privileges.
\set privileges_missing 'select string_agg(concat_ws(\' \', check_id, status, remedy), e\'\\n\') from app.runlink_schema_check() where check_id like \'privilege.%\' and status <> \'ok\''

-- A role that may read nothing.

select matches(pg_temp.ask(:'reader', query), '^42501 permission denied for relation app\.\w+\n', name || ' is refused to a role without any privilege')
from call order by name;
select is(
  (select count(*) from regexp_matches(pg_temp.ask(:'reader', :'privileges_missing'), 'no_privilege', 'g')),
  12::bigint, 'the schema check names every table to it');
select matches(pg_temp.ask(:'reader', 'select app.runlink_require_schema()'), '^55000 .*app\.incidents is no_privilege: grant select on table app\.incidents to "runlink_test ""Reader"""',
  'and so does require_schema');
select is(pg_temp.ask('runlink_test_other', :'privileges_missing'), null, 'and none to a role that may read all');
select is(pg_temp.ask(current_user, :'privileges_missing'), null, 'nor to a superuser');

-- Without SELECT on one table, one table at a time.

grant select on all tables in schema app to :"reader";
select is(pg_temp.ask(:'reader', query), expected, name || ' answers a role with SELECT on every table') from call order by name;

create function pg_temp.without_table(t text, reader text, privileges_missing text) returns setof text
language plpgsql as $$
declare
  c call;
begin
  execute format('revoke select on app.%I from %I', t, reader);

  for c in select * from call order by name loop
    if t = any (c.tables) then
      return next matches(pg_temp.ask(reader, c.query),
        format('^42501 permission denied for relation app\.%s\n[^\n]*\m%s\M[^\n]*"%s"[^\n]*\n[^\n]*app\.runlink_schema_check\(\)', t,
          c.name, reader),
        format('without %s, %s is refused, naming it, the call, the role and the schema check', t, c.name));
    else
      return next is(pg_temp.ask(reader, c.query), c.expected, format('without %s, %s answers', t, c.name));
    end if;
  end loop;

  return next is(pg_temp.ask(reader, privileges_missing),
    format('privilege.%s no_privilege grant select on table app.%s to %I', t, t, reader),
    format('without %s, the schema check says so to the role', t));
  return next matches(pg_temp.ask(reader, 'select app.runlink_require_schema()'), format('^55000 .*app\.%s is no_privilege', t),
    format('without %s, which calls are refused for, require_schema does not pass', t));
  return next is(pg_temp.ask('runlink_test_other', privileges_missing), null,
    format('without %s, and to no other role', t));
  return next is(pg_temp.ask(current_user, privileges_missing), null,
    format('without %s, and not to a superuser', t));

  execute pg_temp.ask(reader, format('select format(''set local role runlink_test_owner; %%s; reset role'', remedy) '
    'from app.runlink_schema_check() where check_id = ''privilege.%s''', t));
  return next is(pg_temp.ask(reader, privileges_missing), null,
    format('the remedy, run by the owner, mends %s', t));
  return next ok(bool_and(pg_temp.ask(reader, query) = expected), format('with %s again, every call answers', t)) from call;
end $$;

select pg_temp.without_table(name, :'reader', :'privileges_missing') from application_table order by name;

-- The schema check names the calls that need a table, but for those made of another that does.

-- runlink_seal_pending does not read runs; runlink_verify and runlink_tick read what runlink_proof does
select is(
  (select needed_by from app.runlink_schema_check() where check_id = 'privilege.' || t.name),
  (select string_agg(c.name, ', ' order by array_position(
     '{runlink_linkage,runlink_evidence,runlink_governance,runlink_proof,runlink_verify,runlink_tick,runlink_seal_pending,runlink_gaps,runlink_report}', c.name))
   from (select name, tables from call
         union all select v, tables from call, unnest('{runlink_verify,runlink_tick}'::text[]) as v where name = 'runlink_proof'
         union all select 'runlink_seal_pending', '{aos_traces,aos_trace_steps}') as c
   where t.name = any (c.tables) and c.name not in ('runlink_evidence_json', 'runlink_proof_steps', 'runlink_proof_json')),
  'needed_by of ' || t.name || ' has the calls that read it')
from application_table as t order by t.name <> 'runs', t.name;

-- Privileges on columns alone: those that the schema check tells of. A leaf covers
-- every column of a step, so that proof reads them all.

create role runlink_test_columns;
grant usage on schema app to runlink_test_columns;
create temp table needed as
  select split_part(check_id, '.', 2) as table_name, split_part(check_id, '.', 3) as column_name
  from app.runlink_schema_check() where check_id like 'column.%' and status = 'ok';
select format('grant select (%s) on app.%I to runlink_test_columns', string_agg(quote_ident(column_name), ', '), table_name)
  from needed group by table_name
\gexec
select is(pg_temp.ask('runlink_test_columns', :'privileges_missing'),
  'privilege.aos_trace_steps no_privilege grant select on table app.aos_trace_steps to runlink_test_columns',
  'the schema check says that some columns of a step are not enough');
select matches(pg_temp.ask('runlink_test_columns', query),
  format('^42501 permission denied for relation app\.aos_trace_steps\n[^\n]*\m%s\M[^\n]*\n[^\n]*app\.runlink_schema_check\(\)', name),
  name || ' is refused to who may read some columns of a step')
from call where name in ('runlink_proof', 'runlink_proof_steps') order by name;
select format('grant select (%s) on app.aos_trace_steps to runlink_test_columns', string_agg(quote_ident(column_name), ', '))
  from information_schema.columns where table_schema = 'app' and table_name = 'aos_trace_steps'
\gexec

select is(
  (select count(*) from information_schema.table_privileges where grantee = 'runlink_test_columns'),
  0::bigint, 'the role has no privilege on a whole table');
select cmp_ok(
  (select count(*) from information_schema.column_privileges where grantee = 'runlink_test_columns'), '<',
  (select count(*) from information_schema.columns where table_schema = 'app'),
  'and not on every column');
select is(pg_temp.ask('runlink_test_columns', query), expected, name || ' answers a role with privileges on columns') from call order by name;
select is(pg_temp.ask('runlink_test_columns', :'privileges_missing'), null, 'the schema check misses no privilege of it');

-- The calls that read a column are those that the schema check names. What evidence
-- only tells in its detail, it reads where it is there. The report, where it answers,
-- says what the caller may not read.
create function pg_temp.without_column(t text, col text, needed text) returns setof text
language plpgsql as $$
declare
  refused text[] := string_to_array(needed, ', ');
begin
  if t = 'aos_trace_steps' then
    refused := refused || '{runlink_proof,runlink_report}'::text[];
  end if;
  refused := refused || case when 'runlink_evidence' = any (refused) then array['runlink_evidence_json'] end
    || case when 'runlink_proof' = any (refused) then array['runlink_proof_steps', 'runlink_proof_json'] end;
  execute format('revoke select (%I) on app.%I from runlink_test_columns', col, t);
  return next results_eq(
    format($q$ select name, case when a ~ '^42501 ' then substring(a from '^[^\n]*\n\w+')
            when a = expected and name <> 'runlink_report' then 'answers'
            when split_part(a, '## Gaps in the schema', 1) = split_part(expected, '## Gaps in the schema', 1)
              and a ~ '\n\| required \| app\.%s \| no_privilege \|' then 'answers' else a end collate "C"
        from call cross join lateral pg_temp.ask('runlink_test_columns', query) as a order by name $q$, t),
    format($q$ select name, case when name = any (%L) then format(e'42501 permission denied for relation app.%s\n%%s', name) else 'answers' end collate "C"
        from call order by name $q$, refused, t),
    format('without %s.%s, the calls that read it are refused, and no other', t, col));
  return next is(
    (select regexp_replace(needed_by, '^linkage plan, ', '') from app.runlink_schema_check() where check_id = format('column.%s.%s', t, col)),
    needed, format('the schema check names the calls that read %s.%s', t, col));
  return next is(
    pg_temp.ask('runlink_test_columns', format('select status from app.runlink_schema_check() where check_id = ''privilege.%s''', t)),
    'no_privilege', format('without %s.%s, the schema check says so', t, col));
  execute format('grant select (%I) on app.%I to runlink_test_columns', col, t);
end $$;

select pg_temp.without_column(table_name, column_name, needed)
from (values
    ('runs', 'id', 'runlink_linkage, runlink_evidence, runlink_governance, runlink_proof, runlink_verify, runlink_tick, runlink_gaps, runlink_report'),
    ('runs', 'created_at', 'runlink_evidence, runlink_report'),
    ('runs', 'policy_violation', 'runlink_evidence, runlink_gaps, runlink_report'),
    ('incidents', 'source_run_id', 'runlink_linkage, runlink_evidence, runlink_governance, runlink_gaps, runlink_report'),
    ('incidents', 'llm_run_id', 'runlink_linkage, runlink_evidence, runlink_governance, runlink_gaps, runlink_report'),
    ('incidents', 'title', 'runlink_evidence, runlink_report'),
    ('prevention_records', 'run_id', 'runlink_linkage, runlink_evidence, runlink_gaps, runlink_report'),
    ('policy_rules', 'name', 'runlink_evidence, runlink_report'),
    ('policy_enforcements', 'run_id', 'runlink_linkage, runlink_evidence, runlink_gaps, runlink_report'),
    ('limit_breaches', 'run_id', 'runlink_linkage, runlink_evidence, runlink_gaps, runlink_report'),
    ('limits', 'name', 'runlink_evidence, runlink_report'),
    ('audit_ledger', 'after_state', 'runlink_linkage, runlink_evidence, runlink_governance, runlink_gaps, runlink_report'),
    ('audit_ledger', 'event_type', 'runlink_evidence, runlink_governance, runlink_gaps, runlink_report'),
    ('audit_ledger', 'correlation_id', 'runlink_evidence, runlink_gaps, runlink_report'),
    ('aos_traces', 'run_id', 'runlink_linkage, runlink_evidence, runlink_proof, runlink_verify, runlink_tick, runlink_seal_pending, runlink_gaps, runlink_report'),
    ('aos_traces', 'started_at', 'runlink_evidence, runlink_proof, runlink_verify, runlink_tick, runlink_seal_pending, runlink_gaps, runlink_report'),
    ('aos_traces', 'completed_at', 'runlink_evidence, runlink_proof_json, runlink_gaps, runlink_report'),
    ('aos_trace_steps', 'trace_id', 'runlink_linkage, runlink_proof, runlink_verify, runlink_tick, runlink_seal_pending, runlink_gaps, runlink_report'),
    ('aos_trace_steps', 'skill_name', 'runlink_proof, runlink_verify, runlink_tick, runlink_report'),
    ('aos_trace_steps', 'cost_cents', 'runlink_proof_json'),
    ('aos_traces_archive', 'trace_id', 'runlink_proof, runlink_verify, runlink_tick, runlink_gaps, runlink_report'),
    ('llm_run_records', 'run_id', 'runlink_linkage, runlink_evidence, runlink_gaps, runlink_report'),
    ('llm_run_records', 'model', 'runlink_evidence, runlink_report')
  ) as v (table_name, column_name, needed);
select ok(bool_and(pg_temp.ask('runlink_test_columns', query) = expected), 'with all of them again, every call answers') from call;

-- Privileges that come by membership or from PUBLIC.

create role runlink_test_member in role runlink_test_other;
select ok(bool_and(pg_temp.ask('runlink_test_member', query) = expected), 'a member of a role that may read is answered') from call;
select is(pg_temp.ask('runlink_test_member', :'privileges_missing'), null, 'and misses no privilege');
alter role runlink_test_member noinherit;
grant usage on schema app to runlink_test_member;
select ok(bool_and(pg_temp.ask('runlink_test_member', query) ~ '^42501 permission denied for relation'), 'one that does not inherit is refused') from call;
grant select on all tables in schema app to public;
select ok(bool_and(pg_temp.ask('runlink_test_member', query) = expected), 'what PUBLIC may read, every role is answered') from call;
revoke select on all tables in schema app from public;

-- Other privileges are not SELECT.

create role runlink_test_writer;
grant usage on schema app to runlink_test_writer;
grant insert, update, delete, truncate, references, trigger on all tables in schema app to runlink_test_writer;
select ok(bool_and(pg_temp.ask('runlink_test_writer', query) ~ '^42501 permission denied for relation'), 'who may only write is refused') from call;

-- Without USAGE on the schema, or EXECUTE on a function that a call is made of.

revoke usage on schema app from runlink_test_other;
select ok(bool_and(pg_temp.ask('runlink_test_other', query) ~ '^42501 permission denied for schema app'), 'who may not use the schema is refused') from call;
grant usage on schema app to runlink_test_other;
revoke execute on function app.runlink_proof(text, text) from public;
select set_eq(
  $$ select name from call where pg_temp.ask('runlink_test_other', query) ~ '^42501 permission denied for function runlink_proof' $$,
  $$ values ('runlink_proof'), ('runlink_proof_json'), ('runlink_report') $$,
  'who may not execute runlink_proof is refused what is made of it');
grant execute on function app.runlink_proof(text, text) to public;

-- A schema of views: SELECT on the views is enough.

drop extension runlink;
create schema canonical;
select format('create view canonical.%I as select * from app.%I', name, name) from application_table
\gexec
create extension runlink schema canonical;
create role runlink_test_viewer;
grant usage on schema canonical to runlink_test_viewer;
select set_eq(
  format('select name from call where pg_temp.ask(%L, replace(query, ''app.'', ''canonical.'')) ~ ''^42501 permission denied for relation canonical\.''', 'runlink_test_viewer'),
  'select name from call', 'without SELECT on the views, every call is refused');
grant select on all tables in schema canonical to runlink_test_viewer;
select is(
  pg_temp.ask('runlink_test_viewer', replace(query, 'app.', 'canonical.')),
  case name when 'runlink_linkage' then replace(expected, '(app,', '(canonical,') else expected end,
  name || ' answers a role with SELECT on the views alone')
from call where name <> 'runlink_report' order by name;
select is(
  pg_temp.ask('runlink_test_viewer', 'select string_agg(check_id, '', '') from canonical.runlink_schema_check() where level = ''required'' and status <> ''ok'''),
  null, 'the schema check misses nothing of the views');

select * from finish();
rollback;
