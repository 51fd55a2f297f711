-- runlink_evidence: everything linked to a run, one row a record.
set timezone = 'UTC';
set datestyle = 'ISO';

-- the documented example
select occurred_at, domain, kind, record_id, severity, outcome, title, linked_by
  from runlink_evidence('run-linkage-test-001');
select distinct run_id, tenant_id from runlink_evidence('run-linkage-test-001');

-- further columns are told in detail, with NULL where the record has none
\pset format unaligned
select kind, record_id, jsonb_strip_nulls(detail) as detail from runlink_evidence('run-linkage-test-001');
\pset format aligned
select kind, string_agg(distinct key, ' ' order by key) as null_in_detail
  from runlink_evidence('run-linkage-test-001'), jsonb_each(detail)
  where value = 'null' group by kind order by kind;

-- a time zone changes how times are shown, and nothing else
create temp table in_utc as select * from runlink_evidence('run-linkage-test-001');
set timezone = 'Asia/Kathmandu';
select occurred_at, kind, detail -> 'started_at' as started_at
  from runlink_evidence('run-linkage-test-001') where kind = 'run';
select count(*) as same from (
  select run_id, tenant_id, domain, kind, record_id, occurred_at, severity, outcome, title, linked_by
    from in_utc
  intersect
  select run_id, tenant_id, domain, kind, record_id, occurred_at, severity, outcome, title, linked_by
    from runlink_evidence('run-linkage-test-001')) as both_zones;
set timezone = 'UTC';

begin;
alter table incidents drop constraint incidents_source_run_id_fkey;
insert into runs (id, tenant_id) values
  ('run-empty', 'tenant-a'), ('run-old', 'tenant-a'), ('run-times', 'tenant-a'),
  ('run-shared', 'tenant-a'), ('run-nobody', null), ('run-optional', 'tenant-a'), ('run-decisions', 'tenant-a'),
  ('run-long', 'tenant-a');

-- A run with nothing linked gives its own row; one that is missing gives what is
-- linked to it, of every tenant, and no row of its own.
select kind, record_id, tenant_id, linked_by from runlink_evidence('run-empty');
select kind, record_id, tenant_id, linked_by from runlink_evidence('run-missing');
insert into incidents (id, source_run_id) values ('inc-orphan', 'run-missing');
insert into limit_breaches (id, tenant_id, run_id) values ('breach-orphan', 'tenant-b', 'run-missing');
select kind, record_id, tenant_id, linked_by from runlink_evidence('run-missing');
select kind, record_id, tenant_id, linked_by from runlink_evidence('run-missing', 'tenant-b');

-- Legacy links hold where the canonical one is NULL, and a record comes with
-- the first link that holds.
insert into incidents (id, source_run_id, llm_run_id) values
  ('inc-1', null, 'run-old'), ('inc-2', 'run-old', 'run-old'), ('inc-other', 'run-empty', 'run-old');
insert into prevention_records (id, outcome, run_id, blocked_incident_id, original_incident_id) values
  ('prev-1', 'allowed', null, 'run-old', 'none'),
  ('prev-2', 'blocked', null, 'none', 'run-old'),
  ('prev-3', 'allowed', null, 'run-old', 'run-old'),
  ('prev-4', 'allowed', 'run-old', 'run-old', 'run-old'),
  ('prev-other', 'blocked', 'run-empty', 'run-old', 'run-old');
select kind, record_id, linked_by from runlink_evidence('run-old');

-- An unknown time stays NULL and comes last; equal times are in the order of
-- kind and record_id, byte by byte.
insert into incidents (id, source_run_id, created_at) values
  ('inc-z', 'run-times', null), ('inc-Z', 'run-times', null), ('inc-ä', 'run-times', null),
  ('inc-infinite', 'run-times', 'infinity'), ('inc-early', 'run-times', '2026-01-01 00:00+00');
insert into prevention_records (id, outcome, run_id, created_at) values ('prev-timeless', 'blocked', 'run-times', null);
select occurred_at, kind, record_id from runlink_evidence('run-times');

-- made-up records say so
insert into runs (id, tenant_id, is_synthetic, synthetic_scenario_id) values ('run-fake', 'tenant-a', true, 'drill-1');
insert into incidents (id, source_run_id, is_synthetic, synthetic_scenario_id) values ('inc-fake', 'run-fake', true, 'drill-1');
insert into prevention_records (id, run_id, outcome, is_simulated, is_synthetic, synthetic_scenario_id) values
  ('prev-fake', 'run-fake', 'blocked', false, true, 'drill-1'), ('prev-simulated', 'run-fake', 'blocked', true, false, null);
