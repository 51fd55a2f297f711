/*-------------------------------------------------------------------------
 *
 * schema_check.h
 *	  The schema check: what is shared by its parts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SCHEMA_CHECK_H
#define RUNLINK_SCHEMA_CHECK_H

#include "application.h"

/* A row of runlink_schema_check, as text; its columns in their order. */
typedef struct Finding
{
	const char *check_id;
	const char *level;
	const char *status;
	const char *domain;
	const char *object;
	const char *expected;
	const char *found;
	const char *needed_by;
	const char *why;
	const char *remedy;
} Finding;

#define FINDING_COLUMNS 10

typedef void (*ReportFinding) (void *sink, const Finding *finding);

/* The check under way: where findings go, and the table looked at. */
typedef struct SchemaCheck
{
	ReportFinding report;
	void	   *sink;
	const char *schema;			/* unquoted */
	Oid			namespace;
	const AppTable *table;
	char	   *table_name;		/* qualified and quoted */
	Oid			relid;
	bool		is_table;		/* not a view or foreign table */
	bool		is_partitioned;
} SchemaCheck;

extern Finding begin_finding(const SchemaCheck *check, const char *check_id, const char *level);

/* schema_relations.c: the table, who may read it, and its columns */
extern bool check_table(SchemaCheck *check);
extern void check_privilege(const SchemaCheck *check);
extern void check_column(const SchemaCheck *check, const AppColumn *column);

/* schema_catalogues.c: what hangs on a table; SPI must be connected */
extern void check_key(const SchemaCheck *check);
extern void check_link_index(const SchemaCheck *check, const AppLink *link);
extern void check_guard(const SchemaCheck *check, const char *event, int16 event_bit);
extern void check_constraints(const SchemaCheck *check);

/* A trigger that runlink makes. */
typedef struct OwnTrigger
{
	const char *name;
	const char *function;
	int16		type;			/* as in pg_trigger.tgtype */
} OwnTrigger;

/* schema_triggers.c: such a trigger; SPI must be connected */
extern char *ask_catalogues(const char *sql, Oid oid, const char *name);
extern bool own_trigger_is_ok(const SchemaCheck *check, Oid relid, const OwnTrigger *trigger,
							  Finding *finding);

/* schema_sealing.c: the state and the triggers that write it; SPI must be connected */
extern void check_sealing(const SchemaCheck *check);

/* schema_stamping.c: the trigger that stamps; SPI must be connected */
extern void check_stamping(const SchemaCheck *check);

#endif							/* RUNLINK_SCHEMA_CHECK_H */
