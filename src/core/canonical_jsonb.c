/*-------------------------------------------------------------------------
 *
 * canonical_jsonb.c
 *	  The canonical form of a jsonb value, from its bytes.
 *
 * Walks the containers as they lie on disk (utils/jsonb.h), without recursion,
 * so that no nesting is too deep.  A container need not be aligned, so words
 * are loaded by memcpy.  Nothing outside the value is read, whatever its bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "core/canonical.h"

#include "port.h"
#include "utils/memutils.h"

/* A member of an object whose keys are being put in order. */
typedef struct Member
{
	const char *key;
	uint32		key_length;
	JEntry		value;
	uint32		offset;			/* of the value, from the container's data */
	uint32		end;
} Member;

/* A container under way. */
typedef struct Level
{
	const char *data;			/* what offsets count from */
	uint32		size;			/* of data */
	const char *entries;		/* next element's JEntry, in an array */
	uint32		offset;			/* next element's offset, in an array */
	uint32		left;			/* elements or members not yet appended */
	uint32		first_member;	/* in an object: its first member ... */
	uint32		next_member;	/* ... and the next one */
	bool		is_object;
	bool		is_raw_scalar;	/* a top-level scalar, which is kept as an array */
} Level;

typedef struct JsonbWalk
{
	Level	   *levels;
	uint32		level_capacity;
	Member	   *members;		/* of all objects under way, the innermost last */
	uint32		member_count;
	uint32		member_capacity;
} JsonbWalk;

static inline uint32
load_uint32(const char *from)
{
	uint32		word;

	memcpy(&word, from, sizeof(word));
	return word;
}

/* Where what starts at offset ends; false where it would end before or outside. */
static inline bool
find_end(JEntry entry, uint32 offset, uint32 size, uint32 *end)
{
	*end = JBE_HAS_OFF(entry) ? JBE_OFFLENFLD(entry) : offset + JBE_OFFLENFLD(entry);
	return *end >= offset && *end <= size;
}

/*
 * Numeric as it lies on disk, where pg_upgrade leaves it: a header of one
 * int16, or two, then digits of base 10000.
 */
#define NUMERIC_IS_SHORT			0x8000
#define NUMERIC_SHORT_NEGATIVE		0x2000
#define NUMERIC_SHORT_WEIGHT_SIGN	0x0040
#define NUMERIC_SHORT_WEIGHT		0x003F
#define NUMERIC_LONG_SIGN			0xC000
#define NUMERIC_LONG_NEGATIVE		0x4000

static inline int16
load_int16(const char *from)
{
	int16		word;

	memcpy(&word, from, sizeof(word));
	return word;
}

/* Appends a number that is not an integer of a few digits. */
static char *
append_decimal(Canonical *canonical, char *to, bool negative, const char *digit, int count, int weight)
{
	char		local[64];
	char	   *digits = count * 4 <= (int) sizeof(local) ? local
		: MemoryContextAllocHuge(CurrentMemoryContext, (size_t) count * 4);
	char	   *end = digits;
	int			point = (weight + 1) * 4;
	int			skipped = 0;

	for (int i = 0; i < count; i++)
	{
		int			d = load_int16(digit + i * sizeof(int16));

		*end++ = '0' + d / 1000;
		*end++ = '0' + d / 100 % 10;
		*end++ = '0' + d / 10 % 10;
		*end++ = '0' + d % 10;
	}
	while (digits + skipped < end && digits[skipped] == '0')
		skipped++;
	while (end > digits + skipped && end[-1] == '0')
		end--;
	to = canonical_decimal(canonical, to, negative, digits + skipped, end - digits - skipped,
						   point - skipped);
	if (digits != local)
		pfree(digits);
	return to;
}

