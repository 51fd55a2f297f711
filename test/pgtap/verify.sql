-- runlink_verify and runlink_verify_summary: what they find in a fleet, for whom, and of what time.
-- That they find what the proof finds, after any tampering, is asserted case by case in tamper.sql.

begin;
select plan(45);
set local client_min_messages = error;

create role runlink_test_owner;
create role runlink_test_auditor;
create role runlink_test_reader;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
grant usage on schema app to runlink_test_auditor, runlink_test_reader;
grant select on all tables in schema app to runlink_test_auditor, runlink_test_reader;
reset role;
set local search_path = app, public, tap;

\i test/fixture/asking.sql

create function pg_temp.begin_trace(trace text, tenant text) returns void
begin atomic
  insert into app.aos_traces (trace_id, run_id, tenant_id, status, started_at)
    values (trace, 'run of ' || trace, tenant, 'running', '2026-01-01 00:00:00+00');
end;
create function pg_temp.add_steps(trace text, first integer, last integer) returns void
begin atomic
  insert into app.aos_trace_steps (trace_id, step_index, skill_name, params)
    select trace, i, 'skill ' || i, jsonb_build_object('i', i, 'k', array[i, null]) from generate_series(first, last) as i;
end;
create function pg_temp.end_trace(trace text) returns void
begin atomic
  update app.aos_traces set status = 'completed' where trace_id = end_trace.trace;
end;

select matches(pg_temp.ask(current_user, 'select count(*) from runlink_verify()'),
  '^55000 there is no state to verify against\nIn the way: sealing was never enabled\.\nCall runlink_enable_sealing\(\) as a superuser\.$',
  'before sealing is enabled there is nothing to verify against');

-- Before sealing: a trace with steps, and one without.
select pg_temp.begin_trace('old', 'tenant-a'), pg_temp.add_steps('old', 3, 5), pg_temp.end_trace('old'), pg_temp.begin_trace('old and empty', 'tenant-b') \g /dev/null
select runlink_enable_sealing() \g /dev/null
select results_eq('select tenant_id, run_id, trace_id, step_index, finding, expected, found from runlink_verify()',
  $$ values ('tenant-a', 'run of old', 'old', 3, 'unsealed', null::text, '3 of 3 steps have neither leaf nor seal') $$,
  'what was there before sealing is told, a row a trace');
select results_eq('select traces, steps, verified, failed, unsealed, skipped, skipped_why, findings, workers from runlink_verify_summary()',
  $$ values (2::bigint, 3::bigint, 0::bigint, 0::bigint, 1::bigint, 1::bigint, '{"without steps": 1}'::jsonb, 1::bigint, 0) $$,
  'and counted');
select count(*) from runlink_seal_pending() \g /dev/null

-- A sealed trace, one that runs, one sealed twice and going on, one of another tenant, two without steps.
select pg_temp.begin_trace(t, case when t = 'theirs' then 'tenant-b' else 'tenant-a' end)
from unnest('{sealed,running,several,theirs,empty,"ended empty"}'::text[]) as t \g /dev/null
select pg_temp.add_steps('sealed', 0, 9), pg_temp.end_trace('sealed'), pg_temp.add_steps('running', 0, 2),
  pg_temp.add_steps('several', 5, 8), pg_temp.end_trace('several'), pg_temp.add_steps('theirs', 0, 1), pg_temp.end_trace('theirs'),
  pg_temp.end_trace('ended empty') \g /dev/null
select pg_temp.add_steps('several', 0, 2) \g /dev/null
select count(*) from runlink_seal_pending(null, 'run of several') \g /dev/null
select pg_temp.add_steps('several', 20, 21) \g /dev/null
select results_eq('select trace_id::text, count(*) from runlink.seal group by 1 order by 1',
  $$ values ('ended empty', 1::bigint), ('old', 1), ('sealed', 1), ('several', 2), ('theirs', 1) $$, 'the traces are sealed as intended');

select is_empty('select * from runlink_verify()', 'nothing is found where nothing is wrong');
create temp view summary as select traces, steps, verified, failed, unsealed, skipped, skipped_why, findings from runlink_verify_summary();
select results_eq('table summary',
  $$ values (8::bigint, 27::bigint, 5::bigint, 0::bigint, 0::bigint, 3::bigint, '{"without steps": 3}'::jsonb, 0::bigint) $$,
  'every trace and step is counted');
select ok(bytes_hashed > 27 * 300 and seconds > 0 and workers = 0, 'with the bytes hashed and the time it took') from runlink_verify_summary();
select is((select verification_status from runlink_proof('run of ' || t)), 'VERIFIED', t || ' is verified by its proof too')
from unnest('{sealed,running,several,theirs}'::text[]) as t;

-- A tenant, and a time.
create function pg_temp.traces_of(tenant text, since timestamptz, until timestamptz) returns text
language sql as $$
  select format('%s, %s steps', s.traces, s.steps) from app.runlink_verify_summary(tenant, since, until) as s
