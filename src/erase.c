/*-------------------------------------------------------------------------
 *
 * erase.c
 *	  runlink_erase: erases the payload of a sealed step.
 *
 * The row is changed as the caller, past the application's triggers, by one
 * UPDATE of that row; then its salt goes, without which nobody can try guesses
 * of what was there against the leaf that stays.  Nothing is erased of which it
 * cannot be proved now that it is what was sealed.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "application.h"
#include "binding.h"
#include "erasure.h"
#include "record.h"
#include "run.h"
#include "sealer.h"

PG_FUNCTION_INFO_V1(runlink_erase);

static const AppCall call = {"runlink_erase", FOR_SEALING};

#define OF_TRACE " WHERE trace_id" SQL_EQ "$1"
#define OF_SEAL OF_TRACE " AND seal_no" SQL_EQ "$2"
#define OF_STEP OF_TRACE " AND step_index" SQL_EQ "$2"
#define BY_STEP .argument_count = 2, .argument_types = {TEXTOID, INT4OID}

static KeptQuery lock_seal_query = {
	.sql = "SELECT 1 FROM runlink.seal" OF_SEAL " FOR UPDATE",
	.argument_count = 2, .argument_types = {TEXTOID, INT4OID}
};
static KeptQuery erased_query = {
	.sql = "SELECT erased_at, erased_by FROM runlink.erasure" OF_STEP,
	BY_STEP
};
static KeptQuery seal_of_step_query = {
	.sql = "SELECT " SEAL_COLUMNS " FROM runlink.seal" OF_TRACE
	" AND steps OPERATOR(pg_catalog.@>) $2::pg_catalog.int8",
	BY_STEP
};
static KeptQuery erase_salt_query = {
	.sql = "UPDATE runlink.seal SET leaves = pg_catalog.overlay(leaves, $3, $4)" OF_SEAL,
	.argument_count = 4,
	.argument_types = {TEXTOID, INT4OID, BYTEAOID, INT4OID}
};
static KeptQuery forget_leaf_query = {.sql = "DELETE FROM runlink.leaf" OF_STEP, BY_STEP};

/* A call under way. */
typedef struct Erase
{
	const State *state;
	const Binding *binding;
	text	   *trace_id;
	int32		step_index;
	text	   *reason;
	int32		seal_no;		/* of the seal that holds the step */
	SealedStep	sealed;
	int32		salt_offset;	/* in its leaves */
	Encoding   *encoding;		/* what the leaf covers, bound to the row */
	TupleDesc	tupdesc;		/* of the row */
	Datum	   *values;			/* as they are, then as they will be */
	bool	   *isnull;
	Datum	   *erased_columns; /* names, of type text */
	int			erased_count;
	bool		hash_covered;	/* an input_hash or output_hash goes that the leaf covers */
	uint8		payload_digest[SHA256_BYTES];
	uint8		leaf_as_erased[SHA256_BYTES];
	TimestampTz erased_at;
} Erase;

#define NOT_PASSED_HINT \
	"Triggers and rules of aos_trace_steps that are ENABLE ALWAYS or ENABLE REPLICA are not passed."

/* Raises an error that names the step. */
#define REFUSE(erase, message, ...) \
	ereport(ERROR, \
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), \
			 errmsg("step %d of trace \"%s\" " message, (erase)->step_index, \
					id_for_message((erase)->trace_id)), __VA_ARGS__))

static Datum
returned(int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, isnull);
}

static void
execute_now(const Erase *erase, KeptQuery *query, const Datum *values)
{
	state_execute(erase->state, query, values, NULL, STATE_NOW, NULL);
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	char	   *reason;

	for (int i = 0; i < 3; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("trace_id, step_index and reason must not be null"),
					 errdetail("runlink_erase erases the payload of one step, for a reason "
							   "that is kept."),
					 errhint("runlink_proof_steps() tells the steps of a run.")));
	}
	reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (reason[strspn(reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be empty"),
				 errdetail("It is kept beside what is left of the step."),
				 errhint("Say why the payload is erased, without the payload.")));
}

/* The triggers of a view or a foreign table are not passed by a setting here. */
static void
check_table(const Erase *erase)
{
	Oid			relid = erase->binding->relids[APP_AOS_TRACE_STEPS];
	char		relkind = get_rel_relkind(relid);

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a table",
						quote_qualified_identifier(erase->binding->schema, "aos_trace_steps")),
				 errdetail("runlink_erase changes a row of a table."),
				 errhint("Call it in the schema where the application's tables are.")));
}

