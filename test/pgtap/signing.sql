-- runlink_add_key, runlink_add_signature, runlink_verify_note and runlink_verify_checkpoint: what they
-- take, what they answer, and each refusal with its reason. What attacks they see is in
-- t/018_attacks.pl, the way with openssl alone in t/017_signing.pl.

begin;
select * from no_plan();
set local client_min_messages = error;

create role runlink_test_owner;
create role runlink_test_auditor;
create role runlink_test_signer;
create role runlink_test_reader;
create schema app authorization runlink_test_owner;
create extension runlink schema app;
set local role runlink_test_owner;
set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
reset role;
grant usage on schema app to runlink_test_auditor, runlink_test_signer, runlink_test_reader;
set local search_path = app, public, tap;

\i test/fixture/asking.sql

create function pg_temp.add_trace(trace text) returns void
begin atomic
  insert into app.aos_traces (trace_id, run_id, tenant_id, status, started_at)
    values (trace, 'run of ' || trace, 'tenant-a', 'running', '2026-01-01 00:00:00+00');
  insert into app.aos_trace_steps (trace_id, step_index, skill_name, params)
    select add_trace.trace, i, 'skill ' || i, jsonb_build_object('i', i) from generate_series(0, 2) as i;
  update app.aos_traces set status = 'completed' where trace_id = add_trace.trace;
end;

-- A note, put together from its text and its signature lines.
create function pg_temp.note(checkpoint text, variadic lines text[]) returns text
begin atomic
  select checkpoint || e'\n' || array_to_string(lines, e'\n') || e'\n';
end;
-- What brings a note to one of the functions, as SQL.
create function pg_temp.of_note(function text, note text) returns text
begin atomic
  select format('select string_agg(n::text, e''\n'') from %I(%L) as n', function, note);
end;
create function pg_temp.refusal(function text, note text) returns text
begin atomic
  select pg_temp.error_of(pg_temp.of_note(function, note));
end;

-- Published notes.

\set foo 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
\set foo_line '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM='
\set sum 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8'
\set sum_text 'go.sum database tree\n49189689\nftjbAOzaupaIvaPo/G+Dk63nxOZ2s1OPOKIaPtXs7S4=\n'
\set sum_line '— sum.golang.org Az3grlKZssqRoMNPpZfKt0TphbbcF+pzXqElURJKRNFKfaUAgqeI5k2AORH0QAhg/ebRwyIqD/OqP4oLtLnNumvOBAM='
\set text 'This is an example message.\n'

select ok(runlink_verify_note(pg_temp.note(:'text', :'foo_line'), :'foo'), 'the example of c2sp.org/signed-note verifies');
select ok(runlink_verify_note(pg_temp.note(:'sum_text', :'sum_line'), :'sum'), 'a tree signed by sum.golang.org verifies');
select ok(not runlink_verify_note(pg_temp.note(replace(:'sum_text', '49189689', '49189688'), :'sum_line'), :'sum'), 'and of another size it does not');
select ok(not runlink_verify_note(pg_temp.note(:'text', :'foo_line'), :'sum'), 'a note that the key did not sign does not verify');
select ok(not runlink_verify_note(pg_temp.note('x' || :'text', :'foo_line'), :'foo'), 'another text does not');
select ok(runlink_verify_note(pg_temp.note(:'text', :'sum_line', :'foo_line'), :'foo'), 'signatures by others are ignored, whatever they are');
select ok(not runlink_verify_note(pg_temp.note(:'text', :'foo_line', replace(:'foo_line', 'IneyaQM=', 'IneyaQQ=')), :'foo'), 'every signature of the key has to verify');
select ok(not runlink_verify_note(pg_temp.note(:'text', '— example.com/foo Uw2QOkk='), :'foo'), 'one that is too short does not');
select ok(not runlink_verify_note(:'text', :'foo'), 'a text without signatures does not');
select ok(runlink_verify_note(null, :'foo') is null and runlink_verify_note(:'text', null) is null, 'NULL gives NULL');

