/*-------------------------------------------------------------------------
 *
 * expected.c
 *	  What the steps of a trace are expected to be.
 *
 * Seals are read in their order, each checked against the one before it: the
 * chain, the tree, the counts, the identity.  Mostly that is the order of
 * step_index too, and the leaves not yet sealed come after.  Where it is not,
 * since steps came late, they are sorted.  In flat memory: one seal, or what
 * work_mem lets a sort have.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "expected.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "application.h"
#include "receiver.h"
#include "record.h"
#include "run.h"

#define LEAVES_A_FETCH 500

#define OF_TRACE " WHERE trace_id" SQL_EQ "$1"
#define BY_TRACE(text) {.sql = text, .argument_count = 1, .argument_types = {TEXTOID}}

/* A row a seal, or one of NULLs, with what was recorded of the trace. */
static KeptQuery look_ahead_query =
BY_TRACE("SELECT s.steps, s.final, r.first_leaf, r.run_id, r.tenant_id"
		 " FROM (SELECT (SELECT pg_catalog.min(step_index) FROM runlink.leaf" OF_TRACE ") AS first_leaf,"
		 " t.run_id::pg_catalog.text, t.tenant_id::pg_catalog.text"
		 " FROM (SELECT 1) AS one LEFT JOIN runlink.trace t ON t.trace_id" SQL_EQ "$1) AS r"
		 " LEFT JOIN runlink.seal s ON s.trace_id" SQL_EQ "$1 ORDER BY s.seal_no");

static KeptQuery seals_query =
BY_TRACE("SELECT " SEAL_COLUMNS " FROM runlink.seal" OF_TRACE " ORDER BY seal_no");

static KeptQuery leaves_query =
BY_TRACE("SELECT step_index, encoding, leaf, salt FROM runlink.leaf" OF_TRACE " ORDER BY step_index");

/* Takes note of damage; the first is told. */
static void
note_damage(ExpectedSteps *expected, const char *damage)
{
	if (expected->damage == NULL)
		expected->damage = MemoryContextStrdup(expected->context, damage);
}

/* Is a step_index not beyond those of the seals so far? */
static bool
is_before_end(const StepSet *sealed, int64 step_index)
{
	return sealed->count > 0 && step_index <= sealed->intervals[sealed->count - 1].last;
}

/* The order of seals among each other, before their leaves are read. */
static void
look_at_seal(ExpectedSteps *expected, TupleTableSlot *slot)
{
	StepSet		steps = {0};
	bool		isnull;
	int64		before = step_set_size(&expected->sealed);

	expected->has_seals = true;
	expected->final_seal = DatumGetBool(slot_getattr(slot, 2, &isnull));
	if (!read_step_set(slot_getattr(slot, 1, &isnull), &steps))
		return;					/* told when the seal is read */
	if (steps.count > 0 && is_before_end(&expected->sealed, steps.intervals[0].first))
		expected->in_order = false;
	step_set_union(&expected->sealed, &steps);
	if (step_set_size(&expected->sealed) != before + step_set_size(&steps))
		note_damage(expected, "a step is in two seals");
}

static void
look_at_identity(ExpectedSteps *expected, TupleTableSlot *slot)
{
	bool		isnull[2];
	Datum		run_id = slot_getattr(slot, 4, &isnull[0]);
	Datum		tenant_id = slot_getattr(slot, 5, &isnull[1]);

	if (isnull[0] || isnull[1])
		return;
	expected->run_id = DatumGetTextPCopy(run_id);
	expected->tenant_id = DatumGetTextPCopy(tenant_id);
	expected->identity_known = true;
}

static void
receive_look_ahead(TupleTableSlot *slot, void *sink)
{
	ExpectedSteps *expected = sink;
	bool		no_seal;
	bool		no_leaf;

	slot_getattr(slot, 2, &no_seal);
	expected->first_leaf = DatumGetInt32(slot_getattr(slot, 3, &no_leaf));
	expected->has_leaves = !no_leaf;
	if (!expected->identity_known)
		look_at_identity(expected, slot);
	if (!no_seal)
		look_at_seal(expected, slot);
}

