/*-------------------------------------------------------------------------
 *
 * canonical.c
 *	  The canonical form of scalar values.  See canonical.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/canonical.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/memutils.h"

#define INITIAL_CAPACITY	(8 * 1024)
#define KEPT_CAPACITY		(1024 * 1024)

/* Longest output of the functions that append a short value. */
#define SHORT_VALUE			64

static const char hex_digit[] = "0123456789abcdef";

Canonical *
canonical_create(void)
{
	Canonical  *canonical = palloc0(sizeof(Canonical));

	canonical->data = palloc(INITIAL_CAPACITY);
	canonical->capacity = INITIAL_CAPACITY;
	canonical->context = CurrentMemoryContext;
	return canonical;
}

char *
canonical_grow(Canonical *canonical, char *to, size_t length)
{
	size_t		used = to - canonical->data;
	size_t		capacity = Max(canonical->capacity * 2, used + length);

	canonical->data = repalloc_huge(canonical->data, capacity);
	canonical->capacity = capacity;
	return canonical->data + used;
}

/* Gives back what an uncommonly large value made the buffer take. */
void
canonical_trim(Canonical *canonical)
{
	canonical->length = 0;
	if (canonical->capacity > KEPT_CAPACITY)
	{
		canonical->data = repalloc_huge(canonical->data, INITIAL_CAPACITY);
		canonical->capacity = INITIAL_CAPACITY;
	}
}

#define EVERY_BYTE(b)	(UINT64CONST(0x0101010101010101) * (b))

/*
 * Nonzero where one of eight bytes is a control character, a quote or a
 * backslash: (x - n) & ~x has the high bit of every byte below n set; a false
 * alarm costs a look.
 */
static inline uint64
escapes(uint64 bytes)
{
	uint64		quote = bytes ^ EVERY_BYTE('"');
	uint64		backslash = bytes ^ EVERY_BYTE('\\');

	return (((bytes - EVERY_BYTE(' ')) & ~bytes) |
			((quote - EVERY_BYTE(1)) & ~quote) |
			((backslash - EVERY_BYTE(1)) & ~backslash)) & EVERY_BYTE(0x80);
}

static inline bool
is_escaped(unsigned char c)
{
	return c < ' ' || c == '"' || c == '\\';
}

#define BLOCK 32

/* No early exit, so that it becomes a few instructions over vectors. */
static inline bool
block_is_clean(const char *string)
{
	unsigned char escaped = 0;

	for (int i = 0; i < BLOCK; i++)
	{
		unsigned char c = (unsigned char) string[i];

		escaped |= (c < ' ') | (c == '"') | (c == '\\');
	}
	return escaped == 0;
}

static inline uint64
load_uint64(const char *from)
{
	uint64		bytes;

	memcpy(&bytes, from, sizeof(bytes));
	return bytes;
}

static inline uint32
load_uint32(const char *from)
{
	uint32		bytes;

	memcpy(&bytes, from, sizeof(bytes));
	return bytes;
}

/*
 * Copies a string that stands in JSON as it is; returns its end, or NULL where
 * it (perhaps) does not.  The last look and copy overlap the ones before them
 * rather than go beyond the end.  Few branches: lengths cannot be predicted.
 */
static inline char *
copy_clean(char *to, const char *string, size_t length)
{
	const char *end = string + length;
	char	   *to_end = to + length;

	if (length >= BLOCK)
	{
		for (; end - string > BLOCK; string += BLOCK, to += BLOCK)
		{
			if (!block_is_clean(string))
				return NULL;
			memcpy(to, string, BLOCK);
		}
		if (!block_is_clean(end - BLOCK))
			return NULL;
		memcpy(to_end - BLOCK, end - BLOCK, BLOCK);
	}
	else if (length >= 2 * sizeof(uint64))
	{
		uint64		first = load_uint64(string);
		uint64		second = load_uint64(string + sizeof(uint64));
		uint64		third = load_uint64(end - 2 * sizeof(uint64));
		uint64		fourth = load_uint64(end - sizeof(uint64));

		if (escapes(first) | escapes(second) | escapes(third) | escapes(fourth))
			return NULL;
		memcpy(to, &first, sizeof(uint64));
		memcpy(to + sizeof(uint64), &second, sizeof(uint64));
		memcpy(to_end - 2 * sizeof(uint64), &third, sizeof(uint64));
		memcpy(to_end - sizeof(uint64), &fourth, sizeof(uint64));
	}
	else if (length >= sizeof(uint64))
	{
		uint64		first = load_uint64(string);
		uint64		last = load_uint64(end - sizeof(uint64));

		if (escapes(first) | escapes(last))
			return NULL;
		memcpy(to, &first, sizeof(uint64));
		memcpy(to_end - sizeof(uint64), &last, sizeof(uint64));
	}
	else if (length >= sizeof(uint32))
	{
		uint32		first = load_uint32(string);
		uint32		last = load_uint32(end - sizeof(last));

		if (escapes((uint64) first << 32 | last))
			return NULL;
		memcpy(to, &first, sizeof(first));
		memcpy(to_end - sizeof(last), &last, sizeof(last));
	}
	else
	{
		for (; string < end; string++)
		{
			if (is_escaped((unsigned char) *string))
				return NULL;
			*to++ = *string;
		}
	}
	return to_end;
}

