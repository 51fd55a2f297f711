/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  runlink_proof and runlink_proof_steps: what can be said of the integrity
 *	  of a run's traces.
 *
 * The steps are hashed as they are and compared with the leaves that were
 * recorded or sealed.  VERIFIED is said only where every step has one and
 * matches it, the seals are sound, and the trace is of the run and tenant that
 * it began with.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "log_standing.h"
#include "run.h"
#include "trace_check.h"
#include "traces.h"

PG_FUNCTION_INFO_V1(runlink_proof);
PG_FUNCTION_INFO_V1(runlink_proof_steps);

/* The result columns of runlink_proof. */
enum
{
	PROOF_RUN_ID,
	PROOF_TENANT_ID,
	PROOF_TRACE_ID,
	PROOF_TRACE_STATUS,
	PROOF_MODEL,
	PROOF_VERIFICATION_STATUS,
	PROOF_ASSURANCE,
	PROOF_COVERS,
	PROOF_FAILURE_REASON,
	PROOF_FIRST_BAD_STEP,
	PROOF_CHAIN_LENGTH,
	PROOF_SEALED_LENGTH,
	PROOF_BACKFILLED_LENGTH,
	PROOF_UNSEALED_LENGTH,
	PROOF_ROOT_HASH,
	PROOF_SEALED_ROOT_HASH,
	PROOF_MERKLE_ROOT,
	PROOF_COORDINATOR_ROOT_HASH,
	PROOF_SEALED_AT,
	PROOF_CHECKPOINT_SIZE,
	PROOF_VERIFIED_AT,
	PROOF_COLUMNS
};

typedef struct ProofRow
{
	Datum		values[PROOF_COLUMNS];
	bool		nulls[PROOF_COLUMNS];
} ProofRow;

static void
set_text(ProofRow *row, int column, text *value)
{
	row->values[column] = PointerGetDatum(value);
	row->nulls[column] = (value == NULL);
}

static void
set_cstring(ProofRow *row, int column, const char *value)
{
	set_text(row, column, cstring_to_text(value));
}

static void
set_length(ProofRow *row, int column, int64 value)
{
	row->values[column] = Int64GetDatum(value);
	row->nulls[column] = false;
}

static void
set_hash(ProofRow *row, int column, const uint8 hash[SHA256_BYTES])
{
	set_cstring(row, column, hash_hex(hash));
}

/* A call under way. */
typedef struct Proof
{
	const Run  *run;
	TraceChecker checker;
	bool		has_log;
	Log			log;
	ReturnSetInfo *rsinfo;
} Proof;

static const char *
plural(int64 count, const char *one, const char *many)
{
	return psprintf(INT64_FORMAT " %s", count, count == 1 ? one : many);
}

/* Adds a reason after those that are there. */
static void
add_reason(StringInfo reasons, const char *reason)
{
	appendStringInfo(reasons, "%s%s", reasons->len > 0 ? "; " : "", reason);
}

/* The trace is not of the run and tenant that it began with; who may know gets the names. */
static void
add_identity_reason(StringInfo reasons, const Proof *proof, const TraceFindings *found)
{
	if (caller_is_auditor(proof->run, proof->checker.state))
		add_reason(reasons, psprintf("the trace was recorded for run \"%s\" of tenant \"%s\"",
									 id_for_message(found->run_id),
									 id_for_message(found->tenant_id)));
	else
		add_reason(reasons, "the trace was recorded for another run or tenant");
}

static void
add_step_reasons(StringInfo reasons, const TraceFindings *found)
{
	int64		bad = found->altered + found->missing + found->reordered + found->inserted;
	const struct
	{
		int64		count;
		const char *what;
	}			kinds[] = {
		{found->altered, "altered"}, {found->missing, "missing"},
		{found->reordered, "reordered"}, {found->inserted, "inserted"}
	};
	const char *separator = ": ";

	if (bad == 0)
		return;
	add_reason(reasons, psprintf("%s not as recorded", plural(bad, "step is", "steps are")));
	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i].count == 0)
			continue;
		appendStringInfo(reasons, "%s" INT64_FORMAT " %s", separator, kinds[i].count, kinds[i].what);
		separator = ", ";
	}
	appendStringInfo(reasons, "; the first is step %d", found->first_bad_step);
	if (found->altered > 0 && found->missing_column != NULL)
		add_reason(reasons, psprintf("column \"%s\", which their leaves cover, is gone or of another type",
									 found->missing_column));
}