\set witness `test/fixture/sign-note vkey witness.example.com/w1 4 2`
select :'sum_text' as checkpoint \gset
\setenv CHECKPOINT :checkpoint
\set cosigned `test/fixture/sign-note line witness.example.com/w1 4 2 1679315147`
\set cosigned_late `test/fixture/sign-note line witness.example.com/w1 4 2 9223372036854775807`
\set cosigned_too_late `test/fixture/sign-note line witness.example.com/w1 4 2 9223372036854775808`
\set cosigned_as_plain `test/fixture/sign-note line witness.example.com/w1 1 2`
select ok(runlink_verify_note(pg_temp.note(:'sum_text', :'cosigned'), :'witness'), 'a cosignature verifies');
select ok(not runlink_verify_note(pg_temp.note(replace(:'sum_text', '9', '8'), :'cosigned'), :'witness'), 'of another text it does not');
select ok(runlink_verify_note(pg_temp.note(:'sum_text', :'cosigned_late'), :'witness'), 'its time is 2^63 - 1 at most');
select ok(not runlink_verify_note(pg_temp.note(:'sum_text', :'cosigned_too_late'), :'witness'), 'and no later');
select ok(not runlink_verify_note(pg_temp.note(:'sum_text', :'cosigned_as_plain'), :'witness'), 'a plain signature by the same key is of another key id');

-- Malformed keys.

create temp table bad_key (vkey text, says text);
insert into bad_key values
  ('', '22023 the verifier key is malformed: it is not made of a name, a key id and a key with a plus between them'),
  ('example.com/foo+530d903a', '22023 the verifier key is malformed: it is not made of'),
  (replace(:'foo', 'example.com/foo', ''), '22023 the verifier key is malformed: the name in it is empty'),
  (replace(:'foo', '/foo', ' foo'), '22023 the verifier key is malformed: the name in it has a space in it'),
  (replace(:'foo', '/foo', U&'\00a0foo'), '22023 the verifier key is malformed: the name in it has a space in it'),
  (replace(:'foo', '/foo', e'\u0001foo'), '22023 the verifier key is malformed: the name in it has a control character'),
  (replace(:'foo', '530d903a', '530D903A'), '22023 the verifier key is malformed: the key id in it is not of 8 hex digits in lower case'),
  (replace(:'foo', '530d903a', '530d903'), '22023 the verifier key is malformed: the key id in it is not of 8 hex digits'),
  (replace(:'foo', '530d903a', '530d903b'), '22023 the verifier key is malformed: the key id in it is not the one of its name, type and key, which is 530d903a'),
  (replace(:'foo', '/foo', '/fo'), '22023 the verifier key is malformed: the key id in it is not the one of its name, type and key'),
  (left(:'foo', -1), '22023 the verifier key is malformed: the key in it is not base64'),
  (:'foo' || e'\n', '22023 the verifier key is malformed: the key in it is not base64'),
  (left(:'foo', -4), '22023 the verifier key is malformed: the key in it has 29 bytes, not 32'),
  ('a+00000000+', '22023 the verifier key is malformed: the key in it is empty'),
  ('a+00000000+AR==', '22023 the verifier key is malformed: the key in it is base64, but not in its canonical form'),
  ('a+00000000+' || encode('\x02aabb', 'base64'), '0A000 the verifier key is malformed: the key in it is of type 0x02, which is neither Ed25519 (0x01) nor cosignature/v1 (0x04)'),
  ('a+00000000+' || encode('\x06aabb', 'base64'), '0A000 the verifier key is malformed: the key in it is of type 0x06');
select ok(starts_with(pg_temp.error_of(format('select %s', call)), says), 'refused: ' || says || ' (' || left(call, 18) || ')')
from bad_key cross join lateral (values
  (format('runlink_verify_note(%L, %L)', pg_temp.note(:'text', :'foo_line'), vkey)), (format('runlink_add_key(%L)', vkey))) as c (call);

-- Before there is a state, and a log.

select matches(pg_temp.error_of(format('select runlink_add_key(%L)', :'foo')),
  '^55000 there is no state to keep a key in\nIn the way: sealing was never enabled\.\nCall runlink_enable_sealing', 'no key before sealing is enabled');
