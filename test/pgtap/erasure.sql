-- runlink_erase: what it erases and what it leaves, that proofs go on and see every tampering after it, that
-- the application's triggers hold for everything else, and what it refuses. That what was erased cannot be
-- guessed, concurrency, dump and standby: test/t/020_erasure.pl.

begin;
select * from no_plan();
set local client_min_messages = error;

create role runlink_test_owner;
create role runlink_test_admin;
create role runlink_test_reader;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
grant usage on schema app to runlink_test_admin, runlink_test_reader;
grant select on all tables in schema app to runlink_test_admin, runlink_test_reader;
grant update on aos_trace_steps to runlink_test_admin, runlink_test_reader;
reset role;
grant execute on function app.runlink_erase(text, integer, text) to runlink_test_admin;
set local search_path = app, public, tap;
grant usage on schema tap to runlink_test_admin, runlink_test_reader;

\i test/fixture/asking.sql

create function pg_temp.add_trace(trace text) returns void
begin atomic
  insert into app.runs (id, tenant_id) values ('run of ' || trace, 'tenant-a');
  insert into app.aos_traces (trace_id, run_id, tenant_id, status) values (trace, 'run of ' || trace, 'tenant-a', 'running');
end;
create function pg_temp.add_steps(trace text, first integer, last integer, with_hash boolean) returns void
begin atomic
  insert into app.aos_trace_steps (trace_id, step_index, skill_name, params, outcome_data, input_hash, output_hash)
    select trace, i, 'skill ' || i, p, case when i % 2 = 1 then p end,
      case when with_hash then encode(sha256(p::text::bytea), 'hex') end, case when with_hash and i % 2 = 1 then encode(sha256(p::text::bytea), 'hex') end
    from generate_series(first, last) as i, lateral (select jsonb_build_object('pin', i) as p) as payload;
end;
create function pg_temp.end_trace(trace text) returns void
begin atomic
  update app.aos_traces set status = 'completed' where trace_id = end_trace.trace;
end;
-- The proof of a trace in short, and the steps that are not ok.
create function pg_temp.proof(trace text) returns text
begin atomic
  select concat_ws(' ', p.verification_status, p.assurance, p.first_bad_step,
    (select string_agg(s.verdict || ' ' || s.step_index, ', ' order by s.step_index)
     from app.runlink_proof_steps('run of ' || trace) as s where s.verdict <> 'ok'))
  from app.runlink_proof('run of ' || trace) as p;
end;
create function pg_temp.findings(trace text) returns text
begin atomic
  select coalesce(string_agg(v.finding || ' ' || coalesce(v.step_index::text, '-'), ', ' order by v.step_index), 'nothing')
  from app.runlink_verify() as v where v.trace_id = trace;
end;
-- What a statement of a superuser past all triggers makes of the proof and the findings of a trace; it is undone.
create function pg_temp.after(trace text, statement text) returns text language plpgsql as $$
declare
  answer text;
begin
  set session_replication_role = replica;
  execute statement;
  set session_replication_role = origin;
  answer := pg_temp.proof(trace) || '; ' || pg_temp.findings(trace);
  raise exception using errcode = 'ZZ000', message = answer;
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;

--
-- Before sealing.
--
select matches(pg_temp.error_of($$ select * from runlink_erase('plain', 0, 'r') $$),
  '^55000 there is no state that would prove an erased step\nIn the way: sealing was never enabled\.\n', 'before sealing is enabled nothing is erased');
select runlink_enable_sealing() \g /dev/null

select pg_temp.add_trace(t) from unnest('{plain,hashed,other,open}'::text[]) as t \g /dev/null
select pg_temp.add_steps('plain', 0, 4, false), pg_temp.add_steps('hashed', 0, 4, true), pg_temp.add_steps('other', 0, 1, false),
  pg_temp.add_steps('open', 0, 1, false) \g /dev/null
select pg_temp.end_trace(t) from unnest('{plain,hashed,other}'::text[]) as t \g /dev/null
create temp table before as select * from aos_trace_steps;
create temp table proof_before as select * from runlink_proof('run of plain') union all select * from runlink_proof('run of hashed');
create temp table leaf_before as select * from runlink_proof_steps('run of plain') union all select * from runlink_proof_steps('run of hashed');
create temp table seal_before as select * from runlink.seal;

