/*-------------------------------------------------------------------------
 *
 * encoding.c
 *	  Encodings: which columns of a step a leaf covers, and how it is made.
 *
 *	encoding id    = H(JCS({"columns":[...],"format":"runlink-step/v1"}))
 *	payload digest = H("runlink-payload/v1\n" || salt || JCS([payload values]))
 *	leaf           = H(0x00 || encoding id || payload digest || JCS([other values]))
 *
 * Every column is covered but generated ones and archived_at, the one that the
 * application may change; they are sorted by name, bytewise.  A leaf is checked
 * under the encoding it was recorded with, whatever columns came later.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "encoding.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define NOT_COVERED "archived_at"
#define ENTRY_PREFIX '\0'

/* How values of a type are written; types of one family stand in for each other. */
typedef enum CoveredFamily
{
	FAMILY_STRING,
	FAMILY_INTEGER,
	FAMILY_NUMERIC,
	FAMILY_REAL,
	FAMILY_DOUBLE,
	FAMILY_BOOLEAN,
	FAMILY_TIMESTAMPTZ,
	FAMILY_TIMESTAMP,
	FAMILY_DATE,
	FAMILY_UUID,
	FAMILY_BYTEA,
	FAMILY_JSON
} CoveredFamily;

typedef struct CoveredType
{
	Oid			oid;
	const char *name;
	CoveredFamily family;
} CoveredType;

static const CoveredType covered_types[] = {
	{TEXTOID, "text", FAMILY_STRING},
	{VARCHAROID, "character varying", FAMILY_STRING},
	{BPCHAROID, "character", FAMILY_STRING},
	{NAMEOID, "name", FAMILY_STRING},
	{INT2OID, "smallint", FAMILY_INTEGER},
	{INT4OID, "integer", FAMILY_INTEGER},
	{INT8OID, "bigint", FAMILY_INTEGER},
	{NUMERICOID, "numeric", FAMILY_NUMERIC},
	{FLOAT4OID, "real", FAMILY_REAL},
	{FLOAT8OID, "double precision", FAMILY_DOUBLE},
	{BOOLOID, "boolean", FAMILY_BOOLEAN},
	{TIMESTAMPTZOID, "timestamp with time zone", FAMILY_TIMESTAMPTZ},
	{TIMESTAMPOID, "timestamp without time zone", FAMILY_TIMESTAMP},
	{DATEOID, "date", FAMILY_DATE},
	{UUIDOID, "uuid", FAMILY_UUID},
	{BYTEAOID, "bytea", FAMILY_BYTEA},
	{JSONOID, "json", FAMILY_JSON},
	{JSONBOID, "jsonb", FAMILY_JSON},
};

static const CoveredType *
find_type(Oid oid)
{
	Oid			base = getBaseType(oid);

	for (size_t i = 0; i < lengthof(covered_types); i++)
	{
		if (covered_types[i].oid == base)
			return &covered_types[i];
	}
	return NULL;
}

static const CoveredType *
find_type_by_name(const char *name)
{
	for (size_t i = 0; i < lengthof(covered_types); i++)
	{
		if (strcmp(covered_types[i].name, name) == 0)
			return &covered_types[i];
	}
	return NULL;
}

static bool
is_payload(const CoveredColumn *column)
{
	return column->type->family == FAMILY_JSON;
}

static int
compare_columns(const void *a, const void *b)
{
	return strcmp(((const CoveredColumn *) a)->name, ((const CoveredColumn *) b)->name);
}

static bool
is_covered(Form_pg_attribute attribute)
{
	return !attribute->attisdropped && attribute->attgenerated == '\0' &&
		strcmp(NameStr(attribute->attname), NOT_COVERED) != 0;
}

/* What leaves and seals find their encoding by: the first four bytes of its id. */
int32
encoding_key(const uint8 id[SHA256_BYTES])
{
	return (int32) ((uint32) id[0] << 24 | (uint32) id[1] << 16 | (uint32) id[2] << 8 | id[3]);
}

