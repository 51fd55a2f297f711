# The way from psql to a signed note and back: the very lines that README.md shows, with openssl alone; and
# tools/runlink-sign-checkpoint, which signs growth and nothing that it could not check.
use strict;
use warnings;

use File::Copy;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $name = 'example.com/runlink';

sub new_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->start;
	return $node;
}

my $node = new_node('signing');
$node->safe_psql('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $root/test/fixture/schema.sql
	\\i $root/test/fixture/defaults.sql
	select runlink_enable_sealing();
	select runlink_create_log('$name');
});

sub add_traces
{
	my ($server, @traces) = @_;

	foreach my $trace (@traces)
	{
		$server->safe_psql('postgres', qq{
			insert into aos_traces (trace_id, run_id, tenant_id, status) values ('$trace', 'run of $trace', 'tenant', 'running');
			insert into aos_trace_steps (trace_id, step_index, skill_name, params) values ('$trace', 0, 's', '{}'), ('$trace', 1, 's', '{}');
			update aos_traces set status = 'completed' where trace_id = '$trace';
		});
	}
}

# Runs a program in a directory, against a server; returns its status and what it wrote.
sub run_in
{
	my ($directory, $server, @command) = @_;
	my ($stdout, $stderr) = ('', '');
	local %ENV = (%ENV, PGHOST => $server->host, PGPORT => $server->port, PGDATABASE => 'postgres');

	IPC::Run::run([ 'bash', '-c', 'cd "$1" && shift && exec "$@"', 'bash', $directory, @command ], '>', \$stdout, '2>', \$stderr);
	return ($? >> 8, $stdout, $stderr);
}

# The lines of README.md.

