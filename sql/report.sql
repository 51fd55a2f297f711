create function runlink_report(
  run_id text, tenant_id text default null, format text default 'markdown')
returns text
as 'MODULE_PATHNAME', 'runlink_report'
language c stable parallel restricted cost 50000;

comment on function runlink_report(text, text, text) is
'The linkage plan''s report about a run, for people.
In: run_id and tenant_id as runlink_evidence; format, ''markdown'' (another is an error, 22023).
Out: the report: a summary with the run id tested, the tenant and the counts; the evidence; the proof;
the governance events; what runlink_schema_check() finds that is required or recommended and not ok,
with the SQL that mends it; and what was not evaluated. Times are in UTC.
Errors: as runlink_evidence and runlink_proof; a report larger than a text value can be (54000).
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';
