/*-------------------------------------------------------------------------
 *
 * report.c
 *	  runlink_report: the linkage plan's report about a run, for people.
 *
 * Every table of the report is a query over the other calls, all under the
 * caller's snapshot; the names of its columns are the headings.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <ctype.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "receiver.h"
#include "run.h"

PG_FUNCTION_INFO_V1(runlink_report);

static void build_summary_query(StringInfo sql, const Binding *binding);
static void build_evidence_table_query(StringInfo sql, const Binding *binding);
static void build_proof_table_query(StringInfo sql, const Binding *binding);
static void build_governance_table_query(StringInfo sql, const Binding *binding);
static void build_schema_table_query(StringInfo sql, const Binding *binding);
static void build_remedies_query(StringInfo sql, const Binding *binding);

static SavedQuery summary_query = {.build = build_summary_query};
static SavedQuery evidence_table_query = {.build = build_evidence_table_query};
static SavedQuery proof_table_query = {.build = build_proof_table_query};
static SavedQuery governance_table_query = {.build = build_governance_table_query};
static SavedQuery schema_table_query = {.build = build_schema_table_query};
static SavedQuery remedies_query = {.build = build_remedies_query};

/* Writes rows of text columns into the report as they come. */
typedef struct ReportWriter
{
	RowReceiver receiver;
	StringInfo	report;
	int64		rows;
} ReportWriter;

/* to_char knows no infinity and shows no era of its own accord. */
#define UTC_TIME(column) \
	"CASE WHEN pg_catalog.isfinite(" column ") THEN pg_catalog.concat(" \
	"pg_catalog.to_char(pg_catalog.timezone('UTC', " column "), 'YYYY-MM-DD HH24:MI:SS\"Z\"')," \
	" CASE WHEN " column " OPERATOR(pg_catalog.<)" \
	" '0001-01-01 00:00:00+00'::pg_catalog.timestamptz THEN ' BC' END)" \
	" ELSE " column "::pg_catalog.text END"

static void
build_summary_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT v.item AS \"Item\", v.result AS \"Result\""
					" FROM @extschema@.runlink_linkage($1, $2) AS l CROSS JOIN LATERAL (VALUES"
					" ('Run ID tested', l.run_id),"
					" ('Run found', CASE WHEN l.run_found THEN 'yes' ELSE 'no' END),"
					" ('Tenant ID', COALESCE(l.tenant_id, 'none: every tenant')),"
					" ('Schema', l.application_schema),"
					" ('Incidents', l.incident_count::pg_catalog.text),"
					" ('Policy evaluations', l.policy_evaluation_count::pg_catalog.text),"
					" ('Decisions', l.decision_count::pg_catalog.text),"
					" ('Limit breaches', l.limit_breach_count::pg_catalog.text),"
					" ('Governance events', l.governance_event_count::pg_catalog.text),"
					" ('Traces', l.trace_count::pg_catalog.text),"
					" ('Steps', l.step_count::pg_catalog.text),"
					" ('Records found by legacy links', l.legacy_link_count::pg_catalog.text),"
					" ('Linked records of other tenants', l.other_tenant_count::pg_catalog.text),"
					" ('Evidence result', (SELECT pg_catalog.concat(pg_catalog.count(*), ' records')"
					" FROM @extschema@.runlink_evidence($1, $2))),"
					" ('Proof result', (SELECT pg_catalog.string_agg(DISTINCT"
					" pg_catalog.concat(p.verification_status, ' (', p.model, ')'), ', ')"
					" FROM @extschema@.runlink_proof($1, $2) AS p))"
					") AS v (item, result)");
}

static void
build_evidence_table_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT " UTC_TIME("e.occurred_at") " AS \"Time\", e.kind AS \"Kind\","
					" e.record_id AS \"Record\", e.severity AS \"Severity\","
					" e.outcome AS \"Outcome\", e.title AS \"Title\", e.linked_by AS \"Linked by\""
					" FROM @extschema@.runlink_evidence($1, $2) AS e");
}

