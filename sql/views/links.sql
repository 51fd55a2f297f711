-- Every record that names a run: what the views are made of, by the links of src/application.c.
--
-- Columns are named without their table where it is the only one. A column that the table may lack is
-- then that of a row of NULLs called missing, beside which the table stands in a lateral subquery; and
-- of a column that is missing all the same, t.goal would be a call of a function goal(runs).
--
-- is_old tests the column itself: of its cast to text the planner does not see that a partial index serves.

create function runlink_incident_links()
returns table (
  run_id text,
  tenant_id text,
  linked_by text,
  record_id text,
  occurred_at timestamptz,
  severity text,
  status text,
  title text,
  is_synthetic boolean
)
language sql stable parallel safe rows 10000
as $$
  with incident as not materialized (
    select i.*
    from (
      select null::pg_catalog.text as llm_run_id, null::pg_catalog.bool as is_synthetic
    ) as missing
      cross join lateral (
        select source_run_id::pg_catalog.text, source_run_id is null as is_old,
          llm_run_id::pg_catalog.text, tenant_id::pg_catalog.text, id::pg_catalog.text,
          created_at::pg_catalog.timestamptz, severity::pg_catalog.text, status::pg_catalog.text,
          title::pg_catalog.text, is_synthetic::pg_catalog.bool
        from @extschema@.incidents
      ) as i
  )
  select l.run_id, l.tenant_id, l.linked_by, l.id, l.created_at, l.severity, l.status, l.title,
    l.is_synthetic
  from (
    select i.source_run_id as run_id, 'source_run_id'::pg_catalog.text as linked_by, i.*
    from incident i
    where i.source_run_id is not null
    union all
    select i.llm_run_id, 'llm_run_id'::pg_catalog.text, i.*
    from incident i
    where i.is_old
      and exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) i.llm_run_id)
  ) as l
$$;

comment on function runlink_incident_links() is
'@omit
Incidents that name a run, whoever owns it.
Out: a row for each record of incidents that names one: run_id, tenant_id, linked_by (source_run_id; where
that is NULL llm_run_id, if runs has such an id), record_id, occurred_at, severity, status, title,
is_synthetic (NULL where the table does not have it).
Errors: as a SELECT from incidents and runs.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined, so
that predicates on ids and times reach the indexes. Stable, parallel safe.';

create function runlink_evaluation_links()
returns table (
  run_id text,
  tenant_id text,
  linked_by text,
  record_id text,
  policy_id text,
  policy_name text,
  outcome text,
  decision text,
  occurred_at timestamptz,
  match_confidence float8,
  is_synthetic boolean,
  is_simulated boolean
)
language sql stable parallel safe rows 10000
as $$
  with evaluation as not materialized (
    select e.*
    from (
      select null::pg_catalog.text as blocked_incident_id,
        null::pg_catalog.text as original_incident_id,
        null::pg_catalog.float8 as signature_match_confidence,
        null::pg_catalog.bool as is_synthetic, null::pg_catalog.bool as is_simulated
    ) as missing
      cross join lateral (
        select run_id::pg_catalog.text as canonical, run_id is null as is_old,
          blocked_incident_id::pg_catalog.text as blocked,
          original_incident_id::pg_catalog.text as original, tenant_id::pg_catalog.text,
          id::pg_catalog.text, policy_id::pg_catalog.text, outcome::pg_catalog.text,
          pg_catalog.upper(outcome::pg_catalog.text collate pg_catalog."C")
            collate pg_catalog."default" as decision,
          created_at::pg_catalog.timestamptz, signature_match_confidence::pg_catalog.float8,
          is_synthetic::pg_catalog.bool, is_simulated::pg_catalog.bool
        from @extschema@.prevention_records
      ) as e
  )
  select l.run_id, l.tenant_id, l.linked_by, l.id, l.policy_id,
    (select p.name::pg_catalog.text from @extschema@.policy_rules p
      where p.id operator(pg_catalog.=) l.policy_id
        and p.tenant_id operator(pg_catalog.=) l.tenant_id),
    l.outcome,
    case when l.decision operator(pg_catalog.=)
      any ('{BLOCKED,WARNED,STOPPED,KILLED,PREVENTED}'::pg_catalog.text[]) then l.decision end,
    l.created_at, l.signature_match_confidence, l.is_synthetic, l.is_simulated
  from (
    select e.canonical as run_id, 'run_id'::pg_catalog.text as linked_by, e.*
    from evaluation e
    where e.canonical is not null
    union all
    select e.blocked, 'blocked_incident_id'::pg_catalog.text, e.*
    from evaluation e
    where e.is_old
      and exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) e.blocked)
    union all
    select e.original, 'original_incident_id'::pg_catalog.text, e.*
    from evaluation e
    where e.is_old and (e.original operator(pg_catalog.=) e.blocked) is not true
      and exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) e.original)
  ) as l
$$;

