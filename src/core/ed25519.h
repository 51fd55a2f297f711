/*-------------------------------------------------------------------------
 *
 * ed25519.h
 *	  Ed25519 (RFC 8032), by OpenSSL, and the keys that signed notes are verified
 *	  by: Ed25519 of c2sp.org/signed-note, cosignature/v1 of
 *	  c2sp.org/tlog-cosignature.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_ED25519_H
#define RUNLINK_ED25519_H

#include "core/note.h"

#define ED25519_KEY_BYTES 32
#define ED25519_SIGNATURE_BYTES 64

/* What kind of signature a key makes; the numbers are those of the specifications. */
typedef enum NoteAlgorithm
{
	NOTE_ED25519 = 0x01,
	NOTE_COSIGNATURE = 0x04
} NoteAlgorithm;

typedef struct VerifierKey
{
	const char *name;
	char		key_id[KEY_ID_DIGITS + 1];
	int			algorithm;		/* a NoteAlgorithm, once it was parsed */
	uint8		public_key[ED25519_KEY_BYTES];
} VerifierKey;

extern bool ed25519_verify(const uint8 public_key[ED25519_KEY_BYTES], const void *message,
						   size_t length, const uint8 signature[ED25519_SIGNATURE_BYTES]);
extern const char *note_algorithm_name(int algorithm);
extern char *vkey_parse(const char *vkey, VerifierKey *key, bool *unsupported);
extern bool is_signature_of(const NoteSignature *signature, const VerifierKey *key);
extern char *note_signature_fault(const Note *note, const NoteSignature *signature,
								  const VerifierKey *key);
extern uint64 cosignature_time(const NoteSignature *signature);

#endif							/* RUNLINK_ED25519_H */
