/*-------------------------------------------------------------------------
 *
 * signing.c
 *	  Signatures of checkpoints, made outside: the keys registered for them
 *	  (runlink_add_key), notes that are brought back (runlink_add_signature), and
 *	  any signed note (runlink_verify_note).
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "application.h"
#include "enabling.h"
#include "run.h"
#include "seal.h"
#include "signing.h"

PG_FUNCTION_INFO_V1(runlink_add_key);
PG_FUNCTION_INFO_V1(runlink_add_signature);
PG_FUNCTION_INFO_V1(runlink_verify_note);

#define LONGEST_KEY_NAME 255

/* How many signatures of unknown signers are kept a checkpoint, with names how long. */
#define MOST_UNKNOWN 100
#define LONGEST_UNKNOWN_NAME 1000

static KeptQuery find_key_query = {
	.sql = "SELECT algorithm, public_key FROM runlink.signing_key"
	" WHERE name" SQL_EQ "$1 AND key_id" SQL_EQ "$2",
	.argument_count = 2,
	.argument_types = {TEXTOID, TEXTOID}
};

static KeptQuery add_key_query = {
	.sql = "INSERT INTO runlink.signing_key (added_at, algorithm, name, key_id, public_key)"
	" VALUES (pg_catalog.clock_timestamp(), $1, $2, $3, $4) ON CONFLICT DO NOTHING",
	.argument_count = 4,
	.argument_types = {INT4OID, TEXTOID, TEXTOID, BYTEAOID}
};

/* Is there a checkpoint of size $1 and root $2, and how many of it did unknown signers sign? */
static KeptQuery unknown_query = {
	.sql = "SELECT EXISTS (SELECT 1 FROM runlink.checkpoint c WHERE "
	"c.size" SQL_EQ "$1 AND c.root" SQL_EQ "$2),"
	" (SELECT pg_catalog.count(*) FROM runlink.signature s WHERE "
	"s.size" SQL_EQ "$1 AND s.root" SQL_EQ "$2"
	" AND NOT s.verified)",
	.argument_count = 2,
	.argument_types = {INT8OID, BYTEAOID}
};

#define SIGNATURE_ROW \
	"INSERT INTO runlink.signature AS s (added_at, size, root, name, key_id, signature, verified)" \
	" VALUES (pg_catalog.clock_timestamp(), $1, $2, $3, $4, $5, "
#define SIGNATURE_ARGUMENTS \
	.argument_count = 5, .argument_types = {INT8OID, BYTEAOID, TEXTOID, TEXTOID, BYTEAOID}

/* One whose key was not registered when it came first is known now. */
static KeptQuery add_signature_query = {
	.sql = SIGNATURE_ROW "true) ON CONFLICT (size, name, key_id, root) DO UPDATE"
	" SET verified = true, added_at = excluded.added_at, signature = excluded.signature"
	" WHERE NOT s.verified",
	SIGNATURE_ARGUMENTS
};

static KeptQuery add_unknown_query = {
	.sql = SIGNATURE_ROW "false) ON CONFLICT DO NOTHING",
	SIGNATURE_ARGUMENTS
};

static KeptQuery has_unknown_query = {
	.sql = "SELECT 1 FROM runlink.signature s WHERE s.size" SQL_EQ "$1 AND s.root" SQL_EQ "$2"
	" AND s.name" SQL_EQ "$3 AND s.key_id" SQL_EQ "$4",
	.argument_count = 4,
	.argument_types = {INT8OID, BYTEAOID, TEXTOID, TEXTOID}
};

/* Parses a verifier key that a caller gave, or raises an error. */
static void
parse_key(const text *given, VerifierKey *key)
{
	bool		unsupported;
	char	   *fault = vkey_parse(text_to_cstring(given), key, &unsupported);

	if (fault == NULL)
		return;
	ereport(ERROR,
			(errcode(unsupported ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the verifier key is malformed: %s", fault),
			 errhint("It is \"name+id+key\": the id is 8 hex digits, the key base64 of its type "
					 "and 32 bytes.")));
}

static void
malformed_note(const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the note is malformed: %s", fault),
			 errhint("See c2sp.org/signed-note and c2sp.org/tlog-checkpoint.")));
}

static void
parse_note(const text *given, Note *note)
{
	char	   *fault = note_parse(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), note);

	if (fault != NULL)
		malformed_note(fault);
}

