/*-------------------------------------------------------------------------
 *
 * verify_trace.c
 *	  What runlink_verify finds of one trace, and of traces and steps that
 *	  nothing was recorded of.
 *
 * A trace is checked as its proof is, by check_trace; its findings and its
 * status are those that the proof has reasons for.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "receiver.h"
#include "traces.h"
#include "verify.h"

#define NO_SEAL(trace) \
	"NOT EXISTS (SELECT 1 FROM runlink.seal s WHERE s.trace_id" SQL_EQ trace ".trace_id)"
#define NO_LEAF(trace) \
	"NOT EXISTS (SELECT 1 FROM runlink.leaf l WHERE l.trace_id" SQL_EQ trace ".trace_id)"
#define NO_IDENTITY(trace) \
	"NOT EXISTS (SELECT 1 FROM runlink.trace i WHERE i.trace_id" SQL_EQ trace ".trace_id)"
/* A trace that has no seal has its time in aos_traces; one that is not there is of any time. */
#define OF_TIME \
	" AND ($1 IS NULL OR t.started_at IS NULL OR t.started_at OPERATOR(pg_catalog.>=) $1)" \
	" AND ($2 IS NULL OR t.started_at IS NULL OR t.started_at OPERATOR(pg_catalog.<) $2)"

/* Run and tenant of trace $1. */
static SavedQuery where_query = {
	.sql_template = "SELECT t.run_id::pg_catalog.text, t.tenant_id::pg_catalog.text"
	" FROM @extschema@.aos_traces t WHERE t.trace_id" SQL_EQ "$1"
};

/* The traces of which something is recorded and nothing sealed. */
static SavedQuery recorded_query = {
	.sql_template = "SELECT r.trace_id FROM (SELECT trace_id::pg_catalog.text FROM runlink.trace"
	" UNION SELECT trace_id::pg_catalog.text FROM runlink.leaf) AS r"
	" LEFT JOIN runlink.trace i ON i.trace_id" SQL_EQ "r.trace_id"
	" LEFT JOIN @extschema@.aos_traces t ON t.trace_id" SQL_EQ "r.trace_id"
	" WHERE " NO_SEAL("r") OF_TIME
	" AND ($3 IS NULL OR t.tenant_id" SQL_EQ "$3 OR i.tenant_id" SQL_EQ "$3)",
	.reads_whole_tables = true,
	.argument_count = FILTER_ARGUMENTS,
	.argument_types = {FILTER_TYPES}
};

/* The traces of which nothing is recorded, with how many steps they have and the first. */
static SavedQuery never_sealed_query = {
	.sql_template = "SELECT t.trace_id::pg_catalog.text, t.run_id::pg_catalog.text,"
	" t.tenant_id::pg_catalog.text, n.steps, n.first"
	" FROM @extschema@.aos_traces t CROSS JOIN LATERAL"
	" (SELECT pg_catalog.count(*) AS steps, pg_catalog.min(s.step_index) AS first"
	" FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "t.trace_id) AS n"
	" WHERE " NO_SEAL("t") " AND " NO_LEAF("t") " AND " NO_IDENTITY("t") OF_TIME
	" AND ($3 IS NULL OR t.tenant_id" SQL_EQ "$3)",
	.reads_whole_tables = true,
	.argument_count = FILTER_ARGUMENTS,
	.argument_types = {FILTER_TYPES}
};

/* Steps of traces that nobody knows, a row a trace_id. */
static SavedQuery unknown_steps_query = {
	.sql_template = "SELECT s.trace_id::pg_catalog.text, NULL, NULL,"
	" pg_catalog.count(*), pg_catalog.min(s.step_index)"
	" FROM (SELECT trace_id, step_index FROM @extschema@.aos_trace_steps) AS s"
	" WHERE s.trace_id IS NULL OR NOT EXISTS"
	" (SELECT 1 FROM (SELECT trace_id::pg_catalog.text FROM @extschema@.aos_traces"
	" UNION ALL SELECT trace_id::pg_catalog.text FROM runlink.seal"
	" UNION ALL SELECT trace_id::pg_catalog.text FROM runlink.leaf"
	" UNION ALL SELECT trace_id::pg_catalog.text FROM runlink.trace) AS known"
	" WHERE known.trace_id" SQL_EQ "s.trace_id)"
	" GROUP BY s.trace_id",
	.reads_whole_tables = true
};

/* A trace being checked. */
typedef struct Checked
{
	Verify	   *verify;
	text	   *trace_id;
	text	   *run_id;			/* as recorded, or else as it is filed */
	text	   *tenant_id;
	bool		filed;			/* in aos_traces */
	text	   *filed_run_id;
	text	   *filed_tenant_id;
	bool		moved;			/* not as recorded */
	int64		without_leaf;	/* steps that only the status tells */
	int32		first_without_leaf;
} Checked;

