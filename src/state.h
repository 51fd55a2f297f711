/*-------------------------------------------------------------------------
 *
 * state.h
 *	  The state: leaves and seals, in tables of the role runlink_owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_STATE_H
#define RUNLINK_STATE_H

#include "postgres.h"

#include "spi.h"

#define STATE_SCHEMA "runlink"
#define STATE_OWNER "runlink_owner"

typedef enum StateTableId
{
	STATE_ENCODING,
	STATE_TRACE,
	STATE_LEAF,
	STATE_SEAL,
	STATE_VERIFICATION,
	STATE_UNVERIFIED,
	STATE_UNLOGGED,
	STATE_LOG,
	STATE_LOG_ENTRY,
	STATE_LOG_NODE,
	STATE_CHECKPOINT,
	STATE_SIGNING_KEY,
	STATE_SIGNATURE,
	STATE_ERASURE,
	STATE_TABLE_COUNT
} StateTableId;

/* A table in a set of them. */
#define STATE_BIT(id)	(1 << (id))
#define STATE_LOG_TABLES \
	(STATE_BIT(STATE_LOG) | STATE_BIT(STATE_LOG_ENTRY) | STATE_BIT(STATE_LOG_NODE) | \
	 STATE_BIT(STATE_CHECKPOINT) | STATE_BIT(STATE_UNLOGGED))

typedef struct StateColumn
{
	const char *name;
	Oid			type;
	const char *declared;		/* NULL: as the application declares trace_id */
	const char *comment;
} StateColumn;

typedef struct StateTable
{
	const char *name;
	const char *key;			/* columns of the primary key; or NULL */
	const char *indexed;		/* column of a further index; or NULL */
	const char *comment;
	const StateColumn *columns; /* up to a NULL name */
} StateTable;

/* The state as it was found to be; kept until something about it changes. */
typedef struct State
{
	Oid			owner;
	Oid			relids[STATE_TABLE_COUNT];
	int32		trace_id_length;	/* of leaf.trace_id, in characters; -1: any */
	uint64		generation;		/* changes when it was looked at anew */
} State;

/* What a query over the state sees; only now can it change something. */
typedef enum StateView
{
	STATE_SNAPSHOT,				/* the caller's snapshot */
	STATE_NOW
} StateView;

extern const StateTable state_tables[STATE_TABLE_COUNT];

extern void state_init(void);
extern bool state_made(void);
extern Oid	namespace_owner(Oid namespace);
extern const State *state_open(const char **obstacle);
extern const State *state_open_to_write(int tables, const char **obstacle);
extern bool state_can_index(Datum id);
extern bool state_has_room(const State *state, Datum trace_id);
extern bool state_insert(Oid relid, const Datum *values, const bool *isnull);
extern void state_execute(const State *state, KeptQuery *query, const Datum *values,
						  const char *nulls, StateView view, DestReceiver *receiver);
extern Portal state_cursor(const State *state, KeptQuery *query, const Datum *values);
extern void state_fetch(const State *state, Portal portal, long count);

#endif							/* RUNLINK_STATE_H */
