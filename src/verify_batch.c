/*-------------------------------------------------------------------------
 *
 * verify_batch.c
 *	  Traces of one seal, checked a batch at a time.
 *
 * Seals are read in the order in which they lie, as many as work_mem holds;
 * then the steps of their traces in the order in which these lie, by a bitmap of
 * an index.  A trace's steps were written in a short time, so that every page is
 * read about once, whatever writers wrote beside it, and nothing is sorted.
 *
 * A trace passes only if its proof would say VERIFIED, or ARCHIVED and no more.
 * Every doubt makes it a suspect, to be checked again by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "receiver.h"
#include "record.h"
#include "run.h"
#include "seal.h"
#include "verify.h"

#define MOST_TRACES 4096

/* A trace of a batch: its seal, and what was met of it. */
typedef struct BatchTrace
{
	const text *trace_id;
	uint32		hash;
	char		status;			/* of the hash table */
	bool		suspect;
	bool		as_recorded;	/* aos_traces has it, under its run and tenant */
	bool		filed;			/* aos_traces has it */
	bool		archived;
	Seal		seal;
	const Encoding *encoding;
	int64	   *before;			/* steps before each interval of the seal's */
	int64		count;			/* steps sealed */
	int64		met;
	uint8	   *seen;			/* a bit each */
} BatchTrace;

static inline uint32
hash_of(const text *trace_id)
{
	return hash_bytes((const unsigned char *) VARDATA_ANY(trace_id), VARSIZE_ANY_EXHDR(trace_id));
}

#define SH_PREFIX batch
#define SH_ELEMENT_TYPE BatchTrace
#define SH_KEY_TYPE const text *
#define SH_KEY trace_id
#define SH_HASH_KEY(table, key) hash_of(key)
#define SH_EQUAL(table, a, b) same_text(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, element) (element)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct Batch
{
	Verifier   *verifier;
	MemoryContext context;
	MemoryContext row_context;
	batch_hash *traces;
	Size		bytes;
	int			trace_id;		/* positions of columns */
	int			step_index;
	Buffer		buffer;			/* of the row before */
};

#define OF_BATCH .argument_count = 1, .argument_types = {TEXTARRAYOID}
#define BY_BITMAP .planner_on = {"enable_bitmapscan"}, .planner_off = {"enable_indexscan"}

/* What aos_traces, the archive, the leaves not sealed and the steps have of traces $1. */
static SavedQuery filed_query = {
	.sql_template = "SELECT t.trace_id::pg_catalog.text, t.run_id::pg_catalog.text,"
	" t.tenant_id::pg_catalog.text FROM @extschema@.aos_traces t"
	" WHERE t.trace_id" SQL_EQ "ANY ($1)",
	BY_BITMAP,
	OF_BATCH
};
static SavedQuery archived_query = {
	.sql_template = "SELECT t.trace_id::pg_catalog.text FROM @extschema@.aos_traces_archive t"
	" WHERE t.trace_id" SQL_EQ "ANY ($1)",
	.reads_whole_tables = true,
	BY_BITMAP,
	OF_BATCH
};
static SavedQuery leaves_query = {
	.sql_template = "SELECT u.trace_id FROM pg_catalog.unnest($1) AS u (trace_id)"
	" WHERE (SELECT l.step_index FROM runlink.leaf l"
	" WHERE l.trace_id" SQL_EQ "u.trace_id LIMIT 1) IS NOT NULL",
	OF_BATCH
};
static SavedQuery steps_query = {
	.sql_template = "SELECT * FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "ANY ($1)",
	BY_BITMAP,
	OF_BATCH
};

/* Is a seal that stands alone what its leaves give? */
static bool
is_sound(const Seal *seal)
{
	SealsBefore none = {.run_id = seal->text.run_id, .tenant_id = seal->text.tenant_id};
	uint8		head[SHA256_BYTES];
	MerkleTree	tree;

	chain_begin(head, leaf_scratch(), seal->text.tenant_id, seal->text.run_id, seal->text.trace_id);
	merkle_begin(&tree);
	fold_seal(seal, head, &tree);
	return seal_damage(seal, &none, head, &tree) == NULL;
}

static bool
take_seal(Batch *batch, BatchTrace *trace, const Datum *values, const bool *isnull)
{
	Seal	   *seal = &trace->seal;

	if (read_seal(values, isnull, batch->verifier->checker.encodings, seal) != NULL)
		return false;
	trace->count = step_set_size(&seal->steps);
	if (trace->count == 0)
		return false;
	trace->encoding = find_encoding(batch->verifier->checker.encodings, seal->encoding_key);
	trace->before = palloc(sizeof(int64) * seal->steps.count);
	trace->before[0] = 0;
	for (int i = 1; i < seal->steps.count; i++)
		trace->before[i] = trace->before[i - 1] + seal->steps.intervals[i - 1].last -
			seal->steps.intervals[i - 1].first + 1;
	trace->seen = palloc0(trace->count / 8 + 1);
	batch->bytes += VARSIZE_ANY(seal->leaves) + trace->count / 8 +
		seal->steps.count * (sizeof(StepInterval) + sizeof(int64));
	return is_sound(seal);
}

