/*-------------------------------------------------------------------------
 *
 * verify.h
 *	  The verification of every trace: runlink_verify.
 *
 * Traces that have one seal are checked batch by batch (verify_batch.c), chunk
 * by chunk (verify_chunk.c), by several processes where there are workers
 * (verify_parallel.c).  A batch only ever says of a trace that nothing is wrong
 * with it; any other is checked again as its proof would be (verify_trace.c),
 * which finds what is wrong.  Where verifications are kept, only the traces that
 * these do not answer for are checked (verify_kept.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_VERIFY_H
#define RUNLINK_VERIFY_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/execnodes.h"
#include "port/atomics.h"
#include "storage/block.h"
#include "utils/tuplestore.h"

#include "trace_check.h"

/* What is asked for; the first arguments of every query over traces. */
#define FILTER_ARGUMENTS 3
#define FILTER_TYPES TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID	/* since, until, tenant_id */

typedef struct VerifyFilter
{
	Datum		values[FILTER_ARGUMENTS];
	char		nulls[FILTER_ARGUMENTS + 1];	/* as SPI has them */
} VerifyFilter;

typedef struct VerifyCounts
{
	int64		traces;
	int64		steps;			/* rows read */
	int64		verified;
	int64		failed;
	int64		unsealed;
	int64		archived;		/* skipped, as are those without steps */
	int64		without_steps;
	int64		hashed;			/* bytes */
} VerifyCounts;

/* What is made of a trace, as its proof has it. */
typedef enum TraceVerdict
{
	VERDICT_VERIFIED,
	VERDICT_FAILED,
	VERDICT_UNSEALED,
	VERDICT_ARCHIVED,
	VERDICT_WITHOUT_STEPS
} TraceVerdict;

/* What each process that verifies has. */
typedef struct Verifier
{
	Oid			function;		/* called */
	const AppCall *call;
	const Binding *binding;
	TraceChecker checker;
	VerifyFilter filter;
	VerifyCounts counts;
	MemoryContext chunk_context;
	List	   *suspects;		/* text, traces of a chunk that are to be checked again */
} Verifier;

/* Blocks of runlink.seal, handed out chunk by chunk to the processes that verify. */
typedef struct VerifyChunks
{
	pg_atomic_uint32 next;
	uint32		count;
	BlockNumber blocks;
	BlockNumber blocks_each;
	bool		several_seals;	/* some trace has several */
	bool		count_steps;	/* the first chunk is to count the rows of aos_trace_steps */
	int64		step_rows;		/* that is how many there are */
} VerifyChunks;

/* A call of runlink_verify, runlink_verify_summary or runlink_tick. */
typedef struct Verify
{
	Verifier	verifier;
	ReturnSetInfo *rsinfo;		/* where findings go; NULL: nobody wants them */
	int64		findings;
	int64		unreadable;		/* of these, what could not be read */
	int64		verified_before;	/* traces that are not read again */
	TimestampTz verified_since; /* the earliest of them */
	Tuplestorestate *suspects;
	TupleDesc	suspect_columns;
	VerifyChunks chunks;
	int			workers;
	TimestampTz started;
	TimestampTz told;			/* when progress was */
} Verify;

/* A finding; what is NULL is not known, or not of this kind of finding. */
typedef struct VerifyFinding
{
	const text *tenant_id;
	const text *run_id;
	const text *trace_id;
	const int32 *step_index;
	const char *finding;
	const char *expected;
	const char *found;
} VerifyFinding;

typedef void (*GuardedWork) (Verify *verify, void *argument);

extern void verify_init(void);
extern void begin_suspects(Verify *verify);
extern void put_finding(Verify *verify, const VerifyFinding *finding);
extern void put_suspect(Verify *verify, const text *trace_id);
extern void tell_progress(Verify *verify);
extern char *guarded(Verify *verify, GuardedWork work, void *argument);
extern void verify_everything(Verify *verify);
extern void verify_suspects(Verify *verify);
extern TraceVerdict verify_trace_guarded(Verify *verify, text *trace_id);
extern bool has_filter(const VerifyFilter *filter);

/* verifier.c */
extern void verifier_begin(Verifier *verifier, Oid function, const AppCall *call);

/* verify_batch.c */
typedef struct Batch Batch;

extern Batch *batch_begin(Verifier *verifier);
extern void batch_add(Batch *batch, HeapTuple row, TupleDesc tupdesc);
extern void batch_end(Batch *batch);

/* verify_chunk.c */
extern bool has_several_seals(Verifier *verifier);
extern bool next_chunk(VerifyChunks *chunks, uint32 *chunk);
extern bool chunk_blocks(const VerifyChunks *chunks, uint32 chunk, BlockNumber *first, BlockNumber *end);
extern void list_chunk(Verifier *verifier, BlockNumber first, BlockNumber end);
extern void run_chunk(Verifier *verifier, VerifyChunks *chunks, uint32 chunk);

/* verify_trace.c */
extern TraceVerdict verify_trace(Verify *verify, text *trace_id);
extern void verify_never_sealed(Verify *verify);
extern void verify_unknown_steps(Verify *verify);
extern void list_recorded(Verify *verify);

/* verify_kept.c */
extern bool list_new(Verify *verify);
extern void queue_doubtful(Verifier *verifier);

/* verify_parallel.c */
extern bool can_verify_in_parallel(const Verify *verify);
extern void verify_in_parallel(Verify *verify, void *argument);

#endif							/* RUNLINK_VERIFY_H */
