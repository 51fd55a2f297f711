/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  Queries kept as saved plans for the session.
 *
 * A plan is made once and used again as long as the SQL made from the binding
 * stays the same; what else may invalidate it (an index, a policy, another
 * role or search_path) is the plan cache's business.  Plans are generic: the
 * queries are lookups by run id, where a plan made for one id fits all, and
 * planning would cost more than the lookups.
 *
 * Queries over the application's tables run read_only: under the snapshot of the
 * calling statement.
 *
 *-------------------------------------------------------------------------
 */
#include "spi.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tstoreReceiver.h"
#include "jit/jit.h"
#include "nodes/params.h"
#include "optimizer/cost.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/*
 * Plans replaced since the transaction began.  One may still be executing
 * further up the stack (a view of the application may call back into
 * runlink), so they are freed when nothing can be.
 */
static List *replaced_plans = NIL;

static void
free_replaced_plans(XactEvent event, void *arg pg_attribute_unused())
{
	ListCell   *cell;

	if (replaced_plans == NIL || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
								  event != XACT_EVENT_PREPARE))
		return;
	foreach(cell, replaced_plans)
		SPI_freeplan((SPIPlanPtr) lfirst(cell));
	list_free(replaced_plans);
	replaced_plans = NIL;
}

void
saved_query_init(void)
{
	RegisterXactCallback(free_replaced_plans, NULL);
}

/* The parameters of a query that does not say. */
static Oid	two_texts[2] = {TEXTOID, TEXTOID};

/* The plan of a query, made or made anew where the binding asks for it. */
static SPIPlanPtr
query_plan(SavedQuery *query, const Binding *binding)
{
	bool		typed = query->argument_count > 0;
	uint64		binding_version = binding->version;
	StringInfoData sql;
	MemoryContext old_context;
	SPIPlanPtr	plan;
	char	   *saved_sql;

	if (query->plan != NULL && query->binding_version == binding_version)
		return query->plan;

	initStringInfo(&sql);
	if (query->sql_template != NULL)
		append_template(&sql, binding, query->sql_template);
	else
		query->build(&sql, binding);

	if (query->plan == NULL || strcmp(query->sql, sql.data) != 0)
	{
		plan = SPI_prepare_cursor(sql.data, typed ? query->argument_count : (int) lengthof(two_texts),
								  typed ? query->argument_types : two_texts, CURSOR_OPT_GENERIC_PLAN);
		if (plan == NULL)
			elog(ERROR, "could not prepare a query: %s", SPI_result_code_string(SPI_result));

		old_context = MemoryContextSwitchTo(TopMemoryContext);
		saved_sql = pstrdup(sql.data);
		if (query->plan != NULL)
		{
			replaced_plans = lappend(replaced_plans, query->plan);
			pfree(query->sql);
		}
		MemoryContextSwitchTo(old_context);

		/* From here on nothing fails. */
		SPI_keepplan(plan);
		query->plan = plan;
		query->sql = saved_sql;
	}
	query->binding_version = binding_version;
	pfree(sql.data);
	return query->plan;
}

/* What is put back after a call of SPI. */
typedef struct Surroundings
{
	MemoryContext context;
	int			nest_level;
} Surroundings;

