create function runlink_linkage(run_id text, tenant_id text default null)
returns table (
  application_schema text,
  run_id text,
  tenant_id text,
  run_found boolean,
  incident_count bigint,
  policy_evaluation_count bigint,
  decision_count bigint,
  limit_breach_count bigint,
  governance_event_count bigint,
  trace_count bigint,
  step_count bigint,
  legacy_link_count bigint,
  other_tenant_count bigint
)
as 'MODULE_PATHNAME', 'runlink_linkage'
language c stable parallel restricted rows 1 cost 1000;

comment on function runlink_linkage(text, text) is
'Counts of what is linked to a run.
In: run_id, the id of a row of runs, any string but NULL (22004) or '''' (22023); tenant_id, to
narrow to a tenant, any string but '''' (22023); NULL: the run''s own tenant, or every tenant where
the run has none or is missing from runs. The two in each other''s place are an error (22023).
Out: always one row: application_schema (where the tables are), run_id (as given), tenant_id (the
tenant counted, NULL for every), run_found (runs has the id, whoever owns it); the records of that
tenant by their canonical links: incident_count, policy_evaluation_count, decision_count (the
evaluations BLOCKED, WARNED, STOPPED, KILLED or PREVENTED), limit_breach_count,
governance_event_count, trace_count, step_count; and apart from these legacy_link_count (records of
the tenant found only by incidents.llm_run_id, prevention_records.blocked_incident_id or
original_incident_id) and other_tenant_count (records linked to the run, its own row too, that are
not of the tenant).
Errors: a table that is missing (42P01), lacks a column (42703), has a column of a wrong type (42804)
or may not be read (42501); a relation of its name that is no table or view (42809); a run that is
not unique in a view named runs, unless tenant_id is given (21000).
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';
