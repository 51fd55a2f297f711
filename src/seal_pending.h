/*-------------------------------------------------------------------------
 *
 * seal_pending.h
 *	  Sealing what has no seal, for runlink_seal_pending and runlink_tick.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SEAL_PENDING_H
#define RUNLINK_SEAL_PENDING_H

#include "binding.h"
#include "sealer.h"

typedef void (*TellSealed) (void *sink, text *trace_id, const Sealed *sealed);

/* Seals a trace, by a call of seal with its argument, so that damage does not end all. */
typedef void (*GuardSeal) (void *sink, void (*seal) (void *argument), void *argument);

typedef struct Pending
{
	Oid			function;		/* called */
	const AppCall *call;
	const Binding *binding;
	const State *state;			/* of state_open_to_seal */
	int64		max;			/* traces to seal at most */
	text	   *run_id;			/* NULL: of any run */
	bool		only_unrecorded;	/* compute no leaf but of traces that were never recorded */
	TellSealed	tell;			/* NULL: nobody */
	GuardSeal	guard;			/* NULL: none */
	void	   *sink;			/* of both */
} Pending;

extern void seal_pending_init(void);
extern const State *state_open_to_seal(int further_tables);
extern int64 seal_pending(const Pending *pending);

#endif							/* RUNLINK_SEAL_PENDING_H */
