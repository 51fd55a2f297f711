/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Signed notes and checkpoints.  See note.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/note.h"

#include "common/base64.h"
#include "mb/pg_wchar.h"

#define EM_DASH "\xe2\x80\x94"
#define SIGNATURE_PREFIX EM_DASH " "

#define CHECKPOINT_LINES 3

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
	appendStringInfo(to, SIGNATURE_PREFIX "%s ", name);
	append_base64(to, bytes, KEY_ID_BYTES + length);
	appendStringInfoChar(to, '\n');
	pfree(bytes);
}

/*
 * Decodes base64, palloc'd; nothing but what append_base64 makes is taken.
 * Returns NULL, or what is wrong, in words that a subject goes before.
 */
char *
decode_base64(const char *data, int length, uint8 **bytes, int *byte_count)
{
	int			room = pg_b64_dec_len(length);
	StringInfoData again;
	bool		is_canonical;

	*bytes = palloc(room + 1);
	*byte_count = pg_b64_decode(data, length, (void *) *bytes, room);
	if (*byte_count < 0)
		return pstrdup("is not base64");
	initStringInfo(&again);
	append_base64(&again, *bytes, *byte_count);
	is_canonical = (again.len == length && memcmp(again.data, data, length) == 0);
	pfree(again.data);
	return is_canonical ? NULL : pstrdup("is base64, but not in its canonical form");
}

/* Has Unicode the property White_Space of a code point? */
static bool
is_space(pg_wchar c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
		c == 0x205f || c == 0x3000;
}

/*
 * What keeps UTF-8 from being the name of a key, in words that a subject goes
 * before; NULL if nothing.
 */
const char *
key_name_fault(const char *name, int length)
{
	const unsigned char *at = (const unsigned char *) name;
	const unsigned char *end = at + length;

	if (length == 0)
		return "is empty";
	if (pg_encoding_verifymbstr(PG_UTF8, name, length) != length)
		return "is not valid UTF-8";
	for (; at < end; at += pg_utf_mblen(at))
	{
		if (is_space(utf8_to_unicode(at)))
			return "has a space in it";
		if (*at < ' ')
			return "has a control character in it";
		if (*at == '+')
			return "has a plus in it";
	}
	return NULL;
}

/* What is wrong with the characters of a note. */
static char *
character_fault(const char *data, int length)
{
	int			valid;

	if (length == 0)
		return pstrdup("it is empty");
	if (length > LONGEST_NOTE)
		return psprintf("it has %d bytes, and at most %d are taken", length, LONGEST_NOTE);
	valid = pg_encoding_verifymbstr(PG_UTF8, data, length);
	if (valid != length)
		return psprintf("it is not valid UTF-8 at byte %d", valid + 1);
	for (int i = 0; i < length; i++)
	{
		if (data[i] == '\r')
			return psprintf("it has a carriage return at byte %d", i + 1);
		if ((unsigned char) data[i] < ' ' && data[i] != '\n')
			return psprintf("it has a control character at byte %d", i + 1);
	}
	if (data[length - 1] != '\n')
		return pstrdup("it does not end in a newline");
	return NULL;
}

static int
count_of(char c, const char *data, const char *end)
{
	int			count = 0;

	for (; data < end; data++)
		count += (*data == c);
	return count;
}

/* Parses a signature line, without its newline. */
static char *
parse_signature(const char *line, const char *end, int line_no, NoteSignature *signature)
{
	const char *name = line + strlen(SIGNATURE_PREFIX);
	const char *base64;
	const char *fault;
	uint8	   *bytes;
	int			byte_count;

	if (end - line < (ptrdiff_t) strlen(SIGNATURE_PREFIX) ||
		memcmp(line, SIGNATURE_PREFIX, strlen(SIGNATURE_PREFIX)) != 0)
		return psprintf("its line %d is no signature: it does not begin with an em dash "
						"and a space", line_no);
	if (count_of(' ', line, end) != 2)
		return psprintf("its line %d is no signature: it has %d spaces, not two", line_no,
						count_of(' ', line, end));
	base64 = (const char *) memchr(name, ' ', end - name) + 1;
	fault = key_name_fault(name, base64 - 1 - name);
	if (fault != NULL)
		return psprintf("the name of the key in its line %d %s", line_no, fault);
	fault = decode_base64(base64, end - base64, &bytes, &byte_count);
	if (fault != NULL)
		return psprintf("the signature in its line %d %s", line_no, fault);
	if (byte_count <= KEY_ID_BYTES)
		return psprintf("the signature in its line %d has %d bytes, too few for a key id "
						"and a signature",
						line_no, byte_count);
	signature->name = pnstrdup(name, base64 - 1 - name);
	for (int i = 0; i < KEY_ID_BYTES; i++)
		snprintf(signature->key_id + 2 * i, 3, "%02x", bytes[i]);
	signature->bytes = bytes + KEY_ID_BYTES;
	signature->length = byte_count - KEY_ID_BYTES;
	return NULL;
}

