# With the recommended indexes, no call reads a whole table of the application, neither for a
# superuser nor for a tenant's role under row-level security, where only leakproof functions and
# operators may use an index before the policy is checked.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fixture = "$FindBin::RealBin/../fixture";
my $rows = 20_000;
my $run = 'run-777';

my $node = PostgreSQL::Test::Cluster->new('index_use');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\nmax_parallel_workers_per_gather = 0");
$node->start;

# Four tenants; each run has a record of each kind, some by legacy links, and its own hour.
$node->safe_psql('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $fixture/schema.sql
	set session_replication_role = replica;
	create temp view n as select i, 'tenant-' || i % 4 as tenant, 'run-' || i as run,
		timestamptz '2020-01-01 00:00:00+00' + i * interval '1 hour' as at from generate_series(1, $rows) as i;
	insert into runs (id, tenant_id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id)
		select run, tenant, 'a', 'g', 'succeeded', 1, 1, 0, 'o' from n;
	insert into incidents (id, tenant_id, title, severity, status, lifecycle_state, trigger_type, cause_type, started_at, source_run_id, llm_run_id)
		select 'inc-' || i, tenant, 't', 'HIGH', 'open', 'ACTIVE', 'x', 'y', now(),
			case when i % 10 > 0 then run end, case when i % 10 = 0 then run end from n;
	insert into policy_rules (id, tenant_id, name, enforcement_mode, scope) select 'rule-' || i, tenant, 'rule', 'WARN', 'TENANT' from n;
	insert into prevention_records (id, tenant_id, run_id, policy_id, outcome, pattern_id, original_incident_id, blocked_incident_id, signature_match_confidence)
		select 'prev-' || i, tenant, case when i % 10 > 1 then run end, 'rule-' || i, 'BLOCKED', 'p',
			case when i % 10 = 0 then run else 'o' || i end, case when i % 10 = 1 then run else 'b' || i end, 1 from n;
	insert into policy_enforcements (id, tenant_id, rule_id, run_id, action_taken) select 'enf-' || i, tenant, 'rule-' || i, run, 'WARN' from n;
	insert into limits (id, tenant_id, name, limit_category, limit_type, scope, max_value) select 'limit-' || i, tenant, 'limit', 'BUDGET', 'COST_USD', 'TENANT', 1 from n;
	insert into limit_breaches (id, tenant_id, limit_id, run_id, breach_type, limit_value, breached_at, incident_id)
		select 'breach-' || i, tenant, 'limit-' || i, case when i > 20 then run end, 'BREACHED', 1, at, 'inc-' || i from n;
	insert into aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version, plan, trace, status, started_at, completed_at)
		select 'trace_' || run, run, 'corr-' || i, tenant, 'pending', '1.0', '{}', '{}', 'completed', at, at + interval '1 minute' from n;
	insert into aos_trace_steps (trace_id, step_index, skill_id, skill_name, params, status, outcome_category, cost_cents, duration_ms, retry_count, replay_behavior)
		select 'trace_' || run, s, 's', 's', '{}', 'success', 'SUCCESS', 0, 0, 0, 'execute' from n, generate_series(0, 1) as s;
	insert into llm_run_records (id, tenant_id, run_id, provider, model, input_tokens, output_tokens, cost_cents, execution_status, started_at, source, is_synthetic)
		select 'llm-' || i, tenant, run, 'p', 'm', 0, 0, 0, 'SUCCEEDED', now(), 's', false from n;
	insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, actor_type, correlation_id, created_at, before_state, after_state)
		select 'audit-' || i, tenant, case when i % 5 = 0 then 'IncidentResolved' else 'LimitBreached' end, case when i % 5 = 0 then 'INCIDENT' else 'LIMIT' end, case when i % 5 = 0 then 'inc-' else 'limit-' end || i,
			'SYSTEM', 'corr-' || i, at,
			jsonb_build_object(case i % 5 when 1 then 'run_id' when 2 then 'source_run_id' else 'x' end, run),
			jsonb_build_object(case i % 5 when 3 then 'run_id' when 4 then 'source_run_id' else 'x' end, run) from n;
	reset session_replication_role;
	select remedy from runlink_schema_check() where level = 'recommended' and status <> 'ok' \\gexec

	create role app_tenant login;
	grant select on all tables in schema public to app_tenant;
	alter role app_tenant set app.tenant = 'tenant-1';
	do \$\$
	declare t regclass;
	begin
		for t in select oid from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace loop
			execute format('alter table %s enable row level security', t);
			if t = 'aos_trace_steps'::regclass then
				execute format('create policy own on %s using (exists (select from aos_traces as a where a.trace_id = aos_trace_steps.trace_id))', t);
			else
				execute format('create policy own on %s using (tenant_id = current_setting(''app.tenant''))', t);
			end if;
		end loop;
	end
	\$\$;
	vacuum analyze;
});
is($node->safe_psql('postgres', q{select count(*) from runlink_schema_check() where level <> 'info' and status <> 'ok'}),
	'0', 'the schema check wants nothing more');

