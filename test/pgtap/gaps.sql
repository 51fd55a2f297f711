-- runlink_gaps, the links of records: each rule finds what it is for and nothing else, and its remedy, run as
-- printed, mends it and nothing else.

begin;
select plan(48);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
select runlink_enable_sealing() \g /dev/null
\i test/fixture/example.sql

-- The documented example. Its foreign key was never checked for old rows, as in production.

select results_eq(
  $$ select gap, level, domain, run_id, tenant_id, source_table, record_id, remedy, confidence from runlink_gaps() $$,
  $$ values ('constraint_not_valid', 'info', 'incidents', null, null, 'incidents', 'incidents_source_run_id_fkey',
       'alter table public.incidents validate constraint incidents_source_run_id_fkey', 'certain') $$,
  'the documented example has a constraint that is not valid, and no other gap');
select is_empty($$ select * from runlink_gaps('run-linkage-test-001') $$, 'its run has no gap');
select remedy from runlink_gaps()
\gexec
select is_empty('select * from runlink_gaps()', 'the remedy mends it: a clean database gives no row');
select is_empty('select * from runlink_gap_list', 'nor does the view');

-- Rows of two tenants, whole as they are.

\i test/fixture/defaults.sql
alter table incidents alter cause_type set default 'LLM_RUN';
alter table audit_ledger alter actor_type set default 'SYSTEM';
insert into runs (id, tenant_id, status) values
  ('run-a', 'tenant-a', 'queued'), ('run-a2', 'tenant-a', 'queued'), ('run-b', 'tenant-b', 'queued'), ('run-nobody', null, 'queued');
insert into incidents (id, tenant_id, source_run_id) values ('inc-a', 'tenant-a', 'run-a'), ('inc-b', 'tenant-b', 'run-b');
update runs set incident_count = 1 where id in ('run-a', 'run-b');

create temp table rule as
  select unnest('{breach_event_without_run,breach_without_run,constraint_not_valid,evaluation_without_run,event_cause_unknown,'
    'incident_event_without_run,incident_without_run,link_across_tenants,link_to_missing_run,policy_event_without_run}'::text[]) as gap;
create function pg_temp.found(rules text[] default null) returns text[]
language sql stable as $$
  select coalesce(array_agg(concat_ws(' ', gap, level, coalesce(run_id, '-'), coalesce(tenant_id, '-'), source_table, coalesce(record_id, '-'),
      confidence, case when remedy is null then 'no remedy' end, 'proposes ' || proposed_run_id) order by gap, source_table, record_id, run_id), '{}')
  from runlink_gaps() where gap in (select gap from rule)
$$;
select is(pg_temp.found(), '{}', 'two tenants whose records are linked have no gap');

-- What a case adds, the gaps that are then there, and the ones that are left once every remedy was run.
create function pg_temp.gaps_of(name text, added text, expected text[], after_remedies text[]) returns setof text
language plpgsql as $$
declare
  before text[];
  remedies text[];
  remedy text;
  after text[];
  again text[];
  changed bigint := 0;
  one bigint;
  detailed boolean;
begin
  begin
    execute added;
    before := pg_temp.found();
    select coalesce(array_agg(g.remedy) filter (where g.remedy is not null), '{}'), coalesce(bool_and(g.title ~ '\S' and g.detail ~ '\S' and (g.remedy is not null or g.detail ~ 'o remedy')), true)
      into remedies, detailed from runlink_gaps() as g where g.gap in (select gap from rule);
    foreach remedy in array remedies loop
      execute remedy;
      get diagnostics one = row_count;
      changed := changed + one;
    end loop;
    after := pg_temp.found();
    -- what was reviewed once is not done twice
    foreach remedy in array remedies loop
      execute remedy;
      get diagnostics one = row_count;
      changed := changed + one;
    end loop;
    again := pg_temp.found();
    raise exception using errcode = 'RL000';
  exception when sqlstate 'RL000' then
  end;
  return next is(before, expected, name);
  return next is(after, after_remedies, name || ': its remedies mend it');
  return next ok(detailed and again = after and changed = (select count(*) from unnest(remedies) as r where r !~ '^alter table'),
    name || ': each changes one row, once; where there is none, the detail says why');
end $$;