--
-- Arguments, and what cannot be erased. Nothing changes.
--
select is(split_part(pg_temp.error_of(format('select * from runlink_erase(%s)', a)), e'\n', 1), e, a) from (values
  ($$null, 0, 'r'$$, '22004 trace_id, step_index and reason must not be null'),
  ($$'plain', null, 'r'$$, '22004 trace_id, step_index and reason must not be null'),
  ($$'plain', 0, null$$, '22004 trace_id, step_index and reason must not be null'),
  ($$'plain', 0, ''$$, '22023 reason must not be empty'),
  ($$'plain', 0, e' \t\n'$$, '22023 reason must not be empty'),
  ($$'plain', 5, 'r'$$, '55000 step 5 of trace "plain" is not sealed'),
  ($$'plain', -1, 'r'$$, '55000 step -1 of trace "plain" is not sealed'),
  ($$'none', 0, 'r'$$, '55000 step 0 of trace "none" is not sealed'),
  ($$'open', 0, 'r'$$, '55000 step 0 of trace "open" is not sealed'),
  ($$'run of plain', 0, 'r'$$, '55000 step 0 of trace "run of plain" is not sealed')) as v (a, e);
select matches(pg_temp.error_of($$ select * from runlink_erase('open', 0, 'r') $$), 'runlink_seal_pending', 'who has an unsealed step is told what to do');
select is_empty('select * from runlink.erasure', 'a call that fails leaves no row');
select set_eq('select * from runlink.seal', 'select * from seal_before', 'and no other seal');

--
-- Who may.
--
select is(pg_temp.try('runlink_test_reader', $$ select runlink_erase('plain', 1, 'r') $$), '42501', 'EXECUTE is nobody''s who was not given it');
select is(pg_temp.try('runlink_test_owner', $$ select runlink_erase('plain', 1, 'r') $$), '42501', 'not the application''s either');
revoke update on aos_trace_steps from runlink_test_admin;
select is(pg_temp.try('runlink_test_admin', $$ select runlink_erase('plain', 1, 'r') $$), '42501', 'who may call it needs UPDATE on the steps');
grant update (archived_at) on aos_trace_steps to runlink_test_admin;
select is(pg_temp.try('runlink_test_admin', $$ select runlink_erase('plain', 1, 'r') $$), '42501', 'of their payload, too');
select is_empty('select * from runlink.erasure', 'nothing was erased');
grant update on aos_trace_steps to runlink_test_admin;

-- The triggers hold before, while and after, also for who may erase.
create function pg_temp.others_are_rejected(name text) returns setof text language plpgsql as $$
begin
  return query select is(pg_temp.try(r, s), 'P0001', name || ': ' || r || ': ' || s)
    from unnest('{runlink_test_admin,runlink_test_owner}'::text[]) as r,
      unnest(array[$u$ update app.aos_trace_steps set params = '{}' where trace_id = 'plain' and step_index = 1 $u$,
        $u$ update app.aos_trace_steps set status = 'y' where trace_id = 'plain' and step_index = 2 $u$,
        $u$ update app.aos_trace_steps set params = params $u$]) as s;
  return next is(pg_temp.try('runlink_test_owner', $u$ delete from app.aos_trace_steps where trace_id = 'plain' $u$), 'P0001', name || ': delete');
  return next is(current_setting('session_replication_role'), 'origin', name || ': the setting is as it was');
  return next is(pg_temp.try('runlink_test_admin', 'set session_replication_role = replica'), '42501', name || ': nor may who erases set it');
end $$;
select pg_temp.others_are_rejected('before');

--
-- Erasing. NULL stays NULL. An even step has no outcome_data.
--
set local role runlink_test_admin;
select results_eq($$ select trace_id, step_index, erased_columns, payload_digest ~ '^[0-9a-f]{64}$', erased_at = date_trunc('day', erased_at) from runlink_erase('plain', 1, 'request 17') $$,
  $$ values ('plain', 1, '{params,outcome_data}'::text[], true, false) $$, 'a step is erased');
reset role;
select pg_temp.others_are_rejected('after, in the same transaction');
select results_eq($$ select erased_columns, payload_digest is not null from runlink_erase('plain', 2, 'request 17') $$,
  $$ values ('{params}'::text[], true) $$, 'what is NULL stays NULL');
