/*-------------------------------------------------------------------------
 *
 * sealer.h
 *	  Sealing: seals made from the leaves of a trace.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SEALER_H
#define RUNLINK_SEALER_H

#include "seal.h"

/* The tables that sealing changes: the state is opened to write into these. */
#define SEALER_TABLES \
	(STATE_BIT(STATE_TRACE) | STATE_BIT(STATE_LEAF) | STATE_BIT(STATE_SEAL) | \
	 STATE_BIT(STATE_UNVERIFIED) | STATE_BIT(STATE_UNLOGGED))

/* What a sealer did for a trace. */
typedef struct Sealed
{
	text	   *run_id;
	text	   *tenant_id;
	int32		seal_no;		/* of the newest seal */
	int64		step_count;
	int64		backfilled;
	int64		added;			/* steps added now */
	TimestampTz sealed_at;
} Sealed;

/* Adds, with sealer_add, the leaves that are computed now. */
typedef struct Sealer Sealer;
typedef void (*Backfill) (Sealer *sealer, void *source);

extern int32 newest_seal(const State *state, text *trace_id);
extern bool seal_trace(const State *state, text *trace_id, text *status, bool identity_recorded,
					   Backfill backfill, void *source, Sealed *sealed);
extern void sealer_add(Sealer *sealer, const SealedStep *step, bool backfilled);

#endif							/* RUNLINK_SEALER_H */