select pg_temp.gaps_of('incidents without run',
  $$ insert into incidents (id, tenant_id, source_run_id, llm_run_id, cause_type) values
       ('i-old', 'tenant-a', null, 'run-a', default), ('i-old-nobody', 'tenant-a', null, 'run-nobody', default), ('i-none', 'tenant-a', null, null, default),
       ('i-human', 'tenant-a', null, null, 'HUMAN'), ('i-both', 'tenant-a', 'run-a2', 'run-a', default), ('i-foreign', 'tenant-a', null, 'run-b', default),
       ('i-missing', 'tenant-a', null, 'run-gone', default) $$,
  '{incident_without_run info - tenant-a incidents i-human unknown no remedy,incident_without_run error - tenant-a incidents i-none certain no remedy,'
  'incident_without_run warn run-a tenant-a incidents i-old likely proposes run-a,'
  'incident_without_run warn run-nobody tenant-a incidents i-old-nobody likely proposes run-nobody,'
  'link_across_tenants error run-b tenant-a incidents i-foreign certain no remedy,link_to_missing_run error run-gone tenant-a incidents i-missing certain no remedy}',
  '{incident_without_run info - tenant-a incidents i-human unknown no remedy,incident_without_run error - tenant-a incidents i-none certain no remedy,'
  'link_across_tenants error run-b tenant-a incidents i-foreign certain no remedy,link_to_missing_run error run-gone tenant-a incidents i-missing certain no remedy}');

select pg_temp.gaps_of('policy evaluations without run',
  $$ insert into prevention_records (id, tenant_id, run_id, blocked_incident_id, original_incident_id) values
       ('e-blocked', 'tenant-a', null, 'run-a', 'inc-a'), ('e-original', 'tenant-a', null, 'inc-a', 'run-a2'), ('e-same', 'tenant-a', null, 'run-a', 'run-a'),
       ('e-two', 'tenant-a', null, 'run-a', 'run-a2'), ('e-none', 'tenant-b', null, 'inc-b', 'inc-b'), ('e-linked', 'tenant-a', 'run-a', 'run-a2', 'x'),
       ('e-foreign', 'tenant-a', null, 'run-b', 'x'), ('e-own-and-foreign', 'tenant-a', null, 'run-b', 'run-a') $$,
  '{evaluation_without_run warn run-a tenant-a prevention_records e-blocked likely proposes run-a,evaluation_without_run warn - tenant-b prevention_records e-none unknown no remedy,'
  'evaluation_without_run warn run-a2 tenant-a prevention_records e-original likely proposes run-a2,'
  'evaluation_without_run warn run-a tenant-a prevention_records e-own-and-foreign likely proposes run-a,'
  'evaluation_without_run warn run-a tenant-a prevention_records e-same likely proposes run-a,'
  'evaluation_without_run warn run-a tenant-a prevention_records e-two unknown no remedy proposes run-a,'
  'evaluation_without_run warn run-a2 tenant-a prevention_records e-two unknown no remedy proposes run-a2,'
  'link_across_tenants error run-b tenant-a prevention_records e-foreign certain no remedy,'
  'link_across_tenants error run-b tenant-a prevention_records e-own-and-foreign certain no remedy}',
  '{evaluation_without_run warn - tenant-b prevention_records e-none unknown no remedy,'
  'evaluation_without_run warn run-a tenant-a prevention_records e-two unknown no remedy proposes run-a,'
  'evaluation_without_run warn run-a2 tenant-a prevention_records e-two unknown no remedy proposes run-a2,'
  'link_across_tenants error run-b tenant-a prevention_records e-foreign certain no remedy}');

-- Remedies that are run late: what they rest on is no longer so.

savepoint late;
insert into limit_breaches (id, tenant_id, run_id, incident_id) values ('b-late', 'tenant-a', null, 'inc-a');
insert into prevention_records (id, tenant_id, run_id, blocked_incident_id) values ('e-late', 'tenant-a', null, 'run-a2');
create temp table late as select remedy from runlink_gaps() where record_id in ('b-late', 'e-late');
update incidents set source_run_id = 'run-nobody' where id = 'inc-a';
delete from runs where id = 'run-a2';
select remedy from late
\gexec
select results_eq($$ select run_id::text from limit_breaches where id = 'b-late' union all select run_id::text from prevention_records where id = 'e-late' $$,
  $$ values (null::text), (null) $$, 'a remedy does nothing once the incident names another run, or the run is gone');
