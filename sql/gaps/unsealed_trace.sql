-- Traces that ended and have no seal.

create function runlink_gap_unsealed_trace()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'unsealed_trace'::pg_catalog.text,
    case when t.sealed operator(pg_catalog.+) t.recorded operator(pg_catalog.>=) t.steps
      then 'info'::pg_catalog.text else 'warn'::pg_catalog.text end,
    'logs'::pg_catalog.text, 'trace not sealed'::pg_catalog.text, t.run_id, t.tenant_id,
    'aos_traces'::pg_catalog.text, t.trace_id,
    case when t.sealed is null then
      'How far the trace is sealed cannot be known: its newest seal is damaged, or the state is not as runlink '
      'made it, and to seal anew would hide that. runlink_proof and runlink_schema_check say what is wrong.'
        ::pg_catalog.text
    else
      pg_catalog.concat(
        pg_catalog.format('The trace is %s and no seal holds any of its %s steps; recorded with their insert '
          'are %s. The others count as backfilled once they are sealed. ', t.trace_status, t.steps, t.recorded),
        coalesce(seal.obstacle, 'The remedy needs EXECUTE on runlink_seal_pending and SELECT on schema runlink; '
          'for many, call runlink_seal_pending(1000) until it returns no row.'))
    end,
    case when t.sealed is not null then seal.remedy end,
    case when t.sealed is null then 'unknown'::pg_catalog.text else 'certain'::pg_catalog.text end,
    null::pg_catalog.text
  from @extschema@.runlink_sealed_traces() t
    cross join lateral @extschema@.runlink_seal_remedy(t.run_id) as seal
  where t.trace_status operator(pg_catalog.<>) 'running'::pg_catalog.text and t.sealed_at is null
  union all
  -- One row, not one a trace: runlink_proof says UNSEALED of each.
  select 'unsealed_trace'::pg_catalog.text, 'info'::pg_catalog.text, 'logs'::pg_catalog.text,
    'sealing was never enabled'::pg_catalog.text, null::pg_catalog.text, null::pg_catalog.text,
    'aos_traces'::pg_catalog.text, null::pg_catalog.text,
    'Sealing was never enabled in this database: nothing records what the steps of traces are, and every '
      'proof is UNSEALED. The remedy is for a superuser; it adds triggers to aos_traces and aos_trace_steps. '
      'Traces that are there already are then to be sealed by runlink_seal_pending(1000), until it returns no '
      'row.'::pg_catalog.text,
    'select @extschema@.runlink_enable_sealing()'::pg_catalog.text, 'certain'::pg_catalog.text,
    null::pg_catalog.text
  where pg_catalog.to_regnamespace('runlink') is null
    and exists (select from @extschema@.aos_traces)
$$;

comment on function runlink_gap_unsealed_trace() is
'@omit
Rule of runlink_gaps: a trace that ended and has no seal; where sealing was never enabled, the database, if
it has a trace.
Out: a row a trace, of level info where all its steps are recorded and only to be sealed, else warn; the
remedy is a call of runlink_seal_pending. Where it cannot be known, confidence is unknown and there is no
remedy. Where sealing was never enabled one row of level info without run_id, tenant_id and record_id; the
remedy, for a superuser, is a call of runlink_enable_sealing.
Errors: as a SELECT from runs, aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_sealed_traces.';
