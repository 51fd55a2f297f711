/*-------------------------------------------------------------------------
 *
 * run.h
 *	  The run that a call is about: its arguments, checked, and its tenant.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_RUN_H
#define RUNLINK_RUN_H

#include "postgres.h"

#include "fmgr.h"

#include "binding.h"
#include "spi.h"

typedef struct Run
{
	const Binding *binding;
	text	   *run_id;
	text	   *tenant_id;		/* the tenant asked for, else the run's; NULL: any */
	bool		found;			/* runs has it, whoever owns it */
	bool		of_other_tenant;	/* it is, but not of the tenant asked for */
} Run;

extern void run_open(FunctionCallInfo fcinfo, const AppCall *call, Run *run);
extern void run_open_if_given(FunctionCallInfo fcinfo, const AppCall *call, Run *run);
extern Datum run_answer(FunctionCallInfo fcinfo, const AppCall *call, SavedQuery *query);
extern void require_utf8(const char *what);
extern bool same_text(const text *left, const text *right);
extern char *id_for_message(const text *id);

#endif							/* RUNLINK_RUN_H */