rollback to late;

select pg_temp.gaps_of('limit breaches without run',
  $$ insert into incidents (id, tenant_id, source_run_id, llm_run_id) values ('i-foreign', 'tenant-b', 'run-a', null), ('i-old', 'tenant-a', null, 'run-a2');
     insert into limit_breaches (id, tenant_id, run_id, incident_id) values
       ('b-incident', 'tenant-a', null, 'inc-a'), ('b-old-incident', 'tenant-a', null, 'i-old'), ('b-none', 'tenant-a', null, null),
       ('b-foreign', 'tenant-a', null, 'inc-b'), ('b-foreign-run', 'tenant-b', null, 'i-foreign'), ('b-linked', 'tenant-a', 'run-a2', 'inc-a') $$,
  '{breach_without_run warn - tenant-a limit_breaches b-foreign unknown no remedy,breach_without_run warn - tenant-b limit_breaches b-foreign-run unknown no remedy,'
  'breach_without_run warn run-a tenant-a limit_breaches b-incident likely proposes run-a,breach_without_run warn - tenant-a limit_breaches b-none unknown no remedy,'
  'breach_without_run warn run-a2 tenant-a limit_breaches b-old-incident likely proposes run-a2,'
  'incident_without_run warn run-a2 tenant-a incidents i-old likely proposes run-a2,link_across_tenants error run-a tenant-b incidents i-foreign certain no remedy}',
  '{breach_without_run warn - tenant-a limit_breaches b-foreign unknown no remedy,breach_without_run warn - tenant-b limit_breaches b-foreign-run unknown no remedy,'
  'breach_without_run warn - tenant-a limit_breaches b-none unknown no remedy,link_across_tenants error run-a tenant-b incidents i-foreign certain no remedy}');

create temp table every_link as select $$
  alter table incidents drop constraint incidents_source_run_id_fkey;
  insert into runs (id, tenant_id, parent_run_id, status) values ('x-run', 'tenant-a', '%1$s', 'queued');
  insert into incidents (id, tenant_id, source_run_id) values ('x-inc', 'tenant-a', '%1$s');
  insert into incidents (id, tenant_id, llm_run_id) values ('x-inc-old', 'tenant-a', '%1$s');
  insert into prevention_records (id, tenant_id, run_id) values ('x-eval', 'tenant-a', '%1$s');
  insert into policy_enforcements (id, tenant_id, run_id) values ('x-enf', 'tenant-a', '%1$s');
  insert into limit_breaches (id, tenant_id, run_id) values ('x-breach', 'tenant-a', '%1$s');
  insert into audit_ledger (id, tenant_id, after_state, before_state) values
    ('x-after', 'tenant-a', '{"run_id": "%1$s"}', null), ('x-after-source', 'tenant-a', '{"source_run_id": "%1$s"}', null),
    ('x-before', 'tenant-a', '[]', '{"run_id": "%1$s"}'), ('x-before-source', 'tenant-a', null, '{"source_run_id": "%1$s"}'),
    ('x-all', 'tenant-a', '{"run_id": "%1$s", "source_run_id": "%1$s"}', '{"run_id": "%1$s", "source_run_id": "%1$s"}'),
    ('x-another-key', 'tenant-a', '{"run_id": "run-a", "source_run_id": "%1$s"}', null);
  insert into llm_run_records (id, tenant_id, run_id) values ('x-llm', 'tenant-a', '%1$s');
$$ as statements;
create temp table every_record as
  select array_agg(format('%s %s', source_table, id) order by source_table collate "C", id collate "C") as records
  from (values ('audit_ledger', '{x-after,x-after-source,x-all,x-another-key,x-before,x-before-source}'::text[]), ('incidents', '{x-inc,x-inc-old}'),
    ('limit_breaches', '{x-breach}'), ('llm_run_records', '{x-llm}'), ('policy_enforcements', '{x-enf}'), ('prevention_records', '{x-eval}'),
    ('runs', '{x-run}')) as v (source_table, ids), unnest(ids) as id;

