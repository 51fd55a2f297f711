/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  The hash chain over the leaves of a trace.  See chain.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/chain.h"

#define CHAIN_LINK 0x02

/* Sets head to h_0 of a trace. */
void
chain_begin(uint8 head[SHA256_BYTES], Canonical *scratch,
			const text *tenant_id, const text *run_id, const text *trace_id)
{
	char	   *to = canonical_begin(scratch);

	to = canonical_literal(scratch, to, "runlink-chain/v1\n[");
	to = canonical_text(scratch, to, tenant_id);
	to = canonical_char(scratch, to, ',');
	to = canonical_text(scratch, to, run_id);
	to = canonical_char(scratch, to, ',');
	to = canonical_text(scratch, to, trace_id);
	canonical_end(scratch, canonical_char(scratch, to, ']'));
	sha256_bytes(scratch->data, scratch->length, head);
}

/* Moves head on by a leaf. */
void
chain_add(uint8 head[SHA256_BYTES], const uint8 leaf[SHA256_BYTES])
{
	uint8		link[1 + 2 * SHA256_BYTES];

	link[0] = CHAIN_LINK;
	memcpy(link + 1, head, SHA256_BYTES);
	memcpy(link + 1 + SHA256_BYTES, leaf, SHA256_BYTES);
	sha256_bytes(link, sizeof(link), head);
}
