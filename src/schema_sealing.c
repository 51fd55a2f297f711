/*-------------------------------------------------------------------------
 *
 * schema_sealing.c
 *	  The schema check of sealing: the state, its owner, and the triggers that
 *	  record and seal.
 *
 * Queries over the catalogues are written without qualification: they run with
 * search_path set to pg_catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "schema_check.h"
#include "state.h"

static Finding
begin_sealing_finding(const char *check_id, const char *object)
{
	Finding		finding = {
		.check_id = check_id,
		.level = "recommended",
		.status = "ok",
		.domain = "logs",
		.object = object,
		.needed_by = app_call_proof.name,
	};

	return finding;
}

static char *
enable_statement(const SchemaCheck *check)
{
	return psprintf("select %s.runlink_enable_sealing()", quote_identifier(check->schema));
}

/* The state; returns whether there is one, sound or not. */
static bool
check_state(const SchemaCheck *check)
{
	Finding		finding = begin_sealing_finding("sealing.state", "schema " STATE_SCHEMA);
	const char *obstacle = NULL;

	finding.expected = "tables of " STATE_OWNER " as runlink_enable_sealing() makes them";
	finding.why = "leaves and seals are what a proof compares the steps with";
	if (!state_made())
	{
		finding.level = "info";
		finding.status = "missing";
		finding.why = "sealing was never enabled, so every proof is UNSEALED: to enable it, call "
			"runlink_enable_sealing() as a superuser";
	}
	else if (state_open(&obstacle) == NULL)
	{
		finding.status = "not_valid";
		finding.found = obstacle;
		finding.why = "steps are not recorded, and proofs are UNSEALED, until it is as it was: restore it "
			"from a backup, or rename the schema and enable sealing anew";
	}
	else
		finding.found = finding.expected;
	check->report(check->sink, &finding);
	return state_made();
}

