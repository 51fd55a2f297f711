-- The story that make demo tells, fed to psql.
\set ON_ERROR_STOP on
\pset pager off
\pset format wrapped
\pset columns 100
\pset linestyle old-ascii
\pset footer off
set client_min_messages = warning;

\echo
\echo '== A database that is one migration behind'
\echo
\echo 'The tables are those of a platform that runs LLM agents, as production has them, but before its'
\echo 'migration 124: prevention_records does not say yet which run a policy was evaluated for.'
\echo
\i test/fixture/schema.sql
\set ECHO queries
alter table prevention_records drop column run_id;

create extension runlink schema public;

\set ECHO none
\echo
\echo 'Asked now what a run did, runlink does not return the half that it can find. It refuses:'
\echo
\set ECHO queries
\set ON_ERROR_STOP off
select * from runlink_evidence('run-linkage-test-001');
\set ON_ERROR_STOP on

\set ECHO none
\echo
\echo
\echo '== What is missing, and the SQL that mends it'
\echo
\set ECHO queries
\x on
select check_id, status, why, remedy
from runlink_schema_check()
where level = 'required' and status <> 'ok';

\x off
\set ECHO none
\echo 'Every remedy is one statement, so psql can run them all: the same query, ended by \\gexec.'
\echo
\set QUIET off
select remedy
from runlink_schema_check()
where level = 'required' and status <> 'ok' \gexec
\set QUIET on

\echo
\echo 'Nothing that is required is missing now. Indexes that large tables will want are recommended.'
\echo
\set ECHO queries
select level, count(*) filter (where status = 'ok') as ok,
  count(*) filter (where status <> 'ok') as not_ok
from runlink_schema_check()
group by level
order by level desc;

\set ECHO none
\echo 'They have remedies too, which are run the same way. What is only info asks for nothing.'
\echo
select remedy
from runlink_schema_check()
where level = 'recommended' and status <> 'ok' \gexec
\i test/fixture/example.sql

\echo
\echo '== What happened in the run'
\echo
\echo 'An agent has mailed a digest of the day''s support tickets. How much is linked to that run?'
\echo
\set ECHO queries
\x on
select * from runlink_linkage('run-linkage-test-001');

\x off
\set ECHO none
\echo 'And what? One call, one snapshot, no limit; each record with the column or key that links it.'
\echo
\set ECHO queries
select to_char(occurred_at at time zone 'utc', 'HH24:MI') as time,
  kind, record_id, outcome, linked_by
from runlink_evidence('run-linkage-test-001');

\set ECHO none
\echo 'What people and the platform did about it, newest first, from the audit log:'
\echo
\set ECHO queries
select to_char(occurred_at at time zone 'utc', 'HH24:MI') as time,
  event_type, entity_id, actor_id, action_reason
from runlink_governance('run-linkage-test-001');

\set ECHO none
\echo
\echo '== What is missing between the records'
\echo
\echo 'An evaluation from before the migration has its run in a column that was meant for an incident.'
\echo
\set ECHO queries
insert into prevention_records (
  id, tenant_id, policy_id, outcome, pattern_id, original_incident_id, blocked_incident_id,
  signature_match_confidence, policy_age_seconds, calls_evaluated)
values ('prev-test-000', 'tenant-test-001', 'policy-001', 'allowed', 'pattern-test-001', 'inc-earlier-000',
  'run-linkage-test-001', 0.7, 860580, 1);
select level, gap, record_id, confidence, proposed_run_id
from runlink_gaps('run-linkage-test-001');

\set ECHO none
\echo 'runlink proposes and changes nothing. Reviewed, the remedy is run as the others:'
\echo
\set ECHO queries
select remedy from runlink_gaps('run-linkage-test-001') \gexec
select count(*) as gaps_left from runlink_gaps('run-linkage-test-001');

\set ECHO none
\echo
\echo '== Can the record of the run be trusted'
\echo
\echo 'runlink claims no more than it knows: nothing was written down when the steps were recorded, so'
\echo 'there is nothing to compare them with. The coordinator''s digest only matches older reports.'
\echo
\set ECHO queries
\x on
select trace_id, verification_status, assurance, failure_reason, chain_length, coordinator_root_hash
from runlink_proof('run-linkage-test-001');

\x off
\set ECHO none
\echo 'With sealing enabled, every insert records a hash of its step, and a trace that ends is sealed. What'
\echo 'was there before can only be sealed as it is now, and its seal says so: backfilled.'
\echo
\set ECHO queries
select runlink_enable_sealing();

select trace_id, step_count, added, backfilled from runlink_seal_pending();

select verification_status, assurance, sealed_length, backfilled_length
from runlink_proof('run-linkage-test-001');

\set ECHO none
\echo 'Now someone with all rights gets around the application''s triggers and edits what a tool was told.'
\echo
\set ECHO queries
set session_replication_role = replica;
update aos_trace_steps set params = jsonb_set(params, '{edited}', 'true')
where trace_id = 'trace_run-linkage-test-001' and step_index = 2;
reset session_replication_role;

\x on
select verification_status, failure_reason, first_bad_step
from runlink_proof('run-linkage-test-001');

\x off
select step_index, skill_name, verdict from runlink_proof_steps('run-linkage-test-001');

\set ECHO none
\echo
\echo '== Can somebody outside check it'
\echo
\echo 'A superuser can rewrite leaves and seals too. So seals enter a log, an append-only tree, whose'
\echo 'head is a checkpoint: three lines, to be signed and kept where nobody with this database gets at them.'
\echo
\set ECHO queries
select runlink_create_log('example.com/runlink');

select runlink_checkpoint();

\set ECHO none
\echo 'What it covers cannot be rewritten unseen by who holds it. An auditor without access to the database'
\echo 'gets the run as a package, in one file. A verifier that shares no code with runlink hashes all of it'
\echo 'anew, finds the edited step, and says what it cannot know, as nothing here is signed:'
\echo
\pset format unaligned
\pset tuples_only on
\set ECHO queries
select runlink_package('run-linkage-test-001') \g run.json
\set ECHO none
\echo '$ runlink-verify run.json --run run-linkage-test-001'
\! tools/runlink-verify run.json --run run-linkage-test-001
\pset tuples_only off
\pset format wrapped

\set ECHO none
\echo
\echo '== All of it as a report'
\echo
\echo 'runlink_report gives the whole in Markdown, HTML or JSON, from one snapshot. It begins:'
\echo
\pset format unaligned
\pset tuples_only on
\set ECHO queries
select split_part(runlink_report('run-linkage-test-001'), '## Evidence', 1);