static void
look_ahead(ExpectedSteps *expected)
{
	Datum		values[1] = {PointerGetDatum(expected->trace_id)};
	RowReceiver receiver;

	state_execute(expected->state, &look_ahead_query, values, NULL, STATE_SNAPSHOT,
				  row_receiver(&receiver, receive_look_ahead, expected));
	if (expected->has_leaves && is_before_end(&expected->sealed, expected->first_leaf))
		expected->in_order = false;
}

static text *
copy_text(MemoryContext context, const text *value)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);
	text	   *copy = cstring_to_text_with_len(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));

	MemoryContextSwitchTo(old_context);
	return copy;
}

/* A seal says what run and tenant the trace is of; the first one says it for all. */
static void
take_identity(ExpectedSteps *expected, const Seal *seal)
{
	expected->run_id = copy_text(expected->context, seal->text.run_id);
	expected->tenant_id = copy_text(expected->context, seal->text.tenant_id);
	expected->identity_known = true;
	chain_begin(expected->head, leaf_scratch(), expected->tenant_id, expected->run_id,
				expected->trace_id);
}

/* Folds a seal into chain and tree and checks what it says of them. */
static void
check_seal(ExpectedSteps *expected, const Seal *seal, int64 expected_seal_no)
{
	SealsBefore before;
	const char *damage;

	if (!expected->has_seal)
		take_identity(expected, seal);
	before.count = expected_seal_no;
	before.hash = expected->newest;
	before.run_id = expected->run_id;
	before.tenant_id = expected->tenant_id;
	before.backfilled = expected->backfilled_count;
	fold_seal(seal, expected->head, &expected->tree);
	damage = seal_damage(seal, &before, expected->head, &expected->tree);
	if (damage != NULL)
		note_damage(expected, damage);
}

/* Reads the next seal; false where there is none. */
static bool
read_next_seal(ExpectedSteps *expected)
{
	MemoryContext old_context = CurrentMemoryContext;
	int64		expected_seal_no = expected->has_seal ? expected->seal.seal_no + 1 : 0;
	const char *unreadable = NULL;
	bool		found;

	if (expected->seals == NULL)
		return false;
	SPI_connect();
	state_fetch(expected->state, expected->seals, 1);
	found = SPI_processed > 0;
	if (found)
	{
		Datum		values[SEAL_COLUMN_COUNT];
		bool		isnull[SEAL_COLUMN_COUNT];

		MemoryContextReset(expected->seal_context);
		MemoryContextSwitchTo(expected->seal_context);
		heap_deform_tuple(heap_copytuple(SPI_tuptable->vals[0]), SPI_tuptable->tupdesc, values, isnull);
		unreadable = read_seal(values, isnull, expected->encodings, &expected->seal);
	}
	SPI_finish();
	MemoryContextSwitchTo(old_context);
	if (!found)
		return false;
	if (unreadable != NULL)
	{
		expected->seal.steps.count = expected->interval = 0;
		note_damage(expected, psprintf("seal %d is damaged: %s", expected->seal.seal_no, unreadable));
		return false;
	}

	check_seal(expected, &expected->seal, expected_seal_no);
	seal_hash(leaf_scratch(), &expected->seal.text, expected->newest);
	memcpy(expected->sealed_head, expected->head, SHA256_BYTES);
	expected->has_seal = true;
	expected->sealed_at = expected->seal.text.sealed_at;
	expected->sealed_count += step_set_size(&expected->seal.steps);
	expected->backfilled_count = expected->seal.text.backfilled;
	expected->interval = 0;
	expected->next_packed = (const uint8 *) VARDATA_ANY(expected->seal.leaves);
	if (expected->seal.steps.count > 0)
		expected->next_in_interval = expected->seal.steps.intervals[0].first;
	return true;
}

