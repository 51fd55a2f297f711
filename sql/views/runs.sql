create function runlink_runs_rows()
returns table (
  run_id text,
  tenant_id text,
  parent_run_id text,
  agent_id text,
  goal text,
  status text,
  risk_level text,
  policy_violation boolean,
  created_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  duration_ms float8,
  input_tokens integer,
  output_tokens integer,
  estimated_cost_usd numeric,
  is_synthetic boolean,
  incident_count integer,
  policy_evaluation_count integer,
  decision_count integer,
  policy_enforcement_count integer,
  limit_breach_count integer,
  governance_event_count integer,
  trace_count integer,
  step_count integer,
  llm_run_record_count integer,
  legacy_link_count integer,
  other_tenant_count integer,
  gap_count integer,
  sealing text,
  last_verification_status text,
  last_verified_at timestamptz
)
language sql stable parallel restricted rows 10000
as $$
  select r.*,
    (select pg_catalog.count(*) from @extschema@.incidents t
      where t.source_run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.prevention_records t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.runlink_evaluation_links() t
      where t.run_id operator(pg_catalog.=) r.run_id
        and t.linked_by operator(pg_catalog.=) 'run_id'::pg_catalog.text and t.decision is not null
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.runlink_enforcement_links() t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.limit_breaches t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.runlink_ledger_links() t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.aos_traces t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.aos_trace_steps s
        join @extschema@.aos_traces t on t.trace_id operator(pg_catalog.=) s.trace_id
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.runlink_llm_record_links() t
      where t.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null
          or t.tenant_id operator(pg_catalog.=) r.tenant_id))::pg_catalog.int4,
    ((select pg_catalog.count(*) from @extschema@.runlink_incident_links() t
        where t.run_id operator(pg_catalog.=) r.run_id
          and t.linked_by operator(pg_catalog.=) 'llm_run_id'::pg_catalog.text
          and (r.tenant_id is null or t.tenant_id operator(pg_catalog.=) r.tenant_id))
      operator(pg_catalog.+)
      (select pg_catalog.count(*) from @extschema@.runlink_evaluation_links() t
        where t.run_id operator(pg_catalog.=) r.run_id
          and t.linked_by operator(pg_catalog.<>) 'run_id'::pg_catalog.text
          and (r.tenant_id is null
            or t.tenant_id operator(pg_catalog.=) r.tenant_id)))::pg_catalog.int4,
    (select pg_catalog.count(*) from @extschema@.runlink_record_links() t
      where t.run_id operator(pg_catalog.=) r.run_id
        and t.kind operator(pg_catalog.<>) 'decision'::pg_catalog.text
        and (r.tenant_id is null or t.tenant_id operator(pg_catalog.=) r.tenant_id) is not true
    )::pg_catalog.int4,
    -- the call, whose plan is kept: the rules, planned here, would be as many plans again
    (select pg_catalog.count(*) from @extschema@.runlink_gaps(r.run_id) t
      where t.level operator(pg_catalog.=) any ('{error,warn}'::pg_catalog.text[]))::pg_catalog.int4,
    coalesce(
      (select t.sealing from @extschema@.runlink_trace_integrity_rows() t
        where t.run_id operator(pg_catalog.=) r.run_id
        order by pg_catalog.array_position(
          '{unknown,steps_missing,unsealed,no_steps,recorded,sealed}'::pg_catalog.text[], t.sealing)
        limit 1),
      'no_trace'),
    (select t.last_verification_status from @extschema@.runlink_trace_integrity_rows() t
      where t.run_id operator(pg_catalog.=) r.run_id
      order by pg_catalog.array_position(
        '{FAILED,UNSEALED,NULL,UNSUPPORTED,ARCHIVED,VERIFIED}'::pg_catalog.text[], t.last_verification_status)
      limit 1),
    (select case when pg_catalog.count(*) operator(pg_catalog.=) pg_catalog.count(t.last_verified_at)
        then pg_catalog.min(t.last_verified_at) end
      from @extschema@.runlink_trace_integrity_rows() t
      where t.run_id operator(pg_catalog.=) r.run_id)
  from (
    select null::pg_catalog.text as parent_run_id, null::pg_catalog.text as agent_id,
      null::pg_catalog.timestamptz as started_at, null::pg_catalog.timestamptz as completed_at,
      null::pg_catalog.float8 as duration_ms, null::pg_catalog.int4 as input_tokens,
      null::pg_catalog.int4 as output_tokens, null::pg_catalog.numeric as estimated_cost_usd,
      null::pg_catalog.bool as is_synthetic
  ) as missing
    cross join lateral (
      select id::pg_catalog.text as run_id, tenant_id::pg_catalog.text,
        parent_run_id::pg_catalog.text, agent_id::pg_catalog.text, goal::pg_catalog.text,
        status::pg_catalog.text, risk_level::pg_catalog.text, policy_violation::pg_catalog.bool,
        created_at::pg_catalog.timestamptz, started_at::pg_catalog.timestamptz,
        completed_at::pg_catalog.timestamptz, duration_ms::pg_catalog.float8,
        input_tokens::pg_catalog.int4, output_tokens::pg_catalog.int4,
        estimated_cost_usd::pg_catalog.numeric, is_synthetic::pg_catalog.bool
      from @extschema@.runs
    ) as r
