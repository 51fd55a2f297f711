-- runlink_tick, and runlink_verify of what it left to verify: what is read again and what is not, that no
-- finding is lost by being recorded, for whom; and what the views tell of the last answer.

begin;
select * from no_plan();
set local client_min_messages = error;

create role runlink_test_owner;
create role runlink_test_auditor;
create role runlink_test_app;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
grant usage on schema app to runlink_test_auditor, runlink_test_app;
grant select on all tables in schema app to runlink_test_auditor, runlink_test_app;
grant insert, update, delete on all tables in schema app to runlink_test_app;
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
    select trace, i, 'skill ' || i, jsonb_build_object('i', i) from generate_series(first, last) as i;
end;
create function pg_temp.end_trace(trace text) returns void
begin atomic
  update app.aos_traces set status = 'completed' where trace_id = end_trace.trace;
end;
create function pg_temp.make_trace(trace text, tenant text, last integer) returns void
begin atomic
  select pg_temp.begin_trace(trace, tenant), pg_temp.add_steps(trace, 0, last), pg_temp.end_trace(trace);
end;
create temp view tick as select sealed, verified, failed, unsealed, skipped, findings, unverified_left from runlink_tick();
-- What a call that reads what is new has: its findings, and how many traces it left out.
create temp view found as select trace_id, step_index, finding from runlink_verify();
create function pg_temp.left_out(tenant text, since timestamptz, until timestamptz) returns bigint language sql as $$
  select coalesce((skipped_why ->> 'verified_before')::bigint, 0) from app.runlink_verify_summary(tenant, since, until)
$$;
create function pg_temp.left_out() returns bigint language sql as 'select pg_temp.left_out(null, null, null)';
create function pg_temp.status_of(trace text) returns text language sql as $$
  select verification_status from app.runlink_proof('run of ' || trace)
$$;

-- Arguments, and what there has to be.
select matches(pg_temp.error_of('select * from runlink_tick()'),
  '^55000 there is no state to verify against\nIn the way: sealing was never enabled\.\nCall runlink_enable_sealing\(\) as a superuser\.$',
  'before sealing is enabled there is nothing to do');
select is(pg_temp.error_of('select * from runlink_tick(-1)'),
  e'22023 max must not be negative\nrunlink_tick seals at most max traces, and verifies at most max.\nPass NULL for no limit.',
  'max is no negative number');

-- A trace from before sealing; then thirty that are sealed, one that runs, an empty one.
select pg_temp.begin_trace('old', 'tenant-a'), pg_temp.add_steps('old', 0, 2), pg_temp.end_trace('old') \g /dev/null
select runlink_enable_sealing() \g /dev/null
create temp view kept as
  select trace_id::text, verification_status::text as status, seal_no, findings from runlink.verification;
select pg_temp.make_trace('t' || i, case when i % 3 = 0 then 'tenant-b' else 'tenant-a' end, 4) from generate_series(1, 30) as i \g /dev/null
select pg_temp.begin_trace('empty', 'tenant-a'), pg_temp.end_trace('empty') \g /dev/null
insert into aos_traces (trace_id, run_id, tenant_id, status, started_at) values ('running', 'run of running', 'tenant-a', 'running', now());
insert into aos_trace_steps (trace_id, step_index, skill_name, params, "timestamp") values ('running', 0, 's', '{}', now());

select is(pg_temp.left_out(), 0::bigint, 'before anything is kept, everything is read');
select results_eq('select * from found order by 1', $$ values ('old', 0, 'unsealed') $$,
  'and what was there before sealing is found');

-- A tick.
select is((select count(*) from runlink_tick(0) where sealed = 0 and verified = 0 and unverified_left = 31), 1::bigint,
  'a tick of none does nothing, and says what there is to do');
select results_eq('select sealed, verified + skipped, failed, unverified_left from runlink_tick(10)',
  'values (1::bigint, 10::bigint, 0::bigint, 22::bigint)', 'max bounds what is verified');
select results_eq('select sealed, verified + skipped, failed, unsealed, findings, unverified_left from tick',
  'values (0::bigint, 22::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint)', 'and the next tick does the rest');
select is((select count(*) from kept where status = 'VERIFIED' and seal_no = 0 and findings = 0), 31::bigint, 'the answers are kept');
select results_eq($$ select status, seal_no from kept where trace_id = 'empty' $$, $$ values ('UNSUPPORTED', 0) $$, 'of a trace without steps too');
select is_empty($$ select from kept where trace_id = 'running' $$, 'but not of a trace that has no seal');
select results_eq($$ select verification_status, backfilled_length from runlink_proof('run of old') $$, $$ values ('VERIFIED', 3::bigint) $$, 'what was there before sealing is backfilled, and says so');

