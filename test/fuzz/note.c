/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Damages signed notes and verifier keys at random and parses them: nothing
 *	  outside of them may be read, and what is taken has one form only, so that
 *	  made again from its parts it is the same byte by byte.
 *
 *		note SECONDS
 *
 * Made with sanitizers, and with malloc in place of memory contexts.
 *
 *-------------------------------------------------------------------------
 */
#include "core/ed25519.h"

#include <time.h>

MemoryContext CurrentMemoryContext = NULL;

void
MemoryContextRegisterResetCallback(MemoryContext context pg_attribute_unused(),
								   MemoryContextCallback *callback pg_attribute_unused())
{
}

/* No input leads to an error of these functions. */
bool
errstart(int level pg_attribute_unused(), const char *domain pg_attribute_unused())
{
	abort();
}

bool
errstart_cold(int level pg_attribute_unused(), const char *domain pg_attribute_unused())
{
	abort();
}

int
errmsg_internal(const char *format pg_attribute_unused(),...)
{
	abort();
}

void
errfinish(const char *file pg_attribute_unused(), int line pg_attribute_unused(),
		  const char *function pg_attribute_unused())
{
	abort();
}

/* Notes of c2sp.org/signed-note, tlog-checkpoint and tlog-cosignature, and what is near them. */
static const char *const notes[] = {
	"This is an example message.\n"
	"\n"
	"\xe2\x80\x94 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXm"
	"RKuwHjG1Yu72IneyaQM=\n",
	"example.com/behind-the-sofa\n"
	"20852163\n"
	"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	"\n"
	"\xe2\x80\x94 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv"
	"2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
	"\xe2\x80\x94 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b"
	"2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n",
	"\xc3\xa9\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
	"a\n9223372036854775807\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\xe2\x80\x94 a AAAAAAA=\n",
	"\n\n\n\xe2\x80\x94 a AAAAAAA=\n",
	"a\n"
};

static const char *const vkeys[] = {
	"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
	"a++"
};

/* What faults are mostly made of. */
static const char pieces[] = "\n\n\n\r \t+=A9\xe2\x80\x94 a 0";

static long taken = 0;

static void
fail(const char *what, const char *data, int length)
{
	fprintf(stderr, "%s:\n%.*s", what, length, data);
	exit(1);
}

/* Puts a note together again from its parts. */
static void
check_note(const char *data, int length)
{
	Note		note;
	Checkpoint	checkpoint;
	StringInfoData again;

	if (note_parse(data, length, &note) != NULL)
		return;
	taken++;
	initStringInfo(&again);
	appendBinaryStringInfo(&again, note.text, note.text_length);
	if (note.text_length < length)
		appendStringInfoChar(&again, '\n');
	for (int i = 0; i < note.signature_count; i++)
	{
		const NoteSignature *signature = &note.signatures[i];

		append_note_signature(&again, signature->name, signature->key_id, signature->bytes, signature->length);
		for (int algorithm = NOTE_ED25519; algorithm <= NOTE_COSIGNATURE; algorithm += 3)
		{
			VerifierKey key = {.algorithm = algorithm};

			note_signature_fault(&note, signature, &key);
		}
	}
	if (again.len != length || memcmp(again.data, data, length) != 0)
		fail("a note of two forms", data, length);
	if (checkpoint_parse(note.text, note.text_length, &checkpoint) != NULL)
		return;
	resetStringInfo(&again);
	append_checkpoint(&again, &checkpoint);
	if (again.len != note.text_length || memcmp(again.data, data, again.len) != 0)
		fail("a checkpoint of two forms", data, length);
}

/* A key that is taken is the one it was made of: its id is a hash of the rest. */
static void
check_vkey(const char *vkey)
{
	VerifierKey key;
	bool		unsupported;

	if (vkey_parse(vkey, &key, &unsupported) == NULL && strcmp(vkey, vkeys[0]) != 0)
		fail("a key that is none", vkey, strlen(vkey));
}

/* A copy, damaged, in a block of its own with a zero behind it. */
static char *
damaged(const char *data, int *length)
{
	int			faults = 1 + random() % 3;
	char	   *bytes = malloc(*length + faults + 1);

	memcpy(bytes, data, *length);
	for (; faults > 0; faults--)
	{
		int			at = random() % (*length + 1);
		char		piece = random() % 2 ? pieces[random() % (sizeof(pieces) - 1)] : 1 + random() % 255;

		switch (random() % 3)
		{
			case 0:
				memmove(bytes + at + 1, bytes + at, *length - at);
				bytes[at] = piece;
				(*length)++;
				break;
			case 1:
				if (at < *length)
					bytes[at] = piece;
				break;
			default:
				if (at < *length)
				{
					int			gone = random() % 8 == 0 ? *length - at : 1;

					memmove(bytes + at, bytes + at + gone, *length - at - gone);
					*length -= gone;
				}
		}
	}
	bytes = realloc(bytes, *length + 1);
	bytes[*length] = '\0';
	return bytes;
}

int
main(int argc, char **argv)
{
	time_t		end = time(NULL) + (argc == 2 ? atoi(argv[1]) : 0);
	long		tried = 0;

	if (argc != 2)
	{
		fprintf(stderr, "usage: note SECONDS\n");
		return 2;
	}
	for (size_t i = 0; i < lengthof(notes); i++)
		check_note(notes[i], strlen(notes[i]));
	if (taken != lengthof(notes))
		fail("a note is refused as it is", "", 0);
	srandom(time(NULL));
	while (time(NULL) < end)
	{
		for (int i = 0; i < 100; i++)
		{
			const char *note = notes[random() % lengthof(notes)];
			const char *vkey = vkeys[random() % lengthof(vkeys)];
			int			note_length = strlen(note);
			int			vkey_length = strlen(vkey);
			char	   *damaged_note = damaged(note, &note_length);
			char	   *damaged_vkey = damaged(vkey, &vkey_length);

			check_note(damaged_note, note_length);
			check_vkey(damaged_vkey);
			free(damaged_note);
			free(damaged_vkey);
			tried++;
		}
	}
	printf("%ld damaged notes, %ld of these taken\n", tried, taken - (long) lengthof(notes));
	return 0;
}
