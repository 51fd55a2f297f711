-- runlink_package and runlink_step_proof: their shape, what they refuse, and to whom. What the offline
-- verifier says of them is in test/t/019_package.pl.

begin;
select plan(55);
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

-- The columns of a step with NULLs and strings for what JSON's numbers would lose.
alter table aos_trace_steps add c_numeric numeric, add c_bigint bigint;
insert into runs (id, tenant_id) values ('run-1', 'tenant-1'), ('run-2', 'tenant-1'), ('empty', null);
insert into aos_traces (trace_id, run_id, tenant_id, status) values ('trace-1', 'run-1', 'tenant-1', 'running'), ('trace-2', 'run-2', 'tenant-1', 'running');
insert into incidents (id, source_run_id, tenant_id, title) values ('inc-1', 'run-1', 'tenant-1', 'An incident');

-- Before sealing was ever enabled.
insert into aos_trace_steps (trace_id, step_index, skill_name, params) values ('trace-2', 0, 'old', '{"a": 1}');
create temp view package as select runlink_package('run-1') as p, runlink_package('run-1', false) as without;
select results_eq($$ select o ->> 'what' from jsonb_array_elements(runlink_package('run-2') -> 'manifest' -> 'omissions') as o $$,
  '{steps_unsealed,no_seal,evidence_not_hashed,no_state}'::text[], 'without a state a package says what is missing');
