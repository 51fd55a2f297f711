/*-------------------------------------------------------------------------
 *
 * verifier.c
 *	  What each process that verifies begins with: what there is to verify, and
 *	  whether the caller is an auditor, who may read all of it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"

#include "verify.h"

/* Raises an error unless the caller may read all of the state. */
static void
require_state_readable(const Verifier *verifier)
{
	const State *state = verifier->checker.state;
	bool		readable = pg_namespace_aclcheck(get_namespace_oid(STATE_SCHEMA, false), GetUserId(),
												 ACL_USAGE) == ACLCHECK_OK;

	for (int id = 0; id < STATE_TABLE_COUNT; id++)
		readable = readable &&
			pg_class_aclcheck(state->relids[id], GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (!readable)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", STATE_SCHEMA),
				 errdetail("%s reads leaves and seals of every tenant as role \"%s\".",
						   verifier->call->name, GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant USAGE on schema %s and SELECT on its tables to auditors.", STATE_SCHEMA)));
}

/* A row that row-level security hides would be told as missing. */
static void
require_no_row_security(const Verifier *verifier)
{
	static const AppTableId tables[] = {APP_AOS_TRACES, APP_AOS_TRACE_STEPS, APP_AOS_TRACES_ARCHIVE};

	for (size_t i = 0; i < lengthof(tables); i++)
	{
		Oid			relid = verifier->binding->relids[tables[i]];

		if (OidIsValid(relid) && check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row-level security hides rows of %s",
							quote_qualified_identifier(verifier->binding->schema, app_tables[tables[i]].name)),
					 errdetail("%s reads it as role \"%s\", to whom a step that is hidden would seem to be gone.",
							   verifier->call->name, GetUserNameFromId(GetUserId(), false)),
					 errhint("Call it as the owner of the table or as a role with BYPASSRLS.")));
	}
}

/* Finds out what there is to verify, and whether the caller may.  SPI must be connected. */
void
verifier_begin(Verifier *verifier, Oid function, const AppCall *call)
{
	verifier->function = function;
	verifier->call = call;
	verifier->binding = binding_open(function, call);
	trace_checker_begin(&verifier->checker, verifier->binding);
	if (verifier->checker.state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no state to verify against"),
				 errdetail("In the way: %s.", verifier->checker.obstacle),
				 errhint("Call runlink_enable_sealing() as a superuser.")));
	require_state_readable(verifier);
	require_no_row_security(verifier);
	verifier->chunk_context = AllocSetContextCreate(CurrentMemoryContext, "verified seals",
													ALLOCSET_DEFAULT_SIZES);
}