$$;
select is(pg_temp.traces_of('tenant-b', null, null), '2, 2 steps', 'the traces of a tenant');
select is(pg_temp.traces_of('nobody', null, null), '0, 0 steps', 'none of a tenant that has none');
select is(pg_temp.traces_of('tenant-a', null, null), '6, 25 steps', 'those of another');
select throws_ok($$ select * from runlink_verify('') $$, '22023', 'tenant_id must not be empty', 'a tenant has a name');

savepoint good;
set local session_replication_role = replica;
update runlink.seal set sealed_at = '2026-03-01 00:00:00+00' where trace_id = 'sealed';
update runlink.seal set sealed_at = '2026-03-02 00:00:00+00' where trace_id = 'several' and seal_no = 0;
set local session_replication_role = origin;
select is(pg_temp.traces_of(null, null, '2026-03-01 00:00:00+00'), '3, 3 steps', 'until is not included; without a seal, a trace has the time that it started');
select is(pg_temp.traces_of(null, null, '2026-03-01 00:00:01+00'), '4, 13 steps', 'traces sealed before a time');
select is(pg_temp.traces_of(null, '2026-03-01 00:00:00+00', '2026-03-03 00:00:00+00'), '1, 10 steps', 'since is; the newest seal is the one that counts');
select is(pg_temp.traces_of('tenant-b', '2026-03-01 00:00:00+00', null), '1, 2 steps', 'of a tenant, since a time');
select is(pg_temp.traces_of(null, 'infinity', null), '0, 0 steps', 'nothing is sealed at infinity');
rollback to good;

-- Everything that a row can say. Nobody but a superuser who passes triggers can do any of it.

create temp table before as select trace_id, step_index, leaf_hash from runlink_proof_steps('run of sealed');
select leaf_hash as leaf0 from before where step_index = 0 \gset
select leaf_hash as leaf1 from before where step_index = 1 \gset
select leaf_hash as leaf2 from before where step_index = 2 \gset
savepoint good;
set local session_replication_role = replica;
update aos_trace_steps set status = 'forged' where trace_id = 'sealed' and step_index = 0;
delete from aos_trace_steps where trace_id = 'sealed' and step_index = 1;
update aos_traces set tenant_id = 'tenant-b' where trace_id = 'theirs' or trace_id = 'several';
delete from aos_traces where trace_id = 'running';
update runlink.seal set chain_head = sha256('') where trace_id = 'old';
insert into aos_trace_steps (trace_id, step_index) values ('never there', 4), ('never there', 7), ('theirs', 9);
insert into aos_traces_archive select * from aos_traces where trace_id in ('old and empty', 'empty');
delete from aos_traces where trace_id = 'empty';
select set_eq(
  $$ select tenant_id, run_id, trace_id, step_index, finding, expected, case when finding <> 'altered' then found end from runlink_verify() $$,
  format($$ values
    ('tenant-a', 'run of sealed', 'sealed', 0, 'altered', %L, null),
    ('tenant-a', 'run of sealed', 'sealed', 1, 'missing', %L, null),
    ('tenant-b', 'run of theirs', 'theirs', 9, 'inserted', null, null),
    ('tenant-a', 'run of several', 'several', null::integer, 'moved', 'run "run of several" of tenant "tenant-a"', 'run "run of several" of tenant "tenant-b"'),
    ('tenant-a', 'run of running', 'running', null, 'trace_missing', 'run "run of running" of tenant "tenant-a"', null),
    ('tenant-a', 'run of old', 'old', null, 'seal_damaged', null, 'seal 0 has another chain head than its leaves give'),
    (null, null, 'never there', 4, 'trace_unknown', '0 steps', '2 steps') $$, :'leaf0', :'leaf1'),
  'each finding has its row');
select isnt((select found from runlink_verify() where finding = 'altered'), :'leaf0', 'an altered step has its leaf as it is');
select results_eq('table summary',
  $$ values (9::bigint, 29::bigint, 0::bigint, 5::bigint, 1::bigint, 3::bigint, '{"archived": 1, "without steps": 2}'::jsonb, 7::bigint) $$,
  'and the summary counts them');
select set_eq($$ select trace_id, finding from runlink_verify('tenant-b') $$,
  $$ values ('several', 'moved'), ('theirs', 'inserted') $$, 'a trace that was moved to a tenant is found for that tenant');
select set_eq($$ select trace_id, finding from runlink_verify('tenant-a') $$,
  $$ values ('sealed', 'altered'), ('sealed', 'missing'), ('several', 'moved'), ('running', 'trace_missing'), ('old', 'seal_damaged') $$,
  'and for the one that it was recorded for');
rollback to good;
select is_empty('select * from runlink_verify()', 'nothing is found when all is undone');

-- Archived, as the application does it.
insert into aos_traces_archive select * from aos_traces where trace_id in ('sealed', 'several');
delete from aos_traces where trace_id in ('sealed', 'several');
select is_empty('select * from runlink_verify()', 'an archived trace is no finding');
select is(skipped_why, '{"archived": 2, "without steps": 3}', 'it is skipped') from summary;
savepoint archived;
set local session_replication_role = replica;
insert into aos_trace_steps (trace_id, step_index) values ('sealed', 3);
select set_eq($$ select step_index, finding, expected, case when finding <> 'altered' then found end from runlink_verify() $$,
  $$ select step_index, 'missing' as finding, leaf_hash, null as found from before where step_index <> 3
     union all select 3, 'altered', leaf_hash, null from before where step_index = 3
     union all select null, 'archived_with_steps', '0 steps', '1 steps' $$, 'steps that are still there are');
