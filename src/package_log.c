/*-------------------------------------------------------------------------
 *
 * package_log.c
 *	  What proves that a trace is in the log, for packages and step proofs.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/builtins.h"

#include "package.h"
#include "record.h"

/* The proof text of C2SP tlog-proof. */
static void
append_tlog_proof(StringInfo to, const Log *log, const PackageLog *found)
{
	MerkleProof proof;
	int			count = log_inclusion_proof(log, found->entry.entry, found->checkpoint.size, proof);

	appendStringInfo(to, "c2sp.org/tlog-proof@v1\nindex " UINT64_FORMAT "\n", found->entry.entry);
	for (int i = 0; i < count; i++)
	{
		append_base64(to, proof[i], SHA256_BYTES);
		appendStringInfoChar(to, '\n');
	}
	appendStringInfo(to, "\n%s", found->note);
}

static Jsonb *
log_json(const Log *log, const PackageLog *found)
{
	StringInfoData proof;
	Canonical  *scratch = leaf_scratch();
	char	   *to;

	initStringInfo(&proof);
	append_tlog_proof(&proof, log, found);
	to = canonical_literal(scratch, canonical_begin(scratch), "{\"entry\":");
	to = canonical_int64(scratch, to, found->entry.entry);
	to = canonical_literal(scratch, to, ",\"seal_no\":");
	to = canonical_int64(scratch, to, found->entry.seal_no);
	to = canonical_literal(scratch, to, ",\"seal_hash\":");
	to = canonical_hex(scratch, to, found->entry.seal_hash, SHA256_BYTES);
	to = canonical_literal(scratch, to, ",\"proof\":");
	to = canonical_string(scratch, to, proof.data, proof.len);
	canonical_bytes(scratch, to, "}", sizeof("}"));
	return jsonb_from_text(scratch->data);
}

/*
 * Finds the newest entry of a trace with the smallest checkpoint over it, a
 * signed one if there is any.  SPI must be connected.
 */
void
package_log(const State *state, text *trace_id, PackageLog *found)
{
	StringInfoData note;
	Log			log;

	memset(found, 0, sizeof(PackageLog));
	found->json = jsonb_from_text("null");
	if (state == NULL || !log_open(state, STATE_SNAPSHOT, &log) ||
		!log_find(&log, trace_id, &found->entry))
		return;
	found->is_signed = log_checkpoint_over(&log, found->entry.entry, true, &found->checkpoint);
	if (!found->is_signed &&
		!log_checkpoint_over(&log, found->entry.entry, false, &found->checkpoint))
		return;
	found->found = true;
	initStringInfo(&note);
	append_log_note(&note, &log, &found->checkpoint);
	found->note = note.data;
	found->json = log_json(&log, found);
}
