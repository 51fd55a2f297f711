-- What is recorded with an insert, and what is sealed: when a trace ends, and by
-- runlink_seal_pending. Leaves and seals are made again here, in SQL and from the
-- formats alone, for values whose canonical form is plain to see.

begin;
select plan(158);
set local client_min_messages = warning;
set local check_function_bodies = off;

create extension runlink schema public;
\i test/fixture/schema.sql
alter table aos_trace_steps
  alter skill_id set default 'http_call', alter skill_name set default 'fetch',
    alter params set default '{}',
  alter status set default 'success', alter outcome_category set default 'SUCCESS',
    alter cost_cents set default 0,
  alter duration_ms set default 0, alter retry_count set default 0,
    alter replay_behavior set default 'check';

create function pg_temp.trace(wanted text, status text default 'running',
  started timestamptz default now())
returns void language sql as $$
  insert into aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version,
    plan, trace, status, started_at)
  values (wanted, left('run-' || wanted, 64), 'c', left('tenant-' || wanted, 64), 'pending', '1.0',
    '{}', '{}', status, started)
$$;

create function pg_temp.finish(wanted text,
  status text default 'completed') returns void language sql as $$
  update aos_traces set status = finish.status, completed_at = now() where trace_id = wanted
$$;

-- The steps of a trace that have a leaf.
create function pg_temp.leaves(wanted text) returns integer[] language sql as $$
  select coalesce(array_agg(step_index order by step_index), '{}') from runlink.leaf
    where trace_id = wanted
$$;

-- Its seals, a line each: seal_no, steps, added, backfilled, final, status, indexes added.
create function pg_temp.seals(wanted text) returns text language sql as $$
  select string_agg(concat_ws(' ', seal_no, step_count,
    case when length(leaves) % 48 = 0 then length(leaves) / 48 end, backfilled,
    case when final then 'final' else 'open' end, trace_status, steps), e'\n' order by seal_no)
  from runlink.seal where trace_id = wanted
$$;

-- JSON's null, string and number of a column, as RFC 8785 has them for plain values.
create function pg_temp.json(value text) returns text language sql immutable as $$
  select coalesce(to_json(value)::text, 'null')
$$;

