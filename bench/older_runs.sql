-- 800,000 runs more, older than those of load.sql and without a record linked to them. Loaded after it.

create temp table kept_index_of_runs as
  select indexrelid::regclass as name, pg_get_indexdef(indexrelid) as definition
  from pg_index where indrelid = 'runs'::regclass and not indisunique;

select format('drop index %s', name) from kept_index_of_runs \gexec

insert into runs (
  id, agent_id, goal, status, attempts, max_attempts, priority, tenant_id, created_at, started_at,
  completed_at, duration_ms, origin_system_id)
select 'run-' || md5('older run ' || n)::uuid, 'agent-' || n % 500,
  'Summarise the tickets of queue ' || n % 1000 || ' and mail the digest',
  (array['succeeded', 'succeeded', 'succeeded', 'failed', 'halted', 'running'])[1 + n % 6], 1, 3, 0,
  'tenant-' || lpad((n % 50)::text, 3, '0'), created_at, created_at + interval '1 second',
  created_at + interval '90 seconds', 89000, 'support-desk'
from (
  select n, timestamptz '2026-01-01' - n * interval '40 seconds' as created_at
  from generate_series(1, 800000) as n) as older;

select definition from kept_index_of_runs \gexec
