/*-------------------------------------------------------------------------
 *
 * trace_seal.c
 *	  runlink_trace_seal: what the state knows of a trace, without a look at its
 *	  steps.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "core/sha256.h"
#include "state.h"

PG_FUNCTION_INFO_V1(runlink_trace_seal);

/* A row if the caller sees the trace $1. */
static SavedQuery visible_query = {
	.sql_template = "SELECT 1 FROM @extschema@.aos_traces t WHERE t.trace_id" SQL_EQ "$1 LIMIT 1"
};

/* The result columns, and those of the query, which has one more. */
enum
{
	SEAL_SEALED_LENGTH,
	SEAL_BACKFILLED_LENGTH,
	SEAL_RECORDED_LENGTH,
	SEAL_FINAL,
	SEAL_ROOT_HASH,
	SEAL_MERKLE_ROOT,
	SEAL_SEALED_AT,
	SEAL_LAST_STATUS,
	SEAL_LAST_VERIFIED_AT,
	SEAL_COLUMNS,
	SEAL_NO = SEAL_COLUMNS,
	SEAL_QUERY_COLUMNS
};

/*
 * Of the newest seal, and the leaves that no seal holds; one that was recorded
 * anew when its row was moved is in a seal already.  And of the last verification,
 * whose status holds for the seal that was the newest then.
 */
static KeptQuery seal_query = {
	.sql = "SELECT s.step_count, s.backfilled,"
	" (SELECT pg_catalog.count(*) FROM runlink.leaf l WHERE l.trace_id" SQL_EQ "$1"
	" AND NOT EXISTS (SELECT 1 FROM runlink.seal h WHERE h.trace_id" SQL_EQ "$1"
	" AND h.steps OPERATOR(pg_catalog.@>) l.step_index::pg_catalog.int8)),"
	" s.final, pg_catalog.encode(s.chain_head, 'hex'), pg_catalog.encode(s.merkle_root, 'hex'),"
	" s.sealed_at,"
	" CASE WHEN v.seal_no" SQL_EQ "s.seal_no THEN v.verification_status::pg_catalog.text END,"
	" v.verified_at, s.seal_no"
	" FROM (SELECT 1) AS one LEFT JOIN"
	" (SELECT * FROM runlink.seal WHERE trace_id" SQL_EQ "$1 ORDER BY seal_no DESC LIMIT 1) AS s"
	" ON true LEFT JOIN runlink.verification v ON v.trace_id" SQL_EQ "$1",
	.argument_count = 1,
	.argument_types = {TEXTOID}
};

/*
 * What is read of the application is one column, in a query that says itself what
 * stands in its way.
 */
static const AppCall call = {"runlink_trace_seal", 0};

typedef struct SealRow
{
	Datum		values[SEAL_COLUMNS];
	bool		nulls[SEAL_COLUMNS];
} SealRow;

static bool
caller_sees_trace(const Binding *binding, text *trace_id)
{
	bool		seen;

	execute_query(&visible_query, binding, trace_id, NULL, NULL);
	seen = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return seen;
}

/* A row that says that nothing was recorded. */
static void
set_nothing_recorded(SealRow *row)
{
	memset(row->nulls, true, sizeof(row->nulls));
	for (int column = SEAL_SEALED_LENGTH; column <= SEAL_RECORDED_LENGTH; column++)
	{
		row->values[column] = Int64GetDatum(0);
		row->nulls[column] = false;
	}
	row->values[SEAL_FINAL] = BoolGetDatum(false);
	row->nulls[SEAL_FINAL] = false;
}

static void
set_unknown(SealRow *row)
{
	memset(row->nulls, true, sizeof(row->nulls));
}

static bool
is_hash(Datum value)
{
	return VARSIZE_ANY_EXHDR(DatumGetTextPP(value)) == SHA256_BYTES * 2;
}

/* Can what the newest seal says be true? */
static bool
seal_is_sound(const Datum *values, const bool *nulls)
{
	for (int column = 0; column < SEAL_QUERY_COLUMNS; column++)
	{
		if (nulls[column] && column != SEAL_LAST_STATUS && column != SEAL_LAST_VERIFIED_AT)
			return false;
	}
	return is_hash(values[SEAL_ROOT_HASH]) && is_hash(values[SEAL_MERKLE_ROOT]) &&
		DatumGetInt64(values[SEAL_BACKFILLED_LENGTH]) >= 0 &&
		DatumGetInt64(values[SEAL_BACKFILLED_LENGTH]) <= DatumGetInt64(values[SEAL_SEALED_LENGTH]);
}

/* Fills in what there is; the row says so far that there is nothing. */
static void
look_up_seal(const State *state, text *trace_id, SealRow *row)
{
	Datum		argument = PointerGetDatum(trace_id);
	Datum		values[SEAL_QUERY_COLUMNS];
	bool		nulls[SEAL_QUERY_COLUMNS];

	state_execute(state, &seal_query, &argument, NULL, STATE_SNAPSHOT, NULL);
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	row->values[SEAL_RECORDED_LENGTH] = values[SEAL_RECORDED_LENGTH];
	row->values[SEAL_LAST_VERIFIED_AT] = values[SEAL_LAST_VERIFIED_AT];
	row->nulls[SEAL_LAST_VERIFIED_AT] = nulls[SEAL_LAST_VERIFIED_AT];
	if (nulls[SEAL_NO])
		return;
	if (!seal_is_sound(values, nulls))
	{
		set_unknown(row);
		return;
	}
	memcpy(row->values, values, sizeof(row->values));
	memcpy(row->nulls, nulls, sizeof(row->nulls));
}

/*
 * runlink_trace_seal(trace_id text) returns setof record
 *
 * Always one row.  NULL counts mean that what was recorded cannot be read, zeros
 * that nothing was, or that the caller does not see the trace.
 */
Datum
runlink_trace_seal(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SealRow		row;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	set_nothing_recorded(&row);
	if (!PG_ARGISNULL(0) && state_made())
	{
		text	   *trace_id = PG_GETARG_TEXT_PP(0);
		const char *obstacle;
		const State *state = state_open(&obstacle);

		if (caller_sees_trace(binding_open(fcinfo->flinfo->fn_oid, &call), trace_id))
		{
			if (state != NULL)
				look_up_seal(state, trace_id, &row);
			else
				set_unknown(&row);
		}
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row.values, row.nulls);
	SPI_finish();
	return (Datum) 0;
}