create function pg_temp.json(value timestamptz) returns text language sql stable as $$
  select format('"%s"', to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
$$;

-- The leaf of a step of the columns that aos_trace_steps has in production.
create function pg_temp.leaf_of(step aos_trace_steps,
  salt bytea) returns bytea language sql stable as $$
  select sha256('\x00'::bytea
    || (select id from runlink.encoding where encoding !~ '"name":"added"' limit 1)
    || sha256(convert_to(e'runlink-payload/v1\n', 'UTF8') || salt
      || convert_to(format('[%s,%s]', coalesce(replace('[' || step.outcome_data::text || ']', ' ',
        ''), 'null'),
        replace(format('[%s]', step.params), ' ', '')), 'UTF8'))
    || convert_to(format('[%s]', array_to_string(array[
      step.cost_cents::text, step.duration_ms::text, pg_temp.json(step.id::text),
        pg_temp.json(step.idempotency_key),
      pg_temp.json(step.input_hash), step.is_synthetic::text, pg_temp.json(step.level),
        pg_temp.json(step.outcome_category),
      pg_temp.json(step.outcome_code), pg_temp.json(step.output_hash),
        pg_temp.json(step.replay_behavior), step.retry_count::text,
      pg_temp.json(step.rng_state_before), pg_temp.json(step.skill_id),
        pg_temp.json(step.skill_name), pg_temp.json(step.source),
      pg_temp.json(step.status), step.step_index::text, pg_temp.json(step.synthetic_scenario_id),
      pg_temp.json(step."timestamp"), pg_temp.json(step.trace_id)], ',')), 'UTF8'))
$$;

-- Does every step of a trace have the leaf that its row makes?
create function pg_temp.leaves_fit(wanted text) returns boolean language sql as $$
  select count(*) > 0 and bool_and(coalesce(l.leaf = pg_temp.leaf_of(s, l.salt), false))
  from aos_trace_steps s left join runlink.leaf l using (trace_id, step_index)
    where s.trace_id = wanted
$$;

-- A leaf and salt of a seal, by its place in it.
create function pg_temp.sealed(wanted text, no integer,
  place integer) returns bytea language sql as $$
  select substring(leaves from place * 48 + 1 for 48) from runlink.seal where trace_id = wanted
    and seal_no = no
$$;

-- Before sealing is enabled.

select throws_ok('select * from runlink_seal_pending()', '55000', null,
  'without state there is nothing to seal in');
select pg_temp.trace('old-ended', 'completed', now() - interval '3 days');
select pg_temp.trace('old-empty', 'failed', now() - interval '2 days');
select pg_temp.trace('old-running');
insert into aos_trace_steps (trace_id, step_index) values ('old-ended', 0), ('old-ended', 1),
  ('old-running', 0);
select is(to_regnamespace('runlink'), null, 'inserts make no state');

select runlink_enable_sealing();
select is(pg_temp.leaves('old-ended'), '{}', 'enabling records no step that was there before');
select set_eq('select trace_id, run_id, tenant_id from runlink.trace',
  $$ values ('old-running'::varchar, 'run-old-running'::varchar, 'tenant-old-running'::varchar) $$,
  'but which run and tenant a running trace is of');

-- Leaves, one for each row inserted.

select pg_temp.trace('t');
select results_eq($$ select run_id, tenant_id from runlink.trace where trace_id = 't' $$,
  $$ values ('run-t'::varchar, 'tenant-t'::varchar) $$,
    'the identity of a trace is recorded with its insert');
insert into aos_trace_steps (trace_id, step_index) values ('t', 0);
select is(pg_temp.leaves('t'), '{0}', 'a single insert');
insert into aos_trace_steps (trace_id, step_index, params, outcome_data, outcome_code, "timestamp")
  values ('t', 1, '{"a":1}', 'null', 'a "quoted" code', '2026-01-15 09:02:00.5+00'),
    ('t', 2, '[]', '"x"', null, '1969-12-31 23:59:59+00');
select is(pg_temp.leaves('t'), '{0,1,2}', 'an insert of several rows');
insert into aos_trace_steps (trace_id, step_index) select 't', i from generate_series(3, 5) as i;
select is(pg_temp.leaves('t'), '{0,1,2,3,4,5}', 'INSERT SELECT');
copy aos_trace_steps (trace_id, step_index, skill_name) from stdin;
t	6	copied
t	7	copied
\.
select is(pg_temp.leaves('t'), '{0,1,2,3,4,5,6,7}', 'COPY');
select ok(pg_temp.leaves_fit('t'), 'each leaf is what the formats make of the row');
select is((select count(distinct salt) from runlink.leaf where trace_id = 't'), 8::bigint,
  'each has a salt of its own');
select is((select array_agg(distinct array[length(leaf), length(salt)]) from runlink.leaf
  where trace_id = 't'), '{{32,16}}',
  'leaves are of 32 bytes, salts of 16');
select is((select count(*) from runlink.encoding), 1::bigint, 'one encoding is kept');
select is(sha256(convert_to(encoding, 'UTF8')), id, 'under the hash of its text')
  from runlink.encoding;
select is((encoding::jsonb) ->> 'format', 'runlink-step/v1', 'which has its format')
  from runlink.encoding;
select is(
  (select string_agg(c ->> 'name', ',' order by n) from runlink.encoding,
    jsonb_array_elements(encoding::jsonb -> 'columns') with ordinality as x (c, n)),
  (select string_agg(attname, ',' order by attname::text collate "C") from pg_attribute
   where attrelid = 'aos_trace_steps'::regclass and attnum > 0 and attname <> 'archived_at'),
  'and every column but archived_at, sorted');
select is(array_agg(distinct l.encoding),
  (select array_agg(('x' || encode(substring(id for 4), 'hex'))::bit(32)::integer)
    from runlink.encoding),
  'a leaf names it by its first four bytes') from runlink.leaf l;

create temp table before as select * from runlink.leaf where trace_id = 't';
insert into aos_trace_steps (trace_id, step_index, skill_name) values ('t', 7, 'other'),
  ('t', 8, 'new'), ('t', 8, 'dropped')
  on conflict (trace_id, step_index) do nothing;
select is(pg_temp.leaves('t'), '{0,1,2,3,4,5,6,7,8}',
  'ON CONFLICT DO NOTHING: a leaf for the row that is inserted');
select ok(pg_temp.leaves_fit('t'), '... and of it, not of the rows dropped');
select is((select count(*) from before natural join runlink.leaf), 8::bigint,
  '... and the others are as they were');
insert into aos_trace_steps (trace_id, step_index) values ('t', 0) on conflict do nothing;
select is(pg_temp.leaves('t'), '{0,1,2,3,4,5,6,7,8}',
  '... and none for a statement that inserts nothing');
select throws_ok($$ insert into aos_trace_steps (trace_id, step_index) values ('t', 9),
  ('t', 0) $$, '23505', null, 'an insert that fails');
select is(pg_temp.leaves('t'), '{0,1,2,3,4,5,6,7,8}', '... leaves no leaf');

savepoint s;
insert into aos_trace_steps (trace_id, step_index) values ('t', 9), ('t', 10);
select is(cardinality(pg_temp.leaves('t')), 11, 'within a savepoint there are leaves');
rollback to s;
select is(pg_temp.leaves('t'), '{0,1,2,3,4,5,6,7,8}', '... which go with it');
insert into aos_trace_steps (trace_id, step_index, skill_name) values ('t', 9, 'again');
select is(pg_temp.leaves('t'), '{0,1,2,3,4,5,6,7,8,9}', '... and can come again');
select ok(pg_temp.leaves_fit('t'), '... of the row that stays');
with inserted as (insert into aos_trace_steps (trace_id, step_index) values ('t',
  10) returning step_index)
  select step_index from inserted \g /dev/null
do $$ begin
  for i in 11..13 loop
    begin
      insert into aos_trace_steps (trace_id, step_index) values ('t', i);
      if i = 12 then raise exception 'not this one'; end if;
    exception when raise_exception then null;
    end;
  end loop;
end $$;
select is((pg_temp.leaves('t'))[11:], '{10,11,13}',
  'inserts in a CTE and in blocks with exceptions');

select pg_temp.trace('odd');
insert into aos_trace_steps (trace_id, step_index) values ('odd', 2147483647), ('odd', 7),
  ('odd', -1), ('odd', -2147483648), ('odd', 3);
insert into aos_trace_steps (trace_id, step_index) values ('odd', 5), ('odd', 0);
select is(pg_temp.leaves('odd'), '{-2147483648,-1,0,3,5,7,2147483647}',
  'gapped, negative, late, the least and the greatest step_index');
select ok(pg_temp.leaves_fit('odd'), '... each with its leaf');
update aos_trace_steps set archived_at = now() where trace_id = 'odd';
select ok(pg_temp.leaves_fit('odd') and cardinality(pg_temp.leaves('odd')) = 7,
  'archived_at is not covered, and an UPDATE records nothing');

-- A seal when the trace ends.

update aos_traces set metadata = '{}', violation_step_index = 1 where trace_id = 'odd';
update aos_traces set status = 'running' where trace_id = 'odd';
select is(pg_temp.seals('odd'), null, 'an update that does not leave running makes no seal');
savepoint s;
select pg_temp.finish('odd', 'failed');
select is(pg_temp.seals('odd'),
  '0 7 7 0 final failed {[-2147483648,-2147483647),[-1,1),[3,4),[5,6),[7,8),[2147483647,'
    '2147483648)}',
  'one that leaves it seals, in the order of step_index');
select is(pg_temp.leaves('odd'), '{}', '... and takes the leaves');
select is((select count(*) from runlink.trace where trace_id = 'odd'), 0::bigint,
  '... and the identity');
rollback to s;
select is(pg_temp.seals('odd'), null, 'abort takes the seal back');
select is(cardinality(pg_temp.leaves('odd')), 7, '... and gives the leaves back');
select is((select run_id from runlink.trace where trace_id = 'odd'), 'run-odd',
  '... and the identity');
select pg_temp.finish('odd', 'aborted');
select is(split_part(pg_temp.seals('odd'), ' {', 1), '0 7 7 0 final aborted',
  'then it can end otherwise');

select pg_temp.trace('three');
insert into aos_trace_steps (trace_id, step_index) select 'three',
  i from generate_series(0, 2) as i;
create temp table leaf as select step_index, leaf, salt from runlink.leaf where trace_id = 'three';
select pg_temp.finish('three');
select is(pg_temp.seals('three'), '0 3 3 0 final completed {[0,3)}', 'a trace of three steps');
select is(s.leaves, (select string_agg(leaf || salt, '' order by step_index) from leaf),
  'its leaves and salts are packed in order')
  from runlink.seal s where trace_id = 'three';

create temp table chain as
  with recursive h (i, head) as (
    select -1, sha256(convert_to(e'runlink-chain/v1\n["tenant-three","run-three","three"]',
      'UTF8'))
    union all
    select h.i + 1, sha256('\x02'::bytea || h.head || l.leaf) from h
      join leaf l on l.step_index = h.i + 1)
  select * from h;
select is(s.chain_head, (select head from chain where i = 2),
  'chain_head is that of RFC 6962 prefixes and our chain') from runlink.seal s
  where trace_id = 'three';
select is(s.merkle_root, sha256('\x01'::bytea || sha256('\x01'::bytea || a.leaf || b.leaf)
  || c.leaf), 'merkle_root is RFC 6962''s')
  from runlink.seal s, leaf a, leaf b, leaf c where trace_id = 'three'
    and (a.step_index, b.step_index, c.step_index) = (0, 1, 2);
select is(s.prev, null, 'the first seal has none before it') from runlink.seal s
  where trace_id = 'three';
select is(row(s.run_id, s.tenant_id)::text, '(run-three,tenant-three)',
  'it says which run and tenant') from runlink.seal s where trace_id = 'three';
select ok(s.sealed_at between now() and clock_timestamp(), 'and when') from runlink.seal s
  where trace_id = 'three';

-- The hash of a seal, which the next has in prev.
create function pg_temp.hash_of(s runlink.seal) returns bytea language sql stable as $$
  select sha256('\x00'::bytea || convert_to(format(
    '{"backfilled":%s,"chain_head":"%s","encoding":%s,"final":%s,"format":"runlink-seal/v1",'
      '"merkle_root":"%s","prev":%s,'
    '"run_id":"%s","seal_no":%s,"sealed_at":%s,"step_count":%s,"tenant_id":"%s","trace_id":"%s",'
      '"trace_status":"%s"}',
    s.backfilled, encode(s.chain_head, 'hex'),
    coalesce((select '"' || encode(e.id, 'hex') || '"' from runlink.encoding e
      where ('x' || encode(substring(e.id for 4), 'hex'))::bit(32)::integer = s.encoding limit 1),
        'null'),
    s.final::text, encode(s.merkle_root, 'hex'),
      coalesce('"' || encode(s.prev, 'hex') || '"', 'null'),
    s.run_id, s.seal_no, pg_temp.json(s.sealed_at), s.step_count, s.tenant_id, s.trace_id,
      s.trace_status), 'UTF8'))
$$;

select pg_temp.finish('three', 'failed'), pg_temp.finish('three', 'running'),
  pg_temp.finish('three', 'completed');
select is(pg_temp.seals('three'), '0 3 3 0 final completed {[0,3)}',
  'other changes of status make no second seal');
insert into aos_trace_steps (trace_id, step_index) values ('three', 4), ('three', -5);
select is(pg_temp.leaves('three'), '{-5,4}', 'steps after completion are recorded');
select is(pg_temp.seals('three'), '0 3 3 0 final completed {[0,3)}',
  '... and not sealed by their insert');
insert into leaf select step_index, leaf, salt from runlink.leaf where trace_id = 'three';
select results_eq($$ select tenant_id, run_id, trace_id, seal_no, step_count, added, backfilled,
  sealed_at > now()
    from runlink_seal_pending(null, 'run-three') $$,
  $$ values ('tenant-three', 'run-three', 'three', 1, 5::bigint, 2::bigint, 0::bigint, true) $$,
  '... but by runlink_seal_pending, which says so');
select is(split_part(pg_temp.seals('three'), e'\n', 2), '1 5 2 0 final completed {[-5,-4),[4,5)}',
  '... as a second seal');
select is(pg_temp.leaves('three'), '{}', '... that takes the leaves');
select is(s.prev, pg_temp.hash_of(f), '... and has the hash of the first')
  from runlink.seal s join runlink.seal f using (trace_id) where trace_id = 'three'
    and s.seal_no = 1 and f.seal_no = 0;
select is(s.chain_head, sha256('\x02'::bytea || sha256('\x02'::bytea
  || (select head from chain where i = 2) || a.leaf) || b.leaf),
  '... and goes on with the chain, its own steps by step_index')
  from runlink.seal s, leaf a, leaf b where trace_id = 'three' and seal_no = 1
    and (a.step_index, b.step_index) = (-5, 4);
select is_empty($$ select * from runlink_seal_pending(null, 'run-three') $$,
  'then nothing of the run is pending');

select pg_temp.trace('none'), pg_temp.finish('none');
select is(pg_temp.seals('none'), '0 0 0 0 final completed {}', 'a trace without steps has a seal');
select is(row(chain_head, merkle_root, encoding)::text,
  row(sha256(convert_to(e'runlink-chain/v1\n["tenant-none","run-none","none"]', 'UTF8')),
    sha256(''), null::integer)::text,
  '... of an empty chain and tree') from runlink.seal where trace_id = 'none';
insert into aos_trace_steps (trace_id, step_index) values ('none', 0);
select is((select format('%s %s %s', seal_no, step_count, backfilled)
  from runlink_seal_pending(null, 'run-none')), '1 1 0', '... which a late step follows');
select is(s.prev, pg_temp.hash_of(f), '... with the hash of the empty one')
  from runlink.seal s join runlink.seal f using (trace_id) where trace_id = 'none'
    and s.seal_no = 1 and f.seal_no = 0;

select pg_temp.trace('one');
insert into aos_trace_steps (trace_id, step_index) values ('one', 5);
create temp table one as select * from runlink.leaf where trace_id = 'one';
select pg_temp.finish('one');
select is(pg_temp.seals('one'), '0 1 1 0 final completed {[5,6)}', 'a trace of one step');
select is(s.merkle_root, o.leaf, '... whose leaf is the root') from runlink.seal s
  join one o using (trace_id);

select pg_temp.trace('together');
with step as (insert into aos_trace_steps (trace_id, step_index) values ('together', 0))
  update aos_traces set status = 'completed' where trace_id = 'together';
select is(cardinality(pg_temp.leaves('together')) + coalesce((select max(step_count)
  from runlink.seal where trace_id = 'together'), 0), 1::bigint,
  'a step inserted by the statement that ends its trace is recorded or sealed, once');
select runlink_seal_pending(null, 'run-together') \g /dev/null
select is((select array_agg(distinct step_count - backfilled) filter (where step_count > 0)
  from runlink.seal where trace_id = 'together'), '{1}', '... and then sealed as recorded');
select pg_temp.trace('upsert');
insert into aos_trace_steps (trace_id, step_index) values ('upsert', 0);
insert into aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version,
  plan, trace, status)
  values ('upsert', 'run-other', 'c', 'other', 'pending', '1.0', '{}', '{}', 'completed')
  on conflict (trace_id) do update set status = excluded.status;
