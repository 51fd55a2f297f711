/*-------------------------------------------------------------------------
 *
 * seal_text.c
 *	  The text of a seal.  See seal_text.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/seal_text.h"

#define ENTRY_PREFIX '\0'

static char *
append_hash(Canonical *canonical, char *to, const uint8 *hash)
{
	return hash == NULL ? canonical_literal(canonical, to, "null")
		: canonical_hex(canonical, to, hash, SHA256_BYTES);
}

/* Appends the text of a seal; the keys are in the order of JCS. */
char *
seal_text(Canonical *canonical, char *to, const SealText *seal)
{
	to = canonical_literal(canonical, to, "{\"backfilled\":");
	to = canonical_int64(canonical, to, seal->backfilled);
	to = canonical_literal(canonical, to, ",\"chain_head\":");
	to = append_hash(canonical, to, seal->chain_head);
	to = canonical_literal(canonical, to, ",\"encoding\":");
	to = append_hash(canonical, to, seal->encoding);
	to = canonical_literal(canonical, to, ",\"final\":");
	to = seal->final ? canonical_literal(canonical, to, "true")
		: canonical_literal(canonical, to, "false");
	to = canonical_literal(canonical, to, ",\"format\":\"runlink-seal/v1\",\"merkle_root\":");
	to = append_hash(canonical, to, seal->merkle_root);
	to = canonical_literal(canonical, to, ",\"prev\":");
	to = append_hash(canonical, to, seal->prev);
	to = canonical_literal(canonical, to, ",\"run_id\":");
	to = canonical_text(canonical, to, seal->run_id);
	to = canonical_literal(canonical, to, ",\"seal_no\":");
	to = canonical_int64(canonical, to, seal->seal_no);
	to = canonical_literal(canonical, to, ",\"sealed_at\":");
	to = canonical_timestamp(canonical, to, seal->sealed_at, true);
	to = canonical_literal(canonical, to, ",\"step_count\":");
	to = canonical_int64(canonical, to, seal->step_count);
	to = canonical_literal(canonical, to, ",\"tenant_id\":");
	to = canonical_text(canonical, to, seal->tenant_id);
	to = canonical_literal(canonical, to, ",\"trace_id\":");
	to = canonical_text(canonical, to, seal->trace_id);
	to = canonical_literal(canonical, to, ",\"trace_status\":");
	to = canonical_text(canonical, to, seal->trace_status);
	return canonical_char(canonical, to, '}');
}

/* The hash of a seal: an entry of RFC 6962. */
void
seal_hash(Canonical *scratch, const SealText *seal, uint8 hash[SHA256_BYTES])
{
	char	   *to = canonical_char(scratch, canonical_begin(scratch), ENTRY_PREFIX);

	canonical_end(scratch, seal_text(scratch, to, seal));
	sha256_bytes(scratch->data, scratch->length, hash);
}
