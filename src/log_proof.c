/*-------------------------------------------------------------------------
 *
 * log_proof.c
 *	  runlink_inclusion_proof and runlink_consistency_proof: what shows somebody
 *	  outside that an entry is in the log, and that the log only grew.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "auditor.h"
#include "log.h"
#include "run.h"
#include "seal.h"
#include "traces.h"

PG_FUNCTION_INFO_V1(runlink_inclusion_proof);
PG_FUNCTION_INFO_V1(runlink_consistency_proof);

static const AppCall inclusion_call = {"runlink_inclusion_proof", FOR_PROOF};

/* The root at size $1, where there is such a checkpoint, and the size of the newest. */
static KeptQuery checkpoint_query = {
	.sql = "SELECT (SELECT c.root FROM runlink.checkpoint c WHERE c.size" SQL_EQ "$1),"
	" (SELECT pg_catalog.max(n.size) FROM runlink.checkpoint n)",
	.argument_count = 1,
	.argument_types = {INT8OID}
};

/* A call of runlink_inclusion_proof under way. */
typedef struct Inclusion
{
	const Log  *log;
	const Encoding *encodings;
	ReturnSetInfo *rsinfo;
} Inclusion;

/* The result columns of runlink_inclusion_proof. */
enum
{
	INCLUSION_TRACE_ID,
	INCLUSION_SEAL_NO,
	INCLUSION_ENTRY,
	INCLUSION_SEAL_HASH,
	INCLUSION_CHECKPOINT_SIZE,
	INCLUSION_PROOF,
	INCLUSION_COLUMNS
};

static void
append_hashes(StringInfo to, const uint8 (*hashes)[SHA256_BYTES], int count)
{
	for (int i = 0; i < count; i++)
	{
		append_base64(to, hashes[i], SHA256_BYTES);
		appendStringInfoChar(to, '\n');
	}
	appendStringInfoChar(to, '\n');
}

/* Appends the proof of an entry as c2sp.org/tlog-proof has it. */
static void
append_proof(StringInfo to, const Log *log, const LogEntry *entry, const Checkpoint *checkpoint)
{
	MerkleProof proof;
	int			count = log_inclusion_proof(log, entry->entry, checkpoint->size, proof);

	if (!merkle_inclusion_ok(entry->seal_hash, entry->entry, checkpoint->size, proof, count,
							 checkpoint->root))
		raise_log_damage(log_entry_damage(log, entry, checkpoint));
	appendStringInfo(to, "c2sp.org/tlog-proof@v1\nindex " UINT64_FORMAT "\n", entry->entry);
	append_hashes(to, proof, count);
	append_log_note(to, log, checkpoint);
}

static void
put_inclusion(const Inclusion *inclusion, const Datum *values, const bool *isnull)
{
	tuplestore_putvalues(inclusion->rsinfo->setResult, inclusion->rsinfo->setDesc,
						 unconstify(Datum *, values), unconstify(bool *, isnull));
}

/* The row of a trace that is sealed, but not in the log. */
static void
put_unlogged(const Inclusion *inclusion, text *trace_id)
{
	Datum		values[INCLUSION_COLUMNS] = {PointerGetDatum(trace_id)};
	bool		isnull[INCLUSION_COLUMNS];
	SealHash	newest;

	if (!find_seal_hash(inclusion->log->state, inclusion->encodings, trace_id, PG_INT32_MAX,
						&newest))
		return;
	memset(isnull, true, sizeof(isnull));
	isnull[INCLUSION_TRACE_ID] = isnull[INCLUSION_SEAL_NO] = false;
	values[INCLUSION_SEAL_NO] = Int32GetDatum(newest.seal_no);
	isnull[INCLUSION_SEAL_HASH] = newest.unreadable != NULL;
	if (newest.unreadable == NULL)
		values[INCLUSION_SEAL_HASH] = CStringGetTextDatum(hash_hex(newest.hash));
	put_inclusion(inclusion, values, isnull);
}

static void
prove_inclusion(void *sink, const Trace *trace)
{
	const Inclusion *inclusion = sink;
	const Log  *log = inclusion->log;
	Datum		values[INCLUSION_COLUMNS] = {PointerGetDatum(trace->trace_id)};
	bool		isnull[INCLUSION_COLUMNS] = {false};
	LogEntry	entry;
	Checkpoint	checkpoint;
	StringInfoData proof;

	if (!log_find(log, trace->trace_id, &entry))
	{
		put_unlogged(inclusion, trace->trace_id);
		return;
	}
	values[INCLUSION_SEAL_NO] = Int32GetDatum(entry.seal_no);
	values[INCLUSION_ENTRY] = Int64GetDatum(entry.entry);
	values[INCLUSION_SEAL_HASH] = CStringGetTextDatum(hash_hex(entry.seal_hash));
	if (!log_checkpoint_over(log, entry.entry, true, &checkpoint) &&
		!log_checkpoint_over(log, entry.entry, false, &checkpoint))
		raise_log_damage(psprintf("no checkpoint covers entry " UINT64_FORMAT, entry.entry));
	initStringInfo(&proof);
	append_proof(&proof, log, &entry, &checkpoint);
	values[INCLUSION_CHECKPOINT_SIZE] = Int64GetDatum(checkpoint.size);
	values[INCLUSION_PROOF] = PointerGetDatum(cstring_to_text_with_len(proof.data, proof.len));
	put_inclusion(inclusion, values, isnull);
}

