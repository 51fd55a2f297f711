-- The extension as the catalogue has it: its functions, their marks and result
-- columns, what it depends on, and where it lives.

begin;
select plan(339);
set local client_min_messages = warning;

create schema app;
set local search_path = app, public, tap;

-- Installation, before any table of the application exists.

select is(
  (select count(*) from pg_class where relnamespace = 'app'::regnamespace), 0::bigint,
  'the schema is empty');
select lives_ok('create extension runlink schema app',
  'CREATE EXTENSION works before the application''s tables exist');

select is(
  (select nspname::text from pg_extension join pg_namespace n on n.oid = extnamespace where extname = 'runlink'),
  'app', 'the extension is in the schema named in CREATE EXTENSION');
select is(
  (select extrelocatable from pg_extension where extname = 'runlink'),
  false, 'the extension is not relocatable');
select throws_ok('alter extension runlink set schema public', '0A000', null,
  'ALTER EXTENSION SET SCHEMA is refused');
select is(
  (select v.superuser and not v.trusted
   from pg_available_extension_versions v join pg_extension e on e.extname = v.name and e.extversion = v.version
   where v.name = 'runlink'),
  true, 'the extension is for superusers and not trusted');
select is(
  (select coalesce(array_length(v.requires, 1), 0)
   from pg_available_extension_versions v join pg_extension e on e.extname = v.name and e.extversion = v.version
   where v.name = 'runlink'),
  0, 'the extension requires no other');

-- What belongs to the extension; whatever is added to it later is looked at too.

create temp view member as
  select classid, objid
  from pg_depend
  where refclassid = 'pg_extension'::regclass and deptype = 'e'
    and refobjid = (select oid from pg_extension where extname = 'runlink');

create temp view member_function as
  select p.* from pg_proc p join member m on m.classid = 'pg_proc'::regclass and m.objid = p.oid;

create temp view member_relation as
  select c.* from pg_class c join member m on m.classid = 'pg_class'::regclass and m.objid = c.oid;

select isnt_empty('select from member_function', 'the extension has functions');

select is_empty(
  $$ select oid::regprocedure from member_function
     where coalesce(obj_description(oid, 'pg_proc'), '') !~ '\S' $$,
  'every function is commented');
select is_empty(
  $$ select c.oid::regclass from member_relation c
     where c.relkind in ('r', 'v', 'm', 'p') and coalesce(obj_description(c.oid, 'pg_class'), '') !~ '\S' $$,
  'every relation is commented');
select is_empty(
  $$ select c.oid::regclass, a.attname
     from member_relation c join pg_attribute a on a.attrelid = c.oid
     where c.relkind in ('r', 'v', 'm', 'p') and a.attnum > 0 and not a.attisdropped
       and coalesce(col_description(c.oid, a.attnum), '') !~ '\S' $$,
  'every column of a relation is commented');
select is_empty(
  $$ select t.oid::regtype, a.attname
     from member m
       join pg_type t on m.classid = 'pg_type'::regclass and m.objid = t.oid
       join pg_class c on c.oid = t.typrelid and c.relkind = 'c'
       left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
     where coalesce(obj_description(t.oid, 'pg_type'), '') !~ '\S' or coalesce(col_description(c.oid, a.attnum), '') !~ '\S' $$,
  'every composite type and its columns are commented');
select set_eq(
  $$ select attname, col_description(attrelid, attnum) from pg_attribute where attrelid = 'app.runlink_gap_list'::regclass and attnum > 0 $$,
  $$ select attname, col_description(attrelid, attnum) from pg_attribute where attrelid = 'app.runlink_gap'::regclass and attnum > 0 $$,
  'the list of gaps says of its columns what the type says of them');
select is(
  (select array_agg(a.attname || ' ' || format_type(a.atttypid, null) order by attnum) from pg_attribute a
   where attrelid = 'app.runlink_gap'::regclass),
  '{gap text,level text,domain text,title text,run_id text,tenant_id text,source_table text,record_id text,detail text,remedy text,'
  'confidence text,proposed_run_id text}', 'a gap has the documented columns');
select is_empty(
  $$ select proname from member_function where proname !~ '^runlink_'
     union all
     select relname from member_relation where relname !~ '^runlink_' $$,
  'every function and relation is named runlink_*');
