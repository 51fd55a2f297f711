/*-------------------------------------------------------------------------
 *
 * package_step.c
 *	  A step as packages and step proofs show it: what its leaf is made of.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "application.h"
#include "package.h"
#include "record.h"

static KeptQuery erasure_query = {
	.sql = "SELECT erased_at, erased_by, reason, payload_digest FROM runlink.erasure"
	" WHERE trace_id" SQL_EQ "$1 AND step_index" SQL_EQ "$2",
	.argument_count = 2,
	.argument_types = {TEXTOID, INT4OID}
};

/* The digest of a step's payload: made of the row, or kept where the payload was erased. */
typedef struct PayloadDigest
{
	bool		known;
	uint8		hash[SHA256_BYTES];
} PayloadDigest;

static char *
append_key(Canonical *canonical, char *to, const char *key)
{
	to = canonical_string(canonical, to, key, strlen(key));
	return canonical_char(canonical, to, ':');
}

static char *
append_hash(Canonical *canonical, char *to, const char *key, const uint8 *hash)
{
	to = append_key(canonical, to, key);
	to = hash == NULL ? canonical_literal(canonical, to, "null")
		: canonical_hex(canonical, to, hash, SHA256_BYTES);
	return canonical_char(canonical, to, ',');
}

static char *
append_text(Canonical *canonical, char *to, const char *key, Datum value)
{
	to = append_key(canonical, to, key);
	return canonical_text(canonical, to, DatumGetTextPP(value));
}

/* What runlink.erasure has of a step: who erased it, when, why, and the digest if it was kept. */
static char *
append_erasure(Canonical *canonical, char *to, const State *state, text *trace_id, int32 step_index,
			   PayloadDigest *digest)
{
	Datum		arguments[2] = {PointerGetDatum(trace_id), Int32GetDatum(step_index)};
	Datum		values[4];
	bool		isnull[4];

	SPI_connect();
	state_execute(state, &erasure_query, arguments, NULL, STATE_SNAPSHOT, NULL);
	if (SPI_processed != 1)
		elog(ERROR, "an erased step has " UINT64_FORMAT " erasures", SPI_processed);
	for (int i = 0; i < 4; i++)
		values[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &isnull[i]);
	digest->known = !isnull[3];
	if (digest->known)
		copy_bytes(digest->hash, values[3], SHA256_BYTES);
	to = canonical_literal(canonical, to, "\"erased\":{\"erased_at\":");
	to = canonical_timestamp(canonical, to, DatumGetTimestampTz(values[0]), true);
	to = append_text(canonical, canonical_char(canonical, to, ','), "erased_by", values[1]);
	to = append_text(canonical, canonical_char(canonical, to, ','), "reason", values[2]);
	SPI_finish();
	return canonical_literal(canonical, to, "},");
}

/* Appends the values, or null where the row is not there or one has no canonical form. */
static char *
append_values(Canonical *canonical, char *to, const PackageStep *step, bool payload)
{
	size_t		before = to - canonical->data;
	char	   *end = NULL;

	if (step->values != NULL && step->encoding != NULL)
		end = append_step_values(canonical, to, step->encoding, payload, step->values,
								 step->isnull);
	return end != NULL ? end : canonical_literal(canonical, canonical->data + before, "null");
}

/* Payload and salt, of a row that has them still. */
static char *
append_payload(Canonical *canonical, char *to, const PackageStep *step)
{
	to = canonical_literal(canonical, to, "\"payload\":");
	to = append_values(canonical, to, step, true);
	if (step->salt != NULL)
	{
		to = canonical_literal(canonical, to, ",\"salt\":");
		to = canonical_hex(canonical, to, step->salt, SALT_BYTES);
	}
	return canonical_char(canonical, to, ',');
}

static char *
append_seal(Canonical *canonical, char *to, const PackageStep *step)
{
	to = canonical_literal(canonical, to, "\"backfilled\":");
	to = step->seal != NULL && step->seal->backfilled ? canonical_literal(canonical, to, "true,")
		: canonical_literal(canonical, to, "false,");
	to = canonical_literal(canonical, to, "\"seal_no\":");
	to = step->seal == NULL ? canonical_literal(canonical, to, "null")
		: canonical_int64(canonical, to, step->seal->seal_no);
	to = canonical_literal(canonical, to, ",\"step_index\":");
	to = step->step_index_isnull ? canonical_literal(canonical, to, "null")
		: canonical_int64(canonical, to, step->step_index);
	return canonical_char(canonical, to, ',');
}

/*
 * A step, palloc'd.  writer is a buffer other than leaf_scratch.  Without
 * payloads neither they nor the salt are shown.
 */
Jsonb *
package_step(const PackageStep *step, const State *state, text *trace_id, bool payloads,
			 Canonical *writer)
{
	PayloadDigest digest = {0};
	bool		erased = strcmp(step->verdict, step_verdict_names[STEP_ERASED]) == 0;
	char	   *to = canonical_char(writer, canonical_begin(writer), '{');

	if (erased)
		to = append_erasure(writer, to, state, trace_id, step->step_index, &digest);
	else if (step->values != NULL && step->encoding != NULL)
	{
		digest.known = step->salt != NULL &&
			step_payload_digest(step->encoding, step->values, step->isnull, step->salt,
								leaf_scratch(),
								digest.hash);
		if (payloads)
			to = append_payload(writer, to, step);
	}
	to = append_seal(writer, to, step);
	to = append_hash(writer, to, "encoding", step->encoding != NULL ? step->encoding->id : NULL);
	to = append_hash(writer, to, "leaf", step->leaf);
	to = append_hash(writer, to, "payload_digest", digest.known ? digest.hash : NULL);
	to = canonical_literal(writer, to, "\"values\":");
	to = append_values(writer, to, step, false);
	to = canonical_literal(writer, to, ",\"verdict\":");
	to = canonical_string(writer, to, step->verdict, strlen(step->verdict));
	canonical_bytes(writer, to, "}", sizeof("}"));
	return jsonb_from_text(writer->data);
}
