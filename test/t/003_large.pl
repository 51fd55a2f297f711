# No limit and flat memory: a trace of 300,000 steps is answered whole in the memory of one of 100, a
# run's 5,000 evaluations come back, a long call ends when it is cancelled, and thousands of calls
# leave nothing behind.
use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

if (!-r '/proc/self/status')
{
	plan skip_all => 'memory is read from /proc';
}

my $fixture = "$FindBin::RealBin/../fixture";
my $steps = 300_000;
my $evaluations = 5_000;
my $tolerated = 10 * 1024;    # kB

# A page of shared memory counts for each process that touched it, so there are few of them.
my $node = PostgreSQL::Test::Cluster->new('large');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_buffers = '4MB'
work_mem = '64kB'
autovacuum = off
wal_level = minimal
max_wal_senders = 0
max_parallel_workers_per_gather = 0
jit = off
});
$node->start;

# Steps come in another order than theirs, with gaps, negative indexes, every status that the digest
# tells apart and some that it does not, and text beyond ASCII.
$node->safe_psql('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $fixture/schema.sql
	do \$\$
	declare i regclass;
	begin
		alter table aos_trace_steps drop constraint aos_trace_steps_pkey;
		for i in select indexrelid from pg_index where indrelid = 'aos_trace_steps'::regclass and not indisunique loop
			execute 'drop index ' || i;
		end loop;
	end
	\$\$;
	set session_replication_role = replica;
	insert into runs (id, tenant_id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id)
		select 'run-' || n, 'tenant', 'a', 'g', 'succeeded', 1, 1, 0, 'o'
		from unnest(array['small', 'large', 'evaluated']) as n;
	insert into aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version, plan, trace, status)
		select 'trace-' || n, 'run-' || n, 'c', 'tenant', 'pending', '1.0', '{}', '{}', 'completed'
		from unnest(array['small', 'large']) as n;
	insert into aos_trace_steps (trace_id, step_index, skill_id, skill_name, params, status,
			outcome_category, cost_cents, duration_ms, retry_count, replay_behavior)
		select 'trace-' || n, i * 3 - 1000, 's',
			(array['fetch', 'näh–"en"', 'a:b', e'tab\\tback\\\\slash', '🔧', ''])[i % 6 + 1],
			'{}', (array['success', 'failure', 'retry', 'skipped', 'failed', 'Success', ''])[i % 7 + 1],
			'SUCCESS', 0, 0, 0, 'execute'
		from (values ('small', 100), ('large', $steps)) as t (n, count), generate_series(0, 2) as part,
			generate_series(2 - part, count - 1, 3) as i;
	-- Ordinary traces: with two alone, Postgres would expect every one to be half of the table.
	insert into aos_trace_steps (trace_id, step_index, skill_id, skill_name, params, status,
			outcome_category, cost_cents, duration_ms, retry_count, replay_behavior)
		select 'trace-other-' || i / 10, i % 10, 's', 's', '{}', 'success', 'SUCCESS', 0, 0, 0, 'execute'
		from generate_series(0, 29999) as i;
	insert into prevention_records (id, tenant_id, run_id, policy_id, outcome, pattern_id,
			original_incident_id, blocked_incident_id, signature_match_confidence)
		select 'evaluation-' || i, 'tenant', 'run-evaluated', 'p', (array['BLOCKED', 'allowed'])[i % 2 + 1], 'p', 'o', 'b', 1
		from generate_series(1, $evaluations) as i;
	analyze;
});

# Runs statements in a backend of its own; returns what they say and, in kB, its peak of memory.
sub fresh_backend
{
	my ($sql) = @_;
	my $result = $node->safe_psql('postgres',
		"$sql;\nselect substring(pg_read_file('/proc/self/status') from 'VmHWM:\\s+(\\d+)')");
	return $result =~ /^(.*)\n(\d+)$/s ? ($1, $2) : BAIL_OUT("no memory in $result");
}

# The digest as the coordinator would compute it, by another program from a plain SELECT.
sub python_digest
{
	my ($run, $trace) = @_;
	my ($digest, $stderr);

	IPC::Run::run(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
			"copy (select step_index, skill_name, status from aos_trace_steps where trace_id = '$trace') to stdout (format csv)" ],
		'|', [ 'python3', '-c', <<'END', $run ], '>', \$digest, '2>', \$stderr) or die "python3: $stderr";