select matches(pg_temp.refusal(f, pg_temp.note(:'sum_text', :'sum_line')), '^55000 there is no log\n.*sealing was never enabled', f || ' says so too')
from unnest('{runlink_add_signature,runlink_verify_checkpoint}'::text[]) as f;
select runlink_enable_sealing() \g /dev/null
select matches(pg_temp.refusal(f, pg_temp.note(:'sum_text', :'sum_line')), '^55000 there is no log\n.*\n.*runlink_create_log', f || ' needs a log')
from unnest('{runlink_add_signature,runlink_verify_checkpoint}'::text[]) as f;
select runlink_create_log('example.com/log') \g /dev/null

-- Keys.

\set signer `test/fixture/sign-note vkey example.com/log 1 1`
\set next_signer `test/fixture/sign-note vkey example.com/log 1 3`
select results_eq(format('select * from runlink_add_key(%L)', :'signer'),
  $$ values ('example.com/log', '9be5d3c6', 'Ed25519') $$, 'a key is registered');
select results_eq(format('select * from runlink_add_key(%L)', :'signer'),
  $$ values ('example.com/log', '9be5d3c6', 'Ed25519') $$, 'and is so still when it is again');
select results_eq(format('select name, algorithm from runlink_add_key(%L)', :'witness'),
  $$ values ('witness.example.com/w1', 'cosignature/v1') $$, 'a witness''s key is');
select is((select count(*) from runlink.signing_key), 2::bigint, 'two keys are kept');
select is((select public_key from runlink.signing_key where algorithm = 1), substr(decode(split_part(:'signer', '+', 3), 'base64'), 2), 'as they were given');
select matches(pg_temp.error_of('select runlink_add_key(null)'), '^22004 ', 'NULL is no key');
\set long_name `test/fixture/sign-note vkey "$(printf '%0256d' 0)" 1 1`
select matches(pg_temp.error_of(format('select runlink_add_key(%L)', :'long_name')), '^22023 the name of the key has 256 bytes, and at most 255 are taken', 'nor is one of a long name');
savepoint before;
set local session_replication_role = replica;
update runlink.signing_key set public_key = decode(repeat('00', 32), 'hex') where algorithm = 1;
set local session_replication_role = origin;
select matches(pg_temp.error_of(format('select runlink_add_key(%L)', :'signer')), '^22023 another key is registered as "example.com/log\+9be5d3c6"',
  'a second key of the same name and id is refused');
rollback to before;
select is(pg_temp.try(role, format('select app.runlink_add_key(%L)', :'signer')), '42501', role || ' may not register a key')
from unnest('{runlink_test_owner,runlink_test_auditor,runlink_test_reader}'::text[]) as role;
grant execute on function runlink_add_key(text) to runlink_test_signer;
select matches(pg_temp.ask('runlink_test_signer', format('select app.runlink_add_key(%L)::text', :'signer')),
  '^42501 permission denied for runlink_add_key\n.*\nCall it as a superuser', 'nor may one who was granted EXECUTE');

-- A checkpoint, signed.

select pg_temp.add_trace(t) from unnest('{one,two,three}'::text[]) as t \g /dev/null
select runlink_checkpoint() as checkpoint \gset
\setenv CHECKPOINT :checkpoint
\set line `test/fixture/sign-note line example.com/log 1 1`
\set next_line `test/fixture/sign-note line example.com/log 1 3`
\set cosigned `test/fixture/sign-note line witness.example.com/w1 4 2 1700000000`
\set cosigned_again `test/fixture/sign-note line witness.example.com/w1 4 2 1800000000`
\set cosigned_too_late `test/fixture/sign-note line witness.example.com/w1 4 2 9223372036854775808`
\set wrong_key `test/fixture/sign-note line example.com/log 1 4`

select is((select status from runlink_verify_checkpoint(pg_temp.note(:'checkpoint', :'line'))), 'anchored', 'the log is anchored in it already');
select results_eq(format('select * from runlink_add_signature(%L)', pg_temp.note(:'checkpoint', :'line')),
  $$ values ('example.com/log', '9be5d3c6', 'added', 3::bigint) $$, 'a signature is added');
select results_eq(format('select * from runlink_add_signature(%L)', pg_temp.note(:'checkpoint', :'line')),
  $$ values ('example.com/log', '9be5d3c6', 'known', 3::bigint) $$, 'and known from then on');
