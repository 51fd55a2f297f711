# Every read function answers the same on a streaming standby, in a read-only transaction, beside
# parallel workers and after the standby was promoted, as it does on the primary.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fixture = "$FindBin::RealBin/../fixture";

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "timezone = 'UTC'");
$primary->start;
$primary->safe_psql('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $fixture/schema.sql
	\\i $fixture/example.sql
	-- A second trace of the run, a run of another tenant with a legacy link to an incident, and one
	-- without a tenant.
	insert into aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash, schema_version, plan, trace, status)
		values ('trace-2', 'run-linkage-test-001', 'c', 'tenant-test-001', 'pending', '1.0', '{}', '{}', 'running');
	insert into aos_trace_steps (trace_id, step_index, skill_id, skill_name, params, status,
			outcome_category, cost_cents, duration_ms, retry_count, replay_behavior)
		select 'trace-2', i, 's', 'skill ' || i, '{}', 'failed', 'FAILURE', i, i, 0, 'execute'
		from generate_series(0, 200) as i;
	insert into runs (id, tenant_id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id)
		values ('run-other', 'tenant-other', 'a', 'g', 'failed', 1, 1, 0, 'o'),
			('run-tenantless', null, 'a', 'g', 'failed', 1, 1, 0, 'o');
	insert into incidents (id, tenant_id, title, severity, status, lifecycle_state, trigger_type,
			cause_type, llm_run_id, started_at, created_at)
		values ('inc-other', 'tenant-other', 't', 'LOW', 'open', 'ACTIVE', 'x', 'LLM_RUN', 'run-other', now(), null);
	create table many as select i, 'run-' || i as run_id, jsonb_build_object('run_id', 'run-' || i) as state
		from generate_series(1, 1000) as i;
	insert into many values (0, 'run-linkage-test-001', '{"run_id": "run-linkage-test-001"}');
	alter table many set (parallel_workers = 2);
	-- what is sealed is in a log
	select runlink_enable_sealing(); select runlink_seal_pending(); select runlink_create_log('log'); select runlink_checkpoint();
	analyze;
});

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'select pg_is_in_recovery()'), 't', 'the standby is one');

# Statements that make each call, derived from the catalogue so that a new one is covered: every
# function of the extension that writes nothing.
my %arguments = map { split /\|/, $_, -1 } split /\n/, $primary->safe_psql('postgres', q{
	select p.proname, coalesce((
			select string_agg(a.name, ',' order by a.position)
			from unnest(p.proargnames) with ordinality as a (name, position)
			where a.position <= p.pronargs), '')
	from pg_proc as p join pg_depend as d on d.objid = p.oid and d.classid = 'pg_proc'::regclass
		join pg_extension as e on e.oid = d.refobjid and d.refclassid = 'pg_extension'::regclass
	where e.extname = 'runlink' and p.provolatile <> 'v' and p.prokind = 'f' and p.prorettype <> 'internal'::regtype
});
cmp_ok(scalar(keys %arguments), '>=', 11, 'the catalogue has the functions');

# The time of the call is no part of the answer.
sub statements
{
	my ($run, $tenant) = @_;
	my $script = '';

	foreach my $name (sort keys %arguments)
	{
		# they say how long they took; 014_verify.pl asks them on a standby
		next if $arguments{$name} eq 'tenant_id,since,until,full';
		# of one step, asked for below
		next if $name eq 'runlink_step_proof';

		my $call =
		    $arguments{$name} =~ /^run_id,tenant_id(,format)?$/ ? "$name($run, $tenant)"
		  : $arguments{$name} eq '' ? "$name()"
		  : $arguments{$name} eq 'run_id' ? "$name($run)"
		  : $arguments{$name} eq 'trace_id' ? "$name('trace-2')"
		  : $arguments{$name} eq 'run_id,payloads,tenant_id' ? "$name($run, true, $tenant)"
		  : $arguments{$name} eq 'source_table' ? "$name('incidents')"
		  : $arguments{$name} eq 'source_table,link,record_id,run_id,found_by,found'
		  ? "$name('incidents', 'source_run_id', 'inc-other', $run, 'llm_run_id', $run)"
		  : $arguments{$name} eq 'state,key' ? "$name(jsonb_build_object('k', $run), 'k')"
		  : $arguments{$name} eq 'note' ? "$name(e'log\\n0\\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\\n')"
		  : $arguments{$name} eq 'note,vkey'
		  ? "$name(e'text\\n', 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k')"
		  : $arguments{$name} eq 'old,new' ? "$name(0, 1)"
		  : $arguments{$name} eq 'leaf_hash,entry,size,proof,root' ? "$name(sha256(''), 0, 1, '{}', sha256(''))"
		  : $arguments{$name} eq 'old_size,new_size,old_root,new_root,proof' ? "$name(1, 1, sha256(''), sha256(''), '{}')"
		  : BAIL_OUT("how is $name($arguments{$name}) called?");

		$script .= "\\echo -- $name\n"
		  . ($name eq 'runlink_require_schema' ? "select $call;\n"
			: "select regexp_replace(to_jsonb(answer)::text, 'Reported at [^a-z]*Z|\"(verified_at|computed_at|made_at)\": \"[^\"]*\"|\"evidence\": \"[0-9a-f]{64}\"', '\\1', 'g')"
			. " from $call as answer" . ($name =~ /_(rows|links|read|runs|events|traces)$|^runlink_gap_/ ? ' order by 1' : '') . ";\n");
	}
	return $script;
}

