-- Row-level security holds in every call: a tenant's role gets its own run and
-- nothing of another's, and plans saved for one role never answer for another.

begin;
select plan(154);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql

-- Two tenants with a run each; every value of a tenant's rows says whose it is.

create function pg_temp.add_tenant(t text) returns void
begin atomic
  insert into runs (id, tenant_id, goal, error_message) values ('run-' || t, 'tenant-' || t, 'goal-' || t, 'error-' || t);
  insert into policy_rules (id, tenant_id, name) values ('rule-' || t, 'tenant-' || t, 'name-' || t);
  insert into limits (id, tenant_id, name) values ('limit-' || t, 'tenant-' || t, 'name-' || t);
  insert into incidents (id, tenant_id, title, source_run_id, llm_run_id) values
    ('inc-' || t, 'tenant-' || t, 'title-' || t, 'run-' || t, null),
    ('inc-legacy-' || t, 'tenant-' || t, 'title-' || t, null, 'run-' || t);
  insert into prevention_records (id, tenant_id, run_id, policy_id, outcome, blocked_incident_id) values
    ('eval-' || t, 'tenant-' || t, 'run-' || t, 'rule-' || t, 'BLOCKED', 'blocked-' || t),
    ('eval-legacy-' || t, 'tenant-' || t, null, 'rule-' || t, 'BLOCKED', 'run-' || t);
  insert into policy_enforcements (id, tenant_id, run_id, rule_id) values
    ('enf-' || t, 'tenant-' || t, 'run-' || t, 'rule-' || t);
  insert into limit_breaches (id, tenant_id, run_id, limit_id) values
    ('breach-' || t, 'tenant-' || t, 'run-' || t, 'limit-' || t);
  insert into audit_ledger (id, tenant_id, entity_type, entity_id, after_state) values
    ('event-' || t, 'tenant-' || t, 'LIMIT', 'limit-' || t, jsonb_build_object('run_id', 'run-' || t)),
    ('event-inc-' || t, 'tenant-' || t, 'INCIDENT', 'inc-' || t, '{}');
  insert into aos_traces (trace_id, run_id, tenant_id) values
    ('trace-' || t, 'run-' || t, 'tenant-' || t), ('trace-again-' || t, 'run-' || t, 'tenant-' || t);
  insert into aos_trace_steps (trace_id, step_index, skill_name)
    select 'trace-' || t, i, 'skill-' || t from generate_series(0, 2) as i;
  insert into llm_run_records (id, tenant_id, run_id, provider, model) values
    ('llm-' || t, 'tenant-' || t, 'run-' || t, 'provider-' || t, 'model-' || t);
end;
select pg_temp.add_tenant('aaa'), pg_temp.add_tenant('bbb') \g /dev/null

-- Records of one tenant that name the run, a rule or a limit of the other.
insert into incidents (id, tenant_id, title, source_run_id) values
  ('inc-cross-bbb', 'tenant-bbb', 'title-bbb', 'run-aaa'), ('inc-cross-aaa', 'tenant-aaa', 'title-aaa', 'run-bbb');
insert into prevention_records (id, tenant_id, run_id, policy_id, outcome) values
  ('eval-cross-bbb', 'tenant-bbb', 'run-aaa', 'rule-bbb', 'BLOCKED');
insert into limit_breaches (id, tenant_id, run_id, limit_id) values ('breach-cross-bbb', 'tenant-bbb', 'run-aaa', 'limit-bbb');
insert into audit_ledger (id, tenant_id, after_state) values ('event-cross-bbb', 'tenant-bbb', '{"run_id": "run-aaa"}');
insert into aos_traces (trace_id, run_id, tenant_id) values ('trace-cross-bbb', 'run-aaa', 'tenant-bbb');
insert into aos_trace_steps (trace_id, step_index, skill_name) values ('trace-cross-bbb', 0, 'skill-bbb');

