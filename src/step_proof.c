/*-------------------------------------------------------------------------
 *
 * step_proof.c
 *	  runlink_step_proof: one step, proved through its seal to the log, without
 *	  any other step.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "erasure.h"
#include "package.h"
#include "record.h"

PG_FUNCTION_INFO_V1(runlink_step_proof);

#define STEP_PROOF_FORMAT "runlink-step-proof/v1"

static SavedQuery step_query = {
	.sql_template = "SELECT * FROM @extschema@.aos_trace_steps s"
	" WHERE s.trace_id" SQL_EQ "$1 AND s.step_index" SQL_EQ "$2",
	.argument_count = 2,
	.argument_types = {TEXTOID, INT4OID}
};

/* A step proof being made. */
typedef struct StepProof
{
	const AppCall *call;
	const Run  *run;
	TraceChecker checker;
	text	   *trace_id;
	int32		step_index;
	MemoryContext context;
	bool		has_trace;		/* it is one of the run's */
	PackageLog	log;

	/* of the seals */
	bool		is_sealed;
	bool		is_backfilled;
	SealedStep	sealed;
	int64		position;		/* of its leaf */
	int64		leaf_count;		/* so far */
	int64		backfilled;
	char	   *seal;			/* that the proof goes to: its text */
	int32		seal_no;
	uint64		size;
	uint8		root[SHA256_BYTES];

	/* of the path */
	int			range_count;
	int			range;			/* that the last leaf was in */
	MerkleRange ranges[MOST_RANGES];
	MerkleTree *trees;			/* one a range */
	uint64		next_leaf;
} StepProof;

static void
look_at_trace(void *sink, const Trace *trace)
{
	StepProof  *proof = sink;

	if (same_text(trace->trace_id, proof->trace_id))
		proof->has_trace = true;
}

/* Takes the step's leaf, salt and position among the leaves from the seal that holds it. */
static void
take_leaf(StepProof *proof, const Seal *seal)
{
	int64		rank = take_sealed_step(seal, proof->step_index, &proof->sealed);

	proof->is_sealed = true;
	proof->position = proof->leaf_count + rank;
	proof->is_backfilled = seal->text.backfilled != proof->backfilled;
}

/* The proof goes to the seal that is in the log, if it covers the step, else to the newest. */
static bool
is_wanted(const StepProof *proof)
{
	bool		logged_covers = proof->seal != NULL && proof->log.found &&
		proof->seal_no == proof->log.entry.seal_no;

	return proof->is_sealed && !logged_covers;
}

static void
look_at_seal(void *sink, const Seal *seal)
{
	StepProof  *proof = sink;
	Canonical  *scratch = leaf_scratch();

	if (!proof->is_sealed && step_set_contains(&seal->steps, proof->step_index))
		take_leaf(proof, seal);
	proof->leaf_count += step_set_size(&seal->steps);
	proof->backfilled = seal->text.backfilled;
	if (!is_wanted(proof))
		return;
	canonical_char(scratch, append_seal_json(scratch, canonical_begin(scratch), seal, false), '\0');
	if (proof->seal != NULL)
		pfree(proof->seal);
	proof->seal = MemoryContextStrdup(proof->context, scratch->data);
	proof->seal_no = seal->seal_no;
	proof->size = proof->leaf_count;
	memcpy(proof->root, seal->text.merkle_root, SHA256_BYTES);
}

/* Adds a leaf to the tree of the range that it lies in. */
static void
add_leaf(StepProof *proof, const uint8 leaf[SHA256_BYTES])
{
	uint64		position = proof->next_leaf++;

	for (int i = 0; i < proof->range_count; i++)
	{
		int			tried = (proof->range + i) % proof->range_count;

		if (position >= proof->ranges[tried].first && position < proof->ranges[tried].end)
		{
			proof->range = tried;
			merkle_add(&proof->trees[tried], leaf);
			return;
		}
	}
}

static void
add_leaves(void *sink, const Seal *seal)
{
	StepProof  *proof = sink;
	const uint8 *leaf = (const uint8 *) VARDATA_ANY(seal->leaves);
	int64		count = step_set_size(&seal->steps);

	for (int64 i = 0; i < count && proof->next_leaf < proof->size; i++, leaf += SEALED_STEP_BYTES)
		add_leaf(proof, leaf);
}

