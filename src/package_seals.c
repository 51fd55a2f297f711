/*-------------------------------------------------------------------------
 *
 * package_seals.c
 *	  The seals of a trace, for packages and step proofs.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "application.h"
#include "package.h"
#include "record.h"

static KeptQuery seals_query = {
	.sql = "SELECT " SEAL_COLUMNS " FROM runlink.seal WHERE trace_id" SQL_EQ "$1 ORDER BY seal_no",
	.argument_count = 1,
	.argument_types = {TEXTOID}
};

/*
 * Tells the seals of a trace in their order, each in memory that is reset after
 * it.  Returns NULL, or in words what keeps a seal from being read; those after
 * it are not told.  SPI must be connected.
 */
const char *
for_each_seal(const State *state, const Encoding *encodings, text *trace_id,
			  TellSeal tell, void *sink)
{
	Datum		values[1] = {PointerGetDatum(trace_id)};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext seal_context = AllocSetContextCreate(caller, "seal", ALLOCSET_DEFAULT_SIZES);
	Portal		portal = state_cursor(state, &seals_query, values);
	const char *damage = NULL;

	for (;;)
	{
		Datum		columns[SEAL_COLUMN_COUNT];
		bool		isnull[SEAL_COLUMN_COUNT];
		const char *unreadable;
		Seal		seal;

		CHECK_FOR_INTERRUPTS();
		state_fetch(state, portal, 1);
		if (SPI_processed == 0)
			break;
		MemoryContextSwitchTo(seal_context);
		heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, columns, isnull);
		unreadable = read_seal(columns, isnull, encodings, &seal);
		if (unreadable == NULL)
			tell(sink, &seal);
		MemoryContextSwitchTo(caller);
		if (unreadable != NULL)
			damage = psprintf("seal %d is damaged: %s", seal.seal_no, unreadable);
		MemoryContextReset(seal_context);
		SPI_freetuptable(SPI_tuptable);
		if (damage != NULL)
			break;
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(seal_context);
	return damage;
}

/* Appends a seal: its text, if wanted with the indexes of the steps that it adds. */
char *
append_seal_json(Canonical *canonical, char *to, const Seal *seal, bool with_steps)
{
	to = seal_text(canonical, to, &seal->text);
	if (!with_steps)
		return to;
	to = canonical_literal(canonical, to - 1, ",\"steps\":[");
	for (int i = 0; i < seal->steps.count; i++)
	{
		if (i > 0)
			to = canonical_char(canonical, to, ',');
		to = canonical_char(canonical, to, '[');
		to = canonical_int64(canonical, to, seal->steps.intervals[i].first);
		to = canonical_char(canonical, to, ',');
		to = canonical_int64(canonical, to, seal->steps.intervals[i].last);
		to = canonical_char(canonical, to, ']');
	}
	return canonical_literal(canonical, to, "]}");
}

/* The seals of a trace being gathered. */
typedef struct Gathering
{
	MemoryContext context;
	JsonbList	list;
	PackageSeals *seals;
	int64		backfilled;
} Gathering;

static void
keep_seal(Gathering *gathering, const Seal *seal)
{
	PackageSeals *seals = gathering->seals;
	PackageSeal *kept;

	if (seals->count == seals->capacity)
	{
		seals->capacity = Max(16, seals->capacity * 2);
		seals->seals = seals->seals == NULL ? palloc(sizeof(PackageSeal) * seals->capacity)
			: repalloc(seals->seals, sizeof(PackageSeal) * seals->capacity);
	}
	kept = &seals->seals[seals->count++];
	memset(kept, 0, sizeof(PackageSeal));
	kept->seal_no = seal->seal_no;
	kept->encoding = seal->encoding_key;
	kept->backfilled = seal->text.backfilled != gathering->backfilled;
	step_set_union(&kept->steps, &seal->steps);
	gathering->backfilled = seal->text.backfilled;
}

static void
gather_seal(void *sink, const Seal *seal)
{
	Gathering  *gathering = sink;
	Canonical  *scratch = leaf_scratch();
	char	   *to = append_seal_json(scratch, canonical_begin(scratch), seal, true);
	MemoryContext old_context;

	canonical_char(scratch, to, '\0');
	jsonb_list_add(&gathering->list, jsonb_from_text(scratch->data));
	old_context = MemoryContextSwitchTo(gathering->context);
	keep_seal(gathering, seal);
	MemoryContextSwitchTo(old_context);
}

/* The seals of a trace as an array, palloc'd, and what is to be known of them. */
Jsonb *
package_seals(const State *state, const Encoding *encodings, text *trace_id, PackageSeals *seals)
{
	Gathering	gathering = {.context = CurrentMemoryContext, .seals = seals};

	memset(seals, 0, sizeof(PackageSeals));
	jsonb_list_begin(&gathering.list);
	if (state != NULL)
		seals->damage = for_each_seal(state, encodings, trace_id, gather_seal, &gathering);
	return jsonb_list_end(&gathering.list);
}

/* The seal that holds a step; NULL: none does.  The last one found is tried first. */
const PackageSeal *
find_package_seal(PackageSeals *seals, int32 step_index)
{
	for (int i = 0; i < seals->count; i++)
	{
		int			tried = (seals->found + i) % seals->count;

		if (step_set_contains(&seals->seals[tried].steps, step_index))
		{
			seals->found = tried;
			return &seals->seals[tried];
		}
	}
	return NULL;
}
