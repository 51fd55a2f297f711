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
		.needed_by = app_needed_by(FOR_PROOF),
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

/* Could anyone but a superuser act as the owner of the state? */
static void
check_owner(const SchemaCheck *check)
{
	Finding		finding = begin_sealing_finding("sealing.owner", "role " STATE_OWNER);
	char	   *members = ask_catalogues("select string_agg(quote_ident(pg_get_userbyid(m.member)), ', '"
							  " order by pg_get_userbyid(m.member)) from pg_auth_members m"
							  " join pg_roles r on r.oid = m.roleid where r.rolname = $2 and $1 = 0",
							  InvalidOid, STATE_OWNER);
	char	   *powers = ask_catalogues("select concat_ws(', ', case when rolsuper then 'superuser' end,"
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

/* A trigger of sealing: is it as runlink_enable_sealing() makes it? */
static void
check_trigger(const SchemaCheck *check, const char *check_id, const char *table, Oid relid,
			  const OwnTrigger *trigger, const char *why)
{
	Finding		finding = begin_sealing_finding(check_id, psprintf("%s on %s", trigger->name, table));

	if (!OidIsValid(relid))
		return;					/* told as a table that is missing */
	finding.why = why;
	if (!own_trigger_is_ok(check, relid, trigger, &finding))
	{
		finding.remedy = enable_statement(check);
		finding.why = psprintf("%s; the remedy needs a superuser, and holds SHARE ROW EXCLUSIVE locks on "
							   "aos_traces and aos_trace_steps for a moment", why);
	}
	check->report(check->sink, &finding);
}

static const OwnTrigger guard = {
	"runlink_guard", "runlink_guard_state",
	TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_DELETE | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_TRUNCATE
};

static const OwnTrigger record_step = {
	"runlink_record_step", "runlink_record_step", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT
};

static const OwnTrigger record_trace = {
	"runlink_record_trace", "runlink_record_trace",
	TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE
};

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
					  &guard,
					  "it keeps everyone, superusers by mistake included, from changing leaves and seals");
	check_trigger(check, "sealing.record_step", "aos_trace_steps",
				  get_relname_relid("aos_trace_steps", check->namespace), &record_step,
				  "a step that it does not see has no leaf, and its proof is UNSEALED");
	check_trigger(check, "sealing.record_trace", "aos_traces",
				  get_relname_relid("aos_traces", check->namespace), &record_trace,
				  "it records what run a trace is of, and seals the trace when it ends");
}