/* The Merkle path from the step's leaf to the seal's root, as a list of hashes. */
static Jsonb *
merkle_path(StepProof *proof)
{
	MerkleProof path;
	JsonbList	list;

	proof->range_count = merkle_inclusion_ranges(proof->position, proof->size, proof->ranges);
	proof->trees = palloc(sizeof(MerkleTree) * Max(proof->range_count, 1));
	for (int i = 0; i < proof->range_count; i++)
		merkle_begin(&proof->trees[i]);
	for_each_seal(proof->checker.state, proof->checker.encodings, proof->trace_id, add_leaves,
				  proof);

	jsonb_list_begin(&list);
	for (int i = 0; i < proof->range_count; i++)
	{
		char		hex[SHA256_BYTES * 2];

		merkle_root(&proof->trees[i], path[i]);
		hex_encode((const char *) path[i], SHA256_BYTES, hex);
		jsonb_list_add(&list, jsonb_from_string(hex, sizeof(hex)));
	}
	if (!merkle_inclusion_ok(proof->sealed.leaf, proof->position, proof->size,
							 path, proof->range_count, proof->root))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("seal %d of trace \"%s\" is damaged", proof->seal_no,
						id_for_message(proof->trace_id)),
				 errdetail("Its Merkle root is not that of its leaves: no path leads to it."),
				 errhint("runlink_proof() tells what is wrong.")));
	return jsonb_list_end(&list);
}

/* Raises an error for a step that no seal holds. */
static void
raise_unsealed(const StepProof *proof, bool has_row, const char *damage)
{
	if (damage != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the seals of trace \"%s\" cannot be read",
						id_for_message(proof->trace_id)),
				 errdetail("In the way: %s.", damage),
				 errhint("runlink_proof() tells what is wrong.")));
	if (!has_row)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trace \"%s\" has no step %d", id_for_message(proof->trace_id),
						proof->step_index),
				 errdetail("There is neither a row nor a leaf of it."),
				 errhint("runlink_proof_steps() lists the steps of a run.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("step %d of trace \"%s\" is not sealed", proof->step_index,
					id_for_message(proof->trace_id)),
			 errdetail("A step is proved by the seal that holds its leaf."),
			 errhint("Call runlink_seal_pending().")));
}

/* Reads the row of the step; false where it is not there. */
static bool
read_row(const StepProof *proof, Datum **values, bool **isnull)
{
	Datum		arguments[2] = {PointerGetDatum(proof->trace_id), Int32GetDatum(proof->step_index)};
	TupleDesc	tupdesc;

	execute_query_with(&step_query, proof->run->binding, arguments, NULL, NULL);
	if (SPI_processed > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("step %d of trace \"%s\" has more than one row", proof->step_index,
						id_for_message(proof->trace_id)),
				 errhint("runlink_proof() tells what is wrong.")));
	tupdesc = SPI_tuptable->tupdesc;
	*values = palloc(sizeof(Datum) * tupdesc->natts);
	*isnull = palloc(sizeof(bool) * tupdesc->natts);
	for (Encoding *encoding = proof->checker.encodings; encoding != NULL; encoding = encoding->next)
		encoding_bind(encoding, tupdesc);
	if (SPI_processed == 0)
		return false;
	heap_deform_tuple(SPI_tuptable->vals[0], tupdesc, *values, *isnull);
	return true;
}

/* What is the row beside the leaf that was sealed? */
static StepVerdict
judge_step(const StepProof *proof, const Encoding *encoding, const Datum *values,
		   const bool *isnull)
{
	uint8		leaf[SHA256_BYTES];
	bool		has_leaf;

	if (memcmp(proof->sealed.salt, erased_salt, SALT_BYTES) == 0)
		return erased_step_holds(proof->checker.state, proof->trace_id, &proof->sealed, encoding,
								 values, isnull, leaf, &has_leaf) ? STEP_ERASED : STEP_ALTERED;
	return step_leaf(encoding, values, isnull, proof->sealed.salt, leaf_scratch(), leaf) &&
		memcmp(leaf, proof->sealed.leaf, SHA256_BYTES) == 0 ? STEP_OK : STEP_ALTERED;
}

static Jsonb *
step_json(const StepProof *proof, const Encoding *encoding, bool has_row, const Datum *values,
		  const bool *isnull, bool payload, StepVerdict *verdict)
{
	PackageStep step = {
		.step_index = proof->step_index,
		.encoding = encoding,
		.leaf = proof->sealed.leaf,
		.salt = proof->sealed.salt
	};

	PackageSeal seal = {.seal_no = proof->seal_no, .backfilled = proof->is_backfilled};

	*verdict = has_row ? judge_step(proof, encoding, values, isnull) : STEP_MISSING;
	step.verdict = step_verdict_names[*verdict];
	step.seal = &seal;
	step.values = has_row ? values : NULL;
	step.isnull = isnull;
	return package_step(&step, proof->checker.state, proof->trace_id, payload, canonical_create());
}

