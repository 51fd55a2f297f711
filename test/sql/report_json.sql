-- runlink_report in JSON: valid whatever text holds, its values those of the calls.
\pset format unaligned
\pset tuples_only on

-- the documented example: what there is, and what is not a list of records
create temp table report as select runlink_report('run-linkage-test-001', null, 'json')::jsonb as r;
select r.key, case jsonb_typeof(r.value) when 'array' then jsonb_array_length(r.value)::text else jsonb_typeof(r.value) end
  from report, json_each_text(runlink_report('run-linkage-test-001', null, 'json')::json) with ordinality as k (key, value, n)
    cross join lateral (select k.key, report.r -> k.key) as r (key, value)
  order by k.n;
select jsonb_pretty(r - '{evidence,proof,governance_events,gaps,schema_gaps,recommended_fixes,reported_at}'::text[]) from report;
select (r ->> 'reported_at')::timestamptz between now() - interval '1 hour' and now() + interval '1 hour' as reported_lately from report;

-- The same as the calls, row by row; a call has further columns.
create function pg_temp.differences(run text, tenant text default null) returns table (section text, rows bigint, differences bigint)
language sql as $$
  with r as (select runlink_report(run, tenant, 'json')::jsonb as r),
  call (section, n, answer) as (
    select 'evidence', n, to_jsonb(e) from runlink_evidence(run, tenant) with ordinality as e (run_id, tenant_id, domain, kind, record_id,
      occurred_at, severity, outcome, title, linked_by, detail, n)
    union all select 'governance_events', n, to_jsonb(g) from runlink_governance(run, tenant) with ordinality as g (run_id, tenant_id,
      record_id, occurred_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason, linked_by, before_state, after_state, n)
    union all select 'proof', row_number() over (), to_jsonb(p) from runlink_proof(run, tenant) as p
    union all select 'gaps', row_number() over (), to_jsonb(g) from runlink_gaps(run, tenant) as g
    union all select 'schema_gaps', row_number() over (), to_jsonb(c) from runlink_schema_check() as c
      where c.status <> 'ok' and c.level <> 'info'
  ),
  told (section, n, item) as (
    select s.section, i.n, i.item
    from r, unnest('{evidence,governance_events,proof,gaps,schema_gaps}'::text[]) as s (section),
      jsonb_array_elements(r.r -> s.section) with ordinality as i (item, n)
  )
  select coalesce(c.section, t.section), count(t.n), count(*) filter (where t.item is null or c.answer is null or not c.answer @> t.item)
  from call c full join told t using (section, n)
  group by 1 order by 1
$$;
set timezone = 'UTC';
select * from pg_temp.differences('run-linkage-test-001');
select * from pg_temp.differences('run-missing');
select * from pg_temp.differences('run-linkage-test-001', 'tenant-a');
select bool_and(l.counts @> (r.r -> 'counts') and r.r ->> 'run_id' = l.counts ->> 'run_id' and r.r -> 'tenant_id' = l.counts -> 'tenant_id')
  from unnest('{run-linkage-test-001,run-missing}'::text[]) as run, lateral (select to_jsonb(l) from runlink_linkage(run) as l) as l (counts),
    lateral (select runlink_report(run, null, 'json')::jsonb) as r (r);

-- times are in UTC whatever the session's zone and style; those in a detail are as runlink_evidence has them
set timezone = 'Asia/Kathmandu';
set datestyle = 'German';
select jsonb_path_query_array(now.r, '$.evidence[0 to 1].occurred_at') as here, jsonb_path_query_array(report.r, '$.evidence[0 to 1].occurred_at') as there
  from report, lateral (select runlink_report('run-linkage-test-001', null, 'json')::jsonb) as now (r);
set timezone = 'UTC';
reset datestyle;

-- a setting that changes how names are quoted is no other name of the schema
set quote_all_identifiers = on;
select reason ~ '^gaps in the records: 0' as looked_for
  from jsonb_to_recordset(runlink_report('run-linkage-test-001', null, 'json')::jsonb -> 'acceptance') as c (criterion int, reason text)
  where criterion = 4;
reset quote_all_identifiers;

-- whatever text can hold
begin;
create temp table hostile as
  select array_to_string(array(select chr(c) from generate_series(1, 160) as c), '')
    || U&'"\\/</script>\202E\2028\2029\FEFF\FFFD\FFFE\FFFF\+01F600\+10FFFF' || repeat('x', 10000) as title;
insert into runs (id, tenant_id, goal, status) select left(title, 300), left(title, 100), title, title from hostile;
insert into incidents (id, tenant_id, source_run_id, title, severity, status, created_at)
  select i, left(title, 100), left(title, 300), left(title, 255), 's', 's', t::timestamptz
  from hostile, (values ('a', null), ('b', 'infinity'), ('c', '-infinity'), ('d', '0044-03-15 12:00 BC'), ('e', '12026-01-01 00:00:00.000001+00')) as v (i, t);