my ($section) = slurp_file("$root/README.md") =~ /^(## Signing a checkpoint\n.*?)^## /ms;
my @blocks = $section =~ /^```sh\n(.*?)^```$/msg;
is(scalar(@blocks), 3, 'README.md shows the way in three steps');
unlike(join('', @blocks), qr/\bgo\b|python|xxd|runlink-/, 'with nothing but psql, openssl and a shell');

add_traces($node, 'one', 'two');
my $shown = PostgreSQL::Test::Utils::tempdir;
append_to_file("$shown/script", "set -euo pipefail\nexport PSQLRC=/dev/null\n" . join('', @blocks));
my ($status, $stdout, $stderr) = run_in($shown, $node, 'bash', 'script');
is($status, 0, 'the lines run');
is($stderr, '', 'without a complaint');
like($stdout, qr/^ example\.com\/runlink \| [0-9a-f]{8} \| Ed25519\n/m, 'the key is registered');
like($stdout, qr/^ example\.com\/runlink \| [0-9a-f]{8} \| added  \| +2\n/m, 'the signature is added');
like($stdout, qr/^ +0 \| +2 \| anchored \| +\| the seals of all 2 entries give its root; signed by example\.com\/runlink\+/m,
	'and the log is anchored in the note');
is($node->safe_psql('postgres', 'select assurance, checkpoint_size from runlink_proof($$run of one$$)'), 'signed|2', 'the proof of a run says so');
is($node->safe_psql('postgres', q{select split_part(runlink_consistency_proof(0, 2), e'old 0\n\n', 2)}),
	slurp_file("$shown/checkpoint.note"), 'the log gives the same note');
my ($vkey) = join('', @blocks) =~ /^vkey=(.*)$/m;
ok(defined $vkey, 'the verifier key is shown');

# Each time again, and the old note as good as ever.
add_traces($node, 'three');
append_to_file("$shown/again", "set -euo pipefail\nexport PSQLRC=/dev/null\nname=$name\nkey_id=\$(openssl pkey -in log.pem -pubout -outform DER | tail -c 32"
	. " | cat <(printf '%s\\n\\001' \"\$name\") - | openssl dgst -sha256 -r | cut -c 1-8)\ncp checkpoint.note older.note\n" . $blocks[1] . $blocks[2]
	. $blocks[2] =~ s/checkpoint\.note/older.note/r);
($status, $stdout, $stderr) = run_in($shown, $node, 'bash', 'again');
is($status, 0, "the steps of each time run again\n$stderr");
like($stdout, qr/ added  \| +3\n.* 0 \| +3 \| anchored .* 0 \| +2 \| anchored .*\n +2 \| +1 \| unanchored /s, 'the log is anchored in both notes');

# What is not as it was.
my $note = slurp_file("$shown/checkpoint.note");
foreach my $case (
	[ 'cut off', substr($note, 0, -10), qr/the note is malformed: the signature in its line 5 is not base64/ ],
	[ 'with carriage returns', $note =~ s/\n/\r\n/gr, qr/the note is malformed: it has a carriage return at byte 20/ ],
	[ 'of another size', $note =~ s/\n3\n/\n4\n/r, qr/the signature by key "example.com\/runlink\+[0-9a-f]{8}" does not verify/ ],
	[ 'of another origin', $note =~ s/^example.com\/runlink/example.com\/other/r, qr/the note is a checkpoint of another log/ ])
{
	my ($what, $text, $why) = @$case;
	my $directory = PostgreSQL::Test::Utils::tempdir;

	append_to_file("$directory/checkpoint.note", $text);
	append_to_file("$directory/script", "export PSQLRC=/dev/null\n" . $blocks[2]);
	($status, $stdout, $stderr) = run_in($directory, $node, 'bash', 'script');
	like($stderr, $why, "a note $what is refused with its reason");
}

# The signer's loop.

my $store = PostgreSQL::Test::Utils::tempdir;
my @sign = ("$root/tools/runlink-sign-checkpoint", '--key', "$shown/log.pem", '--name', $name, '--store');

sub sign
{
	my ($server, $directory, @more) = @_;

	return run_in($shown, $server, @sign, $directory, @more);
}

sub signatures
{
	my ($server) = @_;
	return $server->safe_psql('postgres', 'select count(*) from runlink.signature');
}

sub files
{
	my ($directory) = @_;
	return join ' ', sort grep { $_ ne 'lock' } map { s/.*\///r } glob "$directory/*";
}

($status, $stdout, $stderr) = sign($node, $store);
is($status, 2, 'without a checkpoint to check against, nothing is signed');
like($stderr, qr/there is no checkpoint in .* to check against; to sign the first one, say --first/, 'and it says what to do');
is(files($store), '', 'nor stored');

add_traces($node, 'four');
($status, $stdout, $stderr) = sign($node, $store, '--first');
is($status, 0, "the first is signed, when told so\n$stderr");
like($stdout, qr/signed the checkpoint of 4 entries/, 'and says what it signed');
is(files($store), '4.note latest.note', 'and stored');
is(signatures($node), '3', 'and the signature brought back');
($status, $stdout, $stderr) = sign($node, $store, '--first');
is($status, 2, 'once there is one, --first is refused');
like($stderr, qr/is there, so this is not the first one/, 'with its reason');

($status, $stdout, $stderr) = sign($node, $store);
is($status, 0, "where nothing is new, nothing is wrong\n$stderr");
like($stdout, qr/nothing new: the checkpoint of 4 entries is signed/, 'and it says so');
# As if it had been ended before the signature was brought back.
$node->safe_psql('postgres', 'set session_replication_role = replica; delete from runlink.signature where size = 4');
($status, $stdout, $stderr) = sign($node, $store);
is(signatures($node), '3', 'a signature that was not brought back is then');

$node->backup('yesterday');
add_traces($node, 'five', 'six');
($status, $stdout, $stderr) = sign($node, $store);
is($status, 0, "growth is signed\n$stderr");
is(files($store), '4.note 6.note latest.note', 'and stored, beside what was');
is(slurp_file("$store/latest.note"), slurp_file("$store/6.note"), 'the newest is the latest');
is($node->safe_psql('postgres', "select status from runlink_verify_checkpoint(pg_read_file('$store/latest.note')) limit 1"),
	'anchored', 'the log is anchored in what was stored');

# A standby says so too.
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'yesterday', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "select status from runlink_verify_checkpoint(pg_read_file('$store/latest.note'))"), 'anchored', 'so it is on a standby');
$standby->stop;

# Nothing is signed, stored or brought back for these.
sub refuses
{
	my ($server, $directory, $expected_status, $why, $what, @more) = @_;
	my $before = slurp_file("$directory/latest.note");
	my $files = files($directory);
	my $signatures = signatures($server);

	($status, $stdout, $stderr) = sign($server, $directory, @more);
	is($status, $expected_status, "$what: refused\n$stdout$stderr");
	like($stderr, $why, "$what: with its reason");
	is(files($directory) . slurp_file("$directory/latest.note"), $files . $before, "$what: nothing is stored");
	is(signatures($server), $signatures, "$what: nothing is brought back");
}

# The database of yesterday.
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'yesterday');
$restored->start;
is($restored->safe_psql('postgres', "select status from runlink_verify_checkpoint(pg_read_file('$store/latest.note')) limit 1"),
	'rolled_back', 'the note that is kept says that a restored database is of an earlier time');
refuses($restored, $store, 1, qr/ROLLED_BACK: the log has 4 entries, the checkpoint held has 6/, 'a restored database');

# It goes on with what never was, as far as before and beyond.
add_traces($restored, 'other five', 'other six');
refuses($restored, $store, 1, qr/nothing was signed/, 'a fork of the same size');
add_traces($restored, 'other seven');
refuses($restored, $store, 1, qr/nothing was signed/, 'a fork that has grown');

