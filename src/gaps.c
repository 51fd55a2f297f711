/*-------------------------------------------------------------------------
 *
 * gaps.c
 *	  runlink_gaps: links that are missing or wrong, of a run or of the whole
 *	  database.  The rules are SQL, see sql/gaps/.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/rls.h"

#include "run.h"

PG_FUNCTION_INFO_V1(runlink_gaps);

#define GAP_ROWS "SELECT g.* FROM @extschema@.runlink_gap_rows() AS g WHERE "
#define OF_TENANT "($2 IS NULL OR g.tenant_id" SQL_EQ "$2)"
#define IN_ORDER \
	" ORDER BY pg_catalog.array_position('{error,warn,info}'::pg_catalog.text[], g.level)," \
	" g.gap COLLATE pg_catalog.\"C\", g.source_table COLLATE pg_catalog.\"C\"," \
	" g.record_id COLLATE pg_catalog.\"C\", g.run_id COLLATE pg_catalog.\"C\""

#define OF_RUN {.sql_template = GAP_ROWS "g.run_id" SQL_EQ "$1 AND " OF_TENANT IN_ORDER}
#define OF_DATABASE {.sql_template = GAP_ROWS OF_TENANT IN_ORDER, .reads_whole_tables = true}

/*
 * By the setting row_security: the rules are inlined when a query is planned, too
 * late for Postgres to notice that a saved plan was made under another.
 */
static SavedQuery run_queries[] = {OF_RUN, OF_RUN};
static SavedQuery database_queries[] = {OF_DATABASE, OF_DATABASE};

/*
 * runlink_gaps(run_id text, tenant_id text) returns setof runlink_gap
 *
 * The gaps that concern a run, or all of them where run_id is NULL; of records of
 * the tenant, or of every tenant where tenant_id is NULL.
 */
Datum
runlink_gaps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SavedQuery *queries;
	Run			run = {0};

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	run_open_if_given(fcinfo, &app_call_gaps, &run);
	queries = run.run_id != NULL ? run_queries : database_queries;
	execute_query_into(&queries[row_security ? 1 : 0], run.binding, run.run_id, run.tenant_id,
					   rsinfo->setResult, rsinfo->setDesc);
	SPI_finish();
	return (Datum) 0;
}
