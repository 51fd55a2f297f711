# Leaves and seals are, byte for byte, what doc/format.md says: those of rows with every covered
# type and hostile values are compared with those that test/verifier makes of the same rows.
use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tests = "$FindBin::RealBin/..";

my $node = PostgreSQL::Test::Cluster->new('leaves');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nautovacuum = off\nfsync = off");
$node->start;

# Columns that every step needs, and values that do not matter here.
my $needed = 'skill_id, skill_name, params, status, outcome_category, cost_cents, duration_ms, '
  . 'retry_count, replay_behavior';
my $values = q{'s', 's', '{}', 'success', 'SUCCESS', 0, 0, 0, 'execute'};

sub insert_trace
{
	my ($trace) = @_;
	return 'insert into aos_traces (trace_id, run_id, correlation_id, tenant_id, root_hash, '
	  . 'schema_version, plan, trace, status) '
	  . "values ('$trace', 'run-$trace', 'c', 'tenant \"é\"', 'pending', '1.0', '{}', '{}', 'running');\n";
}

# A step with further columns, given as column => SQL expression.
sub insert_step
{
	my ($trace, $step_index, %more) = @_;
	my @columns = sort keys %more;
	return "insert into aos_trace_steps (trace_id, step_index, $needed"
	  . join('', map { ", $_" } @columns)
	  . ") values ('$trace', $step_index, $values"
	  . join('', map { ", $more{$_}" } @columns) . ");\n";
}

# Runs a script that must not raise an error; returns its warnings.
sub run_script
{
	my ($database, $script) = @_;
	my $stderr = '';

	$node->psql($database, $script, stderr => \$stderr, on_error_die => 1);
	return join("\n", grep { /^(psql:.*)?WARNING/ } split /\n/, $stderr);
}

# What test/verifier/check.py says of the leaves and seals of a database; of some traces only, if
# that is enough.
sub check
{
	my ($database, @options) = @_;
	my $of = ref $options[0] ? 'where trace_id in (' . join(', ',
		map { "'$_'" } @{ shift @options }) . ')' : '';
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my ($out, $err);
	my %tables = (step => 'aos_trace_steps', map { $_ => "runlink.$_" } qw(encoding leaf seal));

	run_script($database, join("\n", q{
		set timezone = 'UTC'; set datestyle = 'ISO';
		set extra_float_digits = 1; set bytea_output = 'hex';
	}, map { "\\copy (select * from $tables{$_} " . ($_ ne 'encoding' && $of)
		. ") to '$directory/$_.tsv' with (header)" } sort keys %tables));
	IPC::Run::run([ 'python3', '-B', "$tests/verifier/check.py", $directory, @options ], '>', \$out,
		'2>', \$err)
	  or BAIL_OUT("check.py: $err");
	chomp $out;
	return $out;
}

# The last line of what check.py says, and what differs.
sub findings
{
	my ($database, @options) = @_;
	my @lines = split /\n/, check($database, @options);
	my $counts = pop @lines;

	return ($counts, join("\n", grep { !/\t[0-9a-f]{64}$/ } @lines),
		grep { /\t[0-9a-f]{64}$/ } @lines);
}