import csv, hashlib, io, sys
rows = csv.reader(io.TextIOWrapper(sys.stdin.buffer, 'utf-8', newline=''))
steps = sorted((int(index), name, status) for index, name, status in rows)
digest = hashlib.sha256(sys.argv[1].encode())
for index, name, status in steps:
    if status not in ('success', 'failure', 'retry', 'skipped'):
        status = 'success'
    digest.update(f'{index}:{name}:{status}'.encode())
print(digest.hexdigest(), len(steps))
END
	chomp $digest;
	return $digest;
}

my $proof = sub { "select coordinator_root_hash || ' ' || chain_length from runlink_proof('run-$_[0]')" };

foreach my $plans ([ 'an index', '' ], [ 'a sort', 'set enable_indexscan = off; set enable_bitmapscan = off;' ])
{
	my ($name, $settings) = @$plans;
	my ($small_digest, $small_memory) = fresh_backend($settings . $proof->('small'));
	my ($large_digest, $large_memory) = fresh_backend($settings . $proof->('large'));

	is($small_digest, python_digest('run-small', 'trace-small'), "100 steps by $name: the digest is python3's");
	is($large_digest, python_digest('run-large', 'trace-large'), "$steps steps by $name: the digest is python3's");
	like($large_digest, qr/ $steps$/, "$steps steps by $name: and of all steps");
	cmp_ok($large_memory - $small_memory, '<', $tolerated,
		"$steps steps by $name: runlink_proof needs no more memory ($small_memory, $large_memory kB)");
}

$node->safe_psql('postgres', q{create function html_report(text) returns text language sql stable
	as $$ select runlink_report($1, null, 'html') $$});
foreach my $call (
	[ 'runlink_proof_steps', 'select count(*), count(distinct step_index), min(step_index), max(step_index) from runlink_proof_steps' ],
	[ 'runlink_linkage', 'select step_count from runlink_linkage' ],
	[ 'runlink_evidence', 'select count(*) from runlink_evidence' ],
	[ 'runlink_report', 'select length(report) > 500 from runlink_report' ],
	[ 'html_report', 'select length(report) > 500 from html_report' ])
{
	my ($name, $sql) = @$call;
	my $as = $name =~ /report/ ? ' as report' : '';
	my (undef, $small_memory) = fresh_backend("$sql('run-small')$as");
	my ($answer, $large_memory) = fresh_backend("$sql('run-large')$as");
	my %expected = (
		runlink_proof_steps => join('|', $steps, $steps, -1000, ($steps - 1) * 3 - 1000),
		runlink_linkage => $steps, runlink_evidence => 2, runlink_report => 't', html_report => 't');

	is($answer, $expected{$name}, "$name answers about $steps steps");
	cmp_ok($large_memory - $small_memory, '<', $tolerated,
		"$name needs no more memory for them ($small_memory, $large_memory kB)");
}

# An answer that is one value has to grow: this is how growth looks.
{
	my (undef, $small_memory) = fresh_backend("select length(runlink_proof_json('run-small')::text) > 0");
	my (undef, $large_memory) = fresh_backend("select length(runlink_proof_json('run-large')::text) > 0");
	cmp_ok($large_memory - $small_memory, '>', $tolerated,
		"runlink_proof_json needs more ($small_memory, $large_memory kB)");
}

# No limit on rows.
my $half = $evaluations / 2;
is($node->safe_psql('postgres', q{
	select kind, count(*), count(distinct record_id) from runlink_evidence('run-evaluated') group by kind order by kind
}), "decision|$half|$half\npolicy_evaluation|$evaluations|$evaluations\nrun|1|1",
	"$evaluations evaluations come back");
is($node->safe_psql('postgres', q{
	select jsonb_array_length(e -> 'policies_evaluated'), jsonb_array_length(e -> 'decisions_made')
	from runlink_evidence_json('run-evaluated') as e
}), "$evaluations|$half", '... also as JSON');
is($node->safe_psql('postgres', q{select policy_evaluation_count, decision_count from runlink_linkage('run-evaluated')}),
	"$evaluations|$half", '... and are counted');