static BatchTrace *
trace_of(Batch *batch, TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		trace_id = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : batch_lookup(batch->traces, DatumGetTextPP(trace_id));
}

static void
receive_filed(TupleTableSlot *slot, void *sink)
{
	BatchTrace *trace = trace_of(sink, slot, 1);
	bool		isnull[2];
	Datum		run_id = slot_getattr(slot, 2, &isnull[0]);
	Datum		tenant_id = slot_getattr(slot, 3, &isnull[1]);

	if (trace == NULL)
		return;
	if (trace->filed)
		trace->suspect = true;	/* twice */
	trace->filed = true;
	trace->as_recorded = !trace->suspect && !isnull[0] && !isnull[1] &&
		same_text(DatumGetTextPP(run_id), trace->seal.text.run_id) &&
		same_text(DatumGetTextPP(tenant_id), trace->seal.text.tenant_id);
}

static void
receive_archived(TupleTableSlot *slot, void *sink)
{
	BatchTrace *trace = trace_of(sink, slot, 1);

	if (trace != NULL)
		trace->archived = true;
}

/* A leaf that no seal took in: the trace goes on, or something is odd. */
static void
receive_leaf(TupleTableSlot *slot, void *sink)
{
	BatchTrace *trace = trace_of(sink, slot, 1);

	if (trace != NULL)
		trace->suspect = true;
}

static void
receive_step_columns(TupleDesc tupdesc, void *sink)
{
	Batch	   *batch = sink;

	batch->trace_id = SPI_fnumber(tupdesc, "trace_id");
	batch->step_index = SPI_fnumber(tupdesc, "step_index");
	for (Encoding *encoding = batch->verifier->checker.encodings; encoding != NULL; encoding = encoding->next)
		encoding_bind(encoding, tupdesc);
}

/* Where a step lies among those that a seal holds; -1 where it does not. */
static int64
position_of(const BatchTrace *trace, int32 step_index)
{
	const StepSet *steps = &trace->seal.steps;
	int			low = 0;
	int			high = steps->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (steps->intervals[middle].last < step_index)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == steps->count || steps->intervals[low].first > step_index)
		return -1;
	return trace->before[low] + step_index - steps->intervals[low].first;
}

/* Is a step what its seal holds, and met for the first time? */
static bool
step_holds(BatchTrace *trace, TupleTableSlot *slot, int32 step_index)
{
	int64		position = position_of(trace, step_index);
	const uint8 *packed;
	uint8		leaf[SHA256_BYTES];

	if (position < 0 || (trace->seen[position / 8] & (1 << position % 8)))
		return false;
	trace->seen[position / 8] |= 1 << position % 8;
	packed = (const uint8 *) VARDATA_ANY(trace->seal.leaves) + position * SEALED_STEP_BYTES;
	slot_getallattrs(slot);
	return step_leaf(trace->encoding, slot->tts_values, slot->tts_isnull, packed + SHA256_BYTES,
					 leaf_scratch(), leaf) &&
		memcmp(leaf, packed, SHA256_BYTES) == 0;
}

/*
 * Asks for the whole page of a row when its first row comes: the next ones are
 * then there when their turn comes, and memory is read while we hash.
 */
static inline void
prefetch_page(Batch *batch, TupleTableSlot *slot)
{
	Buffer		buffer;

	if (!TTS_IS_BUFFERTUPLE(slot))
		return;
	buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
	if (buffer == batch->buffer || !BufferIsValid(buffer))
		return;
	batch->buffer = buffer;
	for (int at = 0; at < BLCKSZ; at += 64)
		__builtin_prefetch((char *) BufferGetPage(buffer) + at);
}