my $example = "'run-linkage-test-001'";
my @cases = (
	[ 'the example', statements($example, 'null') ],
	[ 'the example with its tenant', statements($example, "'tenant-test-001'") ],
	[ 'the example with another tenant', statements($example, "'tenant-other'") ],
	[ 'a run of another tenant', statements("'run-other'", 'null') ],
	[ 'a run without a tenant', statements("'run-tenantless'", 'null') ],
	[ 'a missing run', statements("'nope'", 'null') ]);

sub answers
{
	my ($node, $script) = @_;
	my ($stdout, $stderr) = ('', '');

	$node->psql(
		'postgres', "\\set QUIET on\n$script",
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 0);
	return "$stdout\n$stderr";
}

# Compares two texts, and tells the first line in which they differ.
sub same_text
{
	my ($got, $expected, $name) = @_;
	my @got = split /\n/, $got;
	my @expected = split /\n/, $expected;

	ok($got eq $expected, $name) and return;
	for (my $i = 0; $i < @got || $i < @expected; $i++)
	{
		next if ($got[$i] // '') eq ($expected[$i] // '');
		diag("line $i:\n- " . ($expected[$i] // '') . "\n+ " . ($got[$i] // ''));
		last;
	}
}

foreach my $case (@cases)
{
	my ($name, $script) = @$case;
	my $expected = answers($primary, $script);

	is(join("\n", grep { /ERROR:/ } split /\n/, $expected), '', "$name: every call answers on the primary");
	same_text(answers($standby, $script), $expected, "$name: the same on the standby");
	same_text(answers($primary, "begin read only;\n$script\ncommit;"),
		$expected, "$name: the same in a read-only transaction");
	same_text(answers($primary, "begin isolation level serializable read only deferrable;\n$script\ncommit;"),
		$expected, "$name: the same in a serializable, deferrable one");
	same_text(answers($primary, "set force_parallel_mode = regress;\n$script"),
		$expected, "$name: the same where every plan that can is made parallel");
}

my $step = "select runlink_step_proof('run-linkage-test-001', 'trace_run-linkage-test-001', 3, true);";
like(answers($primary, $step), qr/^\{.*"path"/, 'a step is proved');
same_text(answers($standby, $step), answers($primary, $step), 'the same on the standby');

my $errors = join("\n",
	"select * from runlink_evidence(null);", "select * from runlink_evidence('');",
	"select * from runlink_proof('tenant-test-001', 'run-linkage-test-001');");
is(answers($standby, $errors), answers($primary, $errors), 'errors are the same on the standby');
like(answers($standby, $errors), qr/ERROR.*ERROR.*ERROR/s, 'and they are errors');

# Parallel plans.  The calls run queries over the application's tables, views and policies, so they
# stay in the leader; runlink_json_string runs in the workers.
my $parallel = q{
	set force_parallel_mode = off;
	set max_parallel_workers_per_gather = 2;
	set parallel_setup_cost = 0;
	set parallel_tuple_cost = 0;
	set min_parallel_table_scan_size = 0;
};
my $serial = 'set max_parallel_workers_per_gather = 0;';
my $in_leader = q{
	select many.run_id, l.run_found, l.incident_count, l.step_count
	from many, runlink_linkage(many.run_id) as l where many.i % 100 = 0 order by 1
};
my $in_workers = q{select i from many where runlink_json_string(state, 'run_id') = 'run-7'};

{
	my $plan = $primary->safe_psql('postgres', "$parallel explain (costs off) $in_leader");
	like($plan, qr/Gather/, 'a query with a call has a parallel plan');
	like($plan, qr/^ *->  Function Scan on runlink_linkage/m, '... with the call in it');
	is($primary->safe_psql('postgres', "$parallel $in_leader"), $primary->safe_psql('postgres', "$serial $in_leader"),
		'... and answers the same');

	$plan = $primary->safe_psql('postgres', "$parallel explain (costs off) $in_workers");
	like($plan, qr/Gather.*Parallel Seq Scan on many.*Filter: .*runlink_json_string/s, 'runlink_json_string runs in workers');
	is($primary->safe_psql('postgres', "$parallel $in_workers"), '7', '... and answers the same');
}

# A session of the standby goes on, with the plans it saved, when the standby is promoted.
my $script = join('', map { "select md5(string_agg((to_jsonb(answer) - 'verified_at')::text, ',')) from $_($example) as answer;\n" }
	qw(runlink_proof runlink_proof_steps runlink_evidence runlink_linkage));
my $expected = $primary->safe_psql('postgres', $script);
my $session = $standby->background_psql('postgres');
is($session->query_safe($script), $expected, 'a session of the standby');
$standby->promote;
is($session->query_safe($script), $expected, '... answers the same when the standby is promoted');
$session->query_safe("update runs set status = 'halted' where id = $example");
is($session->query_safe("select outcome from runlink_evidence($example) where kind = 'run'"), 'halted',
	'... and sees what it writes then');
$session->quit;

done_testing();
