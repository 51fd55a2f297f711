/*-------------------------------------------------------------------------
 *
 * enable.c
 *	  runlink_enable_sealing and runlink_disable_sealing: the state and the
 *	  triggers, made and taken away.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "enabling.h"
#include "encoding.h"
#include "run.h"
#include "state.h"

PG_FUNCTION_INFO_V1(runlink_enable_sealing);
PG_FUNCTION_INFO_V1(runlink_disable_sealing);

/* The application's tables that get triggers, qualified and quoted. */
typedef struct Target
{
	char	   *schema;			/* quoted */
	char	   *traces;
	char	   *steps;
	Oid			steps_relid;
} Target;

static Target
find_target(const Enabling *enabling)
{
	Target		target = {.schema = enabling->schema};

	enabling_table(enabling, APP_AOS_TRACES);
	target.steps_relid = enabling_table(enabling, APP_AOS_TRACE_STEPS);
	target.traces = psprintf("%s.aos_traces", target.schema);
	target.steps = psprintf("%s.aos_trace_steps", target.schema);
	return target;
}

static void
lock_target(const Target *target, const char *mode)
{
	run_sql(psprintf("lock table %s, %s in %s mode", target->traces, target->steps, mode));
}

/* What we read as a superuser: of another type, a cast of somebody's would run. */
static void
check_columns(const Enabling *enabling)
{
	enabling_column(enabling, APP_AOS_TRACES, "trace_id", TEXTOID);
	enabling_column(enabling, APP_AOS_TRACES, "run_id", TEXTOID);
	enabling_column(enabling, APP_AOS_TRACES, "tenant_id", TEXTOID);
	enabling_column(enabling, APP_AOS_TRACES, "status", TEXTOID);
	enabling_column(enabling, APP_AOS_TRACE_STEPS, "trace_id", TEXTOID);
	enabling_column(enabling, APP_AOS_TRACE_STEPS, "step_index", INT4OID);
}

/* Refuses a table of steps that a leaf cannot cover. */
static void
check_steps(const Target *target)
{
	Relation	steps = table_open(target->steps_relid, AccessShareLock);
	const char *unsupported = NULL;

	if (encoding_of_table(RelationGetDescr(steps), &unsupported) == NULL)
	{
		AttrNumber	attnum = get_attnum(target->steps_relid, unsupported);

		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of %s cannot be covered by a leaf", unsupported, target->steps),
				 errdetail("Its type is %s.", format_type_be(get_atttype(target->steps_relid, attnum))),
				 errhint("doc/format.md lists the types that have a canonical form.")));
	}
	table_close(steps, AccessShareLock);
}

/* Has a role members, or is it one? */
static bool
has_memberships(Oid role)
{
	CatCList   *roles = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(role));
	CatCList   *members = SearchSysCacheList1(AUTHMEMROLEMEM, ObjectIdGetDatum(role));
	bool		has_some = roles->n_members > 0 || members->n_members > 0;

	ReleaseSysCacheList(members);
	ReleaseSysCacheList(roles);
	return has_some;
}

static void
make_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(STATE_OWNER));
	Form_pg_authid role;
	bool		powerless;

	if (!HeapTupleIsValid(tuple))
	{
		run_sql(psprintf("create role %s nologin", STATE_OWNER));
		run_sql(psprintf("comment on role %s is 'Owns the leaves and seals of runlink. It must not log in, have "
				"members or be able to do anything else.'", STATE_OWNER));
		return;
	}
	role = (Form_pg_authid) GETSTRUCT(tuple);
	powerless = !role->rolsuper && !role->rolcreaterole && !role->rolcreatedb &&
		!role->rolcanlogin && !role->rolreplication && !role->rolbypassrls &&
		!has_memberships(role->oid);
	ReleaseSysCache(tuple);
	if (!powerless)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role %s has privileges or members", STATE_OWNER),
				 errdetail("Who owns the state must not be able to do anything else, nor anybody to act as it."),
				 errhint("ALTER ROLE %s NOSUPERUSER NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS, "
						 "and REVOKE it from its members, and from it what it is a member of.",
						 STATE_OWNER)));
}

