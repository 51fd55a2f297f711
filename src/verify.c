/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  runlink_verify and runlink_verify_summary: every trace, and only what is
 *	  wrong with it.
 *
 * Nothing is written, everything is read under the caller's snapshot and as the
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
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/rls.h"
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

/* Raises an error unless the caller may read all of the state. */
static void
require_state_readable(const Verifier *verifier)
{
	const State *state = verifier->checker.state;
	bool		readable = pg_namespace_aclcheck(get_namespace_oid(STATE_SCHEMA, false), GetUserId(),
												 ACL_USAGE) == ACLCHECK_OK;

	for (int id = 0; id < STATE_TABLE_COUNT; id++)
		readable = readable &&
			pg_class_aclcheck(state->relids[id], GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (!readable)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", STATE_SCHEMA),
				 errdetail("%s reads leaves and seals of every tenant as role \"%s\".",
						   verifier->call->name, GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant USAGE on schema %s and SELECT on its tables to auditors.", STATE_SCHEMA)));
}

/* A row that row-level security hides would be told as missing. */
static void
require_no_row_security(const Verifier *verifier)
{
	static const AppTableId tables[] = {APP_AOS_TRACES, APP_AOS_TRACE_STEPS, APP_AOS_TRACES_ARCHIVE};

	for (size_t i = 0; i < lengthof(tables); i++)
	{
		Oid			relid = verifier->binding->relids[tables[i]];

		if (OidIsValid(relid) && check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row-level security hides rows of %s",
							quote_qualified_identifier(verifier->binding->schema, app_tables[tables[i]].name)),
					 errdetail("%s reads it as role \"%s\", to whom a step that is hidden would seem to be gone.",
							   verifier->call->name, GetUserNameFromId(GetUserId(), false)),
					 errhint("Call it as the owner of the table or as a role with BYPASSRLS.")));
	}
}

/* Finds out what there is to verify, and whether the caller may.  SPI must be connected. */
void
verifier_begin(Verifier *verifier, Oid function, const AppCall *call)
{
	verifier->function = function;
	verifier->call = call;
	verifier->binding = binding_open(function, call);
	trace_checker_begin(&verifier->checker, verifier->binding);
	if (verifier->checker.state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no state to verify against"),
				 errdetail("In the way: %s.", verifier->checker.obstacle),
				 errhint("Call runlink_enable_sealing() as a superuser.")));
	require_state_readable(verifier);
	require_no_row_security(verifier);
	verifier->chunk_context = AllocSetContextCreate(CurrentMemoryContext, "verified seals",
													ALLOCSET_DEFAULT_SIZES);
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

	if (progress_every == 0)
		return;
	now = GetCurrentTimestamp();
	if (!TimestampDifferenceExceeds(verify->told, now, progress_every))
		return;
	verify->told = now;
	next = Min(pg_atomic_read_u32(&verify->chunks.next), verify->chunks.count);
	ereport(NOTICE,
			(errmsg("%s: " INT64_FORMAT " traces checked, " INT64_FORMAT " findings",
					verify->verifier.call->name, verify->verifier.counts.traces, verify->findings),
			 errdetail("%u %% of the seals are read, after " INT64_FORMAT " s.",
					   verify->chunks.count > 0 ? next * 100 / verify->chunks.count : 100,
					   (int64) (now - verify->started) / USECS_PER_SEC)));
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

static void
do_verify_trace(Verify *verify, void *argument)
{
	verify_trace(verify, argument);
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
		text	   *trace_id = DatumGetTextPCopy(slot_getattr(slot, 1, &isnull));
		const char *damage = guarded(verify, do_verify_trace, trace_id);

		if (damage != NULL)
		{
			put_unreadable(verify, trace_id, NULL, damage);
			verify->verifier.counts.traces++;
			verify->verifier.counts.failed++;
		}
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

static bool
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

/* Verifies everything that is asked for.  SPI must be connected. */
static void
verify_all(FunctionCallInfo fcinfo, const AppCall *call, Verify *verify)
{
	VerifyCounts *counts = &verify->verifier.counts;
	int64		hashed_before;

	require_utf8(call->name);
	read_arguments(fcinfo, call, &verify->verifier.filter);
	verifier_begin(&verify->verifier, fcinfo->flinfo->fn_oid, call);
	verify->started = verify->told = GetCurrentTimestamp();
	verify->suspect_columns = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(verify->suspect_columns, 1, "trace_id", TEXTOID, -1, 0);
	verify->suspects = tuplestore_begin_heap(false, false, work_mem / 4);

	hashed_before = sha256_hashed;
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
	counts->hashed += sha256_hashed - hashed_before;
	tuplestore_end(verify->suspects);
}

/*
 * runlink_verify(tenant_id text, since timestamptz, until timestamptz) returns setof record
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

/* Why traces were skipped, as a JSON object; NULL where none was. */
static char *
skipped_why(const VerifyCounts *counts)
{
	StringInfoData why;

	if (counts->archived + counts->without_steps == 0)
		return NULL;
	initStringInfo(&why);
	appendStringInfoChar(&why, '{');
	if (counts->archived > 0)
		appendStringInfo(&why, "\"archived\": " INT64_FORMAT, counts->archived);
	if (counts->without_steps > 0)
		appendStringInfo(&why, "%s\"without steps\": " INT64_FORMAT, counts->archived > 0 ? ", " : "",
						 counts->without_steps);
	appendStringInfoChar(&why, '}');
	return why.data;
}

/*
 * runlink_verify_summary(tenant_id text, since timestamptz, until timestamptz) returns setof record
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
	why = skipped_why(counts);
	values[0] = Int64GetDatum(counts->traces);
	values[1] = Int64GetDatum(counts->steps);
	values[2] = Int64GetDatum(counts->hashed);
	values[3] = Int64GetDatum(counts->verified);
	values[4] = Int64GetDatum(counts->failed);
	values[5] = Int64GetDatum(counts->unsealed);
	values[6] = Int64GetDatum(counts->archived + counts->without_steps);
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
