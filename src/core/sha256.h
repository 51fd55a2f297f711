/*-------------------------------------------------------------------------
 *
 * sha256.h
 *	  SHA-256 (FIPS 180-4), by OpenSSL.
 *
 * A Sha256 lives in the memory context it was made in and lets go of what it
 * holds of OpenSSL when that context is reset or deleted, errors included.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SHA256_H
#define RUNLINK_SHA256_H

#include "postgres.h"

#define SHA256_BYTES 32

typedef struct Sha256 Sha256;

/* How many bytes this process hashed by sha256_bytes. */
extern uint64 sha256_hashed;

/* A whole message at once; several times as fast for a short one. */
extern void sha256_bytes(const void *data, size_t length, uint8 hash[SHA256_BYTES]);

/* A message in parts. */
extern Sha256 *sha256_create(void);
extern void sha256_begin(Sha256 *sha256);
extern void sha256_update(Sha256 *sha256, const void *data, size_t length);
extern void sha256_end(Sha256 *sha256, uint8 hash[SHA256_BYTES]);

#endif							/* RUNLINK_SHA256_H */
