/*-------------------------------------------------------------------------
 *
 * package_trace.c
 *	  A trace in a package: its seals, its steps, its entry in the log.
 *
 * The steps are those that runlink_proof_steps tells, with the same verdicts.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/memutils.h"

#include "package.h"
#include "record.h"

/* What is counted of a trace's steps; each is an omission where there are any. */
enum
{
	COUNT_ALTERED,
	COUNT_MISSING,
	COUNT_INSERTED,
	COUNT_UNSEALED,
	COUNT_NOT_SEALED,
	COUNT_BACKFILLED,
	COUNT_ERASED,
	COUNTS
};

static const struct
{
	const char *what;
	const char *why;
}			counted[COUNTS] = {
	[COUNT_ALTERED] = {"steps_altered", "their rows do not give the leaves that were recorded: "
		"these are shown, with the values of the rows"},
	[COUNT_MISSING] = {"steps_missing", "their leaves are there, their rows are gone"},
	[COUNT_INSERTED] = {"steps_inserted", "they came after the trace was sealed as ended, or are "
		"a second row of a step"},
	[COUNT_UNSEALED] = {"steps_unsealed", "they have neither leaf nor seal: nothing speaks for "
		"them"},
	[COUNT_NOT_SEALED] = {"steps_not_sealed", "their leaves were recorded, and no seal holds them "
		"yet"},
	[COUNT_BACKFILLED] = {"steps_backfilled", "their leaves were made later than their rows: what "
		"was changed before is not covered"},
	[COUNT_ERASED] = {"steps_erased", "their payload was erased by an administrator"},
};

/* The steps of a trace being gathered. */
typedef struct Steps
{
	Package    *package;
	text	   *trace_id;
	bool		archived;		/* the rows are gone with their trace */
	PackageSeals seals;
	JsonbList	list;
	Encoding   *of_table;		/* for rows without a leaf */
	int64		counts[COUNTS];
} Steps;

/* The columns that a leaf of a row would cover now; NULL where one cannot be. */
static const Encoding *
encoding_of_row(Steps *steps, TupleTableSlot *row)
{
	const char *unsupported;
	MemoryContext old_context = MemoryContextSwitchTo(GetMemoryChunkContext(steps));

	if (steps->of_table == NULL)
		steps->of_table = encoding_of_table(row->tts_tupleDescriptor, &unsupported);
	MemoryContextSwitchTo(old_context);
	return steps->of_table;
}

static void
use_encoding(Package *package, const Encoding *encoding)
{
	MemoryContext old_context = MemoryContextSwitchTo(package->context);

	package->encodings = keep_package_encoding(package->encodings, encoding);
	MemoryContextSwitchTo(old_context);
}

static void
count_step(Steps *steps, const StepFinding *finding, const PackageSeal *seal)
{
	static const int by_verdict[] = {
		[STEP_OK] = -1,
		[STEP_ALTERED] = COUNT_ALTERED,
		[STEP_MISSING] = COUNT_MISSING,
		[STEP_REORDERED] = COUNT_ALTERED,
		[STEP_INSERTED] = COUNT_INSERTED,
		[STEP_UNSEALED] = COUNT_UNSEALED,
		[STEP_ERASED] = COUNT_ERASED,
	};
	int			count = by_verdict[finding->verdict];

	if (count >= 0 && !(steps->archived && count == COUNT_MISSING))
		steps->counts[count]++;
	if (finding->expected_leaf != NULL && seal == NULL)
		steps->counts[COUNT_NOT_SEALED]++;
	if (seal != NULL && seal->backfilled)
		steps->counts[COUNT_BACKFILLED]++;
}

static void
add_step(void *sink, const StepFinding *finding)
{
	Steps	   *steps = sink;
	Package    *package = steps->package;
	PackageStep step = {
		.verdict = step_verdict_names[finding->verdict],
		.step_index = finding->step_index,
		.step_index_isnull = finding->step_index_isnull,
		.leaf = finding->expected_leaf
	};

	if (finding->expected != NULL)
	{
		step.encoding = find_encoding(package->checker.encodings, finding->expected->encoding);
		step.salt = finding->expected->salt;
		if (finding->expected->is_sealed)
			step.seal = find_package_seal(&steps->seals, finding->step_index);
	}
	else if (finding->row != NULL)
		step.encoding = encoding_of_row(steps, finding->row);
	if (finding->row != NULL)
	{
		step.values = finding->row->tts_values;
		step.isnull = finding->row->tts_isnull;
	}
	else if (steps->archived)
		step.verdict = "archived";
	if (step.encoding != NULL)
		use_encoding(package, step.encoding);
	count_step(steps, finding, step.seal);
	jsonb_list_add(&steps->list, package_step(&step, package->checker.state, steps->trace_id,
											  package->payloads, package->writer));
}

static void
omit(Steps *steps, const char *what, const char *why, int64 count)
{
	add_omission(&steps->package->omissions, what, why, steps->trace_id, count);
}

