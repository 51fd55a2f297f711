/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  runlink_proof and runlink_proof_steps: what can be said of the integrity
 *	  of a run's traces.
 *
 * Nothing records leaves or seals, so there is nothing to compare the
 * steps with: a trace with steps is UNSEALED, and no trace is ever VERIFIED.
 * The coordinator's digest is computed for comparison with older reports.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/coordinator_digest.h"
#include "run.h"

#define TRACES_A_FETCH 100

PG_FUNCTION_INFO_V1(runlink_proof);
PG_FUNCTION_INFO_V1(runlink_proof_steps);

static void build_traces_query(StringInfo sql, const Binding *binding);
static void build_steps_query(StringInfo sql, const Binding *binding);
static void build_proof_steps_query(StringInfo sql, const Binding *binding);

/* The traces of run $1 of tenant $2. */
static SavedQuery traces_query = {.build = build_traces_query};

/* The steps of trace $1, in the order of the chain. */
static SavedQuery steps_query = {.build = build_steps_query};

/* The rows of runlink_proof_steps for run $1 of tenant $2. */
static SavedQuery proof_steps_query = {.build = build_proof_steps_query};

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

/* Receives the steps of a trace, one at a time. */
typedef struct StepReceiver
{
	DestReceiver receiver;
	Sha256	   *sha256;
	int64		steps;
} StepReceiver;

static void
build_traces_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT t.trace_id::pg_catalog.text, t.tenant_id::pg_catalog.text,"
					" t.status::pg_catalog.text FROM @extschema@.aos_traces t"
					" WHERE t.run_id" SQL_EQ "$1 AND ($2 IS NULL OR t.tenant_id" SQL_EQ "$2)"
					" ORDER BY t.started_at, t.trace_id COLLATE pg_catalog.\"C\"");
}

static void
build_steps_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT COALESCE(s.step_index, 0), COALESCE(s.skill_name::pg_catalog.text, ''),"
					" COALESCE(s.status::pg_catalog.text, '') FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "$1"
					" ORDER BY s.step_index");
}

static void
build_proof_steps_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT t.trace_id::pg_catalog.text, s.step_index,"
					" s.skill_name::pg_catalog.text, s.status::pg_catalog.text,"
					" 'unsealed'::pg_catalog.text AS verdict,"
					" NULL::pg_catalog.text AS leaf_hash, NULL::pg_catalog.text AS sealed_leaf_hash"
					" FROM @extschema@.aos_traces t JOIN @extschema@.aos_trace_steps s"
					" ON s.trace_id" SQL_EQ "t.trace_id"
					" WHERE t.run_id" SQL_EQ "$1 AND ($2 IS NULL OR t.tenant_id" SQL_EQ "$2)"
					" ORDER BY t.started_at, t.trace_id COLLATE pg_catalog.\"C\", s.step_index");
}

static bool
receive_step(TupleTableSlot *slot, DestReceiver *self)
{
	StepReceiver *steps = (StepReceiver *) self;
	text	   *skill_name;
	text	   *status;

	slot_getallattrs(slot);
	skill_name = DatumGetTextPP(slot->tts_values[1]);
	status = DatumGetTextPP(slot->tts_values[2]);

	coordinator_digest_step(steps->sha256, DatumGetInt32(slot->tts_values[0]),
							VARDATA_ANY(skill_name), VARSIZE_ANY_EXHDR(skill_name),
							VARDATA_ANY(status), VARSIZE_ANY_EXHDR(status));
	steps->steps++;

	/* What was detoasted would stay until the last step. */
	if (skill_name != (text *) DatumGetPointer(slot->tts_values[1]))
		pfree(skill_name);
	if (status != (text *) DatumGetPointer(slot->tts_values[2]))
		pfree(status);
	return true;
}

static void
step_receiver_startup(DestReceiver *self pg_attribute_unused(),
					  int operation pg_attribute_unused(),
					  TupleDesc typeinfo pg_attribute_unused())
{
}

static void
step_receiver_shutdown(DestReceiver *self pg_attribute_unused())
{
}

static StepReceiver
step_receiver(Sha256 *sha256)
{
	StepReceiver steps = {
		.receiver = {
			.receiveSlot = receive_step,
			.rStartup = step_receiver_startup,
			.rShutdown = step_receiver_shutdown,
			.rDestroy = step_receiver_shutdown,
			.mydest = DestTuplestore,	/* any that SPI takes for rows */
		},
		.sha256 = sha256,
	};

	return steps;
}

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
	char		hex[SHA256_BYTES * 2];

	hex_encode((const char *) hash, SHA256_BYTES, hex);
	set_text(row, column, cstring_to_text_with_len(hex, sizeof(hex)));
}

/* A row that says nothing yet but what is the same for every trace. */
static void
begin_row(ProofRow *row, const Run *run)
{
	memset(row->nulls, true, sizeof(row->nulls));
	set_text(row, PROOF_RUN_ID, run->run_id);
	set_text(row, PROOF_TENANT_ID, run->tenant_id);
	set_cstring(row, PROOF_ASSURANCE, "none");
	set_length(row, PROOF_SEALED_LENGTH, 0);
	set_length(row, PROOF_BACKFILLED_LENGTH, 0);
	row->values[PROOF_VERIFIED_AT] = TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
	row->nulls[PROOF_VERIFIED_AT] = false;
}

