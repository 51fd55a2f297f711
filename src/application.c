/*-------------------------------------------------------------------------
 *
 * application.c
 *	  The linkage map.  See application.h.
 *
 *-------------------------------------------------------------------------
 */
#include "application.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"

#define VARCHAR			"character varying"
#define VARCHAR64		"character varying(64)"
#define TEXT			"pg_catalog.text"
#define JSONB			"pg_catalog.jsonb"
#define TIMESTAMPTZ		"timestamp with time zone"

#define FOR_RECORDS		(FOR_LINKAGE | FOR_EVIDENCE)
#define FOR_EVENTS		(FOR_EVIDENCE | FOR_GOVERNANCE)
/* The report is made of other calls, and its timeline of when steps were, as sealing. */
#define FOR_REPORT		(FOR_LINKAGE | FOR_EVIDENCE | FOR_GOVERNANCE | FOR_PROOF | FOR_SEALING | FOR_GAPS)
#define FOR_LINKS		(FOR_RECORDS | FOR_GAPS)

/* A column whose values cannot be made up again. */
#define NEEDED(name, use, type, declared) \
	{name, use, type, declared, false, true, NULL, NULL}
/* A column that may be NULL. */
#define NULLABLE(name, use, type, declared) \
	{name, use, type, declared, true, false, NULL, NULL}
/* A column whose default is not what lost values were: a time, which is now. */
#define DEFAULTED(name, use, type, declared, not_null, value) \
	{name, use, type, declared, false, not_null, value, NULL}
/* A column that the gaps look at, and evidence tells, where it exists. */
#define INDIRECT(name, declared) \
	{name, FOR_GAPS | COLUMN_LEGACY | COLUMN_DETAIL, TEXTOID, declared, false, false, NULL, \
	"gaps follow it to a run, or tell by it whether one is missed"}
/* A column that is only told in the detail of evidence. */
#define DETAIL(name) \
	{name, COLUMN_DETAIL, InvalidOid, NULL, false, false, NULL, NULL}
#define SYNTHETIC \
	DETAIL("is_synthetic"), DETAIL("synthetic_scenario_id")
#define COLUMNS_END		{NULL, 0, InvalidOid, NULL, false, false, NULL, NULL}
#define LINKS_END		{NULL, APP_RUNS, NULL, false, NULL, NULL, NULL, NULL}
#define ITEMS_END		{NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}

/* The C collation keeps upper() the same in every locale (Turkish i). */
#define UPPER_OUTCOME	"pg_catalog.upper(t.outcome COLLATE pg_catalog.\"C\")"

#define DECIDED \
	UPPER_OUTCOME SQL_EQ "ANY ('{BLOCKED,WARNED,STOPPED,KILLED,PREVENTED}'::pg_catalog.text[])"

/* ---- activity ---- */

