/*-------------------------------------------------------------------------
 *
 * coordinator_digest.h
 *	  The digest that the application's proof coordinator calls root hash.
 *
 * SHA-256 over the run id and, for each step by step_index,
 * "{step_index}:{skill_name}:{status}", with nothing between the parts; a
 * status other than success, failure, retry and skipped counts as success.
 * Text is UTF-8.
 *
 * It identifies a run in the application's older reports.  It is no evidence:
 * it covers three columns, and different lists of steps can share it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_COORDINATOR_DIGEST_H
#define RUNLINK_COORDINATOR_DIGEST_H

#include "core/canonical.h"
#include "core/sha256.h"

extern void coordinator_digest_begin(Sha256 *sha256, const char *run_id, size_t run_id_length);
extern void coordinator_digest_step(Sha256 *sha256, Canonical *scratch, int32 step_index,
									const char *skill_name, size_t skill_name_length,
									const char *status, size_t status_length);

#endif							/* RUNLINK_COORDINATOR_DIGEST_H */
