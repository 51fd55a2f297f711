/*-------------------------------------------------------------------------
 *
 * seal_pending.c
 *	  runlink_seal_pending: seals what has no seal, also what was never recorded.
 *
 * The application's tables and the state are read as the caller.  A leaf that
 * was not recorded with the insert is computed now, with a salt of its own, and
 * its seal says for good that it was backfilled.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "record.h"
#include "run.h"
#include "sealer.h"
#include "seal_pending.h"
#include "traces.h"

PG_FUNCTION_INFO_V1(runlink_seal_pending);

#define ROWS_A_FETCH 100

static int	idle_after = 3600;

/* The traces to seal, of run $1 or of any; running ones that are idle for $2. */
static SavedQuery pending_query = {
	.sql_template = "SELECT t.trace_id::pg_catalog.text, t.run_id::pg_catalog.text,"
	" t.tenant_id::pg_catalog.text, t.status::pg_catalog.text,"
	" newest.step_count IS NOT NULL"
	" FROM @extschema@.aos_traces t LEFT JOIN LATERAL"
	" (SELECT x.step_count, x.final FROM runlink.seal x"
	" WHERE x.trace_id" SQL_EQ "t.trace_id ORDER BY x.seal_no DESC LIMIT 1)"
	" AS newest ON true"
	" WHERE ($1 IS NULL OR t.run_id" SQL_EQ "$1)"
	" AND (t.status OPERATOR(pg_catalog.<>) '" TRACE_RUNNING "'"
	" OR COALESCE((SELECT pg_catalog.max(s.\"timestamp\")"
	" FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "t.trace_id),"
	" t.started_at) OPERATOR(pg_catalog.<)"
	" (pg_catalog.now() OPERATOR(pg_catalog.-) $2::pg_catalog.interval))"
	" AND (newest.step_count IS NULL"
	" OR (NOT newest.final AND t.status OPERATOR(pg_catalog.<>) '" TRACE_RUNNING "')"
	" OR EXISTS (SELECT 1 FROM runlink.leaf l WHERE l.trace_id" SQL_EQ "t.trace_id)"
	" OR newest.step_count OPERATOR(pg_catalog.<) (SELECT pg_catalog.count(*)"
	" FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "t.trace_id))"
	" ORDER BY t.started_at, t.trace_id COLLATE pg_catalog.\"C\"",
	.reads_whole_tables = true
};

void
seal_pending_init(void)
{
	DefineCustomIntVariable("runlink.idle_after",
							"How long a running trace has had no step when runlink_seal_pending seals it.",
							"Traces of halted runs stay running. A step that comes later is sealed later.",
							&idle_after, 3600, 0, INT_MAX / 1000,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);
}

/* Where backfilled leaves come from. */
typedef struct StepSource
{
	const State *state;
	const Binding *binding;
	text	   *trace_id;
	Encoding   *encoding;
} StepSource;

/* Adds a row of aos_trace_steps; what cannot be covered stays unsealed. */
static void
add_step(Sealer *sealer, StepSource *source, HeapTuple row, TupleDesc tupdesc)
{
	Datum	   *values = palloc(sizeof(Datum) * tupdesc->natts);
	bool	   *isnull = palloc(sizeof(bool) * tupdesc->natts);
	int			column = SPI_fnumber(tupdesc, "step_index") - 1;
	SealedStep	step;

	heap_deform_tuple(row, tupdesc, values, isnull);
	if (isnull[column])
		return;
	step.step_index = DatumGetInt32(values[column]);
	step.encoding = source->encoding->key;
	draw_salt(step.salt);
	if (step_leaf(source->encoding, values, isnull, step.salt, leaf_scratch(), step.leaf))
		sealer_add(sealer, &step, true);
	canonical_trim(leaf_scratch());
}

static void
backfill(Sealer *sealer, void *arg)
{
	StepSource *source = arg;
	Portal		portal = open_query(&trace_steps_query, source->binding, source->trace_id, NULL);
	MemoryContext old_context = CurrentMemoryContext;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "step",
													  ALLOCSET_DEFAULT_SIZES);
	bool		bound = false;

	for (;;)
	{
		SPITupleTable *fetched;
		uint64		count;

		fetch_rows(portal, ROWS_A_FETCH);
		fetched = SPI_tuptable;
		count = SPI_processed;
		if (count > 0 && !bound)
		{
			bool		committed;
			const char *obstacle = keep_encoding(source->state, source->encoding, &committed);

			if (obstacle != NULL)
				elog(ERROR, "could not keep the encoding of the steps: %s", obstacle);
			encoding_bind(source->encoding, fetched->tupdesc);
			bound = true;
		}
		for (uint64 i = 0; i < count; i++)
		{
			MemoryContextSwitchTo(row_context);
			add_step(sealer, source, fetched->vals[i], fetched->tupdesc);
			MemoryContextSwitchTo(old_context);
			MemoryContextReset(row_context);
		}
		SPI_freetuptable(fetched);
		if (count == 0)
			break;
	}
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(row_context);
}