static const AppColumn runs_columns[] = {
	NEEDED("id", FOR_RUN_CALLS, TEXTOID, VARCHAR),
	NULLABLE("tenant_id", FOR_RUN_CALLS, TEXTOID, VARCHAR),
	NEEDED("goal", FOR_EVIDENCE, TEXTOID, VARCHAR),
	NEEDED("status", FOR_EVIDENCE | FOR_GAPS, TEXTOID, VARCHAR),
	DEFAULTED("created_at", FOR_EVIDENCE, TIMESTAMPTZOID, TIMESTAMPTZ, true, "pg_catalog.now()"),
	{"risk_level", FOR_EVIDENCE | COLUMN_PLAN, TEXTOID, "character varying(20)",
	true, true, "'NORMAL'", "the run's risk, which run_metrics_driver writes"},
	{"policy_violation", FOR_GAPS | COLUMN_LEGACY | COLUMN_PLAN | COLUMN_DETAIL, BOOLOID, "boolean",
	true, true, "false", "whether the run violated a policy, which run_signal_driver writes"},
	{"policy_draft_count", COLUMN_PLAN | COLUMN_DETAIL, INT4OID, "integer",
	true, true, "0", "how many policy drafts the run caused"},
	{"updated_at", COLUMN_WRITER, TIMESTAMPTZOID, TIMESTAMPTZ, false, false, NULL,
		"run_metrics_driver and run_signal_driver set it, and the latter compares the id as uuid: "
	"their updates fail, so risk_level and policy_violation can be stale"},
	INDIRECT("parent_run_id", VARCHAR),
	DETAIL("agent_id"), DETAIL("attempts"), DETAIL("max_attempts"),
	DETAIL("error_message"), DETAIL("started_at"), DETAIL("completed_at"), DETAIL("duration_ms"),
	DETAIL("incident_count"), DETAIL("termination_reason"), DETAIL("stopped_at_step"),
	DETAIL("violation_policy_id"), DETAIL("execution_mode"), DETAIL("provider_type"),
	DETAIL("input_tokens"), DETAIL("output_tokens"), DETAIL("estimated_cost_usd"),
	DETAIL("actor_type"), DETAIL("actor_id"), SYNTHETIC,
	COLUMNS_END
};

static const AppLink runs_links[] = {
	{"id", APP_RUNS, "id", false, "t.id" SQL_EQ "$1", "id", NULL, NULL},
	LINKS_END
};

static const AppItem runs_items[] = {
	{"run", "t.id", "t.created_at", "t.risk_level", "t.status", "t.goal", NULL, NULL},
	ITEMS_END
};

/* ---- incidents ---- */

static const AppColumn incidents_columns[] = {
	NEEDED("id", FOR_LINKS | FOR_GOVERNANCE, TEXTOID, "character varying(100)"),
	NEEDED("tenant_id", FOR_LINKS | FOR_GOVERNANCE, TEXTOID, "character varying(100)"),
	NEEDED("title", FOR_EVIDENCE, TEXTOID, "character varying(255)"),
	NEEDED("severity", FOR_EVIDENCE, TEXTOID, "character varying(20)"),
	NEEDED("status", FOR_EVIDENCE, TEXTOID, "character varying(20)"),
	DEFAULTED("created_at", FOR_EVIDENCE, TIMESTAMPTZOID, TIMESTAMPTZ, false, "pg_catalog.now()"),
	{"source_run_id", FOR_LINKS | FOR_GOVERNANCE | COLUMN_PLAN, TEXTOID, TEXT,
	true, false, NULL, "the run that caused the incident"},
	{"llm_run_id", FOR_LINKS | FOR_GOVERNANCE | COLUMN_LEGACY | COLUMN_DETAIL, TEXTOID, VARCHAR,
	true, false, NULL, "older incidents name their run here"},
	INDIRECT("cause_type", "character varying(16)"),
	DETAIL("lifecycle_state"), DETAIL("category"), DETAIL("trigger_type"),
	DETAIL("source_type"), DETAIL("started_at"), DETAIL("ended_at"), DETAIL("resolved_at"),
	DETAIL("resolved_by"), DETAIL("error_code"), DETAIL("error_message"), DETAIL("cost_impact"),
	DETAIL("escalated"), DETAIL("inflection_step_index"), SYNTHETIC,
	COLUMNS_END
};

static const AppLink incidents_links[] = {
	{"source_run_id", APP_INCIDENTS, "source_run_id", false,
	"t.source_run_id" SQL_EQ "$1", "source_run_id", "(source_run_id IS NOT NULL)", NULL},
	{"llm_run_id", APP_INCIDENTS, "llm_run_id", true,
	"t.source_run_id IS NULL AND t.llm_run_id" SQL_EQ "$1",
	"llm_run_id", "(source_run_id IS NULL)", NULL},
	LINKS_END
};

static const AppItem incidents_items[] = {
	{"incident", "t.id", "t.created_at", "t.severity", "t.status", "t.title", NULL, NULL},
	ITEMS_END
};

