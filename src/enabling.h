/*-------------------------------------------------------------------------
 *
 * enabling.h
 *	  What the calls share that make triggers on the application's tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_ENABLING_H
#define RUNLINK_ENABLING_H

#include "postgres.h"

#include "fmgr.h"

#include "application.h"

/* Such a call under way, between begin_enabling and end_enabling. */
typedef struct Enabling
{
	const char *purpose;		/* as a sentence begins, for messages */
	Oid			namespace;
	char	   *schema;			/* quoted */
	int			nest_level;		/* of the settings of the call */
} Enabling;

extern void require_superuser(const char *function, const char *detail);
extern Enabling begin_enabling(Oid function, const char *purpose);
extern void end_enabling(const Enabling *enabling);

extern void run_sql(const char *sql);
extern Oid	enabling_table(const Enabling *enabling, AppTableId id);
extern void enabling_column(const Enabling *enabling, AppTableId id, const char *name, Oid type);

#endif							/* RUNLINK_ENABLING_H */
