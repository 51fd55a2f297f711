/*-------------------------------------------------------------------------
 *
 * binding.c
 *	  The linkage map bound to the tables of one schema: are they there, with
 *	  the columns and types that calls need, may the caller read them; and the
 *	  SQL that follows.
 *
 * The schema is that of the SQL function called: runlink is not relocatable,
 * so it is the one named in CREATE EXTENSION ... SCHEMA, and neither a
 * search_path nor a setting decides what is read.
 *
 * What was found is kept for the session and looked up again after any change
 * to a relation or schema of the database.  No locks are taken: what changes
 * between the check and the query ends in the query's own error.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/attnum.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "binding.h"

#define SCHEMA_PLACEHOLDER "@extschema@"

/* Counts the invalidations that concern us; never wraps in practice. */
static uint64 catalog_generation = 1;

static Binding bound;
static Oid	bound_namespace = InvalidOid;
static uint64 bound_generation = 0;
static int	verified_needs;		/* FOR_ bits whose columns are as they should be */

static void
relation_changed(Datum arg pg_attribute_unused(), Oid relid pg_attribute_unused())
{
	catalog_generation++;
}

static void
namespace_changed(Datum arg pg_attribute_unused(), SysCacheIdentifier cacheid pg_attribute_unused(),
				  uint32 hashvalue pg_attribute_unused())
{
	catalog_generation++;
}

void
binding_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, namespace_changed, (Datum) 0);
}

/*
 * Does a type suit what is wanted, as the map has it: TEXTOID stands for text and
 * varchar, InvalidOid for any?  A domain is what it is over.
 */
bool
type_fits(Oid wanted, Oid type)
{
	Oid			base = getBaseType(type);

	return base == wanted || !OidIsValid(wanted) || (wanted == TEXTOID && base == VARCHAROID);
}

/* Does a relation of this kind have rows to be read? */
bool
relkind_is_readable(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE;
}

/* May the caller read every column of the table that the call looks at? */
bool
table_readable(const AppTable *table, Oid relid, const AppCall *call)
{
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return true;
	if (table->read_whole_by & call->needs)
		return pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ALL) == ACLCHECK_OK;

	for (const AppColumn *column = table->columns; column->name != NULL; column++)
	{
		AttrNumber	attnum = get_attnum(relid, column->name);

		if (attnum != InvalidAttrNumber && app_call_reads_column(call, column) &&
			pg_attribute_aclcheck(relid, attnum, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
			return false;
	}
	return true;
}

static char *
qualified_name(const AppTable *table)
{
	return quote_qualified_identifier(bound.schema, table->name);
}

static void
verify_columns(const AppTable *table, Oid relid, const AppCall *call)
{
	for (const AppColumn *column = table->columns; column->name != NULL; column++)
	{
		AttrNumber	attnum;

		if (!(column->use & call->needs))
			continue;
		attnum = get_attnum(relid, column->name);
		if (attnum == InvalidAttrNumber)
		{
			if (!(column->use & COLUMN_LEGACY))
				ereport(ERROR,
						(errcode(ERRCODE_UNDEFINED_COLUMN),
						 errmsg("column \"%s\" of %s does not exist",
								column->name, qualified_name(table)),
						 errdetail("%s cannot answer without it.", call->name),
						 errhint("See %s.runlink_schema_check() for the SQL that mends it.",
								 quote_identifier(bound.schema))));
		}
		else
		{
			Oid			type = get_atttype(relid, attnum);

			if (!type_fits(column->type, type))
				ereport(ERROR,
						(errcode(ERRCODE_DATATYPE_MISMATCH),
						 errmsg("column \"%s\" of %s has the wrong type",
								column->name, qualified_name(table)),
						 errdetail("%s expects %s, found %s.", call->name,
								   app_as_printed(column->declared), format_type_be(type)),
						 errhint("See %s.runlink_schema_check() for the SQL that mends it.",
								 quote_identifier(bound.schema))));
		}
	}
}

/* Looks up schema and tables anew. */
static void
rebind(Oid namespace)
{
	char	   *schema = get_namespace_name(namespace);

	if (schema == NULL)
		elog(ERROR, "cache lookup failed for schema %u", namespace);

	/* The generation first: what changes meanwhile makes us look again. */
	bound_generation = catalog_generation;
	bound_namespace = InvalidOid;
	verified_needs = 0;
	bound.version++;
	if (bound.schema == NULL || strcmp(bound.schema, schema) != 0)
	{
		char	   *old_schema = bound.schema;

		bound.schema = MemoryContextStrdup(TopMemoryContext, schema);
		if (old_schema != NULL)
			pfree(old_schema);
	}
	for (int id = 0; id < APP_TABLE_COUNT; id++)
		bound.relids[id] = get_relname_relid(app_tables[id].name, namespace);
	bound_namespace = namespace;
}

/*
 * Binds the map to the schema of the SQL function called and makes sure that
 * the call can read its tables: all but the optional ones are there, their
 * columns have the types expected, and the caller has USAGE on the schema and
 * SELECT on them.  Raises
 * an error that names what is not so; returns what SQL can be made from.
 */
const Binding *
binding_open(Oid function, const AppCall *call)
{
	Oid			namespace = get_func_namespace(function);
	bool		verified;

	if (namespace != bound_namespace || bound_generation != catalog_generation)
		rebind(namespace);
	verified = (call->needs & ~verified_needs) == 0;

	if (pg_namespace_aclcheck(namespace, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", quote_identifier(bound.schema)),
				 errdetail("%s reads its tables as role \"%s\".", call->name,
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant USAGE on it.")));

	for (int id = 0; id < APP_TABLE_COUNT; id++)
	{
		const AppTable *table = &app_tables[id];
		Oid			relid = bound.relids[id];

		if (!app_call_reads_table(call, table))
			continue;

		if (!OidIsValid(relid))
		{
			if (table->optional)
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("relation %s does not exist", qualified_name(table)),
					 errdetail("%s reads the application's tables in the schema of the extension.",
							   call->name),
					 errhint("Create the table by the application's migrations, or a view of that name; "
							 "see %s.runlink_schema_check().",
							 quote_identifier(bound.schema))));
		}

		if (!verified && !relkind_is_readable(get_rel_relkind(relid)))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("relation %s is not a table or view", qualified_name(table)),
					 errdetail("%s reads the application's tables in the schema of the extension.",
							   call->name),
					 errhint("Rename or drop it; see %s.runlink_schema_check().",
							 quote_identifier(bound.schema))));

		if (!table_readable(table, relid, call))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for relation %s", qualified_name(table)),
					 errdetail("%s reads it as role \"%s\".", call->name,
							   GetUserNameFromId(GetUserId(), false)),
					 errhint("Grant SELECT on it; see %s.runlink_schema_check().",
							 quote_identifier(bound.schema))));

		if (!verified)
			verify_columns(table, relid, call);
	}
	verified_needs |= call->needs;
	return &bound;
}

