-- What the application's proof got wrong, fault by fault. Nothing is sealed here:
-- every trace with steps must say UNSEALED, and none may say VERIFIED. What is said
-- of the same faults where leaves and seals are is in tamper.sql.

begin;
select plan(53);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql

create function pg_temp.add_steps(trace text, first integer, last integer) returns void
begin atomic
  insert into aos_trace_steps (trace_id, step_index, skill_id, skill_name, status, params, outcome_data)
    select trace, i, 'skill', 'skill_' || i, 'success', jsonb_build_object('amount', i), '{"result": "as it was"}'
    from generate_series(first, last) as i;
end;

-- Everything that any call says of a run's verification, in one word if it is the same everywhere.
create function pg_temp.said(run text) returns text
begin atomic
  select string_agg(distinct status, ', ')
  from (
    select verification_status from runlink_proof(run)
    union all
    select runlink_proof_json(run) #>> '{integrity,verification_status}'
    union all
    select runlink_proof_json(run) #>> '{integrity,runlink,verification_status}'
    union all
    select coalesce((regexp_match(runlink_report(run), 'Proof result \| (\w+)'))[1], 'nothing in the report')
  ) as s (status);
end;

insert into runs (id, tenant_id, status) values
  ('run-rewritten', 'tenant-a', 'succeeded'), ('run-deleted', 'tenant-a', 'succeeded'), ('run-appended', 'tenant-a', 'succeeded');
insert into aos_traces (trace_id, run_id, tenant_id, status)
  select 'trace_' || id, id, tenant_id, 'running' from runs;
select pg_temp.add_steps('trace_' || id, 0, 249) from runs \g /dev/null
update aos_traces set status = 'completed', completed_at = now();

select is(pg_temp.said(id), 'UNSEALED', id || ' before anything happened')
from runs order by id;
select results_eq(
  format('select unsealed_length, assurance, failure_reason from runlink_proof(%L)', id),
  $$ values (250::bigint, 'none', 'none of the trace''s 250 steps is sealed: there is nothing to compare with') $$,
  id || ' names its unsealed steps')
from runs order by id;

-- VERIFIED after every payload was rewritten

select coordinator_root_hash as digest from runlink_proof('run-rewritten') \gset

-- a superuser passes the application's triggers
set local session_replication_role = replica;
update aos_trace_steps set params = '{"amount": 1000000}', outcome_data = '{"result": "forged"}'
  where trace_id = 'trace_run-rewritten';
set local session_replication_role = origin;

select is(
  (select count(*) from aos_trace_steps where params = '{"amount": 1000000}'), 250::bigint,
  'every payload was rewritten');
select is(
  (select coordinator_root_hash from runlink_proof('run-rewritten')), :'digest',
  'every payload was rewritten: the coordinator''s digest does not see it');
select is(pg_temp.said('run-rewritten'), 'UNSEALED', 'every payload was rewritten: UNSEALED');
select is(
  (select unsealed_length from runlink_proof('run-rewritten')), 250::bigint,
  'every payload was rewritten: all 250 steps are unsealed');
select is(
  (select array_agg(distinct verdict) from runlink_proof_steps('run-rewritten')), '{unsealed}',
  'every payload was rewritten: no step is ok');

-- VERIFIED after 240 of 250 steps were deleted

set local session_replication_role = replica;
delete from aos_trace_steps where trace_id = 'trace_run-deleted' and step_index % 25 <> 0;
set local session_replication_role = origin;

select is(
  (select count(*) from aos_trace_steps where trace_id = 'trace_run-deleted'), 10::bigint,
  '240 of 250 steps were deleted');
select is(pg_temp.said('run-deleted'), 'UNSEALED', '240 of 250 steps were deleted: UNSEALED');
select results_eq(
  $$ select chain_length, sealed_length, unsealed_length, failure_reason from runlink_proof('run-deleted') $$,
  $$ values (10::bigint, 0::bigint, 10::bigint,
       'none of the trace''s 10 steps is sealed: there is nothing to compare with') $$,
  '240 of 250 steps were deleted: the 10 that are left are unsealed');
select results_eq(
  $$ select step_index, verdict from runlink_proof_steps('run-deleted') $$,
  $$ select i, 'unsealed' from generate_series(0, 225, 25) as i $$,
  '240 of 250 steps were deleted: the holes show in proof_steps');

