# Recording and sealing when the state is changed, locked or lost under the feet of those who use it:
# what was going on may fail, the session's next statement sees the truth.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $fixture = "$FindBin::RealBin/../fixture";

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', q{
	autovacuum = off
	client_min_messages = warning
});
$node->start;
$node->safe_psql('postgres', qq{
	create extension runlink;
	\\i $fixture/schema.sql
	\\i $fixture/defaults.sql
	alter table aos_traces alter status set default 'running';
	select runlink_enable_sealing();
});

sub query { return $node->safe_psql('postgres', $_[0]) }
sub session { return $node->background_psql('postgres', on_error_stop => 0) }
sub step { return "insert into aos_trace_steps (trace_id, step_index) values ('$_[0]', $_[1]);" }
sub finish { return "update aos_traces set status = 'completed' where trace_id = '$_[0]';" }

sub make_trace
{
	my ($trace, @indexes) = @_;
	query("insert into aos_traces (trace_id, run_id) values ('$trace', 'run-$trace');"
		. join('', map { step($trace, $_) } @indexes));
}

sub leaves
{
	return query("select coalesce(string_agg(step_index::text, ',' order by step_index), '') "
		. "from runlink.leaf where trace_id = '$_[0]'");
}

# Runs a statement; what it prints, and then what it says on stderr, in SQLSTATEs or words.
sub said
{
	my ($session, $sql) = @_;
	my $printed = $session->query($sql);
	my $stderr = $session->{stderr};

	$session->{stderr} = '';
	return join ' ', grep { $_ ne '' } $printed, $stderr =~ /(?:ERROR|WARNING):  .*|DETAIL:  .*/g;
}

sub wait_for_waiter
{
	$node->poll_query_until('postgres',
		"select exists (select from pg_locks where not granted and relation = '$_[0]'::regclass)")
	  or BAIL_OUT("nobody waits for $_[0]");
}

#
# The look at the state ends in an error: none of it is taken for known.
#
make_trace('looked', 0);
my $number = 0;
foreach my $table ('encoding', 'trace', 'leaf', 'seal')
{
	foreach my $use ([ 'a step', sub { step('looked', ++$number) }, '' ],
		[ 'a proof', sub { "select verification_status from runlink_proof('run-looked')" }, 'VERIFIED' ])
	{
		my ($what, $statement, $answer) = @$use;
		my $holder = session();
		my $session = session();

		$holder->query_safe("begin; lock table runlink.$table in access exclusive mode");
		like(said($session, "set statement_timeout = '200ms'; " . $statement->()),
			qr/canceling statement due to statement timeout/,
			"$what, the session's first, is cancelled as it waits for runlink.$table");
		$holder->query_safe('rollback');
		is(said($session, $statement->()), $answer, '... the next one is as if that had not been');
		$_->quit foreach ($holder, $session);
	}
}
is(leaves('looked'), '0,2,4,6,8', '... and every step that is there is recorded');

#
# The state is changed while a statement waits for it: between its look at one table and another, or
# between its look and its insert.  No row is put into what is not as runlink made it.
#
my $anew = 'drop schema if exists runlink cascade; select runlink_enable_sealing();';
my @changes = (
	[ 'a column more', 'alter table runlink.leaf add column more text', qr/runlink\.leaf has other columns/ ],
	[ 'a trigger', 'create trigger t before insert on runlink.leaf for each row execute function suppress_redundant_updates_trigger()',
		qr/runlink\.leaf has a trigger/ ],
	[ 'another owner', 'alter table runlink.leaf owner to current_user', qr/runlink\.leaf is not owned by runlink_owner/ ],
	[ 'no table', 'drop table runlink.leaf', qr/there is no table runlink\.leaf/ ],
	[ 'no state', 'drop schema runlink cascade', qr/sealing was never enabled|there is no table runlink\.\w+/ ]);