create temp table before as select xmin::text as writer, ctid::text as place, * from runlink.verification;
select results_eq('table tick', 'values (0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint)', 'with nothing new a tick does nothing');
select results_eq('select xmin::text as writer, ctid::text as place, * from runlink.verification order by trace_id', 'select * from before order by trace_id', 'and writes nothing');
select is_empty('table runlink.unverified', 'nothing is left to be verified');

-- What is left out, exactly.
select results_eq('select traces, steps, verified, skipped, skipped_why, findings, workers from runlink_verify_summary()',
  $$ values (33::bigint, 1::bigint, 1::bigint, 32::bigint, '{"verified_before": 32}'::jsonb, 0::bigint, 0) $$,
  'only the trace that runs is read again');
select results_eq('select traces, steps, verified, skipped_why from runlink_verify_summary(full => true)',
  $$ values (33::bigint, 154::bigint, 32::bigint, '{"without steps": 1}'::jsonb) $$, 'full reads all');
select results_eq('select traces, steps, skipped_why from runlink_verify_summary(full => null)',
  $$ values (33::bigint, 1::bigint, '{"verified_before": 32}'::jsonb) $$, 'NULL is as false');
select is(pg_temp.left_out('tenant-b', null, null), 10::bigint, 'of a tenant');
select is(pg_temp.left_out('nobody', null, null), 0::bigint, 'of nobody');
select is(pg_temp.left_out(null, 'infinity', null), 0::bigint, 'of no time');
select is(pg_temp.left_out(null, '-infinity', null), 32::bigint, 'of all time');
savepoint good;
set local session_replication_role = replica;
update runlink.seal set sealed_at = '2026-03-01 00:00:00+00' where trace_id in ('t1', 't3');
set local session_replication_role = origin;
select is(pg_temp.left_out(null, '2026-03-01', '2026-03-01 00:00:01'), 2::bigint, 'of a time');
select is(pg_temp.left_out('tenant-b', '2026-03-01', '2026-03-01 00:00:01'), 1::bigint, 'of a tenant and a time');
rollback to good;

-- The views.
select results_eq($$ select last_verification_status, last_verified_at is not null from runlink_trace_integrity
    where trace_id in ('t1', 'empty', 'running') order by trace_id $$,
  $$ values ('UNSUPPORTED', true), (null, false), ('VERIFIED', true) $$, 'runlink_trace_integrity has the last answer');
insert into runs (id, tenant_id, status) values ('run of t1', 'tenant-a', 'succeeded'), ('none', 'tenant-a', 'succeeded'), ('run of running', 'tenant-a', 'running');
create function pg_temp.run_is() returns text language sql as $$
  select coalesce(last_verification_status, 'not known') || case when last_verified_at is null then '' else ' at a time' end
  from app.runlink_runs where run_id = 'run of t1'
$$;
select is(pg_temp.run_is(), 'VERIFIED at a time', 'runlink_runs has it');
select is_empty($$ select from runlink_runs where run_id in ('none', 'run of running') and (last_verification_status is not null or last_verified_at is not null) $$,
  'a run without traces, or with one that was never verified, has none');
select is((select last_verified_at from runlink_runs where run_id = 'run of t1'), (select verified_at from runlink.verification where trace_id = 't1'), 'with its time');
savepoint good;
set local session_replication_role = replica;
update aos_traces set run_id = 'run of t1' where trace_id = 'running';
select is(pg_temp.run_is(), 'not known', 'a run of which one trace was never verified is not known');
rollback to good;
select results_eq($$ select last_verification_status, last_verified_at from runlink_trace_seal('t1') $$,
  $$ select verification_status::text, verified_at from runlink.verification where trace_id = 't1' $$, 'runlink_trace_seal tells it');
select is(pg_temp.plan_of(format('select %s from runlink_runs', columns)) ~ 'runlink_trace_seal', looked, 'the state is looked at for ' || columns)
from (values ('last_verification_status', true), ('last_verified_at', true), ('run_id, status, trace_count', false)) as v (columns, looked);
alter table app.aos_traces enable row level security;
select is(pg_temp.ask('runlink_test_app', $$ select last_verified_at::text from app.runlink_trace_seal('t1') $$), null, 'who does not see the trace is told nothing');
alter table app.aos_traces disable row level security;