set local session_replication_role = replica;
delete from aos_trace_steps where trace_id = 'trace_run-deleted';
set local session_replication_role = origin;
select is(pg_temp.said('run-deleted'), 'UNSUPPORTED', 'every step was deleted: UNSUPPORTED');
select results_eq(
  $$ select model, chain_length, unsealed_length, coordinator_root_hash, failure_reason from runlink_proof('run-deleted') $$,
  $$ values ('HASH_CHAIN', 0::bigint, 0::bigint, null::text, 'the trace has no steps') $$,
  'every step was deleted: the trace is there and has no steps');

-- VERIFIED after a step was appended to a completed trace

select lives_ok(
  $$ select pg_temp.add_steps('trace_run-appended', 250, 250) $$,
  'a step was appended to a completed trace, which its triggers allow');
select is(
  (select trace_status from runlink_proof('run-appended')), 'completed',
  'a step was appended: the trace is still completed');
select is(pg_temp.said('run-appended'), 'UNSEALED', 'a step was appended: UNSEALED');
select results_eq(
  $$ select chain_length, unsealed_length, failure_reason from runlink_proof('run-appended') $$,
  $$ values (251::bigint, 251::bigint,
       'none of the trace''s 251 steps is sealed: there is nothing to compare with') $$,
  'a step was appended: all 251 are unsealed');
select is(
  (select jsonb_array_length(runlink_proof_json('run-appended') -> 'aos_trace_steps')), 251,
  'a step was appended: it is in proof_json');

-- [a, b] and one step named `a:success1:b` share a root

insert into runs (id, tenant_id) values ('run-collision', 'tenant-a'), ('run-c', 'tenant-a'), ('run-c0:a:success', 'tenant-a');
insert into aos_traces (trace_id, run_id, tenant_id) values
  ('trace_two_steps', 'run-collision', 'tenant-a'), ('trace_one_step', 'run-collision', 'tenant-a'),
  ('trace_run-c', 'run-c', 'tenant-a'), ('trace_run-c0', 'run-c0:a:success', 'tenant-a');
insert into aos_trace_steps (trace_id, step_index, skill_name, status) values
  ('trace_two_steps', 0, 'a', 'success'), ('trace_two_steps', 1, 'b', 'success'),
  ('trace_one_step', 0, 'a:success1:b', 'success'),
  ('trace_run-c', 0, 'a', 'success'), ('trace_run-c', 1, 'b', 'success'),
  ('trace_run-c0', 1, 'b', 'success');

select results_eq(
  $$ select trace_id, chain_length, coordinator_root_hash from runlink_proof('run-collision') $$,
  $$ select trace_id, steps, encode(sha256('run-collision0:a:success1:b:success'), 'hex')
     from (values ('trace_one_step', 1::bigint), ('trace_two_steps', 2)) as t (trace_id, steps) $$,
  'colliding roots: [a, b] and a:success1:b have one digest, as the coordinator''s format has it');
select is(pg_temp.said('run-collision'), 'UNSEALED', 'colliding roots: neither trace is called verified');
select set_eq(
  $$ select trace_id, step_index, skill_name from runlink_proof_steps('run-collision') $$,
  $$ values ('trace_one_step', 0, 'a:success1:b'), ('trace_two_steps', 0, 'a'), ('trace_two_steps', 1, 'b') $$,
  'colliding roots: proof_steps tells the traces apart');
select is(
  (select coordinator_root_hash from runlink_proof('run-c0:a:success')),
  (select coordinator_root_hash from runlink_proof('run-c')),
  'colliding roots: two runs have one digest too');
select is(pg_temp.said(id), 'UNSEALED', 'colliding roots: ' || id || ' is not called verified')
from runs where id like 'run-c%' and id <> 'run-collision' order by id;
select is_empty(
  $$ select run_id from runs r cross join runlink_proof(r.id) where root_hash is not null or merkle_root is not null $$,
  'the digest is never given as root_hash or merkle_root');

-- failed, error, timeout all hash as success

insert into runs (id, tenant_id) values ('run-status', 'tenant-a');
insert into aos_traces (trace_id, run_id, tenant_id)
  select 'trace_' || s, 'run-status', 'tenant-a' from unnest('{success,failed,error,timeout,failure}'::text[]) as s;
insert into aos_trace_steps (trace_id, step_index, skill_name, status)
  select 'trace_' || s, 0, 'skill', s from unnest('{success,failed,error,timeout,failure}'::text[]) as s;

