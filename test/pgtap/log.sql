-- The log: who may make and grow it, what enters, and what its proofs prove to somebody who holds a
-- checkpoint. That its tree is RFC 6962's is asserted against a tree computed here, at every size.

begin;
select * from no_plan();
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

create function pg_temp.begin_trace(trace text) returns void
begin atomic
  insert into app.aos_traces (trace_id, run_id, tenant_id, status, started_at)
    values (trace, 'run of ' || trace, 'tenant-a', 'running', '2026-01-01 00:00:00+00');
end;
create function pg_temp.add_step(trace text, step integer) returns void
begin atomic
  insert into app.aos_trace_steps (trace_id, step_index, skill_name, params)
    values (trace, step, 'skill', jsonb_build_object('i', step));
end;
create function pg_temp.end_trace(trace text) returns void
begin atomic
  update app.aos_traces set status = 'completed' where trace_id = end_trace.trace;
end;
create function pg_temp.sealed_trace(trace text) returns void
begin atomic
  select pg_temp.begin_trace(trace), pg_temp.add_step(trace, 0), pg_temp.end_trace(trace);
end;
-- What the proof says of a trace, as one text.
create function pg_temp.proof_of(trace text) returns text language sql as $$
  select concat_ws(' ', verification_status, assurance, checkpoint_size, failure_reason)
  from app.runlink_proof('run of ' || trace) where trace_id = trace
$$;
-- A change by a superuser who knows how to pass every trigger.
create function pg_temp.tamper(statement text) returns void language plpgsql as $$
begin
  set local session_replication_role = replica;
  execute statement;
  set local session_replication_role = origin;
end $$;

-- Before there is a log.

select matches(pg_temp.error_of($$ select runlink_create_log('example.com/log') $$),
  '^55000 there is no log\nIn the way: sealing was never enabled\.\nCall runlink_enable_sealing\(\) as a superuser\.$',
  'a log needs sealing');
select matches(pg_temp.error_of('select runlink_checkpoint()'), '^55000 there is no log\nIn the way: sealing was never enabled\.\n',
  'and so does a checkpoint');
select runlink_enable_sealing() \g /dev/null
select pg_temp.sealed_trace('early') \g /dev/null
select is(pg_temp.proof_of('early'), 'VERIFIED sealed', 'without a log a trace is sealed and no more');
select is(pg_temp.error_of(q), e'55000 there is no log\nSeals are kept, but nothing that an outsider could hold.\n'
    'Call runlink_create_log(origin) as a superuser.', q)
from unnest('{"select runlink_checkpoint()","select runlink_inclusion_proof(''run of early'')","select runlink_consistency_proof(0, 0)"}'::text[]) as q;

-- Who may make it, and under what name.

grant usage on schema runlink to runlink_test_auditor;
grant select on all tables in schema runlink to runlink_test_auditor;
grant execute on function runlink_create_log(text), runlink_checkpoint() to runlink_test_auditor, runlink_test_reader;
select is(pg_temp.try(r, $$ select app.runlink_create_log('example.com/log') $$), '42501', r || ' may not make the log, whatever is granted')
from unnest('{runlink_test_owner,runlink_test_auditor,runlink_test_reader}'::text[]) as r;
select matches(pg_temp.error_of(format('select runlink_create_log(%L)', origin)), '^22023 origin ' || why, 'an origin ' || why)
from (values ('', 'is empty'), (repeat('x', 256), 'is longer than 255 bytes'), (repeat('ä', 128), 'is longer'),
  ('a b', 'has a space'), (U&'a\3000b', 'has a space'), (U&'a\00A0b', 'has a space'),
  (U&'a\2028b', 'has a space'), ('a+b', 'has a plus'), (e'a\nb', 'has a'), (e'a\u0001b', 'has a control'),
  (e'a\u007fb', 'has a control'), (U&'a\0085b', 'has a')) as v(origin, why);