/* ---- policies ---- */

static const AppColumn prevention_records_columns[] = {
	NEEDED("id", FOR_EVIDENCE | FOR_GAPS, TEXTOID, VARCHAR64),
	NEEDED("tenant_id", FOR_LINKS, TEXTOID, VARCHAR64),
	NEEDED("policy_id", FOR_EVIDENCE | COLUMN_DETAIL, TEXTOID, VARCHAR64),
	NEEDED("outcome", FOR_LINKS, TEXTOID, "character varying(32)"),
	DEFAULTED("created_at", FOR_EVIDENCE, TIMESTAMPTZOID, TIMESTAMPTZ, false, "pg_catalog.now()"),
	{"run_id", FOR_LINKS | COLUMN_PLAN, TEXTOID, VARCHAR64, true, false, NULL,
		"the run that the policy was evaluated for; this is what migration 124 "
		"(124_prevention_records_run_id.py) adds together with its index: afterwards stamp the "
	"migration tool at 124, or the migration will fail on the column"},
	{"blocked_incident_id", FOR_LINKS | COLUMN_LEGACY | COLUMN_DETAIL, TEXTOID, VARCHAR64,
	false, true, NULL, "older records name their run here"},
	{"original_incident_id", FOR_LINKS | COLUMN_LEGACY | COLUMN_DETAIL, TEXTOID, VARCHAR64,
	false, true, NULL, "older records name their run here"},
	DETAIL("pattern_id"), DETAIL("signature_match_confidence"), DETAIL("policy_age_seconds"),
	DETAIL("calls_evaluated"), DETAIL("is_simulated"), SYNTHETIC,
	COLUMNS_END
};

static const AppLink prevention_records_links[] = {
	{"run_id", APP_PREVENTION_RECORDS, "run_id", false,
	"t.run_id" SQL_EQ "$1", "run_id", NULL, NULL},
	{"blocked_incident_id", APP_PREVENTION_RECORDS, "blocked_incident_id", true,
	"t.run_id IS NULL AND t.blocked_incident_id" SQL_EQ "$1",
	"blocked_incident_id", "(run_id IS NULL)", NULL},
	{"original_incident_id", APP_PREVENTION_RECORDS, "original_incident_id", true,
	"t.run_id IS NULL AND t.original_incident_id" SQL_EQ "$1",
	"original_incident_id", "(run_id IS NULL)", NULL},
	LINKS_END
};

#define POLICY_RULE_NAME(policy) \
	"(SELECT r.name FROM @extschema@.policy_rules r WHERE r.id" SQL_EQ policy \
	" AND r.tenant_id" SQL_EQ "t.tenant_id)"

static const AppItem prevention_records_items[] = {
	{"policy_evaluation", "t.id", "t.created_at", NULL, "t.outcome",
	POLICY_RULE_NAME("t.policy_id"), NULL, NULL},
	{"decision", "pg_catalog.concat('dec-', t.id)", "t.created_at", NULL, UPPER_OUTCOME,
	NULL, DECIDED, "'evaluation_id', t.id"},
	ITEMS_END
};

static const AppColumn policy_rules_columns[] = {
	NEEDED("id", FOR_EVIDENCE, TEXTOID, VARCHAR),
	NEEDED("tenant_id", FOR_EVIDENCE, TEXTOID, VARCHAR),
	NEEDED("name", FOR_EVIDENCE, TEXTOID, "character varying(256)"),
	COLUMNS_END
};