insert into aos_traces (trace_id, run_id, is_synthetic, synthetic_scenario_id) values ('trace-fake', 'run-fake', true, 'drill-1');
insert into llm_run_records (id, run_id, is_synthetic, synthetic_scenario_id) values ('llm-fake', 'run-fake', true, 'drill-1');
select record_id, detail -> 'is_synthetic' as is_synthetic, detail -> 'is_simulated' as is_simulated,
    detail -> 'synthetic_scenario_id' as synthetic_scenario_id
  from runlink_evidence('run-fake');

-- Rows of other tenants are no evidence, and names are read from the record's
-- own tenant only.
insert into policy_rules (id, tenant_id, name) values
  ('policy-a', 'tenant-a', 'Rule of A'), ('policy-b', 'tenant-b', 'Rule of B');
insert into limits (id, tenant_id, name) values
  ('limit-a', 'tenant-a', 'Limit of A'), ('limit-b', 'tenant-b', 'Limit of B');
insert into incidents (id, tenant_id, source_run_id, title) values
  ('inc-a', 'tenant-a', 'run-shared', 'Incident of A'), ('inc-b', 'tenant-b', 'run-shared', 'Incident of B');
insert into prevention_records (id, tenant_id, run_id, policy_id, outcome) values
  ('prev-aa', 'tenant-a', 'run-shared', 'policy-a', 'blocked'), ('prev-ab', 'tenant-a', 'run-shared', 'policy-b', 'blocked'),
  ('prev-ax', 'tenant-a', 'run-shared', 'policy-missing', 'allowed'), ('prev-bb', 'tenant-b', 'run-shared', 'policy-b', 'blocked');
insert into policy_enforcements (id, tenant_id, run_id, rule_id) values
  ('enf-aa', 'tenant-a', 'run-shared', 'policy-a'), ('enf-ab', 'tenant-a', 'run-shared', 'policy-b'),
  ('enf-bb', 'tenant-b', 'run-shared', 'policy-b');
insert into limit_breaches (id, tenant_id, run_id, limit_id) values
  ('breach-aa', 'tenant-a', 'run-shared', 'limit-a'), ('breach-ab', 'tenant-a', 'run-shared', 'limit-b'),
  ('breach-bb', 'tenant-b', 'run-shared', 'limit-b');
insert into audit_ledger (id, tenant_id, after_state) values
  ('audit-a', 'tenant-a', '{"run_id": "run-shared"}'), ('audit-b', 'tenant-b', '{"run_id": "run-shared"}');
insert into aos_traces (trace_id, tenant_id, run_id) values
  ('trace-a', 'tenant-a', 'run-shared'), ('trace-b', 'tenant-b', 'run-shared');
insert into llm_run_records (id, tenant_id, run_id) values
  ('llm-a', 'tenant-a', 'run-shared'), ('llm-b', 'tenant-b', 'run-shared');
select tenant_id, kind, record_id, title, linked_by from runlink_evidence('run-shared');

-- a tenant given narrows to its rows, whoever owns the run
select tenant_id, kind, record_id, title from runlink_evidence('run-shared', 'tenant-b');
select tenant_id, kind, record_id from runlink_evidence('run-shared', 'tenant-c');

-- a run without a tenant takes in every tenant, each with its own names
insert into prevention_records (id, tenant_id, run_id, policy_id) values
  ('prev-nobody-a', 'tenant-a', 'run-nobody', 'policy-a'), ('prev-nobody-b', 'tenant-b', 'run-nobody', 'policy-b');
select tenant_id, kind, record_id, title from runlink_evidence('run-nobody');
select tenant_id, kind, record_id, title from runlink_evidence('run-nobody', 'tenant-b');

-- a decision is an evaluation whose outcome, in any case, is one of five
insert into prevention_records (id, run_id, outcome)
  select spelling, 'run-decisions', spelling
    from unnest(array['prevented', 'blocked', 'warned', 'audited', 'stopped', 'killed', 'mitigated', 'failed',
      'allowed', 'violation_incident', 'no_violation', 'advisory', 'not_applicable', '', ' blocked', 'unblocked']) as outcome,
      lateral unnest(array[outcome, upper(outcome), initcap(outcome)]) as spelling
    group by spelling;
\pset format unaligned
select d.outcome as decision, string_agg(quote_literal(e.outcome), ' ' order by e.outcome) as evaluated,
    bool_and(d.linked_by = e.linked_by and d.detail ->> 'evaluation_id' = e.record_id) as of_the_evaluation
  from runlink_evidence('run-decisions') as e
    left join runlink_evidence('run-decisions') as d
      on d.kind = 'decision' and d.record_id = 'dec-' || e.record_id
  where e.kind = 'policy_evaluation'
  group by d.outcome order by d.outcome;
