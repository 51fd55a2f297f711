/*-------------------------------------------------------------------------
 *
 * schema_triggers.c
 *	  The schema check of a trigger that runlink makes: is it as it was made?
 *
 * Queries over the catalogues are written without qualification: they run with
 * search_path set to pg_catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "schema_check.h"

/* One value of a query over the catalogues with the parameters $1 and $2; NULL for none. */
char *
ask_catalogues(const char *sql, Oid oid, const char *name)
{
	Oid			types[2] = {OIDOID, TEXTOID};
	Datum		values[2] = {ObjectIdGetDatum(oid), CStringGetTextDatum(name)};

	if (SPI_execute_with_args(sql, 2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the catalogues");
	return SPI_processed == 0 ? NULL : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* What is wrong with the trigger on a table or one of its partitions. */
#define TRIGGER_FAULTS \
	"select string_agg(f.relid::text || ' ' || f.fault, ', ' order by f.relid::text) from (" \
	"select p.relid, case when t.oid is null then 'missing'" \
	" when t.tgfoid is distinct from to_regprocedure(%s) then 'calls another function'" \
	" when t.tgtype <> %d then 'fires at another time'" \
	" when t.tgqual is not null or t.tgattr <> '' then 'fires on a condition'" \
	" when t.tgenabled not in ('O', 'A') then 'disabled' end as fault" \
	" from (select $1::regclass as relid" \
	" union select relid from pg_partition_tree($1)) as p" \
	" left join pg_trigger t on t.tgrelid = p.relid and t.tgname = $2) as f" \
	" where f.fault is not null"

/* Fills in what the finding has to say of status, expected and found. */
bool
own_trigger_is_ok(const SchemaCheck *check, Oid relid, const OwnTrigger *trigger, Finding *finding)
{
	char	   *function = psprintf("%s.%s()", quote_identifier(check->schema), trigger->function);

	finding->expected = psprintf("trigger %s, enabled", trigger->name);
	finding->found = ask_catalogues(psprintf(TRIGGER_FAULTS, quote_literal_cstr(function), trigger->type),
									relid, trigger->name);
	if (finding->found == NULL)
	{
		finding->found = finding->expected;
		return true;
	}
	finding->status = strstr(finding->found, " disabled") != NULL ? "disabled"
		: strstr(finding->found, " missing") != NULL ? "missing" : "not_valid";
	return false;
}
