/*-------------------------------------------------------------------------
 *
 * app_trigger.c
 *	  What runlink's triggers on the application's tables share: is the table
 *	  theirs, where are its columns, and a warning where they leave rows alone.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/partition.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "app_trigger.h"
#include "binding.h"

/*
 * Is it the application's table in the extension's schema, or a partition of it?
 * One that is being detached still is until it has its triggers no longer.
 */
bool
is_table_of_application(Relation relation, Oid function, AppTableId id)
{
	Oid			wanted = get_relname_relid(app_tables[id].name, get_func_namespace(function));
	Oid			relid = RelationGetRelid(relation);

	while (get_rel_relispartition(relid))
		relid = get_partition_parent(relid, true);
	return OidIsValid(wanted) && relid == wanted;
}

/* Position of a column, from 0; -1 where there is none of that type, and *obstacle says so. */
int
find_column(TupleDesc tupdesc, const char *name, Oid type, const char **obstacle)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0 &&
			type_fits(type, attribute->atttypid))
			return i;
	}
	*obstacle = psprintf("it has no column %s of the type expected", name);
	return -1;
}

/* Warns of what is in the way, once a statement of the client's. */
void
warn_once(TriggerWarning *warning, Relation relation, const char *obstacle)
{
	if (warning->warned == GetCurrentStatementStartTimestamp())
		return;
	warning->warned = GetCurrentStatementStartTimestamp();
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("rows of \"%s\" are not %s by runlink", RelationGetRelationName(relation),
					warning->not_done),
			 errdetail("In the way: %s.", obstacle),
			 errhint("%s", warning->hint)));
}