static bool
next_sealed(ExpectedSteps *expected)
{
	const StepSet *steps = &expected->seal.steps;

	while (!expected->has_seal || expected->interval == steps->count)
	{
		if (!read_next_seal(expected))
		{
			if (expected->seals != NULL)
				SPI_cursor_close(expected->seals);
			expected->seals = NULL;
			return false;
		}
	}
	expected->is_sealed = true;
	expected->step_index = (int32) expected->next_in_interval;
	expected->encoding = expected->seal.encoding_key;
	expected->leaf = expected->next_packed;
	expected->salt = expected->next_packed + SHA256_BYTES;
	expected->next_packed += SEALED_STEP_BYTES;
	if (expected->next_in_interval++ == steps->intervals[expected->interval].last &&
		++expected->interval < steps->count)
		expected->next_in_interval = steps->intervals[expected->interval].first;
	return true;
}

/* Reads some more leaves; false where there are none. */
static bool
read_next_leaves(ExpectedSteps *expected)
{
	MemoryContext old_context = CurrentMemoryContext;

	if (expected->leaves == NULL)
		return false;
	SPI_connect();
	state_fetch(expected->state, expected->leaves, LEAVES_A_FETCH);
	expected->leaf_count = SPI_processed;
	expected->next_leaf = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		SealedStep *step = &expected->leaf_buffer[i];
		bool		isnull;

		step->step_index = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
													   1, &isnull));
		step->encoding = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
													 2, &isnull));
		copy_bytes(step->leaf, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &isnull),
				   SHA256_BYTES);
		copy_bytes(step->salt, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 4, &isnull),
				   SALT_BYTES);
	}
	SPI_finish();
	MemoryContextSwitchTo(old_context);
	if (expected->leaf_count > 0)
		return true;
	SPI_cursor_close(expected->leaves);
	expected->leaves = NULL;
	return false;
}

/* A leaf of a step that a seal holds was recorded anew when its row was moved. */
static bool
next_recorded(ExpectedSteps *expected)
{
	const SealedStep *step;

	do
	{
		if (expected->next_leaf == expected->leaf_count && !read_next_leaves(expected))
			return false;
		step = &expected->leaf_buffer[expected->next_leaf++];
	} while (step_set_contains(&expected->sealed, step->step_index));

	if (!expected->has_seal && expected->recorded_count == 0 && expected->identity_known)
		chain_begin(expected->head, leaf_scratch(), expected->tenant_id, expected->run_id,
					expected->trace_id);
	chain_add(expected->head, step->leaf);
	merkle_add(&expected->tree, step->leaf);
	expected->recorded_count++;
	expected->is_sealed = false;
	expected->step_index = step->step_index;
	expected->encoding = step->encoding;
	expected->leaf = step->leaf;
	expected->salt = step->salt;
	return true;
}

/* The columns of what is sorted. */
enum
{
	SORT_STEP_INDEX = 1,
	SORT_IS_SEALED,
	SORT_ENCODING,
	SORT_BYTES
};