select results_eq(format('select name, status from runlink_add_signature(%L)', pg_temp.note(:'checkpoint', :'line', :'cosigned', :'next_line')),
  $$ values ('example.com/log', 'known'), ('witness.example.com/w1', 'added'), ('example.com/log', 'unknown_signer') $$,
  'each of several has its status, in the order of the note');
select results_eq(format('select status from runlink_add_signature(%L)', pg_temp.note(:'checkpoint', :'cosigned_again')),
  $$ values ('known') $$, 'a cosignature is known whatever its time');
select results_eq('select name, verified, size, length(signature) from runlink.signature order by verified, name',
  $$ values ('example.com/log', false, 3::bigint, 64), ('example.com/log', true, 3::bigint, 64), ('witness.example.com/w1', true, 3::bigint, 72) $$,
  'they are kept, that of an unknown signer apart');
select is((select key_id from runlink.signature where not verified), split_part(:'next_signer', '+', 2), 'a key of the same name and another id is unknown');
select is(split_part(runlink_consistency_proof(0, 3), e'\n\n', 3), :'line' || e'\n' || :'cosigned' || e'\n', 'the log''s notes have the verified ones');
select runlink_add_key(:'next_signer') \g /dev/null
select is((select status from runlink_add_signature(pg_temp.note(:'checkpoint', :'next_line'))), 'added', 'once its key is registered, it is added');
select is((select count(*) from runlink.signature), 3::bigint, 'and no longer kept apart');
select is((select verification_status || ' ' || assurance from runlink_proof('run of one')), 'VERIFIED signed', 'the proof of a run in it says that it is signed');

select results_eq(format('select first_entry, entry_count, status, trace_id from runlink_verify_checkpoint(%L)', pg_temp.note(:'checkpoint', :'line')),
  $$ values (0::bigint, 3::bigint, 'anchored', null) $$, 'one row says that all is anchored');
select is((select detail from runlink_verify_checkpoint(pg_temp.note(:'checkpoint', :'line', :'cosigned', :'sum_line'))),
  'the seals of all 3 entries give its root; signed by example.com/log+9be5d3c6, witness.example.com/w1+' || split_part(:'witness', '+', 2) || ' at 1700000000',
  'with who signed it, of those who are known');
select is((select status || ', ' || detail from runlink_verify_checkpoint(pg_temp.note(:'checkpoint', :'sum_line'))),
  'anchored, the seals of all 3 entries give its root; signed by no registered key', 'or that none of them did');
select is((select status || ', ' || detail from runlink_verify_checkpoint(note)),
  'anchored, the seals of all 3 entries give its root; not signed', 'a checkpoint that is not signed will do')
from unnest(array[:'checkpoint', :'checkpoint' || e'\n']) as note;

-- Refusals, each with its reason, that store nothing.