/* Opens the log to be read as the caller's snapshot has it. */
static void
open_to_read(Log *log)
{
	const char *obstacle = NULL;
	const State *state = state_open(&obstacle);

	if (state == NULL)
		raise_no_log(obstacle);
	if (!log_open(state, STATE_SNAPSHOT, log))
		raise_no_log(NULL);
}

/*
 * runlink_inclusion_proof(run_id text, tenant_id text) returns setof record
 *
 * A row for each trace of the run that has a seal.
 */
Datum
runlink_inclusion_proof(PG_FUNCTION_ARGS)
{
	Inclusion	inclusion = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};
	Run			run = {0};
	Log			log;

	require_utf8("the log");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	run_open(fcinfo, &inclusion_call, &run);
	open_to_read(&log);
	inclusion.log = &log;
	inclusion.encodings = load_encodings(log.state, false);
	for_each_trace(&run, log.state, prove_inclusion, &inclusion);
	SPI_finish();
	return (Datum) 0;
}

/* The checkpoint of a size, which there must be. */
static void
find_checkpoint(const Log *log, int64 size, Checkpoint *checkpoint)
{
	Datum		values[1] = {Int64GetDatum(size)};
	bool		root_isnull;
	bool		newest_isnull;
	Datum		root;
	Datum		newest;

	state_execute(log->state, &checkpoint_query, values, NULL, log->view, NULL);
	root = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &root_isnull);
	newest = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &newest_isnull);
	if (root_isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no checkpoint of size %lld", (long long) size),
				 newest_isnull ? errdetail("No checkpoint was made.")
				 : errdetail("The newest is of size %lld.", (long long) DatumGetInt64(newest)),
				 errhint("See runlink.checkpoint for their sizes.")));
	checkpoint->origin = log->origin;
	checkpoint->size = size;
	copy_bytes(checkpoint->root, root, SHA256_BYTES);
	SPI_freetuptable(SPI_tuptable);
}

static void
check_sizes(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(0) ? "old" : "new"),
				 errdetail("runlink_consistency_proof shows that one tree begins another."),
				 errhint("Pass two sizes; 0 as old where no checkpoint is held yet.")));
	if (PG_GETARG_INT64(0) < 0 || PG_GETARG_INT64(0) > PG_GETARG_INT64(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 PG_GETARG_INT64(0) < 0 ? errmsg("old must not be negative")
				 : errmsg("old must not be above new"),
				 errdetail("runlink_consistency_proof shows that one tree begins another."),
				 errhint("Pass the size of the checkpoint held, then that of the newer one.")));
}

/* Raises an error where a proof from our own nodes does not lead to the checkpoint's root. */
static void
check_consistency(const Log *log, uint64 old_size, const Checkpoint *new, MerkleProof proof,
				  int count)
{
	uint8		old_root[SHA256_BYTES];

	if (new->size > log->size)
		raise_log_damage(psprintf("there are " UINT64_FORMAT " entries, and a checkpoint of size "
								  UINT64_FORMAT, log->size, new->size));
	log_root(log, old_size, old_root);
	if (!merkle_consistency_ok(old_size, new->size, old_root, new->root, proof, count))
		raise_log_damage(psprintf("the nodes of the tree do not give the root of the checkpoint"
								  " of size " UINT64_FORMAT, new->size));
}

/*
 * runlink_consistency_proof(old bigint, new bigint) returns text
 *
 * What a witness is sent, c2sp.org/tlog-witness: the proof, and the new checkpoint.
 */
Datum
runlink_consistency_proof(PG_FUNCTION_ARGS)
{
	Log			log;
	Checkpoint	new;
	MerkleProof proof;
	StringInfoData text;
	int			count;

	check_sizes(fcinfo);
	require_utf8("the log");
	initStringInfo(&text);
	SPI_connect();
	open_to_read(&log);
	require_auditor(log.state, "runlink_consistency_proof");
	find_checkpoint(&log, PG_GETARG_INT64(1), &new);
	count = log_consistency_proof(&log, PG_GETARG_INT64(0), new.size, proof);
	check_consistency(&log, PG_GETARG_INT64(0), &new, proof, count);
	appendStringInfo(&text, "old " INT64_FORMAT "\n", PG_GETARG_INT64(0));
	append_hashes(&text, proof, count);
	append_log_note(&text, &log, &new);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}
