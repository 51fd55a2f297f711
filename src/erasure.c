/*-------------------------------------------------------------------------
 *
 * erasure.c
 *	  Steps whose payload was erased: what still proves them.
 *
 * An erased step's salt is zeros in its seal, and runlink.erasure has a row of
 * it: the leaf of the row as it was left, and the digest of the payload that was.
 * With the digest the row still gives the leaf that was sealed.  Where the row
 * had input_hash or output_hash, which hash the payload without a salt, the
 * digest is not kept: who has it, the leaf and the other columns could try guesses
 * of the payload by their hash.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "erasure.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "application.h"
#include "record.h"

/* Columns in which the application keeps a digest of a payload. */
static const char *const payload_hashes[] = {"input_hash", "output_hash"};

const uint8 erased_salt[SALT_BYTES] = {0};

static KeptQuery erasure_query = {
	.sql = "SELECT leaf, payload_digest FROM runlink.erasure"
	" WHERE trace_id" SQL_EQ "$1 AND step_index" SQL_EQ "$2",
	.argument_count = 2,
	.argument_types = {TEXTOID, INT4OID}
};

/* What runlink.erasure has of a step. */
typedef struct Erasure
{
	uint8		leaf[SHA256_BYTES];
	bool		has_digest;
	uint8		payload_digest[SHA256_BYTES];
} Erasure;

bool
is_payload_hash(const char *column_name)
{
	for (size_t i = 0; i < lengthof(payload_hashes); i++)
	{
		if (strcmp(payload_hashes[i], column_name) == 0)
			return true;
	}
	return false;
}

/* Under the caller's snapshot; false where there is none. */
static bool
find_erasure(const State *state, text *trace_id, int32 step_index, Erasure *erasure)
{
	Datum		values[2] = {PointerGetDatum(trace_id), Int32GetDatum(step_index)};
	MemoryContext old_context = CurrentMemoryContext;
	bool		found;

	SPI_connect();
	state_execute(state, &erasure_query, values, NULL, STATE_SNAPSHOT, NULL);
	found = SPI_processed == 1;
	if (found)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	tupdesc = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		digest;

		copy_bytes(erasure->leaf, SPI_getbinval(row, tupdesc, 1, &isnull), SHA256_BYTES);
		digest = SPI_getbinval(row, tupdesc, 2, &isnull);
		erasure->has_digest = !isnull;
		if (!isnull)
			copy_bytes(erasure->payload_digest, digest, SHA256_BYTES);
	}
	SPI_finish();
	MemoryContextSwitchTo(old_context);
	return found;
}

static bool
covers_payload_hash(const Encoding *encoding)
{
	for (int i = 0; i < encoding->count; i++)
	{
		if (is_payload_hash(encoding->columns[i].name))
			return true;
	}
	return false;
}

static bool
has_payload_hash(const Encoding *encoding, const bool *isnull)
{
	for (int i = 0; i < encoding->count; i++)
	{
		const CoveredColumn *column = &encoding->columns[i];

		if (column->position >= 0 && !isnull[column->position] && is_payload_hash(column->name))
			return true;
	}
	return false;
}

/* Does the row still give the leaf that was sealed, where it can be asked to? */
static bool
gives_sealed_leaf(const Erasure *erasure, const SealedStep *sealed, const Encoding *encoding,
				  const Datum *values, const bool *isnull, uint8 leaf[SHA256_BYTES], bool *has_leaf)
{
	*has_leaf = erasure->has_digest &&
		step_leaf_of_digest(encoding, values, isnull, erasure->payload_digest, leaf_scratch(),
							leaf);
	return *has_leaf ? memcmp(leaf, sealed->leaf, SHA256_BYTES) == 0
		: !erasure->has_digest && covers_payload_hash(encoding);
}

/*
 * Was a step erased, and is its row what was left of it?  Gives the leaf that
 * the row still makes, if it does.  Called where the sealed salt is erased_salt.
 */
bool
erased_step_holds(const State *state, text *trace_id, const SealedStep *sealed,
				  const Encoding *encoding, const Datum *values, const bool *isnull,
				  uint8 leaf[SHA256_BYTES], bool *has_leaf)
{
	Canonical  *scratch = leaf_scratch();
	Erasure		erasure;
	uint8		leaf_as_erased[SHA256_BYTES];

	*has_leaf = false;
	return find_erasure(state, trace_id, sealed->step_index, &erasure) &&
		gives_sealed_leaf(&erasure, sealed, encoding, values, isnull, leaf, has_leaf) &&
		!has_payload_hash(encoding, isnull) &&
		payload_is(encoding, values, isnull, ERASED_PAYLOAD_CANONICAL, scratch) &&
		step_leaf(encoding, values, isnull, erased_salt, scratch, leaf_as_erased) &&
		memcmp(leaf_as_erased, erasure.leaf, SHA256_BYTES) == 0;
}