create temp table bad_note (note text, says text);
insert into bad_note
select note, 'the note is malformed: ' || says
from (values
  ('', 'it is empty'),
  (replace(pg_temp.note(:'checkpoint', :'line'), e'\n', e'\r\n'), 'it has a carriage return at byte 16'),
  (rtrim(pg_temp.note(:'checkpoint', :'line'), e'\n'), 'it does not end in a newline'),
  (left(pg_temp.note(:'checkpoint', :'line'), -20), 'it does not end in a newline'),
  (left(pg_temp.note(:'checkpoint', :'line'), -20) || e'\n', 'the signature in its line 5 is not base64'),
  (pg_temp.note(:'checkpoint', replace(:'line', '— ', '- ')), 'its line 5 is no signature: it does not begin with an em dash and a space'),
  (pg_temp.note(:'checkpoint', replace(:'line', 'log ', 'log  ')), 'its line 5 is no signature: it has 3 spaces, not two'),
  (pg_temp.note(:'checkpoint', replace(:'line', '— ', '—  ')), 'its line 5 is no signature: it has 3 spaces, not two'),
  (pg_temp.note(:'checkpoint', :'line' || ' '), 'its line 5 is no signature: it has 3 spaces, not two'),
  (pg_temp.note(:'checkpoint', '— example.com/log'), 'its line 5 is no signature: it has 1 spaces, not two'),
  (pg_temp.note(:'checkpoint', :'line', 'trailing'), 'its line 6 is no signature: it does not begin with'),
  (pg_temp.note(:'checkpoint', replace(:'line', 'example.com/log', '')), 'the name of the key in its line 5 is empty'),
  (pg_temp.note(:'checkpoint', replace(:'line', '/log', '+log')), 'the name of the key in its line 5 has a plus in it'),
  (pg_temp.note(:'checkpoint', replace(:'line', '/log', U&'\2003log')), 'the name of the key in its line 5 has a space in it'),
  (pg_temp.note(:'checkpoint', :'line', replace(:'line', '=', '')), 'the signature in its line 6 is not base64'),
  (pg_temp.note(:'checkpoint', '— a !!!!'), 'the signature in its line 5 is not base64'),
  (pg_temp.note(:'checkpoint', '— a AAAAAAB='), 'the signature in its line 5 is base64, but not in its canonical form'),
  (pg_temp.note(:'checkpoint', '— a AAAAAA=='), 'the signature in its line 5 has 4 bytes, too few for a key id and a signature'),
  (pg_temp.note(:'checkpoint', variadic array_fill(:'line'::text, '{17}')), 'it has more than 16 signatures'),
  (pg_temp.note(replace(:'checkpoint', 'log', e'\u0007log'), :'line'), 'it has a control character at byte 13'),
  (pg_temp.note(replace(:'checkpoint', 'log', e'\tlog'), :'line'), 'it has a control character at byte 13'),
  (repeat('x', 131073), 'it has 131073 bytes, and at most 131072 are taken')
) as n (note, says)
union all
select pg_temp.note(text, :'line'), 'the note is malformed: ' || says
from (values
  (e'\n3\n' || encode('\x00', 'base64') || e'\n', 'its origin, line 1, is empty'),
  (e'example.com/log\n', 'it has 1 lines of text, where a checkpoint has 3'),
  (e'example.com/log\n3\n', 'it has 2 lines of text, where a checkpoint has 3'),
  (replace(:'checkpoint', e'\n3\n', e'\n03\n'), 'its size, line 2, is no number below 2^63 in decimal without leading zeros'),
  (replace(:'checkpoint', e'\n3\n', e'\n-3\n'), 'its size, line 2, is no number'),
  (replace(:'checkpoint', e'\n3\n', e'\n+3\n'), 'its size, line 2, is no number'),
  (replace(:'checkpoint', e'\n3\n', e'\n3 \n'), 'its size, line 2, is no number'),
  (replace(:'checkpoint', e'\n3\n', e'\n0x3\n'), 'its size, line 2, is no number'),
  (replace(:'checkpoint', e'\n3\n', e'\n9223372036854775808\n'), 'its size, line 2, is no number below 2^63'),
  (replace(:'checkpoint', e'\n3\n', e'\n18446744073709551619\n'), 'its size, line 2, is no number below 2^63'),
  (replace(:'checkpoint', '=', ''), 'its root, line 3, is not base64'),
  (replace(:'checkpoint', '=', e'\n'), 'its root, line 3, is not base64'),
  (e'example.com/log\n3\nAAAA\n', 'its root, line 3, has 3 bytes, not 32'),
  (e'example.com/log\n3\n' || repeat('A', 42) || e'B=\n', 'its root, line 3, is base64, but not in its canonical form'),
  (:'checkpoint' || e'extension\n', 'it has a line more, line 4, than the checkpoints of this log')
) as c (text, says)
union all
values
  (pg_temp.note(replace(:'checkpoint', 'example.com/log', 'example.com/other'), :'line'), 'the note is a checkpoint of another log'),
  (pg_temp.note(replace(:'checkpoint', 'example.com/log', 'example.com/log/'), :'line'), 'the note is a checkpoint of another log'),
  (pg_temp.note(:'checkpoint', '— example.com/log ' || encode(decode(split_part(:'signer', '+', 2), 'hex') || '\x00', 'base64')),
   'the signature by key "example.com/log+9be5d3c6" has 1 bytes, not 64'),
  (pg_temp.note(:'checkpoint', :'cosigned', replace(:'line', right(:'line', 4), 'AAA=')), 'the signature by key "example.com/log+9be5d3c6" does not verify'),
  (pg_temp.note(replace(:'checkpoint', e'\n3\n', e'\n2\n'), :'line'), 'the signature by key "example.com/log+9be5d3c6" does not verify'),
  (pg_temp.note(:'checkpoint', :'cosigned_too_late'), 'the signature by key "witness.example.com/w1+' || split_part(:'witness', '+', 2) || '" has a time beyond 2^63 - 1');

