-- What a session saved for its next call (plans, what it knows of the tables) is
-- never used after the database has changed.

begin;
select plan(276);
set local client_min_messages = warning;

create schema app;
create extension runlink schema app;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/example.sql
insert into policy_enforcements (id, tenant_id, rule_id, run_id, action_taken, triggered_at)
  values ('enf-test-001', 'tenant-test-001', 'policy-002', 'run-linkage-test-001', 'BLOCK', '2026-01-15 09:05:00+00');
set local search_path = public, tap;

select replace(remedy, ' concurrently', '') as statement
  from app.runlink_schema_check() where level = 'recommended' and status <> 'ok'
\gexec

-- What each call answers in a schema, but for the time of the call and the
-- schema's name; or the error's SQLSTATE and message, and the call that its DETAIL names.
create function pg_temp.answers(s name) returns table (call text, answer text)
language plpgsql as $$
declare
  query text;
  detail text;
begin
  for call, query in
    values
      ('linkage', 'select to_jsonb(l) - ''application_schema'' from %I.runlink_linkage(''run-linkage-test-001'') as l'),
      ('evidence', 'select string_agg(e::text, e''\n'') from %I.runlink_evidence(''run-linkage-test-001'') as e'),
      ('evidence_json', 'select %I.runlink_evidence_json(''run-linkage-test-001'') - ''computed_at'''),
      ('governance', 'select string_agg(g::text, e''\n'') from %I.runlink_governance(''run-linkage-test-001'') as g'),
      ('proof', 'select string_agg((to_jsonb(p) - ''verified_at'')::text, e''\n'') from %I.runlink_proof(''run-linkage-test-001'') as p'),
      ('proof_steps', 'select string_agg(s::text, e''\n'') from %I.runlink_proof_steps(''run-linkage-test-001'') as s'),
      ('proof_json', 'select %I.runlink_proof_json(''run-linkage-test-001'') - ''verified_at'''),
      ('report', 'select regexp_replace(%I.runlink_report(''run-linkage-test-001''), ''Reported at [^\n]*'', '''')')
  loop
    begin
      execute format(query, s) into answer;
    exception when others then
      get stacked diagnostics detail = pg_exception_detail;
      answer := format('%s %s (%s)', sqlstate, sqlerrm, substring(detail from '\mrunlink_\w+'));
    end;
    answer := replace(answer, s, 'app');
    return next;
  end loop;
end $$;

create temp table original as select * from pg_temp.answers('app');
select is(array_agg(call), null, 'every call answers at first') from original where answer ~ '^[0-9A-Z]{5} ' or answer is null;
create temp table evidence as
  select * from app.runlink_evidence('run-linkage-test-001') with ordinality as e;

-- The calls whose answer is not the original one; or whether the given calls, and no
-- other, are refused with an error that names each; those told apart are not looked at.
create function pg_temp.changed(s name default 'app') returns text
language sql as $$
  select string_agg(call, ', ') from pg_temp.answers(s) as a join original as o using (call) where a.answer is distinct from o.answer
$$;
create function pg_temp.others(expected text, calls text[], told_apart text[] default '{}') returns setof text
language sql as $$
  select is(a.answer, case when a.call = any (calls) then format('%s (runlink_%s)', expected, a.call) else o.answer end,
    a.call || case when a.call = any (calls) then ': ' || expected else ' answers as before' end)
  from pg_temp.answers('app') as a join original as o using (call)
  where a.call <> all (told_apart)
$$;

-- Evidence is as before, but without a column in the detail of a kind; the report is
-- as before, but for what it says of the schema, where it names the column.
create function pg_temp.evidence_without(of_kind text, col text) returns text
language sql as $$
  select results_eq(
    $q$ select * from app.runlink_evidence('run-linkage-test-001') $q$,
    format($q$ select run_id, tenant_id, domain, kind, record_id, occurred_at, severity, outcome, title, linked_by,
        case when kind = %L then detail - %L else detail end from evidence order by ordinality $q$, of_kind, col),
    format('evidence leaves %s out of the detail of a %s', col, of_kind))
$$;
create function pg_temp.report_tells_of(col text) returns text
language sql as $$
  select is(
    array[split_part(a.answer, '## Gaps in the schema', 1), substring(a.answer from '\| required \| (\S+ \| missing) \|')],
    array[split_part(o.answer, '## Gaps in the schema', 1), col || ' | missing'],
    'the report answers as before, and tells that ' || col || ' is missing')
  from pg_temp.answers('app') as a join original as o using (call) where call = 'report'
$$;

-- Rows

savepoint change;
insert into app.incidents (id, tenant_id, title, severity, status, lifecycle_state, trigger_type, cause_type, source_run_id, started_at)
  values ('inc-new', 'tenant-test-001', 'New', 'LOW', 'open', 'ACTIVE', 'test', 'LLM_RUN', 'run-linkage-test-001', now());
select is((select incident_count from app.runlink_linkage('run-linkage-test-001')), 3::bigint, 'a new row is counted');
rollback to change;
select is(pg_temp.changed(), null, 'and not when it is gone');

-- Indexes

create index session_changes_1 on app.incidents (source_run_id, tenant_id);
create index session_changes_2 on app.aos_trace_steps (trace_id, step_index, skill_name, status);
select is(pg_temp.changed(), null, 'new indexes change no answer');
drop index app.session_changes_1, app.session_changes_2;
select is(pg_temp.changed(), null, 'nor do indexes that go');
savepoint change;
drop index app.audit_ledger_after_state_run_id_idx;
alter table app.runs drop constraint runs_pkey cascade;
select is(pg_temp.changed(), 'report', 'nor do recommended ones, but the report tells that they are missing');
rollback to change;
analyze app.incidents, app.runs, app.aos_trace_steps;
select is(pg_temp.changed(), null, 'statistics change none');

-- Columns dropped, and there again when that is rolled back

savepoint change;
alter table app.prevention_records drop column run_id;
select pg_temp.others('42703 column "run_id" of app.prevention_records does not exist', '{linkage,evidence,evidence_json,report}');
rollback to change;
select is(pg_temp.changed(), null, 'prevention_records.run_id is back');

alter table app.incidents drop column source_run_id;
select pg_temp.others('42703 column "source_run_id" of app.incidents does not exist', '{linkage,evidence,evidence_json,governance,report}');
rollback to change;
select is(pg_temp.changed(), null, 'incidents.source_run_id is back');

alter table app.aos_trace_steps drop column skill_name;
select pg_temp.others('42703 column "skill_name" of app.aos_trace_steps does not exist', '{proof,proof_steps,proof_json,report}');
rollback to change;
select is(pg_temp.changed(), null, 'aos_trace_steps.skill_name is back');

alter table app.aos_traces rename column completed_at to ended_at;
select pg_temp.others('42703 column "completed_at" of app.aos_traces does not exist', '{proof_json,report}', '{evidence}');
select pg_temp.evidence_without('trace', 'completed_at');
alter table app.aos_traces rename column ended_at to completed_at;
select is(pg_temp.changed(), null, 'aos_traces.completed_at is back');

alter table app.aos_trace_steps drop column duration_ms;
select pg_temp.others('42703 column "duration_ms" of app.aos_trace_steps does not exist', '{proof_json}', '{report}');
select pg_temp.report_tells_of('app.aos_trace_steps.duration_ms');
rollback to change;
select is(pg_temp.changed(), null, 'aos_trace_steps.duration_ms is back');

-- times, which no remedy can bring back
alter table app.runs drop column created_at;
select pg_temp.others('42703 column "created_at" of app.runs does not exist', '{evidence,evidence_json,report}');
rollback to change;
select is(pg_temp.changed(), null, 'runs.created_at is back');

select format('alter table app.%I drop column %I', split_part(time_column, '.', 1), split_part(time_column, '.', 2))
  from unnest('{runs.created_at,incidents.created_at,prevention_records.created_at,policy_enforcements.triggered_at,'
    'limit_breaches.breached_at,audit_ledger.created_at,aos_traces.started_at,llm_run_records.started_at}'::text[]) as time_column
\gexec
select set_eq(
  $$ select check_id, level, status, remedy, why ~ 'its values are lost with it, so there is no remedy here$'
     from app.runlink_schema_check() where level = 'required' and status <> 'ok' $$,
  $$ select 'column.' || time_column as check_id, 'required' as level, 'missing' as status, null::text as remedy, true as told
     from unnest('{runs.created_at,incidents.created_at,prevention_records.created_at,policy_enforcements.triggered_at,'
       'limit_breaches.breached_at,audit_ledger.created_at,aos_traces.started_at,llm_run_records.started_at}'::text[]) as time_column $$,
  'the schema check has no remedy that would make up times');
rollback to change;

-- and added again by the remedy
alter table app.limit_breaches drop column run_id;
select pg_temp.others('42703 column "run_id" of app.limit_breaches does not exist', '{linkage,evidence,evidence_json,report}');
select remedy from app.runlink_schema_check() where check_id = 'column.limit_breaches.run_id'
\gexec
select results_eq(
  $$ select limit_breach_count from app.runlink_linkage('run-linkage-test-001') $$, $$ values (0::bigint) $$,
  'limit_breaches.run_id is added, without its values');
update app.limit_breaches set run_id = 'run-linkage-test-001';
create index on app.limit_breaches (run_id);
select is(pg_temp.changed(), null, 'limit_breaches.run_id has its values again');
rollback to change;

-- a column of detail alone is left out
alter table app.limit_breaches drop column details;
select results_eq(
  $$ select detail ? 'details', detail -> 'limit_id' from app.runlink_evidence('run-linkage-test-001') where kind = 'limit_breach' $$,
  $$ values (false, '"limit-budget-001"'::jsonb) $$,
  'limit_breaches.details is left out of detail');
select is(pg_temp.changed(), 'evidence', 'and nothing else changes');
alter table app.limit_breaches add column details json;
update app.limit_breaches set details = '{"reset_period": "DAILY"}';
select is(pg_temp.changed(), null, 'limit_breaches.details is back');
rollback to change;

-- Every column: the calls that are refused without it. The others answer, and those
-- that tell neither detail nor gaps of the schema answer as before.

create function pg_temp.refused_without(t text, col text) returns text
language plpgsql as $$
declare
  refused text;
begin
  execute format('alter table app.%I drop column %I cascade', t, col);
  select string_agg(concat_ws(': ', a.call, nullif(a.answer, format('42703 column "%s" of app.%s does not exist (runlink_%s)', col, t, a.call))),
      ', ' order by array_position('{linkage,evidence,evidence_json,governance,proof,proof_steps,proof_json,report}', a.call))
    into refused
    from pg_temp.answers('app') as a join original as o using (call)
    where case when a.call in ('evidence', 'evidence_json', 'report') then a.answer ~ '^[0-9A-Z]{5} ' or a.answer is null
      else a.answer is distinct from o.answer end;
  raise exception using errcode = 'RLTST', message = coalesce(refused, 'none');
exception when sqlstate 'RLTST' then
  return sqlerrm;
end $$;

create temp table needed as
  select refused, t as table_name, unnest(columns::text[]) as column_name
  from (values
    ('linkage, evidence, evidence_json, governance, proof, proof_steps, proof_json, report', 'runs', '{id,tenant_id}'),
    ('linkage, evidence, evidence_json, governance, report', 'incidents', '{id,tenant_id,source_run_id}'),
    ('linkage, evidence, evidence_json, governance, report', 'audit_ledger', '{tenant_id,entity_type,entity_id,before_state,after_state}'),
    ('linkage, evidence, evidence_json, proof, proof_steps, proof_json, report', 'aos_traces', '{trace_id,run_id,tenant_id}'),
    ('linkage, evidence, evidence_json, report', 'prevention_records', '{tenant_id,outcome,run_id}'),
    ('linkage, evidence, evidence_json, report', 'policy_enforcements', '{tenant_id,run_id}'),
    ('linkage, evidence, evidence_json, report', 'limit_breaches', '{tenant_id,run_id}'),
    ('linkage, evidence, evidence_json, report', 'llm_run_records', '{tenant_id,run_id}'),
    ('linkage, proof, proof_steps, proof_json, report', 'aos_trace_steps', '{trace_id}'),
    ('evidence, evidence_json, governance, report', 'audit_ledger', '{id,event_type,created_at}'),
    ('evidence, evidence_json, proof, proof_steps, proof_json, report', 'aos_traces', '{status,started_at}'),
    ('evidence, evidence_json, report', 'runs', '{goal,status,created_at,risk_level}'),
    ('evidence, evidence_json, report', 'incidents', '{title,severity,status,created_at}'),
    ('evidence, evidence_json, report', 'prevention_records', '{id,policy_id,created_at}'),
    ('evidence, evidence_json, report', 'policy_rules', '{id,tenant_id,name}'),
    ('evidence, evidence_json, report', 'policy_enforcements', '{id,rule_id,action_taken,triggered_at}'),
    ('evidence, evidence_json, report', 'limit_breaches', '{id,limit_id,breach_type,breached_at}'),
    ('evidence, evidence_json, report', 'limits', '{id,tenant_id,name}'),
    ('evidence, evidence_json, report', 'llm_run_records', '{id,provider,model,execution_status,started_at}'),
    ('evidence_json, governance, report', 'audit_ledger', '{actor_type,actor_id}'),
    ('evidence_json', 'limit_breaches', '{value_at_breach,limit_value}'),
    ('governance, report', 'audit_ledger', '{action_reason}'),
    ('proof, proof_steps, proof_json, report', 'aos_trace_steps', '{step_index,skill_name,status}'),
    ('proof_json, report', 'aos_traces', '{completed_at}'),
    ('proof_json', 'aos_trace_steps', '{cost_cents,duration_ms}'),
    ('proof, proof_steps, proof_json, report', 'aos_traces_archive', '{trace_id}'),
    -- runlink_seal_pending needs it, too
    ('report', 'aos_trace_steps', '{timestamp}'),
    ('none', 'runs', '{policy_violation,policy_draft_count,is_synthetic}'),
    ('none', 'incidents', '{llm_run_id,category}'),
    ('none', 'prevention_records', '{blocked_incident_id,original_incident_id,is_simulated}'),
    ('none', 'audit_ledger', '{correlation_id}'),
    ('none', 'aos_traces', '{root_hash}')
  ) as v (refused, t, columns);

select is(pg_temp.refused_without(table_name, column_name), refused, format('refused without %s.%s: %s', table_name, column_name, refused))
from needed;
select is_empty(
  $$ select check_id from app.runlink_schema_check()
     where check_id like 'column.%' and level = 'required'
       and check_id not in (select format('column.%s.%s', table_name, column_name) from needed) $$,
  'these are all the columns that are required');
select is(pg_temp.changed(), null, 'every column is back');

-- Types

alter table app.limit_breaches alter column run_id type integer using 1;
select pg_temp.others('42804 column "run_id" of app.limit_breaches has the wrong type', '{linkage,evidence,evidence_json,report}');
alter table app.limit_breaches alter column run_id type varchar using 'run-linkage-test-001';
select is(pg_temp.changed(), null, 'limit_breaches.run_id has its type again');

alter table app.runs alter column created_at type timestamp;
select pg_temp.others('42804 column "created_at" of app.runs has the wrong type', '{evidence,evidence_json,report}');
rollback to change;
select is(pg_temp.changed(), null, 'runs.created_at has its type again');

alter table app.aos_trace_steps alter column step_index type text;
select pg_temp.others('42804 column "step_index" of app.aos_trace_steps has the wrong type', '{proof,proof_steps,proof_json,report}');
rollback to change;
select is(pg_temp.changed(), null, 'aos_trace_steps.step_index has its type again');

drop index app.audit_ledger_after_state_run_id_idx, app.audit_ledger_after_state_source_run_id_idx;
alter table app.audit_ledger alter column after_state type json;
select pg_temp.others('42804 column "after_state" of app.audit_ledger has the wrong type', '{linkage,evidence,evidence_json,governance,report}');
rollback to change;

-- types that suit as well
create domain app.identifier as varchar(200);
alter table app.incidents alter column id type text, alter column severity type varchar, alter column tenant_id type app.identifier;
alter table app.audit_ledger alter column id type text, alter column event_type type app.identifier;
alter table app.aos_traces alter column status type text, alter column tenant_id type app.identifier;
alter table app.aos_trace_steps alter column skill_name type text;
alter table app.runs alter column goal type text, alter column attempts type bigint;
select is(pg_temp.changed(), null, 'text, varchar of any length and domains over them are one');
rollback to change;
create domain app.moment as timestamptz;
create domain app.state as jsonb;
create domain app.position as integer;
alter table app.runs alter column created_at type app.moment;
alter table app.incidents alter column created_at type app.moment;
alter table app.prevention_records alter column created_at type app.moment;
alter table app.policy_enforcements alter column triggered_at type app.moment;
alter table app.limit_breaches alter column breached_at type app.moment;
alter table app.audit_ledger alter column created_at type app.moment,
  alter column after_state type app.state, alter column before_state type app.state;
alter table app.aos_traces alter column started_at type app.moment;
alter table app.aos_trace_steps alter column step_index type app.position;
alter table app.llm_run_records alter column started_at type app.moment;
select is(pg_temp.changed(), null, 'times, states and step indexes of domains are what the domains are over, and their indexes serve');
rollback to change;

-- Tables

alter table app.policy_rules rename to rules;
select pg_temp.others('42P01 relation app.policy_rules does not exist', '{evidence,evidence_json,report}');
alter table app.rules rename to policy_rules;
select is(pg_temp.changed(), null, 'policy_rules is back');

create table app.steps as select * from app.aos_trace_steps;
drop table app.aos_trace_steps;
select pg_temp.others('42P01 relation app.aos_trace_steps does not exist', '{linkage,proof,proof_steps,proof_json,report}');
create view app.aos_trace_steps as select * from app.steps;
select is(pg_temp.changed(), null, 'a view in its place answers as well');
drop view app.aos_trace_steps;
alter table app.steps rename to aos_trace_steps;
select is(pg_temp.changed(), 'report', 'and a table made anew, whose keys the report finds missing');
rollback to change;
select is(pg_temp.changed(), null, 'and the old one');

-- another table in the place of one, with other rows
alter table app.incidents rename to incidents_old;
create table app.incidents (like app.incidents_old including all);
select is((select incident_count from app.runlink_linkage('run-linkage-test-001')), 0::bigint, 'an empty table in the place of incidents');
rollback to change;

-- Optional tables

alter table app.policy_enforcements rename to enforcements;
select is_empty($$ select * from app.runlink_evidence('run-linkage-test-001') where kind = 'policy_enforcement' $$,
  'an optional table vanishes, and its kind of evidence with it');
select is((select count(*) from app.runlink_evidence('run-linkage-test-001')), 14::bigint, 'everything else is there');
drop table app.llm_run_records;
select is((select count(*) from app.runlink_evidence('run-linkage-test-001')), 14::bigint, 'without any optional table');
alter table app.enforcements rename to policy_enforcements;
select is((select count(*) from app.runlink_evidence('run-linkage-test-001') where kind = 'policy_enforcement'), 1::bigint,
  'an optional table appears, and its evidence with it');
create table app.llm_run_records (id text, tenant_id text, run_id text, provider text, model text, execution_status text, started_at timestamptz);
insert into app.llm_run_records values ('llm', 'tenant-test-001', 'run-linkage-test-001', 'provider', 'model', 'SUCCESS', now());
select results_eq(
  $$ select record_id, title, outcome, detail from app.runlink_evidence('run-linkage-test-001') where kind = 'llm_run_record' $$,
  $$ values ('llm', 'provider/model', 'SUCCESS', '{}'::jsonb) $$,
  'and so does one with fewer columns');
alter table app.llm_run_records drop column model;
select throws_ok($$ select * from app.runlink_evidence('run-linkage-test-001') $$, '42703', 'column "model" of app.llm_run_records does not exist',
  'but one that is there needs its columns');
select throws_ok('select app.runlink_require_schema()', '55000', null, 'and require_schema does not pass without them');
select set_eq(
  $$ select check_id, level, status from app.runlink_schema_check()
     where check_id ~ '^(table|key)\.(llm_run_records|policy_enforcements)\M' or check_id ~ '^column\.llm_run_records\.model$' $$,
  $$ values ('table.policy_enforcements', 'info', 'ok'), ('table.llm_run_records', 'info', 'ok'),
       ('key.policy_enforcements.id', 'required', 'ok'), ('key.llm_run_records.id', 'required', 'missing'),
       ('column.llm_run_records.model', 'required', 'missing') $$,
  'since columns and keys of an optional table that is there are required');
drop table app.llm_run_records, app.policy_enforcements;
select set_eq(
  $$ select check_id, level, status from app.runlink_schema_check() where check_id ~ '\.(llm_run_records|policy_enforcements)\M' $$,
  $$ values ('table.policy_enforcements', 'info', 'missing'), ('table.llm_run_records', 'info', 'missing') $$,
  'and of one that is not, nothing');
select lives_ok('select app.runlink_require_schema()', 'so that require_schema passes');
rollback to change;
select is(pg_temp.changed(), null, 'the optional tables are as they were');

-- search_path

set local search_path = '';
select tap.is(pg_temp.changed(), null, 'an empty search_path') from pg_catalog.set_config('search_path', 'public, tap', true);
set local search_path = pg_catalog, app, public, tap;
select is(pg_temp.changed(), null, 'pg_catalog and the schema itself on the search_path');
create schema decoy;
set local search_path = decoy;
\i test/fixture/schema.sql
set local search_path = decoy, public, tap;
select is(pg_temp.changed(), null, 'empty tables of the same names on the search_path');
create temp table runs (id text, tenant_id text);
create temp table incidents (id integer);
select is(pg_temp.changed(), null, 'and in pg_temp');
drop table pg_temp.runs, pg_temp.incidents;
set local search_path = public, tap;
select is(pg_temp.changed(), null, 'the first search_path again');

-- The schema is renamed

alter schema app rename to application_one;
select is(a.answer, o.answer, 'schema renamed: ' || a.call)
from pg_temp.answers('application_one') as a join original as o using (call) where call <> 'report';
-- the rules of the gaps name the schema
create function pg_temp.report_of_renamed() returns setof text
language sql as $$
  select is(split_part(a.answer, '## Acceptance', 1), split_part(o.answer, '## Acceptance', 1), 'the report answers as before')
  from pg_temp.answers('application_one') as a join original as o using (call) where call = 'report'
  union all
  select matches(a.answer, '\| 4 \| not met \| [^|]+ \| gaps in the records were not looked for \|(.*\n)*\| Gaps in the records \| the schema was renamed',
    'but for the gaps in the records, which it did not look for, and says so')
  from pg_temp.answers('application_one') as a where call = 'report'
$$;
select pg_temp.report_of_renamed();
select is((select application_schema from application_one.runlink_linkage('run-linkage-test-001')), 'application_one', 'linkage has the new name');
select is_empty($$ select check_id from application_one.runlink_schema_check() where level <> 'info' and (status <> 'ok' or object !~ '^application_one\.|^database$') $$,
  'and so does the schema check, which finds the indexes, too');

-- and another takes its name, with tables and functions of the same names
alter schema decoy rename to app;
create function app.runlink_evidence(run_id text, tenant_id text) returns table (
    run_id text, tenant_id text, domain text, kind text, record_id text, occurred_at timestamptz, severity text,
    outcome text, title text, linked_by text, detail jsonb)
  language sql as $$ select 'decoy', 'decoy', 'incidents', 'incident', 'decoy', now(), 'decoy', 'decoy', 'decoy', 'decoy', '{}'::jsonb $$;
create function app.runlink_proof(run_id text, tenant_id text) returns setof application_one.aos_traces
  language sql as $$ select * from application_one.aos_traces $$;
select is(a.answer, o.answer, 'another schema of the old name: ' || a.call)
from pg_temp.answers('application_one') as a join original as o using (call) where call <> 'report';
select pg_temp.report_of_renamed();
drop function app.runlink_evidence, app.runlink_proof;
alter schema app rename to decoy;
alter schema application_one rename to app;
select is(pg_temp.changed(), null, 'the first name again');

-- a name that needs quotes, of every kind
alter schema app rename to "it's ""my"" \ $$ schema %";
select is(a.answer, o.answer, 'schema renamed to a name that needs quotes: ' || a.call)
from pg_temp.answers($name$it's "my" \ $$ schema %$name$) as a join original as o using (call)
where a.call not in ('report');
select is((select count(*) from "it's ""my"" \ $$ schema %".runlink_schema_check() where level = 'required' and status <> 'ok'),
  0::bigint, 'the schema check reads a schema whose name needs quotes');
alter schema "it's ""my"" \ $$ schema %" rename to app;

-- The extension goes and comes again elsewhere

savepoint change;
drop extension runlink cascade;
create extension runlink schema decoy;
select results_eq(
  $$ select application_schema, run_found, incident_count + trace_count from decoy.runlink_linkage('run-linkage-test-001') $$,
  $$ values ('decoy', false, 0::bigint) $$,
  'the extension made anew in another schema reads that one');
select is_empty($$ select * from decoy.runlink_evidence('run-linkage-test-001') $$, 'its evidence');
select is_empty($$ select * from decoy.runlink_governance('run-linkage-test-001') $$, 'its governance events');
select is_empty($$ select * from decoy.runlink_proof_steps('run-linkage-test-001') $$, 'its steps');
select is((select verification_status from decoy.runlink_proof('run-linkage-test-001')), 'UNSUPPORTED', 'its proof');
drop extension runlink;
create extension runlink schema app;
select is(a.answer, o.answer, 'and again in the first: ' || a.call)
from pg_temp.answers('app') as a join original as o using (call) where call <> 'report';
rollback to change;
select is(pg_temp.changed(), null, 'and when that is rolled back');

-- All plans are thrown away; and everything at once

discard plans;
select is(pg_temp.changed(), null, 'DISCARD PLANS changes nothing');

drop table app.llm_run_records;
alter table app.incidents alter column title type text;
create index on app.runs (goal);
alter schema app rename to application_two;
set local search_path = application_two, public, tap;
select is(pg_temp.changed('application_two'), 'report', 'several changes between two calls, of which the report alone tells');

select * from finish();
rollback;
