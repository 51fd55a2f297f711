// postgraphile.mjs: makes GraphQL of the database that PGHOST and its like name, and reads the views with it.
import assert from 'node:assert/strict';
import pg from 'pg';
import graphql from 'graphql';
import postgraphile from 'postgraphile';

const pool = new pg.Pool();
// What belongs to an extension is left out unless asked for.
const schema = await postgraphile.createPostGraphileSchema(pool, 'public', { ignoreRBAC: false, includeExtensionResources: true });

async function ask(query) {
	const answer = await postgraphile.withPostGraphileContext({ pgPool: pool }, (context) =>
		graphql.graphql(schema, query, null, context));

	assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
	return JSON.parse(JSON.stringify(answer.data));
}

async function comments(view) {
	const { rows } = await pool.query(
		`select obj_description(v) as view, json_object_agg(attname, col_description(v, attnum)) as columns
		from pg_attribute, cast($1 as regclass) as v where attrelid = v and attnum > 0 group by v`, [view]);
	return rows[0];
}

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function typeName(type) {
	return type.kind === 'NON_NULL' ? `${type.ofType.name}!` : type.name;
}

// Types and comments: every column of every view, with the type that a client gets.
const types = {
	text: 'String', integer: 'Int', boolean: 'Boolean', 'double precision': 'Float', numeric: 'BigFloat',
	'timestamp with time zone': 'Datetime',
};
const views = {
	runlink_runs: ['RunlinkRun', ['run_id']],
	runlink_evidence_items: ['RunlinkEvidenceItem', ['run_id', 'kind', 'record_id']],
	runlink_governance_events: ['RunlinkGovernanceEvent', ['run_id', 'record_id']],
	runlink_policy_decisions: ['RunlinkPolicyDecision', ['run_id', 'decision_id']],
	runlink_limit_hits: ['RunlinkLimitHit', ['breach_id']],
	runlink_trace_integrity: ['RunlinkTraceIntegrity', ['trace_id']],
	runlink_gap_list: ['RunlinkGapList', []],
};
let columnCount = 0;
for (const [view, [type, key]] of Object.entries(views)) {
	const { __type: object } = await ask(`{ __type(name: "${type}") {
		description fields { name description type { kind name ofType { name } } } } }`);
	const fields = Object.fromEntries(object.fields.map((field) => [field.name, field]));
	const comment = await comments(view);

	assert.equal(object.description, comment.view.replace(/^(@.*\n)+/, ''), `the comment of ${view}, without its keys`);
	assert.match(object.description, /^[A-Z]/);
	const { rows: columns } = await pool.query(
		`select attname, format_type(atttypid, null) as type from pg_attribute where attrelid = cast($1 as regclass) and attnum > 0`, [view]);
	for (const column of columns) {
		const field = fields[camel(column.attname)];

		assert.ok(field, `${view}.${column.attname} is a field`);
		assert.equal(typeName(field.type), types[column.type] + (key.includes(column.attname) ? '!' : ''),
			`the type of ${view}.${column.attname}`);
		assert.equal(field.description, comment.columns[column.attname], `the comment of ${view}.${column.attname}`);
		columnCount++;
	}
	assert.equal('nodeId' in fields, key.length > 0, `${view} has the key that it can have`);
	if (view !== 'runlink_runs')
		assert.equal(fields.runlinkRunByRunId?.type.name, 'RunlinkRun', `${view} leads to its run`);
}

// What the views are made of is not offered beside them.
assert.deepEqual(Object.keys(schema.getQueryType().getFields()).filter((name) => /^runlink(.*(Rows|Links|Read)$|Gap(?!s|Lists))/.test(name)), []);

// Rows: a run by its key and what belongs to it, read as the role of its tenant.
const { run } = await ask(`{ run: runlinkRunByRunId(runId: "run-linkage-test-001") {
	tenantId status policyViolation createdAt durationMs estimatedCostUsd incidentCount decisionCount stepCount sealing
	items: runlinkEvidenceItemsByRunId(condition: { domain: "incidents" }, orderBy: RECORD_ID_ASC) {
		totalCount nodes { kind recordId title occurredAt linkedBy } }
	events: runlinkGovernanceEventsByRunId { totalCount }
	decisions: runlinkPolicyDecisionsByRunId(orderBy: DECISION_ID_ASC) { nodes { decision policyName matchConfidence } }
	hits: runlinkLimitHitsByRunId { nodes { limitName valueAtBreach limitValue } }
	traces: runlinkTraceIntegritiesByRunId { nodes { traceId stepCount sealedStepCount sealing runlinkRunByRunId { runId } } }
} }`);
assert.deepEqual(run, {
	tenantId: 'tenant-test-001', status: 'succeeded', policyViolation: true, createdAt: '2026-01-15T09:00:00+00:00',
	durationMs: 720000, estimatedCostUsd: '0.0865', incidentCount: 2, decisionCount: 3, stepCount: 5, sealing: 'sealed',
	items: { totalCount: 2, nodes: [
		{ kind: 'incident', recordId: 'inc-test-001', title: 'Test incident 1', occurredAt: '2026-01-15T09:06:00+00:00', linkedBy: 'source_run_id' },
		{ kind: 'incident', recordId: 'inc-test-002', title: 'Test incident 2', occurredAt: '2026-01-15T09:10:00+00:00', linkedBy: 'source_run_id' },
	] },
	events: { totalCount: 3 },
	decisions: { nodes: [
		{ decision: 'WARNED', policyName: 'Test Policy Rule 1', matchConfidence: 0.81 },
		{ decision: 'BLOCKED', policyName: 'Test Policy Rule 2', matchConfidence: 0.97 },
		{ decision: 'PREVENTED', policyName: 'Test Policy Rule 3', matchConfidence: 0.92 },
	] },
	hits: { nodes: [{ limitName: 'Budget Limit', valueAtBreach: '105.5000', limitValue: '100.0000' }] },
	traces: { nodes: [{ traceId: 'trace_run-linkage-test-001', stepCount: 5, sealedStepCount: 5, sealing: 'sealed',
		runlinkRunByRunId: { runId: 'run-linkage-test-001' } }] },
});
const { runs, other } = await ask('{ runs: allRunlinkRuns { nodes { runId } } other: runlinkRunByRunId(runId: "run-other") { runId } }');
assert.deepEqual(runs.nodes, [{ runId: 'run-linkage-test-001' }], 'a tenant sees its own run');
assert.equal(other, null, 'and not another\'s');

// Calls.
const calls = await ask(`{
	evidence: runlinkEvidence(runId: "run-linkage-test-001") { totalCount nodes { kind recordId outcome detail } }
	linkage: runlinkLinkage(runId: "run-linkage-test-001") { nodes { runFound incidentCount } }
	proof: runlinkProof(runId: "run-linkage-test-001") { nodes { verificationStatus assurance chainLength } }
	report: runlinkReport(runId: "run-linkage-test-001")
}`);
assert.equal(calls.evidence.totalCount, 14);
assert.equal(calls.evidence.nodes[0].kind, 'run');
assert.equal(JSON.parse(calls.evidence.nodes[0].detail).policy_violation, true);
assert.deepEqual(calls.linkage.nodes, [{ runFound: true, incidentCount: '2' }]);
assert.deepEqual(calls.proof.nodes, [{ verificationStatus: 'VERIFIED', assurance: 'sealed', chainLength: '5' }]);
assert.match(calls.report, /run-linkage-test-001/);

await pool.end();
console.log(`${Object.keys(views).length} views with ${columnCount} columns, and the calls, are GraphQL`);
