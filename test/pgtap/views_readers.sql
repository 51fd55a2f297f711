-- Who reads the views, and how: row-level security holds, predicates reach the indexes with it and
-- without, and the views do not follow their schema to another name, but say so.

begin;
select plan(61);
set local client_min_messages = warning;

create schema app;
create extension runlink schema app;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql

-- Twenty tenants with a hundred runs each; a record of each kind a run, and a foreign one for each.
create temp table drawn as
  select n, 'run-' || n as run, 'tenant-' || n % 20 as tenant, 'tenant-' || (n + 1) % 20 as foreign_tenant,
    timestamptz '2026-01-01' + n * interval '1 hour' as at
  from generate_series(0, 1999) as n;
insert into runs (id, tenant_id, goal, created_at, started_at, completed_at) select run, tenant, 'goal of ' || tenant, at, at, at from drawn;
-- runs enough that they are not read whole to look up a few
insert into runs (id, tenant_id, goal, created_at) select 'other-' || n, 'tenant-other', 'goal', '2025-01-01' from generate_series(1, 20000) as n;
insert into incidents (id, tenant_id, title, source_run_id, llm_run_id, created_at)
  select 'inc-' || n, tenant, 'title of ' || tenant, case when n % 10 <> 0 then run end, run, at from drawn
  union all select 'inc-foreign-' || n, foreign_tenant, 'title of ' || foreign_tenant, run, null, at from drawn;
insert into policy_rules (id, tenant_id, name) select 'rule-' || t, 'tenant-' || t, 'name of tenant-' || t from generate_series(0, 19) as t;
insert into limits (id, tenant_id, name) select 'limit-' || t, 'tenant-' || t, 'name of tenant-' || t from generate_series(0, 19) as t;
insert into prevention_records (id, tenant_id, policy_id, outcome, run_id, blocked_incident_id, original_incident_id, created_at)
  select 'eval-' || n, tenant, 'rule-' || n % 20, 'BLOCKED', case when n % 10 < 8 then run end, case when n % 10 = 8 then run else 'inc-' || n end,
    case when n % 10 = 9 then run else 'inc-' || n end, at from drawn
  union all select 'eval-foreign-' || n, foreign_tenant, 'rule-' || (n + 1) % 20, 'BLOCKED', run, 'x', 'x', at from drawn;
insert into policy_enforcements (id, tenant_id, rule_id, run_id, triggered_at)
  select 'enf-' || n, tenant, 'rule-' || n % 20, run, at from drawn union all select 'enf-foreign-' || n, foreign_tenant, 'rule-x', run, at from drawn;
insert into limit_breaches (id, tenant_id, limit_id, run_id, breached_at)
  select 'breach-' || n, tenant, 'limit-' || n % 20, run, at from drawn union all select 'breach-foreign-' || n, foreign_tenant, 'limit-x', run, at from drawn;
insert into audit_ledger (id, tenant_id, entity_type, entity_id, before_state, after_state, created_at)
  select 'ev-' || n, tenant, case when n % 5 = 0 then 'INCIDENT' else 'LIMIT' end, case when n % 5 = 0 then 'inc-' || n else 'limit-' || n % 20 end,
    jsonb_build_object(case n % 5 when 1 then 'run_id' when 2 then 'source_run_id' else 'x' end, run),
    jsonb_build_object(case n % 5 when 3 then 'run_id' when 4 then 'source_run_id' else 'x' end, run), at from drawn
  union all select 'ev-foreign-' || n, foreign_tenant, 'LIMIT', 'limit-x', null, jsonb_build_object('run_id', run), at from drawn;
insert into aos_traces (trace_id, tenant_id, run_id, started_at)
  select 'trace-' || n, tenant, run, at from drawn union all select 'trace-foreign-' || n, foreign_tenant, run, at from drawn;
insert into aos_trace_steps (trace_id, step_index) select trace_id, 0 from aos_traces;
insert into llm_run_records (id, tenant_id, run_id, provider, model, started_at)
  select 'llm-' || n, tenant, run, 'p', 'm', at from drawn union all select 'llm-foreign-' || n, foreign_tenant, run, 'p', 'm', at from drawn;
set local search_path = public, tap;
select replace(remedy, ' concurrently', '') as statement
  from app.runlink_schema_check() where level = 'recommended' and status <> 'ok' and check_id like 'index.%'
\gexec
analyze;

create temp table view (name text, moment text);
insert into view values
  ('runlink_runs', 'started_at'), ('runlink_evidence_items', 'occurred_at'), ('runlink_governance_events', 'occurred_at'),
  ('runlink_policy_decisions', 'decided_at'), ('runlink_limit_hits', 'breached_at'), ('runlink_trace_integrity', 'started_at');

-- For comparison, what is one tenant's: nothing of it is hidden by its policies below.
select format('create temp table of_tenant_%s as select * from app.%1$s where tenant_id = ''tenant-7''', name) from view
\gexec
select is((select count(*) from of_tenant_runlink_runs), 100::bigint, 'a tenant has its runs');
select is((select count(*) from of_tenant_runlink_evidence_items), 900::bigint, 'a run has nine records of its tenant');
select is((select count(*) from of_tenant_runlink_governance_events), 100::bigint, 'one of them of the ledger');

