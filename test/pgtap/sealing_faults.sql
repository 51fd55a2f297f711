-- Sealing where something is wrong already: damage in earlier seals, which nothing is
-- built on, and rows that a table without its constraint took twice.

begin;
select plan(115);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
alter table aos_traces alter status set default 'running';
select runlink_enable_sealing() \g /dev/null

create function pg_temp.add(of_trace text, first integer, last integer) returns void language sql as $$
  insert into aos_trace_steps (trace_id, step_index) select of_trace, generate_series(first, last)
$$;

create function pg_temp.set_status(of_trace text, wanted text) returns void language sql as $$
  update aos_traces set status = wanted where trace_id = of_trace
$$;

create function pg_temp.seals(of_trace text) returns text language sql as $$
  select string_agg(concat_ws(' ', seal_no, step_count, backfilled, steps), ', ' order by seal_no)
  from runlink.seal where trace_id = of_trace
$$;

create function pg_temp.leaves(of_trace text) returns integer[] language sql as $$
  select coalesce(array_agg(step_index order by step_index), '{}') from runlink.leaf where trace_id = of_trace
$$;

create function pg_temp.said(of_trace text) returns text language sql as $$
  select concat_ws(': ', verification_status, failure_reason) from runlink_proof('run-' || of_trace)
$$;

-- Damage in earlier seals. A seal built on it would stay wrong once the damage is mended from a backup.

insert into aos_traces (trace_id, run_id) values ('t', 'run-t');
select pg_temp.add('t', 0, 2), pg_temp.set_status('t', 'completed') \g /dev/null
select pg_temp.add('t', 3, 4) \g /dev/null
select count(*) from runlink_seal_pending(null, 'run-t') \g /dev/null
select pg_temp.add('t', 5, 5) \g /dev/null
select count(*) from runlink_seal_pending(null, 'run-t') \g /dev/null
select is(pg_temp.seals('t'), '0 3 0 {[0,3)}, 1 5 0 {[3,5)}, 2 6 0 {[5,6)}', 'a trace of three seals');
select is(pg_temp.said('t'), 'VERIFIED', '... that is sound');
create temp table backup as select * from runlink.seal;

-- Damages the seals as a superuser can, and sees what sealing makes of it; then mends them.
create function pg_temp.damaged(what text, damage text, expected text) returns setof text language plpgsql as $$
declare
  before text;
begin
  set local session_replication_role = replica;
  execute damage;
  set local session_replication_role = origin;
  before := pg_temp.seals('t');
  return next matches(pg_temp.said('t'), '^FAILED: ' || expected, what || ': the proof names it');
  perform pg_temp.add('t', 6, 7);
  perform pg_temp.set_status('t', 'running');
  perform pg_temp.set_status('t', 'completed');
  return next is(pg_temp.seals('t'), before, '... the end of the trace builds nothing on it');
  return next is((select count(*) from runlink_seal_pending()), 0::bigint, '... nor does runlink_seal_pending');
  return next is(pg_temp.leaves('t'), '{6,7}', '... and the leaves stay');
  return next matches(pg_temp.said('t'), '^FAILED: ' || expected, '... and the proof names it still');
  set local session_replication_role = replica;
  delete from runlink.seal;
  insert into runlink.seal select * from backup;
  set local session_replication_role = origin;
  return next is((select format('%s %s %s', seal_no, step_count, backfilled) from runlink_seal_pending()), '3 8 0',
    '... mended from a backup, sealing goes on');
  return next is(pg_temp.said('t'), 'VERIFIED', '... and all is sound');
end $$;

create temp table damage (no serial, what text, damage text, expected text);
insert into damage (what, damage, expected) values
  ('a leaf', 'update runlink.seal set leaves = set_byte(leaves, 5, get_byte(leaves, 5) # 1) where seal_no = 0',
   'seal 0 has another chain head than its leaves give'),
  ('a leaf of the newest seal', 'update runlink.seal set leaves = set_byte(leaves, 5, get_byte(leaves, 5) # 1) where seal_no = 2',
   'seal 2 has another chain head than its leaves give'),
  ('a chain head', 'update runlink.seal set chain_head = sha256(chain_head) where seal_no = 2',
   'seal 2 has another chain head than its leaves give'),
  ('a Merkle root', 'update runlink.seal set merkle_root = sha256(merkle_root) where seal_no = 2',
   'seal 2 has another Merkle root than its leaves give'),
  ('a step count', 'update runlink.seal set step_count = 7 where seal_no = 2', 'seal 2 counts other steps than it has'),
  ('a count of those backfilled', 'update runlink.seal set backfilled = 2 where seal_no = 2', 'seal 2 counts other steps than it has'),
  ('the first seal gone', 'delete from runlink.seal where seal_no = 0', 'seal 0 is missing'),
  ('a seal in the middle gone', 'delete from runlink.seal where seal_no = 1', 'seal 1 is missing'),
  ('a seal in the middle gone, the next in its place',
   'do $d$ begin delete from runlink.seal where seal_no = 1; update runlink.seal set seal_no = 1 where seal_no = 2; end $d$',
   'seal 1 does not follow from the one before it'),
  ('prev', 'update runlink.seal set prev = sha256(prev) where seal_no = 2', 'seal 2 does not follow from the one before it'),
  ('a status that was sealed', 'update runlink.seal set trace_status = ''failed'' where seal_no = 1',
   'seal 2 does not follow from the one before it'),
  ('another run', 'update runlink.seal set run_id = ''run-other'' where seal_no = 1', 'seal 1 is of another run or tenant'),
  ('a step in two seals', 'update runlink.seal set steps = ''{[2,3)}'' where seal_no = 2', 'a step is in two seals'),
  ('step indexes beyond integer', 'update runlink.seal set steps = ''{[3000000000,3000000001)}'' where seal_no = 2', 'seal 2 is damaged');
