/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  runlink_verify and runlink_verify_summary: every trace, and only what is
 *	  wrong with it.
 *
 * Where verifications are kept, only what is new since is read, unless all is
 * asked for.  Nothing is written, everything is read under the caller's snapshot and as the
 * caller, who has to be an auditor: may read the state, and no row-level security
 * hides rows that would then seem to be missing.  What cannot be read is a
 * finding: each piece of work runs in a subtransaction, which damage ends, and
 * the next one goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "core/sha256.h"
#include "run.h"
#include "verify.h"

PG_FUNCTION_INFO_V1(runlink_verify);
PG_FUNCTION_INFO_V1(runlink_verify_summary);

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
do_list_new(Verify *verify, void *argument)
{
	*(bool *) argument = list_new(verify);
}

static void
do_verify_unknown_steps(Verify *verify, void *argument pg_attribute_unused())
{
	verify_unknown_steps(verify);
}

static void
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

static void
read_arguments(FunctionCallInfo fcinfo, const AppCall *call, VerifyFilter *filter)
{
	filter->values[0] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	filter->values[1] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	filter->values[2] = PG_ARGISNULL(0) ? (Datum) 0 : PointerGetDatum(PG_GETARG_TEXT_PP(0));
	filter->nulls[0] = PG_ARGISNULL(1) ? 'n' : ' ';
	filter->nulls[1] = PG_ARGISNULL(2) ? 'n' : ' ';
	filter->nulls[2] = PG_ARGISNULL(0) ? 'n' : ' ';
	filter->nulls[3] = '\0';
	if (!PG_ARGISNULL(0) && VARSIZE_ANY_EXHDR(DatumGetPointer(filter->values[2])) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenant_id must not be empty"),
				 errdetail("%s narrows to a tenant where one is given.", call->name),
				 errhint("Pass NULL, or leave it out, for every tenant.")));
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

static void
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

/* What was not read is said, whether anything was found or not. */
static void
verify_new(Verify *verify)
{
	verify_suspects(verify);
	verify->verifier.counts.traces += verify->verified_before;
	ereport(NOTICE,
			(errmsg("traces verified before were not read again"),
			 verify->verified_before > 0 ?
			 errdetail(INT64_FORMAT " traces, verified at %s or later; and traces and steps of which nothing"
					   " was recorded were not looked for.",
					   verify->verified_before, timestamptz_to_str(verify->verified_since)) :
			 errdetail("0 traces; and traces and steps of which nothing was recorded were not looked for."),
			 errhint("%s(full => true) reads everything.", verify->verifier.call->name)));
}

/* Verifies what is asked for.  SPI must be connected. */
static void
verify_all(FunctionCallInfo fcinfo, const AppCall *call, Verify *verify)
{
	bool		full = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	bool		listed = false;
	int64		hashed_before;

	require_utf8(call->name);
	read_arguments(fcinfo, call, &verify->verifier.filter);
	verifier_begin(&verify->verifier, fcinfo->flinfo->fn_oid, call);
	begin_suspects(verify);
	hashed_before = sha256_hashed;
	if (!full && guarded(verify, do_list_new, &listed) == NULL && listed)
		verify_new(verify);
	else
	{
		tuplestore_clear(verify->suspects);
		verify_everything(verify);
	}
	verify->verifier.counts.hashed += sha256_hashed - hashed_before;
	tuplestore_end(verify->suspects);
}

/*
 * runlink_verify(tenant_id text, since timestamptz, until timestamptz, full boolean)
 *	  returns setof record
 *
 * One row for everything that is not as it was recorded, or of which nothing was.
 */
Datum
runlink_verify(PG_FUNCTION_ARGS)
{
	Verify		verify = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	verify_all(fcinfo, &app_call_verify, &verify);
	SPI_finish();
	return (Datum) 0;
}

static int64
skipped(const Verify *verify)
{
	const VerifyCounts *counts = &verify->verifier.counts;

	return counts->archived + counts->without_steps + verify->verified_before;
}

/* Why traces were skipped, as a JSON object; NULL where none was. */
static char *
skipped_why(const Verify *verify)
{
	const struct
	{
		int64		count;
		const char *reason;
	}			reasons[] = {
		{verify->verifier.counts.archived, "archived"},
		{verify->verified_before, "verified_before"},
		{verify->verifier.counts.without_steps, "without steps"},
	};
	StringInfoData why;

	if (skipped(verify) == 0)
		return NULL;
	initStringInfo(&why);
	for (size_t i = 0; i < lengthof(reasons); i++)
	{
		if (reasons[i].count > 0)
			appendStringInfo(&why, "%s\"%s\": " INT64_FORMAT, why.len > 0 ? ", " : "{",
							 reasons[i].reason, reasons[i].count);
	}
	appendStringInfoChar(&why, '}');
	return why.data;
}

/*
 * runlink_verify_summary(tenant_id text, since timestamptz, until timestamptz, full boolean)
 *	  returns setof record
 *
 * One row of totals over what runlink_verify finds.
 */
Datum
runlink_verify_summary(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Verify		verify = {0};
	const VerifyCounts *counts = &verify.verifier.counts;
	char	   *why;
	Datum		values[11];
	bool		isnull[11] = {false};

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	verify_all(fcinfo, &app_call_verify_summary, &verify);
	why = skipped_why(&verify);
	values[0] = Int64GetDatum(counts->traces);
	values[1] = Int64GetDatum(counts->steps);
	values[2] = Int64GetDatum(counts->hashed);
	values[3] = Int64GetDatum(counts->verified);
	values[4] = Int64GetDatum(counts->failed);
	values[5] = Int64GetDatum(counts->unsealed);
	values[6] = Int64GetDatum(skipped(&verify));
	isnull[7] = (why == NULL);
	if (why != NULL)
		values[7] = DirectFunctionCall1(jsonb_in, CStringGetDatum(why));
	values[8] = Int64GetDatum(verify.findings);
	values[9] = Float8GetDatum((GetCurrentTimestamp() - verify.started) / (double) USECS_PER_SEC);
	values[10] = Int32GetDatum(verify.workers);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
	SPI_finish();
	return (Datum) 0;
}