/* Why nothing is there to compare with, where that is so. */
static void
add_unsealed_reason(StringInfo reasons, const Proof *proof, const TraceFindings *found)
{
	if (found->steps == 1)
		add_reason(reasons, "the trace's one step is not sealed: there is nothing to compare with");
	else if (found->unsealed == found->steps)
		add_reason(reasons, psprintf("none of the trace's " INT64_FORMAT
									 " steps is sealed: there is nothing to compare with", found->steps));
	else
		add_reason(reasons, psprintf(INT64_FORMAT " of the trace's " INT64_FORMAT
									 " steps %s neither leaf nor seal: there is nothing to compare %s with",
									 found->unsealed, found->steps,
									 found->unsealed == 1 ? "has" : "have",
									 found->unsealed == 1 ? "it" : "them"));
	if (proof->checker.state == NULL && state_made())
		add_reason(reasons, psprintf("leaves and seals cannot be read: %s", proof->checker.obstacle));
}

/* The verdict on a trace, with the reasons for it, if any are owed. */
static const char *
judge(const Proof *proof, const Trace *trace, const TraceFindings *found,
	  const LogStanding *standing, StringInfo reasons)
{
	bool		known = found->run_id != NULL;

	if (trace->where == TRACE_GONE)
		add_reason(reasons, "the trace is missing from aos_traces");
	else if (trace->where == TRACE_ARCHIVED)
		add_reason(reasons, "the trace is in aos_traces_archive, but its steps are not gone");
	else if (known && !(same_text(found->run_id, trace->run_id) &&
						same_text(found->tenant_id, trace->tenant_id)))
		add_identity_reason(reasons, proof, found);
	if (found->damage != NULL)
		add_reason(reasons, found->damage);
	if (standing->damage != NULL)
		add_reason(reasons, standing->damage);
	add_step_reasons(reasons, found);
	if (reasons->len > 0)
	{
		if (found->unsealed > 0)
			add_unsealed_reason(reasons, proof, found);
		return "FAILED";
	}
	if (found->steps == 0)
	{
		add_reason(reasons, "the trace has no steps");
		return "UNSUPPORTED";
	}
	if (found->unsealed > 0)
		add_unsealed_reason(reasons, proof, found);
	else if (!found->identity_known)
		add_reason(reasons, "what run and tenant the trace began with was not recorded");
	return reasons->len > 0 ? "UNSEALED" : "VERIFIED";
}

/* The rung that the weakest step stands on. */
static const char *
assurance(const TraceFindings *found, const LogStanding *standing)
{
	if (found->sealed + found->recorded == 0 || found->unsealed > 0)
		return "none";
	if (found->recorded > 0)
		return "recorded";
	/* no hash in the log is over what was left of such a step */
	if (!standing->logged || found->erasure_alone)
		return "sealed";
	return standing->is_signed ? "signed" : "logged";
}

static void
set_findings(ProofRow *row, const TraceFindings *found, const LogStanding *standing)
{
	set_cstring(row, PROOF_ASSURANCE, assurance(found, standing));
	if (standing->logged)
		set_length(row, PROOF_CHECKPOINT_SIZE, standing->checkpoint_size);
	set_length(row, PROOF_CHAIN_LENGTH, found->steps);
	set_length(row, PROOF_SEALED_LENGTH, found->sealed);
	set_length(row, PROOF_BACKFILLED_LENGTH, found->backfilled);
	set_length(row, PROOF_UNSEALED_LENGTH, found->unsealed);
	if (found->has_bad_step)
	{
		row->values[PROOF_FIRST_BAD_STEP] = Int32GetDatum(found->first_bad_step);
		row->nulls[PROOF_FIRST_BAD_STEP] = false;
	}
	if (found->has_head)
	{
		set_hash(row, PROOF_ROOT_HASH, found->head);
		set_hash(row, PROOF_MERKLE_ROOT, found->merkle_root);
	}
	if (found->has_seal)
	{
		set_hash(row, PROOF_SEALED_ROOT_HASH, found->sealed_head);
		row->values[PROOF_SEALED_AT] = TimestampTzGetDatum(found->sealed_at);
		row->nulls[PROOF_SEALED_AT] = false;
	}
	if (found->steps > 0)
		set_hash(row, PROOF_COORDINATOR_ROOT_HASH, found->coordinator_digest);
}