/* Locks the trace against sealers and others that erase, and waits for them. */
static void
lock_trace(const Erase *erase)
{
	int32		newest = newest_seal(erase->state, erase->trace_id);
	int32		locked = -1;

	while (newest >= 0 && newest != locked)
	{
		Datum		values[2] = {PointerGetDatum(erase->trace_id), Int32GetDatum(newest)};

		execute_now(erase, &lock_seal_query, values);
		SPI_freetuptable(SPI_tuptable);
		locked = newest;
		newest = newest_seal(erase->state, erase->trace_id);
	}
}

static void
check_not_erased(const Erase *erase)
{
	Datum		values[2] = {PointerGetDatum(erase->trace_id), Int32GetDatum(erase->step_index)};
	bool		isnull;

	execute_now(erase, &erased_query, values);
	if (SPI_processed > 0)
		REFUSE(erase, "is erased already",
			   errdetail("\"%s\" erased it at %s.", TextDatumGetCString(returned(2, &isnull)),
						 timestamptz_to_str(DatumGetTimestampTz(returned(1, &isnull)))),
			   errhint("runlink_proof_steps() says what is left of it."));
	SPI_freetuptable(SPI_tuptable);
}

/* Takes the step's leaf and salt out of the seal. */
static void
take_step(Erase *erase, const Seal *seal)
{
	int64		rank = take_sealed_step(seal, erase->step_index, &erase->sealed);

	erase->seal_no = seal->seal_no;
	erase->salt_offset = (int32) (rank * SEALED_STEP_BYTES + SHA256_BYTES);
}

static void
find_sealed_step(Erase *erase)
{
	Datum		arguments[2] = {PointerGetDatum(erase->trace_id), Int32GetDatum(erase->step_index)};
	Datum		values[SEAL_COLUMN_COUNT];
	bool		isnull[SEAL_COLUMN_COUNT];
	Encoding   *encodings = load_encodings(erase->state, true);
	const char *damage;
	Seal		seal;

	execute_now(erase, &seal_of_step_query, arguments);
	if (SPI_processed == 0)
		REFUSE(erase, "is not sealed",
			   errdetail("What is erased before it is sealed could not be proved afterwards."),
			   errhint("Call runlink_seal_pending() first; runlink_proof_steps() tells the steps "
					   "of a run."));
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, isnull);
	damage = SPI_processed > 1 ? "it is in two seals" : read_seal(values, isnull, encodings, &seal);
	if (damage != NULL)
		REFUSE(erase, "is in a seal that is damaged",
			   errdetail("In the way: %s.", damage),
			   errhint("runlink_proof() says what is wrong with the seals of a trace."));
	take_step(erase, &seal);
	erase->encoding = unconstify(Encoding *, find_encoding(encodings, seal.encoding_key));
	SPI_freetuptable(SPI_tuptable);
}

/* Runs a statement about the row: $1 is the trace, $2 the step. */
static int
execute_for_row(const Erase *erase, const char *sql)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2] = {PointerGetDatum(erase->trace_id), Int32GetDatum(erase->step_index)};

	return SPI_execute_with_args(sql, 2, types, values, NULL, false, 0);
}

/* The row, as the caller sees it, locked; its values live until SPI_finish. */
static void
read_row(Erase *erase)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_template(&sql, erase->binding,
					"SELECT * FROM @extschema@.aos_trace_steps" OF_STEP " FOR UPDATE");
	if (execute_for_row(erase, sql.data) != SPI_OK_SELECT)
		elog(ERROR, "could not read a step");
	if (SPI_processed != 1)
		REFUSE(erase, "has not one row",
			   errdetail("The caller sees " UINT64_FORMAT " rows of it.", SPI_processed),
			   errhint("It was archived or deleted, has a second row, or row-level "
					   "security hides it."));
	erase->tupdesc = SPI_tuptable->tupdesc;
	erase->values = palloc(sizeof(Datum) * erase->tupdesc->natts);
	erase->isnull = palloc(sizeof(bool) * erase->tupdesc->natts);
	heap_deform_tuple(SPI_tuptable->vals[0], erase->tupdesc, erase->values, erase->isnull);
	encoding_bind(erase->encoding, erase->tupdesc);
}

/* Is the row what was sealed?  Keeps the digest of its payload. */
static void
check_row(Erase *erase)
{
	uint8		leaf[SHA256_BYTES];

	if (!step_payload_digest(erase->encoding, erase->values, erase->isnull, erase->sealed.salt,
							 leaf_scratch(), erase->payload_digest) ||
		!step_leaf_of_digest(erase->encoding, erase->values, erase->isnull, erase->payload_digest,
							 leaf_scratch(), leaf) ||
		memcmp(leaf, erase->sealed.leaf, SHA256_BYTES) != 0)
		REFUSE(erase, "was altered",
			   errdetail("Its row does not give the leaf that was sealed: "
						 "what is erased now could not be proved."),
			   errhint("runlink_proof_steps() shows both leaves."));
}