is($node->safe_psql('postgres', q{
	select count(distinct line) from regexp_split_to_table(runlink_report('run-evaluated'), E'\n') as line
	where line ~ '\| policy_evaluation \| evaluation-\d+ \|'
}), $evaluations, '... and told in the report');

# A cancelled call ends at once, and the session goes on.
my ($stdout, $stderr) = ('', '');
my $started = time();
$node->psql('postgres', q{
	\set VERBOSITY sqlstate
	set statement_timeout = '20ms';
	select chain_length from runlink_proof('run-large');
	select count(*) from runlink_proof_steps('run-large');
	select length(runlink_proof_json('run-large')::text);
	set statement_timeout = '10s';
	select chain_length from runlink_proof('run-small');
	set statement_timeout = '20ms';
	select chain_length from runlink_proof('run-large');
	set statement_timeout = 0;
	select chain_length from runlink_proof('run-large');
}, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
is_deeply([ $stderr =~ /ERROR:  (\w+)/g ], [ ('57014') x 4 ], 'a call is cancelled by statement_timeout');
is($stdout, "100\n$steps", 'and the session goes on');
cmp_ok(time() - $started, '<', 10, 'promptly');

# Thousands of calls in a session, failing ones among them, leave nothing behind.  Calls that change
# the tables make the plans anew; what malloc keeps meanwhile goes up and down by 3 MB, however many
# they are, so they have to be many for a leak to stand out.
my %calls = (
	'calls' => [ 2000, 2048, q{'select count(*) from runlink_' || (array['evidence', 'linkage', 'governance', 'proof', 'proof_steps'])[i % 5 + 1] || '(''run-small'')'} ],
	'JSON, reports and schema checks' => [ 80, 2048, q{(array['select length(runlink_evidence_json(''run-small'')::text)', 'select length(runlink_proof_json(''run-small'')::text)',
			'select length(runlink_report(''run-small''))', 'select count(*) from runlink_schema_check()'])[i % 4 + 1]} ],
	'failing calls' => [ 1000, 2048, q{'select runlink_evidence(repeat('''', ' || i || '))'} ],
	'calls after changes to the tables' => [ 2000, 4096, q{(array['alter table incidents alter title set statistics ' || i, 'select count(*) from runlink_evidence(''run-small'')',
			'alter table limit_breaches rename details to details_' || i, 'select count(*) from runlink_evidence(''run-small'')',
			'alter table limit_breaches rename details_' || i - 2 || ' to details', 'select count(*) from runlink_linkage(''run-small'')',
			'drop table if exists llm_run_records', 'select count(*) from runlink_evidence(''run-small'')'])[i % 8 + 1]} ]);
foreach my $name (sort keys %calls)
{
	my ($count, $tolerated_growth, $call) = @{ $calls{$name} };
	my $memory = q{
		select substring(pg_read_file('/proc/self/status') from 'RssAnon:\s+(\d+)') as rss,
			(select sum(used_bytes) / 1024 from pg_backend_memory_contexts where name !~ '^(ErrorContext|MessageContext|Portal|ExecutorState|ExprContext)') :: int as used \gset
	};
	my $warm_up = 40;
	($stdout, $stderr) = ('', '');

	$node->psql('postgres', qq{
		set client_min_messages = warning;
		\\o /dev/null
		select $call from generate_series(0, $warm_up - 1) as i \\gexec
		$memory
		\\set rss_before :rss
		\\set used_before :used
		select $call from generate_series(0, $count - 1) as i \\gexec
		$memory
		\\o
		select :rss - :rss_before, :used - :used_before;
	}, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	my ($rss, $used) = $stdout =~ /^(-?\d+)\|(-?\d+)$/ or BAIL_OUT("$name: $stdout $stderr");
	cmp_ok($rss, '<', $tolerated_growth, "$count $name: resident memory grew by $rss kB");
	cmp_ok($used, '<', 100, "$count $name: memory contexts grew by $used kB");
	my @errors = $stderr =~ /ERROR/g;
	if ($name eq 'failing calls') { is(scalar(@errors), $count + $warm_up, 'every one failed') }
	else { is($stderr, '', "$count $name: none failed") }
}

done_testing();
