/*-------------------------------------------------------------------------
 *
 * traces.c
 *	  The traces of a run.
 *
 * aos_traces and aos_traces_archive are read as the caller.  Of a trace that
 * is in neither only an auditor is told: a role that may read runlink.seal and
 * from whom no row of aos_traces is hidden.  To anyone else such a trace may be
 * one that row-level security keeps to its tenant.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"

#include "traces.h"

#define TRACES_A_FETCH 100

#define SQL_NE " OPERATOR(pg_catalog.<>) "

#define TRACE_COLUMNS \
	"SELECT t.trace_id::pg_catalog.text, t.run_id::pg_catalog.text," \
	" t.tenant_id::pg_catalog.text, t.status::pg_catalog.text FROM @extschema@.aos_traces t"

/* The traces of run $1 of tenant $2. */
static SavedQuery traces_query = {
	.sql_template = TRACE_COLUMNS
	" WHERE t.run_id" SQL_EQ "$1 AND ($2 IS NULL OR t.tenant_id" SQL_EQ "$2)"
	" ORDER BY t.started_at, t.trace_id COLLATE pg_catalog.\"C\""
};

/* The trace $1, whatever run it is of. */
static SavedQuery trace_query = {.sql_template = TRACE_COLUMNS " WHERE t.trace_id" SQL_EQ "$1"};

/* A row if the trace $1 was archived. */
static SavedQuery archived_query = {
	.sql_template = "SELECT 1 FROM @extschema@.aos_traces_archive t WHERE t.trace_id" SQL_EQ "$1"
	" LIMIT 1"
};

SavedQuery	trace_steps_query = {
	.sql_template = "SELECT * FROM @extschema@.aos_trace_steps s WHERE s.trace_id" SQL_EQ "$1"
	" ORDER BY s.step_index"
};

/* The traces recorded for run $1 of tenant $2, or of any. */
static KeptQuery recorded_query = {
	.sql = "SELECT r.trace_id FROM (SELECT trace_id::pg_catalog.text AS trace_id,"
	" run_id, tenant_id FROM runlink.seal WHERE run_id" SQL_EQ "$1"
	" UNION SELECT trace_id::pg_catalog.text, run_id, tenant_id FROM runlink.trace"
	" WHERE run_id" SQL_EQ "$1) AS r"
	" WHERE $2 IS NULL OR r.tenant_id" SQL_EQ "$2"
	" ORDER BY r.trace_id COLLATE pg_catalog.\"C\"",
	.argument_count = 2,
	.argument_types = {TEXTOID, TEXTOID}
};

/* A row where a trace other than $2 was recorded for run $1. */
static KeptQuery other_recorded_query = {
	.sql = "SELECT 1 FROM runlink.seal WHERE run_id" SQL_EQ "$1 AND trace_id" SQL_NE "$2"
	" UNION ALL SELECT 1 FROM runlink.trace WHERE run_id" SQL_EQ "$1 AND trace_id" SQL_NE "$2"
	" LIMIT 1",
	.argument_count = 2,
	.argument_types = {TEXTOID, TEXTOID}
};

static text *
fetched_text(SPITupleTable *rows, uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(rows->vals[row], rows->tupdesc, column, &isnull);

	return isnull ? NULL : DatumGetTextPCopy(value);
}

static Trace
read_trace(SPITupleTable *rows, uint64 row)
{
	Trace		trace = {
		.where = TRACE_THERE,
		.trace_id = fetched_text(rows, row, 1),
		.run_id = fetched_text(rows, row, 2),
		.tenant_id = fetched_text(rows, row, 3),
		.status = fetched_text(rows, row, 4),
	};

	return trace;
}

