/*-------------------------------------------------------------------------
 *
 * seal_text.c
 *	  The text of a seal.  See seal_text.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/seal_text.h"

#define ENTRY_PREFIX '\0'

static void
append_hash(Canonical *canonical, const uint8 *hash)
{
	if (hash == NULL)
		canonical_literal(canonical, "null");
	else
		canonical_hex(canonical, hash, SHA256_BYTES);
}

/* Appends the text of a seal; the keys are in the order of JCS. */
void
seal_text(Canonical *canonical, const SealText *seal)
{
	canonical_literal(canonical, "{\"backfilled\":");
	canonical_int64(canonical, seal->backfilled);
	canonical_literal(canonical, ",\"chain_head\":");
	append_hash(canonical, seal->chain_head);
	canonical_literal(canonical, ",\"encoding\":");
	append_hash(canonical, seal->encoding);
	canonical_literal(canonical, ",\"final\":");
	if (seal->final)
		canonical_literal(canonical, "true");
	else
		canonical_literal(canonical, "false");
	canonical_literal(canonical, ",\"format\":\"runlink-seal/v1\",\"merkle_root\":");
	append_hash(canonical, seal->merkle_root);
	canonical_literal(canonical, ",\"prev\":");
	append_hash(canonical, seal->prev);
	canonical_literal(canonical, ",\"run_id\":");
	canonical_text(canonical, seal->run_id);
	canonical_literal(canonical, ",\"seal_no\":");
	canonical_int64(canonical, seal->seal_no);
	canonical_literal(canonical, ",\"sealed_at\":");
	canonical_timestamp(canonical, seal->sealed_at, true);
	canonical_literal(canonical, ",\"step_count\":");
	canonical_int64(canonical, seal->step_count);
	canonical_literal(canonical, ",\"tenant_id\":");
	canonical_text(canonical, seal->tenant_id);
	canonical_literal(canonical, ",\"trace_id\":");
	canonical_text(canonical, seal->trace_id);
	canonical_literal(canonical, ",\"trace_status\":");
	canonical_text(canonical, seal->trace_status);
	canonical_char(canonical, '}');
}

/* The hash of a seal: an entry of RFC 6962. */
void
seal_hash(Canonical *scratch, const SealText *seal, uint8 hash[SHA256_BYTES])
{
	scratch->length = 0;
	canonical_char(scratch, ENTRY_PREFIX);
	seal_text(scratch, seal);
	sha256_bytes(scratch->data, scratch->length, hash);
}
