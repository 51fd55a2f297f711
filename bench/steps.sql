-- Steps of about 1 kB as bench/proof and bench/record insert them. Loaded after test/fixture/schema.sql.

-- Some 400 bytes of jsonb: what a tool was called with, what it answered.
create function payload(n integer) returns jsonb language sql immutable as $$
  select jsonb_build_object(
    'tool', 'http_call', 'url', 'https://example.com/api/v1/items/' || n, 'attempt', n % 5,
    'latency_ms', n * 1.25, 'ok', n % 7 <> 0,
    'headers', jsonb_build_object('accept', 'application/json', 'x-request-id', md5(n::text)),
    'body', repeat(md5((n + 1)::text), 6))
$$;

-- A step's columns, but for trace_id and step_index; drawn once, so that what is timed is the insert.
create table drawn as
  select n, payload(n) as params, payload(n + 1) as outcome_data,
    md5(n::text) as input_hash, md5((n + 1)::text) as output_hash
  from generate_series(0, 9999) as n;
alter table drawn add primary key (n);

create function insert_trace(trace text) returns void language sql as $$
  insert into aos_traces (
    trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version, plan, trace, status)
  values ($1, 'run ' || $1, 'correlation', 'tenant', 'pending', '1', '{}', '{}', 'running')
$$;

create function insert_steps(trace text, steps integer) returns void language sql as $$
  insert into aos_trace_steps (
    trace_id, step_index, skill_id, skill_name, params, status, outcome_category, outcome_code,
    outcome_data, cost_cents, duration_ms, retry_count, input_hash, output_hash, replay_behavior)
  select $1, d.n, 'skill_http_call', 'http_call', d.params, 'success', 'completed', '200',
    d.outcome_data, d.n * 0.01, 12.5 + d.n / 7.0, 0, d.input_hash, d.output_hash, 'replay'
  from drawn as d where d.n < $2 order by d.n
$$;

-- How long the messages are that a step's leaf is the hash of: payload digest, then leaf.
create function message_lengths(step aos_trace_steps, out payload integer, out others integer)
language sql stable as $$
  with form as (
    select jsonb_build_array(jsonb_build_array(step.params), jsonb_build_array(step.outcome_data)) as payload,
      to_jsonb(step) - '{params,outcome_data,archived_at}'::text[] as others
  )
  select 19 + 16 + octet_length(regexp_replace(f.payload::text, '([:,]) ', '\1', 'g')),
    1 + 32 + 32 + 1 + (
      select sum(octet_length(e.value::text) + 1) from jsonb_each(f.others) as e)::integer
  from form as f
$$;
