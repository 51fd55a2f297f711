# Recording and sealing beside others: isolation levels, prepared transactions, sealers and writers
# at once, crashes; and what outlives a dump, DROP EXTENSION and a state that is damaged.
#
#	STEPS=1000000 prove test/t/007_sealing_concurrency.pl	# as many steps in the matrix as wanted
use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $steps = $ENV{STEPS} // 20_000;
my $clients = 8;
my $fixture = "$FindBin::RealBin/../fixture";

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', qq{
	timezone = 'UTC'
	max_prepared_transactions = 10
	restart_after_crash = on
	log_min_messages = warning
});
$node->start;
$node->safe_psql('postgres',
	'create role app_owner login; create role app login; create database app; create database parted');
my $tables = qq{
	set client_min_messages = warning;
	create extension runlink;
	grant create on schema public to app_owner;
	set role app_owner;
	\\i $fixture/schema.sql
	alter table aos_trace_steps
		alter skill_id set default 's', alter skill_name set default 's',
			alter params set default '{"a": [1, "x"]}',
		alter status set default 'success', alter outcome_category set default 'SUCCESS',
		alter cost_cents set default 0, alter duration_ms set default 0,
			alter retry_count set default 0,
		alter replay_behavior set default 'check';
	alter table aos_traces
		alter run_id set default 'run', alter correlation_id set default 'c',
			alter tenant_id set default 'tenant',
		alter root_hash set default 'pending', alter schema_version set default '1.0',
		alter plan set default '{}', alter trace set default '{}',
			alter status set default 'running';
	grant select, insert, update on all tables in schema public to app;
};
$node->safe_psql('app', $tables);

