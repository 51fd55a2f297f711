/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  How traces are verified: all of them chunk by chunk, suspects one by one.
 *
 * Nothing is written, everything is read under the caller's snapshot and as the
 * caller, who has to be an auditor.  What cannot be read is a finding: each piece
 * of work runs in a subtransaction, which damage ends, and the next one goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "core/sha256.h"
#include "verify.h"

/* A chunk is of so many blocks of seals at most, and there are so many chunks at least. */
#define MOST_BLOCKS_EACH 128
#define FEWEST_CHUNKS 64

/* runlink.progress_every, in milliseconds; 0: never */
static int	progress_every;

void
verify_init(void)
{
	DefineCustomIntVariable("runlink.progress_every",
							"How often runlink_verify tells how far it is, in a notice.",
							"0 is never.",
							&progress_every, 10000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
}

static Datum
text_or_null(const char *value, bool *isnull)
{
	*isnull = (value == NULL);
	return value != NULL ? CStringGetTextDatum(value) : (Datum) 0;
}

void
put_finding(Verify *verify, const VerifyFinding *finding)
{
	Datum		values[7] = {
		PointerGetDatum(finding->tenant_id), PointerGetDatum(finding->run_id),
		PointerGetDatum(finding->trace_id)
	};
	bool		isnull[7] = {
		finding->tenant_id == NULL, finding->run_id == NULL, finding->trace_id == NULL,
		finding->step_index == NULL
	};

	verify->findings++;
	if (verify->rsinfo == NULL)
		return;
	if (finding->step_index != NULL)
		values[3] = Int32GetDatum(*finding->step_index);
	values[4] = text_or_null(finding->finding, &isnull[4]);
	values[5] = text_or_null(finding->expected, &isnull[5]);
	values[6] = text_or_null(finding->found, &isnull[6]);
	tuplestore_putvalues(verify->rsinfo->setResult, verify->rsinfo->setDesc, values, isnull);
}

/* Something could not be read, for what reason. */
static void
put_unreadable(Verify *verify, const text *trace_id, const char *what, const char *why)
{
	VerifyFinding row = {
		.trace_id = trace_id,
		.finding = "unreadable",
		.found = what != NULL ? psprintf("%s: %s", what, why) : why,
	};

	verify->unreadable++;
	put_finding(verify, &row);
}

/* A trace is to be checked by itself. */
void
put_suspect(Verify *verify, const text *trace_id)
{
	Datum		values[1] = {PointerGetDatum(trace_id)};
	bool		isnull[1] = {false};

	tuplestore_putvalues(verify->suspects, verify->suspect_columns, values, isnull);
}

/* Tells how far the verification is, every so often. */
void
tell_progress(Verify *verify)
{
	TimestampTz now;
	uint32		next;
	int64		seconds;

	if (progress_every == 0)
		return;
	now = GetCurrentTimestamp();
	if (!TimestampDifferenceExceeds(verify->told, now, progress_every))
		return;
	verify->told = now;
	next = Min(pg_atomic_read_u32(&verify->chunks.next), verify->chunks.count);
	seconds = (now - verify->started) / USECS_PER_SEC;
	ereport(NOTICE,
			(errmsg("%s: " INT64_FORMAT " traces checked, " INT64_FORMAT " findings",
					verify->verifier.call->name, verify->verifier.counts.traces, verify->findings),
			 verify->chunks.count > 0 ?
			 errdetail("%u %% of the seals are read, after " INT64_FORMAT " s.",
					   next * 100 / verify->chunks.count, seconds) :
			 errdetail("Only what is new is read, so far " INT64_FORMAT " s.", seconds)));
}

/* Is an error one of what was read, and not of how the server is? */
static bool
is_damage(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

/*
 * Does a piece of work in a subtransaction.  Returns NULL, or why what it read
 * could not be read, palloc'd, and what it counted undone; any other error goes on.
 */
char *
guarded(Verify *verify, GuardedWork work, void *argument)
{
	MemoryContext old_context = CurrentMemoryContext;
	ResourceOwner old_owner = CurrentResourceOwner;
	VerifyCounts counts = verify->verifier.counts;
	uint64		hashed = sha256_hashed;
	char	   *volatile damage = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(old_context);
	PG_TRY();
	{
		work(verify, argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(old_context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (!is_damage(error->sqlerrcode))
			ReThrowError(error);
		damage = error->message;
		verify->verifier.counts = counts;
		sha256_hashed = hashed;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old_context);
	CurrentResourceOwner = old_owner;
	return damage;
}

static void
do_run_chunk(Verify *verify, void *argument)
{
	run_chunk(&verify->verifier, &verify->chunks, *(uint32 *) argument);
}

static void
do_list_block(Verify *verify, void *argument)
{
	BlockNumber block = *(BlockNumber *) argument;

	list_chunk(&verify->verifier, block, block + 1);
}

static void
take_suspects(Verify *verify)
{
	ListCell   *cell;

	foreach(cell, verify->verifier.suspects)
		put_suspect(verify, lfirst(cell));
	verify->verifier.suspects = NIL;
}

/* The traces of a chunk that could not be read as a whole are suspects. */
static void
suspect_chunk(Verify *verify, uint32 chunk, const char *why)
{
	BlockNumber block;
	BlockNumber end;

	if (!chunk_blocks(&verify->chunks, chunk, &block, &end))
	{
		put_unreadable(verify, NULL, "aos_trace_steps", why);
		return;
	}
	for (; block < end; block++)
	{
		const char *damage = guarded(verify, do_list_block, &block);

		if (damage != NULL)
			put_unreadable(verify, NULL, psprintf("block %u of runlink.seal", block), damage);
		else
			take_suspects(verify);
	}
}

static void
verify_chunks(Verify *verify)
{
	uint32		chunk;

	while (next_chunk(&verify->chunks, &chunk))
	{
		const char *damage = guarded(verify, do_run_chunk, &chunk);

		if (damage != NULL)
			suspect_chunk(verify, chunk, damage);
		else
			take_suspects(verify);
		tell_progress(verify);
	}
}

/* A trace being verified, and with what verdict it was. */
typedef struct OneTrace
{
	text	   *trace_id;
	TraceVerdict verdict;
} OneTrace;

static void
do_verify_trace(Verify *verify, void *argument)
{
	OneTrace   *one = argument;

	one->verdict = verify_trace(verify, one->trace_id);
}

/* Verifies a trace by itself; one that cannot be read has failed. */
TraceVerdict
verify_trace_guarded(Verify *verify, text *trace_id)
{
	OneTrace	one = {trace_id, VERDICT_FAILED};
	const char *damage = guarded(verify, do_verify_trace, &one);

	if (damage == NULL)
		return one.verdict;
	put_unreadable(verify, trace_id, NULL, damage);
	verify->verifier.counts.traces++;
	verify->verifier.counts.failed++;
	return VERDICT_FAILED;
}

static void
do_list_recorded(Verify *verify, void *argument pg_attribute_unused())
{
	list_recorded(verify);
}

static void
do_verify_never_sealed(Verify *verify, void *argument pg_attribute_unused())
{
	verify_never_sealed(verify);
}

static void
do_verify_unknown_steps(Verify *verify, void *argument pg_attribute_unused())
{
	verify_unknown_steps(verify);
}

void
verify_suspects(Verify *verify)
{
	MemoryContext trace_context = AllocSetContextCreate(CurrentMemoryContext, "verified trace",
														ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(verify->suspect_columns, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(verify->suspects, true, false, slot))
	{
		MemoryContext old_context = MemoryContextSwitchTo(trace_context);
		bool		isnull;

		verify_trace_guarded(verify, DatumGetTextPCopy(slot_getattr(slot, 1, &isnull)));
		CHECK_FOR_INTERRUPTS();
		tell_progress(verify);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(trace_context);
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(trace_context);
}

static void
report_damage(Verify *verify, GuardedWork work, const char *what)
{
	const char *damage = guarded(verify, work, NULL);

	if (damage != NULL)
		put_unreadable(verify, NULL, what, damage);
}

/* Every row of the table is to have been met as a step of some trace. */
static void
compare_row_counts(Verify *verify)
{
	const VerifyCounts *counts = &verify->verifier.counts;
	VerifyFinding row = {.finding = "row_count"};

	if (!verify->chunks.count_steps || verify->unreadable > 0)
		return;
	if (verify->chunks.step_rows != counts->steps)
		report_damage(verify, do_verify_unknown_steps, "aos_trace_steps");
	if (verify->chunks.step_rows == counts->steps)
		return;
	row.expected = psprintf(INT64_FORMAT " rows in aos_trace_steps", verify->chunks.step_rows);
	row.found = psprintf(INT64_FORMAT " rows by the traces that they are of", counts->steps);
	put_finding(verify, &row);
}

bool
has_filter(const VerifyFilter *filter)
{
	return memchr(filter->nulls, ' ', FILTER_ARGUMENTS) != NULL;
}

static void
do_look_for_several_seals(Verify *verify, void *argument pg_attribute_unused())
{
	verify->chunks.several_seals = has_several_seals(&verify->verifier);
}

static void
divide_seals(Verify *verify)
{
	VerifyChunks *chunks = &verify->chunks;
	Relation	seal = relation_open(verify->verifier.checker.state->relids[STATE_SEAL], AccessShareLock);

	chunks->blocks = RelationGetNumberOfBlocks(seal);
	relation_close(seal, NoLock);
	chunks->blocks_each = Max(1, Min(MOST_BLOCKS_EACH, chunks->blocks / FEWEST_CHUNKS));
	chunks->count_steps = !has_filter(&verify->verifier.filter);
	chunks->count = (chunks->blocks + chunks->blocks_each - 1) / chunks->blocks_each + chunks->count_steps;
	pg_atomic_init_u32(&chunks->next, 0);
	if (guarded(verify, do_look_for_several_seals, NULL) != NULL)
		chunks->several_seals = true;	/* maybe; what is unreadable will be told */
}

/* Where suspects are put, until they are checked. */
void
begin_suspects(Verify *verify)
{
	verify->started = verify->told = GetCurrentTimestamp();
	verify->suspect_columns = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(verify->suspect_columns, 1, "trace_id", TEXTOID, -1, 0);
	verify->suspects = tuplestore_begin_heap(false, false, work_mem / 4);
}

void
verify_everything(Verify *verify)
{
	divide_seals(verify);
	if (can_verify_in_parallel(verify) && guarded(verify, verify_in_parallel, NULL) != NULL)
	{
		/* All over again, to find out what it was that could not be read. */
		tuplestore_clear(verify->suspects);
		verify->workers = 0;
		pg_atomic_write_u32(&verify->chunks.next, 0);
	}
	verify_chunks(verify);
	report_damage(verify, do_list_recorded, "what was recorded of traces");
	verify_suspects(verify);
	report_damage(verify, do_verify_never_sealed, "traces of which nothing was recorded");
	compare_row_counts(verify);
}
