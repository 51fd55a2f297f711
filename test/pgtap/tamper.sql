-- The tamper matrix: whatever is changed in the steps of a trace, or in its leaves
-- and seals, by someone who passes every trigger, the proof says so, and where.
-- Each case is tried on traces in several states, from what was there before; it
-- states the trace, its verification_status, the first bad step, and every step whose
-- verdict is not ok; runlink_verify has to say the same. Most are superusers' work: no role of an
-- application can do it.

begin;
select plan(912);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql

-- Columns of the types that the application's table does not have.
create domain identifier as text;
alter table aos_trace_steps
  add c_text text, add c_char char(10), add c_name name, add c_identifier identifier, add c_smallint smallint,
  add c_bigint bigint, add c_numeric numeric, add c_real real, add c_timestamp timestamp, add c_date date,
  add c_bytea bytea, add c_json json,
  add c_generated text generated always as (skill_name || ' of ' || trace_id) stored;

-- A value for each type, and another that is as close to it as can be.
create temp table sample as
  select oid::regtype as type, value, another
  from (values
    ('varchar', '''as it was''', '''as it waS'''), ('text', '''as it was''', '''as it was '''),
    ('bpchar', '''as it was''', '''as it waS'''), ('name', '''as it was''', '''as it waS'''),
    ('smallint', '7', '%1$s + 1'), ('integer', '7', '%1$s + 1'), ('bigint', '9007199254740993', '%1$s - 1'),
    ('numeric', '1.50', '%1$s + 0.00000000000000000001'),
    ('real', '2.5', '(%1$s + 2.4e-7)::real'), ('double precision', '412.5', '%1$s + 6e-14'),
    ('boolean', 'false', 'not %1$s'),
    ('timestamptz', '''2026-01-01 00:00:00.5+00''', '%1$s + interval ''1 microsecond'''),
    ('timestamp', '''2026-01-01 00:00:00.5''', '%1$s + interval ''1 microsecond'''),
    ('date', '''2026-01-01''', '%1$s + 1'),
    ('uuid', 'gen_random_uuid()', 'gen_random_uuid()'),
    ('bytea', '''\x00ff10''', 'set_byte(%1$s, 2, 17)'),
    ('json', '''{"k": 1, "a": {"b": [1.0, {"c": "x"}]}}''', 'replace(%1$s::text, ''"x"'', ''"y"'')::json'),
    ('jsonb', '''{"k": 1, "a": {"b": [1.0, {"c": "x"}]}}''', 'replace(%1$s::text, ''"x"'', ''"y"'')::jsonb')
  ) as v (name, value, another) join pg_type on oid = name::regtype;

create temp view step_column as
  select a.attname as name, a.attnotnull as not_null, s.*
  from pg_attribute a join pg_type t on t.oid = a.atttypid
    left join sample s on s.type = coalesce(nullif(t.typbasetype, 0), t.oid)
  where a.attrelid = 'public.aos_trace_steps'::regclass and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' and a.attname <> 'archived_at';
select is_empty('select name from step_column where type is null', 'every column has a value to change');

-- Adds steps: the even ones have every column, the odd ones only what must be there.
create function pg_temp.add_steps(trace text, indexes integer[]) returns void
language plpgsql as $$
declare
  i integer;
begin
  foreach i in array indexes loop
    execute (
      select format('insert into aos_trace_steps (%s) values (%s)', string_agg(quote_ident(name), ', '),
        string_agg(case name when 'trace_id' then quote_literal(trace) when 'step_index' then i::text
          when 'skill_name' then quote_literal('skill ' || i) else value end, ', '))
      from step_column where not_null or i % 2 = 0);
  end loop;
end $$;

create function pg_temp.begin_trace(name text) returns void
begin atomic
  insert into runs (id, tenant_id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id)
    values ('run-' || name, 'tenant-a', 'agent', 'goal', 'running', 1, 1, 0, 'test');
  insert into aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version, plan, trace, status, started_at)
    values ('trace-' || name, 'run-' || name, 'c', 'tenant-a', 'pending', '1.0', '{}', '{}', 'running',
      '2026-01-01 00:00:00+00');
end;

create function pg_temp.set_status(name text, new_status text) returns void
begin atomic
  update aos_traces set status = new_status where trace_id = 'trace-' || name;
end;

-- The traces, by what holds their steps: leaves; one seal; several seals, whose steps
-- came late and lower, and leaves after them; seals and leaves of two encodings.

select runlink_enable_sealing() \g /dev/null
select pg_temp.begin_trace(name) from unnest('{recorded,sealed,several,changed,leaves-changed,other}'::text[]) as name \g /dev/null

select pg_temp.add_steps('trace-recorded', '{0,1,2,3,4}'), pg_temp.add_steps('trace-sealed', '{0,1,2,3,4}'),
  pg_temp.set_status('sealed', 'completed') \g /dev/null

select pg_temp.add_steps('trace-several', '{10,11,12}') \g /dev/null
select count(*) from runlink_seal_pending(null, 'run-several') \g /dev/null
select pg_temp.add_steps('trace-several', '{0,1,2}'), pg_temp.set_status('several', 'completed') \g /dev/null
select pg_temp.set_status('several', 'running'), pg_temp.add_steps('trace-several', '{-2,20,21}') \g /dev/null
select count(*) from runlink_seal_pending(null, 'run-several') \g /dev/null
select pg_temp.add_steps('trace-several', '{4,30}') \g /dev/null

select pg_temp.add_steps('trace-changed', '{0,1,2}'), pg_temp.add_steps('trace-leaves-changed', '{0,1,2}') \g /dev/null
alter table aos_trace_steps add c_later text default 'for all that were there';
select pg_temp.add_steps('trace-changed', '{3,4,5}'), pg_temp.add_steps('trace-leaves-changed', '{3,4,5}'),
  pg_temp.set_status('changed', 'failed') \g /dev/null

select pg_temp.add_steps('trace-other', '{0,2}'), pg_temp.set_status('other', 'completed') \g /dev/null

select results_eq(
  $$ select l.trace_id::text, count(*), count(distinct l.encoding) from runlink.leaf l group by 1 order by 1 $$,
  $$ values ('trace-leaves-changed', 6::bigint, 2::bigint), ('trace-recorded', 5, 1), ('trace-several', 2, 1) $$,
  'leaves are as the cases want them');
select results_eq(
  $$ select trace_id::text, seal_no, steps::text, final, backfilled from runlink.seal order by trace_id, seal_no $$,
  $$ values ('trace-changed', 0, '{[0,3)}', false, 0::bigint), ('trace-changed', 1, '{[3,6)}', true, 0),
       ('trace-other', 0, '{[0,1),[2,3)}', true, 0), ('trace-sealed', 0, '{[0,5)}', true, 0),
       ('trace-several', 0, '{[10,13)}', false, 0), ('trace-several', 1, '{[0,3)}', true, 0),
       ('trace-several', 2, '{[-2,-1),[20,22)}', false, 0) $$,
  'and so are seals');