select results_eq($$ select erased_columns, payload_digest from runlink_erase('hashed', 1, e'request 18\nwhy') $$,
  $$ values ('{params,outcome_data,input_hash,output_hash}'::text[], null::text) $$, 'digests of the payload go too, and then its own');
select results_eq($$ select erased_columns, payload_digest from runlink_erase('hashed', 2, 'request 18') $$,
  $$ values ('{params,input_hash}'::text[], null::text) $$, 'those that are there');

create temp view erased as values ('plain', 1), ('plain', 2), ('hashed', 1), ('hashed', 2);
select results_eq($$ select trace_id::text, step_index, params, outcome_data, input_hash::text, output_hash::text from aos_trace_steps
    where (trace_id, step_index) in (table erased) order by 1, 2 $$,
  $$ values ('hashed', 1, '{"runlink_erased": true}'::jsonb, '{"runlink_erased": true}'::jsonb, null::text, null::text),
      ('hashed', 2, '{"runlink_erased": true}', null, null, null),
      ('plain', 1, '{"runlink_erased": true}', '{"runlink_erased": true}', null, null),
      ('plain', 2, '{"runlink_erased": true}', null, null, null) $$, 'that is what is left of the payloads');
select set_eq($$ select to_jsonb(s) - '{params,outcome_data,input_hash,output_hash}'::text[] from aos_trace_steps as s $$,
  $$ select to_jsonb(s) - '{params,outcome_data,input_hash,output_hash}'::text[] from before as s $$, 'no other column changed');

-- In the log: where what was left gives the sealed leaf, the log covers it; else nothing but the erasure does.
savepoint log;
select runlink_create_log('erasure.example/log');
select pg_temp.add_trace('logged'), pg_temp.add_steps('logged', 0, 2, false), pg_temp.end_trace('logged');
select pg_temp.add_trace('logged with hashes'), pg_temp.add_steps('logged with hashes', 0, 2, true), pg_temp.end_trace('logged with hashes');
select ok(runlink_checkpoint() like 'erasure.example/log%', 'the traces enter the log');
select is(pg_temp.proof('logged') || ', ' || pg_temp.proof('logged with hashes'), 'VERIFIED logged, VERIFIED logged', 'as their proofs say');
select lives_ok($$ select * from runlink_erase('logged', 1, 'r') as a, runlink_erase('logged with hashes', 1, 'r') as b $$, 'a step of each is erased');
select is(pg_temp.proof('logged'), 'VERIFIED logged erased 1', 'a step that still gives its leaf stands as high as the others');
select is(pg_temp.proof('logged with hashes'), 'VERIFIED sealed erased 1', 'one of which only the state says what was left does not');
rollback to log;
select set_eq('select * from aos_trace_steps where (trace_id, step_index) not in (table erased)',
  'select * from before where (trace_id, step_index) not in (table erased)', 'and no other row');
select results_eq('select trace_id::text, step_index, erased_by = session_user, reason, payload_digest is null, length(leaf) from runlink.erasure order by 1, 2',
  $$ values ('hashed', 1, true, e'request 18\nwhy', true, 32), ('hashed', 2, true, 'request 18', true, 32),
    ('plain', 1, true, 'request 17', false, 32), ('plain', 2, true, 'request 17', false, 32) $$,
  'the erasure is kept, with who and why');
select set_eq($$ select to_jsonb(s) - 'leaves' from runlink.seal as s $$, $$ select to_jsonb(s) - 'leaves' from seal_before as s $$, 'no seal changed but for its leaves');
select results_eq($$ select n.trace_id::text, i, substr(n.leaves, i * 48 + 1, 32) = substr(o.leaves, i * 48 + 1, 32), substr(n.leaves, i * 48 + 33, 16)
      = case when (n.trace_id, i) in (table erased) then decode(repeat('00', 16), 'hex') else substr(o.leaves, i * 48 + 33, 16) end
    from runlink.seal as n join seal_before as o using (trace_id, seal_no), generate_series(0, length(n.leaves) / 48 - 1) as i order by 1, 2 $$,
  $$ select trace_id::text, i, true, true from seal_before, generate_series(0, length(leaves) / 48 - 1) as i order by 1, 2 $$,
  'of these the salts of erased steps went, and no leaf');

