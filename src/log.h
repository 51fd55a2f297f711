/*-------------------------------------------------------------------------
 *
 * log.h
 *	  The log: the append-only RFC 6962 tree over seals, as the state has it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_LOG_H
#define RUNLINK_LOG_H

#include "core/note.h"
#include "core/tlog.h"
#include "state.h"

/* The log as one snapshot has it. */
typedef struct Log
{
	const State *state;
	StateView	view;
	char	   *origin;
	uint64		size;			/* entries */
} Log;

/* An entry: a seal. */
typedef struct LogEntry
{
	uint64		entry;
	int32		seal_no;
	uint8		seal_hash[SHA256_BYTES];
} LogEntry;

/* As many hashes as a proof in a tree of 2^63 entries can have. */
#define LONGEST_PROOF 128

typedef uint8 MerkleProof[LONGEST_PROOF][SHA256_BYTES];

extern void raise_no_log(const char *obstacle) pg_attribute_noreturn();
extern void raise_log_damage(const char *damage) pg_attribute_noreturn();

extern bool log_open(const State *state, StateView view, Log *log);
extern void log_open_to_write(const State *state, Log *log);
extern bool log_find(const Log *log, text *trace_id, LogEntry *entry);
extern void log_tree(const Log *log, uint64 size, MerkleTree *tree);
extern void log_root(const Log *log, uint64 size, uint8 root[SHA256_BYTES]);
extern int	log_inclusion_proof(const Log *log, uint64 entry, uint64 size, MerkleProof proof);
extern int	log_consistency_proof(const Log *log, uint64 old_size, uint64 new_size,
								  MerkleProof proof);
extern bool log_checkpoint_over(const Log *log, uint64 entry, bool is_signed,
								Checkpoint *checkpoint);
extern const char *log_entry_damage(const Log *log, const LogEntry *entry,
									const Checkpoint *checkpoint);
extern void append_log_note(StringInfo to, const Log *log, const Checkpoint *checkpoint);

#endif							/* RUNLINK_LOG_H */