$$;

comment on function runlink_runs_rows() is
'@omit
The rows of the view runlink_runs, whose comment says what they are.
Errors: a table or column that is missing (42P01, 42703) or may not be read (42501).
Reads one snapshot, the application''s tables as the caller, under row-level security, leaves and seals as
runlink_trace_seal does; ACCESS SHARE locks as any SELECT. Inlined into the query. Stable, parallel
restricted; works on a standby.';

create view runlink_runs with (security_invoker) as
  select * from @extschema@.runlink_runs_rows();

grant select on runlink_runs to public;

comment on view runlink_runs is
'@primaryKey run_id
A row a run, with the counts of runlink_linkage(run_id): the records of the run''s tenant, of every tenant
where the run has none, by their canonical links; policy_enforcements and llm_run_records where they exist.
Its gaps are counted, whoever owns the records. How far its traces are sealed is counted, nothing is
verified: runlink_proof(run_id) does that; what runlink_tick() found last is told.
Predicates on run_id, tenant_id and times reach runs and its indexes. A count costs its lookups for every
row that is returned, and nothing where it is not asked for.';
comment on column runlink_runs.run_id is 'The run';
comment on column runlink_runs.tenant_id is 'The tenant that owns it; NULL: none';
comment on column runlink_runs.parent_run_id is 'The run that started it';
comment on column runlink_runs.agent_id is 'The agent that runs';
comment on column runlink_runs.goal is 'What it was to do';
comment on column runlink_runs.status is
'queued, running, retry, pending_approval, succeeded, failed or halted';
comment on column runlink_runs.risk_level is
'NORMAL, NEAR_THRESHOLD, AT_RISK or VIOLATED, as the application set it';
comment on column runlink_runs.policy_violation is
'Whether it violated a policy, as the application set it';
comment on column runlink_runs.created_at is 'When it was queued';
comment on column runlink_runs.started_at is 'When it began; NULL: not yet, or not recorded';
comment on column runlink_runs.completed_at is 'When it ended; NULL: not yet, or not recorded';
comment on column runlink_runs.duration_ms is
'How long it took, in milliseconds, as the application recorded it';
comment on column runlink_runs.input_tokens is 'Tokens sent to models, as the application recorded them';
comment on column runlink_runs.output_tokens is 'Tokens received from models, likewise';
comment on column runlink_runs.estimated_cost_usd is
'What it cost in US dollars, as the application estimated';
comment on column runlink_runs.is_synthetic is 'Made up for a test; NULL where the run does not say';
comment on column runlink_runs.incident_count is 'Incidents that name it in source_run_id';
comment on column runlink_runs.policy_evaluation_count is 'Policy evaluations that name it in run_id';
comment on column runlink_runs.decision_count is
'Of these, the ones BLOCKED, WARNED, STOPPED, KILLED or PREVENTED';
comment on column runlink_runs.policy_enforcement_count is
'Enforcements of policies that name it in run_id; 0 without such a table';
comment on column runlink_runs.limit_breach_count is 'Limit breaches that name it in run_id';
comment on column runlink_runs.governance_event_count is
'Events of the audit ledger that belong to it, as runlink_governance(run_id) has them';
comment on column runlink_runs.trace_count is 'Traces that name it in run_id';
comment on column runlink_runs.step_count is 'Steps of these traces';
comment on column runlink_runs.llm_run_record_count is
'Calls to models that name it in run_id; 0 without such a table';
comment on column runlink_runs.legacy_link_count is
'Records found only by incidents.llm_run_id, prevention_records.blocked_incident_id or original_incident_id;
in none of the counts before';
comment on column runlink_runs.other_tenant_count is
'Records that name it and are of another tenant; in no other count';
comment on column runlink_runs.gap_count is
'Gaps that concern it, of level error or warn, whoever owns the record, as runlink_gaps(run_id) has them';
comment on column runlink_runs.sealing is
'How far the steps of its traces are sealed, by their number alone: the worst of its traces, from unknown,
steps_missing, unsealed, no_steps and recorded to sealed, as runlink_trace_integrity has them; no_trace:
there is none. None of these says that the steps are as they were: runlink_proof(run_id) does';
comment on column runlink_runs.last_verification_status is
'The worst of what the last verification of each of its traces found, as runlink_trace_integrity has them: FAILED
or UNSEALED where any is; else NULL where one was never verified, or was sealed again since; else UNSUPPORTED,
ARCHIVED or VERIFIED. NULL too where there is no trace. Nothing that was changed since is known by it';
comment on column runlink_runs.last_verified_at is
'When all of its traces had been verified last: the earliest; NULL: some trace never was, or there is none';
