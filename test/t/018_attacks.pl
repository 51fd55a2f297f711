# What somebody can do who may do anything in the database, against a checkpoint that was signed and kept
# outside: every step, seal and hash rewritten, runs taken away, older copies restored. What the checkpoint
# says of each, and what the calls inside the database do; and that none of them complains where nothing happened.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";

my $node = PostgreSQL::Test::Cluster->new('attacked');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;
my $vkey = `$root/test/fixture/sign-note vkey example.com/log 1 1`;
chomp $vkey;
$node->safe_psql('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $root/test/fixture/schema.sql
	\\i $root/test/fixture/defaults.sql
	select runlink_enable_sealing();
	select runlink_create_log('example.com/log');
	select runlink_add_key('$vkey');
});

# What the attacks act on is one of several databases, each made from a copy of what there was.
my $database = 'postgres';

sub sql
{
	my ($sql) = @_;
	return $node->safe_psql($database, $sql);
}

sub as_superuser
{
	my ($sql) = @_;
	sql("set session_replication_role = replica; $sql");
}

sub error_of
{
	my ($sql) = @_;
	my ($stdout, $stderr) = ('', '');

	$node->psql($database, $sql, stdout => \$stdout, stderr => \$stderr);
	return $stderr =~ /ERROR:  (.*)/ ? $1 : '';
}

sub add_traces
{
	foreach my $trace (@_)
	{
		sql(qq{
			insert into aos_traces (trace_id, run_id, tenant_id, status) values ('$trace', 'run of $trace', 'tenant', 'running');
			insert into aos_trace_steps (trace_id, step_index, skill_name, params)
				select '$trace', i, 'skill', jsonb_build_object('paid', i) from generate_series(0, 4) as i;
			update aos_traces set status = 'completed' where trace_id = '$trace';
		});
	}
}

# A checkpoint is made and signed; the note is what is kept outside.
sub sign
{
	local $ENV{CHECKPOINT} = sql('select runlink_checkpoint()');

	return "$ENV{CHECKPOINT}\n" . `$root/test/fixture/sign-note line example.com/log 1 1`;
}

sub add
{
	my ($note) = @_;
	return sql("select status from runlink_add_signature(\$\$$note\$\$)");
}

