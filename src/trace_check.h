/*-------------------------------------------------------------------------
 *
 * trace_check.h
 *	  The check of a trace's steps against its leaves and seals.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_TRACE_CHECK_H
#define RUNLINK_TRACE_CHECK_H

#include "binding.h"
#include "encoding.h"
#include "expected.h"
#include "state.h"

typedef enum StepVerdict
{
	STEP_OK,
	STEP_ALTERED,
	STEP_MISSING,
	STEP_REORDERED,
	STEP_INSERTED,
	STEP_UNSEALED,
	STEP_ERASED
} StepVerdict;

/* What is found of a step; the texts are NULL where the step is missing. */
typedef struct StepFinding
{
	int32		step_index;
	bool		step_index_isnull;
	text	   *skill_name;
	text	   *status;
	StepVerdict verdict;
	const uint8 *leaf;			/* of the row; NULL where it makes none */
	const uint8 *expected_leaf; /* recorded or sealed; NULL where none is */
	TupleTableSlot *row;		/* NULL where the step is missing */
	const ExpectedSteps *expected;	/* at hand; NULL where nothing is expected of the row */
} StepFinding;

typedef void (*TellStep) (void *sink, const StepFinding *finding);

/* What is the same for all traces of a call. */
typedef struct TraceChecker
{
	const Binding *binding;
	const State *state;			/* NULL: there is none */
	const char *obstacle;		/* then: why, in words */
	Encoding   *encodings;
} TraceChecker;

/* What was found of a trace. */
typedef struct TraceFindings
{
	int64		steps;			/* rows */
	int64		altered;
	int64		missing;
	int64		reordered;
	int64		inserted;		/* a second row of a step_index */
	int64		unsealed;		/* rows without a leaf, those after a final seal among them */
	bool		erasure_alone;	/* of some erased row only runlink.erasure says what was left */
	int64		sealed;			/* as the seals have it */
	int64		recorded;		/* leaves that no seal holds */
	int64		backfilled;
	bool		has_bad_step;
	int32		first_bad_step;
	const char *damage;			/* of seals; NULL: none */
	const char *missing_column; /* covered, and not in the table; or NULL */
	bool		identity_known;
	text	   *run_id;			/* recorded; NULL: nothing is known */
	text	   *tenant_id;
	bool		has_seal;
	TimestampTz sealed_at;
	bool		has_head;
	uint8		head[SHA256_BYTES]; /* of the chain over the rows */
	uint8		sealed_head[SHA256_BYTES];
	uint8		merkle_root[SHA256_BYTES];	/* over what was recorded or sealed */
	uint8		coordinator_digest[SHA256_BYTES];
} TraceFindings;

extern const char *const step_verdict_names[];

extern void trace_checker_begin(TraceChecker *checker, const Binding *binding);
extern void check_trace(const TraceChecker *checker, text *trace_id, text *run_id,
						TellStep tell, void *sink, TraceFindings *findings);

#endif							/* RUNLINK_TRACE_CHECK_H */
