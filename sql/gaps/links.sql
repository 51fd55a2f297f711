-- The links that the rules look at, with few columns besides: a caller needs no privilege on others.
--
-- Columns that a table may lack are those of a row of NULLs called missing, and conditions on a column test the
-- column itself and not its cast, both as in ../views/links.sql.

create function runlink_enforcement_runs_read()
returns table (run_id text, tenant_id text, record_id text)
language sql stable parallel safe rows 10000
as $$
  select t.run_id::pg_catalog.text, t.tenant_id::pg_catalog.text, t.id::pg_catalog.text
  from @extschema@.policy_enforcements t
  where t.run_id is not null
$$;

comment on function runlink_enforcement_runs_read() is
'@omit
What runlink_enforcement_runs returns where there is a table policy_enforcements; an error where there is
none (42P01). Stable, parallel safe.';

create function runlink_enforcement_runs()
returns table (run_id text, tenant_id text, record_id text)
as 'MODULE_PATHNAME', 'runlink_optional_rows'
language c stable parallel restricted rows 10000
support @extschema@.runlink_optional_support;

comment on function runlink_enforcement_runs() is
'@omit
The runs that enforcements of policies name; no row where there is no table policy_enforcements.
Out: run_id, tenant_id and record_id of each of policy_enforcements with a run_id.
Errors, reads, locks, inlining, volatility and parallel mark as runlink_enforcement_links.';

create function runlink_llm_record_runs_read()
returns table (run_id text, tenant_id text, record_id text)
language sql stable parallel safe rows 10000
as $$
  select t.run_id::pg_catalog.text, t.tenant_id::pg_catalog.text, t.id::pg_catalog.text
  from @extschema@.llm_run_records t
  where t.run_id is not null
$$;

comment on function runlink_llm_record_runs_read() is
'@omit
What runlink_llm_record_runs returns where there is a table llm_run_records; an error where there is none
(42P01). Stable, parallel safe.';

create function runlink_llm_record_runs()
returns table (run_id text, tenant_id text, record_id text)
as 'MODULE_PATHNAME', 'runlink_optional_rows'
language c stable parallel restricted rows 10000
support @extschema@.runlink_optional_support;

comment on function runlink_llm_record_runs() is
'@omit
The runs that records of calls to a model name; no row where there is no table llm_run_records.
Out: run_id, tenant_id and record_id of each of llm_run_records.
Errors, reads, locks, inlining, volatility and parallel mark as runlink_enforcement_links.';

create function runlink_incident_runs()
returns table (run_id text, tenant_id text, record_id text, linked_by text)
language sql stable parallel safe rows 10000
as $$
  select source_run_id::pg_catalog.text, tenant_id::pg_catalog.text, id::pg_catalog.text,
    'source_run_id'::pg_catalog.text
  from @extschema@.incidents
  where source_run_id is not null
  union all
  select i.llm_run_id, i.tenant_id, i.id, 'llm_run_id'::pg_catalog.text
  from (select null::pg_catalog.text as llm_run_id) as missing
    cross join lateral (
      select llm_run_id::pg_catalog.text, tenant_id::pg_catalog.text, id::pg_catalog.text
      from @extschema@.incidents
      where source_run_id is null
    ) as i
  where i.llm_run_id is not null
$$;

comment on function runlink_incident_runs() is
'@omit
The runs that incidents name, also where there is no such run.
Out: run_id, tenant_id, record_id and linked_by (source_run_id; where that is NULL llm_run_id).
Errors: as a SELECT from incidents.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined.
Stable, parallel safe.';

create function runlink_evaluation_runs()
returns table (
  run_id text,
  tenant_id text,
  record_id text,
  linked_by text,
  outcome text,
  is_simulated boolean
)
language sql stable parallel safe rows 10000
as $$
  with evaluation as not materialized (
    select e.*
    from (
      select null::pg_catalog.text as blocked_incident_id,
        null::pg_catalog.text as original_incident_id, null::pg_catalog.bool as is_simulated
    ) as missing
      cross join lateral (
        select run_id::pg_catalog.text as canonical, run_id is null as is_old,
          blocked_incident_id::pg_catalog.text as blocked,
          original_incident_id::pg_catalog.text as original, tenant_id::pg_catalog.text,
          id::pg_catalog.text, outcome::pg_catalog.text, is_simulated::pg_catalog.bool
        from @extschema@.prevention_records
      ) as e
  )
  select e.canonical, e.tenant_id, e.id, 'run_id'::pg_catalog.text, e.outcome, e.is_simulated
  from evaluation e
  where e.canonical is not null
  union all
  select e.blocked, e.tenant_id, e.id, 'blocked_incident_id'::pg_catalog.text, e.outcome, e.is_simulated
  from evaluation e
  where e.is_old
    and exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) e.blocked)
  union all
  select e.original, e.tenant_id, e.id, 'original_incident_id'::pg_catalog.text, e.outcome, e.is_simulated
  from evaluation e
  where e.is_old and (e.original operator(pg_catalog.=) e.blocked) is not true
    and exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) e.original)
