/*-------------------------------------------------------------------------
 *
 * trace_check.c
 *	  The check of a trace's steps against its leaves and seals.
 *
 * The rows come by step_index and are read once, as the caller; what is
 * expected is merged in.  Where rows and expectations part, both are kept (up
 * to a bound) and tried against each other: a row that is what was recorded for
 * another step_index was reordered.  What that finds is known only at the end,
 * so a trace with damage is read twice.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/coordinator_digest.h"
#include "erasure.h"
#include "receiver.h"
#include "record.h"
#include "trace_check.h"
#include "traces.h"

/* Up to so many rows and expectations of a trace are tried against each other. */
#define TRIED 256

/* A row that is not what is expected where it stands. */
typedef struct OddRow
{
	int32		step_index;
	HeapTuple	row;
	bool		reordered;
} OddRow;

/* A pass over the rows of a trace. */
typedef struct Pass
{
	const TraceChecker *checker;
	TraceFindings *findings;
	ExpectedSteps *expected;	/* NULL: nothing is known of the trace */
	bool		final_pass;		/* tell steps; what was reordered is known */
	TellStep	tell;
	void	   *sink;
	Sha256	   *coordinator;
	MemoryContext row_context;
	int			step_index;		/* positions of columns */
	int			skill_name;
	int			status;
	bool		has_previous;
	int32		previous;		/* step_index of the row before */
	uint8		head[SHA256_BYTES];
	TupleDesc	tupdesc;		/* a copy */
	OddRow		odd_rows[TRIED];
	int			odd_row_count;
	Size		odd_row_bytes;
	SealedStep	odd_expected[TRIED];
	int			odd_expected_count;
} Pass;

/* Finds out once a call what there is to compare with.  SPI must be connected. */
void
trace_checker_begin(TraceChecker *checker, const Binding *binding)
{
	checker->binding = binding;
	checker->obstacle = NULL;
	checker->state = state_open(&checker->obstacle);
	checker->encodings = checker->state != NULL ? load_encodings(checker->state, false) : NULL;
}

static Encoding *
encoding_of(const Pass *pass, int32 key)
{
	return unconstify(Encoding *, find_encoding(pass->checker->encodings, key));
}

static void
receive_columns(TupleDesc tupdesc, void *sink)
{
	Pass	   *pass = sink;

	pass->tupdesc = CreateTupleDescCopy(tupdesc);
	pass->step_index = SPI_fnumber(tupdesc, "step_index") - 1;
	pass->skill_name = SPI_fnumber(tupdesc, "skill_name") - 1;
	pass->status = SPI_fnumber(tupdesc, "status") - 1;
	for (Encoding *encoding = pass->checker->encodings; encoding != NULL; encoding = encoding->next)
		encoding_bind(encoding, tupdesc);
}

static void
note_bad_step(Pass *pass, int32 step_index)
{
	TraceFindings *findings = pass->findings;

	if (!findings->has_bad_step || step_index < findings->first_bad_step)
		findings->first_bad_step = step_index;
	findings->has_bad_step = true;
}

static void
keep_odd_row(Pass *pass, int32 step_index, TupleTableSlot *slot)
{
	MemoryContext old_context;
	OddRow	   *odd = &pass->odd_rows[pass->odd_row_count];

	if (pass->final_pass || pass->odd_row_count == TRIED ||
		pass->odd_row_bytes > (Size) work_mem * 1024)
		return;
	old_context = MemoryContextSwitchTo(GetMemoryChunkContext(pass));
	odd->row = ExecCopySlotHeapTuple(slot);
	MemoryContextSwitchTo(old_context);
	odd->step_index = step_index;
	odd->reordered = false;
	pass->odd_row_bytes += odd->row->t_len;
	pass->odd_row_count++;
}

/* What is expected at hand, as a copy. */
static SealedStep
expected_step(const Pass *pass)
{
	SealedStep	step = {.step_index = pass->expected->step_index,
						.encoding = pass->expected->encoding};

	memcpy(step.leaf, pass->expected->leaf, SHA256_BYTES);
	memcpy(step.salt, pass->expected->salt, SALT_BYTES);
	return step;
}

