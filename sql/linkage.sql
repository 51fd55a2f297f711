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
'Counts what is linked to a run: always one row, of one snapshot. run_id: runs.id, not NULL or empty (SQLSTATE 22004, 22023). tenant_id: narrows to a tenant; NULL: the run''s own, or every tenant where the run has none or is missing. Returned: application_schema (where the tables are), run_id, tenant_id (the tenant counted, NULL for every), run_found (runs has the id, whoever owns it), counts of records of that tenant through canonical links (decisions are the evaluations BLOCKED, WARNED, STOPPED, KILLED or PREVENTED), legacy_link_count (records of the tenant found only through incidents.llm_run_id, prevention_records.blocked_incident_id or original_incident_id), other_tenant_count (records linked to the run, its own row included, that are not of the tenant). A table that is missing (42P01), lacks a column (42703), has a wrong type (42804) or may not be read (42501) is an error. Reads as the caller, under row-level security. Stable, parallel restricted, works on a standby.';