static const AppColumn policy_enforcements_columns[] = {
	NEEDED("id", FOR_EVIDENCE | FOR_GAPS, TEXTOID, VARCHAR),
	NEEDED("tenant_id", FOR_LINKS, TEXTOID, VARCHAR),
	NEEDED("rule_id", FOR_EVIDENCE | COLUMN_DETAIL, TEXTOID, VARCHAR),
	NULLABLE("run_id", FOR_LINKS, TEXTOID, VARCHAR),
	NEEDED("action_taken", FOR_EVIDENCE, TEXTOID, "character varying(16)"),
	DEFAULTED("triggered_at", FOR_EVIDENCE, TIMESTAMPTZOID, TIMESTAMPTZ, true, "pg_catalog.now()"),
	DETAIL("incident_id"), DETAIL("details"),
	COLUMNS_END
};

static const AppLink policy_enforcements_links[] = {
	{"run_id", APP_POLICY_ENFORCEMENTS, "run_id", false,
	"t.run_id" SQL_EQ "$1", "run_id", NULL, NULL},
	LINKS_END
};

static const AppItem policy_enforcements_items[] = {
	{"policy_enforcement", "t.id", "t.triggered_at", NULL, "t.action_taken",
	POLICY_RULE_NAME("t.rule_id"), NULL, NULL},
	ITEMS_END
};

/* ---- controls ---- */

static const AppColumn limit_breaches_columns[] = {
	NEEDED("id", FOR_EVIDENCE | FOR_GAPS, TEXTOID, VARCHAR),
	NEEDED("tenant_id", FOR_LINKS, TEXTOID, VARCHAR),
	NEEDED("limit_id", FOR_EVIDENCE | FOR_GAPS | COLUMN_DETAIL, TEXTOID, VARCHAR),
	{"run_id", FOR_LINKS | COLUMN_PLAN, TEXTOID, VARCHAR, true, false, NULL,
	"the run that breached the limit"},
	NEEDED("breach_type", FOR_EVIDENCE, TEXTOID, "character varying(16)"),
	DEFAULTED("breached_at", FOR_EVIDENCE | FOR_GAPS, TIMESTAMPTZOID, TIMESTAMPTZ, true, "pg_catalog.now()"),
	NULLABLE("value_at_breach", FOR_EVIDENCE_JSON | COLUMN_DETAIL, NUMERICOID, "numeric(18,4)"),
	NEEDED("limit_value", FOR_EVIDENCE_JSON | COLUMN_DETAIL, NUMERICOID, "numeric(18,4)"),
	INDIRECT("incident_id", VARCHAR),
	DETAIL("recovered_at"), DETAIL("details"),
	COLUMNS_END
};

static const AppLink limit_breaches_links[] = {
	{"run_id", APP_LIMIT_BREACHES, "run_id", false,
	"t.run_id" SQL_EQ "$1", "run_id", NULL, NULL},
	LINKS_END
};

static const AppItem limit_breaches_items[] = {
	{"limit_breach", "t.id", "t.breached_at", NULL, "t.breach_type",
		"(SELECT l.name FROM @extschema@.limits l WHERE l.id" SQL_EQ "t.limit_id"
	" AND l.tenant_id" SQL_EQ "t.tenant_id)", NULL, NULL},
	ITEMS_END
};

static const AppColumn limits_columns[] = {
	NEEDED("id", FOR_EVIDENCE, TEXTOID, VARCHAR),
	NEEDED("tenant_id", FOR_EVIDENCE, TEXTOID, VARCHAR),
	NEEDED("name", FOR_EVIDENCE, TEXTOID, "character varying(256)"),
	COLUMNS_END
};

/* ---- logs ---- */

