-- Traces of a run after its first.

create function runlink_gap_several_traces()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'several_traces'::pg_catalog.text,
    case when t.replay_mode is null then 'warn'::pg_catalog.text else 'info'::pg_catalog.text end,
    'logs'::pg_catalog.text, 'several traces of a run'::pg_catalog.text, t.run_id, t.tenant_id,
    'aos_traces'::pg_catalog.text, t.trace_id,
    pg_catalog.concat(
      pg_catalog.format('Trace %s of its run; the first is %s. A run has one trace, into which its retries '
        'write too; readers that take one of several miss the steps of the others. ', there.earlier
          operator(pg_catalog.+) 1::pg_catalog.int8,
        (select f.trace_id from @extschema@.aos_traces f
          where f.run_id operator(pg_catalog.=) t.run_id
            and (t.owner is null or f.tenant_id operator(pg_catalog.=) t.owner)
          order by f.started_at, f.trace_id collate pg_catalog."C"
          limit 1)),
      case when t.replay_mode is not null then
        pg_catalog.format('It has the replay_mode %s: a trace of a replay is rightly another one, but whether '
          'this is one cannot be told from its row. ', t.replay_mode)
      end,
      'Traces are immutable and each is evidence, so none is to be taken away: mend the writer, whose '
      'trace_id is to be trace_ and the run id.'),
    null::pg_catalog.text,
    case when t.replay_mode is null then 'certain'::pg_catalog.text else 'unknown'::pg_catalog.text end,
    null::pg_catalog.text
  from (
      select t.*, r.tenant_id::pg_catalog.text as owner
      from (select null::pg_catalog.text as replay_mode) as missing
        cross join lateral (
          select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text,
            started_at::pg_catalog.timestamptz, replay_mode::pg_catalog.text
          from @extschema@.aos_traces
        ) as t
        left join @extschema@.runs r on r.id operator(pg_catalog.=) t.run_id
      where r.tenant_id is null or r.tenant_id operator(pg_catalog.=) t.tenant_id
    ) as t
    cross join lateral (
      select pg_catalog.count(*) as earlier
      from @extschema@.aos_traces e
      where e.run_id operator(pg_catalog.=) t.run_id
        and (t.owner is null or e.tenant_id operator(pg_catalog.=) t.owner)
        and row(e.started_at, e.trace_id collate pg_catalog."C")
          operator(pg_catalog.<) row(t.started_at, t.trace_id collate pg_catalog."C")
    ) as there
  where there.earlier operator(pg_catalog.>) 0::pg_catalog.int8
$$;

comment on function runlink_gap_several_traces() is
'@omit
Rule of runlink_gaps: the traces of a run after the first by started_at. Those of its tenant count, of every
tenant where the run has none or is missing from runs.
Out: a row a trace, of level warn and certain; info and unknown where its replay_mode says that it may be
one of a replay. No remedy: traces are evidence and immutable.
Errors: as a SELECT from runs and aos_traces.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
