# The false-alarm matrix: what an administrator does to a database, and what a client sets, changes no
# value of a step, so that no proof changes. Every run stays VERIFIED, with the roots it had.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fixture = "$FindBin::RealBin/../fixture";
my $cases = 0;

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C' ]);
$source->append_conf('postgresql.conf', "timezone = 'UTC'\nautovacuum = off");
$source->start;

# The application's owner has its tables, and columns of every type that a leaf can cover.
$source->safe_psql('postgres', 'create role app_owner login; create database app; create database empty');
$source->safe_psql('app', qq{
	set client_min_messages = warning;
	create extension runlink;
	grant all on schema public to app_owner;
	set role app_owner;
	\\i $fixture/schema.sql
	create domain identifier as text;
	alter table aos_trace_steps
		add c_text text, add c_char char(10), add c_name name, add c_identifier identifier, add c_smallint smallint,
		add c_bigint bigint, add c_numeric numeric, add c_real real, add c_timestamp timestamp, add c_date date,
		add c_bytea bytea, add c_json json,
		add c_generated text generated always as (skill_name || ' of ' || trace_id) stored;
	\\i $fixture/defaults.sql
	create function add_steps(trace text, first integer, last integer) returns void language sql as \$\$
		insert into public.aos_trace_steps (trace_id, step_index, skill_name, params, outcome_data, "timestamp", cost_cents, duration_ms,
				c_text, c_char, c_name, c_identifier, c_smallint, c_bigint, c_numeric, c_real, c_timestamp, c_date, c_bytea, c_json)
			select trace, i, 'İstanbul ß 你好 🦉 ' || i,
				jsonb_build_object('b', i * 1.10, 'a', jsonb_build_array(null, true, 1e-7, 123456789012345678901234567890, 'ü')),
				case i % 3
					when 0 then null
					-- in TOAST, compressible and not
					when 1 then to_jsonb(repeat('ça ', 9000))
					else (select jsonb_agg(md5(i::text || j::text)) from generate_series(1, 400) as j)
				end,
				'2026-03-29 01:59:59.123456+01'::timestamptz + i * interval '1 hour', (i + 1) / 3.0::float8, exp(i::float8),
				'a', 'b', 'c', 'd', -i, 9007199254740993 - i, 10.0 ^ i / 7, (i + 1) / 3.0::real, 'infinity', '0044-03-15 BC',
				decode(md5(i::text), 'hex'), '{"b": 1.0, "a" : [1e400, "\\u00e9"], "b": 2}'
			from generate_series(first, last) as i;
	\$\$;
});
$source->safe_psql('app', q{
	set client_min_messages = warning;
	select runlink_enable_sealing();
	insert into runs (id, tenant_id)
		select 'run-' || n, 'tenant-a' from unnest('{sealed,recorded,several,changed,backfilled,settings}'::text[]) as n;
	insert into aos_traces (trace_id, run_id, tenant_id, status) select 'trace-' || n, 'run-' || n, 'tenant-a', 'running'
		from unnest('{sealed,recorded,several,changed,settings}'::text[]) as n;
	-- one seal; leaves; several seals, whose steps came late, and leaves
	select add_steps('trace-sealed', 0, 9), add_steps('trace-recorded', 0, 3), add_steps('trace-several', 5, 7);
	update aos_traces set status = 'completed' where trace_id ~ 'sealed|several';
	select add_steps('trace-several', 0, 2);
	select runlink_seal_pending(null, 'run-several');
	select add_steps('trace-several', 3, 3), add_steps('trace-several', 9, 9);
	-- two encodings
	select add_steps('trace-changed', 0, 1);
	alter table aos_trace_steps add c_later text default 'for all that were there';
	select add_steps('trace-changed', 2, 3);
	update aos_traces set status = 'failed' where trace_id ~ 'changed';
	-- older than sealing
	alter table aos_trace_steps disable trigger runlink_record_step;
	alter table aos_traces disable trigger runlink_record_trace;
	insert into aos_traces (trace_id, run_id, tenant_id, status) values ('trace-backfilled', 'run-backfilled', 'tenant-a', 'completed');
	select add_steps('trace-backfilled', 0, 3);
	alter table aos_trace_steps enable trigger runlink_record_step;
	alter table aos_traces enable trigger runlink_record_trace;
	select runlink_seal_pending(null, 'run-backfilled');
});