static const AppColumn audit_ledger_columns[] = {
	NEEDED("id", FOR_EVENTS | FOR_GAPS, TEXTOID, VARCHAR64),
	NEEDED("tenant_id", FOR_LINKS | FOR_GOVERNANCE, TEXTOID, VARCHAR64),
	NEEDED("event_type", FOR_EVENTS | FOR_GAPS, TEXTOID, VARCHAR64),
	NEEDED("entity_type", FOR_LINKS | FOR_GOVERNANCE | COLUMN_DETAIL, TEXTOID, "character varying(32)"),
	NEEDED("entity_id", FOR_LINKS | FOR_GOVERNANCE | COLUMN_DETAIL, TEXTOID, VARCHAR64),
	NEEDED("actor_type", FOR_GOVERNANCE | FOR_EVIDENCE_JSON | FOR_GAPS | COLUMN_DETAIL, TEXTOID, "character varying(16)"),
	NULLABLE("actor_id", FOR_GOVERNANCE | FOR_EVIDENCE_JSON | COLUMN_DETAIL, TEXTOID, VARCHAR64),
	NULLABLE("action_reason", FOR_GOVERNANCE | COLUMN_DETAIL, TEXTOID, TEXT),
	NULLABLE("before_state", FOR_LINKS | FOR_GOVERNANCE | COLUMN_DETAIL, JSONBOID, JSONB),
	NULLABLE("after_state", FOR_LINKS | FOR_GOVERNANCE | COLUMN_DETAIL, JSONBOID, JSONB),
	DEFAULTED("created_at", FOR_EVENTS | FOR_GAPS, TIMESTAMPTZOID, TIMESTAMPTZ, true, "pg_catalog.now()"),
	INDIRECT("correlation_id", VARCHAR64),
	COLUMNS_END
};

/*
 * The function is leakproof, so its indexes serve under row-level security.
 * They are not partial: the planner takes no statistics from a partial index,
 * and without them would rather read all events of a tenant.
 */
#define STATE_KEY(state, key) \
	"@extschema@.runlink_json_string(" state ", '" key "'::pg_catalog.text)"
#define STATE_LINK(state, key) \
	{state "." key, APP_AUDIT_LEDGER, state, false, \
		"@extschema@.runlink_json_string(t." state ", '" key "'::pg_catalog.text)" SQL_EQ "$1", \
		STATE_KEY(state, key), NULL, \
		"audit_ledger_" state "_" key "_idx"}

#define INCIDENT_OF_RUN(link) \
	"t.entity_type" SQL_EQ "'INCIDENT' AND EXISTS (SELECT 1 FROM @extschema@.incidents i" \
	" WHERE i.id" SQL_EQ "t.entity_id AND i.tenant_id" SQL_EQ "t.tenant_id AND " link ")"

static const AppLink audit_ledger_links[] = {
	STATE_LINK("after_state", "run_id"),
	STATE_LINK("after_state", "source_run_id"),
	STATE_LINK("before_state", "run_id"),
	STATE_LINK("before_state", "source_run_id"),
	{"entity_id", APP_INCIDENTS, "source_run_id", false,
		INCIDENT_OF_RUN("i.source_run_id" SQL_EQ "$1"),
	"entity_type, entity_id", NULL, NULL},
	{"entity_id", APP_INCIDENTS, "llm_run_id", false,
		INCIDENT_OF_RUN("i.source_run_id IS NULL AND i.llm_run_id" SQL_EQ "$1"),
	NULL, NULL, NULL},
	LINKS_END
};

static const AppItem audit_ledger_items[] = {
	{"governance_event", "t.id", "t.created_at", NULL, "t.event_type",
	"pg_catalog.concat(t.entity_type, ' ', t.entity_id)", NULL, NULL},
	ITEMS_END
};

static const AppColumn aos_traces_columns[] = {
	NEEDED("trace_id", FOR_LINKS | FOR_PROOF | FOR_SEALING, TEXTOID, VARCHAR64),
	NEEDED("run_id", FOR_LINKS | FOR_PROOF | FOR_SEALING, TEXTOID, VARCHAR64),
	NEEDED("tenant_id", FOR_LINKS | FOR_PROOF | FOR_SEALING, TEXTOID, VARCHAR64),
	NEEDED("status", FOR_EVIDENCE | FOR_PROOF | FOR_SEALING | FOR_GAPS, TEXTOID, "character varying(32)"),
	DEFAULTED("started_at", FOR_EVIDENCE | FOR_PROOF | FOR_SEALING | FOR_GAPS, TIMESTAMPTZOID, TIMESTAMPTZ, true, "pg_catalog.now()"),
	NULLABLE("completed_at", FOR_PROOF_JSON | FOR_GAPS | COLUMN_DETAIL, TIMESTAMPTZOID, TIMESTAMPTZ),
	INDIRECT("correlation_id", VARCHAR64),
	DETAIL("agent_id"), DETAIL("root_hash"), DETAIL("incident_id"),
	DETAIL("violation_step_index"), DETAIL("violation_policy_id"), DETAIL("violation_reason"),
	DETAIL("replay_mode"), DETAIL("archived_at"), SYNTHETIC,
	COLUMNS_END
};