static void
set_lengths_and_status(ProofRow *row, int64 steps, const char *status, const char *reason)
{
	set_length(row, PROOF_CHAIN_LENGTH, steps);
	set_length(row, PROOF_UNSEALED_LENGTH, steps);
	set_cstring(row, PROOF_VERIFICATION_STATUS, status);
	set_cstring(row, PROOF_FAILURE_REASON, reason);
}

static void
prove_trace(ProofRow *row, const Run *run, text *trace_id, Sha256 *sha256)
{
	StepReceiver steps = step_receiver(sha256);
	uint8		hash[SHA256_BYTES];

	coordinator_digest_begin(sha256, VARDATA_ANY(run->run_id), VARSIZE_ANY_EXHDR(run->run_id));
	execute_query(&steps_query, run->binding, trace_id, NULL, &steps.receiver);
	sha256_end(sha256, hash);

	set_cstring(row, PROOF_MODEL, "HASH_CHAIN");
	set_cstring(row, PROOF_COVERS, "steps");
	if (steps.steps == 0)
		set_lengths_and_status(row, 0, "UNSUPPORTED", "the trace has no steps");
	else
	{
		set_lengths_and_status(row, steps.steps, "UNSEALED",
							   steps.steps == 1
							   ? "the trace's one step is not sealed: there is nothing to compare with"
							   : psprintf("none of the trace's " INT64_FORMAT
										  " steps is sealed: there is nothing to compare with",
										  steps.steps));
		set_hash(row, PROOF_COORDINATOR_ROOT_HASH, hash);
	}
}

/* The row of a run that has no trace; the reason tells why apart. */
static void
prove_without_trace(ProofRow *row, const Run *run)
{
	const char *reason;

	if (!run->found)
		reason = "the run does not exist, and no trace names it";
	else if (run->of_other_tenant)
		reason = "the run is not of this tenant, which has no trace of it";
	else
		reason = "the run has no trace";

	begin_row(row, run);
	set_cstring(row, PROOF_MODEL, "NONE");
	set_lengths_and_status(row, 0, "UNSUPPORTED", reason);
}

/* Puts a row for each trace of the run; returns their number. */
static int64
prove_traces(const Run *run, Tuplestorestate *tuplestore, TupleDesc tupdesc)
{
	Sha256	   *sha256 = sha256_create();
	MemoryContext trace_context = AllocSetContextCreate(CurrentMemoryContext,
														"proof of a trace",
														ALLOCSET_DEFAULT_SIZES);
	Portal		portal = open_query(&traces_query, run->binding, run->run_id, run->tenant_id);
	int64		traces = 0;

	for (;;)
	{
		SPITupleTable *fetched;
		uint64		count;

		SPI_cursor_fetch(portal, true, TRACES_A_FETCH);
		fetched = SPI_tuptable;
		count = SPI_processed;
		if (count == 0)
			break;

		for (uint64 i = 0; i < count; i++)
		{
			MemoryContext old_context = MemoryContextSwitchTo(trace_context);
			text	   *columns[3];
			ProofRow	row;

			for (int column = 0; column < 3; column++)
			{
				bool		isnull;
				Datum		value = SPI_getbinval(fetched->vals[i], fetched->tupdesc,
												  column + 1, &isnull);

				columns[column] = isnull ? NULL : DatumGetTextPP(value);
			}
			begin_row(&row, run);
			set_text(&row, PROOF_TRACE_ID, columns[0]);
			set_text(&row, PROOF_TENANT_ID, columns[1]);
			set_text(&row, PROOF_TRACE_STATUS, columns[2]);
			prove_trace(&row, run, columns[0], sha256);
			tuplestore_putvalues(tuplestore, tupdesc, row.values, row.nulls);

			MemoryContextSwitchTo(old_context);
			MemoryContextReset(trace_context);
		}
		traces += count;
		SPI_freetuptable(fetched);
	}
	SPI_cursor_close(portal);
	return traces;
}

/*
 * runlink_proof(run_id text, tenant_id text) returns setof record
 *
 * One row for each trace of the run, by the time it started; one row without
 * a trace where there is none.  Reads every step once, in constant memory.
 * Arguments and errors as run_open and binding_open have them; a database
 * that is not UTF-8 is an error, because the hashes are over UTF-8.
 */
Datum
runlink_proof(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Run			run = {0};

	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("runlink_proof needs a database encoded in UTF8"),
				 errdetail("This database is encoded in %s, and hashes are over UTF-8 text.",
						   GetDatabaseEncodingName()),
				 errhint("Restore a dump into a database created with ENCODING 'UTF8'.")));

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	run_open(fcinfo, &app_call_proof, &run);
	if (prove_traces(&run, rsinfo->setResult, rsinfo->setDesc) == 0)
	{
		ProofRow	row;

		prove_without_trace(&row, &run);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row.values, row.nulls);
	}
	SPI_finish();
	return (Datum) 0;
}

/*
 * runlink_proof_steps(run_id text, tenant_id text) returns setof record
 *
 * One row for each step of each trace of the run.
 */
Datum
runlink_proof_steps(PG_FUNCTION_ARGS)
{
	return run_answer(fcinfo, &app_call_proof_steps, &proof_steps_query);
}