/* A row that says nothing yet but what is the same for every trace. */
static void
begin_row(ProofRow *row, const Run *run)
{
	memset(row->nulls, true, sizeof(row->nulls));
	set_text(row, PROOF_RUN_ID, run->run_id);
	set_text(row, PROOF_TENANT_ID, run->tenant_id);
	set_cstring(row, PROOF_MODEL, "NONE");
	set_cstring(row, PROOF_ASSURANCE, "none");
	for (int column = PROOF_CHAIN_LENGTH; column <= PROOF_UNSEALED_LENGTH; column++)
		set_length(row, column, 0);
	row->values[PROOF_VERIFIED_AT] = TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
	row->nulls[PROOF_VERIFIED_AT] = false;
}

static void
put_row(const Proof *proof, ProofRow *row)
{
	tuplestore_putvalues(proof->rsinfo->setResult, proof->rsinfo->setDesc, row->values, row->nulls);
}

/* An archived trace has no steps left: its seals are told, and nothing is compared. */
static const char *
judge_archived(TraceFindings *found, const LogStanding *standing, StringInfo reasons)
{
	add_reason(reasons, "the application moved the trace to aos_traces_archive and its steps are gone: "
			   "nothing was compared");
	if (found->damage != NULL)
		add_reason(reasons, found->damage);
	if (standing->damage != NULL)
		add_reason(reasons, standing->damage);
	if (!found->has_seal)
		add_reason(reasons, "it was never sealed");
	found->has_bad_step = false;
	return "ARCHIVED";
}

/* Puts the row of a trace. */
static void
prove_trace(void *sink, const Trace *trace)
{
	Proof	   *proof = sink;
	TraceFindings found;
	LogStanding standing = {0};
	StringInfoData reasons;
	const char *status;
	ProofRow	row;

	check_trace(&proof->checker, trace->trace_id, proof->run->run_id, NULL, NULL, &found);
	if (proof->has_log)
		look_at_standing(&proof->log, proof->checker.encodings, trace->trace_id, &standing);
	initStringInfo(&reasons);
	status = trace->where == TRACE_ARCHIVED && found.steps == 0
		? judge_archived(&found, &standing, &reasons)
		: judge(proof, trace, &found, &standing, &reasons);

	begin_row(&row, proof->run);
	set_text(&row, PROOF_TRACE_ID, trace->trace_id);
	set_text(&row, PROOF_TENANT_ID, trace->tenant_id != NULL ? trace->tenant_id : found.tenant_id);
	set_text(&row, PROOF_TRACE_STATUS, trace->status);
	set_cstring(&row, PROOF_MODEL, "HASH_CHAIN");
	set_cstring(&row, PROOF_COVERS, "steps");
	set_cstring(&row, PROOF_VERIFICATION_STATUS, status);
	if (reasons.len > 0)
		set_cstring(&row, PROOF_FAILURE_REASON, reasons.data);
	set_findings(&row, &found, &standing);
	put_row(proof, &row);
}

/* The row of a run that has no trace; the reason tells why apart. */
static void
prove_without_trace(const Proof *proof)
{
	const char *reason;
	ProofRow	row;

	if (proof->run->of_other_tenant)
		reason = "the run is not of this tenant, which has no trace of it";
	else if (!proof->run->found)
		reason = "the run does not exist, and no trace names it";
	else
		reason = "the run has no trace";
	begin_row(&row, proof->run);
	set_cstring(&row, PROOF_VERIFICATION_STATUS, "UNSUPPORTED");
	set_cstring(&row, PROOF_FAILURE_REASON, reason);
	put_row(proof, &row);
}