# A log rewritten by a superuser, down to the last hash, and grown.
my @tables = qw(log_entry log_node checkpoint signature);
$node->safe_psql('postgres', join '', map { "create table saved_$_ as select * from runlink.$_;" } @tables);
add_traces($node, 'seven');
$node->safe_psql('postgres', qq{
	set session_replication_role = replica;
	update runlink.seal set trace_status = 'failed' where trace_id = 'two';
	\\i $root/test/fixture/rewrite_log.sql
});
refuses($node, $store, 1, qr/runlink-verify found it bad: nothing was signed/, 'a rewritten log');
$node->safe_psql('postgres', join '', 'set session_replication_role = replica;', (map { "truncate runlink.$_;" } @tables),
	q{update runlink.seal set trace_status = 'completed' where trace_id = 'two';},
	(map { "insert into runlink.$_ select * from saved_$_;" } @tables),
	q{insert into runlink.unlogged values (0, 'seven');});

# What is held is of another log, or not what it was.
my $other = PostgreSQL::Test::Utils::tempdir;
append_to_file("$other/latest.note", slurp_file("$store/latest.note") =~ s/^example.com\/runlink/example.com\/other/r);
refuses($node, $other, 1, qr/nothing was signed/, 'a held checkpoint that was changed');
my $foreign = PostgreSQL::Test::Utils::tempdir;
{
	local $ENV{CHECKPOINT} = slurp_file("$store/latest.note") =~ s/^example.com\/runlink/example.com\/other/r =~ s/\n\n.*/\n/sr;
	run_in($foreign, $node, 'bash', '-c', "cat >latest.note <<<\"\$CHECKPOINT\" && $root/test/fixture/sign-note line $name 1 1 >>latest.note");
}
refuses($node, $foreign, 1, qr/nothing was signed/, 'a held checkpoint of another origin', '--key', "$shown/log.pem");

# Without the verifier, nothing is signed: neither beside the signer nor in a PATH that has all else.
my $alone = PostgreSQL::Test::Utils::tempdir;
my @path = split /:/, $ENV{PATH};
my ($psql) = grep { -x } map { "$_/psql" } @path;
symlink $psql, "$alone/psql";
my $without = join ':', $alone, grep { !-x "$_/runlink-verify" } @path;
copy($sign[0], "$alone/sign");
chmod 0755, "$alone/sign";
($status, $stdout, $stderr) = run_in($alone, $node, 'env', "PATH=$without", "$alone/sign", @sign[ 1 .. $#sign ], $store);
is($status, 2, 'without runlink-verify nothing is signed');
like($stderr, qr/there is no runlink-verify, so nothing can be checked, and nothing is signed/, 'and it says so');

# Nor by a key that is none, while another signs, or without a server.
($status, $stdout, $stderr) = run_in($shown, $node, $sign[0], '--key', "$shown/log.pub", '--name', $name, '--store', $store);
is($status, 2, "what is no key does not sign\n$stderr");
($status, $stdout, $stderr) = run_in($shown, $node, 'flock', "$store/lock", @sign, $store);
is($status, 2, 'two do not sign at once');
like($stderr, qr/another one is at work/, 'the second says so');
($status, $stdout, $stderr) = run_in($shown, $node, 'env', 'PGPORT=1', @sign, $store);
is($status, 2, 'without a server nothing is signed');
($status, $stdout, $stderr) = run_in($shown, $node, $sign[0]);
is($status, 2, 'without arguments neither');
like($stderr, qr/usage: /, 'but with help');

# A key that is not registered: signed, stored, and told.
run_in($shown, $node, 'openssl', 'genpkey', '-algorithm', 'ed25519', '-out', 'new.pem');
my $fresh = PostgreSQL::Test::Utils::tempdir;
($status, $stdout, $stderr) = run_in($shown, $node, $sign[0], '--key', "$shown/new.pem", '--name', $name, '--store', $fresh, '--first');
is($status, 3, "a key that is not registered signs, with a warning\n$stderr");
my ($new_vkey) = $stderr =~ /register the key by runlink_add_key\('([^']+)'\)/;
$node->safe_psql('postgres', "select runlink_add_key('$new_vkey')");
($status, $stdout, $stderr) = run_in($shown, $node, $sign[0], '--key', "$shown/new.pem", '--name', $name, '--store', $fresh);
is($status, 0, "once it is registered, without\n$stderr");

# And the log that nothing was done to is signed as ever.
($status, $stdout, $stderr) = sign($node, $store);
is($status, 0, "good growth is signed after all that\n$stderr");
is(files($store), '4.note 6.note 7.note latest.note', 'and stored');

done_testing();
