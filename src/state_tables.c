/*-------------------------------------------------------------------------
 *
 * state_tables.c
 *	  The tables of the state, as data.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"

#include "state.h"

#define TRACE_ID(comment)	{"trace_id", VARCHAROID, NULL, comment}
#define COLUMN(name, type, declared, comment)	{name, type, declared, comment}
#define COLUMNS_END			{NULL, InvalidOid, NULL, NULL}

static const StateColumn encoding_columns[] = {
	COLUMN("id", BYTEAOID, "bytea not null", "SHA-256 of encoding"),
	COLUMN("encoding", TEXTOID, "text not null",
	"the covered columns as JCS: name, type, and whether each is payload"),
	COLUMNS_END
};

static const StateColumn trace_columns[] = {
	TRACE_ID("the trace, as it was named when recorded"),
	COLUMN("run_id", VARCHAROID, "varchar not null", "the run it was recorded for"),
	COLUMN("tenant_id", VARCHAROID, "varchar not null", "the tenant it was recorded for"),
	COLUMNS_END
};

/* The fixed-length columns first: nothing is lost to alignment. */
static const StateColumn leaf_columns[] = {
	COLUMN("step_index", INT4OID, "integer not null", "the step, within its trace"),
	COLUMN("encoding", INT4OID, "integer not null",
	"the first four bytes of encoding.id, big-endian: what the leaf covers"),
	TRACE_ID("the trace"),
	COLUMN("leaf", BYTEAOID, "bytea not null", "the leaf hash, 32 bytes"),
	COLUMN("salt", BYTEAOID, "bytea not null", "16 random bytes that blind it"),
	COLUMNS_END
};

static const StateColumn seal_columns[] = {
	COLUMN("sealed_at", TIMESTAMPTZOID, "timestamptz not null", "when the seal was made"),
	COLUMN("step_count", INT8OID, "bigint not null",
	"steps of the trace in this seal and those before it"),
	COLUMN("backfilled", INT8OID, "bigint not null",
	"how many of them had their leaf computed later than their insert"),
	COLUMN("seal_no", INT4OID, "integer not null", "0, 1, 2 ... within the trace, without holes"),
	COLUMN("encoding", INT4OID, "integer",
	"as leaf.encoding, of the leaves that this seal adds; NULL: it adds none"),
	COLUMN("final", BOOLOID, "boolean not null",
	"the trace had ended, and every leaf recorded was taken in"),
	TRACE_ID("the trace"),
	COLUMN("run_id", VARCHAROID, "varchar not null", "the run it was recorded for"),
	COLUMN("tenant_id", VARCHAROID, "varchar not null", "the tenant it was recorded for"),
	COLUMN("trace_status", VARCHAROID, "varchar not null", "status of the trace when sealed"),
	COLUMN("chain_head", BYTEAOID, "bytea not null",
	"last hash of the chain over step_count leaves"),
	COLUMN("merkle_root", BYTEAOID, "bytea not null", "root of the RFC 6962 tree over them"),
	COLUMN("prev", BYTEAOID, "bytea", "hash of the trace's seal before this one; NULL: the first"),
	COLUMN("steps", INT8MULTIRANGEOID, "int8multirange not null",
	"step indexes that this seal adds"),
	COLUMN("leaves", BYTEAOID, "bytea not null",
	"for each of them, in order, its leaf and salt: 48 bytes"),
	COLUMNS_END
};

static const StateColumn verification_columns[] = {
	COLUMN("verified_at", TIMESTAMPTZOID, "timestamptz not null", "when it was verified"),
	COLUMN("findings", INT8OID, "bigint not null", "how many findings there were"),
	COLUMN("seal_no", INT4OID, "integer", "its newest seal then; NULL: it had none"),
	TRACE_ID("the trace"),
	COLUMN("verification_status", VARCHAROID, "varchar not null",
	"VERIFIED, FAILED, UNSEALED, ARCHIVED or UNSUPPORTED, as its proof had it"),
	COLUMNS_END
};

static const StateColumn unverified_columns[] = {
	COLUMN("seal_no", INT4OID, "integer not null", "its newest seal when it was sealed"),
	TRACE_ID("the trace"),
	COLUMNS_END
};

static const StateColumn unlogged_columns[] = {
	COLUMN("seal_no", INT4OID, "integer not null", "its newest seal when it was sealed"),
	TRACE_ID("the trace"),
	COLUMNS_END
};

static const StateColumn log_columns[] = {
	COLUMN("created_at", TIMESTAMPTZOID, "timestamptz not null", "when the log was made"),
	COLUMN("origin", TEXTOID, "text not null", "the first line of every checkpoint of it"),
	COLUMNS_END
};

static const StateColumn log_entry_columns[] = {
	COLUMN("entry", INT8OID, "bigint not null", "0, 1, 2 ... without holes"),
	COLUMN("seal_no", INT4OID, "integer not null", "the seal that is the entry"),
	TRACE_ID("the trace that it is of"),
	COLUMN("seal_hash", BYTEAOID, "bytea not null",
	"the hash of that seal: a leaf of the log's tree"),
	COLUMNS_END
};