select is(pg_temp.seals('upsert'), '0 1 1 0 final completed {[0,1)}',
  'a trace ended by ON CONFLICT DO UPDATE is sealed');
select is((select run_id from runlink.seal where trace_id = 'upsert'), 'run-upsert',
  '... for the run it began with');
select pg_temp.trace('born-ended', 'completed');
insert into aos_trace_steps (trace_id, step_index) values ('born-ended', 0);
select is(pg_temp.seals('born-ended'), null, 'a trace inserted as completed has no seal');
select is((select format('%s %s %s', seal_no, step_count, backfilled)
  from runlink_seal_pending(null, 'run-born-ended')), '0 1 0',
  '... until runlink_seal_pending makes one of what was recorded');

select pg_temp.trace('long');
insert into aos_trace_steps (trace_id, step_index) select 'long',
  i from generate_series(0, 9999) as i;
select pg_temp.finish('long');
select is(row(max(step_count), sum(length(leaves)), min(seal_no), max(seal_no) + 1 = count(*),
  bool_or(final), every(final = (seal_no = max)), every((prev is null) = (seal_no = 0)))::text,
  '(10000,480000,0,t,t,t,t)', 'a long trace is sealed whole, its last seal alone is final')
  from (select *, max(seal_no) over () from runlink.seal where trace_id = 'long') as s;