static const AppLink aos_traces_links[] = {
	{"run_id", APP_AOS_TRACES, "run_id", false,
	"t.run_id" SQL_EQ "$1", "run_id", NULL, NULL},
	LINKS_END
};

static const AppItem aos_traces_items[] = {
	{"trace", "t.trace_id", "t.started_at", NULL, "t.status", NULL, NULL, NULL},
	ITEMS_END
};

static const AppColumn aos_trace_steps_columns[] = {
	NEEDED("trace_id", FOR_LINKAGE | FOR_PROOF | FOR_SEALING | FOR_GAPS, TEXTOID, VARCHAR64),
	NEEDED("step_index", FOR_PROOF | FOR_SEALING | FOR_GAPS, INT4OID, "integer"),
	NEEDED("skill_name", FOR_PROOF, TEXTOID, "character varying(128)"),
	NEEDED("status", FOR_PROOF, TEXTOID, "character varying(32)"),
	NEEDED("cost_cents", FOR_PROOF_JSON, FLOAT8OID, "double precision"),
	NEEDED("duration_ms", FOR_PROOF_JSON, FLOAT8OID, "double precision"),
	DEFAULTED("timestamp", FOR_SEALING | FOR_GAPS, TIMESTAMPTZOID, TIMESTAMPTZ, true, "pg_catalog.now()"),
	COLUMNS_END
};

/* Where the application's retention moves a trace to; its steps go. */
static const AppColumn aos_traces_archive_columns[] = {
	NEEDED("trace_id", FOR_PROOF | FOR_GAPS, TEXTOID, VARCHAR64),
	{"run_id", FOR_GAPS | COLUMN_LEGACY, TEXTOID, VARCHAR64, false, false, NULL,
	"a run whose trace was moved here is none without a trace"},
	{"tenant_id", FOR_GAPS | COLUMN_LEGACY, TEXTOID, VARCHAR64, false, false, NULL,
	"and the tenant has to be the run's"},
	COLUMNS_END
};

static const AppColumn llm_run_records_columns[] = {
	NEEDED("id", FOR_EVIDENCE | FOR_GAPS, TEXTOID, VARCHAR64),
	NEEDED("tenant_id", FOR_LINKS, TEXTOID, VARCHAR64),
	NEEDED("run_id", FOR_LINKS, TEXTOID, VARCHAR64),
	NEEDED("provider", FOR_EVIDENCE, TEXTOID, VARCHAR64),
	NEEDED("model", FOR_EVIDENCE, TEXTOID, "character varying(128)"),
	NEEDED("execution_status", FOR_EVIDENCE, TEXTOID, "character varying(32)"),
	NEEDED("started_at", FOR_EVIDENCE, TIMESTAMPTZOID, TIMESTAMPTZ),
	DETAIL("trace_id"), DETAIL("input_tokens"), DETAIL("output_tokens"), DETAIL("cost_cents"),
	DETAIL("completed_at"), DETAIL("source"), SYNTHETIC,
	COLUMNS_END
};

static const AppLink llm_run_records_links[] = {
	{"run_id", APP_LLM_RUN_RECORDS, "run_id", false,
	"t.run_id" SQL_EQ "$1", "run_id", NULL, NULL},
	LINKS_END
};

