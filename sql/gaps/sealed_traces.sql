-- What the rules about sealing look at.

create function runlink_sealed_traces()
returns table (
  run_id text,
  tenant_id text,
  trace_id text,
  trace_status text,
  run_status text,
  last_step_at timestamptz,
  steps bigint,
  sealed bigint,
  recorded bigint,
  final boolean,
  sealed_at timestamptz
)
language sql stable parallel restricted rows 10000
as $$
  select t.run_id, t.tenant_id, t.trace_id, t.status, r.status::pg_catalog.text,
    coalesce(there.last_step_at, t.started_at), there.steps, seal.sealed_length, seal.recorded_length,
    seal.final, seal.sealed_at
  from (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text,
        status::pg_catalog.text, started_at::pg_catalog.timestamptz
      from @extschema@.aos_traces
    ) as t
    left join @extschema@.runs r on r.id operator(pg_catalog.=) t.run_id
    cross join lateral (
      select pg_catalog.count(*) as steps, pg_catalog.max(s."timestamp") as last_step_at
      from @extschema@.aos_trace_steps s
      where s.trace_id operator(pg_catalog.=) t.trace_id
    ) as there
    cross join lateral @extschema@.runlink_trace_seal(t.trace_id) as seal
  where pg_catalog.to_regnamespace('runlink') is not null
$$;

comment on function runlink_sealed_traces() is
'@omit
Every trace, whoever owns it, with how many steps it has and how many leaves and seals hold; no row where
sealing was never enabled.
Out: a row a trace: run_id, tenant_id, trace_id, trace_status, run_status (NULL: no such run), last_step_at
(where it has no step, when it began), steps (in aos_trace_steps), sealed, recorded, final and sealed_at as
runlink_trace_seal has them.
Errors: as a SELECT from runs, aos_traces and aos_trace_steps.
Reads one snapshot, the application''s tables as the caller, under row-level security, leaves and seals as
runlink_trace_seal does; ACCESS SHARE locks as any SELECT. Inlined, so that predicates on ids reach the
indexes. Stable, parallel restricted.';

create function runlink_seal_remedy(run_id text)
returns table (obstacle text, remedy text)
language sql stable parallel restricted rows 1
as $$
  select o.obstacle,
    case when o.obstacle is null then
      pg_catalog.format('select * from %s.runlink_seal_pending(run_id => %L)', '@extschema@'::pg_catalog.text, $1)
    end
  from (
    select case
      when $1 operator(pg_catalog.=) ''::pg_catalog.text then
        'Its run_id is empty: runlink_seal_pending() seals it with those of every run.'::pg_catalog.text
      when exists (
        select from @extschema@.runlink_sealed_traces() t
        where t.run_id operator(pg_catalog.=) $1 and t.final
          and t.steps operator(pg_catalog.>) (t.sealed operator(pg_catalog.+) t.recorded)) then
        'Steps of the run have neither leaf nor seal in a trace that was sealed as ended: runlink_proof_steps '
        'calls them inserted, and to seal them would hide that, so there is no remedy. Look at them first.'
    end as obstacle
    -- offset 0: looked for once, where two columns ask
    offset 0
  ) as o
$$;

comment on function runlink_seal_remedy(text) is
'@omit
The statement that seals the traces of a run, or why there is none.
In: run_id.
Out: one row: obstacle (NULL: none) and remedy (NULL where there is one). To seal a step that was slipped into a
trace after it was sealed as ended is to call it as good as the others: no remedy does, nor one for another
trace of the run, since runlink_seal_pending takes a run whole.
Errors, reads, locks, inlining, volatility and parallel mark as runlink_sealed_traces.';
