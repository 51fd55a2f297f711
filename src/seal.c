/*-------------------------------------------------------------------------
 *
 * seal.c
 *	  Seals as they are read from the state, and what each has to be beside
 *	  those before it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "application.h"
#include "receiver.h"
#include "record.h"
#include "run.h"
#include "seal.h"

static KeptQuery encodings_query = {
	.sql = "SELECT id, encoding FROM runlink.encoding"
};

static KeptQuery seal_text_query = {
	.sql = "SELECT " SEAL_TEXT_COLUMNS " FROM runlink.seal WHERE trace_id" SQL_EQ "$1"
	" AND seal_no OPERATOR(pg_catalog.<=) $2 ORDER BY seal_no DESC LIMIT 1",
	.argument_count = 2,
	.argument_types = {TEXTOID, INT4OID}
};

typedef struct EncodingList
{
	Encoding   *first;
} EncodingList;

static void
receive_encoding(TupleTableSlot *slot, void *sink)
{
	EncodingList *list = sink;
	bool		isnull;
	bytea	   *id = DatumGetByteaPP(slot_getattr(slot, 1, &isnull));
	Encoding   *encoding = encoding_from_text(TextDatumGetCString(slot_getattr(slot, 2, &isnull)));

	/* What is not what its id says could only be wrong; leaves of it have no encoding. */
	if (encoding == NULL || VARSIZE_ANY_EXHDR(id) != SHA256_BYTES ||
		memcmp(VARDATA_ANY(id), encoding->id, SHA256_BYTES) != 0)
		return;
	encoding->next = list->first;
	list->first = encoding;
}

/* All encodings, not bound to rows; as of now, or of the caller's snapshot. */
Encoding *
load_encodings(const State *state, bool now)
{
	EncodingList list = {NULL};
	RowReceiver receiver;

	state_execute(state, &encodings_query, NULL, NULL, now ? STATE_NOW : STATE_SNAPSHOT,
				  row_receiver(&receiver, receive_encoding, &list));
	return list.first;
}

const Encoding *
find_encoding(const Encoding *encodings, int32 key)
{
	while (encodings != NULL && encodings->key != key)
		encodings = encodings->next;
	return encodings;
}

/* Reads an int8multirange of step indexes; false where it cannot be one. */
bool
read_step_set(Datum value, StepSet *set)
{
	TypeCacheEntry *type = lookup_type_cache(INT8MULTIRANGEOID, TYPECACHE_MULTIRANGE_INFO);
	MultirangeType *multirange = DatumGetMultirangeTypeP(value);
	RangeType **ranges;
	int32		count;

	multirange_deserialize(type->rngtype, multirange, &count, &ranges);
	for (int i = 0; i < count; i++)
	{
		RangeBound	lower;
		RangeBound	upper;
		bool		empty;

		range_deserialize(type->rngtype, ranges[i], &lower, &upper, &empty);
		if (empty || lower.infinite || upper.infinite ||
			DatumGetInt64(lower.val) < PG_INT32_MIN || DatumGetInt64(upper.val) - 1 > PG_INT32_MAX)
			return false;
		step_set_append(set, DatumGetInt64(lower.val), DatumGetInt64(upper.val) - 1);
	}
	return true;
}

/* Makes an int8multirange of step indexes, palloc'd. */
Datum
write_step_set(const StepSet *set)
{
	TypeCacheEntry *type = lookup_type_cache(INT8MULTIRANGEOID, TYPECACHE_MULTIRANGE_INFO);
	RangeType **ranges = palloc(sizeof(RangeType *) * Max(set->count, 1));

	for (int i = 0; i < set->count; i++)
	{
		RangeBound	lower = {.val = Int64GetDatum(set->intervals[i].first), .inclusive = true, .lower = true};
		RangeBound	upper = {.val = Int64GetDatum(set->intervals[i].last + 1)};

		ranges[i] = make_nonempty_range(type->rngtype, &lower, &upper);
	}
	return MultirangeTypePGetDatum(make_multirange(INT8MULTIRANGEOID, type->rngtype, set->count, ranges));
}