create temp view kept as select (select count(*) from runlink.signature) as signatures, (select max(size) from runlink.checkpoint) as size;
select kept as before from kept \gset
select ok(starts_with(pg_temp.refusal(f, note), '22023 ' || says), f || ' refuses: ' || says)
from bad_note cross join unnest('{runlink_add_signature,runlink_verify_checkpoint}'::text[]) as f;
select ok(starts_with(pg_temp.error_of(format('select runlink_verify_note(%L, %L)', note, :'signer')), '22023 ' || says), 'runlink_verify_note refuses: ' || says)
from bad_note where says ~ 'malformed: (it is|it has \d+ bytes|it has a c|it does|it has more|.*line [5-9])';
select is((select kept::text from kept), :'before', 'and nothing was stored');
select matches(pg_temp.refusal('runlink_add_signature', pg_temp.note(replace(:'checkpoint', 'log', 'other'), :'line')),
  '\nIts origin is "example\.com/other", that of the log in this database "example\.com/log"\.\n', 'both origins are told');
select matches(pg_temp.refusal('runlink_add_signature', note), '^22023 the note is malformed: it is not signed', 'what is not signed has no signature to add')
from unnest(array[:'checkpoint', :'checkpoint' || e'\n']) as note;
savepoint writable;
set transaction read only;
select matches(pg_temp.error_of(format('select * from %s(''x'')', f)), '^25006 cannot execute ' || f || '\(\) in a read-only transaction', f || ' writes')
  from unnest('{runlink_add_key,runlink_add_signature}'::text[]) as f;
rollback to writable;
select matches(pg_temp.refusal(f, null), '^22004 note must not be null', f || ' of NULL') from unnest('{runlink_add_signature,runlink_verify_checkpoint}'::text[]) as f;

-- Signatures of those whom nobody knows.

select matches(pg_temp.refusal('runlink_add_signature', pg_temp.note(e'example.com/log\n4\n' || split_part(:'checkpoint', e'\n', 3) || e'\n', :'sum_line')),
  '^22023 ROLLED_BACK: .*\nThe checkpoint is of size 4, the log has 3 entries\.\nNothing was stored', 'of a checkpoint beyond the log they are refused');
select matches(pg_temp.refusal('runlink_add_signature', pg_temp.note(e'example.com/log\n3\n' || repeat('A', 43) || e'=\n', :'sum_line')),
  '^22023 FORKED: ', 'and of one with another root');
select is((select status from runlink_add_signature(pg_temp.note(:'checkpoint', '— ' || repeat('x', 1001) || ' AAAAAAA='))), 'unknown_signer_dropped', 'a very long name is dropped');
select runlink_add_signature(pg_temp.note(:'checkpoint', '— name' || i || ' AAAAAAA=')) from generate_series(1, 99) as i \g /dev/null
select results_eq(format('select status from runlink_add_signature(%L)', pg_temp.note(:'checkpoint', '— name100 AAAAAAA=', '— name101 AAAAAAA=', '— name1 AAAAAAA=', :'line')),
  $$ values ('unknown_signer'), ('unknown_signer_dropped'), ('unknown_signer'), ('known') $$, 'a hundred of them are kept, and no more');
select is((select count(*) from runlink.signature where not verified), 100::bigint, 'a checkpoint');
select is(split_part(runlink_consistency_proof(0, 3), e'\n\n', 3) ~ 'name1', false, 'none of which is in a note of the log');

-- Growth; a checkpoint that was never made here but is one of the log.

select pg_temp.add_trace(t) from unnest('{four,five}'::text[]) as t \g /dev/null
select results_eq(format('select * from runlink_verify_checkpoint(%L)', pg_temp.note(:'checkpoint', :'line')),
  $$ values (0::bigint, 3::bigint, 'anchored', null, 'the seals of all 3 entries give its root; signed by example.com/log+9be5d3c6'),
    (null, 2, 'unlogged', null, 'so many traces were sealed since their last entry in the log') $$,
  'what is sealed and not in the log is told');