-- What proofs say of runs, in one line a trace: trace, status, first bad step, and the
-- steps that are not ok.
create function pg_temp.said_of(damaged_runs text[]) returns table (said text, reason text)
language sql as $$
  select string_agg(p.trace_id || ' ' || p.verification_status || coalesce(' at ' || p.first_bad_step, '') || coalesce(': ' || s.verdicts, '')
      -- one answer never says other than the next
      || case when p.first_bad_step is distinct from s.first_bad then ' (but runlink_proof_steps: ' || s.first_bad || ')' else '' end
      || case when (p.verification_status = 'VERIFIED') <> (p.failure_reason is null) then ' (but ' || coalesce(p.failure_reason, 'no reason') || ')' else '' end
      || case when p.verification_status = 'VERIFIED' and (s.verdicts is not null or p.unsealed_length > 0 or p.assurance = 'none') then ' (but it is not)' else '' end
      || case when s.unsealed > 0 and p.assurance <> 'none' then ' (but assurance is ' || p.assurance || ')' else '' end
      || case when p.unsealed_length <> s.unsealed then ' (but ' || p.unsealed_length || ' unsealed)' else '' end,
      '; ' order by run.no, p.trace_id),
    string_agg(p.failure_reason, '; ' order by run.no, p.trace_id)
  from unnest(damaged_runs) with ordinality as run (id, no) cross join lateral runlink_proof(run.id) as p
    cross join lateral (
      select string_agg(coalesce(s.step_index::text, 'NULL') || ' ' || s.verdict, ', ' order by s.step_index, s.verdict) filter (where s.verdict <> 'ok') as verdicts,
        min(s.step_index) filter (where s.verdict not in ('ok', 'unsealed')) as first_bad,
        count(*) filter (where s.verdict = 'unsealed'
          or (s.verdict = 'inserted' and s.sealed_leaf_hash is null
            and s.step_index not in (select o.step_index from runlink_proof_steps(run.id) as o where o.verdict <> 'inserted' and o.trace_id = p.trace_id))) as unsealed
      from runlink_proof_steps(run.id) as s where s.trace_id = p.trace_id) as s
$$;

-- What runlink_verify says of the same traces, where that is not the same. Of a trace that no
-- run leads to, only it can say something.
create function pg_temp.verify_differs() returns text
language sql as $$
  with proof as materialized (
    select distinct p.trace_id, p.verification_status as status, s.unsealed, s.steps
    from (select id from runs union select run_id from aos_traces union select run_id from runlink.trace union select run_id from runlink.seal) as run (id)
      cross join lateral runlink_proof(run.id) as p
      cross join lateral (
        select count(*) filter (where s.verdict = 'unsealed') as unsealed,
          array_agg(concat_ws(' ', s.step_index, s.verdict, s.sealed_leaf_hash, '/', s.leaf_hash) order by s.step_index, s.verdict, s.leaf_hash)
            filter (where s.verdict not in ('ok', 'unsealed')) as steps
        from runlink_proof_steps(run.id) as s where s.trace_id = p.trace_id) as s
    where p.trace_id is not null
  ), verified as materialized (
    select f.trace_id, count(*) filter (where f.finding = 'unsealed') as unsealed_rows,
      coalesce(max(substring(f.found from '^\d+')::integer) filter (where f.finding = 'unsealed'), 0) as unsealed,
      array_agg(concat_ws(' ', f.step_index, f.finding, f.expected, '/', f.found) order by f.step_index, f.finding, f.found)
        filter (where f.finding in ('altered', 'missing', 'reordered', 'inserted')) as steps
    from runlink_verify() as f group by f.trace_id
  )
  select string_agg(d, ', ') from (
    select case
      when (p.status in ('FAILED', 'UNSEALED')) <> (v.trace_id is not null) then format('%s is %s, verify %s', p.trace_id, p.status, v)
      when v.steps is distinct from p.steps then format('%s has %s, verify %s', p.trace_id, p.steps, v.steps)
      when coalesce(v.unsealed, 0) <> p.unsealed or v.unsealed_rows > 1 then format('%s has %s unsealed, verify %s', p.trace_id, p.unsealed, v) end
    from proof as p left join verified as v using (trace_id)
    union all
    select case when (t.verified, t.unsealed) <> (c.verified, c.unsealed) or t.failed < c.failed
        or t.traces <> t.verified + t.failed + t.unsealed + t.skipped or t.steps <> c.steps
        or t.findings <> (select count(*) from runlink_verify()) then format('the summary is %s', t) end
    from runlink_verify_summary() as t, (
      select count(*) filter (where status = 'VERIFIED') as verified, count(*) filter (where status = 'UNSEALED') as unsealed,
        count(*) filter (where status = 'FAILED') as failed, (select count(*) from aos_trace_steps) as steps
      from proof) as c) as s (d)
$$;

-- What they say after a damage, which is undone.
create function pg_temp.after(damage text, damaged_runs text[], out said text, out reason text)
language plpgsql as $$
declare
  changed bigint;
  differs text;
begin
  execute damage;
  get diagnostics changed = row_count;
  if changed = 0 and damage !~ '^(alter|do)' then
    raise 'nothing was changed by %', damage;
  end if;
  select s.said, s.reason into said, reason from pg_temp.said_of(damaged_runs) as s;
  differs := pg_temp.verify_differs();
  said := said || case when differs is null then '' else ' (but ' || differs || ')' end;
  raise exception using errcode = 'RLTST', message = coalesce(said, 'nothing'), detail = coalesce(reason, '');
exception when sqlstate 'RLTST' then
  get stacked diagnostics said = message_text, reason = pg_exception_detail;
end $$;

-- The cases: what is done, where <trace> is damaged, and what the proof says then.
create temp table tampering (
  no serial, title text, trace text, damage text, expected text, reason text default '', runs text[]);

create function pg_temp.case_of(c tampering) returns text
language sql as $$
  select is(a.said || case when a.reason ~ c.reason then '' else ' because ' || a.reason end,
    c.expected, format('%s: %s', coalesce(c.trace, 'state'), c.title))
  from pg_temp.after(replace(c.damage, '<trace>', c.trace), coalesce(c.runs, array[replace(c.trace, 'trace-', 'run-')])) as a
$$;

create temp table trace as
  select 'trace-' || n as trace, * from (values
    ('recorded', 0, 2, 4, false), ('sealed', 0, 2, 4, true), ('several', -2, 10, 30, false),
    ('changed', 0, 4, 5, true), ('leaves-changed', 0, 4, 5, false)) as v (n, first, middle, last, final);

select is(s.said, 'trace-' || n || ' VERIFIED', n || ': verified before anything happened')
from trace cross join lateral pg_temp.said_of(array['run-' || n]) as s;

create temp table before as
  select p.* from trace cross join lateral runlink_proof('run-' || n) as p;
select results_eq(
  $$ select trace_id, assurance, chain_length, sealed_length, backfilled_length from before order by trace_id $$,
  $$ values ('trace-changed', 'sealed', 6::bigint, 6::bigint, 0::bigint), ('trace-leaves-changed', 'recorded', 6, 0, 0),
       ('trace-recorded', 'recorded', 5, 0, 0), ('trace-sealed', 'sealed', 5, 5, 0), ('trace-several', 'recorded', 11, 9, 0) $$,
  'on what rungs they stand');

-- Every covered column of a step, to another value, to NULL and from NULL. A column
-- that came later is covered by the leaves that came later.

