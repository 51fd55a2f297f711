create function runlink_evidence(run_id text, tenant_id text default null)
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
  detail jsonb
)
as 'MODULE_PATHNAME', 'runlink_evidence'
language c stable parallel restricted rows 50 cost 1000;

comment on function runlink_evidence(text, text) is
'Everything linked to a run, of one snapshot and without a limit, by occurred_at (NULL last), kind and record_id. run_id: runs.id, not NULL or empty (SQLSTATE 22004, 22023). tenant_id: narrows to a tenant; NULL: the run''s own, or every tenant where the run has none or is missing; rows of other tenants are not evidence (runlink_linkage counts them). Returned: run_id (as given), tenant_id (of the record), domain (activity, incidents, policies, controls, logs), kind (run, incident, policy_evaluation, policy_enforcement, decision, limit_breach, governance_event, trace, llm_run_record), record_id, occurred_at (NULL where the record has no time), severity (of runs and incidents), outcome, title (a rule or limit is named only by a row of the same tenant), linked_by (column or key that names the run; llm_run_id, blocked_incident_id and original_incident_id are legacy links, which hold where the canonical one is NULL), detail (further columns; is_synthetic and is_simulated tell made-up records). A run with nothing linked gives its own row; a run missing from runs gives what is linked to it. A table that is missing (42P01), lacks a column (42703), has a wrong type (42804) or may not be read (42501) is an error, never an empty answer; policy_enforcements and llm_run_records are read where they exist. Reads as the caller, under row-level security. Stable, parallel restricted, works on a standby.';

create function runlink_evidence_json(run_id text, tenant_id text default null)
returns jsonb
as $$
  select pg_catalog.jsonb_build_object(
    'run_id', $1,
    'incidents_caused', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'incident_id', e.record_id,
        'severity', e.severity,
        'title', e.title,
        'created_at', e.occurred_at,
        'linked_by', e.linked_by
      )) filter (where e.kind operator(pg_catalog.=) 'incident'), '[]'),
    'policies_evaluated', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'evaluation_id', e.record_id,
        'policy_id', e.detail operator(pg_catalog.->) 'policy_id',
        'policy_name', e.title,
        'outcome', e.outcome,
        'evaluated_at', e.occurred_at,
        'linked_by', e.linked_by
      )) filter (where e.kind operator(pg_catalog.=) 'policy_evaluation'), '[]'),
    'limits_hit', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'breach_id', e.record_id,
        'limit_id', e.detail operator(pg_catalog.->) 'limit_id',
        'limit_name', e.title,
        'breached_value', e.detail operator(pg_catalog.->) 'value_at_breach',
        'threshold_value', e.detail operator(pg_catalog.->) 'limit_value',
        'breached_at', e.occurred_at
      )) filter (where e.kind operator(pg_catalog.=) 'limit_breach'), '[]'),
    'decisions_made', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'decision_id', e.record_id,
        'decision_type', 'POLICY_EVALUATION',
        'outcome', e.outcome,
        'decided_at', e.occurred_at
      )) filter (where e.kind operator(pg_catalog.=) 'decision'), '[]'),
    'governance_events', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'record_id', e.record_id,
        'occurred_at', e.occurred_at,
        'event_type', e.outcome,
        'entity_type', e.detail operator(pg_catalog.->) 'entity_type',
        'entity_id', e.detail operator(pg_catalog.->) 'entity_id',
        'actor_type', e.detail operator(pg_catalog.->) 'actor_type',
        'actor_id', e.detail operator(pg_catalog.->) 'actor_id',
        'linked_by', e.linked_by
      )) filter (where e.kind operator(pg_catalog.=) 'governance_event'), '[]'),
    'computed_at', pg_catalog.statement_timestamp())
  from @extschema@.runlink_evidence($1, $2) as e
$$
language sql stable parallel restricted cost 1000;

comment on function runlink_evidence_json(text, text) is
'The evidence of a run in the shape of the application''s evidence coordinator: run_id, incidents_caused[], policies_evaluated[], limits_hit[], decisions_made[], governance_events[], computed_at. Arguments, errors and contents as runlink_evidence, with its order; times are ISO 8601, a missing one is null. computed_at is the time the statement began. An answer over the size of a jsonb value is an error (54000). Stable, parallel restricted, works on a standby.';