/* Appends a numeric of at most size bytes; NULL where there is none. */
static char *
append_numeric(Canonical *canonical, char *to, const char *numeric, uint32 size)
{
	const char *header;
	uint16		flags;
	bool		is_short;
	const char *digit;
	int			count;
	bool		negative;
	int			weight;

	if (size < VARHDRSZ || VARATT_IS_EXTERNAL(numeric) || VARATT_IS_COMPRESSED(numeric) ||
		VARSIZE_ANY(numeric) > size)
		return NULL;
	header = VARDATA_ANY(numeric);
	if (numeric + VARSIZE_ANY(numeric) < header + sizeof(int16))
		return NULL;
	flags = (uint16) load_int16(header);
	is_short = (flags & NUMERIC_IS_SHORT) != 0;
	digit = header + (is_short ? 1 : 2) * sizeof(int16);
	if (numeric + VARSIZE_ANY(numeric) < digit)
		return NULL;
	count = (numeric + VARSIZE_ANY(numeric) - digit) / sizeof(int16);

	if (is_short)
	{
		negative = (flags & NUMERIC_SHORT_NEGATIVE) != 0;
		weight = flags & NUMERIC_SHORT_WEIGHT;
		if (flags & NUMERIC_SHORT_WEIGHT_SIGN)
			weight -= NUMERIC_SHORT_WEIGHT + 1;
	}
	else
	{
		negative = (flags & NUMERIC_LONG_SIGN) == NUMERIC_LONG_NEGATIVE;
		weight = load_int16(header + sizeof(int16));
	}

	if (count <= weight + 1 && weight < 4)
	{
		int64		value = 0;

		for (int i = 0; i <= weight; i++)
			value = value * 10000 + (i < count ? load_int16(digit + i * sizeof(int16)) : 0);
		return canonical_int64(canonical, to, negative ? -value : value);
	}
	return append_decimal(canonical, to, negative, digit, count, weight);
}

/*
 * The order of UTF-16 code units: that of the bytes of UTF-8, but that U+E000
 * to U+FFFF (first byte EE, EF) come after the supplementary planes (F0 to F4).
 */
static int
compare_keys(const void *a, const void *b)
{
	const Member *left = a;
	const Member *right = b;
	uint32		length = Min(left->key_length, right->key_length);

	for (uint32 i = 0; i < length; i++)
	{
		unsigned char l = (unsigned char) left->key[i];
		unsigned char r = (unsigned char) right->key[i];

		if (l != r)
		{
			if (l >= 0xEE && r >= 0xEE && (l >= 0xF0) != (r >= 0xF0))
				return l >= 0xF0 ? -1 : 1;
			return l < r ? -1 : 1;
		}
	}
	return left->key_length < right->key_length ? -1 : left->key_length > right->key_length;
}

/* Most objects have few keys, which jsonb keeps in an order not far from ours. */
static void
sort_members(Member *members, uint32 count)
{
	if (count > 32)
	{
		qsort(members, count, sizeof(Member), compare_keys);
		return;
	}
	for (uint32 i = 1; i < count; i++)
	{
		Member		member = members[i];
		uint32		to = i;

		for (; to > 0 && compare_keys(&members[to - 1], &member) > 0; to--)
			members[to] = members[to - 1];
		members[to] = member;
	}
}

static pg_noinline void
grow_members(JsonbWalk *walk, uint32 count)
{
	uint32		capacity = Max(walk->member_capacity * 2, walk->member_count + count);

	walk->members = repalloc_huge(walk->members, capacity * sizeof(Member));
	walk->member_capacity = capacity;
}

/* Adds the members of an object, in order; false where its entries make no sense. */
static bool
push_members(JsonbWalk *walk, const Level *level, uint32 count)
{
	const char *entries = level->entries;
	Member	   *members;
	uint32		offset = 0;

	if (unlikely(walk->member_capacity - walk->member_count < count))
		grow_members(walk, count);
	members = walk->members + walk->member_count;
	walk->member_count += count;

	for (uint32 i = 0; i < count; i++, entries += sizeof(JEntry))
	{
		uint32		end;

		if (!find_end(load_uint32(entries), offset, level->size, &end))
			return false;
		members[i].key = level->data + offset;
		members[i].key_length = end - offset;
		offset = end;
	}
	for (uint32 i = 0; i < count; i++, entries += sizeof(JEntry))
	{
		members[i].value = load_uint32(entries);
		members[i].offset = offset;
		if (!find_end(members[i].value, offset, level->size, &members[i].end))
			return false;
		offset = members[i].end;
	}
	sort_members(members, count);
	return true;
}

/*
 * Opens a container of at most size bytes at a depth: gets at its elements.
 * False where there is no container.
 */
