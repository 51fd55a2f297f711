# runlink_verify over 2,000 traces that 50 writers interleaved: workers and a standby find the same, a
# call ends when it is cancelled, memory does not grow with the number of traces, progress is told, and
# damage of every kind, down to pages that are no pages, is found and never ends a verification.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

if (!-r '/proc/self/status')
{
	plan skip_all => 'memory is read from /proc';
}

my $root = "$FindBin::RealBin/../..";
my $node = PostgreSQL::Test::Cluster->new('fleet');
$node->init(allows_streaming => 1);
# A page of shared memory counts for each process that touched it, so there are few of them.
$node->append_conf('postgresql.conf', q{
shared_buffers = '8MB'
autovacuum = off
max_parallel_workers_per_gather = 0
});
$node->start;
$node->safe_psql('postgres', qq{
	\\set traces 2000
	set client_min_messages = warning;
	create extension runlink;
	\\i $root/test/fixture/schema.sql
	\\i $root/bench/steps.sql
	select runlink_enable_sealing();
	\\i $root/bench/fleet.sql
	update aos_traces set status = 'completed';
	-- where a step's payload is kept apart from its row
	alter table aos_trace_steps alter params set storage external;
	select insert_trace('toasted ' || n) from generate_series(1, 5) as n;
	insert into aos_trace_steps (
		trace_id, step_index, skill_id, skill_name, params, status, outcome_category, cost_cents, duration_ms, retry_count, replay_behavior)
	select 'toasted ' || n, 0, 's', 's', jsonb_build_object('k', repeat(md5(n::text), 500)), 'success', 'c', 0, 0, 0, 'replay'
	from generate_series(1, 5) as n;
	update aos_traces set status = 'completed' where trace_id like 'toasted %';
	vacuum (freeze, analyze);
	checkpoint;
});

my $serial = 'set max_parallel_workers_per_gather = 0;';
my $parallel = 'set max_parallel_workers_per_gather = 2;';
my $findings = q{select trace_id, step_index, finding, found is null from runlink_verify() order by 1, 2, 3;};
my $counts = q{select traces, steps, bytes_hashed, verified, failed, unsealed, skipped, findings from runlink_verify_summary();};

sub same_with_workers
{
	my ($what) = @_;
	my $expected = $node->safe_psql('postgres', "$serial $findings $counts");

	is($node->safe_psql('postgres', "$parallel $findings $counts"), $expected, "$what: with workers");
	return $expected;
}

my $good = same_with_workers('good data');
like($good, qr/^2005\|40005\|\d+\|2005\|0\|0\|0\|0$/, 'nothing is found in good data');
is($node->safe_psql('postgres', "$parallel select workers from runlink_verify_summary()"), '2', 'two workers take part');
is($node->safe_psql('postgres', "$serial select workers from runlink_verify_summary()"), '0', 'and none where none is wanted');
is($node->safe_psql('postgres', "$parallel set work_mem = '64kB'; $counts"), $good, 'little memory is enough');

# A standby, and transactions that write nothing.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
foreach my $settings ($serial, $parallel)
{
	is($standby->safe_psql('postgres', "$settings $findings $counts"), $good, "a standby finds the same ($settings)");
	is($node->safe_psql('postgres', "$settings begin transaction isolation level serializable read only; $findings $counts"),
		$good, "a serializable, read-only transaction does ($settings)");
	is($node->safe_psql('postgres', "$settings set force_parallel_mode = regress; $findings $counts"),
		$good, "so does a call where every plan that can is made parallel ($settings)");
}

# One snapshot: what is committed while it runs is not met.
{
	my $session = $node->background_psql('postgres');

	$session->query_safe("begin isolation level repeatable read; select count(*) from aos_traces");
	$node->safe_psql('postgres', "select insert_trace('later'), insert_steps('later', 3)");
	foreach my $settings ($serial, $parallel)
	{
		is($session->query_safe("$settings $counts"), $good, "an older snapshot sees what it should ($settings)");
	}
	$session->quit;
	is($node->safe_psql('postgres', 'select verified from runlink_verify_summary()'), '2006', 'and a new one the trace that came');
}

