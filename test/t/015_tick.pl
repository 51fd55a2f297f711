# runlink_tick beside itself, interrupted, on a standby, after a restore, and run by pg_cron with the README's own
# lines; and what runlink_verify reads, and says that it does not read, once ticks have verified.
use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $root = "$FindBin::RealBin/../..";
my $pkglibdir = `pg_config --pkglibdir`;
chomp $pkglibdir;
my $has_cron = -e "$pkglibdir/pg_cron.so";

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
autovacuum = off
max_worker_processes = 20
});
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
}) if $has_cron;
$node->start;

# Traces of three steps, sealed, in a database of their own.
sub setup
{
	my ($database, $traces) = @_;

	$node->safe_psql('postgres', "create database $database") unless $database eq 'postgres';
	$node->safe_psql($database, qq{
		set client_min_messages = warning;
		create extension runlink;
		\\i $root/test/fixture/schema.sql
		\\i $root/bench/steps.sql
		select runlink_enable_sealing();
	});
	add($database, 'trace', $traces);
}
sub add
{
	my ($database, $name, $traces) = @_;

	$node->safe_psql($database, qq{
		select insert_trace('$name ' || n), insert_steps('$name ' || n, 3) from generate_series(1, $traces) as n;
		update aos_traces set status = 'completed' where status = 'running';});
}
# A fourth step of a trace.
sub add_step
{
	my ($trace) = @_;

	ask(qq{insert into aos_trace_steps select (q.step).* from (
		select jsonb_populate_record(s, jsonb_build_object('step_index', 3, 'id', gen_random_uuid())) as step from aos_trace_steps as s where trace_id = '$trace' and step_index = 2) as q});
}
sub ask
{
	my ($sql, $database) = @_;

	return $node->safe_psql($database // 'app', $sql);
}
# What a statement prints and says on stderr.
sub said
{
	my ($sql, $on) = @_;
	my ($stdout, $stderr) = ('', '');

	($on // $node)->psql('app', $sql, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	return ($stdout, $stderr);
}
my $tick = 'select sealed, verified, failed, unsealed, skipped, findings, unverified_left from runlink_tick()';
my $verified = q{select count(*) from runlink.verification where verification_status = 'VERIFIED'};

# pg_cron is given its jobs first: its shortest interval is a minute. What they did is looked at in the end.
if ($has_cron)
{
	my ($lines) = slurp_file("$root/README.md") =~ /```sql\n(create extension pg_cron;\n[^`]*)```/ or die 'no lines for pg_cron in README.md';

	setup('postgres', 5);
	ask("set client_min_messages = warning; $lines", 'postgres');
	is(ask('select jobname, schedule from cron.job order by 1', 'postgres'), "runlink tick|* * * * *\nrunlink verify|30 2 * * *",
		"the README's jobs are scheduled");
}
my $scheduled = time;

setup('app', 100);

# What is said of what is not read.
{
	my ($stdout, $stderr) = said('select count(*) from runlink_verify()');

	is("$stdout $stderr", '0 ', 'before the first tick everything is read, and nothing is said');
	is(ask($tick), '0|100|0|0|0|0|0', 'a tick verifies what was sealed');
	is(ask($tick), '0|0|0|0|0|0|0', 'and the next has nothing to do');
	foreach my $call ('runlink_verify', 'runlink_verify_summary')
	{
		($stdout, $stderr) = said("select count(*) from $call()");
		like($stderr, qr/^\S*\s*NOTICE:  traces verified before were not read again\nDETAIL:  100 traces, verified at \d{4}-\S+ \S+ or later; and traces and steps of which nothing was recorded were not looked for\.\nHINT:  $call\(full => true\) reads everything\.$/,
			"$call says what it did not read");
		($stdout, $stderr) = said("select count(*) from $call(full => true)");
		is($stderr, '', 'with full there is nothing to say');
	}
}

# A byte in a step that was verified. No seal tells of it and nothing queues the trace: only by reading the step can it be
# known, which is what the answers that are kept are there to spare, and what full is for.
{
	my $flipped = q{set session_replication_role = replica;
		update aos_trace_steps set skill_name = 'http_cald' where trace_id = 'trace 7' and step_index = 1;};
	my $found = 'select trace_id, step_index, finding from runlink_verify';

	is(ask("begin; $flipped set client_min_messages = warning; $found()"), '', 'a byte in a step verified before is not seen');
	is(ask("begin; $flipped $found(full => true)"), 'trace 7|1|altered', 'but by full');
	ask($flipped);
	add_step('trace 7');
	is(ask("set client_min_messages = warning; $found()"), 'trace 7|1|altered', 'and by any call when the trace goes on');
	is(ask($tick), '1|0|1|0|0|1|0', 'and the tick');
	foreach my $time (1, 2)
	{
		is(ask("set client_min_messages = warning; $found()"), 'trace 7|1|altered', 'from then on it is found on every call');
		is(ask($tick), '0|0|1|0|0|1|0', 'and by every tick');
	}
	ask(q{set session_replication_role = replica;
		update aos_trace_steps set skill_name = 'http_call' where trace_id = 'trace 7' and step_index = 1;});
	is(ask("set client_min_messages = warning; $found()"), '', 'until it is mended');
	is(ask($tick), '0|1|0|0|0|0|0', 'which the next tick keeps');
}

# Two at once share the work, and wait for nobody.
{
	my $one = $node->background_psql('app', on_error_stop => 0);

	add('app', 'shared', 20);
	$one->query_safe("begin; select verified from runlink_tick(5)");
	is(ask("set statement_timeout = '10s'; $tick"), '0|15|0|0|0|0|5', 'a tick leaves to another what that has taken');
	is(ask("set statement_timeout = '10s'; $tick"), '0|0|0|0|0|0|5', 'while that is at it');
	$one->query_safe('commit');
	is(ask($tick), '0|0|0|0|0|0|0', 'and it is done when that is');
	is(ask($verified), 120, 'all are verified');

	# A trace that is sealed again while another tick is at it.
	add('app', 'again', 1);
	$one->query_safe("begin; select verified from runlink_tick()");
	add_step('again 1');
	is(ask("set statement_timeout = '10s'; $tick"), '1|0|0|0|0|0|1', 'its new seal is left for later');
	$one->query_safe('commit');
	is(ask("select seal_no from runlink.verification where trace_id = 'again 1'"), 0, 'what was verified was the first');
	is(ask($tick), '0|1|0|0|0|0|0', 'and then it is the new one');
	is(ask("select seal_no from runlink.verification where trace_id = 'again 1'"), 1, 'as is kept');

	# A trace of which another tick has taken the first seal, and has not yet verified it.
	add('app', 'held', 1);
	add_step('held 1');
	ask('select runlink_seal_pending()');
	$one->query_safe("begin; select 1 from runlink.unverified where trace_id = 'held 1' and seal_no = 0 for update");
	is(ask("set statement_timeout = '10s'; $tick"), '0|1|0|0|0|0|1', 'a tick waits for no seal that another has taken');
	$one->query_safe('rollback');
	is(ask($tick), '0|1|0|0|0|0|0', 'which is verified again');

	# An older snapshot.
	add('app', 'older', 1);
	$one->query_safe('begin isolation level repeatable read; select count(*) from runlink.unverified');
	ask($tick);
	my $answer = ask("select verified_at, seal_no from runlink.verification where trace_id = 'older 1'");
	my ($stdout, $stderr) = said(qq{begin isolation level repeatable read; select 1; $tick; commit});
	unlike($stderr, qr/ERROR/, 'a tick in REPEATABLE READ does');
	$one->query('select * from runlink_tick(); rollback;');
	like($one->{stderr}, qr/ERROR:  could not serialize access/, 'one with an older snapshot is told to retry');
	is(ask("select verified_at, seal_no from runlink.verification where trace_id = 'older 1'"), $answer, 'and changes nothing');
	$one->quit;
}

# Many at once, beside sealing.
{
	my $script = $node->basedir . '/tick.sql';

	append_to_file($script, q{select count(*) from runlink_tick(40);
		select insert_trace(format('beside %s %s', :client_id, n)), insert_steps(format('beside %s %s', :client_id, n), 2)
		from (select nextval('beside') as n) as s;
		update aos_traces set status = 'completed' where trace_id like format('beside %s %%', :client_id) and status = 'running';});
	ask('create sequence beside');
	add('app', 'many', 200);
	command_like([ 'pgbench', '-n', '-c', 4, '-j', 2, '-t', 10, '-f', $script, '-h', $node->host, '-p', $node->port, 'app' ],
		qr{number of transactions actually processed: 40/40}, 'ticks beside each other and beside sealing');
	ask($tick) foreach 1, 2;
	is(ask($tick), '0|0|0|0|0|0|0', 'leave nothing');
	is(ask($verified), 120 + 3 + 200 + 40, 'and verify all');
	is(ask('set client_min_messages = warning; select verified, failed, unsealed from runlink_verify_summary(full => true)'), '363|0|0',
		'which is as it should be');
}

# Interrupted in the middle, a tick leaves nothing behind. It waits there for a lock on the archive, where it looks for a trace
# that is missing from aos_traces.
setup('killed', 50);
ask(q{set session_replication_role = replica; delete from aos_traces where trace_id = 'trace 25'}, 'killed');
foreach my $end ('pg_terminate_backend', 'pg_cancel_backend')
{
	my ($stdout, $stderr) = ('', '');
	my $lock = $node->background_psql('killed');
	my $waiting = q{from pg_stat_activity where application_name = 'killed' and wait_event_type = 'Lock'};

	$lock->query_safe('begin; lock table aos_traces_archive in access exclusive mode');
	my $killed = IPC::Run::start([ 'psql', '-X', '-h', $node->host, '-p', $node->port, '-d', 'killed',
		'-c', "set application_name = 'killed'", '-c', "set statement_timeout = '60s'", '-c', 'select * from runlink_tick()' ],
		'>', \$stdout, '2>', \$stderr);
	ok($node->poll_query_until('postgres', "select count(*) = 1 $waiting"), 'a tick is in the middle');
	ask("select $end(pid) $waiting");
	$killed->finish;
	$lock->quit;
	like($stderr, qr/terminating connection|canceling statement/, "it ends by $end");
	is(ask('select count(*) from runlink.verification', 'killed') . ' ' . ask('select count(*) from runlink.unverified', 'killed'), '0 50',
		'and nothing is done');
}
is(ask($tick, 'killed'), '0|49|1|0|0|1|0', 'the next tick does it');

# Restored, the answers are those of the database that was dumped, and hold for its seals.
{
	my $dump = $node->basedir . '/app.dump';

	$node->safe_psql('postgres', 'create database restored');
	$node->command_ok([ 'pg_dump', '-f', $dump, '-h', $node->host, '-p', $node->port, 'app' ], 'dumped');
	$node->command_ok([ 'psql', '-X', '-q', '-o', $dump . '.out', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-h', $node->host, '-p', $node->port, 'restored' ], 'restored');
	is(ask($tick, 'restored'), '0|0|0|0|0|0|0', 'there is nothing to do then');
	is(ask(q{set client_min_messages = warning; select findings, skipped_why = jsonb_build_object('verified_before', (select count(*) from runlink.seal where seal_no = 0))
		from runlink_verify_summary()}, 'restored'), '0|t', 'and the same is left out');
	ask('set session_replication_role = replica; delete from runlink.verification', 'restored');
	is(ask("select verified from runlink_tick(null) where unverified_left = 0", 'restored'), ask($verified), 'without them all is verified again');
}

# A standby.
{
	$node->backup('backup');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'backup', has_streaming => 1);
	$standby->start;
	add('app', 'streamed', 3);
	$node->wait_for_catchup($standby);
	my ($stdout, $stderr) = said($tick, $standby);
	like($stderr, qr/ERROR:  cannot execute runlink_tick\(\) in a read-only transaction/, 'a standby does not tick');
	($stdout, $stderr) = said('select * from runlink_seal_pending()', $standby);
	like($stderr, qr/ERROR:  cannot execute runlink_seal_pending\(\) in a read-only transaction/, 'nor seal');
	($stdout, $stderr) = said('select verified, findings from runlink_verify_summary()', $standby);
	is($stdout, '3|0', 'but verifies what is new');
	like($stderr, qr/^\S*\s*NOTICE:  traces verified before were not read again\n/, 'and says what is left out');
	ask($tick);
	$node->wait_for_catchup($standby);
	is($standby->safe_psql('app', q{select count(*) from runlink_trace_integrity where last_verification_status = 'VERIFIED'}), ask($verified),
		'and its views tell what the primary found');
}

# What the jobs of pg_cron did.
SKIP:
{
	skip 'pg_cron is not installed', 4 unless $has_cron;
	my $ran = q{select count(*) > 0 from cron.job_run_details join cron.job using (jobid) where jobname = 'runlink tick' and job_run_details.status = 'succeeded'};

	sleep 1 while ask($ran, 'postgres') ne 't' && time - $scheduled < 150;
	is(ask($ran, 'postgres'), 't', 'pg_cron ran the tick') or diag(ask('select * from cron.job_run_details', 'postgres'));
	is(ask($verified, 'postgres'), 5, 'which kept what it found');
	is(ask(q{select count(*) from cron.job_run_details where status = 'failed'}, 'postgres'), 0, 'and no job failed');
	# The nightly job's statement, as it is scheduled.
	my $nightly = ask(q{select command from cron.job where jobname = 'runlink verify'}, 'postgres');
	ask(q{set session_replication_role = replica; update aos_trace_steps set status = 'forged' where trace_id = 'trace 1' and step_index = 0}, 'postgres');
	ask($nightly, 'postgres');
	is(ask('select trace_id, step_index, finding, found_at is not null from integrity_findings', 'postgres'), 'trace 1|0|altered|t',
		'the other job finds what the tick does not read');
}

done_testing();