foreach my $change (@changes)
{
	my ($what, $do, $obstacle) = @$change;
	my $warned = qr/^WARNING: .* not recorded by runlink DETAIL:  In the way: $obstacle/;

	query($anew);
	my $holder = session();
	my $session = session();
	if ($what ne 'no state')
	{
		$holder->query_safe('begin; lock table runlink.seal in access exclusive mode');
		$session->query_until(qr/started/, "\\echo started\n" . step('looked', ++$number) . "\n");
		wait_for_waiter('runlink.seal');
		query($do);
		$holder->query_safe('rollback');
		like(said($session, ''), $warned, "$what, while the state is looked at: the step is warned of");
		like(said($session, step('looked', ++$number)), $warned, '... and the next');
		query($anew);
	}

	# Both know the state.
	my $finisher = session();
	my $trace = $what =~ s/ /-/gr;
	make_trace($trace, 0);
	is(said($session, step('looked', ++$number)), '', "$what: until then, a step is recorded");
	is(said($finisher, step($trace, 1)), '', '... and another');
	$holder->query_safe("begin; $do");
	$session->query_until(qr/started/, "\\echo started\n" . step('looked', ++$number) . "\n");
	$finisher->query_until(qr/started/, "\\echo started\n" . finish($trace) . "\n");
	$node->poll_query_until('postgres', 'select count(*) = 2 from pg_locks where not granted')
	  or BAIL_OUT('they do not wait');
	$holder->query_safe('commit');
	like(said($session, ''), $warned, "$what, while a step waits to be recorded: it is warned of");
	like(said($finisher, ''), $warned, '... and the end of a trace');
	is(query("select (select count(*) from aos_trace_steps where trace_id = 'looked' and step_index = $number)"
		. " || (select status from aos_traces where trace_id = '$trace')"), '1completed', '... and both are done');
	$_->quit foreach ($holder, $session, $finisher);
}
query($anew);

#
# Enabling waits no longer than lock_timeout for who works with the state, and then changes nothing.
#
my $made = q{
	select md5(string_agg(x::text, ',' order by x::text)) from (
		select row(oid, xmin, tgname)::text from pg_trigger where tgname ~ '^runlink'
		union all
		select row(oid, xmin, relname, relacl)::text from pg_class where relnamespace = 'runlink'::regnamespace
		union all
		select row(oid, xmin, nspacl)::text from pg_namespace where nspname = 'runlink'
		union all
		select row(xmin, trace_id)::text from runlink.trace) as x (x)};
foreach my $case (
	[ 'a sealer', "select count(*) from runlink_seal_pending(null, 'run-busy')" ],
	[ 'the end of a trace', finish('ended') ],
	[ 'a lock on the seals', 'lock table runlink.seal in row exclusive mode' ])
{
	my ($what, $work) = @$case;

	query("delete from aos_traces where trace_id in ('busy', 'ended')");
	make_trace('busy', 0);
	make_trace('ended', 0);
	foreach my $timeout ([ '', 2 ], [ "set lock_timeout = '300ms'; ", 0.3 ])
	{
		my ($setting, $seconds) = @$timeout;
		my $worker = session();
		my $enabler = session();
		$worker->query_safe("set runlink.idle_after = 0; begin; $work");
		my $before = query($made);
		my $began = time;
		my $said = said($enabler, "$setting set statement_timeout = '15s'; select runlink_enable_sealing()");
		my $waited = time - $began;

		like($said, qr/canceling statement due to lock timeout/, "enabling beside $what, lock_timeout $seconds s: refused");
		ok($waited >= $seconds && $waited < $seconds + 3, "... having waited no longer ($waited s)");
		is(query($made), $before, '... and changed nothing');
		$worker->query_safe('rollback');
		is(said($enabler, 'select runlink_enable_sealing()'), '', "... enabled when $what is done");
		$_->quit foreach ($worker, $enabler);
	}
}