select is((select range_agg(r) from runlink.seal, unnest(steps) as r where trace_id = 'long'),
  '{[0,10000)}', '... and has every step');
select is_empty($$ select f.seal_no from runlink.seal s
  join runlink.seal f on f.trace_id = s.trace_id and f.seal_no = s.seal_no - 1
    where s.trace_id = 'long' and s.prev is distinct from pg_temp.hash_of(f) $$,
      '... each seal with the hash of the one before');

-- runlink_seal_pending.

select throws_ok('select * from runlink_seal_pending(-1)', '22023', null,
  'max must not be negative');
select throws_ok($$ select * from runlink_seal_pending(null, '') $$, '22023', null,
  'run_id must not be empty');
select is_empty('select * from runlink_seal_pending(0)', 'max 0 seals nothing');
select is_empty($$ select * from runlink_seal_pending(null, 'no such run') $$,
  'nor does a run that is not there');
select is_empty($$ select * from runlink_seal_pending(null, 'run-t') $$,
  'a running trace is left alone');
select is(current_setting('runlink.idle_after'), '1h', 'for an hour');

select pg_temp.trace('idle');
insert into aos_trace_steps (trace_id, step_index, "timestamp")
  values ('idle', 0, now() - interval '2 hours'), ('idle', 1, now() - interval '30 minutes');