/* Copies a bytea value to where length bytes are wanted; what it lacks is zero. */
void
copy_bytes(uint8 *to, Datum value, size_t length)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	memset(to, 0, length);
	memcpy(to, VARDATA_ANY(bytes), Min(length, VARSIZE_ANY_EXHDR(bytes)));
}

/* Makes a bytea value, palloc'd. */
Datum
bytes_datum(const void *bytes, size_t length)
{
	bytea	   *value = palloc(VARHDRSZ + length);

	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
	return PointerGetDatum(value);
}

Datum
hash_datum(const uint8 hash[SHA256_BYTES])
{
	return bytes_datum(hash, SHA256_BYTES);
}

/* A hash in lower-case hex, palloc'd. */
char *
hash_hex(const uint8 hash[SHA256_BYTES])
{
	char	   *hex = palloc(SHA256_BYTES * 2 + 1);

	hex[hex_encode((const char *) hash, SHA256_BYTES, hex)] = '\0';
	return hex;
}

/* A hash of a seal, as it lies in the row; NULL where there is none. */
static const uint8 *
read_hash(Datum value, bool isnull, bool *ok)
{
	bytea	   *bytes;

	if (isnull)
		return NULL;
	bytes = DatumGetByteaPP(value);
	if (VARSIZE_ANY_EXHDR(bytes) != SHA256_BYTES)
		*ok = false;
	return (const uint8 *) VARDATA_ANY(bytes);
}

/*
 * Reads the values of SEAL_TEXT_COLUMNS: what is hashed of a seal, without a look
 * at its leaves.  Returns NULL, or in words what keeps it from having a text.
 */
const char *
read_seal_text(const Datum *values, const bool *isnull, const Encoding *encodings, SealText *seal)
{
	const Encoding *encoding;
	bool		ok = true;

	memset(seal, 0, sizeof(SealText));
	seal->seal_no = DatumGetInt32(values[0]);
	seal->step_count = DatumGetInt64(values[1]);
	seal->backfilled = DatumGetInt64(values[2]);
	seal->final = DatumGetBool(values[4]);
	seal->sealed_at = DatumGetTimestampTz(values[5]);
	seal->run_id = DatumGetTextPP(values[6]);
	seal->tenant_id = DatumGetTextPP(values[7]);
	seal->trace_id = DatumGetTextPP(values[8]);
	seal->trace_status = DatumGetTextPP(values[9]);
	seal->chain_head = read_hash(values[10], false, &ok);
	seal->merkle_root = read_hash(values[11], false, &ok);
	seal->prev = read_hash(values[12], isnull[12], &ok);
	if (!ok)
		return "a hash in it is not of 32 bytes";
	if (isnull[3])
		return NULL;
	encoding = find_encoding(encodings, DatumGetInt32(values[3]));
	if (encoding == NULL)
		return "the encoding of its leaves is not known";
	seal->encoding = encoding->id;
	return NULL;
}

/*
 * Reads the values of SEAL_COLUMNS into seal, palloc'd where they have to be
 * detoasted.  Returns NULL, or in words what keeps them from being a seal.
 */
const char *
read_seal(const Datum *values, const bool *isnull, const Encoding *encodings, Seal *seal)
{
	const char *unreadable;

	memset(seal, 0, sizeof(Seal));
	unreadable = read_seal_text(values, isnull, encodings, &seal->text);
	seal->seal_no = seal->text.seal_no;
	seal->encoding_key = isnull[3] ? 0 : DatumGetInt32(values[3]);
	if (unreadable != NULL)
		return unreadable;
	seal->leaves = DatumGetByteaPP(values[14]);
	if (!read_step_set(values[13], &seal->steps))
		return "its step indexes are none";
	if ((int64) VARSIZE_ANY_EXHDR(seal->leaves) != step_set_size(&seal->steps) * SEALED_STEP_BYTES)
		return "it has not as many leaves as step indexes";
	if (isnull[3] && seal->steps.count > 0)
		return "its leaves have no encoding";
	return NULL;
}