static void
set(const char *setting, const char *value)
{
	set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * A query is a few lookups, whatever the planner makes of tables that were small
 * or never analyzed when it made the plan: compiling it would cost a hundred
 * times as much, and reading a table from end to end more with every row.
 */
static Surroundings
begin_query(bool lookup)
{
	Surroundings surroundings = {CurrentMemoryContext, NewGUCNestLevel()};

	if (jit_enabled)
		set("jit", "off");
	if (lookup && enable_seqscan)
		set("enable_seqscan", "off");
	return surroundings;
}

static Surroundings
begin_saved_query(const SavedQuery *query)
{
	Surroundings surroundings = begin_query(!query->reads_whole_tables);

	for (const char *const *setting = query->planner_on; *setting != NULL; setting++)
		set(*setting, "on");
	for (const char *const *setting = query->planner_off; *setting != NULL; setting++)
		set(*setting, "off");
	return surroundings;
}

/* SPI leaves a context of its own current, in which what is made stays until SPI_finish. */
static void
end_query(Surroundings surroundings)
{
	AtEOXact_GUC(true, surroundings.nest_level);
	MemoryContextSwitchTo(surroundings.context);
}

/* Values, nulls as SPI_execute_plan has them, or NULL. */
static ParamListInfo
typed_params(int count, const Oid *types, const Datum *values, const char *nulls)
{
	ParamListInfo params = makeParamList(count);

	for (int i = 0; i < count; i++)
	{
		params->params[i].value = values[i];
		params->params[i].isnull = (nulls != NULL && nulls[i] == 'n');
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = types[i];
	}
	return params;
}

static ParamListInfo
text_params(text *arg1, text *arg2)
{
	Datum		values[2] = {PointerGetDatum(arg1), PointerGetDatum(arg2)};
	char		nulls[2] = {arg1 == NULL ? 'n' : ' ', arg2 == NULL ? 'n' : ' '};

	return typed_params(lengthof(two_texts), two_texts, values, nulls);
}

static void
execute_saved_query(SavedQuery *query, const Binding *binding, ParamListInfo params,
					DestReceiver *receiver)
{
	SPIExecuteOptions options = {0};
	Surroundings surroundings = begin_saved_query(query);
	int			result;

	options.params = params;
	options.read_only = true;
	options.dest = receiver;
	result = SPI_execute_plan_extended(query_plan(query, binding), &options);
	end_query(surroundings);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not run a query: %s", SPI_result_code_string(result));
}

/* Runs a query and hands each row to the receiver as it comes. */
void
execute_query(SavedQuery *query, const Binding *binding, text *arg1, text *arg2,
			  DestReceiver *receiver)
{
	execute_saved_query(query, binding, text_params(arg1, arg2), receiver);
}

/* The same for a query whose parameters have types of their own. */
void
execute_query_with(SavedQuery *query, const Binding *binding, const Datum *values,
				   const char *nulls, DestReceiver *receiver)
{
	execute_saved_query(query, binding,
						typed_params(query->argument_count, query->argument_types, values, nulls),
						receiver);
}

/* Runs a query and puts its rows, which are of type tupdesc, into a tuplestore. */
void
execute_query_into(SavedQuery *query, const Binding *binding, text *arg1, text *arg2,
				   Tuplestorestate *tuplestore, TupleDesc tupdesc)
{
	DestReceiver *receiver = CreateDestReceiver(DestTuplestore);

	SetTuplestoreDestReceiverParams(receiver, tuplestore, CurrentMemoryContext, false, tupdesc,
									gettext_noop("a query of runlink has the wrong columns"));
	execute_query(query, binding, arg1, arg2, receiver);
	receiver->rDestroy(receiver);
}

static SPIPlanPtr
kept_plan(KeptQuery *query)
{
	if (query->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(query->sql, query->argument_count,
											  query->argument_types, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL)
			elog(ERROR, "could not prepare a query: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		query->plan = plan;
	}
	return query->plan;
}

static ParamListInfo
kept_params(const KeptQuery *query, const Datum *values, const char *nulls)
{
	return typed_params(query->argument_count, query->argument_types, values, nulls);
}

/*
 * Runs a query whose SQL never changes; nulls as SPI_execute_plan has them, or
 * NULL.  Rows go to the receiver, or to SPI_tuptable where it is NULL.
 */
void
execute_kept_query(KeptQuery *query, const Datum *values, const char *nulls, bool read_only,
				   DestReceiver *receiver)
{
	SPIExecuteOptions options = {0};
	Surroundings surroundings = begin_query(true);
	int			result;

	options.params = kept_params(query, values, nulls);
	options.read_only = read_only;
	options.dest = receiver;
	result = SPI_execute_plan_extended(kept_plan(query), &options);
	end_query(surroundings);
	if (result < 0)
		elog(ERROR, "could not run a query: %s", SPI_result_code_string(result));
}

/* Opens a cursor for such a query, under the caller's snapshot. */
Portal
open_kept_query(KeptQuery *query, const Datum *values)
{
	Surroundings surroundings = begin_query(true);
	Portal		portal = SPI_cursor_open_with_paramlist(NULL, kept_plan(query),
														kept_params(query, values, NULL), true);

	end_query(surroundings);
	return portal;
}

/* Fetches rows of a cursor into SPI_tuptable. */
void
fetch_rows(Portal portal, long count)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_cursor_fetch(portal, true, count);
	MemoryContextSwitchTo(context);
}

static Portal
open_saved_query(SavedQuery *query, const Binding *binding, ParamListInfo params)
{
	Surroundings surroundings = begin_saved_query(query);
	Portal		portal = SPI_cursor_open_with_paramlist(NULL, query_plan(query, binding), params, true);

	end_query(surroundings);
	return portal;
}

/* Opens a cursor for a query, to be closed by SPI_cursor_close. */
Portal
open_query(SavedQuery *query, const Binding *binding, text *arg1, text *arg2)
{
	return open_saved_query(query, binding, text_params(arg1, arg2));
}

/* The same for a query whose parameters have types of their own. */
Portal
open_query_with(SavedQuery *query, const Binding *binding, const Datum *values, const char *nulls)
{
	return open_saved_query(query, binding,
							typed_params(query->argument_count, query->argument_types, values, nulls));
}
