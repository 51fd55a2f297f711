-- Traces of 20 steps of about 1 kB, interleaved as 50 concurrent writers leave them: each writes one trace
-- after the other, a step at a time. psql variables: traces, their number; size, how many times a payload is
-- repeated in its own text. Loaded after test/fixture/schema.sql and bench/steps.sql.

insert into aos_traces (
  trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version, plan, trace, status)
select 'trace_' || md5(t::text), md5(t::text), 'correlation', case when t < 100 then 'tenant of 100' else 'tenant ' || t % 50 end, 'pending', '1', '{}', '{}', 'running'
from generate_series(0, :traces - 1) as t;

select setseed(0.5) \g /dev/null
insert into aos_trace_steps (
  trace_id, step_index, skill_id, skill_name, params, status, outcome_category, outcome_code,
  outcome_data, cost_cents, duration_ms, retry_count, input_hash, output_hash, replay_behavior)
select 'trace_' || md5(w.t::text), w.n, 'skill_http_call', 'http_call', d.params, 'success', 'completed', '200',
  d.outcome_data, d.n * 0.01, 12.5 + d.n / 7.0, 0, d.input_hash, d.output_hash, 'replay'
from (
    select t, n from generate_series(0, :traces - 1) as t, generate_series(0, 19) as n
    -- each writer is somewhere else in its trace
    order by t / 50 * 20 + n + t % 50 * 0.4 + random(), n
  ) as w
  join drawn as d on d.n = (w.t * 20 + w.n) % 10000;