select pg_temp.gaps_of('links to a run that does not exist', format(statements, 'run-gone'),
  (select array_agg(format('link_to_missing_run error run-gone tenant-a %s certain no remedy', r)) from unnest(records) as r),
  (select array_agg(format('link_to_missing_run error run-gone tenant-a %s certain no remedy', r)) from unnest(records) as r))
from every_link, every_record;
select pg_temp.gaps_of('links across tenants', format(statements, 'run-b') || $$; insert into aos_traces (trace_id, tenant_id, run_id, status) values ('x-trace', 'tenant-a', 'run-b', 'running') $$,
  (select array_agg(format('link_across_tenants error run-b tenant-a %s certain no remedy', r) order by r collate "C") from unnest(records || 'aos_traces x-trace'::text) as r),
  (select array_agg(format('link_across_tenants error run-b tenant-a %s certain no remedy', r) order by r collate "C") from unnest(records || 'aos_traces x-trace'::text) as r))
from every_link, every_record;
select pg_temp.gaps_of('links to a run of the same tenant', replace(format(statements, 'run-a'), '(id, tenant_id, llm_run_id)', '(id, tenant_id, source_run_id)'), '{}', '{}')
from every_link;
select pg_temp.gaps_of('links to a run without tenant', replace(format(statements, 'run-nobody'), '(id, tenant_id, llm_run_id)', '(id, tenant_id, source_run_id)'), '{}', '{}')
from every_link;

select pg_temp.gaps_of('events of incidents of a run',
  $$ insert into incidents (id, tenant_id, llm_run_id, cause_type) values ('i-old', 'tenant-a', 'run-a2', default), ('i-human', 'tenant-a', null, 'HUMAN');
     insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, after_state, before_state, actor_type) values
       ('v-bare', 'tenant-a', 'IncidentAcknowledged', 'INCIDENT', 'inc-a', null, null, 'HUMAN'), ('v-number', 'tenant-a', 'IncidentResolved', 'INCIDENT', 'inc-a', '{"run_id": 7}', '[]', 'HUMAN'),
       ('v-old', 'tenant-a', 'IncidentResolved', 'INCIDENT', 'i-old', '{}', '{}', 'SYSTEM'), ('v-linked', 'tenant-a', 'IncidentResolved', 'INCIDENT', 'inc-a', '{"run_id": "run-a"}', null, 'HUMAN'),
       ('v-source', 'tenant-a', 'IncidentResolved', 'INCIDENT', 'inc-a', null, '{"source_run_id": "run-a"}', 'HUMAN'),
       ('v-foreign', 'tenant-b', 'IncidentResolved', 'INCIDENT', 'inc-a', null, null, 'HUMAN'), ('v-of-none', 'tenant-a', 'IncidentResolved', 'INCIDENT', 'i-human', null, null, 'HUMAN'),
       ('v-no-incident', 'tenant-a', 'IncidentResolved', 'INCIDENT', 'gone', null, null, 'HUMAN') $$,
  '{incident_event_without_run warn run-a tenant-a audit_ledger v-bare certain no remedy proposes run-a,'
  'incident_event_without_run warn run-a tenant-a audit_ledger v-number certain no remedy proposes run-a,'
  'incident_event_without_run warn run-a2 tenant-a audit_ledger v-old likely no remedy proposes run-a2,'
  'incident_without_run info - tenant-a incidents i-human unknown no remedy,incident_without_run warn run-a2 tenant-a incidents i-old likely proposes run-a2}',
  '{incident_event_without_run warn run-a tenant-a audit_ledger v-bare certain no remedy proposes run-a,'
  'incident_event_without_run warn run-a tenant-a audit_ledger v-number certain no remedy proposes run-a,'
  'incident_event_without_run warn run-a2 tenant-a audit_ledger v-old certain no remedy proposes run-a2,'
  'incident_without_run info - tenant-a incidents i-human unknown no remedy}');

