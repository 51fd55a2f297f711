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

#include "compat.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/*
 * The buffer.  Lives in the memory context it was made in.
 *
 * Whoever appends holds the end of what is there in a variable of its own:
 * begins with `to = canonical_begin(canonical)`, hands `to` to each function and
 * takes the new one from it, and ends with canonical_end(canonical, to), after
 * which data and length may be read.
 */
typedef struct Canonical
{
	char	   *data;
	size_t		length;
	size_t		capacity;
	MemoryContext context;
	struct JsonbWalk *walk;		/* scratch of canonical_jsonb */
} Canonical;

extern Canonical *canonical_create(void);
extern char *canonical_grow(Canonical *canonical, char *to, size_t length);
extern void canonical_trim(Canonical *canonical);
extern char *canonical_string(Canonical *canonical, char *to, const char *string, size_t length);
extern char *canonical_int64(Canonical *canonical, char *to, int64 value);
extern char *canonical_decimal(Canonical *canonical, char *to, bool negative,
							   const char *digits, int count, int point);
extern char *canonical_float8(Canonical *canonical, char *to, double value);
extern char *canonical_float4(Canonical *canonical, char *to, float value);
extern char *canonical_timestamp(Canonical *canonical, char *to, Timestamp value, bool with_zone);
extern char *canonical_date(Canonical *canonical, char *to, int32 value);
extern char *canonical_hex(Canonical *canonical, char *to, const uint8 *data, size_t length);
extern char *canonical_uuid(Canonical *canonical, char *to, const uint8 uuid[16]);
extern char *canonical_jsonb(Canonical *canonical, char *to, const JsonbContainer *root, uint32 size);

static inline char *
canonical_begin(Canonical *canonical)
{
	return canonical->data;
}

static inline void
canonical_end(Canonical *canonical, char *to)
{
	canonical->length = to - canonical->data;
}

/* Makes room for length more bytes. */
static inline char *
canonical_reserve(Canonical *canonical, char *to, size_t length)
{
	if (unlikely((size_t) (canonical->data + canonical->capacity - to) < length))
		return canonical_grow(canonical, to, length);
	return to;
}

/* Appends bytes as they are. */
static inline char *
canonical_bytes(Canonical *canonical, char *to, const void *bytes, size_t length)
{
	to = canonical_reserve(canonical, to, length);
	memcpy(to, bytes, length);
	return to + length;
}

static inline char *
canonical_char(Canonical *canonical, char *to, char c)
{
	to = canonical_reserve(canonical, to, 1);
	*to = c;
	return to + 1;
}

/* Appends a text value, which is not toasted, as a string. */
#define canonical_text(canonical, to, text) \
	canonical_string(canonical, to, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text))

/* Appends a literal: a word or punctuation of JSON. */
#define canonical_literal(canonical, to, literal) \
	canonical_bytes(canonical, to, literal, sizeof(literal) - 1)

#endif							/* RUNLINK_CANONICAL_H */
