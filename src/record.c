/*-------------------------------------------------------------------------
 *
 * record.c
 *	  The triggers that record: a leaf for each step inserted, the identity of
 *	  each trace inserted; and that seal a trace when it ends.
 *
 * A leaf is written by the transaction that inserts its step, in a row of its
 * own: no lock, no order, no waiting between writers, no subtransaction.  What
 * can be foreseen to stand in the way is looked at beforehand and told in a
 * warning, one a statement; the step then has no leaf, for the proof to tell.
 * What cannot be foreseen (a full disk, a cancel) is the statement's error, as
 * it would be without runlink.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "app_trigger.h"
#include "encoding.h"
#include "record.h"
#include "sealer.h"
#include "state.h"

PG_FUNCTION_INFO_V1(runlink_record_step);
PG_FUNCTION_INFO_V1(runlink_record_trace);

/* A table (or partition) whose trigger fired, and how its rows are read. */
typedef struct RecordedTable
{
	Oid			relid;			/* hash key */
	bool		valid;
	AppTableId	id;				/* what it is recorded as */
	MemoryContext context;		/* of what follows */
	const char *obstacle;		/* why its rows are not recorded; NULL: they are */
	int			trace_id;		/* positions of columns */
	int			step_index;
	int			run_id;
	int			tenant_id;
	int			status;
	Encoding   *encoding;
	uint64		encoding_kept_in;	/* generation of the state that surely has it */
} RecordedTable;

static HTAB *recorded_tables = NULL;

static TriggerWarning not_recorded = {
	.not_done = "recorded",
	.hint = "Their proof will say so. See runlink_schema_check() and runlink_enable_sealing().",
};

static void
relation_changed(Datum arg pg_attribute_unused(), Oid relid)
{
	HASH_SEQ_STATUS sequence;
	RecordedTable *table;

	hash_seq_init(&sequence, recorded_tables);
	while ((table = hash_seq_search(&sequence)) != NULL)
	{
		if (!OidIsValid(relid) || table->relid == relid)
			table->valid = false;
	}
}

void
record_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(RecordedTable)};

	recorded_tables = hash_create("runlink recorded tables", 8, &control, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

static void
look_at_table(RecordedTable *table, Relation relation, AppTableId id)
{
	TupleDesc	tupdesc = RelationGetDescr(relation);
	const char *unsupported;

	table->obstacle = NULL;
	table->encoding_kept_in = 0;
	table->trace_id = find_column(tupdesc, "trace_id", TEXTOID, &table->obstacle);
	if (id == APP_AOS_TRACE_STEPS)
	{
		table->step_index = find_column(tupdesc, "step_index", INT4OID, &table->obstacle);
		table->encoding = encoding_of_table(tupdesc, &unsupported);
		if (table->encoding == NULL)
			table->obstacle = psprintf("column %s cannot be covered by a leaf", unsupported);
	}
	else
	{
		table->run_id = find_column(tupdesc, "run_id", TEXTOID, &table->obstacle);
		table->tenant_id = find_column(tupdesc, "tenant_id", TEXTOID, &table->obstacle);
		table->status = find_column(tupdesc, "status", TEXTOID, &table->obstacle);
	}
}

/* The table that the trigger fired for; an error if it is not the application's. */
static RecordedTable *
open_table(FunctionCallInfo fcinfo, AppTableId id, const char *function_name)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	RecordedTable *table;
	bool		found;
	Oid			relid;
	MemoryContext old_context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s can only be called as a trigger, after each row", function_name)));

	relid = RelationGetRelid(trigger->tg_relation);
	table = hash_search(recorded_tables, &relid, HASH_ENTER, &found);
	if (!found)
	{
		table->valid = false;
		table->context = NULL;
	}
	if (table->valid && table->id == id)
		return table;

	if (!is_table_of_application(trigger->tg_relation, fcinfo->flinfo->fn_oid, id))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s records %s only", function_name, app_tables[id].name),
				 errdetail("The trigger is on \"%s\".", RelationGetRelationName(trigger->tg_relation)),
				 errhint("Triggers of runlink are made by runlink_enable_sealing().")));
	if (table->context == NULL)
		table->context = AllocSetContextCreate(TopMemoryContext, "runlink recorded table",
											   ALLOCSET_SMALL_SIZES);
	MemoryContextReset(table->context);
	old_context = MemoryContextSwitchTo(table->context);
	table->valid = false;
	look_at_table(table, trigger->tg_relation, id);
	MemoryContextSwitchTo(old_context);
	table->id = id;
	table->valid = true;
	return table;
}

