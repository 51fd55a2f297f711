/*-------------------------------------------------------------------------
 *
 * report_sections.c
 *	  The sections of the report, as data: the linkage plan's output template.
 *
 * What a query reads is told in report.h.  Sentences hold no words of the
 * application, only figures.
 *
 *-------------------------------------------------------------------------
 */
#include "report.h"

#define COUNT(from) "(SELECT pg_catalog.count(*) FROM " from ")"
#define IS_ANY(list) SQL_EQ "ANY ('{" list "}'::pg_catalog.text[])"
#define SOME(count) count " OPERATOR(pg_catalog.>) 0"
#define NONE(count) count SQL_EQ "0"

/* A number and its noun, in SQL. */
#define COUNTED(count, one, many) \
	"pg_catalog.concat(" count ", CASE WHEN " count SQL_EQ "1 THEN ' " one "' ELSE ' " many "' END)"

#define SUMMARY \
	"SELECT l.run_id, l.run_found, l.tenant_id, l.application_schema," \
	" pg_catalog.statement_timestamp() AS reported_at," \
	" l.incident_count AS \"counts.incident_count\"," \
	" l.policy_evaluation_count AS \"counts.policy_evaluation_count\"," \
	" l.decision_count AS \"counts.decision_count\"," \
	" l.limit_breach_count AS \"counts.limit_breach_count\"," \
	" l.governance_event_count AS \"counts.governance_event_count\"," \
	" l.trace_count AS \"counts.trace_count\", l.step_count AS \"counts.step_count\"," \
	" l.legacy_link_count AS \"counts.legacy_link_count\"," \
	" l.other_tenant_count AS \"counts.other_tenant_count\"," \
	" " COUNTED("n.records", "record", "records") " AS evidence_result," \
	" (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.concat(p.verification_status, ' (', p.model, ')')" \
	" COLLATE pg_catalog.\"C\", ', ') FROM proof AS p) AS proof_result" \
	" FROM linkage AS l CROSS JOIN " COUNT("evidence") " AS n (records)"

#define EVIDENCE \
	"SELECT e.occurred_at, e.kind, e.record_id, e.severity, e.outcome, e.title, e.linked_by," \
	" e.domain, e.tenant_id, e.detail FROM evidence AS e"

#define PROOF \
	"SELECT p.trace_id, p.model, p.verification_status, p.assurance, p.chain_length," \
	" p.sealed_length, p.backfilled_length, p.unsealed_length, p.failure_reason," \
	" p.coordinator_root_hash, p.tenant_id, p.trace_status, p.covers, p.first_bad_step," \
	" p.root_hash, p.sealed_root_hash, p.merkle_root, p.sealed_at, p.checkpoint_size" \
	" FROM proof AS p"

#define GOVERNANCE \
	"SELECT g.occurred_at, g.record_id, g.event_type, g.entity_type, g.entity_id," \
	" g.actor_type, g.actor_id, g.action_reason, g.linked_by, g.tenant_id FROM governance AS g"

#define GAPS \
	"SELECT g.level, g.gap, g.source_table, g.record_id, g.title, g.detail, g.confidence," \
	" g.proposed_run_id, g.domain, g.run_id, g.tenant_id, g.remedy FROM gaps AS g"

#define MISWIRED "schema AS c WHERE c.level" IS_ANY("required,recommended")

#define SCHEMA_GAPS \
	"SELECT c.level, c.object, c.status, c.needed_by, c.why, c.check_id, c.domain, c.expected," \
	" c.found, c.remedy FROM " MISWIRED