static void
build_proof_table_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT p.trace_id AS \"Trace\", p.model AS \"Model\","
					" p.verification_status AS \"Verification\", p.assurance AS \"Assurance\","
					" p.chain_length::pg_catalog.text AS \"Steps\","
					" p.sealed_length::pg_catalog.text AS \"Sealed\","
					" p.backfilled_length::pg_catalog.text AS \"Backfilled\","
					" p.unsealed_length::pg_catalog.text AS \"Unsealed\","
					" p.failure_reason AS \"Reason\","
					" p.coordinator_root_hash AS \"Coordinator's digest\""
					" FROM @extschema@.runlink_proof($1, $2) AS p");
}

static void
build_governance_table_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT " UTC_TIME("g.occurred_at") " AS \"Time\", g.record_id AS \"Record\","
					" g.event_type AS \"Event\", g.entity_type AS \"Entity\","
					" g.entity_id AS \"Entity ID\", g.actor_type AS \"Actor\","
					" g.actor_id AS \"Actor ID\", g.linked_by AS \"Linked by\""
					" FROM @extschema@.runlink_governance($1, $2) AS g");
}

#define MISWIRED \
	" FROM @extschema@.runlink_schema_check() AS c" \
	" WHERE c.status OPERATOR(pg_catalog.<>) 'ok'" \
	" AND c.level" SQL_EQ "ANY ('{required,recommended}'::pg_catalog.text[])"

static void
build_schema_table_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT c.level AS \"Level\", c.object AS \"Object\", c.status AS \"Status\","
					" c.needed_by AS \"Needed by\", c.why AS \"Why\"" MISWIRED);
}

static void
build_remedies_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding, "SELECT c.remedy" MISWIRED " AND c.remedy IS NOT NULL");
}

/* Does a character of a cell mean something to Markdown where it stands? */
static bool
is_markup(const char *text, const char *c)
{
	switch (*c)
	{
		case '|':
		case '\\':
		case '`':
		case '*':
		case '~':
		case '[':
		case ']':
			return true;
		case '_':
			/* within a word, as in most of our ids, it does not */
			return c == text || !isalnum((unsigned char) c[-1]) || !isalnum((unsigned char) c[1]);
		default:
			return false;
	}
}

/* Appends text as a cell of a Markdown table that cannot break out of it. */
static void
append_cell(StringInfo report, const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c == '<')
			appendStringInfoString(report, "&lt;");
		else if (*c == '>')
			appendStringInfoString(report, "&gt;");
		else if (*c == '&')
			appendStringInfoString(report, "&amp;");
		else if ((unsigned char) *c < ' ')
			appendStringInfoChar(report, ' ');	/* a line break would end the row */
		else
		{
			if (is_markup(text, c))
				appendStringInfoChar(report, '\\');
			appendStringInfoChar(report, *c);
		}
	}
}

static void
begin_table(TupleDesc tupdesc, void *sink)
{
	StringInfo	report = ((ReportWriter *) sink)->report;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		appendStringInfoString(report, i == 0 ? "| " : " | ");
		append_cell(report, NameStr(TupleDescAttr(tupdesc, i)->attname));
	}
	appendStringInfoString(report, " |\n|");
	for (int i = 0; i < tupdesc->natts; i++)
		appendStringInfoString(report, "---|");
	appendStringInfoChar(report, '\n');
}

static void
write_row(TupleTableSlot *slot, void *sink)
{
	ReportWriter *writer = sink;

	slot_getallattrs(slot);
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		appendStringInfoString(writer->report, i == 0 ? "| " : " | ");
		if (!slot->tts_isnull[i])
		{
			char	   *value = TextDatumGetCString(slot->tts_values[i]);

			append_cell(writer->report, value);
			pfree(value);
		}
	}
	appendStringInfoString(writer->report, " |\n");
	writer->rows++;
}

