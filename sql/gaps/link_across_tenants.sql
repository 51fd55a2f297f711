create function runlink_gap_link_across_tenants()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'link_across_tenants', 'error', l.domain, 'Record names a run of another tenant',
    l.run_id, l.tenant_id, l.source_table, l.record_id,
    pg_catalog.concat(l.linked_by, ' names a run of tenant ', r.tenant_id,
      '. No remedy: which of the two is wrong cannot be told from the rows. Writer: ',
      @extschema@.runlink_link_writer(l.source_table), '.'),
    null, 'certain', null
  from @extschema@.runlink_named_runs() l
    join @extschema@.runs r on r.id operator(pg_catalog.=) l.run_id
  where r.tenant_id operator(pg_catalog.<>) l.tenant_id
$$;

comment on function runlink_gap_link_across_tenants() is
'@omit
Rule of runlink_gaps: records that name a run of another tenant, by any link, old ones included; tenant_id is
the record''s. certain, without remedy. A run without tenant is of every tenant.
Errors: as runlink_named_runs.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_incident_without_run.';
