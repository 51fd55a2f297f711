/*-------------------------------------------------------------------------
 *
 * tick.c
 *	  runlink_tick: seals what is pending, verifies what is new, and keeps the
 *	  answers in runlink.verification.
 *
 * Two ticks at once share the work and do not wait for each other: each locks
 * what is queued of a trace, and leaves the trace to the other where that has
 * the lock.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "receiver.h"
#include "run.h"
#include "seal.h"
#include "seal_pending.h"
#include "verify.h"

PG_FUNCTION_INFO_V1(runlink_tick);

#define OF_TRACE " WHERE trace_id" SQL_EQ "$1"

/*
 * At most $1 traces to verify, with the newest seal that they are queued for: those
 * queued, then those that had findings, the longest ago first.
 */
static KeptQuery work_query = {
	.sql = "SELECT c.trace_id, c.seal_no FROM"
	" (SELECT trace_id::pg_catalog.text, pg_catalog.max(seal_no) AS seal_no,"
	" NULL::pg_catalog.timestamptz AS verified_at FROM runlink.unverified GROUP BY trace_id"
	" UNION ALL SELECT v.trace_id::pg_catalog.text, NULL, v.verified_at FROM runlink.verification v"
	" WHERE v.findings OPERATOR(pg_catalog.>) 0"
	" AND NOT EXISTS (SELECT 1 FROM runlink.unverified u WHERE "
	"u.trace_id" SQL_EQ "v.trace_id)) AS c"
	" ORDER BY c.verified_at NULLS FIRST LIMIT $1",
	.argument_count = 1,
	.argument_types = {INT8OID}
};

static KeptQuery take_queued_query = {
	.sql = "SELECT 1 FROM runlink.unverified" OF_TRACE " FOR UPDATE SKIP LOCKED",
	.argument_count = 1,
	.argument_types = {TEXTOID}
};

static KeptQuery take_kept_query = {
	.sql = "SELECT 1 FROM runlink.verification" OF_TRACE " FOR UPDATE SKIP LOCKED",
	.argument_count = 1,
	.argument_types = {TEXTOID}
};

static KeptQuery newest_seal_query = {
	.sql = "SELECT pg_catalog.max(seal_no) FROM runlink.seal" OF_TRACE,
	.argument_count = 1,
	.argument_types = {TEXTOID}
};

/* An answer of an older seal does not replace that of a newer one, if it is still there. */
static KeptQuery keep_query = {
	.sql = "UPDATE runlink.verification SET verified_at = $2, findings = $3, seal_no = $4,"
	" verification_status = $5" OF_TRACE
	" AND (seal_no IS NULL OR seal_no OPERATOR(pg_catalog.<=) $4"
	" OR NOT EXISTS (SELECT 1 FROM runlink.seal s WHERE s.trace_id" SQL_EQ "$1"
	" AND s.seal_no" SQL_EQ "verification.seal_no))",
	.argument_count = 5,
	.argument_types = {TEXTOID, TIMESTAMPTZOID, INT8OID, INT4OID, TEXTOID}
};

/* But for what another tick has taken: it is not waited for. */
static KeptQuery forget_queued_query = {
	.sql = "DELETE FROM runlink.unverified u USING (SELECT trace_id, seal_no FROM runlink.unverified"
	OF_TRACE " AND seal_no OPERATOR(pg_catalog.<=) $2 FOR UPDATE SKIP LOCKED) AS mine"
	" WHERE u.trace_id" SQL_EQ "mine.trace_id AND u.seal_no" SQL_EQ "mine.seal_no",
	.argument_count = 2,
	.argument_types = {TEXTOID, INT4OID}
};

static KeptQuery left_query = {
	.sql = "SELECT pg_catalog.count(DISTINCT trace_id) FROM runlink.unverified"
};

static const char *const statuses[] = {
	[VERDICT_VERIFIED] = "VERIFIED",
	[VERDICT_FAILED] = "FAILED",
	[VERDICT_UNSEALED] = "UNSEALED",
	[VERDICT_ARCHIVED] = "ARCHIVED",
	[VERDICT_WITHOUT_STEPS] = "UNSUPPORTED",
};

typedef struct Tick
{
	Verify		verify;
	const State *state;
	int64		max;
	int64		sealed;
} Tick;

/* A trace to verify. */
typedef struct Work
{
	text	   *trace_id;
	bool		queued;
	int32		queued_for;		/* newest seal that it is queued for */
	bool		kept;			/* a verification is kept, and locked */
} Work;

