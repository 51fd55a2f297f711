create function runlink_schema_as_installed()
returns text
language sql immutable parallel safe
as $$ select '@extschema@'::pg_catalog.text $$;

comment on function runlink_schema_as_installed() is
'@omit
The schema of the extension, quoted where it has to be, as it was called at CREATE EXTENSION: the SQL of
runlink''s views and of the rules of runlink_gaps names it. runlink_report asks, to see that it still is.
Reads nothing. Immutable, parallel safe.';

create function runlink_report(
  run_id text, tenant_id text default null, format text default 'markdown')
returns text
as 'MODULE_PATHNAME', 'runlink_report'
language c stable parallel restricted cost 50000;

comment on function runlink_report(text, text, text) is
'The linkage plan''s report about a run.
In: run_id and tenant_id as runlink_evidence; format: ''markdown'' or ''html'', for people, or ''json'', for
machines (another is an error, 22023).
Out: the report: a summary with the run id tested, the tenant, the counts, and the results of evidence and
proof; the evidence; the proof; the governance events; the gaps that runlink_gaps(run_id, tenant_id) finds, with
table and record; what runlink_schema_check() finds that is required or recommended and not ok; the recommended
fixes, the remedies of both, each once and each one runnable statement; a verdict on each of the plan''s four
acceptance criteria (met, not met, not applicable) with the reason; and what was not evaluated. What cannot be
known is never met. Times are in UTC, whatever the session''s settings.
markdown: tables, in which nothing from the database is markup. html: one page without script or outside
resource, for screens and paper, in which nothing from the database is markup, with a timeline of the run as SVG
(steps, incidents, decisions, breaches, ledger events, newest seals; what is too close to be told apart is one
mark, and long pauses are shortened). json: text that is valid jsonb, an object of run_id, run_found, tenant_id,
application_schema, reported_at, counts{}, evidence_result, proof_result, evidence[], proof[],
governance_events[], gaps[], schema_gaps[], recommended_fixes[] (statement, level, found_by, finding,
confidence), acceptance[] (criterion, verdict, requirement, reason) and not_evaluated[] (subject, reason), with
the columns of the calls under their names.
Errors: as runlink_evidence, runlink_proof and runlink_gaps; a report larger than a text value can be (54000).
Where the schema was renamed after CREATE EXTENSION, gaps in the records are not evaluated, and it says so.
Each call is made once, in one snapshot, as the caller, under row-level security; rows beyond work_mem wait on
disk, but the report is one value in memory. ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';