create role runlink_test_tenant;
grant usage on schema app, tap to runlink_test_tenant;
set local role runlink_test_tenant;
select throws_ok('select * from app.' || name, '42501', null, name || ' without a privilege on the tables is an error')
from (values ('runlink_runs'), ('runlink_evidence_items'), ('runlink_governance_events'), ('runlink_policy_decisions'),
  ('runlink_limit_hits'), ('runlink_trace_integrity')) as v (name);
reset role;

select format('alter table app.%I enable row level security', relname), format('grant select on app.%I to runlink_test_tenant', relname),
    format('create policy own on app.%I using (%s)', relname,
      case relname
        when 'aos_trace_steps' then 'exists (select from app.aos_traces as t where t.trace_id = aos_trace_steps.trace_id)'
        else 'tenant_id = current_setting(''app.tenant'')'
      end)
  from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
\gexec
grant select on all tables in schema pg_temp to runlink_test_tenant;
set local app.tenant = 'tenant-7';
set local role runlink_test_tenant;
-- The tenant's records of others' runs, which it cannot see, are to it those of a missing run.
select bag_eq(
  format('select * from app.%s where run_id in (select run from drawn where tenant = ''tenant-7'')', name),
  format('select %s from of_tenant_%s',
    case name when 'runlink_runs' then
      (select string_agg(case attname when 'other_tenant_count' then '0'
         when 'gap_count' then 'gap_count - other_tenant_count as gap_count' else attname end, ', ' order by attnum)
       from pg_attribute where attrelid = 'app.runlink_runs'::regclass and attnum > 0)
    else '*' end, name),
  'a tenant''s role gets its own rows of ' || name)
from view order by name;
select is_empty(format('select * from app.%s as v where tenant_id <> ''tenant-7'' or v::text ~ ''of tenant-(?!7\M)''', name),
  'and none of another tenant')
from view order by name;
select is((select count(*) from app.runlink_runs), 100::bigint, 'it sees its runs only');
select is((select count(distinct run_id) from app.runlink_evidence_items where run_id = 'run-6'), 1::bigint,
  'its own record that names another''s run is there, as if the run were missing');
select is((select count(*) from app.runlink_evidence_items where run_id = 'run-6'),
  (select count(*) from app.runlink_evidence('run-6')), 'as in the evidence of that run');
set local row_security = off;
select throws_ok('select * from app.' || name, '42501', null, name || ' with row_security off is an error') from view order by name;
set local row_security = on;
reset role;

-- Predicates on ids and times reach the indexes.

create function pg_temp.plan_of(query text) returns text language plpgsql as $$
declare
  line text;
  plan text := '';
begin
  for line in execute 'explain (analyze, costs off, timing off, summary off) ' || query loop
    plan := plan || line || e'\n';
  end loop;
  return plan;
end $$;

-- Tables that are read from end to end. Small ones are, as they should. What a false condition stands
-- before is planned, and not read.
create function pg_temp.read_whole(plan text) returns text language sql as $$
  select string_agg(distinct m[1], ' ' order by m[1]) from regexp_matches(plan, 'Seq Scan on (\w+)[^\n]*\(actual', 'g') as m
  where m[1] not in ('policy_rules', 'limits')
$$;
select is(pg_temp.read_whole(pg_temp.plan_of('select * from app.runlink_limit_hits')), 'limit_breaches runs', 'a plan that reads tables whole is found');

select is(pg_temp.read_whole(pg_temp.plan_of(format('select * from app.%s where run_id = ''run-77''', name))), null, name || ' of a run reads no table whole')
from view order by name;
select is(pg_temp.read_whole(pg_temp.plan_of(
    format('select * from app.%s where tenant_id = ''tenant-7'' and %s >= ''2026-03-20'' and %2$s < ''2026-03-22''', name, moment))), null,
  name || ' of a tenant and two days reads no table whole')
from view order by name;

set local role runlink_test_tenant;
select is(pg_temp.read_whole(pg_temp.plan_of(format('select * from app.%s where run_id = ''run-77''', name))), null, name || ' of a run neither, under policies')
from (values ('runlink_runs'), ('runlink_evidence_items'), ('runlink_governance_events'), ('runlink_policy_decisions'),
  ('runlink_limit_hits'), ('runlink_trace_integrity')) as v (name);
reset role;

-- Times, where an index has them beside the tenant: the bounds are in its condition.
select matches(pg_temp.plan_of(format('select * from app.%s where tenant_id = ''tenant-7'' and %s >= ''2026-03-20''', name, moment)),
  format('Index Cond: \(\(\(tenant_id\)::text = ''tenant-7''::text\) AND \(%s >=', col), name || ': the time is looked up in the index')
from view join (values ('runlink_governance_events', 'created_at'), ('runlink_policy_decisions', 'created_at'),
  ('runlink_limit_hits', 'breached_at'), ('runlink_evidence_items', 'created_at')) as c (view, col) on view = name
order by name;

-- Another name for the schema: an error, and never the tables of another schema of the old name.
create schema decoy;
set local search_path = decoy;
\i test/fixture/schema.sql
set local search_path = public, tap;
alter schema app rename to app_one;
select throws_ok('select * from app_one.runlink_runs', null, null, 'views do not follow a schema to its new name');
alter schema decoy rename to app;
select throws_ok('select * from app_one.' || name, '42883', null, name || ' does not read another schema of the old name')
from view order by name;
alter schema app rename to decoy;
alter schema app_one rename to app;
select is((select count(*) from app.runlink_runs), 22000::bigint, 'and with the old name all is well again');

select * from finish();
rollback;