static uint64
execute_now(const Tick *tick, KeptQuery *query, const Datum *values, const char *nulls)
{
	state_execute(tick->state, query, values, nulls, STATE_NOW, NULL);
	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);
	return SPI_processed;
}

static Datum
asked_number(const Tick *tick, KeptQuery *query, const Datum *values, StateView view, bool *isnull)
{
	Datum		number;

	state_execute(tick->state, query, values, NULL, view, NULL);
	number = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
	SPI_freetuptable(SPI_tuptable);
	return number;
}

/* A trace being sealed. */
typedef struct GuardedSeal
{
	void		(*seal) (void *argument);
	void	   *argument;
} GuardedSeal;

static void
do_seal(Verify *verify pg_attribute_unused(), void *argument)
{
	GuardedSeal *guarded_seal = argument;

	guarded_seal->seal(guarded_seal->argument);
}

/* Seals a trace; what cannot be read of it leaves it without a seal. */
static void
guard_seal(void *sink, void (*seal) (void *argument), void *argument)
{
	GuardedSeal guarded_seal = {seal, argument};
	const char *damage = guarded(sink, do_seal, &guarded_seal);

	if (damage != NULL)
		ereport(WARNING,
				(errmsg("a trace is not sealed"),
				 errdetail("What is to be sealed cannot be read: %s", damage),
				 errhint("runlink_verify() finds which trace it is.")));
}

static void
do_seal_what_is_pending(Verify *verify, void *argument)
{
	Tick	   *tick = argument;
	const Verifier *verifier = &verify->verifier;
	Pending		pending = {
		.function = verifier->function,
		.call = verifier->call,
		.binding = verifier->binding,
		.state = tick->state,
		.max = tick->max,
		.only_unrecorded = true,
		.guard = guard_seal,
		.sink = verify,
	};

	tick->sealed = seal_pending(&pending);
}

static void
do_queue_doubtful(Verify *verify, void *argument pg_attribute_unused())
{
	queue_doubtful(&verify->verifier);
}

/* Does a part of the work; what of it cannot be read keeps no other part from being done. */
static void
do_part(Tick *tick, GuardedWork work, const char *what)
{
	const char *damage = guarded(&tick->verify, work, tick);

	if (damage != NULL)
		ereport(WARNING,
				(errmsg("%s cannot be looked for", what),
				 errdetail("What is to be read cannot be read: %s", damage),
				 errhint("runlink_verify(full => true) finds what it is.")));
}

/* What this transaction did, and others committed, until now. */
static void
see_until_now(Tick *tick)
{
	TraceChecker *checker = &tick->verify.verifier.checker;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	checker->encodings = load_encodings(checker->state, false);
}

static void
receive_work(TupleTableSlot *slot, void *sink)
{
	Verify	   *verify = sink;

	slot_getallattrs(slot);
	tuplestore_putvalues(verify->suspects, verify->suspect_columns, slot->tts_values,
						 slot->tts_isnull);
}

static void
list_work(Tick *tick)
{
	Verify	   *verify = &tick->verify;
	Datum		values[1] = {Int64GetDatum(tick->max)};
	RowReceiver receiver;

	verify->suspect_columns = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(verify->suspect_columns, 1, "trace_id", TEXTOID, -1, 0);
	TupleDescInitEntry(verify->suspect_columns, 2, "seal_no", INT4OID, -1, 0);
	verify->suspects = tuplestore_begin_heap(false, false, work_mem / 4);
	state_execute(tick->state, &work_query, values, NULL, STATE_SNAPSHOT,
				  row_receiver(&receiver, receive_work, verify));
}

/* Locks a trace against other ticks; false where one is at it, or was. */
static bool
take(const Tick *tick, Work *work)
{
	Datum		values[1] = {PointerGetDatum(work->trace_id)};

	if (work->queued && execute_now(tick, &take_queued_query, values, NULL) == 0)
		return false;
	work->kept = execute_now(tick, &take_kept_query, values, NULL) > 0;
	return work->queued || work->kept;
}

