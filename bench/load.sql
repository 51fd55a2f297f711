-- A platform's tables, filled: 200,000 runs of 50 tenants with a million incidents, a million
-- policy evaluations and a million ledger events, from a fixed seed. Loaded after
-- test/fixture/schema.sql, by a superuser.
--
-- Most runs have a handful of records in each table, few have hundreds: the run of a record is
-- drawn with a density of 1/sqrt(position). Ids are random, so the rows of a run lie scattered
-- over the tables, which is the worst case for reading them.

\set ON_ERROR_STOP on
set client_min_messages = warning;
set session_replication_role = replica;
select setseed(0.42) \g /dev/null

-- Building an index costs less than filling it row by row.
create temp table kept_index as
  select i.indexrelid::regclass as name, pg_get_indexdef(i.indexrelid) as definition
  from pg_index i join pg_class c on c.oid = i.indrelid
  where c.relnamespace = 'public'::regnamespace and not i.indisunique;

select format('drop index %s', name) from kept_index \gexec

create temp table run as
  select n,
    'run-' || md5('run ' || n)::uuid as id,
    'tenant-' || lpad((n % 50)::text, 3, '0') as tenant_id,
    timestamptz '2026-01-01' + n * interval '40 seconds' as created_at
  from generate_series(0, 199999) as n;
create unique index on run (n);
analyze run;

insert into runs (
  id, agent_id, goal, status, attempts, max_attempts, priority, tenant_id, created_at, started_at,
  completed_at, duration_ms, risk_level, policy_violation, incident_count, input_tokens,
  output_tokens, estimated_cost_usd, actor_id, origin_system_id, is_synthetic, last_seen_at)
select id, 'agent-' || n % 500, 'Summarise the tickets of queue ' || n % 1000 || ' and mail the digest',
  (array['succeeded', 'succeeded', 'succeeded', 'failed', 'halted', 'running'])[1 + n % 6],
  1, 3, 0,
  -- old runs have no tenant
  case when n % 200 <> 0 then tenant_id end,
  created_at, created_at + interval '1 second', created_at + interval '90 seconds', 89000,
  (array['NORMAL', 'NORMAL', 'NORMAL', 'NEAR_THRESHOLD', 'AT_RISK', 'VIOLATED'])[1 + n % 6],
  n % 6 = 5, 5, 1200 + n % 5000, 300 + n % 700, 0.0123, 'user-' || n % 2000, 'support-desk',
  n % 100 = 7, created_at + interval '90 seconds'
from run;

insert into policy_rules (id, tenant_id, name, enforcement_mode, scope, conditions)
select 'rule-' || n, 'tenant-' || lpad((n % 50)::text, 3, '0'), 'Rule ' || n / 50 || ' of the tenant',
  'BLOCK', 'TENANT', '{"host": "external"}'
from generate_series(0, 1999) as n;

insert into limits (id, tenant_id, name, limit_category, limit_type, scope, max_value)
select 'limit-' || n, 'tenant-' || lpad((n % 50)::text, 3, '0'), 'Limit ' || n / 50 || ' of the tenant',
  (array['BUDGET', 'RATE', 'THRESHOLD'])[1 + n % 3], 'COST_USD', 'TENANT', 100
from generate_series(0, 999) as n;

-- Eight incidents in ten name their run in source_run_id, one in ten only in llm_run_id, one nowhere.
create temp table incident as
  select i, 'inc-' || md5('incident ' || i)::uuid as id, run.n, run.id as run_id,
    case when random() < 0.005 then 'tenant-' || lpad(((run.n + 1) % 50)::text, 3, '0') else tenant_id end as tenant_id,
    created_at, random() as link
  from (select i, (200000 * power(random(), 2))::integer % 200000 as n from generate_series(1, 1000000) as i) as drawn
    join run using (n);
analyze incident;

insert into incidents (
  id, tenant_id, title, severity, status, trigger_type, started_at, created_at, source_run_id, llm_run_id,
  source_type, category, description, error_code, lifecycle_state, cause_type, is_synthetic, cost_impact)
select id, tenant_id, 'Post to a host outside the company, seen ' || i % 40 || ' times',
  (array['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'])[1 + i % 4], (array['open', 'acknowledged', 'resolved'])[1 + i % 3],
  'policy_violation', created_at + interval '20 seconds',
  case when i % 100 <> 0 then created_at + interval '21 seconds' end,
  case when link < 0.8 then run_id end,
  case when link between 0.7 and 0.9 then run_id end,
  'run', (array['DATA_EXPOSURE', 'BUDGET', 'RATE'])[1 + i % 3],
  'The agent tried to post a digest to a host that no rule of the tenant allows', 'E' || i % 30, 'ACTIVE', 'LLM_RUN',
  i % 100 = 3, 1.25
from incident;

-- One evaluation in ten, from before run_id, names its run where an incident was expected.
insert into prevention_records (
  id, policy_id, pattern_id, original_incident_id, blocked_incident_id, tenant_id, outcome,
  signature_match_confidence, policy_age_seconds, calls_evaluated, created_at, is_synthetic, is_simulated, run_id)
select 'prev-' || md5('evaluation ' || i)::uuid,
  'rule-' || (n % 50 + 50 * (i % 40)), 'pattern-' || i % 300,
  case when link between 0.94 and 0.97 then id else 'inc-' || md5('incident ' || i)::uuid end,
  case when link between 0.87 and 0.94 then id else 'inc-' || md5('blocked ' || i)::uuid end,
  tenant_id, (array['allowed', 'ALLOWED', 'audited', 'WARNED', 'BLOCKED', 'prevented'])[1 + i % 6],
  0.9, 86400, 1, created_at + interval '15 seconds', i % 100 = 3, i % 100 = 4,
  case when link < 0.87 then id end