/* What a superuser owns was restored without our role, and is taken over; no other is. */
static void
take_over(const char *kind, const char *name, Oid owner)
{
	if (owner == get_role_oid(STATE_OWNER, false))
		return;
	if (!superuser_arg(owner))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s %s is in the way", kind, name),
				 errdetail("It is owned by \"%s\", who could forge what is in it.",
						   GetUserNameFromId(owner, false)),
				 errhint("Rename or drop it.")));
	run_sql(psprintf("alter %s %s owner to %s", kind, name, STATE_OWNER));
}

static Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;

	ReleaseSysCache(tuple);
	return owner;
}

static void
make_schema(void)
{
	Oid			namespace = get_namespace_oid(STATE_SCHEMA, true);

	if (OidIsValid(namespace))
		take_over("schema", STATE_SCHEMA, namespace_owner(namespace));
	else
	{
		run_sql(psprintf("create schema %s authorization %s", STATE_SCHEMA, STATE_OWNER));
		run_sql(psprintf("comment on schema %s is 'Leaves and seals: what the record of a run is checked against. "
				"Ordinary tables, dumped and restored as data.'", STATE_SCHEMA));
	}
}

/* The application's trace_id, as it declares it: what is to lie together has to have one type. */
static char *
trace_id_type(const Target *target)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(target->steps_relid, get_attnum(target->steps_relid, "trace_id"),
						  &type, &typmod, &collation);
	type = getBaseTypeAndTypmod(type, &typmod);
	return type == TEXTOID ? "varchar" : format_type_with_typemod(type, typmod);
}

static void
create_table(const Target *target, const StateTable *table, const char *name)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "create table %s (", name);
	for (const StateColumn *column = table->columns; column->name != NULL; column++)
		appendStringInfo(&sql, "%s%s %s", column == table->columns ? "" : ", ", column->name,
						 column->declared != NULL ? column->declared
						 : psprintf("%s not null", trace_id_type(target)));
	if (table->key != NULL)
		appendStringInfo(&sql, ", primary key (%s)", table->key);
	run_sql(psprintf("%s)", sql.data));
	if (table->indexed != NULL)
		run_sql(psprintf("create index on %s (%s)", name, table->indexed));
	run_sql(psprintf("comment on table %s is %s", name, quote_literal_cstr(table->comment)));
	for (const StateColumn *column = table->columns; column->name != NULL; column++)
		run_sql(psprintf("comment on column %s.%s is %s", name, column->name,
				quote_literal_cstr(column->comment)));
	/*
	 * Leaves are random bytes: to try and compress them would be in vain.  Those
	 * of some dozen steps take less room beside their seal than away from it.
	 */
	if (table == &state_tables[STATE_SEAL])
		run_sql(psprintf("alter table %s alter column leaves set storage external,"
						 " set (toast_tuple_target = 4080)", name));
	run_sql(psprintf("alter table %s owner to %s", name, STATE_OWNER));
}

/* Seals that are older than a table of what is to be done with seals. */
static void
tell_of_earlier_seals(StateTableId id)
{
	run_sql(psprintf("insert into %s.%s (trace_id, seal_no)"
			" select trace_id, max(seal_no) from %s.seal group by trace_id",
			STATE_SCHEMA, state_tables[id].name, STATE_SCHEMA));
}

/* Returns whether it was not there. */
static bool
make_table(const Target *target, const StateTable *table)
{
	char	   *name = psprintf("%s.%s", STATE_SCHEMA, table->name);
	Oid			relid = get_relname_relid(table->name, get_namespace_oid(STATE_SCHEMA, false));

	if (OidIsValid(relid) && get_rel_relkind(relid) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is in the way", name),
				 errdetail("It is no table."),
				 errhint("Rename or drop it.")));
	if (OidIsValid(relid))
		take_over("table", name, relation_owner(relid));
	else
		create_table(target, table, name);
	run_sql(psprintf("create or replace trigger runlink_guard before update or delete or truncate on %s"
			" for each statement execute function %s.runlink_guard_state()", name, target->schema));
	run_sql(psprintf("alter table %s enable trigger runlink_guard", name));
	return !OidIsValid(relid);
}