static void
keep_odd_expected(Pass *pass)
{
	if (!pass->final_pass && pass->odd_expected_count < TRIED)
		pass->odd_expected[pass->odd_expected_count++] = expected_step(pass);
}

static bool
was_reordered(const Pass *pass, int32 step_index)
{
	for (int i = 0; i < pass->odd_row_count; i++)
	{
		if (pass->odd_rows[i].step_index == step_index)
			return pass->odd_rows[i].reordered;
	}
	return false;
}

/* Counts a finding, and tells it in the final pass. */
static void
note_finding(Pass *pass, StepFinding *finding)
{
	TraceFindings *findings = pass->findings;

	if (finding->verdict == STEP_ALTERED)
		findings->altered++;
	else if (finding->verdict == STEP_MISSING)
		findings->missing++;
	else if (finding->verdict == STEP_REORDERED)
		findings->reordered++;
	if (finding->verdict != STEP_OK && finding->verdict != STEP_UNSEALED &&
		finding->verdict != STEP_ERASED)
		note_bad_step(pass, finding->step_index);
	if (pass->final_pass && pass->tell != NULL)
		pass->tell(pass->sink, finding);
}

static void
note_missing(Pass *pass)
{
	StepFinding finding = {
		.step_index = pass->expected->step_index,
		.verdict = STEP_MISSING,
		.expected_leaf = pass->expected->leaf,
		.expected = pass->expected,
	};

	keep_odd_expected(pass);
	note_finding(pass, &finding);
}

/* Moves on to what is expected at step_index; what is passed by is missing. */
static bool
advance_to(Pass *pass, int32 step_index)
{
	ExpectedSteps *expected = pass->expected;

	if (expected == NULL)
		return false;
	while (expected->valid && expected->step_index < step_index)
	{
		note_missing(pass);
		expected_next(expected);
	}
	return expected->valid && expected->step_index == step_index;
}

/* Is it said of the step at hand that it was erased? */
static bool
is_called_erased(const Pass *pass)
{
	return pass->expected->is_sealed && memcmp(pass->expected->salt, erased_salt, SALT_BYTES) == 0;
}

/*
 * Is the row what is expected of it: STEP_OK or STEP_ERASED, else STEP_ALTERED?
 * Gives its leaf.
 */
static StepVerdict
compare_row(Pass *pass, TupleTableSlot *slot, uint8 leaf[SHA256_BYTES], bool *has_leaf)
{
	const Encoding *encoding = encoding_of(pass, pass->expected->encoding);

	*has_leaf = false;
	if (encoding == NULL)
		return STEP_ALTERED;
	if (is_called_erased(pass))
	{
		SealedStep	sealed = expected_step(pass);

		if (erased_step_holds(pass->checker->state, pass->expected->trace_id, &sealed, encoding,
							  slot->tts_values, slot->tts_isnull, leaf, has_leaf))
			return STEP_ERASED;
	}
	else
	{
		*has_leaf = step_leaf(encoding, slot->tts_values, slot->tts_isnull, pass->expected->salt,
							  leaf_scratch(), leaf);
		if (*has_leaf && memcmp(leaf, pass->expected->leaf, SHA256_BYTES) == 0)
			return STEP_OK;
	}
	if (pass->findings->missing_column == NULL)
		pass->findings->missing_column = encoding_missing_column(encoding);
	return STEP_ALTERED;
}