/* Tells each trace of the run that a call is about; returns how many there were. */
static int64
prove_run(FunctionCallInfo fcinfo, const AppCall *call, Proof *proof, Run *run, TellTrace tell)
{
	require_utf8(call->name);
	InitMaterializedSRF(fcinfo, 0);
	run_open(fcinfo, call, run);
	proof->run = run;
	proof->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	trace_checker_begin(&proof->checker, run->binding);
	proof->has_log = proof->checker.state != NULL &&
		log_open(proof->checker.state, STATE_SNAPSHOT, &proof->log);
	return for_each_trace(run, proof->checker.state, tell, proof);
}

/*
 * runlink_proof(run_id text, tenant_id text) returns setof record
 *
 * One row for each trace of the run; one row without a trace where there is
 * none.  Reads every step once, twice where there is damage, in constant
 * memory.  Arguments and errors as run_open and binding_open have them; a
 * database that is not UTF-8 is an error, because the hashes are over UTF-8.
 */
Datum
runlink_proof(PG_FUNCTION_ARGS)
{
	Proof		proof = {0};
	Run			run = {0};

	SPI_connect();
	if (prove_run(fcinfo, &app_call_proof, &proof, &run, prove_trace) == 0)
		prove_without_trace(&proof);
	SPI_finish();
	return (Datum) 0;
}

/* What a row of runlink_proof_steps is put with. */
typedef struct StepSink
{
	const Proof *proof;
	text	   *trace_id;
} StepSink;

const char *const step_verdict_names[] = {
	[STEP_OK] = "ok",
	[STEP_ALTERED] = "altered",
	[STEP_MISSING] = "missing",
	[STEP_REORDERED] = "reordered",
	[STEP_INSERTED] = "inserted",
	[STEP_UNSEALED] = "unsealed",
	[STEP_ERASED] = "erased",
};

static void
put_step(void *sink, const StepFinding *finding)
{
	StepSink   *steps = sink;
	ReturnSetInfo *rsinfo = steps->proof->rsinfo;
	text	   *leaf = finding->leaf != NULL ? cstring_to_text(hash_hex(finding->leaf)) : NULL;
	text	   *expected = finding->expected_leaf != NULL ? cstring_to_text(hash_hex(finding->expected_leaf)) : NULL;
	Datum		values[7] = {
		PointerGetDatum(steps->trace_id), Int32GetDatum(finding->step_index),
		PointerGetDatum(finding->skill_name), PointerGetDatum(finding->status),
		CStringGetTextDatum(step_verdict_names[finding->verdict]), PointerGetDatum(leaf),
		PointerGetDatum(expected)
	};
	bool		isnull[7] = {
		false, finding->step_index_isnull, finding->skill_name == NULL, finding->status == NULL,
		false, leaf == NULL, expected == NULL
	};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

static void
prove_steps(void *sink, const Trace *trace)
{
	Proof	   *proof = sink;
	StepSink	steps = {proof, trace->trace_id};
	TraceFindings found;

	if (trace->where == TRACE_ARCHIVED)
	{
		check_trace(&proof->checker, trace->trace_id, proof->run->run_id, NULL, NULL, &found);
		if (found.steps == 0)
			return;				/* gone with their trace, as they should */
	}
	check_trace(&proof->checker, trace->trace_id, proof->run->run_id, put_step, &steps, &found);
}

/*
 * runlink_proof_steps(run_id text, tenant_id text) returns setof record
 *
 * One row for each step of each trace of the run, and for each step that is
 * missing.
 */
Datum
runlink_proof_steps(PG_FUNCTION_ARGS)
{
	Proof		proof = {0};
	Run			run = {0};

	SPI_connect();
	prove_run(fcinfo, &app_call_proof_steps, &proof, &run, prove_steps);
	SPI_finish();
	return (Datum) 0;
}
