-- 50 traces of 20 steps come anew and are sealed; how long it takes to verify these alone, to keep that, and to
-- verify all. Prints names, and milliseconds by the clock and of processor time. psql variable: round, a number. Loaded after bench/fleet.sql and
-- bench/fleet_sides.sql.

set client_min_messages = warning;
insert into aos_traces (
  trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version, plan, trace, status)
select 'trace_' || md5(id), md5(id), 'correlation', 'tenant 7', 'pending', '1', '{}', '{}', 'running'
from (select format('new %s %s', :round, t) as id from generate_series(1, 50) as t) as new;
insert into aos_trace_steps (
  trace_id, step_index, skill_id, skill_name, params, status, outcome_category, outcome_code,
  outcome_data, cost_cents, duration_ms, retry_count, input_hash, output_hash, replay_behavior)
select 'trace_' || md5(format('new %s %s', :round, t)), n, 'skill_http_call', 'http_call', d.params, 'success', 'completed',
  '200', d.outcome_data, d.n * 0.01, 12.5 + d.n / 7.0, 0, d.input_hash, d.output_hash, 'replay'
from generate_series(1, 50) as t, generate_series(0, 19) as n join drawn as d using (n);
update aos_traces set status = 'completed' where status = 'running';

create function pg_temp.time_of(side text, call text) returns text language plpgsql as $$
declare
  begun timestamptz := clock_timestamp();
  processor bigint := processor_time();
begin
  execute call;
  return format('%s %s %s', side, extract(epoch from clock_timestamp() - begun) * 1000, (processor_time() - processor) / 1e6);
end $$;
select pg_temp.time_of('new_first', 'select * from runlink_verify()');
select pg_temp.time_of('new_again', 'select * from runlink_verify()');
select pg_temp.time_of('new_tick', 'select * from runlink_tick()');
select pg_temp.time_of('full', 'select * from runlink_verify(full => true)');