# What every client can set, one at a time: it is no matter when a step is recorded, nor when it is
# verified.
my @settings = map { my ($name, @values) = @$_; map { "set $name = $_" } @values } (
	[ 'timezone', "'UTC'", "'America/New_York'", "'Asia/Kathmandu'", "'Europe/Dublin'", "'<+15>-15'", '-12.5' ],
	[ 'datestyle', "'ISO, MDY'", "'ISO, DMY'", "'SQL, DMY'", "'SQL, MDY'", "'Postgres, DMY'", "'German, YMD'" ],
	[ 'intervalstyle', qw(postgres postgres_verbose sql_standard iso_8601) ],
	[ 'extra_float_digits', -15, 0, 1, 3 ],
	[ 'bytea_output', qw(hex escape) ],
	[ 'client_encoding', qw(UTF8 SQL_ASCII LATIN1 LATIN5 WIN1252 KOI8R EUC_JP SJIS BIG5 GB18030) ],
	[ 'xmlbinary', qw(hex base64) ],
	[ 'lc_numeric', "'C'" ], [ 'lc_monetary', "'C'" ], [ 'lc_time', "'C'" ],
	[ 'standard_conforming_strings', 'off' ], [ 'backslash_quote', 'on' ], [ 'array_nulls', 'off' ],
	[ 'transform_null_equals', 'on' ], [ 'quote_all_identifiers', 'on' ], [ 'search_path', "''", 'pg_catalog', 'public' ],
	[ 'default_toast_compression', qw(pglz lz4) ], [ 'default_transaction_isolation', "'serializable'" ],
	[ 'work_mem', "'64kB'" ], [ 'enable_indexscan', 'off' ], [ 'enable_seqscan', 'off' ], [ 'force_parallel_mode', 'regress' ],
	[ 'plan_cache_mode', qw(force_generic_plan force_custom_plan) ], [ 'cursor_tuple_fraction', '0.01' ], [ 'jit', 'on' ]);
$source->safe_psql('app', join('', map { "reset all;\n$settings[$_];\nselect public.add_steps('trace-settings', $_, $_);\n" } 0 .. $#settings)
	. "reset all; update aos_traces set status = 'completed' where trace_id = 'trace-settings';");

# What proofs say of every run of a database, a line a trace.
my $question = q{
	select p.trace_id, p.verification_status, p.failure_reason, p.first_bad_step, p.assurance, p.chain_length, p.sealed_length,
		p.backfilled_length, p.unsealed_length, p.root_hash, p.sealed_root_hash, p.merkle_root, (
			select md5(string_agg(concat_ws(' ', s.step_index, s.verdict, s.leaf_hash, s.sealed_leaf_hash), ',' order by s.step_index))
			from public.runlink_proof_steps(r.id) as s)
	from public.runs as r cross join lateral public.runlink_proof(r.id) as p order by p.trace_id collate "C";
};

sub proofs
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, $question);
}