#
# Every type, and values at its edges: one a step, beside NULLs.
#
my @covered = (
	[ 'c_text', 'text', q{''}, q{'plain'}, q{e'\\x01\\b\\t\\n\\f\\r\\x1f"\\\\/\\x7f'},
		q{'äß€🚀' || chr(65535) || chr(57344) || chr(8232)},
		q{repeat('ab"', 1500)}, q{repeat('x', 7) || '"'}, q{repeat('x', 8) || chr(1)},
			q{' trailing  '} ],
	[ 'c_varchar', 'varchar(40)', q{''}, q{'null'}, q{e'NU\\\\u0000L'} ],
	[ 'c_char', 'char(12)', q{''}, q{'a'}, q{' a  b '}, q{'é🚀'}, q{e'\\t'}, q{'twelve chars'} ],
	[ 'c_char1', 'char', q{'x'}, q{' '} ],
	[ 'c_name', 'name', q{''}, q{'name'}, q{repeat('ä', 31)}, q{'q"q'} ],
	[ 'c_smallint', 'smallint', '0', '-32768', '32767' ],
	[ 'c_integer', 'integer', '0', '-2147483648', '2147483647' ],
	[ 'c_bigint', 'bigint', '0', q{'-9223372036854775808'}, '9223372036854775807',
		'9007199254740993' ],
	[ 'c_numeric', 'numeric', '0', '0.00', '-0.0', '1.0', '1.00', '100', '1e10', '0.1',
		'-0.000000000000000000001200', q{'NaN'},
		q{'Infinity'}, q{'-Infinity'}, '123456789012345678901234567890.0987654321', '1e1000',
			'1e-1000', '9999.99990' ],
	[ 'c_numeric_scaled', 'numeric(20,6)', '0', '1', '1.5', '-12345678901234.567891' ],
	[ 'c_real', 'real', '0', q{'-0'}, q{'NaN'}, q{'Infinity'}, q{'-Infinity'}, '0.1', '16777216',
		'16777217', '3.4028235e38',
		'1e-45', '1.1754944e-38', '1e21', '1e20', '1e-6', '1e-7', '8.5e7', '33554432' ],
	[ 'c_double', 'double precision', '0', q{'-0'}, q{'NaN'}, q{'Infinity'}, q{'-Infinity'}, '0.1',
		'5e-324', '-5e-324', '4.5e-324', '1e21', '1e20',
		'123456789012345680000', '1e-6', '1e-7', '1e23', '1.7976931348623157e308',
			'2.2250738585072014e-308', '2.225073858507201e-308',
		'9007199254740993', '333333333.33333329', '1e22', '0.000001234', '100', '1e2' ],
	[ 'c_boolean', 'boolean', 'true', 'false' ],
	[ 'c_timestamptz', 'timestamptz', q{'infinity'}, q{'-infinity'},
		q{'2026-01-15 09:30:00.5+05:30'}, q{'1999-12-31 23:59:59.999999+00'},
		q{'4714-11-24 00:00:00+00 BC'}, q{'0001-12-31 23:59:59.000001+00 BC'},
			q{'0001-01-01 00:00:00+00'}, q{'0044-03-15 12:00:00+00 BC'},
		q{'10000-01-01 00:00:00+00'}, q{'294276-12-31 23:59:59.999999+00'},
			q{'2000-02-29 00:00:00+00'}, q{'1969-12-31 23:59:59.000001+00'},
		q{'0004-02-29 00:00:00+00'}, q{'0005-02-29 00:00:00+00 BC'} ],
	[ 'c_timestamp', 'timestamp', q{'infinity'}, q{'-infinity'}, q{'2026-01-15 09:30:00'},
		q{'0100-03-01 00:00:00.1 BC'}, q{'12345-06-07 08:09:10.000011'},
		q{'4714-11-24 00:00:00 BC'}, q{'294276-12-31 23:59:59.999999'} ],
	[ 'c_timestamp0', 'timestamptz(0)', q{'2026-01-15 09:30:00.6+00'} ],
	[ 'c_date', 'date', q{'infinity'}, q{'-infinity'}, q{'2000-01-01'}, q{'1999-12-31'},
		q{'4714-11-24 BC'}, q{'0001-12-31 BC'}, q{'0001-01-01'},
		q{'5874897-12-31'}, q{'9999-12-31'}, q{'10000-01-01'}, q{'1900-02-28'}, q{'1900-03-01'},
			q{'2400-02-29'} ],
	[ 'c_uuid', 'uuid', q{'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'},
		q{'00000000-0000-0000-0000-000000000000'} ],
	[ 'c_bytea', 'bytea', q{''}, q{'\\x00ff10'}, q{decode(repeat('00ff', 3000), 'hex')} ],
	[ 'c_domain', 'a_domain', '7', '-7' ],
	[ '"Näme ""\\ {}"', 'text', q{'in a column of a hostile name'} ],
	[ 'c_json', 'json', q{'null'}, q{' { "b" : 1.50, "a" : [ ], "b" : 2 } '}, q{'"\\u00e4\\/"'},
		q{'[1e2, 1E+2, -0, -0.0]'} ],
	[ 'c_jsonb', 'jsonb', q{'null'}, q{'{"b": 1.50, "a": [], "b": 2}'}, q{'[]'} ]);