/* The encoding of the table of steps as it is. */
static Encoding *
current_encoding(const Binding *binding, Oid namespace)
{
	Relation	steps = table_open(get_relname_relid("aos_trace_steps", namespace), AccessShareLock);
	const char *unsupported;
	Encoding   *encoding = encoding_of_table(RelationGetDescr(steps), &unsupported);

	if (encoding == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of %s cannot be covered by a leaf", unsupported,
						quote_qualified_identifier(binding->schema, "aos_trace_steps")),
				 errdetail("Its type has no canonical form."),
				 errhint("doc/format.md lists the types that have one.")));
	table_close(steps, AccessShareLock);
	return encoding;
}

static void
put_sealed(ReturnSetInfo *rsinfo, text *trace_id, const Sealed *sealed)
{
	Datum		values[8] = {
		PointerGetDatum(sealed->tenant_id), PointerGetDatum(sealed->run_id),
		PointerGetDatum(trace_id), Int32GetDatum(sealed->seal_no),
		Int64GetDatum(sealed->step_count), Int64GetDatum(sealed->added),
		Int64GetDatum(sealed->backfilled), TimestampTzGetDatum(sealed->sealed_at)
	};
	bool		isnull[8] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

/* Seals a row of the pending query; returns whether there was something to seal. */
static bool
seal_row(StepSource *source, SPITupleTable *rows, uint64 row, ReturnSetInfo *rsinfo)
{
	Datum		identity[3];
	bool		isnull[3] = {false};
	bool		identity_recorded = true;
	bool		status_isnull;
	Datum		status = SPI_getbinval(rows->vals[row], rows->tupdesc, 4, &status_isnull);
	Sealed		sealed;

	for (int i = 0; i < 3; i++)
	{
		identity[i] = SPI_getbinval(rows->vals[row], rows->tupdesc, i + 1, &isnull[i]);
		if (isnull[i] || status_isnull)
			return false;
	}
	source->trace_id = DatumGetTextPP(identity[0]);
	if (!state_has_room(source->state, identity[0]) || !state_can_index(identity[1]))
	{
		ereport(WARNING,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("trace \"%s\" is not sealed", id_for_message(source->trace_id)),
				 errdetail("Its trace_id or run_id is longer than runlink.seal has room for."),
				 errhint("Widen trace_id of the tables in schema runlink as it is in aos_trace_steps.")));
		return false;
	}
	if (!DatumGetBool(SPI_getbinval(rows->vals[row], rows->tupdesc, 5, &status_isnull)))
		identity_recorded = !state_insert(source->state->relids[STATE_TRACE], identity, isnull);
	if (!seal_trace(source->state, source->trace_id, DatumGetTextPP(status), identity_recorded,
					backfill, source, &sealed))
		return false;
	put_sealed(rsinfo, source->trace_id, &sealed);
	return true;
}

/*
 * runlink_seal_pending(max bigint, run_id text) returns setof record
 *
 * Seals at most max traces, the earliest first, of a run or of all.
 */
Datum
runlink_seal_pending(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		left = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT64(0);
	text	   *run_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	text	   *idle = cstring_to_text(psprintf("%d seconds", idle_after));
	StepSource	source = {0};
	const char *obstacle;
	MemoryContext trace_context;
	Portal		portal;

	if (left < 0 || (run_id != NULL && VARSIZE_ANY_EXHDR(run_id) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 left < 0 ? errmsg("max must not be negative") : errmsg("run_id must not be empty"),
				 errdetail("runlink_seal_pending seals at most max traces, of a run or of all."),
				 errhint("Pass NULL for no limit, or for every run.")));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	source.binding = binding_open(fcinfo->flinfo->fn_oid, &app_call_seal_pending);
	source.state = state_open_to_write(SEALER_TABLES | STATE_BIT(STATE_ENCODING), &obstacle);
	if (source.state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no state to seal in"),
				 errdetail("In the way: %s.", obstacle),
				 errhint("Call runlink_enable_sealing() as a superuser.")));
	source.encoding = current_encoding(source.binding, get_func_namespace(fcinfo->flinfo->fn_oid));

	trace_context = AllocSetContextCreate(CurrentMemoryContext, "seal of a trace",
										  ALLOCSET_DEFAULT_SIZES);
	portal = open_query(&pending_query, source.binding, run_id, idle);
	while (left > 0)
	{
		SPITupleTable *fetched;
		uint64		count;

		fetch_rows(portal, ROWS_A_FETCH);
		fetched = SPI_tuptable;
		count = SPI_processed;
		for (uint64 i = 0; i < count && left > 0; i++)
		{
			MemoryContext old_context = MemoryContextSwitchTo(trace_context);

			CHECK_FOR_INTERRUPTS();
			left -= seal_row(&source, fetched, i, rsinfo);
			MemoryContextSwitchTo(old_context);
			MemoryContextReset(trace_context);
		}
		SPI_freetuptable(fetched);
		if (count == 0)
			break;
	}
	SPI_cursor_close(portal);
	SPI_finish();
	return (Datum) 0;
}