insert into tampering (title, trace, damage, expected, reason)
select format('%s of step %s %s', c.name, step, change), trace,
  format('update aos_trace_steps set %I = %s where trace_id = ''<trace>'' and step_index = %s', c.name,
    case change when 'changed' then format(c.another, quote_ident(c.name)) when 'to NULL' then 'null' else c.value end, step),
  case when covered then format('%s FAILED at %s: %2$s altered', trace, step) else trace || ' VERIFIED' end,
  case when covered then format('^1 step is not as recorded: 1 altered; the first is step %s$', step) else '' end
from trace cross join step_column as c
  cross join lateral (values
    ('changed', middle, true), ('to NULL', middle, not c.not_null), ('from NULL', middle + 1, not c.not_null)) as v (change, step, applies)
  cross join lateral (select c.name <> 'c_later' or (trace ~ 'changed' and step >= 3)) as l (covered)
where c.name not in ('trace_id', 'step_index') and applies;

insert into tampering (title, trace, damage, expected)
select 'c_later of step 2, which came before it', trace,
  'update aos_trace_steps set c_later = ''changed'' where trace_id = ''<trace>'' and step_index = 2', trace || ' VERIFIED'
from trace where trace ~ 'changed';

-- What SQL does not call distinct is no finding; archived_at is not covered.

insert into tampering (title, trace, damage, expected)
select title, trace, format('update aos_trace_steps set %s where trace_id = ''<trace>'' and step_index = %s', change, middle), trace || ' VERIFIED'
from trace cross join (values
  ('the order of keys', 'params = ''{"a": {"b": [1.0, {"c": "x"}]}, "k": 1}'', c_json = ''{"a": {"b": [1.0, {"c": "x"}]}, "k": 1}'''),
  ('white space and a key given twice', 'c_json = ''{ "k":0,"k" : 1, "a":{"b":[1.0, {"c":"\u0078"}]} }'''),
  ('1.0 written as 1.00 and 1', 'params = ''{"k": 1.00, "a": {"b": [1, {"c": "x"}]}}'', c_json = ''{"k": 1e0, "a": {"b": [1.000, {"c": "x"}]}}'''),
  ('a numeric of another scale', 'c_numeric = 1.5000'),
  ('a character padded', 'c_char = ''as it was '''),
  ('a time of another zone', '"timestamp" = ''2025-12-31 23:00:00.5-01'''),
  ('archived_at set', 'archived_at = now()'),
  ('archived_at set anew', 'archived_at = ''-infinity''')) as v (title, change);

insert into tampering (title, trace, damage, expected)
select title, trace, format('update aos_trace_steps set %s where trace_id = ''<trace>'' and step_index = %s', change, middle),
  format('%s FAILED at %s: %2$s altered', trace, middle)
from trace cross join (values
  ('a key added', 'params = params || ''{"z": null}'''),
  ('a key renamed', 'params = replace(params::text, ''"c"'', ''"C"'')::jsonb'),
  ('a key gone', 'params = params - ''k'''),
  ('an array longer by null', 'params = jsonb_set(params, ''{a,b,2}'', ''null'')'),
  ('an array in another order', 'params = jsonb_set(params, ''{a,b}'', ''[{"c": "x"}, 1.0]'')'),
  ('a number as its text', 'params = jsonb_set(params, ''{k}'', ''"1"'')'),
  ('1 as true', 'params = jsonb_set(params, ''{k}'', ''true'')'),
  ('beyond a double''s digits', 'params = jsonb_set(params, ''{k}'', ''1.00000000000000000000000001'')'),
  ('a space', 'params = jsonb_set(params, ''{a,b,1,c}'', ''"x "'')'),
  ('JSON null for a value', 'outcome_data = ''null'''),
  ('{} for a value', 'outcome_data = ''{}'''),
  ('[] for a value', 'outcome_data = ''[]'''),
  ('infinity', 'cost_cents = ''infinity'''), ('NaN', 'c_numeric = ''NaN'''),
  ('params and outcome_data exchanged', 'params = ''[1]'', outcome_data = params'),
  ('two columns exchanged', 'skill_id = skill_name, skill_name = skill_id')) as v (title, change);
insert into tampering (title, trace, damage, expected)
select 'JSON null for NULL', trace, format('update aos_trace_steps set outcome_data = ''null'' where trace_id = ''<trace>'' and step_index = %s', middle + 1),
  format('%s FAILED at %s: %2$s altered', trace, middle + 1)
from trace;

-- Rows.

-- A statement that inserts a copy of a step, some of its columns set.
create function pg_temp.copy_of(step integer, set jsonb) returns text
language sql stable as $$
  select format('insert into aos_trace_steps (%s) select %s from aos_trace_steps where trace_id = ''<trace>'' and step_index = %s',
    string_agg(quote_ident(attname), ', '), string_agg(coalesce(set ->> attname, quote_ident(attname)), ', '), step)
  from pg_attribute
  where attrelid = 'public.aos_trace_steps'::regclass and attnum > 0 and not attisdropped and attgenerated = ''
$$;

create function pg_temp.all_steps(trace text, verdict text) returns text
language sql stable as $$
  select string_agg(step_index || ' ' || verdict, ', ' order by step_index) from aos_trace_steps where trace_id = trace
$$;

insert into tampering (title, trace, damage, expected, reason)
select format('the %s step deleted', what), trace,
  format('delete from aos_trace_steps where trace_id = ''<trace>'' and step_index = %s', step),
  format('%s FAILED at %s: %2$s missing', trace, step), format('1 missing; the first is step %s$', step)
from trace cross join lateral (values ('first', first), ('middle', middle), ('last', last)) as v (what, step);
insert into tampering (title, trace, damage, expected, reason)
select 'every step deleted', trace, 'delete from aos_trace_steps where trace_id = ''<trace>''',
  format('%s FAILED at %s: %s', trace, first, pg_temp.all_steps(trace, 'missing')), 'steps are not as recorded: \d+ missing'
from trace;
insert into tampering (title, trace, damage, expected)
select 'truncated', trace, 'do $d$ begin truncate aos_trace_steps; end $d$',
  format('%s FAILED at %s: %s', trace, first, pg_temp.all_steps(trace, 'missing'))
from trace;

-- A row that nothing was recorded of is unsealed: no one can say that it is wrong.
insert into tampering (title, trace, damage, expected, reason)
select format('step %s inserted', step), trace,
  format('insert into aos_trace_steps (trace_id, step_index, skill_id, skill_name, params, status, outcome_category, cost_cents, '
    'duration_ms, retry_count, replay_behavior) values (''<trace>'', %s, ''s'', ''s'', ''{}'', ''s'', ''s'', 0, 0, 0, ''s'')', step),
  case when final then format('%s UNSEALED at %s: %2$s inserted', trace, step) else format('%s UNSEALED: %s unsealed', trace, step) end,
  '^1 of the trace''s \d+ steps has neither leaf nor seal'
from trace cross join lateral (values (first - 1), (last + 1), (2147483647), (-2147483648)) as v (step);
insert into tampering (title, trace, damage, expected) values
  ('a copy inserted, in a gap', 'trace-several', pg_temp.copy_of(10, '{"id": "gen_random_uuid()", "step_index": "15"}'),
   'trace-several UNSEALED: 15 unsealed');

