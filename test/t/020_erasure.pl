# What runlink_erase erased cannot be found: not by guessing it from all that is left in every table, not in a
# dump, and, once the tables were rewritten, not in their files. Erasure beside sealers, readers and itself; on
# a standby; through a dump; and by the verifier that was written from doc/format.md.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tests = "$FindBin::RealBin/..";
my $secret = 'Qz7-correct-horse-battery-staple';

my $node = PostgreSQL::Test::Cluster->new('erasure');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nautovacuum = off");
$node->start;

# A step of the application, which hashes its payload, or not.
sub step
{
	my ($trace, $step_index, $params, $outcome, $hashed) = @_;
	my $hash = $hashed ? "encode(sha256('$params'::jsonb::text::bytea), 'hex')" : 'null';
	return "insert into aos_trace_steps (trace_id, step_index, skill_name, params, outcome_data, input_hash, output_hash)"
	  . " values ('$trace', $step_index, 'skill', '$params', $outcome, $hash, $hash);";
}

sub trace
{
	my ($trace, @steps) = @_;
	return "insert into aos_traces (trace_id, run_id, tenant_id, status) values ('$trace', 'run of $trace', 't', 'running');"
	  . join('', @steps);
}

sub ended
{
	my ($trace, @steps) = @_;
	return trace($trace, @steps) . "update aos_traces set status = 'completed' where trace_id = '$trace';";
}

$node->safe_psql('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $tests/fixture/schema.sql
	\\i $tests/fixture/defaults.sql
	select runlink_enable_sealing();
} . ended('secret', step('secret', 0, '{"pin": 4711}', 'null', 1), step('secret', 1, '{"pin": 8642}', 'null', 0),
	step('secret', 2, '{"pin": 1234}', 'null', 1), step('secret', 3, qq({"secret": "$secret"}), 'null', 0))
  . join('', map { ended("other $_", step("other $_", 0, qq({"n": "$_"}), 'null', 0)) } 1 .. 3)
  . 'analyze;');

# What a proof says of a trace, and of its steps that are not ok.
sub proof
{
	my ($trace, $on) = @_;
	return ($on // $node)->safe_psql('postgres', qq{
		select verification_status from runlink_proof('run of $trace')
		union all select * from (select verdict || ' ' || step_index from runlink_proof_steps('run of $trace')
			where verdict <> 'ok' order by step_index) as s});
}

