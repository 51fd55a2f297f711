/*-------------------------------------------------------------------------
 *
 * record.h
 *	  Recording: what others need of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_RECORD_H
#define RUNLINK_RECORD_H

#include "encoding.h"
#include "state.h"

extern void record_init(void);
extern const char *keep_encoding(const State *state, const Encoding *encoding, bool *committed);
extern void draw_salt(uint8 salt[SALT_BYTES]);
extern Canonical *leaf_scratch(void);

#endif							/* RUNLINK_RECORD_H */
