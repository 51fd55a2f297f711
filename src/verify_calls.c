/*-------------------------------------------------------------------------
 *
 * verify_calls.c
 *	  runlink_verify and runlink_verify_summary: every trace, or what is new, and
 *	  only what is wrong with it; and the totals of that.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "core/sha256.h"
#include "run.h"
#include "verify.h"

PG_FUNCTION_INFO_V1(runlink_verify);
PG_FUNCTION_INFO_V1(runlink_verify_summary);

static void
read_arguments(FunctionCallInfo fcinfo, const AppCall *call, VerifyFilter *filter)
{
	filter->values[0] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	filter->values[1] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	filter->values[2] = PG_ARGISNULL(0) ? (Datum) 0 : PointerGetDatum(PG_GETARG_TEXT_PP(0));
	filter->nulls[0] = PG_ARGISNULL(1) ? 'n' : ' ';
	filter->nulls[1] = PG_ARGISNULL(2) ? 'n' : ' ';
	filter->nulls[2] = PG_ARGISNULL(0) ? 'n' : ' ';
	filter->nulls[3] = '\0';
	if (!PG_ARGISNULL(0) && VARSIZE_ANY_EXHDR(DatumGetPointer(filter->values[2])) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenant_id must not be empty"),
				 errdetail("%s narrows to a tenant where one is given.", call->name),
				 errhint("Pass NULL, or leave it out, for every tenant.")));
}

static void
do_list_new(Verify *verify, void *argument)
{
	*(bool *) argument = list_new(verify);
}

/* What was not read is said, whether anything was found or not. */
static void
verify_new(Verify *verify)
{
	verify_suspects(verify);
	verify->verifier.counts.traces += verify->verified_before;
	ereport(NOTICE,
			(errmsg("traces verified before were not read again"),
			 verify->verified_before > 0 ?
			 errdetail(INT64_FORMAT " traces, verified at %s or later; and traces and steps of"
					   " which nothing"
					   " was recorded were not looked for.",
					   verify->verified_before, timestamptz_to_str(verify->verified_since)) :
			 errdetail("0 traces; and traces and steps of which nothing was recorded were not "
					   "looked for."),
			 errhint("%s(full => true) reads everything.", verify->verifier.call->name)));
}

/* Verifies what is asked for.  SPI must be connected. */
static void
verify_all(FunctionCallInfo fcinfo, const AppCall *call, Verify *verify)
{
	bool		full = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	bool		listed = false;
	int64		hashed_before;

	require_utf8(call->name);
	read_arguments(fcinfo, call, &verify->verifier.filter);
	verifier_begin(&verify->verifier, fcinfo->flinfo->fn_oid, call);
	begin_suspects(verify);
	hashed_before = sha256_hashed;
	if (!full && guarded(verify, do_list_new, &listed) == NULL && listed)
		verify_new(verify);
	else
	{
		tuplestore_clear(verify->suspects);
		verify_everything(verify);
	}
	verify->verifier.counts.hashed += sha256_hashed - hashed_before;
	tuplestore_end(verify->suspects);
}

/*
 * runlink_verify(tenant_id text, since timestamptz, until timestamptz, full boolean)
 *	  returns setof record
 *
 * One row for everything that is not as it was recorded, or of which nothing was.
 */
Datum
runlink_verify(PG_FUNCTION_ARGS)
{
	Verify		verify = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	verify_all(fcinfo, &app_call_verify, &verify);
	SPI_finish();
	return (Datum) 0;
}

static int64
skipped(const Verify *verify)
{
	const VerifyCounts *counts = &verify->verifier.counts;

	return counts->archived + counts->without_steps + verify->verified_before;
}

/* Why traces were skipped, as a JSON object; NULL where none was. */
static char *
skipped_why(const Verify *verify)
{
	const struct
	{
		int64		count;
		const char *reason;
	}			reasons[] = {
		{verify->verifier.counts.archived, "archived"},
		{verify->verified_before, "verified_before"},
		{verify->verifier.counts.without_steps, "without steps"},
	};
	StringInfoData why;

	if (skipped(verify) == 0)
		return NULL;
	initStringInfo(&why);
	for (size_t i = 0; i < lengthof(reasons); i++)
	{
		if (reasons[i].count > 0)
			appendStringInfo(&why, "%s\"%s\": " INT64_FORMAT, why.len > 0 ? ", " : "{",
							 reasons[i].reason, reasons[i].count);
	}
	appendStringInfoChar(&why, '}');
	return why.data;
}

/*
 * runlink_verify_summary(tenant_id text, since timestamptz, until timestamptz, full boolean)
 *	  returns setof record
 *
 * One row of totals over what runlink_verify finds.
 */
Datum
runlink_verify_summary(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Verify		verify = {0};
	const VerifyCounts *counts = &verify.verifier.counts;
	char	   *why;
	Datum		values[11];
	bool		isnull[11] = {false};

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	verify_all(fcinfo, &app_call_verify_summary, &verify);
	why = skipped_why(&verify);
	values[0] = Int64GetDatum(counts->traces);
	values[1] = Int64GetDatum(counts->steps);
	values[2] = Int64GetDatum(counts->hashed);
	values[3] = Int64GetDatum(counts->verified);
	values[4] = Int64GetDatum(counts->failed);
	values[5] = Int64GetDatum(counts->unsealed);
	values[6] = Int64GetDatum(skipped(&verify));
	isnull[7] = (why == NULL);
	if (why != NULL)
		values[7] = DirectFunctionCall1(jsonb_in, CStringGetDatum(why));
	values[8] = Int64GetDatum(verify.findings);
	values[9] = Float8GetDatum((GetCurrentTimestamp() - verify.started) / (double) USECS_PER_SEC);
	values[10] = Int32GetDatum(verify.workers);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
	SPI_finish();
	return (Datum) 0;
}
