/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  Times the leaves of a table's rows beside SHA-256 over the same bytes.
 *
 * A module of its own for bench/leaf, linked with runlink's objects.  Calls of
 * sha256_bytes come by here (ld --wrap), so that the messages are known.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"

#include "encoding.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(time_leaves);

extern void __real_sha256_bytes(const void *data, size_t length, uint8 hash[SHA256_BYTES]);
extern void __wrap_sha256_bytes(const void *data, size_t length, uint8 hash[SHA256_BYTES]);

/* The messages that are hashed, one after the other, while they are kept. */
static bool keeping = false;
static StringInfoData messages;
static List *lengths;

void
__wrap_sha256_bytes(const void *data, size_t length, uint8 hash[SHA256_BYTES])
{
	if (keeping)
	{
		appendBinaryStringInfo(&messages, data, length);
		lengths = lappend_int(lengths, length);
	}
	__real_sha256_bytes(data, length, hash);
}

typedef struct Rows
{
	const Encoding *encoding;
	Canonical  *scratch;
	uint64		count;
	Datum	  **values;
	bool	  **isnull;
} Rows;

static Rows
read_rows(const char *query)
{
	const char *unsupported = NULL;
	Rows		rows = {.scratch = canonical_create()};

	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "not a query: %s", query);
	rows.encoding = encoding_of_table(SPI_tuptable->tupdesc, &unsupported);
	if (rows.encoding == NULL)
		elog(ERROR, "column %s cannot be covered", unsupported);
	rows.count = SPI_processed;
	rows.values = palloc(sizeof(Datum *) * rows.count);
	rows.isnull = palloc(sizeof(bool *) * rows.count);
	for (uint64 i = 0; i < rows.count; i++)
	{
		rows.values[i] = palloc(sizeof(Datum) * SPI_tuptable->tupdesc->natts);
		rows.isnull[i] = palloc(sizeof(bool) * SPI_tuptable->tupdesc->natts);
		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, rows.values[i], rows.isnull[i]);
	}
	return rows;
}

static void
make_leaves(const Rows *rows)
{
	static const uint8 salt[SALT_BYTES] = {0};
	uint8		leaf[SHA256_BYTES];

	for (uint64 i = 0; i < rows->count; i++)
	{
		if (!step_leaf(rows->encoding, rows->values[i], rows->isnull[i], salt, rows->scratch, leaf))
			elog(ERROR, "row " UINT64_FORMAT " has no leaf", i);
	}
}

static void
keep_messages(const Rows *rows)
{
	initStringInfo(&messages);
	lengths = NIL;
	keeping = true;
	make_leaves(rows);
	keeping = false;
}

static void
hash_messages(void)
{
	const char *data = messages.data;
	uint8		hash[SHA256_BYTES];
	ListCell   *cell;

	foreach(cell, lengths)
	{
		__real_sha256_bytes(data, lfirst_int(cell), hash);
		data += lfirst_int(cell);
	}
}

static double
nanoseconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now) * 1e9;
}

/*
 * time_leaves(query text, rounds int) returns setof (leaf, hash float8, bytes int)
 *
 * A row a round: nanoseconds a row of the query for its leaf, and for SHA-256
 * over the same messages; and how long these are.
 */
Datum
time_leaves(PG_FUNCTION_ARGS)
{
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			rounds = PG_GETARG_INT32(1);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Rows		rows;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	rows = read_rows(query);
	keep_messages(&rows);
	for (int i = 0; i < rounds; i++)
	{
		Datum		values[3];
		bool		isnull[3] = {false};
		instr_time	start;

		CHECK_FOR_INTERRUPTS();
		INSTR_TIME_SET_CURRENT(start);
		make_leaves(&rows);
		values[0] = Float8GetDatum(nanoseconds_since(start) / rows.count);
		INSTR_TIME_SET_CURRENT(start);
		hash_messages();
		values[1] = Float8GetDatum(nanoseconds_since(start) / rows.count);
		values[2] = Int32GetDatum(messages.len / rows.count);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
	}
	SPI_finish();
	return (Datum) 0;
}