/* The columns in the order in which their values are hashed. */
static void
order_columns(Encoding *encoding)
{
	int			count = 0;

	encoding->in_hash_order = palloc(sizeof(CoveredColumn *) * encoding->count);
	for (int i = 0; i < encoding->count; i++)
	{
		if (is_payload(&encoding->columns[i]))
			encoding->in_hash_order[count++] = &encoding->columns[i];
	}
	encoding->payload_count = count;
	for (int i = 0; i < encoding->count; i++)
	{
		if (!is_payload(&encoding->columns[i]))
			encoding->in_hash_order[count++] = &encoding->columns[i];
	}
}

/* Completes an encoding that has its columns: writes its text and id. */
static void
describe_encoding(Encoding *encoding)
{
	Canonical  *text = canonical_create();
	char	   *to = canonical_begin(text);

	to = canonical_literal(text, to, "{\"columns\":[");
	for (int i = 0; i < encoding->count; i++)
	{
		const CoveredColumn *column = &encoding->columns[i];

		if (i > 0)
			to = canonical_char(text, to, ',');
		to = canonical_literal(text, to, "{\"name\":");
		to = canonical_string(text, to, column->name, strlen(column->name));
		to = is_payload(column) ? canonical_literal(text, to, ",\"payload\":true,\"type\":")
			: canonical_literal(text, to, ",\"payload\":false,\"type\":");
		to = canonical_string(text, to, column->type->name, strlen(column->type->name));
		to = canonical_char(text, to, '}');
	}
	to = canonical_literal(text, to, "],\"format\":\"runlink-step/v1\"}");
	canonical_end(text, to);
	sha256_bytes(text->data, text->length, encoding->id);
	encoding->key = encoding_key(encoding->id);
	canonical_char(text, to, '\0');
	encoding->text = text->data;
	order_columns(encoding);
}

static bool
is_plain_name(const char *name)
{
	while ((unsigned char) *name >= ' ')
		name++;
	return *name == '\0';
}

/*
 * The encoding of a table as it is now, bound to its rows, palloc'd.  NULL where
 * a column cannot be covered, for its type or for control characters in its
 * name: the name is put in *unsupported.
 */
Encoding *
encoding_of_table(TupleDesc tupdesc, const char **unsupported)
{
	Encoding   *encoding = palloc0(sizeof(Encoding));

	encoding->columns = palloc(sizeof(CoveredColumn) * tupdesc->natts);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		CoveredColumn *column = &encoding->columns[encoding->count];

		if (!is_covered(attribute))
			continue;
		column->name = pstrdup(NameStr(attribute->attname));
		column->type = column->value_type = find_type(attribute->atttypid);
		column->position = i;
		if (column->type == NULL || !is_plain_name(column->name))
		{
			*unsupported = column->name;
			return NULL;
		}
		encoding->count++;
	}
	qsort(encoding->columns, encoding->count, sizeof(CoveredColumn), compare_columns);
	describe_encoding(encoding);
	return encoding;
}

/* Reads a name after a key of our own JSON; moves *at past it.  NULL at anything else. */
static char *
read_string(const char **at, const char *key)
{
	StringInfoData value;
	const char *c = *at;

	if (strncmp(c, key, strlen(key)) != 0)
		return NULL;
	initStringInfo(&value);
	for (c += strlen(key); *c != '"'; c++)
	{
		if (*c == '\\' && (c[1] == '"' || c[1] == '\\'))
			c++;
		else if (*c == '\\' || *c == '\0')
			return NULL;
		appendStringInfoChar(&value, *c);
	}
	*at = c + 1;
	return value.data;
}

/*
 * Reads an encoding from its text, not bound to rows yet, palloc'd.  NULL where
 * the text is not one that encoding_of_table would have written.
 */
