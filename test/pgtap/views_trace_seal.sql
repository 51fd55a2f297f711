-- runlink_trace_seal: what leaves and seals say of a trace, to those who see it.

begin;
select plan(26);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql

-- sealed, backfilled, recorded, final
create function pg_temp.told(trace text) returns text language sql stable as $$
  select concat_ws(' ', coalesce(sealed_length::text, 'unknown'), coalesce(backfilled_length::text, 'unknown'),
    coalesce(recorded_length::text, 'unknown'), coalesce(final::text, 'unknown'))
  from runlink_trace_seal(trace)
$$;

-- Before sealing is enabled nothing is recorded.

insert into aos_traces (trace_id, run_id, tenant_id, status) values ('old', 'run', 'a', 'completed');
insert into aos_trace_steps (trace_id, step_index) select 'old', i from generate_series(0, 2) as i;
select is(pg_temp.told('old'), '0 0 0 false', 'sealing was never enabled');
select is((select count(*) from runlink_trace_seal('nope')), 1::bigint, 'one row, whatever the trace');

select runlink_enable_sealing() \g /dev/null
select is(pg_temp.told('old'), '0 0 0 false', 'nothing was recorded of what was there before');

insert into aos_traces (trace_id, run_id, tenant_id, status) values ('new', 'run', 'a', 'running'), ('empty', 'run', 'a', 'running');
select is(pg_temp.told('new'), '0 0 0 false', 'a trace without steps');
insert into aos_trace_steps (trace_id, step_index) select 'new', i from generate_series(0, 3) as i;
select is(pg_temp.told('new'), '0 0 4 false', 'steps recorded and not sealed');
select results_eq($$ select root_hash, merkle_root, sealed_at from runlink_trace_seal('new') $$,
  $$ values (null::text, null::text, null::timestamptz) $$, 'without a seal there are no hashes');

update aos_traces set status = 'completed' where trace_id = 'new';
select is(pg_temp.told('new'), '4 0 0 true', 'sealed when the trace ended');
select results_eq($$ select root_hash, merkle_root, sealed_at from runlink_trace_seal('new') $$,
  $$ select sealed_root_hash, merkle_root, sealed_at from runlink_proof('run') where trace_id = 'new' $$,
  'with the hashes that the proof tells');

insert into aos_trace_steps (trace_id, step_index) values ('new', 4);
select is(pg_temp.told('new'), '4 0 1 true', 'a step that came later is recorded');
select runlink_seal_pending() \g /dev/null
select is(pg_temp.told('new'), '5 0 0 true', 'and then sealed; the newest seal is told');
select is(pg_temp.told('old'), '3 3 0 true', 'steps from before are backfilled');

-- A leaf recorded anew for a step that is sealed counts once.
insert into runlink.leaf (step_index, encoding, trace_id, leaf, salt) values (2, 0, 'new', '\x00', '\x00');
select is(pg_temp.told('new'), '5 0 0 true', 'a leaf of a sealed step is not counted again');

select is(pg_temp.told(null), '0 0 0 false', 'NULL is no trace');
select is(pg_temp.told(''), '0 0 0 false', 'nor is an empty name');
select is(pg_temp.told(repeat('long', 5000)), '0 0 0 false', 'nor one that no index could hold');

-- Who sees the trace is told, without any privilege on the state.

create role runlink_test_tenant;
grant usage on schema public, tap to runlink_test_tenant;
set local role runlink_test_tenant;
select throws_ok($$ select * from runlink_trace_seal('new') $$, '42501', 'permission denied for table aos_traces',
  'who may not read aos_traces gets an error');
reset role;
grant select (trace_id) on aos_traces to runlink_test_tenant;
set local role runlink_test_tenant;
select is(pg_temp.told('new'), '5 0 0 true', 'SELECT on its trace_id is enough');
reset role;

alter table aos_traces enable row level security;
set local role runlink_test_tenant;
select is(pg_temp.told('new'), '0 0 0 false', 'a trace hidden by row-level security is as one that does not exist');
reset role;
create policy own on aos_traces using (trace_id = 'new');
set local role runlink_test_tenant;
select is(pg_temp.told('new'), '5 0 0 true', 'one that a policy shows is told');
select is(pg_temp.told('old'), '0 0 0 false', 'and no other');
set local row_security = off;
select throws_ok($$ select * from runlink_trace_seal('new') $$, '42501', null, 'with row_security off it is an error');
set local row_security = on;
reset role;

-- Damage is unknown, never good and no error.

savepoint damage;
set local session_replication_role = replica;
update runlink.seal set backfilled = step_count + 1 where trace_id = 'new';
select is(pg_temp.told('new'), 'unknown unknown unknown unknown', 'counts that cannot be');
update runlink.seal set backfilled = 0, chain_head = '\x00' where trace_id = 'new';
select is(pg_temp.told('new'), 'unknown unknown unknown unknown', 'a hash that is none');
set local session_replication_role = origin;
rollback to damage;
alter table runlink.leaf add column more integer;
select is(pg_temp.told('new'), 'unknown unknown unknown unknown', 'a state that is not as runlink made it');
select is(pg_temp.told('nope'), '0 0 0 false', 'of a trace that the caller does not see, nothing');
rollback to damage;
select is(pg_temp.told('new'), '5 0 0 true', 'and without the damage it is known again');

select * from finish();
rollback;
