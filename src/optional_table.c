/*-------------------------------------------------------------------------
 *
 * optional_table.c
 *	  Functions over tables that the application may not have, for the views and
 *	  the gaps.
 *
 * SQL that names such a table fails where it is missing.  So the views call a
 * function of ours, which has no rows then; where the table is there, the planner
 * puts an SQL function in its place and inlines that, as if the view named the
 * table.  A plan made before the table came still holds our function, which then
 * calls the SQL function itself.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "spi.h"

PG_FUNCTION_INFO_V1(runlink_optional_support);
PG_FUNCTION_INFO_V1(runlink_optional_rows);

/* A function over a table, which the SQL function of its name and _read reads. */
typedef struct OptionalTable
{
	const char *function;
	AppTableId	table;
	SavedQuery	query;
} OptionalTable;

#define OPTIONAL(function, table) \
	{function, table, {.sql_template = "SELECT * FROM @extschema@." function "_read()", .reads_whole_tables = true}}

static OptionalTable optional_tables[] = {
	OPTIONAL("runlink_enforcement_links", APP_POLICY_ENFORCEMENTS),
	OPTIONAL("runlink_enforcement_runs", APP_POLICY_ENFORCEMENTS),
	OPTIONAL("runlink_llm_record_links", APP_LLM_RUN_RECORDS),
	OPTIONAL("runlink_llm_record_runs", APP_LLM_RUN_RECORDS),
	OPTIONAL("runlink_archived_traces", APP_AOS_TRACES_ARCHIVE),
};

/* The one that a function is; NULL where it has another name. */
static OptionalTable *
find_optional_table(Oid function)
{
	const char *name = get_func_name(function);

	for (size_t i = 0; name != NULL && i < lengthof(optional_tables); i++)
	{
		if (strcmp(name, optional_tables[i].function) == 0)
			return &optional_tables[i];
	}
	return NULL;
}

static Oid
find_reader(const OptionalTable *optional, Oid namespace)
{
	List	   *name = list_make2(makeString(get_namespace_name(namespace)),
								  makeString(psprintf("%s_read", optional->function)));

	return LookupFuncName(name, 0, NULL, false);
}

/*
 * runlink_optional_support(internal) returns internal
 *
 * Where the table is there, the call of the SQL function that reads it.
 */
Datum
runlink_optional_support(PG_FUNCTION_ARGS)
{
	SupportRequestSimplify *request = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	const OptionalTable *optional;
	FuncExpr   *read;
	Oid			namespace;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	optional = find_optional_table(request->fcall->funcid);
	namespace = get_func_namespace(request->fcall->funcid);
	if (optional == NULL ||
		!OidIsValid(get_relname_relid(app_tables[optional->table].name, namespace)))
		PG_RETURN_POINTER(NULL);
	read = copyObject(request->fcall);
	read->funcid = find_reader(optional, namespace);
	PG_RETURN_POINTER(read);
}

/*
 * runlink_optional_rows() returns setof record
 *
 * What the SQL function that reads the table returns; no row where there is no
 * such table.
 */
Datum
runlink_optional_rows(PG_FUNCTION_ARGS)
{
	OptionalTable *optional = find_optional_table(fcinfo->flinfo->fn_oid);
	AppCall		call = {0};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const Binding *binding;

	if (optional == NULL)
		elog(ERROR, "function %u is over no table that may be missing", fcinfo->flinfo->fn_oid);
	call.name = optional->function;
	InitMaterializedSRF(fcinfo, 0);
	binding = binding_open(fcinfo->flinfo->fn_oid, &call);
	if (OidIsValid(binding->relids[optional->table]))
	{
		SPI_connect();
		execute_query_into(&optional->query, binding, NULL, NULL, rsinfo->setResult, rsinfo->setDesc);
		SPI_finish();
	}
	return (Datum) 0;
}