from (
    select i, (200000 * power(random(), 2))::integer % 200000 as n, random() as link
    from generate_series(1, 1000000) as i
  ) as drawn
  join run using (n);

-- Six ledger events in ten name a run in a state, most of them in after_state.run_id; four in ten are
-- about an incident, named run or not.
insert into audit_ledger (
  id, tenant_id, event_type, entity_type, entity_id, actor_type, actor_id, action_reason,
  before_state, after_state, created_at, correlation_id)
select 'aud-' || md5('event ' || i)::uuid, incident.tenant_id,
  case when kind < 0.4 then 'IncidentAcknowledged' when kind < 0.7 then 'PolicyRuleModified' else 'LimitBreached' end,
  case when kind < 0.4 then 'INCIDENT' when kind < 0.7 then 'POLICY_RULE' else 'LIMIT' end,
  case when kind < 0.4 then incident.id when kind < 0.7 then 'rule-' || i % 2000 else 'limit-' || i % 1000 end,
  (array['HUMAN', 'SYSTEM', 'AGENT'])[1 + i % 3], 'user-' || i % 2000, 'Looked into what the run did and why',
  case when i % 3 = 0 then null else
    jsonb_build_object('status', 'open', 'revision', i, 'conditions', jsonb_build_object('host', 'unlisted', 'methods', '["GET", "HEAD"]'::jsonb),
      'note', repeat('before ', 12))
    || case when named between 0.52 and 0.56 then jsonb_build_object('run_id', incident.run_id)
      when named between 0.56 and 0.6 then jsonb_build_object('source_run_id', incident.run_id) else '{}' end end,
  jsonb_build_object('status', 'acknowledged', 'revision', i + 1, 'conditions', jsonb_build_object('host', 'external', 'methods', '["GET", "POST"]'::jsonb),
    'note', repeat('after ', 16))
    || case when named < 0.45 then jsonb_build_object('run_id', incident.run_id)
      when named < 0.52 then jsonb_build_object('source_run_id', incident.run_id) else '{}' end,
  created_at + interval '40 seconds', 'corr-' || i % 5000
from (select i, random() as kind, random() as named from generate_series(1, 1000000) as i) as drawn
  join incident using (i);

insert into policy_enforcements (id, tenant_id, rule_id, run_id, action_taken, details, triggered_at)
select 'enf-' || md5('enforcement ' || i)::uuid, tenant_id, 'rule-' || (n % 50 + 50 * (i % 40)), id,
  (array['BLOCKED', 'WARNED', 'ALLOWED'])[1 + i % 3], '{"host": "external", "tool": "http_post"}', created_at + interval '16 seconds'
from (select i, (200000 * power(random(), 2))::integer % 200000 as n from generate_series(1, 200000) as i) as drawn
  join run using (n);

insert into limit_breaches (
  id, tenant_id, limit_id, run_id, breach_type, value_at_breach, limit_value, details, breached_at)
select 'breach-' || md5('breach ' || i)::uuid, tenant_id, 'limit-' || (n % 50 + 50 * (i % 20)),
  case when i % 10 <> 0 then id end, (array['BREACHED', 'EXHAUSTED', 'THROTTLED'])[1 + i % 3], 105.5, 100.0,
  '{"reset_period": "DAILY"}', created_at + interval '30 seconds'
from (select i, (200000 * power(random(), 2))::integer % 200000 as n from generate_series(1, 200000) as i) as drawn
  join run using (n);

-- A trace a run, two for one in fifty, none for one in twenty; three steps a trace.
insert into aos_traces (
  trace_id, run_id, correlation_id, tenant_id, agent_id, root_hash, schema_version, plan, trace, status, started_at, completed_at)
select 'trace_' || id || case when retry = 1 then '' else '_2' end, id, 'corr-' || n, tenant_id, 'agent-' || n % 500,
  'pending', '1.0', '{"steps": 3}', '{}', 'completed', created_at + retry * interval '2 seconds', created_at + interval '80 seconds'
from run cross join generate_series(1, 2) as retry
where n % 20 <> 0 and (retry = 1 or n % 50 = 1);

insert into aos_trace_steps (
  trace_id, step_index, skill_id, skill_name, params, status, outcome_category, outcome_data, cost_cents, duration_ms,
  retry_count, replay_behavior)
select trace_id, step_index, 'http_call', 'post_digest', '{"url": "https://hooks.example.net/digest"}', 'success',
  'SUCCESS', '{"words": 142}', 3.5, 412.5, 0, 'check'
from aos_traces cross join generate_series(0, 2) as step_index;

insert into llm_run_records (
  id, tenant_id, run_id, trace_id, provider, model, input_tokens, output_tokens, cost_cents, execution_status,
  started_at, completed_at, source, is_synthetic)
select 'llm-' || md5('record ' || n || ' ' || call)::uuid, tenant_id, id, 'trace_' || id, 'anthropic', 'model-' || n % 7,
  1200 + n % 5000, 300 + n % 700, 2, 'succeeded', created_at + call * interval '10 seconds', created_at + call * interval '12 seconds',
  'worker', false
from run cross join generate_series(1, 2) as call
where call = 1 or n % 2 = 0;

select definition from kept_index \gexec
