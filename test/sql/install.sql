-- The extension, then the application's tables with the documented example:
-- what every other test starts from.

-- it needs none of the tables to be created
create extension runlink schema public;
select check_id, level, status from runlink_schema_check() where status <> 'ok';

-- it stays in its schema, which is what the calls read
alter extension runlink set schema information_schema;

\getenv abs_srcdir PG_ABS_SRCDIR
\set schema :abs_srcdir '/fixture/schema.sql'
\set example :abs_srcdir '/fixture/example.sql'
\set ECHO none
\i :schema
\i :example
\set ECHO all

select check_id, level, status from runlink_schema_check()
  where level = 'required' and status <> 'ok';
select runlink_require_schema();

-- Rows of the other tests name only what they are about; runlink reads no default.
alter table runs
  alter agent_id set default 'agent-a', alter goal set default 'a goal',
  alter status set default 'succeeded', alter attempts set default 1,
  alter max_attempts set default 3, alter priority set default 0,
  alter origin_system_id set default 'a system', alter created_at set default '2026-02-01 00:00+00';
alter table incidents
  alter tenant_id set default 'tenant-a', alter title set default 'an incident',
  alter severity set default 'LOW', alter status set default 'open',
  alter lifecycle_state set default 'ACTIVE', alter trigger_type set default 'manual',
  alter cause_type set default 'LLM_RUN', alter started_at set default '2026-02-01 00:00+00',
  alter created_at set default '2026-02-01 00:01+00';
alter table prevention_records
  alter tenant_id set default 'tenant-a', alter policy_id set default 'policy-a',
  alter pattern_id set default 'pattern-a', alter original_incident_id set default 'none',
  alter blocked_incident_id set default 'none', alter outcome set default 'allowed',
  alter signature_match_confidence set default 1, alter created_at set default '2026-02-01 00:02+00';
alter table policy_rules
  alter tenant_id set default 'tenant-a', alter enforcement_mode set default 'BLOCK',
  alter scope set default 'TENANT';
alter table policy_enforcements
  alter tenant_id set default 'tenant-a', alter rule_id set default 'policy-a',
  alter action_taken set default 'BLOCK', alter triggered_at set default '2026-02-01 00:03+00';
alter table limits
  alter tenant_id set default 'tenant-a', alter limit_category set default 'BUDGET',
  alter limit_type set default 'COST_USD', alter scope set default 'TENANT',
  alter max_value set default 100;
alter table limit_breaches
  alter tenant_id set default 'tenant-a', alter limit_id set default 'limit-a',
  alter breach_type set default 'BREACHED', alter limit_value set default 100,
  alter breached_at set default '2026-02-01 00:04+00';
alter table audit_ledger
  alter tenant_id set default 'tenant-a', alter event_type set default 'PolicyRuleModified',
  alter entity_type set default 'POLICY_RULE', alter entity_id set default 'policy-a',
  alter actor_type set default 'SYSTEM', alter created_at set default '2026-02-01 00:05+00';
alter table aos_traces
  alter tenant_id set default 'tenant-a', alter correlation_id set default 'corr-a',
  alter root_hash set default 'pending', alter schema_version set default '1.0',
  alter plan set default '{}', alter trace set default '{}', alter status set default 'completed',
  alter started_at set default '2026-02-01 00:06+00';
alter table aos_trace_steps
  alter skill_id set default 'skill-a', alter skill_name set default 'a skill',
  alter params set default '{}', alter status set default 'success',
  alter outcome_category set default 'SUCCESS', alter cost_cents set default 0,
  alter duration_ms set default 1, alter retry_count set default 0,
  alter replay_behavior set default 'check';
alter table llm_run_records
  alter tenant_id set default 'tenant-a', alter provider set default 'a provider',
  alter model set default 'a model', alter input_tokens set default 1,
  alter output_tokens set default 1, alter cost_cents set default 0,
  alter execution_status set default 'SUCCEEDED', alter source set default 'worker',
  alter is_synthetic set default false, alter started_at set default '2026-02-01 00:07+00';