/*
 * Finds the newest seal of a trace whose number is most or lower, and hashes it;
 * false where there is none.  Under the caller's snapshot.
 */
bool
find_seal_hash(const State *state, const Encoding *encodings, text *trace_id, int32 most,
			   SealHash *found)
{
	Datum		arguments[2] = {PointerGetDatum(trace_id), Int32GetDatum(most)};
	Datum		values[SEAL_TEXT_COLUMN_COUNT];
	bool		isnull[SEAL_TEXT_COLUMN_COUNT];
	SealText	seal;
	bool		is_there;

	state_execute(state, &seal_text_query, arguments, NULL, STATE_SNAPSHOT, NULL);
	is_there = SPI_processed > 0;
	if (is_there)
	{
		heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, isnull);
		found->unreadable = read_seal_text(values, isnull, encodings, &seal);
		found->seal_no = (int32) seal.seal_no;
		if (found->unreadable == NULL)
			seal_hash(leaf_scratch(), &seal, found->hash);
	}
	SPI_freetuptable(SPI_tuptable);
	return is_there;
}

/* Takes a step out of the seal that holds it; returns its place among the seal's leaves. */
int64
take_sealed_step(const Seal *seal, int32 step_index, SealedStep *step)
{
	int64		rank = step_set_rank(&seal->steps, step_index);
	const uint8 *packed = (const uint8 *) VARDATA_ANY(seal->leaves) + rank * SEALED_STEP_BYTES;

	step->step_index = step_index;
	step->encoding = seal->encoding_key;
	memcpy(step->leaf, packed, SHA256_BYTES);
	memcpy(step->salt, packed + SHA256_BYTES, SALT_BYTES);
	return rank;
}

/* Adds the leaves of a seal to the chain and the tree. */
void
fold_seal(const Seal *seal, uint8 head[SHA256_BYTES], MerkleTree *tree)
{
	const uint8 *leaf = (const uint8 *) VARDATA_ANY(seal->leaves);
	int64		count = step_set_size(&seal->steps);

	for (int64 i = 0; i < count; i++, leaf += SEALED_STEP_BYTES)
	{
		chain_add(head, leaf);
		merkle_add(tree, leaf);
	}
}

/*
 * What is wrong with a seal beside those before it, in words, palloc'd; NULL if
 * nothing.  head and tree are over all leaves, its own included.
 */
char *
seal_damage(const Seal *seal, const SealsBefore *before,
			const uint8 head[SHA256_BYTES], const MerkleTree *tree)
{
	const char *damage = NULL;
	uint8		root[SHA256_BYTES];

	if (seal->seal_no != before->count)
		return psprintf("seal " INT64_FORMAT " is missing", before->count);

	merkle_root(tree, root);
	if (!same_text(seal->text.run_id, before->run_id) ||
		!same_text(seal->text.tenant_id, before->tenant_id))
		damage = "is of another run or tenant";
	else if (before->count == 0 ? seal->text.prev != NULL : seal->text.prev == NULL ||
			 memcmp(seal->text.prev, before->hash, SHA256_BYTES) != 0)
		damage = "does not follow from the one before it";
	else if (memcmp(seal->text.chain_head, head, SHA256_BYTES) != 0)
		damage = "has another chain head than its leaves give";
	else if (memcmp(seal->text.merkle_root, root, SHA256_BYTES) != 0)
		damage = "has another Merkle root than its leaves give";
	else if (seal->text.step_count != (int64) tree->size ||
			 (seal->text.backfilled != before->backfilled &&
			  seal->text.backfilled != before->backfilled + step_set_size(&seal->steps)))
		damage = "counts other steps than it has";
	return damage == NULL ? NULL : psprintf("seal %d %s", seal->seal_no, damage);
}
