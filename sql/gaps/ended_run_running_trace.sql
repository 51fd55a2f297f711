-- Traces that go on while their run has ended.

create function runlink_gap_ended_run_running_trace()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'ended_run_running_trace'::pg_catalog.text, 'warn'::pg_catalog.text, 'logs'::pg_catalog.text,
    'ended run with a running trace'::pg_catalog.text, t.run_id, t.tenant_id, 'aos_traces'::pg_catalog.text,
    t.trace_id,
    pg_catalog.format('The run is %s and its trace still running: the last UPDATE of the trace store is lost. '
      'The remedy sets the status that goes with the run''s, which also seals the trace where sealing is '
      'enabled; when the trace ended is not known, so completed_at stays as it is.', r.status),
    pg_catalog.format('update %1$s.aos_traces set status = %2$L '
      'where trace_id operator(pg_catalog.=) %3$L and run_id operator(pg_catalog.=) %4$L '
      'and status operator(pg_catalog.=) %5$L and exists (select from %1$s.runs r '
      'where r.id operator(pg_catalog.=) %4$L and r.status operator(pg_catalog.=) %6$L)',
      '@extschema@'::pg_catalog.text,
      case when r.status operator(pg_catalog.=) 'failed'::pg_catalog.text
        then 'failed'::pg_catalog.text else 'completed'::pg_catalog.text end,
      t.trace_id, t.run_id, 'running'::pg_catalog.text, r.status),
    'likely'::pg_catalog.text, null::pg_catalog.text
  from (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text,
        status::pg_catalog.text
      from @extschema@.aos_traces
    ) as t
    join @extschema@.runs r on r.id operator(pg_catalog.=) t.run_id
  where t.status operator(pg_catalog.=) 'running'::pg_catalog.text
    and r.status operator(pg_catalog.=) any ('{succeeded,failed}'::pg_catalog.text[])
    and (r.tenant_id is null or r.tenant_id operator(pg_catalog.=) t.tenant_id)
  union all
  select 'ended_run_running_trace'::pg_catalog.text, 'info'::pg_catalog.text, 'logs'::pg_catalog.text,
    'halted run with a running trace'::pg_catalog.text, t.run_id, t.tenant_id,
    'aos_traces'::pg_catalog.text, t.trace_id,
    pg_catalog.concat(
      pg_catalog.format('The run is halted and its trace, as always then, still running: it never ends by '
        'itself, so nothing seals it. It has %s steps, of which seals hold %s, and had none for '
        'runlink.idle_after. ', t.steps, t.sealed),
      coalesce(seal.obstacle, 'The remedy needs EXECUTE on runlink_seal_pending and SELECT on schema runlink; '
        'call it from a scheduler, without run_id.')),
    seal.remedy,
    'certain'::pg_catalog.text, null::pg_catalog.text
  from @extschema@.runlink_sealed_traces() t
    cross join lateral @extschema@.runlink_seal_remedy(t.run_id) as seal
  where t.trace_status operator(pg_catalog.=) 'running'::pg_catalog.text
    and t.run_status operator(pg_catalog.=) 'halted'::pg_catalog.text
    and (t.sealed_at is null or t.steps operator(pg_catalog.>) t.sealed)
    and t.sealed is not null
    and t.last_step_at operator(pg_catalog.<) (pg_catalog.now() operator(pg_catalog.-)
      coalesce(pg_catalog.current_setting('runlink.idle_after', true), '1h')::pg_catalog.interval)
$$;

comment on function runlink_gap_ended_run_running_trace() is
'@omit
Rule of runlink_gaps: a running trace of a run that succeeded or failed, of the run''s tenant; and one of a
halted run, whose traces stay running, once sealing is enabled, it had no step for runlink.idle_after and
steps of it are in no seal.
Out: a row a trace. Of the first, level warn and confidence likely; the remedy is an UPDATE of its status,
completed for a run that succeeded, failed for one that failed. Of halted runs, level info and certain; the
remedy is a call of runlink_seal_pending, after which the trace is still running and sealed.
Errors: as a SELECT from runs, aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_sealed_traces.';