-- The proof goes on.
select is(pg_temp.proof('plain'), 'VERIFIED sealed erased 1, erased 2', 'the proof is VERIFIED and calls the steps erased');
select is(pg_temp.proof('hashed'), 'VERIFIED sealed erased 1, erased 2', 'as it does where digests were erased');
select set_eq($$ select to_jsonb(p) - '{verified_at,coordinator_root_hash}'::text[] from (select * from runlink_proof('run of plain') union all select * from runlink_proof('run of hashed')) as p $$,
  $$ select to_jsonb(p) - '{verified_at,coordinator_root_hash}'::text[] from proof_before as p $$, 'nothing else in the proof changed');
select set_eq($$ select trace_id, step_index, sealed_leaf_hash from (select * from runlink_proof_steps('run of plain') union all select * from runlink_proof_steps('run of hashed')) as s $$,
  $$ select trace_id, step_index, sealed_leaf_hash from leaf_before $$, 'nor a leaf that was sealed');
select results_eq($$ select step_index, leaf_hash = sealed_leaf_hash from runlink_proof_steps('run of plain') order by 1 $$,
  'select i, true from generate_series(0, 4) as i', 'a row and the digest of its payload give its leaf');
select results_eq($$ select step_index, leaf_hash = sealed_leaf_hash from runlink_proof_steps('run of hashed') order by 1 $$,
  $$ values (0, true), (1, null), (2, null), (3, true), (4, true) $$, 'without that digest they give none');
select is_empty('select * from runlink_verify()', 'the fleet has no finding');
select results_eq('select traces, verified, failed, findings from runlink_verify_summary()', $$ values (4::bigint, 4::bigint, 0::bigint, 0::bigint) $$, 'and counts no failure');
select is(runlink_proof_json('run of plain')->'integrity'->>'verification_status', runlink_proof_json('run of other')->'integrity'->>'verification_status',
  'the coordinator''s JSON says the same as of a trace without erasures');
select set_eq($$ select gap from runlink_gaps('run of plain') $$, $$ select gap from runlink_gaps('run of other') $$, 'no gap tells of it');

-- Twice.
select matches(pg_temp.error_of($$ select * from runlink_erase('plain', 1, 'again') $$), '^55000 step 1 of trace "plain" is erased already\n".*" erased it at 20', 'no step is erased twice');
select is(pg_temp.proof('plain'), 'VERIFIED sealed erased 1, erased 2', 'which changes nothing');

--
-- What is done to an erased step later is seen. Of each trace the first line tells nothing, so that the others can.
--
select is(pg_temp.after(t, 'select 1'), 'VERIFIED sealed erased 1, erased 2; nothing', t || ': nothing is done') from unnest('{plain,hashed}'::text[]) as t;
select is(pg_temp.after(t, format(s, t)), 'FAILED sealed 1 altered 1, erased 2; altered 1', t || ': ' || format(s, t))
from unnest('{plain,hashed}'::text[]) as t, unnest(array[
  $$ update app.aos_trace_steps set skill_name = 'x' where trace_id = %L and step_index = 1 $$,
  $$ update app.aos_trace_steps set status = 'y' where trace_id = %L and step_index = 1 $$,
  $$ update app.aos_trace_steps set params = '{}' where trace_id = %L and step_index = 1 $$,
  $$ update app.aos_trace_steps set params = '{"runlink_erased": false}' where trace_id = %L and step_index = 1 $$,
  $$ update app.aos_trace_steps set params = '{"runlink_erased": true, "more": 1}' where trace_id = %L and step_index = 1 $$,
  $$ update app.aos_trace_steps set params = '[{"runlink_erased": true}]' where trace_id = %L and step_index = 1 $$,
  $$ update app.aos_trace_steps set outcome_data = null where trace_id = %L and step_index = 1 $$,
  $$ update app.aos_trace_steps as s set params = b.params from before as b where b.id = s.id and s.trace_id = %L and s.step_index = 1 $$,
  $$ update app.aos_trace_steps as s set input_hash = 'x' where trace_id = %L and step_index = 1 $$,
  $$ delete from runlink.erasure where trace_id = %L and step_index = 1 $$,
  $$ update runlink.erasure set step_index = 0 where trace_id = %L and step_index = 1 $$,
  $$ update runlink.erasure set leaf = sha256('') where trace_id = %L and step_index = 1 $$,
  $$ update runlink.erasure set leaf = substr(leaf, 1, 31) where trace_id = %L and step_index = 1 $$,
  $$ update runlink.erasure set payload_digest = sha256('') where trace_id = %L and step_index = 1 $$,
  -- a salt that is not the one of the row as it is
  $$ update runlink.seal set leaves = overlay(leaves placing '\x01' from 96) where trace_id = %L $$,
  $$ update runlink.seal as s set leaves = overlay(s.leaves placing substr(b.leaves, 81, 16) from 81) from seal_before as b where b.trace_id = s.trace_id and s.trace_id = %L $$
  ]) as s;
