# Run stamping as clients meet it: sessions that have not loaded the library when they set the run,
# connections that go from client to client, warnings, locks, a dump and its restoration.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $fixture = "$FindBin::RealBin/../fixture";
my $insert = 'insert into audit_ledger (id, after_state) values';
my $mark = '"run_id_stamped_by": "runlink"';

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;
my $superuser = $node->safe_psql('postgres', 'select current_user');
$node->safe_psql('postgres', 'create role app_owner login; create role app login; create database app');
$node->safe_psql('app', qq{
	set client_min_messages = warning;
	create extension runlink;
	grant create on schema public to app_owner;
	set role app_owner;
	\\i $fixture/schema.sql
	\\i $fixture/defaults.sql
	grant insert, select on audit_ledger to app;
});

# Runs a script in a session of its own, as the application; returns what it prints and says on stderr.
sub session
{
	my ($sql, %options) = @_;
	my ($stdout, $stderr) = ('', '');

	local $ENV{PGOPTIONS} = $options{options} // '';
	$node->psql(
		$options{database} // 'app',
		"\\set VERBOSITY verbose\n$sql",
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 0,
		extra_params => [ '-U', $options{user} // 'app' ]);
	return ($stdout, $stderr);
}

sub query
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'app', $sql);
}

# The runs of the events whose ids begin so, in the order of their ids.
sub runs
{
	my ($ids) = @_;
	return query(qq{select string_agg(coalesce(after_state ->> 'run_id', '-'), ' ' order by id)
		from audit_ledger where id like '$ids%'});
}

#
# Enabling beside a writer: as that of sealing.
#
my $writer = $node->background_psql('app');
$writer->query_safe("begin; $insert ('early', '{}')");
foreach my $timeout ([ '', 2 ], [ "set lock_timeout = '300ms';", 0.3 ])
{
	my ($setting, $seconds) = @$timeout;
	my $began = time;
	my (undef, $stderr) = session("$setting select runlink_enable_run_stamping(); show lock_timeout", user => $superuser);
	my $waited = time - $began;

	like($stderr, qr/ERROR:  55P03/, "enabling beside a writer, lock_timeout $seconds s: refused");
	ok($waited >= $seconds && $waited < $seconds + 3, "... having waited no longer ($waited s)");
	is(query("select count(*) from pg_trigger where tgname like '%runlink%'"), '0', '... and made nothing');
}
$writer->query_safe('commit');
query('select runlink_enable_run_stamping()');
my $reader = $node->background_psql('app');
$reader->query_safe('begin; select count(*) from audit_ledger');
query("set statement_timeout = '3s'; select runlink_enable_run_stamping()");
pass('enabling again beside a reader');
my ($stdout, $stderr) = session("select runlink_disable_run_stamping()", user => $superuser);
like($stderr, qr/ERROR:  55P03/, 'disabling beside a reader waits no longer');
$reader->query_safe('commit');
is(query("select status from runlink_schema_check() where check_id = 'stamping.stamp_run'"), 'ok', '... and changes nothing');

#
# A session has not loaded the library until the first event.
#
($stdout, $stderr) = session(qq{
	begin;
	set local runlink.run_id = 'fresh';
	$insert ('fresh-1', '{"a": 1}') returning after_state;
	savepoint s;
	set local runlink.run_id = 'inner';
	$insert ('fresh-2', '{}');
	rollback to s;
	$insert ('fresh-3', '{}');
	commit;
	show runlink.run_id;
	$insert ('fresh-4', '{}')});
is($stderr, '', 'SET LOCAL in a fresh session: no error');
is($stdout, qq({"a": 1, "run_id": "fresh", $mark}\n), '... the event is stamped, and after COMMIT the setting is empty');
is(runs('fresh'), 'fresh fresh -', '... as are those in its transaction, and none later');
session(qq{begin; set local runlink.run_id = 'outer'; savepoint s; set local runlink.run_id = 'inner';
	$insert ('nested-1', '{}'); release s; $insert ('nested-2', '{}'); commit; $insert ('nested-3', '{}')});
is(runs('nested'), 'inner inner -', 'SET LOCAL twice, before the library is loaded');
session(qq{begin; set local runlink.run_id = 'undone'; rollback; $insert ('undone', '{}')});
is(runs('undone'), '-', 'SET LOCAL in a transaction that is rolled back');
session(qq{select set_config('runlink.run_id', 'call', true) \\; $insert ('call-1', '{}');
	$insert ('call-2', '{}')});
is(runs('call'), 'call -', 'set_config(..., true) in a query of two statements');
session(qq{set runlink.run_id = 'whole'; $insert ('session-1', '{}'); $insert ('session-2', '{}');
	discard all; $insert ('session-3', '{}')});
