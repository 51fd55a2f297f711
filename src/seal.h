/*-------------------------------------------------------------------------
 *
 * seal.h
 *	  Seals as they are read from the state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SEAL_H
#define RUNLINK_SEAL_H

#include "core/chain.h"
#include "core/seal_text.h"
#include "core/step_set.h"
#include "core/tlog.h"
#include "encoding.h"
#include "state.h"

/* A step as it was recorded, and how it lies in a seal's leaves but for step_index. */
typedef struct SealedStep
{
	int32		step_index;
	int32		encoding;
	uint8		leaf[SHA256_BYTES];
	uint8		salt[SALT_BYTES];
} SealedStep;

#define SEALED_STEP_BYTES (SHA256_BYTES + SALT_BYTES)

/* A row of runlink.seal; text and bytes are those of the row. */
typedef struct Seal
{
	int32		seal_no;
	SealText	text;
	int32		encoding_key;
	StepSet		steps;
	bytea	   *leaves;
} Seal;

/* The hash of a seal of a trace. */
typedef struct SealHash
{
	int32		seal_no;
	const char *unreadable;		/* why it has none, in words; or NULL */
	uint8		hash[SHA256_BYTES];
} SealHash;

/* What a seal goes on from. */
typedef struct SealsBefore
{
	int64		count;			/* 0: it is the first, and hash means nothing */
	const uint8 *hash;			/* of the newest */
	const text *run_id;			/* of the trace */
	const text *tenant_id;
	int64		backfilled;
} SealsBefore;

/* The columns that read_seal_text takes, in its order. */
#define SEAL_TEXT_COLUMNS \
	"seal_no, step_count, backfilled, encoding, final, sealed_at," \
	" run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text," \
	" trace_status::pg_catalog.text, chain_head, merkle_root, prev"
#define SEAL_TEXT_COLUMN_COUNT 13

/* Likewise of read_seal. */
#define SEAL_COLUMNS SEAL_TEXT_COLUMNS ", steps, leaves"
#define SEAL_COLUMN_COUNT 15

extern Encoding *load_encodings(const State *state, bool now);
extern const Encoding *find_encoding(const Encoding *encodings, int32 key);
extern Datum bytes_datum(const void *bytes, size_t length);
extern Datum hash_datum(const uint8 hash[SHA256_BYTES]);
extern char *hash_hex(const uint8 hash[SHA256_BYTES]);
extern int64 take_sealed_step(const Seal *seal, int32 step_index, SealedStep *step);
extern void copy_bytes(uint8 *to, Datum value, size_t length);
extern bool read_step_set(Datum multirange, StepSet *set);
extern Datum write_step_set(const StepSet *set);
extern const char *read_seal_text(const Datum *values, const bool *isnull,
								  const Encoding *encodings, SealText *seal);
extern const char *read_seal(const Datum *values, const bool *isnull, const Encoding *encodings,
							 Seal *seal);
extern bool find_seal_hash(const State *state, const Encoding *encodings, text *trace_id,
						   int32 most, SealHash *found);
extern void fold_seal(const Seal *seal, uint8 head[SHA256_BYTES], MerkleTree *tree);
extern char *seal_damage(const Seal *seal, const SealsBefore *before,
						 const uint8 head[SHA256_BYTES], const MerkleTree *tree);

#endif							/* RUNLINK_SEAL_H */
