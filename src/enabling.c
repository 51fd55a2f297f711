/*-------------------------------------------------------------------------
 *
 * enabling.c
 *	  What the calls share that make triggers on the application's tables: who
 *	  may, how long they wait, and whether the tables can have triggers.
 *
 * They run as the superuser who calls them, with search_path set by their SQL
 * functions.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "binding.h"
#include "enabling.h"

#define DEFAULT_LOCK_TIMEOUT "2s"

void
require_superuser(const char *function, const char *detail)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s", function),
				 errdetail("%s", detail),
				 errhint("Call it as a superuser.")));
}

/*
 * Until end_enabling, waits for others no longer than lock_timeout, which is two
 * seconds unless set; and SPI is connected.
 */
Enabling
begin_enabling(Oid function, const char *purpose)
{
	Enabling	enabling = {.purpose = purpose, .namespace = get_func_namespace(function)};

	SPI_connect();
	enabling.schema = pstrdup(quote_identifier(get_namespace_name(enabling.namespace)));
	enabling.nest_level = NewGUCNestLevel();
	if (LockTimeout == 0)
		set_config_option("lock_timeout", DEFAULT_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);
	return enabling;
}

void
end_enabling(const Enabling *enabling)
{
	AtEOXact_GUC(true, enabling->nest_level);
	SPI_finish();
}

void
run_sql(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}

/* A table of the application that can have triggers. */
Oid
enabling_table(const Enabling *enabling, AppTableId id)
{
	Oid			relid = get_relname_relid(app_tables[id].name, enabling->namespace);
	char		relkind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation %s.%s does not exist", enabling->schema, app_tables[id].name),
				 errdetail("%s needs it in the schema of the extension.", enabling->purpose),
				 errhint("Create the table by the application's migrations first.")));
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s.%s is not a table", enabling->schema, app_tables[id].name),
				 errdetail("%s works by triggers, which need a table.", enabling->purpose),
				 errhint("Create the extension in the schema where the application's tables are.")));
	return relid;
}

/* A column that a trigger reads: of another type, it would be read as what it is not. */
void
enabling_column(const Enabling *enabling, AppTableId id, const char *name, Oid type)
{
	Oid			relid = get_relname_relid(app_tables[id].name, enabling->namespace);
	AttrNumber	attnum = get_attnum(relid, name);
	Oid			found;

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of %s.%s does not exist", name, enabling->schema, app_tables[id].name),
				 errdetail("%s needs it.", enabling->purpose),
				 errhint("See %s.runlink_schema_check().", enabling->schema)));
	found = get_atttype(relid, attnum);
	if (!type_fits(type, found))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of %s.%s has the wrong type", name, enabling->schema,
						app_tables[id].name),
				 errdetail("%s expects %s, found %s.", enabling->purpose,
						   type == TEXTOID ? "text or character varying" : format_type_be(type),
						   format_type_be(found)),
				 errhint("See %s.runlink_schema_check() for the SQL that mends it.", enabling->schema)));
}
