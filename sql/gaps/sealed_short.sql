-- Traces that ended and of which seals hold less than there is.

create function runlink_gap_sealed_short()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'sealed_short'::pg_catalog.text, 'warn'::pg_catalog.text, 'logs'::pg_catalog.text,
    'trace sealed short'::pg_catalog.text, t.run_id, t.tenant_id, 'aos_traces'::pg_catalog.text, t.trace_id,
    pg_catalog.concat(
      pg_catalog.format('The trace is %s and has %s steps; seals hold %s, and leaves that no seal holds yet %s. ',
        t.trace_status, t.steps, t.sealed, t.recorded),
      case when t.final then 'It was sealed as ended, so steps came after its end: see to it that the writer of '
        'steps ends a trace last, and look at these steps first. '
      else 'It was sealed while it ran. ' end,
      coalesce(seal.obstacle, 'The remedy takes in what is there now; it needs EXECUTE on runlink_seal_pending '
        'and SELECT on schema runlink.')),
    seal.remedy,
    'certain'::pg_catalog.text, null::pg_catalog.text
  from @extschema@.runlink_sealed_traces() t
    cross join lateral @extschema@.runlink_seal_remedy(t.run_id) as seal
  where t.trace_status operator(pg_catalog.<>) 'running'::pg_catalog.text and t.sealed_at is not null
    and (not t.final or t.recorded operator(pg_catalog.>) 0::pg_catalog.int8
      or t.steps operator(pg_catalog.>) t.sealed)
    -- A run that is tried again writes on into its trace, and seals it when that ends again.
    and (t.final and t.steps operator(pg_catalog.<=) (t.sealed operator(pg_catalog.+) t.recorded)
      and t.run_status operator(pg_catalog.=)
        any ('{queued,running,retry,pending_approval}'::pg_catalog.text[])) is not true
$$;

comment on function runlink_gap_sealed_short() is
'@omit
Rule of runlink_gaps: a trace that ended and has a seal, but with steps or leaves that no seal holds, or
whose newest seal was made while it ran. Steps that were recorded while the run is tried again are none.
Out: a row a trace, of level warn; detail says how many steps there are and how many are sealed. The remedy
is a call of runlink_seal_pending for the run; there is none where a trace of it has steps with neither leaf nor
seal though it was sealed as ended (runlink_seal_remedy).
Errors: as a SELECT from runs, aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_sealed_traces.';