static char *
append_escaped(Canonical *canonical, char *to, unsigned char c)
{
	static const char short_form[' '] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};

	to = canonical_reserve(canonical, to, 6);
	*to++ = '\\';
	if (c == '"' || c == '\\')
		*to++ = c;
	else if (short_form[c] != '\0')
		*to++ = short_form[c];
	else
	{
		*to++ = 'u';
		*to++ = '0';
		*to++ = '0';
		*to++ = hex_digit[c >> 4];
		*to++ = hex_digit[c & 0xF];
	}
	return to;
}

static char *
append_with_escapes(Canonical *canonical, char *to, const char *string, size_t length)
{
	const char *end = string + length;

	while (string < end)
	{
		const char *span = string;

		while (span < end && !is_escaped((unsigned char) *span))
			span++;
		to = canonical_bytes(canonical, to, string, span - string);
		if (span < end)
			to = append_escaped(canonical, to, (unsigned char) *span++);
		string = span;
	}
	return to;
}

/* The slow way: with room made, and what has to be escaped escaped. */
static pg_noinline char *
append_any_string(Canonical *canonical, char *to, const char *string, size_t length)
{
	to = canonical_reserve(canonical, to, length + 2);
	*to++ = '"';
	to = append_with_escapes(canonical, to, string, length);
	return canonical_char(canonical, to, '"');
}

/*
 * Appends a JSON string; string is valid UTF-8 of length bytes.  Calls nothing
 * on its usual way, which is gone a few dozen times a step.
 */
char *
canonical_string(Canonical *canonical, char *to, const char *string, size_t length)
{
	char	   *end;

	if (unlikely((size_t) (canonical->data + canonical->capacity - to) < length + 2))
		return append_any_string(canonical, to, string, length);
	*to = '"';
	end = copy_clean(to + 1, string, length);
	if (unlikely(end == NULL))
		return append_any_string(canonical, to, string, length);
	*end = '"';
	return end + 1;
}

/* Writes a number's decimal digits, at least width of them; returns their end. */
static char *
write_digits(char *to, uint64 value, int width)
{
	char		reversed[20];
	int			count = 0;

	do
		reversed[count++] = '0' + value % 10;
	while ((value /= 10) > 0);
	while (count < width)
		reversed[count++] = '0';
	while (count > 0)
		*to++ = reversed[--count];
	return to;
}

static inline char *
write_two_digits(char *to, int value)
{
	to[0] = '0' + value / 10;
	to[1] = '0' + value % 10;
	return to + 2;
}

/* Appends all digits of an integer, without quotes. */
char *
canonical_int64(Canonical *canonical, char *to, int64 value)
{
	to = canonical_reserve(canonical, to, SHORT_VALUE);
	if (value < 0)
		*to++ = '-';
	return write_digits(to, value < 0 ? -(uint64) value : (uint64) value, 1);
}

static char *
write_zeros(char *to, int count)
{
	memset(to, '0', count);
	return to + count;
}

static char *
write_bytes(char *to, const char *bytes, int count)
{
	memcpy(to, bytes, count);
	return to + count;
}

/*
 * Appends a number in the notation of ECMAScript (Number::toString): the
 * decimal digits, of which there are count, the first and the last not zero,
 * and the point after the first `point` of them.  No digits are zero.
 */
