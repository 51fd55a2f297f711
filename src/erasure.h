/*-------------------------------------------------------------------------
 *
 * erasure.h
 *	  Steps whose payload was erased: what they are, and what still proves them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_ERASURE_H
#define RUNLINK_ERASURE_H

#include "encoding.h"
#include "seal.h"
#include "state.h"

/* What stands in place of an erased payload: as text, and in canonical form. */
#define ERASED_PAYLOAD "{\"runlink_erased\": true}"
#define ERASED_PAYLOAD_CANONICAL "{\"runlink_erased\":true}"

/* The salt that is left of an erased step's. */
extern const uint8 erased_salt[SALT_BYTES];

extern bool is_payload_hash(const char *column_name);
extern bool erased_step_holds(const State *state, text *trace_id, const SealedStep *sealed,
							  const Encoding *encoding, const Datum *values, const bool *isnull,
							  uint8 leaf[SHA256_BYTES], bool *has_leaf);

#endif							/* RUNLINK_ERASURE_H */
