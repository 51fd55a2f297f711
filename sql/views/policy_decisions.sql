create function runlink_policy_decisions_rows()
returns table (
  run_id text,
  tenant_id text,
  decision_id text,
  evaluation_id text,
  decided_at timestamptz,
  decision text,
  policy_id text,
  policy_name text,
  match_confidence float8,
  linked_by text,
  is_synthetic boolean,
  is_simulated boolean
)
language sql stable parallel safe rows 10000
as $$
  select l.run_id, l.tenant_id, pg_catalog.concat('dec-', l.record_id), l.record_id, l.occurred_at,
    l.decision, l.policy_id, l.policy_name, l.match_confidence, l.linked_by, l.is_synthetic,
    l.is_simulated
  from @extschema@.runlink_evaluation_links() l
    left join @extschema@.runs r on r.id operator(pg_catalog.=) l.run_id
  where l.decision is not null
    and (r.tenant_id is null or r.tenant_id operator(pg_catalog.=) l.tenant_id)
$$;

comment on function runlink_policy_decisions_rows() is
'@omit
The rows of the view runlink_policy_decisions, whose comment says what they are.
Errors: a table or column that is missing (42P01, 42703) or may not be read (42501), and a rule that is not
unique in its tenant (21000).
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined into
the query. Stable, parallel safe; works on a standby.';

create view runlink_policy_decisions with (security_invoker) as
  select * from @extschema@.runlink_policy_decisions_rows();

grant select on runlink_policy_decisions to public;

comment on view runlink_policy_decisions is
'@primaryKey run_id,decision_id
@foreignKey (run_id) references runlink_runs (run_id)
Policy evaluations that decided something, by run: those whose outcome, in any case, is BLOCKED, WARNED,
STOPPED, KILLED or PREVENTED; the decisions of runlink_evidence(run_id). A run''s decisions are those of its
tenant, of every tenant where the run has none or is missing from runs. Evaluations that name no run are not
here.
Predicates on run_id, tenant_id and decided_at reach prevention_records and its indexes.';
comment on column runlink_policy_decisions.run_id is 'The run that was decided about';
comment on column runlink_policy_decisions.tenant_id is 'The tenant of the evaluation';
comment on column runlink_policy_decisions.decision_id is 'dec- and the id of the evaluation';
comment on column runlink_policy_decisions.evaluation_id is 'prevention_records.id';
comment on column runlink_policy_decisions.decided_at is 'When; NULL where the record does not say';
comment on column runlink_policy_decisions.decision is 'BLOCKED, WARNED, STOPPED, KILLED or PREVENTED';
comment on column runlink_policy_decisions.policy_id is 'The rule that was evaluated';
comment on column runlink_policy_decisions.policy_name is
'Its name; NULL where the tenant has no such rule';
comment on column runlink_policy_decisions.match_confidence is
'How well the pattern matched, from 0 to 1; NULL where it was not recorded';
comment on column runlink_policy_decisions.linked_by is
'The column that names the run: run_id, in older rows blocked_incident_id or original_incident_id';
comment on column runlink_policy_decisions.is_synthetic is
'Made up for a test; NULL where the record does not say';
comment on column runlink_policy_decisions.is_simulated is
'Evaluated, but not enforced; NULL where the record does not say';
