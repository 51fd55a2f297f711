/*-------------------------------------------------------------------------
 *
 * merkle_verify.c
 *	  runlink_verify_inclusion and runlink_verify_consistency: proofs of any
 *	  RFC 6962 tree, checked from SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/tlog.h"

PG_FUNCTION_INFO_V1(runlink_verify_inclusion);
PG_FUNCTION_INFO_V1(runlink_verify_consistency);

/* The bytes of a hash; NULL where it is none. */
static const uint8 *
hash_bytes(Datum value)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	return VARSIZE_ANY_EXHDR(bytes) == SHA256_BYTES ? (const uint8 *) VARDATA_ANY(bytes) : NULL;
}

/* Reads a list of hashes; false where it can be no proof. */
static bool
read_proof(ArrayType *array, uint8 hashes[MOST_RANGES][SHA256_BYTES], int *count)
{
	Datum	   *values;
	bool	   *isnull;

	if (ARR_NDIM(array) > 1)
		return false;
	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &values, &isnull, count);
	if (*count > MOST_RANGES)
		return false;
	for (int i = 0; i < *count; i++)
	{
		const uint8 *hash = isnull[i] ? NULL : hash_bytes(values[i]);

		if (hash == NULL)
			return false;
		memcpy(hashes[i], hash, SHA256_BYTES);
	}
	return true;
}

/*
 * runlink_verify_inclusion(leaf_hash bytea, entry bigint, size bigint,
 * proof bytea[], root bytea) returns boolean
 */
Datum
runlink_verify_inclusion(PG_FUNCTION_ARGS)
{
	const uint8 *leaf = hash_bytes(PG_GETARG_DATUM(0));
	int64		entry = PG_GETARG_INT64(1);
	int64		size = PG_GETARG_INT64(2);
	const uint8 *root = hash_bytes(PG_GETARG_DATUM(4));
	uint8		proof[MOST_RANGES][SHA256_BYTES];
	int			count;

	PG_RETURN_BOOL(leaf != NULL && root != NULL && entry >= 0 && size >= 0 &&
				   read_proof(PG_GETARG_ARRAYTYPE_P(3), proof, &count) &&
				   merkle_inclusion_ok(leaf, entry, size, proof, count, root));
}

/*
 * runlink_verify_consistency(old_size bigint, new_size bigint, old_root bytea,
 * new_root bytea, proof bytea[]) returns boolean
 */
Datum
runlink_verify_consistency(PG_FUNCTION_ARGS)
{
	int64		old_size = PG_GETARG_INT64(0);
	int64		new_size = PG_GETARG_INT64(1);
	const uint8 *old_root = hash_bytes(PG_GETARG_DATUM(2));
	const uint8 *new_root = hash_bytes(PG_GETARG_DATUM(3));
	uint8		proof[MOST_RANGES][SHA256_BYTES];
	int			count;

	PG_RETURN_BOOL(old_root != NULL && new_root != NULL && old_size >= 0 && new_size >= 0 &&
				   read_proof(PG_GETARG_ARRAYTYPE_P(4), proof, &count) &&
				   merkle_consistency_ok(old_size, new_size, old_root, new_root, proof, count));
}
