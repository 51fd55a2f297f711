-- runlink_gaps to its callers: arguments, order, tenants, privileges, policies, what an installation may lack, and
-- ids that are hostile to the remedies.

begin;
select plan(39);
set local client_min_messages = warning;

create schema "App %s Two";
create extension runlink schema "App %s Two";
set local search_path = "App %s Two";
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
alter table incidents drop constraint incidents_source_run_id_fkey;
alter table incidents alter cause_type set default 'LLM_RUN';
insert into runs (id, tenant_id, status) values ('run-a', 'tenant-a', 'queued'), ('run-b', 'tenant-b', 'queued');
insert into incidents (id, tenant_id, source_run_id, llm_run_id) values
  ('inc-missing', 'tenant-a', 'run-gone', null), ('inc-foreign', 'tenant-b', 'run-a', null), ('inc-old', 'tenant-a', null, 'run-a'),
  ('inc-none', 'tenant-a', null, null);
insert into prevention_records (id, tenant_id, run_id) values ('eval-none', 'tenant-a', null), ('eval-none-b', 'tenant-b', null);
insert into policy_enforcements (id, tenant_id, run_id) values ('enf-missing', 'tenant-a', 'run-gone');
insert into llm_run_records (id, tenant_id, run_id) values ('llm-foreign', 'tenant-b', 'run-a');
insert into audit_ledger (id, tenant_id, entity_type, entity_id) values ('ev-a', 'tenant-a', 'INCIDENT', 'inc-old'), ('ev-policy', 'tenant-a', 'POLICY_RULE', 'p');
set local search_path = public, tap;

create temp table rule as
  select unnest('{breach_event_without_run,breach_without_run,constraint_not_valid,evaluation_without_run,event_cause_unknown,'
    'incident_event_without_run,incident_without_run,link_across_tenants,link_to_missing_run,policy_event_without_run}'::text[]) as gap;
create temp view found as select * from "App %s Two".runlink_gaps() where gap in (select gap from rule);

-- All of it, in order.

select results_eq(
  'select level, gap, source_table, record_id, run_id, tenant_id from found',
  $$ values ('error', 'incident_without_run', 'incidents', 'inc-none', null, 'tenant-a'),
       ('error', 'link_across_tenants', 'incidents', 'inc-foreign', 'run-a', 'tenant-b'),
       ('error', 'link_across_tenants', 'llm_run_records', 'llm-foreign', 'run-a', 'tenant-b'),
       ('error', 'link_to_missing_run', 'incidents', 'inc-missing', 'run-gone', 'tenant-a'),
       ('error', 'link_to_missing_run', 'policy_enforcements', 'enf-missing', 'run-gone', 'tenant-a'),
       ('warn', 'evaluation_without_run', 'prevention_records', 'eval-none', null, 'tenant-a'),
       ('warn', 'evaluation_without_run', 'prevention_records', 'eval-none-b', null, 'tenant-b'),
       ('warn', 'incident_event_without_run', 'audit_ledger', 'ev-a', 'run-a', 'tenant-a'),
       ('warn', 'incident_without_run', 'incidents', 'inc-old', 'run-a', 'tenant-a'),
       ('info', 'event_cause_unknown', 'audit_ledger', null, null, 'tenant-a') $$,
  'gaps by level, rule, table and record');
select bag_eq('select * from "App %s Two".runlink_gaps()', 'select * from "App %s Two".runlink_gap_list', 'the view has the same rows');
select bag_eq(
  $$ select g.* from (values ('run-a'), ('run-b'), ('run-gone')) as r (id), "App %s Two".runlink_gaps(r.id) as g $$,
  $$ select g.* from "App %s Two".runlink_gaps() as g where run_id is not null $$,
  'the gaps of each run are those of the database that name it');
select isnt_empty($$ select from "App %s Two".runlink_gaps('run-gone') $$, 'a run that is missing from runs does not look clean');
select is_empty($$ select * from "App %s Two".runlink_gaps('nope') $$, 'one that nothing names has no gap');
select bag_eq(format('select * from "App %%s Two".runlink_gaps(%L, %L)', run, tenant),
  format('select * from "App %%s Two".runlink_gaps() where tenant_id = %L and run_id is not distinct from coalesce(%L, run_id)', tenant, run),
  concat('of ', tenant, ' only its records, run: ', run))
from (values (null, 'tenant-a'), (null, 'tenant-b'), ('run-a', 'tenant-a'), ('run-a', 'tenant-b'), ('run-gone', 'tenant-a')) as v (run, tenant);
select set_eq($$ select tenant_id from "App %s Two".runlink_gaps('run-a') $$, '{tenant-a,tenant-b}'::text[],
  'without a tenant, the records of others that name the run are told');
select is_empty($$ select * from "App %s Two".runlink_gaps(null, 'nobody') $$, 'a tenant that does not exist has none');

-- Arguments.

