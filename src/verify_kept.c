/*-------------------------------------------------------------------------
 *
 * verify_kept.c
 *	  What the verifications that are kept answer for, and which traces are to be
 *	  read again.
 *
 * A kept verification answers for its trace if nothing was found, no seal was
 * made since, and nothing is recorded that is not sealed.  Each seal says that
 * it is to be verified (runlink.unverified).  As that could be lost, with a
 * backup that was restored in part for example, seals are counted by their
 * numbers, trace by trace, in one sum of hashes: where it is not the sum that the kept
 * verifications and what is said to be unverified give, the odd traces are
 * looked for.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "receiver.h"
#include "verify.h"

/* Read everything where more than one of so many traces would be read by itself. */
#define TRACES_A_SUSPECT 8

#define GOOD_STATUSES "'{VERIFIED,ARCHIVED,UNSUPPORTED}'::pg_catalog.text[]"
#define IS_GOOD \
	"v.findings" SQL_EQ "0" \
	" AND v.verification_status::pg_catalog.text" SQL_EQ "ANY (" GOOD_STATUSES ")"

/* Traces to be read again whatever is kept of them. */
#define NEW_TRACES \
	"SELECT trace_id::pg_catalog.text FROM runlink.unverified" \
	" UNION SELECT trace_id::pg_catalog.text FROM runlink.trace" \
	" UNION SELECT trace_id::pg_catalog.text FROM runlink.leaf" \
	" UNION SELECT trace_id::pg_catalog.text FROM runlink.verification" \
	" WHERE findings OPERATOR(pg_catalog.>) 0"

/* Traces whose seals are not those that were verified, or whose answer says what cannot be. */
#define DOUBTFUL_TRACES \
	"SELECT COALESCE(s.trace_id, v.trace_id)::pg_catalog.text AS trace_id," \
	" COALESCE(s.newest, v.seal_no, 0) AS seal_no" \
	" FROM (SELECT trace_id, pg_catalog.count(*) AS seals, pg_catalog.max(seal_no) AS newest" \
	" FROM runlink.seal GROUP BY trace_id) AS s" \
	" FULL JOIN runlink.verification v ON v.trace_id" SQL_EQ "s.trace_id" \
	" WHERE v.trace_id IS NULL" \
	" OR COALESCE(s.seals, 0) OPERATOR(pg_catalog.<>)" \
	" COALESCE(v.seal_no OPERATOR(pg_catalog.+) 1::pg_catalog.int8, 0)" \
	" OR COALESCE(s.newest, -1) OPERATOR(pg_catalog.<>) COALESCE(v.seal_no, -1)" \
	" OR (v.findings OPERATOR(pg_catalog.<=) 0 AND NOT (" IS_GOOD "))"

/* Tenant and time of trace c are those of its newest seal, of its identity, or of aos_traces. */
#define JOIN_FILTERED \
	" LEFT JOIN LATERAL (SELECT x.sealed_at, x.tenant_id FROM runlink.seal x" \
	" WHERE x.trace_id" SQL_EQ "c.trace_id ORDER BY x.seal_no DESC LIMIT 1) AS n ON true" \
	" LEFT JOIN LATERAL (SELECT x.tenant_id FROM runlink.trace x" \
	" WHERE x.trace_id" SQL_EQ "c.trace_id LIMIT 1) AS i ON true" \
	" LEFT JOIN LATERAL (SELECT x.started_at, x.tenant_id FROM @extschema@.aos_traces x" \
	" WHERE x.trace_id" SQL_EQ "c.trace_id LIMIT 1) AS t ON true"
#define TIME "COALESCE(n.sealed_at, t.started_at)"
#define FILTER \
	"($1 IS NULL OR " TIME " IS NULL OR " TIME " OPERATOR(pg_catalog.>=) $1)" \
	" AND ($2 IS NULL OR " TIME " IS NULL OR " TIME " OPERATOR(pg_catalog.<) $2)" \
	" AND ($3 IS NULL OR " \
	"t.tenant_id" SQL_EQ "$3 OR n.tenant_id" SQL_EQ "$3 OR i.tenant_id" SQL_EQ "$3)"

/* Traces, and whether good is kept of them; those of them that are asked for. */
#define SUSPECTS(traces) \
	"SELECT c.trace_id, COALESCE(" IS_GOOD ", false) FROM (" traces ") AS c" \
	" LEFT JOIN runlink.verification v ON v.trace_id" SQL_EQ "c.trace_id"
#define WANTED_SUSPECTS(traces) SUSPECTS(traces) JOIN_FILTERED " WHERE " FILTER
#define AND_DOUBTFUL " UNION SELECT d.trace_id FROM (" DOUBTFUL_TRACES ") AS d"

