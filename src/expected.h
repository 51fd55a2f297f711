/*-------------------------------------------------------------------------
 *
 * expected.h
 *	  What the steps of a trace are expected to be: its seals and leaves, by
 *	  step_index, checked among themselves on the way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_EXPECTED_H
#define RUNLINK_EXPECTED_H

#include "utils/tuplesort.h"

#include "core/chain.h"
#include "core/tlog.h"
#include "seal.h"

typedef struct ExpectedSteps
{
	/* the step at hand */
	bool		valid;			/* false: there are no more */
	bool		is_sealed;		/* by a seal; else only recorded */
	int32		step_index;
	int32		encoding;
	const uint8 *leaf;
	const uint8 *salt;

	/* known from the start */
	bool		has_seals;
	bool		has_leaves;
	bool		identity_known;
	text	   *run_id;
	text	   *tenant_id;
	StepSet		sealed;
	bool		final_seal;		/* the newest seal is final */

	/* known at the end; of seals, but for recorded_count */
	const char *damage;			/* in words; NULL: none */
	int64		sealed_count;
	int64		backfilled_count;
	int64		recorded_count; /* leaves that no seal holds */
	bool		has_seal;
	TimestampTz sealed_at;
	uint8		sealed_head[SHA256_BYTES];
	uint8		head[SHA256_BYTES]; /* over what is sealed and what is recorded */
	MerkleTree	tree;

	/* private */
	const State *state;
	const Encoding *encodings;
	text	   *trace_id;
	MemoryContext context;
	MemoryContext seal_context; /* of the seal being read */
	int32		first_leaf;		/* the lowest step_index of a leaf */
	bool		in_order;		/* seals and leaves come by step_index as they are */
	Portal		seals;
	Seal		seal;			/* the newest read */
	int			interval;		/* of its steps */
	int64		next_in_interval;
	const uint8 *next_packed;	/* of its leaves */
	uint8		newest[SHA256_BYTES];	/* its hash */
	Portal		leaves;
	SealedStep *leaf_buffer;
	uint64		leaf_count;
	uint64		next_leaf;
	Tuplesortstate *sorted;		/* where they are not in order */
	TupleTableSlot *slot;
	uint8		sorted_bytes[SEALED_STEP_BYTES];
} ExpectedSteps;

extern ExpectedSteps *expected_open(const State *state, const Encoding *encodings, text *trace_id);
extern void expected_next(ExpectedSteps *expected);
extern void expected_close(ExpectedSteps *expected);

#endif							/* RUNLINK_EXPECTED_H */