/* Two findings may have one remedy. */
#define FIXES \
	"SELECT f.statement, f.level, f.found_by, f.finding, f.confidence FROM (" \
	"SELECT DISTINCT ON (u.statement COLLATE pg_catalog.\"C\") u.* FROM (" \
	"SELECT c.remedy, c.level, 'runlink_schema_check'::pg_catalog.text, c.check_id, 'certain'::pg_catalog.text," \
	" 1, pg_catalog.row_number() OVER () FROM " MISWIRED " AND c.remedy IS NOT NULL" \
	" UNION ALL SELECT g.remedy, g.level, 'runlink_gaps', g.gap, g.confidence," \
	" 2, pg_catalog.row_number() OVER () FROM gaps AS g WHERE g.remedy IS NOT NULL" \
	") AS u (statement, level, found_by, finding, confidence, part, place)" \
	" ORDER BY u.statement COLLATE pg_catalog.\"C\", u.part, u.place) AS f" \
	" ORDER BY f.part, f.place"

#define BROKEN \
	"(p.model OPERATOR(pg_catalog.<>) 'HASH_CHAIN'" \
	" OR p.verification_status" IS_ANY("FAILED,UNSUPPORTED") ") AND p.trace_id IS NOT NULL"

/*
 * The plan's criteria.  What cannot be known is never met; a criterion about a
 * run with evidence or traces does not apply to one without.
 */