is(runs('session'), 'whole whole -', 'SET of a session, up to DISCARD ALL');
session(qq{$insert ('options', '{}')}, options => '-c runlink.run_id=from-options');
is(runs('options'), 'from-options', 'the run of a connection string');
query("alter role app in database app set runlink.run_id = 'of-role'");
session(qq{$insert ('role', '{}')});
query('alter role app in database app reset runlink.run_id');
is(runs('role'), 'of-role', 'the run of a role');
session(qq{begin; set local runlink.run_id = 'prepared'; prepare p as $insert ('prepared-1', '{}'); execute p; commit;
	begin; set local runlink.run_id = 'second'; prepare q (text) as $insert (\$1, '{}'); execute q ('prepared-2'); commit;
	execute q ('prepared-3')});
is(runs('prepared'), 'prepared second -', 'prepared statements');

# One connection serves clients in turn, a transaction each.
session(join '', map {
	my $run = $_ % 3 == 0 ? '' : "set local runlink.run_id = 'client-$_';";
	sprintf "begin; $run $insert ('pool-%02d', '{}'); %s;\n", $_, $_ == 5 ? 'rollback' : 'commit'
} 1 .. 9);
is(runs('pool'), 'client-1 client-2 - client-4 - client-7 client-8 -', 'nothing passes from a client of a pool to the next');

#
# Warnings: one a statement, and the insert goes on.
#
sub warned
{
	my ($name, $expected, $sql, %options) = @_;
	my ($stdout, $stderr) = session($sql, %options);

	is(() = $stderr =~ /WARNING:  01000: rows of "\w+" are not stamped/g, $expected, "$name: warnings");
	unlike($stderr, qr/ERROR/, "$name: no error");
	like($stderr, qr/DETAIL:  In the way: .*\n.*HINT: /, "$name: with DETAIL and HINT") if $expected;
	return $stderr;
}

my $many = q{insert into audit_ledger (id, after_state) select '%s-' || i, '{}' from generate_series(1, 3) as i;};
like(warned('a run id too long', 2, "set runlink.run_id = '" . ('x' x 2001) . "';" . sprintf($many, 'long') . sprintf($many, 'longer')),
	qr/longer than an index/, '... which tell why');
is(runs('long'), '- - - - - -', '... none is stamped');
like(warned('bytes that are no UTF-8', 1, sprintf($many, 'bytes'), options => "-c runlink.run_id=caf\xe9"),
	qr/encoding of the database/, '... which tell why');
is(runs('bytes'), '- - -', '... none is stamped');
warned('nothing to stamp', 0, "set runlink.run_id = '" . ('x' x 2001) . "';
	$insert ('silent-1', '[]'), ('silent-2', '{\"run_id\": null}'), ('silent-3', '{\"source_run_id\": \"x\"}')");
warned('no run', 0, sprintf($many, 'none'));
warned('stamped', 0, "set runlink.run_id = 'x';" . sprintf($many, 'stamped'));
$node->safe_psql('app', 'alter table audit_ledger rename to old_ledger');
like(warned('a ledger that was renamed', 1, "set runlink.run_id = 'x'; " . sprintf($many, 'renamed') =~ s/audit_ledger/old_ledger/r),
	qr/not the audit_ledger/, '... which tell why');
$node->safe_psql('app', 'alter table old_ledger rename to audit_ledger');

#
# A dump has the trigger, and where it is restored it works.
#
my $dump = PostgreSQL::Test::Utils::tempdir;
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump/app", '-d', $node->connstr('app') ], 'pg_dump');
my $events = query('select * from audit_ledger order by id');
foreach my $options ([], ['--section=pre-data', '--section=data', '--section=post-data'])
{
	query('drop database if exists restored', 'postgres');
	query('create database restored', 'postgres');
	{
		# a run of who restores stamps nothing
		local $ENV{PGOPTIONS} = '-c runlink.run_id=restoring';
		$node->command_ok([ 'pg_restore', '-e', @$options, '-d', $node->connstr('restored'), "$dump/app" ], "pg_restore @$options");
	}
	is(query('select * from audit_ledger order by id', 'restored'), $events, '... the events are as they were');
	is(query("select status from runlink_schema_check() where check_id = 'stamping.stamp_run'", 'restored'), 'ok', '... the trigger is there');
	($stdout) = session("begin; set local runlink.run_id = 'after'; $insert ('after', '{}') returning after_state; commit", database => 'restored');
	is($stdout, qq({"run_id": "after", $mark}), '... and stamps');
}

#
# A database that is not in UTF8.
#
query("create database latin1 encoding 'LATIN1' locale 'C' template template0", 'postgres');
query(qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $fixture/schema.sql
	\\i $fixture/defaults.sql
	grant insert, select on audit_ledger to app;
	select runlink_enable_run_stamping()}, 'latin1');
($stdout, $stderr) = session("set client_encoding = 'UTF8'; set runlink.run_id = 'läuft'; $insert ('latin1', '{}') returning after_state", database => 'latin1');
is("$stdout$stderr", qq({"run_id": "läuft", $mark}), 'LATIN1: the run as it was written');

done_testing();