# What was read so far of each table: the number of scans of the whole, and of rows and index entries.
# Backends report when they end; a new one sees what was reported.
sub reads
{
	return { map { /^(\w+)\|(\d+)\|(\d+)$/ ? ($1 => [ $2, $3 ]) : () } split /\n/, $node->safe_psql('postgres', q{
		select t.relname, t.seq_scan, t.seq_tup_read + coalesce((
			select sum(i.idx_tup_read) from pg_stat_user_indexes as i where i.relid = t.relid), 0)
		from pg_stat_user_tables as t
	}) };
}

# Makes a call so often that a plan for any run is used, in a new backend, which has no plans yet.
# Returns the tables that a call reads whole, and those of which it reads more than a hundred rows
# (a run has a few; a tenant has 5,000).
sub overread
{
	my ($role, $call) = @_;
	my $calls = 12;
	my $before = reads();
	my $answers = $node->safe_psql('postgres', "set role $role; set app.tenant = 'tenant-1';\n" . "$call;\n" x $calls
		. 'reset role; select pg_stat_force_next_flush() \g /dev/null');
	my $after = reads();

	return join(' ', grep {
			$after->{$_}[0] > ($before->{$_} // [0, 0])->[0] || $after->{$_}[1] - ($before->{$_} // [0, 0])->[1] > 100 * $calls
		} sort keys %$after);
}

$node->safe_psql('postgres', 'create table counted as select generate_series(1, 101) as one');
is(overread('postgres', 'select count(*) from counted'), 'counted', 'a sequential scan is counted');
$node->safe_psql('postgres', 'drop table counted');

my @calls = map { "select count(*) from $_('$run')" }
  qw(runlink_linkage runlink_evidence runlink_governance runlink_proof runlink_proof_steps runlink_gaps);
push @calls, map { "select length($_('$run')::text)" } qw(runlink_evidence_json runlink_proof_json runlink_report);
push @calls, "select length(runlink_report('$run', format => 'html'))";

foreach my $role ('postgres', 'app_tenant')
{
	# Run 777 is of tenant-1; it is whole for both.
	is($node->safe_psql('postgres', "set role $role; set app.tenant = 'tenant-1';
		select incident_count, policy_evaluation_count, limit_breach_count, governance_event_count, trace_count, step_count from runlink_linkage('$run')"),
		'1|1|1|1|1|2', "$role: the run has its records");
	foreach my $call (@calls, map { s/'$run'/'$run', 'tenant-1'/r } @calls)
	{
		is(overread($role, $call), '', "$role: $call reads little");
	}
	# A legacy link, another tenant's run, and one that does not exist.
	foreach my $other ('run-770', 'run-771', 'run-778', 'nope')
	{
		is(overread($role, "select count(*) from runlink_evidence('$other')"), '',
			"$role: evidence of $other reads little");
	}
}
is($node->safe_psql('postgres', "set role app_tenant; set app.tenant = 'tenant-1'; select count(*) from runlink_evidence('run-778')"),
	'0', 'a tenant sees nothing of the run of another');

# Each index that the schema check recommends is one of those that made it so: without it, and others
# that serve the link, much of the table is read.
foreach my $line (split /\n/, $node->safe_psql('postgres', q{
	select check_id, split_part(check_id, '.', 2) from runlink_schema_check()
	where check_id like 'index.%' and status = 'ok' order by 1
}))
{
	my ($id, $table) = split /\|/, $line;
	my $serving = 0;

	# The server uses no index that is not valid.
	for (;;)
	{
		my $index = $node->safe_psql('postgres', "select found from runlink_schema_check() where check_id = '$id' and status = 'ok'");
		last if $index eq '';
		$node->safe_psql('postgres', "update pg_index set indisvalid = false where indexrelid = '$index'::regclass");
		$serving++;
	}
	foreach my $role ('postgres', 'app_tenant')
	{
		like(overread($role, "select count(*) from runlink_evidence('$run')"), qr/\b$table\b/,
			"$role: without $id ($serving indexes), much of $table is read");
	}
	$node->safe_psql('postgres', 'update pg_index set indisvalid = true where not indisvalid');
}

# Under row-level security it is the leakproof mark that lets the index serve.
$node->safe_psql('postgres', 'alter function runlink_json_string(jsonb, text) not leakproof');
like(overread('app_tenant', "select count(*) from runlink_governance('$run')"), qr/\baudit_ledger\b/,
	'app_tenant: were runlink_json_string not leakproof, much of audit_ledger would be read');
is(overread('postgres', "select count(*) from runlink_governance('$run')"), '', 'postgres: it would not');
$node->safe_psql('postgres', 'alter function runlink_json_string(jsonb, text) leakproof');
is(overread('app_tenant', "select count(*) from runlink_governance('$run')"), '', 'app_tenant: and with the mark it is not');

done_testing();