select is_empty($$ select * from runlink_seal_pending(null, 'run-idle') $$,
  'the newest step counts');
set local runlink.idle_after = '31min';
select is_empty($$ select * from runlink_seal_pending(null, 'run-idle') $$,
  'it is not yet idle for runlink.idle_after');
set local runlink.idle_after = '29min';
select is((select format('%s %s %s', seal_no, step_count, backfilled)
  from runlink_seal_pending(null, 'run-idle')), '0 2 0', 'then it is');
select is(pg_temp.seals('idle'), '0 2 2 0 open running {[0,2)}', 'its seal is not final');
select is_empty($$ select * from runlink_seal_pending(null, 'run-idle') $$,
  'and there is no second of the same');
insert into aos_trace_steps (trace_id, step_index, "timestamp") values ('idle', 2,
  now() - interval '29 minutes 30 seconds');
select is((select format('%s %s %s %s', seal_no, step_count, added, backfilled)
  from runlink_seal_pending(null, 'run-idle')), '1 3 1 0',
  'a step that comes later is sealed later');
select pg_temp.finish('idle');
select is(split_part(pg_temp.seals('idle'), e'\n', 3), '2 3 0 0 final completed {}',
  'its end is sealed, with no step to add');
select is(s.merkle_root, f.merkle_root, '... over the same steps')
  from runlink.seal s join runlink.seal f using (trace_id) where trace_id = 'idle'
    and s.seal_no = 2 and f.seal_no = 1;
select pg_temp.trace('idle-empty', 'running', now() - interval '5 hours');
select is_empty($$ select * from runlink_seal_pending(null, 'run-idle-empty') $$,
  'an idle trace without steps has nothing to seal');
select throws_ok('set local runlink.idle_after = -1', '22023', null,
  'runlink.idle_after is not negative');
set local runlink.idle_after = default;
select is(current_setting('runlink.idle_after'), '1h', 'runlink.idle_after is an hour again');

-- Old traces, in batches.

select results_eq('select trace_id, seal_no, step_count, added, backfilled from '
  'runlink_seal_pending(1)',
  $$ values ('old-ended', 0, 2::bigint, 2::bigint, 2::bigint) $$,
    'what was there before is sealed as backfilled, the oldest trace first');
select results_eq('select trace_id, seal_no, step_count, added, backfilled from '
  'runlink_seal_pending(1)',
  $$ values ('old-empty', 0, 0::bigint, 0::bigint, 0::bigint) $$, '... then the next');
select is_empty('select * from runlink_seal_pending(1)', '... until nothing is left');
select is((select array_agg(substring(leaves from 1 + 48 * i for 32) = pg_temp.leaf_of(s,
  substring(leaves from 33 + 48 * i for 16)))
    from runlink.seal, generate_series(0, 1) as i join aos_trace_steps s on s.step_index = i
      and s.trace_id = 'old-ended'
    where runlink.seal.trace_id = 'old-ended'), '{t,t}',
      'a backfilled leaf is what the formats make of the row');
select is(pg_temp.seals('old-ended'), '0 2 2 2 final completed {[0,2)}', 'its seal says so');
insert into aos_trace_steps (trace_id, step_index) values ('old-ended', 2);
select is((select format('%s %s %s %s', seal_no, step_count, added, backfilled)
  from runlink_seal_pending()), '1 3 1 2',
  'a step recorded later does not count as backfilled, those before still do');
insert into aos_trace_steps (trace_id, step_index) values ('old-running', 1);
select pg_temp.finish('old-running');
select is(pg_temp.seals('old-running'), '0 1 1 0 final completed {[1,2)}',
  'a trace that ran when sealing was enabled: what was recorded is sealed at its end');
select is((select format('%s %s %s %s', seal_no, step_count, added, backfilled)
  from runlink_seal_pending(null, 'run-old-running')), '1 2 1 1',
  '... and the rest backfilled');

select pg_temp.trace(format('batch-%s', i), 'completed', now() - i * interval '1 minute')
  from generate_series(1, 7) as i \g /dev/null