static const StateColumn log_node_columns[] = {
	COLUMN("position", INT8OID, "bigint not null", "0, 1, 2 ... from the left within its level"),
	COLUMN("level", INT4OID, "integer not null",
	"a node of level n is over 2^n entries; those of level 0 are the entries themselves"),
	COLUMN("hash", BYTEAOID, "bytea not null", "root of that complete subtree"),
	COLUMNS_END
};

static const StateColumn checkpoint_columns[] = {
	COLUMN("size", INT8OID, "bigint not null", "entries of the log"),
	COLUMN("made_at", TIMESTAMPTZOID, "timestamptz not null", "when the checkpoint was made"),
	COLUMN("root", BYTEAOID, "bytea not null", "root of the log's tree over them"),
	COLUMNS_END
};

static const StateColumn signing_key_columns[] = {
	COLUMN("added_at", TIMESTAMPTZOID, "timestamptz not null", "when it was registered"),
	COLUMN("algorithm", INT4OID, "integer not null",
	"1: Ed25519, 4: cosignature/v1, as C2SP has them"),
	COLUMN("name", TEXTOID, "text not null", "name of the key"),
	COLUMN("key_id", TEXTOID, "text not null", "its id, 8 hex digits"),
	COLUMN("public_key", BYTEAOID, "bytea not null", "32 bytes"),
	COLUMNS_END
};

static const StateColumn signature_columns[] = {
	COLUMN("size", INT8OID, "bigint not null",
	"entries of the log that the signed checkpoint covers"),
	COLUMN("added_at", TIMESTAMPTZOID, "timestamptz not null", "when it was brought"),
	COLUMN("verified", BOOLOID, "boolean not null",
	"it was verified against a registered key; false: nobody knows its signer"),
	COLUMN("name", TEXTOID, "text not null", "name of the key, as the note has it"),
	COLUMN("key_id", TEXTOID, "text not null", "its id, 8 hex digits"),
	COLUMN("root", BYTEAOID, "bytea not null", "root that the signed checkpoint has"),
	COLUMN("signature", BYTEAOID, "bytea not null", "what follows the key id in the note"),
	COLUMNS_END
};

static const StateColumn erasure_columns[] = {
	COLUMN("erased_at", TIMESTAMPTZOID, "timestamptz not null", "when the payload was erased"),
	COLUMN("step_index", INT4OID, "integer not null", "the step, within its trace"),
	TRACE_ID("the trace"),
	COLUMN("erased_by", TEXTOID, "text not null", "the session user who erased it"),
	COLUMN("reason", TEXTOID, "text not null", "why, as was given"),
	COLUMN("leaf", BYTEAOID, "bytea not null",
	"leaf of the row as erased, with a salt of zeros, 32 bytes"),
	COLUMN("payload_digest", BYTEAOID, "bytea",
	"digest of the payload that was, 32 bytes; NULL: with it the recorded leaf would tell "
	"input_hash or output_hash"),
	COLUMNS_END
};

const StateTable state_tables[STATE_TABLE_COUNT] = {
	[STATE_ENCODING] = {
		"encoding", NULL, NULL,
		"Lists of columns that leaves cover. A list can stand here more than once.",
		encoding_columns
	},
	[STATE_TRACE] = {
		"trace", "trace_id", "run_id",
		"Traces under recording: what run and tenant they began with. Their first seal "
		"takes them in.",
		trace_columns
	},
	[STATE_LEAF] = {
		"leaf", "trace_id, step_index", NULL,
		"Leaves recorded by the transactions that inserted the steps. A seal takes them in.",
		leaf_columns
	},
	[STATE_SEAL] = {
		"seal", "trace_id, seal_no", "run_id",
		"Seals: step count, chain head and root of a trace at a moment, with the leaves "
		"they rest on.",
		seal_columns
	},
	[STATE_VERIFICATION] = {
		"verification", "trace_id", "findings",
		"What the last verification of a trace found.",
		verification_columns
	},
	[STATE_UNVERIFIED] = {
		"unverified", "trace_id, seal_no", NULL,
		"Traces sealed since they were verified, until they are again.",
		unverified_columns
	},
	[STATE_UNLOGGED] = {
		"unlogged", "trace_id, seal_no", NULL,
		"Traces sealed since the last checkpoint, until the next takes them into the log.",
		unlogged_columns
	},
	[STATE_LOG] = {
		"log", "origin", NULL,
		"The log: one row, once it was made.",
		log_columns
	},
	[STATE_LOG_ENTRY] = {
		"log_entry", "entry", "trace_id",
		"Entries of the log: seals, in the order of the log.",
		log_entry_columns
	},
	[STATE_LOG_NODE] = {
		"log_node", "level, position", NULL,
		"Complete subtrees of the log's RFC 6962 tree.",
		log_node_columns
	},
	[STATE_CHECKPOINT] = {
		"checkpoint", "size", NULL,
		"Checkpoints that were made of the log.",
		checkpoint_columns
	},
	[STATE_SIGNING_KEY] = {
		"signing_key", "name, key_id", NULL,
		"Public keys of those whose signatures of checkpoints count.",
		signing_key_columns
	},
	[STATE_SIGNATURE] = {
		"signature", "size, name, key_id, root", NULL,
		"Signatures of checkpoints that were brought back.",
		signature_columns
	},
	[STATE_ERASURE] = {
		"erasure", "trace_id, step_index", NULL,
		"Steps whose payload was erased, with what proves them nevertheless.",
		erasure_columns
	},
};