/* Writes the statement of a row as indented code, which no statement can end. */
static void
write_statement(TupleTableSlot *slot, void *sink)
{
	ReportWriter *writer = sink;
	bool		isnull;
	char	   *statement = TextDatumGetCString(slot_getattr(slot, 1, &isnull));

	if (writer->rows++ == 0)
		appendStringInfoChar(writer->report, '\n');
	appendStringInfoString(writer->report, "    ");
	for (const char *c = statement; *c != '\0'; c++)
	{
		appendStringInfoChar(writer->report, *c);
		/* a carriage return alone ends a line of Markdown too */
		if (*c == '\n' || (*c == '\r' && c[1] != '\n'))
			appendStringInfoString(writer->report, "    ");
	}
	appendStringInfoString(writer->report, ";\n");
	pfree(statement);
}

/* Appends a section: a heading and a table, or a sentence where it has no rows. */
static void
append_section(StringInfo report, const char *heading, SavedQuery *query,
			   const Run *run, text *tenant_id, const char *when_empty)
{
	ReportWriter writer = {.report = report};
	DestReceiver *receiver = row_receiver(&writer.receiver, write_row, &writer);
	int			start;

	appendStringInfo(report, "\n## %s\n\n", heading);
	start = report->len;
	writer.receiver.begin = begin_table;
	execute_query(query, run->binding, run->run_id, tenant_id, receiver);
	if (writer.rows == 0)
	{
		report->len = start;
		appendStringInfo(report, "%s\n", when_empty);
	}
}

static void
append_remedies(StringInfo report, const Run *run, text *tenant_id)
{
	ReportWriter writer = {.report = report};
	DestReceiver *receiver = row_receiver(&writer.receiver, write_statement, &writer);

	appendStringInfoString(report, "\n## Recommended fixes\n");
	execute_query(&remedies_query, run->binding, run->run_id, tenant_id, receiver);
	if (writer.rows == 0)
		appendStringInfoString(report, "\nNone.\n");
}

static void
check_format(FunctionCallInfo fcinfo)
{
	text	   *format = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);

	if (format == NULL || strcmp(text_to_cstring(format), "markdown") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"%s\" is not a format of runlink_report",
						format == NULL ? "NULL" : id_for_message(format)),
				 errdetail("The report is written in Markdown."),
				 errhint("Pass 'markdown', or leave the argument out.")));
}

/*
 * runlink_report(run_id text, tenant_id text, format text) returns text
 *
 * The linkage plan's report about a run in Markdown.  Arguments and errors as
 * the calls it is made of.
 */
Datum
runlink_report(PG_FUNCTION_ARGS)
{
	MemoryContext call_context = CurrentMemoryContext;
	text	   *tenant_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	StringInfoData report;
	Run			run = {0};
	text	   *result;

	check_format(fcinfo);
	SPI_connect();
	run_open(fcinfo, &app_call_report, &run);

	initStringInfo(&report);
	appendStringInfoString(&report, "# Linkage report of a run\n");
	append_section(&report, "Summary", &summary_query, &run, tenant_id, "");
	append_section(&report, "Evidence", &evidence_table_query, &run, tenant_id,
				   "No record is linked to this run.");
	append_section(&report, "Proof", &proof_table_query, &run, tenant_id, "");
	append_section(&report, "Governance events", &governance_table_query, &run, tenant_id,
				   "No event of the audit ledger belongs to this run.");
	append_section(&report, "Gaps in the schema", &schema_table_query, &run, tenant_id,
				   "Everything required or recommended is there.");
	append_remedies(&report, &run, tenant_id);
	appendStringInfoString(&report,
						   "\n## Not evaluated\n\n"
						   "Gaps in the run's records (links that are missing or wrong) "
						   "were not looked for.\n"
						   "Whether a superuser rewrote leaves and seals together with the steps "
						   "cannot be told from within this database.\n");

	MemoryContextSwitchTo(call_context);
	result = cstring_to_text_with_len(report.data, report.len);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
