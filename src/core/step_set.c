/*-------------------------------------------------------------------------
 *
 * step_set.c
 *	  Sets of step indexes.  See step_set.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/step_set.h"

#include "port.h"
#include "utils/palloc.h"

int64
step_set_size(const StepSet *set)
{
	int64		size = 0;

	for (int i = 0; i < set->count; i++)
		size += set->intervals[i].last - set->intervals[i].first + 1;
	return size;
}

bool
step_set_contains(const StepSet *set, int32 step_index)
{
	int			low = 0;
	int			high = set->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (set->intervals[middle].last < step_index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && set->intervals[low].first <= step_index;
}

/*
 * Adds an interval after those that are there.  They need not ascend until the
 * set is asked or united with another.
 */
void
step_set_append(StepSet *set, int64 first, int64 last)
{
	if (set->count > 0 && set->intervals[set->count - 1].last + 1 == first)
	{
		set->intervals[set->count - 1].last = last;
		return;
	}
	if (set->count == set->capacity)
	{
		set->capacity = Max(8, set->capacity * 2);
		set->intervals = set->intervals == NULL
			? palloc(set->capacity * sizeof(StepInterval))
			: repalloc_huge(set->intervals, set->capacity * sizeof(StepInterval));
	}
	set->intervals[set->count].first = first;
	set->intervals[set->count].last = last;
	set->count++;
}

static int
compare_intervals(const void *a, const void *b)
{
	int64		left = ((const StepInterval *) a)->first;
	int64		right = ((const StepInterval *) b)->first;

	return left < right ? -1 : left > right;
}

/* Adds all of a set to another. */
void
step_set_union(StepSet *set, const StepSet *more)
{
	int			count = 0;

	for (int i = 0; i < more->count; i++)
		step_set_append(set, more->intervals[i].first, more->intervals[i].last);
	qsort(set->intervals, set->count, sizeof(StepInterval), compare_intervals);
	for (int i = 0; i < set->count; i++)
	{
		if (count > 0 && set->intervals[i].first <= set->intervals[count - 1].last + 1)
			set->intervals[count - 1].last = Max(set->intervals[count - 1].last,
												 set->intervals[i].last);
		else
			set->intervals[count++] = set->intervals[i];
	}
	set->count = count;
}

/* How many of a set are before one of them. */
int64
step_set_rank(const StepSet *set, int32 step_index)
{
	int64		rank = 0;

	for (int i = 0; i < set->count && set->intervals[i].first < step_index; i++)
		rank += Min(set->intervals[i].last + 1, step_index) - set->intervals[i].first;
	return rank;
}
