-- runlink_proof, runlink_proof_steps and runlink_proof_json: what can be said of
-- the integrity of a run while nothing is sealed.
set timezone = 'UTC';
set datestyle = 'ISO';
\pset null NULL

-- the documented example; verified_at is when the statement began
\pset expanded on
select run_id, tenant_id, trace_id, trace_status, model, verification_status, assurance, covers, failure_reason,
    first_bad_step, chain_length, sealed_length, backfilled_length, unsealed_length, root_hash, sealed_root_hash,
    merkle_root, coordinator_root_hash, sealed_at, checkpoint_size, verified_at = statement_timestamp() as began
  from runlink_proof('run-linkage-test-001');
\pset expanded off
select * from runlink_proof_steps('run-linkage-test-001');
\pset format unaligned
select jsonb_pretty(runlink_proof_json('run-linkage-test-001') - 'verified_at');
\pset format aligned
select (runlink_proof_json('run-linkage-test-001') ->> 'verified_at')::timestamptz = statement_timestamp() as began;

-- its digest, computed by hand
select encode(sha256('run-linkage-test-0010:fetch_tickets:success1:summarise_tickets:success2:post_digest:failure'
  '3:shorten_digest:success4:mail_digest:success'), 'hex') = coordinator_root_hash as same
  from runlink_proof('run-linkage-test-001');

begin;
insert into runs (id, tenant_id) values
  ('run-002-one', 'tenant-a'), ('run-003-five', 'tenant-a'), ('run-001-zero', 'tenant-a'), ('run-012-gaps', 'tenant-a'),
  ('89ceeaba-1aa4-42ad-b93e-4bdcd72d75b6', 'tenant-a'), ('run-proof-test-001', 'tenant-a');

-- The digest of the application's proof coordinator, as it computed it for these
-- runs. The steps are written in another order than they have.
insert into aos_traces (trace_id, run_id) select 'trace_' || id, id from runs where tenant_id = 'tenant-a';
insert into aos_trace_steps (trace_id, step_index, skill_name, status) values
  ('trace_run-002-one', 0, 'http_call', 'success'),
  ('trace_run-003-five', 4, 'http_call', 'success'),
  ('trace_run-003-five', 3, 'skip me', 'skipped'),
  ('trace_run-003-five', 2, E'a:b|c\\d''"\n\t', 'retry'),
  ('trace_run-003-five', 1, U&'e\0301clair', 'failure'),
  ('trace_run-003-five', 0, 'naïve_技能_🚀', 'success'),
  ('trace_run-012-gaps', 4, 's4', 'success'),
  ('trace_run-012-gaps', 1, 's1', 'success'),
  ('trace_run-012-gaps', 0, 's0', 'success'),
  ('trace_run-012-gaps', -3, 'negative', 'success'),
  ('trace_89ceeaba-1aa4-42ad-b93e-4bdcd72d75b6', 0, 'http_call', 'success'),
  ('trace_run-proof-test-001', 2, 'generate_report', 'success'),
  ('trace_run-proof-test-001', 1, 'process_data', 'success'),
  ('trace_run-proof-test-001', 0, 'validate_input', 'success');
select v.run_id, p.chain_length = v.chain_length as length, p.coordinator_root_hash is not distinct from v.root_hash as digest,
    p.model, p.verification_status, p.failure_reason
  from (values
      ('run-002-one', '9a2e1d4be744e8a95ffbd3c8c4e4f9a042183a1ab6f58f0b377941e7ebb306c3', 1),
      ('run-003-five', '48aeb75ab06121364e7eda1af14402b3adef2b8eec54806feef44c3308a075af', 5),
      ('run-001-zero', null, 0),
      ('run-012-gaps', 'af79e8a67c6409c98ad4e3618faa363a0a28a2be3b56391107fdbca18dc3b2f2', 4),
      ('89ceeaba-1aa4-42ad-b93e-4bdcd72d75b6', 'd4ce6cf4a8984214901e97b1635ecec3a7562e401b1015680535b18ab35b35b8', 1),
      ('run-proof-test-001', '0ca74e198c14a378a33c2ecad49ac725c74f3c33cce6dc1512fb32b258654c32', 3)
    ) as v (run_id, root_hash, chain_length),
    lateral runlink_proof(v.run_id) as p;
rollback;

begin;
insert into runs (id, tenant_id) values
  ('run-002-one', 'tenant-a'), ('run-traces', 'tenant-a'), ('run-empty', 'tenant-a'), ('run-untraced', 'tenant-a'),
  ('run-taken', 'tenant-a'), ('run-shared', 'tenant-a'), ('run-long', 'tenant-a'), ('run-nobody', null);

-- Every status that is not exactly one of the four is hashed as success: which of
-- the digests are the first vector's?
insert into aos_traces (trace_id, run_id)
  select 'status-' || status, 'run-002-one'
    from unnest(array['success', 'failure', 'retry', 'skipped', 'succeeded', 'failed', 'error', 'timeout', 'unknown',
      'Failure', 'RETRY', ' skipped', '']) as status;
insert into aos_trace_steps (trace_id, step_index, skill_name, status)
  select trace_id, 0, 'http_call', replace(trace_id, 'status-', '') from aos_traces where run_id = 'run-002-one';