-- What every call answers, but for the time of the call; the run's id is masked.
create function pg_temp.answers(run text, tenant text default null) returns table (call text, answer text)
language sql stable as $$
  select call, coalesce(replace(answer, run, '<run>'), 'no rows')
  from (values
    ('linkage', (select string_agg(l::text, e'\n') from runlink_linkage(run, tenant) as l)),
    ('evidence', (select string_agg(e::text, e'\n') from runlink_evidence(run, tenant) as e)),
    ('evidence_json', (runlink_evidence_json(run, tenant) - 'computed_at')::text),
    ('governance', (select string_agg(g::text, e'\n') from runlink_governance(run, tenant) as g)),
    ('proof', (select string_agg((to_jsonb(p) - 'verified_at')::text, e'\n') from runlink_proof(run, tenant) as p)),
    ('proof_steps', (select string_agg(s::text, e'\n') from runlink_proof_steps(run, tenant) as s)),
    ('proof_json', (runlink_proof_json(run, tenant) - 'verified_at')::text),
    ('report', regexp_replace(runlink_report(run, tenant), 'Reported at [^\n]*', ''))
  ) as a (call, answer)
$$;

-- For comparison: the superuser's answers, before there is any policy.
create temp table unrestricted as
  select run, a.* from unnest('{run-aaa,run-bbb}'::text[]) as run cross join lateral pg_temp.answers(run) as a;
grant select on unrestricted to public;

select results_eq(
  $$ select run_found, incident_count, policy_evaluation_count, decision_count, limit_breach_count,
       governance_event_count, trace_count, step_count, legacy_link_count, other_tenant_count
     from runlink_linkage('run-aaa') $$,
  $$ values (true, 1::bigint, 1::bigint, 1::bigint, 1::bigint, 2::bigint, 2::bigint, 3::bigint, 2::bigint, 5::bigint) $$,
  'without row-level security, the other tenant''s records are counted');

create role runlink_test_owner;
create role runlink_test_tenant;
create role runlink_test_bypass bypassrls;
grant usage on schema public, tap to runlink_test_owner, runlink_test_tenant, runlink_test_bypass;

select format('alter table %I owner to runlink_test_owner', relname),
    format('alter table %I enable row level security', relname),
    format('grant select on %I to runlink_test_tenant, runlink_test_bypass', relname),
    format('create policy tenant on %I using (%s)', relname,
      case relname
        when 'aos_trace_steps' then
          'exists (select from aos_traces t where t.trace_id = aos_trace_steps.trace_id '
          'and t.tenant_id = current_setting(''app.tenant'', true))'
        else 'tenant_id = current_setting(''app.tenant'', true)'
      end)
  from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
\gexec

-- A tenant's role sees its own run in every call.

set local role runlink_test_tenant;
set local app.tenant = 'tenant-aaa';

select isnt(answer, 'no rows', call || ' of the tenant''s own run answers') from pg_temp.answers('run-aaa');
select ok(answer !~ 'bbb', call || ' of the tenant''s own run has nothing of another tenant') from pg_temp.answers('run-aaa');
select is(a.answer, u.answer, a.call || ' of the tenant''s own run is as without policies')
from pg_temp.answers('run-aaa') as a join unrestricted as u using (call)
where u.run = 'run-aaa' and call not in ('linkage', 'report');
select results_eq(
  $$ select run_found, tenant_id, incident_count, policy_evaluation_count, decision_count, limit_breach_count,
       governance_event_count, trace_count, step_count, legacy_link_count, other_tenant_count
     from runlink_linkage('run-aaa') $$,
  $$ values (true, 'tenant-aaa', 1::bigint, 1::bigint, 1::bigint, 1::bigint, 2::bigint, 2::bigint, 3::bigint, 2::bigint, 0::bigint) $$,
  'linkage counts the tenant''s own records and not those that it may not see');
