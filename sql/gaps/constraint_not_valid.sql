create function runlink_gap_constraint_not_valid()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 10
as $$
  select 'constraint_not_valid', 'info', c.domain, 'Constraint was never checked for old rows',
    null, null, c.table_name, c.name,
    pg_catalog.concat(
      case when c.link is null then 'It is no link to a run. ' else pg_catalog.concat('It says that ', c.link,
        ' is the id of a run. ') end,
      case
        when c.is_narrowed then 'Row-level security narrows this role, which cannot tell whether all rows '
          'satisfy it: no remedy.'
        when c.is_broken then 'Rows name runs that do not exist (link_to_missing_run), so validating it '
          'would fail: no remedy.'
        when c.is_broken is null then 'Whether all rows satisfy it was not looked at, and validating it '
          'fails where one does not: no remedy.'
        else 'Every row satisfies it. The remedy reads the table under a SHARE UPDATE EXCLUSIVE lock, which '
          'lets writes go on.'
      end),
    case when not c.is_narrowed and not c.is_broken then
      pg_catalog.format('alter table %s.%I validate constraint %I', '@extschema@'::pg_catalog.text,
        c.table_name, c.name) end,
    case when c.is_narrowed or c.is_broken is null then 'unknown' else 'certain' end,
    null
  from (
    select k.domain, k.table_name, k.name, k.is_narrowed, k.link,
      case
        when k.link operator(pg_catalog.=) 'incidents.source_run_id' then exists (
          select from @extschema@.incidents t
          where t.source_run_id is not null
            and not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) t.source_run_id))
        when k.link operator(pg_catalog.=) 'prevention_records.run_id' then exists (
          select from @extschema@.prevention_records t
          where t.run_id is not null
            and not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) t.run_id))
        when k.link operator(pg_catalog.=) 'policy_enforcements.run_id' then exists (
          select from @extschema@.runlink_enforcement_runs() t
          where not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) t.run_id))
        when k.link operator(pg_catalog.=) 'limit_breaches.run_id' then exists (
          select from @extschema@.limit_breaches t
          where t.run_id is not null
            and not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) t.run_id))
        when k.link operator(pg_catalog.=) 'aos_traces.run_id' then exists (
          select from @extschema@.aos_traces t
          where not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) t.run_id))
        when k.link operator(pg_catalog.=) 'llm_run_records.run_id' then exists (
          select from @extschema@.runlink_llm_record_runs() t
          where not exists (select from @extschema@.runs r where r.id operator(pg_catalog.=) t.run_id))
      end as is_broken
    from (
      select t.domain, t.table_name, con.conname::pg_catalog.text as name,
        pg_catalog.row_security_active(con.conrelid)
          or pg_catalog.row_security_active('@extschema@.runs'::pg_catalog.text) as is_narrowed,
        (select pg_catalog.concat(t.table_name, '.', own.attname)
          from pg_catalog.pg_attribute own
            join pg_catalog.pg_attribute key on key.attrelid operator(pg_catalog.=) con.confrelid
              and key.attnum operator(pg_catalog.=) any (con.confkey)
            join pg_catalog.pg_class r on r.oid operator(pg_catalog.=) con.confrelid
          where own.attrelid operator(pg_catalog.=) con.conrelid
            and own.attnum operator(pg_catalog.=) any (con.conkey)
            and pg_catalog.cardinality(con.conkey) operator(pg_catalog.=) 1
            and key.attname operator(pg_catalog.=) 'id'::pg_catalog.name
            and r.relname operator(pg_catalog.=) 'runs'::pg_catalog.name
            and r.relnamespace operator(pg_catalog.=) con.connamespace) as link
      from (values
          ('activity', 'runs'), ('incidents', 'incidents'), ('policies', 'prevention_records'),
          ('policies', 'policy_rules'), ('policies', 'policy_enforcements'), ('controls', 'limit_breaches'),
          ('controls', 'limits'), ('logs', 'audit_ledger'), ('logs', 'aos_traces'),
          ('logs', 'aos_trace_steps'), ('logs', 'aos_traces_archive'), ('logs', 'llm_run_records')
        ) as t (domain, table_name)
        join pg_catalog.pg_class c on c.relname operator(pg_catalog.=) t.table_name::pg_catalog.name
        join pg_catalog.pg_constraint con on con.conrelid operator(pg_catalog.=) c.oid
          and con.connamespace operator(pg_catalog.=) c.relnamespace
      where c.relnamespace operator(pg_catalog.=) '@extschema@'::pg_catalog.regnamespace::pg_catalog.oid
        and not con.convalidated
    ) as k
  ) as c
$$;

comment on function runlink_gap_constraint_not_valid() is
'@omit
Rule of runlink_gaps: constraints of the application''s tables that are NOT VALID; record_id is the constraint''s
name, run_id and tenant_id are NULL. info. certain where the constraint is a foreign key of a run link to
runs.id: the remedy validates it where every row satisfies it; there is none where rows name runs that do not
exist. unknown, without remedy, for any other constraint, and where row-level security narrows the caller.
Errors: as a SELECT from the tables that such keys are of.
Reads the catalogues too; one snapshot, locks, inlining, volatility and parallel mark as
runlink_gap_incident_without_run.';
