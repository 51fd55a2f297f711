/*-------------------------------------------------------------------------
 *
 * verify_checkpoint.c
 *	  runlink_verify_checkpoint: the log and its seals against a checkpoint that
 *	  was kept outside.
 *
 * The entries up to the checkpoint's size are read in order, each with its seal,
 * and two trees are grown at once: of the hashes that the log has, and of those
 * that the seals give.  Which of their roots is the checkpoint's says what
 * happened.  Nothing is kept of an entry but findings, and of these a thousand.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "application.h"
#include "auditor.h"
#include "receiver.h"
#include "run.h"
#include "seal.h"
#include "signing.h"

PG_FUNCTION_INFO_V1(runlink_verify_checkpoint);

#define MOST_FINDINGS 1000

/* What was read of so many entries is let go at once. */
#define ENTRIES_A_RESET 1000

enum
{
	ENTRY_NO,
	ENTRY_SEAL_HASH,
	ENTRY_TRACE_ID,
	ENTRY_SEAL_NO,
	ENTRY_SEAL					/* SEAL_TEXT_COLUMN_COUNT of them */
};

/* OFFSET 0: one lookup an entry, in the order of the log, with nothing to sort or to hash. */
static KeptQuery entries_query = {
	.sql = "SELECT e.entry, e.seal_hash, e.trace_id::pg_catalog.text, e.seal_no, s.*"
	" FROM runlink.log_entry e LEFT JOIN LATERAL (SELECT " SEAL_TEXT_COLUMNS
	" FROM runlink.seal WHERE seal.trace_id" SQL_EQ "e.trace_id AND seal.seal_no" SQL_EQ "e.seal_no"
	" OFFSET 0) AS s ON true WHERE e.entry OPERATOR(pg_catalog.<) $1 ORDER BY e.entry",
	.argument_count = 1,
	.argument_types = {INT8OID}
};

static KeptQuery newest_checkpoint_query = {
	.sql = "SELECT size FROM runlink.checkpoint ORDER BY size DESC LIMIT 1"
};

/* Traces whose newest seal is no entry. */
static KeptQuery unlogged_query = {
	.sql = "SELECT pg_catalog.count(*) FROM runlink.seal s"
	" WHERE NOT EXISTS (SELECT 1 FROM runlink.seal n WHERE n.trace_id" SQL_EQ "s.trace_id"
	" AND n.seal_no OPERATOR(pg_catalog.>) s.seal_no OFFSET 0)"
	" AND NOT EXISTS (SELECT 1 FROM runlink.log_entry e WHERE e.trace_id" SQL_EQ "s.trace_id"
	" AND e.seal_no" SQL_EQ "s.seal_no OFFSET 0)"
};

/* A row of the answer. */
typedef struct Finding
{
	int64		first_entry;	/* below 0: NULL */
	int64		entry_count;
	const char *status;
	Datum		trace_id;		/* text; 0: NULL */
	const char *detail;
} Finding;

/* The check of a log under way. */
typedef struct LogCheck
{
	const Log  *log;
	const Checkpoint *checkpoint;
	ReturnSetInfo *rsinfo;
	MemoryContext call_context;
	MemoryContext entry_context;
	Encoding   *encodings;
	Canonical  *scratch;
	MerkleTree	entries;		/* of the hashes that the log has */
	MerkleTree	seals;			/* of those that the seals give */
	uint64		read;
	uint64		next;			/* entry, if none is missing */
	uint64		missing;		/* entries */
	uint64		lost;			/* seals that are not there or are none */
	uint64		altered;		/* seals that hash otherwise than their entries */
	List	   *findings;		/* HeapTuple, the first MOST_FINDINGS */
	int64		more;
} LogCheck;

static HeapTuple
finding_row(const LogCheck *check, const Finding *finding)
{
	Datum		values[5] = {
		Int64GetDatum(finding->first_entry), Int64GetDatum(finding->entry_count),
		CStringGetTextDatum(finding->status), finding->trace_id, (Datum) 0
	};
	bool		isnull[5] = {
		finding->first_entry < 0, false, false, finding->trace_id == 0, finding->detail == NULL
	};

	if (finding->detail != NULL)
		values[4] = CStringGetTextDatum(finding->detail);
	return heap_form_tuple(check->rsinfo->setDesc, values, isnull);
}

static void
put_row(const LogCheck *check, Finding finding)
{
	tuplestore_puttuple(check->rsinfo->setResult, finding_row(check, &finding));
}

static void
add_finding(LogCheck *check, Finding finding)
{
	MemoryContext old_context;

	if (list_length(check->findings) == MOST_FINDINGS)
	{
		check->more++;
		return;
	}
	old_context = MemoryContextSwitchTo(check->call_context);
	check->findings = lappend(check->findings, finding_row(check, &finding));
	MemoryContextSwitchTo(old_context);
}

