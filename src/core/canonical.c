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
	return canonical;
}

void
canonical_grow(Canonical *canonical, size_t length)
{
	size_t		capacity = Max(canonical->capacity * 2, canonical->length + length);

	canonical->data = repalloc_huge(canonical->data, capacity);
	canonical->capacity = capacity;
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
 * Is one of eight bytes a control character, a quote or a backslash?  (x - n)
 * & ~x has the high bit of every byte below n set; a false alarm costs a look.
 */
static inline bool
has_escape(uint64 bytes)
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

/* The length of the longest prefix that stands in a JSON string as it is. */
static size_t
clean_span(const char *string, size_t length)
{
	size_t		span = 0;
	uint64		bytes;

	for (; span + sizeof(bytes) <= length; span += sizeof(bytes))
	{
		memcpy(&bytes, string + span, sizeof(bytes));
		if (has_escape(bytes))
			break;
	}
	while (span < length && !is_escaped((unsigned char) string[span]))
		span++;
	return span;
}

static void
append_escaped(Canonical *canonical, unsigned char c)
{
	static const char short_form[' '] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};

	if (c == '"' || c == '\\')
	{
		canonical_char(canonical, '\\');
		canonical_char(canonical, c);
	}
	else if (short_form[c] != '\0')
	{
		canonical_char(canonical, '\\');
		canonical_char(canonical, short_form[c]);
	}
	else
	{
		canonical_literal(canonical, "\\u00");
		canonical_char(canonical, hex_digit[c >> 4]);
		canonical_char(canonical, hex_digit[c & 0xF]);
	}
}

/* Appends a JSON string; string is valid UTF-8 of length bytes. */
void
canonical_string(Canonical *canonical, const char *string, size_t length)
{
	canonical_char(canonical, '"');
	for (;;)
	{
		size_t		span = clean_span(string, length);

		canonical_bytes(canonical, string, span);
		if (span == length)
			break;
		append_escaped(canonical, (unsigned char) string[span]);
		string += span + 1;
		length -= span + 1;
	}
	canonical_char(canonical, '"');
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

/* Appends all digits of an integer, without quotes. */
void
canonical_int64(Canonical *canonical, int64 value)
{
	char	   *to;

	canonical_reserve(canonical, SHORT_VALUE);
	to = canonical->data + canonical->length;
	if (value < 0)
		*to++ = '-';
	to = write_digits(to, value < 0 ? -(uint64) value : (uint64) value, 1);
	canonical->length = to - canonical->data;
}

static void
append_zeros(Canonical *canonical, int count)
{
	canonical_reserve(canonical, count);
	memset(canonical->data + canonical->length, '0', count);
	canonical->length += count;
}

/*
 * Appends a number in the notation of ECMAScript (Number::toString): the
 * decimal digits, of which there are count, the first and the last not zero,
 * and the point after the first `point` of them.  No digits are zero.
 */
void
canonical_decimal(Canonical *canonical, bool negative, const char *digits, int count, int point)
{
	if (count == 0)
	{
		canonical_char(canonical, '0');
		return;
	}
	if (negative)
		canonical_char(canonical, '-');

	if (point >= count && point <= 21)
	{
		canonical_bytes(canonical, digits, count);
		append_zeros(canonical, point - count);
	}
	else if (point > 0 && point <= 21)
	{
		canonical_bytes(canonical, digits, point);
		canonical_char(canonical, '.');
		canonical_bytes(canonical, digits + point, count - point);
	}
	else if (point > -6 && point <= 0)
	{
		canonical_literal(canonical, "0.");
		append_zeros(canonical, -point);
		canonical_bytes(canonical, digits, count);
	}
	else
	{
		canonical_char(canonical, digits[0]);
		if (count > 1)
		{
			canonical_char(canonical, '.');
			canonical_bytes(canonical, digits + 1, count - 1);
		}
		canonical_char(canonical, 'e');
		if (point > 0)
			canonical_char(canonical, '+');
		canonical_int64(canonical, point - 1);
	}
}

/* Reads "-ddd.ddde-dd" and appends it in the notation of ECMAScript. */
static void
append_shortest(Canonical *canonical, const char *shortest)
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
	canonical_decimal(canonical, negative, digits, count, point);
}

static bool
append_special(Canonical *canonical, double value)
{
	if (isnan(value))
		canonical_literal(canonical, "\"NaN\"");
	else if (isinf(value) && value > 0)
		canonical_literal(canonical, "\"Infinity\"");
	else if (isinf(value))
		canonical_literal(canonical, "\"-Infinity\"");
	else
		return false;
	return true;
}

/*
 * Postgres's shortest decimals lie within the interval that rounds to the
 * value, those of ECMAScript may lie on its bounds too.  That makes a difference
 * only where a bound is an integer, above all values of the type with
 * `digits` whole digits; there we look for a shorter one.
 */
