/*-------------------------------------------------------------------------
 *
 * sha256.c
 *	  SHA-256, by OpenSSL.  See sha256.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/sha256.h"

#include <openssl/err.h>
#include <openssl/evp.h>

uint64		sha256_hashed = 0;

struct Sha256
{
	EVP_MD_CTX *context;
	MemoryContextCallback release;
};

static void
check(int ok)
{
	if (ok != 1)
		elog(ERROR, "OpenSSL could not compute a SHA-256 hash: %s",
			 ERR_reason_error_string(ERR_get_error()));
}

static void
release_context(void *context)
{
	EVP_MD_CTX_free(context);
}

/* Fetched once a process: EVP_sha256() would be fetched again at every use. */
static const EVP_MD *
sha256_digest(void)
{
	static EVP_MD *digest = NULL;

	if (digest == NULL)
	{
		digest = EVP_MD_fetch(NULL, "SHA2-256", NULL);
		check(digest != NULL);
	}
	return digest;
}

/* One context serves the whole process: no call of ours is left half done. */
void
sha256_bytes(const void *data, size_t length, uint8 hash[SHA256_BYTES])
{
	static EVP_MD_CTX *context = NULL;

	if (unlikely(context == NULL))
	{
		context = EVP_MD_CTX_new();
		check(context != NULL);
	}
	check(EVP_DigestInit_ex2(context, sha256_digest(), NULL));
	check(EVP_DigestUpdate(context, data, length));
	check(EVP_DigestFinal_ex(context, hash, NULL));
	sha256_hashed += length;
}

Sha256 *
sha256_create(void)
{
	Sha256	   *sha256 = palloc(sizeof(Sha256));

	sha256->context = EVP_MD_CTX_new();
	check(sha256->context != NULL);
	sha256->release.func = release_context;
	sha256->release.arg = sha256->context;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &sha256->release);
	return sha256;
}

/* Begins a hash, whatever was begun before. */
void
sha256_begin(Sha256 *sha256)
{
	check(EVP_DigestInit_ex2(sha256->context, sha256_digest(), NULL));
}

void
sha256_update(Sha256 *sha256, const void *data, size_t length)
{
	check(EVP_DigestUpdate(sha256->context, data, length));
}

void
sha256_end(Sha256 *sha256, uint8 hash[SHA256_BYTES])
{
	check(EVP_DigestFinal_ex(sha256->context, hash, NULL));
}
