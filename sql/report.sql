create function runlink_report(
  run_id text, tenant_id text default null, format text default 'markdown')
returns text
as 'MODULE_PATHNAME', 'runlink_report'
language c stable parallel restricted cost 50000;

comment on function runlink_report(text, text, text) is
'The linkage plan''s report about a run, of one snapshot: a summary with the run id tested, the tenant and the counts, the evidence, the proof, the governance events, what runlink_schema_check() finds miswired (required and recommended) with the SQL that mends it, and what was not evaluated. format: markdown; another is an error (22023). Times are in UTC. Arguments run_id and tenant_id and errors as runlink_evidence and runlink_proof. Stable, parallel restricted, works on a standby.';
