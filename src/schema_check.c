/*-------------------------------------------------------------------------
 *
 * schema_check.c
 *	  runlink_schema_check and runlink_require_schema: is the application's
 *	  schema wired so that the calls can answer, and what SQL mends it.
 *
 * Walks the linkage map and compares it with the catalogues.  Reads no table
 * of the application and takes no lock on one; runs with search_path set to
 * pg_catalog by its SQL functions, so that expressions print qualified.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "binding.h"

PG_FUNCTION_INFO_V1(runlink_schema_check);
PG_FUNCTION_INFO_V1(runlink_require_schema);

/* A row of runlink_schema_check, as text; its columns in their order. */
typedef struct Finding
{
	const char *check_id;
	const char *level;
	const char *status;
	const char *domain;
	const char *object;
	const char *expected;
	const char *found;
	const char *needed_by;
	const char *why;
	const char *remedy;
} Finding;

#define FINDING_COLUMNS 10

typedef void (*ReportFinding) (void *sink, const Finding *finding);

/* The check under way: where findings go, and the table looked at. */
typedef struct SchemaCheck
{
	ReportFinding report;
	void	   *sink;
	const char *schema;			/* unquoted */
	Oid			namespace;
	const AppTable *table;
	char	   *table_name;		/* qualified and quoted */
	Oid			relid;
	bool		is_table;		/* not a view or foreign table */
	bool		is_partitioned;
} SchemaCheck;

/* What the table as a whole is needed for. */
static int
table_use(const AppTable *table)
{
	int			use = 0;

	for (const AppColumn *column = table->columns; column->name != NULL; column++)
		use |= column->use & FOR_CALLS;
	return use;
}

/* Starts a finding about the table of the check. */
static Finding
begin_finding(const SchemaCheck *check, const char *check_id, const char *level)
{
	Finding		finding = {
		.check_id = check_id,
		.level = level,
		.status = "ok",
		.domain = check->table->domain,
		.object = check->table_name,
		.needed_by = app_needed_by(table_use(check->table)),
	};

	return finding;
}

static const char *
relkind_name(char relkind)
{
	switch (relkind)
	{
		case RELKIND_RELATION:
			return "table";
		case RELKIND_PARTITIONED_TABLE:
			return "partitioned table";
		case RELKIND_VIEW:
			return "view";
		case RELKIND_MATVIEW:
			return "materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "foreign table";
		case RELKIND_SEQUENCE:
			return "sequence";
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			return "index";
		case RELKIND_COMPOSITE_TYPE:
			return "composite type";
		default:
			return "relation of another kind";
	}
}

static bool
relkind_is_readable(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE;
}

/* The table itself; returns whether there is something further to look at. */
static bool
check_table(SchemaCheck *check)
{
	Finding		finding = begin_finding(check, psprintf("table.%s", check->table->name),
										check->table->optional ? "info" : "required");
	char		relkind = OidIsValid(check->relid) ? get_rel_relkind(check->relid) : '\0';

	check->is_partitioned = (relkind == RELKIND_PARTITIONED_TABLE);
	check->is_table = check->is_partitioned || relkind == RELKIND_RELATION;

	finding.expected = "table or view";
	if (OidIsValid(check->relid))
		finding.found = relkind_name(relkind);
	else
	{
		finding.status = "missing";
		finding.why = check->table->optional
			? "optional: evidence has no rows of this kind without it"
			: "only the application's migrations know all of it, so there is no remedy here; "
			"a view of this name serves as well";
	}
	if (OidIsValid(check->relid) && !relkind_is_readable(relkind))
	{
		finding.level = "required";
		finding.status = "wrong_type";
		finding.why = "its rows cannot be read";
	}
	else if (check->is_table)
		finding.why = "the calls read it";
	else if (OidIsValid(check->relid))
		finding.why = "keys, indexes and triggers are those of the tables behind it, "
			"and were not checked";
	check->report(check->sink, &finding);
	return relkind_is_readable(relkind);
}

/* Every call in one: it reads whatever any of them reads. */
static const AppCall every_call = {"runlink", FOR_CALLS};

