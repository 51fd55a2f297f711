# What runlink_schema_check() finds, and that its remedies mend it.
#
# Every required row of the undamaged schema is damaged singly, then all together, then the
# recommended ones; the remedies run as the documentation says, by psql's \gexec in autocommit; a
# second check is clean, and pg_dump -s equals that of the undamaged schema.  The damage is chosen by
# the kind of check_id, so a new check is damaged too, and one of a new kind fails here until it is
# given its damage.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fixture = "$FindBin::RealBin/../fixture";
my $plain = 'public';
# The server lets no extension into a schema with a quote, backslash or dollar sign in its name.
my $weird = '"We.ird; %s Schemä"';
my $reader = '"Report ""Reader"';
my $run = "'run-linkage-test-001'";

my $node = PostgreSQL::Test::Cluster->new('remedies');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', "create role $reader login");

# Runs a script with psql as a user would: each statement by itself, on after an error.
# Returns what it printed, and the errors.
sub run_script
{
	my ($database, $script) = @_;
	my ($stdout, $stderr) = ('', '');

	$node->psql(
		$database, $script,
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 0);
	return ($stdout, join("\n", grep { /ERROR/ } split /\n/, $stderr));
}

# The statement of runlink_schema_check()'s comment.
sub remedies_of
{
	my ($schema, $level) = @_;
	return "select remedy from $schema.runlink_schema_check() where level = '$level' and status <> 'ok' \\gexec\n";
}

# Runs the remedies of a level; returns the errors.
sub mend
{
	my ($database, $schema, $level) = @_;
	my (undef, $errors) = run_script($database, remedies_of($schema, $level));
	return $errors;
}

# Runs scripts, in which CHECK stands for the schema check, in one session.  Returns for each script a
# list of its errors, as one text, and for each CHECK its rows, keyed by check_id.
sub run_cases
{
	my ($database, $schema, @scripts) = @_;
	my $check = "\\echo CHECK\n"
	  . "select check_id, level, status, object, expected, found, why, remedy\n"
	  . "from $schema.runlink_schema_check();\n";
	my ($stdout, $stderr) = ('', '');
	my @cases;

	s/^\s*CHECK$/$check/mg foreach @scripts;
	$node->psql(
		$database,
		"\\set QUIET on\n\\f '\\x1f'\nset client_min_messages = error;\n"
		  . join('', map { "\\echo CASE\n\\warn CASE\n$_\n;\n" } @scripts),
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 0);
	foreach my $line (split /\n/, $stderr)
	{
		if ($line eq 'CASE') { push @cases, [''] }
		elsif ($line =~ /ERROR/) { $cases[-1][0] .= "$line\n" }
	}
	BAIL_OUT("psql ended early: $stderr") if @cases != @scripts;
	my $case = -1;
	foreach my $line (split /\n/, $stdout)
	{
		my (%row, @fields);

		if ($line eq 'CASE') { $case++; next }
		if ($line eq 'CHECK') { push @{ $cases[$case] }, {}; next }
		@fields = split /\x1f/, $line, -1;
		BAIL_OUT("not a row of the schema check: $line") if @fields != 8;
		@row{qw(check_id level status object expected found why remedy)} = @fields;
		BAIL_OUT("two rows $row{check_id}") if exists $cases[$case][-1]{ $row{check_id} };
		$cases[$case][-1]{ $row{check_id} } = \%row;
	}
	return @cases;
}

sub run_checks
{
	my ($database, $schema, $script) = @_;
	my ($case) = run_cases($database, $schema, $script);
	return @$case;
}

sub check
{
	my ($database, $schema, $role) = @_;
	my ($errors, $rows) = run_checks($database, $schema,
		defined $role ? "set role $role;\nCHECK\n" : "CHECK\n");

	is($errors, '', "$database: the schema check raises no error") if $errors ne '';
	return $rows;
}

# check_id and status of required and recommended rows that are not ok.
sub not_ok
{
	my ($rows) = @_;
	return {
		map { $_ => $rows->{$_}{status} }
		  grep { $rows->{$_}{level} ne 'info' && $rows->{$_}{status} ne 'ok' } keys %$rows
	};
}

# pg_dump -s, without what ALTER TABLE cannot choose: the order of columns.  Names of indexes are
# the server's choice; equal ones count once, as production has some twice and a remedy makes one.
sub schema_dump
{
	my ($database) = @_;
	my %lines;

	my ($dump, $stderr) = run_command(
		[ 'pg_dump', '-s', '-d', $node->connstr($database) ]);
	BAIL_OUT("pg_dump failed: $stderr") if $stderr ne '';
	foreach my $line (split /\n/, $dump)
	{
		next if $line =~ /^(--.*|\\(un)?restrict .*)?$/;
		$line =~ s/,$//;
		$line =~ s/^(CREATE (UNIQUE )?INDEX )\S+ ON /$1ON /;
		$lines{$line} = 1;
	}
	return join("\n", sort keys %lines) . "\n";
}

