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
'Everything that is linked to a run.
In: run_id, the id of a row of runs, any string but NULL (22004) or '''' (22023); tenant_id, to
narrow to a tenant, any string but '''' (22023); NULL: the run''s own tenant, or every tenant where
the run has none or is missing from runs. The two in each other''s place are an error (22023).
Out: rows by occurred_at (NULL last), kind and record_id, without a limit: run_id (as given),
tenant_id (of the record), domain (activity, incidents, policies, controls, logs), kind (run,
incident, policy_evaluation, policy_enforcement, decision, limit_breach, governance_event, trace,
llm_run_record), record_id (for a decision ''dec-'' and the evaluation''s id), occurred_at (NULL where
the record has none), severity (of runs and incidents), outcome (as stored; a decision''s in upper
case), title (a rule or limit is named by a row of the same tenant only), linked_by (the column or
key that names the run; llm_run_id, blocked_incident_id and original_incident_id hold only where the
canonical column is NULL), detail (further columns; is_synthetic and is_simulated tell records that
were made up; a json value that jsonb cannot hold, such as one with \u0000, is a string of its text).
A run with nothing linked gives its own row. A run missing from runs gives what is linked to it and
no row of its own. Records of other tenants are never evidence; runlink_linkage counts them.
Errors: a table that is missing (42P01), lacks a column (42703), has a column of a wrong type (42804)
or may not be read (42501), a relation of its name that is no table or view (42809), a run that is
not unique in a view named runs, unless tenant_id is given (21000), a rule or limit that is not unique
in its tenant (21000), and a detail larger than a jsonb value can be (54000); never an empty answer
instead. policy_enforcements and llm_run_records are read where they exist.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';

create function runlink_evidence_json(run_id text, tenant_id text default null)
returns jsonb
as 'MODULE_PATHNAME', 'runlink_evidence_json'
language c stable parallel restricted cost 1000;

comment on function runlink_evidence_json(text, text) is
'The evidence of a run in the shape of the application''s evidence coordinator.
In and errors: as runlink_evidence; an answer larger than a jsonb value can be is an error too (54000).
Out: an object of run_id, run_found (runs has it, whoever owns it), incidents_caused[],
policies_evaluated[], limits_hit[], decisions_made[], governance_events[] and computed_at (when the
statement began), each list in the order of runlink_evidence and complete; times in ISO 8601, a
missing value null.
Reads, locks, volatility and parallel mark as runlink_evidence.';
