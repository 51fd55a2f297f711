/*-------------------------------------------------------------------------
 *
 * sealer.c
 *	  Sealing: seals made from the leaves of a trace.
 *
 * A sealer takes the recorded leaves of a trace out of runlink.leaf, folds them
 * into the chain and the tree and packs them into seals.  It works as
 * runlink_owner.  Two sealers never work on one trace: each locks the newest
 * seal, or what was recorded of the trace where there is none, and leaves the
 * trace alone where another has that lock.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "application.h"
#include "receiver.h"
#include "record.h"
#include "seal.h"
#include "sealer.h"

/* At most so many steps in a seal, for flat memory. */
#define STEPS_A_SEAL 4096

#define OF_TRACE " WHERE trace_id" SQL_EQ "$1"
#define BY_TRACE(text) {.sql = text, .argument_count = 1, .argument_types = {TEXTOID}}

static KeptQuery newest_seal_query = BY_TRACE("SELECT pg_catalog.max(seal_no) FROM runlink.seal" OF_TRACE);

static KeptQuery lock_seal_query = {
	.sql = "SELECT 1 FROM runlink.seal" OF_TRACE " AND seal_no" SQL_EQ "$2 FOR UPDATE SKIP LOCKED",
	.argument_count = 2,
	.argument_types = {TEXTOID, INT4OID}
};

/* Of a trace that has no seal. */
static KeptQuery lock_identity_query =
BY_TRACE("SELECT run_id::pg_catalog.text, tenant_id::pg_catalog.text FROM runlink.trace" OF_TRACE
		 " AND NOT EXISTS (SELECT 1 FROM runlink.seal" OF_TRACE ") FOR UPDATE SKIP LOCKED");

static KeptQuery forget_identity_query = BY_TRACE("DELETE FROM runlink.trace" OF_TRACE);

static KeptQuery seals_query =
BY_TRACE("SELECT " SEAL_COLUMNS " FROM runlink.seal" OF_TRACE " ORDER BY seal_no");

/* The first $2 leaves after step $3.  What is returned is what is gone, whatever was committed meanwhile. */
#define AFTER " AND step_index OPERATOR(pg_catalog.>) $3"

static KeptQuery take_leaves_query = {
	.sql = "DELETE FROM runlink.leaf" OF_TRACE AFTER " AND step_index OPERATOR(pg_catalog.<=)"
	" (SELECT pg_catalog.max(l.step_index) FROM (SELECT step_index FROM runlink.leaf" OF_TRACE AFTER
	" ORDER BY step_index LIMIT $2) AS l) RETURNING step_index, encoding, leaf, salt",
	.argument_count = 3,
	.argument_types = {TEXTOID, INT8OID, INT8OID}
};

struct Sealer
{
	const State *state;
	const Encoding *encodings;
	text	   *trace_id;
	text	   *status;
	text	   *run_id;
	text	   *tenant_id;
	bool		identity_recorded;
	MemoryContext context;		/* of what lives as long as the sealer */
	StepSet		sealed;			/* steps in seals that were there before */
	StepSet		added;			/* steps added since, as they came */
	bool		has_seal;
	uint8		newest[SHA256_BYTES];	/* hash of the newest seal */
	bool		newest_final;
	bool		damaged;		/* a seal that is there; nothing is built on that */
	int32		next_seal_no;
	uint8		head[SHA256_BYTES];
	MerkleTree	tree;
	int64		backfilled;
	TimestampTz sealed_at;
	SealedStep *chunk;			/* of the next seal */
	int			chunk_count;
	bool		chunk_backfilled;
};

static void
begin_chain(Sealer *sealer)
{
	chain_begin(sealer->head, leaf_scratch(), sealer->tenant_id, sealer->run_id, sealer->trace_id);
	merkle_begin(&sealer->tree);
}

