/*-------------------------------------------------------------------------
 *
 * spi.h
 *	  Queries kept as saved plans.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SPI_H
#define RUNLINK_SPI_H

#include "postgres.h"

#include "executor/spi.h"
#include "tcop/dest.h"
#include "utils/tuplestore.h"

#include "binding.h"

/*
 * A query made from a binding: by append_template from a text, or by a function.
 * Its parameters are $1 and $2 of type text where argument_count is 0.  What is
 * before binding_version is given by its owner; the rest is kept by spi.c.
 */
typedef struct SavedQuery
{
	const char *sql_template;
	void		(*build) (StringInfo sql, const Binding *binding);
	bool		reads_whole_tables; /* no lookup by an index */
	const char *planner_on[3];	/* settings to plan it with, NULL after the last */
	const char *planner_off[4];
	int			argument_count;
	Oid			argument_types[8];
	uint64		binding_version;
	char	   *sql;
	SPIPlanPtr	plan;
} SavedQuery;

/* A query whose SQL is the same in every database.  Only plan is kept by spi.c. */
typedef struct KeptQuery
{
	const char *sql;
	int			argument_count;
	Oid			argument_types[16];
	SPIPlanPtr	plan;
} KeptQuery;

extern void saved_query_init(void);
extern void execute_query(SavedQuery *query, const Binding *binding, text *arg1, text *arg2,
						  DestReceiver *receiver);
extern void execute_query_with(SavedQuery *query, const Binding *binding, const Datum *values,
							   const char *nulls, DestReceiver *receiver);
extern void execute_query_into(SavedQuery *query, const Binding *binding, text *arg1, text *arg2,
							   Tuplestorestate *tuplestore, TupleDesc tupdesc);
extern void execute_kept_query(KeptQuery *query, const Datum *values, const char *nulls,
							   bool read_only, DestReceiver *receiver);
extern Portal open_kept_query(KeptQuery *query, const Datum *values);
extern Portal open_query(SavedQuery *query, const Binding *binding, text *arg1, text *arg2);
extern Portal open_query_with(SavedQuery *query, const Binding *binding, const Datum *values,
							  const char *nulls);
extern void fetch_rows(Portal portal, long count);

#endif							/* RUNLINK_SPI_H */