static bool
is_covered_by(const Encoding *encoding, int position)
{
	for (int i = 0; i < encoding->count; i++)
	{
		if (encoding->columns[i].position == position)
			return true;
	}
	return false;
}

/* A digest of what is erased goes; where the column must have a value, nothing is erased. */
static void
erase_hash(Erase *erase, Form_pg_attribute attribute, int position)
{
	if (attribute->attnotnull)
		REFUSE(erase, "cannot be erased",
			   errdetail("Column \"%s\" has a digest of its payload, by which the payload "
						 "could be guessed, "
						 "and may not be NULL.", NameStr(attribute->attname)),
			   errhint("Let the column be NULL: ALTER TABLE ... ALTER COLUMN %s DROP NOT NULL.",
					   quote_identifier(NameStr(attribute->attname))));
	erase->isnull[position] = true;
	if (is_covered_by(erase->encoding, position))
		erase->hash_covered = true;
}

static void
erase_payload(Erase *erase, Oid type, int position)
{
	erase->values[position] = type == JSONBOID
		? DirectFunctionCall1(jsonb_in, CStringGetDatum(ERASED_PAYLOAD))
		: CStringGetTextDatum(ERASED_PAYLOAD);
}

/* Erases the values at hand; appends to sql what does so in the table. */
static void
erase_values(Erase *erase, Relation table, StringInfo sql)
{
	TupleDesc	columns = RelationGetDescr(table);

	erase->erased_columns = palloc(sizeof(Datum) * columns->natts);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(columns, i);
		const char *name = NameStr(attribute->attname);
		Oid			type = getBaseType(attribute->atttypid);
		bool		is_hash = is_payload_hash(name);
		int			position;

		if (attribute->attisdropped || attribute->attgenerated != '\0' ||
			!(is_hash || type == JSONOID || type == JSONBOID))
			continue;
		position = SPI_fnumber(erase->tupdesc, name) - 1;
		if (erase->isnull[position])
			continue;
		if (is_hash)
			erase_hash(erase, attribute, position);
		else
			erase_payload(erase, type, position);
		appendStringInfo(sql, "%s%s = %s", erase->erased_count > 0 ? ", " : "",
						 quote_identifier(name), is_hash ? "NULL" : "'" ERASED_PAYLOAD "'");
		erase->erased_columns[erase->erased_count++] = CStringGetTextDatum(name);
	}
	if (erase->erased_count == 0)
		REFUSE(erase, "has nothing to erase",
			   errdetail("Its columns of type json and jsonb, input_hash and "
						 "output_hash are NULL."),
			   errhint("Other columns are not erased."));
	if (!step_leaf(erase->encoding, erase->values, erase->isnull, erased_salt, leaf_scratch(),
				   erase->leaf_as_erased))
		elog(ERROR, "an erased step has no leaf");
}