insert into aos_trace_steps (trace_id, step_index) select format('batch-%s', i),
  0 from generate_series(1, 7) as i;
select results_eq('select trace_id from runlink_seal_pending(3)', $$ values ('batch-7'),
  ('batch-6'), ('batch-5') $$, 'max traces are sealed');
savepoint s;
select results_eq('select trace_id from runlink_seal_pending(3)', $$ values ('batch-4'),
  ('batch-3'), ('batch-2') $$, '... and so on');
rollback to s;
select results_eq('select trace_id from runlink_seal_pending(3)', $$ values ('batch-4'),
  ('batch-3'), ('batch-2') $$, '... also after an abort');
select results_eq('select trace_id from runlink_seal_pending(3)', $$ values ('batch-1') $$,
  '... to the end');
select is((select sum(step_count + backfilled) from runlink.seal where trace_id like 'batch-%'),
  7::numeric, '... every step once, none backfilled');

-- A trigger that missed a step; laundering.

select pg_temp.trace('missed');
insert into aos_trace_steps (trace_id, step_index) values ('missed', 0), ('missed', 2);
alter table aos_trace_steps disable trigger runlink_record_step;
insert into aos_trace_steps (trace_id, step_index) values ('missed', 1);
alter table aos_trace_steps enable trigger runlink_record_step;
insert into aos_trace_steps (trace_id, step_index) values ('missed', 3);
select is(pg_temp.leaves('missed'), '{0,2,3}',
  'a step inserted with the trigger disabled has no leaf');
create temp table missed as select * from runlink.leaf where trace_id = 'missed';
select pg_temp.finish('missed');
select is(pg_temp.seals('missed'), '0 3 3 0 final completed {[0,1),[2,4)}',
  '... nor does the end of its trace seal it');
select is((select format('%s %s %s %s', seal_no, step_count, added, backfilled)
  from runlink_seal_pending(null, 'run-missed')), '1 4 1 1',
  'runlink_seal_pending does, as backfilled');
insert into aos_trace_steps (trace_id, step_index) values ('missed', 4);
select is((select format('%s %s %s', seal_no, step_count, backfilled)
  from runlink_seal_pending(null, 'run-missed')), '2 5 1', '... for good');
select results_eq($$ select pg_temp.sealed('missed', 0, i) from generate_series(0, 2) as i $$,
  'select leaf || salt from missed order by step_index',
    'recorded leaves are sealed as they were recorded');

select pg_temp.trace('laundered');
insert into aos_trace_steps (trace_id, step_index) values ('laundered', 0), ('laundered', 1);
create temp table laundered as select * from runlink.leaf where trace_id = 'laundered';
alter table aos_trace_steps disable trigger user;
alter table aos_traces disable trigger user;
update aos_trace_steps set skill_name = 'edited' where trace_id = 'laundered' and step_index = 0;
insert into aos_trace_steps (trace_id, step_index) values ('laundered', 2);
delete from aos_trace_steps where trace_id = 'laundered' and step_index = 1;
update aos_traces set status = 'completed' where trace_id = 'laundered';
alter table aos_trace_steps enable trigger user;
alter table aos_traces enable trigger user;
insert into aos_trace_steps (trace_id, step_index, skill_name) values ('laundered', 1,
  'put in place');
select is((select format('%s %s %s', seal_no, step_count, backfilled)
  from runlink_seal_pending(null, 'run-laundered')), '1 3 1',
  'laundering: a step inserted past the trigger is backfilled');
select results_eq($$ select pg_temp.sealed('laundered', 0, i) from generate_series(0, 1) as i $$,
  'select leaf || salt from laundered order by step_index',
    '... one edited, and one deleted and put in place, are sealed as they were recorded');
select is(pg_temp.seals('laundered'),
  e'0 2 2 0 open completed {[0,2)}\n1 3 1 1 final completed {[2,3)}',
  '... in a seal apart from the backfilled one');

select pg_temp.trace('sparse');
alter table aos_trace_steps disable trigger runlink_record_step;
insert into aos_trace_steps (trace_id, step_index) select 'sparse', i * 2 from generate_series(0, 499) as i;
alter table aos_trace_steps enable trigger runlink_record_step;
select pg_temp.finish('sparse');
select is((select format('%s %s %s %s', seal_no, step_count, added, backfilled)
    from runlink_seal_pending(null, 'run-sparse')), '1 500 500 500', 'many steps with gaps are backfilled');
select is((select count(*) from runlink.seal, unnest(steps) as r where trace_id = 'sparse'), 500::bigint,
  '... each on its own');
select is_empty($$ select * from runlink_seal_pending(null, 'run-sparse') $$, '... once');

-- Seals that are damaged.

savepoint s;
alter table runlink.seal disable trigger runlink_guard;
update runlink.seal set leaves = substring(leaves from 2) where trace_id = 'batch-1';
alter table runlink.seal enable trigger runlink_guard;
insert into aos_trace_steps (trace_id, step_index) values ('batch-1', 1), ('batch-2', 1);
select results_eq('select trace_id from runlink_seal_pending(1)', $$ values ('batch-2') $$,
  'a trace whose seal is damaged is left out');
select is(pg_temp.leaves('batch-1'), '{1}', '... and keeps its leaves');
rollback to s;

-- Columns added and dropped.