char *
canonical_decimal(Canonical *canonical, char *to, bool negative,
				  const char *digits, int count, int point)
{
	to = canonical_reserve(canonical, to, (size_t) count + SHORT_VALUE);
	if (count == 0)
	{
		*to = '0';
		return to + 1;
	}
	if (negative)
		*to++ = '-';

	if (point >= count && point <= 21)
	{
		to = write_bytes(to, digits, count);
		return write_zeros(to, point - count);
	}
	if (point > 0 && point <= 21)
	{
		to = write_bytes(to, digits, point);
		*to++ = '.';
		return write_bytes(to, digits + point, count - point);
	}
	if (point > -6 && point <= 0)
	{
		to = write_bytes(to, "0.", 2);
		to = write_zeros(to, -point);
		return write_bytes(to, digits, count);
	}
	*to++ = digits[0];
	if (count > 1)
	{
		*to++ = '.';
		to = write_bytes(to, digits + 1, count - 1);
	}
	*to++ = 'e';
	*to++ = point > 0 ? '+' : '-';
	return write_digits(to, point > 0 ? point - 1 : 1 - point, 1);
}

/* Reads "-ddd.ddde-dd" and appends it in the notation of ECMAScript. */
static char *
append_shortest(Canonical *canonical, char *to, const char *shortest)
{
	char		digits[SHORT_VALUE];
	int			count = 0;
	int			point = 0;
	bool		negative = (*shortest == '-');
	bool		after_point = false;

	for (shortest += negative; *shortest != '\0' && *shortest != 'e'; shortest++)
	{
		if (*shortest == '.')
			after_point = true;
		else if (count > 0 || *shortest != '0')
		{
			digits[count++] = *shortest;
			point += !after_point;
		}
		else
			point -= after_point;
	}
	if (*shortest == 'e')
		point += atoi(shortest + 1);
	while (count > 0 && digits[count - 1] == '0')
		count--;
	return canonical_decimal(canonical, to, negative, digits, count, point);
}

static char *
append_special(Canonical *canonical, char *to, double value)
{
	if (isnan(value))
		return canonical_literal(canonical, to, "\"NaN\"");
	return value > 0 ? canonical_literal(canonical, to, "\"Infinity\"")
		: canonical_literal(canonical, to, "\"-Infinity\"");
}

static int
count_digits(const char *decimal)
{
	int			count = 0;

	for (; *decimal != '\0' && *decimal != 'e'; decimal++)
		count += (*decimal >= '0' && *decimal <= '9');
	return count;
}

/*
 * Postgres's shortest decimals lie within the interval that rounds to the
 * value, those of ECMAScript may lie on its bounds too.  That makes a difference
 * only where a bound is an integer, above all values of the type with
 * `digits` whole digits; there we look for a shorter one.
 */
#define DEFINE_APPEND_LARGE(type, parse) \
static char * \
append_large_##type(Canonical *canonical, char *to, type value, char *shortest) \
{ \
	char		shorter[SHORT_VALUE]; \
 \
	for (int precision = count_digits(shortest) - 2; precision >= 0; precision--) \
	{ \
		snprintf(shorter, sizeof(shorter), "%.*e", precision, (double) value); \
		if (parse(shorter, NULL) != value) \
			break; \
		strcpy(shortest, shorter); \
	} \
	return append_shortest(canonical, to, shortest); \
}

DEFINE_APPEND_LARGE(double, strtod)
DEFINE_APPEND_LARGE(float, strtof)

/* Appends the shortest number that round-trips; what is not finite as a string. */
char *
canonical_float8(Canonical *canonical, char *to, double value)
{
	char		shortest[SHORT_VALUE];

	if (!isfinite(value))
		return append_special(canonical, to, value);
	shortest[double_to_shortest_decimal_bufn(value, shortest)] = '\0';
	if (fabs(value) < 9007199254740992.0)	/* 2^53 */
		return append_shortest(canonical, to, shortest);
	return append_large_double(canonical, to, value, shortest);
}

char *
canonical_float4(Canonical *canonical, char *to, float value)
{
	char		shortest[SHORT_VALUE];

	if (!isfinite(value))
		return append_special(canonical, to, value);
	shortest[float_to_shortest_decimal_bufn(value, shortest)] = '\0';
	if (fabsf(value) < 16777216.0f) /* 2^24 */
		return append_shortest(canonical, to, shortest);
	return append_large_float(canonical, to, value, shortest);
}

