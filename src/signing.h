/*-------------------------------------------------------------------------
 *
 * signing.h
 *	  Notes that callers bring, and the keys that are registered for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SIGNING_H
#define RUNLINK_SIGNING_H

#include "core/ed25519.h"
#include "log.h"

/* A signed checkpoint of the log, and which of its signatures registered keys made. */
typedef struct SignedCheckpoint
{
	Note		note;
	Checkpoint	checkpoint;
	int			known_count;
	bool		is_known[MOST_SIGNATURES];
	VerifierKey keys[MOST_SIGNATURES];	/* of those */
} SignedCheckpoint;

extern void signed_checkpoint_parse(const text *given, SignedCheckpoint *signed_checkpoint);
extern void signed_checkpoint_check(const Log *log, SignedCheckpoint *signed_checkpoint);

#endif							/* RUNLINK_SIGNING_H */