select pg_temp.gaps_of('events of limit breaches of a run',
  $$ insert into limit_breaches (id, tenant_id, limit_id, run_id, incident_id, breached_at) values
       ('b-1', 'tenant-a', 'limit-a', 'run-a', null, '2026-01-01 10:00+00'), ('b-2', 'tenant-a', 'limit-a', 'run-a2', null, '2026-01-01 12:00+00'),
       ('b-foreign', 'tenant-b', 'limit-a', 'run-b', null, '2026-01-01 13:00+00'), ('b-other', 'tenant-a', 'limit-other', 'run-a2', null, '2026-01-01 10:30+00'),
       ('b-unlinked', 'tenant-a', 'limit-u', null, null, '2026-01-01 10:00+00');
     insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, after_state, created_at) values
       ('v-1', 'tenant-a', 'LimitBreached', 'LIMIT', 'limit-a', null, '2026-01-01 11:00+00'), ('v-2', 'tenant-a', 'LimitBreached', 'LIMIT', 'limit-a', '{}', '2026-01-01 12:00+00'),
       ('v-linked', 'tenant-a', 'LimitBreached', 'LIMIT', 'limit-a', '{"run_id": "run-a"}', '2026-01-01 11:00+00'),
       ('v-before-any', 'tenant-a', 'LimitBreached', 'LIMIT', 'limit-a', null, '2026-01-01 09:00+00'), ('v-after-foreign', 'tenant-a', 'LimitBreached', 'LIMIT', 'limit-a', null, '2026-01-01 14:00+00'), ('v-unlinked', 'tenant-a', 'LimitBreached', 'LIMIT', 'limit-u', null, '2026-01-01 11:00+00') $$,
  '{breach_event_without_run warn run-a tenant-a audit_ledger v-1 likely no remedy proposes run-a,breach_event_without_run warn run-a2 tenant-a audit_ledger v-2 likely no remedy proposes run-a2,'
  'breach_without_run warn - tenant-a limit_breaches b-unlinked unknown no remedy,event_cause_unknown info - tenant-a audit_ledger - unknown no remedy}',
  '{breach_event_without_run warn run-a tenant-a audit_ledger v-1 likely no remedy proposes run-a,breach_event_without_run warn run-a2 tenant-a audit_ledger v-2 likely no remedy proposes run-a2,'
  'breach_without_run warn - tenant-a limit_breaches b-unlinked unknown no remedy,event_cause_unknown info - tenant-a audit_ledger - unknown no remedy}');

select pg_temp.gaps_of('events of policies and limits',
  $$ insert into aos_traces (trace_id, tenant_id, run_id, correlation_id, status, started_at, completed_at) values
       ('t-1', 'tenant-a', 'run-a', 'corr-1', 'running', '2026-01-01 10:00+00', '2026-01-01 11:00+00'), ('t-2', 'tenant-a', 'run-a2', 'corr-2', 'running', '2026-01-01 10:00+00', null);
     insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, correlation_id, after_state, created_at, actor_type) values
       ('v-1', 'tenant-a', 'PolicyRuleModified', 'POLICY_RULE', 'p', 'corr-1', null, '2026-01-01 10:30+00', 'AGENT'),
       ('v-2', 'tenant-a', 'PolicyProposalApproved', 'POLICY_PROPOSAL', 'p', 'corr-2', '{}', '2026-02-01', 'SYSTEM'),
       ('v-limit', 'tenant-a', 'LimitUpdated', 'LIMIT', 'l', 'corr-1', '[]', '2026-01-01 11:00+00', 'SYSTEM'),
       ('v-linked', 'tenant-a', 'PolicyRuleModified', 'POLICY_RULE', 'p', 'corr-1', '{"run_id": "run-a"}', '2026-01-01 10:30+00', 'SYSTEM'),
       ('v-human', 'tenant-a', 'PolicyRuleModified', 'POLICY_RULE', 'p', null, null, '2026-01-01 10:30+00', 'HUMAN'),
       ('v-human-limit', 'tenant-a', 'LimitCreated', 'LIMIT', 'l', 'corr-3', null, '2026-01-01 10:30+00', 'HUMAN'),
       ('v-late', 'tenant-a', 'PolicyRuleModified', 'POLICY_RULE', 'p', 'corr-1', null, '2026-01-01 11:30+00', 'HUMAN'),
       ('v-signal', 'tenant-a', 'SignalRaised', 'SIGNAL', 's', 'corr-1', null, '2026-01-01 10:30+00', 'SYSTEM') $$,
  '{policy_event_without_run warn run-a tenant-a audit_ledger v-1 likely no remedy proposes run-a,policy_event_without_run warn run-a2 tenant-a audit_ledger v-2 likely no remedy proposes run-a2,'
  'policy_event_without_run warn run-a tenant-a audit_ledger v-limit likely no remedy proposes run-a}',
  '{policy_event_without_run warn run-a tenant-a audit_ledger v-1 likely no remedy proposes run-a,policy_event_without_run warn run-a2 tenant-a audit_ledger v-2 likely no remedy proposes run-a2,'
  'policy_event_without_run warn run-a tenant-a audit_ledger v-limit likely no remedy proposes run-a}');

