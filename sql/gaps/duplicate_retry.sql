-- Runs that were tried again and have the steps of one attempt.

create function runlink_gap_duplicate_retry()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'duplicate_retry'::pg_catalog.text, 'info'::pg_catalog.text, 'logs'::pg_catalog.text,
    'retries with one set of steps'::pg_catalog.text, r.run_id, r.tenant_id, 'runs'::pg_catalog.text, r.run_id,
    pg_catalog.format('The run had %s attempts and has one trace with one set of steps (%s). A retry writes '
      'into the same trace, and where a step_index is taken its step is dropped (ON CONFLICT DO NOTHING): a step '
      'may be of an earlier attempt than the one that ended the run, and which cannot be told from the rows. '
      'What was dropped cannot come back; the trace store would have to keep the attempts apart.',
      r.attempts, traces.first),
    null::pg_catalog.text, 'likely'::pg_catalog.text, null::pg_catalog.text
  from (select null::pg_catalog.int4 as attempts) as missing
    cross join lateral (
      select id::pg_catalog.text as run_id, tenant_id::pg_catalog.text, status::pg_catalog.text,
        attempts::pg_catalog.int4
      from @extschema@.runs
    ) as r
    cross join lateral (
      select pg_catalog.count(*) as count, pg_catalog.min(t.trace_id::pg_catalog.text) as first
      from @extschema@.aos_traces t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or t.tenant_id operator(pg_catalog.=) r.tenant_id)
    ) as traces
  where r.attempts operator(pg_catalog.>) 1
    and r.status operator(pg_catalog.<>)
      all ('{queued,running,retry,pending_approval}'::pg_catalog.text[])
    and traces.count operator(pg_catalog.=) 1::pg_catalog.int8
    and exists (
      select from @extschema@.aos_trace_steps s where s.trace_id operator(pg_catalog.=) traces.first)
$$;

comment on function runlink_gap_duplicate_retry() is
'@omit
Rule of runlink_gaps: a run that is over, had more than one attempt, and has one trace with steps: those of
the attempts share it, and of two with the same step_index the later was dropped.
Out: a row a run, of level info and confidence likely: a retry may have gone on where the attempt before it
stopped. No remedy: steps that were dropped cannot come back.
Errors: as a SELECT from runs, aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