/* Parses a signed checkpoint that a caller gave, or raises an error. */
void
signed_checkpoint_parse(const text *given, SignedCheckpoint *checkpoint)
{
	char	   *fault;

	parse_note(given, &checkpoint->note);
	fault = checkpoint_parse(checkpoint->note.text, checkpoint->note.text_length,
							 &checkpoint->checkpoint);
	if (fault != NULL)
		malformed_note(fault);
}

/* The key registered for a signature; false: none is. */
static bool
find_key(const Log *log, const NoteSignature *signature, VerifierKey *key)
{
	Datum		arguments[2] = {CStringGetTextDatum(signature->name),
								CStringGetTextDatum(signature->key_id)};
	bool		isnull;
	bool		found;

	state_execute(log->state, &find_key_query, arguments, NULL, log->view, NULL);
	found = SPI_processed > 0;
	if (found)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	tupdesc = SPI_tuptable->tupdesc;

		key->name = signature->name;
		strlcpy(key->key_id, signature->key_id, sizeof(key->key_id));
		key->algorithm = DatumGetInt32(SPI_getbinval(row, tupdesc, 1, &isnull));
		copy_bytes(key->public_key, SPI_getbinval(row, tupdesc, 2, &isnull), ED25519_KEY_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/*
 * Finds out which signatures registered keys made.  A checkpoint of another log,
 * and a signature that is not what it says, are errors.
 */
void
signed_checkpoint_check(const Log *log, SignedCheckpoint *checkpoint)
{
	if (strcmp(checkpoint->checkpoint.origin, log->origin) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the note is a checkpoint of another log"),
				 errdetail("Its origin is \"%s\", that of the log in this database \"%s\".",
						   checkpoint->checkpoint.origin, log->origin)));
	checkpoint->known_count = 0;
	for (int i = 0; i < checkpoint->note.signature_count; i++)
	{
		const NoteSignature *signature = &checkpoint->note.signatures[i];
		char	   *fault;

		checkpoint->is_known[i] = find_key(log, signature, &checkpoint->keys[i]);
		if (!checkpoint->is_known[i])
			continue;
		checkpoint->known_count++;
		fault = note_signature_fault(&checkpoint->note, signature, &checkpoint->keys[i]);
		if (fault != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the signature by key \"%s+%s\" %s", signature->name, signature->key_id,
							fault),
					 errdetail("A key of that name and id is registered, so the note has to be "
							   "signed by it."),
					 errhint("The note was changed after it was signed, or signed by another key "
							 "of that name and id.")));
	}
}

static void
put_key(FunctionCallInfo fcinfo, const VerifierKey *key)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[3] = {
		CStringGetTextDatum(key->name), CStringGetTextDatum(key->key_id),
		CStringGetTextDatum(note_algorithm_name(key->algorithm))
	};
	bool		isnull[3] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

/* Registers a key, unless it is. */
static void
add_key(const State *state, const VerifierKey *key)
{
	Log			any = {.state = state, .view = STATE_NOW};
	NoteSignature signed_by = {.name = key->name};
	Datum		values[4] = {
		Int32GetDatum(key->algorithm), CStringGetTextDatum(key->name),
		CStringGetTextDatum(key->key_id),
		bytes_datum(key->public_key, ED25519_KEY_BYTES)
	};
	VerifierKey registered;

	state_execute(state, &add_key_query, values, NULL, STATE_NOW, NULL);
	strlcpy(signed_by.key_id, key->key_id, sizeof(signed_by.key_id));
	if (!find_key(&any, &signed_by, &registered) || registered.algorithm != key->algorithm ||
		memcmp(registered.public_key, key->public_key, ED25519_KEY_BYTES) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("another key is registered as \"%s+%s\"", key->name, key->key_id),
				 errdetail("A signature names its key by name and id, and could be of either."),
				 errhint("Make another key.")));
}

/*
 * runlink_add_key(vkey text) returns table (name, key_id, algorithm)
 */