select is(pg_temp.after('plain', $$ update runlink.erasure set payload_digest = null where trace_id = 'plain' and step_index = 1 $$),
  'VERIFIED sealed erased 1, erased 2; nothing', 'a digest that is lost makes the leaf of the row as erased the only witness');
select is(pg_temp.after(t, format($$ delete from app.aos_trace_steps where trace_id = %L and step_index = 1 $$, t)),
  'FAILED sealed 1 missing 1, erased 2; missing 1', t || ': the row is deleted') from unnest('{plain,hashed}'::text[]) as t;
select matches(pg_temp.after(t, format($$ update runlink.seal set leaves = overlay(leaves placing '\x00' from 49) where trace_id = %L $$, t)),
  '^FAILED .*; .*seal_damaged', t || ': the leaf of an erased step in its seal') from unnest('{plain,hashed}'::text[]) as t;

-- What was not erased cannot be called so: with a salt zeroed, an erasure made up, or both, a changed row is altered.
select is(pg_temp.after('other', s), 'FAILED sealed 1 altered 1; altered 1', regexp_replace(s, '\s+', ' ', 'g')) from unnest(array[
  $$ update runlink.seal set leaves = overlay(leaves placing decode(repeat('00', 16), 'hex') from 81) where trace_id = 'other' $$,
  $$ update app.aos_trace_steps set params = '{"runlink_erased": true}' where trace_id = 'other' and step_index = 1;
     update runlink.seal set leaves = overlay(leaves placing decode(repeat('00', 16), 'hex') from 81) where trace_id = 'other' $$,
  $$ insert into runlink.erasure (erased_at, step_index, trace_id, erased_by, reason, leaf, payload_digest)
       select erased_at, 1, 'other', erased_by, reason, leaf, payload_digest from runlink.erasure where trace_id = 'plain' and step_index = 1;
     update runlink.seal set leaves = overlay(leaves placing decode(repeat('00', 16), 'hex') from 81) where trace_id = 'other' $$,
  $$ insert into runlink.erasure (erased_at, step_index, trace_id, erased_by, reason, leaf, payload_digest)
       select erased_at, 1, 'other', erased_by, reason, leaf, payload_digest from runlink.erasure where trace_id = 'plain' and step_index = 1;
     update app.aos_trace_steps set params = '{"runlink_erased": true}' where trace_id = 'other' and step_index = 1 $$]) as s;

-- The guard of the state.
select throws_ok(s, '55000', null, s) from unnest(array['delete from runlink.erasure', 'update runlink.erasure set reason = ''x''', 'truncate runlink.erasure']) as s;

