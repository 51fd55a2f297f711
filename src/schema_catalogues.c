/*-------------------------------------------------------------------------
 *
 * schema_catalogues.c
 *	  The schema check of what hangs on a table: keys, indexes of links, guard
 *	  triggers, constraints.
 *
 * These are queries over the catalogues through SPI, written without
 * qualification: they run with search_path set to pg_catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "binding.h"
#include "schema_check.h"

/* Runs a query over the catalogues for the table of the check. */
static void
query_catalogue(const SchemaCheck *check, const char *sql)
{
	Oid			argtypes[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(check->relid)};

	if (SPI_execute_with_args(sql, 1, argtypes, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the catalogues");
}

static char *
catalogue_value(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static bool
catalogue_is_true(uint64 row, int column)
{
	char	   *value = catalogue_value(row, column);

	return value != NULL && value[0] == 't';
}

/* Columns of the query over the table's indexes. */
enum
{
	INDEX_NAME = 1,
	INDEX_VALID,
	INDEX_UNIQUE,
	INDEX_PRIMARY,
	INDEX_PLAIN_COLLATION,
	INDEX_KEYS,
	INDEX_PREDICATE
};

static void
query_indexes(const SchemaCheck *check)
{
	query_catalogue(check,
					"select i.indexrelid::regclass::text,"
					" i.indisvalid and i.indisready and i.indislive,"
					" i.indisunique and i.indimmediate,"
					" i.indisprimary,"
					" not exists (select from unnest(i.indcollation, i.indkey) as k (coll, attnum)"
					" left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum"
					" where k.coll not in (0, coalesce(a.attcollation, 100))),"
					" (select string_agg(pg_get_indexdef(i.indexrelid, k, false), ', ' order by k)"
					" from generate_series(1, i.indnkeyatts) as k),"
					" pg_get_expr(i.indpred, i.indrelid)"
					" from pg_index i"
					" join pg_class c on c.oid = i.indexrelid"
					" join pg_am m on m.oid = c.relam"
					" where i.indrelid = $1 and m.amname in ('btree', 'hash')"
					" order by i.indisvalid desc, c.relname");
}

/* A list of columns as it stands in a check_id, which has no blanks. */
static char *
without_blanks(const char *list)
{
	char	   *result = pstrdup(list);
	char	   *end = result;

	for (const char *c = list; *c != '\0'; c++)
	{
		if (*c != ' ')
			*end++ = *c;
	}
	*end = '\0';
	return result;
}

/* The key that makes a record one row. */
void
check_key(const SchemaCheck *check)
{
	const AppTable *table = check->table;
	Finding		finding = begin_finding(check,
										psprintf("key.%s.%s", table->name,
												 without_blanks(table->key)),
										"required");
	const char *constraint = table->key_constraint;

	finding.object = psprintf("%s (%s)", check->table_name, table->key);
	finding.expected = constraint;
	finding.why = "one record must be one row of evidence; the remedy builds an index under "
		"an ACCESS EXCLUSIVE lock";

	query_indexes(check);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (catalogue_is_true(i, INDEX_PRIMARY))
			constraint = "unique";	/* a table has but one primary key */
		if (catalogue_is_true(i, INDEX_VALID) && catalogue_is_true(i, INDEX_UNIQUE) &&
			catalogue_value(i, INDEX_PREDICATE) == NULL &&
			strcmp(catalogue_value(i, INDEX_KEYS), table->key) == 0)
			finding.found = catalogue_value(i, INDEX_NAME);
	}
	if (finding.found == NULL)
	{
		finding.status = "missing";
		finding.remedy = psprintf("alter table %s add %s (%s)", check->table_name, constraint,
								  table->key);
	}
	check->report(check->sink, &finding);
}

/* Does an index with these keys and this predicate serve a link?  All are as printed. */
static bool
index_serves(const char *keys, const char *predicate, const char *link_key, const char *link_where)
{
	size_t		length = strlen(link_key);

	if (strncmp(keys, link_key, length) != 0 || (keys[length] != '\0' && keys[length] != ','))
		return false;
	return predicate == NULL || (link_where != NULL && strcmp(predicate, link_where) == 0);
}

static char *
expand(const SchemaCheck *check, const char *sql_template)
{
	StringInfoData sql;
	Binding		binding = {.schema = unconstify(char *, check->schema)};

	if (sql_template == NULL)
		return NULL;
	initStringInfo(&sql);
	append_template(&sql, &binding, sql_template);
	return sql.data;
}

/* An index that serves a link of the table. */
void
check_link_index(const SchemaCheck *check, const AppLink *link)
{
	Finding		finding = begin_finding(check,
										psprintf("index.%s.%s", check->table->name, link->linked_by),
										"recommended");
	const char *name = link->index_name;
	char	   *key = expand(check, link->index_key);
	char	   *where = expand(check, link->index_where);
	char	   *suffix = where != NULL ? psprintf(" where %s", where) : "";
	const char *concurrently = check->is_partitioned ? "" : "concurrently ";

	finding.object = psprintf("%s (%s)", check->table_name, app_as_printed(key));
	finding.expected = app_as_printed(psprintf("index on (%s)%s", key, suffix));
	finding.why = check->is_partitioned
		? "without it the calls read the whole table; building it on a partitioned table "
		"holds a SHARE lock, which blocks writes"
		: "without it the calls read the whole table; CONCURRENTLY holds a SHARE UPDATE EXCLUSIVE "
		"lock, which lets writes go on, but cannot run in a transaction block; without that word "
		"it can, and holds a SHARE lock, which blocks writes";
	finding.status = "missing";
	if (name == NULL || OidIsValid(get_relname_relid(name, check->namespace)))
		name = "";				/* Postgres chooses one */
	finding.remedy = psprintf("create index %s%s%son %s (%s)%s", concurrently,
							  name, name[0] != '\0' ? " " : "", check->table_name, key, suffix);

	query_indexes(check);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (!catalogue_is_true(i, INDEX_PLAIN_COLLATION) ||
			!index_serves(catalogue_value(i, INDEX_KEYS), catalogue_value(i, INDEX_PREDICATE),
						  app_as_printed(key), where != NULL ? app_as_printed(where) : NULL))
			continue;
		finding.found = catalogue_value(i, INDEX_NAME);
		if (catalogue_is_true(i, INDEX_VALID))
		{
			finding.status = "ok";
			finding.remedy = NULL;
		}
		else
		{
			finding.status = "not_valid";
			finding.remedy = psprintf("reindex index %s%s", concurrently, finding.found);
		}
		break;
	}
	check->report(check->sink, &finding);
}

/* The application's guard of a table against an event, which may be disabled. */
void
check_guard(const SchemaCheck *check, const char *event, int16 event_bit)
{
	Finding		finding = begin_finding(check,
										psprintf("trigger.%s.%s", check->table->name, event),
										"recommended");
	char	   *enabled;
	char	   *disabled;

	query_catalogue(check, psprintf("select string_agg(quote_ident(tgname), ', ' order by tgname)"
									" filter (where tgenabled in ('O', 'A')),"
									" string_agg(quote_ident(tgname), ', ' order by tgname)"
									" filter (where tgenabled not in ('O', 'A')),"
									" string_agg('enable trigger ' || quote_ident(tgname), ', '"
									" order by tgname) filter (where tgenabled not in ('O', 'A'))"
									" from pg_trigger where tgrelid = $1 and not tgisinternal"
									" and tgtype & %d <> 0", event_bit));
	enabled = catalogue_value(0, 1);
	disabled = catalogue_value(0, 2);

	finding.expected = psprintf("enabled trigger on %s", event);
	finding.why = psprintf("the application rejects %s of these records by a trigger; whether the "
						   "trigger's function does so was not checked", event);
	if (disabled != NULL)
	{
		finding.status = "disabled";
		finding.found = disabled;
		finding.why = psprintf("%s; the remedy holds a SHARE ROW EXCLUSIVE lock for a moment",
							   finding.why);
		finding.remedy = psprintf("alter table %s %s", check->table_name, catalogue_value(0, 3));
	}
	else if (enabled != NULL)
		finding.found = enabled;
	else
	{
		finding.status = "missing";
		finding.why = psprintf("%s; its function is the application's, so there is no remedy here",
							   finding.why);
	}
	check->report(check->sink, &finding);
}

/* Constraints of the table that are not valid. */
void
check_constraints(const SchemaCheck *check)
{
	query_catalogue(check,
					"select conname, pg_get_constraintdef(oid) from pg_constraint"
					" where conrelid = $1 and not convalidated order by conname");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *name = catalogue_value(i, 1);
		Finding		finding = begin_finding(check,
											psprintf("constraint.%s.%s", check->table->name, name),
											"info");

		finding.status = "not_valid";
		finding.object = psprintf("%s.%s", check->table_name, quote_identifier(name));
		finding.expected = "validated constraint";
		finding.found = catalogue_value(i, 2);
		finding.why = "rows from before the constraint may break it, so a link may name a run "
			"that does not exist; hardening it is for the application to decide";
		check->report(check->sink, &finding);
	}
}