select is_empty(
  $$ select proname from member_function where pronamespace <> 'app'::regnamespace $$,
  'every function is in the extension''s schema');
select is_empty(
  $$ select oid::regprocedure from member_function
     where prosecdef and not exists (
       select from unnest(proconfig) as setting where setting like 'search\_path=%') $$,
  'no SECURITY DEFINER function without a fixed search_path');
select is_empty(
  $$ select oid::regprocedure from member_function
     where exists (
       select from unnest(proconfig) as setting
       where setting like 'search\_path=%' and setting not like '%pg\_temp') $$,
  'where search_path is fixed, pg_temp is its last schema');
select is_empty(
  $$ select oid::regprocedure from member_function
     where proleakproof and not (provolatile = 'i' and proparallel = 's') $$,
  'a leakproof function is immutable and parallel safe');

-- What is documented. A read function is one that every role may call.

create temp table documented (
  name           text,
  arguments      text,
  result         text,
  language       text,
  volatility     text,
  strict         boolean,
  parallel       text,
  leakproof      boolean,
  definer        boolean,
  read_function  boolean,
  result_columns text,
  primary key (name)
);

insert into documented values
  ('runlink_schema_check', '', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true,
   'check_id text, level text, status text, domain text, object text, expected text, found text, '
   'needed_by text, why text, remedy text'),
  ('runlink_require_schema', '', 'void', 'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_linkage', 'run_id text, tenant_id text DEFAULT NULL::text', 'SETOF record',
   'c', 'stable', false, 'restricted', false, false, true,
   'application_schema text, run_id text, tenant_id text, run_found boolean, incident_count bigint, '
   'policy_evaluation_count bigint, decision_count bigint, limit_breach_count bigint, '
   'governance_event_count bigint, trace_count bigint, step_count bigint, legacy_link_count bigint, '
   'other_tenant_count bigint'),
  ('runlink_evidence', 'run_id text, tenant_id text DEFAULT NULL::text', 'SETOF record',
   'c', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, domain text, kind text, record_id text, '
   'occurred_at timestamp with time zone, severity text, outcome text, title text, linked_by text, detail jsonb'),
  ('runlink_evidence_json', 'run_id text, tenant_id text DEFAULT NULL::text', 'jsonb',
   'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_governance', 'run_id text, tenant_id text DEFAULT NULL::text', 'SETOF record',
   'c', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, record_id text, occurred_at timestamp with time zone, event_type text, '
   'entity_type text, entity_id text, actor_type text, actor_id text, action_reason text, linked_by text, '
   'before_state jsonb, after_state jsonb'),
  ('runlink_proof', 'run_id text, tenant_id text DEFAULT NULL::text', 'SETOF record',
   'c', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, trace_id text, trace_status text, model text, verification_status text, '
   'assurance text, covers text, failure_reason text, first_bad_step integer, chain_length bigint, '
   'sealed_length bigint, backfilled_length bigint, unsealed_length bigint, root_hash text, '
   'sealed_root_hash text, merkle_root text, coordinator_root_hash text, sealed_at timestamp with time zone, '
   'checkpoint_size bigint, verified_at timestamp with time zone'),
  ('runlink_proof_steps', 'run_id text, tenant_id text DEFAULT NULL::text', 'SETOF record',
   'c', 'stable', false, 'restricted', false, false, true,
   'trace_id text, step_index integer, skill_name text, status text, verdict text, leaf_hash text, '
   'sealed_leaf_hash text'),
  ('runlink_proof_json', 'run_id text, tenant_id text DEFAULT NULL::text', 'jsonb',
   'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_report', 'run_id text, tenant_id text DEFAULT NULL::text, format text DEFAULT ''markdown''::text', 'text',
   'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_schema_as_installed', '', 'text', 'sql', 'immutable', false, 'safe', false, false, true, null),
  ('runlink_enable_sealing', '', 'void', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_disable_sealing', '', 'void', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_seal_pending', 'max bigint DEFAULT NULL::bigint, run_id text DEFAULT NULL::text', 'SETOF record',
   'c', 'volatile', false, 'unsafe', false, false, false,
   'tenant_id text, run_id text, trace_id text, seal_no integer, step_count bigint, added bigint, '
   'backfilled bigint, sealed_at timestamp with time zone'),
  ('runlink_erase', 'trace_id text, step_index integer, reason text', 'SETOF record',
   'c', 'volatile', false, 'unsafe', false, false, false,
   'trace_id text, step_index integer, erased_columns text[], payload_digest text, erased_at timestamp with time zone'),
  ('runlink_verify', 'tenant_id text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, '
   'until timestamp with time zone DEFAULT NULL::timestamp with time zone, "full" boolean DEFAULT false', 'SETOF record',
   'c', 'stable', false, 'unsafe', false, false, true,
   'tenant_id text, run_id text, trace_id text, step_index integer, finding text, expected text, found text'),
  ('runlink_verify_summary', 'tenant_id text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, '
   'until timestamp with time zone DEFAULT NULL::timestamp with time zone, "full" boolean DEFAULT false', 'SETOF record',
   'c', 'stable', false, 'unsafe', false, false, true,
   'traces bigint, steps bigint, bytes_hashed bigint, verified bigint, failed bigint, unsealed bigint, '
   'skipped bigint, skipped_why jsonb, findings bigint, seconds double precision, workers integer'),
  ('runlink_package', 'run_id text, payloads boolean DEFAULT true, tenant_id text DEFAULT NULL::text', 'jsonb',
   'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_step_proof', 'run_id text, trace_id text, step_index integer, payload boolean DEFAULT false', 'jsonb',
   'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_create_log', 'origin text', 'void', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_checkpoint', '', 'text', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_inclusion_proof', 'run_id text, tenant_id text DEFAULT NULL::text', 'SETOF record',
   'c', 'stable', false, 'restricted', false, false, true,
   'trace_id text, seal_no integer, entry bigint, seal_hash text, checkpoint_size bigint, proof text'),
  ('runlink_consistency_proof', 'old bigint, new bigint', 'text', 'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_verify_inclusion', 'leaf_hash bytea, entry bigint, size bigint, proof bytea[], root bytea', 'boolean',
   'c', 'immutable', true, 'safe', false, false, true, null),
  ('runlink_verify_consistency', 'old_size bigint, new_size bigint, old_root bytea, new_root bytea, proof bytea[]', 'boolean',
   'c', 'immutable', true, 'safe', false, false, true, null),
  ('runlink_add_key', 'vkey text', 'SETOF record', 'c', 'volatile', false, 'unsafe', false, false, false,
   'name text, key_id text, algorithm text'),
  ('runlink_add_signature', 'note text', 'SETOF record', 'c', 'volatile', false, 'unsafe', false, false, false,
   'name text, key_id text, status text, checkpoint_size bigint'),
  ('runlink_verify_note', 'note text, vkey text', 'boolean', 'c', 'immutable', true, 'safe', false, false, true, null),
  ('runlink_verify_checkpoint', 'note text', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true,
   'first_entry bigint, entry_count bigint, status text, trace_id text, detail text'),
  ('runlink_tick', 'max bigint DEFAULT 10000', 'SETOF record', 'c', 'volatile', false, 'unsafe', false, false, false,
   'sealed bigint, verified bigint, failed bigint, unsealed bigint, skipped bigint, findings bigint, '
   'unverified_left bigint, seconds double precision'),
  ('runlink_trace_seal', 'trace_id text', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true,
   'sealed_length bigint, backfilled_length bigint, recorded_length bigint, final boolean, root_hash text, '
   'merkle_root text, sealed_at timestamp with time zone, last_verification_status text, '
   'last_verified_at timestamp with time zone'),
  ('runlink_trace_integrity_rows', '', 'SETOF record', 'sql', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, trace_id text, trace_status text, started_at timestamp with time zone, '
   'completed_at timestamp with time zone, duration_ms double precision, step_count integer, '
   'sealing text, sealed_step_count integer, backfilled_step_count integer, '
   'recorded_step_count integer, unsealed_step_count integer, sealed_as_ended boolean, '
   'sealed_root_hash text, sealed_merkle_root text, sealed_at timestamp with time zone, '
   'is_synthetic boolean, last_verification_status text, '
   'last_verified_at timestamp with time zone'),
  ('runlink_runs_rows', '', 'SETOF record', 'sql', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, parent_run_id text, agent_id text, goal text, status text, '
   'risk_level text, policy_violation boolean, created_at timestamp with time zone, '
   'started_at timestamp with time zone, completed_at timestamp with time zone, '
   'duration_ms double precision, input_tokens integer, output_tokens integer, '
   'estimated_cost_usd numeric, is_synthetic boolean, incident_count integer, '
   'policy_evaluation_count integer, decision_count integer, policy_enforcement_count integer, '
   'limit_breach_count integer, governance_event_count integer, trace_count integer, '
   'step_count integer, llm_run_record_count integer, legacy_link_count integer, '
   'other_tenant_count integer, gap_count integer, sealing text, last_verification_status text, '
   'last_verified_at timestamp with time zone'),
  ('runlink_evidence_items_rows', '', 'SETOF record', 'sql', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, domain text, kind text, record_id text, '
   'occurred_at timestamp with time zone, severity text, outcome text, title text, linked_by text, '
   'is_synthetic boolean'),
  ('runlink_governance_events_rows', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, record_id text, occurred_at timestamp with time zone, event_type text, '
   'entity_type text, entity_id text, actor_type text, actor_id text, action_reason text, linked_by text'),
  ('runlink_policy_decisions_rows', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, decision_id text, evaluation_id text, '
   'decided_at timestamp with time zone, decision text, policy_id text, policy_name text, '
   'match_confidence double precision, linked_by text, is_synthetic boolean, is_simulated boolean'),
  ('runlink_limit_hits_rows', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, breach_id text, limit_id text, limit_name text, breach_type text, '
   'breached_at timestamp with time zone, recovered_at timestamp with time zone, '
   'recovered_after_ms double precision, value_at_breach numeric, limit_value numeric'),
  ('runlink_incident_links', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, linked_by text, record_id text, occurred_at timestamp with time zone, '
   'severity text, status text, title text, is_synthetic boolean'),
  ('runlink_evaluation_links', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, linked_by text, record_id text, policy_id text, policy_name text, '
   'outcome text, decision text, occurred_at timestamp with time zone, '
   'match_confidence double precision, is_synthetic boolean, is_simulated boolean'),
  ('runlink_breach_links', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, record_id text, limit_id text, limit_name text, breach_type text, '
   'occurred_at timestamp with time zone, recovered_at timestamp with time zone, '
   'value_at_breach numeric, limit_value numeric'),
  ('runlink_ledger_links', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, linked_by text, record_id text, occurred_at timestamp with time zone, '
   'event_type text, entity_type text, entity_id text, actor_type text, actor_id text, '
   'action_reason text'),
  ('runlink_record_links', '', 'SETOF record', 'sql', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, domain text, kind text, record_id text, '
   'occurred_at timestamp with time zone, severity text, outcome text, title text, linked_by text, '
   'is_synthetic boolean'),
  ('runlink_enforcement_links_read', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, record_id text, occurred_at timestamp with time zone, outcome text, '
   'title text, is_synthetic boolean'),
  ('runlink_enforcement_links', '', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, record_id text, occurred_at timestamp with time zone, outcome text, '
   'title text, is_synthetic boolean'),
  ('runlink_llm_record_links_read', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, record_id text, occurred_at timestamp with time zone, outcome text, '
   'title text, is_synthetic boolean'),
  ('runlink_llm_record_links', '', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, record_id text, occurred_at timestamp with time zone, outcome text, '
   'title text, is_synthetic boolean'),
  ('runlink_archived_traces_read', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, trace_id text'),
  ('runlink_archived_traces', '', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, trace_id text'),
  ('runlink_sealed_traces', '', 'SETOF record', 'sql', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, trace_id text, trace_status text, run_status text, '
   'last_step_at timestamp with time zone, steps bigint, sealed bigint, recorded bigint, final boolean, '
   'sealed_at timestamp with time zone'),
  ('runlink_seal_remedy', 'run_id text', 'SETOF record', 'sql', 'stable', false, 'restricted', false, false, true,
   'obstacle text, remedy text'),
  ('runlink_gap_duplicate_retry', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_ended_run_running_trace', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_incident_count_differs', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_negative_step', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_policy_violation_differs', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_run_without_trace', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_sealed_short', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_several_traces', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_step_holes', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_steps_missing', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_trace_without_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_trace_without_steps', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_unsealed_trace', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gaps', 'run_id text DEFAULT NULL::text, tenant_id text DEFAULT NULL::text', 'SETOF runlink_gap',
   'c', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_rows', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_breach_event_without_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_breach_without_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_constraint_not_valid', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_evaluation_without_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_event_cause_unknown', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_incident_event_without_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_incident_without_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_link_across_tenants', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_link_to_missing_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_gap_policy_event_without_run', '', 'SETOF runlink_gap', 'sql', 'stable', false, 'restricted', false, false, true, null),
  ('runlink_enforcement_runs_read', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true, 'run_id text, tenant_id text, record_id text'),
  ('runlink_enforcement_runs', '', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true, 'run_id text, tenant_id text, record_id text'),
  ('runlink_llm_record_runs_read', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true, 'run_id text, tenant_id text, record_id text'),
  ('runlink_llm_record_runs', '', 'SETOF record', 'c', 'stable', false, 'restricted', false, false, true, 'run_id text, tenant_id text, record_id text'),
  ('runlink_incident_runs', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true, 'run_id text, tenant_id text, record_id text, linked_by text'),
  ('runlink_evaluation_runs', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'run_id text, tenant_id text, record_id text, linked_by text, outcome text, is_simulated boolean'),
  ('runlink_ledger_runs', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true, 'run_id text, tenant_id text, record_id text, linked_by text'),
  ('runlink_named_runs', '', 'SETOF record', 'sql', 'stable', false, 'restricted', false, false, true,
   'run_id text, tenant_id text, domain text, source_table text, record_id text, linked_by text'),
  ('runlink_unlinked_events', '', 'SETOF record', 'sql', 'stable', false, 'safe', false, false, true,
   'tenant_id text, record_id text, occurred_at timestamp with time zone, event_type text, entity_type text, '
   'entity_id text, actor_type text, correlation_id text'),
  ('runlink_link_writer', 'source_table text', 'text', 'sql', 'immutable', false, 'safe', false, false, true, null),
  ('runlink_link_remedy', 'source_table text, link text, record_id text, run_id text, found_by text, found text', 'text',
   'sql', 'stable', false, 'safe', false, false, true, null),
  ('runlink_optional_support', 'internal', 'internal', 'c', 'stable', true, 'restricted', false, false, false, null),
  ('runlink_record_step', '', 'trigger', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_record_trace', '', 'trigger', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_guard_state', '', 'trigger', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_enable_run_stamping', '', 'void', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_disable_run_stamping', '', 'void', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_stamp_run', '', 'trigger', 'c', 'volatile', false, 'unsafe', false, false, false, null),
  ('runlink_json_string', 'state jsonb, key text', 'text',
   'c', 'immutable', true, 'safe', true, false, true, null);

select set_eq('select proname::text from member_function', 'select name from documented',
  'every function is documented and every documented function exists');
select is_empty('select proname from member_function group by proname having count(*) > 1',
  'no function is overloaded');
select is_empty('select proname from member_function where prokind <> ''f''',
  'no aggregate, window function or procedure is among them');

select is(pg_get_function_arguments(p.oid), d.arguments, d.name || ' has the documented arguments')
from documented d left join member_function p on p.proname = d.name
order by d.name;

select is(
  format('%s language %s, %s, strict %s, parallel %s, leakproof %s, security definer %s',
    case when p.proretset then 'SETOF ' else '' end || format_type(p.prorettype, null), l.lanname,
    case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end, p.proisstrict,
    case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end, p.proleakproof, p.prosecdef),
  format('%s language %s, %s, strict %s, parallel %s, leakproof %s, security definer %s',
    d.result, d.language, d.volatility, d.strict, d.parallel, d.leakproof, d.definer),
  d.name || ' has the documented marks')
from documented d
  left join member_function p on p.proname = d.name
  left join pg_language l on l.oid = p.prolang
order by d.name;

select is(
  (select string_agg(p.proargnames[i] || ' ' || format_type(p.proallargtypes[i], null), ', ' order by i)
   from generate_subscripts(p.proargmodes, 1) as i
   where p.proargmodes[i] = 't'),
  d.result_columns, d.name || ' has the documented result columns')
from documented d left join member_function p on p.proname = d.name
order by d.name;

select set_eq(
  $$ select proname::text from member_function where has_function_privilege('public', oid, 'execute') $$,
  $$ select name from documented where read_function $$,
  'PUBLIC may execute exactly the read functions');

-- Dependencies, once the tables are there.

set local search_path = app;
\i test/fixture/schema.sql
\i test/fixture/example.sql
set local search_path = app, public, tap;

select is_empty(
  $$ select pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
     from pg_depend d join member m on m.classid = d.classid and m.objid = d.objid
     where d.refclassid in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_proc'::regclass)
       and (d.refclassid, d.refobjid) not in (select classid, objid from member)
       and pg_describe_object(d.refclassid, d.refobjid, 0) ~ '\mapp\.' $$,
  'nothing of the extension depends on anything of the application');
select is_empty(
  $$ select pg_describe_object(d.classid, d.objid, d.objsubid)
     from pg_depend d
     where ((d.refclassid, d.refobjid) in (select classid, objid from member)
         or (d.refclassid = 'pg_extension'::regclass
           and d.refobjid = (select oid from pg_extension where extname = 'runlink')))
       and (d.classid, d.objid) not in (select classid, objid from member)
       -- the rule and the type that are a part of a view of ours
       and not exists (
         select from pg_depend part
         where (part.classid, part.objid) = (d.classid, d.objid) and part.deptype = 'i'
           and (part.refclassid, part.refobjid) in (select classid, objid from member)) $$,
  'nothing of the application depends on the extension');

savepoint migration;
select lives_ok('alter table incidents drop column severity', 'a migration may drop a column that calls read');
select lives_ok('alter table runs alter column goal type bytea using ''''::bytea', 'a migration may change its type');
select lives_ok('alter table policy_rules rename to rules', 'a migration may rename a table that calls read');
select lives_ok('drop table prevention_records', 'a migration may drop a table that calls read');
rollback to migration;

-- Another schema than public: that one is read and no other.

select is(
  (select application_schema from app.runlink_linkage('run-linkage-test-001')),
  'app', 'the tables are read in the extension''s schema');

create schema decoy;
set local search_path = decoy;
\i test/fixture/schema.sql
\i test/fixture/example.sql
insert into prevention_records
  select 'decoy-' || id, policy_id, pattern_id, original_incident_id, blocked_incident_id, tenant_id, outcome,
    signature_match_confidence, policy_age_seconds, calls_evaluated, created_at, is_simulated, synthetic_scenario_id,
    is_synthetic, run_id
  from prevention_records;
insert into runs (id, tenant_id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id)
  values ('run-decoy', 'tenant-decoy', 'agent', 'Decoy', 'succeeded', 1, 1, 0, 'test');
insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, actor_type, after_state)
  values ('audit-decoy', 'tenant-test-001', 'LimitCreated', 'LIMIT', 'limit', 'HUMAN', '{"run_id": "run-linkage-test-001"}');
insert into aos_trace_steps (
    trace_id, step_index, skill_id, skill_name, params, status, outcome_category, cost_cents, duration_ms,
    retry_count, replay_behavior)
  values ('trace_run-linkage-test-001', 5, 'decoy', 'decoy', '{}', 'success', 'SUCCESS', 0, 0, 0, 'skip');
drop table llm_run_records;
alter table limit_breaches drop column run_id;

set local search_path = app, tap;
select array_agg(e order by e)::text as evidence from app.runlink_evidence('run-linkage-test-001') as e \gset app_
select array_agg(g)::text as governance from app.runlink_governance('run-linkage-test-001') as g \gset app_
select coordinator_root_hash as digest from app.runlink_proof('run-linkage-test-001') \gset app_

set local search_path = decoy, public, tap;
select is(
  (select array_agg(e order by e)::text from app.runlink_evidence('run-linkage-test-001') as e),
  :'app_evidence', 'evidence does not read a decoy earlier on the search_path');
select is(
  (select array_agg(g)::text from app.runlink_governance('run-linkage-test-001') as g),
  :'app_governance', 'governance does not read the decoy');
select is(
  (select coordinator_root_hash from app.runlink_proof('run-linkage-test-001')),
  :'app_digest', 'proof does not read the decoy');
select is(
  (select count(*) from app.runlink_proof_steps('run-linkage-test-001')),
  5::bigint, 'proof_steps does not read the decoy');
select is(
  (select jsonb_array_length(app.runlink_evidence_json('run-linkage-test-001') -> 'policies_evaluated')),
  3, 'evidence_json does not read the decoy');
select is(
  (select jsonb_array_length(app.runlink_proof_json('run-linkage-test-001') -> 'aos_trace_steps')),
  5, 'proof_json does not read the decoy');
select results_eq(
  $$ select run_found, policy_evaluation_count, limit_breach_count from app.runlink_linkage('run-linkage-test-001') $$,
  $$ values (true, 3::bigint, 1::bigint) $$,
  'linkage does not read the decoy');
select is(
  (select run_found from app.runlink_linkage('run-decoy')),
  false, 'a run of the decoy is not found');
select unalike(app.runlink_report('run-linkage-test-001'), '%decoy%', 'the report does not read the decoy');
select is_empty(
  $$ select check_id from app.runlink_schema_check() where level = 'required' and status <> 'ok' $$,
  'the schema check does not look at the decoy, which is damaged');
select lives_ok('select app.runlink_require_schema()', 'nor does require_schema');

-- And the other way round: the decoy is whole where the schema is damaged.

savepoint damage;
alter table decoy.limit_breaches add column run_id varchar;
alter table app.limit_breaches drop column run_id;
select results_eq(
  $$ select check_id, status, object, remedy from app.runlink_schema_check() where level = 'required' and status <> 'ok' $$,
  $$ values ('column.limit_breaches.run_id', 'missing', 'app.limit_breaches.run_id',
       'alter table app.limit_breaches add column run_id character varying') $$,
  'the schema check finds the damage in the extension''s schema');
select throws_ok($$ select app.runlink_evidence('run-linkage-test-001') $$,
  '42703', 'column "run_id" of app.limit_breaches does not exist',
  'and evidence does not help itself from the decoy');
rollback to damage;

-- DROP EXTENSION.

create temp view application_relation as
  select relname, relkind from pg_class where relnamespace = 'app'::regnamespace and relname !~ '^runlink_';
create temp table before_drop as select * from application_relation;

savepoint drop_extension;
select lives_ok('drop extension runlink', 'DROP EXTENSION needs no CASCADE');
select set_eq('select * from application_relation', 'select * from before_drop',
  'DROP EXTENSION leaves every relation of the application');
select is((select count(*) from app.aos_trace_steps), 5::bigint, 'and their rows');
select is_empty($$ select proname from pg_proc where proname ~ '^runlink_' $$, 'and nothing of the extension');
rollback to drop_extension;

-- The recommended indexes of audit_ledger call a function of the extension.
savepoint drop_extension;
select replace(remedy, ' concurrently', '') as statement
  from app.runlink_schema_check()
  where check_id like 'index.%' and status <> 'ok' and remedy is not null
\gexec
select is_empty($$ select check_id from app.runlink_schema_check() where check_id like 'index.%' and status <> 'ok' $$,
  'the recommended indexes are made');
select throws_ok('drop extension runlink', '2BP01', null,
  'with them, DROP EXTENSION does not drop anything of the application unasked');
select lives_ok('drop extension runlink cascade', 'DROP EXTENSION CASCADE');
select is_empty(
  $$ select * from before_drop except select * from application_relation $$,
  'takes those indexes and no other relation');
rollback to drop_extension;

drop extension runlink;

-- Other schemas.

create schema "App Two";
set local search_path = "App Two";
\i test/fixture/schema.sql
\i test/fixture/example.sql
set local search_path = public, tap;
select lives_ok('create extension runlink schema "App Two"', 'a schema name that needs quotes');
select is(
  (select application_schema || ' ' || incident_count from "App Two".runlink_linkage('run-linkage-test-001')),
  'App Two 2', 'is read from');
select is(
  (select coalesce(sum(jsonb_array_length(value)), 0)
   from jsonb_each("App Two".runlink_evidence_json('run-linkage-test-001')) where jsonb_typeof(value) = 'array'),
  12::bigint, 'by evidence_json');
select is(
  (select jsonb_array_length("App Two".runlink_proof_json('run-linkage-test-001') -> 'aos_trace_steps')),
  5, 'by proof_json');
select is_empty($$ select check_id from "App Two".runlink_schema_check() where level = 'required' and status <> 'ok' $$,
  'and checked');

-- Only a superuser installs it.
drop extension runlink;
create role runlink_test_owner;
create schema owned authorization runlink_test_owner;
grant create on database :"DBNAME" to runlink_test_owner;
grant usage on schema tap to runlink_test_owner;
set local role runlink_test_owner;
select throws_ok('create extension runlink schema owned', '42501', null,
  'a role that is no superuser may not create the extension');
reset role;

select * from finish();
rollback;