# One test a case, that shows the first line in which the proofs differ.
sub no_alarm
{
	my ($got, $expected, $name) = @_;
	my @got = split /\n/, $got, -1;
	my @expected = split /\n/, $expected, -1;
	my ($line) = grep { ($got[$_] // '') ne ($expected[$_] // '') } 0 .. ($#got > $#expected ? $#got : $#expected);

	$cases++;
	ok(!defined $line, "$name: no alarm")
	  or diag('- ' . ($expected[$line] // '') . "\n+ " . ($got[$line] // ''));
}

my $expected = proofs($source, 'app');
my $steps = $source->safe_psql('app', 'select count(*) from aos_trace_steps');
is(join(' ', map { join ',', (split /\|/)[ 0, 1, 4 ] } split /\n/, $expected),
	'trace-backfilled,VERIFIED,sealed trace-changed,VERIFIED,sealed trace-recorded,VERIFIED,recorded'
	  . ' trace-sealed,VERIFIED,sealed trace-settings,VERIFIED,sealed trace-several,VERIFIED,recorded',
	"$steps steps are VERIFIED, sealed and recorded");
is($source->safe_psql('app', 'select count(*) from runlink.seal where trace_id ~ $$several|changed$$'), 4, 'traces have several seals');
cmp_ok($source->safe_psql('app', 'select pg_relation_size(reltoastrelid) from pg_class where oid = $$aos_trace_steps$$::regclass'),
	'>', 100_000, 'and there are values in TOAST');

#
# Settings, when it is verified.
#
{
	my $all = $source->safe_psql('app', join('', map { "reset all;\n$_;\n\\echo $_\n$question" } @settings));
	my %answer = map { my ($setting, $rest) = split /\n/, $_, 2; $setting => $rest }
	  map { s/\n\z//r } split /^(?=set )/m, $all;
	# psql takes the quotes away
	no_alarm($answer{ s/'//gr } // '', $expected, $_) foreach @settings;
}

#
# What an administrator does, each in a copy of the database.
#
sub in_copy
{
	my ($name, $sql, %options) = @_;

	$source->safe_psql('postgres', 'drop database if exists copy');
	$source->safe_psql('postgres', 'create database copy template app');
	my $stderr = '';
	$source->psql('copy', "set client_min_messages = error;\n$sql", stderr => \$stderr);
	is($stderr, '', "$name: done");
	my $proofs = $options{schema}
	  ? $source->safe_psql('copy', $question =~ s/public\./$options{schema}./gr)
	  : proofs($source, 'copy');
	no_alarm($proofs, $expected, $name);
}

my $unused = 'rng_state_before';
in_copy('nothing', 'select 1');
in_copy('VACUUM FULL', 'vacuum full');
in_copy('VACUUM FREEZE and ANALYZE', "vacuum (freeze, analyze)");
in_copy('CLUSTER', q{
	cluster aos_trace_steps using aos_trace_steps_pkey; cluster aos_traces using aos_traces_pkey;
	cluster runlink.leaf using leaf_pkey; cluster runlink.seal using seal_pkey});
in_copy('REINDEX', 'reindex database copy; reindex system copy');
in_copy('indexes of the application dropped', q{
	select format('drop index %s', indexrelid::regclass) from pg_index where indrelid = 'aos_trace_steps'::regclass and not indisunique \gexec});
# a value that is stored anew is the same value; triggers are off for it
my $store_anew = q{set session_replication_role = replica; update aos_trace_steps set params = (params::text)::jsonb, outcome_data = (outcome_data::text)::jsonb,
	skill_name = skill_name || ''; };
in_copy("TOAST compression $_", "set default_toast_compression = '$_';
	alter table aos_trace_steps alter params set compression $_, alter outcome_data set compression $_; $store_anew vacuum full aos_trace_steps")
  foreach 'pglz', $source->config_data('--configure') =~ /--with-lz4/ ? 'lz4' : ();
in_copy("TOAST storage $_", "alter table aos_trace_steps alter params set storage $_, alter outcome_data set storage $_; $store_anew")
  foreach qw(external extended main);
in_copy('stored anew by COPY', q{
	create temp table steps as select * from aos_trace_steps; alter table steps drop c_generated;
	set session_replication_role = replica;
	delete from aos_trace_steps;
	select format('insert into aos_trace_steps (%1$s) select %1$s from steps order by random()', string_agg(quote_ident(attname), ', '))
		from pg_attribute where attrelid = 'steps'::regclass and attnum > 0 and not attisdropped \gexec});
in_copy('unlogged and logged again', 'alter table aos_trace_steps set unlogged; alter table aos_trace_steps set logged');
in_copy('column added, nullable', 'alter table aos_trace_steps add later integer; alter table aos_trace_steps add b_earlier jsonb');
in_copy('column added, with default', q{alter table aos_trace_steps add later text not null default 'x', add t timestamptz default now()});
in_copy('column added, with default that rewrites', 'alter table aos_trace_steps add later uuid default gen_random_uuid()');
in_copy('column added, generated', 'alter table aos_trace_steps add later integer generated always as (step_index + 1) stored');
in_copy('column added of a type that no leaf can cover', 'alter table aos_trace_steps add later point');
in_copy('column that was never used dropped', "alter table aos_trace_steps drop $unused");
in_copy('... and added again', "alter table aos_trace_steps drop $unused; alter table aos_trace_steps add $unused varchar(128)");
in_copy('column added and dropped', 'alter table aos_trace_steps add later integer default 7; alter table aos_trace_steps drop later');
in_copy('archived_at dropped', 'alter table aos_trace_steps drop archived_at');
in_copy('archived_at set', 'set session_replication_role = replica; update aos_trace_steps set archived_at = now()');
in_copy('varchar widened', q{
	alter table aos_trace_steps drop c_generated;
	alter table aos_trace_steps alter skill_name type varchar(500), alter status type text, alter source type varchar, alter trace_id type varchar(200);
	alter table aos_traces alter trace_id type varchar(200), alter run_id type text, alter tenant_id type varchar(200); alter table runs alter id type text});
in_copy('integers widened', q{
	alter table aos_trace_steps alter retry_count type bigint, alter c_smallint type integer});
in_copy('numeric of more digits, character wider', 'alter table aos_trace_steps alter c_numeric type numeric(200, 50), alter c_char type char(20)');
in_copy('json to jsonb', q{
	set session_replication_role = replica; update aos_trace_steps set c_json = '{"b": 1.0, "a" : [1e400, "\u00e9"], "b": 2}'; alter table aos_trace_steps alter c_json type jsonb});
in_copy('NOT NULL, DEFAULT, CHECK and statistics of columns', q{
	alter table aos_trace_steps alter skill_name drop not null, alter status set default 'y', alter c_text set not null, alter c_text set statistics 0,
		add check (step_index >= 0)});
in_copy('the schema renamed', 'alter schema public rename to application', schema => 'application');
in_copy('the owner changed', 'create role other_owner; alter table aos_trace_steps owner to other_owner; alter table aos_traces owner to other_owner');
in_copy('row-level security for others', 'alter table aos_traces enable row level security; alter table aos_trace_steps enable row level security');
in_copy('disabled', 'select runlink_disable_sealing()');
in_copy('enabled again', 'select runlink_disable_sealing(); select runlink_enable_sealing(); select runlink_enable_sealing()');
in_copy('DROP and CREATE EXTENSION', 'drop extension runlink cascade; create extension runlink');
in_copy('DROP and CREATE EXTENSION, and enabled', 'drop extension runlink cascade; create extension runlink; select runlink_enable_sealing()');
in_copy('partitioned', q{
	alter table aos_trace_steps rename to old_steps;
	create table aos_trace_steps (like old_steps including defaults including generated, unique (trace_id, step_index)) partition by hash (trace_id);
	create table steps_0 partition of aos_trace_steps for values with (modulus 2, remainder 0);
	create table steps_1 partition of aos_trace_steps for values with (modulus 2, remainder 1);
	select format('insert into aos_trace_steps (%1$s) select %1$s from old_steps', string_agg(quote_ident(attname), ', '))
		from pg_attribute where attrelid = 'old_steps'::regclass and attnum > 0 and not attisdropped and attgenerated = '' \gexec
	select runlink_enable_sealing()});

#
# Dumped and restored elsewhere: another cluster, another locale.
#
my $dir = PostgreSQL::Test::Utils::tempdir;
my $connstr = $source->connstr('app');
$source->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", '-d', $connstr ], 'pg_dump in the custom format');
$source->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", '-d', $connstr ], 'pg_dump in plain text');
$source->command_ok([ 'pg_dump', '--inserts', '-f', "$dir/inserts.sql", '-d', $connstr ], 'pg_dump with INSERTs');
$source->command_ok([ 'pg_dump', '-Fc', '-U', 'app_owner', '-f', "$dir/owner", '-d', $connstr ], 'pg_dump by the owner of the application');

my $icu = $source->config_data('--configure') =~ /--with-icu/ || $source->pg_version >= 16;
my $target = PostgreSQL::Test::Cluster->new('target');
$target->init(allows_streaming => 'logical',
	extra => [ '--encoding=UTF8', $icu ? ('--locale=C', '--locale-provider=icu', '--icu-locale=tr') : ('--locale=C.UTF-8') ]);
$target->append_conf('postgresql.conf', "timezone = 'Asia/Kathmandu'\ndatestyle = 'SQL, DMY'\nextra_float_digits = -3");
$target->start;

sub restored
{
	my ($name, $database, $enable, @command) = @_;

	$target->safe_psql('postgres', "create database $database");
	$target->command_ok([ @command[ 0 .. $#command - 1 ], '-d', $target->connstr($database), $command[-1] ], "$name: restored")
	  if @command;
	$target->safe_psql($database, 'set client_min_messages = error; select runlink_enable_sealing()') if $enable;
	no_alarm(proofs($target, $database), $expected, $name);
}

# A cluster that has none of the roles: what a superuser owns is taken over when sealing is enabled.
restored('restored without owners', 'no_owner', 1, 'pg_restore', '-e', '--no-owner', '--no-privileges', "$dir/custom");
$target->safe_psql('postgres', 'drop database no_owner; drop role runlink_owner');
$target->safe_psql('postgres', 'create role app_owner login; create role runlink_owner');
restored('restored, in parallel', 'custom', 0, 'pg_restore', '-e', '-j', '2', "$dir/custom");
restored('restored, and enabled again', 'enabled', 1, 'pg_restore', '-e', "$dir/custom");
restored('restored from plain text', 'plain', 0, 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$dir/out", "--file=$dir/plain.sql");
restored('restored from INSERTs', 'inserts', 0, 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$dir/out", "--file=$dir/inserts.sql");
restored('restored from the owner\'s dump', 'owner', 0, 'pg_restore', '-e', "$dir/owner");
$target->safe_psql('postgres', 'create database data_only');
$target->command_ok([ 'pg_restore', '-e', '--schema-only', '-d', $target->connstr('data_only'), "$dir/custom" ], 'the schema alone is restored');
$target->command_ok([ 'pg_restore', '-e', '--data-only', '--disable-triggers', '-d', $target->connstr('data_only'), "$dir/custom" ],
	'then the data, with triggers disabled');
no_alarm(proofs($target, 'data_only'), $expected, 'data-only restore');

# And what is restored goes on: steps are recorded and sealed there.
foreach my $database ('custom', 'data_only')
{
	$target->safe_psql($database, q{
		select add_steps('trace-recorded', 10, 11); update aos_traces set status = 'completed' where trace_id = 'trace-recorded'});
	is($target->safe_psql($database, q{
			select verification_status, assurance, chain_length, backfilled_length from runlink_proof('run-recorded')}),
		'VERIFIED|sealed|6|0', "$database: a restored trace goes on and is sealed");
}

#
# A logical subscriber, of the application's tables and the state.
#
$target->safe_psql('postgres', 'create database subscriber');
$target->command_ok([ 'pg_restore', '-e', '--schema-only', '-d', $target->connstr('subscriber'), "$dir/custom" ], 'a schema to replicate to');
$source->safe_psql('app', 'create publication everything for all tables');
$target->safe_psql('subscriber', "create subscription everything connection '" . $source->connstr . " dbname=app' publication everything");
$source->poll_query_until('app', q{select count(*) > 0 from pg_replication_slots where slot_name = 'everything'});
$target->wait_for_subscription_sync($source, 'everything', 'subscriber');
no_alarm(proofs($target, 'subscriber'), $expected, 'logical subscriber, once copied');

#
# A streaming standby.
#
$source->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($source, 'backup', has_streaming => 1);
$standby->start;
$source->wait_for_catchup($standby);
no_alarm(proofs($standby, 'app'), $expected, 'streaming standby');

# Both follow what is recorded and sealed; a subscriber, as soon as it has caught up.
sub subscriber_follows
{
	my $proofs;

	foreach my $try (1 .. 40)
	{
		$proofs = proofs($target, 'subscriber');
		last if $proofs eq $expected;
		select undef, undef, undef, 0.25;
	}
	no_alarm($proofs, $expected, $_[0]);
}

$source->safe_psql('app', q{
	begin; select add_steps('trace-recorded', 10, 12); select add_steps('trace-several', 20, 22); rollback;
	select add_steps('trace-recorded', 10, 12);
	select add_steps('trace-several', -5, -4);
	insert into runs (id, tenant_id) values ('run-z', 'tenant-a');
	insert into aos_traces (trace_id, run_id, tenant_id, status) values ('trace-z', 'run-z', 'tenant-a', 'running');
	select add_steps('trace-z', 0, 4);
	update aos_traces set status = 'completed' where trace_id = 'trace-recorded';
	select add_steps('trace-recorded', 13, 13)});
$expected = proofs($source, 'app');
unlike($expected, qr/FAILED|UNSEALED/, 'the source goes on and is VERIFIED');
is(scalar(() = $expected =~ /^[^|]*\|VERIFIED\|/mg), 7, 'every trace of it');
$source->wait_for_catchup($standby);
no_alarm(proofs($standby, 'app'), $expected, 'streaming standby, going on');
subscriber_follows('logical subscriber, going on');
$source->safe_psql('app', 'select runlink_seal_pending()');
$expected = proofs($source, 'app');
unlike($expected, qr{FAILED|UNSEALED|\|recorded\|}, 'the source seals all that is pending and is VERIFIED');
$source->wait_for_catchup($standby);
no_alarm(proofs($standby, 'app'), $expected, 'streaming standby, all sealed');
subscriber_follows('logical subscriber, all sealed');
$target->safe_psql('subscriber', 'alter subscription everything disable');

$standby->promote;
no_alarm(proofs($standby, 'app'), $expected, 'standby promoted');
$standby->safe_psql('app', q{
	select add_steps('trace-z', 5, 5);
	update aos_traces set status = 'completed' where trace_id = 'trace-z'});
is($standby->safe_psql('app', q{select verification_status, assurance, chain_length from runlink_proof('run-z')}),
	'VERIFIED|sealed|6', 'what was recorded before the promotion is sealed after it');

diag("$cases cases without alarm");
done_testing();
