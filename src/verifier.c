/*-------------------------------------------------------------------------
 *
 * verifier.c
 *	  What each process that verifies begins with: what there is to verify, and
 *	  whether the caller is an auditor, who may read all of it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"

#include "auditor.h"
#include "verify.h"

/* A row that row-level security hides would be told as missing. */
static void
require_no_row_security(const Verifier *verifier)
{
	static const AppTableId tables[] = {APP_AOS_TRACES, APP_AOS_TRACE_STEPS,
										APP_AOS_TRACES_ARCHIVE};

	for (size_t i = 0; i < lengthof(tables); i++)
	{
		Oid			relid = verifier->binding->relids[tables[i]];

		if (OidIsValid(relid) && check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row-level security hides rows of %s",
							quote_qualified_identifier(verifier->binding->schema,
													   app_tables[tables[i]].name)),
					 errdetail("%s reads it as role \"%s\", to whom a step that is hidden would "
							   "seem to be gone.",
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
	require_auditor(verifier->checker.state, verifier->call->name);
	require_no_row_security(verifier);
	verifier->chunk_context = AllocSetContextCreate(CurrentMemoryContext, "verified seals",
													ALLOCSET_DEFAULT_SIZES);
}