#define ACCEPTANCE \
	"WITH fact AS (SELECT l.*, e.*, p.*, g.*, r.*, s.*," \
	" CASE WHEN NOT l.run_found THEN" \
	" 'runs has no such run, or hides it from this role: the plan asks for a real one'" \
	" WHEN e.own_row" SQL_EQ "0 THEN 'the run is another tenant''s'" \
	" WHEN e.synthetic" SQL_EQ "1 THEN 'the run says that it is synthetic: the plan asks for a real one'" \
	" END AS obstacle FROM linkage AS l" \
	" CROSS JOIN (SELECT pg_catalog.count(*) FILTER (WHERE e.kind" SQL_EQ "'run')," \
	" pg_catalog.count(*) FILTER (WHERE e.kind" SQL_EQ "'run'" \
	" AND e.detail OPERATOR(pg_catalog.->>) 'is_synthetic'" SQL_EQ "'true')," \
	" pg_catalog.count(*) FILTER (WHERE e.kind" SQL_EQ "'incident')," \
	" pg_catalog.count(*) FILTER (WHERE e.kind" SQL_EQ "'policy_evaluation')," \
	" pg_catalog.count(*) FILTER (WHERE e.kind" SQL_EQ "'limit_breach')" \
	" FROM evidence AS e) AS e (own_row, synthetic, incidents, evaluations, breaches)" \
	" CROSS JOIN (SELECT pg_catalog.count(p.trace_id)," \
	" pg_catalog.count(p.trace_id) FILTER (WHERE " BROKEN ")," \
	" pg_catalog.count(p.trace_id) FILTER (WHERE p.verification_status OPERATOR(pg_catalog.<>) 'VERIFIED')," \
	" pg_catalog.string_agg(DISTINCT p.verification_status COLLATE pg_catalog.\"C\", ', ')," \
	" pg_catalog.string_agg(DISTINCT p.verification_status COLLATE pg_catalog.\"C\", ', ')" \
	" FILTER (WHERE " BROKEN ")" \
	" FROM proof AS p) AS p (traces, broken, unverified, statuses, broken_statuses)" \
	" CROSS JOIN (SELECT pg_catalog.count(*) FROM governance AS g" \
	" WHERE g.entity_type" SQL_EQ "'INCIDENT') AS g (incident_events)" \
	" CROSS JOIN (SELECT pg_catalog.count(*)," \
	" pg_catalog.count(*) FILTER (WHERE g.source_table IS NULL OR g.record_id IS NULL)," \
	" pg_catalog.count(*) FILTER (WHERE g.level" IS_ANY("error,warn") \
	" AND g.domain" IS_ANY("incidents,policies,controls") ")" \
	" FROM gaps AS g) AS r (gaps, vague, unlinked)" \
	" CROSS JOIN (SELECT pg_catalog.count(*) FROM " MISWIRED ") AS s (schema_gaps))" \
	" SELECT c.criterion, c.verdict, c.requirement, c.reason FROM fact AS f CROSS JOIN LATERAL (VALUES" \
	" (1, 'Evidence returns at least one of incident, evaluation or breach for a real run with evidence.'," \
	" CASE WHEN f.obstacle IS NOT NULL THEN 'not applicable'" \
	" WHEN " SOME("f.incidents OPERATOR(pg_catalog.+) f.evaluations OPERATOR(pg_catalog.+) f.breaches") \
	" THEN 'met' WHEN " SOME("f.unlinked") " THEN 'not met' ELSE 'not applicable' END," \
	" CASE WHEN f.obstacle IS NOT NULL THEN f.obstacle" \
	" WHEN " SOME("f.incidents OPERATOR(pg_catalog.+) f.evaluations OPERATOR(pg_catalog.+) f.breaches") \
	" THEN pg_catalog.concat(" COUNTED("f.incidents", "incident", "incidents") ", ', '," \
	" " COUNTED("f.evaluations", "policy evaluation", "policy evaluations") ", ', '," \
	" " COUNTED("f.breaches", "limit breach", "limit breaches") ")" \
	" WHEN " SOME("f.unlinked") " THEN pg_catalog.concat('none is linked to the run, and '," \
	" " COUNTED("f.unlinked", "gap tells", "gaps tell") ", ' of its incidents, policies or limits')" \
	" ELSE 'none is linked to the run; whether it had any cannot be told from within the database' END)," \
	" (2, 'Proof returns HASH_CHAIN for traced runs.'," \
	" CASE WHEN NOT f.run_found OR f.own_row" SQL_EQ "0 OR " NONE("f.traces") " THEN 'not applicable'" \
	" WHEN " SOME("f.broken") " THEN 'not met' ELSE 'met' END," \
	" CASE WHEN NOT f.run_found OR f.own_row" SQL_EQ "0 THEN f.obstacle" \
	" WHEN " NONE("f.traces") " THEN 'no trace names the run'" \
	" WHEN " SOME("f.broken") " THEN pg_catalog.concat('traces without a chain that stands: '," \
	" f.broken, ' of ', f.traces, ' (', f.broken_statuses, ')')" \
	" ELSE pg_catalog.concat('HASH_CHAIN for '," \
	" " COUNTED("f.traces", "trace", "traces") ", '; verification says ', f.statuses," \
	" CASE WHEN " SOME("f.unverified") " THEN '. The plan asks for the model alone: " \
	"it is not proved that no step was altered' END) END)," \
	" (3, 'Governance returns incident-scoped events for the same run.'," \
	" CASE WHEN f.obstacle IS NOT NULL THEN 'not applicable'" \
	" WHEN " SOME("f.incident_events") " THEN 'met'" \
	" WHEN " SOME("f.incidents") " THEN 'not met' ELSE 'not applicable' END," \
	" CASE WHEN f.obstacle IS NOT NULL THEN f.obstacle" \
	" WHEN " SOME("f.incident_events") " THEN" \
	" " COUNTED("f.incident_events", "event of an incident", "events of incidents") \
	" WHEN " SOME("f.incidents") " THEN pg_catalog.concat('the ledger tells nothing of '," \
	" " COUNTED("f.incidents", "incident", "incidents") ", ' of the run')" \
	" ELSE 'no incident is linked to the run' END)," \
	" (4, 'Any missing linkage is documented with precise references and database evidence.'," \
	" CASE WHEN NOT f.has_rules OR " SOME("f.vague") \
	" OR (" NONE("f.gaps") " AND " SOME("f.legacy_link_count") ") THEN 'not met'" \
	" WHEN f.is_narrowed THEN 'not applicable' ELSE 'met' END," \
	" CASE WHEN NOT f.has_rules THEN 'gaps in the records were not looked for'" \
	" WHEN " SOME("f.vague") " THEN pg_catalog.concat(f.vague, ' of '," \
	" " COUNTED("f.gaps", "gap names", "gaps name") ", ' no single record')" \
	" WHEN " NONE("f.gaps") " AND " SOME("f.legacy_link_count") " THEN pg_catalog.concat(" \
	COUNTED("f.legacy_link_count", "record is", "records are") "," \
	" ' linked by old columns alone, and no gap says so')" \
	" WHEN f.is_narrowed THEN pg_catalog.concat('row-level security narrows what this role sees: '," \
	" 'whether something is missing cannot be told. It sees '," \
	" " COUNTED("f.gaps", "gap", "gaps") ")" \
	" ELSE pg_catalog.concat('gaps in the records: ', f.gaps, ', in the schema: ', f.schema_gaps," \
	" CASE WHEN " SOME("(f.gaps OPERATOR(pg_catalog.+) f.schema_gaps)") " THEN" \
	" '; each is told with its table and row, or its object' END) END)" \
	") AS c (criterion, requirement, verdict, reason)" \
	" ORDER BY c.criterion"