-- Events of which the cause is unknown are counted, a row a tenant.
savepoint unknown;
insert into audit_ledger (id, tenant_id, event_type, entity_type, actor_type)
  select tenant || n, tenant, 'PolicyRuleModified', 'POLICY_RULE', case when n = 1 then 'HUMAN' else 'SYSTEM' end
  from (values ('tenant-a', 4), ('tenant-b', 2), ('tenant-c', 1)) as v (tenant, count), generate_series(1, count) as n;
select results_eq(
  $$ select tenant_id, level, substring(detail from '^\d+') from runlink_gaps() where gap = 'event_cause_unknown' order by 1 $$,
  $$ values ('tenant-a', 'info', '3'), ('tenant-b', 'info', '1') $$,
  'policy events that a run may have caused are counted, and those of a person are not');
select results_eq($$ select tenant_id from runlink_gaps(null, 'tenant-b') where gap = 'event_cause_unknown' $$, $$ values ('tenant-b') $$, 'a tenant has its own');
rollback to unknown;

-- Constraints.
create function pg_temp.constraint_gap() returns text language sql stable as $$
  select string_agg(concat_ws(' ', record_id, confidence, coalesce(remedy, detail)), '; ' order by record_id) from runlink_gaps() where gap = 'constraint_not_valid'
$$;
savepoint constraints;
alter table incidents drop constraint incidents_source_run_id_fkey;
insert into incidents (id, tenant_id, source_run_id) values ('i-gone', 'tenant-a', 'run-gone');
alter table incidents add constraint "of a %s run" foreign key (source_run_id) references runs (id) not valid;
select matches(pg_temp.constraint_gap(), '^of a %s run certain .*link_to_missing_run.*no remedy\.$', 'a key that rows break is not to be validated');
delete from incidents where id = 'i-gone';
select is(pg_temp.constraint_gap(), 'of a %s run certain alter table public.incidents validate constraint "of a %s run"', 'without them it is');
select remedy from runlink_gaps() where gap = 'constraint_not_valid'
\gexec
select is(pg_temp.constraint_gap(), null, 'and then no gap');
alter table limits add constraint positive check (max_value > 0) not valid;
select matches(pg_temp.constraint_gap(), '^positive unknown .*not looked at.*no remedy\.$', 'another constraint is told of, and not judged');
alter table limits drop constraint positive;
create function pg_temp.key_of(t text, id text) returns text language plpgsql as $$
declare
  answer text := '';
begin
  execute format('alter table %I add constraint to_run foreign key (run_id) references runs (id) not valid', t);
  execute format('alter table %I disable trigger all', t);
  answer := pg_temp.constraint_gap();
  execute format('insert into %I (%I, tenant_id, run_id) values (''x'', ''tenant-a'', ''run-gone'')', t, id);
  answer := answer || ' / ' || pg_temp.constraint_gap();
  raise exception using errcode = 'RL000';
exception when sqlstate 'RL000' then
  return answer;
end $$;
select matches(pg_temp.key_of(t, id), format('^to_run certain alter table public\.%s validate constraint to_run / to_run certain [^/]*no remedy\.$', t),
  'a key of ' || t || ' is to be validated only where no row breaks it')
from (values ('prevention_records', 'id'), ('policy_enforcements', 'id'), ('limit_breaches', 'id'), ('aos_traces', 'trace_id'), ('llm_run_records', 'id')) as v (t, id);
rollback to constraints;
select is(pg_temp.found(), '{}', 'and without any of this there is no gap, as before');

select * from finish();
rollback;