static void
set_bytes(bytea *value, const uint8 *bytes, size_t length)
{
	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
}

/*
 * Makes sure that the state has the encoding; tells whether a committed
 * transaction put it there.  Two transactions may do so at once, and neither
 * waits for the other: it then stands there twice.  Returns NULL, or what is in
 * the way.
 */
const char *
keep_encoding(const State *state, const Encoding *encoding, bool *committed)
{
	Relation	relation = table_open(state->relids[STATE_ENCODING], RowExclusiveLock);
	TableScanDesc scan = table_beginscan(relation, SnapshotSelf, 0, NULL);
	HeapTuple	tuple;
	bool		found = false;
	const char *obstacle = NULL;

	*committed = false;
	while (!*committed && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		bool		isnull;
		uint8		id[SHA256_BYTES];

		copy_bytes(id, heap_getattr(tuple, 1, RelationGetDescr(relation), &isnull), SHA256_BYTES);
		if (memcmp(id, encoding->id, SHA256_BYTES) == 0)
		{
			found = true;
			*committed = !TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
		}
		else if (encoding_key(id) == encoding->key)
			obstacle = "another list of columns has the same four bytes in runlink.encoding";
	}
	table_endscan(scan);
	table_close(relation, NoLock);
	if (obstacle == NULL && !found)
	{
		bytea	   *id = palloc(VARHDRSZ + SHA256_BYTES);
		Datum		values[2] = {PointerGetDatum(id), CStringGetTextDatum(encoding->text)};
		bool		isnull[2] = {false, false};

		set_bytes(id, encoding->id, SHA256_BYTES);
		state_insert(state->relids[STATE_ENCODING], values, isnull);
	}
	return obstacle;
}