select runlink_checkpoint() as later \gset
select results_eq(format('select first_entry, entry_count, status from runlink_verify_checkpoint(%L)', pg_temp.note(:'checkpoint', :'line')),
  $$ values (0::bigint, 3::bigint, 'anchored'), (3, 2, 'unanchored') $$, 'and what came after the checkpoint');
select results_eq(format('select first_entry, entry_count, status from runlink_verify_checkpoint(%L)', :'later'),
  $$ values (0::bigint, 5::bigint, 'anchored') $$, 'which the next one covers');
savepoint before;
set local session_replication_role = replica;
delete from runlink.checkpoint where size = 3;
delete from runlink.signature;
set local session_replication_role = origin;
select matches(pg_temp.refusal('runlink_add_signature', pg_temp.note(:'checkpoint', :'sum_line')),
  '^22023 the note is no checkpoint that was made here, and no registered key signed it', 'a checkpoint that was not made here is not kept for an unknown signer');
select results_eq(format('select status from runlink_add_signature(%L)', pg_temp.note(:'checkpoint', :'sum_line', :'line')),
  $$ values ('unknown_signer_dropped'), ('added') $$, 'for a known one it is, where the log has its root');
rollback to before;
select results_eq(format('select status from runlink_verify_checkpoint(e''example.com/log\n0\n%s\n'') limit 1', encode(sha256(''), 'base64')),
  $$ values ('anchored') $$, 'the empty log is the beginning of any');

-- Who may.

select matches(pg_temp.ask(role, format('select app.runlink_add_signature(%L)::text', pg_temp.note(:'checkpoint', :'line'))), '^42501 ', role || ' may not add a signature')
from unnest('{runlink_test_reader,runlink_test_auditor}'::text[]) as role;
grant execute on function runlink_add_signature(text) to runlink_test_signer;
select matches(pg_temp.ask('runlink_test_signer', format('select app.runlink_add_signature(%L)::text', pg_temp.note(:'checkpoint', :'line'))),
  'known,3', 'who was granted EXECUTE may, without any other privilege');
select matches(pg_temp.ask('runlink_test_signer', format('select app.runlink_verify_checkpoint(%L)::text', pg_temp.note(:'checkpoint', :'line'))),
  '^42501 permission denied for schema runlink\n.*\nGrant USAGE on schema runlink', 'to verify a checkpoint takes an auditor');
grant usage on schema runlink to runlink_test_auditor;
grant select on all tables in schema runlink to runlink_test_auditor;
select matches(pg_temp.ask('runlink_test_auditor', format('select string_agg(v::text, '' '') from app.runlink_verify_checkpoint(%L) as v', :'later')), 'anchored', 'who is one may');
select ok(pg_temp.ask('runlink_test_reader', format('select app.runlink_verify_note(%L, %L)::text', pg_temp.note(:'checkpoint', :'line'), :'signer'))::boolean,
  'anybody may verify a note');

-- A signature that shows that the log is not what it was.

\setenv CHECKPOINT :later
\set later_line `test/fixture/sign-note line example.com/log 1 1`
select 'example.com/log' || e'\n5\n' || repeat('A', 43) || e'=\n' as fork \gset
\setenv CHECKPOINT :fork
\set fork_line `test/fixture/sign-note line example.com/log 1 1`
select 'example.com/log' || e'\n6\n' || repeat('A', 43) || e'=\n' as beyond \gset
\setenv CHECKPOINT :beyond
\set beyond_line `test/fixture/sign-note line example.com/log 1 1`
savepoint before;
select is((select status from runlink_add_signature(pg_temp.note(:'fork', :'fork_line'))), 'forked', 'a checkpoint of another root, signed by a known key, is a fork');
select matches(pg_temp.error_of('select runlink_checkpoint()'), '^55000 FORKED: ', 'and no checkpoint is made any more');
select is((select status || first_entry || entry_count from runlink_verify_checkpoint(pg_temp.note(:'fork', :'fork_line')) limit 1), 'forked05', 'to verify it says the same');
rollback to before;
select is((select status from runlink_add_signature(pg_temp.note(:'beyond', :'beyond_line'))), 'rolled_back', 'one beyond the log says that it was rolled back');
select matches(pg_temp.error_of('select runlink_checkpoint()'), '^55000 ROLLED_BACK: ', 'and no checkpoint is made any more');
select is((select status from runlink_verify_checkpoint(pg_temp.note(:'beyond', :'beyond_line')) limit 1), 'rolled_back', 'to verify it says the same');
rollback to before;
select is((select status from runlink_add_signature(pg_temp.note(:'later', :'later_line'))), 'added', 'the true one is taken as ever');
select is(runlink_checkpoint(), :'later', 'and the log goes on');