/* Names what the application did with the trace, and what it was recorded as. */
static void
omit_whereabouts(Steps *steps, const Trace *trace, const TraceFindings *found)
{
	const Run  *run = steps->package->run;

	if (steps->archived)
		omit(steps, "trace_archived", "the application archived the trace: its steps are gone, "
			"only their leaves are here", 0);
	else if (trace->where == TRACE_ARCHIVED)
		omit(steps, "trace_not_archived", "the trace is in aos_traces_archive, but its steps are "
			"not gone", 0);
	if (trace->where == TRACE_GONE)
		omit(steps, "trace_gone", "the trace is missing from aos_traces", 0);
	if (trace->where == TRACE_MOVED)
		omit(steps, "trace_moved", "the trace is filed under another run or tenant now", 0);
	if (trace->where == TRACE_THERE && found->run_id != NULL &&
		!(same_text(found->run_id, run->run_id) && same_text(found->tenant_id, trace->tenant_id)))
		omit(steps, "trace_of_other_run", "the trace was recorded for another run or tenant", 0);
	if (found->damage != NULL)
		omit(steps, "seals_damaged", found->damage, 0);
}

/* Names what the seals and the log do not hold. */
static void
omit_rungs(Steps *steps, const PackageLog *log)
{
	const PackageSeals *seals = &steps->seals;

	for (int i = 0; i < COUNTS; i++)
	{
		if (steps->counts[i] > 0)
			omit(steps, counted[i].what, counted[i].why, steps->counts[i]);
	}
	if (seals->count == 0)
		omit(steps, "no_seal", "no seal fixes how many steps the trace has", 0);
	else if (!log->found)
		omit(steps, "not_logged", "no seal of the trace is under a checkpoint of the log", 0);
	else
	{
		if (log->entry.seal_no != seals->seals[seals->count - 1].seal_no)
			omit(steps, "not_logged", "the newest seal of the trace is not the one in the log", 0);
		if (!log->is_signed)
			omit(steps, "not_signed", "no registered key has signed a checkpoint over the trace's "
				"entry in the log", 0);
	}
}

static void
keep_checkpoint(Package *package, const PackageLog *log)
{
	if (!log->found || (package->checkpoint != NULL &&
						log->checkpoint.size <= package->checkpoint_size))
		return;
	package->checkpoint_size = log->checkpoint.size;
	package->checkpoint = MemoryContextStrdup(package->context, log->note);
}

/* Where the application has the trace. */
static const char *
whereabouts(const Trace *trace)
{
	static const char *const names[] = {
		[TRACE_THERE] = "aos_traces", [TRACE_MOVED] = "moved",
		[TRACE_ARCHIVED] = "aos_traces_archive", [TRACE_GONE] = "gone"
	};

	return names[trace->where];
}

/* Puts the trace together and adds it to the package. */
static void
put_trace(Steps *steps, const Trace *trace, const TraceFindings *found, Jsonb *seals,
		  const PackageLog *log)
{
	const Run  *run = steps->package->run;
	text	   *run_id = found->run_id != NULL ? found->run_id : run->run_id;
	text	   *tenant_id = found->tenant_id != NULL ? found->tenant_id : trace->tenant_id;
	const char *where = whereabouts(trace);
	Jsonb	   *list = jsonb_list_end(&steps->list);
	JsonbMember members[] = {
		{"trace_id", jsonb_of_text(trace->trace_id)},
		{"run_id", jsonb_of_text(run_id)},
		{"tenant_id", jsonb_of_text(tenant_id)},
		{"trace_status", jsonb_of_text(trace->status)},
		{"where", jsonb_from_string(where, strlen(where))},
		{"seals", seals},
		{"steps", list},
		{"log", log->json}
	};
	Jsonb	   *object = jsonb_of_members(members, lengthof(members));

	pfree(list);
	jsonb_list_add(&steps->package->traces, object);
}

/* Adds a trace to a package; told by for_each_trace. */
void
add_package_trace(void *sink, const Trace *trace)
{
	Package    *package = sink;
	Steps	   *steps = palloc0(sizeof(Steps));
	TraceFindings found;
	PackageLog	log;
	Jsonb	   *seals;

	steps->package = package;
	steps->trace_id = trace->trace_id;
	seals = package_seals(package->checker.state, package->checker.encodings, trace->trace_id,
						  &steps->seals);
	for (int i = 0; i < steps->seals.count; i++)
	{
		const Encoding *encoding = find_encoding(package->checker.encodings,
												 steps->seals.seals[i].encoding);

		if (steps->seals.seals[i].steps.count > 0)
			use_encoding(package, encoding);
	}
	if (trace->where == TRACE_ARCHIVED)
	{
		check_trace(&package->checker, trace->trace_id, package->run->run_id, NULL, NULL, &found);
		steps->archived = found.steps == 0;
	}
	jsonb_list_begin(&steps->list);
	check_trace(&package->checker, trace->trace_id, package->run->run_id, add_step, steps, &found);
	package_log(package->checker.state, trace->trace_id, &log);
	omit_whereabouts(steps, trace, &found);
	omit_rungs(steps, &log);
	keep_checkpoint(package, &log);
	put_trace(steps, trace, &found, seals, &log);
}