--
-- The application goes on: a retry, more steps, another seal, the archive.
--
insert into aos_trace_steps (trace_id, step_index, skill_name, params) select 'plain', 1, 'skill 1', '{"pin": 1}' on conflict (trace_id, step_index) do nothing;
select is(pg_temp.proof('plain'), 'VERIFIED sealed erased 1, erased 2', 'a retry that inserts the step again changes nothing');
select is_empty('select * from runlink_seal_pending()  where trace_id in (''plain'', ''hashed'')', 'there is nothing to seal anew');
select pg_temp.add_steps('plain', 5, 6, false) \g /dev/null
select is(pg_temp.proof('plain'), 'VERIFIED recorded erased 1, erased 2', 'steps that come later are recorded');
select results_eq('select trace_id, seal_no, added, backfilled from runlink_seal_pending()', $$ values ('plain', 1, 2::bigint, 0::bigint) $$, 'and sealed on top of it');
select is(pg_temp.proof('plain'), 'VERIFIED sealed erased 1, erased 2', 'with erased steps in an earlier seal');
select lives_ok($$ select * from runlink_erase('plain', 6, 'r') as a, runlink_erase('plain', 3, 'r') as b $$, 'steps of both seals can be erased');
select is(pg_temp.proof('plain'), 'VERIFIED sealed erased 1, erased 2, erased 3, erased 6', 'and are');
select pg_temp.add_steps('plain', -3, -2, true) \g /dev/null
select is((select count(*) from runlink_seal_pending()), 1::bigint, 'steps that sort before');
select lives_ok($$ select * from runlink_erase('plain', -3, 'r') $$, 'are erased too');
select is(pg_temp.proof('plain'), 'VERIFIED sealed erased -3, erased 1, erased 2, erased 3, erased 6', 'in the order of step_index');
select is(pg_temp.findings('plain'), 'nothing', 'and the fleet has no finding');
update aos_trace_steps set archived_at = now() where trace_id = 'plain';
select is(pg_temp.proof('plain'), 'VERIFIED sealed erased -3, erased 1, erased 2, erased 3, erased 6', 'the application may mark an erased step as archived');
insert into aos_traces_archive select * from aos_traces where trace_id = 'plain';
delete from aos_traces where trace_id = 'plain';
select is(pg_temp.proof('plain'), 'ARCHIVED sealed', 'a trace with erased steps is archived as any');
select is_empty('select * from runlink_verify()', 'without a finding');
select matches(pg_temp.error_of($$ select * from runlink_erase('plain', 4, 'r') $$), '^55000 step 4 of trace "plain" has not one row\nThe caller sees 0 rows of it\.', 'its steps are gone and cannot be erased');

--
-- What cannot be proved is not erased.
--
select pg_temp.add_trace('altered'), pg_temp.add_steps('altered', 0, 3, false), pg_temp.end_trace('altered') \g /dev/null
set local session_replication_role = replica;
update aos_trace_steps set status = 'y' where trace_id = 'altered' and step_index = 0;
insert into aos_trace_steps (trace_id, step_index, skill_name, params) values ('altered', 9, 'x', '{}');
set local session_replication_role = origin;
select matches(pg_temp.error_of($$ select * from runlink_erase('altered', 0, 'r') $$), '^55000 step 0 of trace "altered" was altered\n', 'an altered step is not erased');
select is((select params from aos_trace_steps where trace_id = 'altered' and step_index = 0), '{"pin": 0}', 'and stays what it is');
select matches(pg_temp.error_of($$ select * from runlink_erase('altered', 9, 'r') $$), '^55000 step 9 of trace "altered" is not sealed\n', 'nor one that was inserted past the triggers');

-- Subtransactions.
create function pg_temp.erase_and_fail() returns text language plpgsql as $$
begin
  perform * from app.runlink_erase('altered', 1, 'r');
  raise exception 'no';
exception when raise_exception then
  return current_setting('session_replication_role');
end $$;
select is(pg_temp.erase_and_fail(), 'origin', 'a subtransaction that fails leaves the setting');
select is(pg_temp.proof('altered'), 'FAILED none 0 altered 0, inserted 9', 'and the step');
select is_empty($$ select * from runlink.erasure where trace_id = 'altered' $$, 'and the erasures');
savepoint s;
select * from runlink_erase('altered', 1, 'r') \g /dev/null
rollback to savepoint s;
select is((select params from aos_trace_steps where trace_id = 'altered' and step_index = 1), '{"pin": 1}', 'a rollback brings the payload back');
select lives_ok($$ select * from runlink_erase('altered', 1, 'r') $$, 'which can be erased then, in a trace that is FAILED for another step');
select is(pg_temp.proof('altered'), 'FAILED none 0 altered 0, erased 1, inserted 9', 'and is told apart');

--
-- What tables can have: constraints, triggers and rules that fire always, policies, generated columns.
--
select pg_temp.add_trace('t'), pg_temp.add_steps('t', 0, 9, true), pg_temp.end_trace('t') \g /dev/null
create function pg_temp.refused(setup text, statement text default $$ select * from app.runlink_erase('t', 1, 'r') $$) returns text language plpgsql as $$
declare
  answer text;