-- A second row of one step_index.
insert into tampering (title, trace, damage, expected, reason)
select 'a second row of the middle step', trace,
  format('do $d$ begin alter table aos_trace_steps drop constraint aos_trace_steps_pkey, '
    'drop constraint aos_trace_steps_trace_id_step_index_key; %s; end $d$', replace(pg_temp.copy_of(middle, '{}'), '<trace>', trace)),
  format('%s FAILED at %s: %2$s inserted', trace, middle), format('1 step is not as recorded: 1 inserted; the first is step %s$', middle)
from trace;
insert into tampering (title, trace, damage, expected)
select 'a second row of the middle step, and the first step deleted', trace,
  format('do $d$ begin alter table aos_trace_steps drop constraint aos_trace_steps_pkey, '
    'drop constraint aos_trace_steps_trace_id_step_index_key; %s; delete from aos_trace_steps where trace_id = %L and step_index = %s; end $d$',
    replace(pg_temp.copy_of(middle, '{}'), '<trace>', trace), trace, first),
  format('%s FAILED at %s: %2$s missing, %s inserted', trace, first, middle)
from trace;
insert into tampering (title, trace, damage, expected)
select 'two more rows of the last step', trace,
  format('do $d$ begin alter table aos_trace_steps drop constraint aos_trace_steps_pkey, '
    'drop constraint aos_trace_steps_trace_id_step_index_key; %1$s; %1$s limit 1; end $d$', replace(pg_temp.copy_of(last, '{}'), '<trace>', trace)),
  format('%s FAILED at %s: %2$s inserted, %2$s inserted', trace, last)
from trace;
insert into tampering (title, trace, damage, expected)
select 'a step without step_index', trace,
  format('do $d$ begin alter table aos_trace_steps alter step_index drop not null; '
    'update aos_trace_steps set step_index = null where trace_id = %L and step_index = %s; end $d$', trace, middle),
  format('%s FAILED at %s: %2$s missing, NULL unsealed', trace, middle)
from trace;

-- Steps in another place.
create function pg_temp.moved(trace text, mapping text) returns text
language sql as $$
  -- twice, so that no index is there twice on the way
  select format('do $d$ begin update aos_trace_steps set step_index = step_index + 1000000 where trace_id = %1$L; '
    'update aos_trace_steps set step_index = case step_index - 1000000 %2$s else step_index - 1000000 end where trace_id = %1$L; end $d$', trace, mapping)
$$;
insert into tampering (title, trace, damage, expected, reason)
select 'the first and the middle step swapped', trace,
  pg_temp.moved(trace, format('when %s then %s when %2$s then %1$s', first, middle)),
  format('%s FAILED at %s: %2$s reordered, %s reordered', trace, first, middle),
  format('2 steps are not as recorded: 2 reordered; the first is step %s$', first)
from trace;
insert into tampering (title, trace, damage, expected)
select 'the middle and the last step swapped, and one altered', trace,
  replace(pg_temp.moved(trace, format('when %s then %s when %2$s then %1$s', middle, last)), 'end $d$',
    format('update aos_trace_steps set status = ''x'' where trace_id = %L and step_index = %s; end $d$', trace, middle)),
  format('%s FAILED at %s: %2$s altered, %s reordered', trace, middle, last)
from trace;
insert into tampering (title, trace, damage, expected)
select 'three steps in turn', trace,
  pg_temp.moved(trace, format('when %s then %s when %2$s then %3$s when %3$s then %1$s', first, middle, last)),
  format('%s FAILED at %s: %2$s reordered, %s reordered, %s reordered', trace, first, middle, last)
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'step_index of the middle step changed', trace, pg_temp.moved(trace, format('when %s then 99', middle)),
  format('%s FAILED at %s: %2$s missing, 99 reordered', trace, middle), 'steps are not as recorded: 1 missing, 1 reordered; the first is step'
from trace;
insert into tampering (title, trace, damage, expected)
select 'every step one later', trace,
  format('do $d$ begin update aos_trace_steps set step_index = step_index + 1000001 where trace_id = %1$L; '
    'update aos_trace_steps set step_index = step_index - 1000000 where trace_id = %1$L; end $d$', trace),
  format('%s FAILED at %s: %s', trace, first, (
    select string_agg(case when i not in (select step_index from aos_trace_steps where trace_id = trace) then i || ' reordered'
      when i - 1 not in (select step_index from aos_trace_steps where trace_id = trace) then i || ' missing' else i || ' reordered' end, ', ' order by i)
    from (select step_index from aos_trace_steps where trace_id = trace union select step_index + 1 from aos_trace_steps where trace_id = trace) as s (i)))
from trace;
insert into tampering (title, trace, damage, expected, runs)
select 'the middle step moved to another trace', trace,
  format('update aos_trace_steps set trace_id = ''trace-other'', step_index = 1 where trace_id = ''<trace>'' and step_index = %s', middle),
  format('%s FAILED at %s: %2$s missing; trace-other UNSEALED at 1: 1 inserted', trace, middle), array['run-' || n, 'run-other']
from trace;
insert into tampering (title, trace, damage, expected)
select 'the middle step moved to a trace that is not there', trace,
  format('update aos_trace_steps set trace_id = ''trace-none'' where trace_id = ''<trace>'' and step_index = %s', middle),
  format('%s FAILED at %s: %2$s missing', trace, middle)
from trace;

-- Traces: an auditor, as a superuser is, is told where they were.

insert into tampering (title, trace, damage, expected, reason, runs)
select 'the trace moved to another run', trace, 'update aos_traces set run_id = ''run-other'' where trace_id = ''<trace>''',
  format(case when trace < 'trace-other' then '%1$s FAILED; %1$s FAILED; trace-other VERIFIED' else '%1$s FAILED; trace-other VERIFIED; %1$s FAILED' end, trace),
  format('^(the trace was recorded for run "run-%s" of tenant "tenant-a"(; |$)){2}$', n), array['run-' || n, 'run-other']
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'the trace moved to another tenant', trace, 'update aos_traces set tenant_id = ''tenant-b'' where trace_id = ''<trace>''',
  trace || ' FAILED', format('^the trace was recorded for run "run-%s" of tenant "tenant-a"$', n)
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'trace and run moved to another tenant', trace,
  format('do $d$ begin update aos_traces set tenant_id = ''tenant-b'' where trace_id = %L; update runs set tenant_id = ''tenant-b'' where id = ''run-%s''; end $d$', trace, n),
  trace || ' FAILED', format('^the trace was recorded for run "run-%s" of tenant "tenant-a"$', n)
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'trace_id renamed in aos_traces', trace, 'update aos_traces set trace_id = ''a-name'' where trace_id = ''<trace>''',
  format('a-name UNSUPPORTED; %s FAILED', trace), '^the trace has no steps; the trace is missing from aos_traces$'
