/*-------------------------------------------------------------------------
 *
 * canonical.h
 *	  The canonical form of values: RFC 8785 JSON (JCS), UTF-8.
 *
 * Appends to a buffer that its owner uses again and again.  Values that SQL
 * does not call distinct (1.0 and 1.00, -0 and 0, the order of keys) have one
 * form, any two that it does have two.  Numbers that a binary64 cannot hold
 * keep all their digits, where plain JCS would lose them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_CANONICAL_H
#define RUNLINK_CANONICAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/*
 * Lives in the memory context it was made in.  data and length may be read at
 * any time; length may be set to any earlier value.
 */
typedef struct Canonical
{
	char	   *data;
	size_t		length;
	size_t		capacity;
	struct JsonbWalk *walk;		/* scratch of canonical_jsonb */
} Canonical;

extern Canonical *canonical_create(void);
extern void canonical_grow(Canonical *canonical, size_t length);
extern void canonical_trim(Canonical *canonical);
extern void canonical_string(Canonical *canonical, const char *string, size_t length);
extern void canonical_int64(Canonical *canonical, int64 value);
extern void canonical_decimal(Canonical *canonical, bool negative,
							  const char *digits, int count, int point);
extern void canonical_float8(Canonical *canonical, double value);
extern void canonical_float4(Canonical *canonical, float value);
extern void canonical_timestamp(Canonical *canonical, Timestamp value, bool with_zone);
extern void canonical_date(Canonical *canonical, int32 value);
extern void canonical_hex(Canonical *canonical, const uint8 *data, size_t length);
extern void canonical_uuid(Canonical *canonical, const uint8 uuid[16]);
extern bool canonical_jsonb(Canonical *canonical, const JsonbContainer *root, uint32 size);

/* Makes room for length more bytes. */
static inline void
canonical_reserve(Canonical *canonical, size_t length)
{
	if (unlikely(canonical->capacity - canonical->length < length))
		canonical_grow(canonical, length);
}

/* Appends bytes as they are. */
static inline void
canonical_bytes(Canonical *canonical, const void *bytes, size_t length)
{
	canonical_reserve(canonical, length);
	memcpy(canonical->data + canonical->length, bytes, length);
	canonical->length += length;
}

static inline void
canonical_char(Canonical *canonical, char c)
{
	canonical_reserve(canonical, 1);
	canonical->data[canonical->length++] = c;
}

/* Appends a text value, which is not toasted, as a string. */
#define canonical_text(canonical, text) \
	canonical_string(canonical, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text))

/* Appends a literal: a word or punctuation of JSON. */
#define canonical_literal(canonical, literal) \
	canonical_bytes(canonical, literal, sizeof(literal) - 1)

#endif							/* RUNLINK_CANONICAL_H */
