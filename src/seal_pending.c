/*-------------------------------------------------------------------------
 *
 * seal_pending.c
 *	  runlink_seal_pending: seals what has no seal, also what was never recorded;
 *	  and what runlink_tick seals.
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

#define PENDING_COLUMNS \
	"SELECT t.trace_id::pg_catalog.text, t.run_id::pg_catalog.text," \
	" t.tenant_id::pg_catalog.text, t.status::pg_catalog.text,"
#define ENDED_OR_IDLE \
	"(t.status OPERATOR(pg_catalog.<>) '" TRACE_RUNNING "'" \
	" OR COALESCE((SELECT pg_catalog.max(s.\"timestamp\")" \
	" FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "t.trace_id)," \
	" t.started_at) OPERATOR(pg_catalog.<)" \
	" (pg_catalog.now() OPERATOR(pg_catalog.-) $2::pg_catalog.interval))"
#define EARLIEST_FIRST " ORDER BY t.started_at, t.trace_id COLLATE pg_catalog.\"C\""

/* The traces to seal, of run $1 or of any; running ones that are idle for $2. */
static SavedQuery pending_query = {
	.sql_template = PENDING_COLUMNS " newest.step_count IS NOT NULL"
	" FROM @extschema@.aos_traces t LEFT JOIN LATERAL"
	" (SELECT x.step_count, x.final FROM runlink.seal x"
	" WHERE x.trace_id" SQL_EQ "t.trace_id ORDER BY x.seal_no DESC LIMIT 1)"
	" AS newest ON true"
	" WHERE ($1 IS NULL OR t.run_id" SQL_EQ "$1) AND " ENDED_OR_IDLE
	" AND (newest.step_count IS NULL"
	" OR (NOT newest.final AND t.status OPERATOR(pg_catalog.<>) '" TRACE_RUNNING "')"
	" OR EXISTS (SELECT 1 FROM runlink.leaf l WHERE l.trace_id" SQL_EQ "t.trace_id)"
	" OR newest.step_count OPERATOR(pg_catalog.<) (SELECT pg_catalog.count(*)"
	" FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "t.trace_id))"
	EARLIEST_FIRST,
	.reads_whole_tables = true
};

/*
 * Likewise, those of which something is recorded and not sealed, or that have no
 * seal.  One that is or was to be verified, or entered the log, had one: it is not
 * of before sealing, and what is left of it is not made good.
 */
static SavedQuery unsealed_query = {
	.sql_template = PENDING_COLUMNS
	" EXISTS (SELECT 1 FROM runlink.seal x WHERE x.trace_id" SQL_EQ "t.trace_id"
	" UNION ALL SELECT 1 FROM runlink.unverified u WHERE u.trace_id" SQL_EQ "t.trace_id"
	" UNION ALL SELECT 1 FROM runlink.verification v WHERE v.trace_id" SQL_EQ "t.trace_id"
	" UNION ALL SELECT 1 FROM runlink.log_entry e WHERE e.trace_id" SQL_EQ "t.trace_id)"
	" FROM (SELECT trace_id::pg_catalog.text FROM runlink.leaf"
	" UNION SELECT trace_id::pg_catalog.text FROM runlink.trace"
	" UNION SELECT f.trace_id::pg_catalog.text FROM @extschema@.aos_traces f"
	" WHERE NOT EXISTS (SELECT 1 FROM runlink.seal x WHERE x.trace_id" SQL_EQ "f.trace_id)) AS c"
	" JOIN @extschema@.aos_traces t ON t.trace_id" SQL_EQ "c.trace_id"
	" WHERE ($1 IS NULL OR t.run_id" SQL_EQ "$1) AND " ENDED_OR_IDLE EARLIEST_FIRST,
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

typedef struct Sealing
{
	const Pending *pending;
	StepSource	source;
	SPITupleTable *rows;		/* of the pending query */
	uint64		row;			/* that is being sealed */
	bool		sealed;			/* it was */
} Sealing;

static bool
has_room(const Sealing *sealing, const Datum *identity)
{
	if (state_has_room(sealing->source.state, identity[0]) && state_can_index(identity[1]))
		return true;
	ereport(WARNING,
			(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
			 errmsg("trace \"%s\" is not sealed", id_for_message(sealing->source.trace_id)),
			 errdetail("Its trace_id or run_id is longer than runlink.seal has room for."),
			 errhint("Widen trace_id of the tables in schema runlink as it is in "
					 "aos_trace_steps.")));
	return false;
}

/*
 * Seals a row of the pending query.  Where only traces from before sealing are to
 * be backfilled, these are the ones whose identity was not recorded: a step
 * without a leaf in any other came past the triggers, and stays what it is.
 */
static void
seal_row(Sealing *sealing)
{
	const Pending *pending = sealing->pending;
	StepSource *source = &sealing->source;
	HeapTuple	row = sealing->rows->vals[sealing->row];
	TupleDesc	tupdesc = sealing->rows->tupdesc;
	Datum		identity[3];
	bool		isnull[3] = {false};
	bool		identity_recorded = true;
	bool		status_isnull;
	Datum		status = SPI_getbinval(row, tupdesc, 4, &status_isnull);
	Sealed		sealed;

	for (int i = 0; i < 3; i++)
	{
		identity[i] = SPI_getbinval(row, tupdesc, i + 1, &isnull[i]);
		if (isnull[i] || status_isnull)
			return;
	}
	source->trace_id = DatumGetTextPP(identity[0]);
	if (!has_room(sealing, identity))
		return;
	/* Another may have sealed it since the query's snapshot, and so taken its identity in. */
	if (!DatumGetBool(SPI_getbinval(row, tupdesc, 5, &status_isnull)))
		identity_recorded = !state_insert(source->state->relids[STATE_TRACE], identity, isnull) ||
			newest_seal(source->state, source->trace_id) >= 0;
	sealing->sealed = seal_trace(source->state, source->trace_id, DatumGetTextPP(status),
								 identity_recorded,
								 pending->only_unrecorded && identity_recorded ? NULL : backfill,
								 source, &sealed);
	if (sealing->sealed && pending->tell != NULL)
		pending->tell(pending->sink, source->trace_id, &sealed);
}

static void
seal_row_of(void *sealing)
{
	seal_row(sealing);
}

/* The state, to be sealed in; further tables are written too, a bit each. */
const State *
state_open_to_seal(int further_tables)
{
	const char *obstacle;
	int			tables = SEALER_TABLES | STATE_BIT(STATE_ENCODING) | further_tables;
	const State *state = state_open_to_write(tables, &obstacle);

	if (state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no state to seal in"),
				 errdetail("In the way: %s.", obstacle),
				 errhint("Call runlink_enable_sealing() as a superuser.")));
	return state;
}