/* Appends SQL of the map with the schema's quoted name put in. */
void
append_template(StringInfo sql, const Binding *binding, const char *sql_template)
{
	const char *quoted_schema = quote_identifier(binding->schema);
	const char *placeholder;

	while ((placeholder = strstr(sql_template, SCHEMA_PLACEHOLDER)) != NULL)
	{
		appendBinaryStringInfo(sql, sql_template, placeholder - sql_template);
		appendStringInfoString(sql, quoted_schema);
		sql_template = placeholder + strlen(SCHEMA_PLACEHOLDER);
	}
	appendStringInfoString(sql, sql_template);
}

static bool
has_several_items(AppTableId table)
{
	return app_tables[table].items[1].kind != NULL;
}

/*
 * A json value as jsonb, or as a string of its text where jsonb cannot hold it:
 * json takes \u0000 and a surrogate without its other half, which Python writes
 * of what a model said, and numbers of any exponent, and one such record is not
 * to stop the answer.  Escaped backslashes and surrogates in pairs are put out
 * of the way first.
 */
#define JSON_AS_JSONB(value) \
	"CASE WHEN pg_catalog.regexp_replace(pg_catalog.replace(" value "::pg_catalog.text, E'\\\\\\\\', 'x')," \
	" E'\\\\\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', 'x', 'g')" \
	" OPERATOR(pg_catalog.~) E'\\\\\\\\u(0000|[dD][89a-fA-F])|[0-9][eE][+-]?[0-9]{5}'" \
	" THEN pg_catalog.to_jsonb(" value "::pg_catalog.text) ELSE " value "::pg_catalog.jsonb END"

/* The order in which jsonb keeps keys: it then has nothing to sort. */
static int
compare_as_keys(const void *a, const void *b)
{
	const char *left = (*(const AppColumn *const *) a)->name;
	const char *right = (*(const AppColumn *const *) b)->name;
	size_t		left_length = strlen(left);
	size_t		right_length = strlen(right);

	if (left_length != right_length)
		return left_length < right_length ? -1 : 1;
	return memcmp(left, right, left_length);
}

/* The columns of detail that a table has, as a palloc'd array; returns their number. */
static int
detail_columns(AppTableId table, const AppColumn ***columns)
{
	int			count = 0;

	for (const AppColumn *column = app_tables[table].columns; column->name != NULL; column++)
		count++;
	*columns = palloc(count * sizeof(**columns));
	count = 0;
	for (const AppColumn *column = app_tables[table].columns; column->name != NULL; column++)
	{
		if ((column->use & COLUMN_DETAIL) &&
			get_attnum(bound.relids[table], column->name) != InvalidAttrNumber)
			(*columns)[count++] = column;
	}
	qsort(*columns, count, sizeof(**columns), compare_as_keys);
	return count;
}