/* Random bytes are drawn by the thousand: a draw costs as much as a hash. */
void
draw_salt(uint8 salt[SALT_BYTES])
{
	static uint8 drawn[64 * SALT_BYTES];
	static int	left = 0;

	if (left == 0)
	{
		if (!pg_strong_random(drawn, sizeof(drawn)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random bytes for a salt")));
		left = lengthof(drawn) / SALT_BYTES;
	}
	left--;
	memcpy(salt, drawn + left * SALT_BYTES, SALT_BYTES);
	memset(drawn + left * SALT_BYTES, 0, SALT_BYTES);
}

/* The scratch of step_leaf, kept for the session. */
Canonical *
leaf_scratch(void)
{
	static Canonical *scratch = NULL;

	if (scratch == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		scratch = canonical_create();
		MemoryContextSwitchTo(old_context);
	}
	return scratch;
}

/* Why a step is not recorded; NULL: it was. */
static const char *
record_step(const State *state, RecordedTable *table, TupleTableSlot *slot)
{
	union
	{
		bytea		value;
		char		room[VARHDRSZ + SHA256_BYTES];
	}			leaf_value,
				salt_value;
	uint8		salt[SALT_BYTES];
	uint8		leaf[SHA256_BYTES];
	bool		made;
	Datum		values[5];
	bool		isnull[5] = {false};

	slot_getallattrs(slot);
	if (slot->tts_isnull[table->trace_id] || slot->tts_isnull[table->step_index])
		return "a step has no trace_id or no step_index";
	if (!state_has_room(state, slot->tts_values[table->trace_id]))
		return "a trace_id is longer than runlink.leaf has room for";

	draw_salt(salt);
	made = step_leaf(table->encoding, slot->tts_values, slot->tts_isnull, salt, leaf_scratch(), leaf);
	canonical_trim(leaf_scratch());
	if (!made)
		return "a json value of a step cannot be held by jsonb";
	if (table->encoding_kept_in != state->generation)
	{
		bool		committed;
		const char *obstacle;

		if (state_open_to_write(STATE_BIT(STATE_LEAF) | STATE_BIT(STATE_ENCODING), &obstacle) == NULL)
			return obstacle;
		obstacle = keep_encoding(state, table->encoding, &committed);
		if (obstacle != NULL)
			return obstacle;
		if (committed)
			table->encoding_kept_in = state->generation;
	}

	set_bytes(&leaf_value.value, leaf, SHA256_BYTES);
	set_bytes(&salt_value.value, salt, SALT_BYTES);
	values[0] = slot->tts_values[table->step_index];
	values[1] = Int32GetDatum(table->encoding->key);
	values[2] = slot->tts_values[table->trace_id];
	values[3] = PointerGetDatum(&leaf_value);
	values[4] = PointerGetDatum(&salt_value);
	state_insert(state->relids[STATE_LEAF], values, isnull);
	return NULL;
}

/*
 * runlink_record_step() returns trigger
 *
 * After the insert of each row of aos_trace_steps: records its leaf.  A step
 * that has a leaf keeps it.
 */
Datum
runlink_record_step(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	RecordedTable *table = open_table(fcinfo, APP_AOS_TRACE_STEPS, "runlink_record_step");
	const char *obstacle = table->obstacle;

	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return PointerGetDatum(NULL);
	if (obstacle == NULL)
	{
		const State *state = state_open_to_write(STATE_BIT(STATE_LEAF), &obstacle);

		if (state != NULL)
			obstacle = record_step(state, table, trigger->tg_trigslot);
	}
	if (obstacle != NULL)
		warn_once(&not_recorded, trigger->tg_relation, obstacle);
	return PointerGetDatum(NULL);
}

static const char *
record_identity(const State *state, RecordedTable *table, TupleTableSlot *slot)
{
	Datum		values[3];
	bool		isnull[3] = {false};

	slot_getallattrs(slot);
	if (slot->tts_isnull[table->trace_id] || slot->tts_isnull[table->run_id] ||
		slot->tts_isnull[table->tenant_id])
		return "a trace has no trace_id, run_id or tenant_id";
	if (!state_has_room(state, slot->tts_values[table->trace_id]))
		return "a trace_id is longer than runlink.trace has room for";
	if (!state_can_index(slot->tts_values[table->run_id]))
		return "a run_id is longer than an index of runlink.trace has room for";
	values[0] = slot->tts_values[table->trace_id];
	values[1] = slot->tts_values[table->run_id];
	values[2] = slot->tts_values[table->tenant_id];
	state_insert(state->relids[STATE_TRACE], values, isnull);
	return NULL;
}

static bool
is_running(const RecordedTable *table, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		status = slot_getattr(slot, table->status + 1, &isnull);

	return !isnull && strcmp(TextDatumGetCString(status), TRACE_RUNNING) == 0;
}

/* Seals the trace of a row; its trace_id is that from before the UPDATE. */
static void
seal_ended_trace(const State *state, RecordedTable *table, TriggerData *trigger)
{
	bool		isnull;
	Datum		trace_id = slot_getattr(trigger->tg_trigslot, table->trace_id + 1, &isnull);
	Datum		status = slot_getattr(trigger->tg_newslot, table->status + 1, &isnull);

	/* Others may have sealed since our snapshot; that is for the next runlink_seal_pending. */
	if (IsolationUsesXactSnapshot())
		return;
	SPI_connect();
	if (!isnull)
		seal_trace(state, DatumGetTextPP(trace_id), DatumGetTextPP(status), true, NULL, NULL, NULL);
	SPI_finish();
}

/*
 * runlink_record_trace() returns trigger
 *
 * After the insert of each row of aos_traces: records what run and tenant the
 * trace is of.  After its update: seals the trace if its status was running
 * and is not any longer.
 */
Datum
runlink_record_trace(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	RecordedTable *table = open_table(fcinfo, APP_AOS_TRACES, "runlink_record_trace");
	const char *obstacle = table->obstacle;
	bool		inserted = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	const State *state;

	if (obstacle == NULL && !inserted &&
		!(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) &&
		  is_running(table, trigger->tg_trigslot) && !is_running(table, trigger->tg_newslot)))
		return PointerGetDatum(NULL);
	if (obstacle == NULL)
	{
		state = state_open_to_write(inserted ? STATE_BIT(STATE_TRACE) : SEALER_TABLES, &obstacle);
		if (state != NULL && inserted)
			obstacle = record_identity(state, table, trigger->tg_trigslot);
		else if (state != NULL)
			seal_ended_trace(state, table, trigger);
	}
	if (obstacle != NULL)
		warn_once(&not_recorded, trigger->tg_relation, obstacle);
	return PointerGetDatum(NULL);
}