-- Sealed again: what was last found is no longer an answer, until the next tick.
savepoint good;
select pg_temp.add_steps('t1', 5, 6) \g /dev/null
select is(pg_temp.left_out(), 31::bigint, 'a trace of which something is recorded is read again');
select count(*) from runlink_seal_pending() \g /dev/null
select is(pg_temp.left_out(), 31::bigint, 'so is one that was sealed again');
select results_eq($$ select last_verification_status, last_verified_at is not null from runlink_trace_integrity where trace_id = 't1' $$,
  $$ values (null::text, true) $$, 'its last answer is not told as if it held');
select is(pg_temp.run_is(), 'not known at a time', 'nor as that of its run');
set local session_replication_role = replica;
update aos_trace_steps set status = 'forged' where trace_id = 't1' and step_index = 6;
set local session_replication_role = origin;
select results_eq('table found', $$ values ('t1', 6, 'altered') $$, 'what is new is compared');
select results_eq('select verified, failed, findings from tick', 'values (0::bigint, 1::bigint, 1::bigint)', 'by the tick too');
select results_eq($$ select * from kept where findings <> 0 $$, $$ values ('t1', 'FAILED', 1, 1::bigint) $$, 'which keeps it');
select is(pg_temp.run_is(), 'FAILED at a time', 'and the views tell');
rollback to good;

-- A trace that failed is found on every call, until it is mended.
savepoint good;
set local session_replication_role = replica;
update aos_trace_steps set skill_name = 'forged' where trace_id = 't2' and step_index = 1;
set local session_replication_role = origin;
select is_empty('table found', 'what is changed in a trace that was verified is not seen: that is what full is for');
select results_eq('select trace_id, step_index, finding from runlink_verify(full => true)', $$ values ('t2', 1, 'altered') $$, 'full sees it');
select pg_temp.add_steps('t2', 5, 5) \g /dev/null
select results_eq('table found', $$ values ('t2', 1, 'altered') $$, 'and so does any call once the trace goes on');
select results_eq('select sealed, failed, findings from tick', 'values (1::bigint, 1::bigint, 1::bigint)', 'the tick records it');
select results_eq('table found', $$ values ('t2', 1, 'altered') $$, 'recorded, it is still found');
select results_eq('select sealed, failed, findings from tick', 'values (0::bigint, 1::bigint, 1::bigint)', 'by the next tick too');
select results_eq('table found', $$ values ('t2', 1, 'altered') $$, 'and found again');
select is(pg_temp.left_out(), 31::bigint, 'it is not among those left out');
set local session_replication_role = replica;
update aos_trace_steps set skill_name = 'skill 1' where trace_id = 't2' and step_index = 1;
set local session_replication_role = origin;
select is_empty('table found', 'mended, it is not');
select results_eq('select verified, failed, findings from tick', 'values (1::bigint, 0::bigint, 0::bigint)', 'the next tick verifies it');
select results_eq($$ select status, seal_no, findings from kept where trace_id = 't2' $$, $$ values ('VERIFIED', 1, 0::bigint) $$, 'and keeps that');
rollback to good;

-- Archived with a damaged seal: its status says nothing of it, its finding does.
savepoint good;
set local session_replication_role = replica;
insert into aos_traces_archive select * from aos_traces where trace_id in ('t4', 't5');
delete from aos_traces where trace_id in ('t4', 't5');
delete from aos_trace_steps where trace_id in ('t4', 't5');
update runlink.seal set chain_head = sha256('') where trace_id = 't4';
delete from runlink.verification where trace_id in ('t4', 't5');
set local session_replication_role = origin;
select results_eq('select skipped, findings from tick', 'values (2::bigint, 1::bigint)', 'archived traces are skipped');
select results_eq($$ select status, findings from kept where trace_id in ('t4', 't5') order by trace_id $$, $$ values ('ARCHIVED', 1::bigint), ('ARCHIVED', 0) $$, 'and kept as such');
select results_eq('select trace_id, finding from found', $$ values ('t4', 'seal_damaged') $$, 'damage of their seals is found nevertheless');
rollback to good;