begin
  execute setup;
  set local role runlink_test_admin;
  answer := split_part(pg_temp.error_of(statement), e'\n', 1) || case when current_setting('session_replication_role') = 'origin' then '' else ' and replica' end;
  reset role;
  raise exception using errcode = 'ZZ000', message = concat(answer, '; ', (select params->>'pin' from app.aos_trace_steps where trace_id = 't' and step_index = 1));
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;
grant usage on schema public to runlink_test_admin;
create function public.runlink_test_trigger() returns trigger language plpgsql as $$
begin
  if tg_argv[0] = 'null' then return null; end if;
  if tg_argv[0] = 'undo' then new.params := old.params; return new; end if;
  if tg_argv[0] = 'status' then new.status := 'y'; return new; end if;
  raise exception 'never';
end $$;
select is(pg_temp.refused(s), e, s) from (values
  ('alter table app.aos_trace_steps add check (params ? ''pin'') not valid', '23514 new row for relation "aos_trace_steps" violates check constraint "aos_trace_steps_params_check"; 1'),
  ('set session_replication_role = replica; update app.aos_trace_steps set input_hash = ''x'' where input_hash is null; set session_replication_role = origin; alter table app.aos_trace_steps alter input_hash set not null', '55000 step 1 of trace "t" cannot be erased; 1'),
  ('alter table app.aos_trace_steps enable always trigger aos_trace_steps_reject_update', 'P0001 aos_trace_steps is immutable: step 1 of trace t cannot be updated; 1'),
  ('create trigger a before update on app.aos_trace_steps for each row execute function public.runlink_test_trigger(''null''); alter table app.aos_trace_steps enable always trigger a', '55000 step 1 of trace "t" was not erased; 1'),
  ('create trigger a before update on app.aos_trace_steps for each row execute function public.runlink_test_trigger(''undo''); alter table app.aos_trace_steps enable replica trigger a', '55000 step 1 of trace "t" was not erased; 1'),
  ('create trigger a before update on app.aos_trace_steps for each row execute function public.runlink_test_trigger(''status''); alter table app.aos_trace_steps enable always trigger a', '55000 step 1 of trace "t" was not erased; 1'),
  ('create rule r as on update to app.aos_trace_steps do instead nothing; alter table app.aos_trace_steps enable always rule r', '55000 step 1 of trace "t" was not erased; 1'),
  ('alter table app.aos_trace_steps enable row level security', '55000 step 1 of trace "t" has not one row; 1'),
  ('alter table app.aos_trace_steps enable row level security; create policy p on app.aos_trace_steps for select using (true)', '55000 step 1 of trace "t" has not one row; 1'),
  ('alter table app.aos_trace_steps enable row level security; create policy p on app.aos_trace_steps using (true) with check (params ? ''pin'')', '42501 new row violates row-level security policy for table "aos_trace_steps"; 1'),
  ('alter table app.aos_trace_steps rename to steps; create view app.aos_trace_steps as select * from app.steps; grant select, update on app.aos_trace_steps to runlink_test_admin', '42809 app.aos_trace_steps is not a table; 1')) as v (s, e);

-- A trigger that does not fire always does not fire, and a rule does not apply.
create trigger a before update on aos_trace_steps for each row execute function public.runlink_test_trigger('never');
create trigger z after update on aos_trace_steps for each row execute function public.runlink_test_trigger('never');
create trigger s before update on aos_trace_steps for each statement execute function public.runlink_test_trigger('never');
create rule r as on update to aos_trace_steps do instead nothing;
set local role runlink_test_admin;
select lives_ok($$ select * from runlink_erase('t', 0, 'r') $$, 'triggers and rules of the application are passed');
reset role;
drop trigger a on aos_trace_steps; drop trigger z on aos_trace_steps; drop trigger s on aos_trace_steps; drop rule r on aos_trace_steps;

-- What the table's constraints call while triggers are passed is not the caller's: no other row is changed by it.
create function public.runlink_test_check(params jsonb) returns boolean language plpgsql as $$
begin
  return jsonb_typeof(params) is not null;
