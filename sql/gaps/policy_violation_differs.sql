-- Runs whose policy_violation is not what policies say of them.

create function runlink_gap_policy_violation_differs()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'policy_violation_differs'::pg_catalog.text, 'warn'::pg_catalog.text, 'policies'::pg_catalog.text,
    'policy_violation not set'::pg_catalog.text, r.run_id, r.tenant_id, 'runs'::pg_catalog.text, r.run_id,
    pg_catalog.format('runs.policy_violation is false; evaluations of the run''s tenant that stopped it: %s, '
      'the first %s. The evaluations are the evidence and the flag is their summary, which run_signal_driver '
      'writes after policies_handler; why its updates fail, runlink_schema_check says of runs.updated_at.',
      r.stopped, r.first),
    pg_catalog.format('update %s.runs set policy_violation = true where id operator(pg_catalog.=) %L '
      'and not policy_violation', '@extschema@'::pg_catalog.text, r.run_id),
    case when r.canonical operator(pg_catalog.=) 0::pg_catalog.int8
      then 'likely'::pg_catalog.text else 'certain'::pg_catalog.text end,
    null::pg_catalog.text
  from (
    select r.run_id, r.tenant_id, pg_catalog.count(*) as stopped,
      pg_catalog.count(*) filter (
        where e.linked_by operator(pg_catalog.=) 'run_id'::pg_catalog.text) as canonical,
      pg_catalog.min(e.record_id collate pg_catalog."C") as first
    from (select null::pg_catalog.bool as policy_violation) as missing
      cross join lateral (
        select id::pg_catalog.text as run_id, tenant_id::pg_catalog.text, status::pg_catalog.text,
          policy_violation::pg_catalog.bool
        from @extschema@.runs
      ) as r
      join @extschema@.runlink_evaluation_runs() e on e.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or e.tenant_id operator(pg_catalog.=) r.tenant_id)
    where not r.policy_violation
      and r.status operator(pg_catalog.<>)
        all ('{queued,running,retry,pending_approval}'::pg_catalog.text[])
      and e.is_simulated is not true
      and pg_catalog.upper(e.outcome collate pg_catalog."C") operator(pg_catalog.=)
        any ('{BLOCKED,STOPPED,KILLED,PREVENTED,VIOLATION_INCIDENT}'::pg_catalog.text[])
    group by r.run_id, r.tenant_id
  ) as r
  union all
  select 'policy_violation_differs'::pg_catalog.text, 'warn'::pg_catalog.text, 'policies'::pg_catalog.text,
    'policy_violation without evidence'::pg_catalog.text, r.run_id, r.tenant_id, 'runs'::pg_catalog.text,
    r.run_id,
    'runs.policy_violation is true; no incident, policy evaluation other than a harmless one, enforcement or '
      'limit breach of the run''s tenant names the run. The records may be there and not name it: see that '
      'policies_handler gives run_id to what it writes. The flag may be all that tells of the violation, so '
      'nothing here takes it back.'::pg_catalog.text,
    null::pg_catalog.text, 'unknown'::pg_catalog.text, null::pg_catalog.text
  from (
    select null::pg_catalog.bool as policy_violation, null::pg_catalog.text as violation_policy_id
  ) as missing
    cross join lateral (
      select id::pg_catalog.text as run_id, tenant_id::pg_catalog.text, status::pg_catalog.text,
        policy_violation::pg_catalog.bool, violation_policy_id::pg_catalog.text
      from @extschema@.runs
    ) as r
  where r.policy_violation and r.violation_policy_id is null
    and r.status operator(pg_catalog.<>)
      all ('{queued,running,retry,pending_approval}'::pg_catalog.text[])
    and not exists (
      select from @extschema@.runlink_evaluation_runs() e
      where e.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or e.tenant_id operator(pg_catalog.=) r.tenant_id)
        and pg_catalog.upper(e.outcome collate pg_catalog."C") operator(pg_catalog.<>)
          all ('{ALLOWED,AUDITED,ADVISORY,NO_VIOLATION,NOT_APPLICABLE}'::pg_catalog.text[]))
    and not exists (
      select from @extschema@.runlink_incident_runs() i
      where i.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or i.tenant_id operator(pg_catalog.=) r.tenant_id))
    and not exists (
      select from @extschema@.runlink_enforcement_runs() n
      where n.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or n.tenant_id operator(pg_catalog.=) r.tenant_id))
    and not exists (
      select from @extschema@.limit_breaches b
      where b.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or b.tenant_id operator(pg_catalog.=) r.tenant_id))
$$;

comment on function runlink_gap_policy_violation_differs() is
'@omit
Rule of runlink_gaps: a run that is over, and whose policy_violation is false while an evaluation of its
tenant that is not simulated BLOCKED, STOPPED, KILLED or PREVENTED it or is a VIOLATION_INCIDENT (a warning
alone is none); or is true while it names no violation_policy_id and no incident, evaluation (but ALLOWED,
AUDITED, ADVISORY, NO_VIOLATION, NOT_APPLICABLE), enforcement or limit breach of its tenant names it.
Out: a row a run, of level warn. Of the first the remedy sets the flag; confidence is likely where all
evaluations are linked by older columns, else certain. Of the second there is none, and confidence is
unknown: the flag may be all that tells of the violation.
Errors: as a SELECT from runs, incidents, prevention_records, policy_enforcements (where it is there) and
limit_breaches.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