create function pg_temp.error_of(query text) returns text language plpgsql as $$
declare
  detail text;
  hint text;
begin
  execute query;
  return 'no error';
exception when others then
  get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
  return concat_ws('|', sqlstate, sqlerrm, detail, hint);
end $$;
select is(pg_temp.error_of(query), expected, query)
from (values
  ($$ select "App %s Two".runlink_gaps('') $$, '22023|run_id must not be empty|runlink_gaps narrows to a run where one is given.|Pass NULL, or leave it out, for every run.'),
  ($$ select "App %s Two".runlink_gaps(null, '') $$,
   '22023|tenant_id must not be empty|runlink_gaps narrows to a tenant where one is given.|Pass NULL, or leave it out, for every tenant.'),
  ($$ select "App %s Two".runlink_gaps('tenant-a', 'run-a') $$,
   '22023|run "tenant-a" does not exist|But it is the tenant of the run "run-a".|The arguments are runlink_gaps(run_id, tenant_id), in this order.'),
  ($$ select "App %s Two".runlink_gaps(repeat('x', 1000000)) $$, 'no error'), ($$ select "App %s Two".runlink_gaps(null, null) $$, 'no error')) as v (query, expected);

-- Hostile ids: in a remedy they are what they are, and its row alone is changed.

savepoint hostile;
create temp table hostile as
  select n, id from unnest(array['it''s', 'back\slash', 'per%cent %s %I', 'a "q"', e'line\nbreak', '''; drop table runs; --', '$$', ':name :''name''', '\', 'Ünïcode', ' ', '\''']) with ordinality as h (id, n);
insert into "App %s Two".runs (id, tenant_id, status) select id, 'tenant-h', 'queued' from hostile;
insert into "App %s Two".incidents (id, tenant_id, llm_run_id) select 'i' || id, 'tenant-h', id from hostile;
insert into "App %s Two".prevention_records (id, tenant_id, blocked_incident_id) select id, 'tenant-h', id from hostile;
insert into "App %s Two".limit_breaches (id, tenant_id, incident_id) select id, 'tenant-h', 'i' || id from hostile;
select is((select count(remedy) from found where tenant_id = 'tenant-h'), 36::bigint, 'a remedy for each record of hostile ids');
create schema hostile;
create function hostile.equals(varchar, varchar) returns boolean language plpgsql as 'begin raise exception ''hostile''; end';
create operator hostile.= (procedure = hostile.equals, leftarg = varchar, rightarg = varchar);
select array_agg(remedy) as remedies from found where tenant_id = 'tenant-h' \gset
set local search_path = hostile, pg_catalog;
select pg_catalog.unnest(:'remedies'::pg_catalog.text[])
\gexec
set local search_path = public, tap;
select is_empty($$ select * from found where tenant_id = 'tenant-h' $$, 'run as printed, they mend them');
select bag_eq(
  $$ select id, source_run_id from "App %s Two".incidents where tenant_id = 'tenant-h' union all select id, run_id from "App %s Two".prevention_records where tenant_id = 'tenant-h'
     union all select id, run_id from "App %s Two".limit_breaches where tenant_id = 'tenant-h' $$,
  'select ''i'' || id, id from hostile union all select id, id from hostile union all select id, id from hostile', 'each with its run');
select is((select count(*) from found), 10::bigint, 'and nothing else');
rollback to hostile;

-- A row that changed since it was reviewed is left alone.
savepoint reviewed;
select remedy from found where record_id = 'inc-old' and remedy is not null \gset
update "App %s Two".incidents set llm_run_id = 'run-b' where id = 'inc-old';
:remedy;
select is((select source_run_id from "App %s Two".incidents where id = 'inc-old'), null, 'the old link changed: nothing is written');
update "App %s Two".incidents set llm_run_id = 'run-a', source_run_id = 'run-b' where id = 'inc-old';
:remedy;
select is((select source_run_id from "App %s Two".incidents where id = 'inc-old'), 'run-b', 'nor over a link that came meanwhile');
rollback to reviewed;

-- What an installation may lack.

savepoint optional;
prepare links as select count(*) from "App %s Two".runlink_gap_list where source_table in ('policy_enforcements', 'llm_run_records');
execute links \gset with_tables_
select is(:with_tables_count, 2, 'the optional tables are read');
drop table "App %s Two".policy_enforcements, "App %s Two".llm_run_records;
execute links \gset without_tables_
select is(:without_tables_count, 0, 'where they are gone, the same prepared statement goes on');
select is((select count(*) from found), 8::bigint, 'and so does the call');
rollback to optional;
alter table "App %s Two".runs drop column parent_run_id;
alter table "App %s Two".incidents drop column llm_run_id, drop column cause_type;
alter table "App %s Two".prevention_records drop column blocked_incident_id, drop column original_incident_id;
alter table "App %s Two".limit_breaches drop column incident_id;
alter table "App %s Two".audit_ledger drop column correlation_id;
alter table "App %s Two".aos_traces drop column correlation_id;
insert into "App %s Two".limit_breaches (id, tenant_id) values ('breach-none', 'tenant-a');
select bag_eq('select level, gap, record_id, run_id from found where source_table <> ''audit_ledger''',
  $$ values ('info', 'incident_without_run', 'inc-none', null), ('info', 'incident_without_run', 'inc-old', null), ('error', 'link_across_tenants', 'inc-foreign', 'run-a'),
       ('error', 'link_across_tenants', 'llm-foreign', 'run-a'), ('error', 'link_to_missing_run', 'inc-missing', 'run-gone'),
       ('error', 'link_to_missing_run', 'enf-missing', 'run-gone'), ('warn', 'evaluation_without_run', 'eval-none', null),
       ('warn', 'evaluation_without_run', 'eval-none-b', null), ('warn', 'breach_without_run', 'breach-none', null) $$,
  'without old and indirect links, all is told but what follows from them');
savepoint required;
alter table "App %s Two".limit_breaches drop column run_id;
select is(split_part(pg_temp.error_of('select "App %s Two".runlink_gaps()'), '|', 2), 'column "run_id" of "App %s Two".limit_breaches does not exist',
  'what is required is an error that names it');
drop table "App %s Two".audit_ledger;
select is(split_part(pg_temp.error_of('select "App %s Two".runlink_gaps(''run-a'')'), '|', 2), 'column "run_id" of "App %s Two".limit_breaches does not exist',
  'for one run too');
rollback to optional;

-- Privileges and policies.

create role runlink_test_tenant;
grant usage on schema "App %s Two", tap to runlink_test_tenant;
grant select on all tables in schema pg_temp to runlink_test_tenant;
grant select on all tables in schema "App %s Two" to runlink_test_tenant;
revoke select on "App %s Two".incidents from runlink_test_tenant;
set local role runlink_test_tenant;
select matches(pg_temp.error_of(query), '^42501', 'without SELECT on a table: ' || query)
from (values ('select "App %s Two".runlink_gaps()'), ('select "App %s Two".runlink_gaps(''run-b'')'), ('select * from "App %s Two".runlink_gap_list')) as v (query);
reset role;
grant select on "App %s Two".incidents to runlink_test_tenant;
alter table "App %s Two".incidents add foreign key (source_run_id) references "App %s Two".runs not valid;
create temp table all_gaps as select * from found;
select format('alter table "App %%s Two".%I enable row level security', relname),
    format('create policy own on "App %%s Two".%I using (%s)', relname,
      case relname when 'aos_trace_steps' then 'true' else 'tenant_id = current_setting(''app.tenant'')' end)
  from pg_class where relnamespace = '"App %s Two"'::regnamespace and relkind = 'r'
\gexec
grant select on all_gaps to runlink_test_tenant;
set local app.tenant = 'tenant-a';
set local role runlink_test_tenant;
select bag_eq($$ select gap, record_id, run_id, remedy from "App %s Two".runlink_gaps() where gap <> 'constraint_not_valid' and gap in (select gap from rule) $$,
  $$ select gap, record_id, run_id, remedy from all_gaps where tenant_id = 'tenant-a' $$, 'a tenant''s role gets the gaps of its records');
select set_eq($$ select confidence, remedy is null from "App %s Two".runlink_gaps() where gap in ('link_to_missing_run', 'constraint_not_valid') $$,
  $$ values ('unknown', true) $$, 'of runs that it may not see it cannot say that they do not exist, nor of rows that they satisfy a constraint');
set local app.tenant = 'tenant-b';
select results_eq($$ select gap, record_id, run_id, confidence from "App %s Two".runlink_gaps(null, 'tenant-b') where gap in (select gap from rule) $$,
  $$ values ('link_to_missing_run', 'inc-foreign', 'run-a', 'unknown'), ('link_to_missing_run', 'llm-foreign', 'run-a', 'unknown'),
       ('evaluation_without_run', 'eval-none-b', null, 'unknown') $$,
  'another tenant''s run is to it one that does not exist, and it says that it may be hidden');
set local row_security = off;
select matches(pg_temp.error_of('select "App %s Two".runlink_gaps()'), '^42501', 'with row_security off, an error');
set local row_security = on;
reset role;

-- Another name for the schema: an error, and never the tables of another schema of the old name.
alter schema "App %s Two" rename to app_one;
create schema "App %s Two";
set local search_path = "App %s Two";
\i test/fixture/schema.sql
set local search_path = public, tap;
select throws_ok('select * from app_one.runlink_gap_list', '42883', null, 'the view does not follow a schema to its new name');
select throws_ok('select * from app_one.runlink_gaps()', '42883', null, 'nor does the call');
alter schema "App %s Two" rename to decoy;
alter schema app_one rename to "App %s Two";
select is((select count(*) from found where gap <> 'constraint_not_valid'), 10::bigint, 'and with the old name all is well again');

select * from finish();
rollback;
