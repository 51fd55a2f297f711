-- Tables that an installation may not have. SQL that names such a table fails where it is missing, so
-- what the views call is a function in C, in whose place the planner puts the SQL function of the same
-- name and _read where the table is there.

create function runlink_optional_support(internal)
returns internal
as 'MODULE_PATHNAME', 'runlink_optional_support'
language c stable strict parallel restricted;

revoke all on function runlink_optional_support(internal) from public;

comment on function runlink_optional_support(internal) is
'Planner support of runlink_enforcement_links, runlink_llm_record_links and runlink_archived_traces: puts
the SQL function of the same name and _read in their place where the table is there, so that it is inlined.
Not to be called. Stable, strict, parallel restricted.';

create function runlink_enforcement_links_read()
returns table (
  run_id text,
  tenant_id text,
  record_id text,
  occurred_at timestamptz,
  outcome text,
  title text,
  is_synthetic boolean
)
language sql stable parallel safe rows 10000
as $$
  select t.run_id::pg_catalog.text, t.tenant_id::pg_catalog.text, t.id::pg_catalog.text,
    t.triggered_at::pg_catalog.timestamptz, t.action_taken::pg_catalog.text,
    (select p.name::pg_catalog.text from @extschema@.policy_rules p
      where p.id operator(pg_catalog.=) t.rule_id
        and p.tenant_id operator(pg_catalog.=) t.tenant_id),
    null::pg_catalog.bool
  from @extschema@.policy_enforcements t
  where t.run_id is not null
$$;

comment on function runlink_enforcement_links_read() is
'@omit
What runlink_enforcement_links returns where there is a table policy_enforcements; an error where there
is none (42P01). Stable, parallel safe.';

create function runlink_enforcement_links()
returns table (
  run_id text,
  tenant_id text,
  record_id text,
  occurred_at timestamptz,
  outcome text,
  title text,
  is_synthetic boolean
)
as 'MODULE_PATHNAME', 'runlink_optional_rows'
language c stable parallel restricted rows 10000
support @extschema@.runlink_optional_support;

comment on function runlink_enforcement_links() is
'@omit
Enforcements of policies that name a run, whoever owns it; no row where there is no table
policy_enforcements.
Out: a row for each of policy_enforcements with a run_id: run_id, tenant_id, record_id, occurred_at,
outcome (action_taken), title (name of the rule, of the same tenant only), is_synthetic (NULL: not told).
Errors: as a SELECT from policy_enforcements and policy_rules.
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined
where the table is there. Stable, parallel restricted.';

create function runlink_llm_record_links_read()
returns table (
  run_id text,
  tenant_id text,
  record_id text,
  occurred_at timestamptz,
  outcome text,
  title text,
  is_synthetic boolean
)
language sql stable parallel safe rows 10000
as $$
  select l.*
  from (select null::pg_catalog.bool as is_synthetic) as missing
    cross join lateral (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, id::pg_catalog.text,
        started_at::pg_catalog.timestamptz, execution_status::pg_catalog.text,
        pg_catalog.concat(provider, '/', model), is_synthetic::pg_catalog.bool
      from @extschema@.llm_run_records
      where run_id is not null
    ) as l
$$;

comment on function runlink_llm_record_links_read() is
'@omit
What runlink_llm_record_links returns where there is a table llm_run_records; an error where there is
none (42P01). Stable, parallel safe.';

create function runlink_llm_record_links()
returns table (
  run_id text,
  tenant_id text,
  record_id text,
  occurred_at timestamptz,
  outcome text,
  title text,
  is_synthetic boolean
)
as 'MODULE_PATHNAME', 'runlink_optional_rows'
language c stable parallel restricted rows 10000
support @extschema@.runlink_optional_support;

comment on function runlink_llm_record_links() is
'@omit
Records of calls to a model that name a run, whoever owns it; no row where there is no table
llm_run_records.
Out: a row for each of llm_run_records: run_id, tenant_id, record_id, occurred_at, outcome
(execution_status), title (provider/model), is_synthetic (NULL: not told).
Errors: as a SELECT from llm_run_records.
Reads, locks, inlining, volatility and parallel mark as runlink_enforcement_links.';

create function runlink_archived_traces_read()
returns table (
  run_id text,
  tenant_id text,
  trace_id text
)
language sql stable parallel safe rows 10000
as $$
  select a.*
  from (select null::pg_catalog.text as run_id, null::pg_catalog.text as tenant_id) as missing
    cross join lateral (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text
      from @extschema@.aos_traces_archive
    ) as a
$$;

comment on function runlink_archived_traces_read() is
'@omit
What runlink_archived_traces returns where there is a table aos_traces_archive; an error where there is
none (42P01). Stable, parallel safe.';

create function runlink_archived_traces()
returns table (
  run_id text,
  tenant_id text,
  trace_id text
)
as 'MODULE_PATHNAME', 'runlink_optional_rows'
language c stable parallel restricted rows 10000
support @extschema@.runlink_optional_support;

comment on function runlink_archived_traces() is
'@omit
Traces in aos_traces_archive; no row where there is no such table.
Out: a row a trace: run_id, tenant_id (NULL where the table does not have them), trace_id.
Errors: as a SELECT from aos_traces_archive.
Reads, locks, inlining, volatility and parallel mark as runlink_enforcement_links.';
