# The report's three formats say the same, whatever people, agents and names of objects hold, and in none of
# them is a value anything but text. test/report/formats.py reads them.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fixture = "$FindBin::RealBin/../fixture";

my $node = PostgreSQL::Test::Cluster->new('report');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;
$node->safe_psql('postgres', qq{
	set client_min_messages = warning;
	create extension runlink;
	\\i $fixture/schema.sql
	select runlink_enable_sealing();
	\\i $fixture/example.sql
	\\i $fixture/hostile.sql
});

sub write_reports
{
	my ($directory, @names) = @_;

	foreach my $name (@names)
	{
		# In one statement, so that they are of one moment.
		my $row = $node->safe_psql('postgres', qq{
			select array_to_string(array[runlink_report(run_id, tenant_id), runlink_report(run_id, tenant_id, 'html'),
				runlink_report(run_id, tenant_id, 'json')], E'\\n<<<>>>\\n') from report_case where name = '$name'});
		my ($markdown, $html, $json) = split /\n<<<>>>\n/, $row;
		append_to_file("$directory/$name.md", $markdown);
		append_to_file("$directory/$name.html", $html);
		append_to_file("$directory/$name.json", $json);
	}
}

my @names = split /\n/, $node->safe_psql('postgres', 'select name from report_case order by name');
my $directory = PostgreSQL::Test::Utils::tempdir;
write_reports($directory, @names);
my ($stdout, $stderr);
run_log([ 'python3', '-B', "$FindBin::RealBin/../report/formats.py", $directory ], '>', \$stdout, '2>', \$stderr);
is($stderr, '', 'the formats are read');
is($stdout, scalar(@names) . " reports, 0 complaints\n", 'and say the same, as text');

# The check itself finds what it is for.
my $broken = PostgreSQL::Test::Utils::tempdir;
foreach my $suffix (qw(md html json))
{
	my $text = slurp_file("$directory/hostile-script.$suffix");
	$text =~ s/&lt;script&gt;/<script>/ if $suffix eq 'html';
	$text =~ s/&lt;/</ if $suffix eq 'md';
	append_to_file("$broken/script.$suffix", $text);
}
run_log([ 'python3', '-B', "$FindBin::RealBin/../report/formats.py", $broken ], '>', \$stdout, '2>', \$stderr);
like($stdout, qr/element script/, 'a value that is an element would be found');
like($stdout, qr/Markdown: markup/, 'and one that is markup');

# The timeline of a long run: few marks, though every step is in one, and the pauses after it are shortened.
my ($rects, $in_lane, $drawn, $pauses) = split /\|/, $node->safe_psql('postgres', q{
	select regexp_count(r, '<rect class="mark lane0'), substring(r from 'Steps \((\d+)\)'),
		(select sum(coalesce((regexp_match(m[1], ': (\d+) together'))[1], '1')::int)
			from regexp_matches(r, '<g><title>([^<]*)</title><rect class="mark lane0', 'g') as m),
		regexp_count(r, '<title>pause of 1\d\d d')
	from runlink_report('run-long', null, 'html') as r});
cmp_ok($rects, '<', 300, 'the timeline of 20000 steps has few marks');
is("$in_lane, $drawn", '20000, 20000', 'in which every step is');
is($pauses, 2, 'and shortens the months until what came later');
is($node->safe_psql('postgres', q{select substring(runlink_report('run-many', null, 'html') from 'not drawn: (\d+)')}), 2,
	'what has no time is not drawn, and told');
$node->safe_psql('postgres', q{
	insert into runs (id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id, created_at)
		values ('run-instant', 'x', 'see http://a.example or www.b.example', 'queued', 0, 0, 0, 'x', '2026-03-01');
	insert into incidents (id, tenant_id, source_run_id, title, severity, status, trigger_type, started_at, created_at)
		values ('instant', 't', 'run-instant', 'x', 'x', 'x', 'x', '2026-03-01', '2026-03-01')});
is($node->safe_psql('postgres', q{select (regexp_matches(runlink_report('run-instant', null, 'html'),
	'<text class="soft" x="([\d.]+)" y="\d+">2026-03-01'))[1]}), '120.0', 'the time of a single instant stands below its mark');
like($node->safe_psql('postgres', q{select runlink_report('run-instant')}), qr{see http\\://a\.example or www\\\.b\.example},
	'an address is no link in Markdown');

done_testing();