from trace;
insert into tampering (title, trace, damage, expected)
select 'trace_id renamed in aos_trace_steps', trace, 'update aos_trace_steps set trace_id = ''a-name'' where trace_id = ''<trace>''',
  format('%s FAILED at %s: %s', trace, first, pg_temp.all_steps(trace, 'missing'))
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'trace_id renamed everywhere', trace,
  format('do $d$ begin update aos_trace_steps set trace_id = ''a-name'' where trace_id = %1$L; update aos_traces set trace_id = ''a-name'' where trace_id = %1$L; end $d$', trace),
  format('a-name UNSEALED: %s; %s FAILED at %s: %s', pg_temp.all_steps(trace, 'unsealed'), trace, first, pg_temp.all_steps(trace, 'missing')),
  '^none of the trace''s \d+ steps is sealed: there is nothing to compare with; the trace is missing from aos_traces; \d+ steps are not as recorded'
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'the trace deleted, its steps left', trace, 'delete from aos_traces where trace_id = ''<trace>''', trace || ' FAILED',
  '^the trace is missing from aos_traces$'
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'trace and steps deleted', trace,
  format('do $d$ begin delete from aos_trace_steps where trace_id = %1$L; delete from aos_traces where trace_id = %1$L; end $d$', trace),
  format('%s FAILED at %s: %s', trace, first, pg_temp.all_steps(trace, 'missing')), '^the trace is missing from aos_traces; \d+ steps are not as recorded: \d+ missing'
from trace;
insert into tampering (title, trace, damage, expected, reason)
select 'run, trace and steps deleted', trace,
  format('do $d$ begin delete from aos_trace_steps where trace_id = %1$L; delete from aos_traces where trace_id = %1$L; delete from runs where id = ''run-%2$s''; end $d$', trace, n),
  format('%s FAILED at %s: %s', trace, first, pg_temp.all_steps(trace, 'missing')), '^the trace is missing from aos_traces'
from trace;
-- What the steps' hashes do not cover.
insert into tampering (title, trace, damage, expected)
select title, trace, replace(damage, 'run-<n>', 'run-' || n), trace || ' VERIFIED'
from trace cross join (values
  ('the run deleted', 'delete from runs where id = ''run-<n>'''),
  ('the trace''s status and root_hash changed', 'update aos_traces set status = ''aborted'', root_hash = ''x'', metadata = ''{}'' where trace_id = ''<trace>''')) as v (title, damage);

-- Leaves and what was recorded of a trace, every column.

insert into tampering (title, trace, damage, expected, reason)
select 'leaf.' || title, trace, format('update runlink.leaf set %s where trace_id = ''<trace>'' and step_index = %s', change, step),
  trace || ' ' || replace(said, '<step>', step::text), reason
