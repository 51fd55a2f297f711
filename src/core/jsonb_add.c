/*-------------------------------------------------------------------------
 *
 * jsonb_add.c
 *	  Members added to a jsonb object, as it lies on disk (utils/jsonb.h).
 *
 * What Postgres has for this takes the value apart and makes it anew: that
 * recurses, so it fails on a value that nests deeper than the stack allows, and
 * it needs many times the value's memory.  Here the members of the outermost
 * object are copied as they lie, whatever is in them: nothing fails but for want
 * of memory.  The result is what Postgres would make, byte for byte.
 *
 *-------------------------------------------------------------------------
 */
#include "core/jsonb_add.h"

/* The object that members are taken from, in its order. */
typedef struct Source
{
	const JEntry *entries;
	const char *data;
	uint32		size;			/* of data */
	uint32		index;			/* of the next entry */
	uint32		offset;			/* where it begins */
} Source;

typedef struct Target
{
	JEntry	   *entries;
	char	   *data;
	uint32		index;
	uint32		offset;
} Target;

static inline bool
is_aligned(JEntry entry)
{
	return JBE_ISNUMERIC(entry) || JBE_ISCONTAINER(entry);
}

/* Where the next entry ends. */
static inline uint32
end_of_next(const Source *source)
{
	JEntry		entry = source->entries[source->index];

	return JBE_HAS_OFF(entry) ? JBE_OFFLENFLD(entry) : source->offset + JBE_OFFLENFLD(entry);
}

/* Appends a key or value of a type; padding counts as part of what it precedes. */
static void
append(Target *target, JEntry type, const char *bytes, uint32 length)
{
	uint32		start = target->offset;
	uint32		end;

	if (is_aligned(type))
	{
		target->offset = INTALIGN(start);
		memset(target->data + start, 0, target->offset - start);
	}
	memcpy(target->data + target->offset, bytes, length);
	end = target->offset += length;
	target->entries[target->index] = type |
		(target->index % JB_OFFSET_STRIDE == 0 ? JENTRY_HAS_OFF | end : end - start);
	target->index++;
}

/* Copies the next entry; false where it would lie outside of the value. */
static bool
copy_next(Source *source, Target *target)
{
	JEntry		type = source->entries[source->index] & JENTRY_TYPEMASK;
	uint32		start = is_aligned(type) ? INTALIGN(source->offset) : source->offset;
	uint32		end = end_of_next(source);

	if (end < start || end > source->size)
		return false;
	append(target, type, source->data + start, end - start);
	source->index++;
	source->offset = end;
	return true;
}

/* Does the next key of the source come before another one? */
static bool
next_key_is_before(const Source *source, const char *key)
{
	uint32		length = end_of_next(source) - source->offset;
	uint32		key_length = strlen(key);

	if (length != key_length)
		return length < key_length;
	return source->offset + length <= source->size &&
		memcmp(source->data + source->offset, key, length) < 0;
}

/*
 * A palloc'd copy of an object of at most JSONB_ADD_LIMIT bytes with members,
 * of some thousand bytes at most and in the order of jsonb (shorter keys first),
 * whose keys it does not have.  NULL where the object is damaged.
 */
Jsonb *
jsonb_add_strings(const Jsonb *object, const StringMember *members, int count)
{
	uint32		old_count = JB_ROOT_COUNT(object);
	uint32		new_count = old_count + count;
	Source		source = {.entries = object->root.children};
	Target		target = {0};
	Size		header = offsetof(Jsonb, root.children);
	Size		room = VARSIZE(object);
	Jsonb	   *result;
	uint32	   *places = palloc(sizeof(uint32) * count);	/* in the old order */
	int			next = 0;

	Assert(JB_ROOT_IS_OBJECT(object) && VARSIZE(object) <= JSONB_ADD_LIMIT);
	if (header + sizeof(JEntry) * 2 * old_count > VARSIZE(object))
		return NULL;
	source.data = (const char *) &object->root.children[2 * old_count];
	source.size = VARSIZE(object) - header - sizeof(JEntry) * 2 * old_count;

	/* What is behind a member moves, and may need more padding then. */
	for (int i = 0; i < count; i++)
		room += 2 * sizeof(JEntry) + strlen(members[i].key) + strlen(members[i].value) + sizeof(int32);
	result = palloc(room + sizeof(int32));
	result->root.header = JB_FOBJECT | new_count;
	target.entries = result->root.children;
	target.data = (char *) &result->root.children[2 * new_count];

	while (target.index < new_count)
	{
		if (next < count &&
			(source.index == old_count || !next_key_is_before(&source, members[next].key)))
		{
			places[next] = source.index;
			append(&target, JENTRY_ISSTRING, members[next].key, strlen(members[next].key));
			next++;
		}
		else if (!copy_next(&source, &target))
			return NULL;
	}
	next = 0;
	while (target.index < 2 * new_count)
	{
		if (next < count && places[next] == source.index - old_count)
		{
			append(&target, JENTRY_ISSTRING, members[next].value, strlen(members[next].value));
			next++;
		}
		else if (!copy_next(&source, &target))
			return NULL;
	}
	Assert(target.data + target.offset <= (char *) result + room + sizeof(int32));
	SET_VARSIZE(result, target.data + target.offset - (char *) result);
	return result;
}
