/*-------------------------------------------------------------------------
 *
 * app_trigger.h
 *	  What runlink's triggers on the application's tables share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_APP_TRIGGER_H
#define RUNLINK_APP_TRIGGER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/relcache.h"

#include "application.h"

/* What a trigger warns of. */
typedef struct TriggerWarning
{
	const char *not_done;		/* to the rows: "recorded" */
	const char *hint;
	TimestampTz warned;			/* start of the client's statement that was */
} TriggerWarning;

extern bool is_table_of_application(Relation relation, Oid function, AppTableId id);
extern int	find_column(TupleDesc tupdesc, const char *name, Oid type, const char **obstacle);
extern void warn_once(TriggerWarning *warning, Relation relation, const char *obstacle);

#endif							/* RUNLINK_APP_TRIGGER_H */
