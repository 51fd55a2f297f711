/*-------------------------------------------------------------------------
 *
 * note.h
 *	  Signed notes (c2sp.org/signed-note) and checkpoints of a log
 *	  (c2sp.org/tlog-checkpoint), which are such notes.
 *
 * What is parsed has one form only: what note_parse and checkpoint_parse take,
 * the append functions make again byte by byte.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_NOTE_H
#define RUNLINK_NOTE_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "core/sha256.h"

/* Sixteen signatures of 5 kB, as the specification wants them taken, fit. */
#define LONGEST_NOTE (128 * 1024)
#define MOST_SIGNATURES 16

#define KEY_ID_BYTES 4
#define KEY_ID_DIGITS (2 * KEY_ID_BYTES)

/* The head of a log. */
typedef struct Checkpoint
{
	const char *origin;
	uint64		size;
	uint8		root[SHA256_BYTES];
} Checkpoint;

/* A signature line of a note. */
typedef struct NoteSignature
{
	const char *name;			/* of the key */
	char		key_id[KEY_ID_DIGITS + 1];
	const uint8 *bytes;			/* what follows the key id */
	int			length;
} NoteSignature;

typedef struct Note
{
	const char *text;			/* what is signed; ends where what was parsed has it end */
	int			text_length;
	int			signature_count;	/* 0: it is not signed */
	NoteSignature signatures[MOST_SIGNATURES];
} Note;

extern void append_base64(StringInfo to, const void *data, int length);
extern void append_checkpoint(StringInfo to, const Checkpoint *checkpoint);
extern void append_note_signature(StringInfo to, const char *name, const char *key_id,
								  const void *signature, int length);

extern char *decode_base64(const char *data, int length, uint8 **bytes, int *byte_count);
extern const char *key_name_fault(const char *name, int length);
extern char *note_parse(const char *data, int length, Note *note);
extern char *checkpoint_parse(const char *text, int length, Checkpoint *checkpoint);

#endif							/* RUNLINK_NOTE_H */
