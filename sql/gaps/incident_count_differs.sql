-- Runs whose incident_count is not the number of their incidents.

create function runlink_gap_incident_count_differs()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'incident_count_differs'::pg_catalog.text, 'warn'::pg_catalog.text, 'incidents'::pg_catalog.text,
    'incident_count differs from the incidents'::pg_catalog.text, r.run_id, r.tenant_id,
    'runs'::pg_catalog.text, r.run_id,
    pg_catalog.format('runs.incident_count is %s; incidents of the run''s tenant that name it: %s by '
      'source_run_id, %s more by llm_run_id. The incidents are the evidence and the count is their summary, '
      'which incident_write_engine keeps: mend it there too.', r.incident_count, r.canonical,
      r.named operator(pg_catalog.-) r.canonical),
    pg_catalog.format('update %s.runs set incident_count = %s where id operator(pg_catalog.=) %L '
      'and incident_count operator(pg_catalog.=) %s', '@extschema@'::pg_catalog.text, r.named, r.run_id,
      r.incident_count),
    'certain'::pg_catalog.text, null::pg_catalog.text
  from (
    select r.run_id, r.tenant_id, r.incident_count, pg_catalog.count(i.record_id) as named,
      pg_catalog.count(i.record_id) filter (
        where i.linked_by operator(pg_catalog.=) 'source_run_id'::pg_catalog.text) as canonical
    from (select null::pg_catalog.int4 as incident_count) as missing
      cross join lateral (
        select id::pg_catalog.text as run_id, tenant_id::pg_catalog.text, status::pg_catalog.text,
          incident_count::pg_catalog.int4
        from @extschema@.runs
      ) as r
      left join @extschema@.runlink_incident_runs() i on i.run_id operator(pg_catalog.=) r.run_id
        and (r.tenant_id is null or i.tenant_id operator(pg_catalog.=) r.tenant_id)
    where r.status operator(pg_catalog.<>)
        all ('{queued,running,retry,pending_approval}'::pg_catalog.text[])
    group by r.run_id, r.tenant_id, r.incident_count
  ) as r
  where r.incident_count::pg_catalog.int8 operator(pg_catalog.<>) r.named
    and r.incident_count::pg_catalog.int8 operator(pg_catalog.<>) r.canonical
$$;

comment on function runlink_gap_incident_count_differs() is
'@omit
Rule of runlink_gaps: a run that is over and whose incident_count is neither the number of incidents that
name it in source_run_id nor that with those by llm_run_id, of its tenant (of every tenant where it has none).
Out: a row a run, of level warn. The remedy sets the count of both.
Errors: as a SELECT from runs and incidents.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