/* Keeps what was found of a trace; false where another tick is at it. */
static bool
keep(const Tick *tick, const Work *work, TraceVerdict verdict, int64 findings)
{
	Datum		trace_id = PointerGetDatum(work->trace_id);
	Datum		now = TimestampTzGetDatum(GetCurrentTimestamp());
	Datum		status = CStringGetTextDatum(statuses[verdict]);
	bool		unsealed;
	Datum		seal_no = asked_number(tick, &newest_seal_query, &trace_id, STATE_SNAPSHOT,
									   &unsealed);
	Datum		row[5] = {now, Int64GetDatum(findings), seal_no, trace_id, status};
	bool		isnull[5] = {false, false, unsealed, false, false};
	Datum		values[5] = {trace_id, now, Int64GetDatum(findings), seal_no, status};
	Datum		verified[2] = {trace_id, unsealed ? Int32GetDatum(work->queued_for) : seal_no};

	if (work->kept)
		execute_now(tick, &keep_query, values, unsealed ? "   n " : NULL);
	else if (!state_insert(tick->state->relids[STATE_VERIFICATION], row, isnull))
		return false;
	if (work->queued)
	{
		verified[1] = Int32GetDatum(Max(DatumGetInt32(verified[1]), work->queued_for));
		execute_now(tick, &forget_queued_query, verified, NULL);
	}
	return true;
}

static void
do_work(Tick *tick, Work *work)
{
	Verify	   *verify = &tick->verify;
	VerifyCounts counts = verify->verifier.counts;
	int64		findings = verify->findings;
	TraceVerdict verdict;

	if (!take(tick, work))
		return;
	verdict = verify_trace_guarded(verify, work->trace_id);
	if (keep(tick, work, verdict, verify->findings - findings))
		return;
	verify->verifier.counts = counts;
	verify->findings = findings;
}

static void
verify_what_is_new(Tick *tick)
{
	Verify	   *verify = &tick->verify;
	MemoryContext trace_context = AllocSetContextCreate(CurrentMemoryContext, "verified trace",
														ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot;

	list_work(tick);
	slot = MakeSingleTupleTableSlot(verify->suspect_columns, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(verify->suspects, true, false, slot))
	{
		MemoryContext old_context = MemoryContextSwitchTo(trace_context);
		Work		work = {0};

		slot_getallattrs(slot);
		work.trace_id = DatumGetTextPCopy(slot->tts_values[0]);
		work.queued = !slot->tts_isnull[1];
		work.queued_for = work.queued ? DatumGetInt32(slot->tts_values[1]) : 0;
		do_work(tick, &work);
		CHECK_FOR_INTERRUPTS();
		tell_progress(verify);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(trace_context);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(verify->suspects);
	MemoryContextDelete(trace_context);
}

static void
put_totals(FunctionCallInfo fcinfo, const Tick *tick)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const VerifyCounts *counts = &tick->verify.verifier.counts;
	bool		isnull[8] = {false};
	Datum		values[8] = {
		Int64GetDatum(tick->sealed), Int64GetDatum(counts->verified), Int64GetDatum(counts->failed),
		Int64GetDatum(counts->unsealed), Int64GetDatum(counts->archived + counts->without_steps),
		Int64GetDatum(tick->verify.findings)
	};

	values[6] = asked_number(tick, &left_query, NULL, STATE_NOW, &isnull[6]);
	values[7] = Float8GetDatum((GetCurrentTimestamp() - tick->verify.started) /
							   (double) USECS_PER_SEC);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

/*
 * runlink_tick(max bigint) returns setof record
 *
 * Seals at most max traces and verifies at most max.  One row of totals.
 */
Datum
runlink_tick(PG_FUNCTION_ARGS)
{
	Tick		tick = {.max = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT64(0)};

	if (tick.max < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must not be negative"),
				 errdetail("runlink_tick seals at most max traces, and verifies at most max."),
				 errhint("Pass NULL for no limit.")));
	PreventCommandIfReadOnly("runlink_tick()");
	require_utf8(app_call_tick.name);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	tick.verify.started = tick.verify.told = GetCurrentTimestamp();
	verifier_begin(&tick.verify.verifier, fcinfo->flinfo->fn_oid, &app_call_tick);
	tick.state = state_open_to_seal(STATE_BIT(STATE_VERIFICATION));
	do_part(&tick, do_seal_what_is_pending, "traces to seal");
	see_until_now(&tick);
	do_part(&tick, do_queue_doubtful, "traces that no kept verification answers for");
	PopActiveSnapshot();
	see_until_now(&tick);
	verify_what_is_new(&tick);
	PopActiveSnapshot();
	put_totals(fcinfo, &tick);
	SPI_finish();
	return (Datum) 0;
}