Encoding *
encoding_from_text(const char *text)
{
	static const char begin[] = "{\"columns\":[";
	Encoding   *encoding = palloc0(sizeof(Encoding));
	const char *at = text + strlen(begin);
	int			capacity = 16;

	if (strncmp(text, begin, strlen(begin)) != 0)
		return NULL;
	encoding->columns = palloc(sizeof(CoveredColumn) * capacity);
	while (*at == '{')
	{
		CoveredColumn *column;
		char	   *name = read_string(&at, "{\"name\":\"");
		char	   *type;

		if (name == NULL)
			return NULL;
		type = read_string(&at, ",\"payload\":false,\"type\":\"");
		if (type == NULL)
			type = read_string(&at, ",\"payload\":true,\"type\":\"");
		if (type == NULL || *at++ != '}')
			return NULL;
		if (encoding->count == capacity)
		{
			capacity *= 2;
			encoding->columns = repalloc(encoding->columns, sizeof(CoveredColumn) * capacity);
		}
		column = &encoding->columns[encoding->count++];
		column->name = name;
		column->type = find_type_by_name(type);
		column->value_type = NULL;
		column->position = -1;
		if (column->type == NULL)
			return NULL;
		if (*at == ',')
			at++;
	}
	describe_encoding(encoding);
	return strcmp(encoding->text, text) == 0 ? encoding : NULL;
}

/*
 * Binds an encoding to rows: finds its columns by name, where they have a type
 * that can stand for the one recorded.
 */
void
encoding_bind(Encoding *encoding, TupleDesc tupdesc)
{
	for (int i = 0; i < encoding->count; i++)
	{
		CoveredColumn *column = &encoding->columns[i];

		column->position = -1;
		for (int position = 0; position < tupdesc->natts; position++)
		{
			Form_pg_attribute attribute = TupleDescAttr(tupdesc, position);
			const CoveredType *type;

			if (attribute->attisdropped || strcmp(NameStr(attribute->attname), column->name) != 0)
				continue;
			type = find_type(attribute->atttypid);
			if (type != NULL && type->family == column->type->family)
			{
				column->position = position;
				column->value_type = type;
			}
		}
	}
}

/* The first column that is covered and not there, or not as it was; or NULL. */
const char *
encoding_missing_column(const Encoding *encoding)
{
	for (int i = 0; i < encoding->count; i++)
	{
		if (encoding->columns[i].position < 0)
			return encoding->columns[i].name;
	}
	return NULL;
}

/* Appends a string of varlena data; of character(n) without its padding. */
static char *
append_varlena(Canonical *canonical, char *to, Datum value, bool padded)
{
	struct varlena *text = PG_DETOAST_DATUM_PACKED(value);
	size_t		length = VARSIZE_ANY_EXHDR(text);

	if (padded)
		length = bpchartruelen(VARDATA_ANY(text), length);
	to = canonical_string(canonical, to, VARDATA_ANY(text), length);
	if (PointerGetDatum(text) != value)
		pfree(text);
	return to;
}

static char *
append_string(Canonical *canonical, char *to, Oid type, Datum value)
{
	if (type == NAMEOID)
		return canonical_string(canonical, to, NameStr(*DatumGetName(value)),
								strlen(NameStr(*DatumGetName(value))));
	return append_varlena(canonical, to, value, type == BPCHAROID);
}

static char *
append_integer(Canonical *canonical, char *to, Oid recorded_type, Oid type, Datum value)
{
	int64		integer = type == INT2OID ? DatumGetInt16(value)
		: type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);

	if (recorded_type != INT8OID)
		return canonical_int64(canonical, to, integer);
	to = canonical_char(canonical, to, '"');
	to = canonical_int64(canonical, to, integer);
	return canonical_char(canonical, to, '"');
}

static char *
append_numeric(Canonical *canonical, char *to, Datum value)
{
	char	   *digits = numeric_normalize(DatumGetNumeric(value));

	to = canonical_string(canonical, to, digits, strlen(digits));
	pfree(digits);
	return to;
}

