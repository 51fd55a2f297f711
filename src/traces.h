/*-------------------------------------------------------------------------
 *
 * traces.h
 *	  The traces of a run: those in aos_traces, and those that only their leaves
 *	  and seals still know.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_TRACES_H
#define RUNLINK_TRACES_H

#include "run.h"
#include "state.h"

typedef enum TraceWhere
{
	TRACE_THERE,
	TRACE_MOVED,				/* filed under another run or tenant now */
	TRACE_ARCHIVED,
	TRACE_GONE
} TraceWhere;

/* A trace; what is not known is NULL. */
typedef struct Trace
{
	TraceWhere	where;
	text	   *trace_id;
	text	   *run_id;			/* as aos_traces has it now */
	text	   *tenant_id;
	text	   *status;
} Trace;

typedef void (*TellTrace) (void *sink, const Trace *trace);

/* The steps of trace $1 with all their columns, by step_index. */
extern SavedQuery trace_steps_query;

extern int64 for_each_trace(const Run *run, const State *state, TellTrace tell, void *sink);
extern bool is_archived(const Binding *binding, text *trace_id);
extern bool caller_is_auditor(const Run *run, const State *state);

#endif							/* RUNLINK_TRACES_H */
