/*-------------------------------------------------------------------------
 *
 * package_manifest.c
 *	  The manifest of a package: a digest of each part, and what is left out.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "package.h"
#include "record.h"

/* Nothing below this many levels is taken apart: a step, a seal, a list of omissions. */
#define PART_LEVELS 3

static void add_container(Sha256 *sha256, const JsonbContainer *container, uint32 size, int levels);

static void
add_value(Sha256 *sha256, JsonbValue *value, int levels)
{
	Canonical  *scratch = leaf_scratch();
	Jsonb	   *scalar;

	if (value->type == jbvBinary)
	{
		add_container(sha256, value->val.binary.data, value->val.binary.len, levels);
		return;
	}
	scalar = JsonbValueToJsonb(value);
	canonical_end(scratch, canonical_jsonb(scratch, canonical_begin(scratch), &scalar->root,
										   VARSIZE(scalar) - VARHDRSZ));
	sha256_update(sha256, scratch->data, scratch->length);
	pfree(scalar);
}

/* An object of the package's own, whose keys are plain. */
static void
add_object(Sha256 *sha256, JsonbContainer *container, int levels)
{
	uint32		count = JsonContainerSize(container);
	const char **keys = palloc(sizeof(char *) * count);
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbValue	value;
	uint32		next = 0;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			keys[next++] = pnstrdup(value.val.string.val, value.val.string.len);
	}
	qsort(keys, count, sizeof(char *), pg_qsort_strcmp);
	sha256_update(sha256, "{", 1);
	for (uint32 i = 0; i < count; i++)
	{
		char	   *opening = psprintf("%s\"%s\":", i > 0 ? "," : "", keys[i]);

		sha256_update(sha256, opening, strlen(opening));
		getKeyJsonValueFromContainer(container, keys[i], strlen(keys[i]), &value);
		add_value(sha256, &value, levels);
	}
	sha256_update(sha256, "}", 1);
}

static void
add_array(Sha256 *sha256, JsonbContainer *container, int levels)
{
	uint32		count = JsonContainerSize(container);

	sha256_update(sha256, "[", 1);
	for (uint32 i = 0; i < count; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(container, i);

		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			sha256_update(sha256, ",", 1);
		add_value(sha256, value, levels);
		canonical_trim(leaf_scratch());
		pfree(value);
	}
	sha256_update(sha256, "]", 1);
}

/* The canonical form, of the upper levels piece by piece: it is as large as the package. */
static void
add_container(Sha256 *sha256, const JsonbContainer *container, uint32 size, int levels)
{
	Canonical  *scratch = leaf_scratch();

	if (levels > 0 && JsonContainerIsObject(container))
		add_object(sha256, unconstify(JsonbContainer *, container), levels - 1);
	else if (levels > 0 && JsonContainerIsArray(container) && !JsonContainerIsScalar(container))
		add_array(sha256, unconstify(JsonbContainer *, container), levels - 1);
	else
	{
		char	   *to = canonical_jsonb(scratch, canonical_begin(scratch), container, size);

		if (to == NULL)
			elog(ERROR, "a part of the package has no canonical form");
		canonical_end(scratch, to);
		sha256_update(sha256, scratch->data, scratch->length);
	}
}

static Jsonb *
part_digest(const JsonbMember *part)
{
	bool		is_ours = strcmp(part->key, "evidence") != 0;
	Sha256	   *sha256 = sha256_create();
	uint8		hash[SHA256_BYTES];
	char		hex[SHA256_BYTES * 2];

	sha256_begin(sha256);
	add_container(sha256, &part->value->root, VARSIZE(part->value) - VARHDRSZ,
				   is_ours ? PART_LEVELS : 0);
	sha256_end(sha256, hash);
	hex_encode((const char *) hash, SHA256_BYTES, hex);
	return jsonb_from_string(hex, sizeof(hex));
}

/* The manifest: a digest of each member and of the omissions, and these. */
Jsonb *
package_manifest(JsonbMember *members, int count, Jsonb *omissions)
{
	JsonbMember *digests = palloc(sizeof(JsonbMember) * (count + 1));
	JsonbMember manifest[2] = {{"omissions", omissions}};

	for (int i = 0; i < count; i++)
	{
		digests[i].key = members[i].key;
		digests[i].value = part_digest(&members[i]);
	}
	digests[count].key = "omissions";
	digests[count].value = part_digest(&manifest[0]);
	manifest[1].key = "parts";
	manifest[1].value = jsonb_of_members(digests, count + 1);
	return jsonb_of_members(manifest, 2);
}

Jsonb *
jsonb_of_text(const text *value)
{
	return value == NULL ? jsonb_from_text("null")
		: jsonb_from_string(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Names what a package lacks or does not prove; trace_id may be NULL, count 0 is not told. */
void
add_omission(JsonbList *omissions, const char *what, const char *why, const text *trace_id,
			 int64 count)
{
	JsonbMember members[4] = {
		{"what", jsonb_from_string(what, strlen(what))},
		{"why", jsonb_from_string(why, strlen(why))}
	};
	int			used = 2;

	if (trace_id != NULL)
	{
		members[used].key = "trace_id";
		members[used++].value = jsonb_of_text(trace_id);
	}
	if (count > 0)
	{
		members[used].key = "count";
		members[used++].value = jsonb_from_text(psprintf(INT64_FORMAT, count));
	}
	jsonb_list_add(omissions, jsonb_of_members(members, used));
}

/* When the statement began. */
Jsonb *
package_time(void)
{
	Canonical  *scratch = leaf_scratch();
	char	   *to = canonical_timestamp(scratch, canonical_begin(scratch),
										 GetCurrentStatementStartTimestamp(), true);

	canonical_char(scratch, to, '\0');
	return jsonb_from_text(scratch->data);
}