#define DEFINE_APPEND_LARGE(type, parse) \
static void \
append_large_##type(Canonical *canonical, type value, char *shortest) \
{ \
	char		shorter[SHORT_VALUE]; \
 \
	for (int precision = 16; precision >= 0; precision--) \
	{ \
		snprintf(shorter, sizeof(shorter), "%.*e", precision, (double) value); \
		if (parse(shorter, NULL) != value) \
			break; \
		strcpy(shortest, shorter); \
	} \
	append_shortest(canonical, shortest); \
}

DEFINE_APPEND_LARGE(double, strtod)
DEFINE_APPEND_LARGE(float, strtof)

/* Appends the shortest number that round-trips; what is not finite as a string. */
void
canonical_float8(Canonical *canonical, double value)
{
	char		shortest[SHORT_VALUE];

	if (append_special(canonical, value))
		return;
	shortest[double_to_shortest_decimal_bufn(value, shortest)] = '\0';
	if (fabs(value) < 9007199254740992.0)	/* 2^53 */
		append_shortest(canonical, shortest);
	else
		append_large_double(canonical, value, shortest);
}

void
canonical_float4(Canonical *canonical, float value)
{
	char		shortest[SHORT_VALUE];

	if (append_special(canonical, value))
		return;
	shortest[float_to_shortest_decimal_bufn(value, shortest)] = '\0';
	if (fabsf(value) < 16777216.0f) /* 2^24 */
		append_shortest(canonical, shortest);
	else
		append_large_float(canonical, value, shortest);
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
	to = write_digits(to, month, 2);
	*to++ = '-';
	return write_digits(to, day, 2);
}

static char *
begin_short_string(Canonical *canonical)
{
	canonical_reserve(canonical, SHORT_VALUE);
	canonical->data[canonical->length] = '"';
	return canonical->data + canonical->length + 1;
}

static void
end_short_string(Canonical *canonical, char *to)
{
	*to++ = '"';
	canonical->length = to - canonical->data;
}

/* Appends "YYYY-MM-DDTHH:MM:SS.ffffffZ"; without Z where it has no zone. */
void
canonical_timestamp(Canonical *canonical, Timestamp value, bool with_zone)
{
	int64		days = value / USECS_PER_DAY;
	int64		time = value % USECS_PER_DAY;
	char	   *to;
	bool		bc;

	if (TIMESTAMP_IS_NOBEGIN(value))
		canonical_literal(canonical, "\"-infinity\"");
	else if (TIMESTAMP_IS_NOEND(value))
		canonical_literal(canonical, "\"infinity\"");
	else
	{
		if (time < 0)
		{
			time += USECS_PER_DAY;
			days--;
		}
		to = write_day(begin_short_string(canonical), days, &bc);
		*to++ = 'T';
		to = write_digits(to, time / USECS_PER_HOUR, 2);
		*to++ = ':';
		to = write_digits(to, time / USECS_PER_MINUTE % 60, 2);
		*to++ = ':';
		to = write_digits(to, time / USECS_PER_SEC % 60, 2);
		*to++ = '.';
		to = write_digits(to, time % USECS_PER_SEC, 6);
		if (with_zone)
			*to++ = 'Z';
		if (bc)
			to = (char *) memcpy(to, " BC", 3) + 3;
		end_short_string(canonical, to);
	}
}

/* Appends "YYYY-MM-DD"; value is a date, in days since 2000-01-01. */
void
canonical_date(Canonical *canonical, int32 value)
{
	char	   *to;
	bool		bc;

	if (value == PG_INT32_MIN)
		canonical_literal(canonical, "\"-infinity\"");
	else if (value == PG_INT32_MAX)
		canonical_literal(canonical, "\"infinity\"");
	else
	{
		to = write_day(begin_short_string(canonical), value, &bc);
		if (bc)
			to = (char *) memcpy(to, " BC", 3) + 3;
		end_short_string(canonical, to);
	}
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
void
canonical_hex(Canonical *canonical, const uint8 *data, size_t length)
{
	char	   *to;

	canonical_reserve(canonical, 2 * length + 2);
	to = canonical->data + canonical->length;
	*to++ = '"';
	end_short_string(canonical, write_hex(to, data, length));
}

void
canonical_uuid(Canonical *canonical, const uint8 uuid[16])
{
	static const int ends[] = {4, 6, 8, 10, 16};
	char	   *to = begin_short_string(canonical);
	int			start = 0;

	for (size_t i = 0; i < lengthof(ends); i++)
	{
		if (start > 0)
			*to++ = '-';
		to = write_hex(to, uuid + start, ends[i] - start);
		start = ends[i];
	}
	end_short_string(canonical, to);
}