\pset format aligned

-- no limit on rows, and each decision has an id of its own
insert into prevention_records (id, run_id, outcome)
  select 'evaluation-of-a-long-run-' || i, 'run-long', case when i % 5 = 0 then 'BLOCKED' else 'ALLOWED' end
    from generate_series(1, 1500) as i;
select kind, count(*), count(distinct record_id) from runlink_evidence('run-long') group by kind order by kind;

-- the optional tables: told where they exist
insert into policy_enforcements (id, run_id, action_taken, details) values
  ('enf-1', 'run-optional', 'WARN', '{"key": ["value"]}');
insert into llm_run_records (id, run_id, provider, model, execution_status, completed_at) values
  ('llm-1', 'run-optional', 'anthropic', 'claude', 'FAILED', '2026-02-01 00:08+00');
select occurred_at, domain, kind, record_id, outcome, title, linked_by, detail from runlink_evidence('run-optional')
  where kind <> 'run';
savepoint optional;
drop table policy_enforcements;
select kind, record_id from runlink_evidence('run-optional');
drop table llm_run_records;
select kind, record_id from runlink_evidence('run-optional');
rollback to optional;
select kind, record_id from runlink_evidence('run-optional');

-- what json can hold and jsonb cannot is told as its text, and stops nothing
insert into policy_enforcements (id, run_id, details)
  select 'json-' || n, 'run-json', details
    from unnest(array['{"a": "\u0000"}', '{"a": "\\u0000"}', '{"a": "\\\u0000"}', '{"a": "\ud83d\uDE80"}', '{"a": "\ud83d"}', '{"a": "\uDE80\ud83d"}',
      '{"a": "\ud83d\\\ude80"}', '{"\uD83D": 1}', '1e99999', '[-1.5E-99999]', '1e9999', 'null', null]::json[]) with ordinality as v (details, n);
select record_id, left(detail ->> 'details', 30) as details, jsonb_typeof(detail -> 'details') as type from runlink_evidence('run-json');

-- columns that only feed detail, and those of legacy links, may be absent
savepoint columns;
alter table incidents drop column category, drop column llm_run_id;
alter table prevention_records drop column original_incident_id;
select kind, record_id, linked_by, detail ? 'category' as category, detail ? 'llm_run_id' as llm_run_id,
    detail ? 'trigger_type' as trigger_type
  from runlink_evidence('run-old');
rollback to columns;

-- The tables are those of the extension's schema, whatever the search_path; a view
-- of a table's name serves.
savepoint schemas;
create schema decoy create table runs (id text) create table incidents (id text);
set local search_path = decoy, pg_temp;
select count(*) from public.runlink_evidence('run-linkage-test-001');
set local search_path = public;
alter table incidents rename to all_incidents;
create view incidents as select * from all_incidents;
select count(*) from runlink_evidence('run-linkage-test-001');
rollback to schemas;

-- Ids are taken literally: quotes, backslashes, wildcards, what looks like SQL,
-- case, blanks, and other forms of the same letter.
insert into runs (id, tenant_id) values
  ('o''r"u\n %_$1 @extschema@ ; -- 技🚀', 'ten''ant"\ %'), ('runX', 'tenant-a'), ('run_', 'tenant-a'),
  ('é', 'tenant-a'), ('None', 'tenant-a');
insert into limit_breaches (id, tenant_id, run_id, limit_id) values
  ('breach''"\ %', 'ten''ant"\ %', 'o''r"u\n %_$1 @extschema@ ; -- 技🚀', 'limit''"\ %'), ('breach-x', 'tenant-a', 'runX', 'limit-a'),
  ('breach-é', 'tenant-a', 'é', 'limit-a');
insert into limits (id, tenant_id, name) values ('limit''"\ %', 'ten''ant"\ %', 'name''"\ %');
\pset format unaligned
select run_id, tenant_id, record_id, title from runlink_evidence('o''r"u\n %_$1 @extschema@ ; -- 技🚀');
select record_id from runlink_evidence('o''r"u\n %_$1 @extschema@ ; -- 技🚀', 'ten''ant"\ %');
select record_id from runlink_evidence('run_');
select record_id from runlink_evidence('é');
select record_id from runlink_evidence(U&'e\0301');
select record_id from runlink_evidence('RUNX');
select record_id from runlink_evidence('runX ');
select record_id from runlink_evidence('None');
rollback;