Datum
runlink_add_key(PG_FUNCTION_ARGS)
{
	VerifierKey key;
	const char *obstacle;
	const State *state;

	InitMaterializedSRF(fcinfo, 0);
	require_superuser("runlink_add_key", "It says whose signatures of checkpoints count.");
	require_utf8("A key of signed notes");
	PreventCommandIfReadOnly("runlink_add_key()");
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("vkey must not be null")));
	parse_key(PG_GETARG_TEXT_PP(0), &key);
	if (strlen(key.name) > LONGEST_KEY_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of the key has %zu bytes, and at most %d are taken",
						strlen(key.name),
						LONGEST_KEY_NAME)));
	SPI_connect();
	state = state_open_to_write(STATE_BIT(STATE_SIGNING_KEY), &obstacle);
	if (state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no state to keep a key in"),
				 errdetail("In the way: %s.", obstacle),
				 errhint("Call runlink_enable_sealing() as a superuser.")));
	add_key(state, &key);
	put_key(fcinfo, &key);
	SPI_finish();
	return (Datum) 0;
}

/* What a checkpoint is to the log. */
typedef enum Standing
{
	IN_LOG,
	ROLLED_BACK,				/* the log has fewer entries */
	FORKED						/* it has another root */
} Standing;

static const char *const standing_names[] = {
	[IN_LOG] = "added", [ROLLED_BACK] = "rolled_back", [FORKED] = "forked"
};

static Standing
find_standing(const Log *log, const Checkpoint *checkpoint)
{
	uint8		root[SHA256_BYTES];

	if (checkpoint->size > log->size)
		return ROLLED_BACK;
	log_root(log, checkpoint->size, root);
	return memcmp(root, checkpoint->root, SHA256_BYTES) == 0 ? IN_LOG : FORKED;
}

/* Says what a checkpoint that is not in the log means. */
static void
tell_standing(int level, int code, const Log *log, const Checkpoint *checkpoint, Standing standing,
			  const char *hint)
{
	if (standing == ROLLED_BACK)
		ereport(level,
				(errcode(code),
				 errmsg("ROLLED_BACK: the log has fewer entries than the checkpoint"),
				 errdetail("The checkpoint is of size " UINT64_FORMAT ", the log has " UINT64_FORMAT
						   " entries.",
						   checkpoint->size, log->size),
				 errhint("%s", hint)));
	else
		ereport(level,
				(errcode(code),
				 errmsg("FORKED: the log has another root than the checkpoint"),
				 errdetail("Both are of size " UINT64_FORMAT ".", checkpoint->size),
				 errhint("%s", hint)));
}

/* An addition of signatures under way. */
typedef struct Adding
{
	Log			log;
	SignedCheckpoint checkpoint;
	Standing	standing;
	bool		keeps_unknown;	/* it is a checkpoint that was made here */
	int64		unknown_count;	/* kept of it */
} Adding;

static void
signature_row(const Adding *adding, const NoteSignature *signature, Datum values[5])
{
	const Checkpoint *checkpoint = &adding->checkpoint.checkpoint;

	values[0] = Int64GetDatum(checkpoint->size);
	values[1] = hash_datum(checkpoint->root);
	values[2] = CStringGetTextDatum(signature->name);
	values[3] = CStringGetTextDatum(signature->key_id);
	values[4] = bytes_datum(signature->bytes, signature->length);
}

/* Keeps a signature of a registered key; returns its status. */
static const char *
add_known(const Adding *adding, const NoteSignature *signature)
{
	Datum		values[5];

	signature_row(adding, signature, values);
	state_execute(adding->log.state, &add_signature_query, values, NULL, STATE_NOW, NULL);
	if (adding->standing == IN_LOG && SPI_processed == 0)
		return "known";
	return standing_names[adding->standing];
}

/* Keeps one that nobody can verify, apart and if there is room; returns its status. */
static const char *
add_unknown(Adding *adding, const NoteSignature *signature)
{
	Datum		values[5];

	if (!adding->keeps_unknown || strlen(signature->name) > LONGEST_UNKNOWN_NAME)
		return "unknown_signer_dropped";
	signature_row(adding, signature, values);
	if (adding->unknown_count < MOST_UNKNOWN)
	{
		state_execute(adding->log.state, &add_unknown_query, values, NULL, STATE_NOW, NULL);
		adding->unknown_count += SPI_processed;
		return "unknown_signer";
	}
	state_execute(adding->log.state, &has_unknown_query, values, NULL, STATE_NOW, NULL);
	return SPI_processed > 0 ? "unknown_signer" : "unknown_signer_dropped";
}

