-- Traces of which leaves and seals hold more steps than there are.

create function runlink_gap_steps_missing()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'steps_missing'::pg_catalog.text, 'error'::pg_catalog.text, 'logs'::pg_catalog.text,
    'fewer steps than were recorded'::pg_catalog.text, t.run_id, t.tenant_id, 'aos_traces'::pg_catalog.text,
    t.trace_id,
    pg_catalog.format('The trace has %s steps; leaves and seals hold %s. Steps were removed after they were '
      'recorded: runlink_proof_steps names them, as far as the trace is of the run that it began with. Lost '
      'steps cannot come back, except from a backup.', t.steps, t.sealed operator(pg_catalog.+) t.recorded),
    null::pg_catalog.text, 'certain'::pg_catalog.text, null::pg_catalog.text
  from @extschema@.runlink_sealed_traces() t
  where t.steps operator(pg_catalog.<) (t.sealed operator(pg_catalog.+) t.recorded)
$$;

comment on function runlink_gap_steps_missing() is
'@omit
Rule of runlink_gaps: a trace, running or not, that has fewer steps in aos_trace_steps than leaves and seals
hold. Where row-level security hides steps of a trace that it shows, they are missing to the caller.
Out: a row a trace, of level error. No remedy: lost steps cannot come back.
Errors: as a SELECT from runs, aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_sealed_traces.';
