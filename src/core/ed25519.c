/*-------------------------------------------------------------------------
 *
 * ed25519.c
 *	  Ed25519, by OpenSSL, and the keys of signed notes.  See ed25519.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#define TIMESTAMP_BYTES 8

static void
check(bool ok)
{
	if (!ok)
		elog(ERROR, "OpenSSL could not verify an Ed25519 signature: %s",
			 ERR_reason_error_string(ERR_get_error()));
}

/* Is it the signature of a message by a key?  What is no key has signed nothing. */
bool
ed25519_verify(const uint8 public_key[ED25519_KEY_BYTES], const void *message,
			   size_t length, const uint8 signature[ED25519_SIGNATURE_BYTES])
{
	EVP_PKEY   *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key,
												  ED25519_KEY_BYTES);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		ready = key != NULL && context != NULL &&
		EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1;
	bool		verified = ready &&
		EVP_DigestVerify(context, signature, ED25519_SIGNATURE_BYTES, message, length) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	check(ready);
	/* What OpenSSL says of a wrong signature is not to be taken for somebody else's error. */
	ERR_clear_error();
	return verified;
}

/* As messages have it; NULL where keys of it are not taken. */
const char *
note_algorithm_name(int algorithm)
{
	switch (algorithm)
	{
		case NOTE_ED25519:
			return "Ed25519";
		case NOTE_COSIGNATURE:
			return "cosignature/v1";
		default:
			return NULL;
	}
}

/* The id of a key: the start of a hash over its name, kind and bytes. */
static void
make_key_id(const char *name, int name_length, const uint8 *typed_key, int length,
			char key_id[KEY_ID_DIGITS + 1])
{
	StringInfoData hashed;
	uint8		hash[SHA256_BYTES];

	initStringInfo(&hashed);
	appendBinaryStringInfo(&hashed, name, name_length);
	appendStringInfoChar(&hashed, '\n');
	appendBinaryStringInfo(&hashed, (const char *) typed_key, length);
	sha256_bytes(hashed.data, hashed.len, hash);
	pfree(hashed.data);
	for (int i = 0; i < KEY_ID_BYTES; i++)
		snprintf(key_id + 2 * i, 3, "%02x", hash[i]);
}

/* The kind and bytes of a key, as its base64 has them. */
static char *
parse_typed_key(const uint8 *typed_key, int length, VerifierKey *key, bool *unsupported)
{
	if (length == 0)
		return pstrdup("the key in it is empty");
	key->algorithm = typed_key[0];
	if (note_algorithm_name(key->algorithm) == NULL)
	{
		*unsupported = true;
		return psprintf("the key in it is of type 0x%02x, which is neither Ed25519 (0x01) nor"
						" cosignature/v1 (0x04)", key->algorithm);
	}
	if (length != 1 + ED25519_KEY_BYTES)
		return psprintf("the key in it has %d bytes, not %d", length - 1, ED25519_KEY_BYTES);
	memcpy(key->public_key, typed_key + 1, ED25519_KEY_BYTES);
	return NULL;
}

/*
 * Parses a verifier key, "name+id+base64".  Returns NULL, or in words what is
 * wrong with "it", palloc'd; *unsupported: it is of a kind that is not taken.
 */
char *
vkey_parse(const char *vkey, VerifierKey *key, bool *unsupported)
{
	const char *id = strchr(vkey, '+');
	const char *base64 = id != NULL ? strchr(id + 1, '+') : NULL;
	char		expected_id[KEY_ID_DIGITS + 1];
	const char *fault;
	uint8	   *typed_key;
	int			typed_length;

	*unsupported = false;
	if (base64 == NULL)
		return pstrdup("it is not made of a name, a key id and a key with a plus between them");
	fault = key_name_fault(vkey, id - vkey);
	if (fault != NULL)
		return psprintf("the name in it %s", fault);
	id++;
	if (base64 - id != KEY_ID_DIGITS || strspn(id, "0123456789abcdef") != KEY_ID_DIGITS)
		return psprintf("the key id in it is not of %d hex digits in lower case", KEY_ID_DIGITS);
	fault = decode_base64(base64 + 1, strlen(base64 + 1), &typed_key, &typed_length);
	if (fault != NULL)
		return psprintf("the key in it %s", fault);
	fault = parse_typed_key(typed_key, typed_length, key, unsupported);
	if (fault != NULL)
		return unconstify(char *, fault);
	make_key_id(vkey, id - 1 - vkey, typed_key, typed_length, expected_id);
	if (memcmp(id, expected_id, KEY_ID_DIGITS) != 0)
		return psprintf("the key id in it is not the one of its name, type and key, which is %s",
						expected_id);
	key->name = pnstrdup(vkey, id - 1 - vkey);
	strlcpy(key->key_id, expected_id, sizeof(key->key_id));
	return NULL;
}

/* Does a signature say that it is of a key? */
bool
is_signature_of(const NoteSignature *signature, const VerifierKey *key)
{
	return strcmp(signature->name, key->name) == 0 && strcmp(signature->key_id, key->key_id) == 0;
}

/* When a cosignature says it was made, in seconds since 1970. */
uint64
cosignature_time(const NoteSignature *signature)
{
	uint64		time = 0;

	for (int i = 0; i < TIMESTAMP_BYTES; i++)
		time = time << 8 | signature->bytes[i];
	return time;
}

/*
 * What keeps a signature of a note from being the one of a key that it says to be,
 * in words that a subject goes before; NULL: it is.
 */
char *
note_signature_fault(const Note *note, const NoteSignature *signature, const VerifierKey *key)
{
	int			before = key->algorithm == NOTE_COSIGNATURE ? TIMESTAMP_BYTES : 0;
	StringInfoData message;
	bool		verified;

	if (signature->length != before + ED25519_SIGNATURE_BYTES)
		return psprintf("has %d bytes, not %d", signature->length,
						before + ED25519_SIGNATURE_BYTES);
	initStringInfo(&message);
	if (key->algorithm == NOTE_COSIGNATURE)
	{
		uint64		time = cosignature_time(signature);

		if (time > PG_INT64_MAX)
			return pstrdup("has a time beyond 2^63 - 1");
		appendStringInfo(&message, "cosignature/v1\ntime " UINT64_FORMAT "\n", time);
	}
	appendBinaryStringInfo(&message, note->text, note->text_length);
	verified = ed25519_verify(key->public_key, message.data, message.len,
							  signature->bytes + before);
	pfree(message.data);
	return verified ? NULL : pstrdup("does not verify");
}