my $covered = join(', ', map { "add $_->[0] $_->[1]" } @covered);
run_script('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $tests/fixture/schema.sql
	create domain a_domain as bigint check (value <> 0);
	alter table aos_trace_steps add dropped integer, $covered,
		add "from" text, add spelled text, add published text, add published_double text,
		add made integer generated always as (step_index / 2) stored;
	alter table aos_trace_steps drop dropped;
	select runlink_enable_sealing();
});

my $script = insert_trace('types');
my $steps = 0;
foreach my $column (@covered)
{
	my ($name, undef, @values) = @$column;
	$script .= insert_step('types', $steps++, $name => $_) foreach @values;
}
is(run_script('postgres', $script), '', "a step for each of $steps values of " . scalar(@covered)
	. ' columns');
my ($counts, $differences) = findings('postgres');
is($differences, '', 'their leaves are those of the verifier');
is($counts, "$steps steps, $steps leaves, 0 seals", 'a leaf each');

#
# jsonb.  Each group is one value in several spellings, each also as json.  What JSON is written as
# is compared too, from the text that was inserted.
#
my @groups = (
	[ '1', '1.0', '1.00', '1e0', '10e-1', '0.1e1', '1E+0', ' 1 ' ],
	[ '0', '-0', '0.0', '-0.00', '0e5', '-0e-9' ],
	[ '100', '1e2', '1.00E2', '10000e-2' ],
	[ '0.1', '0.10', '1e-1', '100e-3' ],
	[ '1e400', '10e399', '0.1e401' ],
	[ '123456789012345678901234567890', '123456789012345678901234567890.0',
		'1.2345678901234567890123456789e29' ],
	[ '123456789012345678901234567891' ], [ '123456789012345680000000000000' ],
	[ '1e21', '1000000000000000000000' ], [ '1e20' ], [ '999999999999999999999' ], [ '1e-7',
		'0.0000001' ], [ '0.000001', '1e-6' ],
	[ '4.5e-324' ], [ '5e-324' ], [ '-5e-324' ], [ '1e-400' ], [ '9007199254740992' ],
		[ '9007199254740993' ], [ '9007199254740994' ],
	[ '333333333.33333329' ], [ '333333333.3333333' ], [ '1e23', '100000000000000000000000' ],
		[ '0.1000000000000000055511151231257827' ],
	[ '9999' ], [ '10000' ], [ '99999999' ], [ '100000000' ], [ '-1234567890123456' ],
		[ '12345678901234567' ], [ '1.5' ], [ '-0.0001' ], [ '0.00012300' ],
	[ '10000.0001' ], [ '1.7976931348623157e308' ], [ '1.8e308' ], [ '2.2250738585072014e-308' ],
		[ '1e-323' ],
	[ 'null' ], [ 'true' ], [ 'false' ], [ '"null"' ], [ '""' ], [ '[]', ' [ ] ' ], [ '{}', '{ }' ],
		[ '[null]' ], [ '[[]]' ], [ '[{}]' ], [ '{"":{}}' ],
	[ '"1"' ], [ '[1,2]', "[\t1,\r\n2 ]" ], [ '[2,1]' ], [ '[[1],2]' ], [ '{"a":null}' ],
	[ '{"a":1,"b":2}', '{"b":2,"a":1}', '{"a":3,"b":2,"a":1}', "{ \"b\" : 2.0 ,\n\"a\" : 1.00 }",
		'{"\u0061":1,"\u0062":2}' ],
	[ '{"b":1,"aa":2,"a":3,"":4}', '{"":4,"a":3,"aa":2,"b":1}' ],
	# Beyond the BMP: by UTF-16, U+10000 and all above it come before U+E000.
	[ '{"\ue000":1,"\ud800\udc00":2,"\uffff":3,"\udbff\udfff":4,"\ud7ff":5,"":6}',
		"{\"\x{f0}\x{90}\x{80}\x{80}\":2,"
		  . "\"\x{ee}\x{80}\x{80}\":1,\"\x{ef}\x{bf}\x{bf}\":3,"
		  . "\"\x{f4}\x{8f}\x{bf}\x{bf}\":4,\"\x{ed}\x{9f}\x{bf}\":5,\"\":6}" ],
	[ '{"a\ufb33":1,"a\ud83d\ude00":2,"a\ud83d\ude00\ue000":3,"a\ud83d\ude00\ud83d\ude00":4,"a":5}' ],
	[ '"\b\t\n\f\r\"\\\\/\u0001\u001f\u007f\u0080\u2028\u2029"',
		'"\u0008\u0009\u000A\u000c\u000d\u0022\u005c\/\u0001\u001F' . "\x{7f}\x{c2}\x{80}"
		. '\u2028\u2029"' ],
	[ '"aaaaaaa\u0001bbbbbbbb\"cccccccccc\\\\"' ],
	[ '"\ud83d\ude80"', "\"\x{f0}\x{9f}\x{9a}\x{80}\"", '"\uD83D\uDE80"' ],
	[ '[' x 5000 . ']' x 5000 ], [ '{"a":' x 2000 . '1' . '}' x 2000 ],
	[ '{' . join(',', map { '"k' . ($_ * 7919 % 101) . '":' . $_ } 0 .. 44) . '}', '{' . join(',',
		map { '"k' . ($_ * 7919 % 101) . '":' . $_ } reverse 0 .. 44) . '}' ],
	[ '[' . join(',', 1 .. 300) . ']' ], [ '[' . join(',', map { '"' . 'x' x ($_ % 11) . '",' . $_
		. '.5' } 1 .. 300) . ']' ]);