static void
put(const Checked *checked, const int32 *step_index, const char *finding, const char *expected,
	const char *found)
{
	VerifyFinding row = {
		.tenant_id = checked->tenant_id,
		.run_id = checked->run_id,
		.trace_id = checked->trace_id,
		.step_index = step_index,
		.finding = finding,
		.expected = expected,
		.found = found,
	};

	put_finding(checked->verify, &row);
}

static const char *
hex_or_null(const uint8 *hash)
{
	return hash != NULL ? hash_hex(hash) : NULL;
}

static void
put_step(void *sink, const StepFinding *finding)
{
	Checked    *checked = sink;
	const int32 *step_index = finding->step_index_isnull ? NULL : &finding->step_index;

	switch (finding->verdict)
	{
		case STEP_OK:
		case STEP_ERASED:
			break;
		case STEP_ALTERED:
		case STEP_REORDERED:
		case STEP_MISSING:
		case STEP_INSERTED:
			put(checked, step_index,
				finding->verdict == STEP_ALTERED ? "altered"
				: finding->verdict == STEP_REORDERED ? "reordered"
				: finding->verdict == STEP_MISSING ? "missing" : "inserted",
				hex_or_null(finding->expected_leaf), hex_or_null(finding->leaf));
			break;
		case STEP_UNSEALED:
			if (checked->without_leaf == 0 && step_index != NULL)
				checked->first_without_leaf = *step_index;
			checked->without_leaf++;
			break;
	}
}

static const char *
of_run(const text *run_id, const text *tenant_id)
{
	return psprintf("run \"%s\" of tenant \"%s\"",
					run_id != NULL ? text_to_cstring(run_id) : "", tenant_id != NULL ? text_to_cstring(tenant_id) : "");
}

static text *
filed_text(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NULL : DatumGetTextPCopy(value);
}

/* Where a trace is filed; recorded run and tenant are NULL where they are not known. */
static void
find_filed(Checked *checked, const TraceFindings *found)
{
	execute_query(&where_query, checked->verify->verifier.binding, checked->trace_id, NULL, NULL);
	checked->filed = SPI_processed > 0;
	for (uint64 i = 0; i < SPI_processed && !checked->moved; i++)
	{
		checked->filed_run_id = filed_text(i, 1);
		checked->filed_tenant_id = filed_text(i, 2);
		checked->moved = found->run_id != NULL &&
			!(same_text(found->run_id, checked->filed_run_id) &&
			  same_text(found->tenant_id, checked->filed_tenant_id));
	}
	SPI_freetuptable(SPI_tuptable);
	checked->run_id = found->run_id != NULL ? found->run_id : checked->filed_run_id;
	checked->tenant_id = found->run_id != NULL ? found->tenant_id : checked->filed_tenant_id;
}

/* Findings of the trace as a whole, but for what is not known; returns whether there are any. */
static bool
put_trace_findings(const Checked *checked, const TraceFindings *found)
{
	int64		before = checked->verify->findings;

	if (!checked->filed && is_archived(checked->verify->verifier.binding, checked->trace_id))
		put(checked, NULL, "archived_with_steps", "0 steps", psprintf(INT64_FORMAT " steps", found->steps));
	else if (!checked->filed)
		put(checked, NULL, "trace_missing", of_run(checked->run_id, checked->tenant_id), NULL);
	else if (checked->moved)
		put(checked, NULL, "moved", of_run(found->run_id, found->tenant_id),
			of_run(checked->filed_run_id, checked->filed_tenant_id));
	if (found->damage != NULL)
		put(checked, NULL, "seal_damaged", NULL, found->damage);
	if (found->altered > 0 && found->missing_column != NULL)
		put(checked, NULL, "column_missing", found->missing_column, NULL);
	return checked->verify->findings > before;
}

static TraceVerdict
count_verdict(VerifyCounts *counts, TraceVerdict verdict)
{
	switch (verdict)
	{
		case VERDICT_VERIFIED:
			counts->verified++;
			break;
		case VERDICT_FAILED:
			counts->failed++;
			break;
		case VERDICT_UNSEALED:
			counts->unsealed++;
			break;
		case VERDICT_ARCHIVED:
			counts->archived++;
			break;
		case VERDICT_WITHOUT_STEPS:
			counts->without_steps++;
			break;
	}
	return verdict;
}

/*
 * Checks a trace, puts what is found and counts it.  SPI must be connected.
 */