static void
check_privilege(const SchemaCheck *check)
{
	Finding		finding = begin_finding(check, psprintf("privilege.%s", check->table->name),
										"required");
	char	   *role = GetUserNameFromId(GetUserId(), false);

	finding.expected = psprintf("SELECT for %s", quote_identifier(role));
	finding.why = "the calls read as their caller";
	if (table_readable(check->table, check->relid, &every_call))
		finding.found = finding.expected;
	else
	{
		finding.status = "no_privilege";
		finding.remedy = psprintf("grant select on table %s to %s",
								  check->table_name, quote_identifier(role));
	}
	check->report(check->sink, &finding);
}

/* A legacy link is only looked at where it is, but then with its type. */
static const char *
column_level(const AppColumn *column, const char *status)
{
	bool		needed = (column->use & FOR_CALLS) &&
		(!(column->use & COLUMN_LEGACY) || strcmp(status, "wrong_type") == 0);

	return needed || (column->use & COLUMN_PLAN) ? "required" : "info";
}

static const char *
column_why(const AppColumn *column)
{
	if (column->why != NULL)
		return column->why;
	if (column->use & FOR_CALLS)
		return "the calls cannot answer without it";
	return "told in the detail of evidence";
}

static char *
with_default(const AppColumn *column, const char *before)
{
	return column->default_value != NULL ? psprintf("%s%s", before, column->default_value) : "";
}

static void
mend_missing_column(const SchemaCheck *check, const AppColumn *column, Finding *finding)
{
	if (!column->addable)
	{
		finding->why = psprintf("%s; its values are lost with it, so there is no remedy here",
								finding->why);
		return;
	}
	finding->why = psprintf("%s; the remedy holds an ACCESS EXCLUSIVE lock for a moment: it rewrites "
							"no rows", finding->why);
	finding->remedy = psprintf("alter table %s add column %s %s%s%s", check->table_name,
							   quote_identifier(column->name), column->declared,
							   column->not_null ? " not null" : "",
							   with_default(column, " default "));
}

static bool
column_has_default(Oid relid, const char *column)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, column);
	bool		has_default = ((Form_pg_attribute) GETSTRUCT(tuple))->atthasdef;

	ReleaseSysCache(tuple);
	return has_default;
}

/* A default goes first, since it may have no cast, and comes back last. */
static void
mend_column_type(const SchemaCheck *check, const AppColumn *column, Oid type, Finding *finding)
{
	const char *name = quote_identifier(column->name);
	bool		to_utc = (column->type == TIMESTAMPTZOID && getBaseType(type) == TIMESTAMPOID);

	finding->why = psprintf("%s; the remedy rewrites the table under an ACCESS EXCLUSIVE lock%s",
							finding->why, to_utc ? " and takes the times as UTC" : "");
	finding->remedy = psprintf("alter table %s %salter column %s type %s using %s%s%s%s%s",
							   check->table_name,
							   column_has_default(check->relid, column->name)
							   ? psprintf("alter column %s drop default, ", name) : "",
							   name, column->declared, name,
							   to_utc ? " at time zone " : "::",
							   to_utc ? "'UTC'" : column->declared,
							   column->default_value != NULL
							   ? psprintf(", alter column %s set default ", name) : "",
							   with_default(column, ""));
}

static void
check_column(const SchemaCheck *check, const AppColumn *column)
{
	Finding		finding = begin_finding(check,
										psprintf("column.%s.%s", check->table->name, column->name),
										NULL);
	AttrNumber	attnum = get_attnum(check->relid, column->name);
	bool		mendable = check->is_table && column->declared != NULL &&
		!(column->use & COLUMN_WRITER);

	finding.object = psprintf("%s.%s", check->table_name, quote_identifier(column->name));
	finding.expected = column->declared != NULL ? app_as_printed(column->declared) : "any type";
	finding.why = column_why(column);
	finding.needed_by = app_needed_by(column->use);
	if (column->use & COLUMN_WRITER)
		finding.needed_by = "run_metrics_driver, run_signal_driver";
	else if (column->use & COLUMN_PLAN)
		finding.needed_by = psprintf("linkage plan, %s", finding.needed_by);

	if (attnum == InvalidAttrNumber)
	{
		finding.status = "missing";
		if (mendable)
			mend_missing_column(check, column, &finding);
	}
	else
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(check->relid, attnum, &type, &typmod, &collation);
		finding.found = format_type_with_typemod(type, typmod);
		if (!column_type_fits(column, type))
		{
			finding.status = "wrong_type";
			if (mendable)
				mend_column_type(check, column, type, &finding);
		}
	}
	finding.level = column_level(column, finding.status);
	check->report(check->sink, &finding);
}

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