/* (subject, reason, condition) */
#define NOT_EVALUATED \
	"SELECT v.subject, v.reason FROM linkage AS l" \
	" CROSS JOIN (SELECT pg_catalog.sum(p.unsealed_length)::pg_catalog.int8," \
	" pg_catalog.sum(p.backfilled_length)::pg_catalog.int8," \
	" pg_catalog.count(*) FILTER (WHERE p.verification_status" SQL_EQ "'ARCHIVED')" \
	" FROM proof AS p) AS p (unsealed, backfilled, archived)" \
	" CROSS JOIN (SELECT pg_catalog.max(c.status) FILTER (WHERE c.check_id" SQL_EQ "'sealing.state')," \
	" pg_catalog.string_agg(pg_catalog.substr(c.check_id, 7), ', ' ORDER BY c.check_id COLLATE pg_catalog.\"C\")" \
	" FILTER (WHERE c.check_id" IS_ANY("table.policy_enforcements,table.llm_run_records,table.aos_traces_archive") \
	" AND c.status" SQL_EQ "'missing')" \
	" FROM schema AS c) AS s (state, absent)" \
	" CROSS JOIN LATERAL (VALUES" \
	" (l.tenant_id IS NULL, 'The tenant', 'the run has none, or is not in runs: records of every tenant count')," \
	" (l.is_narrowed, 'What row-level security hides from this role', 'it is in no count and in no gap')," \
	" (NOT l.has_rules, 'Gaps in the records', 'the schema was renamed after CREATE EXTENSION, and the " \
	"rules of runlink_gaps read the one of the old name: create the extension anew')," \
	" (" SOME("l.other_tenant_count") ", 'Records of other tenants', pg_catalog.concat(" \
	COUNTED("l.other_tenant_count", "is", "are") ", ' linked to the run: counted, but no evidence of it'))," \
	" (" SOME("l.legacy_link_count") ", 'Old links', pg_catalog.concat(" \
	COUNTED("l.legacy_link_count", "record names", "records name") "," \
	" ' the run in a column of former days; whether it was this run cannot be told for certain'))," \
	" (s.absent IS NOT NULL, 'Tables that are not there', s.absent)," \
	" (s.state" SQL_EQ "'missing', 'Changes to steps'," \
	" 'sealing is not enabled: nothing recorded what the steps were')," \
	" (s.state" SQL_EQ "'not_valid', 'Changes to steps', 'leaves and seals cannot be read: " \
	"runlink_schema_check() says why')," \
	" (s.state IS NULL AND " SOME("p.unsealed") ", 'Changes to steps without leaf or seal'," \
	" pg_catalog.concat('there is nothing to compare ', " COUNTED("p.unsealed", "step", "steps") ", ' with'))," \
	" (" SOME("p.backfilled") ", 'Changes before the seal'," \
	" pg_catalog.concat('the hash of ', " COUNTED("p.backfilled", "step", "steps") "," \
	" ' was taken later than the insert'))," \
	" (" SOME("p.archived") ", 'Archived steps'," \
	" pg_catalog.concat('those of ', " COUNTED("p.archived", "trace", "traces") "," \
	" ' are gone; only the last seal is told'))," \
	" (true, 'Changes to records other than steps', 'hashes cover steps alone')," \
	" (true, 'Whether every step was recorded, and was true'," \
	" 'what was never inserted, or inserted false, leaves no trace in the database')," \
	" (true, 'Changes by a superuser who rewrote leaves and seals too'," \
	" 'nothing is anchored: no checkpoint that is kept outside this database was compared')," \
	" (true, 'Gaps that name no run', 'runlink_gaps() without a run tells them')," \
	" (true, 'The application''s coordinators and log facade'," \
	" 'they were not run: this is what the database says')" \
	") AS v (applies, subject, reason) WHERE v.applies"