static void
set_for_now(const char *name, const char *value, GucContext context)
{
	set_config_option(name, value, context, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Runs the UPDATE past the application's triggers and rules: those that are to
 * fire in any session still do.  The functions of constraints and policies run in
 * it too, and would find others of the caller's making by his search_path, for
 * whom no trigger would fire.  The settings are for this statement alone; an
 * error restores them with the (sub)transaction.
 */
static void
update_row(const Erase *erase, const char *sql)
{
	int			nest_level = NewGUCNestLevel();
	int			result;

	set_for_now("search_path", psprintf("%s, pg_temp", quote_identifier(erase->binding->schema)),
				PGC_USERSET);
	set_for_now("session_replication_role", "replica", PGC_SUSET);
	result = execute_for_row(erase, sql);
	AtEOXact_GUC(true, nest_level);
	if (result != SPI_OK_UPDATE || SPI_processed != 1)
		REFUSE(erase, "was not erased",
			   errdetail("The UPDATE changed " UINT64_FORMAT " rows, not one.", SPI_processed),
			   errhint(NOT_PASSED_HINT));
}

/* Is the row now what it was to be?  Triggers and rules may have had their say. */
static void
check_erased_row(Erase *erase)
{
	uint8		leaf[SHA256_BYTES];
	bool		ok;

	read_row(erase);
	ok = step_leaf(erase->encoding, erase->values, erase->isnull, erased_salt, leaf_scratch(),
				   leaf) &&
		memcmp(leaf, erase->leaf_as_erased, SHA256_BYTES) == 0;
	for (int i = 0; i < erase->erased_count && ok; i++)
	{
		char	   *name = TextDatumGetCString(erase->erased_columns[i]);
		char	   *value = SPI_getvalue(SPI_tuptable->vals[0], erase->tupdesc,
										 SPI_fnumber(erase->tupdesc, name));

		ok = is_payload_hash(name) ? value == NULL
			: value != NULL && strcmp(value, ERASED_PAYLOAD) == 0;
	}
	if (!ok)
		REFUSE(erase, "was not erased",
			   errdetail("After the UPDATE its row is not what it was to be."),
			   errhint(NOT_PASSED_HINT));
}

static void
erase_row(Erase *erase)
{
	Relation	table = table_open(erase->binding->relids[APP_AOS_TRACE_STEPS], AccessShareLock);
	StringInfoData sql;

	initStringInfo(&sql);
	append_template(&sql, erase->binding, "UPDATE @extschema@.aos_trace_steps SET ");
	erase_values(erase, table, &sql);
	table_close(table, NoLock);
	appendStringInfoString(&sql, OF_STEP);
	update_row(erase, sql.data);
	check_erased_row(erase);
}

static void
erase_salt(const Erase *erase)
{
	Datum		values[4] = {
		PointerGetDatum(erase->trace_id), Int32GetDatum(erase->seal_no),
		bytes_datum(erased_salt, SALT_BYTES), Int32GetDatum(erase->salt_offset + 1)
	};
	Datum		step[2] = {PointerGetDatum(erase->trace_id), Int32GetDatum(erase->step_index)};

	execute_now(erase, &erase_salt_query, values);
	if (SPI_processed != 1)
		elog(ERROR, "could not erase the salt of a step");
	execute_now(erase, &forget_leaf_query, step);
}

static void
keep_erasure(Erase *erase)
{
	/* in the order of the columns of runlink.erasure */
	Datum		values[7] = {
		TimestampTzGetDatum(erase->erased_at = GetCurrentTimestamp()),
		Int32GetDatum(erase->step_index),
		PointerGetDatum(erase->trace_id),
		CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false)),
		PointerGetDatum(erase->reason),
		bytes_datum(erase->leaf_as_erased, SHA256_BYTES),
		bytes_datum(erase->payload_digest, SHA256_BYTES)
	};
	bool		isnull[7] = {[6] = erase->hash_covered};

	if (!state_insert(erase->state->relids[STATE_ERASURE], values, isnull))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not erase step %d of trace \"%s\" due to concurrent erasure",
						erase->step_index, id_for_message(erase->trace_id)),
				 errdetail("Another transaction erased it since this one took its snapshot."),
				 errhint("Retry in a new transaction.")));
}

static void
put_erased(ReturnSetInfo *rsinfo, const Erase *erase)
{
	ArrayType  *columns = construct_array(erase->erased_columns, erase->erased_count, TEXTOID, -1,
										  false, TYPALIGN_INT);
	char		hex[SHA256_BYTES * 2];
	Datum		values[5] = {
		PointerGetDatum(erase->trace_id), Int32GetDatum(erase->step_index),
		PointerGetDatum(columns),
		(Datum) 0, TimestampTzGetDatum(erase->erased_at)
	};
	bool		isnull[5] = {[3] = erase->hash_covered};

	hex_encode((const char *) erase->payload_digest, SHA256_BYTES, hex);
	values[3] = PointerGetDatum(cstring_to_text_with_len(hex, sizeof(hex)));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

/*
 * runlink_erase(trace_id text, step_index integer, reason text) returns setof record
 *
 * Erases the payload of a step; one row.
 */
Datum
runlink_erase(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Erase		erase = {0};
	const char *obstacle;

	check_arguments(fcinfo);
	PreventCommandIfReadOnly("runlink_erase()");
	require_utf8("runlink_erase");
	erase.trace_id = PG_GETARG_TEXT_PP(0);
	erase.step_index = PG_GETARG_INT32(1);
	erase.reason = PG_GETARG_TEXT_PP(2);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	erase.binding = binding_open(fcinfo->flinfo->fn_oid, &call);
	check_table(&erase);
	erase.state = state_open_to_write(STATE_BIT(STATE_SEAL) | STATE_BIT(STATE_LEAF) |
									  STATE_BIT(STATE_ERASURE), &obstacle);
	if (erase.state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no state that would prove an erased step"),
				 errdetail("In the way: %s.", obstacle),
				 errhint("Call runlink_enable_sealing() as a superuser.")));

	lock_trace(&erase);
	check_not_erased(&erase);
	find_sealed_step(&erase);
	read_row(&erase);
	check_row(&erase);
	erase_row(&erase);
	erase_salt(&erase);
	keep_erasure(&erase);
	canonical_trim(leaf_scratch());
	put_erased(rsinfo, &erase);
	SPI_finish();
	return (Datum) 0;
}