from (values ('trace-recorded', 2), ('trace-several', 30), ('trace-leaves-changed', 1)) as t (trace, step)
  cross join (values
    ('step_index', 'step_index = 77', 'FAILED at 77: <step> unsealed, 77 missing', '1 missing; the first is step 77; 1 of the trace'),
    ('encoding', 'encoding = encoding + 1', 'FAILED at <step>: <step> altered', '1 altered'),
    ('encoding, to the other', 'encoding = (select distinct encoding from runlink.leaf where trace_id ~ ''changed'' and step_index = 5)',
     'FAILED at <step>: <step> altered', '1 altered'),
    ('trace_id', 'trace_id = ''trace-none''', 'UNSEALED: <step> unsealed', '^1 of the trace''s \d+ steps has neither leaf nor seal'),
    ('leaf', 'leaf = set_byte(leaf, 31, get_byte(leaf, 31) # 1)', 'FAILED at <step>: <step> altered', '1 altered'),
    ('leaf, too short', 'leaf = ''\x00''', 'FAILED at <step>: <step> altered', '1 altered'),
    ('salt', 'salt = set_byte(salt, 0, get_byte(salt, 0) # 128)', 'FAILED at <step>: <step> altered', '1 altered'),
    ('salt, empty', 'salt = ''''', 'FAILED at <step>: <step> altered', '1 altered')) as v (title, change, said, reason)
-- there it is the other that the leaf has
where not (trace = 'trace-several' and title = 'encoding, to the other');
insert into tampering (title, trace, damage, expected, reason) values
  ('a leaf deleted', 'trace-recorded', 'delete from runlink.leaf where trace_id = ''<trace>'' and step_index = 2', 'trace-recorded UNSEALED: 2 unsealed',
   '^1 of the trace''s 5 steps has neither leaf nor seal: there is nothing to compare it with$'),
  ('a leaf deleted', 'trace-several', 'delete from runlink.leaf where trace_id = ''<trace>'' and step_index = 4', 'trace-several UNSEALED: 4 unsealed', '^1 of'),
  ('every leaf deleted', 'trace-recorded', 'delete from runlink.leaf where trace_id = ''<trace>''',
   'trace-recorded UNSEALED: ' || pg_temp.all_steps('trace-recorded', 'unsealed'), '^none of the trace''s 5 steps is sealed: there is nothing to compare with$'),
  ('every leaf gone', 'trace-leaves-changed', 'do $d$ begin truncate runlink.leaf, runlink.trace, runlink.seal, runlink.encoding; end $d$',
   'trace-leaves-changed UNSEALED: ' || pg_temp.all_steps('trace-leaves-changed', 'unsealed'), '^none of the trace''s 6 steps'),
  ('a leaf deleted with its step', 'trace-recorded',
   'do $d$ begin delete from runlink.leaf where trace_id = ''<trace>'' and step_index = 2; delete from aos_trace_steps where trace_id = ''<trace>'' and step_index = 2; end $d$',
   -- a leaf is independent of the next: until a seal counts them, who can delete leaves can delete steps
   'trace-recorded VERIFIED', ''),
  ('a leaf forged, of no step', 'trace-recorded', 'insert into runlink.leaf select 50, encoding, trace_id, leaf, salt from runlink.leaf where trace_id = ''<trace>'' and step_index = 2',
   'trace-recorded FAILED at 50: 50 missing', '1 missing'),
  ('a leaf forged, of no step', 'trace-sealed', 'insert into runlink.leaf select 50, encoding, ''<trace>'', leaf, salt from runlink.leaf where trace_id = ''trace-recorded'' and step_index = 2',
   'trace-sealed FAILED at 50: 50 missing', '1 missing'),
  ('a leaf forged, of a step before all', 'trace-several', 'insert into runlink.leaf select -50, encoding, trace_id, leaf, salt from runlink.leaf where trace_id = ''<trace>'' and step_index = 4',
   'trace-several FAILED at -50: -50 missing', '1 missing'),
  ('a leaf forged, of a step that is sealed', 'trace-several', 'insert into runlink.leaf select 11, encoding, trace_id, leaf, salt from runlink.leaf where trace_id = ''<trace>'' and step_index = 4',
   'trace-several VERIFIED', ''),
  ('two leaves exchanged', 'trace-recorded', 'update runlink.leaf l set leaf = o.leaf, salt = o.salt from runlink.leaf o where l.trace_id = ''<trace>'' and o.trace_id = l.trace_id and (l.step_index, o.step_index) in ((1, 3), (3, 1))',
   'trace-recorded FAILED at 1: 1 altered, 3 altered', '2 altered'),
  ('the leaves of another trace', 'trace-recorded', 'update runlink.leaf l set leaf = o.leaf, salt = o.salt from runlink.leaf o where l.trace_id = ''<trace>'' and o.trace_id = ''trace-leaves-changed'' and o.step_index = l.step_index',
   'trace-recorded FAILED at 0: ' || pg_temp.all_steps('trace-recorded', 'altered'), '5 altered');

insert into tampering (title, trace, damage, expected, reason)
select 'trace.' || title, trace, format(change, trace), format(said, trace), reason
from (values ('trace-recorded'), ('trace-leaves-changed')) as t (trace) cross join (values
  ('run_id', 'update runlink.trace set run_id = ''run-other'' where trace_id = %L', '%s FAILED', '^the trace was recorded for run "run-other" of tenant "tenant-a"$'),
  ('tenant_id', 'update runlink.trace set tenant_id = ''tenant-b'' where trace_id = %L', '%s FAILED', '^the trace was recorded for run "run-[a-z-]*" of tenant "tenant-b"$'),
  ('trace_id', 'update runlink.trace set trace_id = ''a-name'' where trace_id = %L', 'a-name FAILED; %s UNSEALED',
   '^the trace is missing from aos_traces; what run and tenant the trace began with was not recorded$'),
  ('* deleted', 'delete from runlink.trace where trace_id = %L', '%s UNSEALED', '^what run and tenant the trace began with was not recorded$')) as v (title, change, said, reason);

insert into tampering (title, trace, damage, expected, reason, runs)
select 'encoding.' || v.title, t.trace, change, t.said, t.reason, array['run-' || n]
from trace join (values
    ('trace-recorded', 'trace-recorded FAILED at 0: ' || pg_temp.all_steps('trace-recorded', 'altered'), '^5 steps are not as recorded: 5 altered'),
    ('trace-sealed', 'trace-sealed FAILED at 0: ' || pg_temp.all_steps('trace-sealed', 'inserted'), '^seal 0 is damaged: the encoding of its leaves is not known; none of'),
    ('trace-several', 'trace-several FAILED at 4: -2 unsealed, 0 unsealed, 1 unsealed, 2 unsealed, 4 altered, 10 unsealed, 11 unsealed, 12 unsealed, 20 unsealed, 21 unsealed, 30 altered',
     '^seal 0 is damaged: the encoding of its leaves is not known; 2 steps are not as recorded: 2 altered; the first is step 4; 9 of')) as t (trace, said, reason) using (trace)
  cross join (values
    ('id', 'update runlink.encoding set id = sha256(id)'), ('id, too short', 'update runlink.encoding set id = ''\x00'''),
    ('encoding', 'update runlink.encoding set encoding = replace(encoding, ''smallint'', ''integer'')'),
    ('encoding, no JSON', 'update runlink.encoding set encoding = '''''), ('encoding, a space more', 'update runlink.encoding set encoding = encoding || '' '''),
    ('* deleted', 'delete from runlink.encoding')) as v (title, change);
insert into tampering (title, trace, damage, expected)
select 'encodings inserted that are none', trace,
  'insert into runlink.encoding select sha256(id), encoding from runlink.encoding union all select id, encoding from runlink.encoding union all values (''\x00''::bytea, ''{}'')', trace || ' VERIFIED'
from trace;

-- Seals, every column, of the only seal, of those that others follow and of the last.
-- Each seal has the hash of the one before it. What the newest says beside its leaves,
-- nothing in the same database can fix: that is what the log is for.

create function pg_temp.steps_of_seal(of_trace text, no integer, verdict text) returns text
language sql stable as $$
  select string_agg(i || ' ' || verdict, ', ' order by i)
  from runlink.seal, unnest(steps) as r cross join generate_series(lower(r), upper(r) - 1) as i where trace_id = of_trace and seal_no = no
$$;
create function pg_temp.first_of_seal(of_trace text, no integer) returns integer
language sql stable as $$ select lower(steps) from runlink.seal where trace_id = of_trace and seal_no = no $$;

create temp table sealed_part as
  select trace_id::text as trace, seal_no, seal_no = max(seal_no) over (partition by trace_id) as newest,
    lower(steps)::integer as first, final
  from runlink.seal where trace_id <> 'trace-other';

insert into tampering (title, trace, damage, expected, reason)
select format('seal.%s of seal %s', title, seal_no), trace,
  format('update runlink.seal set %s where trace_id = ''<trace>'' and seal_no = %s', change, seal_no),
  case when newest then trace || ' VERIFIED' else trace || ' FAILED' end,
  case when newest then '' else format('^seal %s does not follow from the one before it$', seal_no + 1) end
from sealed_part cross join (values
  ('sealed_at', 'sealed_at = sealed_at + interval ''1 microsecond'''), ('final', 'final = not final'),
  ('trace_status', 'trace_status = ''completed ''')) as v (title, change);
insert into tampering (title, trace, damage, expected, reason)
select format('seal.%s of seal %s', title, seal_no), trace,
  format('update runlink.seal set %s where trace_id = ''<trace>'' and seal_no = %s', change, seal_no),
  trace || ' FAILED', format('^seal %s %s$', seal_no, reason)
from sealed_part cross join (values
  ('backfilled, higher', 'backfilled = backfilled + 1', 'counts other steps than it has'),
  ('backfilled, too high', 'backfilled = 100', 'counts other steps than it has'),
  ('backfilled, negative', 'backfilled = -1', 'counts other steps than it has'),
  ('step_count', 'step_count = step_count + 1', 'counts other steps than it has'),
  ('step_count, zero', 'step_count = 0', 'counts other steps than it has'),
  ('chain_head', 'chain_head = sha256(chain_head)', 'has another chain head than its leaves give'),
  ('merkle_root', 'merkle_root = set_byte(merkle_root, 16, 255 - get_byte(merkle_root, 16))', 'has another Merkle root than its leaves give'),
  ('prev', 'prev = coalesce(sha256(prev), chain_head)', 'does not follow from the one before it')) as v (title, change, reason);
insert into tampering (title, trace, damage, expected, reason)
select format('seal.prev of seal %s, to NULL', seal_no), trace,
  format('update runlink.seal set prev = null where trace_id = ''<trace>'' and seal_no = %s', seal_no),
  trace || ' FAILED', format('^seal %s does not follow from the one before it$', seal_no)
from sealed_part where seal_no > 0;
insert into tampering (title, trace, damage, expected, reason)
select format('seal.%s of seal %s', title, seal_no), trace,
  format('update runlink.seal set %s where trace_id = ''<trace>'' and seal_no = %s', change, seal_no),
  trace || ' FAILED',
  case when seal_no = 0 then 'the trace was recorded for .*; seal 0 has another chain head than its leaves give$' else format('^seal %s is of another run or tenant$', seal_no) end
from sealed_part cross join (values ('run_id', 'run_id = ''run-other'''), ('tenant_id', 'tenant_id = ''tenant-b''')) as v (title, change);

-- The leaves of a seal that cannot be read, and of those after it, are not known.
create function pg_temp.unread(of_trace text, no integer) returns text
language sql stable as $$
  select string_agg(i || case when (select s.final from runlink.seal s where s.trace_id = of_trace order by s.seal_no desc limit 1) then ' inserted' else ' unsealed' end, ', ' order by i)
  from runlink.seal, unnest(steps) as r cross join generate_series(lower(r), upper(r) - 1) as i where trace_id = of_trace and seal_no >= no
$$;
insert into tampering (title, trace, damage, expected, reason)
select format('seal.%s of seal %s', title, seal_no), trace,
  format('update runlink.seal set %s where trace_id = ''<trace>'' and seal_no = %s', change, seal_no),
  trace || ' FAILED' || case when u ~ 'inserted' then ' at ' || substring(u from '^\S+') else '' end || ': ' || u,
  format('^seal %s is damaged: %s; ', seal_no, reason)
from sealed_part cross join (values
  ('encoding, unknown', 'encoding = encoding + 1', 'the encoding of its leaves is not known'),
  ('encoding, to NULL', 'encoding = null', 'its leaves have no encoding'),
  ('chain_head, too short', 'chain_head = ''\x00''', 'a hash in it is not of 32 bytes'),
  ('merkle_root, too long', 'merkle_root = merkle_root || ''\x00''', 'a hash in it is not of 32 bytes'),
  ('prev, empty', 'prev = ''''', 'a hash in it is not of 32 bytes'),
  ('leaves, cut', 'leaves = substring(leaves from 1 for length(leaves) - 1)', 'it has not as many leaves as step indexes'),
  ('leaves, longer', 'leaves = leaves || leaves', 'it has not as many leaves as step indexes')) as v (title, change, reason)
  cross join lateral pg_temp.unread(trace, seal_no) as u;
insert into tampering (title, trace, damage, expected, reason)
select format('seal.encoding of seal %s, to another', seal_no), trace,
  format('update runlink.seal set encoding = (select encoding from runlink.seal s where s.trace_id = ''trace-changed'' and s.seal_no = %s) where trace_id = ''<trace>'' and seal_no = %s',
    case when trace = 'trace-changed' then 1 - seal_no else 1 end, seal_no),
  format('%s FAILED at %s: %s', trace, first, pg_temp.steps_of_seal(trace, seal_no, 'altered')),
  case when newest then '^\d+ steps are not as recorded: \d+ altered' else format('^seal %s does not follow from the one before it; \d+ steps', seal_no + 1) end
from sealed_part;
insert into tampering (title, trace, damage, expected, reason)
select format('seal.leaves of seal %s, a bit of a leaf', seal_no), trace,
  format('update runlink.seal set leaves = set_byte(leaves, 5, get_byte(leaves, 5) # 1) where trace_id = ''<trace>'' and seal_no = %s', seal_no),
  format('%s FAILED at %s: %2$s altered', trace, first), format('^seal %s has another chain head than its leaves give; 1 step', seal_no)
from sealed_part;
insert into tampering (title, trace, damage, expected, reason)
select format('seal.leaves of seal %s, a bit of a salt', seal_no), trace,
  format('update runlink.seal set leaves = set_byte(leaves, 33, get_byte(leaves, 33) # 1) where trace_id = ''<trace>'' and seal_no = %s', seal_no),
  format('%s FAILED at %s: %2$s altered', trace, first), '^1 step is not as recorded: 1 altered'
from sealed_part;
insert into tampering (title, trace, damage, expected, reason) values
  ('seal.steps, moved', 'trace-sealed', 'update runlink.seal set steps = ''{[1000,1005)}'' where trace_id = ''<trace>''',
   'trace-sealed FAILED at 0: 0 inserted, 1 inserted, 2 inserted, 3 inserted, 4 inserted, 1000 missing, 1001 missing, 1002 missing, 1003 missing, 1004 missing',
   '^5 steps are not as recorded: 5 missing'),
  ('seal.steps, one later', 'trace-sealed', 'update runlink.seal set steps = ''{[1,6)}'' where trace_id = ''<trace>''',
   'trace-sealed FAILED at 0: 0 inserted, 1 altered, 2 altered, 3 altered, 4 altered, 5 missing', 'as recorded: 4 altered, 1 missing'),
  ('seal.steps, of another count', 'trace-changed', 'update runlink.seal set steps = ''{[3,8)}'' where trace_id = ''<trace>'' and seal_no = 1',
   'trace-changed FAILED at 3: 3 inserted, 4 inserted, 5 inserted', '^seal 1 is damaged: it has not as many leaves as step indexes; 3 of'),
  ('seal.steps, without end', 'trace-changed', 'update runlink.seal set steps = ''{[3,)}'' where trace_id = ''<trace>'' and seal_no = 1',
   'trace-changed FAILED at 3: 3 inserted, 4 inserted, 5 inserted', '^seal 1 is damaged: its step indexes are none; 3 of'),
  ('seal.steps, beyond integer', 'trace-changed', 'update runlink.seal set steps = ''{[3,5),[3000000000,3000000001)}'' where trace_id = ''<trace>'' and seal_no = 1',
   'trace-changed FAILED at 3: 3 inserted, 4 inserted, 5 inserted', '^seal 1 is damaged: its step indexes are none; 3 of'),
  ('seal.steps, none', 'trace-sealed', 'update runlink.seal set steps = ''{}'' where trace_id = ''<trace>''',
   'trace-sealed FAILED at 0: 0 inserted, 1 inserted, 2 inserted, 3 inserted, 4 inserted', '^seal 0 is damaged: it has not as many leaves as step indexes; none of'),
  ('seal.steps, those of the seal before', 'trace-changed', 'update runlink.seal set steps = ''{[0,3)}'' where trace_id = ''<trace>'' and seal_no = 1',
   'trace-changed FAILED at 0: 0 missing, 1 missing, 2 missing, 3 inserted, 4 inserted, 5 inserted', '^a step is in two seals; 3 steps are not as recorded: 3 missing'),
  ('seal.seal_no of the first', 'trace-changed', 'update runlink.seal set seal_no = 100 where trace_id = ''<trace>'' and seal_no = 0', 'trace-changed FAILED', '^seal 0 is missing$'),
  ('seal.seal_no of the last', 'trace-changed', 'update runlink.seal set seal_no = 2 where trace_id = ''<trace>'' and seal_no = 1', 'trace-changed FAILED', '^seal 1 is missing$'),
  ('seal.seal_no, negative', 'trace-sealed', 'update runlink.seal set seal_no = -1 where trace_id = ''<trace>''', 'trace-sealed FAILED', '^seal 0 is missing$'),
  ('seal.seal_no of two exchanged', 'trace-several',
   'do $d$ begin update runlink.seal set seal_no = 9 - seal_no where trace_id = ''<trace>'' and seal_no > 0; update runlink.seal set seal_no = seal_no - 6 where trace_id = ''<trace>'' and seal_no > 0; end $d$',
   'trace-several FAILED', '^seal 1 does not follow from the one before it$'),
  ('seal.trace_id of the only seal', 'trace-sealed', 'update runlink.seal set trace_id = ''trace-none'' where trace_id = ''<trace>''',
   'trace-none FAILED at 0: 0 missing, 1 missing, 2 missing, 3 missing, 4 missing; trace-sealed UNSEALED: ' || pg_temp.all_steps('trace-sealed', 'unsealed'),
   '^the trace is missing from aos_traces; seal 0 has another chain head than its leaves give; 5 steps'),
  ('seal.trace_id of the first seal', 'trace-changed', 'update runlink.seal set trace_id = ''trace-none'' where trace_id = ''<trace>'' and seal_no = 0',
   'trace-changed FAILED at 0: 0 inserted, 1 inserted, 2 inserted; trace-none FAILED at 0: 0 missing, 1 missing, 2 missing', '^seal 0 is missing; 3 of .*; the trace is missing from aos_traces'),
  ('the only seal deleted', 'trace-sealed', 'delete from runlink.seal where trace_id = ''<trace>''',
   'trace-sealed UNSEALED: ' || pg_temp.all_steps('trace-sealed', 'unsealed'), '^none of the trace''s 5 steps'),
  ('the first of several seals deleted', 'trace-several', 'delete from runlink.seal where trace_id = ''<trace>'' and seal_no = 0',
   'trace-several FAILED: 10 unsealed, 11 unsealed, 12 unsealed', '^seal 0 is missing; 3 of the trace''s 11 steps have neither leaf nor seal'),
  ('the middle one of several seals deleted', 'trace-several', 'delete from runlink.seal where trace_id = ''<trace>'' and seal_no = 1',
   'trace-several FAILED: 0 unsealed, 1 unsealed, 2 unsealed', '^seal 1 is missing; 3 of'),
  -- as if they had come after the seal that is left, which is final
  ('the last of several seals deleted', 'trace-several', 'delete from runlink.seal where trace_id = ''<trace>'' and seal_no = 2',
   'trace-several UNSEALED at -2: -2 inserted, 20 inserted, 21 inserted', '^3 of'),
  ('every seal deleted', 'trace-several', 'delete from runlink.seal where trace_id = ''<trace>''',
   'trace-several UNSEALED: -2 unsealed, 0 unsealed, 1 unsealed, 2 unsealed, 10 unsealed, 11 unsealed, 12 unsealed, 20 unsealed, 21 unsealed', '^9 of'),
  ('a seal forged, after the last', 'trace-sealed', 'insert into runlink.seal select sealed_at, step_count, backfilled, 1, encoding, final, trace_id, run_id, tenant_id, trace_status, chain_head, merkle_root, prev, ''{}'', '''' from runlink.seal where trace_id = ''<trace>''',
   'trace-sealed FAILED', '^seal 1 does not follow from the one before it$'),
  ('the seal of another trace', 'trace-sealed', 'insert into runlink.seal select sealed_at, step_count, backfilled, 1, encoding, final, ''<trace>'', run_id, tenant_id, trace_status, chain_head, merkle_root, prev, ''{[5,6),[7,8)}'', leaves from runlink.seal where trace_id = ''trace-other''',
   'trace-sealed FAILED at 5: 5 missing, 7 missing', '^seal 1 is of another run or tenant; 2 steps'),
  ('seal and steps of another trace', 'trace-sealed',
   'do $d$ begin delete from runlink.seal where trace_id = ''<trace>''; delete from aos_trace_steps where trace_id = ''<trace>''; '
     'update runlink.seal set trace_id = ''<trace>'' where trace_id = ''trace-other''; update aos_trace_steps set trace_id = ''<trace>'' where trace_id = ''trace-other''; end $d$',
   'trace-sealed FAILED at 0: 0 altered, 2 altered', '^the trace was recorded for run "run-other" of tenant "tenant-a"; seal 0 has another chain head than its leaves give; 2 steps');

-- A step rewritten together with its leaf, as no role of the application can: the record
-- is another one, and sound. It differs from what anyone outside was told before.
create function pg_temp.recorded_anew(trace text, change text) returns text
language sql as $$
  select format('do $d$ begin create temp table kept as select * from aos_trace_steps where trace_id = %1$L; alter table kept drop column c_generated; %2$s; '
    'delete from aos_trace_steps where trace_id = %1$L; delete from runlink.leaf where trace_id = %1$L; delete from runlink.seal where trace_id = %1$L; delete from runlink.trace where trace_id = %1$L; '
    'create temp table kept_trace as select * from aos_traces where trace_id = %1$L; delete from aos_traces where trace_id = %1$L; '
    'perform set_config(''session_replication_role'', ''origin'', true); insert into aos_traces select * from kept_trace; '
    'insert into aos_trace_steps (%3$s) select %3$s from kept; perform runlink_seal_pending(); end $d$', trace, change,
    (select string_agg(quote_ident(attname), ', ') from pg_attribute
     where attrelid = 'public.aos_trace_steps'::regclass and attnum > 0 and not attisdropped and attgenerated = ''))
$$;
insert into tampering (title, trace, damage, expected)
select 'a step, its leaf and every seal rewritten by a superuser, which only a log can tell', trace,
  pg_temp.recorded_anew(trace, format('update kept set status = ''forged'' where step_index = %s', middle)), trace || ' VERIFIED'
from trace where n in ('sealed', 'several');
insert into tampering (title, trace, damage, expected) values
  ('what came last forgotten, steps, leaves and seal, which only a log can tell', 'trace-several',
   'do $d$ begin delete from runlink.seal where trace_id = ''<trace>'' and seal_no = 2; delete from runlink.leaf where trace_id = ''<trace>''; '
     'delete from aos_trace_steps where trace_id = ''<trace>'' and step_index in (-2, 20, 21, 4, 30); end $d$', 'trace-several VERIFIED');

-- triggers off, as a superuser can; once, since all plans are made anew then
set local session_replication_role = replica;
select pg_temp.case_of(t) from tampering t order by no;
set local session_replication_role = origin;
select set_eq(
  $$ select distinct substring(title from '^[a-z]+\.[a-z_]+') from tampering where title ~ '^(leaf|trace|seal|encoding)\.[a-z]' $$,
  $$ select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
     where c.relname in ('encoding', 'trace', 'leaf', 'seal') and c.relnamespace = 'runlink'::regnamespace
       and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped $$,
  'every column of what a proof compares with was tampered with');
select set_eq(
  $$ select distinct split_part(title, ' of step ', 1) from tampering where title ~ ' of step -?\d+ changed$' $$,
  $$ select name::text from step_column where name not in ('trace_id', 'step_index') $$,
  'and every column of the steps');
select is(s.said, 'trace-' || n || ' VERIFIED', n || ': verified when all is undone')
from trace cross join lateral pg_temp.said_of(array['run-' || n]) as s;
select results_eq(
  $$ select p.trace_id, p.root_hash, p.merkle_root, p.sealed_root_hash from trace cross join lateral runlink_proof('run-' || n) as p order by 1 $$,
  $$ select trace_id, root_hash, merkle_root, sealed_root_hash from before order by 1 $$,
  'with the roots of before');

-- Without passing the triggers, no one changes leaves and seals, superusers included.
select throws_ok(format(statement, name), '55000', format('runlink.%s cannot be changed', name), format(statement, name) || ' is refused')
from unnest('{encoding,trace,leaf,seal}'::text[]) as name
  cross join unnest(array['update runlink.%1$s set %2$s = %2$s', 'delete from runlink.%1$s', 'truncate runlink.%1$s']) as s (template)
  cross join lateral (select format(template, '%1$s', case name when 'encoding' then 'id' else 'trace_id' end)) as t (statement);

select count(*) as cases, count(distinct trace) as traces from tampering \gset
select diag(format('%s cases of tampering', :'cases'));
select * from finish();
rollback;
