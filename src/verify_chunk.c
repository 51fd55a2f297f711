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
#include "utils/guc.h"
#include "utils/memutils.h"

#include "receiver.h"
#include "seal.h"
#include "verify.h"

#define SEALS_A_FETCH 64

static void build_several_query(StringInfo sql, const Binding *binding);
static void build_seals_query(StringInfo sql, const Binding *binding);
static void build_newest_seals_query(StringInfo sql, const Binding *binding);
static void build_sealed_traces_query(StringInfo sql, const Binding *binding);
static void build_count_query(StringInfo sql, const Binding *binding);

#define OF_CHUNK \
	.argument_count = FILTER_ARGUMENTS + 2, .argument_types = {FILTER_TYPES, TIDOID, TIDOID}

/* Is there a trace of several seals? */
static SavedQuery several_query = {.build = build_several_query, .reads_whole_tables = true};

/* The seals from block $4 to before $5; those of them that are the newest of their trace. */
static SavedQuery seals_query = {.build = build_seals_query, OF_CHUNK};
static SavedQuery newest_seals_query = {.build = build_newest_seals_query, OF_CHUNK};

/* The traces of these only. */
static SavedQuery sealed_traces_query = {.build = build_sealed_traces_query, OF_CHUNK};

static SavedQuery count_query = {.build = build_count_query, .reads_whole_tables = true};

#define SEALS_OF_CHUNK \
	" FROM runlink.seal WHERE ctid OPERATOR(pg_catalog.>=) $4 AND ctid OPERATOR(pg_catalog.<) $5" \
	" AND ($1 IS NULL OR sealed_at OPERATOR(pg_catalog.>=) $1)" \
	" AND ($2 IS NULL OR sealed_at OPERATOR(pg_catalog.<) $2)" \
	" AND ($3 IS NULL OR tenant_id" SQL_EQ "$3 OR EXISTS (SELECT 1 FROM @extschema@.aos_traces t" \
	" WHERE t.trace_id" SQL_EQ "seal.trace_id AND t.tenant_id" SQL_EQ "$3))"

#define THE_NEWEST \
	" AND seal_no" SQL_EQ "(SELECT pg_catalog.max(n.seal_no) FROM runlink.seal n" \
	" WHERE n.trace_id" SQL_EQ "seal.trace_id)"

static void
build_several_query(StringInfo sql, const Binding *binding pg_attribute_unused())
{
	appendStringInfoString(sql, "SELECT 1 FROM runlink.seal WHERE seal_no OPERATOR(pg_catalog.<>) 0 LIMIT 1");
}

static void
build_seals_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding, "SELECT " SEAL_COLUMNS SEALS_OF_CHUNK);
}

static void
build_newest_seals_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding, "SELECT " SEAL_COLUMNS SEALS_OF_CHUNK THE_NEWEST);
}

static void
build_sealed_traces_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding, "SELECT trace_id::pg_catalog.text" SEALS_OF_CHUNK THE_NEWEST);
}

static void
build_count_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding, "SELECT pg_catalog.count(*) FROM @extschema@.aos_trace_steps s");
}

/* Puts settings of the planner in force until the end_planner_settings of what is returned. */
int
begin_planner_settings(const char *const *on, const char *const *off)
{
	int			nest_level = NewGUCNestLevel();

	for (; *on != NULL; on++)
		set_config_option(*on, "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	for (; *off != NULL; off++)
		set_config_option(*off, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

void
end_planner_settings(int nest_level)
{
	AtEOXact_GUC(true, nest_level);
}

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

/* The rows of the table itself, not of an index. */
static int64
count_step_rows(Verifier *verifier)
{
	static const char *const on[] = {"enable_seqscan", NULL};
	static const char *const off[] = {"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", NULL};
	int			nest_level = begin_planner_settings(on, off);
	bool		isnull;
	int64		count;

	execute_query(&count_query, verifier->binding, NULL, NULL, NULL);
	end_planner_settings(nest_level);
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

static const char *const chunk_on[] = {"enable_tidscan", "enable_indexscan", NULL};
static const char *const chunk_off[] = {"enable_seqscan", NULL};

/* Checks the traces whose newest seal is in some blocks of runlink.seal.  SPI must be connected. */
static void
verify_chunk(Verifier *verifier, bool several, BlockNumber first, BlockNumber end)
{
	Batch	   *batch;
	MemoryContext old_context;
	Datum		values[FILTER_ARGUMENTS + 2];
	char		nulls[FILTER_ARGUMENTS + 3];
	int			nest_level;
	Portal		portal;
	uint64		count;

	MemoryContextReset(verifier->chunk_context);
	verifier->suspects = NIL;
	old_context = MemoryContextSwitchTo(verifier->chunk_context);
	batch = batch_begin(verifier);
	chunk_arguments(verifier, first, end, values, nulls);
	nest_level = begin_planner_settings(chunk_on, chunk_off);
	portal = open_query_with(several ? &newest_seals_query : &seals_query, verifier->binding, values, nulls);
	end_planner_settings(nest_level);
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
	int			nest_level;
	RowReceiver receiver;

	MemoryContextReset(verifier->chunk_context);
	verifier->suspects = NIL;
	old_context = MemoryContextSwitchTo(verifier->chunk_context);
	chunk_arguments(verifier, first, end, values, nulls);
	nest_level = begin_planner_settings(chunk_on, chunk_off);
	execute_query_with(&sealed_traces_query, verifier->binding, values, nulls,
					   row_receiver(&receiver, receive_suspect, verifier));
	end_planner_settings(nest_level);
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
