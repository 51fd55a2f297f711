/*-------------------------------------------------------------------------
 *
 * json.c
 *	  runlink_evidence_json and runlink_proof_json: the answers in the shapes of
 *	  the application's coordinators.
 *
 * Each is one query over the calls that return rows, and so of one snapshot
 * with them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "run.h"

PG_FUNCTION_INFO_V1(runlink_evidence_json);
PG_FUNCTION_INFO_V1(runlink_proof_json);

static void build_evidence_json_query(StringInfo sql, const Binding *binding);

static SavedQuery evidence_json_query = {.build = build_evidence_json_query};
static SavedQuery proof_json_query = {
	.sql_template = "WITH proof AS MATERIALIZED ("
	"SELECT p.*, t.started_at, t.completed_at"
	" FROM @extschema@.runlink_proof($1, $2) WITH ORDINALITY AS p"
	" LEFT JOIN @extschema@.aos_traces AS t ON t.trace_id" SQL_EQ "p.trace_id"
	" AND t.run_id" SQL_EQ "p.run_id AND t.tenant_id" SQL_EQ "p.tenant_id) "
	"SELECT pg_catalog.jsonb_build_object('run_id', $1, 'integrity', ("
	"SELECT pg_catalog.jsonb_build_object('model', p.model,"
	" 'root_hash', p.coordinator_root_hash, 'chain_length', p.chain_length,"
	" 'verification_status', p.verification_status,"
	" 'failure_reason', p.failure_reason,"
	" 'runlink', pg_catalog.jsonb_build_object("
	"'verification_status', p.verification_status,"
	" 'root_hash', p.root_hash, 'assurance', p.assurance))"
	" FROM proof AS p WHERE p.ordinality" SQL_EQ "1),"
	" 'aos_traces', COALESCE(("
	"SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"'trace_id', p.trace_id, 'run_id', p.run_id, 'status', p.trace_status,"
	" 'step_count', p.chain_length, 'started_at', p.started_at,"
	" 'completed_at', p.completed_at) ORDER BY p.ordinality)"
	" FROM proof AS p WHERE p.trace_id IS NOT NULL), '[]'),"
	" 'aos_trace_steps', COALESCE(("
	"SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"'trace_id', s.trace_id, 'step_index', s.step_index,"
	" 'skill_name', s.skill_name, 'status', s.status,"
	" 'duration_ms', s.duration_ms, 'cost_cents', s.cost_cents)"
	" ORDER BY p.ordinality, s.step_index)"
	" FROM proof AS p JOIN @extschema@.aos_trace_steps AS s"
	" ON s.trace_id" SQL_EQ "p.trace_id), '[]'),"
	" 'raw_logs', NULL,"
	" 'verified_at', pg_catalog.statement_timestamp())"
};

/* The items of one kind of evidence, in its order, as a member of the answer. */
static void
append_items(StringInfo sql, const char *member, const char *kind, const char *object)
{
	appendStringInfo(sql,
					 ", '%s', COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(%s))"
					 " FILTER (WHERE e.kind" SQL_EQ "'%s'), '[]')",
					 member, object, kind);
}

#define DETAIL(key) "e.detail OPERATOR(pg_catalog.->) '" key "'"

static void
build_evidence_json_query(StringInfo sql, const Binding *binding)
{
	append_template(sql, binding,
					"SELECT pg_catalog.jsonb_build_object('run_id', $1, 'run_found', EXISTS"
					" (SELECT 1 FROM @extschema@.runs r WHERE r.id" SQL_EQ "$1)");
	append_items(sql, "incidents_caused", "incident",
				 "'incident_id', e.record_id, 'severity', e.severity, 'title', e.title,"
				 " 'created_at', e.occurred_at, 'linked_by', e.linked_by");
	append_items(sql, "policies_evaluated", "policy_evaluation",
				 "'evaluation_id', e.record_id, 'policy_id', " DETAIL("policy_id") ","
				 " 'policy_name', e.title, 'outcome', e.outcome,"
				 " 'evaluated_at', e.occurred_at, 'linked_by', e.linked_by");
	append_items(sql, "limits_hit", "limit_breach",
				 "'breach_id', e.record_id, 'limit_id', " DETAIL("limit_id") ","
				 " 'limit_name', e.title, 'breached_value', " DETAIL("value_at_breach") ","
				 " 'threshold_value', " DETAIL("limit_value") ", 'breached_at', e.occurred_at");
	append_items(sql, "decisions_made", "decision",
				 "'decision_id', e.record_id, 'decision_type', 'POLICY_EVALUATION',"
				 " 'outcome', e.outcome, 'decided_at', e.occurred_at");
	append_items(sql, "governance_events", "governance_event",
				 "'record_id', e.record_id, 'occurred_at', e.occurred_at,"
				 " 'event_type', e.outcome, 'entity_type', " DETAIL("entity_type") ","
				 " 'entity_id', " DETAIL("entity_id") ", 'actor_type', " DETAIL("actor_type") ","
				 " 'actor_id', " DETAIL("actor_id") ", 'linked_by', e.linked_by");
	append_template(sql, binding,
					", 'computed_at', pg_catalog.statement_timestamp())"
					" FROM @extschema@.runlink_evidence($1, $2) AS e");
}

/* Answers a call with the one value of the one row of a query. */
static Datum
answer_json(FunctionCallInfo fcinfo, const AppCall *call, SavedQuery *query)
{
	text	   *tenant_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	Run			run = {0};
	bool		isnull;
	Datum		answer;

	SPI_connect();
	run_open(fcinfo, call, &run);
	execute_query(query, run.binding, run.run_id, tenant_id, NULL);
	answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	answer = SPI_datumTransfer(answer, false, -1);
	SPI_finish();
	return answer;
}

/*
 * runlink_evidence_json(run_id text, tenant_id text) returns jsonb
 */
Datum
runlink_evidence_json(PG_FUNCTION_ARGS)
{
	return answer_json(fcinfo, &app_call_evidence_json, &evidence_json_query);
}

/*
 * runlink_proof_json(run_id text, tenant_id text) returns jsonb
 */
Datum
runlink_proof_json(PG_FUNCTION_ARGS)
{
	return answer_json(fcinfo, &app_call_proof_json, &proof_json_query);
}