select is(a.answer, d.answer, a.call || ' of the tenant''s own run is the same with tenant_id given')
from pg_temp.answers('run-aaa') as a join pg_temp.answers('run-aaa', 'tenant-aaa') as d using (call);
select matches(runlink_report('run-aaa'),
  '\| 4 \| not (applicable|met) \|(.*\n)*\| What row-level security hides from this role \| it is in no count and in no gap \|',
  'the report does not call complete what it cannot see whole, and says so');

-- And nothing of another's run: it is as if it did not exist.

select is((select run_found from runlink_linkage('run-bbb')), false, 'another tenant''s run is not found');
select is(runlink_evidence_json('run-bbb') -> 'run_found', 'false', 'nor by evidence_json');
select is_empty($$ select * from runlink_proof_steps('run-bbb') $$, 'its steps are not there');
select is_empty($$ select * from runlink_governance('run-bbb') $$, 'its governance events are not there');
select results_eq(
  $$ select record_id from runlink_evidence('run-bbb') $$, $$ values ('inc-cross-aaa') $$,
  'its evidence is what the tenant''s own records say of it');

-- the tenant's own record that names the run would make it differ from a missing one
reset role;
delete from incidents where id = 'inc-cross-aaa';
set local role runlink_test_tenant;

select is(b.answer, missing.answer, format('%s of another tenant''s run is that of a missing run, tenant_id %s', b.call, t))
from (values (null), ('tenant-aaa'), ('tenant-bbb')) as tenant (t)
  cross join lateral pg_temp.answers('run-bbb', t) as b
  join lateral pg_temp.answers('run-000', t) as missing using (call);
select ok(answer !~ '(goal|error|rule|limit|inc|eval|enf|breach|event|trace|llm|name|title|skill|model|provider)-bbb',
  format('%s names nothing of it, tenant_id %s', call, t))
from (values (null), ('tenant-aaa'), ('tenant-bbb')) as tenant (t) cross join lateral pg_temp.answers('run-bbb', t);
select results_eq(
  $$ select run_found, incident_count + policy_evaluation_count + decision_count + limit_breach_count + governance_event_count
       + trace_count + step_count + legacy_link_count + other_tenant_count
     from runlink_linkage('run-bbb') $$,
  $$ values (false, 0::bigint) $$,
  'linkage counts nothing of it');
select lives_ok($$ select * from runlink_linkage('tenant-bbb', 'run-bbb') $$,
  'arguments the wrong way round are not told apart from a missing run');
select is(runlink_json_string(after_state, 'run_id'), 'run-aaa', 'the ledger''s index function gives the tenant''s own value alone')
from audit_ledger where runlink_json_string(after_state, 'run_id') is not null;

select is_empty(
  $$ select * from runlink_schema_check() where level = 'required' and status <> 'ok' $$,
  'the schema check answers the tenant''s role');
select lives_ok('select runlink_require_schema()', 'and so does require_schema');
select is_empty(
  $$ select c from runlink_schema_check() as c where c::text ~ 'aaa|bbb' $$,
  'the schema check tells nothing of any row');

-- The ledger's index serves a role under policies, because its function is leakproof.

reset role;
select replace(remedy, ' concurrently', '') as statement
  from runlink_schema_check() where check_id = 'index.audit_ledger.after_state.run_id'
\gexec
create function pg_temp.plan_of(query text) returns text language plpgsql as $$
declare
  line text;
  plan text := '';
begin
  for line in execute 'explain ' || query loop
    plan := plan || line || e'\n';
  end loop;
  return plan;
end $$;
set local enable_seqscan = off;
set local role runlink_test_tenant;
select matches(pg_temp.plan_of($$ select from audit_ledger where runlink_json_string(after_state, 'run_id') = 'run-aaa' $$),
  'Index Cond: .*runlink_json_string', 'the ledger''s index is used under policies');
reset role;
reset enable_seqscan;
set local role runlink_test_tenant;

-- No tenant set, or one that has nothing.