select is(pg_temp.try(current_user, 'select app.runlink_create_log(null)'), '22004', 'NULL is none');
select is((select count(*) from runlink.log), 0::bigint, 'nothing of that made a log');
create function pg_temp.can_be(origin text) returns boolean language plpgsql as $$
begin
  perform app.runlink_create_log(origin);
  raise exception 'undo';
exception when raise_exception then
  return true;
end $$;
select ok(pg_temp.can_be(o), 'but this is one: ' || left(o, 20))
from unnest(array['x', repeat('x', 255), 'example.com/журнал', '—', 'a/b?c#d']) as o;
select runlink_create_log('example.com/журнал') \g /dev/null
select is(pg_temp.error_of($$ select runlink_create_log('example.com/log') $$), e'55000 there is a log already\n'
  'Its origin is "example.com/журнал", and is settled for good.\nCheckpoints of it are made by runlink_checkpoint().', 'a second log is refused');

-- Who may grow it.

select is(pg_temp.try('runlink_test_owner', 'select app.runlink_checkpoint()'), '42501', 'EXECUTE is not for everybody');
select matches(pg_temp.ask('runlink_test_reader', 'select app.runlink_checkpoint()'),
  '^42501 permission denied for schema runlink\nrunlink_checkpoint reads what is recorded of every tenant as role "runlink_test_reader"\.\n'
  'Grant USAGE on schema runlink and SELECT on its tables to auditors\.$', 'nor is it enough');
select matches(pg_temp.ask('runlink_test_reader', 'select app.runlink_consistency_proof(0, 0)'), '^42501 permission denied for schema runlink\n',
  'the consistency proof is for auditors too');

-- The empty log, one entry, and the same again.

select pg_temp.tamper('delete from runlink.unlogged') \g /dev/null
select is(pg_temp.ask('runlink_test_auditor', 'select app.runlink_checkpoint()'),
  e'example.com/журнал\n0\n' || encode(sha256(''), 'base64') || e'\n', 'the checkpoint of a log without entries');
select is(pg_temp.ask('runlink_test_auditor', 'select app.runlink_consistency_proof(0, 0)'),
  e'old 0\n\nexample.com/журнал\n0\n' || encode(sha256(''), 'base64') || e'\n\n', 'and its consistency with itself');
select is(pg_temp.proof_of('early'), 'FAILED sealed seal 0 is neither in the log nor waiting to enter it', 'a seal that was kept from the log is told');
insert into runlink.unlogged (trace_id, seal_no) values ('early', 0);
select is(pg_temp.proof_of('early'), 'VERIFIED sealed', 'one that waits is sealed');
select results_eq($$ select trace_id, seal_no, entry, seal_hash ~ '^[0-9a-f]{64}$', checkpoint_size, proof from runlink_inclusion_proof('run of early') $$,
  $$ values ('early', 0, null::bigint, true, null::bigint, null::text) $$, 'and has a row without proof');
select is(pg_temp.ask('runlink_test_auditor', 'select app.runlink_checkpoint()'),
  (select format(e'example.com/журнал\n1\n%s\n', encode(decode(seal_hash, 'hex'), 'base64')) from runlink_inclusion_proof('run of early')),
  'the root over one entry is its hash');