select r ->> 'run_id' = left(title, 300) as run_id, r ->> 'tenant_id' = left(title, 100) as tenant_id,
    jsonb_path_query_first(r, '$.evidence[*] ? (@.kind == "run").title') #>> '{}' = title as title,
    jsonb_path_query_array(r, '$.evidence[*] ? (@.kind == "incident").occurred_at') as times
  from hostile, lateral (select runlink_report(left(title, 300), null, 'json')::jsonb) as r (r);
select d.* from hostile, pg_temp.differences(left(title, 300)) as d where section = 'evidence';
rollback;

-- What is recommended: every remedy once, and each can be run
begin;
drop index incidents_source_run_id_idx;
alter table audit_ledger disable trigger audit_ledger_reject_update;
alter table runs drop column policy_violation;
create temp table fix as
  select f.*, n from jsonb_array_elements(runlink_report('run-linkage-test-001', null, 'json')::jsonb -> 'recommended_fixes') with ordinality as e (fix, n),
    jsonb_to_record(e.fix) as f (statement text, level text, found_by text, finding text, confidence text);
select count(*) = count(distinct statement) and count(*) > 0 as each_once from fix;
select statement, level, found_by, finding, confidence from fix where statement ~ 'policy_violation|incidents|trigger';
\set ECHO none
select replace(statement, 'concurrently ', '') from fix order by n
\gexec
\set ECHO all
-- the flag that was added is false, and the evidence says otherwise: only now can that be told
select fix ->> 'finding' as finding, fix ->> 'statement' as statement
  from jsonb_array_elements(runlink_report('run-linkage-test-001', null, 'json')::jsonb -> 'recommended_fixes') as fix;
update runs set policy_violation = true where id = 'run-linkage-test-001';
select r -> 'recommended_fixes' as fixes, r -> 'schema_gaps' as gaps from (select runlink_report('run-linkage-test-001', null, 'json')::jsonb) as r (r);
rollback;

-- The verdicts, each with its reason.
create function pg_temp.verdicts(run text, tenant text default null) returns table (criterion int, verdict text, reason text)
language sql as $$
  select c.criterion, c.verdict, c.reason
  from jsonb_to_recordset(runlink_report(run, tenant, 'json')::jsonb -> 'acceptance') as c (criterion int, verdict text, requirement text, reason text)
$$;
begin;
\set ECHO none
select replace(remedy, 'concurrently ', '') from runlink_schema_check() where level = 'recommended' and status <> 'ok'
\gexec
\set ECHO all
select * from pg_temp.verdicts('run-linkage-test-001');
-- missing, another tenant's, synthetic
select * from pg_temp.verdicts('run-missing') where criterion < 4;
select * from pg_temp.verdicts('run-linkage-test-001', 'tenant-a') where criterion < 4;
insert into runs (id, tenant_id, goal, status, is_synthetic) values ('run-synthetic', 'tenant-a', 'g', 's', true);
insert into incidents (id, tenant_id, source_run_id, title) values ('inc-synthetic', 'tenant-a', 'run-synthetic', 't');
select * from pg_temp.verdicts('run-synthetic') where criterion in (1, 3);
-- a run with nothing
insert into runs (id, tenant_id, goal, status) values ('run-bare', 'tenant-a', 'g', 's');
select * from pg_temp.verdicts('run-bare') where criterion < 4;
-- an incident that the ledger does not tell of; a trace without steps beside one with
insert into runs (id, tenant_id, goal, status) values ('run-lacking', 'tenant-a', 'g', 's');
insert into incidents (id, tenant_id, source_run_id, title) values ('inc-lacking', 'tenant-a', 'run-lacking', 't');
insert into aos_traces (trace_id, tenant_id, run_id) values ('trace-lacking-1', 'tenant-a', 'run-lacking'), ('trace-lacking-2', 'tenant-a', 'run-lacking');
insert into aos_trace_steps (trace_id, step_index) values ('trace-lacking-1', 0);
select * from pg_temp.verdicts('run-lacking') where criterion < 4;
-- what was not evaluated: a record by an old link, another tenant's, tables that are not there
insert into incidents (id, tenant_id, llm_run_id, title) values ('inc-old', 'tenant-a', 'run-bare', 't');
insert into incidents (id, tenant_id, source_run_id, title) values ('inc-other', 'tenant-b', 'run-bare', 't');
drop table llm_run_records, policy_enforcements;
select n.subject, n.reason
  from jsonb_to_recordset(runlink_report('run-bare', null, 'json')::jsonb -> 'not_evaluated') as n (subject text, reason text);
rollback;
