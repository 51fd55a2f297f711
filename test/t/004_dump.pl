# runlink leaves with a dump and comes back with it, under any locale; goes and comes by DROP and
# CREATE EXTENSION; and says what it cannot do in a database that is not in UTF8.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fixture = "$FindBin::RealBin/../fixture";
my $run = "'run-linkage-test-001'";

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$source->append_conf('postgresql.conf', "timezone = 'UTC'");
$source->start;

# The documented example, and what sorts and folds differently from locale to locale: Turkish has
# another upper case for the i of "killed".
$source->safe_psql('postgres', 'create database app');
$source->safe_psql('app', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $fixture/schema.sql
	\\i $fixture/example.sql
	insert into prevention_records (id, tenant_id, run_id, policy_id, outcome, pattern_id,
			original_incident_id, blocked_incident_id, signature_match_confidence, created_at)
		select id, 'tenant-test-001', $run, 'policy-001', outcome, 'p', 'o', 'b', 1, '2026-01-15 09:03:00+00'
		from (values ('a', 'killed'), ('B', 'KILLED'), ('ä', 'mitigated'), ('Z-1', 'Killed'), ('z1', 'warned'), ('I', 'KıLLED')) as v (id, outcome);
	insert into audit_ledger (id, tenant_id, event_type, entity_type, entity_id, actor_type, after_state, created_at)
		select id, 'tenant-test-001', 'IncidentResolved', 'INCIDENT', id, 'HUMAN', jsonb_build_object('source_run_id', $run), '2026-01-15 09:20:00+00'
		from unnest(array['a-b', 'ab', 'A-B', 'éb', 'i', 'İ', 'ı']) as id;
	select remedy from runlink_schema_check() where level = 'recommended' and status <> 'ok' \\gexec
});

my @calls = (
	"select * from runlink_linkage($run)",
	"select * from runlink_evidence($run)",
	"select * from runlink_governance($run)",
	"select to_jsonb(p) - 'verified_at' from runlink_proof($run) as p",
	"select * from runlink_proof_steps($run)",
	"select runlink_evidence_json($run) - 'computed_at'",
	"select runlink_proof_json($run) - 'verified_at'",
	"select regexp_replace(runlink_report($run), 'Reported at [^\n]*', '')",
	'select check_id, level, status, object, expected, found, why, remedy from runlink_schema_check()');

sub answers
{
	my ($node, $database) = @_;
	return { map { $_ => $node->safe_psql($database, "$_;") } @calls };
}