-- What was changed since.

savepoint before;
set local session_replication_role = replica;
update runlink.seal set run_id = 'other' where trace_id = (select trace_id from runlink.log_entry where entry = 1);
delete from runlink.seal where trace_id = (select trace_id from runlink.log_entry where entry = 2);
update runlink.seal set chain_head = '\x00' where trace_id = (select trace_id from runlink.log_entry where entry = 4);
set local session_replication_role = origin;
select results_eq(format('select v.first_entry, v.entry_count, v.status, e.entry, regexp_replace(v.detail, ''[0-9a-f]{64}'', ''HASH'', ''g'')'
  ' from runlink_verify_checkpoint(%L) with ordinality as v left join runlink.log_entry as e on e.trace_id = v.trace_id order by v.ordinality', pg_temp.note(:'later', :'later_line')),
  $$ values (0::bigint, 5::bigint, 'altered', null::bigint, 'the log''s entries give its root, and 3 of their seals are missing or altered; signed by example.com/log+9be5d3c6'),
    (1, 1, 'seal_altered', 1, 'seal 0 hashes to HASH, and the log has HASH'),
    (2, 1, 'seal_missing', 2, 'seal 0 is not in runlink.seal'),
    (4, 1, 'seal_altered', 4, 'seal 0 cannot be hashed: a hash in it is not of 32 bytes') $$, 'seals that were changed or taken away are named');
rollback to before;
set local session_replication_role = replica;
update runlink.log_entry set seal_hash = sha256('x') where entry = 1;
set local session_replication_role = origin;
select results_eq(format('select status, split_part(detail, '';'', 1) from runlink_verify_checkpoint(%L) limit 1', pg_temp.note(:'later', :'later_line')),
  $$ values ('altered', 'the seals give its root, and 1 of the log''s entries are altered') $$, 'an entry that was changed is told from a seal that was');
rollback to before;
set local session_replication_role = replica;
delete from runlink.log_entry where entry in (1, 2);
set local session_replication_role = origin;
select results_eq(format('select first_entry, entry_count, status from runlink_verify_checkpoint(%L)', pg_temp.note(:'later', :'later_line')),
  $$ values (0::bigint, 5::bigint, 'truncated'), (null, 2, 'unlogged'), (1, 2, 'entry_missing') $$, 'entries that are missing among others are told');
rollback to before;
set local session_replication_role = replica;
delete from runlink.log_entry where entry >= 3;
delete from runlink.unlogged;
set local session_replication_role = origin;
select results_eq(format('select first_entry, entry_count, status from runlink_verify_checkpoint(%L)', pg_temp.note(:'later', :'later_line')),
  $$ values (0::bigint, 5::bigint, 'truncated'), (null, 2, 'unlogged') $$, 'and at the end');
rollback to before;

-- Findings are as many as anybody reads.

select pg_temp.add_trace('many ' || i) from generate_series(1, 1010) as i \g /dev/null
select runlink_checkpoint() as many \gset
set local session_replication_role = replica;
delete from runlink.seal where trace_id like 'many %';
set local session_replication_role = origin;
select results_eq(format('select status, count(*), sum(entry_count) from runlink_verify_checkpoint(%L) group by 1 order by 1', :'many'),
  $$ values ('altered', 1::bigint, 1015::numeric), ('more_findings', 1, 10), ('seal_missing', 1000, 1000) $$, 'a thousand are shown, and the rest counted');

select * from finish();
rollback;