/*
 * Folds in a seal that is there; false where it is damaged or does not go with
 * those before it: what is built on it would stay wrong when it is mended.
 */
static bool
take_up_seal(Sealer *sealer, const Seal *seal)
{
	SealsBefore before = {
		sealer->next_seal_no, sealer->newest, sealer->run_id, sealer->tenant_id, sealer->backfilled
	};
	int64		sealed = step_set_size(&sealer->sealed);

	fold_seal(seal, sealer->head, &sealer->tree);
	if (seal_damage(seal, &before, sealer->head, &sealer->tree) != NULL)
		return false;
	step_set_union(&sealer->sealed, &seal->steps);
	if (step_set_size(&sealer->sealed) != sealed + step_set_size(&seal->steps))
		return false;
	seal_hash(leaf_scratch(), &seal->text, sealer->newest);
	sealer->has_seal = true;
	sealer->newest_final = seal->text.final;
	sealer->next_seal_no++;
	sealer->backfilled = seal->text.backfilled;
	return true;
}

/* Goes on from a seal that is there. */
static void
receive_earlier_seal(TupleTableSlot *slot, void *sink)
{
	Sealer	   *sealer = sink;
	MemoryContext old_context = CurrentMemoryContext;
	MemoryContext row_context;
	Seal		seal;

	if (sealer->damaged)
		return;
	row_context = AllocSetContextCreate(old_context, "seal", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(row_context);
	slot_getallattrs(slot);
	sealer->damaged = read_seal(slot->tts_values, slot->tts_isnull, sealer->encodings, &seal) != NULL;
	MemoryContextSwitchTo(old_context);
	if (!sealer->damaged)
	{
		if (!sealer->has_seal)
		{
			sealer->run_id = DatumGetTextPCopy(PointerGetDatum(seal.text.run_id));
			sealer->tenant_id = DatumGetTextPCopy(PointerGetDatum(seal.text.tenant_id));
			begin_chain(sealer);
		}
		sealer->damaged = !take_up_seal(sealer, &seal);
	}
	MemoryContextDelete(row_context);
}

static void
execute_now(const State *state, KeptQuery *query, const Datum *values, const char *nulls)
{
	state_execute(state, query, values, nulls, STATE_NOW, NULL);
}

static Datum
returned(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/* The newest seal of a trace, as of now; -1 where there is none. */
int32
newest_seal(const State *state, text *trace_id)
{
	Datum		values[1] = {PointerGetDatum(trace_id)};
	bool		isnull;
	Datum		seal_no;

	execute_now(state, &newest_seal_query, values, NULL);
	seal_no = returned(0, 1, &isnull);
	SPI_freetuptable(SPI_tuptable);
	return isnull ? -1 : DatumGetInt32(seal_no);
}

/*
 * Locks a trace against other sealers and takes up what they left.  False where
 * one is at work, or nothing is known of the trace.
 */
static bool
lock_trace(Sealer *sealer)
{
	Datum		values[2] = {PointerGetDatum(sealer->trace_id)};
	RowReceiver receiver;
	int32		newest;
	bool		locked;
	bool		isnull;

	execute_now(sealer->state, &lock_identity_query, values, NULL);
	locked = SPI_processed > 0;
	if (locked)
	{
		sealer->run_id = DatumGetTextPCopy(returned(0, 1, &isnull));
		sealer->tenant_id = DatumGetTextPCopy(returned(0, 2, &isnull));
		begin_chain(sealer);
	}
	SPI_freetuptable(SPI_tuptable);
	if (locked)
		return true;

	newest = newest_seal(sealer->state, sealer->trace_id);
	if (newest < 0)
		return false;
	values[1] = Int32GetDatum(newest);
	execute_now(sealer->state, &lock_seal_query, values, NULL);
	locked = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	/* Another may have added one between our look and our lock. */
	if (!locked || newest_seal(sealer->state, sealer->trace_id) != newest)
		return false;
	sealer->identity_recorded = true;	/* by the first seal */
	sealer->encodings = load_encodings(sealer->state, true);
	state_execute(sealer->state, &seals_query, values, NULL, STATE_NOW,
				  row_receiver(&receiver, receive_earlier_seal, sealer));
	return true;
}

static bytea *
make_bytea(size_t length)
{
	bytea	   *bytes = palloc(VARHDRSZ + length);

	SET_VARSIZE(bytes, VARHDRSZ + length);
	return bytes;
}

/* Folds the chunk into chain and tree; gives its leaves packed and its step indexes. */
static void
fold_chunk(Sealer *sealer, Datum *steps, Datum *leaves)
{
	bytea	   *packed = make_bytea((size_t) sealer->chunk_count * SEALED_STEP_BYTES);
	char	   *to = VARDATA(packed);
	StepSet		set = {0};

	for (int i = 0; i < sealer->chunk_count; i++)
	{
		const SealedStep *step = &sealer->chunk[i];

		memcpy(to, step->leaf, SHA256_BYTES);
		memcpy(to + SHA256_BYTES, step->salt, SALT_BYTES);
		to += SEALED_STEP_BYTES;
		chain_add(sealer->head, step->leaf);
		merkle_add(&sealer->tree, step->leaf);
		step_set_append(&set, step->step_index, step->step_index);
	}
	*steps = write_step_set(&set);
	*leaves = PointerGetDatum(packed);
}

/*
 * The id of an encoding: a seal's text has all of it.  NULL where it is not known.
 * The last one is kept: most seals have it again.
 */
static const uint8 *
encoding_id(Sealer *sealer, int32 key)
{
	static uint64 generation = 0;
	static uint8 id[SHA256_BYTES];
	const Encoding *encoding;

	if (generation == sealer->state->generation && encoding_key(id) == key)
		return id;
	encoding = find_encoding(load_encodings(sealer->state, true), key);
	if (encoding == NULL)
		return NULL;
	generation = sealer->state->generation;
	memcpy(id, encoding->id, SHA256_BYTES);
	return id;
}

/* Makes a seal of the chunk, which may be empty. */
static void
flush(Sealer *sealer, bool final)
{
	MemoryContext old_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(old_context, "seal", ALLOCSET_DEFAULT_SIZES);
	int			count = sealer->chunk_count;
	uint8		root[SHA256_BYTES];
	Datum		values[15];
	bool		isnull[15] = {false};
	SealText	seal;

	MemoryContextSwitchTo(context);
	fold_chunk(sealer, &values[13], &values[14]);
	merkle_root(&sealer->tree, root);
	if (sealer->chunk_backfilled)
		sealer->backfilled += count;
	sealer->sealed_at = GetCurrentTimestamp();

	seal.backfilled = sealer->backfilled;
	seal.chain_head = sealer->head;
	seal.encoding = count > 0 ? encoding_id(sealer, sealer->chunk[0].encoding) : NULL;
	seal.merkle_root = root;
	seal.prev = sealer->has_seal ? sealer->newest : NULL;
	seal.final = final;
	seal.seal_no = sealer->next_seal_no;
	seal.sealed_at = sealer->sealed_at;
	seal.step_count = sealer->tree.size;
	seal.run_id = sealer->run_id;
	seal.tenant_id = sealer->tenant_id;
	seal.trace_id = sealer->trace_id;
	seal.trace_status = sealer->status;

	values[0] = TimestampTzGetDatum(seal.sealed_at);
	values[1] = Int64GetDatum(seal.step_count);
	values[2] = Int64GetDatum(seal.backfilled);
	values[3] = Int32GetDatum(sealer->next_seal_no);
	values[4] = Int32GetDatum(count > 0 ? sealer->chunk[0].encoding : 0);
	isnull[4] = (count == 0);
	values[5] = BoolGetDatum(final);
	values[6] = PointerGetDatum(sealer->trace_id);
	values[7] = PointerGetDatum(sealer->run_id);
	values[8] = PointerGetDatum(sealer->tenant_id);
	values[9] = PointerGetDatum(sealer->status);
	values[10] = hash_datum(sealer->head);
	values[11] = hash_datum(root);
	values[12] = seal.prev != NULL ? hash_datum(sealer->newest) : (Datum) 0;
	isnull[12] = (seal.prev == NULL);
	/* Under a snapshot of the transaction, what another sealed since is not seen before. */
	if (!state_insert(sealer->state->relids[STATE_SEAL], values, isnull))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not seal trace \"%s\" due to concurrent sealing", text_to_cstring(sealer->trace_id)),
				 errdetail("Another transaction sealed it since this one took its snapshot."),
				 errhint("Retry in a new transaction, in READ COMMITTED.")));

	MemoryContextSwitchTo(old_context);
	seal_hash(leaf_scratch(), &seal, sealer->newest);
	MemoryContextDelete(context);
	sealer->has_seal = true;
	sealer->newest_final = final;
	sealer->next_seal_no++;
	sealer->chunk_count = 0;
}