/* Appends a jsonb expression: the columns of detail that the table has. */
static void
append_detail_columns(StringInfo sql, AppTableId table)
{
	const AppColumn **columns;
	int			count = detail_columns(table, &columns);

	appendStringInfoString(sql, "pg_catalog.jsonb_build_object(");
	for (int i = 0; i < count; i++)
	{
		const char *name = columns[i]->name;
		Oid			relid = bound.relids[table];

		appendStringInfo(sql, "%s'%s', ", i > 0 ? ", " : "", name);
		if (getBaseType(get_atttype(relid, get_attnum(relid, name))) == JSONOID)
			appendStringInfo(sql, JSON_AS_JSONB("t.%s"), name, name, name);
		else
			appendStringInfo(sql, "t.%s", name);
	}
	appendStringInfoChar(sql, ')');
}

/* Appends the detail of a record as an item, a jsonb expression. */
void
append_detail(StringInfo sql, AppTableId table, const AppItem *item)
{
	if (item->detail != NULL)
		appendStringInfo(sql, "pg_catalog.jsonb_build_object(%s) OPERATOR(pg_catalog.||) ",
						 item->detail);
	if (has_several_items(table))
		appendStringInfoString(sql, "shared.detail");
	else
		append_detail_columns(sql, table);
}

/* Appends the title of a record as an item, a text expression. */
void
append_title(StringInfo sql, const Binding *binding, AppTableId table, const AppItem *item)
{
	if (has_several_items(table))
		appendStringInfoString(sql, "shared.title");
	else
	{
		append_template(sql, binding, item->title != NULL ? item->title : "NULL");
		appendStringInfoString(sql, "::pg_catalog.text");
	}
}

static bool
link_exists(const AppLink *link)
{
	Oid			relid = bound.relids[link->column_table];

	return get_attnum(relid, link->column) != InvalidAttrNumber;
}

/*
 * Appends what a link finds in a table as each kind of evidence it is: the
 * table is looked at once, also where its records are of two kinds, which
 * share their title and the columns of detail.  OFFSET 0 keeps the planner from
 * making these twice.
 */
static void
append_select(StringInfo sql, const Binding *binding, AppTableId id, const AppLink *link,
			  bool as_evidence, AppendSelectList append_select_list)
{
	const AppTable *table = &app_tables[id];
	bool		several = has_several_items(id);

	if (!several)
	{
		appendStringInfoString(sql, "SELECT ");
		append_select_list(sql, binding, id, link, table->items);
	}
	else
		appendStringInfoString(sql, "SELECT i.*");
	append_template(sql, binding, " FROM @extschema@.");
	appendStringInfo(sql, "%s t", table->name);
	if (!several)
		return;

	if (as_evidence)
	{
		appendStringInfoString(sql, " CROSS JOIN LATERAL (SELECT ");
		append_template(sql, binding, table->items->title);
		appendStringInfoString(sql, "::pg_catalog.text AS title, ");
		append_detail_columns(sql, id);
		appendStringInfoString(sql, " AS detail OFFSET 0) AS shared");
	}

	for (const AppItem *item = table->items; item->kind != NULL; item++)
	{
		appendStringInfoString(sql, item == table->items ? " CROSS JOIN LATERAL (SELECT "
							   : " UNION ALL SELECT ");
		append_select_list(sql, binding, id, link, item);
		if (item->condition != NULL)
			appendStringInfo(sql, " WHERE %s", item->condition);
	}
	appendStringInfoString(sql, ") AS i");
}

/*
 * Appends a UNION ALL over everything in the given tables that is linked to
 * run $1: a branch for each link, so that each can use its index, and so that
 * every record comes with the first link that holds and no other.  As evidence
 * they are only records of tenant $2, or of any tenant where $2 is NULL; else
 * they are all of them, to be counted, and have no title and no detail.
 */
void
append_linked_records(StringInfo sql, const Binding *binding, AppTableSet tables,
					  bool as_evidence, AppendSelectList append_select_list)
{
	const char *separator = "";

	for (int id = 0; id < APP_TABLE_COUNT; id++)
	{
		const AppTable *table = &app_tables[id];

		if (!(tables & APP_TABLE_BIT(id)) || !OidIsValid(bound.relids[id]) || table->items == NULL)
			continue;

		for (const AppLink *link = table->links; link->linked_by != NULL; link++)
		{
			if (!link_exists(link))
				continue;

			appendStringInfoString(sql, separator);
			separator = " UNION ALL ";
			append_select(sql, binding, id, link, as_evidence, append_select_list);
			appendStringInfoString(sql, " WHERE ");
			append_template(sql, binding, link->condition);
			for (const AppLink *earlier = table->links; earlier < link; earlier++)
			{
				if (!link_exists(earlier))
					continue;
				appendStringInfoString(sql, " AND (");
				append_template(sql, binding, earlier->condition);
				appendStringInfoString(sql, ") IS NOT TRUE");
			}
			if (as_evidence)
				appendStringInfoString(sql, " AND ($2 IS NULL OR t.tenant_id" SQL_EQ "$2)");
		}
	}
}