end $$;
create schema runlink_test_evil authorization runlink_test_admin;
set local role runlink_test_admin;
create function runlink_test_evil.jsonb_typeof(jsonb) returns text language plpgsql as $$
begin
  if current_setting('test.once', true) = '1' then
    perform set_config('test.once', '0', true);
    update app.aos_trace_steps set status = 'z' where trace_id = 't' and step_index = 8;
  end if;
  return 'object';
end $$;
reset role;
alter table aos_trace_steps add constraint checked check (public.runlink_test_check(params)) not valid;
set local role runlink_test_admin;
set local search_path = runlink_test_evil, pg_catalog, app, public, tap;
set local test.once = '1';
select lives_ok($$ select * from runlink_erase('t', 4, 'r') $$, 'a step is erased under a constraint that calls functions by the search_path');
set local search_path = app, public, tap;
reset role;
select isnt(status, 'z', 'who erases brings none of his own past the triggers') from aos_trace_steps where trace_id = 't' and step_index = 8;
alter table aos_trace_steps drop constraint checked;
drop schema runlink_test_evil cascade;

-- Generated columns, columns that came later (one of them payload), json and domains.
alter table aos_trace_steps add column pin text generated always as (params->>'pin') stored, add column later jsonb, add column note text default 'n';
select is(params->>'pin' || pin, '11', 'a generated column has the payload') from aos_trace_steps where trace_id = 't' and step_index = 1;
set local session_replication_role = replica;
update aos_trace_steps set later = '{"pin": 1}' where trace_id = 't' and step_index in (1, 2);
set local session_replication_role = origin;
select results_eq($$ select erased_columns from runlink_erase('t', 1, 'r') $$, $$ values ('{params,outcome_data,input_hash,output_hash,later}'::text[]) $$, 'payload in a column that came later is erased');
select results_eq($$ select pin, later, note from aos_trace_steps where trace_id = 't' and step_index = 1 $$, $$ values (null::text, '{"runlink_erased": true}'::jsonb, 'n') $$, 'and what is generated of it');
drop function pg_temp.add_steps;
create domain payload as json check (value is not null);
alter table aos_trace_steps alter outcome_data type payload using coalesce(outcome_data, '0')::json;
alter table aos_trace_steps alter outcome_data drop default;
select lives_ok($$ select * from runlink_erase('t', 3, 'r') $$, 'a payload of a domain over json is erased');
select results_eq($$ select outcome_data::text from aos_trace_steps where trace_id = 't' and step_index = 3 $$, $$ values ('{"runlink_erased": true}') $$, 'in its type');
select is(s.verdict, 'erased', 'and proved') from runlink_proof_steps('run of t') as s where s.step_index = 3;
select is(s.verdict, 'erased', 'as is what was erased before the change') from runlink_proof_steps('run of t') as s where s.step_index = 1;

-- A table in partitions: a row of whichever.
alter table aos_trace_steps rename to steps_0;
create table aos_trace_steps (like steps_0 including defaults including generated) partition by range (step_index);
create table steps_1 partition of aos_trace_steps for values from (0) to (6);
create table steps_2 partition of aos_trace_steps default;
insert into aos_trace_steps (id, trace_id, step_index, skill_id, skill_name, params, status, outcome_category, outcome_code, outcome_data, cost_cents, duration_ms,
    retry_count, input_hash, output_hash, rng_state_before, idempotency_key, replay_behavior, "timestamp", source, level, is_synthetic, synthetic_scenario_id)
  select id, trace_id, step_index, skill_id, skill_name, params, status, outcome_category, outcome_code, outcome_data, cost_cents, duration_ms,
    retry_count, input_hash, output_hash, rng_state_before, idempotency_key, replay_behavior, "timestamp", source, level, is_synthetic, synthetic_scenario_id
  from steps_0 where trace_id = 't';
create trigger reject before update on aos_trace_steps for each row execute function public.runlink_test_trigger('never');
select lives_ok($$ select * from runlink_erase('t', 5, 'r') as a, runlink_erase('t', 7, 'r') as b $$, 'rows of partitions are erased');
select results_eq($$ select step_index, verdict from runlink_proof_steps('run of t') as s where s.step_index in (5, 6, 7) order by 1 $$,
  $$ values (5, 'erased'), (6, 'altered'), (7, 'erased') $$, 'and proved');

select * from finish();
rollback;
