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
PG_FUNCTION_INFO_V1(runlink_enforcement_links);
PG_FUNCTION_INFO_V1(runlink_llm_record_links);
PG_FUNCTION_INFO_V1(runlink_enforcement_runs);
PG_FUNCTION_INFO_V1(runlink_llm_record_runs);
PG_FUNCTION_INFO_V1(runlink_archived_traces);

static void build_enforcement_query(StringInfo sql, const Binding *binding);
static void build_llm_record_query(StringInfo sql, const Binding *binding);
static void build_enforcement_runs_query(StringInfo sql, const Binding *binding);
static void build_llm_record_runs_query(StringInfo sql, const Binding *binding);
static void build_archived_traces_query(StringInfo sql, const Binding *binding);

static SavedQuery enforcement_query = {
	.build = build_enforcement_query, .reads_whole_tables = true
};
static SavedQuery llm_record_query = {
	.build = build_llm_record_query, .reads_whole_tables = true
};
static SavedQuery enforcement_runs_query = {
	.build = build_enforcement_runs_query, .reads_whole_tables = true
};
static SavedQuery llm_record_runs_query = {
	.build = build_llm_record_runs_query, .reads_whole_tables = true
};
static SavedQuery archived_traces_query = {
	.build = build_archived_traces_query, .reads_whole_tables = true
};

/* A function, the table it is over, and the SQL function that reads it. */
typedef struct OptionalTable
{
	const char *function;
	const char *reader;
	AppTableId	table;
	SavedQuery *query;
} OptionalTable;

static const OptionalTable enforcements = {
	"runlink_enforcement_links", "runlink_enforcement_links_read",
	APP_POLICY_ENFORCEMENTS, &enforcement_query
};
static const OptionalTable llm_records = {
	"runlink_llm_record_links", "runlink_llm_record_links_read",
	APP_LLM_RUN_RECORDS, &llm_record_query
};
static const OptionalTable enforcement_runs = {
	"runlink_enforcement_runs", "runlink_enforcement_runs_read",
	APP_POLICY_ENFORCEMENTS, &enforcement_runs_query
};
static const OptionalTable llm_record_runs = {
	"runlink_llm_record_runs", "runlink_llm_record_runs_read",
	APP_LLM_RUN_RECORDS, &llm_record_runs_query
};
static const OptionalTable archived_traces = {
	"runlink_archived_traces", "runlink_archived_traces_read",
	APP_AOS_TRACES_ARCHIVE, &archived_traces_query
};

static void
append_reader(StringInfo sql, const Binding *binding, const OptionalTable *optional)
{
	append_template(sql, binding, psprintf("SELECT * FROM @extschema@.%s()", optional->reader));
}

static void
build_enforcement_query(StringInfo sql, const Binding *binding)
{
	append_reader(sql, binding, &enforcements);
}

static void
build_llm_record_query(StringInfo sql, const Binding *binding)
{
	append_reader(sql, binding, &llm_records);
}

static void
build_enforcement_runs_query(StringInfo sql, const Binding *binding)
{
	append_reader(sql, binding, &enforcement_runs);
}

static void
build_llm_record_runs_query(StringInfo sql, const Binding *binding)
{
	append_reader(sql, binding, &llm_record_runs);
}

static void
build_archived_traces_query(StringInfo sql, const Binding *binding)
{
	append_reader(sql, binding, &archived_traces);
}

static Oid
find_reader(const OptionalTable *optional, Oid namespace)
{
	List	   *name = list_make2(makeString(get_namespace_name(namespace)),
								  makeString(unconstify(char *, optional->reader)));

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
	const OptionalTable *const all[] = {
		&enforcements, &llm_records, &enforcement_runs, &llm_record_runs, &archived_traces
	};
	SupportRequestSimplify *request = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	Oid			function;
	Oid			namespace;
	char	   *name;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	function = request->fcall->funcid;
	namespace = get_func_namespace(function);
	name = get_func_name(function);
	for (size_t i = 0; i < lengthof(all); i++)
	{
		if (strcmp(name, all[i]->function) == 0 &&
			OidIsValid(get_relname_relid(app_tables[all[i]->table].name, namespace)))
		{
			FuncExpr   *read = copyObject(request->fcall);

			read->funcid = find_reader(all[i], namespace);
			PG_RETURN_POINTER(read);
		}
	}
	PG_RETURN_POINTER(NULL);
}

static Datum
read_if_there(FunctionCallInfo fcinfo, const OptionalTable *optional)
{
	const AppCall call = {optional->function, 0};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const Binding *binding;

	InitMaterializedSRF(fcinfo, 0);
	binding = binding_open(fcinfo->flinfo->fn_oid, &call);
	if (OidIsValid(binding->relids[optional->table]))
	{
		SPI_connect();
		execute_query_into(optional->query, binding, NULL, NULL, rsinfo->setResult, rsinfo->setDesc);
		SPI_finish();
	}
	return (Datum) 0;
}

/*
 * runlink_enforcement_links() returns setof record
 *
 * The policy enforcements that name a run; none where there is no such table.
 */
Datum
runlink_enforcement_links(PG_FUNCTION_ARGS)
{
	return read_if_there(fcinfo, &enforcements);
}

/*
 * runlink_llm_record_links() returns setof record
 *
 * The records of calls to a model; none where there is no such table.
 */
Datum
runlink_llm_record_links(PG_FUNCTION_ARGS)
{
	return read_if_there(fcinfo, &llm_records);
}

/*
 * runlink_enforcement_runs() returns setof record
 *
 * The runs that policy enforcements name; none where there is no such table.
 */
Datum
runlink_enforcement_runs(PG_FUNCTION_ARGS)
{
	return read_if_there(fcinfo, &enforcement_runs);
}

/*
 * runlink_llm_record_runs() returns setof record
 *
 * The runs that records of calls to a model name; none where there is no such table.
 */
Datum
runlink_llm_record_runs(PG_FUNCTION_ARGS)
{
	return read_if_there(fcinfo, &llm_record_runs);
}

/*
 * runlink_archived_traces() returns setof record
 *
 * The traces that retention moved away; none where there is no table for them.
 */
Datum
runlink_archived_traces(PG_FUNCTION_ARGS)
{
	return read_if_there(fcinfo, &archived_traces);
}