select results_eq(
  $$ select trace_id, coordinator_root_hash from runlink_proof('run-status') $$,
  $$ values
       ('trace_error', encode(sha256('run-status0:skill:success'), 'hex')),
       ('trace_failed', encode(sha256('run-status0:skill:success'), 'hex')),
       ('trace_failure', encode(sha256('run-status0:skill:failure'), 'hex')),
       ('trace_success', encode(sha256('run-status0:skill:success'), 'hex')),
       ('trace_timeout', encode(sha256('run-status0:skill:success'), 'hex')) $$,
  'failed, error, timeout: the coordinator''s digest has them as success');
select is(pg_temp.said('run-status'), 'UNSEALED', 'failed, error, timeout: none is called verified for it');
select results_eq(
  $$ select trace_id, status from runlink_proof_steps('run-status') $$,
  $$ select 'trace_' || s, s from unnest('{error,failed,failure,success,timeout}'::text[]) as s $$,
  'failed, error, timeout: proof_steps gives each status as stored');
select set_eq(
  $$ select step ->> 'status' from jsonb_array_elements(runlink_proof_json('run-status') -> 'aos_trace_steps') as step $$,
  $$ select unnest('{error,failed,failure,success,timeout}'::text[]) $$,
  'failed, error, timeout: and so does proof_json');

-- only one of several traces of a run is seen

insert into runs (id, tenant_id) values ('run-several', 'tenant-a');
insert into aos_traces (trace_id, run_id, tenant_id, status, started_at) values
  ('trace_run-several', 'run-several', 'tenant-a', 'failed', '2026-01-01 12:00:00+00'),
  ('trace_replay', 'run-several', 'tenant-a', 'completed', '2026-01-01 11:00:00+00'),
  ('trace_again', 'run-several', 'tenant-a', 'running', '2026-01-01 12:00:00+00'),
  ('trace_empty', 'run-several', 'tenant-a', 'aborted', '2026-01-01 13:00:00+00');
select pg_temp.add_steps('trace_run-several', 0, 2), pg_temp.add_steps('trace_replay', 0, 1), pg_temp.add_steps('trace_again', 0, 3)
\g /dev/null

select results_eq(
  $$ select trace_id, trace_status, verification_status, chain_length from runlink_proof('run-several') $$,
  $$ values
       ('trace_replay', 'completed', 'UNSEALED', 2::bigint),
       ('trace_again', 'running', 'UNSEALED', 4),
       ('trace_run-several', 'failed', 'UNSEALED', 3),
       ('trace_empty', 'aborted', 'UNSUPPORTED', 0) $$,
  'several traces of a run: every one has its row, by started_at and trace_id');
select results_eq(
  $$ select trace_id, count(*) from runlink_proof_steps('run-several') group by trace_id order by trace_id $$,
  $$ values ('trace_again', 4::bigint), ('trace_replay', 2), ('trace_run-several', 3) $$,
  'several traces of a run: proof_steps has the steps of all');