$$;

comment on function runlink_evaluation_runs() is
'@omit
The runs that policy evaluations name.
Out: run_id, tenant_id, record_id, linked_by (run_id, also where there is no such run; where that is NULL
blocked_incident_id and original_incident_id, if runs has such an id), outcome (as stored), is_simulated (NULL
where the table does not have it).
Errors: as a SELECT from prevention_records and runs.
Reads, locks, inlining, volatility and parallel mark as runlink_incident_runs.';

create function runlink_ledger_runs()
returns table (run_id text, tenant_id text, record_id text, linked_by text)
language sql stable parallel safe rows 10000
as $$
  with event as not materialized (
    select @extschema@.runlink_json_string(after_state, 'run_id'::pg_catalog.text) as after_run,
      @extschema@.runlink_json_string(after_state, 'source_run_id'::pg_catalog.text) as after_source,
      @extschema@.runlink_json_string(before_state, 'run_id'::pg_catalog.text) as before_run,
      @extschema@.runlink_json_string(before_state, 'source_run_id'::pg_catalog.text)
        as before_source,
      tenant_id::pg_catalog.text, id::pg_catalog.text
    from @extschema@.audit_ledger
  )
  select e.after_run, e.tenant_id, e.id, 'after_state.run_id'::pg_catalog.text
  from event e
  where e.after_run is not null
  union all
  select e.after_source, e.tenant_id, e.id, 'after_state.source_run_id'::pg_catalog.text
  from event e
  where e.after_source is not null and (e.after_source operator(pg_catalog.=) e.after_run) is not true
  union all
  select e.before_run, e.tenant_id, e.id, 'before_state.run_id'::pg_catalog.text
  from event e
  where e.before_run is not null
    and (e.before_run operator(pg_catalog.=) any (array[e.after_run, e.after_source])) is not true
  union all
  select e.before_source, e.tenant_id, e.id, 'before_state.source_run_id'::pg_catalog.text
  from event e
  where e.before_source is not null
    and (e.before_source operator(pg_catalog.=)
      any (array[e.after_run, e.after_source, e.before_run])) is not true
$$;

comment on function runlink_ledger_runs() is
'@omit
The runs that events of the audit ledger name themselves, also where there is no such run.
Out: a row for each event and run: run_id, tenant_id, record_id and linked_by (the first that holds of
after_state.run_id, after_state.source_run_id, before_state.run_id and before_state.source_run_id).
Errors: as a SELECT from audit_ledger.
Reads, locks, inlining, volatility and parallel mark as runlink_incident_runs.';

create function runlink_unlinked_events()
returns table (
  tenant_id text,
  record_id text,
  occurred_at timestamptz,
  event_type text,
  entity_type text,
  entity_id text,
  actor_type text,
  correlation_id text
)
language sql stable parallel safe rows 1000
as $$
  select e.*
  from (select null::pg_catalog.text as correlation_id) as missing
    cross join lateral (
      select tenant_id::pg_catalog.text, id::pg_catalog.text, created_at::pg_catalog.timestamptz,
        event_type::pg_catalog.text, entity_type::pg_catalog.text, entity_id::pg_catalog.text,
        actor_type::pg_catalog.text, correlation_id::pg_catalog.text
      from @extschema@.audit_ledger
      where @extschema@.runlink_json_string(after_state, 'run_id'::pg_catalog.text) is null
        and @extschema@.runlink_json_string(after_state, 'source_run_id'::pg_catalog.text) is null
        and @extschema@.runlink_json_string(before_state, 'run_id'::pg_catalog.text) is null
        and @extschema@.runlink_json_string(before_state, 'source_run_id'::pg_catalog.text) is null
    ) as e
$$;

comment on function runlink_unlinked_events() is
'@omit
Events of the audit ledger that name no run themselves.
Out: a row for each: tenant_id, record_id, occurred_at, event_type, entity_type, entity_id, actor_type,
correlation_id (NULL where the table does not have it).
Errors: as a SELECT from audit_ledger.
Reads, locks, inlining, volatility and parallel mark as runlink_incident_runs.';