# Runs a script in a session of its own; returns what it prints and what it says on stderr.
sub session
{
	my ($sql, $database, $user) = @_;
	my ($stdout, $stderr) = ('', '');

	$node->psql(
		$database // 'app', "\\set VERBOSITY verbose\nset client_min_messages = warning;\n$sql",
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 0,
		extra_params => [ '-U', $user // $node->safe_psql('postgres', 'select current_user') ]);
	return ($stdout, $stderr);
}

sub query
{
	return $node->safe_psql('app', $_[0]);
}

# The SQLSTATEs of what a session says.
sub states
{
	return join ' ', $_[0] =~ /(?:ERROR|FATAL):  (\w{5}):/g;
}

sub leaves
{
	return query("select coalesce(string_agg(step_index::text, ',' order by step_index), '') "
		. "from runlink.leaf where trace_id = '$_[0]'");
}

# The seals of a trace: number, steps, backfilled, final.
sub seals
{
	return query("select coalesce(string_agg(concat_ws(' ', seal_no, step_count, backfilled, "
		. "case when final then 'final' else 'open' end),
		', ' order by seal_no), '') from runlink.seal where trace_id = '$_[0]'");
}

sub pending
{
	my ($run) = @_;
	return query("set runlink.idle_after = 0; select concat_ws(' ', trace_id, seal_no, "
		. "step_count, added, backfilled) from runlink_seal_pending(null, '$run')");
}

sub make_trace
{
	my ($trace, @indexes) = @_;
	query("insert into aos_traces (trace_id, run_id) values ('$trace', 'run-$trace')"
		. join('',
			map { ";insert into aos_trace_steps (trace_id, step_index) values ('$trace', "
				. "$_)" } @indexes));
}

sub step { return "insert into aos_trace_steps (trace_id, step_index) values ('$_[0]', $_[1]);" }
sub finish { return "update aos_traces set status = 'completed' where trace_id = '$_[0]';" }

# Whether somebody waits for a lock of the kind.
sub wait_for_waiter
{
	return $node->poll_query_until('app',
		"select exists (select from pg_locks where not granted and relation = '$_[0]'::regclass)");
}

#
# Enabling beside writers.
#
make_trace('early', 0);
my $writer = $node->background_psql('app');
$writer->query_safe('begin; ' . step('early', 1));
foreach my $timeout ([ '', 2 ], [ "set lock_timeout = '300ms';", 0.3 ])
{
	my ($setting, $seconds) = @$timeout;
	my $began = time;
	my ($stdout,
		$stderr) = session("$setting set statement_timeout = '20s'; select "
			. "runlink_enable_sealing();");
	my $waited = time - $began;

	is(states($stderr), '55P03', "enabling beside a writer, lock_timeout $seconds s: refused");
	ok($waited >= $seconds && $waited < $seconds + 3, "... having waited no longer ($waited s)");
	is(query("select count(*) from pg_trigger where tgname like 'runlink%'")
		. query("select count(*) from pg_namespace where nspname = 'runlink'")
		. query("select count(*) from pg_roles where rolname = 'runlink_owner'"), '000',
			'... and changed nothing');
	is(query('show lock_timeout'), '0', '... nor lock_timeout');
}
$writer->query_safe('commit');
is(states((session('select runlink_enable_sealing();'))[1]), '',
	'enabled when the writer is done');
is(leaves('early'), '', '... with no leaf for what was there');
is(query("select count(*) from runlink.trace where trace_id = 'early'"), '1',
	'... but its identity');

# Readers hold up nobody, and disabling, which has to wait for them, waits no longer than enabling.
my $reader = $node->background_psql('app');
$reader->query_safe('begin; select count(*) from aos_trace_steps');
is(states((session("set statement_timeout = '3s'; select runlink_enable_sealing();"))[1]), '',
	'enabling again beside a reader');
is(states((session("set statement_timeout = '3s'; select runlink_disable_sealing();"))[1]),
	'55P03', 'disabling beside a reader');
$reader->query_safe('commit');
query('select runlink_enable_sealing()');

#
# Isolation levels.
#
foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	my $trace = $level =~ s/ /-/r;

	make_trace($trace, 0);
	is(states((session("begin isolation level $level; select 1; " . step($trace, 1)
		. step($trace, 2) . ' commit;'))[1]), '', "$level: steps");
	is(leaves($trace), '0,1,2', '... are recorded');
	is(states((session("begin isolation level $level; " . step($trace, 3) . finish($trace)
		. ' commit;'))[1]), '', '... and the trace ends');
	is(seals($trace), $level eq 'read committed' ? '0 4 0 final' : '',
		$level eq 'read committed' ? '... and is sealed' : '... which is left to seal_pending');
	is(pending("run-$trace"), $level eq 'read committed' ? '' : "$trace 0 4 4 0",
		'... which does it');
	is(seals($trace), '0 4 0 final', '... as at its end');
}
my $serializable = $node->background_psql('app');
make_trace('serial', 0);
$serializable->query_safe('begin isolation level serializable; ' . step('serial', 1));
is(states((session('begin isolation level serializable; ' . step('serial', 2) . 'commit;'))[1]),
	'', 'serializable writers of one trace');
$serializable->query_safe('commit');
is(leaves('serial'), '0,1,2', '... do not disturb each other');
$serializable->quit;

#
# Prepared transactions.
#
make_trace('prepared', 0);
query('begin; ' . step('prepared', 1) . finish('prepared') . "prepare transaction 'one'");
is(leaves('prepared') . '/' . seals('prepared'), '0/', 'a prepared transaction is not seen');
is(pending('run-prepared'), '', '... and seal_pending passes by');
is(states((session("set statement_timeout = '5s'; " . step('prepared', 2)))[1]), '',
	'... and no writer waits');
query("commit prepared 'one'");
is(leaves('prepared') . '/' . seals('prepared'), '2/0 2 0 final',
	'once committed, its steps are sealed');