# One test a call, that tells the first line in which the answers differ.
sub same_answers
{
	my ($got, $expected, $name) = @_;

	subtest $name => sub {
		foreach my $call (@calls)
		{
			my @got = split /\n/, $got->{$call}, -1;
			my @expected = split /\n/, $expected->{$call}, -1;
			my ($line) = grep { ($got[$_] // '') ne ($expected[$_] // '') }
			  0 .. ($#got > $#expected ? $#got : $#expected);

			ok(!defined $line, $call)
			  or diag("line $line:\n- " . ($expected[$line] // '') . "\n+ " . ($got[$line] // ''));
		}
	};
}

sub not_ok
{
	my ($node, $database) = @_;
	return $node->safe_psql($database,
		q{select check_id, status from runlink_schema_check() where level <> 'info' and status <> 'ok' order by 1});
}

# Runs statements in one session; returns what they print and the SQLSTATEs of their errors.
sub session
{
	my ($node, $database, $sql) = @_;
	my ($stdout, $stderr) = ('', '');

	$node->psql(
		$database, "\\set VERBOSITY verbose\nset client_min_messages = warning;\n$sql",
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 0);
	return ($stdout, $stderr);
}

my $answers = answers($source, 'app');
is(not_ok($source, 'app'), '', 'the source is wired as the schema check wants it');
is($source->safe_psql('app', "select decision_count, governance_event_count from runlink_linkage($run)"),
	'7|10', 'and has what the locales are tried with');

#
# Restored elsewhere.
#
my $dump = PostgreSQL::Test::Utils::tempdir;
$source->command_ok([ 'pg_dump', '-f', "$dump/app.sql", '-d', $source->connstr('app') ], 'pg_dump in plain text');
$source->command_ok([ 'pg_dump', '-Fc', '-f', "$dump/app.custom", '-d', $source->connstr('app') ], 'pg_dump in the custom format');
unlike(slurp_file("$dump/app.sql"), qr/CREATE [A-Z ]+ [^ ]*runlink_/, 'nothing of what the extension made is in it');

my @locales = ([ 'utf8', '--locale=C.UTF-8' ]);
push @locales, [ 'icu', '--locale=C', '--locale-provider=icu', '--icu-locale=tr' ]
  if $source->config_data('--configure') =~ /--with-icu/ || $source->pg_version >= 16;
foreach my $locale (@locales)
{
	my ($name, @options) = @$locale;
	my $target = PostgreSQL::Test::Cluster->new($name);

	$target->init(extra => [ '--encoding=UTF8', @options ]);
	$target->append_conf('postgresql.conf', "timezone = 'UTC'");
	$target->start;
	$target->safe_psql('postgres', 'create database plain');
	$target->safe_psql('postgres', 'create database custom');
	$target->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$dump/out", '-f', "$dump/app.sql", '-d', $target->connstr('plain') ],
		"$name: restored from plain text");
	$target->command_ok([ 'pg_restore', '-j', '2', '-e', '-d', $target->connstr('custom'), "$dump/app.custom" ],
		"$name: restored from the custom format, in parallel");
	isnt($target->safe_psql('plain', q{select upper('killed')}), 'KILLED', "$name: upper() is another here") if $name eq 'icu';
	foreach my $database ('plain', 'custom')
	{
		same_answers(answers($target, $database), $answers, "$name, $database: the answers are the same");
	}
	$target->stop;
}

#
# DROP EXTENSION takes nothing of the application's but the indexes on its function, and CREATE
# EXTENSION brings all back, also for a session that called before.
#
my ($stdout, $stderr) = session($source, 'app', "
	select count(*) from runlink_evidence($run);
	select chain_length from runlink_proof($run);
	drop extension runlink;
	select count(*) from runlink_evidence($run);
	drop extension runlink cascade;
	select runlink_evidence($run);
	create extension runlink;
	select count(*) from runlink_evidence($run);
	select chain_length from runlink_proof($run);
	select jsonb_array_length(runlink_evidence_json($run) -> 'decisions_made');");
is($stdout, join("\n", 31, 5, 31, 31, 5, 7), 'one session calls, drops, creates and calls again');
is(join(' ', $stderr =~ /ERROR:  (\w+)/g), '2BP01 42883', 'DROP needs CASCADE, and then the calls are gone');
is(not_ok($source, 'app'), join("\n", map { "index.audit_ledger.$_|missing" }
		qw(after_state.run_id after_state.source_run_id before_state.run_id before_state.source_run_id)),
	'only the indexes on runlink_json_string are lost');
$source->safe_psql('app', q{
	select remedy from runlink_schema_check() where level = 'recommended' and status <> 'ok' \gexec
});
same_answers(answers($source, 'app'), $answers, 'and with them back, the answers are the same');

#
# Before the application's tables.
#
$source->safe_psql('postgres', 'create database empty');
$source->safe_psql('empty', 'create extension runlink');
($stdout, $stderr) = session($source, 'empty', "select * from runlink_evidence($run); select * from runlink_proof($run);
	select count(*) from runlink_schema_check() where status = 'missing' and level = 'required' and remedy is null;
	alter extension runlink set schema information_schema; create schema other; create extension runlink schema other;");
is($stdout, '9', 'without tables: the schema check tells the nine that are required');
is(join(' ', $stderr =~ /ERROR:  (\w+)/g), '42P01 42P01 0A000 42710', 'without tables: the calls raise an error; the extension cannot be moved or made twice');

#
# A database that is not in UTF8.
#
$source->safe_psql('postgres', "create database latin1 encoding 'LATIN1' locale 'C' template template0");
$source->safe_psql('latin1', qq{
	set client_min_messages = warning;
	set client_encoding = 'UTF8';
	create extension runlink;
	\\i $fixture/schema.sql
	\\i $fixture/example.sql
	update runs set goal = 'Grüße';
	select remedy from runlink_schema_check() where level = 'recommended' and status <> 'ok' \\gexec
});
is(not_ok($source, 'latin1'), 'database.encoding|wrong_type', 'LATIN1: the schema check names the encoding and nothing else');
is($source->safe_psql('latin1', q{select level, expected, found, remedy is null, needed_by from runlink_schema_check() where check_id = 'database.encoding'}),
	'required|UTF8|LATIN1|t|runlink_proof, runlink_verify, runlink_tick, runlink_report', 'LATIN1: what is found, and no remedy');
($stdout, $stderr) = session($source, 'latin1', qq{
	set client_encoding = 'UTF8';
	select title from runlink_evidence($run) where kind = 'run';
	select count(*) from runlink_evidence($run);
	select count(*) from runlink_governance($run);
	select incident_count, step_count from runlink_linkage($run);
	select jsonb_array_length(runlink_evidence_json($run) -> 'decisions_made')});
is($stdout, join("\n", 'Grüße', 14, 3, '2|5', 3), 'LATIN1: evidence, governance and linkage answer');
is($stderr, '', 'LATIN1: without an error');
foreach my $call (qw(runlink_proof runlink_proof_steps runlink_proof_json runlink_report))
{
	($stdout, $stderr) = session($source, 'latin1', "select $call($run)");
	is($stdout, '', "LATIN1: $call has no answer");
	like($stderr, qr/ERROR:  0A000: .*\nDETAIL:.*(\n.*)*HINT:/, "LATIN1: $call refuses, with DETAIL and HINT");
}
($stdout, $stderr) = session($source, 'latin1', 'begin; select runlink_enable_sealing(); rollback');
like($stderr, qr/ERROR:  0A000: .*\nDETAIL:.*(\n.*)*HINT:/, 'LATIN1: sealing cannot be enabled');
($stdout, $stderr) = session($source, 'latin1', 'select runlink_require_schema()');
like($stderr, qr/ERROR:  55000: .*\nDETAIL:.*database.*UTF-?8/, 'LATIN1: runlink_require_schema names the encoding');

done_testing();