create function pg_temp.each() returns setof text language plpgsql as $$
declare
  d record;
begin
  for d in select * from damage order by no loop
    begin
      return query select pg_temp.damaged(d.what, d.damage, d.expected);
      raise exception using errcode = 'ZZZZZ';
    exception when sqlstate 'ZZZZZ' then null;
    end;
  end loop;
end $$;
select pg_temp.each();
select is(pg_temp.seals('t'), '0 3 0 {[0,3)}, 1 5 0 {[3,5)}, 2 6 0 {[5,6)}', 'as it was');

-- A forged seal must not make a recorded leaf go.

select pg_temp.add('t', 6, 6) \g /dev/null
set local session_replication_role = replica;
insert into runlink.seal
  select sealed_at, step_count + 1, backfilled, 3, encoding, final, trace_id, run_id, tenant_id, trace_status, chain_head, merkle_root, prev,
    '{[6,7)}', leaves from runlink.seal where seal_no = 2;
set local session_replication_role = origin;
select is((select count(*) from runlink_seal_pending()), 0::bigint, 'a forged seal of a step that is recorded: nothing is built on it');
select is(pg_temp.leaves('t'), '{6}', '... and what was recorded of the step stays');
set local session_replication_role = replica;
delete from runlink.seal where seal_no = 3;
set local session_replication_role = origin;
select is((select format('%s %s %s', seal_no, step_count, backfilled) from runlink_seal_pending()), '3 7 0',
  '... and is sealed when that is gone');
select is(pg_temp.said('t'), 'VERIFIED', '... and all is sound');

-- Rows that a table without its unique constraint took twice.

alter table aos_trace_steps drop constraint aos_trace_steps_trace_id_step_index_key;

insert into aos_traces (trace_id, run_id) values ('twice', 'run-twice'), ('twice-recorded', 'run-twice-recorded'), ('often', 'run-often');
alter table aos_trace_steps disable trigger runlink_record_step;
insert into aos_trace_steps (trace_id, step_index, skill_name)
  values ('twice', 0, 'a'), ('twice', 1, 'b'), ('twice', 1, 'c'), ('twice', 2, 'd'), ('twice', 1, 'b');
insert into aos_trace_steps (trace_id, step_index) select 'often', i / 3 from generate_series(0, 29999) as i;
alter table aos_trace_steps enable trigger runlink_record_step;
insert into aos_trace_steps (trace_id, step_index, skill_name)
  values ('twice-recorded', 0, 'a'), ('twice-recorded', 1, 'b'), ('twice-recorded', 1, 'c'), ('twice-recorded', 2, 'd');
update aos_traces set status = 'completed';

select set_eq($$ select trace_id, seal_no, step_count, added, backfilled from runlink_seal_pending() $$,
  $$ values ('twice', 1, 3::bigint, 3::bigint, 3::bigint), ('often', 3, 10000, 10000, 10000) $$,
  'of rows with one step_index one is backfilled');
select is(pg_temp.seals('twice'), '0 0 0 {}, 1 3 3 {[0,3)}', '... into one seal');
select is(pg_temp.seals('twice-recorded'), '0 3 0 {[0,3)}', 'of such rows the first is recorded');
select is((select range_agg(r) from runlink.seal, unnest(steps) as r where trace_id = 'often'), '{[0,10000)}',
  '... of very many too');
select is_empty('select * from runlink_seal_pending()', '... once, though there are more rows than sealed steps');
select is(pg_temp.said('twice'), 'FAILED: 2 steps are not as recorded: 2 inserted; the first is step 1', 'the proof names the others');
select is(pg_temp.said('twice-recorded'), 'FAILED: 1 step is not as recorded: 1 inserted; the first is step 1', '... where it was recorded too');
select is(pg_temp.said('often'), 'FAILED: 20000 steps are not as recorded: 20000 inserted; the first is step 0', '... where there are many');
select results_eq($$ select step_index, array_agg(verdict order by verdict) from runlink_proof_steps('run-twice') group by 1 order by 1 $$,
  $$ values (0, '{ok}'::text[]), (1, '{inserted,inserted,ok}'), (2, '{ok}') $$, '... step by step');
select pg_temp.add('twice', 3, 3) \g /dev/null
select is((select format('%s %s %s', step_count, added, backfilled) from runlink_seal_pending(null, 'run-twice')), '4 1 3',
  'sealing goes on beside them');

select * from finish();
rollback;
