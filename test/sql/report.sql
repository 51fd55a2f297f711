-- runlink_report: the linkage report in Markdown.
\pset format unaligned
\pset tuples_only on

-- The report, but for when it was made.
create function pg_temp.report(run_id text, tenant_id text default null) returns text
language sql return regexp_replace(runlink_report(run_id, tenant_id), '(Reported at \|) \d{4}-\d\d-\d\d \d\d:\d\d:[0-9.]+Z', '\1 ...');

begin;
-- a schema that has all that is recommended
\set ECHO none
select replace(remedy, 'concurrently ', '') from runlink_schema_check() where level = 'recommended' and status <> 'ok'
\gexec
\set ECHO all

-- the documented example
select pg_temp.report('run-linkage-test-001');

-- what is miswired, and the statements that mend it
drop index incidents_source_run_id_idx;
alter table audit_ledger disable trigger audit_ledger_reject_update;
alter table runs drop column policy_violation;
select substr(r, strpos(r, '## Gaps in the schema')) from runlink_report('run-linkage-test-001') as r;
rollback;

-- markdown is the default, and its times are in UTC whatever the session's zone and style
select runlink_report('run-linkage-test-001') = runlink_report('run-linkage-test-001', null, 'markdown');
create temp table report as select pg_temp.report('run-linkage-test-001') as report;
set timezone = 'Asia/Kathmandu';
set datestyle = 'German';
select report = pg_temp.report('run-linkage-test-001') from report;
reset timezone;
reset datestyle;

-- The part about the run.
create function pg_temp.run_part(run_id text, tenant_id text default null) returns text
language sql return split_part(pg_temp.report(run_id, tenant_id), '## Gaps in the schema', 1);

-- a run that is missing
select pg_temp.run_part('run-missing');

-- a run that is another tenant's is not missing
select line from regexp_split_to_table(pg_temp.run_part('run-linkage-test-001', 'tenant-a'), '\n') as line
  where line ~ 'Run found|Tenant ID|other tenants|result';
select pg_temp.run_part('run-linkage-test-001', 'tenant-a') !~ 'it is not in runs' as not_called_missing;

-- What people wrote cannot break a table, nor start a heading, code or a tag.
begin;
create temp table hostile as
  select E'i|\\|<b>`\n| x |\r\n# h\t*' as id,
    E'a | b || c \\| d \\\\| <b>&amp;</b> `code` ``x` [l](http://x) ![i](y) *s*\n| new | row |\n\n# heading\r\n---\n```\t\u0001end' as title;
insert into runs (id, tenant_id, goal, status) select id, id, title, id from hostile;
insert into incidents (id, tenant_id, source_run_id, title, severity, status) select id, id, id, title, '|', E'\n' from hostile;
insert into limits (id, tenant_id, name) select id, id, title from hostile;
insert into limit_breaches (id, tenant_id, run_id, limit_id, breach_type) select id, id, id, id, '<|>' from hostile;
insert into audit_ledger (id, tenant_id, event_type, entity_id, actor_type, actor_id, after_state)
  select id, id, id, id, '`|`', id, jsonb_build_object('run_id', id) from hostile;
insert into aos_traces (trace_id, tenant_id, run_id) select id, id, id from hostile;
select pg_temp.run_part(id) from hostile;

-- every row of a table has as many cells as its heading
select section, count(*) as rows, count(distinct cells) as widths
  from (select line, count(*) filter (where line like '## %') over (order by n) as section,
      regexp_count(regexp_replace(line, '\\.', '', 'g'), '\|') as cells
    from hostile, regexp_split_to_table(pg_temp.run_part(id), '\n') with ordinality as l (line, n)) as l
  where line like '|%'
  group by section order by section;

-- nor does the name of an object leave the code of a remedy, whatever ends a line
create function nothing() returns trigger language plpgsql as 'begin return new; end';
do $$
declare
  name text := E'a\n# b\r# c\r\n# d';
begin
  execute format('create trigger %I before update on audit_ledger for each row execute function nothing()', name);
  execute format('alter table audit_ledger disable trigger %I', name);
end $$;
select count(*) filter (where line ~ '# [bcd]') as lines, count(*) filter (where line ~ '^ *# [bcd]' and line !~ '^    ') as not_code
  from regexp_split_to_table(split_part(runlink_report('run-missing'), '## Recommended fixes', 2), '\r\n|\r|\n') as line;
rollback;