-- What is kept and what is queued can be lost, or come from another time.
savepoint good;
set local session_replication_role = replica;
delete from runlink.verification where trace_id = 't7';
update aos_trace_steps set status = 'forged' where trace_id = 't7' and step_index = 0;
select results_eq('table found', $$ values ('t7', 0, 'altered') $$, 'a trace whose verification is gone is read again');
select is(pg_temp.left_out(), 31::bigint, 'it is not among those left out');
set local session_replication_role = origin;
select results_eq('select verified, failed from tick', 'values (0::bigint, 1::bigint)', 'and the tick verifies it');
rollback to good;
savepoint good;
select pg_temp.add_steps('t7', 5, 5), runlink_seal_pending() \g /dev/null
set local session_replication_role = replica;
delete from runlink.unverified;
update aos_trace_steps set status = 'forged' where trace_id = 't7' and step_index = 5;
set local session_replication_role = origin;
select results_eq('table found', $$ values ('t7', 5, 'altered') $$, 'a trace that was sealed again is read, though nothing says that it was');
select results_eq('select failed from tick', 'values (1::bigint)', 'and the tick verifies it');
select results_eq('select failed from tick', 'values (1::bigint)', 'and again');
rollback to good;
savepoint good;
set local session_replication_role = replica;
delete from runlink.seal where trace_id = 't8';
set local session_replication_role = origin;
select results_eq('table found', $$ values ('t8', 0, 'unsealed') $$, 'so is a trace whose seal is gone');
select results_eq($$ select last_verification_status, last_verified_at is not null from runlink_trace_seal('t8') $$, $$ values (null::text, true) $$,
  'its last answer does not hold');
savepoint sealless;
select results_eq('select sealed, verified, unsealed from tick', 'values (0::bigint, 0::bigint, 1::bigint)', 'the tick does not make it good');
select results_eq($$ select status, findings from kept where trace_id = 't8' $$, $$ values ('UNSEALED', 1::bigint) $$, 'but keeps what it found');
select results_eq('select sealed, verified, unsealed from tick', 'values (0::bigint, 0::bigint, 1::bigint)', 'nor does the next one');
select is((select string_agg(trace_id, ' ') from runlink_seal_pending()), 't8', 'who wants it sealed anew says so');
select is((select backfilled_length from runlink_proof('run of t8')), 5::bigint, 'and its proof tells');
rollback to good;
savepoint good;
set local session_replication_role = replica;
update runlink.seal set seal_no = 1 where trace_id = 't8';
set local session_replication_role = origin;
select results_eq('table found', $$ values ('t8', null::integer, 'seal_damaged') $$, 'so is a trace whose seal has another number');
rollback to good;
savepoint good;
set local session_replication_role = replica;
update runlink.verification set verification_status = 'GOOD' where trace_id = 't9';
update aos_trace_steps set status = 'forged' where trace_id = 't9' and step_index = 0;
set local session_replication_role = origin;
select results_eq('table found', $$ values ('t9', 0, 'altered') $$, 'a status that is none counts for nothing');
rollback to good;
savepoint good;
select pg_temp.make_trace('more ' || i, 'tenant-a', 1) from generate_series(1, 6) as i \g /dev/null
select is(pg_temp.left_out(), 0::bigint, 'where more than an eighth is new, everything is read');
rollback to good;

-- The tick seals nothing that came past the triggers.
savepoint good;
alter table aos_trace_steps disable trigger runlink_record_step;
set local role runlink_test_app;
select pg_temp.add_steps('t10', 5, 5), pg_temp.add_steps('running', 1, 1) \g /dev/null
reset role;
alter table aos_trace_steps enable trigger runlink_record_step;
select is(pg_temp.status_of('t10'), 'UNSEALED', 'a step that slipped into a sealed trace is not sealed');
select results_eq('select sealed from tick', 'values (0::bigint)', 'the tick leaves it');
select is(pg_temp.status_of('t10'), 'UNSEALED', 'and its proof says so still');
set local role runlink_test_app;
select pg_temp.add_steps('t10', 6, 6), pg_temp.end_trace('running') \g /dev/null
reset role;
select results_eq('select sealed, unsealed, findings from tick', 'values (1::bigint, 2::bigint, 2::bigint)', 'beside one that was recorded it is left too');
select is(pg_temp.status_of(t), 'UNSEALED', t || ' is not made good by a tick') from unnest('{t10,running}'::text[]) as t;
select results_eq('select * from found order by 1', $$ values ('running', 1, 'inserted'), ('t10', 5, 'inserted') $$, 'they are found on every call');
select pg_temp.begin_trace('idle', 'tenant-a') \g /dev/null
insert into aos_trace_steps (trace_id, step_index, skill_name, params, "timestamp") values ('idle', 0, 's', '{}', '2026-01-01');
alter table aos_trace_steps disable trigger runlink_record_step;
insert into aos_trace_steps (trace_id, step_index, skill_name, params, "timestamp") values ('idle', 1, 's', '{}', '2026-01-01');
alter table aos_trace_steps enable trigger runlink_record_step;
select results_eq('select sealed, unsealed from tick', 'values (1::bigint, 3::bigint)', 'a trace that is idle is sealed as it was recorded');
select is(pg_temp.status_of('idle'), 'UNSEALED', 'and is not made good either');
select is((select backfilled_length from runlink_proof('run of idle')), 0::bigint, 'and nothing of it backfilled');
select pg_temp.begin_trace('late', 'tenant-a') \g /dev/null
insert into aos_trace_steps (trace_id, step_index, skill_name, params, "timestamp") values ('late', 0, 's', '{}', '2026-01-01');
alter table aos_trace_steps disable trigger runlink_record_step;
insert into aos_trace_steps (trace_id, step_index, skill_name, params, "timestamp") values ('late', 1, 's', '{}', '2026-01-01');
alter table aos_trace_steps enable trigger runlink_record_step;
with sealed as materialized (select pg_temp.end_trace('late')) select tick from sealed, lateral runlink_tick() as tick \g /dev/null
set local session_replication_role = replica;
delete from runlink.seal where trace_id = 't11';
delete from runlink.verification where trace_id = 't11';
insert into runlink.unverified (seal_no, trace_id) values (0, 't11');
set local session_replication_role = origin;
select results_eq('select sealed from tick', 'values (0::bigint)', 'nor one whose seal was gone before it was verified');
select is(pg_temp.status_of('late'), 'UNSEALED', 'nor is one that was sealed after the tick''s snapshot');
select is((select backfilled_length from runlink_proof('run of late')), 0::bigint, 'of which nothing is backfilled');
rollback to good;

