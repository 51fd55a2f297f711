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
					/* a column of a domain prints as a cast to jsonb: the key is the same */
					" (select string_agg(regexp_replace(pg_get_indexdef(i.indexrelid, k, false),"
					" '\\((\\w+)\\)::jsonb', '\\1'), ', ' order by k)"
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

static const char *const column_lost =
"a column of it is lost with its values, so there is no remedy here";

/* Are the columns that SQL names there, or do their remedies bring them back? */
static bool
columns_mendable(const SchemaCheck *check, const char *sql)
{
	for (const AppColumn *column = check->table->columns; column->name != NULL; column++)
	{
		if (!column->addable && app_names_column(sql, column->name) &&
			get_attnum(check->relid, column->name) == InvalidAttrNumber)
			return false;
	}
	return true;
}

/* Is everything that the table is partitioned by among the columns of a list? */
static bool
partition_key_is_in(const SchemaCheck *check, const char *list)
{
	query_catalogue(check,
					"select coalesce(string_agg(a.attname, ','), ''),"
					" coalesce(bool_and(a.attname is not null), false)"
					" from pg_partitioned_table p cross join unnest(p.partattrs) as k (attnum)"
					" left join pg_attribute a on a.attrelid = p.partrelid and a.attnum = k.attnum"
					" and k.attnum > 0 where p.partrelid = $1");
	if (!catalogue_is_true(0, 2))
		return false;
	for (char *name = strtok(catalogue_value(0, 1), ","); name != NULL; name = strtok(NULL, ","))
	{
		if (!app_names_column(list, name))
			return false;
	}
	return true;
}

/* Finds the index of a key; NULL if there is none.  Tells of a primary key too. */
static char *
find_key_index(const SchemaCheck *check, bool *has_primary_key)
{
	char	   *found = NULL;

	query_indexes(check);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (catalogue_is_true(i, INDEX_PRIMARY))
			*has_primary_key = true;
		if (catalogue_is_true(i, INDEX_VALID) && catalogue_is_true(i, INDEX_UNIQUE) &&
			catalogue_value(i, INDEX_PREDICATE) == NULL &&
			strcmp(catalogue_value(i, INDEX_KEYS), check->table->key) == 0)
			found = catalogue_value(i, INDEX_NAME);
	}
	return found;
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
	bool		has_primary_key = false;

	finding.object = psprintf("%s (%s)", check->table_name, table->key);
	finding.expected = table->key_constraint;
	finding.found = find_key_index(check, &has_primary_key);
	finding.why = "one record must be one row of evidence; the remedy builds an index under "
		"an ACCESS EXCLUSIVE lock";

	if (finding.found == NULL)
		finding.status = "missing";
	if (finding.found == NULL && check->is_partitioned && !partition_key_is_in(check, table->key))
	{
		finding.level = "info";
		finding.why = "one record must be one row of evidence, but a key of a partitioned table "
			"has to contain what it is partitioned by: there is no remedy here";
	}
	else if (finding.found == NULL && !columns_mendable(check, table->key))
		finding.why = column_lost;
	else if (finding.found == NULL)
		finding.remedy = psprintf("alter table %s add %s (%s)", check->table_name,
								  has_primary_key ? "unique" : table->key_constraint, table->key);
	check->report(check->sink, &finding);
}

/*
 * Does an index with these keys and this predicate serve a link?  All are as
 * printed.  A column that equals the run id is not null, so an index of its
 * values alone serves; of an expression it does not, see application.c.
 */
static bool
index_serves(const char *keys, const char *predicate, const char *link_key, const char *link_where)
{
	size_t		length = strlen(link_key);

	if (strncmp(keys, link_key, length) != 0 || (keys[length] != '\0' && keys[length] != ','))
		return false;
	return predicate == NULL || (link_where != NULL && strcmp(predicate, link_where) == 0) ||
		(strchr(link_key, '(') == NULL &&
		 strcmp(predicate, psprintf("(%s IS NOT NULL)", link_key)) == 0);
}

static char *
expand(const SchemaCheck *check, const char *sql_template)
{
	StringInfoData sql;
	Binding		binding = {.schema = unconstify(char *, check->schema)};

	initStringInfo(&sql);
	append_template(&sql, &binding, sql_template);
	return sql.data;
}

/* Finds an index that serves a link, if possible a valid one; NULL if there is none. */
static char *
find_link_index(const SchemaCheck *check, const char *key, const char *where, bool *valid)
{
	query_indexes(check);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (catalogue_is_true(i, INDEX_PLAIN_COLLATION) &&
			index_serves(catalogue_value(i, INDEX_KEYS), catalogue_value(i, INDEX_PREDICATE),
						 key, where))
		{
			*valid = catalogue_is_true(i, INDEX_VALID);
			return catalogue_value(i, INDEX_NAME);
		}
	}
	return NULL;
}

/* The statement that makes the index of a link. */
static char *
create_index(const SchemaCheck *check, const AppLink *link)
{
	const char *name = link->index_name;

	if (name == NULL || OidIsValid(get_relname_relid(name, check->namespace)))
		name = "";				/* Postgres chooses one */
	return psprintf("create index %s%s%son %s (%s)%s%s",
					check->is_partitioned ? "" : "concurrently ",
					name, name[0] != '\0' ? " " : "",
					check->table_name, expand(check, link->index_key),
					link->index_where != NULL ? " where " : "",
					link->index_where != NULL ? expand(check, link->index_where) : "");
}

/* An index that serves a link of the table. */
void
check_link_index(const SchemaCheck *check, const AppLink *link)
{
	Finding		finding = begin_finding(check,
										psprintf("index.%s.%s", check->table->name, link->linked_by),
										"recommended");
	char	   *key = expand(check, app_as_printed(link->index_key));
	char	   *where = link->index_where != NULL
		? expand(check, app_as_printed(link->index_where)) : NULL;
	bool		valid = false;

	finding.object = psprintf("%s (%s)", check->table_name, key);
	finding.expected = psprintf("index on (%s)%s%s", key, where != NULL ? " where " : "",
								where != NULL ? where : "");
	finding.found = find_link_index(check, key, where, &valid);
	finding.why = check->is_partitioned
		? "without it the calls read the whole table; building it on a partitioned table "
		"holds a SHARE lock, which blocks writes"
		: "without it the calls read the whole table; CONCURRENTLY holds a SHARE UPDATE EXCLUSIVE "
		"lock, which lets writes go on, but cannot run in a transaction block; without that word "
		"it can, and holds a SHARE lock, which blocks writes";

	if (link->index_name != NULL)
		finding.why = psprintf("%s; analyze the table then, for the planner to know its keys",
							   finding.why);
	if (!valid)
		finding.status = finding.found != NULL ? "not_valid" : "missing";
	if (!valid && !columns_mendable(check, link->index_key))
		finding.why = column_lost;
	else if (!valid && finding.found != NULL && !check->is_partitioned)
		finding.remedy = psprintf("reindex index concurrently %s", finding.found);
	else if (!valid)
		finding.remedy = create_index(check, link);
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
									" and tgtype & %d <> 0 and tgname !~ '^runlink_'", event_bit));
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
