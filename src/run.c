/*-------------------------------------------------------------------------
 *
 * run.c
 *	  The run that a call is about.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "run.h"

#define LONGEST_ID_IN_MESSAGE 64

/* The tenants of the rows of runs with id $1; more than one only in a view. */
static SavedQuery owner_query = {
	.sql_template = "SELECT t.tenant_id::pg_catalog.text, t.tenant_id" SQL_EQ "$2"
	" FROM @extschema@.runs t WHERE t.id" SQL_EQ "$1"
};

/* A row where $1 is the tenant of the run $2. */
static SavedQuery swapped_query = {
	.sql_template = "SELECT 1 FROM @extschema@.runs t"
	" WHERE t.id" SQL_EQ "$2 AND t.tenant_id" SQL_EQ "$1"
};

/* Raises an error unless text is UTF-8 here, as what is hashed has to be. */
void
require_utf8(const char *what)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s needs a database encoded in UTF8", what),
				 errdetail("This database is encoded in %s, and hashes are over UTF-8 text.",
						   GetDatabaseEncodingName()),
				 errhint("Restore a dump into a database created with ENCODING 'UTF8'.")));
}

/* Are two ids the same?  NULL is the same as none. */
bool
same_text(const text *left, const text *right)
{
	return left != NULL && right != NULL &&
		VARSIZE_ANY_EXHDR(left) == VARSIZE_ANY_EXHDR(right) &&
		memcmp(VARDATA_ANY(left), VARDATA_ANY(right), VARSIZE_ANY_EXHDR(left)) == 0;
}

/* An id as an error message shows it: cut to a readable length. */
char *
id_for_message(const text *id)
{
	const char *data = VARDATA_ANY(id);
	int			length = VARSIZE_ANY_EXHDR(id);
	int			shown = pg_mbcliplen(data, length, LONGEST_ID_IN_MESSAGE);
	char	   *cut = pnstrdup(data, shown);

	return shown < length ? psprintf("%s...", cut) : cut;
}

static void
check_arguments(FunctionCallInfo fcinfo, const AppCall *call, bool run_needed, Run *run)
{
	if (PG_ARGISNULL(0) && run_needed)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("run_id must not be null"),
				 errdetail("%s answers for one run.", call->name),
				 errhint("Pass the id of a row of runs.")));
	run->run_id = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	if (run->run_id != NULL && VARSIZE_ANY_EXHDR(run->run_id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run_id must not be empty"),
				 run_needed ? errdetail("%s answers for one run.", call->name)
				 : errdetail("%s narrows to a run where one is given.", call->name),
				 run_needed ? errhint("Pass the id of a row of runs.")
				 : errhint("Pass NULL, or leave it out, for every run.")));

	run->tenant_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	if (run->tenant_id != NULL && VARSIZE_ANY_EXHDR(run->tenant_id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenant_id must not be empty"),
				 errdetail("%s narrows to a tenant where one is given.", call->name),
				 run_needed ? errhint("Pass NULL, or leave it out, for the run's own tenant.")
				 : errhint("Pass NULL, or leave it out, for every tenant.")));
}

/* Finds the run in runs and settles the tenant.  Values live until SPI_finish. */
static void
look_up_run(Run *run)
{
	text	   *tenant_given = run->tenant_id;
	bool		of_tenant_given = false;

	execute_query(&owner_query, run->binding, run->run_id, tenant_given, NULL);
	run->found = (SPI_processed > 0);
	if (tenant_given == NULL && SPI_processed > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("run \"%s\" is not unique in runs", id_for_message(run->run_id)),
				 errdetail("There are " UINT64_FORMAT " rows with this id.", SPI_processed),
				 errhint("Pass tenant_id too.")));

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		Datum		value;

		value = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull);
		if (tenant_given == NULL && !isnull)
			run->tenant_id = DatumGetTextPP(value);
		value = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
		if (!isnull && DatumGetBool(value))
			of_tenant_given = true;
	}
	run->of_other_tenant = run->found && tenant_given != NULL && !of_tenant_given;
}

/* Raises an error when a missing run turns out to be the tenant of "tenant_id". */
static void
check_not_swapped(const Run *run, const AppCall *call)
{
	if (run->found || run->tenant_id == NULL)
		return;
	execute_query(&swapped_query, run->binding, run->run_id, run->tenant_id, NULL);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run \"%s\" does not exist", id_for_message(run->run_id)),
				 errdetail("But it is the tenant of the run \"%s\".",
						   id_for_message(run->tenant_id)),
				 errhint("The arguments are %s(run_id, tenant_id), in this order.", call->name)));
}

/*
 * Checks the arguments run_id and tenant_id of a call, which are its first two,
 * and that the call can read its tables; finds the run.  SPI must be connected;
 * what is returned lives until SPI_finish.
 *
 * A run that is missing is no error: what is linked to it is still evidence.
 */
void
run_open(FunctionCallInfo fcinfo, const AppCall *call, Run *run)
{
	check_arguments(fcinfo, call, true, run);
	run->binding = binding_open(fcinfo->flinfo->fn_oid, call);
	look_up_run(run);
	check_not_swapped(run, call);
}

/*
 * The same for a call about every run where run_id is NULL, and about every
 * tenant where tenant_id is: the tenant is not settled.
 */
void
run_open_if_given(FunctionCallInfo fcinfo, const AppCall *call, Run *run)
{
	text	   *tenant_given;

	check_arguments(fcinfo, call, false, run);
	run->binding = binding_open(fcinfo->flinfo->fn_oid, call);
	if (run->run_id == NULL)
		return;
	tenant_given = run->tenant_id;
	look_up_run(run);
	check_not_swapped(run, call);
	run->tenant_id = tenant_given;
}

/* Answers a call from one query of the run, whose rows are the call's. */
Datum
run_answer(FunctionCallInfo fcinfo, const AppCall *call, SavedQuery *query)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Run			run = {0};

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	run_open(fcinfo, call, &run);
	execute_query_into(query, run.binding, run.run_id, run.tenant_id,
					   rsinfo->setResult, rsinfo->setDesc);
	SPI_finish();
	return (Datum) 0;
}