static void
check_row(Pass *pass, TupleTableSlot *slot, StepFinding *finding)
{
	TraceFindings *findings = pass->findings;
	int32		step_index = finding->step_index;
	uint8		leaf[SHA256_BYTES];
	bool		has_leaf = false;

	if (finding->step_index_isnull)
	{
		finding->verdict = STEP_UNSEALED;
		findings->unsealed++;
	}
	else if (pass->has_previous && pass->previous == step_index)
	{
		finding->verdict = STEP_INSERTED;
		findings->inserted++;
	}
	else if (!advance_to(pass, step_index))
	{
		keep_odd_row(pass, step_index, slot);
		if (was_reordered(pass, step_index))
			finding->verdict = STEP_REORDERED;
		else
		{
			finding->verdict = pass->expected != NULL && pass->expected->final_seal
				? STEP_INSERTED : STEP_UNSEALED;
			findings->unsealed++;
		}
	}
	else
	{
		finding->verdict = compare_row(pass, slot, leaf, &has_leaf);
		if (finding->verdict == STEP_ALTERED)
		{
			keep_odd_row(pass, step_index, slot);
			keep_odd_expected(pass);
			finding->verdict = was_reordered(pass, step_index) ? STEP_REORDERED : STEP_ALTERED;
		}
		if (finding->verdict == STEP_ERASED && !has_leaf)
			pass->findings->erasure_alone = true;
		finding->leaf = has_leaf ? leaf : NULL;
		finding->expected_leaf = pass->expected->leaf;
		finding->expected = pass->expected;
		/* an erased step stands for the leaf that was sealed of it */
		if (pass->final_pass && (has_leaf || finding->verdict == STEP_ERASED))
			chain_add(pass->head, has_leaf ? leaf : pass->expected->leaf);
	}
	note_finding(pass, finding);
	if (finding->expected_leaf != NULL)
		expected_next(pass->expected);
	canonical_trim(leaf_scratch());
}

static text *
text_value(TupleTableSlot *slot, int position)
{
	return slot->tts_isnull[position] ? NULL : DatumGetTextPP(slot->tts_values[position]);
}

static void
add_to_coordinator_digest(Pass *pass, const StepFinding *finding)
{
	static const char empty[] = "";
	const text *skill_name = finding->skill_name;
	const text *status = finding->status;

	coordinator_digest_step(pass->coordinator, leaf_scratch(), finding->step_index,
							skill_name != NULL ? VARDATA_ANY(skill_name) : empty,
							skill_name != NULL ? VARSIZE_ANY_EXHDR(skill_name) : 0,
							status != NULL ? VARDATA_ANY(status) : empty,
							status != NULL ? VARSIZE_ANY_EXHDR(status) : 0);
}

static void
receive_row(TupleTableSlot *slot, void *sink)
{
	Pass	   *pass = sink;
	MemoryContext old_context = MemoryContextSwitchTo(pass->row_context);
	StepFinding finding = {0};

	slot_getallattrs(slot);
	finding.row = slot;
	finding.step_index_isnull = slot->tts_isnull[pass->step_index];
	finding.step_index = finding.step_index_isnull
		? 0 : DatumGetInt32(slot->tts_values[pass->step_index]);
	finding.skill_name = text_value(slot, pass->skill_name);
	finding.status = text_value(slot, pass->status);

	pass->findings->steps++;
	if (!pass->final_pass)
		add_to_coordinator_digest(pass, &finding);
	check_row(pass, slot, &finding);
	pass->previous = finding.step_index;
	pass->has_previous = !finding.step_index_isnull;

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(pass->row_context);
}

/* Is an odd row what was recorded for another step_index? */
static void
find_reordered(Pass *pass)
{
	int			natts = pass->tupdesc->natts;
	Datum	   *values = palloc(sizeof(Datum) * natts);
	bool	   *isnull = palloc(sizeof(bool) * natts);

	for (int r = 0; r < pass->odd_row_count; r++)
	{
		OddRow	   *odd = &pass->odd_rows[r];

		heap_deform_tuple(odd->row, pass->tupdesc, values, isnull);
		for (int e = 0; e < pass->odd_expected_count && !odd->reordered; e++)
		{
			const SealedStep *other = &pass->odd_expected[e];
			const Encoding *encoding = encoding_of(pass, other->encoding);
			uint8		leaf[SHA256_BYTES];
			MemoryContext old_context = MemoryContextSwitchTo(pass->row_context);

			CHECK_FOR_INTERRUPTS();
			values[pass->step_index] = Int32GetDatum(other->step_index);
			odd->reordered = encoding != NULL && other->step_index != odd->step_index &&
				step_leaf(encoding, values, isnull, other->salt, leaf_scratch(), leaf) &&
				memcmp(leaf, other->leaf, SHA256_BYTES) == 0;
			MemoryContextSwitchTo(old_context);
			MemoryContextReset(pass->row_context);
		}
	}
}