# Compares two texts as sets of lines, and tells the lines that only one has.
sub same_lines
{
	my ($got, $expected, $name) = @_;
	my %got = map { $_ => 1 } split /\n/, $got;
	my %expected = map { $_ => 1 } split /\n/, $expected;

	return is(
		join("\n",
			(map { "- $_" } grep { !$got{$_} } sort keys %expected),
			(map { "+ $_" } grep { !$expected{$_} } sort keys %got)),
		'', $name);
}

# Definitions of indexes and foreign keys, without the names of indexes.
sub definitions
{
	my ($database, $schema) = @_;

	return split /\n/, $node->safe_psql(
		$database, qq{
		select regexp_replace(pg_get_indexdef(indexrelid), '^(CREATE( UNIQUE)? INDEX) \\S+', '\\1')
		from pg_index join pg_class on pg_class.oid = indrelid
		where relnamespace = '$schema'::regnamespace
		union
		select format('alter table %s add %s', conrelid::regclass, pg_get_constraintdef(oid))
		from pg_constraint where connamespace = '$schema'::regnamespace and contype = 'f'
	});
}

# Puts back what a dropped column took along and no check asks for: the application's own indexes
# (such as those for its lists) and foreign keys.  Foreign keys, that of incidents.source_run_id
# among them, are out of scope for the remedies.
sub restore_unchecked
{
	my ($database, $schema, $definitions) = @_;
	my %have = map { $_ => 1 } definitions($database, $schema);
	my @lost = grep { !$have{$_} } @$definitions;

	my (undef, $errors) = run_script($database, join(";\n", @lost, ''));
	is($errors, '', 'the application can restore what no check asks for') if $errors ne '';
	return scalar @lost;
}

# A database with the application's schema and the documented example in $schema, wired as
# runlink_schema_check() wants it, and readable by $reader.
sub make_database
{
	my ($database, $schema) = @_;

	$node->safe_psql('postgres', "create database $database");
	$node->safe_psql($database, qq{
		set client_min_messages = warning;
		create schema if not exists $schema;
		create extension runlink schema $schema;
		set search_path = $schema;
		\\i $fixture/schema.sql
		\\i $fixture/example.sql
		grant usage on schema $schema to $reader;
		grant select on all tables in schema $schema to $reader;
	});
	is(mend($database, $schema, 'recommended'), '', "$database: the recommended remedies run");
}

# A copy of a database in place of the last one.
sub recreate
{
	my ($database, $template) = @_;

	$node->safe_psql('postgres', "drop database if exists $database");
	$node->safe_psql('postgres', "create database $database template $template");
}

# The answers of all read functions about the example, without the times of the call.
sub answers
{
	my ($database, $schema) = @_;

	return $node->safe_psql($database, qq{
		select to_jsonb(l) - 'application_schema' from $schema.runlink_linkage($run) as l;
		select * from $schema.runlink_evidence($run);
		select * from $schema.runlink_governance($run);
		select to_jsonb(p) - 'verified_at' from $schema.runlink_proof($run) as p;
		select * from $schema.runlink_proof_steps($run);
		select $schema.runlink_evidence_json($run) - 'computed_at';
		select $schema.runlink_proof_json($run) - 'verified_at';
	});
}

my ($good, %index_definitions);

# Types of which runlink_schema_check() says wrong_type, by the expected one.  They keep the values,
# so the remedy can bring them back.
my %wrong_types = (
	'character varying' => 'character(200)',
	'text' => 'character(200)',
	'timestamp with time zone' => 'timestamp without time zone',
	'boolean' => 'text',
	'integer' => 'bigint',
	'double precision' => 'numeric',
	'numeric' => 'double precision',
	'jsonb' => 'json');