select s.status, s.verdict,
    coordinator_root_hash = '9a2e1d4be744e8a95ffbd3c8c4e4f9a042183a1ab6f58f0b377941e7ebb306c3' as as_success,
    coordinator_root_hash = encode(sha256(convert_to('run-002-one0:http_call:' || s.status, 'UTF8')), 'hex') as as_itself
  from runlink_proof('run-002-one') as p join runlink_proof_steps('run-002-one') as s using (trace_id);

-- Every trace of the run, by the time it started and then by id; integrity is of
-- the first. Two lists of steps can share the digest, which is why it proves nothing.
insert into aos_traces (trace_id, run_id, status, started_at, completed_at) values
  ('trace-late', 'run-traces', 'running', '2026-02-03 00:00+00', null),
  ('trace-b', 'run-traces', 'completed', '2026-02-02 00:00+00', '2026-02-02 00:01+00'),
  ('trace-B', 'run-traces', 'failed', '2026-02-02 00:00+00', '2026-02-02 00:02+00'),
  ('trace-z', 'run-traces', 'aborted', '2026-02-01 00:00+00', '2026-02-01 00:01+00');
insert into aos_trace_steps (trace_id, step_index, skill_name, status, duration_ms, cost_cents) values
  ('trace-z', 0, 'a', 'success', 1.5, 0.25), ('trace-z', 1, 'b', 'success', 2, 0),
  ('trace-B', 0, 'a:success1:b', 'success', 3, 0), ('trace-late', 7, 'c', 'failed', 4, 0);
select trace_id, trace_status, model, verification_status, failure_reason, chain_length, unsealed_length,
    coordinator_root_hash = encode(sha256('run-traces0:a:success1:b:success'), 'hex') as shared_digest
  from runlink_proof('run-traces');
select * from runlink_proof_steps('run-traces');
\pset format unaligned
select jsonb_pretty(runlink_proof_json('run-traces') - 'verified_at');
\pset format aligned

-- many traces
insert into aos_traces (trace_id, run_id) select 'trace-' || i, 'run-long' from generate_series(1, 250) as i;
insert into aos_trace_steps (trace_id, step_index) select 'trace-' || i, 0 from generate_series(1, 250) as i;
select count(*), count(distinct trace_id), sum(chain_length) from runlink_proof('run-long');

-- Without a trace: no such run, no trace, another tenant's run, each told apart.
select run_id, tenant_id, trace_id, model, verification_status, assurance, failure_reason, chain_length,
    unsealed_length, coordinator_root_hash
  from runlink_proof('run-missing')
union all
select run_id, tenant_id, trace_id, model, verification_status, assurance, failure_reason, chain_length,
    unsealed_length, coordinator_root_hash
  from runlink_proof('run-untraced')
union all
select run_id, tenant_id, trace_id, model, verification_status, assurance, failure_reason, chain_length,
    unsealed_length, coordinator_root_hash
  from runlink_proof('run-untraced', 'tenant-b');
select count(*) from runlink_proof_steps('run-untraced');
\pset format unaligned
select jsonb_pretty(runlink_proof_json('run-untraced') - 'verified_at');
\pset format aligned

-- a trace without steps
insert into aos_traces (trace_id, run_id) values ('trace-empty', 'run-empty');
select trace_id, model, verification_status, failure_reason, chain_length, unsealed_length, coordinator_root_hash
  from runlink_proof('run-empty');
select runlink_proof_json('run-empty') -> 'integrity' as integrity, runlink_proof_json('run-empty') -> 'aos_trace_steps' as steps;

-- a trace is found by its run: that its id is another run's says nothing
insert into aos_traces (trace_id, run_id) values ('run-taken', 'run-traces');
select trace_id, model, verification_status, failure_reason from runlink_proof('run-taken');

-- Other tenants' traces are left out; a tenant given narrows to its own, and a
-- run without a tenant takes in every one.
insert into aos_traces (trace_id, tenant_id, run_id) values
  ('trace-shared-a', 'tenant-a', 'run-shared'), ('trace-shared-b', 'tenant-b', 'run-shared'),
  ('trace-nobody-a', 'tenant-a', 'run-nobody'), ('trace-nobody-b', 'tenant-b', 'run-nobody');
insert into aos_trace_steps (trace_id, step_index)
  select trace_id, 0 from aos_traces where run_id in ('run-shared', 'run-nobody');
select tenant_id, trace_id from runlink_proof('run-shared');
select tenant_id, trace_id from runlink_proof('run-shared', 'tenant-b');
select trace_id, step_index from runlink_proof_steps('run-shared', 'tenant-b');
select jsonb_path_query_array(p, '$.aos_traces[*].trace_id') as traces, jsonb_path_query_array(p, '$.aos_trace_steps[*].trace_id') as steps
  from runlink_proof_json('run-shared', 'tenant-b') as p;
select tenant_id, trace_id, model, failure_reason from runlink_proof('run-shared', 'tenant-c');
select tenant_id, trace_id from runlink_proof('run-nobody');

-- what was altered is never called verified
set local session_replication_role = replica;
update aos_trace_steps set params = '{"rewritten": true}' where trace_id = 'trace_run-linkage-test-001';
delete from aos_trace_steps where trace_id = 'trace_run-linkage-test-001' and step_index > 1;
select verification_status, chain_length from runlink_proof('run-linkage-test-001');
rollback;