/* Seals what is pending, the earliest first; returns how many traces.  SPI must be connected. */
int64
seal_pending(const Pending *pending)
{
	text	   *idle = cstring_to_text(psprintf("%d seconds", idle_after));
	Sealing		sealing = {.pending = pending};
	MemoryContext trace_context;
	Portal		portal;
	int64		count = 0;

	sealing.source.state = pending->state;
	sealing.source.binding = pending->binding;
	sealing.source.encoding = current_encoding(pending->binding,
											   get_func_namespace(pending->function));
	trace_context = AllocSetContextCreate(CurrentMemoryContext, "seal of a trace",
										  ALLOCSET_DEFAULT_SIZES);
	portal = open_query(pending->only_unrecorded ? &unsealed_query : &pending_query,
						pending->binding,
						pending->run_id, idle);
	while (count < pending->max)
	{
		uint64		fetched;

		fetch_rows(portal, ROWS_A_FETCH);
		sealing.rows = SPI_tuptable;
		fetched = SPI_processed;
		for (sealing.row = 0; sealing.row < fetched && count < pending->max; sealing.row++)
		{
			MemoryContext old_context = MemoryContextSwitchTo(trace_context);

			CHECK_FOR_INTERRUPTS();
			sealing.sealed = false;
			if (pending->guard != NULL)
				pending->guard(pending->sink, seal_row_of, &sealing);
			else
				seal_row(&sealing);
			count += sealing.sealed;
			MemoryContextSwitchTo(old_context);
			MemoryContextReset(trace_context);
		}
		SPI_freetuptable(sealing.rows);
		if (fetched == 0)
			break;
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(trace_context);
	return count;
}

static void
put_sealed(void *sink, text *trace_id, const Sealed *sealed)
{
	ReturnSetInfo *rsinfo = sink;
	Datum		values[8] = {
		PointerGetDatum(sealed->tenant_id), PointerGetDatum(sealed->run_id),
		PointerGetDatum(trace_id), Int32GetDatum(sealed->seal_no),
		Int64GetDatum(sealed->step_count), Int64GetDatum(sealed->added),
		Int64GetDatum(sealed->backfilled), TimestampTzGetDatum(sealed->sealed_at)
	};
	bool		isnull[8] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

/*
 * runlink_seal_pending(max bigint, run_id text) returns setof record
 *
 * Seals at most max traces, the earliest first, of a run or of all.
 */
Datum
runlink_seal_pending(PG_FUNCTION_ARGS)
{
	Pending		pending = {
		.function = fcinfo->flinfo->fn_oid,
		.call = &app_call_seal_pending,
		.max = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT64(0),
		.run_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1),
		.tell = put_sealed,
		.sink = fcinfo->resultinfo,
	};

	if (pending.max < 0 || (pending.run_id != NULL && VARSIZE_ANY_EXHDR(pending.run_id) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 pending.max < 0 ? errmsg("max must not be negative")
					 : errmsg("run_id must not be empty"),
				 errdetail("runlink_seal_pending seals at most max traces, of a run or of all."),
				 errhint("Pass NULL for no limit, or for every run.")));
	PreventCommandIfReadOnly("runlink_seal_pending()");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	pending.binding = binding_open(pending.function, pending.call);
	pending.state = state_open_to_seal(0);
	seal_pending(&pending);
	SPI_finish();
	return (Datum) 0;
}