ReportSection report_sections[] = {
	{
		.key = NULL, .heading = "Summary", .shape = REPORT_RECORD,
		.null_text = "none: every tenant",
		.headings = {
			"Run ID tested", "Run found", "Tenant ID", "Schema", "Reported at", "Incidents",
			"Policy evaluations", "Decisions", "Limit breaches", "Governance events", "Traces",
			"Steps", "Records found by legacy links", "Linked records of other tenants",
			"Evidence result", "Proof result"
		},
		.query = {.sql = SUMMARY},
	},
	{
		.key = "evidence", .heading = "Evidence", .shape = REPORT_TABLE,
		.when_empty = "No record is linked to this run.",
		.headings = {
			"Time", "Kind", "Record", "Severity", "Outcome", "Title", "Linked by"
		},
		.query = {.sql = EVIDENCE},
	},
	{
		.key = "proof", .heading = "Proof", .shape = REPORT_TABLE,
		.headings = {
			"Trace", "Model", "Verification", "Assurance", "Steps", "Sealed", "Backfilled",
			"Unsealed", "Reason", "Coordinator's digest"
		},
		.query = {.sql = PROOF},
	},
	{
		.key = "governance_events", .heading = "Governance events", .shape = REPORT_TABLE,
		.when_empty = "No event of the audit ledger belongs to this run.",
		.headings = {
			"Time", "Record", "Event", "Entity", "Entity ID", "Actor", "Actor ID", "Reason",
			"Linked by"
		},
		.query = {.sql = GOVERNANCE},
	},
	{
		.key = "gaps", .heading = "Gaps in the records", .shape = REPORT_TABLE,
		.when_empty = "None was found. What was not looked for is told below.",
		.headings = {
			"Level", "Gap", "Table", "Record", "What", "Detail", "Confidence", "Run proposed"
		},
		.query = {.sql = GAPS},
	},
	{
		.key = "schema_gaps", .heading = "Gaps in the schema", .shape = REPORT_TABLE,
		.when_empty = "Everything required or recommended is there.",
		.headings = {"Level", "Object", "Status", "Needed by", "Why"},
		.query = {.sql = SCHEMA_GAPS},
	},
	{
		.key = "recommended_fixes", .heading = "Recommended fixes", .shape = REPORT_STATEMENTS,
		.note = "Each is one statement. Those of gaps that are only likely rest on an indirect "
		"link: read them first.",
		.when_empty = "None.",
		.headings = {"Statement"},
		.query = {.sql = FIXES},
	},
	{
		.key = "acceptance", .heading = "Acceptance", .shape = REPORT_TABLE,
		.headings = {"Criterion", "Verdict", "The plan asks", "Because"},
		.query = {.sql = ACCEPTANCE},
	},
	{
		.key = "not_evaluated", .heading = "Not evaluated", .shape = REPORT_TABLE,
		.headings = {"What", "Why"},
		.query = {.sql = NOT_EVALUATED},
	},
};

const int	report_section_count = lengthof(report_sections);