#define OF_FILTER .argument_count = FILTER_ARGUMENTS, .argument_types = {FILTER_TYPES}
#define BY_LOOKUPS .planner_off = {"enable_hashjoin", "enable_mergejoin"}

/* The rows as they lie: there is one for every trace. */
static SavedQuery kept_query = {
	.sql_template = "SELECT verified_at, findings, seal_no, trace_id, verification_status"
	" FROM runlink.verification",
	.reads_whole_tables = true
};

static SavedQuery sealed_query = {
	.sql_template = "SELECT trace_id, seal_no FROM runlink.seal",
	.reads_whole_tables = true
};

/* The newest seal of each trace that is said to be unverified, and that which was verified. */
static SavedQuery unverified_query = {
	.sql_template = "SELECT u.trace_id, u.seal_no, v.seal_no FROM"
	" (SELECT trace_id::pg_catalog.text, pg_catalog.max(seal_no) AS seal_no"
	" FROM runlink.unverified GROUP BY trace_id) AS u"
	" LEFT JOIN runlink.verification v ON v.trace_id" SQL_EQ "u.trace_id",
	BY_LOOKUPS
};

/* By whether something narrows the call, and whether there are doubtful traces. */
static SavedQuery suspects_queries[2][2] = {
	{
		{.sql_template = SUSPECTS(NEW_TRACES), BY_LOOKUPS},
		{.sql_template = SUSPECTS(NEW_TRACES AND_DOUBTFUL), .reads_whole_tables = true}
	},
	{
		{.sql_template = WANTED_SUSPECTS(NEW_TRACES), BY_LOOKUPS, OF_FILTER},
		{.sql_template = WANTED_SUSPECTS(NEW_TRACES AND_DOUBTFUL), .reads_whole_tables = true,
		 OF_FILTER}
	}
};

/* How many of those asked for good is kept of, and since when. */
static SavedQuery good_query = {
	.sql_template = "SELECT pg_catalog.count(*), pg_catalog.min(c.verified_at) FROM"
	" (SELECT v.trace_id, v.verified_at FROM runlink.verification v WHERE " IS_GOOD ") AS c"
	JOIN_FILTERED " WHERE " FILTER,
	.reads_whole_tables = true,
	OF_FILTER
};

static SavedQuery to_queue_query = {
	.sql_template = "SELECT d.seal_no, d.trace_id FROM (" DOUBTFUL_TRACES ") AS d"
	" WHERE NOT EXISTS (SELECT 1 FROM runlink.unverified u WHERE u.trace_id" SQL_EQ "d.trace_id)",
	.reads_whole_tables = true
};

/* What is kept, as a whole. */
typedef struct Kept
{
	int64		traces;
	int64		good;
	TimestampTz since;			/* the earliest of the good ones */
	bool		odd;			/* one says what cannot be */
	uint64		seals;			/* a hash for each seal that was verified, or is said not to be */
	uint64		sealed;			/* a hash for each seal */
} Kept;

static uint64
hash_of(Datum trace_id)
{
	const text *id = DatumGetTextPP(trace_id);

	return hash_bytes_extended((const unsigned char *) VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), 0);
}

/* What so many first seals of a trace count: each its place among them. */
static uint64
seals_count(int64 seals)
{
	return (uint64) seals * (uint64) (seals + 1) / 2;
}

static bool
is_good_status(Datum status)
{
	static const char *const good[] = {"VERIFIED", "ARCHIVED", "UNSUPPORTED"};
	const text *value = DatumGetTextPP(status);

	for (size_t i = 0; i < lengthof(good); i++)
	{
		if (VARSIZE_ANY_EXHDR(value) == strlen(good[i]) &&
			memcmp(VARDATA_ANY(value), good[i], strlen(good[i])) == 0)
			return true;
	}
	return false;
}

static void
receive_kept(TupleTableSlot *slot, void *sink)
{
	Kept	   *kept = sink;
	Datum	   *values = slot->tts_values;
	TimestampTz verified_at;

	slot_getallattrs(slot);
	kept->traces++;
	if (!slot->tts_isnull[2])
		kept->seals += hash_of(values[3]) * seals_count((int64) DatumGetInt32(values[2]) + 1);
	if (DatumGetInt64(values[1]) > 0)
		return;
	if (DatumGetInt64(values[1]) < 0 || !is_good_status(values[4]))
	{
		kept->odd = true;
		return;
	}
	verified_at = DatumGetTimestampTz(values[0]);
	if (kept->good == 0 || verified_at < kept->since)
		kept->since = verified_at;
	kept->good++;
}