is(pending('run-prepared'), 'prepared 1 3 1 0', '... and what came beside it is next');
make_trace('undone', 0);
query('begin; ' . step('undone', 1) . finish('undone') . "prepare transaction 'two'");
$node->restart;
query("rollback prepared 'two'");
is(leaves('undone') . '/' . seals('undone'), '0/', 'rolled back, after a restart: as it was');
query(step('undone', 1) . finish('undone'));
is(seals('undone'), '0 2 0 final', '... and can be done');

#
# Steps that are not committed while their trace ends.
#
make_trace('late', 0, 2);
$writer = $node->background_psql('app');
$writer->query_safe('begin; ' . step('late', 1));
is(states((session("set statement_timeout = '5s'; " . finish('late')))[1]), '',
	'a trace ends beside a writer');
is(seals('late'), '0 2 0 final', '... and what was committed is sealed');
$writer->query_safe('commit');
is(leaves('late'), '1', '... the step stays recorded');
is(pending('run-late'), 'late 1 3 1 0', '... and is sealed next');
is(pending('run-late'), '', '... once');

#
# Two sealers.
#
my $sealer = $node->background_psql('app', on_error_stop => 0);
$sealer->query_safe('set runlink.idle_after = 0');
make_trace('both', 0, 1);
sleep 0.01;
$sealer->query_safe("begin; select * from runlink_seal_pending(null, 'run-both')");
my ($stdout, $stderr) = session("set statement_timeout = '5s'; set runlink.idle_after = 0;
	select count(*) from runlink_seal_pending(null,
		'run-both');" . step('both', 2) . finish('both'));
is(states($stderr), '',
	'beside a sealer at the first seal: another, a writer, and the end of the trace do not wait');
is($stdout, '0', '... and the other seals nothing');
$sealer->query_safe('commit');
is(seals('both'), '0 2 0 open', '... the first made its seal');
is(pending('run-both'), 'both 1 3 1 0', '... and the next takes the rest');
query(step('both', 3));
$sealer->query_safe("begin; select * from runlink_seal_pending(null, 'run-both')");
($stdout,
	$stderr) = session("set statement_timeout = '5s'; select count(*) from "
		. "runlink_seal_pending(null, 'run-both');" . step('both', 4));
is(states($stderr) . $stdout, '0', 'beside a sealer at a later seal: the same');
$sealer->query_safe('rollback');
is(pending('run-both'), 'both 2 5 2 0', '... and when it gives up, the other seals');

# A sealer whose snapshot is older than another's seal.
foreach my $case ([ 'recorded', 'origin', 1 ], [ 'unrecorded', 'replica', 1 ],
	[ 'empty', 'replica', 0 ])
{
	my ($trace, $role, $count) = @$case;

	query("set session_replication_role = $role;
		insert into aos_traces (trace_id, run_id, status) values ('$trace', 'run-$trace',
			'completed');"
		. ($count ? step($trace, 0) : ''));
	$sealer->query_safe('begin isolation level repeatable read; select 1');
	pending("run-$trace");
	my $seals = seals($trace);
	$sealer->query("\\set VERBOSITY sqlstate\nselect * from runlink_seal_pending(null, "
		. "'run-$trace')");
	like($sealer->{stderr}, qr/40001/,
		"$trace: in REPEATABLE READ, a conflict with another sealer is a serialization "
			. "failure");
	$sealer->{stderr} = '';
	$sealer->query('rollback');
	$sealer->{stderr} = '';
	is(seals($trace), $seals, '... and the seal is as it was');
}

# A sealer that comes late to a trace that ended meanwhile.
make_trace('stale', 0);
sleep 0.01;
my $holder = $node->background_psql('app');
$holder->query_safe('begin; lock table runlink.trace in access exclusive mode');
$sealer->query_until(qr/started/,
	"\\echo started\nselect * from runlink_seal_pending(null, 'run-stale');\n");
wait_for_waiter('runlink.trace');
$holder->query_safe(finish('stale') . 'commit');
$sealer->query_safe('select 1');
is(seals('stale'), '0 1 0 final', 'a sealer that comes late to a trace');
is(query("select count(*) from runlink.trace where trace_id in (select trace_id from "
	. "runlink.seal)"), '0', '... leaves no identity behind');
$holder->quit;

#
# Upkeep of the state beside writers.
#
make_trace('upkeep', 0);
$holder = $node->background_psql('app');
$holder->query_safe('begin; ' . step('upkeep', 1));
my $upkeep = $node->background_psql('app');
$upkeep->query_until(qr/started/, "\\echo started\nreindex table concurrently runlink.leaf;\n");
sleep 0.5;
($stdout, $stderr) = session(step('upkeep', 2));
is($stderr, '', 'a step beside REINDEX CONCURRENTLY of its leaves');
is(leaves('upkeep'), '0,2', '... is recorded');
$holder->query_safe('commit');
$upkeep->query_safe('select 1');
$_->quit foreach ($holder, $upkeep);
is(query(q{set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off;
		select count(*) from runlink.leaf where trace_id = 'upkeep'}),
	query(q{set enable_seqscan = off;
		select count(*) from runlink.leaf where trace_id = 'upkeep'}),
	'the index has every leaf, also of a transaction that was open while it was made');
query(step('upkeep', 3));
query($_) foreach ('vacuum full runlink.leaf', 'vacuum full runlink.seal',
	'cluster runlink.leaf using leaf_pkey',
	'reindex schema runlink', 'analyze runlink.leaf');
query(step('upkeep', 4));
like(leaves('upkeep'), qr/^0,1,(2,)?3,4$/,
	'VACUUM FULL, CLUSTER, REINDEX and ANALYZE of the state');

#
# A partition while it is being detached.
#
$node->safe_psql('parted', "$tables
	reset role;
	alter table aos_trace_steps rename to model;
	create table aos_trace_steps (like model including defaults) partition by range (step_index);
	create table steps_part (like model including defaults);
	alter table aos_trace_steps attach partition steps_part for values from (0) to (100);
	select runlink_enable_sealing()");
$reader = $node->background_psql('parted');
$reader->query_safe('begin; select count(*) from aos_trace_steps');
my $detacher = $node->background_psql('parted');
$detacher->query_until(qr/started/,
	"\\echo started\nalter table aos_trace_steps detach partition steps_part concurrently;\n");
$node->poll_query_until('parted', 'select inhdetachpending from pg_inherits where inhrelid = '
	. "'steps_part'::regclass");
my $into_part = "insert into steps_part (trace_id, step_index) values ('t', 1);";
my $recorded_in_part = 'select count(*) from runlink.leaf;';
is(join('', session($into_part . $recorded_in_part, 'parted')), '1',
	'a partition that is being detached is recorded');
$reader->query_safe('commit');
$detacher->query_safe('select 1');
is(join('', session($into_part . $recorded_in_part, 'parted')), '1', '... until it is');
$_->quit foreach ($reader, $detacher);

#
# What is warned of: once a statement, and the statement succeeds.
#
make_trace('warned', 0);
my $rows = "insert into aos_trace_steps (trace_id, step_index) select 'warned', i from "
	. "generate_series(1, 100) as i";
my $copy = "copy aos_trace_steps (trace_id, step_index) from "
	. "stdin;\nwarned\t201\nwarned\t202\n\\.\n";
foreach my $case (
	[ 'without the state', 'drop schema runlink cascade', 5, qr/never enabled/ ],
	[ 'with a column more in runlink.leaf', 'alter table runlink.leaf add column more text', 5,
		qr/runlink\.leaf/i ],
	[ 'without runlink.seal', 'drop table runlink.seal', 5, qr/runlink\.seal/i ],
	[ 'with a trigger on runlink.leaf',
		'create trigger t before insert on runlink.leaf for each row '
			. 'execute function suppress_redundant_updates_trigger()', 5, qr/runlink\.leaf.*trigger/i ],
	[ 'with state of another owner', 'alter table runlink.trace owner to app_owner', 5,
		qr/runlink\.trace/i ],
	[ 'with a column without canonical form',
		'alter table aos_trace_steps add column "Place" point', 3, qr/Place/ ])
{
	my ($what, $obstacle, $warnings, $detail) = @$case;

	($stdout, $stderr) = session("begin; $obstacle; $rows; $copy " . step('warned', 300)
		. "insert into aos_traces (trace_id) values ('warned-2'), ('warned-3');" . finish('warned')
		. "select count(*) from aos_trace_steps where trace_id = 'warned'; rollback;");
	is($stdout, '104', "$what: every step is inserted");
	is(states($stderr), '', '... without an error');
	my $warning = qr/WARNING:  01000: rows of "aos_trace\w+" are not recorded by runlink\nDETAIL:  \S.*\nHINT:  \S/;
	is(scalar(() = $stderr =~ /$warning/g), $warnings,
		'... with one WARNING a statement, DETAIL and HINT');
	is(scalar(() = $stderr =~ /WARNING/g), $warnings, '... and no other');
	like($stderr, $detail, '... that says what is wrong');
}
($stdout, $stderr) = session("begin; alter table aos_trace_steps add column j json;
	insert into aos_trace_steps (trace_id, step_index, j) values ('warned', 1, '\"\\u0000\"'),
		('warned', 2, '[1]'), ('warned', 3, '1e999999');
	select string_agg(step_index::text,
		',' order by step_index) from runlink.leaf where trace_id = 'warned'; rollback;");
is($stdout, '0,2', 'json that jsonb cannot hold is inserted, and not recorded');
is(scalar(() = $stderr =~ /WARNING/g), 1, '... with one WARNING');
($stdout, $stderr) = session("$rows; $copy" . step('warned', 300) . finish('warned'), 'app',
	'app');
is($stderr, '', 'without an obstacle, a role without privileges on the state is not warned');
is(seals('warned'), '0 104 0 final', '... and its steps are sealed');

# The end of a trace is the application's, whatever has become of the owner of the state.
make_trace('revoked', 0);
($stdout, $stderr) = session('begin; revoke all on schema runlink from runlink_owner;'
	. finish('revoked') . 'rollback;');
is(states($stderr), '', 'a trace ends though runlink_owner may not use its schema');

#
# Memory: a call that seals many traces. The peak of addresses, as shared memory counts once.
#
query("insert into aos_traces (trace_id, run_id, status) select 'many-' || i, 'run-many', "
	. "'completed' from generate_series(1, 2000) as i;
	insert into aos_trace_steps (trace_id, step_index) select 'many-' || i,
		0 from generate_series(1, 2000) as i");
$sealer->query_safe("select count(*) from runlink_seal_pending(500, 'run-many')");
my $status = "select substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') from 'VmPeak:\\s*(\\d+)')::int";
my $before = $sealer->query_safe($status);
is($sealer->query_safe("select count(*) from runlink_seal_pending(null, 'run-many')"), '1500',
	'many traces are sealed by one call');
my $after = $sealer->query_safe($status);
cmp_ok($after - $before, '<', 4_000,
	"... in memory that does not grow with them (kB: $before, then $after)");
$sealer->quit;

#
# Dumped and restored: the state with the data.
#
my $state = join ', ',
	map { "(select md5(coalesce(string_agg(s::text, ',' order by s::text), '')) from runlink.$_ "
		. "as s)" } qw(encoding trace leaf seal);
my $dump = PostgreSQL::Test::Utils::tempdir;
make_trace('kept', 0);
my $expected = query("select $state");
foreach my $user ('superuser', 'app_owner')
{
	my @as = $user eq 'superuser' ? () : ('-U', $user);
	my $database = "restored_by_$user";

	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump/$user", '-d', $node->connstr('app'), @as ],
		"pg_dump as $user");
	$node->safe_psql('postgres', "create database $database");
	$node->command_ok([ 'pg_restore', '-e', '-j', '2', '-d', $node->connstr($database),
		"$dump/$user" ], '... is restored');
	is($node->safe_psql($database, "select $state"), $expected, '... with every leaf and seal');
	($stdout, $stderr) = session(step('kept', 1) . step('late', 9)
		. 'select count(*) from runlink.leaf where step_index in (1, 9) and trace_id in '
			. '(\'kept\', \'late\');'
		. 'delete from runlink.leaf;', $database);
	is($stdout, '2', '... where steps are recorded');
	is($stderr =~ s/^.*ERROR:  55000.*$//mr =~ /WARNING|ERROR/, '', '... without a WARNING');
	is(states($stderr), '55000', '... and the state is guarded');
	is($node->safe_psql($database,
		"select concat_ws(' ', trace_id, seal_no, step_count, added, backfilled) from "
			. "runlink_seal_pending(null, 'run-late')"),
		'late 2 4 1 0', '... and seals go on');
	is($node->safe_psql($database, 'select runlink_enable_sealing()'), '',
		'... and enabling again is safe');
}
$node->safe_psql('postgres', 'create database unowned');
$node->command_ok([ 'pg_restore', '-e', '--no-owner', '--no-acl', '-d', $node->connstr('unowned'),
	"$dump/superuser" ], 'restored with no owner');
($stdout, $stderr) = session(step('kept', 1) . 'select runlink_enable_sealing();' . step('kept', 2)
	. "select string_agg(step_index::text, ',' order by step_index) from runlink.leaf where "
		. "trace_id = 'kept'", 'unowned');
is(scalar(() = $stderr =~ /WARNING:  01000: rows of/g), 1, '... a step is warned of');
is($stdout, "\n0,2", '... until enabling takes the state over from the superuser');
is($node->safe_psql('unowned',
	"select string_agg(distinct relowner::regrole::text, ',') from pg_class where relnamespace = "
		. "'runlink'::regnamespace"), 'runlink_owner',
	'... to its owner');

#
# DROP EXTENSION and CREATE EXTENSION, in a session that goes on.
#
make_trace('gone', 0);
$expected = query("select $state");
($stdout, $stderr) = session("
	drop extension runlink cascade; " . step('gone', 1) . "
	select $state;
	create extension runlink; " . step('gone', 2) . "
	select runlink_enable_sealing(); " . step('gone', 3) . finish('gone'));
is($stderr, '', 'one session drops and creates the extension and enables again');
is((split /\n/, $stdout)[0], $expected, '... every leaf and seal outlives it');
is(seals('gone'), '0 2 0 final', '... and what was recorded is sealed');
is(pending('run-gone'), 'gone 1 4 2 2', '... and what came meanwhile is backfilled');
query("select * from runlink_seal_pending(); delete from aos_traces");

#
# The matrix: overlapping traces in random order, rolled back at random, ended while others insert;
# a backend and the postmaster killed.
#
my $traces = int($steps / 40) + 1;
query("drop schema runlink cascade; select runlink_enable_sealing()");
query("insert into aos_traces (trace_id, run_id) select 'm-' || i, 'run-' || i % 100 from "
	. "generate_series(1, $traces) as i");
$node->safe_psql('app', 'alter database app set runlink.idle_after = 0');

my %script = (
	# as the application does: one step, which may be there already
	single => [ 30, "
		\\set trace random(1, $traces)
		\\set i random(-20, 60)
		insert into aos_trace_steps (trace_id, step_index) values ('m-' || :trace,
			:i) on conflict (trace_id, step_index) do nothing;" ],
	several => [ 40, "
		\\set trace random(1, $traces)
		\\set other random(1, $traces)
		\\set i (:client_id + 1) * 10000000 + random(0, 9000000)
		\\set count random(0, 7)
		\\set undo random(1, 5)
		begin;
		insert into aos_trace_steps (trace_id, step_index) select 'm-' || :trace,
			j from generate_series(:i, :i + :count) as j on conflict do nothing;
		savepoint s;
		insert into aos_trace_steps (trace_id, step_index) select 'm-' || :other,
			j from generate_series(:i + 100, :i + 102) as j on conflict do nothing;
		\\if :undo <= 2
		rollback to s;
		\\endif
		insert into aos_trace_steps (trace_id, step_index) values ('m-' || :other,
			:i + 200) on conflict do nothing;
		\\if :undo = 1
		rollback;
		\\else
		commit;
		\\endif" ],
	repeatable => [ 5, "
		\\set trace random(1, $traces)
		\\set i (:client_id + 101) * 10000000 + random(0, 9000000)
		begin isolation level repeatable read;
		insert into aos_trace_steps (trace_id, step_index) values ('m-' || :trace, :i),
			('m-' || :trace, :i + 1) on conflict do nothing;
		commit;" ],
	# ends a trace in the transaction of its last step
	last => [ 3, "
		\\set trace random(1, $traces)
		\\set i (:client_id + 51) * 10000000 + random(0, 9000000)
		begin;
		insert into aos_trace_steps (trace_id, step_index) values ('m-' || :trace,
			:i) on conflict do nothing;
		update aos_traces set status = 'completed' where trace_id = 'm-' || :trace
			and status = 'running';
		commit;" ],
	ended => [ 3, "
		\\set trace random(1, $traces)
		update aos_traces set status = 'failed' where trace_id = 'm-' || :trace
			and status = 'running';" ],
	again => [ 1, "
		\\set trace random(1, $traces)
		update aos_traces set status = 'running' where trace_id = 'm-' || :trace
			and status <> 'running';" ],
	sealer => [ 2, "
		\\set run random(0, 99)
		select count(*) from runlink_seal_pending(2, 'run-' || :run);" ]);
my @scripts;
foreach my $name (sort keys %script)
{
	append_to_file("$dump/$name.sql", $script{$name}[1] =~ s/^\t+//mgr);
	push @scripts, '-f', "$dump/$name.sql\@$script{$name}[0]";
}

sub pgbench
{
	my ($transactions) = @_;
	my %run = (out => '');
	my @command = ('pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, @scripts, 'app');
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;

	$run{handle} = IPC::Run::start(\@command, '<', \undef, '>', \$run{out}, '2>&1',
		IPC::Run::timer(7200));
	return \%run;
}

sub step_count { return query('select count(*) from aos_trace_steps') }

# Waits until the steps are as many, and then kills.
sub kill_at
{
	my ($count, $kill) = @_;
	my $run = pgbench($steps);

	sleep 0.05 while $run->{handle}->pumpable && step_count() < $count;
	$kill->();
	$run->{handle}->finish;
	return $run->{out};
}

my $log = -s $node->logfile;

my $out = kill_at($steps / 4, sub {
	my $pid = query("select pid from pg_stat_activity
		where datname = 'app' and backend_type = 'client backend'
		and pid <> pg_backend_pid() order by state = 'idle' limit 1");
	kill 'KILL', $pid;
});
like($out, qr/terminated abnormally|terminating connection|Connection refused|closed/,
	'a backend is killed');
$node->poll_query_until('app', 'select true');
my $crashed = step_count();
cmp_ok($crashed, '>=', $steps / 4, '... and the server comes back with what was committed');
is(query(tally()), '0|0', '... each step with one leaf, or one place in a seal');

my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
$out = kill_at($crashed + $steps / 4, sub { $node->kill9 });
like($out, qr/closed|terminat|refused|No such file/, 'the postmaster is killed');
# The new one starts when the last process of the old is gone.
sleep 0.1 while kill 0, $postmaster;
sleep 1;
$node->start;
is(query(tally()), '0|0', '... each step with one leaf, or one place in a seal');

while (step_count() < $steps)
{
	my $run = pgbench(int($steps / 50) + 1);

	$run->{handle}->finish;
	$out = $run->{out};
	last if $out =~ /error|aborted/i;
}
unlike($out, qr/error|aborted/i, 'clients go on');
cmp_ok(step_count(), '>=', $steps, "$steps steps");
my $said = slurp_file($node->logfile, $log);
is(join("\n", (grep { /ERROR:|PANIC:|are not recorded/ } split /\n/,
	$said)[0 .. 3] // ()) =~ s/\n+$//r, '', '... and no statement failed, or went unrecorded');

# What is where, step by step: not recorded, recorded twice.
sub tally
{
	return q{
		with recorded as (
			select trace_id, step_index from runlink.leaf
			union all
			select trace_id, i::integer from runlink.seal, unnest(steps) as r,
				generate_series(lower(r), upper(r) - 1) as i)
		select
			(select count(*) from (select trace_id,
				step_index from aos_trace_steps except all select * from recorded) as x),
			(select count(*) from (select * from recorded except all select trace_id,
				step_index from aos_trace_steps) as x)
	};
}

my $figures = q{select (select count(*) from aos_trace_steps), (select count(*) from runlink.leaf),
	(select coalesce(sum(step_count),
		0) from (select distinct on (trace_id) step_count from runlink.seal order by trace_id,
		seal_no desc) as s),
	(select count(*) from runlink.seal), (select count(distinct trace_id) from runlink.seal)};
my ($all, $recorded, $sealed, $seals, $traces_sealed) = split /\|/, query($figures);
note("$all steps: $recorded recorded, $sealed sealed in $seals seals of $traces_sealed traces");
is($recorded + $sealed, $all, 'every step is recorded or sealed');
is(query(tally()), '0|0', '... once');
cmp_ok($recorded, '>', 0, '... some recorded');
cmp_ok($sealed, '>', 0, '... some sealed');

query("update aos_traces set status = 'aborted' where status = 'running' and trace_id < 'm-5'");
my ($calls, $made) = (0, 0);
while ((my $batch = query('select count(*) from runlink_seal_pending(100)')) > 0)
{
	$calls++;
	$made += $batch;
}
cmp_ok($calls, '>', 1, "runlink_seal_pending seals the rest, $made traces in $calls calls");
($all, $recorded, $sealed) = split /\|/, query($figures);
is("$recorded $sealed", "0 $all", '... until no step is unsealed');
is(query(tally()), '0|0', '... each is sealed once');
is(query('select coalesce(max(backfilled), 0) from runlink.seal'), '0', '... none backfilled');
is(query("select count(*) from aos_traces t where t.status <> 'running' and not exists (select "
	. "from runlink.seal s where s.trace_id = t.trace_id and s.final)"), '0',
	'... and every trace that ended has a final seal');
is(query('select count(*) from (select trace_id from runlink.seal
		group by trace_id having min(seal_no) <> 0 or max(seal_no) + 1 <> count(*)
		or count(distinct prev) + 1 <> count(*)) as s'), '0', '... with no hole between its seals');
is(query('select count(*) from runlink.seal s
	join runlink.seal p on p.trace_id = s.trace_id and p.seal_no = s.seal_no - 1
	where s.step_count <> p.step_count + length(s.leaves) / 48'), '0', '...
		and a count that goes on');
is(query('select count(*) from runlink.seal where length(leaves) / 48 <> (select '
	. 'coalesce(sum(upper(r) - lower(r)), 0) from unnest(steps) as r)'), '0',
	'... and a leaf for each step index');
is(query("select count(*) from runlink.trace t where exists (select from runlink.seal s "
	. "where s.trace_id = t.trace_id)"), '0', '... and took the identity in');
is(query("select string_agg(distinct p.verification_status, ' ') from generate_series(0, 99) as n, "
	. "runlink_proof('run-' || n) as p where p.chain_length > 0"), 'VERIFIED',
	'... and the proof says VERIFIED of every trace');

done_testing();