select results_eq(
  $$ select jsonb_array_length(j -> 'aos_traces'), jsonb_array_length(j -> 'aos_trace_steps'),
       (j #>> '{integrity,chain_length}')::integer, j #>> '{aos_traces,0,trace_id}'
     from runlink_proof_json('run-several') as j $$,
  $$ values (4, 9, 2, 'trace_replay') $$,
  'several traces of a run: proof_json has all, and the first by started_at in integrity');
select results_eq(
  $$ select trace_count, step_count from runlink_linkage('run-several') $$,
  $$ values (4::bigint, 9::bigint) $$,
  'several traces of a run: linkage counts all');
select is(
  (select count(*) from runlink_evidence('run-several') where kind = 'trace'), 4::bigint,
  'several traces of a run: evidence has all');

-- a trace_id equal to another run's id wins

insert into runs (id, tenant_id) values ('run-x', 'tenant-a'), ('run-y', 'tenant-a'), ('run-z', 'tenant-a');
insert into aos_traces (trace_id, run_id, tenant_id) values
  ('run-x', 'run-y', 'tenant-a'), ('trace_run-x', 'run-x', 'tenant-a'), ('run-z', 'run-y', 'tenant-a');
select pg_temp.add_steps('run-x', 0, 6), pg_temp.add_steps('trace_run-x', 0, 0), pg_temp.add_steps('run-z', 0, 4)
\g /dev/null

select results_eq(
  $$ select trace_id, chain_length, coordinator_root_hash from runlink_proof('run-x') $$,
  $$ values ('trace_run-x', 1::bigint, encode(sha256('run-x0:skill_0:success'), 'hex')) $$,
  'a trace_id equal to another run''s id: a run has its own trace alone');
select is(
  (select array_agg(trace_id order by trace_id) from runlink_proof('run-y')), '{run-x,run-z}',
  'a trace_id equal to another run''s id: the trace is its own run''s');
select results_eq(
  $$ select trace_id, model, verification_status, failure_reason from runlink_proof('run-z') $$,
  $$ values (null::text, 'NONE', 'UNSUPPORTED', 'the run has no trace') $$,
  'a trace_id equal to another run''s id: a run without trace stays without');
select is_empty($$ select * from runlink_proof_steps('run-z') $$,
  'a trace_id equal to another run''s id: and without steps');
select is(
  (select jsonb_array_length(j -> 'aos_traces') + jsonb_array_length(j -> 'aos_trace_steps')
   from runlink_proof_json('run-z') as j), 0,
  'a trace_id equal to another run''s id: proof_json too');

-- missing run, traceless run and another tenant's run answer alike

insert into runs (id, tenant_id) values ('run-traceless', 'tenant-a'), ('run-of-b', 'tenant-b');
insert into aos_traces (trace_id, run_id, tenant_id) values ('trace_run-of-b', 'run-of-b', 'tenant-b');
select pg_temp.add_steps('trace_run-of-b', 0, 2) \g /dev/null

select results_eq(
  $$ select trace_id, model, verification_status, assurance, chain_length, unsealed_length, coordinator_root_hash, failure_reason
     from runlink_proof('run-missing', 'tenant-a') $$,
  $$ values (null::text, 'NONE', 'UNSUPPORTED', 'none', 0::bigint, 0::bigint, null::text,
       'the run does not exist, and no trace names it') $$,
  'a missing run says that it is missing');
select results_eq(
  $$ select trace_id, model, verification_status, assurance, chain_length, unsealed_length, coordinator_root_hash, failure_reason
     from runlink_proof('run-traceless', 'tenant-a') $$,
  $$ values (null::text, 'NONE', 'UNSUPPORTED', 'none', 0::bigint, 0::bigint, null::text, 'the run has no trace') $$,
  'a traceless run says that it has no trace');
select results_eq(
  $$ select trace_id, model, verification_status, assurance, chain_length, unsealed_length, coordinator_root_hash, failure_reason
     from runlink_proof('run-of-b', 'tenant-a') $$,
  $$ values (null::text, 'NONE', 'UNSUPPORTED', 'none', 0::bigint, 0::bigint, null::text,
       'the run is not of this tenant, which has no trace of it') $$,
  'another tenant''s run says that it is not of the tenant');
insert into runs (id, tenant_id) values ('run-of-nobody', null);
select results_eq(
  $$ select tenant, failure_reason from unnest('{tenant-a,null}'::text[]) as tenant
     cross join lateral runlink_proof('run-of-nobody', tenant) $$,
  $$ values ('tenant-a', 'the run is not of this tenant, which has no trace of it'), (null, 'the run has no trace') $$,
  'and so does a run of no tenant, where one is asked for');
select is(
  (select count(distinct runlink_proof_json(id, 'tenant-a') #>> '{integrity,failure_reason}')
   from unnest('{run-missing,run-traceless,run-of-b}'::text[]) as id),
  3::bigint, 'the three differ in proof_json');
select results_eq(
  $$ select run_found, trace_count, other_tenant_count from unnest('{run-missing,run-traceless,run-of-b}'::text[])
     with ordinality as r (id, n) cross join lateral runlink_linkage(id, 'tenant-a') order by n $$,
  $$ values (false, 0::bigint, 0::bigint), (true, 0, 0), (true, 0, 2) $$,
  'the three differ in linkage');
select results_eq(
  $$ select verification_status, tenant_id, unsealed_length from runlink_proof('run-of-b') $$,
  $$ values ('UNSEALED', 'tenant-b', 3::bigint) $$,
  'the other tenant''s run has its proof where it is asked for');

-- Whatever was asked above: nothing is verified.

select is_empty(
  $$ select r.id from runs r cross join runlink_proof(r.id) as p where p.verification_status not in ('UNSEALED', 'UNSUPPORTED') $$,
  'no run is VERIFIED');
select is_empty(
  $$ select r.id from runs r where runlink_proof_json(r.id)::text ~* '"verified"' $$,
  'not in proof_json either');
select is_empty(
  $$ select r.id from runs r where runlink_report(r.id) ~ '\mVERIFIED\M' $$,
  'nor in the report');

select * from finish();
rollback;