/* A dump as the owner of the steps needs to read the state. */
static void
grant_to_owner_of_steps(const Target *target)
{
	const char *owner = quote_identifier(GetUserNameFromId(relation_owner(target->steps_relid), false));

	run_sql(psprintf("grant usage on schema %s to %s", STATE_SCHEMA, owner));
	for (int id = 0; id < STATE_TABLE_COUNT; id++)
		run_sql(psprintf("grant select on %s.%s to %s", STATE_SCHEMA, state_tables[id].name, owner));
}

static void
drop_triggers(const Target *target)
{
	run_sql(psprintf("drop trigger if exists runlink_record_step on %s", target->steps));
	run_sql(psprintf("drop trigger if exists runlink_record_trace on %s", target->traces));
}

static void
make_triggers(const Target *target)
{
	run_sql(psprintf("create or replace trigger runlink_record_step after insert on %s"
			" for each row execute function %s.runlink_record_step()", target->steps, target->schema));
	run_sql(psprintf("create or replace trigger runlink_record_trace after insert or update on %s"
			" for each row execute function %s.runlink_record_trace()", target->traces, target->schema));
	run_sql(psprintf("alter table %s enable trigger runlink_record_step", target->steps));
	run_sql(psprintf("alter table %s enable trigger runlink_record_trace", target->traces));
}

/* Traces that run now will end under our eyes: what run and tenant they are of. */
static void
record_running_traces(const Target *target)
{
	run_sql(psprintf("insert into %s.trace (trace_id, run_id, tenant_id)"
			" select t.trace_id, t.run_id, t.tenant_id from %s t"
			" where t.status" SQL_EQ "'" TRACE_RUNNING "'"
			" and not exists (select 1 from %s.seal s where s.trace_id" SQL_EQ "t.trace_id)"
			" on conflict do nothing", STATE_SCHEMA, target->traces, STATE_SCHEMA));
}

static void
require_privilege(const char *function)
{
	require_superuser(function, "It makes triggers on the application's tables and a role that owns the state.");
}

/*
 * runlink_enable_sealing() returns void
 *
 * Makes what is missing of the state and the triggers.
 */
Datum
runlink_enable_sealing(PG_FUNCTION_ARGS)
{
	Enabling	enabling;
	Target		target;
	const char *obstacle;
	int			created = 0;

	require_privilege("runlink_enable_sealing");
	require_utf8("sealing");
	enabling = begin_enabling(fcinfo->flinfo->fn_oid, "Sealing");
	target = find_target(&enabling);
	lock_target(&target, "share row exclusive");
	check_columns(&enabling);
	check_steps(&target);
	make_owner();
	make_schema();
	for (int id = 0; id < STATE_TABLE_COUNT; id++)
	{
		if (make_table(&target, &state_tables[id]))
			created |= STATE_BIT(id);
	}
	if (state_open(&obstacle) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the state of runlink is not as runlink made it"),
				 errdetail("In the way: %s.", obstacle),
				 errhint("Restore schema %s from a backup, or rename it to begin anew.", STATE_SCHEMA)));
	if (created & STATE_BIT(STATE_UNVERIFIED))
		tell_of_earlier_seals(STATE_UNVERIFIED);
	if (created & STATE_BIT(STATE_UNLOGGED))
		tell_of_earlier_seals(STATE_UNLOGGED);
	grant_to_owner_of_steps(&target);
	make_triggers(&target);
	record_running_traces(&target);
	end_enabling(&enabling);
	PG_RETURN_VOID();
}

/*
 * runlink_disable_sealing() returns void
 *
 * Drops the triggers and keeps every leaf and seal.
 */
Datum
runlink_disable_sealing(PG_FUNCTION_ARGS)
{
	Enabling	enabling;
	Target		target;

	require_privilege("runlink_disable_sealing");
	enabling = begin_enabling(fcinfo->flinfo->fn_oid, "Sealing");
	target = find_target(&enabling);
	lock_target(&target, "access exclusive");
	drop_triggers(&target);
	end_enabling(&enabling);
	PG_RETURN_VOID();
}