/*
 * Adds a step to the next seal, unless it is sealed.  A seal holds steps in
 * ascending order, of one encoding, all recorded or all backfilled.
 */
void
sealer_add(Sealer *sealer, const SealedStep *step, bool backfilled)
{
	const SealedStep *last = &sealer->chunk[sealer->chunk_count - 1];
	MemoryContext old_context;

	if (step_set_contains(&sealer->sealed, step->step_index))
		return;
	/* a second row of one step_index */
	if (sealer->added.count > 0 &&
		sealer->added.intervals[sealer->added.count - 1].last == step->step_index)
		return;
	if (sealer->chunk_count == STEPS_A_SEAL ||
		(sealer->chunk_count > 0 &&
		 (last->step_index >= step->step_index || last->encoding != step->encoding ||
		  sealer->chunk_backfilled != backfilled)))
		flush(sealer, false);
	sealer->chunk[sealer->chunk_count++] = *step;
	sealer->chunk_backfilled = backfilled;
	old_context = MemoryContextSwitchTo(sealer->context);
	step_set_append(&sealer->added, step->step_index, step->step_index);
	MemoryContextSwitchTo(old_context);
}

static int
compare_steps(const void *a, const void *b)
{
	int32		left = ((const SealedStep *) a)->step_index;
	int32		right = ((const SealedStep *) b)->step_index;

	return left < right ? -1 : left > right;
}

