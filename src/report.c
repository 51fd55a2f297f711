/*-------------------------------------------------------------------------
 *
 * report.c
 *	  runlink_report: the linkage plan's report about a run.
 *
 * Each call that the report tells of is made once, under the caller's snapshot;
 * its rows are kept, on disk where they are many, and the sections are queries
 * over them (report_sections.c), written by one of the formats.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/queryenvironment.h"
#include "utils/datetime.h"

#include "receiver.h"
#include "report.h"

PG_FUNCTION_INFO_V1(runlink_report);

static void build_linkage_source(StringInfo sql, const Binding *binding);

/* A call that the report tells of, by the name that sections read its rows under. */
typedef struct Source
{
	const char *name;
	SavedQuery	query;
} Source;

/* In this order: the gaps are asked for a row of linkage. */
static Source sources[] = {
	{"linkage", {.build = build_linkage_source}},
	{"evidence", {.sql_template = "SELECT e.* FROM @extschema@.runlink_evidence($1, $2) AS e"}},
	{"proof", {.sql_template = "SELECT p.* FROM @extschema@.runlink_proof($1, $2) AS p"}},
	{"governance", {.sql_template = "SELECT g.* FROM @extschema@.runlink_governance($1, $2) AS g"}},
	/* where the rules name another schema than is read, they are not asked */
	{"gaps", {.sql_template = "SELECT g.* FROM linkage AS l"
	" CROSS JOIN LATERAL @extschema@.runlink_gaps(l.run_id, $2) AS g"
	" WHERE l.has_rules"}},
	{"schema", {.sql_template = "SELECT c.* FROM @extschema@.runlink_schema_check() AS c"
	" WHERE c.status OPERATOR(pg_catalog.<>) 'ok'"}},
};

static const ReportFormat *const formats[] = {&report_markdown, &report_html, &report_json};

/*
 * With the counts: does row-level security narrow what is seen, and is the schema
 * still called as it was when the rules of runlink_gaps were made, which name it?
 */
static void
build_linkage_source(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT l.*, (pg_catalog.parse_ident(@extschema@.runlink_schema_as_installed()))[1]"
					SQL_EQ "l.application_schema AS has_rules,"
					" EXISTS (SELECT FROM pg_catalog.pg_class AS c"
					" JOIN pg_catalog.pg_namespace AS n ON n.oid" SQL_EQ "c.relnamespace"
					" WHERE n.nspname" SQL_EQ "l.application_schema::pg_catalog.name"
					" AND c.relname" SQL_EQ "ANY ('{");
	for (int id = 0; id < APP_TABLE_COUNT; id++)
		appendStringInfo(sql, "%s%s", id > 0 ? "," : "", app_tables[id].name);
	append_template(sql, binding,
					"}'::pg_catalog.name[]) AND pg_catalog.row_security_active(c.oid))"
					" AS is_narrowed FROM @extschema@.runlink_linkage($1, $2) AS l");
}

static void
keep_columns(TupleDesc tupdesc, void *sink)
{
	((EphemeralNamedRelation) sink)->md.tupdesc = CreateTupleDescCopy(tupdesc);
}

static void
keep_row(TupleTableSlot *slot, void *sink)
{
	EphemeralNamedRelation relation = sink;

	tuplestore_puttupleslot(relation->reldata, slot);
	relation->md.enrtuples++;
}

/* Makes a call and keeps its rows under its name until SPI_finish. */
static Tuplestorestate *
keep_source(Source *source, const Run *run, text *tenant_id)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	RowReceiver receiver;
	DestReceiver *destination = row_receiver(&receiver, keep_row, relation);
	int			result;

	receiver.begin = keep_columns;
	relation->md.name = unconstify(char *, source->name);
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->reldata = tuplestore_begin_heap(false, false, work_mem);
	execute_query(&source->query, run->binding, run->run_id, tenant_id, destination);
	result = SPI_register_relation(relation);
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not keep the rows of a call: %s", SPI_result_code_string(result));
	return relation->reldata;
}

