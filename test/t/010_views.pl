# What stands on the views: a materialized view is dumped, restored and refreshed; a session goes on
# while the tables below change; on a standby and in parallel plans they are the same.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fixture = "$FindBin::RealBin/../fixture";
my $new_run = "insert into runs (id, tenant_id, agent_id, goal, status, attempts, max_attempts, priority, created_at,
	origin_system_id) values ('run-new', 'tenant-new', 'a', 'g', 'failed', 1, 1, 0, '2026-01-16 09:00:00+00', 'o')";

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
$primary->append_conf('postgresql.conf', "timezone = 'UTC'");
$primary->start;
$primary->safe_psql('postgres', 'create database app');
$primary->safe_psql('app', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $fixture/schema.sql
	select runlink_enable_sealing();
	\\i $fixture/example.sql
	create role analyst;
	create schema reports authorization analyst;
	grant select on all tables in schema public to analyst;
	set role analyst;
	create materialized view reports.day as
		select created_at::date as day, status, count(*) as runs, sum(incident_count) as incidents, min(sealing) as sealing
		from runlink_runs group by 1, 2;
	create unique index on reports.day (day, status);
	create materialized view reports.evidence as select * from runlink_evidence_items;
	create materialized view reports.trace as select * from runlink_trace_integrity;
	create view reports.decision as select * from runlink_policy_decisions where decision = 'BLOCKED';
});
my @reports = (
	'select * from reports.day order by 1, 2',
	'select * from reports.evidence order by run_id, kind, record_id',
	'select * from reports.trace',
	'select * from reports.decision');

sub answers
{
	my ($node, $database, @queries) = @_;
	return join("\n--\n", map { $node->safe_psql($database, $_) } @queries);
}

my $expected = answers($primary, 'app', @reports);
like($expected, qr/^2026-01-15\|succeeded\|1\|2\|sealed\n--\n/, 'what is made of the views');
like($expected, qr/\|BLOCKED\|/, 'is there');

#
# Dumped and restored. Materialized views are filled again, by their owner.
#
my $dump = PostgreSQL::Test::Utils::tempdir;
$primary->command_ok([ 'pg_dump', '-f', "$dump/app.sql", '-d', $primary->connstr('app') ], 'pg_dump in plain text');
$primary->command_ok([ 'pg_dump', '-Fc', '-f', "$dump/app.custom", '-d', $primary->connstr('app') ], 'pg_dump in the custom format');
$primary->safe_psql('postgres', 'create database plain');
$primary->safe_psql('postgres', 'create database custom');
$primary->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$dump/out", '-f', "$dump/app.sql", '-d', $primary->connstr('plain') ],
	'restored from plain text');
$primary->command_ok([ 'pg_restore', '-j', '2', '-e', '-d', $primary->connstr('custom'), "$dump/app.custom" ],
	'restored from the custom format, in parallel');
foreach my $database ('plain', 'custom')
{
	is(answers($primary, $database, @reports), $expected, "$database: everything is there");
	$primary->safe_psql($database, "$new_run; set role analyst; refresh materialized view reports.evidence;
		refresh materialized view concurrently reports.day");
	is($primary->safe_psql($database, 'select day, status, runs, sealing from reports.day order by 1'),
		"2026-01-15|succeeded|1|sealed\n2026-01-16|failed|1|no_trace", "$database: and is refreshed");
	is($primary->safe_psql($database, "select kind from reports.evidence where run_id = 'run-new'"), 'run', "$database: with what is new");
}

#
# DROP EXTENSION does not take them unasked.
#
my ($result, $stdout, $stderr) = $primary->psql('plain', 'drop extension runlink');
like($stderr, qr/reports\.day depends on/, 'what is made of the views keeps the extension from being dropped');

#
# Roles in a session have plans of their own.
#
my $session = $primary->background_psql('custom');
$session->query_safe("create role other; grant select on all tables in schema public to other;
	alter table runs enable row level security; create policy other on runs to other using (id = 'run-new');
	create policy analyst on runs to analyst using (id <> 'run-new');
	prepare runs as select string_agg(run_id, ' ' order by run_id) from runlink_runs");
my %seen = (postgres => 'run-linkage-test-001 run-new', other => 'run-new', analyst => 'run-linkage-test-001');
foreach my $role ('postgres', 'other', 'analyst', 'other', 'postgres')
{
	is($session->query_safe("set role $role; execute runs"), $seen{$role}, "one prepared statement, as $role");
}
$session->query_safe("set role postgres; alter table runs add column note text; alter table runs rename column agent_id to agent");
is($session->query_safe('execute runs'), $seen{postgres}, 'and after the table was altered');
is($session->query_safe("select count(agent_id) from runlink_runs"), '0', 'a column that is not there any more is NULL');
$session->quit;

#
# On a standby, and where every plan that can be is parallel.
#
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
my @views = map { "select * from $_ order by 1, 2, 3, 4, 5" } qw(runlink_runs runlink_evidence_items
  runlink_governance_events runlink_policy_decisions runlink_limit_hits runlink_trace_integrity runlink_gap_list);
$expected = answers($primary, 'app', @views);
like($expected, qr/\|sealed\b/, 'the views on the primary');
is(answers($standby, 'app', @views), $expected, 'are the same on the standby');
my $parallel = 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
	set min_parallel_table_scan_size = 0; set min_parallel_index_scan_size = 0;';
is(answers($primary, 'app', map { "$parallel $_" } @views), $expected, 'and with workers');
like($primary->safe_psql('app', "$parallel explain (costs off) select count(*) from runlink_runs"), qr/Parallel .*Scan/,
	'which runs are counted by');

# The lines of a plan that a Gather has below it.
sub below_gather
{
	my ($plan) = @_;
	my ($gather, @below);

	foreach my $line (split /\n/, $plan)
	{
		my ($indent) = $line =~ /^( *)/;

		$gather = undef if defined $gather && length $indent <= $gather;
		push @below, $line if defined $gather;
		$gather = length $indent if !defined $gather && $line =~ /Gather/;
	}
	return join("\n", @below);
}
my $seals = $primary->safe_psql('app', "$parallel explain (costs off) select trace_id, sealed_at from runlink_trace_integrity");
like($seals, qr/Function Scan on runlink_trace_seal/, 'seals are looked up');
like(below_gather($seals), qr/Scan .*aos_traces/, 'of traces that workers read');
unlike(below_gather($seals), qr/runlink_trace_seal/, 'by the leader alone');

done_testing();