/*
 * Parses a note; one that is not signed has the text alone, or an empty line
 * after it too.  Returns NULL, or in words what is wrong with "it", palloc'd.
 */
char *
note_parse(const char *data, int length, Note *note)
{
	char	   *fault = character_fault(data, length);
	const char *end = data + length;
	const char *line = end;
	int			line_no;

	memset(note, 0, sizeof(Note));
	if (fault != NULL)
		return fault;
	note->text = data;
	note->text_length = length;
	for (int i = length - 1; i > 0 && line == end; i--)
	{
		if (data[i] == '\n' && data[i - 1] == '\n')
		{
			note->text_length = i;
			line = data + i + 1;
			break;
		}
	}
	line_no = count_of('\n', data, line) + 1;
	for (; line < end; line_no++)
	{
		const char *newline = memchr(line, '\n', end - line);

		if (note->signature_count == MOST_SIGNATURES)
			return psprintf("it has more than %d signatures", MOST_SIGNATURES);
		fault = parse_signature(line, newline, line_no, &note->signatures[note->signature_count++]);
		if (fault != NULL)
			return fault;
		line = newline + 1;
	}
	return NULL;
}

/* The number of a line of digits; false where it is not one below 2^63, written shortest. */
static bool
parse_size(const char *line, const char *end, uint64 *size)
{
	if (line == end || (*line == '0' && end - line > 1))
		return false;
	*size = 0;
	for (; line < end; line++)
	{
		if (*line < '0' || *line > '9' || *size > (uint64) (PG_INT64_MAX - (*line - '0')) / 10)
			return false;
		*size = *size * 10 + (*line - '0');
	}
	return true;
}

/*
 * Parses the text of a checkpoint: lines that end in a newline each.  Returns as
 * note_parse does.
 */
char *
checkpoint_parse(const char *text, int length, Checkpoint *checkpoint)
{
	const char *end = text + length;
	const char *lines[CHECKPOINT_LINES + 1] = {text};
	uint8	   *root;
	int			root_length;
	char	   *fault;

	for (int i = 0; i < CHECKPOINT_LINES; i++)
	{
		const char *newline = memchr(lines[i], '\n', end - lines[i]);

		if (newline == NULL)
			return psprintf("it has %d lines of text, where a checkpoint has %d", i,
							CHECKPOINT_LINES);
		lines[i + 1] = newline + 1;
	}
	if (lines[1] - 1 == text)
		return pstrdup("its origin, line 1, is empty");
	if (!parse_size(lines[1], lines[2] - 1, &checkpoint->size))
		return pstrdup("its size, line 2, is no number below 2^63 in decimal without "
					   "leading zeros");
	fault = decode_base64(lines[2], lines[3] - 1 - lines[2], &root, &root_length);
	if (fault != NULL)
		return psprintf("its root, line 3, %s", fault);
	if (root_length != SHA256_BYTES)
		return psprintf("its root, line 3, has %d bytes, not %d", root_length, SHA256_BYTES);
	if (lines[CHECKPOINT_LINES] != end)
		return psprintf("it has a line more, line %d, than the checkpoints of this log",
						CHECKPOINT_LINES + 1);
	checkpoint->origin = pnstrdup(text, lines[1] - 1 - text);
	memcpy(checkpoint->root, root, SHA256_BYTES);
	return NULL;
}