select is(runlink_checkpoint(), pg_temp.ask('runlink_test_auditor', 'select app.runlink_checkpoint()'), 'nothing new: the same checkpoint');
select results_eq('select size from runlink.checkpoint order by 1', '{0,1}'::bigint[], 'of which one is kept');
select is(pg_temp.proof_of('early'), 'VERIFIED logged 1', 'a trace is logged');
select is((runlink_proof_json('run of early') #>> '{integrity,runlink,assurance}'), 'logged', 'in JSON as well');
select is((select proof from runlink_inclusion_proof('run of early')),
  (select format(e'c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/журнал\n1\n%s\n\n', encode(decode(seal_hash, 'hex'), 'base64'))
   from runlink_inclusion_proof('run of early')), 'the proof of a lone entry has no hash');
select is((select sha256('\x00' || convert_to(format('{"backfilled":0,"chain_head":"%s","encoding":"%s","final":true,"format":"runlink-seal/v1",'
    '"merkle_root":"%s","prev":null,"run_id":"run of early","seal_no":0,"sealed_at":"%s","step_count":1,"tenant_id":"tenant-a","trace_id":"early",'
    '"trace_status":"completed"}', encode(chain_head, 'hex'), (select encode(id, 'hex') from runlink.encoding), encode(merkle_root, 'hex'),
    to_char(sealed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'UTF8')) from runlink.seal),
  (select seal_hash from runlink.log_entry), 'the hash of an entry is that of its seal, as doc/format.md has it');

-- What enters: the newest seal of each trace, by sealed_at and trace_id; a trace sealed again, anew.

select pg_temp.sealed_trace(t) from unnest('{c,a,b}'::text[]) with ordinality as x(t, n) order by n \g /dev/null
select pg_temp.add_step('early', 1) \g /dev/null
select count(*) from runlink_seal_pending() \g /dev/null
select pg_temp.add_step('early', 2) \g /dev/null
select count(*) from runlink_seal_pending() \g /dev/null
select is(pg_temp.proof_of('early'), 'VERIFIED sealed', 'sealed again, and not logged since');
select results_eq($$ select seal_no, entry, checkpoint_size from runlink_inclusion_proof('run of early') $$,
  'values (0, 0::bigint, 1::bigint)', 'its proof is of what is in the log');
select runlink_checkpoint() \g /dev/null
select results_eq('select entry, trace_id::text, seal_no from runlink.log_entry order by 1',
  $$ values (0::bigint, 'early', 0), (1, 'c', 0), (2, 'a', 0), (3, 'b', 0), (4, 'early', 2) $$, 'the order of entries is that of sealing');
select is(pg_temp.proof_of('early'), 'VERIFIED logged 5', 'logged again');
select is_empty('select from runlink.unlogged', 'nothing waits');
insert into runlink.unlogged (trace_id, seal_no) values ('a', 0), ('early', 1), ('early', 2);
select runlink_checkpoint() \g /dev/null
select is((select count(*) from runlink.log_entry), 5::bigint, 'what is the newest logged one does not enter again');
select is_empty('select from runlink.unlogged', 'and waits no longer');

-- Every entry at every size, every pair of checkpoints.

create function pg_temp.node(l bytea, r bytea) returns bytea immutable language sql return sha256('\x01' || l || r);
-- MTH of RFC 6962.
create function pg_temp.tree(leaves bytea[]) returns bytea immutable language plpgsql as $$
declare
  n integer := cardinality(leaves);
  k integer := 1;
begin
  if n = 0 then return sha256(''); end if;
  if n = 1 then return leaves[1]; end if;
  while k * 2 < n loop k := k * 2; end loop;
  return pg_temp.node(pg_temp.tree(leaves[1:k]), pg_temp.tree(leaves[k + 1:n]));
end $$;
do $$
begin
  for n in 6..70 loop
    perform pg_temp.sealed_trace('t' || n);
    perform runlink_checkpoint();
  end loop;
end $$;
create temp table leaves as select array_agg(seal_hash order by entry) as leaves from runlink.log_entry;
select is((select count(*) from runlink.checkpoint), 68::bigint, 'a checkpoint of each size from 5 to 70, and of 0 and 1');
select is_empty('select size from runlink.checkpoint, leaves where root is distinct from pg_temp.tree(leaves[1:size])', 'each with the root of RFC 6962');
select is_empty($$ select level, position from runlink.log_node, leaves
  where hash is distinct from pg_temp.tree(leaves[(position << level) + 1:(position + 1) << level]) $$, 'as has each node');
select is((select count(*) from runlink.log_node), (select sum(70 >> level) from generate_series(1, 6) as level), 'which are all complete subtrees');

create function pg_temp.hashes(proof text) returns bytea[] immutable language sql return (
  select coalesce(array_agg(decode(line, 'base64') order by n), '{}')
  from string_to_table(split_part(proof, e'\n\n', 1), e'\n') with ordinality as l(line, n)
  where line !~ '^(c2sp.org/tlog-proof@v1|index \d+|old \d+)$');
create temp table proved (entry bigint, size bigint, leaf bytea, hashes bytea[], root bytea);
-- A proof is against the smallest signed checkpoint that covers the entry: each of them is signed in turn.
do $$
begin
  for n in 1..70 loop
    continue when not exists (select from runlink.checkpoint where size = n);
    insert into runlink.signature (size, added_at, verified, name, key_id, root, signature)
      select n, now(), true, 'k', '00000000', root, 'not looked at' from runlink.checkpoint where size = n;
    insert into proved select p.entry, p.checkpoint_size, decode(p.seal_hash, 'hex'), pg_temp.hashes(p.proof), c.root
      from (select distinct trace_id from runlink.log_entry) as t, app.runlink_inclusion_proof('run of ' || t.trace_id) as p, runlink.checkpoint c
      where p.entry < n and c.size = p.checkpoint_size;
    perform pg_temp.tamper('delete from runlink.signature');
  end loop;
end $$;
select is((select array_agg(distinct size) from proved), (select array_agg(size order by size) from runlink.checkpoint where size > 1),
  'proofs were made against every checkpoint');
select is((select count(*) from proved), (select sum(size - 1) from runlink.checkpoint where size > 1)::bigint,
  'of every newest entry of a trace that it covers');
select is_empty('select entry, size from proved where not runlink_verify_inclusion(leaf, entry, size, hashes, root)', 'and every one holds');
select is_empty($$ select p.entry, p.size, c.size from proved p join runlink.checkpoint c on c.size <> p.size
  where runlink_verify_inclusion(p.leaf, p.entry, c.size, p.hashes, c.root) $$, 'against no other checkpoint');
select is_empty($$ select p.entry, p.size, other from proved p, generate_series(0, p.size) as other
  where other <> p.entry and runlink_verify_inclusion(p.leaf, other, p.size, p.hashes, p.root) $$, 'for no other entry');
select is_empty($$ select p.entry, p.size, i from proved p, generate_series(1, cardinality(p.hashes)) as i
  where runlink_verify_inclusion(p.leaf, p.entry, p.size, p.hashes[:i - 1] || set_bit(p.hashes[i], i, 1 - get_bit(p.hashes[i], i)) || p.hashes[i + 1:], p.root) $$,
  'with no hash changed');
select is_empty($$ select p.entry, p.size, i from proved p, generate_series(1, cardinality(p.hashes)) as i
  where runlink_verify_inclusion(p.leaf, p.entry, p.size, p.hashes[:i - 1] || p.hashes[i + 1:], p.root) $$, 'with none less');
select is_empty($$ select p.entry, p.size from proved p where runlink_verify_inclusion(p.leaf, p.entry, p.size, p.hashes || p.root, p.root)
  or runlink_verify_inclusion(p.leaf, p.entry, p.size, p.root || p.hashes, p.root) $$, 'with none more');
select is_empty($$ select p.entry, p.size from proved p where runlink_verify_inclusion(p.root, p.entry, p.size, p.hashes, p.root) and p.size > 1
  or runlink_verify_inclusion(set_bit(p.leaf, 9, 1 - get_bit(p.leaf, 9)), p.entry, p.size, p.hashes, p.root)
  or runlink_verify_inclusion(p.leaf, p.entry, p.size, p.hashes, set_bit(p.root, 9, 1 - get_bit(p.root, 9))) $$, 'for no other leaf, against no other root');

create temp table consistent as
select o.size as old, o.root as old_root, n.size as new, n.root as new_root, pg_temp.hashes(runlink_consistency_proof(o.size, n.size)) as hashes
from runlink.checkpoint o join runlink.checkpoint n on o.size <= n.size;
select is((select count(*) from consistent), (68 * 69 / 2)::bigint, 'a consistency proof of every pair');
select is_empty('select old, new from consistent where not runlink_verify_consistency(old, new, old_root, new_root, hashes)', 'holds');
select is_empty($$ select c.old, c.new, x.size from consistent c join runlink.checkpoint x on x.size not in (c.old, c.new)
  where c.old < c.new and (runlink_verify_consistency(x.size, c.new, x.root, c.new_root, c.hashes) and c.old > 0
    or runlink_verify_consistency(c.old, x.size, c.old_root, x.root, c.hashes) and c.old > 0) $$, 'between no other two');
select is_empty($$ select old, new, i from consistent, generate_series(1, cardinality(hashes)) as i
  where runlink_verify_consistency(old, new, old_root, new_root, hashes[:i - 1] || set_bit(hashes[i], i, 1 - get_bit(hashes[i], i)) || hashes[i + 1:]) $$,
  'with no hash changed');
select is_empty($$ select old, new, i from consistent, generate_series(1, cardinality(hashes)) as i
  where runlink_verify_consistency(old, new, old_root, new_root, hashes[:i - 1] || hashes[i + 1:]) $$, 'with none less');
select is_empty($$ select old, new from consistent where runlink_verify_consistency(old, new, old_root, new_root, hashes || new_root)
  or runlink_verify_consistency(old, new, old_root, new_root, new_root || hashes) $$, 'with none more');
select is_empty($$ select old, new from consistent where old < new and (runlink_verify_consistency(new, old, new_root, old_root, hashes)
  or runlink_verify_consistency(old, new, new_root, old_root, hashes)) $$, 'and not the other way round');

-- What is no proof at all.
select is(runlink_verify_inclusion(leaf, entry, size, hashes, root), expected, what)
from (select sha256('a') as a, sha256('b') as b) as h, lateral (values
  ('one entry', h.a, 0::bigint, 1::bigint, '{}'::bytea[], h.a, true),
  ('no tree', h.a, 0, 0, '{}', h.a, false),
  ('a negative entry', h.a, -1, 1, '{}', h.a, false),
  ('a negative size', h.a, 0, -1, '{}', h.a, false),
  ('a leaf too short', '\x00', 0, 1, '{}', '\x00', false),
  ('a root too long', h.a, 0, 1, '{}', h.a || '\x00', false),
  ('a NULL in the proof', h.a, 0, 2, array[null]::bytea[], pg_temp.node(h.a, h.b), false),
  ('an empty hash in the proof', h.a, 0, 2, array[''::bytea], pg_temp.node(h.a, h.b), false),
  ('two entries', h.a, 0, 2, array[h.b], pg_temp.node(h.a, h.b), true),
  ('two dimensions', h.a, 0, 2, array[array[h.b]], pg_temp.node(h.a, h.b), false),
  ('more hashes than any tree has levels', h.a, 0, 2, array_fill(h.b, '{1000}'), pg_temp.node(h.a, h.b), false),
  ('the largest tree', h.a, 9223372036854775806, 9223372036854775807, '{}', h.a, false)) as v(what, leaf, entry, size, hashes, root, expected);
select is(runlink_verify_consistency(old, new, old_root, new_root, hashes), expected, what)
from (select sha256('a') as a, sha256('') as e) as h, lateral (values
  ('nothing begins everything', 0::bigint, 5::bigint, h.e, h.a, '{}'::bytea[], true),
  ('with nothing to prove', 0, 5, h.e, h.a, array[h.a], false),
  ('an empty tree has one root', 0, 5, h.a, h.a, '{}', false),
  ('the empty tree and itself', 0, 0, h.e, h.e, '{}', true),
  ('two empty trees of another root', 0, 0, h.a, h.a, '{}', false),
  ('a tree and itself', 5, 5, h.a, h.a, '{}', true),
  ('a tree and itself, proved', 5, 5, h.a, h.a, array[h.a], false),
  ('a tree and another', 5, 5, h.a, h.e, '{}', false),
  ('negative sizes', -1, -1, h.a, h.a, '{}', false),
  ('a NULL in the proof', 1, 2, h.a, h.a, array[null]::bytea[], false),
  ('roots too short', 5, 5, '\x00', '\x00', '{}', false)) as v(what, old, new, old_root, new_root, hashes, expected);
select is(runlink_verify_inclusion(null, 0, 1, '{}', sha256('')), null, 'NULL is not known');

-- Arguments.
select matches(pg_temp.error_of(format('select runlink_consistency_proof(%s, %s)', old, new)), error, error)
from (values ('null', '1', '^22004 old must not be null'), ('1', 'null', '^22004 new must not be null'), ('-1', '1', '^22023 old must not be negative'),
  ('6', '5', '^22023 old must not be above new'),
  ('0', '71', '^22023 there is no checkpoint of size 71\nThe newest is of size 70\.\nSee runlink.checkpoint for their sizes'),
  ('0', '2', '^22023 there is no checkpoint of size 2\n')) as v(old, new, error);
select is(pg_temp.try(current_user, q), '22004', q) from unnest('{select runlink_inclusion_proof(null)}'::text[]) as q;
select is(pg_temp.try(current_user, $$ select runlink_inclusion_proof('') $$), '22023', 'run_id is checked as by runlink_proof');
select is_empty($$ select from runlink_inclusion_proof('nobody') $$, 'a run without traces has no proof');

-- Signed: by a registered key, the root that the checkpoint has.
insert into runlink.signature (size, added_at, verified, name, key_id, root, signature)
  select c.size, now(), v.verified, v.name, '0000000a', case when v.same then c.root else sha256('other') end, 'x'
  from runlink.checkpoint c join (values (20, false, true, 'unknown'), (30, true, true, 'witness'), (30, true, true, 'example.com/журнал'), (60, true, true, 'late'))
    as v(size, verified, same, name) on v.size = c.size;
select is(pg_temp.proof_of('t10'), 'VERIFIED signed 30', 'the smallest checkpoint counts that a registered key signed');
select is(pg_temp.proof_of('t65'), 'VERIFIED logged 65', 'what no signed one covers is logged');
select matches((select proof from runlink_inclusion_proof('run of t10')),
  '^c2sp\.org/tlog-proof@v1\nindex 9\n([A-Za-z0-9+/]{43}=\n)+\nexample\.com/журнал\n30\n[A-Za-z0-9+/]{43}=\n\n— example\.com/журнал AAAACng=\n— witness AAAACng=\n$',
  'the proof has its signatures, the log''s own first');
select matches(pg_temp.ask('runlink_test_auditor', 'select app.runlink_consistency_proof(20, 30)'),
  '^old 20\n([A-Za-z0-9+/]{43}=\n)+\nexample\.com/журнал\n30\n[A-Za-z0-9+/]{43}=\n\n— example\.com/журнал AAAACng=\n— witness AAAACng=\n$',
  'and so has what a witness is sent');
select is(split_part(runlink_checkpoint(), e'\n', 2), '70', 'signatures of what the log has do not stop it');

-- Who is told: as the proof, under row-level security.
select is(pg_temp.ask('runlink_test_reader', $$ select entry from app.runlink_inclusion_proof('run of t10') $$), '9', 'a reader of the traces has their proofs');
alter table aos_traces enable row level security;
select is(pg_temp.ask('runlink_test_reader', $$ select count(*) from app.runlink_inclusion_proof('run of t10') $$), '0', 'but not of those hidden from it');
alter table aos_traces disable row level security;

-- Each column of the log that a superuser changes: the checkpoint refuses, or the proof fails.
create function pg_temp.after_tampering(statement text, trace text) returns text language plpgsql as $$
declare
  result text;
  state text;
  detail text;
begin
  begin
    perform pg_temp.tamper(statement);
    result := pg_temp.proof_of(trace);
    begin
      result := result || ' / ' || split_part(runlink_checkpoint(), e'\n', 2);
    exception when others then
      get stacked diagnostics state = returned_sqlstate, detail = pg_exception_detail;
      result := result || format(' / %s %s: %s', state, sqlerrm, detail);
    end;
    raise exception 'undo' using errcode = 'P0001';
  exception when raise_exception then
  end;
  return result;
end $$;
select is(pg_temp.after_tampering('select', 't69'), 'VERIFIED logged 69 / 70', 'untouched, for comparison');
select matches(pg_temp.after_tampering(statement, trace), expected, statement)
from (values
  ('update runlink.log_entry set seal_hash = sha256(''x'') where trace_id = ''t10''', 't10',
   '^FAILED sealed seal 0 is not the one that entered the log as entry 9 / 70$'),
  ('update runlink.log_entry set seal_hash = ''x'' where trace_id = ''t10''', 't10', '^FAILED sealed seal 0 is not the one that entered the log as entry 9 / 70$'),
  ('update runlink.log_entry set seal_no = 1 where trace_id = ''t10''', 't10', '^FAILED sealed seal 1, which entered the log as entry 9, is missing / 70$'),
  ('update runlink.log_entry set trace_id = ''nobody'' where trace_id = ''t10''', 't10', '^FAILED sealed seal 0 is neither in the log nor waiting to enter it / 70$'),
  ('update runlink.log_entry set trace_id = ''t10'' where trace_id = ''t11''', 't10', '^FAILED sealed seal 0 is not the one that entered the log as entry 10 / 70$'),
  ('update runlink.log_entry set entry = entry + 1000 where trace_id = ''t65''', 't65',
   '^VERIFIED sealed / XX001 the log is damaged: In schema runlink, the node at level \d+, position \d+ is missing\.$'),
  ('insert into runlink.log_entry (entry, seal_no, trace_id, seal_hash) values (9223372036854775807, 0, ''x'', sha256(''x''))', 't10',
   '^VERIFIED signed 30 / XX001 the log is damaged: In schema runlink, the node at level \d+, position \d+ is missing\.$'),
  ('delete from runlink.log_entry where trace_id = ''t10''', 't9', '^FAILED sealed the log contradicts itself: entry 9 is missing / 70$'),
  ('delete from runlink.log_entry where trace_id = ''t70''', 't70',
   '^FAILED sealed seal 0 is neither in the log nor waiting to enter it / 55000 ROLLED_BACK: entries of the log are gone that a checkpoint of it covered: The log has 69 entries; the newest checkpoint is of size 70\.$'),
  ('delete from runlink.log_node where level = 1 and position = 5', 't10', '^FAILED sealed the log contradicts itself: the node at level 1, position 5 is missing / 70$'),
  ('update runlink.log_node set hash = sha256(''x'') where level = 1 and position = 5', 't10',
   '^FAILED sealed the log contradicts itself: entry 9 and the nodes above it do not give the root of the checkpoint of size 30 / 70$'),
  ('update runlink.log_node set hash = ''x'' where level = 1 and position = 5', 't10',
   '^FAILED sealed the log contradicts itself: the node at level 1, position 5 has a hash that is not of 32 bytes / 70$'),
  ('update runlink.log_node set level = 9 where level = 1 and position = 5', 't10', '^FAILED sealed the log contradicts itself: the node at level 1, position 5 is missing / 70$'),
  ('update runlink.log_node set position = 999 where level = 1 and position = 5', 't10', '^FAILED sealed the log contradicts itself: the node at level 1, position 5 is missing / 70$'),
  ('delete from runlink.log_node where level = 6', 't69', '^FAILED sealed the log contradicts itself: the node at level 6, position 0 is missing / XX001 the log is damaged: In schema runlink, the node at level 6, position 0 is missing\.$'),
  ('update runlink.checkpoint set root = sha256(''x'') where size = 70', 't70',
   '^FAILED sealed the log contradicts itself: entry 69 .* of size 70 / 55000 FORKED: the log has another root than a checkpoint of it: The log has 70 entries; over the first 70 of them its root is not that of the newest checkpoint\.$'),
  ('update runlink.checkpoint set root = sha256(''x'') where size = 65', 't65',
   '^FAILED sealed the log contradicts itself: entry 64 and the nodes above it do not give the root of the checkpoint of size 65 / 70$'),
  ('update runlink.checkpoint set root = sha256(''x'') where size = 30', 't30', '^VERIFIED signed 60 / 70$'),
  ('update runlink.checkpoint set size = 71 where size = 70', 't70', ' / 55000 ROLLED_BACK: .*: The log has 70 entries; the newest checkpoint is of size 71\.$'),
  ('update runlink.checkpoint set size = 2 where size = 70', 'c',
   '^VERIFIED signed 30 / 70$'),
  ('delete from runlink.checkpoint', 't70', '^VERIFIED sealed / 70$'),
  ('update runlink.signature set size = 80 where size = 60', 't55', ' / 55000 ROLLED_BACK: .*: The log has 70 entries; a signed checkpoint is of size 80\.$'),
  ('update runlink.signature set root = sha256(''x'') where size = 60', 't55', '^VERIFIED logged 55 / 55000 FORKED: .*: The log has 70 entries; over the first 60 of them its root is not that of a signed checkpoint\.$')) as v(statement, trace, expected);
select matches(pg_temp.error_of($$ select pg_temp.after_tampering('insert into runlink.log select now(), ''other''', 't10') $$),
  '^XX001 the log is damaged\nIn schema runlink, table log has more than one row\.\n', 'a second log put beside it is an error');

-- Entries of which one could be without a hash.
savepoint good;
alter table runlink.log_entry alter seal_hash drop not null;
select pg_temp.tamper($$ update runlink.log_entry set seal_hash = null where entry = 1 $$) \g /dev/null
select matches(pg_temp.error_of($$ select * from runlink_verify_checkpoint(e'example.com/log\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n') $$),
  'In the way: runlink\.log_entry has other columns than runlink gave it\.', 'a column of the state that may be NULL is not read');
select matches(pg_temp.error_of('select runlink_checkpoint()'), 'runlink\.log_entry has other columns', 'and nothing is built on it');
rollback to good;

-- A superuser who rewrites a step and seals it anew, or does away with a trace's seals.
select pg_temp.sealed_trace(t) from unnest('{rewritten,resealed,emptied,archived}'::text[]) as t \g /dev/null
select runlink_checkpoint() \g /dev/null
select pg_temp.tamper($$ update app.aos_trace_steps set params = '{"i": "other"}' where trace_id = 'rewritten' $$),
  pg_temp.tamper($$ delete from runlink.seal where trace_id in ('rewritten', 'resealed', 'emptied') $$),
  pg_temp.tamper($$ delete from app.aos_trace_steps where trace_id in ('emptied', 'archived') $$),
  pg_temp.tamper($$ insert into app.aos_traces_archive select * from app.aos_traces where trace_id = 'archived' $$),
  pg_temp.tamper($$ delete from app.aos_traces where trace_id = 'archived' $$) \g /dev/null
select is((select string_agg(trace_id, ' ' order by trace_id) from runlink_seal_pending()), 'emptied resealed rewritten', 'everything is sealed anew');
select matches(pg_temp.proof_of('rewritten'), '^FAILED sealed seal 0 is not the one that entered the log as entry \d+$', 'rewritten and sealed anew: told by the log');
select matches(pg_temp.proof_of('resealed'), '^FAILED sealed seal 0 is not the one that entered the log as entry \d+$', 'so is the same step sealed later than it was');
select runlink_checkpoint() \g /dev/null
select matches(pg_temp.proof_of('rewritten'), '^FAILED sealed seal 0 is not the one that entered the log as entry \d+$', 'and no checkpoint launders it');
select pg_temp.tamper($$ delete from runlink.seal where trace_id = 'emptied' $$) \g /dev/null
select matches(pg_temp.proof_of('emptied'), '^FAILED none seal 0, which entered the log as entry \d+, is missing$', 'a trace whose seals and steps are gone');
select matches(pg_temp.proof_of('archived'), '^ARCHIVED logged 74 the application moved the trace to aos_traces_archive', 'an archived trace stays logged');
select is((select count(*) from runlink_inclusion_proof('run of archived') where proof is not null), 1::bigint, 'and has its proof');

select * from finish();
rollback;