TraceVerdict
verify_trace(Verify *verify, text *trace_id)
{
	VerifyCounts *counts = &verify->verifier.counts;
	Checked		checked = {.verify = verify, .trace_id = trace_id};
	TraceFindings found;
	bool		failed;

	check_trace(&verify->verifier.checker, trace_id, trace_id, NULL, NULL, &found);
	find_filed(&checked, &found);
	counts->traces++;
	counts->steps += found.steps;
	if (!checked.filed && found.steps == 0 && is_archived(verify->verifier.binding, trace_id))
	{
		if (found.damage != NULL)
			put(&checked, NULL, "seal_damaged", NULL, found.damage);
		return count_verdict(counts, VERDICT_ARCHIVED);
	}

	failed = put_trace_findings(&checked, &found);
	if (found.altered + found.missing + found.reordered + found.inserted > 0)
		failed = true;
	if (found.steps == 0 && !failed)
		return count_verdict(counts, VERDICT_WITHOUT_STEPS);
	if (failed || found.unsealed > 0)
		check_trace(&verify->verifier.checker, trace_id, trace_id, put_step, &checked, &found);
	if (checked.without_leaf > 0)
		put(&checked, &checked.first_without_leaf, "unsealed", NULL,
			psprintf(INT64_FORMAT " of " INT64_FORMAT " steps have neither leaf nor seal",
					 checked.without_leaf, found.steps));
	else if (!failed && found.unsealed == 0 && !found.identity_known)
		put(&checked, NULL, "unsealed", NULL, "what run and tenant the trace began with was not recorded");
	if (failed)
		return count_verdict(counts, VERDICT_FAILED);
	return count_verdict(counts, found.unsealed > 0 || !found.identity_known ? VERDICT_UNSEALED
						 : VERDICT_VERIFIED);
}

static text *
received_text(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : DatumGetTextPP(value);
}

/* A trace with its number of steps and the first, of which nothing was recorded. */
static VerifyFinding
received_trace(TupleTableSlot *slot, int64 *steps, int32 *first)
{
	bool		isnull;
	VerifyFinding row = {
		.trace_id = received_text(slot, 1),
		.run_id = received_text(slot, 2),
		.tenant_id = received_text(slot, 3),
	};

	*steps = DatumGetInt64(slot_getattr(slot, 4, &isnull));
	*first = DatumGetInt32(slot_getattr(slot, 5, &isnull));
	row.step_index = isnull ? NULL : first;
	return row;
}

static void
receive_never_sealed(TupleTableSlot *slot, void *sink)
{
	Verify	   *verify = sink;
	VerifyCounts *counts = &verify->verifier.counts;
	int64		steps;
	int32		first;
	VerifyFinding row = received_trace(slot, &steps, &first);
	char		found[64];

	counts->traces++;
	counts->steps += steps;
	if (steps == 0)
		counts->without_steps++;
	else
	{
		snprintf(found, sizeof(found), INT64_FORMAT " of " INT64_FORMAT " steps have neither leaf nor seal",
				 steps, steps);
		row.finding = "unsealed";
		row.found = found;
		put_finding(verify, &row);
		counts->unsealed++;
	}
	tell_progress(verify);
}

/* Traces of which nothing was recorded are found by what is not there. */
void
verify_never_sealed(Verify *verify)
{
	RowReceiver receiver;

	execute_query_with(&never_sealed_query, verify->verifier.binding, verify->verifier.filter.values,
					   verify->verifier.filter.nulls,
					   row_receiver(&receiver, receive_never_sealed, verify));
}

static void
receive_unknown_steps(TupleTableSlot *slot, void *sink)
{
	Verify	   *verify = sink;
	VerifyCounts *counts = &verify->verifier.counts;
	int64		steps;
	int32		first;
	VerifyFinding row = received_trace(slot, &steps, &first);
	char		found[64];

	snprintf(found, sizeof(found), INT64_FORMAT " steps", steps);
	row.finding = "trace_unknown";
	row.expected = "0 steps";
	row.found = found;
	put_finding(verify, &row);
	counts->traces++;
	counts->steps += steps;
	counts->failed++;
}

/* Steps whose trace is neither in aos_traces nor recorded, which no foreign key lets be. */
void
verify_unknown_steps(Verify *verify)
{
	RowReceiver receiver;

	execute_query(&unknown_steps_query, verify->verifier.binding, NULL, NULL,
				  row_receiver(&receiver, receive_unknown_steps, verify));
}

static void
receive_recorded(TupleTableSlot *slot, void *sink)
{
	put_suspect(sink, received_text(slot, 1));
}

/* Makes suspects of the traces of which something is recorded and nothing sealed. */
void
list_recorded(Verify *verify)
{
	RowReceiver receiver;

	execute_query_with(&recorded_query, verify->verifier.binding, verify->verifier.filter.values,
					   verify->verifier.filter.nulls, row_receiver(&receiver, receive_recorded, verify));
}