# What a transaction did and did not commit yet is met, by workers too.
is($node->safe_psql('postgres', qq{$parallel begin; select from insert_trace('own'), insert_steps('own', 3); update aos_traces
	set status = 'completed' where trace_id = 'own'; select verified, workers from runlink_verify_summary();}),
	'2007|2', 'workers see what their leader wrote');
$node->safe_psql('postgres', q{
	set session_replication_role = replica;
	delete from aos_trace_steps where trace_id = 'later'; delete from aos_traces where trace_id = 'later';
	delete from runlink.leaf; delete from runlink.trace;
});

# Cancelled at any point, a call ends.  A busy machine may keep one of seven waiting.
foreach my $settings ($serial, $parallel)
{
	my @late;

	foreach my $after (1, 5, 10, 20, 40, 60, 80)
	{
		my ($stdout, $stderr) = ('', '');

		$node->psql('postgres', "$settings set statement_timeout = $after;\n\\timing on\nselect * from runlink_verify();",
			stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
		push @late, $1 - $after if $stderr =~ /canceling statement due to statement timeout/ && $stdout =~ /Time: ([\d.]+) ms/;
	}
	@late = sort { $a <=> $b } @late;
	cmp_ok(scalar(@late), '>=', 5, "calls are cancelled ($settings)");
	cmp_ok($late[-2], '<', 200, "and end within 200 ms ($settings)");
}
is($node->safe_psql('postgres', "$parallel $counts"), $good, 'and nothing is left behind');

# Memory, of the backend and at its most, while it verifies a tenant's 38 traces, and all.
sub memory
{
	my ($call) = @_;
	my $answer = $node->safe_psql('postgres', qq{
		$serial set work_mem = '1MB'; set runlink.progress_every = 0;
		select traces from $call; select substring(pg_read_file('/proc/self/status') from 'VmHWM:\\s*(\\d+)');});

	return split /\n/, $answer;
}
{
	my ($few, $small) = memory("runlink_verify_summary('tenant 7')");
	my ($all, $large) = memory('runlink_verify_summary()');

	is($few, 38, 'a tenant has 38 traces');
	is($all, 2005, 'there are two thousand');
	cmp_ok($large - $small, '<', 3 * 1024, 'memory does not grow with them');
}

# Progress.
{
	my $stderr = '';

	$node->psql('postgres', "set runlink.progress_every = '10ms'; select * from runlink_verify()", stderr => \$stderr);
	like($stderr, qr/NOTICE:  runlink_verify: \d+ traces checked, 0 findings\nDETAIL:  \d+ % of the seals are read, after 0 s\./,
		'how far it is is told');
	$node->psql('postgres', "select * from runlink_verify()", stderr => \$stderr);
	is($stderr, '', 'not where it is done in ten seconds');
}

# Damage, by a superuser first, and by many hands.
my $tampered = q{
	begin;
	set local session_replication_role = replica;
	update aos_trace_steps set status = 'forged' where step_index = 3 and trace_id < 'trace_04';
	delete from aos_trace_steps where step_index = 5 and trace_id > 'trace_fc';
	update runlink.seal set leaves = substring(leaves from 1 for 100) where trace_id between 'trace_80' and 'trace_81';
	delete from runlink.seal where trace_id between 'trace_90' and 'trace_91';
};
{
	my $expected = $node->safe_psql('postgres', "$tampered $serial $findings");
	my %rows;

	$rows{$_}++ foreach map { (split /\|/)[2] } split /\n/, $expected;
	is($node->safe_psql('postgres', "$tampered $parallel $findings"), $expected, 'workers find the same damage');
	cmp_ok($rows{altered}, '>', 10, 'altered steps');
	cmp_ok($rows{missing}, '>', 10, 'missing steps');
	cmp_ok($rows{seal_damaged}, '>', 2, 'torn seals');
	cmp_ok($rows{unsealed}, '>', 2, 'traces whose seal is gone');
}

# A damaged index: rows that it does not lead to.
{
	my $hidden = q{
		begin;
		update pg_index set indisready = false, indisvalid = false where indrelid = 'aos_trace_steps'::regclass;
		insert into aos_trace_steps (
			trace_id, step_index, skill_id, skill_name, params, status, outcome_category, cost_cents, duration_ms, retry_count, replay_behavior)
		select trace_id, 77, 's', 's', '{}', 'success', 'c', 0, 0, 0, 'replay' from aos_traces where trace_id = 'toasted 1';
		delete from runlink.leaf;
		update pg_index set indisready = true, indisvalid = true where indrelid = 'aos_trace_steps'::regclass;
	};
	my $row = q{select finding, expected, found from runlink_verify();};

	$hidden =~ s/delete from runlink.leaf;/set local session_replication_role = replica; delete from runlink.leaf;/;
	foreach my $settings ($serial, $parallel)
	{
		is($node->safe_psql('postgres', "$hidden $settings $row"),
			'row_count|40006 rows in aos_trace_steps|40005 rows by the traces that they are of',
			"a row that no index leads to is counted ($settings)");
	}
}

# Pages that are no pages, and pages that are empty.
sub path_of
{
	my ($relation) = @_;

	return $node->data_dir . '/' . $node->safe_psql('postgres', "select pg_relation_filepath($relation)");
}
sub overwrite
{
	my ($path, $block, $bytes) = @_;

	open my $file, '+<:raw', $path or die "$path: $!";
	seek $file, $block * 8192, 0;
	print $file $bytes;
	close $file or die "$path: $!";
}
sub with_page
{
	my ($relation, $block, $bytes, $check) = @_;
	my $path = path_of($relation);
	my $kept;

	$node->stop;
	open my $file, '<:raw', $path or die "$path: $!";
	seek $file, $block * 8192, 0;
	read $file, $kept, 8192;
	close $file;
	overwrite($path, $block, $bytes);
	$node->start;
	$check->();
	$node->stop;
	overwrite($path, $block, $kept);
	$node->start;
}
my $garbage = "\xa5" x 8192;
my $steps = "'aos_trace_steps'";
my $on_page = $node->safe_psql('postgres',
	"select count(distinct trace_id), count(*) from aos_trace_steps where ctid >= '(1000,0)' and ctid < '(1001,0)'");
my ($traces_on_page, $steps_on_page) = split /\|/, $on_page;

with_page($steps, 1000, $garbage, sub {
	my $found = same_with_workers('a page of steps that is none');

	is(scalar(() = $found =~ /^trace_\w+\|\|unreadable\|f$/mg), $traces_on_page, 'its traces are unreadable');
	is(scalar(() = $found =~ /^\|\|unreadable\|f$/mg), 1, 'and the table cannot be counted');
	like($found, qr/^2005\|\d+\|\d+\|@{[2005 - $traces_on_page]}\|$traces_on_page\|0\|0\|/m, 'the rest is verified');
});
with_page($steps, 1000, "\0" x 8192, sub {
	my $found = same_with_workers('a page of steps that is empty');

	is(scalar(() = $found =~ /^trace_\w+\|\d+\|missing\|t$/mg), $steps_on_page, 'its steps are missing');
	like($found, qr/^2005\|@{[40005 - $steps_on_page]}\|\d+\|@{[2005 - $traces_on_page]}\|$traces_on_page\|0\|0\|$steps_on_page$/m,
		'the rest is verified');
});
with_page("(select reltoastrelid::regclass from pg_class where oid = 'aos_trace_steps'::regclass)", 0, $garbage, sub {
	my $found = same_with_workers('a page of detached values that is none');

	like($found, qr/^(toasted \d\|\|unreadable\|f\n)+2005\|/, 'what it is of is unreadable');
	like($found, qr/^2005\|\d+\|\d+\|200\d\|[1-5]\|0\|0\|[1-5]$/m, 'the rest is verified');
});
with_page("'runlink.seal'", 7, $garbage, sub {
	my $found = same_with_workers('a page of seals that is none');

	like($found, qr/^\|\|unreadable\|f$/m, 'it is told');
	like($found, qr/^\d+\|\d+\|\d+\|199\d\|0\|0\|0\|/m, 'the rest is verified');
	is($node->safe_psql('postgres', "select count(*) from runlink_verify() where found ~ '^block 7 of runlink.seal: invalid page'"),
		'1', 'and where it is');
});
is($node->safe_psql('postgres', "$parallel $findings $counts"), $good, 'and all is good when the pages are');

done_testing();