/* Writes a day of the proleptic Gregorian calendar; returns whether it is BC. */
static char *
write_day(char *to, int64 days_since_2000, bool *bc)
{
	/* Years that begin in March, counted in eras of 400 from 0000-03-01. */
	int64		days = days_since_2000 + 730425;
	int64		era = (days >= 0 ? days : days - 146096) / 146097;
	int			day_of_era = days - era * 146097;
	int			year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
							   day_of_era / 146096) / 365;
	int			day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 -
											year_of_era / 100);
	int			march_month = (5 * day_of_year + 2) / 153;
	int			day = day_of_year - (153 * march_month + 2) / 5 + 1;
	int			month = march_month < 10 ? march_month + 3 : march_month - 9;
	int64		year = era * 400 + year_of_era + (month <= 2);

	*bc = (year <= 0);
	to = write_digits(to, *bc ? 1 - year : year, 4);
	*to++ = '-';
	to = write_two_digits(to, month);
	*to++ = '-';
	return write_two_digits(to, day);
}

static char *
write_era(char *to, bool bc)
{
	return bc ? write_bytes(to, " BC", 3) : to;
}

/* Appends "YYYY-MM-DDTHH:MM:SS.ffffffZ"; without Z where it has no zone. */
char *
canonical_timestamp(Canonical *canonical, char *to, Timestamp value, bool with_zone)
{
	int64		days = value / USECS_PER_DAY;
	int64		time = value % USECS_PER_DAY;
	int			seconds;
	int			microseconds;
	bool		bc;

	if (TIMESTAMP_IS_NOBEGIN(value))
		return canonical_literal(canonical, to, "\"-infinity\"");
	if (TIMESTAMP_IS_NOEND(value))
		return canonical_literal(canonical, to, "\"infinity\"");
	if (time < 0)
	{
		time += USECS_PER_DAY;
		days--;
	}
	to = canonical_reserve(canonical, to, SHORT_VALUE);
	*to++ = '"';
	to = write_day(to, days, &bc);
	*to++ = 'T';
	seconds = time / USECS_PER_SEC;
	microseconds = time % USECS_PER_SEC;
	to = write_two_digits(to, seconds / SECS_PER_HOUR);
	*to++ = ':';
	to = write_two_digits(to, seconds / SECS_PER_MINUTE % 60);
	*to++ = ':';
	to = write_two_digits(to, seconds % 60);
	*to++ = '.';
	to = write_two_digits(to, microseconds / 10000);
	to = write_two_digits(to, microseconds / 100 % 100);
	to = write_two_digits(to, microseconds % 100);
	if (with_zone)
		*to++ = 'Z';
	to = write_era(to, bc);
	*to++ = '"';
	return to;
}

/* Appends "YYYY-MM-DD"; value is a date, in days since 2000-01-01. */
char *
canonical_date(Canonical *canonical, char *to, int32 value)
{
	bool		bc;

	if (value == PG_INT32_MIN)
		return canonical_literal(canonical, to, "\"-infinity\"");
	if (value == PG_INT32_MAX)
		return canonical_literal(canonical, to, "\"infinity\"");
	to = canonical_reserve(canonical, to, SHORT_VALUE);
	*to++ = '"';
	to = write_day(to, value, &bc);
	to = write_era(to, bc);
	*to++ = '"';
	return to;
}

static char *
write_hex(char *to, const uint8 *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		*to++ = hex_digit[data[i] >> 4];
		*to++ = hex_digit[data[i] & 0xF];
	}
	return to;
}

/* Appends bytes as a string of hexadecimal digits. */
char *
canonical_hex(Canonical *canonical, char *to, const uint8 *data, size_t length)
{
	to = canonical_reserve(canonical, to, 2 * length + 2);
	*to++ = '"';
	to = write_hex(to, data, length);
	*to++ = '"';
	return to;
}

char *
canonical_uuid(Canonical *canonical, char *to, const uint8 uuid[16])
{
	static const int ends[] = {4, 6, 8, 10, 16};
	int			start = 0;

	to = canonical_reserve(canonical, to, SHORT_VALUE);
	*to++ = '"';
	for (size_t i = 0; i < lengthof(ends); i++)
	{
		if (start > 0)
			*to++ = '-';
		to = write_hex(to, uuid + start, ends[i] - start);
		start = ends[i];
	}
	*to++ = '"';
	return to;
}
