/*-------------------------------------------------------------------------
 *
 * log.c
 *	  The log as the state has it: its entries, its tree, its checkpoints.
 *
 * Every complete subtree is stored, so a root or a proof is one query of some
 * dozen lookups, however long the log is.  A row that is missing is damage and
 * never guessed.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "application.h"
#include "log.h"
#include "seal.h"

static KeptQuery log_query = {
	.sql = "SELECT l.origin, COALESCE((SELECT pg_catalog.max(e.entry) FROM runlink.log_entry e), -1)"
	" FROM runlink.log l LIMIT 2"
};

static KeptQuery lock_query = {.sql = "SELECT 1 FROM runlink.log FOR UPDATE"};

/* By an expression, so that no plan reads the log from its end. */
static KeptQuery entry_query = {
	.sql = "SELECT entry, seal_no, seal_hash FROM runlink.log_entry WHERE trace_id" SQL_EQ "$1"
	" ORDER BY (entry OPERATOR(pg_catalog.+) 0) DESC LIMIT 1",
	.argument_count = 1,
	.argument_types = {TEXTOID}
};

/* The hashes of nodes, in the order of levels $1 and positions $2. */
static KeptQuery nodes_query = {
	.sql = "SELECT CASE WHEN n.level" SQL_EQ "0"
	" THEN (SELECT e.seal_hash FROM runlink.log_entry e WHERE e.entry" SQL_EQ "n.pos)"
	" ELSE (SELECT h.hash FROM runlink.log_node h WHERE h.level" SQL_EQ "n.level"
	" AND h.position" SQL_EQ "n.pos) END"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY"
	" AS n(level, pos, number) ORDER BY n.number",
	.argument_count = 2,
	.argument_types = {INT4ARRAYOID, INT8ARRAYOID}
};

static KeptQuery checkpoint_query = {
	.sql = "SELECT size, root FROM runlink.checkpoint WHERE size OPERATOR(pg_catalog.>) $1"
	" ORDER BY size LIMIT 1",
	.argument_count = 1,
	.argument_types = {INT8OID}
};

static KeptQuery signed_checkpoint_query = {
	.sql = "SELECT s.size, s.root FROM runlink.signature s WHERE s.size OPERATOR(pg_catalog.>) $1"
	" AND s.verified AND EXISTS (SELECT 1 FROM runlink.checkpoint c WHERE c.size" SQL_EQ "s.size"
	" AND c.root" SQL_EQ "s.root) ORDER BY s.size LIMIT 1",
	.argument_count = 1,
	.argument_types = {INT8OID}
};

/*
 * The log's own signature first.  Readers of a note need not take more than
 * sixteen.
 */
static KeptQuery signatures_query = {
	.sql = "SELECT name, key_id, signature FROM runlink.signature WHERE verified"
	" AND size" SQL_EQ "$1 AND root" SQL_EQ "$2"
	" ORDER BY name" SQL_EQ "$3 DESC, name COLLATE pg_catalog.\"C\","
	" key_id COLLATE pg_catalog.\"C\""
	" LIMIT 16",
	.argument_count = 3,
	.argument_types = {INT8OID, BYTEAOID, TEXTOID}
};

/* There is no log; obstacle is what keeps the state from being read, or NULL. */
void
raise_no_log(const char *obstacle)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("there is no log"),
			 obstacle != NULL ? errdetail("In the way: %s.", obstacle)
			 : errdetail("Seals are kept, but nothing that an outsider could hold."),
			 obstacle != NULL ? errhint("Call runlink_enable_sealing() as a superuser.")
			 : errhint("Call runlink_create_log(origin) as a superuser.")));
}

void
raise_log_damage(const char *damage)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the log is damaged"),
			 errdetail("In schema %s, %s.", STATE_SCHEMA, damage),
			 errhint("Restore schema %s from a backup, or end this log; see doc/operating.md.",
					 STATE_SCHEMA)));
}

static Datum
column(HeapTuple row, int number, bool *isnull)
{
	return SPI_getbinval(row, SPI_tuptable->tupdesc, number, isnull);
}

/* Without a query where no log was ever made, as is often the case. */
static bool
has_no_rows(Oid relid)
{
	Relation	table = table_open(relid, AccessShareLock);
	bool		has_none = RelationGetNumberOfBlocks(table) == 0;

	table_close(table, AccessShareLock);
	return has_none;
}