create function runlink_named_runs()
returns table (
  run_id text,
  tenant_id text,
  domain text,
  source_table text,
  record_id text,
  linked_by text
)
language sql stable parallel restricted rows 100000
as $$
  select r.parent_run_id, r.tenant_id, 'activity'::pg_catalog.text, 'runs'::pg_catalog.text, r.id,
    'parent_run_id'::pg_catalog.text
  from (select null::pg_catalog.text as parent_run_id) as missing
    cross join lateral (
      select parent_run_id::pg_catalog.text, tenant_id::pg_catalog.text, id::pg_catalog.text
      from @extschema@.runs
    ) as r
  where r.parent_run_id is not null
  union all
  select i.run_id, i.tenant_id, 'incidents'::pg_catalog.text, 'incidents'::pg_catalog.text,
    i.record_id, i.linked_by
  from @extschema@.runlink_incident_runs() i
  union all
  select e.run_id, e.tenant_id, 'policies'::pg_catalog.text, 'prevention_records'::pg_catalog.text,
    e.record_id, e.linked_by
  from @extschema@.runlink_evaluation_runs() e
  union all
  select e.run_id, e.tenant_id, 'policies'::pg_catalog.text, 'policy_enforcements'::pg_catalog.text,
    e.record_id, 'run_id'::pg_catalog.text
  from @extschema@.runlink_enforcement_runs() e
  union all
  select run_id::pg_catalog.text, tenant_id::pg_catalog.text, 'controls'::pg_catalog.text,
    'limit_breaches'::pg_catalog.text, id::pg_catalog.text, 'run_id'::pg_catalog.text
  from @extschema@.limit_breaches
  where run_id is not null
  union all
  select e.run_id, e.tenant_id, 'logs'::pg_catalog.text, 'audit_ledger'::pg_catalog.text,
    e.record_id, e.linked_by
  from @extschema@.runlink_ledger_runs() e
  union all
  select run_id::pg_catalog.text, tenant_id::pg_catalog.text, 'logs'::pg_catalog.text,
    'aos_traces'::pg_catalog.text, trace_id::pg_catalog.text, 'run_id'::pg_catalog.text
  from @extschema@.aos_traces
  union all
  select l.run_id, l.tenant_id, 'logs'::pg_catalog.text, 'llm_run_records'::pg_catalog.text,
    l.record_id, 'run_id'::pg_catalog.text
  from @extschema@.runlink_llm_record_runs() l
$$;

comment on function runlink_named_runs() is
'@omit
Every run that a record names, by any link, whoever owns it and whether it exists or not.
Out: a row for each record and run: run_id, tenant_id (of the record), domain, source_table, record_id,
linked_by (the column or key).
Errors: as a SELECT from runs, incidents, prevention_records, limit_breaches, audit_ledger and aos_traces;
policy_enforcements and llm_run_records are read where they exist.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined, so
that a predicate on run_id reaches the indexes. Stable, parallel restricted.';

create function runlink_link_writer(source_table text)
returns text
language sql immutable parallel safe
as $$
  select case
    when source_table operator(pg_catalog.=) 'runs'::pg_catalog.text then 'what starts runs'
    when source_table operator(pg_catalog.=) 'incidents'::pg_catalog.text then 'incident_write_engine'
    when source_table operator(pg_catalog.=) 'audit_ledger'::pg_catalog.text then 'audit_ledger_driver'
    when source_table operator(pg_catalog.=) 'aos_traces'::pg_catalog.text then 'the trace store'
    when source_table operator(pg_catalog.=) 'llm_run_records'::pg_catalog.text then 'the trace store'
    else 'policies_handler'
  end
$$;

comment on function runlink_link_writer(text) is
'@omit
The writer of the application that links the records of a table to their runs, as runlink_gaps names it.
Immutable, parallel safe. No locks.';

create function runlink_link_remedy(
  source_table text,
  link text,
  record_id text,
  run_id text,
  found_by text,
  found text
)
returns text
language sql stable parallel safe
as $$
  select pg_catalog.format(
    'update %s.%I set %I = %L where id operator(pg_catalog.=) %L and %I is null'
    ' and %I operator(pg_catalog.=) %L and exists (select from %1$s.runs r where r.id operator(pg_catalog.=) %4$L)',
    '@extschema@'::pg_catalog.text, source_table, link, run_id, record_id, link, found_by, found)
$$;

comment on function runlink_link_remedy(text, text, text, text, text, text) is
'@omit
The statement that writes a run into a record.
In: source_table; link, the column that is to name the run; record_id; run_id; found_by, the column that the
run was found by, and found, its value.
Out: an UPDATE of the record that changes nothing once the link is set, the other column has another value or
the run is gone.
Stable, parallel safe. No locks.';
