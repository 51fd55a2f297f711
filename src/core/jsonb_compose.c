/*-------------------------------------------------------------------------
 *
 * jsonb_compose.c
 *	  Large jsonb values put together.  See jsonb_compose.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/jsonb_compose.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Raises the error that Postgres raises where a jsonb value would grow beyond what it can be. */
static void
check_size(Size size)
{
	if (size > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer is larger than a jsonb value can be"),
				 errdetail("It can have %u bytes.", JENTRY_OFFLENMASK),
				 errhint("Leave the payloads out.")));
}

/* Makes room for more bytes, by half as much again where values come one by one. */
static void
make_room(JsonbData *data, Size more)
{
	Size		needed = data->length + more;

	check_size(needed);
	if (needed <= data->capacity)
		return;
	data->capacity = Max(needed, data->capacity + data->capacity / 2);
	data->bytes = data->bytes == NULL ? palloc(data->capacity)
		: repalloc(data->bytes, data->capacity);
}

static void
append_bytes(JsonbData *data, const void *bytes, Size length)
{
	make_room(data, length);
	memcpy(data->bytes + data->length, bytes, length);
	data->length += length;
}

/* Appends a value, padded as its type has to be, and gives its entry: type and length. */
static JEntry
append_value(JsonbData *data, const Jsonb *value)
{
	static const char padding[sizeof(int32)] = {0};
	Size		start = data->length;
	JEntry		type = JENTRY_ISCONTAINER;
	const char *bytes = (const char *) &value->root;
	uint32		length = VARSIZE(value) - VARHDRSZ;

	if (JB_ROOT_IS_SCALAR(value))
	{
		type = value->root.children[0] & JENTRY_TYPEMASK;
		bytes = (const char *) &value->root.children[1];
		length = JBE_OFFLENFLD(value->root.children[0]);
	}
	make_room(data, length + sizeof(padding));
	if (JBE_ISNUMERIC(type) || JBE_ISCONTAINER(type))
		append_bytes(data, padding, INTALIGN(start) - start);
	append_bytes(data, bytes, length);
	return type | (uint32) (data->length - start);
}

/* Writes entries from their types and lengths: every so often one has its end instead. */
static void
write_entries(JEntry *to, const JEntry *entries, uint32 count)
{
	uint32		end = 0;

	for (uint32 i = 0; i < count; i++)
	{
		end += JBE_OFFLENFLD(entries[i]);
		to[i] = i % JB_OFFSET_STRIDE == 0
			? (entries[i] & JENTRY_TYPEMASK) | JENTRY_HAS_OFF | end : entries[i];
	}
}

/* Makes a container of data, in its place: it is moved up for what comes before it. */
static Jsonb *
make_container(uint32 header, const JEntry *entries, uint32 entry_count, JsonbData *data)
{
	Size		before = offsetof(Jsonb, root.children) + sizeof(JEntry) * entry_count;
	Size		length = data->length;
	Jsonb	   *result;

	make_room(data, before);
	memmove(data->bytes + before, data->bytes, length);
	result = (Jsonb *) data->bytes;
	SET_VARSIZE(result, before + length);
	result->root.header = header;
	write_entries(result->root.children, entries, entry_count);
	return result;
}

void
jsonb_list_begin(JsonbList *list)
{
	list->count = 0;
	list->capacity = 64;
	list->entries = palloc(sizeof(JEntry) * list->capacity);
	memset(&list->data, 0, sizeof(JsonbData));
	make_room(&list->data, 1024);
}

/* Adds a copy of a value, container or scalar. */
void
jsonb_list_add(JsonbList *list, const Jsonb *value)
{
	if (list->count == list->capacity)
	{
		check_size((Size) list->capacity * 2 * sizeof(JEntry));
		list->capacity *= 2;
		list->entries = repalloc(list->entries, sizeof(JEntry) * list->capacity);
	}
	list->entries[list->count++] = append_value(&list->data, value);
}

/* The array, palloc'd; the list is gone. */
Jsonb *
jsonb_list_end(JsonbList *list)
{
	Jsonb	   *array = make_container(JB_FARRAY | list->count, list->entries, list->count,
									   &list->data);

	pfree(list->entries);
	return array;
}

/* Keys of an object are in the order of their lengths, then of their bytes. */
static int
compare_members(const void *a, const void *b)
{
	const char *left = ((const JsonbMember *) a)->key;
	const char *right = ((const JsonbMember *) b)->key;
	size_t		left_length = strlen(left);
	size_t		right_length = strlen(right);

	if (left_length != right_length)
		return left_length < right_length ? -1 : 1;
	return strcmp(left, right);
}

/* An object of members, whose keys are distinct, palloc'd; the members are sorted. */
Jsonb *
jsonb_of_members(JsonbMember *members, int count)
{
	JEntry	   *entries = palloc(sizeof(JEntry) * 2 * count);
	Size		size = offsetof(Jsonb, root.children) + sizeof(JEntry) * 2 * count;
	JsonbData	data = {0};
	Jsonb	   *object;

	for (int i = 0; i < count; i++)
		size += strlen(members[i].key) + VARSIZE(members[i].value) + sizeof(int32);
	make_room(&data, size);
	qsort(members, count, sizeof(JsonbMember), compare_members);
	for (int i = 0; i < count; i++)
	{
		append_bytes(&data, members[i].key, strlen(members[i].key));
		entries[i] = JENTRY_ISSTRING | strlen(members[i].key);
	}
	for (int i = 0; i < count; i++)
		entries[count + i] = append_value(&data, members[i].value);
	object = make_container(JB_FOBJECT | count, entries, 2 * count, &data);
	pfree(entries);
	return object;
}

Jsonb *
jsonb_from_text(const char *json)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

Jsonb *
jsonb_from_string(const char *string, int length)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = length;
	return JsonbValueToJsonb(&value);
}
