/*-------------------------------------------------------------------------
 *
 * checkpoint.c
 *	  runlink_create_log and runlink_checkpoint: the log, begun and grown.
 *
 * A checkpoint takes seals into the log that were made since the last one.  It
 * holds the row of runlink.log, so there is one at a time, and nothing that a
 * sealer wants.  Before it adds anything it looks whether the log is still the
 * one that was shown to outsiders.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "application.h"
#include "auditor.h"
#include "enabling.h"
#include "log.h"
#include "receiver.h"
#include "record.h"
#include "run.h"
#include "seal.h"

PG_FUNCTION_INFO_V1(runlink_create_log);
PG_FUNCTION_INFO_V1(runlink_checkpoint);

/* Bytes; an origin is the name of a key too. */
#define LONGEST_ORIGIN 255

static KeptQuery newest_checkpoint_query = {
	.sql = "SELECT size, root FROM runlink.checkpoint ORDER BY size DESC LIMIT 1"
};

/* The newest that a registered key signed, and those that no checkpoint of ours is like. */
static KeptQuery signed_query = {
	.sql = "(SELECT s.size, s.root FROM runlink.signature s WHERE s.verified"
	" ORDER BY s.size DESC LIMIT 1)"
	" UNION ALL (SELECT s.size, s.root FROM runlink.signature s WHERE s.verified"
	" AND NOT EXISTS (SELECT 1 FROM runlink.checkpoint c WHERE c.size" SQL_EQ "s.size"
	" AND c.root" SQL_EQ "s.root) GROUP BY s.size, s.root ORDER BY s.size DESC)"
};

/*
 * Takes what waits, and gives of each trace its newest seal, unless that is in the
 * log; NULLs where it is gone.  One statement, so that what is taken is what was
 * seen, whatever was sealed meanwhile.
 */
static KeptQuery take_query = {
	.sql = "WITH taken AS (DELETE FROM runlink.unlogged RETURNING trace_id, seal_no)"
	" SELECT t.trace_id::pg_catalog.text, t.seal_no, s.* FROM (SELECT trace_id,"
	" pg_catalog.max(seal_no) AS seal_no FROM taken GROUP BY trace_id) AS t"
	" LEFT JOIN LATERAL (SELECT " SEAL_TEXT_COLUMNS " FROM runlink.seal x"
	" WHERE x.trace_id" SQL_EQ "t.trace_id ORDER BY x.seal_no DESC LIMIT 1) AS s ON true"
	" WHERE s.seal_no IS NULL OR COALESCE((SELECT pg_catalog.max(e.seal_no)"
	" FROM runlink.log_entry e WHERE e.trace_id" SQL_EQ "t.trace_id), -1)"
	" OPERATOR(pg_catalog.<) s.seal_no"
	" ORDER BY s.sealed_at, t.trace_id COLLATE pg_catalog.\"C\""
};

/* The columns before those of the seal. */
enum
{
	TAKEN_TRACE_ID,
	TAKEN_SEAL_NO,
	TAKEN_SEAL
};

/* A checkpoint in the making. */
typedef struct Growth
{
	const State *state;
	const Encoding *encodings;
	MerkleTree	tree;
	MemoryContext row_context;
	int64		left_out;		/* seals that could not enter */
	char	   *first_left_out;
} Growth;

/* What is wrong with an origin, in words that follow "origin"; NULL if nothing. */
static const char *
origin_fault(const char *origin, int length)
{
	const unsigned char *at = (const unsigned char *) origin;
	const unsigned char *end = at + length;
	const char *fault = key_name_fault(origin, length);

	if (fault != NULL)
		return fault;
	if (length > LONGEST_ORIGIN)
		return psprintf("is longer than %d bytes", LONGEST_ORIGIN);
	for (; at < end; at += pg_utf_mblen(at))
	{
		pg_wchar	c = utf8_to_unicode(at);

		if (c >= 0x7F && c < 0xA0)
			return "has a control character in it";
	}
	return NULL;
}

static void
check_origin(text *origin)
{
	const char *fault = origin_fault(VARDATA_ANY(origin), VARSIZE_ANY_EXHDR(origin));

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("origin %s", fault),
				 errdetail("It is the first line of each checkpoint, and names the key "
						   "that signs it."),
				 errhint("Pass a name that no other log has, such as 'example.com/audit'.")));
}

/* Under a snapshot of the transaction, what others did since would not be seen. */
static void
require_new_snapshots(const char *call)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot be called in this isolation level", call),
				 errdetail("It has to see what others committed before it had its lock."),
				 errhint("Call it in READ COMMITTED.")));
}

/*
 * runlink_create_log(origin text) returns void
 *
 * Makes the log, once.
 */