/* Names what the proof does not show or prove. */
static Jsonb *
omissions_of(const StepProof *proof, StepVerdict verdict, bool payload, bool is_logged)
{
	JsonbList	list;

	jsonb_list_begin(&list);
	add_omission(&list, "other_steps", "the other steps of the trace are here as hashes "
		"only", NULL, 0);
	if (!payload)
		add_omission(&list, "payloads", "the payload and its salt were left out: its digest is "
			"here", NULL, 0);
	if (verdict == STEP_ALTERED)
		add_omission(&list, "steps_altered", "the row does not give the leaf that was "
			"sealed", NULL, 1);
	if (verdict == STEP_MISSING)
		add_omission(&list, "steps_missing", "the leaf is there, the row is gone", NULL, 1);
	if (verdict == STEP_ERASED)
		add_omission(&list, "steps_erased", "the payload was erased by an administrator", NULL, 1);
	if (proof->is_backfilled)
		add_omission(&list, "steps_backfilled",
					 "the leaf was made later than the row: what was changed before is not "
						"covered", NULL, 1);
	if (!is_logged)
		add_omission(&list, "not_logged", "the seal is not under a checkpoint of the log", NULL, 0);
	else if (!proof->log.is_signed)
		add_omission(&list, "not_signed", "no registered key has signed a checkpoint over the "
			"seal", NULL, 0);
	return jsonb_list_end(&list);
}

/* Puts the proof together. */
static Jsonb *
step_proof_json(StepProof *proof, const Encoding *encoding, Jsonb *step, StepVerdict verdict,
				bool payload, MemoryContext answer_context)
{
	bool		is_logged = proof->log.found && proof->log.entry.seal_no == proof->seal_no;
	JsonbMember members[9] = {
		{"format", jsonb_from_string(STEP_PROOF_FORMAT, strlen(STEP_PROOF_FORMAT))},
		{"run_id", jsonb_of_text(proof->run->run_id)},
		{"trace_id", jsonb_of_text(proof->trace_id)},
		{"encoding", package_encoding(encoding)},
		{"step", step},
		{"position", jsonb_from_text(psprintf(INT64_FORMAT, proof->position))},
		{"path", merkle_path(proof)},
		{"seal", jsonb_from_text(proof->seal)}
	};
	JsonbMember whole[10];
	MemoryContext old_context;
	Jsonb	   *answer;

	members[8].key = "log";
	members[8].value = is_logged ? proof->log.json : jsonb_from_text("null");
	memcpy(whole, members, sizeof(members));
	whole[9].key = "manifest";
	whole[9].value = package_manifest(members, lengthof(members),
									   omissions_of(proof, verdict, payload, is_logged));
	old_context = MemoryContextSwitchTo(answer_context);
	answer = jsonb_of_members(whole, lengthof(whole));
	MemoryContextSwitchTo(old_context);
	return answer;
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {NULL, "trace_id", "step_index", "payload"};

	for (int i = 1; i < 4; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", names[i]),
					 errdetail("runlink_step_proof answers for one step of a trace."),
					 errhint("Pass the trace_id and step_index of a row of aos_trace_steps.")));
	}
}

static void
begin_step_proof(StepProof *proof, Run *run)
{
	proof->call = &app_call_step_proof;
	proof->run = run;
	proof->context = CurrentMemoryContext;
	trace_checker_begin(&proof->checker, run->binding);
	require_package_reader(run, proof->checker.state, proof->call);
	if (proof->checker.state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no state to prove a step by"),
				 errdetail("In the way: %s.", proof->checker.obstacle),
				 errhint("Call runlink_enable_sealing() as a superuser.")));
	for_each_trace(run, proof->checker.state, look_at_trace, proof);
	if (!proof->has_trace)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run \"%s\" has no trace \"%s\"", id_for_message(run->run_id),
						id_for_message(proof->trace_id)),
				 errhint("runlink_proof() lists the traces of a run.")));
}

/*
 * runlink_step_proof(run_id text, trace_id text, step_index integer, payload boolean)
 * returns jsonb
 */
Datum
runlink_step_proof(PG_FUNCTION_ARGS)
{
	MemoryContext answer_context = CurrentMemoryContext;
	NullableDatum any_tenant = {.isnull = true};
	StepProof  *proof = palloc0(sizeof(StepProof));
	const Encoding *encoding;
	StepVerdict verdict;
	Run			run = {0};
	const char *damage;
	bool		has_row;
	Datum	   *values;
	bool	   *isnull;
	Jsonb	   *step;
	Jsonb	   *answer;

	check_arguments(fcinfo);
	SPI_connect();
	open_package_run(fcinfo, &app_call_step_proof, any_tenant, &run);
	proof->trace_id = PG_GETARG_TEXT_PP(1);
	proof->step_index = PG_GETARG_INT32(2);
	begin_step_proof(proof, &run);
	package_log(proof->checker.state, proof->trace_id, &proof->log);
	damage = for_each_seal(proof->checker.state, proof->checker.encodings, proof->trace_id,
						   look_at_seal, proof);
	has_row = read_row(proof, &values, &isnull);
	if (!proof->is_sealed)
		raise_unsealed(proof, has_row, damage);
	encoding = find_encoding(proof->checker.encodings, proof->sealed.encoding);
	step = step_json(proof, encoding, has_row, values, isnull, PG_GETARG_BOOL(3), &verdict);
	answer = step_proof_json(proof, encoding, step, verdict, PG_GETARG_BOOL(3), answer_context);
	SPI_finish();
	return JsonbPGetDatum(answer);
}