comment on function runlink_evaluation_links() is
'@omit
Policy evaluations that name a run, whoever owns it.
Out: a row for each record of prevention_records and run that it names: run_id, tenant_id, linked_by
(run_id; where that is NULL blocked_incident_id, then original_incident_id, if runs has such an id),
record_id, policy_id, policy_name (of the same tenant only), outcome (as stored), decision (the outcome in
upper case where it is BLOCKED, WARNED, STOPPED, KILLED or PREVENTED), occurred_at, match_confidence,
is_synthetic, is_simulated (NULL where the table does not have them).
Errors: as a SELECT from prevention_records, policy_rules and runs.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined, so
that predicates on ids and times reach the indexes. Stable, parallel safe.';

create function runlink_breach_links()
returns table (
  run_id text,
  tenant_id text,
  record_id text,
  limit_id text,
  limit_name text,
  breach_type text,
  occurred_at timestamptz,
  recovered_at timestamptz,
  value_at_breach numeric,
  limit_value numeric
)
language sql stable parallel safe rows 10000
as $$
  select b.run_id, b.tenant_id, b.id, b.limit_id,
    (select l.name::pg_catalog.text from @extschema@.limits l
      where l.id operator(pg_catalog.=) b.limit_id
        and l.tenant_id operator(pg_catalog.=) b.tenant_id),
    b.breach_type, b.breached_at, b.recovered_at, b.value_at_breach, b.limit_value
  from (select null::pg_catalog.timestamptz as recovered_at) as missing
    cross join lateral (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, id::pg_catalog.text,
        limit_id::pg_catalog.text, breach_type::pg_catalog.text,
        breached_at::pg_catalog.timestamptz, recovered_at::pg_catalog.timestamptz,
        value_at_breach::pg_catalog.numeric, limit_value::pg_catalog.numeric
      from @extschema@.limit_breaches
      where run_id is not null
    ) as b
$$;

comment on function runlink_breach_links() is
'@omit
Limit breaches that name a run, whoever owns it.
Out: a row for each record of limit_breaches with a run_id: run_id, tenant_id, record_id, limit_id,
limit_name (of the same tenant only), breach_type, occurred_at, recovered_at (NULL where the table does not
have it), value_at_breach, limit_value (at the breach).
Errors: as a SELECT from limit_breaches and limits.
Reads, locks, inlining, volatility and parallel mark as runlink_incident_links.';

create function runlink_ledger_links()
returns table (
  run_id text,
  tenant_id text,
  linked_by text,
  record_id text,
  occurred_at timestamptz,
  event_type text,
  entity_type text,
  entity_id text,
  actor_type text,
  actor_id text,
  action_reason text
)
language sql stable parallel safe rows 10000
as $$
  with event as not materialized (
    select @extschema@.runlink_json_string(after_state, 'run_id'::pg_catalog.text) as after_run,
      @extschema@.runlink_json_string(after_state, 'source_run_id'::pg_catalog.text) as after_source,
      @extschema@.runlink_json_string(before_state, 'run_id'::pg_catalog.text) as before_run,
      @extschema@.runlink_json_string(before_state, 'source_run_id'::pg_catalog.text)
        as before_source,
      tenant_id::pg_catalog.text, id::pg_catalog.text, created_at::pg_catalog.timestamptz,
      event_type::pg_catalog.text, entity_type::pg_catalog.text, entity_id::pg_catalog.text,
      actor_type::pg_catalog.text, actor_id::pg_catalog.text, action_reason::pg_catalog.text
    from @extschema@.audit_ledger
  )
  select l.run_id, l.tenant_id, l.linked_by, l.id, l.created_at, l.event_type, l.entity_type,
    l.entity_id, l.actor_type, l.actor_id, l.action_reason
  from (
    select e.after_run as run_id, 'after_state.run_id'::pg_catalog.text as linked_by, e.*
    from event e
    where e.after_run is not null
    union all
    select e.after_source, 'after_state.source_run_id'::pg_catalog.text, e.*
    from event e
    where e.after_source is not null and (e.after_source operator(pg_catalog.=) e.after_run) is not true
    union all
    select e.before_run, 'before_state.run_id'::pg_catalog.text, e.*
    from event e
    where e.before_run is not null
      and (e.before_run operator(pg_catalog.=) any (array[e.after_run, e.after_source])) is not true
    union all
    select e.before_source, 'before_state.source_run_id'::pg_catalog.text, e.*
    from event e
    where e.before_source is not null
      and (e.before_source operator(pg_catalog.=)
        any (array[e.after_run, e.after_source, e.before_run])) is not true
    union all
    select i.run_id, 'entity_id'::pg_catalog.text, e.*
    from event e
      join @extschema@.runlink_incident_links() i on i.record_id operator(pg_catalog.=) e.entity_id
        and i.tenant_id operator(pg_catalog.=) e.tenant_id
    where e.entity_type operator(pg_catalog.=) 'INCIDENT'::pg_catalog.text
      and (i.run_id operator(pg_catalog.=)
        any (array[e.after_run, e.after_source, e.before_run, e.before_source])) is not true
  ) as l