/* Adds steps to seals, those of one encoding together. */
static void
add_steps(Sealer *sealer, const SealedStep *steps, uint64 count)
{
	bool	   *added = palloc0(Max(count, 1) * sizeof(bool));

	for (uint64 first = 0; first < count; first++)
	{
		if (added[first])
			continue;
		for (uint64 i = first; i < count; i++)
		{
			if (added[i] || steps[i].encoding != steps[first].encoding)
				continue;
			sealer_add(sealer, &steps[i], !sealer->identity_recorded);
			added[i] = true;
		}
	}
	pfree(added);
}

/*
 * Takes leaves after a step, as many as fit into a seal; gives the last of them.
 * Returns how many they were.
 */
static uint64
take_leaves(Sealer *sealer, int64 *after)
{
	Datum		values[3] = {
		PointerGetDatum(sealer->trace_id), Int64GetDatum(STEPS_A_SEAL), Int64GetDatum(*after)
	};
	SealedStep *taken;
	uint64		count;
	bool		isnull;

	execute_now(sealer->state, &take_leaves_query, values, NULL);
	count = SPI_processed;
	taken = palloc(Max(count, 1) * sizeof(SealedStep));
	for (uint64 i = 0; i < count; i++)
	{
		taken[i].step_index = DatumGetInt32(returned(i, 1, &isnull));
		taken[i].encoding = DatumGetInt32(returned(i, 2, &isnull));
		copy_bytes(taken[i].leaf, returned(i, 3, &isnull), SHA256_BYTES);
		copy_bytes(taken[i].salt, returned(i, 4, &isnull), SALT_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(taken, count, sizeof(SealedStep), compare_steps);
	add_steps(sealer, taken, count);
	if (count > 0)
		*after = taken[count - 1].step_index;
	pfree(taken);
	return count;
}

/*
 * Takes all leaves.  Not from the first each time: what was taken lies dead in
 * the index.  Where that was long, a last look finds those that came late.
 */
static void
take_all_leaves(Sealer *sealer)
{
	uint64		count;
	int			batches;

	do
	{
		int64		after = (int64) PG_INT32_MIN - 1;

		batches = 0;
		do
		{
			CHECK_FOR_INTERRUPTS();
			count = take_leaves(sealer, &after);
			batches++;
		} while (count >= STEPS_A_SEAL);
	} while (batches > 1);
}

/* What is to be verified, and to enter the log, since there is a new seal. */
static void
tell_of_seal(const Sealer *sealer)
{
	Datum		values[2] = {Int32GetDatum(sealer->next_seal_no - 1),
							 PointerGetDatum(sealer->trace_id)};
	bool		isnull[2] = {false, false};

	state_insert(sealer->state->relids[STATE_UNVERIFIED], values, isnull);
	state_insert(sealer->state->relids[STATE_UNLOGGED], values, isnull);
}

/*
 * Seals what a trace has to be sealed: its recorded leaves, then what backfill
 * adds (it may be NULL).  status is the trace's, now.  Returns whether a seal was
 * made; sealed (it may be NULL) tells of it.  SPI must be connected.
 *
 * Where the identity was not recorded before now, that the leaves are of this
 * run and tenant is not covered either: they count as backfilled.
 *
 * Another sealer at work, or a trace of which nothing was recorded: no seal is
 * made, and nothing is waited for.  Damage in the trace's seals: no seal is
 * built on it; the proof names it.
 */
bool
seal_trace(const State *state, text *trace_id, text *status, bool identity_recorded,
		   Backfill backfill, void *source, Sealed *sealed)
{
	Sealer	   *sealer = palloc0(sizeof(Sealer));
	int32		first_seal_no;
	bool		ended;

	sealer->context = CurrentMemoryContext;
	sealer->state = state;
	sealer->trace_id = trace_id;
	sealer->identity_recorded = identity_recorded;
	sealer->status = status;
	if (!lock_trace(sealer) || sealer->damaged)
		return false;
	sealer->chunk = palloc(STEPS_A_SEAL * sizeof(SealedStep));
	first_seal_no = sealer->next_seal_no;
	ended = strcmp(text_to_cstring(status), TRACE_RUNNING) != 0;

	take_all_leaves(sealer);
	if (backfill != NULL)
	{
		step_set_union(&sealer->sealed, &sealer->added);
		backfill(sealer, source);
	}
	if (sealer->chunk_count > 0 || (ended && !(sealer->has_seal && sealer->newest_final)))
		flush(sealer, ended);
	if (sealer->has_seal)
	{
		Datum		values[1] = {PointerGetDatum(trace_id)};

		execute_now(state, &forget_identity_query, values, NULL);
	}
	if (sealer->next_seal_no == first_seal_no)
		return false;
	tell_of_seal(sealer);
	if (sealed != NULL)
	{
		sealed->run_id = sealer->run_id;
		sealed->tenant_id = sealer->tenant_id;
		sealed->seal_no = sealer->next_seal_no - 1;
		sealed->step_count = sealer->tree.size;
		sealed->backfilled = sealer->backfilled;
		sealed->added = step_set_size(&sealer->added);
		sealed->sealed_at = sealer->sealed_at;
	}
	return true;
}