/* Entries that the log should have before one are not there. */
static void
note_missing(LogCheck *check, uint64 before)
{
	if (before == check->next)
		return;
	add_finding(check, (Finding)
				{
					.first_entry = check->next,
					.entry_count = before - check->next,
					.status = "entry_missing",
					.detail = "the log has later entries, and not these"
				});
	check->missing += before - check->next;
	check->next = before;
}

/* The hash that the seal of an entry gives; false: there is none, which is a finding. */
static bool
hash_seal(LogCheck *check, const Datum *values, const bool *isnull, uint8 hash[SHA256_BYTES])
{
	Finding		finding = {
		.first_entry = DatumGetInt64(values[ENTRY_NO]), .entry_count = 1,
		.trace_id = values[ENTRY_TRACE_ID]
	};
	int32		seal_no = DatumGetInt32(values[ENTRY_SEAL_NO]);
	const char *damage;
	SealText	seal;

	if (isnull[ENTRY_SEAL])
	{
		finding.status = "seal_missing";
		finding.detail = psprintf("seal %d is not in runlink.seal", seal_no);
		add_finding(check, finding);
		return false;
	}
	damage = read_seal_text(values + ENTRY_SEAL, isnull + ENTRY_SEAL, check->encodings, &seal);
	if (damage != NULL)
	{
		finding.status = "seal_altered";
		finding.detail = psprintf("seal %d cannot be hashed: %s", seal_no, damage);
		add_finding(check, finding);
		return false;
	}
	seal_hash(check->scratch, &seal, hash);
	return true;
}

static void
check_entry(LogCheck *check, const Datum *values, const bool *isnull)
{
	uint8		logged[SHA256_BYTES];
	uint8		given[SHA256_BYTES];
	bool		differed = check->altered > 0;

	note_missing(check, DatumGetInt64(values[ENTRY_NO]));
	check->next++;
	check->read++;
	copy_bytes(logged, values[ENTRY_SEAL_HASH], SHA256_BYTES);
	memcpy(given, logged, SHA256_BYTES);
	if (!hash_seal(check, values, isnull, given))
		check->lost++;
	else if (memcmp(logged, given, SHA256_BYTES) != 0)
	{
		if (!differed)
			check->seals = check->entries;
		check->altered++;
		add_finding(check, (Finding)
					{
						.first_entry = DatumGetInt64(values[ENTRY_NO]),
						.entry_count = 1,
						.status = "seal_altered",
						.trace_id = values[ENTRY_TRACE_ID],
						.detail = psprintf("seal %d hashes to %s, and the log has %s",
										   DatumGetInt32(values[ENTRY_SEAL_NO]), hash_hex(given),
										   hash_hex(logged))
					});
	}
	merkle_add(&check->entries, logged);
	if (check->altered > 0)
		merkle_add(&check->seals, given);
}

static void
receive_entry(TupleTableSlot *slot, void *sink)
{
	LogCheck   *check = sink;
	MemoryContext old_context = MemoryContextSwitchTo(check->entry_context);

	slot_getallattrs(slot);
	check_entry(check, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old_context);
	if (check->read % ENTRIES_A_RESET == 0)
		MemoryContextReset(check->entry_context);
}

static void
read_entries(LogCheck *check)
{
	Datum		argument = Int64GetDatum(check->checkpoint->size);
	RowReceiver receiver;

	merkle_begin(&check->entries);
	state_execute(check->log->state, &entries_query, &argument, NULL, check->log->view,
				  row_receiver(&receiver, receive_entry, check));
	note_missing(check, Min(check->checkpoint->size, check->log->size));
}

/* The value of a query of one; 0 where it has no row. */
static int64
ask_state(const Log *log, KeptQuery *query)
{
	int64		value = 0;
	bool		isnull;

	state_execute(log->state, query, NULL, NULL, log->view, NULL);
	if (SPI_processed > 0)
		value = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
											&isnull));
	SPI_freetuptable(SPI_tuptable);
	return value;
}

static bool
has_root(const MerkleTree *tree, const Checkpoint *checkpoint)
{
	uint8		root[SHA256_BYTES];

	merkle_root(tree, root);
	return memcmp(root, checkpoint->root, SHA256_BYTES) == 0;
}

/* The log has fewer entries than the checkpoint: since when? */
static const char *
shorter_verdict(const LogCheck *check, char **detail)
{
	uint64		newest = ask_state(check->log, &newest_checkpoint_query);
	uint64		size = check->checkpoint->size;

	if (check->missing > 0)
	{
		*detail = psprintf(UINT64_FORMAT " of the " UINT64_FORMAT " entries are missing:"
						   " they were taken away",
						   size - check->read, size);
		return "truncated";
	}
	if (newest >= size)
	{
		*detail = psprintf("the log has " UINT64_FORMAT " entries, and a checkpoint of "
						   UINT64_FORMAT " was made here: entries were taken away",
						   check->log->size, newest);
		return "truncated";
	}
	*detail = psprintf("the log has " UINT64_FORMAT " entries, and no checkpoint of " UINT64_FORMAT
					   " was made: this database is of an earlier time", check->log->size, size);
	return "rolled_back";
}

