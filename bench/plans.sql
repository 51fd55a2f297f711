-- Prints, as notices, the plans of all statements measured, those inside the calls included, as they
-- ran for a run with five incidents.

\set ON_ERROR_STOP on
\set VERBOSITY terse
select r.id as run, r.tenant_id as tenant, array_agg(i.id) as incidents
from runs r join incidents i on i.source_run_id = r.id and i.tenant_id = r.tenant_id
group by r.id having count(*) = 5
order by r.id limit 1 \gset

set plan_cache_mode = force_generic_plan;
\ir lookups.sql

load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_nested_statements = on;
set auto_explain.log_analyze = on;
set auto_explain.log_level = notice;

select format('execute %I (%s)', name,
  case parameter_types
    when '{text}' then format('%L', :'run')
    when '{text, text}' then format('%L, %L', :'run', :'tenant')
    else format('%L, %L', :'incidents', :'tenant')
  end)
from pg_prepared_statements
order by prepare_time \gexec