Datum
runlink_create_log(PG_FUNCTION_ARGS)
{
	const char *obstacle;
	const State *state;
	Log			log;
	Datum		values[2];
	bool		isnull[2] = {false, false};

	require_superuser("runlink_create_log", "It settles the name of the log of all tenants.");
	require_utf8("the log");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("origin must not be null"),
				 errdetail("It is the first line of every checkpoint."),
				 errhint("Pass a name that no other log has, such as 'example.com/audit'.")));
	check_origin(PG_GETARG_TEXT_PP(0));
	PreventCommandIfReadOnly("runlink_create_log()");
	require_new_snapshots("runlink_create_log()");

	SPI_connect();
	state = state_open(&obstacle);
	if (state != NULL)
	{
		/* Of two calls at once the second finds the log of the first. */
		LockRelationOid(state->relids[STATE_LOG], ShareRowExclusiveLock);
		state = state_open_to_write(STATE_BIT(STATE_LOG), &obstacle);
	}
	if (state == NULL)
		raise_no_log(obstacle);
	if (log_open(state, STATE_NOW, &log))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is a log already"),
				 errdetail("Its origin is \"%s\", and is settled for good.", log.origin),
				 errhint("Checkpoints of it are made by runlink_checkpoint().")));
	values[0] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[1] = PointerGetDatum(PG_GETARG_TEXT_PP(0));
	if (!state_insert(state->relids[STATE_LOG], values, isnull))
		elog(ERROR, "could not insert the log");
	SPI_finish();
	PG_RETURN_VOID();
}

static void
raise_rolled_back(const Log *log, uint64 size, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("ROLLED_BACK: entries of the log are gone that a checkpoint of it covered"),
			 errdetail("The log has " UINT64_FORMAT " entries; %s is of size " UINT64_FORMAT ".",
					   log->size, what, size),
			 errhint("The database, or schema %s, seems to be of an earlier time. "
					 "doc/operating.md says"
					 " how this log is ended and another begun.", STATE_SCHEMA)));
}

/* Raises an error unless the log still has the root, at that size, that was shown. */
static void
check_shown(const Log *log, uint64 size, const uint8 root[SHA256_BYTES], const char *what)
{
	uint8		now[SHA256_BYTES];

	if (size > log->size)
		raise_rolled_back(log, size, what);
	log_root(log, size, now);
	if (memcmp(now, root, SHA256_BYTES) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("FORKED: the log has another root than a checkpoint of it"),
				 errdetail("The log has " UINT64_FORMAT " entries; over the first " UINT64_FORMAT
						   " of them its root is not that of %s.", log->size, size, what),
				 errhint("What was logged was changed since, or this is a copy of a database "
						 "whose log went"
						 " on elsewhere. See doc/operating.md.")));
}

typedef struct Shown
{
	uint64		size;
	uint8		root[SHA256_BYTES];
} Shown;