rollback to archived;

-- A value that jsonb cannot have is a finding, and the rest goes on.
savepoint good;
set local session_replication_role = replica;
create cast (bytea as jsonb) without function;
update aos_trace_steps set params = '\x01000020ffffff00'::bytea::jsonb where trace_id = 'theirs' and step_index = 1;
update aos_trace_steps set status = 'forged' where trace_id = 'running' and step_index = 2;
select set_eq('select trace_id, step_index, finding, found is null from runlink_verify()',
  $$ values ('theirs', 1, 'altered', true), ('running', 2, 'altered', false) $$, 'corrupt jsonb is a finding');
rollback to good;

-- Rows that no index leads to, as with a damaged one.
savepoint good;
set local session_replication_role = replica;
alter table aos_trace_steps disable trigger all;
alter table aos_trace_steps alter trace_id drop not null;
insert into aos_trace_steps (trace_id, step_index) values (null, 0);
select set_eq('select trace_id, step_index, finding, found from runlink_verify()',
  $$ values (null::text, 0, 'trace_unknown', '1 steps') $$, 'steps without a trace_id are met too');
rollback to good;

-- Tables of other names, behind views, and partitions: they are read like any.
savepoint good;
create temp table tables_said as table summary;
alter table aos_trace_steps rename to steps_of_ours;
create view aos_trace_steps as select * from steps_of_ours;
select results_eq('table summary', 'table tables_said', 'steps behind a view are met');
select is_empty('select * from runlink_verify()', 'and nothing is wrong with them');
set local session_replication_role = replica;
update steps_of_ours set status = 'forged' where trace_id = 'theirs' and step_index = 0;
select set_eq('select trace_id, step_index, finding from runlink_verify()', $$ values ('theirs', 0, 'altered') $$, 'but where it is');
rollback to good;

-- Who may.
create function pg_temp.found_by(caller name) returns text language sql as $$
  select pg_temp.ask(caller, 'select coalesce(string_agg(finding, '', ''), ''nothing'') from app.runlink_verify()')
$$;
select matches(pg_temp.found_by('runlink_test_reader'),
  '^42501 permission denied for schema runlink\nrunlink_verify reads what is recorded of every tenant as role "runlink_test_reader"\.\nGrant USAGE on schema runlink and SELECT on its tables to auditors\.$',
  'a reader of the application is refused');
grant usage on schema runlink to runlink_test_auditor;
grant select on all tables in schema runlink to runlink_test_auditor;
select is(pg_temp.found_by('runlink_test_auditor'), 'nothing', 'an auditor is answered');
select is(pg_temp.ask('runlink_test_auditor', 'select traces from app.runlink_verify_summary()'), '8', 'and counts every trace');
revoke select on runlink.leaf from runlink_test_auditor;
select matches(pg_temp.found_by('runlink_test_auditor'), '^42501 permission denied for schema runlink\n', 'not without one of the tables');
grant select on runlink.leaf to runlink_test_auditor;
revoke select on app.aos_traces_archive from runlink_test_auditor;
select matches(pg_temp.found_by('runlink_test_auditor'), '^42501 permission denied for relation app\.aos_traces_archive\nrunlink_verify reads', 'nor without the archive');
grant select on app.aos_traces_archive to runlink_test_auditor;
revoke select on app.aos_trace_steps from runlink_test_auditor;
select matches(pg_temp.found_by('runlink_test_auditor'), '^42501 permission denied for relation app\.aos_trace_steps\nrunlink_verify reads', 'nor without the steps');
grant select on app.aos_trace_steps to runlink_test_auditor;
savepoint good;
alter table aos_trace_steps rename skill_name to skill;
select matches(pg_temp.found_by('runlink_test_auditor'), '^42703 column "skill_name" of app\.aos_trace_steps does not exist\nrunlink_verify cannot answer without it', 'a column that is gone is an error');
rollback to good;
alter table aos_trace_steps enable row level security;
select matches(pg_temp.found_by('runlink_test_auditor'),
  '^42501 row-level security hides rows of app\.aos_trace_steps\n.*"runlink_test_auditor".*\n.*BYPASSRLS', 'nor where row-level security would hide steps');
alter role runlink_test_auditor bypassrls;
select is(pg_temp.found_by('runlink_test_auditor'), 'nothing', 'but where it does not');

-- The state gone, or not as runlink made it.
savepoint good;
alter table runlink.leaf owner to runlink_test_owner;
select matches(pg_temp.found_by(current_user), '^55000 there is no state to verify against\nIn the way: runlink\.leaf is not owned by runlink_owner\.', 'a state that is not runlink''s is not read');
rollback to good;
select is_empty('select * from runlink_verify()', 'and all is good in the end');

select * from finish();
rollback;
