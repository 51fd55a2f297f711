/*-------------------------------------------------------------------------
 *
 * encoding.h
 *	  Encodings: which columns of a step a leaf covers, and how it is made.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_ENCODING_H
#define RUNLINK_ENCODING_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "core/canonical.h"
#include "core/sha256.h"

#define SALT_BYTES 16

/* A column covered by a leaf. */
typedef struct CoveredColumn
{
	const char *name;
	const struct CoveredType *type; /* as recorded */
	const struct CoveredType *value_type;	/* of the values at hand */
	int			position;		/* among the values at hand; -1: not there */
} CoveredColumn;

/* The ordered list of columns that a leaf covers. */
typedef struct Encoding
{
	uint8		id[SHA256_BYTES];
	int32		key;			/* the first four bytes of id: enough to find it by */
	const char *text;			/* what id is the hash of */
	int			count;
	CoveredColumn *columns;		/* by name */
	int			payload_count;
	CoveredColumn **in_hash_order;	/* the payload columns, then the others */
	struct Encoding *next;		/* in a list of them */
} Encoding;

extern int32 encoding_key(const uint8 id[SHA256_BYTES]);
extern Encoding *encoding_of_table(TupleDesc tupdesc, const char **unsupported);
extern Encoding *encoding_from_text(const char *text);
extern void encoding_bind(Encoding *encoding, TupleDesc tupdesc);
extern const char *encoding_missing_column(const Encoding *encoding);
extern bool step_payload_digest(const Encoding *encoding, const Datum *values, const bool *isnull,
								const uint8 salt[SALT_BYTES], Canonical *scratch,
								uint8 digest[SHA256_BYTES]);
extern bool step_leaf_of_digest(const Encoding *encoding, const Datum *values, const bool *isnull,
								const uint8 payload_digest[SHA256_BYTES], Canonical *scratch,
								uint8 leaf[SHA256_BYTES]);
extern bool step_leaf(const Encoding *encoding, const Datum *values, const bool *isnull,
					  const uint8 salt[SALT_BYTES], Canonical *scratch,
					  uint8 leaf[SHA256_BYTES]);
extern char *append_step_values(Canonical *canonical, char *to, const Encoding *encoding,
								bool payload, 								const Datum *values, const bool *isnull);
extern bool payload_is(const Encoding *encoding, const Datum *values, const bool *isnull,
					   const char *canonical, Canonical *scratch);

#endif							/* RUNLINK_ENCODING_H */
