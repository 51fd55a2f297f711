/*-------------------------------------------------------------------------
 *
 * verify_chunk.c
 *	  What is verified in chunks: the seals in some blocks of runlink.seal, and
 *	  the number of rows of aos_trace_steps.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "receiver.h"
#include "seal.h"
#include "verify.h"

#define SEALS_A_FETCH 64

#define OF_CHUNK \
	.planner_on = {"enable_tidscan", "enable_indexscan"}, \
	.argument_count = FILTER_ARGUMENTS + 2, .argument_types = {FILTER_TYPES, TIDOID, TIDOID}

#define SEALS_OF_CHUNK \
	" FROM runlink.seal WHERE ctid OPERATOR(pg_catalog.>=) $4 AND ctid OPERATOR(pg_catalog.<) $5" \
	" AND ($1 IS NULL OR sealed_at OPERATOR(pg_catalog.>=) $1)" \
	" AND ($2 IS NULL OR sealed_at OPERATOR(pg_catalog.<) $2)" \
	" AND ($3 IS NULL OR tenant_id" SQL_EQ "$3 OR EXISTS (SELECT 1 FROM @extschema@.aos_traces t" \
	" WHERE t.trace_id" SQL_EQ "seal.trace_id AND t.tenant_id" SQL_EQ "$3))"

#define THE_NEWEST \
	" AND seal_no" SQL_EQ "(SELECT pg_catalog.max(n.seal_no) FROM runlink.seal n" \
	" WHERE n.trace_id" SQL_EQ "seal.trace_id)"

/* Is there a trace of several seals? */
static SavedQuery several_query = {
	.sql_template = "SELECT 1 FROM runlink.seal WHERE seal_no OPERATOR(pg_catalog.<>) 0 LIMIT 1",
	.reads_whole_tables = true
};

/* The seals from block $4 to before $5; those of them that are the newest of their trace. */
static SavedQuery seals_query = {
	.sql_template = "SELECT " SEAL_COLUMNS SEALS_OF_CHUNK,
	OF_CHUNK
};
static SavedQuery newest_seals_query = {
	.sql_template = "SELECT " SEAL_COLUMNS SEALS_OF_CHUNK THE_NEWEST,
	OF_CHUNK
};

/* The traces of these only. */
static SavedQuery sealed_traces_query = {
	.sql_template = "SELECT trace_id::pg_catalog.text" SEALS_OF_CHUNK THE_NEWEST,
	OF_CHUNK
};

/* The rows of the table itself, not of an index. */
static SavedQuery count_query = {
	.sql_template = "SELECT pg_catalog.count(*) FROM @extschema@.aos_trace_steps s",
	.reads_whole_tables = true,
	.planner_on = {"enable_seqscan"},
	.planner_off = {"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"}
};

/*
 * Has any trace several seals?  Where none has, none needs to be looked for at
 * each seal, which is one of three lookups a trace.
 */
bool
has_several_seals(Verifier *verifier)
{
	bool		several;

	execute_query(&several_query, verifier->binding, NULL, NULL, NULL);
	several = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return several;
}

static int64
count_step_rows(Verifier *verifier)
{
	bool		isnull;
	int64		count;

	execute_query(&count_query, verifier->binding, NULL, NULL, NULL);
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return count;
}

static void
chunk_arguments(const Verifier *verifier, BlockNumber first, BlockNumber end, Datum *values, char *nulls)
{
	ItemPointer bounds = palloc(sizeof(ItemPointerData) * 2);

	memcpy(values, verifier->filter.values, sizeof(verifier->filter.values));
	memcpy(nulls, verifier->filter.nulls, FILTER_ARGUMENTS);
	ItemPointerSet(&bounds[0], first, 0);
	ItemPointerSet(&bounds[1], end, 0);
	values[FILTER_ARGUMENTS] = PointerGetDatum(&bounds[0]);
	values[FILTER_ARGUMENTS + 1] = PointerGetDatum(&bounds[1]);
	memcpy(nulls + FILTER_ARGUMENTS, "  ", 3);
}

/* Checks the traces whose newest seal is in some blocks of runlink.seal.  SPI must be connected. */
static void
verify_chunk(Verifier *verifier, bool several, BlockNumber first, BlockNumber end)
{
	Batch	   *batch;
	MemoryContext old_context;
	Datum		values[FILTER_ARGUMENTS + 2];
	char		nulls[FILTER_ARGUMENTS + 3];
	Portal		portal;
	uint64		count;

	MemoryContextReset(verifier->chunk_context);
	verifier->suspects = NIL;
	old_context = MemoryContextSwitchTo(verifier->chunk_context);
	batch = batch_begin(verifier);
	chunk_arguments(verifier, first, end, values, nulls);
	portal = open_query_with(several ? &newest_seals_query : &seals_query, verifier->binding, values, nulls);
	do
	{
		SPITupleTable *fetched;

		fetch_rows(portal, SEALS_A_FETCH);
		fetched = SPI_tuptable;
		count = SPI_processed;
		for (uint64 i = 0; i < count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			batch_add(batch, fetched->vals[i], fetched->tupdesc);
		}
		SPI_freetuptable(fetched);
	} while (count > 0);
	SPI_cursor_close(portal);
	batch_end(batch);
	MemoryContextSwitchTo(old_context);
}

static void
receive_suspect(TupleTableSlot *slot, void *sink)
{
	Verifier   *verifier = sink;
	bool		isnull;
	Datum		trace_id = slot_getattr(slot, 1, &isnull);

	verifier->suspects = lappend(verifier->suspects, DatumGetTextPCopy(trace_id));
}

/* Makes suspects of these traces, without reading more of their seals than it takes. */
void
list_chunk(Verifier *verifier, BlockNumber first, BlockNumber end)
{
	MemoryContext old_context;
	Datum		values[FILTER_ARGUMENTS + 2];
	char		nulls[FILTER_ARGUMENTS + 3];
	RowReceiver receiver;

	MemoryContextReset(verifier->chunk_context);
	verifier->suspects = NIL;
	old_context = MemoryContextSwitchTo(verifier->chunk_context);
	chunk_arguments(verifier, first, end, values, nulls);
	execute_query_with(&sealed_traces_query, verifier->binding, values, nulls,
					   row_receiver(&receiver, receive_suspect, verifier));
	MemoryContextSwitchTo(old_context);
}

/* Takes a chunk that nobody has taken; false where there is none. */
bool
next_chunk(VerifyChunks *chunks, uint32 *chunk)
{
	*chunk = pg_atomic_fetch_add_u32(&chunks->next, 1);
	return *chunk < chunks->count;
}

/* The blocks of a chunk; false: it is the one that counts. */
bool
chunk_blocks(const VerifyChunks *chunks, uint32 chunk, BlockNumber *first, BlockNumber *end)
{
	if (chunks->count_steps && chunk == 0)
		return false;
	*first = (chunk - chunks->count_steps) * chunks->blocks_each;
	*end = Min(*first + chunks->blocks_each, chunks->blocks);
	return true;
}

/* Does what a chunk is to do. */
void
run_chunk(Verifier *verifier, VerifyChunks *chunks, uint32 chunk)
{
	BlockNumber first;
	BlockNumber end;

	verifier->suspects = NIL;
	if (chunk_blocks(chunks, chunk, &first, &end))
		verify_chunk(verifier, chunks->several_seals, first, end);
	else
		chunks->step_rows = count_step_rows(verifier);
}
