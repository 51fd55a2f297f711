create function runlink_limit_hits_rows()
returns table (
  run_id text,
  tenant_id text,
  breach_id text,
  limit_id text,
  limit_name text,
  breach_type text,
  breached_at timestamptz,
  recovered_at timestamptz,
  recovered_after_ms float8,
  value_at_breach numeric,
  limit_value numeric
)
language sql stable parallel safe rows 10000
as $$
  select l.run_id, l.tenant_id, l.record_id, l.limit_id, l.limit_name, l.breach_type, l.occurred_at,
    l.recovered_at,
    case when pg_catalog.isfinite(l.occurred_at) and pg_catalog.isfinite(l.recovered_at) then
      pg_catalog.date_part('epoch', l.recovered_at operator(pg_catalog.-) l.occurred_at)
        operator(pg_catalog.*) 1000::pg_catalog.float8
    end,
    l.value_at_breach, l.limit_value
  from @extschema@.runlink_breach_links() l
    left join @extschema@.runs r on r.id operator(pg_catalog.=) l.run_id
  where r.tenant_id is null or r.tenant_id operator(pg_catalog.=) l.tenant_id
$$;

comment on function runlink_limit_hits_rows() is
'@omit
The rows of the view runlink_limit_hits, whose comment says what they are.
Errors: a table or column that is missing (42P01, 42703) or may not be read (42501), and a limit that is not
unique in its tenant (21000).
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined into
the query. Stable, parallel safe; works on a standby.';

create view runlink_limit_hits with (security_invoker) as
  select * from @extschema@.runlink_limit_hits_rows();

grant select on runlink_limit_hits to public;

comment on view runlink_limit_hits is
'@primaryKey breach_id
@foreignKey (run_id) references runlink_runs (run_id)
Limits that runs ran into: a row a breach that names a run. A run''s breaches are those of its tenant, of
every tenant where the run has none or is missing from runs. Breaches that name no run are not here.
Predicates on run_id, tenant_id and breached_at reach limit_breaches and its indexes.';
comment on column runlink_limit_hits.run_id is 'The run that ran into the limit';
comment on column runlink_limit_hits.tenant_id is 'The tenant of the breach';
comment on column runlink_limit_hits.breach_id is 'limit_breaches.id';
comment on column runlink_limit_hits.limit_id is 'The limit';
comment on column runlink_limit_hits.limit_name is 'Its name; NULL where the tenant has no such limit';
comment on column runlink_limit_hits.breach_type is 'BREACHED, EXHAUSTED, THROTTLED or another, as stored';
comment on column runlink_limit_hits.breached_at is 'When it was hit';
comment on column runlink_limit_hits.recovered_at is 'When it held again; NULL: not yet, or not recorded';
comment on column runlink_limit_hits.recovered_after_ms is 'Milliseconds from one to the other';
comment on column runlink_limit_hits.value_at_breach is 'What was measured; NULL where it was not recorded';
comment on column runlink_limit_hits.limit_value is 'The limit as it was at the breach';