/* May the caller be told of traces that it cannot see? */
bool
caller_is_auditor(const Run *run, const State *state)
{
	Oid			traces = run->binding->relids[APP_AOS_TRACES];
	Oid			archive = run->binding->relids[APP_AOS_TRACES_ARCHIVE];

	return pg_class_aclcheck(state->relids[STATE_SEAL], GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(traces, InvalidOid, true) != RLS_ENABLED &&
		(!OidIsValid(archive) || check_enable_rls(archive, InvalidOid, true) != RLS_ENABLED);
}

/* Does aos_traces_archive, if it is there, have a trace? */
bool
is_archived(const Binding *binding, text *trace_id)
{
	bool		archived;

	if (!OidIsValid(binding->relids[APP_AOS_TRACES_ARCHIVE]))
		return false;
	execute_query(&archived_query, binding, trace_id, NULL, NULL);
	archived = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return archived;
}

/* Where is a trace that was recorded for the run?  False where the caller is not to know. */
static bool
find_recorded_trace(const Run *run, const State *state, Trace *trace)
{
	text	   *trace_id = trace->trace_id;

	bool		found;

	execute_query(&trace_query, run->binding, trace_id, NULL, NULL);
	found = SPI_processed > 0;
	if (found)
		*trace = read_trace(SPI_tuptable, 0);
	SPI_freetuptable(SPI_tuptable);
	if (found)
	{
		if (same_text(trace->run_id, run->run_id) &&
			(run->tenant_id == NULL || same_text(trace->tenant_id, run->tenant_id)))
			return false;		/* told already */
		trace->where = TRACE_MOVED;
		return caller_is_auditor(run, state);
	}
	if (is_archived(run->binding, trace_id))
	{
		trace->where = TRACE_ARCHIVED;
		return true;
	}
	trace->where = TRACE_GONE;
	return caller_is_auditor(run, state);
}

/* Was any trace but this one recorded for the run? */
static bool
is_other_recorded(const Run *run, const State *state, text *trace_id)
{
	Datum		values[2] = {PointerGetDatum(run->run_id), PointerGetDatum(trace_id)};
	bool		found;

	state_execute(state, &other_recorded_query, values, NULL, STATE_SNAPSHOT, NULL);
	found = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Traces of the run that aos_traces does not have under it. */
static int64
for_each_recorded_trace(const Run *run, const State *state, TellTrace tell, void *sink,
						MemoryContext trace_context)
{
	Datum		values[2] = {PointerGetDatum(run->run_id), PointerGetDatum(run->tenant_id)};
	SPITupleTable *rows;
	uint64		count;
	int64		told = 0;

	state_execute(state, &recorded_query, values, run->tenant_id == NULL ? " n" : NULL,
				  STATE_SNAPSHOT, NULL);
	rows = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		MemoryContext old_context = MemoryContextSwitchTo(trace_context);
		Trace		trace = {.trace_id = fetched_text(rows, i, 1)};

		if (find_recorded_trace(run, state, &trace))
		{
			tell(sink, &trace);
			told++;
		}
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(trace_context);
	}
	SPI_freetuptable(rows);
	return told;
}

/*
 * Tells each trace of the run: those of aos_traces by the time they started,
 * then those that only the state knows (it may be NULL: there is none) by
 * trace_id.  tell is called in a memory context that is reset after each.
 * Returns how many there were.  SPI must be connected.
 */
int64
for_each_trace(const Run *run, const State *state, TellTrace tell, void *sink)
{
	MemoryContext trace_context = AllocSetContextCreate(CurrentMemoryContext, "trace",
														ALLOCSET_DEFAULT_SIZES);
	Portal		portal = open_query(&traces_query, run->binding, run->run_id, run->tenant_id);
	text	   *first = NULL;
	int64		told = 0;
	uint64		count;

	do
	{
		SPITupleTable *fetched;

		fetch_rows(portal, TRACES_A_FETCH);
		fetched = SPI_tuptable;
		count = SPI_processed;
		if (told == 0 && count > 0)
			first = fetched_text(fetched, 0, 1);
		for (uint64 i = 0; i < count; i++)
		{
			MemoryContext old_context = MemoryContextSwitchTo(trace_context);
			Trace		trace = read_trace(fetched, i);

			tell(sink, &trace);
			MemoryContextSwitchTo(old_context);
			MemoryContextReset(trace_context);
		}
		told += count;
		SPI_freetuptable(fetched);
	} while (count == TRACES_A_FETCH);
	SPI_cursor_close(portal);
	if (state != NULL && (told != 1 || is_other_recorded(run, state, first)))
		told += for_each_recorded_trace(run, state, tell, sink, trace_context);
	MemoryContextDelete(trace_context);
	return told;
}