/* Runs a query of sizes and roots; returns them, palloc'd, and how many they are. */
static uint64
read_shown(const Log *log, KeptQuery *query, Shown **shown)
{
	uint64		count;

	state_execute(log->state, query, NULL, NULL, log->view, NULL);
	count = SPI_processed;
	*shown = palloc(sizeof(Shown) * Max(count, 1));
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		HeapTuple	row = SPI_tuptable->vals[i];

		(*shown)[i].size = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		copy_bytes((*shown)[i].root, SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull),
				   SHA256_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/* Is the log still what was shown of it?  Looks first at what shows a loss plainest. */
static void
check_log(const Log *log)
{
	Shown	   *shown;
	uint64		count = read_shown(log, &newest_checkpoint_query, &shown);

	for (uint64 i = 0; i < count; i++)
		check_shown(log, shown[i].size, shown[i].root, "the newest checkpoint");
	count = read_shown(log, &signed_query, &shown);
	for (uint64 i = 0; i < count; i++)
		check_shown(log, shown[i].size, shown[i].root, "a signed checkpoint");
}

/* The log ends where it should: nothing is there yet of what is added. */
static void
insert_new(const State *state, StateTableId table, const Datum *values, const char *what)
{
	static const bool isnull[4] = {false};

	if (!state_insert(state->relids[table], values, isnull))
		raise_log_damage(psprintf("%s is there before its time", what));
}

static void
put_node(void *sink, const MerkleNode *node, const uint8 hash[SHA256_BYTES])
{
	Growth	   *growth = sink;
	Datum		values[3] = {
		Int64GetDatum(node->position), Int32GetDatum(node->level), hash_datum(hash)
	};

	insert_new(growth->state, STATE_LOG_NODE, values, "a node of the tree");
}

/* A seal that cannot enter waits on, in the hope that it is mended. */
static void
leave_out(Growth *growth, const Datum *taken, const char *why)
{
	static const bool isnull[2] = {false, false};
	Datum		values[2] = {taken[TAKEN_SEAL_NO], taken[TAKEN_TRACE_ID]};

	state_insert(growth->state->relids[STATE_UNLOGGED], values, isnull);
	if (growth->left_out++ == 0)
		growth->first_left_out =
			MemoryContextStrdup(GetMemoryChunkContext(growth),
								psprintf("Seal %d of trace \"%s\" %s.",
										 DatumGetInt32(values[0]),
										 id_for_message(DatumGetTextPP(values[1])), why));
}

/* Adds a seal that was taken. */
static void
add_taken(Growth *growth, const Datum *values, const bool *isnull)
{
	SealText	seal;
	uint8		hash[SHA256_BYTES];
	const char *unreadable;
	Datum		entry[4];

	if (isnull[TAKEN_SEAL] ||
		DatumGetInt32(values[TAKEN_SEAL]) < DatumGetInt32(values[TAKEN_SEAL_NO]))
	{
		leave_out(growth, values, "is gone");
		return;
	}
	unreadable = read_seal_text(values + TAKEN_SEAL, isnull + TAKEN_SEAL, growth->encodings, &seal);
	if (unreadable != NULL)
	{
		leave_out(growth, values, psprintf("is damaged: %s", unreadable));
		return;
	}
	seal_hash(leaf_scratch(), &seal, hash);
	entry[0] = Int64GetDatum(growth->tree.size);
	entry[1] = Int32GetDatum((int32) seal.seal_no);
	entry[2] = values[TAKEN_TRACE_ID];
	entry[3] = hash_datum(hash);
	insert_new(growth->state, STATE_LOG_ENTRY, entry, "an entry");
	merkle_add_and_tell(&growth->tree, hash, put_node, growth);
}

static void
receive_taken(TupleTableSlot *slot, void *sink)
{
	Growth	   *growth = sink;
	MemoryContext old_context = MemoryContextSwitchTo(growth->row_context);

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	add_taken(growth, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(growth->row_context);
}

/* Takes in the seals that wait; the log then has the size of growth->tree. */
static void
grow(const Log *log, Growth *growth)
{
	RowReceiver receiver;

	growth->state = log->state;
	growth->encodings = load_encodings(log->state, true);
	growth->row_context = AllocSetContextCreate(CurrentMemoryContext, "entry of the log",
												ALLOCSET_DEFAULT_SIZES);
	log_tree(log, log->size, &growth->tree);
	state_execute(log->state, &take_query, NULL, NULL, STATE_NOW,
				  row_receiver(&receiver, receive_taken, growth));
	MemoryContextDelete(growth->row_context);
	if (growth->left_out > 0)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg_plural("%lld seal did not enter the log",
							   "%lld seals did not enter the log",
							   growth->left_out, (long long) growth->left_out),
				 errdetail("%s", growth->first_left_out),
				 errhint("See runlink_verify(). A later checkpoint takes in what is mended.")));
}

/* Keeps the checkpoint, unless there is one of its size, which is the same. */
static void
keep_checkpoint(const State *state, const Checkpoint *checkpoint)
{
	static const bool isnull[3] = {false};
	Datum		values[3] = {
		Int64GetDatum(checkpoint->size), TimestampTzGetDatum(GetCurrentTimestamp()),
		hash_datum(checkpoint->root)
	};

	state_insert(state->relids[STATE_CHECKPOINT], values, isnull);
}

/*
 * runlink_checkpoint() returns text
 *
 * Takes the seals that wait into the log, and returns the checkpoint to be signed.
 */
Datum
runlink_checkpoint(PG_FUNCTION_ARGS pg_attribute_unused())
{
	Growth	   *growth = palloc0(sizeof(Growth));
	const char *obstacle = NULL;
	const State *state;
	Log			log;
	Checkpoint	checkpoint;
	StringInfoData text;

	PreventCommandIfReadOnly("runlink_checkpoint()");
	require_utf8("the log");
	require_new_snapshots("runlink_checkpoint()");
	initStringInfo(&text);
	SPI_connect();
	state = state_open_to_write(STATE_LOG_TABLES, &obstacle);
	if (state == NULL)
		raise_no_log(obstacle);
	require_auditor(state, "runlink_checkpoint");
	log_open_to_write(state, &log);
	check_log(&log);
	grow(&log, growth);
	checkpoint.origin = log.origin;
	checkpoint.size = growth->tree.size;
	merkle_root(&growth->tree, checkpoint.root);
	keep_checkpoint(state, &checkpoint);
	append_checkpoint(&text, &checkpoint);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}