static char *
append_bytea(Canonical *canonical, char *to, Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

	to = canonical_hex(canonical, to, (const uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	if (PointerGetDatum(bytes) != value)
		pfree(bytes);
	return to;
}

/* json of this length has no more elements than a jsonb can be built of. */
#define LONGEST_JSON	(32 * 1024 * 1024)

/*
 * Can a json value be cast to jsonb without an error?  It cannot with \u0000,
 * half a surrogate pair, numbers beyond numeric, or too many elements.  Exponents
 * of more than three digits and digits by the thousand are taken for such
 * numbers, and what is longer than LONGEST_JSON to have such elements.
 */
static bool
json_fits_jsonb(const char *json, size_t length)
{
	size_t		digits = 0;
	bool		in_string = false;
	bool		high_surrogate = false;

	if (length > LONGEST_JSON)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		bool		is_low = false;

		if (!in_string)
		{
			in_string = (json[i] == '"');
			digits = isdigit((unsigned char) json[i]) ? digits + 1 : 0;
			if (digits > 1000 ||
				(digits > 3 && i > digits && memchr("eE", json[i - digits], 2) != NULL) ||
				(digits > 3 && i > digits && memchr("+-", json[i - digits], 2) != NULL &&
				 memchr("eE", json[i - digits - 1], 2) != NULL))
				return false;
			continue;
		}
		if (json[i] == '\\' && json[i + 1] == 'u' && i + 6 <= length)
		{
			char		hex[5] = {json[i + 2], json[i + 3], json[i + 4], json[i + 5]};
			long		unit = strtol(hex, NULL, 16);

			is_low = (unit >= 0xDC00 && unit <= 0xDFFF);
			if (unit == 0 || is_low != high_surrogate)
				return false;
			high_surrogate = (unit >= 0xD800 && unit <= 0xDBFF);
			i += 5;
		}
		else if (high_surrogate)
			return false;
		else if (json[i] == '\\')
			i++;
		else if (json[i] == '"')
			in_string = false;
	}
	return true;
}

/* Appends a payload as [value], so that JSON null and SQL NULL differ; NULL: it cannot be. */
static char *
append_json(Canonical *canonical, char *to, Oid type, Datum value)
{
	struct varlena *data = PG_DETOAST_DATUM_PACKED(value);
	struct varlena *json = data;

	if (type == JSONOID)
	{
		char	   *string;

		if (!json_fits_jsonb(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)))
			return NULL;
		string = text_to_cstring(data);
		json = (struct varlena *) DatumGetPointer(DirectFunctionCall1(jsonb_in,
																	  CStringGetDatum(string)));
		pfree(string);
	}
	to = canonical_char(canonical, to, '[');
	to = canonical_jsonb(canonical, to, (const JsonbContainer *) VARDATA_ANY(json),
						 VARSIZE_ANY_EXHDR(json));
	if (to != NULL)
		to = canonical_char(canonical, to, ']');
	if (json != data)
		pfree(json);
	if (PointerGetDatum(data) != value)
		pfree(data);
	return to;
}

static char *
append_value(Canonical *canonical, char *to, const CoveredColumn *column, Datum value)
{
	Oid			type = column->value_type->oid;

	switch (column->type->family)
	{
		case FAMILY_STRING:
			return append_string(canonical, to, type, value);
		case FAMILY_INTEGER:
			return append_integer(canonical, to, column->type->oid, type, value);
		case FAMILY_NUMERIC:
			return append_numeric(canonical, to, value);
		case FAMILY_REAL:
			return canonical_float4(canonical, to, DatumGetFloat4(value));
		case FAMILY_DOUBLE:
			return canonical_float8(canonical, to, DatumGetFloat8(value));
		case FAMILY_BOOLEAN:
			return DatumGetBool(value) ? canonical_literal(canonical, to, "true")
				: canonical_literal(canonical, to, "false");
		case FAMILY_TIMESTAMPTZ:
			return canonical_timestamp(canonical, to, DatumGetTimestampTz(value), true);
		case FAMILY_TIMESTAMP:
			return canonical_timestamp(canonical, to, DatumGetTimestamp(value), false);
		case FAMILY_DATE:
			return canonical_date(canonical, to, DatumGetDateADT(value));
		case FAMILY_UUID:
			return canonical_uuid(canonical, to, DatumGetUUIDP(value)->data);
		case FAMILY_BYTEA:
			return append_bytea(canonical, to, value);
		case FAMILY_JSON:
			return append_json(canonical, to, type, value);
	}
	return NULL;
}