/* Opens the log; false where none was made.  SPI must be connected, here and below. */
bool
log_open(const State *state, StateView view, Log *log)
{
	bool		isnull;
	uint64		count;

	if (has_no_rows(state->relids[STATE_LOG]))
		return false;
	state_execute(state, &log_query, NULL, NULL, view, NULL);
	count = SPI_processed;
	if (count > 1)
		raise_log_damage("table log has more than one row");
	if (count == 1)
	{
		log->state = state;
		log->view = view;
		log->origin = TextDatumGetCString(column(SPI_tuptable->vals[0], 1, &isnull));
		log->size = (uint64) DatumGetInt64(column(SPI_tuptable->vals[0], 2, &isnull)) + 1;
	}
	SPI_freetuptable(SPI_tuptable);
	return count == 1;
}

/*
 * Opens the log as it is now, held until the transaction ends against who else makes
 * a checkpoint or adds signatures.  An error where none was made.
 */
void
log_open_to_write(const State *state, Log *log)
{
	state_execute(state, &lock_query, NULL, NULL, STATE_NOW, NULL);
	if (!log_open(state, STATE_NOW, log))
		raise_no_log(NULL);
}

/* Finds the newest entry of a trace; false where it has none. */
bool
log_find(const Log *log, text *trace_id, LogEntry *entry)
{
	Datum		values[1] = {PointerGetDatum(trace_id)};
	bool		isnull;
	bool		found;

	state_execute(log->state, &entry_query, values, NULL, log->view, NULL);
	found = SPI_processed > 0;
	if (found)
	{
		HeapTuple	row = SPI_tuptable->vals[0];

		entry->entry = DatumGetInt64(column(row, 1, &isnull));
		entry->seal_no = DatumGetInt32(column(row, 2, &isnull));
		copy_bytes(entry->seal_hash, column(row, 3, &isnull), SHA256_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

static const char *
node_damage(const MerkleNode *node, const char *damage)
{
	if (node->level == 0)
		return psprintf("entry " UINT64_FORMAT " %s", node->position, damage);
	return psprintf("the node at level %d, position " UINT64_FORMAT " %s", node->level,
					node->position, damage);
}

/* Reads the hashes of nodes; returns NULL, or in words what is wrong with one. */
static const char *
read_nodes(const Log *log, const MerkleNode *nodes, int count, uint8 (*hashes)[SHA256_BYTES])
{
	Datum	   *levels = palloc(sizeof(Datum) * count);
	Datum	   *positions = palloc(sizeof(Datum) * count);
	Datum		values[2];
	const char *damage = NULL;

	for (int i = 0; i < count; i++)
	{
		levels[i] = Int32GetDatum(nodes[i].level);
		positions[i] = Int64GetDatum(nodes[i].position);
	}
	values[0] = PointerGetDatum(construct_array(levels, count, INT4OID, sizeof(int32), true,
												TYPALIGN_INT));
	values[1] = PointerGetDatum(construct_array(positions, count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	state_execute(log->state, &nodes_query, values, NULL, log->view, NULL);
	for (int i = 0; i < count && damage == NULL; i++)
	{
		bool		isnull;
		Datum		hash = column(SPI_tuptable->vals[i], 1, &isnull);

		if (isnull)
			damage = node_damage(&nodes[i], "is missing");
		else if (VARSIZE_ANY_EXHDR(DatumGetByteaPP(hash)) != SHA256_BYTES)
			damage = node_damage(&nodes[i], "has a hash that is not of 32 bytes");
		else
			copy_bytes(hashes[i], hash, SHA256_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	return damage;
}

/* Reads the roots over ranges of entries; returns NULL, or in words what is wrong. */
static const char *
read_ranges(const Log *log, const MerkleRange *ranges, int count, uint8 (*roots)[SHA256_BYTES])
{
	/* Only the last range of a tree is not one complete subtree. */
	MerkleNode	nodes[MOST_RANGES + MOST_NODES];
	uint8		hashes[MOST_RANGES + MOST_NODES][SHA256_BYTES];
	int			first[MOST_RANGES + 1] = {0};
	const char *damage;

	if (count <= 0)
		return NULL;
	for (int i = 0; i < count; i++)
		first[i + 1] = first[i] + merkle_range_nodes(ranges[i], nodes + first[i]);
	damage = read_nodes(log, nodes, first[count], hashes);
	for (int i = 0; i < count && damage == NULL; i++)
		merkle_join(hashes + first[i], first[i + 1] - first[i], roots[i]);
	return damage;
}

/* The tree over the first entries, size of them, to be grown. */
void
log_tree(const Log *log, uint64 size, MerkleTree *tree)
{
	MerkleNode	nodes[MOST_NODES];
	int			count = merkle_range_nodes((MerkleRange) {0, size}, nodes);
	const char *damage = count > 0 ? read_nodes(log, nodes, count, tree->subtree) : NULL;

	if (damage != NULL)
		raise_log_damage(damage);
	tree->size = size;
}

/* The root over the first entries, size of them. */
void
log_root(const Log *log, uint64 size, uint8 root[SHA256_BYTES])
{
	MerkleTree	tree;

	log_tree(log, size, &tree);
	merkle_root(&tree, root);
}

/* The inclusion proof of an entry in the tree of size entries; returns its length. */
int
log_inclusion_proof(const Log *log, uint64 entry, uint64 size, MerkleProof proof)
{
	MerkleRange ranges[MOST_RANGES];
	int			count = merkle_inclusion_ranges(entry, size, ranges);
	const char *damage = read_ranges(log, ranges, count, proof);

	if (damage != NULL)
		raise_log_damage(damage);
	return count;
}

/* The proof that the tree of old_size entries begins that of new_size; returns its length. */
int
log_consistency_proof(const Log *log, uint64 old_size, uint64 new_size, MerkleProof proof)
{
	MerkleRange ranges[MOST_RANGES];
	int			count = merkle_consistency_ranges(old_size, new_size, ranges);
	const char *damage = read_ranges(log, ranges, count, proof);

	if (damage != NULL)
		raise_log_damage(damage);
	return count;
}

/* Why an entry is not one of a checkpoint's tree, in words; NULL: it is. */
const char *
log_entry_damage(const Log *log, const LogEntry *entry, const Checkpoint *checkpoint)
{
	MerkleRange ranges[MOST_RANGES];
	MerkleProof proof;
	const char *damage;
	int			count;

	if (entry->entry >= checkpoint->size)
		return psprintf("entry " UINT64_FORMAT " is not covered by the checkpoint of size "
						UINT64_FORMAT, entry->entry, checkpoint->size);
	count = merkle_inclusion_ranges(entry->entry, checkpoint->size, ranges);
	damage = read_ranges(log, ranges, count, proof);
	if (damage != NULL ||
		merkle_inclusion_ok(entry->seal_hash, entry->entry, checkpoint->size, proof, count,
							checkpoint->root))
		return damage;
	return psprintf("entry " UINT64_FORMAT " and the nodes above it do not give the root of the"
					" checkpoint of size " UINT64_FORMAT, entry->entry, checkpoint->size);
}

/*
 * Finds the smallest checkpoint, or the smallest that a registered key signed,
 * that covers an entry; false where there is none.
 */
bool
log_checkpoint_over(const Log *log, uint64 entry, bool is_signed, Checkpoint *checkpoint)
{
	Datum		values[1] = {Int64GetDatum(entry)};
	bool		isnull;
	bool		found;

	state_execute(log->state, is_signed ? &signed_checkpoint_query : &checkpoint_query, values,
				  NULL, log->view, NULL);
	found = SPI_processed > 0;
	if (found)
	{
		checkpoint->origin = log->origin;
		checkpoint->size = DatumGetInt64(column(SPI_tuptable->vals[0], 1, &isnull));
		copy_bytes(checkpoint->root, column(SPI_tuptable->vals[0], 2, &isnull), SHA256_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Appends a checkpoint as a note, with the signatures of it that registered keys made. */
void
append_log_note(StringInfo to, const Log *log, const Checkpoint *checkpoint)
{
	Datum		values[3] = {
		Int64GetDatum(checkpoint->size), hash_datum(checkpoint->root),
		CStringGetTextDatum(log->origin)
	};

	append_checkpoint(to, checkpoint);
	appendStringInfoChar(to, '\n');
	state_execute(log->state, &signatures_query, values, NULL, log->view, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		bytea	   *signature = DatumGetByteaPP(column(row, 3, &isnull));

		append_note_signature(to, TextDatumGetCString(column(row, 1, &isnull)),
							  TextDatumGetCString(column(row, 2, &isnull)),
							  VARDATA_ANY(signature), VARSIZE_ANY_EXHDR(signature));
	}
	SPI_freetuptable(SPI_tuptable);
}