/*
 * A time in UTC, palloc'd.  Postgres's own output would depend on the settings
 * of the session.
 */
char *
report_time(TimestampTz time)
{
	char		iso[MAXDATELEN + 1];
	int			utc = 0;
	char	   *zone;

	JsonEncodeDateTime(iso, TimestampTzGetDatum(time), TIMESTAMPTZOID, &utc);
	zone = strstr(iso, "+00:00");
	if (zone == NULL)
		return pstrdup(iso);	/* infinity */
	*strchr(iso, 'T') = ' ';
	return psprintf("%.*sZ%s", (int) (zone - iso), iso, zone + strlen("+00:00"));
}

/* A value as people are told it, palloc'd; NULL where it is NULL. */
char *
report_value(TupleTableSlot *slot, int column)
{
	Datum		value = slot->tts_values[column];
	Oid			type = TupleDescAttr(slot->tts_tupleDescriptor, column)->atttypid;

	if (slot->tts_isnull[column])
		return NULL;
	switch (type)
	{
		case TEXTOID:
			return TextDatumGetCString(value);
		case BOOLOID:
			return pstrdup(DatumGetBool(value) ? "yes" : "no");
		case INT4OID:
			return psprintf("%d", DatumGetInt32(value));
		case INT8OID:
			return psprintf(INT64_FORMAT, DatumGetInt64(value));
		case TIMESTAMPTZOID:
			return report_time(DatumGetTimestampTz(value));
		default:
			elog(ERROR, "a section of the report has a column of type %u", type);
	}
}

static void
receive_row(TupleTableSlot *slot, void *sink)
{
	Report	   *report = sink;

	if (report->rows++ == 0)
		report->format->begin_rows(report);
	slot_getallattrs(slot);
	report->format->write_row(report, slot);
}

static void
append_section(Report *report, ReportSection *section)
{
	RowReceiver receiver;
	DestReceiver *destination = row_receiver(&receiver, receive_row, report);

	report->section = section;
	report->rows = 0;
	report->format->begin_section(report);
	execute_kept_query(&section->query, NULL, NULL, true, destination);
	report->format->end_section(report);
}

static const ReportFormat *
format_wanted(FunctionCallInfo fcinfo)
{
	text	   *format = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);

	for (size_t i = 0; format != NULL && i < lengthof(formats); i++)
	{
		if (same_text(format, cstring_to_text(formats[i]->name)))
			return formats[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("format \"%s\" is not a format of runlink_report",
					format == NULL ? "NULL" : id_for_message(format)),
			 errdetail("The report is written in Markdown, HTML or JSON."),
			 errhint("Pass 'markdown', 'html' or 'json', or leave the argument out for Markdown.")));
}

/*
 * runlink_report(run_id text, tenant_id text, format text) returns text
 *
 * The linkage plan's report about a run, as Markdown, HTML or JSON.  Arguments
 * and errors as the calls it is made of.
 */
Datum
runlink_report(PG_FUNCTION_ARGS)
{
	MemoryContext call_context = CurrentMemoryContext;
	text	   *tenant_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	Tuplestorestate *kept[lengthof(sources)];
	Report		report = {.format = format_wanted(fcinfo)};
	Run			run = {0};
	text	   *result;

	SPI_connect();
	run_open(fcinfo, &app_call_report, &run);
	report.run = &run;
	for (size_t i = 0; i < lengthof(sources); i++)
		kept[i] = keep_source(&sources[i], &run, tenant_id);

	initStringInfo(&report.text);
	report.format->begin(&report);
	for (int i = 0; i < report_section_count; i++)
		append_section(&report, &report_sections[i]);
	report.format->end(&report);
	for (size_t i = 0; i < lengthof(sources); i++)
		tuplestore_end(kept[i]);

	MemoryContextSwitchTo(call_context);
	result = cstring_to_text_with_len(report.text.data, report.text.len);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