set local app.tenant = '';
select is(a.answer, missing.answer, a.call || ' without a tenant set is that of a missing run')
from pg_temp.answers('run-aaa') as a join pg_temp.answers('run-000') as missing using (call);

-- The setting changes in the session.

set local app.tenant = 'tenant-bbb';
select ok(answer !~ 'aaa', call || ' follows the tenant set') from pg_temp.answers('run-bbb');
select is((select run_found from runlink_linkage('run-aaa')), false, 'and the first tenant''s run is not found any more');

-- What policies would hide is an error where row_security is off, never a part of the answer.

set local row_security = off;
select throws_ok(format('select * from %s(''run-bbb'')', call), '42501', null, call || ' with row_security off is an error')
from unnest('{runlink_linkage,runlink_evidence,runlink_evidence_json,runlink_governance,runlink_proof,runlink_proof_steps,runlink_proof_json,runlink_report}'::text[]) as call;
set local row_security = on;
select is((select run_found from runlink_linkage('run-bbb')), true, 'and none when it is on again');
reset role;

-- The owner passes policies, unless they are forced.

set local app.tenant = 'tenant-aaa';
set local role runlink_test_owner;
select is(
  (select array_agg(run_found order by r) from unnest('{run-aaa,run-bbb}'::text[]) as r cross join lateral runlink_linkage(r)),
  '{t,t}', 'the owner sees both runs');
reset role;

select format('alter table %I force row level security', relname)
  from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
\gexec

set local role runlink_test_owner;
select is(a.answer, u.answer, a.call || ': the owner under FORCE sees its tenant''s run')
from pg_temp.answers('run-aaa') as a join unrestricted as u using (call)
where u.run = 'run-aaa' and call not in ('linkage', 'report');
select is(b.answer, missing.answer, b.call || ': the owner under FORCE gets nothing of another''s run')
from pg_temp.answers('run-bbb') as b join pg_temp.answers('run-000') as missing using (call);
reset role;

set local role runlink_test_bypass;
select is(a.answer, u.answer, a.call || ': a role with BYPASSRLS sees it')
from pg_temp.answers('run-bbb') as a join unrestricted as u using (call)
where u.run = 'run-bbb' and call not in ('linkage', 'report', 'evidence', 'evidence_json');
reset role;

select format('alter table %I no force row level security', relname)
  from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
\gexec
set local role runlink_test_owner;
select is((select run_found from runlink_linkage('run-bbb')), true, 'without FORCE the owner sees it again');
reset role;

-- The role changes in the session: policies of roles, so that plans differ by role.

-- bbb's own records that name the other's run would make it differ from a missing one
set local session_replication_role = replica;
delete from aos_traces where trace_id = 'trace-cross-bbb';
delete from audit_ledger where id = 'event-cross-bbb';
set local session_replication_role = origin;
delete from incidents where id = 'inc-cross-bbb';
delete from prevention_records where id = 'eval-cross-bbb';
delete from limit_breaches where id = 'breach-cross-bbb';

select format('drop policy tenant on %I', relname)
  from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
\gexec
create role runlink_test_aaa;
create role runlink_test_bbb;
grant usage on schema public, tap to runlink_test_aaa, runlink_test_bbb;
select format('grant select on %I to runlink_test_aaa, runlink_test_bbb', relname),
    format('create policy %2$s on %1$I to runlink_test_%2$s using (%3$s)', relname, t,
      case relname
        when 'aos_trace_steps' then
          format('exists (select from aos_traces t where t.trace_id = aos_trace_steps.trace_id and t.tenant_id = ''tenant-%s'')', t)
        else format('tenant_id = ''tenant-%s''', t)
      end)
  from pg_class cross join unnest('{aaa,bbb}'::text[]) as t
  where relnamespace = 'public'::regnamespace and relkind = 'r'
\gexec