$$;

comment on function runlink_ledger_links() is
'@omit
Events of the audit ledger that name a run, whoever owns it.
Out: a row for each event of audit_ledger and run that it names: run_id, tenant_id, linked_by (the first
that holds of after_state.run_id, after_state.source_run_id, before_state.run_id,
before_state.source_run_id, where a top-level string of the state is the run id; else entity_id, for an
event of entity_type INCIDENT whose entity is an incident of the run and of the event''s tenant),
record_id, occurred_at, event_type, entity_type, entity_id, actor_type, actor_id, action_reason.
Errors: as a SELECT from audit_ledger, incidents and runs.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined, so
that predicates on ids and times reach the indexes. Stable, parallel safe.';

create function runlink_record_links()
returns table (
  run_id text,
  tenant_id text,
  domain text,
  kind text,
  record_id text,
  occurred_at timestamptz,
  severity text,
  outcome text,
  title text,
  linked_by text,
  is_synthetic boolean
)
language sql stable parallel restricted rows 100000
as $$
  select l.*
  from (select null::pg_catalog.bool as is_synthetic) as missing
    cross join lateral (
      select id::pg_catalog.text, tenant_id::pg_catalog.text, 'activity'::pg_catalog.text,
        'run'::pg_catalog.text, id::pg_catalog.text, created_at::pg_catalog.timestamptz,
        risk_level::pg_catalog.text, status::pg_catalog.text, goal::pg_catalog.text,
        'id'::pg_catalog.text, is_synthetic::pg_catalog.bool
      from @extschema@.runs
      union all
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, 'logs'::pg_catalog.text,
        'trace'::pg_catalog.text, trace_id::pg_catalog.text, started_at::pg_catalog.timestamptz,
        null::pg_catalog.text, status::pg_catalog.text, null::pg_catalog.text,
        'run_id'::pg_catalog.text, is_synthetic::pg_catalog.bool
      from @extschema@.aos_traces
    ) as l
  union all
  select l.run_id, l.tenant_id, 'incidents'::pg_catalog.text, 'incident'::pg_catalog.text,
    l.record_id, l.occurred_at, l.severity, l.status, l.title, l.linked_by, l.is_synthetic
  from @extschema@.runlink_incident_links() l
  union all
  select l.run_id, l.tenant_id, 'policies'::pg_catalog.text, 'policy_evaluation'::pg_catalog.text,
    l.record_id, l.occurred_at, null::pg_catalog.text, l.outcome, l.policy_name, l.linked_by,
    l.is_synthetic
  from @extschema@.runlink_evaluation_links() l
  union all
  select l.run_id, l.tenant_id, 'policies'::pg_catalog.text, 'decision'::pg_catalog.text,
    pg_catalog.concat('dec-', l.record_id), l.occurred_at, null::pg_catalog.text, l.decision,
    l.policy_name, l.linked_by, l.is_synthetic
  from @extschema@.runlink_evaluation_links() l
  where l.decision is not null
  union all
  select l.run_id, l.tenant_id, 'policies'::pg_catalog.text, 'policy_enforcement'::pg_catalog.text,
    l.record_id, l.occurred_at, null::pg_catalog.text, l.outcome, l.title,
    'run_id'::pg_catalog.text, l.is_synthetic
  from @extschema@.runlink_enforcement_links() l
  union all
  select l.run_id, l.tenant_id, 'controls'::pg_catalog.text, 'limit_breach'::pg_catalog.text,
    l.record_id, l.occurred_at, null::pg_catalog.text, l.breach_type, l.limit_name,
    'run_id'::pg_catalog.text, null::pg_catalog.bool
  from @extschema@.runlink_breach_links() l
  union all
  select l.run_id, l.tenant_id, 'logs'::pg_catalog.text, 'governance_event'::pg_catalog.text,
    l.record_id, l.occurred_at, null::pg_catalog.text, l.event_type,
    pg_catalog.concat(l.entity_type, ' ', l.entity_id), l.linked_by, null::pg_catalog.bool
  from @extschema@.runlink_ledger_links() l
  union all
  select l.run_id, l.tenant_id, 'logs'::pg_catalog.text, 'llm_run_record'::pg_catalog.text,
    l.record_id, l.occurred_at, null::pg_catalog.text, l.outcome, l.title,
    'run_id'::pg_catalog.text, l.is_synthetic
  from @extschema@.runlink_llm_record_links() l
$$;

comment on function runlink_record_links() is
'@omit
Every record that names a run, whoever owns it.
Out: a row for each record and run that it names, as runlink_evidence_items has them, but with the
records of other tenants than the run''s.
Errors: as a SELECT from the tables of the linkage map; policy_enforcements and llm_run_records are read
where they exist.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined, so
that predicates on ids and times reach the indexes. Stable, parallel restricted.';
