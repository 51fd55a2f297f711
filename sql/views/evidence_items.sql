create function runlink_evidence_items_rows()
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
  from @extschema@.runlink_record_links() l
    left join @extschema@.runs r on r.id operator(pg_catalog.=) l.run_id
  where r.tenant_id is null or r.tenant_id operator(pg_catalog.=) l.tenant_id
$$;

comment on function runlink_evidence_items_rows() is
'@omit
The rows of the view runlink_evidence_items, whose comment says what they are.
Errors: a table or column that is missing (42P01, 42703) or may not be read (42501), and a rule or limit
that is not unique in its tenant (21000).
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined into
the query. Stable, parallel restricted; works on a standby.';

create view runlink_evidence_items with (security_invoker) as
  select * from @extschema@.runlink_evidence_items_rows();

grant select on runlink_evidence_items to public;

comment on view runlink_evidence_items is
'@primaryKey run_id,kind,record_id
@foreignKey (run_id) references runlink_runs (run_id)
The evidence of every run: a row for each record and run that it belongs to, as runlink_evidence(run_id)
returns them for one. A run''s records are those of its tenant, of every tenant where the run has none or is
missing from runs. An old link (llm_run_id, blocked_incident_id, original_incident_id) counts where runs has
such an id. Records that name no run are not here.
Predicates on run_id, tenant_id, kind and occurred_at reach the tables and their indexes.';
comment on column runlink_evidence_items.run_id is 'The run that the record belongs to';
comment on column runlink_evidence_items.tenant_id is 'The tenant of the record';
comment on column runlink_evidence_items.domain is 'activity, incidents, policies, controls or logs';
comment on column runlink_evidence_items.kind is
'run, incident, policy_evaluation, decision, policy_enforcement, limit_breach, governance_event, trace or
llm_run_record; the tables of enforcements and of llm_run_records need not exist';
comment on column runlink_evidence_items.record_id is
'Id of the record in its table; for a decision dec- and the id of the evaluation';
comment on column runlink_evidence_items.occurred_at is
'When it happened; NULL where the record does not say';
comment on column runlink_evidence_items.severity is 'Severity of an incident, risk level of a run';
comment on column runlink_evidence_items.outcome is
'Status, outcome, action or type, as stored; a decision''s in upper case';
comment on column runlink_evidence_items.title is
'What it is about; rules and limits by their names, of the same tenant only';
comment on column runlink_evidence_items.linked_by is
'The column or key by which the record names the run, the first that holds';
comment on column runlink_evidence_items.is_synthetic is
'Made up for a test; NULL where the record does not say';