/* One value of a query over the catalogues with the parameters $1 and $2; NULL for none. */
static char *
ask(const char *sql, Oid oid, const char *name)
{
	Oid			types[2] = {OIDOID, TEXTOID};
	Datum		values[2] = {ObjectIdGetDatum(oid), CStringGetTextDatum(name)};

	if (SPI_execute_with_args(sql, 2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the catalogues");
	return SPI_processed == 0 ? NULL : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* Could anyone but a superuser act as the owner of the state? */
static void
check_owner(const SchemaCheck *check)
{
	Finding		finding = begin_sealing_finding("sealing.owner", "role " STATE_OWNER);
	char	   *members = ask("select string_agg(quote_ident(pg_get_userbyid(m.member)), ', '"
							  " order by pg_get_userbyid(m.member)) from pg_auth_members m"
							  " join pg_roles r on r.oid = m.roleid where r.rolname = $2 and $1 = 0",
							  InvalidOid, STATE_OWNER);
	char	   *powers = ask("select concat_ws(', ', case when rolsuper then 'superuser' end,"
							 " case when rolcanlogin then 'login' end,"
							 " case when rolcreaterole then 'createrole' end,"
							 " case when rolcreatedb then 'createdb' end,"
							 " case when rolreplication then 'replication' end,"
							 " case when rolbypassrls then 'bypassrls' end)"
							 " from pg_roles where rolname = $2 and $1 = 0", InvalidOid, STATE_OWNER);

	finding.expected = "a role that cannot log in, has no members and no other privilege";
	finding.found = finding.expected;
	finding.why = "who can act as this role can forge leaves and seals";
	if (powers == NULL)
	{
		finding.status = "missing";
		finding.found = NULL;
		finding.remedy = enable_statement(check);
	}
	else if (powers[0] != '\0')
	{
		finding.status = "not_valid";
		finding.found = powers;
		finding.remedy = "alter role " STATE_OWNER " nosuperuser nologin nocreaterole nocreatedb"
			" noreplication nobypassrls";
	}
	else if (members != NULL)
	{
		finding.status = "not_valid";
		finding.found = psprintf("members: %s", members);
		finding.remedy = psprintf("revoke " STATE_OWNER " from %s", members);
	}
	check->report(check->sink, &finding);
}

/* What is wrong with the trigger on a table or one of its partitions. */
#define TRIGGER_FAULTS(function, type) \
	"select string_agg(f.relid::text || ' ' || f.fault, ', ' order by f.relid::text) from (" \
	"select p.relid, case when t.oid is null then 'missing'" \
	" when t.tgfoid is distinct from to_regprocedure(" function ") then 'calls another function'" \
	" when t.tgtype <> " CppAsString2(type) " then 'fires at another time'" \
	" when t.tgqual is not null or t.tgattr <> '' then 'fires on a condition'" \
	" when t.tgenabled not in ('O', 'A') then 'disabled' end as fault" \
	" from (select $1::regclass as relid" \
	" union select relid from pg_partition_tree($1)) as p" \
	" left join pg_trigger t on t.tgrelid = p.relid and t.tgname = $2) as f" \
	" where f.fault is not null"

/* AFTER ROW; bits of pg_trigger.tgtype */
#define AFTER_INSERT 5
#define AFTER_INSERT_UPDATE 21
#define BEFORE_STATEMENT_CHANGE 58

StaticAssertDecl(AFTER_INSERT == (TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT), "pg_trigger.tgtype");
StaticAssertDecl(AFTER_INSERT_UPDATE == (AFTER_INSERT | TRIGGER_TYPE_UPDATE), "pg_trigger.tgtype");
StaticAssertDecl(BEFORE_STATEMENT_CHANGE == (TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_DELETE |
											 TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_TRUNCATE),
				 "pg_trigger.tgtype");

/* A trigger of runlink on a table: is it as runlink_enable_sealing() makes it? */
static void
check_trigger(const SchemaCheck *check, const char *check_id, const char *table, Oid relid,
			  const char *trigger, const char *function, const char *faults_query, const char *why)
{
	Finding		finding = begin_sealing_finding(check_id, psprintf("%s on %s", trigger, table));
	char	   *signature = psprintf("%s.%s()", quote_identifier(check->schema), function);

	if (!OidIsValid(relid))
		return;					/* told as a table that is missing */
	finding.expected = psprintf("trigger %s, enabled", trigger);
	finding.why = why;
	finding.found = ask(psprintf(faults_query, quote_literal_cstr(signature)), relid, trigger);
	if (finding.found != NULL)
	{
		finding.status = strstr(finding.found, " disabled") != NULL ? "disabled"
			: strstr(finding.found, " missing") != NULL ? "missing" : "not_valid";
		finding.remedy = enable_statement(check);
		finding.why = psprintf("%s; the remedy needs a superuser, and holds SHARE ROW EXCLUSIVE locks on "
							   "aos_traces and aos_trace_steps for a moment", why);
	}
	else
		finding.found = finding.expected;
	check->report(check->sink, &finding);
}

/* Everything about sealing, once it was enabled.  SPI must be connected. */
void
check_sealing(const SchemaCheck *check)
{
	if (!check_state(check))
		return;
	check_owner(check);
	for (int id = 0; id < STATE_TABLE_COUNT; id++)
		check_trigger(check, psprintf("sealing.guard.%s", state_tables[id].name),
					  psprintf("%s.%s", STATE_SCHEMA, state_tables[id].name),
					  get_relname_relid(state_tables[id].name, get_namespace_oid(STATE_SCHEMA, true)),
					  "runlink_guard", "runlink_guard_state",
					  TRIGGER_FAULTS("%s", BEFORE_STATEMENT_CHANGE),
					  "it keeps everyone, superusers by mistake included, from changing leaves and seals");
	check_trigger(check, "sealing.record_step", "aos_trace_steps",
				  get_relname_relid("aos_trace_steps", check->namespace),
				  "runlink_record_step", "runlink_record_step", TRIGGER_FAULTS("%s", AFTER_INSERT),
				  "a step that it does not see has no leaf, and its proof is UNSEALED");
	check_trigger(check, "sealing.record_trace", "aos_traces",
				  get_relname_relid("aos_traces", check->namespace),
				  "runlink_record_trace", "runlink_record_trace",
				  TRIGGER_FAULTS("%s", AFTER_INSERT_UPDATE),
				  "it records what run a trace is of, and seals the trace when it ends");
}
