# The log beside others and through accidents: checkpoints at once, sealers meanwhile, backends and
# postmasters killed, backups of an earlier time, copies whose logs part, standbys, dumps.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $root = "$FindBin::RealBin/../..";
my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
# Waits for locks are told at once: the log of the server shows whether there was one.
$node->append_conf('postgresql.conf', q{
	autovacuum = off
	restart_after_crash = on
	deadlock_timeout = 1ms
	log_lock_waits = on
	max_connections = 30
	shared_buffers = '16MB'
});
$node->start;

my $schema = qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $root/test/fixture/schema.sql
	\\i $root/test/fixture/defaults.sql
	select runlink_enable_sealing();
	create function sealed(trace text) returns void language sql as \$\$
		insert into aos_traces (trace_id, run_id, tenant_id, status) values (\$1, 'run of ' || \$1, 'tenant', 'running');
		insert into aos_trace_steps (trace_id, step_index) values (\$1, 0);
		update aos_traces set status = 'completed' where trace_id = \$1;
	\$\$;
};
$node->safe_psql('postgres', $schema);

sub query { return $_[1]->safe_psql('postgres', $_[0]); }
sub on_primary { return query($_[0], $node); }
sub size { return (split /\n/, query('select runlink_checkpoint()', $_[0] // $node))[1]; }
sub entries { return query('select count(*) from runlink.log_entry', $_[0] // $node); }

# SQLSTATE, message and DETAIL of what fails.
sub error_of
{
	my ($sql, $on) = @_;
	my ($stdout, $stderr);

	($on // $node)->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$stdout, stderr => \$stderr);
	return $stderr;
}

# Where there is no log, a proof looks at none of its tables.
on_primary("select sealed('first')");
sub scans
{
	return on_primary("select coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0) from pg_stat_user_tables where schemaname = 'runlink' and relname in ($_[0])");
}
my $log_tables = "'log', 'log_entry', 'log_node', 'checkpoint', 'signature', 'unlogged'";
my ($log_scans, $seal_scans) = (scans($log_tables), scans("'seal'"));
on_primary("select runlink_proof('run of first') from generate_series(1, 10)");
for (1 .. 100)
{
	last if scans("'seal'") >= $seal_scans + 10;
	sleep 0.1;
}
cmp_ok(scans("'seal'"), '>=', $seal_scans + 10, 'a proof asks for seals');
is(scans($log_tables), $log_scans, 'but where there is no log, not for that');

# Of two that make it at once one does.
{
	my $first = $node->background_psql('postgres');

	$first->query_safe('begin; select runlink_create_log(\'example.com/log\')');
	my $second = $node->background_psql('postgres', on_error_stop => 0);
	$second->query_until(qr/asked/, "\\echo asked\nselect runlink_create_log('example.com/other');\n");
	$node->poll_query_until('postgres', q{select exists (select from pg_locks where not granted and relation = 'runlink.log'::regclass)});
	$first->query_safe('commit');
	$first->quit;
	$second->quit;
	is(on_primary('select string_agg(origin, \' \') from runlink.log'), 'example.com/log', 'the second call finds the log of the first');
}
is(size(), 1, 'what was sealed before enters');

# Two checkpoints at once, and sealers beside both.
{
	my $first = $node->background_psql('postgres');
	my $second = $node->background_psql('postgres');

	on_primary("select sealed('before')");
	$first->query_safe("set lock_timeout = '1ms'");
	my $sealer = $node->background_psql('postgres');
	$sealer->query_safe("begin; select sealed('open')");
	is((split /\n/, $first->query_safe('begin; select runlink_checkpoint()'))[1], 2, 'a checkpoint does not wait for a sealer, nor take what is not committed');
	$sealer->query_safe("set lock_timeout = '1ms'; select sealed('open too'); commit");
	on_primary("set lock_timeout = '1ms'; select sealed('meanwhile')");
	on_primary("set lock_timeout = '1ms'; insert into aos_trace_steps (trace_id, step_index) values ('before', 1); select runlink_seal_pending()");
	pass('nor do sealers wait for a checkpoint');
	$second->query_until(qr/asked/, "\\echo asked\nselect runlink_checkpoint();\n");
	ok($node->poll_query_until('postgres', q{select exists (select from pg_stat_activity where query like '%runlink_checkpoint%' and wait_event_type = 'Lock')}),
		'a second checkpoint waits');
	$first->query_safe('commit');
	my $text = $second->query_safe('select 1');
	$first->quit;
	$second->quit;
	$sealer->quit;
	is(on_primary(q{select string_agg(trace_id || ' ' || seal_no, ', ' order by entry) from runlink.log_entry}),
		'first 0, before 0, open 0, open too 0, meanwhile 0, before 1', 'and takes what was sealed since, once');
	is(size(), 6, 'nothing waits any longer');
}

# Many of each.
{
	my $sealing = "$PostgreSQL::Test::Utils::tmp_check/seal.sql";
	my $checkpoint = "$PostgreSQL::Test::Utils::tmp_check/checkpoint.sql";

	append_to_file($sealing, "select sealed('c' || :client_id || '-' || gen_random_uuid());\n");
	append_to_file($checkpoint, "select runlink_checkpoint();\n");
	my $log = slurp_file($node->logfile);
	$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', 4, '-f', "$sealing\@6", '-f', "$checkpoint\@1", 'postgres' ], 'sealers and checkpoints at once');
	my $since = substr(slurp_file($node->logfile), length $log);
	unlike($since, qr/ERROR|WARNING|FATAL/, 'none fails');
	# A table that grows is another matter: whoever inserts waits a moment for that.
	my $waits = qr/still waiting for (?!\w+ on extension)((?:(?!LOG:).)*?STATEMENT:  [^\n]*)/s;
	ok(scalar(grep { /STATEMENT.*runlink_checkpoint/ } $log =~ /$waits/g), 'the server tells of waits, as of the checkpoint above');
	is(join('; ', grep { !/STATEMENT.*runlink_checkpoint/ } $since =~ /$waits/g), '', 'only checkpoints wait, for each other');
	my $size = size();
	is(on_primary('select count(*) from runlink.unlogged'), 0, 'everything entered');
	is(on_primary('select count(*) = count(distinct (trace_id, seal_no)) and count(*) = max(entry) + 1 from runlink.log_entry'), 't', 'once');
	is(on_primary(q{select count(*) from runlink.seal s where not exists (select from runlink.log_entry e
			where e.trace_id = s.trace_id and e.seal_no >= s.seal_no)}), 0, 'of every trace');
	ok($size > 50, "the log has $size entries");
	is(on_primary(q{select distinct verification_status || ' ' || assurance from aos_traces t, runlink_proof(t.run_id)}), 'VERIFIED logged', 'every trace is logged');
	is(on_primary(q{
		with c as (select size, root, lead(size) over w as next, lead(root) over w as next_root from runlink.checkpoint window w as (order by size)),
			p as (select c.*, array(select decode(l, 'base64') from string_to_table(split_part(runlink_consistency_proof(size, next), e'\n\n', 1), e'\n')
				with ordinality as x(l, n) where n > 1 and l <> '' order by n) as proof from c where next is not null)
		select bool_and(runlink_verify_consistency(size, next, root, next_root, proof)) and count(*) > 1 from p}), 't', 'every checkpoint begins the next');
}

# Cancelled, killed, crashed: the log is as it was, and the next checkpoint takes everything.
sub make_traces
{
	my ($prefix, $count) = @_;
	on_primary("do \$\$ begin for n in 1..$count loop perform sealed('$prefix' || n); end loop; end \$\$");
}
make_traces('many', 3000);
my $before = entries();
like(error_of("set statement_timeout = '30ms'; select runlink_checkpoint()"), qr/ERROR:  57014/, 'a checkpoint is cancelled');
is(entries(), $before, 'and has changed nothing');
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('select pg_backend_pid()');

	$session->query_safe('begin; select runlink_checkpoint()');
	kill 'KILL', $pid;
	$node->poll_query_until('postgres', 'select 1', '1');
	eval { $session->quit };
}
is(entries(), $before, 'a backend killed after its checkpoint, before its commit, has changed nothing');
is(size(), $before + 3000, 'the next checkpoint takes all of it');
make_traces('more', 10);
my $text = on_primary('select runlink_checkpoint()');
make_traces('last', 10);
my $open = $node->background_psql('postgres', on_error_stop => 0);
$open->query_safe('begin; select runlink_checkpoint()');
$node->stop('immediate');
$node->start;
eval { $open->quit };
is(entries(), $before + 3010, 'the server stopped at once: what was committed is there, and nothing else');
is((split /\n/, $text)[2], on_primary("select encode(root, 'base64') from runlink.checkpoint order by size desc limit 1"), 'with its root');
is(size(), $before + 3020, 'and the log goes on');

# What a checkpoint must not run in.
like(error_of('begin transaction read only; select runlink_checkpoint()'), qr/25006: cannot execute runlink_checkpoint\(\) in a read-only transaction/, 'read-only');
foreach my $level ('repeatable read', 'serializable')
{
	like(error_of("begin transaction isolation level $level; select runlink_checkpoint()"),
		qr/0A000: runlink_checkpoint\(\) cannot be called in this isolation level.*HINT:  Call it in READ COMMITTED\./s, $level);
}

# Memory does not grow with what enters.
SKIP:
{
	skip 'memory is read from /proc', 1 if !-r '/proc/self/status';
	my $peak = sub {
		my $session = $node->background_psql('postgres');
		my $pid = $session->query_safe('select pg_backend_pid()');

		$session->query_safe('select runlink_checkpoint()');
		my ($peak) = slurp_file("/proc/$pid/status") =~ /VmHWM:\s+(\d+)/;
		$session->quit;
		return $peak;
	};
	make_traces('few', 500);
	my $few = $peak->();
	make_traces('lots', 20_000);
	my $lots = $peak->();
	cmp_ok($lots - $few, '<', 24 * 1024, "kB of memory of a checkpoint of 500 seals ($few) and of 20,000 ($lots): work_mem and shared buffers");
}

# A seal that is gone or damaged stays out, is told, and enters when it is mended.
on_primary("select sealed('damaged'), sealed('gone')");
my $tamper = 'set session_replication_role = replica;';
on_primary("create table kept as select * from runlink.seal where trace_id in ('damaged', 'gone');
	$tamper update runlink.seal set chain_head = 'x' where trace_id = 'damaged'; delete from runlink.seal where trace_id = 'gone'");
my $size = entries();
like(error_of('select runlink_checkpoint()'),
	qr/WARNING:  XX001: 2 seals did not enter the log\nDETAIL:  Seal 0 of trace "damaged" is damaged: a hash in it is not of 32 bytes\.\nHINT:/, 'seals that cannot enter are told');
is(entries(), $size, 'and do not enter');
on_primary("$tamper delete from runlink.seal where trace_id = 'damaged'; insert into runlink.seal select * from kept");
is(size(), $size + 2, 'until they are mended');

# A standby proves, and makes no checkpoint.
$node->backup('yesterday');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'yesterday', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $proofs = "select * from runlink_inclusion_proof('run of many7')";
is(query($proofs, $standby), on_primary($proofs), 'a standby gives the same proof');
is(query("select runlink_consistency_proof(1, $size + 2)", $standby), on_primary("select runlink_consistency_proof(1, $size + 2)"), 'and the same consistency');
is(query("select assurance from runlink_proof('run of many7')", $standby), 'logged', 'and the same assurance');
like(error_of('select runlink_checkpoint()', $standby), qr/ERROR:  25006/, 'but makes no checkpoint');
$standby->stop;

# The database of yesterday, beside what was signed today.
sub brought_back
{
	my ($on, $size, $root) = @_;
	query("insert into runlink.signature (size, added_at, verified, name, key_id, root, signature)
		values ($size, now(), true, 'example.com/log', '00000000', '\\x$root', 'not looked at')", $on);
}
my $today = PostgreSQL::Test::Cluster->new('today');
my $yesterday = PostgreSQL::Test::Cluster->new('yesterday');
foreach my $copy ($today, $yesterday)
{
	$copy->init_from_backup($node, 'yesterday');
	$copy->start;
}
query("select sealed('today 1'), sealed('today 2')", $today);
is(size($today), $size + 4, 'a log goes on');
my ($signed_root) = query("select encode(root, 'hex') from runlink.checkpoint order by size desc limit 1", $today);
brought_back($today, $size + 4, $signed_root);
is(query("select assurance || checkpoint_size from runlink_proof('run of today 1')", $today), 'signed' . ($size + 4), 'and is signed');
brought_back($yesterday, $size + 4, $signed_root);
my ($entered, $newer) = ($size + 2, $size + 4);
like(error_of('select runlink_checkpoint()', $yesterday),
	qr/55000: ROLLED_BACK: .*\nDETAIL:  The log has $entered entries; a signed checkpoint is of size $newer\.\nHINT:  .*doc\/operating\.md/,
	'a log shorter than what was signed of it makes no checkpoint');
query("select sealed('another 1'), sealed('another 2'), sealed('another 3')", $yesterday);
like(error_of('select runlink_checkpoint()', $yesterday), qr/55000: ROLLED_BACK/, 'nor does it outgrow it');
query("set session_replication_role = replica; delete from runlink.signature", $yesterday);
is(size($yesterday), $size + 5, 'where nothing tells of it, it goes on another way');
brought_back($yesterday, $newer, $signed_root);
like(error_of('select runlink_checkpoint()', $yesterday),
	qr/55000: FORKED: .*\nDETAIL:  The log has \d+ entries; over the first $newer of them its root is not that of a signed checkpoint\./,
	'until what was signed comes back');

# Ending that log and beginning another, by the lines of doc/operating.md.
my ($ending) = slurp_file("$root/doc/operating.md") =~ /<!-- ends a log -->\n```sql\n(.*?)```/s;
ok(defined $ending, 'doc/operating.md has the lines that end a log');
query($ending, $yesterday);
is(query('select origin from runlink.log', $yesterday), 'example.com/audit-2', 'another log is begun');
is(size($yesterday), query('select count(distinct trace_id) from runlink.seal', $yesterday), 'which every trace enters');
is(query(q{select string_agg(distinct verification_status || ' ' || assurance, ', ') from aos_traces t, runlink_proof(t.run_id)
		where t.trace_id in ('another 1', 'first', 'before', 'many7')}, $yesterday), 'VERIFIED logged', 'and where all are logged');
is(size($yesterday), query('select count(*) from runlink.log_entry', $yesterday), 'it goes on');
$_->stop foreach ($today, $yesterday);

# A dump takes the log along.
my $dump = "$PostgreSQL::Test::Utils::tmp_check/log.dump";
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'dumped');
$node->safe_psql('postgres', 'create database restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restored');
foreach my $call ('select runlink_checkpoint()', $proofs, "select runlink_consistency_proof(1, $entered)")
{
	is($node->safe_psql('restored', $call), on_primary($call), "$call is the same");
}

# The lines of the README.
{
	my @lines = slurp_file("$root/README.md") =~ /\n## The log\n.*?```sql\n(.*?)```.*?```sql\n(.*?)```/s;

	$node->safe_psql('postgres', 'create database readme');
	$node->safe_psql('readme', qq{
		set client_min_messages = warning;
		create extension runlink;
		\\i $root/test/fixture/schema.sql
		select runlink_enable_sealing();
		\\i $root/test/fixture/example.sql
		select count(*) from runlink_seal_pending();
	});
	is(scalar(@lines), 2, 'the README has them');
	my $said = $node->safe_psql('readme', $lines[0] // 'none');
	like($said, qr/^\n?example\.com\/runlink\n1\n.*\n\n?.*\|logged\|1\n.*\|0\|c2sp\.org\/tlog-proof\@v1\nindex 0\n\n.*\nold 0\n\nexample\.com\/runlink\n1\n/s, 'and they do what they say');
	is($node->safe_psql('readme', $lines[1] // 'none'), 't', 'as does the check in SQL');
}

done_testing();