my @spellings;
foreach my $group (0 .. $#groups)
{
	push @spellings, [ "group $group", $_ ] foreach @{ $groups[$group] };
}

my $documents = 400;
my ($generated, $err);
IPC::Run::run([ 'python3', '-B', "$tests/verifier/documents.py", $documents, 1 ], '>', \$generated,
	'2>', \$err)
  or BAIL_OUT("documents.py: $err");
push @spellings, map { [ 'random', $_ ] } split /\n/, $generated;

$script = "set standard_conforming_strings = on;\n" . insert_trace('json');
foreach my $i (0 .. $#spellings)
{
	my $json = "\$json\$$spellings[$i][1]\$json\$";
	$script .= insert_step('json', $i, 'c_jsonb' => $json, 'c_json' => $json, spelled => $json,
		'"from"' => "'$spellings[$i][0]'");
}
# SQL NULL, and what is too long to spell twice: compressed, in TOAST, larger than the kept buffer.
my @large = (q{null}, q{to_jsonb(repeat('aß"', 1500))}, q{to_jsonb(repeat('x', 3000000) || chr(1))},
	q{(select jsonb_object_agg(md5(i::text), repeat(chr(i), 40)) from generate_series(1, 3000) as i)},
	q{(select jsonb_agg(md5(i::text)) from generate_series(1, 40000) as i)},
	q{(select jsonb_agg(sqrt(i)) from generate_series(1, 3000) as i)});
$script .= insert_step('json', @spellings + $_, c_jsonb => $large[$_],
	c_json => "($large[$_])::json") foreach 0 .. $#large;
is(run_script('postgres', $script), '', @groups
	. " groups of equal jsonb values, $documents random documents, " . scalar(@large)
	. ' large ones');
$steps = @spellings + @large;

my @payloads;
($counts, $differences, @payloads) = findings('postgres', ['json'], '--spelled', 'c_jsonb=spelled',
	'--spelled', 'c_json=spelled', '--payloads');
is($differences, '',
	'their leaves are those of the verifier, from the value and from its spelling');
is($counts, "$steps steps, $steps leaves, 0 seals", 'a leaf each');

# With the salt held fixed: one digest a group, another for each group.
{
	my (%digests, %groups);

	foreach my $payload (@payloads)
	{
		my ($trace, $step_index, $digest) = split /\t/, $payload;

		next if $step_index >= @spellings || $spellings[$step_index][0] eq 'random';
		$digests{ $spellings[$step_index][0] }{$digest} = 1;
		$groups{$digest}{ $spellings[$step_index][0] } = 1;
	}
	is(scalar(keys %digests), scalar(@groups), 'a digest for each group of spellings');
	is(join(' ', grep { keys %{ $digests{$_} } != 1 } sort keys %digests), '',
		'equal values have one payload digest');
	is(join(' ', map { join(' = ', sort keys %$_) } grep { keys %$_ != 1 } values %groups), '',
		'distinct values have two');
}

#
# Published vectors: RFC 8785, sections 3.2.2 to 3.2.4 and appendix B.  333333333.33333329 of the
# first has more digits than a binary64 and would keep them: it is given as that binary64.
#
my @published = (
	[ '{"numbers":[333333333.3333333,1E30,4.50,2e-3,0.000000000000000000000000001],'
		  . '"string":"\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\\\\"\/","literals":[null,true,false]}',
		'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
		  . "\"string\":\"\x{e2}\x{82}\x{ac}\$" . '\u000f\nA\'B\"\\\\\\\\\"/"}' ],
	[ '{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",'
		  . '"1":"One",'
		  . '"\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",'
		  . '"\u00f6":"Latin Small Letter O With Diaeresis"}',
		'{"\r":"Carriage Return","1":"One",'
			. "\"\x{c2}\x{80}\":\"Control\",\"\x{c3}\x{b6}\":\"Latin Small Letter O With Diaeresis\","
		  . "\"\x{e2}\x{82}\x{ac}\":\"Euro Sign\",\"\x{f0}\x{9f}\x{98}\x{80}\":\"Emoji: Grinning Face\","
		  . "\"\x{ef}\x{ac}\x{b3}\":\"Hebrew Letter Dalet With Dagesh\"}" ]);
my @published_doubles = map { [ split ] } split /\n/, <<'NUMBERS';
0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2
NUMBERS

$script = insert_trace('published');
my $step_index = 0;
foreach my $vector (@published)
{
	$script .= insert_step('published', $step_index++, c_jsonb => "\$json\$$vector->[0]\$json\$",
		published => "\$json\$$vector->[1]\$json\$");
}
foreach my $vector (@published_doubles)
{
	my ($bits, $form) = @$vector;
	my $decimal = sprintf('%.17g', unpack 'd>', pack 'H16', $bits);

	$script .= insert_step('published', $step_index++, c_double => "'$decimal'",
		published_double => "'$form'",
		c_jsonb => "'$form'", published => "'$form'");
}
is(run_script('postgres', $script), '', "$step_index vectors of RFC 8785");
($counts, $differences) = findings('postgres', ['published'], '--published', 'c_jsonb=published',
	'--published', 'c_double=published_double');
is($differences, '', 'their leaves are those made from the published forms');
is($counts, "$step_index steps, $step_index leaves, 0 seals", 'a leaf each');

#
# What a leaf covers: every column but archived_at and generated ones.
#
my @columns = split /\n/, $node->safe_psql('postgres', q{
	select quote_ident(attname), format_type(atttypid, null) from pg_attribute
	where attrelid = 'aos_trace_steps'::regclass and attnum > 0 and not attisdropped and attgenerated = ''
	order by attnum});
my %changed = (
	'uuid' => 'gen_random_uuid()', 'boolean' => 'not coalesce(X, false)',
		'bytea' => q{coalesce(X, '') || '\\x00'}, 'json' => q{'{"changed": 1}'},
	'jsonb' => q{coalesce(X, '{}') || '{"changed": 1}'}, 'date' => q{'2026-01-02'},
		'timestamp with time zone' => q{coalesce(X, now()) + '1 microsecond'},
	'timestamp without time zone' => q{coalesce(X, now()) + '1 microsecond'},
	map({ $_ => q{coalesce(X::text, '') || 'x'} } 'text', 'character varying', 'character', 'name'),
	map({ $_ => 'coalesce(X, 0) + 1' } 'smallint', 'integer', 'bigint', 'numeric', 'real',
		'double precision', 'a_domain'));
my ($altered, @expected) = ('');
$script = insert_trace('changed') . insert_trace('mixed');
foreach my $i (0 .. $#columns)
{
	my ($name, $type) = split /\|/, $columns[$i];
	my $value = $changed{$type} // BAIL_OUT("no change for $type");

	$value =~ s/X/$name/g;
	$value = "'mixed'" if $name eq 'trace_id';
	$value = '1000' if $name eq 'step_index';
	$script .= insert_step('changed', $i);
	$altered .= "update aos_trace_steps set $name = $value\n"
	  . "where trace_id = 'changed' and step_index = $i;\n";
	push @expected, $name eq 'archived_at' ? () : $name eq 'trace_id' || $name eq 'step_index'
	  ? "changed\t$i\thas no row, no encoding or no salt" : "changed\t$i\tdiffers";
}
run_script('postgres', $script);
($counts, $differences) = findings('postgres', ['changed']);
is($differences, '', scalar(@columns) . ' more steps');
run_script('postgres',
	"begin; set session_replication_role = replica;\n"
	  . "create table kept as select * from aos_trace_steps where trace_id = 'changed';\n"
	  . "$altered commit");
($counts, $differences) = findings('postgres', ['changed']);
is($differences, join("\n", @expected), 'a change of any column but archived_at is another leaf');
is(scalar(@expected), @columns - 1, 'and of ' . @expected . ' columns');
my $columns = join(', ', map { (split /\|/)[0] } @columns);
run_script('postgres', qq{
	begin;
	set session_replication_role = replica;
	delete from aos_trace_steps where trace_id in ('changed', 'mixed');
	insert into aos_trace_steps ($columns) select $columns from kept;
	commit;
});
($counts, $differences) = findings('postgres', ['changed']);
is($differences, '', 'and changed back, the leaf again');

#
# Seals: of traces with and without steps, two encodings, late, negative and not recorded steps.
#
run_script('postgres', insert_trace('empty')
	  . join('', map { insert_step('mixed', $_) } 5, 3, -2147483648, 2147483647, 4, -1)
	  . "alter table aos_trace_steps add later text;\n"
	  . join('', map { insert_step('mixed', $_, later => "'l'") } 6, 0, 100)
	  . "update aos_traces set status = 'completed' where trace_id <> 'types';\n"
	  . join('', map { insert_step('mixed', $_, later => 'null') } 50, 7)
	  . "set session_replication_role = replica;\n" . insert_step('mixed', 60)
		. insert_step('mixed', 61)
	  . "set session_replication_role = origin;\n"
	  . "select count(*) from runlink_seal_pending();\n");
($counts, $differences) = findings('postgres');
is($differences, '',
	'sealed: leaves, chain heads, roots and hashes of earlier seals are those of the verifier');
is($counts =~ s/^(\d+) steps, \1 leaves, .*/same/r, 'same',
	"and every step has its leaf still: $counts");
is($node->safe_psql('postgres',
	q{
	select seal_no, step_count, backfilled, final, encoding is null, steps from runlink.seal
	where trace_id in ('mixed', 'empty') order by trace_id, seal_no}), <<'SEALS' =~ s/\n$//r,
0|0|0|t|t|{}
0|6|0|f|f|{[-2147483648,-2147483647),[-1,0),[3,6),[2147483647,2147483648)}
1|9|0|t|f|{[0,1),[6,7),[100,101)}
2|11|0|f|f|{[7,8),[50,51)}
3|13|2|t|f|{[60,62)}
SEALS
	'an empty trace, two encodings, late and not recorded steps: the seals');
is($node->safe_psql('postgres', q{select count(*) from runlink.leaf where trace_id <> 'types'}),
	'0', 'and take their leaves in');

# What the verifier says of damage: it can fail.
foreach my $damage (
	[ 'prev', q{update runlink.seal set prev = sha256('') where trace_id = 'mixed' and seal_no = 2},
		qr/^mixed\tseal 2\tprev is .*$/m ],
	[ 'the hash in prev',
		q{update runlink.seal set trace_status = 'failed' where trace_id = 'mixed' and seal_no = 1},
		qr/^mixed\tseal 2\tprev is .*$/m ],
	[ 'chain_head', q{update runlink.seal set chain_head = sha256('') where trace_id = 'empty'},
		qr/^empty\tseal 0\tchain_head is .*$/m ],
	[ 'merkle_root', q{update runlink.seal set merkle_root = sha256('x') where trace_id = 'empty'},
		qr/^empty\tseal 0\tmerkle_root is .*$/m ],
	[ 'step_count', q{update runlink.seal set step_count = 1 where trace_id = 'empty'},
		qr/^empty\tseal 0\tstep_count is .*$/m ],
	[ 'leaves',
		q{update runlink.seal set leaves = set_byte(leaves, 48, get_byte(leaves, 48) # 1)
			where trace_id = 'mixed' and seal_no = 3},
		qr/^mixed\t61\tdiffers$/m ],
	[ 'tenant_id', q{update runlink.seal set tenant_id = 'other' where trace_id = 'empty'},
		qr/^empty\tseal 0\tchain_head is .*$/m ])
{
	my ($name, $sql, $found) = @$damage;

	run_script('postgres',
		"set session_replication_role = replica;\n"
		  . "create table kept_seal as select * from runlink.seal;\n$sql");
	like((findings('postgres', [ 'mixed', 'empty' ]))[1], $found, "damage in $name is found");
	run_script('postgres',
		q{
			set session_replication_role = replica;
			truncate runlink.seal;
			insert into runlink.seal select * from kept_seal;
			drop table kept_seal;
		});
}

#
# The vectors of doc/format.md, and numbers: tables with no more than the columns that these need.
#
$node->safe_psql('postgres', 'create database few');
run_script('few', q{
	create extension runlink;
	create table aos_traces (trace_id varchar(64) primary key, run_id varchar(64),
		tenant_id varchar(64), status varchar(32));
	create table aos_trace_steps (trace_id varchar(64), step_index integer, skill_name varchar(128),
		status varchar(32),
		params jsonb, archived_at timestamptz, primary key (trace_id, step_index));
	select runlink_enable_sealing();
	insert into aos_traces values ('trace-1', 'run-1', 'tenant-1', 'running'), ('trace-2', 'run-1',
		'tenant-1', 'running');
	insert into aos_trace_steps values
		('trace-1', 0, 'http_call', 'success',
			'{"url": "https://example.org/\u20ac", "retries": 2.50}'),
		('trace-1', 1, 'say "hi"', null, 'null');
	update aos_traces set status = 'completed';
});
my $vectors;
IPC::Run::run([ 'python3', '-B', "$tests/verifier/vectors.py" ], '>', \$vectors, '2>',
	\$err) or BAIL_OUT("vectors.py: $err");
my $page = slurp_file("$tests/../doc/format.md");
my %vectors = map { split /\t/, $_, 2 } split /\n/, $vectors;
is(join(', ', grep { index($page, $vectors{$_}) < 0 } sort keys %vectors), '', scalar(keys %vectors)
	. ' vectors stand in doc/format.md as the verifier makes them');
is($node->safe_psql('few', q{select encoding from runlink.encoding}), $vectors{encoding},
	'... the encoding as it is kept');
is($node->safe_psql('few', q{select encode(id, 'hex') from runlink.encoding}),
	$vectors{'encoding id'}, '... its id');
is($node->safe_psql('few',
	q{select distinct encoding from runlink.seal where encoding is not null}),
	$vectors{'encoding key'}, '... and its key');
($counts, $differences) = findings('few');
is("$counts$differences", '2 steps, 2 leaves, 2 seals',
	'... and the same rows have the leaves and seals of the verifier');

# Doubles: random bits, every power of two and its neighbours, whole numbers beyond 2^53, many of
# them halfway between two, decimals of few digits.  A seed makes them the same ones always.
srand(8785);
my @bits = (map({ (int(rand(2**32)) << 32) | int(rand(2**32)) } 1 .. 50_000),
	map({ my $power = $_; map { ($power << 52) + $_ } -1 .. 1 } 1 .. 2046),
	map({ 1 << $_, (1 << $_) - 1, (1 << $_) + 1 } 1 .. 51));
my @numbers = (grep({ !/nan|inf/i } map { sprintf('%.17g', unpack 'd', pack 'Q', $_) } @bits),
	map({ sprintf('%.17g', (int(rand(9999)) + 1) . 'e' . (int(rand(30)) + 12)) } 1 .. 15_000),
	map({ sprintf('%.0f', 2**53 * (1 + rand(2**20))) } 1 .. 10_000),
	map({ (int(rand(10**9)) - 5 * 10**8) . 'e-' . int(rand(12)) } 1 .. 15_000));
my @reals = (map({ unpack 'f', pack 'L', $_ << 23 } 1 .. 254), map({ unpack 'f', pack 'L',
	int(rand(2**32)) } 1 .. 1500),
	map({ 2**24 + int(rand(2**36)) } 1 .. 500));
@reals = map { sprintf('%.9g', $_) } grep { $_ == $_ && abs($_) < 3.4e38 } @reals;

my $file = PostgreSQL::Test::Utils::tempdir . '/numbers';
append_to_file($file, join('', map { "numbers\t$_\t$numbers[$_]\t" . ($reals[$_] // '\\N')
	. "\n" } 0 .. $#numbers));
run_script('few', qq{
	truncate aos_trace_steps;
	alter table aos_trace_steps drop skill_name, drop status, drop params,
		add number double precision, add small real;
	insert into aos_traces values ('numbers', 'run-2', 'tenant-1', 'running');
	\\copy aos_trace_steps (trace_id, step_index, number, small) from '$file'
	update aos_traces set status = 'completed' where trace_id = 'numbers';
	set session_replication_role = replica;
	delete from runlink.seal where trace_id in ('trace-1', 'trace-2');
});
cmp_ok(scalar(@numbers), '>', 90_000, scalar(@numbers) . ' doubles and ' . scalar(@reals)
	. ' reals');
($counts, $differences) = findings('few');
is($differences, '', '... have the form that ECMAScript gives them');
my $seals = int((@numbers + 4095) / 4096);
is($counts, sprintf('%d steps, %1$d leaves, %d seals', scalar(@numbers), $seals),
	"... and a long trace is cut into $seals seals");

done_testing();
