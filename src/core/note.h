/*-------------------------------------------------------------------------
 *
 * note.h
 *	  Signed notes (c2sp.org/signed-note) and checkpoints of a log
 *	  (c2sp.org/tlog-checkpoint), which are such notes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_NOTE_H
#define RUNLINK_NOTE_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "core/sha256.h"

/* The head of a log. */
typedef struct Checkpoint
{
	const char *origin;
	uint64		size;
	uint8		root[SHA256_BYTES];
} Checkpoint;

extern void append_base64(StringInfo to, const void *data, int length);
extern void append_checkpoint(StringInfo to, const Checkpoint *checkpoint);
extern void append_note_signature(StringInfo to, const char *name, const char *key_id,
								  const void *signature, int length);

#endif							/* RUNLINK_NOTE_H */
