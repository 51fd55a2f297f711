/*-------------------------------------------------------------------------
 *
 * fleet_hash.c
 *	  Times SHA-256 by libcrypto alone.
 *
 *		fleet_hash BYTES MESSAGES
 *
 * Hashes BYTES bytes in MESSAGES messages and prints the seconds of processor
 * time.  Of four messages one has two thirds of their bytes, one the most of the
 * rest, and two 65 bytes, as a step's have: payload, leaf, link and node.  The
 * data lies in a buffer larger than the processor's caches of first and second
 * level.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#define BUFFER (16 * 1024 * 1024)

int
main(int argc, char **argv)
{
	long long	bytes = argc > 2 ? atoll(argv[1]) : 0;
	long long	messages = argc > 2 ? atoll(argv[2]) : 0;
	EVP_MD	   *digest = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char *data = malloc(BUFFER);
	unsigned char hash[32];
	struct timespec start;
	struct timespec end;

	if (bytes <= 0 || messages <= 0 || digest == NULL || context == NULL || data == NULL)
	{
		fprintf(stderr, "usage: fleet_hash BYTES MESSAGES\n");
		return 1;
	}
	memset(data, 'x', BUFFER);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	if (messages == 1)
	{
		EVP_DigestInit_ex2(context, digest, NULL);
		for (long long left = bytes; left > 0; left -= BUFFER)
			EVP_DigestUpdate(context, data, left < BUFFER ? left : BUFFER);
		EVP_DigestFinal_ex(context, hash, NULL);
	}
	else
	{
		long long	group = bytes / (messages / 4);
		size_t		lengths[4] = {(group - 130) * 2 / 3, 0, 65, 65};
		size_t		at = 0;

		lengths[1] = group - 130 - lengths[0];
		for (long long m = 0; m < messages; m++)
		{
			size_t		length = lengths[m % 4];

			if (at + length > BUFFER)
				at = 0;
			EVP_DigestInit_ex2(context, digest, NULL);
			EVP_DigestUpdate(context, data + at, length);
			EVP_DigestFinal_ex(context, hash, NULL);
			at += length;
		}
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	printf("%.3f\n", end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) * 1e-9);
	return 0;
}