# How to damage what a required row of the undamaged check is about: a list of name, SQL, and the
# status that the check must give.
sub damages
{
	my ($row) = @_;
	my ($kind, $table, $name) = $row->{check_id} =~ /^(\w+)\.(\w+)(?:\.(.*))?$/
	  or BAIL_OUT("cannot read check_id $row->{check_id}");

	if ($kind eq 'table')
	{
		return (
			[ 'dropped', "drop table $table cascade", 'missing' ],
			[ 'a sequence', "drop table $table cascade; create sequence $table", 'wrong_type' ]);
	}
	if ($kind eq 'column')
	{
		my ($expected) = $row->{expected} =~ /^([a-z ]+)(?:\(\d+(?:,\d+)?\))?$/
		  or BAIL_OUT("cannot read the type of $row->{check_id}");
		my $type = $wrong_types{$expected}
		  or BAIL_OUT("$row->{check_id}: no wrong type for $expected is known to this test");
		# There can be no index on a string in a state that is not jsonb.
		my @drop_indexes = $expected eq 'jsonb'
		  ? map { "drop index " . $_->{found} =~ s/.*\.//r . ";" } grep { $_->{check_id} =~ /^index\.$table\.$name\./ }
		  values %$good
		  : ();
		return (
			[ 'dropped', "alter table $table drop column $name cascade", 'missing' ],
			[ "of type $type", "@drop_indexes alter table $table alter column $name type $type", 'wrong_type' ]);
	}
	if ($kind eq 'key')
	{
		my ($constraint) = $row->{found} =~ /\.(\w+)$/;
		return ([ 'dropped', "alter table $table drop constraint $constraint cascade", 'missing' ]);
	}
	if ($kind eq 'privilege')
	{
		return ([ 'revoked', "revoke select on $table from $reader", 'no_privilege' ]);
	}
	BAIL_OUT("no damage is known to this test for the check $row->{check_id}");
}

# Rows of the good check that depend on what a row is about: with a column go the keys and indexes
# that have it, with a key the index that it is.
sub dependants
{
	my ($row) = @_;
	my ($kind, $table, $column) = split /\./, $row->{check_id};
	my @rows = grep { /^(key|index)\.$table\./ && $_ ne $row->{check_id} } keys %$good;

	return grep { $good->{$_}{found} eq $row->{found} } @rows if $kind eq 'key';
	return grep { $index_definitions{ $good->{$_}{found} } =~ /\b$column\b/ } @rows
	  if $kind eq 'column';
	return ();
}

#
# The undamaged schema.
#
make_database('good', $plain);
$good = check('good', $plain);
%index_definitions = map { split /\t/ } split /\n/, $node->safe_psql('good', q{
	set search_path = pg_catalog;
	select indexrelid::regclass || E'\t' || pg_get_indexdef(indexrelid) from pg_index
});
my $good_dump = schema_dump('good');
my $good_answers = answers('good', $plain);
my @good_definitions = definitions('good', $plain);

is_deeply(not_ok($good), {}, 'everything required and recommended is ok');
is_deeply(not_ok(check('good', $plain, $reader)), {}, 'also for a role that may only read');
is($node->safe_psql('good', 'select runlink_require_schema()'), '', 'runlink_require_schema is silent');

#
# Each required object singly, in a transaction that is rolled back: the check finds it and what
# depends on it and nothing else; what has no remedy says why; and a remedy that leaves nothing to
# recommend (other remedies build indexes concurrently) is tried at once.
#
my %mendable;
my $unmendable = 0;

my @damages = map { my $id = $_; map { [ $id, @$_ ] } damages($good->{$id}) }
  grep { $good->{$_}{level} eq 'required' && $_ ne 'database.encoding' } sort keys %$good;
my @found = run_cases('good', $plain, map {
	my ($id, $name, $sql, $status) = @$_;
	my $role = $id =~ /^privilege/ ? $reader : 'postgres';
	"begin;
	$sql;
	set role $role;
	CHECK
	reset role;
	" . ($status eq 'wrong_type' ? remedies_of($plain, 'required') . "CHECK\n" : '') . 'rollback;'
} @damages);

foreach my $damage (@damages)
{
	my ($id, $name, $sql, $status) = @$damage;
	my ($errors, $damaged, $mended) = @{ shift @found };
	my ($kind) = $id =~ /^(\w+)/;
	my $expected = { $id => $status };
	my $found = $damaged->{$id};

	if ($status eq 'missing' || $sql =~ /drop index/)
	{
		$expected->{$_} = 'missing' foreach dependants($good->{$id});
	}
	is_deeply(not_ok($damaged), $expected, "$id $name: it and what depends on it is not ok");
	is($errors, '', "$id $name: no error");
	is($found->{found}, '', "$id $name: nothing is found") if $status eq 'missing';
	if ($found->{remedy} ne '')
	{
		$mendable{$id}{$status} = $sql;
		is_deeply(not_ok($mended), {}, "$id $name: the remedy mends it") if $status eq 'wrong_type' && $sql !~ /drop index/;
	}
	else
	{
		$unmendable++;
		ok($kind eq 'table' || $kind eq 'column' && $status eq 'missing', "$id $name: may lack a remedy");
		like($found->{why}, qr/no remedy|cannot be read/, "$id $name: why tells why there is no remedy");
		is(join("\n", grep { $_ ne '' } map { $damaged->{$_}{remedy} } dependants($good->{$id})),
			'', "$id $name: what depends on it has no remedy that cannot run");
	}
}
cmp_ok(scalar(keys %mendable), '>=', 60, 'most checks have a remedy');
cmp_ok($unmendable, '>=', 20, 'some have none');

#
# What is missing, singly: the remedies run in autocommit, the required ones first.
#
recreate('damaged', 'good');
foreach my $id (sort keys %mendable)
{
	my $sql = $mendable{$id}{missing} // next;
	my ($errors, $mended, $clean) = run_checks('damaged', $plain,
		"$sql;\n" . remedies_of($plain, 'required') . "CHECK\n" . remedies_of($plain, 'recommended') . "CHECK\n");

	is($errors, '', "$id: the remedies run");
	is_deeply([ grep { $mended->{$_}{level} eq 'required' } keys %{ not_ok($mended) } ],
		[], "$id: the required remedies leave nothing required");
	is_deeply(not_ok($clean), {}, "$id: with the recommended ones, a second check is clean");
	restore_unchecked('damaged', $plain, \@good_definitions);
	same_lines(schema_dump('damaged'), $good_dump, "$id: pg_dump -s equals the undamaged one")
	  or recreate('damaged', 'good');
}

#
# All that is missing together, and all wrong types together, also where the schema's name needs
# quotes.
#
make_database('weird', $weird);
foreach my $case ([ 'good', $plain ], [ 'weird', $weird ])
{
	my ($template, $schema) = @$case;
	my $expected_answers = answers($template, $schema);
	my $expected_dump = schema_dump($template);
	my @definitions = definitions($template, $schema);

	is_deeply(not_ok(check($template, $schema)), {}, "$template: everything is ok");
	same_lines($expected_answers, $good_answers, "$template: the answers are those of any schema");
	foreach my $status ('missing', 'wrong_type', 'no_privilege')
	{
		my @damaged = grep { exists $mendable{$_}{$status} } sort keys %mendable;
		my @sql = map { "$mendable{$_}{$status};" } @damaged;
		# A column takes its keys and indexes along.
		s/ (drop constraint|drop index) / $1 if exists / foreach @sql;
		# The one who lacks a privilege reads the remedies, one who has it runs them.
		my $mend = $status eq 'no_privilege'
		  ? "create temp table remedy as " . remedies_of($schema, 'required') =~ s/ \\gexec/;/r
			. "reset role;\nselect * from remedy \\gexec\nset role $reader;\n"
		  : remedies_of($schema, 'required');

		recreate('damaged', $template);
		my ($errors, $found, $mended, $clean) = run_checks('damaged', $schema,
			"set search_path = $schema;\n" . join("\n", @sql) . "\nset search_path = pg_catalog;\n"
			  . ($status eq 'no_privilege' ? "set role $reader;\n" : '')
			  . "CHECK\n${mend}CHECK\n" . remedies_of($schema, 'recommended') . "CHECK\n");

		is($errors, '', "$template, all $status: the remedies run");
		is_deeply([ sort grep { $found->{$_}{level} eq 'required' } keys %{ not_ok($found) } ],
			\@damaged, "$template, all $status: all is found");
		is_deeply([ grep { $mended->{$_}{level} eq 'required' } keys %{ not_ok($mended) } ],
			[], "$template, all $status: the required remedies leave nothing required");
		is_deeply(not_ok($clean), {},
			"$template, all $status: with the recommended ones, a second check is clean");
		restore_unchecked('damaged', $schema, \@definitions);
		same_lines(schema_dump('damaged'), $expected_dump,
			"$template, all $status: pg_dump -s equals the undamaged one");
		same_lines(answers('damaged', $schema), $expected_answers,
			"$template, all $status: the answers are the same")
		  if $status eq 'wrong_type';
	}
}


#
# runlink_require_schema names all that is missing, with the remedies.
#
recreate('damaged', 'good');
$node->safe_psql('damaged',
	"set client_min_messages = error;\n"
	  . join("\n", map { "$mendable{$_}{missing};" } grep { /^column/ && $mendable{$_}{missing} } sort keys %mendable)
	  . 'drop table policy_rules;');
{
	my ($stdout, $stderr) = ('', '');
	my $result = $node->psql(
		'damaged', 'select runlink_require_schema()',
		stdout => \$stdout,
		stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my $rows = check('damaged', $plain);
	my @missing = grep { $_->{level} eq 'required' && $_->{status} ne 'ok' } values %$rows;

	is($result, 3, 'runlink_require_schema raises an error');
	like($stderr, qr/ERROR:  55000: /, 'with its SQLSTATE');
	like($stderr, qr/HINT:.*runlink_schema_check/, 'and a HINT');
	cmp_ok(scalar(@missing), '>=', 10, 'much is missing');
	is_deeply([ grep { index($stderr, $_->{object}) < 0 } @missing ], [], 'its DETAIL names every object');
	is_deeply([ grep { index($stderr, $_->{remedy}) < 0 } @missing ], [], '... and every remedy');
}

#
# What the remedies say.
#
{
	my ($errors, $rows) = run_checks('damaged', $plain, q{
		set client_min_messages = error;
		drop index limit_breaches_run_id_idx;
		CHECK
	});

	is_deeply([ grep { $_->{remedy} =~ /;/ } values %$rows ], [], 'a remedy is one statement without a semicolon');
	like($rows->{'column.prevention_records.run_id'}{why}, qr/124.*stamp/,
		'what migration 124 adds: the migration tool is to be stamped');
	like($rows->{'index.limit_breaches.run_id'}{remedy}, qr/^create index concurrently /, 'an index is built concurrently');
	like($rows->{'index.limit_breaches.run_id'}{why}, qr/SHARE UPDATE EXCLUSIVE.*CONCURRENTLY|CONCURRENTLY.*SHARE UPDATE EXCLUSIVE/,
		'and its row names the lock');
}

#
# A column whose default, too, is of the wrong type, as when it was created so.
#
recreate('damaged', 'good');
foreach my $case (
	[ 'column.runs.policy_violation', 'boolean -> integer', 'policy_violation::integer', '0' ],
	[ 'column.runs.policy_draft_count', 'integer -> text', 'policy_draft_count::text', q{'0'} ],
	[ 'column.incidents.created_at', 'timestamptz -> text', 'created_at::text', q{now()::text} ])
{
	my ($id, $types, $using, $default) = @$case;
	my (undef, $table, $column) = split /\./, $id;
	my $type = $types =~ s/.*> //r;
	my ($errors, $damaged, $mended) = run_checks('damaged', $plain,
		"alter table $table alter $column drop default, alter $column type $type using $using,
			alter $column set default $default;
		CHECK
		" . remedies_of($plain, 'required') . "CHECK\n");

	is($damaged->{$id}{status}, 'wrong_type', "$id, $types with its default: the check finds it");
	is($errors, '', "$id, $types with its default: the remedy runs");
	is_deeply(not_ok($mended), {}, "$id, $types with its default: a second check is clean");
	same_lines(schema_dump('damaged'), $good_dump, "$id, $types with its default: pg_dump -s equals")
	  or recreate('damaged', 'good');
}

#
# The indexes on links: dropped, and left invalid by a build that failed.  Those of keys were above.
# Several may serve a link: all of them go, and one comes back.
#
recreate('damaged', 'good');

my @links = grep {
	my $id = $_;
	/^index/ && $good->{$_}{level} eq 'recommended'
	  && !grep { /^key/ && $good->{$_}{found} eq $good->{$id}{found} } keys %$good
} sort keys %$good;
@found = run_cases('damaged', $plain, map {
	my $serving = "from runlink_schema_check() where check_id = '$_' and status = 'ok' \\gexec\n";
	"select 'drop index ' || found $serving" x 3 . "CHECK\n"
	  . remedies_of($plain, 'recommended') . "CHECK\n"
	  . "select format('update pg_index set indisvalid = false where indexrelid = %L::regclass', found) $serving" . "CHECK\n"
	  . remedies_of($plain, 'recommended') . "CHECK\n"
} @links);
foreach my $id (@links)
{
	my ($errors, $dropped, $mended, $invalid, $reindexed) = @{ shift @found };

	is($errors, '', "$id: the remedies run");
	is_deeply(not_ok($dropped), { $id => 'missing' }, "$id dropped: the check finds it and nothing else");
	is_deeply(not_ok($mended), {}, "$id dropped: a second check is clean");
	is_deeply(not_ok($invalid), { $id => 'not_valid' }, "$id invalid: the check finds it and nothing else");
	is($invalid->{$id}{found}, $mended->{$id}{found}, "$id invalid: it names the index");
	is_deeply(not_ok($reindexed), {}, "$id invalid: a second check is clean");
	is($reindexed->{$id}{found}, $mended->{$id}{found}, "$id invalid: the index is the same one");
}
cmp_ok(scalar(@links), '>=', 12, 'indexes on links were tried');

# A remedy builds an index on the rows alone that the link can find, the application may have all.
sub without_predicates
{
	my ($dump) = @_;
	return $dump =~ s/^(CREATE INDEX .*?\)) WHERE .*;$/$1;/mgr;
}

same_lines(without_predicates(schema_dump('damaged')), without_predicates($good_dump),
	'indexes: pg_dump -s equals the undamaged one');

#
# The triggers that guard records.
#
my @guards = grep { /^trigger/ } sort keys %$good;
@found = run_cases('damaged', $plain, map {
	my (undef, $table, $event) = split /\./;
	my $trigger = $good->{$_}{found};
	my $mend = remedies_of($plain, 'recommended');

	"alter table $table disable trigger $trigger;
	CHECK
	$mend
	CHECK
	alter table $table disable trigger all;
	CHECK
	$mend
	CHECK
	alter table $table enable replica trigger $trigger;
	CHECK
	$mend
	CHECK
	begin;
	drop trigger $trigger on $table;
	CHECK
	rollback;"
} @guards);
foreach my $id (@guards)
{
	my (undef, $table) = split /\./, $id;
	my $trigger = $good->{$id}{found};
	my ($errors, $disabled, $mended, $all, $mended_all, $replica, $mended_replica, $dropped) = @{ shift @found };

	is($errors, '', "$id: the remedies run");
	is($good->{$id}{level}, 'recommended', "$id: level");
	is_deeply(not_ok($disabled), { $id => 'disabled' }, "$id disabled: the check finds it and nothing else");
	is($disabled->{$id}{found}, $trigger, "$id disabled: it names the trigger");
	is_deeply(not_ok($mended), {}, "$id disabled: a second check is clean");
	is_deeply(not_ok($all), { map { $_ => 'disabled' } grep { /^trigger\.$table\./ } keys %$good },
		"$id: the check finds all triggers of the table disabled");
	is_deeply(not_ok($mended_all), {}, "$id: all triggers of the table are mended");
	is_deeply(not_ok($replica), { $id => 'disabled' }, "$id: a trigger that fires on replicas alone is disabled");
	is_deeply(not_ok($mended_replica), {}, "$id: ... and mended");
	is_deeply(not_ok($dropped), { $id => 'missing' }, "$id dropped: the check finds it and nothing else");
	is($dropped->{$id}{remedy}, '', "$id dropped: no remedy");
	like($dropped->{$id}{why}, qr/no remedy/, "$id dropped: and why");
}
same_lines(without_predicates(schema_dump('damaged')), without_predicates($good_dump),
	'triggers: pg_dump -s equals the undamaged one');

#
# Partitioned tables.  The key of a partitioned table has its partition columns.
#
recreate('damaged', 'good');
$node->safe_psql('damaged', qq{
	set client_min_messages = error;
	create schema plain;
	alter table aos_trace_steps set schema plain;
	create table aos_trace_steps (like plain.aos_trace_steps including defaults,
		unique (trace_id, step_index)) partition by hash (trace_id);
	create table aos_trace_steps_0 partition of aos_trace_steps for values with (modulus 2, remainder 0);
	create table aos_trace_steps_1 partition of aos_trace_steps for values with (modulus 2, remainder 1);
	insert into aos_trace_steps select * from plain.aos_trace_steps;
	create trigger aos_trace_steps_reject_update before update on aos_trace_steps
		for each row execute function aos_trace_steps_reject_update();
	create trigger aos_trace_steps_reject_delete before delete on aos_trace_steps
		for each row execute function aos_trace_steps_reject_delete();
	alter table prevention_records set schema plain;
	create table prevention_records (like plain.prevention_records including defaults,
		primary key (id)) partition by hash (id);
	create table prevention_records_0 partition of prevention_records for values with (modulus 2, remainder 0);
	create table prevention_records_1 partition of prevention_records for values with (modulus 2, remainder 1);
	insert into prevention_records select * from plain.prevention_records;
	drop schema plain cascade;
});
{
	my @links = map { "index.prevention_records.$_" } qw(blocked_incident_id original_incident_id run_id);
	my ($errors, $rows, $mended) = run_checks('damaged', $plain,
		"CHECK\n" . remedies_of($plain, 'recommended') . "CHECK\n");

	same_lines(answers('damaged', $plain), $good_answers, 'partitioned: the answers are the same');
	is_deeply(not_ok($rows), { map { $_ => 'missing' } @links }, 'partitioned: only its indexes are missing');
	foreach my $id (@links)
	{
		unlike($rows->{$id}{remedy}, qr/concurrently/, "partitioned: $id is not built concurrently");
		like($rows->{$id}{why}, qr/blocks writes/, "partitioned: $id names what its lock does");
	}
	is($errors, '', 'partitioned: the remedies run');
	is_deeply(not_ok($mended), {}, 'partitioned: a second check is clean');

	# An index on the parent alone is invalid until every partition has one.
	($errors, $rows, $mended) = run_checks('damaged', $plain,
		"drop index prevention_records_run_id_idx; create index on only prevention_records (run_id);\n"
		  . "CHECK\n" . remedies_of($plain, 'recommended') . "CHECK\n");
	is_deeply(not_ok($rows), { 'index.prevention_records.run_id' => 'not_valid' },
		'partitioned, index on the parent alone: the check finds it and nothing else');
	is($errors, '', 'partitioned, index on the parent alone: the remedy runs');
	is_deeply(not_ok($mended), {}, 'partitioned, index on the parent alone: a second check is clean');

	# Columns and keys are mended as those of plain tables.
	($errors, undef, $mended) = run_checks('damaged', $plain,
		"alter table prevention_records drop column run_id;
		alter table prevention_records drop constraint prevention_records_pkey;
		alter table aos_trace_steps alter column cost_cents type numeric;
		CHECK\n" . remedies_of($plain, 'required') . remedies_of($plain, 'recommended') . "CHECK\n");
	is($errors, '', 'partitioned, column and key dropped: the remedies run');
	is_deeply(not_ok($mended), {}, 'partitioned, column and key dropped: a second check is clean');
}

#
# Views with the canonical names over tables that have others, read by a role that has no privilege
# on the tables.
#
recreate('damaged', 'good');
{
	my @tables = map { s/^table\.//r } grep { /^table/ } keys %$good;
	$node->safe_psql('damaged', "create schema app_store;\n"
		. join('', map { "alter table $_ rename to app_$_; alter table app_$_ set schema app_store;
			create view $_ as select * from app_store.app_$_;
			grant select on $_ to $reader; revoke all on app_store.app_$_ from $reader;\n" } @tables));
	my $rows = check('damaged', $plain, $reader);

	is_deeply(not_ok($rows), {}, 'views: everything required and recommended is ok');
	is(join(' ', sort keys %{ { map { s/\..*//r => 1 } keys %$rows } }), 'column database privilege sealing table',
		'views: keys, indexes and triggers are not theirs');
	is_deeply([ grep { /^sealing/ && $_ ne 'sealing.state' } keys %$rows ], [], 'views: nor is sealing, which was never enabled');
	same_lines(answers('damaged', $plain), $good_answers, 'views: the answers are the same');
	same_lines(
		$node->safe_psql('damaged', "set role $reader; select * from runlink_evidence($run)"),
		$node->safe_psql('damaged', "select * from runlink_evidence($run)"),
		'views: also for a role without privilege on the tables');

	# A view is mended where it is written.
	my ($errors, $damaged) = run_checks('damaged', $plain, "
		set client_min_messages = error;
		drop view prevention_records, incidents;
		create view prevention_records as
			select id, tenant_id, policy_id, outcome, created_at from app_store.app_prevention_records;
		create view incidents as
			select id, tenant_id, title, severity, status, created_at, 1 as source_run_id
			from app_store.app_incidents;
		CHECK\n");
	is_deeply(not_ok($damaged),
		{ 'column.prevention_records.run_id' => 'missing', 'column.incidents.source_run_id' => 'wrong_type' },
		'views: a column missing and one of the wrong type are found');
	is_deeply([ grep { $_->{remedy} ne '' } values %$damaged ], [], 'views: without a remedy');
}

#
# Sealing: what was enabled, damaged singly, in a transaction that is rolled back.  A damage that
# makes the state as a whole not what runlink made is told there, too.
#
recreate('damaged', 'good');
{
	my $never = check('damaged', $plain);
	is_deeply([ grep { /^sealing/ } keys %$never ], ['sealing.state'], 'sealing, never enabled: one row');
	is(join(' ', map { $never->{'sealing.state'}{$_} } qw(level status remedy)), 'info missing ',
		'sealing, never enabled: it is for the administrator to decide');
	is($never->{'table.aos_traces_archive'}{status}, 'ok', 'the archive of traces is looked at');
}
$node->safe_psql('damaged', q{
	select runlink_enable_sealing();
	create function other() returns trigger language plpgsql as 'begin return null; end';
});
my $sealing = check('damaged', $plain);
my $sealing_dump = schema_dump('damaged');
is_deeply(not_ok($sealing), {}, 'sealing, enabled: everything is ok');

sub sealing_damages
{
	my ($row) = @_;
	my $id = $row->{check_id};

	if ($id eq 'sealing.state')
	{
		my $extra = 'alter table runlink.leaf add column extra integer';
		return ([ 'another column', $extra, { $id => 'not_valid' }, 0 ],
			[ 'a rule', 'create rule r as on insert to runlink.seal do also nothing', { $id => 'not_valid' }, 0 ],
			[ 'a table dropped', 'drop table runlink.encoding', { $id => 'not_valid' }, 0 ],
			[ 'unlogged', 'alter table runlink.leaf set unlogged', { $id => 'not_valid' }, 0 ]);
	}
	if ($id eq 'sealing.owner')
	{
		return ([ 'members', "grant runlink_owner to $reader; create role runlink_test_member in role runlink_owner",
				{ $id => 'not_valid' }, 1 ],
			(map { [ $_, "alter role runlink_owner $_", { $id => 'not_valid' }, 1 ] }
				qw(login createrole createdb replication bypassrls)),
			[ 'superuser', 'alter role runlink_owner superuser', { $id => 'not_valid', 'sealing.state' => 'not_valid' }, 1 ],
			[ 'renamed', 'alter role runlink_owner rename to other', { $id => 'missing', 'sealing.state' => 'not_valid' }, 0 ]);
	}
	if ($id =~ /^sealing\.(guard|record_)/)
	{
		my ($trigger, $table) = $row->{object} =~ /^(\w+) on ([\w.]+)$/ or BAIL_OUT("cannot read $row->{object}");
		my %state = $id =~ /guard/ ? ('sealing.state' => 'not_valid') : ();
		my $anew = "drop trigger $trigger on $table; create trigger $trigger";
		return ([ 'dropped', "drop trigger $trigger on $table", { $id => 'missing' }, 1 ],
			[ 'disabled', "alter table $table disable trigger $trigger", { $id => 'disabled' }, 1 ],
			[ 'on replicas alone', "alter table $table enable replica trigger $trigger", { $id => 'disabled' }, 1 ],
			[ 'of another function', "$anew after insert on $table execute function other()", { $id => 'not_valid', %state }, 1 ],
			[ 'at another time', "$anew after insert on $table execute function "
				. ($id =~ /guard/ ? 'runlink_guard_state()' : "$trigger()"), { $id => 'not_valid' }, 1 ],
			[ 'with a condition', $id =~ /guard/
				? "$anew before update or delete or truncate on $table when (false) execute function runlink_guard_state()"
				: "$anew after insert" . ($id =~ /step/ ? '' : ' or update') . " on $table for each row"
				  . " when (new.trace_id is null) execute function $trigger()", { $id => 'not_valid' }, 1 ]);
	}
	BAIL_OUT("no damage is known to this test for the check $id");
}

my @sealing_damages = map { my $id = $_; map { [ $id, @$_ ] } sealing_damages($sealing->{$id}) }
  grep { /^sealing/ } sort keys %$sealing;
@found = run_cases('damaged', $plain, map {
	"begin;\n$_->[2];\nCHECK\n"
	  # enabling returns void, which prints as an empty line
	  . ($_->[4] ? "\\o /dev/null\n" . remedies_of($plain, 'recommended') . "\\o\nCHECK\n" : '')
	  . "rollback;\n"
} @sealing_damages);
foreach my $damage (@sealing_damages)
{
	my ($id, $name, $sql, $expected, $mendable) = @$damage;
	my ($errors, $damaged, $mended) = @{ shift @found };

	is_deeply(not_ok($damaged), $expected, "$id, $name: the check finds it and nothing else");
	is($errors, '', "$id, $name: no error");
	if ($mendable)
	{
		isnt($damaged->{$id}{remedy}, '', "$id, $name: there is a remedy");
		is_deeply(not_ok($mended), {}, "$id, $name: the remedy mends it");
	}
	else
	{
		is($damaged->{'sealing.state'}{remedy}, '', "$id, $name: no remedy brings a state back");
		like($damaged->{'sealing.state'}{why}, qr/backup.*rename/, "$id, $name: and why");
	}
}
{
	my (undef, $damaged) = run_checks('damaged', $plain, q{
		begin;
		drop trigger aos_traces_reject_update on aos_traces;
		drop trigger aos_trace_steps_reject_update on aos_trace_steps;
		CHECK
		rollback});
	is_deeply(not_ok($damaged), { map { $_ => 'missing' } qw(trigger.aos_traces.update trigger.aos_trace_steps.update) },
		'sealing does not stand in for a guard of the application that is gone');
}
cmp_ok(scalar(@sealing_damages), '>=', 48, scalar(@sealing_damages) . ' damages of sealing');
same_lines(schema_dump('damaged'), $sealing_dump, 'sealing: pg_dump -s equals the undamaged one');

done_testing();