static void
sort_steps(ExpectedSteps *expected)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(4);
	AttrNumber	keys[1] = {SORT_STEP_INDEX};
	Oid			operators[1] = {Int4LessOperator};
	Oid			collations[1] = {InvalidOid};
	bool		nulls_first[1] = {false};

	TupleDescInitEntry(tupdesc, SORT_STEP_INDEX, "step_index", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, SORT_IS_SEALED, "is_sealed", BOOLOID, -1, 0);
	TupleDescInitEntry(tupdesc, SORT_ENCODING, "encoding", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, SORT_BYTES, "bytes", BYTEAOID, -1, 0);
	expected->sorted = tuplesort_begin_heap(tupdesc, 1, keys, operators, collations, nulls_first,
											work_mem, NULL, TUPLESORT_NONE);
	expected->slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);

	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsVirtual);
		bytea	   *bytes = palloc(VARHDRSZ + SEALED_STEP_BYTES);

		SET_VARSIZE(bytes, VARHDRSZ + SEALED_STEP_BYTES);
		memset(slot->tts_isnull, false, sizeof(bool) * 4);
		while (next_sealed(expected) || next_recorded(expected))
		{
			CHECK_FOR_INTERRUPTS();
			memcpy(VARDATA(bytes), expected->leaf, SHA256_BYTES);
			memcpy(VARDATA(bytes) + SHA256_BYTES, expected->salt, SALT_BYTES);
			ExecClearTuple(slot);
			slot->tts_values[SORT_STEP_INDEX - 1] = Int32GetDatum(expected->step_index);
			slot->tts_values[SORT_IS_SEALED - 1] = BoolGetDatum(expected->is_sealed);
			slot->tts_values[SORT_ENCODING - 1] = Int32GetDatum(expected->encoding);
			slot->tts_values[SORT_BYTES - 1] = PointerGetDatum(bytes);
			ExecStoreVirtualTuple(slot);
			tuplesort_puttupleslot(expected->sorted, slot);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	tuplesort_performsort(expected->sorted);
}

static bool
next_sorted(ExpectedSteps *expected)
{
	TupleTableSlot *slot = expected->slot;

	if (!tuplesort_gettupleslot(expected->sorted, true, false, slot, NULL))
		return false;
	slot_getallattrs(slot);
	expected->step_index = DatumGetInt32(slot->tts_values[SORT_STEP_INDEX - 1]);
	expected->is_sealed = DatumGetBool(slot->tts_values[SORT_IS_SEALED - 1]);
	expected->encoding = DatumGetInt32(slot->tts_values[SORT_ENCODING - 1]);
	copy_bytes(expected->sorted_bytes, slot->tts_values[SORT_BYTES - 1], SEALED_STEP_BYTES);
	expected->leaf = expected->sorted_bytes;
	expected->salt = expected->sorted_bytes + SHA256_BYTES;
	return true;
}

/*
 * Opens what is expected of a trace, before its first step, palloc'd.  SPI must
 * be connected; the encodings are those of load_encodings.
 */
ExpectedSteps *
expected_open(const State *state, const Encoding *encodings, text *trace_id)
{
	ExpectedSteps *expected = palloc0(sizeof(ExpectedSteps));
	Datum		values[1] = {PointerGetDatum(trace_id)};

	expected->state = state;
	expected->encodings = encodings;
	expected->trace_id = trace_id;
	expected->context = CurrentMemoryContext;
	expected->seal_context = AllocSetContextCreate(CurrentMemoryContext, "seal",
												   ALLOCSET_DEFAULT_SIZES);
	expected->in_order = true;
	merkle_begin(&expected->tree);
	look_ahead(expected);
	if (expected->has_seals)
		expected->seals = state_cursor(state, &seals_query, values);
	if (expected->has_leaves)
	{
		expected->leaf_buffer = palloc(LEAVES_A_FETCH * sizeof(SealedStep));
		expected->leaves = state_cursor(state, &leaves_query, values);
	}
	if (!expected->in_order)
		sort_steps(expected);
	return expected;
}

/* Goes to the next step, the first to begin with. */
void
expected_next(ExpectedSteps *expected)
{
	if (expected->sorted != NULL)
		expected->valid = next_sorted(expected);
	else
		expected->valid = next_sealed(expected) || next_recorded(expected);
}

void
expected_close(ExpectedSteps *expected)
{
	if (expected->sorted != NULL)
	{
		ExecDropSingleTupleTableSlot(expected->slot);
		tuplesort_end(expected->sorted);
	}
	if (expected->seals != NULL)
		SPI_cursor_close(expected->seals);
	if (expected->leaves != NULL)
		SPI_cursor_close(expected->leaves);
	MemoryContextDelete(expected->seal_context);
}