select is((runlink_package('run-2') #> '{traces,0,steps,0}') - '{values,payload,encoding}'::text[],
  '{"step_index": 0, "verdict": "unsealed", "seal_no": null, "leaf": null, "payload_digest": null, "backfilled": false}',
  'a step without a leaf is shown as such');
select is(pg_temp.error_of($$ select runlink_step_proof('run-2', 'trace-2', 0) $$),
  e'55000 there is no state to prove a step by\nIn the way: sealing was never enabled.\nCall runlink_enable_sealing() as a superuser.', 'and there is no proof of it');

select runlink_enable_sealing() \g /dev/null
insert into aos_trace_steps (trace_id, step_index, skill_name, params, c_numeric, c_bigint) values
  ('trace-1', 0, 'a', '{"b": 1.00, "a": [1e400]}', 1.00, 9007199254740993), ('trace-1', 1, 'b', 'null', null, null);
update aos_traces set status = 'completed' where trace_id = 'trace-1';

-- The shape.
select set_eq('select jsonb_object_keys(p) from package',
  '{format,run_id,tenant_id,made_at,evidence,encodings,traces,checkpoint,manifest}'::text[], 'the members of a package');
select results_eq($$ select p ->> 'format', p ->> 'run_id', p ->> 'tenant_id', p -> 'checkpoint' from package $$,
  $$ values ('runlink-package/v1', 'run-1', 'tenant-1', 'null'::jsonb) $$, 'say what it is of');
select is(p -> 'evidence', runlink_evidence_json('run-1'), 'the evidence is that of runlink_evidence_json') from package;
select is((p ->> 'made_at')::timestamptz, statement_timestamp(), 'as of the statement') from package;
select is(jsonb_array_length(p -> 'traces'), 1, 'the run''s one trace') from package;
select is((p #> '{traces,0}') - '{seals,steps}'::text[],
  '{"trace_id": "trace-1", "run_id": "run-1", "tenant_id": "tenant-1", "trace_status": "completed", "where": "aos_traces", "log": null}',
  'is told with what it is of') from package;
select is(p #>> '{traces,0,seals,0,chain_head}', (select encode(chain_head, 'hex') from runlink.seal), 'its seal is the one that is kept') from package;
select is(p #> '{traces,0,seals,0,steps}', '[[0, 1]]', 'with the steps that it adds') from package;
select ok((p #> '{traces,0,steps,0,payload}') @> '[[{"a": [1e400], "b": 1}]]', 'payloads are readable JSON and keep their digits') from package;
select ok((p #> '{traces,0,steps,0,values}') @> '["1", "9007199254740993"]', 'numeric and bigint are strings') from package;
select is(p #>> '{traces,0,steps,0,leaf}', (select encode(substr(leaves, 1, 32), 'hex') from runlink.seal), 'a step has its leaf') from package;
select is(p #>> '{traces,0,steps,0,salt}', (select encode(substr(leaves, 33, 16), 'hex') from runlink.seal), 'and its salt') from package;
select ok(not without::text ~ '"salt"|"payload": \[|1e400|10{200}', 'without payloads there is neither') from package;
select is((without #> '{traces,0,steps}')::text, (select jsonb_agg(s - '{payload,salt}'::text[]) from jsonb_array_elements(p #> '{traces,0,steps}') as s)::text,
  'and nothing else is other') from package;
select is(p #>> '{encodings,0,id}', (select encode(sha256(convert_to(encoding, 'utf8')), 'hex') from runlink.encoding), 'the encoding has its id') from package;
select is(p, p::text::jsonb, 'the value is what its text says') from package;
select results_eq($$ select o ->> 'what' from package, jsonb_array_elements(p -> 'manifest' -> 'omissions') as o $$,
  '{not_logged,evidence_not_hashed}'::text[], 'what is left out is named');
select set_eq($$ select jsonb_object_keys(p -> 'manifest' -> 'parts') from package $$,
  '{format,run_id,tenant_id,made_at,evidence,encodings,traces,checkpoint,omissions}'::text[], 'each part has a digest');
select is(p #>> '{manifest,parts,run_id}', encode(sha256('"run-1"'), 'hex'), 'of its canonical form') from package;
select is(runlink_package('empty') - '{made_at,evidence,manifest}'::text[],
  '{"format": "runlink-package/v1", "run_id": "empty", "tenant_id": null, "traces": [], "encodings": [], "checkpoint": null}', 'a run with nothing');

select set_eq($$ select jsonb_object_keys(runlink_step_proof('run-1', 'trace-1', 1)) $$,
  '{format,run_id,trace_id,encoding,step,position,path,seal,log,manifest}'::text[], 'the members of a step proof');
select is(s -> 'position', '1', 'the leaf''s position') from runlink_step_proof('run-1', 'trace-1', 1) as s;
select is(s -> 'path', to_jsonb(array[(select encode(substr(leaves, 1, 32), 'hex') from runlink.seal)]), 'the other leaf is the path') from runlink_step_proof('run-1', 'trace-1', 1) as s;
select ok(not (s -> 'step') ?| '{payload,salt}', 'no payload') from runlink_step_proof('run-1', 'trace-1', 1) as s;
select ok((s -> 'step') ?& '{payload,salt}', 'unless it is wanted') from runlink_step_proof('run-1', 'trace-1', 1, true) as s;

-- Errors.
select is(pg_temp.error_of($$ select runlink_package(null) $$), e'22004 run_id must not be null\nrunlink_package answers for one run.\nPass the id of a row of runs.', 'no run');
select throws_ok($$ select runlink_package('') $$, '22023', 'run_id must not be empty');
select throws_ok($$ select runlink_package('run-1', null) $$, '22004', 'payloads must not be null');
select throws_ok($$ select runlink_package('run-1', true, '') $$, '22023', 'tenant_id must not be empty');
select throws_ok($$ select runlink_package('tenant-1', true, 'run-1') $$, '22023', 'run "tenant-1" does not exist', 'the two in each other''s place');
select throws_ok(format('select runlink_step_proof(%s)', arguments), '22004', what || ' must not be null', what || ' is needed')
from (values ('''run-1'', null, 1', 'trace_id'), ('''run-1'', ''trace-1'', null', 'step_index'), ('''run-1'', ''trace-1'', 1, null', 'payload'),
  ('null, ''trace-1'', 1', 'run_id')) as a(arguments, what);
select throws_ok($$ select runlink_step_proof('run-1', 'trace-2', 0) $$, '22023', 'run "run-1" has no trace "trace-2"', 'a trace of another run');
select is(pg_temp.error_of($$ select runlink_step_proof('run-1', 'trace-1', 2) $$),
  e'22023 trace "trace-1" has no step 2\nThere is neither a row nor a leaf of it.\nrunlink_proof_steps() lists the steps of a run.', 'a step that is none');
select is(pg_temp.error_of($$ select runlink_step_proof('run-2', 'trace-2', 0) $$),
  e'55000 step 0 of trace "trace-2" is not sealed\nA step is proved by the seal that holds its leaf.\nCall runlink_seal_pending().', 'a step that no seal holds');

savepoint damaged;
set local session_replication_role = replica;
update runlink.seal set merkle_root = sha256('x') where trace_id = 'trace-1';
set local session_replication_role = origin;
select throws_ok($$ select runlink_step_proof('run-1', 'trace-1', 1) $$, '55000', 'seal 0 of trace "trace-1" is damaged', 'no path leads to a forged root');
select ok(exists (select from jsonb_array_elements(runlink_package('run-1') -> 'manifest' -> 'omissions') as o where o ->> 'what' = 'seals_damaged'),
  'and a package names the damage');
set local session_replication_role = replica;
update runlink.seal set leaves = leaves || '\x00' where trace_id = 'trace-1';
set local session_replication_role = origin;
select throws_ok($$ select runlink_step_proof('run-1', 'trace-1', 1) $$, '55000', 'the seals of trace "trace-1" cannot be read', 'nor is there one where a seal cannot be read');
select ok(exists (select from jsonb_array_elements(runlink_package('run-1') -> 'manifest' -> 'omissions') as o where o ->> 'what' = 'seals_damaged'),
  'and a package is made all the same');
rollback to damaged;

-- Privileges.
select is(pg_temp.ask('runlink_test_reader', call), format(e'42501 permission denied for schema runlink\n%s reads what is recorded of every tenant as role "runlink_test_reader".\n'
  'Grant USAGE on schema runlink and SELECT on its tables to auditors.', substring(call from 'runlink_\w+')), 'whoever may not read salts gets none: ' || call)
from unnest('{"select app.runlink_package(''run-1'')::text","select app.runlink_package(''run-1'', false)::text","select app.runlink_step_proof(''run-1'', ''trace-1'', 1)::text"}'::text[]) as call;
grant usage on schema runlink to runlink_test_auditor;
grant select on all tables in schema runlink to runlink_test_auditor;
select matches(pg_temp.ask('runlink_test_auditor', $$ select app.runlink_package('run-1') ->> 'run_id' $$), '^run-1$', 'an auditor gets a package');
select matches(pg_temp.ask('runlink_test_auditor', $$ select app.runlink_step_proof('run-1', 'trace-1', 1) ->> 'run_id' $$), '^run-1$', 'and a proof');
revoke select on app.incidents from runlink_test_auditor;
select matches(pg_temp.ask('runlink_test_auditor', $$ select app.runlink_package('run-1')::text $$), '^42501 permission denied for relation app\.incidents', 'not without the evidence');
grant select on app.incidents to runlink_test_auditor;

savepoint rls;
alter table app.aos_trace_steps enable row level security;
select matches(pg_temp.ask('runlink_test_auditor', $$ select app.runlink_package('run-1')::text $$),
  '^42501 row-level security hides rows of app\.aos_trace_steps\nrunlink_package reads it as role "runlink_test_auditor", to whom a step that is hidden', 'where steps may be hidden there is no package');
select matches(pg_temp.ask('runlink_test_auditor', $$ select app.runlink_step_proof('run-1', 'trace-1', 1)::text $$), '^42501 row-level security hides', 'nor a proof');
rollback to rls;
alter table app.incidents enable row level security;
select matches(pg_temp.ask('runlink_test_auditor', $$ select app.runlink_package('run-1') #>> '{manifest,omissions}' $$),
  '"row_level_security"', 'where evidence may be hidden the package says so');
rollback to rls;
select ok(not (runlink_package('run-1') #>> '{manifest,omissions}') ~ 'row_level_security', 'and not where nothing is');

-- The rows of the application stay as they are, and a transaction that writes nothing is enough.
set transaction read only;
select is(runlink_package('run-1') ->> 'run_id', 'run-1', 'in a read-only transaction');

select * from finish();
rollback;
