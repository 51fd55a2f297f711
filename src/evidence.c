/*-------------------------------------------------------------------------
 *
 * evidence.c
 *	  runlink_evidence, runlink_governance and runlink_linkage: what is linked
 *	  to a run, as rows and as counts, from one query each.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "run.h"

PG_FUNCTION_INFO_V1(runlink_evidence);
PG_FUNCTION_INFO_V1(runlink_governance);
PG_FUNCTION_INFO_V1(runlink_linkage);

static void build_evidence_query(StringInfo sql, const Binding *binding);
static void build_governance_query(StringInfo sql, const Binding *binding);
static void build_linkage_query(StringInfo sql, const Binding *binding);

static SavedQuery evidence_query = {.build = build_evidence_query};
static SavedQuery governance_query = {.build = build_governance_query};
static SavedQuery linkage_query = {.build = build_linkage_query};

static void
append_text(StringInfo sql, const Binding *binding, const char *expression)
{
	append_template(sql, binding, expression != NULL ? expression : "NULL");
	appendStringInfoString(sql, "::pg_catalog.text");
}

static void
append_evidence_columns(StringInfo sql, const Binding *binding, AppTableId table,
						const AppLink *link, const AppItem *item)
{
	appendStringInfo(sql, "$1, t.tenant_id::pg_catalog.text, '%s', '%s', ",
					 app_tables[table].domain, item->kind);
	append_text(sql, binding, item->record_id);
	appendStringInfo(sql, ", %s::pg_catalog.timestamptz, ", item->occurred_at);
	append_text(sql, binding, item->severity);
	appendStringInfoString(sql, ", ");
	append_text(sql, binding, item->outcome);
	appendStringInfoString(sql, ", ");
	append_title(sql, binding, table, item);
	appendStringInfo(sql, ", '%s', ", link->linked_by);
	append_detail(sql, table, item);
}

static void
build_evidence_query(StringInfo sql, const Binding *binding)
{
	appendStringInfoString(sql,
						   "SELECT run_id, tenant_id, domain, kind, record_id, occurred_at,"
						   " severity, outcome, title, linked_by, detail FROM (");
	append_linked_records(sql, binding, APP_EVERY_TABLE, true, append_evidence_columns);
	appendStringInfoString(sql,
						   ") AS item (run_id, tenant_id, domain, kind, record_id, occurred_at,"
						   " severity, outcome, title, linked_by, detail)"
						   " ORDER BY occurred_at, kind COLLATE pg_catalog.\"C\","
						   " record_id COLLATE pg_catalog.\"C\"");
}

static void
append_governance_columns(StringInfo sql, const Binding *binding pg_attribute_unused(),
						  AppTableId table pg_attribute_unused(), const AppLink *link,
						  const AppItem *item pg_attribute_unused())
{
	const char *const columns[] = {
		"event_type", "entity_type", "entity_id", "actor_type", "actor_id", "action_reason"
	};

	appendStringInfo(sql, "$1, t.tenant_id::pg_catalog.text, t.id::pg_catalog.text,"
					 " t.created_at::pg_catalog.timestamptz");
	for (size_t i = 0; i < lengthof(columns); i++)
		appendStringInfo(sql, ", t.%s::pg_catalog.text", columns[i]);
	appendStringInfo(sql, ", '%s'::pg_catalog.text, t.before_state::pg_catalog.jsonb,"
					 " t.after_state::pg_catalog.jsonb", link->linked_by);
}

static void
build_governance_query(StringInfo sql, const Binding *binding)
{
	appendStringInfoString(sql, "SELECT * FROM (");
	append_linked_records(sql, binding, APP_TABLE_BIT(APP_AUDIT_LEDGER), true,
						  append_governance_columns);
	appendStringInfoString(sql,
						   ") AS event (run_id, tenant_id, record_id, occurred_at, event_type,"
						   " entity_type, entity_id, actor_type, actor_id, action_reason,"
						   " linked_by, before_state, after_state)"
						   " ORDER BY occurred_at DESC NULLS LAST,"
						   " record_id COLLATE pg_catalog.\"C\"");
}

static void
append_link_columns(StringInfo sql, const Binding *binding pg_attribute_unused(),
					AppTableId table pg_attribute_unused(), const AppLink *link,
					const AppItem *item)
{
	appendStringInfo(sql,
					 "'%s'::pg_catalog.text, %s,"
					 " ($2 IS NULL OR t.tenant_id" SQL_EQ "$2) IS TRUE",
					 item->kind, link->legacy ? "true" : "false");
}

/* Counts of records of the tenant, found by links that are not legacy. */
static void
append_count(StringInfo sql, const char *kind, const char *column)
{
	appendStringInfo(sql,
					 ", pg_catalog.count(*) FILTER (WHERE own AND NOT legacy"
					 " AND kind" SQL_EQ "'%s') AS %s", kind, column);
}

static void
build_linkage_query(StringInfo sql, const Binding *binding)
{
	appendStringInfo(sql, "SELECT %s::pg_catalog.text AS application_schema, $1 AS run_id,"
					 " $2 AS tenant_id,"
					 " EXISTS (SELECT 1", quote_literal_cstr(binding->schema));
	append_template(sql, binding, " FROM @extschema@.runs t WHERE t.id" SQL_EQ "$1) AS run_found");
	append_count(sql, "incident", "incident_count");
	append_count(sql, "policy_evaluation", "policy_evaluation_count");
	append_count(sql, "decision", "decision_count");
	append_count(sql, "limit_breach", "limit_breach_count");
	append_count(sql, "governance_event", "governance_event_count");
	append_count(sql, "trace", "trace_count");
	append_template(sql, binding,
					", (SELECT pg_catalog.count(*) FROM @extschema@.aos_trace_steps s"
					" JOIN @extschema@.aos_traces t ON t.trace_id" SQL_EQ "s.trace_id"
					" WHERE t.run_id" SQL_EQ "$1 AND ($2 IS NULL OR t.tenant_id" SQL_EQ "$2))"
					" AS step_count");
	/* A decision is its evaluation seen once more: not another record. */
	appendStringInfoString(sql,
						   ", pg_catalog.count(*) FILTER (WHERE own AND legacy"
						   " AND kind OPERATOR(pg_catalog.<>) 'decision') AS legacy_link_count"
						   ", pg_catalog.count(*) FILTER (WHERE NOT own"
						   " AND kind OPERATOR(pg_catalog.<>) 'decision') AS other_tenant_count"
						   " FROM (");
	append_linked_records(sql, binding, APP_EVERY_TABLE, false, append_link_columns);
	appendStringInfoString(sql, ") AS link (kind, legacy, own)");
}

/*
 * runlink_evidence(run_id text, tenant_id text) returns setof record
 *
 * Everything linked to the run, one row a record and link, by time.  Arguments
 * and errors as run_open and binding_open have them.
 */
Datum
runlink_evidence(PG_FUNCTION_ARGS)
{
	return run_answer(fcinfo, &app_call_evidence, &evidence_query);
}

/*
 * runlink_governance(run_id text, tenant_id text) returns setof record
 *
 * The audit ledger's events of the run, newest first.
 */
Datum
runlink_governance(PG_FUNCTION_ARGS)
{
	return run_answer(fcinfo, &app_call_governance, &governance_query);
}

/*
 * runlink_linkage(run_id text, tenant_id text) returns record
 *
 * One row of counts, also for a run that does not exist.
 */
Datum
runlink_linkage(PG_FUNCTION_ARGS)
{
	return run_answer(fcinfo, &app_call_linkage, &linkage_query);
}