/* Appends the values of columns as an array; NULL: one has no canonical form. */
static char *
append_values(Canonical *canonical, char *to, CoveredColumn *const *columns, int count,
			  const Datum *values, const bool *isnull)
{
	to = canonical_char(canonical, to, '[');
	for (int i = 0; i < count; i++)
	{
		const CoveredColumn *column = columns[i];

		if (i > 0)
			to = canonical_char(canonical, to, ',');
		if (column->position < 0 || isnull[column->position])
			to = canonical_literal(canonical, to, "null");
		else
			to = append_value(canonical, to, column, values[column->position]);
		if (to == NULL)
			return NULL;
	}
	return canonical_char(canonical, to, ']');
}

/*
 * Makes the digest of a step's payload from its values, which are those that the
 * encoding is bound to; a column that is not there counts as NULL.  Returns false
 * where a value has no canonical form, since it is no value (a jsonb of other
 * bytes) or json that jsonb cannot hold.  What is detoasted is freed again, but
 * for what the conversion of json and numeric leaves.
 */
bool
step_payload_digest(const Encoding *encoding, const Datum *values, const bool *isnull,
					const uint8 salt[SALT_BYTES], Canonical *scratch, uint8 digest[SHA256_BYTES])
{
	char	   *to = canonical_begin(scratch);

	to = canonical_literal(scratch, to, "runlink-payload/v1\n");
	to = canonical_bytes(scratch, to, salt, SALT_BYTES);
	to = append_values(scratch, to, encoding->in_hash_order, encoding->payload_count, values,
					   isnull);
	if (to == NULL)
		return false;
	canonical_end(scratch, to);
	sha256_bytes(scratch->data, scratch->length, digest);
	return true;
}

/* Likewise the leaf of a step from the digest of its payload and its other values. */
bool
step_leaf_of_digest(const Encoding *encoding, const Datum *values, const bool *isnull,
					const uint8 payload_digest[SHA256_BYTES], Canonical *scratch,
					uint8 leaf[SHA256_BYTES])
{
	int			payload_count = encoding->payload_count;
	char	   *to = canonical_begin(scratch);

	to = canonical_char(scratch, to, ENTRY_PREFIX);
	to = canonical_bytes(scratch, to, encoding->id, SHA256_BYTES);
	to = canonical_bytes(scratch, to, payload_digest, SHA256_BYTES);
	to = append_values(scratch, to, encoding->in_hash_order + payload_count,
					   encoding->count - payload_count, values, isnull);
	if (to == NULL)
		return false;
	canonical_end(scratch, to);
	sha256_bytes(scratch->data, scratch->length, leaf);
	return true;
}

/* Likewise the leaf of a step from its values. */
bool
step_leaf(const Encoding *encoding, const Datum *values, const bool *isnull,
		  const uint8 salt[SALT_BYTES], Canonical *scratch, uint8 leaf[SHA256_BYTES])
{
	uint8		digest[SHA256_BYTES];

	return step_payload_digest(encoding, values, isnull, salt, scratch, digest) &&
		step_leaf_of_digest(encoding, values, isnull, digest, scratch, leaf);
}

/* Is every payload of a step NULL or the value whose canonical form is this text? */
bool
payload_is(const Encoding *encoding, const Datum *values, const bool *isnull,
		   const char *canonical, Canonical *scratch)
{
	size_t		length = strlen(canonical);

	for (int i = 0; i < encoding->payload_count; i++)
	{
		const CoveredColumn *column = encoding->in_hash_order[i];
		char	   *to = canonical_begin(scratch);

		if (column->position < 0 || isnull[column->position])
			continue;
		to = append_value(scratch, to, column, values[column->position]);
		if (to == NULL)
			return false;
		canonical_end(scratch, to);
		/* without the brackets of a payload */
		if (scratch->length != length + 2 || memcmp(scratch->data + 1, canonical, length) != 0)
			return false;
	}
	return true;
}

/*
 * Appends the values of a step that its leaf is made of, as an array: those that
 * are payload, or the others.  NULL: one has no canonical form.
 */
char *
append_step_values(Canonical *canonical, char *to, const Encoding *encoding, bool payload,
				   const Datum *values, const bool *isnull)
{
	int			payload_count = encoding->payload_count;

	return append_values(canonical, to, encoding->in_hash_order + (payload ? 0 : payload_count),
						 payload ? payload_count : encoding->count - payload_count, values, isnull);
}