# Status of the verdict, and what was found besides it.
sub verdict
{
	my ($note) = @_;
	my @rows = split /\n/, sql("select status, trace_id from runlink_verify_checkpoint(\$\$$note\$\$) where status not in ('unanchored', 'unlogged')");
	return join ' ', map { s/\|$//r } @rows;
}

add_traces('one', 'two');
my $first = sign();
add($first);
$node->safe_psql('template1', 'create database yesterday template postgres');
add_traces('three', 'four', 'five');
my $kept = sign();
add($kept);
add_traces('six');

# Each attack begins with an undamaged copy.
sub attack
{
	my ($name, $sql) = @_;

	$node->safe_psql('template1', "create database $name template postgres");
	$database = $name;
	sql($sql) if defined $sql;
}

sub silence
{
	my ($what) = @_;

	is(sql('select count(*) from runlink_verify()'), '0', "$what: runlink_verify finds nothing");
	is(sql(q{select string_agg(distinct verification_status, ' ') from aos_traces t, runlink_proof(t.run_id)}), 'VERIFIED', "$what: every proof is VERIFIED");
}

# Nothing happened.
attack('undamaged');
is(verdict($first), 'anchored', 'undamaged: the first checkpoint is anchored');
is(verdict($kept), 'anchored', 'undamaged: so is the newest');
silence('undamaged');
is(add($kept), 'known', 'undamaged: its signature is known');
my $next = sign();
is(add($next), 'added', 'undamaged: the log grows, and the next is signed');
is(verdict($_), 'anchored', 'undamaged: every checkpoint is anchored') foreach $first, $kept, $next;
is(sql(q{select string_agg(distinct assurance, ' ') from aos_traces t, runlink_proof(t.run_id)}), 'signed', 'undamaged: every run is signed');

# A step is rewritten, and nothing else.
attack('step_rewritten');
as_superuser(q{update aos_trace_steps set params = '{"paid": 0}' where trace_id = 'two' and step_index = 3});
is(verdict($kept), 'anchored', 'a rewritten step: the seals are as they were');
is(sql(q{select finding, step_index from runlink_verify()}), 'altered|3', 'a rewritten step: runlink_verify names it');

# A step and its trace's seal are rewritten, as if it had been recorded so.
my $reseal = q{
	update aos_trace_steps set params = '{"paid": 0}' where trace_id = 'two' and step_index = 3;
	delete from runlink.seal where trace_id = 'two';
	set session_replication_role = origin;
	select count(*) from runlink_seal_pending(null, 'run of two');
	set session_replication_role = replica;
	update runlink.seal set backfilled = 0 where trace_id = 'two';
	update runlink.seal set sealed_at = (select sealed_at from runlink.seal where trace_id = 'one') + interval '1 ms' where trace_id = 'two';
};
attack('seal_rewritten');
as_superuser($reseal);
is(verdict($_), 'altered seal_altered|two', 'a rewritten seal: a checkpoint says which') foreach $first, $kept;
is(sql(q{select verification_status || ', ' || failure_reason from runlink_proof('run of two')}), 'FAILED, seal 0 is not the one that entered the log as entry 1',
	'a rewritten seal: its proof says so too');

# And the log: entries, nodes, checkpoints, signatures, all consistent.
attack('log_rewritten');
as_superuser($reseal);
sql("\\i $root/test/fixture/rewrite_log.sql");
silence('a rewritten log');
is(verdict($_), 'forked', 'a rewritten log: an older checkpoint says forked') foreach $first, $kept;
like(add($kept), qr/^forked$/, 'a rewritten log: so does bringing its signature');
like(error_of('select runlink_checkpoint()'), qr/^FORKED: /, 'a rewritten log: and no checkpoint is made from then on');
is(sql('select count(*) from runlink.signature where verified'), '1', 'a rewritten log: the signature is kept as what shows it');

# The log is rewritten, but what was signed is still there.
attack('signatures_left');
as_superuser($reseal . 'create table signatures as select * from runlink.signature;');
sql("\\i $root/test/fixture/rewrite_log.sql");
as_superuser('insert into runlink.signature select * from signatures');
like(error_of('select runlink_checkpoint()'), qr/^FORKED: /, 'a signature that was left shows it');

# A whole run is taken away, with its seals.
attack('run_deleted');
as_superuser(q{delete from aos_trace_steps where trace_id = 'three'; delete from aos_traces where trace_id = 'three'; delete from runlink.seal where trace_id = 'three'});
silence('a deleted run');
is(verdict($kept), 'altered seal_missing|three', 'a deleted run: the checkpoint names it');
is(verdict($first), 'anchored', 'a deleted run: one from before it does not cover it');

# And its entry, with all that came after it.
attack('run_deleted_from_log');
as_superuser(q{delete from aos_trace_steps where trace_id = 'five'; delete from aos_traces where trace_id = 'five'; delete from runlink.seal where trace_id = 'five';
	delete from runlink.log_entry where entry >= 4});
is(verdict($kept), 'truncated', 'entries that were taken away: the checkpoint says so');
like(error_of('select runlink_checkpoint()'), qr/^ROLLED_BACK: /, 'entries that were taken away: no checkpoint is made');
like(error_of('select proof from runlink_inclusion_proof($$run of four$$)'), qr/^the log is damaged/, 'entries that were taken away: nor a proof that would not hold');

# With the checkpoints and signatures of that time too: nothing inside knows of it.
attack('time_turned_back');
as_superuser(q{delete from aos_trace_steps where trace_id in ('three', 'four', 'five'); delete from aos_traces where trace_id in ('three', 'four', 'five');
	delete from runlink.seal where trace_id in ('three', 'four', 'five'); delete from runlink.log_entry where entry >= 2;
	delete from runlink.log_node where (position + 1) << level > 2; delete from runlink.checkpoint where size > 2; delete from runlink.signature where size > 2});
silence('time turned back');
is(verdict($first), 'anchored', 'time turned back: the older checkpoint is anchored');
is(verdict($kept), 'rolled_back', 'time turned back: the newer says rolled back');

# Yesterday's database.
$database = 'yesterday';
silence('a restored database');
is(verdict($first), 'anchored', 'a restored database: the checkpoint of its time is anchored');
is(verdict($kept), 'rolled_back', 'a restored database: the newer says rolled back');
is(add($kept), 'rolled_back', 'a restored database: so does bringing its signature');
like(error_of('select runlink_checkpoint()'), qr/^ROLLED_BACK: /, 'a restored database: and no checkpoint is made from then on');

# It goes on before anybody brings the signature: two checkpoints of one size.
$database = 'postgres';
$node->safe_psql('template1', 'drop database yesterday');
attack('went_on');
as_superuser(q{delete from aos_trace_steps where trace_id in ('three', 'four', 'five', 'six'); delete from aos_traces where trace_id in ('three', 'four', 'five', 'six');
	delete from runlink.seal where trace_id in ('three', 'four', 'five', 'six'); delete from runlink.log_entry where entry >= 2; delete from runlink.unlogged;
	delete from runlink.log_node where (position + 1) << level > 2; delete from runlink.checkpoint where size > 2; delete from runlink.signature where size > 2});
add_traces('other three', 'other four', 'other five');
my $other = sign();
is(add($other), 'added', 'a fork: it is signed by a blind signer');
silence('a fork');
is(verdict($first), 'anchored', 'a fork: before it parted, it is anchored');
is(verdict($other), 'anchored', 'a fork: its own checkpoint is');
is(verdict($kept), 'forked', 'a fork: the other one of that size says so');
is(add($kept), 'forked', 'a fork: and so does bringing it');
like(error_of('select runlink_checkpoint()'), qr/^FORKED: /, 'a fork: and no checkpoint is made from then on');

# A note of another database, though it is signed by the same key, is no checkpoint of this one.
attack('elsewhere');
as_superuser(q{update runlink.log set origin = 'example.com/elsewhere'});
like(error_of("select runlink_verify_checkpoint(\$\$$kept\$\$)"), qr/^the note is a checkpoint of another log/, 'another log: its checkpoints are refused');
like(error_of("select runlink_add_signature(\$\$$kept\$\$)"), qr/^the note is a checkpoint of another log/, 'another log: and their signatures');

# All of which left what was not attacked as it was.
$database = 'postgres';
silence('what was not attacked');
is(verdict($_), 'anchored', 'what was not attacked: every checkpoint is anchored') foreach $first, $kept;

done_testing();
