/*-------------------------------------------------------------------------
 *
 * auditor.c
 *	  Who may read the whole state.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "auditor.h"

/* Raises an error unless the caller may read all of the state. */
void
require_auditor(const State *state, const char *call)
{
	bool		readable = pg_namespace_aclcheck(get_namespace_oid(STATE_SCHEMA, false),
												 GetUserId(),
												 ACL_USAGE) == ACLCHECK_OK;

	for (int id = 0; id < STATE_TABLE_COUNT; id++)
		readable = readable &&
			pg_class_aclcheck(state->relids[id], GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (!readable)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", STATE_SCHEMA),
				 errdetail("%s reads what is recorded of every tenant as role \"%s\".",
						   call, GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant USAGE on schema %s and SELECT on its tables to auditors.",
						 STATE_SCHEMA)));
}
