/*-------------------------------------------------------------------------
 *
 * seal_text.h
 *	  The text of a seal, runlink-seal/v1: JCS, of which the hash stands in the
 *	  next seal of the trace and in the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SEAL_TEXT_H
#define RUNLINK_SEAL_TEXT_H

#include "core/canonical.h"
#include "core/sha256.h"

typedef struct SealText
{
	int64		backfilled;
	const uint8 *chain_head;	/* SHA256_BYTES each; NULL is null */
	const uint8 *encoding;
	const uint8 *merkle_root;
	const uint8 *prev;
	bool		final;
	int64		seal_no;
	TimestampTz sealed_at;
	int64		step_count;
	const text *run_id;				/* not toasted */
	const text *tenant_id;
	const text *trace_id;
	const text *trace_status;
} SealText;

extern char *seal_text(Canonical *canonical, char *to, const SealText *seal);
extern void seal_hash(Canonical *scratch, const SealText *seal, uint8 hash[SHA256_BYTES]);

#endif							/* RUNLINK_SEAL_TEXT_H */