static bool
begin_container(JsonbWalk *walk, uint32 depth, const char *container, uint32 size)
{
	uint32		header;
	uint32		count;
	uint32		entries_size;
	Level	   *level;

	if (size < sizeof(uint32))
		return false;
	header = load_uint32(container);
	count = header & JB_CMASK;

	if (depth == walk->level_capacity)
	{
		walk->levels = repalloc_huge(walk->levels, 2 * walk->level_capacity * sizeof(Level));
		walk->level_capacity *= 2;
	}
	level = &walk->levels[depth];
	level->is_object = (header & JB_FOBJECT) != 0;
	level->is_raw_scalar = (header & JB_FSCALAR) != 0;
	if (count > (size - sizeof(uint32)) / sizeof(JEntry) / (level->is_object ? 2 : 1))
		return false;
	entries_size = (level->is_object ? 2 : 1) * count * sizeof(JEntry);
	level->entries = container + sizeof(uint32);
	level->data = level->entries + entries_size;
	level->size = size - sizeof(uint32) - entries_size;
	level->offset = 0;
	level->left = count;
	if (level->is_object)
	{
		level->first_member = level->next_member = walk->member_count;
		if (!push_members(walk, level, count))
			return false;
	}
	return true;
}

static void
create_walk(Canonical *canonical)
{
	MemoryContext context = canonical->context;
	JsonbWalk  *walk = MemoryContextAlloc(context, sizeof(JsonbWalk));

	walk->level_capacity = 16;
	walk->levels = MemoryContextAlloc(context, walk->level_capacity * sizeof(Level));
	walk->member_capacity = 64;
	walk->members = MemoryContextAlloc(context, walk->member_capacity * sizeof(Member));
	canonical->walk = walk;
}

/* Appends an element that is neither string nor container; NULL where it makes no sense. */
static char *
append_other(Canonical *canonical, char *to, JEntry entry, const char *data, uint32 offset, uint32 end)
{
	uint32		aligned = INTALIGN(offset);

	if (JBE_ISNUMERIC(entry))
		return aligned <= end
			? append_numeric(canonical, to, data + aligned, end - aligned) : NULL;
	if (JBE_ISNULL(entry))
		return canonical_literal(canonical, to, "null");
	if (JBE_ISBOOL_TRUE(entry))
		return canonical_literal(canonical, to, "true");
	if (JBE_ISBOOL_FALSE(entry))
		return canonical_literal(canonical, to, "false");
	return NULL;
}

static char *
append_bracket(Canonical *canonical, char *to, const Level *level, const char *brackets)
{
	return level->is_raw_scalar ? to : canonical_char(canonical, to, brackets[level->is_object]);
}

/*
 * Appends a jsonb value, given its root container of size bytes.  Returns NULL
 * where the bytes are no jsonb value; what was appended then is of no use.
 */
char *
canonical_jsonb(Canonical *canonical, char *to, const JsonbContainer *root, uint32 size)
{
	JsonbWalk  *walk;
	uint32		depth = 0;
	bool		first = true;

	if (canonical->walk == NULL)
		create_walk(canonical);
	walk = canonical->walk;
	walk->member_count = 0;
	if (!begin_container(walk, 0, (const char *) root, size))
		return NULL;
	to = append_bracket(canonical, to, &walk->levels[0], "[{");

	for (;;)
	{
		Level	   *level = &walk->levels[depth];
		JEntry		entry;
		uint32		offset;
		uint32		end;

		if (level->left == 0)
		{
			to = append_bracket(canonical, to, level, "]}");
			if (level->is_object)
				walk->member_count = level->first_member;
			if (depth == 0)
				return to;
			depth--;
			first = false;
			continue;
		}
		level->left--;
		if (!first)
			to = canonical_char(canonical, to, ',');
		first = false;

		if (level->is_object)
		{
			const Member *member = &walk->members[level->next_member++];

			to = canonical_string(canonical, to, member->key, member->key_length);
			to = canonical_char(canonical, to, ':');
			entry = member->value;
			offset = member->offset;
			end = member->end;
		}
		else
		{
			entry = load_uint32(level->entries);
			level->entries += sizeof(JEntry);
			offset = level->offset;
			if (!find_end(entry, offset, level->size, &end))
				return NULL;
			level->offset = end;
		}

		if (JBE_ISSTRING(entry))
			to = canonical_string(canonical, to, level->data + offset, end - offset);
		else if (!JBE_ISCONTAINER(entry))
		{
			to = append_other(canonical, to, entry, level->data, offset, end);
			if (to == NULL)
				return NULL;
		}
		else
		{
			if (INTALIGN(offset) > end ||
				!begin_container(walk, ++depth, level->data + INTALIGN(offset),
								 end - INTALIGN(offset)))
				return NULL;
			to = append_bracket(canonical, to, &walk->levels[depth], "[{");
			first = true;
		}
	}
}