static const AppItem llm_run_records_items[] = {
	{"llm_run_record", "t.id", "t.started_at", NULL, "t.execution_status",
	"pg_catalog.concat(t.provider, '/', t.model)", NULL, NULL},
	ITEMS_END
};

/* ---- all of it ---- */

const AppTable app_tables[APP_TABLE_COUNT] = {
	[APP_RUNS] = {
		.name = "runs", .domain = "activity",
		.key = "id", .key_constraint = "primary key",
		.columns = runs_columns, .links = runs_links, .items = runs_items,
	},
	[APP_INCIDENTS] = {
		.name = "incidents", .domain = "incidents",
		.key = "id", .key_constraint = "primary key",
		.columns = incidents_columns, .links = incidents_links, .items = incidents_items,
	},
	[APP_PREVENTION_RECORDS] = {
		.name = "prevention_records", .domain = "policies",
		.key = "id", .key_constraint = "primary key",
		.columns = prevention_records_columns, .links = prevention_records_links,
		.items = prevention_records_items,
	},
	[APP_POLICY_RULES] = {
		.name = "policy_rules", .domain = "policies",
		.key = "id", .key_constraint = "primary key",
		.columns = policy_rules_columns,
	},
	[APP_POLICY_ENFORCEMENTS] = {
		.name = "policy_enforcements", .domain = "policies", .optional = true,
		.key = "id", .key_constraint = "primary key",
		.columns = policy_enforcements_columns, .links = policy_enforcements_links,
		.items = policy_enforcements_items,
	},
	[APP_LIMIT_BREACHES] = {
		.name = "limit_breaches", .domain = "controls",
		.key = "id", .key_constraint = "primary key",
		.columns = limit_breaches_columns, .links = limit_breaches_links,
		.items = limit_breaches_items,
	},
	[APP_LIMITS] = {
		.name = "limits", .domain = "controls",
		.key = "id", .key_constraint = "primary key",
		.columns = limits_columns,
	},
	[APP_AUDIT_LEDGER] = {
		.name = "audit_ledger", .domain = "logs",
		.key = "id", .key_constraint = "primary key",
		.update_guarded = true, .delete_guarded = true,
		.columns = audit_ledger_columns, .links = audit_ledger_links,
		.items = audit_ledger_items,
	},
	[APP_AOS_TRACES] = {
		.name = "aos_traces", .domain = "logs",
		.key = "trace_id", .key_constraint = "unique",
		.update_guarded = true,
		.columns = aos_traces_columns, .links = aos_traces_links, .items = aos_traces_items,
	},
	[APP_AOS_TRACE_STEPS] = {
		.name = "aos_trace_steps", .domain = "logs",
		.key = "trace_id, step_index", .key_constraint = "unique",
		.update_guarded = true, .delete_guarded = true,
		.read_whole_by = FOR_PROOF | FOR_SEALING,	/* a leaf covers the whole row */
		.columns = aos_trace_steps_columns,
	},
	[APP_AOS_TRACES_ARCHIVE] = {
		.name = "aos_traces_archive", .domain = "logs", .optional = true,
		.columns = aos_traces_archive_columns,
	},
	[APP_LLM_RUN_RECORDS] = {
		.name = "llm_run_records", .domain = "logs", .optional = true,
		.key = "id", .key_constraint = "primary key",
		.columns = llm_run_records_columns, .links = llm_run_records_links,
		.items = llm_run_records_items,
	},
};

/* ---- the calls ---- */