static void
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

static void
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
static void
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

static void
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

static void
check_one_table(SchemaCheck *check)
{
	const AppTable *table = check->table;

	if (!check_table(check))
		return;
	check_privilege(check);
	for (const AppColumn *column = table->columns; column->name != NULL; column++)
		check_column(check, column);
	if (!check->is_table)
		return;
	check_key(check);
	for (const AppLink *link = table->links; link != NULL && link->linked_by != NULL; link++)
	{
		if (link->index_key != NULL)
			check_link_index(check, link);
	}
	if (table->update_guarded)
		check_guard(check, "update", TRIGGER_TYPE_UPDATE);
	if (table->delete_guarded)
		check_guard(check, "delete", TRIGGER_TYPE_DELETE);
	check_constraints(check);
}

static void
check_encoding(const SchemaCheck *check)
{
	Finding		finding = {
		.check_id = "database.encoding",
		.level = "required",
		.status = GetDatabaseEncoding() == PG_UTF8 ? "ok" : "wrong_type",
		.domain = "logs",
		.object = "database",
		.expected = "UTF8",
		.found = GetDatabaseEncodingName(),
		.needed_by = app_call_proof.name,
		.why = "hashes are over UTF-8 text; an encoding is chosen when a database is created",
	};

	check->report(check->sink, &finding);
}

/*
 * Reports everything that the map says of the application, in its order.  SPI
 * must be connected.
 */
static void
check_schema(Oid function, ReportFinding report, void *sink)
{
	Oid			namespace = get_func_namespace(function);
	SchemaCheck check = {
		.report = report,
		.sink = sink,
		.namespace = namespace,
		.schema = get_namespace_name(namespace),
	};

	check_encoding(&check);
	for (int id = 0; id < APP_TABLE_COUNT; id++)
	{
		check.table = &app_tables[id];
		check.table_name = quote_qualified_identifier(check.schema, check.table->name);
		check.relid = get_relname_relid(check.table->name, namespace);
		check_one_table(&check);
	}
}

static void
put_finding(void *sink, const Finding *finding)
{
	ReturnSetInfo *rsinfo = sink;
	const char *const texts[FINDING_COLUMNS] = {
		finding->check_id, finding->level, finding->status, finding->domain, finding->object,
		finding->expected, finding->found, finding->needed_by, finding->why, finding->remedy
	};
	Datum		values[FINDING_COLUMNS];
	bool		nulls[FINDING_COLUMNS];

	for (int i = 0; i < FINDING_COLUMNS; i++)
	{
		nulls[i] = (texts[i] == NULL);
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * runlink_schema_check() returns setof record
 *
 * One row for everything checked, in the order of the linkage map; status ok
 * included.  Never an error for what is miswired.
 */
Datum
runlink_schema_check(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	check_schema(fcinfo->flinfo->fn_oid, put_finding, fcinfo->resultinfo);
	SPI_finish();
	return (Datum) 0;
}

typedef struct RequiredFindings
{
	int			count;
	StringInfoData detail;
} RequiredFindings;

static void
collect_required(void *sink, const Finding *finding)
{
	RequiredFindings *required = sink;

	if (strcmp(finding->level, "required") != 0 || strcmp(finding->status, "ok") == 0)
		return;
	if (required->count++ > 0)
		appendStringInfoChar(&required->detail, '\n');
	appendStringInfo(&required->detail, "%s is %s: %s", finding->object, finding->status,
					 finding->remedy != NULL ? finding->remedy : finding->why);
}

/*
 * runlink_require_schema() returns void
 *
 * Raises one error with everything required that is not ok, remedies included.
 */
Datum
runlink_require_schema(PG_FUNCTION_ARGS)
{
	RequiredFindings required = {0};
	Oid			function = fcinfo->flinfo->fn_oid;

	SPI_connect();
	initStringInfo(&required.detail);
	check_schema(function, collect_required, &required);
	if (required.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%d required object of the application's schema is not as runlink needs it",
							   "%d required objects of the application's schema are not as runlink needs them",
							   required.count, required.count),
				 errdetail_internal("%s", required.detail.data),
				 errhint("Run the remedies: select remedy from %s.runlink_schema_check() "
						 "where level = 'required' and status <> 'ok' \\gexec",
						 quote_identifier(get_namespace_name(get_func_namespace(function))))));
	SPI_finish();
	PG_RETURN_VOID();
}