# All values of all tables as text, with what the planner knows of them, in a directory, with the tables that
# the verifier reads.
my $numbered = 0;
sub export
{
	my ($more) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir . '/' . $numbered++;
	my %tables = (step => 'aos_trace_steps', map { $_ => "runlink.$_" } qw(encoding leaf seal erasure));
	my $everything = $node->safe_psql('postgres', q{
		select string_agg(format('select t::text from %s as t', c.oid::regclass), ' union all ')
		from pg_class as c where relnamespace in ('public'::regnamespace, 'runlink'::regnamespace) and relkind = 'r'});

	mkdir $directory;
	$node->safe_psql('postgres', join("\n", "set timezone = 'UTC'; set bytea_output = 'hex';",
		map { "\\copy (select * from $tables{$_}) to '$directory/$_.tsv' with (header)" } sort keys %tables));
	append_to_file("$directory/everything.txt", $node->safe_psql('postgres',
		# without the quotes of rows and arrays
		"select regexp_replace(v, '\\\\+|\"(?=\")', '', 'g') from ($everything union all"
		  . " select concat(most_common_vals, histogram_bounds) from pg_stats as s"
		  . " where schemaname in ('public', 'runlink')) as t (v)") . "\n" . ($more // ''));
	return $directory;
}

sub verifier
{
	my ($script, @arguments) = @_;
	my ($out, $err);

	IPC::Run::run([ 'python3', '-B', "$tests/verifier/$script", @arguments ], '>', \$out, '2>', \$err)
	  or BAIL_OUT("$script: $err");
	chomp $out;
	return $out;
}

sub guesses
{
	my ($directory, $step_index) = @_;
	return join(', ', split /\n/, verifier('guess.py', $directory, 'secret', $step_index));
}

sub erase
{
	my ($trace, $step_index) = @_;
	return $node->safe_psql('postgres', "select erased_columns from runlink_erase('$trace', $step_index, 'request')");
}

sub salt
{
	my ($step_index) = @_;
	return $node->safe_psql('postgres',
		"select encode(substr(leaves, $step_index * 48 + 33, 16), 'hex') from runlink.seal where trace_id = 'secret'");
}

# In which files of the database bytes stand.
sub files_with
{
	my ($bytes) = @_;
	my $base = $node->data_dir . '/base/' . $node->safe_psql('postgres', 'select oid from pg_database where datname = current_database()');

	$node->safe_psql('postgres', 'checkpoint');
	return join(' ', grep { index(slurp_file($_), $bytes) >= 0 } sort glob "$base/*");
}

#
# Before: every attack that the erasure has to stop succeeds.
#
my @salts = map { salt($_) } 0 .. 3;
my $before = export();
is(guesses($before, 0), 'hash 1234, hash 4711, leaf 4711, text 1234, text 4711, text 8642', 'before: a payload with a hash is guessed');
is(guesses($before, 1), 'hash 1234, hash 4711, leaf 8642, text 1234, text 4711, text 8642', 'before: one without a hash is');
isnt(files_with($secret), '', 'before: the payload stands in a file');
isnt(files_with(pack('H*', $salts[3])), '', 'before: so does its salt');

is(erase('secret', 0), '{params,input_hash,output_hash}', 'a payload with its hashes is erased');
is(erase('secret', 1), '{params}', 'one without is');
is(erase('secret', 3), '{params}', 'and another');
is(proof('secret'), "VERIFIED\nerased 0\nerased 1\nerased 3", 'the proof is VERIFIED');
isnt(files_with($secret), '', 'dead versions of a row keep its payload');
like(slurp_file(export() . '/everything.txt'), qr/\{"pin": 4711\}/, 'as does what the planner knows of the table, until it is analyzed');

#
# After.
#
$node->safe_psql('postgres', 'vacuum (full, analyze) aos_trace_steps, runlink.seal, runlink.leaf');
$node->safe_psql('postgres', 'vacuum full pg_statistic');
my $rest = 'hash 1234, text 1234';
my $after = export();
is(guesses($after, 0), $rest, 'after: a payload whose hashes were erased is not guessed from all that is left');
is(guesses($after, 1), $rest, 'after: nor is one that had none');
is(files_with($secret), '', 'after: the payload stands in no file of the database');
is(files_with(pack('H*', $salts[$_])), '', "after: nor does the salt of step $_") foreach 0, 1, 3;
isnt(files_with(pack('H*', $salts[2])), '', 'after: that of a step that was not erased does');

# What the attack would make of what is not kept.
is(guesses(export($salts[1]), 1), 'digest 8642, hash 1234, leaf 8642, text 1234',
	'with its salt the payload would be guessed');
my $digest = sha256_hex("runlink-payload/v1\n" . pack('H*', $salts[0]) . '[null,[{"pin":4711}]]');
is(guesses(export($digest), 0), "$rest, through 4711", 'and with the digest of a payload that had hashes, which is why it is not kept');
unlike($node->safe_psql('postgres', 'select * from runlink.erasure'), qr/$digest/, 'it is not');

my $dump = "$after/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'the database is dumped');
unlike(slurp_file($dump), qr/$secret|4711|8642|$salts[0]|$salts[1]|$salts[3]/, 'a dump has neither payloads nor salts');
like(slurp_file($dump), qr/$salts[2]/, 'but those of steps that were not erased');

is(verifier('check.py', $after), "secret\t0\terased\nsecret\t1\terased\nsecret\t3\terased\n7 steps, 7 leaves, 4 seals",
	'another verifier finds the same');

#
# A dump, restored.
#
$node->safe_psql('postgres', 'create database restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'the dump is restored');
is($node->safe_psql('restored', q{select verification_status from runlink_proof('run of secret')
	union all select string_agg(step_index::text, ' ' order by step_index) from runlink_proof_steps('run of secret') where verdict = 'erased'}),
	"VERIFIED\n0 1 3", 'erasures are restored with it');
is($node->safe_psql('restored', 'table runlink.erasure'), $node->safe_psql('postgres', 'table runlink.erasure'), 'with who and why');
is($node->safe_psql('restored', 'select count(*) from runlink_verify()'), '0', 'and nothing is found');

#
# Beside others.
#
sub start
{
	my ($sql) = @_;
	my %session = (out => '', err => '');

	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('postgres'), '-c', $sql ],
		'>', \$session{out}, '2>', \$session{err});
	return \%session;
}

sub finished
{
	my ($session) = @_;
	$session->{run}->finish;
	return $session->{out} . $session->{err};
}

sub wait_until_waiting
{
	$node->poll_query_until('postgres', q{select exists (select from pg_stat_activity where wait_event_type = 'Lock')})
	  or die 'nobody waits';
}

$node->safe_psql('postgres', ended('twice', map { step('twice', $_, '{"pin": 1}', 'null', 0) } 0 .. 3)
  . trace('going', map { step('going', $_, '{"pin": 1}', 'null', 0) } 0 .. 3)
  . q{set runlink.idle_after = 0; select pg_sleep(0.01); select runlink_seal_pending();});
my $session = $node->background_psql('postgres');

$session->query_safe(q{begin; select * from runlink_erase('twice', 0, 'first')});
my $second = start(q{select step_index from runlink_erase('twice', 0, 'second')});
wait_until_waiting();
$session->query_safe('commit');
like(finished($second), qr/^ERROR:  55000/, 'of two that erase a step the second is told that it is erased');
is($node->safe_psql('postgres', q{select reason from runlink.erasure where trace_id = 'twice'}), 'first', 'and the reason of the first stays');

$session->query_safe(q{begin; select * from runlink_erase('twice', 1, 'first')});
$second = start(q{select step_index from runlink_erase('twice', 1, 'second')});
wait_until_waiting();
$session->query_safe('rollback');
is(finished($second), "1\n", 'where the first rolls back, the second erases');

$session->query_safe(q{begin; select * from runlink_erase('twice', 2, 'first')});
$second = start(q{select step_index from runlink_erase('twice', 3, 'second')});
wait_until_waiting();
$session->query_safe('commit');
is(finished($second), "3\n", 'steps of one seal are erased one after the other');
is(proof('twice'), "VERIFIED\nerased 0\nerased 1\nerased 2\nerased 3", 'and none of the erasures is lost');
is(salt(0), '0' x 32, 'nor does a salt come back');

# A reader sees a step before or after, never between.
$session->query_safe('begin isolation level repeatable read; select count(*) from runlink.seal');
is(erase('going', 1), '{params}', 'a step of a trace that goes on is erased');
is($session->query_safe(q{select string_agg(verdict, ' ' order by step_index) from runlink_proof_steps('run of going')}), 'ok ok ok ok', 'an older snapshot sees it as it was');
$session->query_safe('commit');
is(proof('going'), "VERIFIED\nerased 1", 'a new one as erased');

# Writers and sealers.
$session->query_safe(q{begin; select * from runlink_erase('going', 2, 'r')});
$node->safe_psql('postgres', q{set lock_timeout = '10s';} . step('going', 4, '{"pin": 1}', 'null', 0)
  . q{update aos_traces set status = 'completed' where trace_id = 'going'});
pass('the application does not wait for an erasure');
is($node->safe_psql('postgres', q{select count(*) from runlink_seal_pending()}), '0', 'nor does a sealer, who leaves the trace');
is(proof('going'), "VERIFIED\nerased 1", 'readers do not either');
$session->query_safe('commit');
is($node->safe_psql('postgres', q{select trace_id || ' ' || added from runlink_seal_pending()}), 'going 1', 'it is sealed afterwards');
is(proof('going'), "VERIFIED\nerased 1\nerased 2", 'and proved');

$session->query_safe(q{begin;} . step('going', 5, '{"pin": 1}', 'null', 0) . q{select runlink_seal_pending()});
$second = start(q{select step_index from runlink_erase('going', 3, 'r')});
wait_until_waiting();
$session->query_safe('commit');
is(finished($second), "3\n", 'an erasure waits for a sealer');
is(proof('going'), "VERIFIED\nerased 1\nerased 2\nerased 3", 'and goes on from its seal');

# A snapshot that is older than an erasure.
$session->quit;
foreach my $level ('repeatable read', 'serializable')
{
	my $trace = "snapshot $level";
	$node->safe_psql('postgres', ended($trace, step($trace, 0, '{"pin": 1}', 'null', 0)));
	my $older = start(qq{begin isolation level $level; select count(*) from runlink.seal; select pg_advisory_lock(1) from pg_sleep(1);
		select * from runlink_erase('$trace', 0, 'r'); commit});
	sleep 0.3;
	erase($trace, 0);
	like(finished($older), qr/ERROR:  40001|ERROR:  55000/, "a $level transaction that began before an erasure does not erase again");
	is(proof($trace), "VERIFIED\nerased 0", 'the step is erased once');
}

#
# A standby, and a trace of many erasures.
#
$node->safe_psql('postgres', trace('many') . q{insert into aos_trace_steps (trace_id, step_index, skill_name, params)
	select 'many', i, 's', jsonb_build_object('pin', i) from generate_series(0, 999) as i; update aos_traces set status = 'completed' where trace_id = 'many';
	select count(*) from generate_series(0, 998, 2) as i, runlink_erase('many', i, 'r')});
is($node->safe_psql('postgres', q{select verification_status, chain_length from runlink_proof('run of many')}), 'VERIFIED|1000', 'half of a long trace is erased');
is($node->safe_psql('postgres', 'select count(*) from runlink_verify()'), '0', 'nothing is found in any trace');

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(proof('secret', $standby), proof('secret'), 'a standby proves erased steps');
is($standby->safe_psql('postgres', 'select count(*) from runlink_verify()'), '0', 'and verifies them');
foreach my $there ([ $standby, '' ], [ $node, 'set default_transaction_read_only = on;' ])
{
	my ($on, $setting) = @$there;
	my $stderr = '';

	$on->psql('postgres', "$setting\n\\set VERBOSITY sqlstate\nselect runlink_erase('many', 1, 'r')", stderr => \$stderr, on_error_stop => 0);
	like($stderr, qr/ERROR:  25006/, 'where nothing can be written, nothing is erased');
}

done_testing();