#
# Ids too long for an index, where the application has none that minds: its statements succeed.
#
$node->safe_psql('postgres', 'create database long_ids');
$node->safe_psql('long_ids', qq{
	create extension runlink;
	\\i $fixture/schema.sql
	\\i $fixture/defaults.sql
	alter table aos_trace_steps drop constraint aos_trace_steps_trace_id_fkey;
	do \$\$ declare i record; begin
		for i in select conrelid::regclass as t, conname as c from pg_constraint
				where conrelid in ('aos_traces'::regclass, 'aos_trace_steps'::regclass) and contype in ('p', 'u') loop
			execute format('alter table %s drop constraint %I cascade', i.t, i.c);
		end loop;
		for i in select indexrelid::regclass as c from pg_index
				where indrelid in ('aos_traces'::regclass, 'aos_trace_steps'::regclass) loop
			execute format('drop index %s', i.c);
		end loop;
	end \$\$;
	alter table aos_traces alter status set default 'running', alter trace_id type text, alter run_id type text;
	alter table aos_trace_steps alter trace_id type text;
	select runlink_enable_sealing();
	-- no compression makes it short
	create function long_id(n integer) returns text language sql
		return (select left(string_agg(md5(i::text), ''), n) from generate_series(1, n / 32 + 1) as i);
});
my $session = $node->background_psql('long_ids', on_error_stop => 0);
foreach my $case (
	[ 'a trace_id of 2000 bytes', 'long_id(2000)', "'run-2000'", 0, 'VERIFIED' ],
	[ 'a trace_id of 2001 bytes', 'long_id(2001)', "'run-2001'", 1, 'UNSEALED' ],
	[ 'a trace_id of 100 kB', 'long_id(100000)', "'run-100000'", 1, 'UNSEALED' ],
	[ 'a run_id of 100 kB', "'trace-of-long-run'", 'long_id(100000)', 0, 'UNSEALED' ])
{
	my ($what, $trace, $run, $steps_warned, $verdict) = @$case;
	my $identity_warned = $verdict eq 'UNSEALED';
	my $warned = qr/^WARNING:  rows of "aos_\w+" are not recorded by runlink DETAIL:  In the way: a \w+_id is longer than .*$/;
	my $expected = sub { my ($warning) = @_; return $warning ? $warned : qr/^$/ };

	like(said($session, "insert into aos_traces (trace_id, run_id, tenant_id) values ($trace, $run, 't')"),
		$expected->($identity_warned), "$what: a trace is inserted");
	like(said($session, "insert into aos_trace_steps (trace_id, step_index) select $trace, i from generate_series(1, 50) as i"),
		$expected->($steps_warned), '... and steps, with at most one WARNING');
	like(said($session, "insert into aos_trace_steps (trace_id, step_index) values ($trace, 0)"),
		$expected->($steps_warned), '... and another');
	is(said($session, "update aos_traces set status = 'completed' where trace_id = $trace"), '', '... and it ends');
	like(said($session, "select count(*) from runlink_seal_pending(null, $run)"),
		$identity_warned ? qr/^0 WARNING:  trace "\S+" is not sealed DETAIL:  Its trace_id or run_id is longer than / : qr/^0$/,
		'... and runlink_seal_pending ' . ($identity_warned ? 'says that it cannot seal it' : 'has nothing to do'));
	is(said($session, "select verification_status, unsealed_length from runlink_proof($run)"),
		"$verdict|" . ($steps_warned ? 51 : 0), '... and the proof says so');
	is(said($session, "select count(*) from aos_trace_steps where trace_id = $trace"), '51', '... of every step');
}
$session->quit;

#
# A long search for what was reordered ends when it is cancelled: one step of so many bytes is tried as
# each of 256 others, which takes a multiple of this time.
#
make_trace('long-search');
query(q{
	insert into aos_trace_steps (trace_id, step_index, params)
		select 'long-search', i, case when i = 0 then to_jsonb(repeat('0123456789', 4000000)) else '{}' end
		from generate_series(0, 255) as i;
	update aos_traces set status = 'completed' where trace_id = 'long-search';
	set session_replication_role = replica;
	update aos_trace_steps set skill_name = 'forged' where trace_id = 'long-search';
});
$session = session();
my $began = time;
like(said($session, "set statement_timeout = '1500ms'; select count(*) from runlink_proof('run-long-search')"),
	qr/canceling statement due to statement timeout/, 'a long search for what was reordered is cancelled');
my $took = time - $began;
cmp_ok($took, '<', 4, "... at once ($took s)");

done_testing();
