/*-------------------------------------------------------------------------
 *
 * schema_relations.c
 *	  The schema check of a table itself: is it there, may the caller read it,
 *	  and are its columns as the linkage map has them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "binding.h"
#include "schema_check.h"

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

/* The table itself; returns whether there is something further to look at. */
bool
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
			? "optional: the calls do without it"
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

/* May the caller read what the calls read? */
void
check_privilege(const SchemaCheck *check)
{
	Finding		finding = begin_finding(check, psprintf("privilege.%s", check->table->name),
										"required");
	char	   *role = GetUserNameFromId(GetUserId(), false);
	int			refused = 0;	/* FOR_ bits of calls that cannot read the table */

	finding.expected = psprintf("SELECT for %s", quote_identifier(role));
	finding.why = "the calls read as their caller";
	for (int need = 1; need & FOR_CALLS; need <<= 1)
	{
		AppCall		call = {"", need};

		if (!table_readable(check->table, check->relid, &call))
			refused |= need;
	}
	if (refused == 0)
		finding.found = finding.expected;
	else
	{
		finding.status = "no_privilege";
		finding.needed_by = app_needed_by(refused);
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

/* A column of the map: is it there, and of the type expected. */
void
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
		if (!type_fits(column->type, type))
		{
			finding.status = "wrong_type";
			if (mendable)
				mend_column_type(check, column, type, &finding);
		}
	}
	finding.level = column_level(column, finding.status);
	check->report(check->sink, &finding);
}