static void
reset_counts(TraceFindings *findings)
{
	findings->steps = findings->altered = findings->missing = findings->reordered = 0;
	findings->inserted = findings->unsealed = 0;
	findings->has_bad_step = false;
}

/* Reads the rows once. */
static void
run_pass(Pass *pass, text *trace_id)
{
	RowReceiver receiver;

	row_receiver(&receiver, receive_row, pass);
	receiver.begin = receive_columns;
	pass->has_previous = false;
	reset_counts(pass->findings);
	if (pass->expected != NULL)
		expected_next(pass->expected);
	execute_query(&trace_steps_query, pass->checker->binding, trace_id, NULL, &receiver.receiver);
	while (pass->expected != NULL && pass->expected->valid)
	{
		CHECK_FOR_INTERRUPTS();
		note_missing(pass);
		expected_next(pass->expected);
	}
}

static void
open_expected(Pass *pass, text *trace_id)
{
	const TraceChecker *checker = pass->checker;

	if (checker->state == NULL)
		return;
	pass->expected = expected_open(checker->state, checker->encodings, trace_id);
	if (!pass->expected->has_seals && !pass->expected->has_leaves && !pass->expected->identity_known)
	{
		expected_close(pass->expected);
		pass->expected = NULL;
	}
}

/* What the seals and leaves say of themselves, once they are all read. */
static void
take_expected(Pass *pass)
{
	const ExpectedSteps *expected = pass->expected;
	TraceFindings *findings = pass->findings;

	findings->damage = expected->damage;
	findings->identity_known = expected->identity_known;
	findings->run_id = expected->run_id;
	findings->tenant_id = expected->tenant_id;
	findings->has_seal = expected->has_seal;
	findings->sealed = expected->sealed_count;
	findings->recorded = expected->recorded_count;
	findings->backfilled = expected->backfilled_count;
	findings->sealed_at = expected->sealed_at;
	findings->has_head = expected->identity_known && expected->tree.size > 0;
	memcpy(findings->head, expected->head, SHA256_BYTES);
	memcpy(findings->sealed_head, expected->sealed_head, SHA256_BYTES);
	merkle_root(&expected->tree, findings->merkle_root);
}

static bool
has_damage(const TraceFindings *findings)
{
	return findings->altered + findings->missing + findings->reordered + findings->inserted > 0;
}

/*
 * Checks the steps of a trace; run_id is what the coordinator's digest is over.
 * Each step is told, by step_index, unless tell is NULL.  findings and what they
 * point to are palloc'd in the current context.  SPI must be connected.
 */
void
check_trace(const TraceChecker *checker, text *trace_id, text *run_id,
			TellStep tell, void *sink, TraceFindings *findings)
{
	Pass	   *pass = palloc0(sizeof(Pass));

	memset(findings, 0, sizeof(TraceFindings));
	pass->checker = checker;
	pass->findings = findings;
	pass->tell = tell;
	pass->sink = sink;
	pass->coordinator = sha256_create();
	pass->row_context = AllocSetContextCreate(CurrentMemoryContext, "step", ALLOCSET_DEFAULT_SIZES);

	coordinator_digest_begin(pass->coordinator, VARDATA_ANY(run_id), VARSIZE_ANY_EXHDR(run_id));
	open_expected(pass, trace_id);
	run_pass(pass, trace_id);
	sha256_end(pass->coordinator, findings->coordinator_digest);
	if (pass->expected != NULL)
	{
		take_expected(pass);
		expected_close(pass->expected);
	}
	if (has_damage(findings))
		find_reordered(pass);
	if (tell == NULL && !has_damage(findings))
		return;

	/* Once more, knowing what was reordered: to tell, and for the head of the rows as they are. */
	pass->final_pass = true;
	if (findings->run_id != NULL)
		chain_begin(pass->head, leaf_scratch(), findings->tenant_id, findings->run_id, trace_id);
	open_expected(pass, trace_id);
	run_pass(pass, trace_id);
	if (pass->expected != NULL)
		expected_close(pass->expected);
	if (has_damage(findings))
		memcpy(findings->head, pass->head, SHA256_BYTES);
}
