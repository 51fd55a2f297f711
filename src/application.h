/*-------------------------------------------------------------------------
 *
 * application.h
 *	  The linkage map: what runlink knows of the application's schema, as data.
 *
 * The schema check, the evidence, the governance log and the linkage counts
 * are all made from this map; a table, column or link is described here and
 * nowhere else.  SQL in the map is a template: t is the table described, $1 is
 * the run id and @extschema@ the application's schema, already quoted.
 * Operators and functions are qualified with pg_catalog, because the SQL runs
 * under the caller's search_path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_APPLICATION_H
#define RUNLINK_APPLICATION_H

#include "postgres.h"

/* The one status of a trace that has not ended. */
#define TRACE_RUNNING "running"

#define SQL_EQ " OPERATOR(pg_catalog.=) "

/* A set of tables, one bit each. */
typedef uint32 AppTableSet;
#define APP_TABLE_BIT(id)	(((AppTableSet) 1) << (id))
#define APP_EVERY_TABLE		(APP_TABLE_BIT(APP_TABLE_COUNT) - 1)

typedef enum AppTableId
{
	APP_RUNS,
	APP_INCIDENTS,
	APP_PREVENTION_RECORDS,
	APP_POLICY_RULES,
	APP_POLICY_ENFORCEMENTS,
	APP_LIMIT_BREACHES,
	APP_LIMITS,
	APP_AUDIT_LEDGER,
	APP_AOS_TRACES,
	APP_AOS_TRACE_STEPS,
	APP_AOS_TRACES_ARCHIVE,
	APP_LLM_RUN_RECORDS,
	APP_TABLE_COUNT
} AppTableId;

/*
 * What a column is for; a column may serve several ends.  A call fails without
 * the columns it is marked with, other than legacy links.
 */
#define FOR_LINKAGE		0x0001
#define FOR_EVIDENCE	0x0002
#define FOR_GOVERNANCE	0x0004
#define FOR_PROOF		0x0008
#define FOR_EVIDENCE_JSON	0x0010	/* what it needs besides FOR_EVIDENCE */
#define FOR_PROOF_JSON	0x0020	/* what it needs besides FOR_PROOF */
#define FOR_SEALING		0x0040
#define FOR_GAPS		0x0080
#define FOR_CALLS		0x00FF
#define FOR_RUN_CALLS	(FOR_CALLS & ~FOR_SEALING)	/* those about one run */
#define COLUMN_LEGACY	0x0100	/* a legacy or indirect link; not looked at where it is gone */
#define COLUMN_DETAIL	0x0200	/* told in the detail of evidence where it exists */
#define COLUMN_PLAN		0x0400	/* the linkage plan requires it */
#define COLUMN_WRITER	0x0800	/* only a writer of the application wants it */

typedef struct AppColumn
{
	const char *name;
	int			use;			/* FOR_ and COLUMN_ bits */
	Oid			type;			/* TEXTOID stands for text and varchar; InvalidOid for any */
	const char *declared;		/* type in production; NULL for columns of detail alone */
	bool		addable;		/* a column added now says what a lost one said */
	bool		not_null;
	const char *default_value;	/* SQL; NULL for none */
	const char *why;			/* what it is for; NULL: as for its kind */
} AppColumn;

/*
 * A way in which a record names a run.  A record is linked by the first link
 * of its table that holds.
 */
typedef struct AppLink
{
	const char *linked_by;		/* as evidence names it */
	AppTableId	column_table;	/* table and ... */
	const char *column;			/* ... column without which the link is not there */
	bool		legacy;			/* kept for old rows, counted apart */
	const char *condition;		/* SQL, true for records linked to run $1 */
	const char *index_key;		/* first keys of an index that serves it, as
								 * Postgres prints them but for pg_catalog; or NULL */
	const char *index_where;	/* predicate that such an index may have, likewise */
	const char *index_name;		/* name given by the remedy; NULL: Postgres's choice */
} AppLink;

/*
 * A kind of evidence that records of a table are; NULL expressions are NULL.
 * Where they are of several kinds, all have the title of the first.
 */
typedef struct AppItem
{
	const char *kind;
	const char *record_id;
	const char *occurred_at;
	const char *severity;
	const char *outcome;
	const char *title;
	const char *condition;		/* records that are of this kind; NULL: all */
	const char *detail;			/* further arguments of jsonb_build_object */
} AppItem;

typedef struct AppTable
{
	const char *name;
	const char *domain;
	bool		optional;
	const char *key;			/* columns that are unique together */
	const char *key_constraint; /* primary key or unique */
	bool		update_guarded; /* a trigger of the application rejects UPDATE */
	bool		delete_guarded; /* ... and DELETE */
	int			read_whole_by;	/* FOR_ bits of calls that read every column */
	const AppColumn *columns;	/* up to a NULL name */
	const AppLink *links;		/* up to a NULL linked_by; or NULL */
	const AppItem *items;		/* up to a NULL kind; or NULL */
} AppTable;

/* A call, by what it needs of the map. */
typedef struct AppCall
{
	const char *name;
	int			needs;			/* FOR_ bits */
} AppCall;

extern const AppTable app_tables[APP_TABLE_COUNT];

extern const AppCall app_call_linkage;
extern const AppCall app_call_evidence;
extern const AppCall app_call_evidence_json;
extern const AppCall app_call_governance;
extern const AppCall app_call_proof;
extern const AppCall app_call_proof_steps;
extern const AppCall app_call_proof_json;
extern const AppCall app_call_package;
extern const AppCall app_call_step_proof;
extern const AppCall app_call_verify;
extern const AppCall app_call_verify_summary;
extern const AppCall app_call_tick;
extern const AppCall app_call_seal_pending;
extern const AppCall app_call_gaps;
extern const AppCall app_call_report;

extern bool app_call_reads_column(const AppCall *call, const AppColumn *column);
extern bool app_call_reads_table(const AppCall *call, const AppTable *table);
extern char *app_needed_by(int use);
extern bool app_names_column(const char *sql, const char *column);
extern char *app_as_printed(const char *sql);

#endif							/* RUNLINK_APPLICATION_H */
