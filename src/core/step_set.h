/*-------------------------------------------------------------------------
 *
 * step_set.h
 *	  Sets of step indexes, as ascending intervals.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_STEP_SET_H
#define RUNLINK_STEP_SET_H

#include "postgres.h"

typedef struct StepInterval
{
	int64		first;
	int64		last;
} StepInterval;

typedef struct StepSet
{
	int			count;
	int			capacity;
	StepInterval *intervals;
} StepSet;

extern void step_set_append(StepSet *set, int64 first, int64 last);
extern void step_set_union(StepSet *set, const StepSet *more);
extern int64 step_set_size(const StepSet *set);
extern int64 step_set_rank(const StepSet *set, int32 step_index);
extern bool step_set_contains(const StepSet *set, int32 step_index);

#endif							/* RUNLINK_STEP_SET_H */