static void
receive_unverified(TupleTableSlot *slot, void *sink)
{
	Kept	   *kept = sink;
	Datum	   *values = slot->tts_values;
	int64		seals;
	int64		verified;

	slot_getallattrs(slot);
	seals = (int64) DatumGetInt32(values[1]) + 1;
	verified = slot->tts_isnull[2] ? 0 : (int64) DatumGetInt32(values[2]) + 1;
	if (seals > verified)
		kept->seals += hash_of(values[0]) * (seals_count(seals) - seals_count(verified));
}

static void
receive_sealed(TupleTableSlot *slot, void *sink)
{
	bool		isnull;
	int64		seal_no = DatumGetInt32(slot_getattr(slot, 2, &isnull));

	((Kept *) sink)->sealed += hash_of(slot_getattr(slot, 1, &isnull)) * (uint64) (seal_no + 1);
}

/* Looks at all that is kept; memory does not grow with it. */
static void
look_at_kept(const Verifier *verifier, Kept *kept)
{
	RowReceiver receiver;

	memset(kept, 0, sizeof(Kept));
	execute_query(&kept_query, verifier->binding, NULL, NULL,
				  row_receiver(&receiver, receive_kept, kept));
	if (kept->traces == 0)
		return;
	execute_query(&unverified_query, verifier->binding, NULL, NULL,
				  row_receiver(&receiver, receive_unverified, kept));
	execute_query(&sealed_query, verifier->binding, NULL, NULL,
				  row_receiver(&receiver, receive_sealed, kept));
}

/* Is every seal either verified or said to be unverified? */
static bool
is_whole(const Kept *kept)
{
	return !kept->odd && kept->seals == kept->sealed;
}

/* Counts the good ones among what is asked for. */
static void
count_good(const Verifier *verifier, Kept *kept)
{
	HeapTuple	row;
	bool		isnull;
	Datum		since;

	execute_query_with(&good_query, verifier->binding, verifier->filter.values,
					   verifier->filter.nulls, NULL);
	row = SPI_tuptable->vals[0];
	kept->good = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
	since = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
	if (!isnull)
		kept->since = DatumGetTimestampTz(since);
	SPI_freetuptable(SPI_tuptable);
}

/* Traces that are listed, and how many of them good is kept of. */
typedef struct Listed
{
	Verify	   *verify;
	int64		count;
	int64		good;
} Listed;

static void
list_suspects(const Verifier *verifier, bool doubtful, DestReceiver *receiver)
{
	bool		narrowed = has_filter(&verifier->filter);
	SavedQuery *query = &suspects_queries[narrowed][doubtful];

	if (narrowed)
		execute_query_with(query, verifier->binding, verifier->filter.values,
						   verifier->filter.nulls, receiver);
	else
		execute_query(query, verifier->binding, NULL, NULL, receiver);
}

static void
receive_new(TupleTableSlot *slot, void *sink)
{
	Listed	   *listed = sink;

	slot_getallattrs(slot);
	put_suspect(listed->verify, DatumGetTextPP(slot->tts_values[0]));
	listed->count++;
	listed->good += DatumGetBool(slot->tts_values[1]);
}

/*
 * Makes suspects of the traces that are to be read again.  False where none is to
 * be left out: nothing is kept, or reading everything costs less.
 */
bool
list_new(Verify *verify)
{
	const Verifier *verifier = &verify->verifier;
	Listed		listed = {.verify = verify};
	RowReceiver receiver;
	Kept		kept;

	look_at_kept(verifier, &kept);
	if (kept.traces == 0)
		return false;
	list_suspects(verifier, !is_whole(&kept), row_receiver(&receiver, receive_new, &listed));
	if (listed.count > kept.traces / TRACES_A_SUSPECT)
		return false;
	if (has_filter(&verifier->filter))
		count_good(verifier, &kept);
	verify->verified_before = kept.good - listed.good;
	verify->verified_since = kept.since;
	return true;
}

static void
receive_doubtful(TupleTableSlot *slot, void *sink)
{
	const Verifier *verifier = sink;

	slot_getallattrs(slot);
	state_insert(verifier->checker.state->relids[STATE_UNVERIFIED], slot->tts_values,
				 slot->tts_isnull);
}

/* Says of the traces that no kept answer and no seal is there for that they are unverified. */
void
queue_doubtful(Verifier *verifier)
{
	RowReceiver receiver;
	Kept		kept;

	look_at_kept(verifier, &kept);
	if (kept.traces == 0 || !is_whole(&kept))
		execute_query(&to_queue_query, verifier->binding, NULL, NULL,
					  row_receiver(&receiver, receive_doubtful, verifier));
}
