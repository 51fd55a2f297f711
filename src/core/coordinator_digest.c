/*-------------------------------------------------------------------------
 *
 * coordinator_digest.c
 *	  See coordinator_digest.h.  The digest ends with sha256_end.
 *
 *-------------------------------------------------------------------------
 */
#include "core/coordinator_digest.h"

/* The status as the coordinator hashes it. */
static const char *
hashed_status(const char *status, size_t length)
{
	static const char *const kept[] = {"failure", "retry", "skipped"};

	for (size_t i = 0; i < lengthof(kept); i++)
	{
		if (length == strlen(kept[i]) && memcmp(status, kept[i], length) == 0)
			return kept[i];
	}
	return "success";
}

void
coordinator_digest_begin(Sha256 *sha256, const char *run_id, size_t run_id_length)
{
	sha256_begin(sha256);
	sha256_update(sha256, run_id, run_id_length);
}

void
coordinator_digest_step(Sha256 *sha256, int32 step_index,
						const char *skill_name, size_t skill_name_length,
						const char *status, size_t status_length)
{
	char		part[sizeof("-2147483648:")];
	const char *s = hashed_status(status, status_length);

	sha256_update(sha256, part, snprintf(part, sizeof(part), "%d:", step_index));
	sha256_update(sha256, skill_name, skill_name_length);
	sha256_update(sha256, ":", 1);
	sha256_update(sha256, s, strlen(s));
}