-- Damage of one trace: it has failed, and the rest goes on.
savepoint good;
select pg_temp.make_trace('torn', 'tenant-a', 1), pg_temp.make_trace('whole', 'tenant-a', 1) \g /dev/null
create function app.boom(text) returns text language plpgsql stable as $$ begin if $1 = 'torn' then raise data_exception using message = 'torn page'; end if; return $1; end $$;
alter table aos_traces rename to traces_of_ours;
create view aos_traces as select * from traces_of_ours where app.boom(trace_id) is not null;
select results_eq('select failed, verified, findings from tick', 'values (1::bigint, 1::bigint, 1::bigint)', 'damage is a finding');
select results_eq($$ select trace_id, status, findings from kept where trace_id in ('torn', 'whole') order by 1 $$, $$ values ('torn', 'FAILED', 1::bigint), ('whole', 'VERIFIED', 0) $$, 'of its trace alone');
select results_eq('select trace_id, finding from found', $$ values ('torn', 'unreadable') $$, 'on every call');
rollback to good;

-- Who may.
create function pg_temp.ticked_by(caller name) returns text language sql as $$
  select pg_temp.ask(caller, 'select concat_ws('' '', sealed, verified, unverified_left) from app.runlink_tick()')
$$;
select pg_temp.make_trace('last', 'tenant-a', 1) \g /dev/null
select is(pg_temp.ticked_by('runlink_test_auditor'), e'42501 permission denied for function runlink_tick\n\n', 'nobody may who was not told so');
grant execute on function app.runlink_tick(bigint) to runlink_test_auditor;
select matches(pg_temp.ticked_by('runlink_test_auditor'), '^42501 permission denied for schema runlink\nrunlink_tick reads what is recorded of every tenant', 'nor who is no auditor');
grant usage on schema runlink to runlink_test_auditor;
grant select on all tables in schema runlink to runlink_test_auditor;
alter table aos_trace_steps enable row level security;
select matches(pg_temp.ticked_by('runlink_test_auditor'), '^42501 row-level security hides rows of app\.aos_trace_steps\n', 'nor from whom steps are hidden');
alter table aos_trace_steps disable row level security;
select is(pg_temp.ticked_by('runlink_test_auditor'), '0 1 0', 'an auditor is served');
select is((select status from kept where trace_id = 'last'), 'VERIFIED', 'and what was found is kept');
select is(pg_temp.try('runlink_test_auditor', $$ delete from runlink.verification $$), '42501', 'who cannot change it otherwise');
set local transaction_read_only = on;
select is(pg_temp.error_of('select * from runlink_tick()'), e'25006 cannot execute runlink_tick() in a read-only transaction\n\n', 'not in a transaction that is read only');
select is(pg_temp.error_of('select * from runlink_seal_pending()'), e'25006 cannot execute runlink_seal_pending() in a read-only transaction\n\n', 'nor is anything sealed in one');

select * from finish();
rollback;