static void
find_unknown(Adding *adding)
{
	Datum		values[2] = {
		Int64GetDatum(adding->checkpoint.checkpoint.size),
		hash_datum(adding->checkpoint.checkpoint.root)
	};
	HeapTuple	row;
	bool		isnull;

	state_execute(adding->log.state, &unknown_query, values, NULL, STATE_NOW, NULL);
	row = SPI_tuptable->vals[0];
	adding->keeps_unknown = adding->standing == IN_LOG &&
		DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
	adding->unknown_count = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
}

/* The log, held against who makes a checkpoint or adds signatures at the same time. */
static void
open_log_to_add(Log *log)
{
	const char *obstacle;
	const State *state = state_open_to_write(STATE_BIT(STATE_LOG) | STATE_BIT(STATE_SIGNATURE),
											 &obstacle);

	if (state == NULL)
		raise_no_log(obstacle);
	log_open_to_write(state, log);
}

/* Only what is known of a signer makes a checkpoint worth keeping that is not ours. */
static void
require_known_or_ours(const Adding *adding)
{
	if (adding->checkpoint.known_count > 0 || adding->keeps_unknown)
		return;
	if (adding->standing != IN_LOG)
		tell_standing(ERROR, ERRCODE_INVALID_PARAMETER_VALUE, &adding->log,
					  &adding->checkpoint.checkpoint, adding->standing,
					  "Nothing was stored: no registered key signed the note.");
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the note is no checkpoint that was made here, and no registered "
					"key signed it"),
			 errdetail("No checkpoint of size " UINT64_FORMAT " was made.",
					   adding->checkpoint.checkpoint.size),
			 errhint("A superuser registers the signer's key by runlink_add_key().")));
}

static void
add_signatures(FunctionCallInfo fcinfo, Adding *adding)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const SignedCheckpoint *checkpoint = &adding->checkpoint;

	for (int i = 0; i < checkpoint->note.signature_count; i++)
	{
		const NoteSignature *signature = &checkpoint->note.signatures[i];
		const char *status = checkpoint->is_known[i] ? add_known(adding, signature)
			: add_unknown(adding, signature);
		Datum		values[4] = {
			CStringGetTextDatum(signature->name), CStringGetTextDatum(signature->key_id),
			CStringGetTextDatum(status), Int64GetDatum(checkpoint->checkpoint.size)
		};
		bool		isnull[4] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
	}
}

/*
 * runlink_add_signature(note text) returns table (name, key_id, status, checkpoint_size)
 */
Datum
runlink_add_signature(PG_FUNCTION_ARGS)
{
	Adding		adding;

	InitMaterializedSRF(fcinfo, 0);
	require_utf8("A signed note");
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("note must not be null")));
	PreventCommandIfReadOnly("runlink_add_signature()");
	/* An older snapshot would show the log as rolled back. */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("runlink_add_signature needs to see the log as it is now"),
				 errhint("Call it in a transaction of isolation level READ COMMITTED.")));
	signed_checkpoint_parse(PG_GETARG_TEXT_PP(0), &adding.checkpoint);
	if (adding.checkpoint.note.signature_count == 0)
		malformed_note("it is not signed");
	SPI_connect();
	open_log_to_add(&adding.log);
	signed_checkpoint_check(&adding.log, &adding.checkpoint);
	adding.standing = find_standing(&adding.log, &adding.checkpoint.checkpoint);
	find_unknown(&adding);
	require_known_or_ours(&adding);
	add_signatures(fcinfo, &adding);
	if (adding.standing != IN_LOG)
		tell_standing(WARNING, ERRCODE_WARNING, &adding.log, &adding.checkpoint.checkpoint,
					  adding.standing,
					  "The signature was stored, and runlink_checkpoint() refuses to go "
					  "on from here.");
	SPI_finish();
	return (Datum) 0;
}

/*
 * runlink_verify_note(note text, vkey text) returns boolean
 */
Datum
runlink_verify_note(PG_FUNCTION_ARGS)
{
	VerifierKey key;
	Note		note;
	bool		verified = false;

	require_utf8("A signed note");
	parse_key(PG_GETARG_TEXT_PP(1), &key);
	parse_note(PG_GETARG_TEXT_PP(0), &note);
	for (int i = 0; i < note.signature_count; i++)
	{
		if (!is_signature_of(&note.signatures[i], &key))
			continue;
		if (note_signature_fault(&note, &note.signatures[i], &key) != NULL)
			PG_RETURN_BOOL(false);
		verified = true;
	}
	PG_RETURN_BOOL(verified);
}
