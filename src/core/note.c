/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Signed notes and checkpoints.  See note.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/note.h"

#include "common/base64.h"

#define EM_DASH "\xe2\x80\x94"
#define KEY_ID_BYTES 4

/* Base 64 of RFC 4648, section 4. */
void
append_base64(StringInfo to, const void *data, int length)
{
	int			room = pg_b64_enc_len(length);
	int			written;

	enlargeStringInfo(to, room);
	written = pg_b64_encode(data, length, to->data + to->len, room);
	if (written < 0)
		elog(ERROR, "could not encode %d bytes in base64", length);
	to->len += written;
	to->data[to->len] = '\0';
}

/* Appends the text of a checkpoint: what is signed. */
void
append_checkpoint(StringInfo to, const Checkpoint *checkpoint)
{
	appendStringInfo(to, "%s\n" UINT64_FORMAT "\n", checkpoint->origin, checkpoint->size);
	append_base64(to, checkpoint->root, SHA256_BYTES);
	appendStringInfoChar(to, '\n');
}

/*
 * Appends a signature line; key_id is 8 hex digits.  The first one comes after the
 * text and an empty line.
 */
void
append_note_signature(StringInfo to, const char *name, const char *key_id,
					  const void *signature, int length)
{
	uint32		id = strtoul(key_id, NULL, 16);
	char	   *bytes = palloc(KEY_ID_BYTES + length);

	for (int i = 0; i < KEY_ID_BYTES; i++)
		bytes[i] = id >> (8 * (KEY_ID_BYTES - 1 - i));
	memcpy(bytes + KEY_ID_BYTES, signature, length);
	appendStringInfo(to, EM_DASH " %s ", name);
	append_base64(to, bytes, KEY_ID_BYTES + length);
	appendStringInfoChar(to, '\n');
	pfree(bytes);
}
