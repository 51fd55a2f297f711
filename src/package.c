/*-------------------------------------------------------------------------
 *
 * package.c
 *	  runlink_package: everything about a run in one JSON value, with what it
 *	  takes to check it without this database.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"

#include "auditor.h"
#include "package.h"
#include "record.h"

PG_FUNCTION_INFO_V1(runlink_package);

#define PACKAGE_FORMAT "runlink-package/v1"

static SavedQuery evidence_query = {
	.sql_template = "SELECT @extschema@.runlink_evidence_json($1, $2)"
};

/* Is a row hidden from the caller, as far as can be known, in any table that the call reads? */
static const char *
hidden_table(const Binding *binding, bool steps_too)
{
	for (int id = 0; id < APP_TABLE_COUNT; id++)
	{
		bool		of_steps = id == APP_AOS_TRACES || id == APP_AOS_TRACE_STEPS ||
			id == APP_AOS_TRACES_ARCHIVE;

		if (of_steps == steps_too && OidIsValid(binding->relids[id]) &&
			check_enable_rls(binding->relids[id], InvalidOid, true) == RLS_ENABLED)
			return app_tables[id].name;
	}
	return NULL;
}

/* A step that is hidden would be shown as missing: whoever holds a package cannot tell. */
void
require_package_reader(const Run *run, const State *state, const AppCall *call)
{
	const char *hidden = hidden_table(run->binding, true);

	if (state != NULL)
		require_auditor(state, call->name);
	if (hidden != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row-level security hides rows of %s",
						quote_qualified_identifier(run->binding->schema, hidden)),
				 errdetail("%s reads it as role \"%s\", to whom a step that is hidden would seem "
					"to be gone.",
						   call->name, GetUserNameFromId(GetUserId(), false)),
				 errhint("Call it as the owner of the table or as a role with BYPASSRLS.")));
}

/* run_open takes its arguments from the first two of the call. */
void
open_package_run(FunctionCallInfo fcinfo, const AppCall *call, NullableDatum tenant_id, Run *run)
{
	LOCAL_FCINFO(arguments, 2);

	require_utf8(call->name);
	InitFunctionCallInfoData(*arguments, fcinfo->flinfo, 2, fcinfo->fncollation, NULL, NULL);
	arguments->args[0] = fcinfo->args[0];
	arguments->args[1] = tenant_id;
	run_open(arguments, call, run);
}

static Jsonb *
evidence_of(const Run *run, text *tenant_id)
{
	bool		isnull;

	execute_query(&evidence_query, run->binding, run->run_id, tenant_id, NULL);
	return DatumGetJsonbP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static Jsonb *
encodings_of(const Package *package)
{
	JsonbList	list;
	ListCell   *cell;

	jsonb_list_begin(&list);
	foreach(cell, package->encodings)
		jsonb_list_add(&list, package_encoding(lfirst(cell)));
	return jsonb_list_end(&list);
}

/* Names what holds for the package as a whole. */
static void
omit_beside_traces(Package *package, int64 trace_count)
{
	JsonbList  *omissions = &package->omissions;
	const char *hidden = hidden_table(package->run->binding, false);

	add_omission(omissions, "evidence_not_hashed",
				 "what is linked to the run is shown as the application's tables had it: no leaf "
					"covers it", NULL, 0);
	if (!package->payloads)
		add_omission(omissions, "payloads", "payloads and salts were left out: their digests are "
			"here", NULL, 0);
	if (trace_count == 0)
		add_omission(omissions, "no_trace", "the run has no trace: nothing of it was "
			"recorded", NULL, 0);
	if (hidden != NULL)
		add_omission(omissions, "row_level_security",
					 psprintf("row-level security hides rows, of %s for one, from the role that "
						"made the package", hidden),
					 NULL, 0);
	if (package->checker.state == NULL)
		add_omission(omissions, "no_state", package->checker.obstacle, NULL, 0);
}

/* Puts the package together. */
static Jsonb *
package_json(Package *package, text *tenant_id, MemoryContext answer_context)
{
	Jsonb	   *traces = jsonb_list_end(&package->traces);
	Jsonb	   *omissions = jsonb_list_end(&package->omissions);
	JsonbMember members[9] = {
		{"format", jsonb_from_string(PACKAGE_FORMAT, strlen(PACKAGE_FORMAT))},
		{"run_id", jsonb_of_text(package->run->run_id)},
		{"tenant_id", jsonb_of_text(package->run->tenant_id)},
		{"made_at", package_time()},
		{"evidence", evidence_of(package->run, tenant_id)},
		{"encodings", encodings_of(package)},
		{"traces", traces},
		{"checkpoint", package->checkpoint == NULL ? jsonb_from_text("null")
		: jsonb_from_string(package->checkpoint, strlen(package->checkpoint))},
	};
	MemoryContext old_context;
	Jsonb	   *answer;

	members[8].key = "manifest";
	members[8].value = package_manifest(members, 8, omissions);
	old_context = MemoryContextSwitchTo(answer_context);
	answer = jsonb_of_members(members, lengthof(members));
	MemoryContextSwitchTo(old_context);
	return answer;
}

/*
 * runlink_package(run_id text, payloads boolean, tenant_id text) returns jsonb
 */
Datum
runlink_package(PG_FUNCTION_ARGS)
{
	MemoryContext answer_context = CurrentMemoryContext;
	text	   *tenant_id = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	Package    *package;
	Run			run = {0};
	int64		trace_count;
	Jsonb	   *answer;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("payloads must not be null"),
				 errdetail("It says whether the package shows the payload of steps."),
				 errhint("Pass true or false.")));
	SPI_connect();
	open_package_run(fcinfo, &app_call_package, fcinfo->args[2], &run);
	package = palloc0(sizeof(Package));
	package->run = &run;
	package->payloads = PG_GETARG_BOOL(1);
	package->context = CurrentMemoryContext;
	package->writer = canonical_create();
	trace_checker_begin(&package->checker, run.binding);
	require_package_reader(&run, package->checker.state, &app_call_package);
	jsonb_list_begin(&package->traces);
	jsonb_list_begin(&package->omissions);
	trace_count = for_each_trace(&run, package->checker.state, add_package_trace, package);
	omit_beside_traces(package, trace_count);
	answer = package_json(package, tenant_id, answer_context);
	SPI_finish();
	return JsonbPGetDatum(answer);
}
