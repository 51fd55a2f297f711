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
coordinator_digest_step(Sha256 *sha256, Canonical *scratch, int32 step_index,
						const char *skill_name, size_t skill_name_length,
						const char *status, size_t status_length)
{
	const char *s = hashed_status(status, status_length);
	char	   *to = canonical_begin(scratch);

	to = canonical_int64(scratch, to, step_index);
	to = canonical_char(scratch, to, ':');
	to = canonical_bytes(scratch, to, skill_name, skill_name_length);
	to = canonical_char(scratch, to, ':');
	to = canonical_bytes(scratch, to, s, strlen(s));
	canonical_end(scratch, to);
	sha256_update(sha256, scratch->data, scratch->length);
}
