/*-------------------------------------------------------------------------
 *
 * schema_check.c
 *	  runlink_schema_check and runlink_require_schema: is the application's
 *	  schema wired so that the calls can answer, and what SQL mends it.
 *
 * Walks the linkage map and compares it with the catalogues.  Reads no table
 * of the application and takes no lock on one; runs with search_path set to
 * pg_catalog by its SQL functions, so that expressions print qualified.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "schema_check.h"

PG_FUNCTION_INFO_V1(runlink_schema_check);
PG_FUNCTION_INFO_V1(runlink_require_schema);

/* What the table as a whole is needed for. */
static int
table_use(const AppTable *table)
{
	int			use = 0;

	for (const AppColumn *column = table->columns; column->name != NULL; column++)
		use |= column->use & FOR_CALLS;
	return use;
}

/* Starts a finding about the table of the check. */
Finding
begin_finding(const SchemaCheck *check, const char *check_id, const char *level)
{
	Finding		finding = {
		.check_id = check_id,
		.level = level,
		.status = "ok",
		.domain = check->table->domain,
		.object = check->table_name,
		.needed_by = app_needed_by(table_use(check->table)),
	};

	return finding;
}

static void
check_one_table(SchemaCheck *check)
{
	const AppTable *table = check->table;

	if (!check_table(check))
		return;
	check_privilege(check);
	for (const AppColumn *column = table->columns; column->name != NULL; column++)
		check_column(check, column);
	if (!check->is_table)
		return;
	if (table->key != NULL)
		check_key(check);
	for (const AppLink *link = table->links; link != NULL && link->linked_by != NULL; link++)
	{
		if (link->index_key != NULL)
			check_link_index(check, link);
	}
	if (table->update_guarded)
		check_guard(check, "update", TRIGGER_TYPE_UPDATE);
	if (table->delete_guarded)
		check_guard(check, "delete", TRIGGER_TYPE_DELETE);
	check_constraints(check);
}

static void
check_encoding(const SchemaCheck *check)
{
	Finding		finding = {
		.check_id = "database.encoding",
		.level = "required",
		.status = GetDatabaseEncoding() == PG_UTF8 ? "ok" : "wrong_type",
		.domain = "logs",
		.object = "database",
		.expected = "UTF8",
		.found = GetDatabaseEncodingName(),
		.needed_by = app_needed_by(FOR_PROOF),
		.why = "hashes are over UTF-8 text; an encoding is chosen when a database is created",
	};

	check->report(check->sink, &finding);
}

/*
 * Reports everything that the map says of the application, in its order.  SPI
 * must be connected.
 */
static void
check_schema(Oid function, ReportFinding report, void *sink)
{
	Oid			namespace = get_func_namespace(function);
	SchemaCheck check = {
		.report = report,
		.sink = sink,
		.namespace = namespace,
		.schema = get_namespace_name(namespace),
	};

	check_encoding(&check);
	for (int id = 0; id < APP_TABLE_COUNT; id++)
	{
		check.table = &app_tables[id];
		check.table_name = quote_qualified_identifier(check.schema, check.table->name);
		check.relid = get_relname_relid(check.table->name, namespace);
		check_one_table(&check);
	}
	check_sealing(&check);
	check_stamping(&check);
}

static void
put_finding(void *sink, const Finding *finding)
{
	ReturnSetInfo *rsinfo = sink;
	const char *const texts[FINDING_COLUMNS] = {
		finding->check_id, finding->level, finding->status, finding->domain, finding->object,
		finding->expected, finding->found, finding->needed_by, finding->why, finding->remedy
	};
	Datum		values[FINDING_COLUMNS];
	bool		nulls[FINDING_COLUMNS];

	for (int i = 0; i < FINDING_COLUMNS; i++)
	{
		nulls[i] = (texts[i] == NULL);
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * runlink_schema_check() returns setof record
 *
 * One row for everything checked, in the order of the linkage map; status ok
 * included.  Never an error for what is miswired.
 */
Datum
runlink_schema_check(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	check_schema(fcinfo->flinfo->fn_oid, put_finding, fcinfo->resultinfo);
	SPI_finish();
	return (Datum) 0;
}

typedef struct RequiredFindings
{
	int			count;
	StringInfoData detail;
} RequiredFindings;

static void
collect_required(void *sink, const Finding *finding)
{
	RequiredFindings *required = sink;

	if (strcmp(finding->level, "required") != 0 || strcmp(finding->status, "ok") == 0)
		return;
	if (required->count++ > 0)
		appendStringInfoChar(&required->detail, '\n');
	appendStringInfo(&required->detail, "%s is %s: %s", finding->object, finding->status,
					 finding->remedy != NULL ? finding->remedy : finding->why);
}

/*
 * runlink_require_schema() returns void
 *
 * Raises one error with everything required that is not ok, remedies included.
 */
Datum
runlink_require_schema(PG_FUNCTION_ARGS)
{
	RequiredFindings required = {0};
	Oid			function = fcinfo->flinfo->fn_oid;

	SPI_connect();
	initStringInfo(&required.detail);
	check_schema(function, collect_required, &required);
	if (required.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%d required object of the application's schema is not as runlink needs it",
							   "%d required objects of the application's schema are not as runlink needs them",
							   required.count, required.count),
				 errdetail_internal("%s", required.detail.data),
				 errhint("Run the remedies: select remedy from %s.runlink_schema_check() "
						 "where level = 'required' and status <> 'ok' \\gexec",
						 quote_identifier(get_namespace_name(get_func_namespace(function))))));
	SPI_finish();
	PG_RETURN_VOID();
}
