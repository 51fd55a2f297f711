/*-------------------------------------------------------------------------
 *
 * log_standing.c
 *	  How a trace stands in the log: whether its seals are those that entered it,
 *	  and which checkpoint covers them.
 *
 * A seal waits for the log or is in it from the transaction on that made it, so
 * one that is neither was taken out.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "application.h"
#include "log_standing.h"
#include "seal.h"

static KeptQuery waiting_query = {
	.sql = "SELECT 1 FROM runlink.unlogged WHERE trace_id" SQL_EQ "$1 LIMIT 1",
	.argument_count = 1,
	.argument_types = {TEXTOID}
};

static bool
is_waiting(const Log *log, text *trace_id)
{
	Datum		values[1] = {PointerGetDatum(trace_id)};
	bool		waiting;

	state_execute(log->state, &waiting_query, values, NULL, log->view, NULL);
	waiting = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return waiting;
}

/* What is wrong with the seal that an entry is of; newest is the newest of its trace. */
static const char *
logged_seal_damage(const Log *log, const Encoding *encodings, text *trace_id, const LogEntry *entry,
				   const SealHash *newest)
{
	SealHash	seal = *newest;

	if (seal.seal_no > entry->seal_no &&
		!find_seal_hash(log->state, encodings, trace_id, entry->seal_no, &seal))
		seal.seal_no = -1;
	if (seal.seal_no != entry->seal_no)
		return psprintf("seal %d, which entered the log as entry " UINT64_FORMAT ", is missing",
						entry->seal_no, entry->entry);
	if (seal.unreadable != NULL || memcmp(seal.hash, entry->seal_hash, SHA256_BYTES) != 0)
		return psprintf("seal %d is not the one that entered the log as entry " UINT64_FORMAT,
						entry->seal_no, entry->entry);
	return NULL;
}

/* Finds the checkpoint that covers an entry, a signed one rather than any, and tries it. */
static void
look_at_checkpoint(const Log *log, const LogEntry *entry, LogStanding *standing)
{
	Checkpoint	checkpoint;
	const char *damage;

	standing->is_signed = log_checkpoint_over(log, entry->entry, true, &checkpoint);
	if (!standing->is_signed && !log_checkpoint_over(log, entry->entry, false, &checkpoint))
		return;
	damage = log_entry_damage(log, entry, &checkpoint);
	if (damage != NULL)
		standing->damage = psprintf("the log contradicts itself: %s", damage);
	else
		standing->logged = true;
	standing->checkpoint_size = checkpoint.size;
}

/*
 * Looks how a trace stands, by its newest entry; under the caller's snapshot.  SPI
 * must be connected.
 */
void
look_at_standing(const Log *log, const Encoding *encodings, text *trace_id, LogStanding *standing)
{
	LogEntry	entry;
	SealHash	newest = {.seal_no = -1};
	bool		entered = log_find(log, trace_id, &entry);
	bool		sealed = find_seal_hash(log->state, encodings, trace_id, PG_INT32_MAX, &newest);

	memset(standing, 0, sizeof(LogStanding));
	if (entered)
		standing->damage = logged_seal_damage(log, encodings, trace_id, &entry, &newest);
	if (standing->damage != NULL)
		return;
	if (entered)
		look_at_checkpoint(log, &entry, standing);
	if (sealed && !(entered && entry.seal_no == newest.seal_no))
	{
		standing->logged = false;
		if (standing->damage == NULL && !is_waiting(log, trace_id))
			standing->damage = psprintf("seal %d is neither in the log nor waiting to enter it",
										newest.seal_no);
	}
}