const AppCall app_call_linkage = {"runlink_linkage", FOR_LINKAGE};
const AppCall app_call_evidence = {"runlink_evidence", FOR_EVIDENCE};
const AppCall app_call_evidence_json = {
	"runlink_evidence_json", FOR_EVIDENCE | FOR_EVIDENCE_JSON
};
const AppCall app_call_governance = {"runlink_governance", FOR_GOVERNANCE};
const AppCall app_call_proof = {"runlink_proof", FOR_PROOF};
const AppCall app_call_proof_steps = {"runlink_proof_steps", FOR_PROOF};
const AppCall app_call_proof_json = {"runlink_proof_json", FOR_PROOF | FOR_PROOF_JSON};
const AppCall app_call_package = {
	"runlink_package", FOR_PROOF | FOR_EVIDENCE | FOR_EVIDENCE_JSON
};
const AppCall app_call_step_proof = {"runlink_step_proof", FOR_PROOF};
const AppCall app_call_verify = {"runlink_verify", FOR_PROOF};
const AppCall app_call_verify_summary = {"runlink_verify_summary", FOR_PROOF};
const AppCall app_call_tick = {"runlink_tick", FOR_PROOF | FOR_SEALING};
const AppCall app_call_seal_pending = {"runlink_seal_pending", FOR_SEALING};
const AppCall app_call_gaps = {"runlink_gaps", FOR_GAPS};
const AppCall app_call_report = {
	"runlink_report", FOR_REPORT
};

/* Does the call look at the column, if it is there? */
bool
app_call_reads_column(const AppCall *call, const AppColumn *column)
{
	return (column->use & call->needs) ||
		((column->use & COLUMN_DETAIL) && (call->needs & FOR_EVIDENCE));
}

bool
app_call_reads_table(const AppCall *call, const AppTable *table)
{
	for (const AppColumn *column = table->columns; column->name != NULL; column++)
	{
		if (column->use & call->needs)
			return true;
	}
	return false;
}

/*
 * The names of the calls that need what is for the given use, as a palloc'd
 * list for people.  A JSON call is listed only for what it needs besides the
 * call that it is made of.
 */
char *
app_needed_by(int use)
{
	const struct
	{
		const AppCall *call;
		int			uses;
		int			unless;
	}			calls[] = {
		{&app_call_linkage, FOR_LINKAGE, 0},
		{&app_call_evidence, FOR_EVIDENCE | COLUMN_DETAIL, 0},
		{&app_call_evidence_json, FOR_EVIDENCE_JSON, FOR_EVIDENCE},
		{&app_call_governance, FOR_GOVERNANCE, 0},
		{&app_call_proof, FOR_PROOF, 0},
		{&app_call_proof_json, FOR_PROOF_JSON, FOR_PROOF},
		{&app_call_verify, FOR_PROOF, 0},
		{&app_call_tick, FOR_PROOF | FOR_SEALING, 0},
		{&app_call_seal_pending, FOR_SEALING, 0},
		{&app_call_gaps, FOR_GAPS, 0},
		{&app_call_report, FOR_REPORT | COLUMN_DETAIL, 0},
	};
	StringInfoData names;

	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(calls); i++)
	{
		if ((use & calls[i].uses) && !(use & calls[i].unless))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", calls[i].call->name);
	}
	return names.data;
}

/* Does SQL of the map name a column? */
bool
app_names_column(const char *sql, const char *column)
{
	size_t		length = strlen(column);
	const char *at = sql;

	while ((at = strstr(at, column)) != NULL)
	{
		bool		begins = (at == sql || !(isalnum((unsigned char) at[-1]) || at[-1] == '_'));

		at += length;
		if (begins && !(isalnum((unsigned char) *at) || *at == '_'))
			return true;
	}
	return false;
}

/*
 * SQL of the map as Postgres prints it where only pg_catalog is on the
 * search_path, palloc'd.
 */
char *
app_as_printed(const char *sql)
{
	static const char prefix[] = "pg_catalog.";
	StringInfoData printed;
	const char *next;

	initStringInfo(&printed);
	for (; (next = strstr(sql, prefix)) != NULL; sql = next + strlen(prefix))
		appendBinaryStringInfo(&printed, sql, next - sql);
	appendStringInfoString(&printed, sql);
	return printed.data;
}