static void
receive_step(TupleTableSlot *slot, void *sink)
{
	Batch	   *batch = sink;
	MemoryContext old_context = MemoryContextSwitchTo(batch->row_context);
	BatchTrace *trace;
	bool		isnull;
	Datum		step_index;

	prefetch_page(batch, slot);
	trace = trace_of(batch, slot, batch->trace_id);
	step_index = slot_getattr(slot, batch->step_index, &isnull);
	if (trace != NULL && !trace->suspect)
	{
		trace->met++;
		trace->suspect = isnull || !step_holds(trace, slot, DatumGetInt32(step_index));
		canonical_trim(leaf_scratch());
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(batch->row_context);
}

/* The traces of the batch that are wanted, as an array; NULL where none is. */
static ArrayType *
batch_ids(Batch *batch, bool (*wanted) (const BatchTrace *trace))
{
	Datum	   *ids = palloc(sizeof(Datum) * batch->traces->members);
	batch_iterator iterator;
	BatchTrace *trace;
	int			count = 0;

	batch_start_iterate(batch->traces, &iterator);
	while ((trace = batch_iterate(batch->traces, &iterator)) != NULL)
	{
		if (wanted(trace))
			ids[count++] = PointerGetDatum(trace->trace_id);
	}
	return count > 0 ? construct_array(ids, count, TEXTOID, -1, false, TYPALIGN_INT) : NULL;
}

static bool
is_no_suspect(const BatchTrace *trace)
{
	return !trace->suspect;
}

static bool
is_not_filed(const BatchTrace *trace)
{
	return !trace->suspect && !trace->filed;
}

static void
ask(Batch *batch, SavedQuery *query, bool (*wanted) (const BatchTrace *trace), ReceiveRow receive,
	ReceiveColumns begin)
{
	ArrayType  *ids = batch_ids(batch, wanted);
	Datum		values[1] = {PointerGetDatum(ids)};
	RowReceiver receiver;

	if (ids == NULL)
		return;
	row_receiver(&receiver, receive, batch);
	receiver.begin = begin;
	execute_query_with(query, batch->verifier->binding, values, NULL, &receiver.receiver);
}

/* Counts the traces of the batch that hold; the others become suspects. */
static void
conclude(Batch *batch)
{
	VerifyCounts *counts = &batch->verifier->counts;
	MemoryContext old_context = MemoryContextSwitchTo(batch->verifier->chunk_context);
	batch_iterator iterator;
	BatchTrace *trace;

	batch_start_iterate(batch->traces, &iterator);
	while ((trace = batch_iterate(batch->traces, &iterator)) != NULL)
	{
		bool		passed = !trace->suspect && trace->as_recorded && trace->met == trace->count;
		bool		archived = !trace->suspect && !trace->filed && trace->archived && trace->met == 0;

		if (!passed && !archived)
		{
			batch->verifier->suspects =
				lappend(batch->verifier->suspects,
						DatumGetTextPCopy(PointerGetDatum(trace->trace_id)));
			continue;
		}
		counts->traces++;
		counts->steps += trace->met;
		counts->verified += passed;
		counts->archived += archived;
	}
	MemoryContextSwitchTo(old_context);
}

static void
check_batch(Batch *batch)
{
	MemoryContext old_context = MemoryContextSwitchTo(batch->context);

	ask(batch, &leaves_query, is_no_suspect, receive_leaf, NULL);
	ask(batch, &filed_query, is_no_suspect, receive_filed, NULL);
	if (OidIsValid(batch->verifier->binding->relids[APP_AOS_TRACES_ARCHIVE]))
		ask(batch, &archived_query, is_not_filed, receive_archived, NULL);
	ask(batch, &steps_query, is_no_suspect, receive_step, receive_step_columns);
	conclude(batch);
	MemoryContextSwitchTo(old_context);
}

static void
empty(Batch *batch)
{
	MemoryContextReset(batch->context);
	batch->row_context = AllocSetContextCreate(batch->context, "step", ALLOCSET_DEFAULT_SIZES);
	batch->traces = batch_create(batch->context, 1024, NULL);
	batch->bytes = 0;
}

/* Begins a batch, palloc'd.  SPI must be connected. */
Batch *
batch_begin(Verifier *verifier)
{
	Batch	   *batch = palloc0(sizeof(Batch));

	batch->verifier = verifier;
	batch->context = AllocSetContextCreate(CurrentMemoryContext, "batch", ALLOCSET_DEFAULT_SIZES);
	empty(batch);
	return batch;
}

/* Adds a seal, a row of SEAL_COLUMNS; what is there is checked where it is enough. */
void
batch_add(Batch *batch, HeapTuple row, TupleDesc tupdesc)
{
	MemoryContext old_context = MemoryContextSwitchTo(batch->context);
	Datum		values[SEAL_COLUMN_COUNT];
	bool		isnull[SEAL_COLUMN_COUNT];
	BatchTrace *trace;
	BatchTrace	fresh = {0};
	bool		found;

	heap_deform_tuple(heap_copytuple(row), tupdesc, values, isnull);
	fresh.trace_id = DatumGetTextPP(values[8]);
	fresh.suspect = !take_seal(batch, &fresh, values, isnull);
	trace = batch_insert(batch->traces, fresh.trace_id, &found);
	if (found)
		trace->suspect = true;	/* two seals that are both the newest */
	else
	{
		fresh.hash = trace->hash;
		fresh.status = trace->status;
		*trace = fresh;
	}
	batch->bytes += row->t_len + sizeof(BatchTrace);
	MemoryContextSwitchTo(old_context);
	if (batch->bytes > (Size) work_mem * 512 || batch->traces->members >= MOST_TRACES)
	{
		check_batch(batch);
		empty(batch);
	}
}

/* Checks the rest. */
void
batch_end(Batch *batch)
{
	check_batch(batch);
	MemoryContextDelete(batch->context);
}