static const char *
find_verdict(const LogCheck *check, char **detail)
{
	uint64		size = check->checkpoint->size;
	uint64		damaged = check->lost + check->altered;

	if (check->read < size)
		return shorter_verdict(check, detail);
	if (has_root(&check->entries, check->checkpoint))
	{
		*detail = damaged == 0
			? psprintf("the seals of all " UINT64_FORMAT " entries give its root", size)
			: psprintf("the log's entries give its root, and " UINT64_FORMAT
					   " of their seals are missing or altered",
					   damaged);
		return damaged == 0 ? "anchored" : "altered";
	}
	if (check->altered > 0 && check->lost == 0 && has_root(&check->seals, check->checkpoint))
	{
		*detail = psprintf("the seals give its root, and " UINT64_FORMAT
						   " of the log's entries are altered", check->altered);
		return "altered";
	}
	*detail = psprintf("the log's " UINT64_FORMAT " entries give another root", size);
	return "forked";
}

/* Whose signatures the note has, as far as keys are registered. */
static void
append_signers(StringInfo to, const SignedCheckpoint *signed_checkpoint)
{
	const Note *note = &signed_checkpoint->note;
	const char *separator = "; signed by ";

	if (signed_checkpoint->known_count == 0)
		appendStringInfoString(to, note->signature_count == 0 ? "; not signed"
							   : "; signed by no registered key");
	for (int i = 0; i < note->signature_count; i++)
	{
		if (!signed_checkpoint->is_known[i])
			continue;
		appendStringInfo(to, "%s%s+%s", separator, note->signatures[i].name,
						 note->signatures[i].key_id);
		if (signed_checkpoint->keys[i].algorithm == NOTE_COSIGNATURE)
			appendStringInfo(to, " at " UINT64_FORMAT, cosignature_time(&note->signatures[i]));
		separator = ", ";
	}
}

/* The verdict first, then what it does not cover, then what was found. */
static void
put_answer(const LogCheck *check, const SignedCheckpoint *signed_checkpoint)
{
	uint64		size = check->checkpoint->size;
	int64		unlogged = ask_state(check->log, &unlogged_query);
	char	   *verdict_detail;
	const char *verdict = find_verdict(check, &verdict_detail);
	StringInfoData detail;
	ListCell   *cell;

	initStringInfo(&detail);
	appendStringInfoString(&detail, verdict_detail);
	append_signers(&detail, signed_checkpoint);
	put_row(check, (Finding) {0, size, verdict, 0, detail.data});
	if (check->log->size > size)
		put_row(check, (Finding) {size, check->log->size - size, "unanchored", 0,
								  "these entries came after the checkpoint"});
	if (unlogged > 0)
		put_row(check, (Finding) {-1, unlogged, "unlogged", 0,
								  "so many traces were sealed since their last entry in the log"});
	foreach(cell, check->findings)
		tuplestore_puttuple(check->rsinfo->setResult, lfirst(cell));
	if (check->more > 0)
		put_row(check, (Finding) {-1, check->more, "more_findings", 0, "so many are not shown"});
}

static void
open_log_to_check(Log *log)
{
	const char *obstacle;
	const State *state = state_open(&obstacle);

	if (state == NULL)
		raise_no_log(obstacle);
	require_auditor(state, "runlink_verify_checkpoint");
	if (!log_open(state, STATE_SNAPSHOT, log))
		raise_no_log(NULL);
}

/*
 * runlink_verify_checkpoint(note text)
 *		returns table (first_entry, entry_count, status, trace_id, detail)
 */
Datum
runlink_verify_checkpoint(PG_FUNCTION_ARGS)
{
	SignedCheckpoint signed_checkpoint;
	Log			log;
	LogCheck	check = {
		.log = &log, .checkpoint = &signed_checkpoint.checkpoint,
		.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo
	};

	InitMaterializedSRF(fcinfo, 0);
	require_utf8("A signed note");
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("note must not be null")));
	signed_checkpoint_parse(PG_GETARG_TEXT_PP(0), &signed_checkpoint);
	SPI_connect();
	open_log_to_check(&log);
	signed_checkpoint_check(&log, &signed_checkpoint);
	check.call_context = CurrentMemoryContext;
	check.entry_context = AllocSetContextCreate(CurrentMemoryContext, "entries of the log",
												ALLOCSET_DEFAULT_SIZES);
	check.encodings = load_encodings(log.state, false);
	check.scratch = canonical_create();
	read_entries(&check);
	put_answer(&check, &signed_checkpoint);
	SPI_finish();
	return (Datum) 0;
}
