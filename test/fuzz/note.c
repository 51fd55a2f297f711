/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Damages signed notes and verifier keys at random and parses them: nothing
 *	  outside of them may be read, and what is taken has one form only, so that
 *	  made again from its parts it is the same byte by byte.  Before that, verifies
 *	  the signatures of RFC 8032, section 7.1, and what is near them.
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

/* Key, message and signature, of RFC 8032. */
static const char *const signatures[][3] = {
	{
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
		"",
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
		"d25bf5f0595bbe24655141438e7a100b"
	},
	{
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
		"72",
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
		"387b2eaeb4302aeeb00d291612bb0c00"
	},
	{
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
		"af82",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
		"4a7c15e9716ed28dc027beceea1ec40a"
	},
	{
		"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		"dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
		"3dca179c138ac17ad9bef1177331a704"
	}
};

/* The order of the group, little-endian: added to a signature's second half, it is not to verify. */
static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/* What faults are mostly made of. */
static const char pieces[] = "\n\n\n\r \t+=A9\xe2\x80\x94 a 0";

static long taken = 0;

static void
fail(const char *what, const char *data, int length)
{
	fprintf(stderr, "%s:\n%.*s", what, length, data);
	exit(1);
}

static int
from_hex(const char *digits, uint8 *bytes)
{
	int			length = strlen(digits) / 2;

	for (int i = 0; i < length; i++)
		sscanf(digits + 2 * i, "%2hhx", &bytes[i]);
	return length;
}

static void
check_signatures(void)
{
	for (size_t i = 0; i < lengthof(signatures); i++)
	{
		uint8		key[ED25519_KEY_BYTES];
		uint8		message[64 + 1];
		uint8		signature[ED25519_SIGNATURE_BYTES];
		uint8		added[ED25519_KEY_BYTES];
		int			length = from_hex(signatures[i][1], message);
		int			carry = 0;

		from_hex(signatures[i][0], key);
		from_hex(signatures[i][2], signature);
		from_hex(order, added);
		if (!ed25519_verify(key, message, length, signature))
			fail("a signature of RFC 8032 does not verify", signatures[i][2], 16);
		message[length] = 0;
		if (ed25519_verify(key, message, length + 1, signature))
			fail("it verifies for a longer message", signatures[i][2], 16);
		for (int bit = 0; bit < ED25519_SIGNATURE_BYTES * 8; bit++)
		{
			signature[bit / 8] ^= 1 << bit % 8;
			if (ed25519_verify(key, message, length, signature))
				fail("it verifies with another bit", signatures[i][2], 16);
			signature[bit / 8] ^= 1 << bit % 8;
		}
		for (int byte = 0; byte < ED25519_KEY_BYTES; byte++)
		{
			carry += signature[ED25519_KEY_BYTES + byte] + added[byte];
			signature[ED25519_KEY_BYTES + byte] = carry & 0xff;
			carry >>= 8;
		}
		if (ed25519_verify(key, message, length, signature))
			fail("it verifies in a second form", signatures[i][2], 16);
	}
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
	check_signatures();
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