-- A role sees its own run and not the other's.
create function pg_temp.sees_own(t text, other text) returns boolean
language sql stable as $$
  select bool_and(answer ~ t and answer !~ other)
    and (select run_found from runlink_linkage('run-' || t))
    and (select bool_and(b.answer = missing.answer)
         from pg_temp.answers('run-' || other) as b join pg_temp.answers('run-000') as missing using (call))
  from pg_temp.answers('run-' || t)
$$;
create function pg_temp.sees_both() returns boolean
language sql stable as $$
  select array_agg(run_found) = '{t,t}' from unnest('{run-aaa,run-bbb}'::text[]) as r cross join lateral runlink_linkage(r)
$$;

-- every plan is made anew, first by the superuser
discard plans;
select ok(pg_temp.sees_both(), 'superuser first: sees both');
set local role runlink_test_aaa;
select ok(pg_temp.sees_own('aaa', 'bbb'), 'superuser, then aaa: sees its own');
set local role runlink_test_bbb;
select ok(pg_temp.sees_own('bbb', 'aaa'), 'then bbb: sees its own');
set local role runlink_test_aaa;
select ok(pg_temp.sees_own('aaa', 'bbb'), 'then aaa again: sees its own');
reset role;
select ok(pg_temp.sees_both(), 'then the superuser: sees both');

-- first by bbb
discard plans;
set local role runlink_test_bbb;
select ok(pg_temp.sees_own('bbb', 'aaa'), 'bbb first: sees its own');
set local role runlink_test_aaa;
select ok(pg_temp.sees_own('aaa', 'bbb'), 'bbb, then aaa: sees its own');
reset role;
select ok(pg_temp.sees_both(), 'then the superuser: sees both');
set local role runlink_test_bbb;
select ok(pg_temp.sees_own('bbb', 'aaa'), 'then bbb again: sees its own');
reset role;

-- first by aaa, and the role of the session changes, too
discard plans;
set local session authorization runlink_test_aaa;
select ok(pg_temp.sees_own('aaa', 'bbb'), 'aaa first: sees its own');
reset session authorization;
set local session authorization runlink_test_bbb;
select ok(pg_temp.sees_own('bbb', 'aaa'), 'aaa, then bbb: sees its own');
reset session authorization;

-- Two roles in one statement.

grant create on schema public to runlink_test_aaa, runlink_test_bbb;
set local role runlink_test_aaa;
create function found_by_aaa(run text) returns text language sql stable security definer
  as $$ select run_found || ' ' || trace_count || ' ' || (select count(*) from runlink_evidence(run)) from runlink_linkage(run) $$;
set local role runlink_test_bbb;
create function found_by_bbb(run text) returns text language sql stable security definer
  as $$ select run_found || ' ' || trace_count || ' ' || (select count(*) from runlink_evidence(run)) from runlink_linkage(run) $$;
select results_eq(
  $$ select r, found_by_aaa(r), found_by_bbb(r), found_by_aaa(r) from unnest('{run-aaa,run-bbb,run-aaa}'::text[]) as r $$,
  $$ values ('run-aaa', 'true 2 14', 'false 0 0', 'true 2 14'), ('run-bbb', 'false 0 0', 'true 2 14', 'false 0 0'),
       ('run-aaa', 'true 2 14', 'false 0 0', 'true 2 14') $$,
  'functions of two roles in one statement see each their own rows');
reset role;

-- Policies come and go in the session.

alter table runs disable row level security;
set local role runlink_test_aaa;
select is((select run_found from runlink_linkage('run-bbb')), true, 'a table without row-level security shows its rows');
reset role;
alter table runs enable row level security;
set local role runlink_test_aaa;
select is((select run_found from runlink_linkage('run-bbb')), false, 'and hides them when it is enabled again');
reset role;
drop policy aaa on incidents;
set local role runlink_test_aaa;
select is((select incident_count from runlink_linkage('run-aaa')), 0::bigint, 'a policy that is dropped hides them');
reset role;

select * from finish();
rollback;
