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

create function runlink_slipped_in_traces()
returns table (run_id text, trace_id text)
language sql stable parallel restricted rows 10
as $$
  select t.run_id, t.trace_id
  from @extschema@.runlink_sealed_traces() t
  where t.final and t.steps operator(pg_catalog.>) (t.sealed operator(pg_catalog.+) t.recorded)
$$;

comment on function runlink_slipped_in_traces() is
'@omit
Traces that were sealed as ended and have steps with neither leaf nor seal. To seal these is to call them as good
as the others: no remedy does, nor one for another trace of the run, since runlink_seal_pending takes a run whole.
Out: run_id and trace_id.
Errors, reads, locks, inlining, volatility and parallel mark as runlink_sealed_traces.';