select pg_temp.trace('column');
insert into aos_trace_steps (trace_id, step_index) values ('column', 0), ('column', 2);
create temp table first as select * from runlink.leaf where trace_id = 'column';
alter table aos_trace_steps add column added text not null default 'x';
select is((select count(*) from runlink.encoding), 1::bigint, 'a column added is no encoding yet');
insert into aos_trace_steps (trace_id, step_index) values ('column', 1), ('column', 3);
select is((select count(*) from runlink.encoding), 2::bigint,
  '... but the next step has one more');
select is((select count(distinct encoding) from runlink.leaf where trace_id = 'column'), 2::bigint,
  '... which its leaf names');
select is((select encoding from runlink.encoding
  where encoding ~ '"added"') ~ '\{"columns":\[\{"name":"added","payload":false,"type":"text"\},',
  true, '... and covers the column');
select is((select count(*) from first natural join runlink.leaf), 2::bigint,
  '... and the leaves before are as they were');
select pg_temp.finish('column');
select is(pg_temp.seals('column'),
  e'0 2 2 0 open completed {[0,1),[2,3)}\n1 4 2 0 final completed {[1,2),[3,4)}',
  '... and a seal ends where the encoding does');
select is((select count(distinct encoding) from runlink.seal where trace_id = 'column'), 2::bigint,
  '... each of one encoding');
alter table aos_trace_steps drop column added;
select pg_temp.trace('dropped');
insert into aos_trace_steps (trace_id, step_index) values ('dropped', 0);
select is((select count(*) from runlink.encoding), 2::bigint,
  'with the column dropped, the first encoding serves again');
select ok(pg_temp.leaves_fit('dropped'), '... for the leaf of the row');

alter table aos_trace_steps add column generated text generated always as (skill_name
  || 'x') stored;
insert into aos_trace_steps (trace_id, step_index) values ('dropped', 1);
select is((select count(*) from runlink.encoding), 2::bigint, 'a generated column is not covered');
alter table aos_trace_steps drop column generated;

-- Partitions.

savepoint s;
alter table aos_trace_steps rename to model;
create table aos_trace_steps (like model including defaults,
  unique (trace_id, step_index)) partition by hash (trace_id);
create table steps_0 partition of aos_trace_steps for values with (modulus 2, remainder 0);
-- one that is attached, with its columns in another order
create table steps_1 (like model including defaults);
alter table steps_1 drop column skill_name, drop column params;
alter table steps_1 add column params jsonb not null default '{}',
  add column skill_name varchar(128) not null default 'fetch';
alter table aos_trace_steps attach partition steps_1 for values with (modulus 2, remainder 1);
select runlink_enable_sealing();
select pg_temp.trace(format('hash-%s', i)) from generate_series(1, 8) as i \g /dev/null
insert into aos_trace_steps (trace_id, step_index) select format('hash-%s', i),
  j from generate_series(1, 8) as i, generate_series(0, 1) as j;
select is((select count(distinct tableoid) from aos_trace_steps), 2::bigint,
  'hash partitions: traces in both');
select is((select count(*) from aos_trace_steps s
  join runlink.leaf l using (trace_id, step_index)), 16::bigint, '... every step has a leaf');
select ok(bool_and(l.leaf = pg_temp.leaf_of((s.id, s.trace_id, s.step_index, s.skill_id,
  s.skill_name, s.params, s.status, s.outcome_category,
    s.outcome_code, s.outcome_data, s.cost_cents, s.duration_ms, s.retry_count, s.input_hash,
      s.output_hash, s.rng_state_before,
    s.idempotency_key, s.replay_behavior, s."timestamp", s.source, s.level, s.is_synthetic,
      s.synthetic_scenario_id, s.archived_at)::model, l.salt)),
  '... the same in either order of columns') from aos_trace_steps s
    join runlink.leaf l using (trace_id, step_index);
select trace_id as trace from steps_1 limit 1 \gset
insert into steps_1 (trace_id, step_index) values (:'trace', 2);
copy steps_1 (trace_id, step_index) from stdin csv;
hash-0,0
\.
select is(pg_temp.leaves(:'trace'), '{0,1,2}', 'an insert into a partition is recorded');
select pg_temp.finish(:'trace');
select is(pg_temp.seals(:'trace'), '0 3 3 0 final completed {[0,3)}', '... and sealed');
create table steps_2 (like model including defaults);
insert into steps_2 (trace_id, step_index) values (:'trace', 3);
select is(pg_temp.leaves(:'trace'), '{}', 'an insert into a table that is no partition is not');
alter table aos_trace_steps detach partition steps_1;
insert into steps_1 (trace_id, step_index) values (:'trace', 4);
select is(pg_temp.leaves(:'trace'), '{}', 'nor into one that is none any longer');
rollback to s;

savepoint s;
alter table aos_trace_steps rename to model;
create table aos_trace_steps (like model including defaults) partition by range ("timestamp");
create table steps_old partition of aos_trace_steps for values from (minvalue) to ('2020-01-01');
create table steps_new partition of aos_trace_steps for values
  from ('2020-01-01') to (maxvalue) partition by list (level);
create table steps_info partition of steps_new for values in ('INFO');
select runlink_enable_sealing();
create table steps_rest partition of steps_new default;
select pg_temp.trace('range');
insert into aos_trace_steps (trace_id, step_index, level) values ('range', 0, 'INFO'),
  ('range', 1, 'WARN');
insert into aos_trace_steps (trace_id, step_index, "timestamp") values ('range', 2, '2019-01-01');
select is((select array_agg(tableoid::regclass::text order by step_index) from aos_trace_steps),
  '{steps_info,steps_rest,steps_old}', 'range and list partitions, one made after enabling');
select is(pg_temp.leaves('range'), '{0,1,2}', '... every step has a leaf');
create temp table moved as select * from runlink.leaf where trace_id = 'range';
update aos_trace_steps set "timestamp" = '2018-01-01' where step_index = 0;
update aos_trace_steps set level = 'INFO' where step_index = 1;
select is((select array_agg(tableoid::regclass::text order by step_index) from aos_trace_steps),
  '{steps_old,steps_info,steps_old}', 'rows are moved between partitions');
select results_eq($$ select * from runlink.leaf where trace_id = 'range' order by step_index $$,
  'select * from moved order by step_index',
  '... and keep the leaf they were recorded with');
select pg_temp.finish('range');
select is(pg_temp.seals('range'), '0 3 3 0 final completed {[0,3)}', '... which is sealed');
update aos_trace_steps set "timestamp" = now() where step_index = 0;
select is((select tableoid::regclass::text from aos_trace_steps where step_index = 0),
  'steps_info', 'a row of a sealed trace is moved');
select is((select count(*) from runlink_seal_pending(null, 'run-range')), 0::bigint,
  '... nothing is pending for it');
select is(pg_temp.seals('range'), '0 3 3 0 final completed {[0,3)}',
  '... and no seal is made of it');
select is(pg_temp.leaves('range'), '{}', '... and no leaf stays');
rollback to s;

-- Obstacles: the insert succeeds. (What is warned of is in t/007_sealing_concurrency.pl.)

create function pg_temp.insert_beside(obstacle text,
  what text) returns setof text language plpgsql as $$
declare
  n bigint;
begin
  execute obstacle;
  insert into aos_trace_steps (trace_id, step_index) select 't',
    i from generate_series(100, 102) as i;
  perform pg_temp.trace('obstacle');
  update aos_traces set status = 'completed' where trace_id = 'obstacle';
  select count(*) into n from aos_trace_steps where trace_id = 't' and step_index >= 100;
  return next is(n, 3::bigint, what || ': steps are inserted all the same');
end $$;

set local client_min_messages = error;
savepoint s;
select pg_temp.insert_beside('drop schema runlink cascade', 'without the state');
select throws_ok('select * from runlink_seal_pending()', '55000', null,
  '... and runlink_seal_pending is refused');
select lives_ok('select runlink_enable_sealing()', '... until sealing is enabled again');
insert into aos_trace_steps (trace_id, step_index) values ('t', 103);
select is(pg_temp.leaves('t'), '{103}', '... when steps are recorded again');
rollback to s;
savepoint s;
select pg_temp.insert_beside('alter table runlink.leaf add column more text',
  'with a column more in runlink.leaf');
select throws_ok('select * from runlink_seal_pending()', '55000', null,
  '... and runlink_seal_pending is refused');
select throws_ok('select runlink_enable_sealing()', '55000', null, '... and so is enabling');
rollback to s;
savepoint s;
select pg_temp.insert_beside('drop table runlink.encoding', 'without one table');
select lives_ok('select runlink_enable_sealing()', '... which enabling makes again');
rollback to s;
savepoint s;
select pg_temp.insert_beside('alter table aos_trace_steps add column place point',
  'with a column without canonical form');
select is((pg_temp.leaves('t'))[14:], '{}', '... without leaves');
select throws_ok('select * from runlink_seal_pending()', '0A000', null,
  '... and runlink_seal_pending is refused');
rollback to s;
savepoint s;
alter table aos_trace_steps alter trace_id type varchar(100);
alter table aos_traces alter trace_id type varchar(100);
select pg_temp.trace(repeat('ä', 64)), pg_temp.trace(repeat('ä', 65));
insert into aos_trace_steps (trace_id, step_index) values (repeat('ä', 64), 0),
  (repeat('ä', 65), 0);
select is(array_agg(length(trace_id)), '{64}',
  'an id longer than the state has room for is not recorded') from runlink.leaf
  where trace_id ~ '^ä';
select pg_temp.finish(repeat('ä', 65)), pg_temp.finish(repeat('ä', 64));
select is((select array_agg(length(trace_id)) from runlink.seal where trace_id ~ '^ä'), '{64}',
  '... nor sealed');
select is_empty($$ select * from runlink_seal_pending() where length(trace_id) > 64 $$,
  '... nor an error of runlink_seal_pending');
rollback to s;
set local client_min_messages = warning;
insert into aos_trace_steps (trace_id, step_index) values ('t', 100);
select is((pg_temp.leaves('t'))[14:], '{100}', 'with the obstacles gone, steps are recorded');

-- There is one state, one extension.

create schema other;
select throws_ok('create extension runlink schema other', '42710', null,
  'the extension is made once');
select throws_ok('alter extension runlink set schema other', '0A000', null, '... and not moved');

select is(
  (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'spectoken'), 0::bigint,
  'no lock a row is kept, however many rows a transaction inserts');

select * from finish();
rollback;
