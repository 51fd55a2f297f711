# Packages and step proofs, and what tools/runlink-verify says of them without the database: of good runs
# and of those with every kind of damage; of files that were changed anywhere, cut, or are no such files.
use strict;
use warnings;

use Digest::SHA qw(sha256);
use FindBin;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $verifier = "$root/tools/runlink-verify";
my $directory = PostgreSQL::Test::Utils::tempdir;
my $origin = 'example.org/runlink';

my $node = PostgreSQL::Test::Cluster->new('package');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nautovacuum = off\nfsync = off\nmax_stack_depth = 6MB");
$node->start;

sub run_sql
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', "set client_min_messages = error; $sql");
}

# Puts what a query gives into a file; returns the file's name.
sub save
{
	my ($name, $sql) = @_;
	my $text = run_sql($sql);

	unlink "$directory/$name";
	append_to_file("$directory/$name", "$text\n");
	return "$directory/$name";
}

sub save_text
{
	my ($name, $text) = @_;
	unlink "$directory/$name";
	append_to_file("$directory/$name", $text);
	return "$directory/$name";
}

# What the verifier says: its exit status and its report.
sub verify
{
	my @arguments = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run([ 'python3', '-B', $verifier, @arguments ], '<', \undef, '>', \$stdout, '2>', \$stderr, IPC::Run::timeout(180));
	my $status = $? >> 8;
	is($stderr, '', "nothing on stderr: $arguments[0]") if $stderr ne '';
	return ($status, $stdout);
}

sub verdict_is
{
	my ($what, $wanted_status, $wanted_words, @arguments) = @_;
	my ($status, $report) = verify(@arguments);

	is($status, $wanted_status, "$what: exit status $wanted_status") or diag($report);
	like($report, $wanted_words, "$what: told in words");
	return $report;
}

# ---- keys ----

sub make_key
{
	my ($name, $algorithm) = @_;
	my $pem = "$directory/key" . unpack('H*', $name) . "$algorithm.pem";
	my $public;

	IPC::Run::run([ qw(openssl genpkey -algorithm ed25519 -out), $pem ]) or BAIL_OUT('openssl genpkey');
	IPC::Run::run([ qw(openssl pkey -pubout -outform DER -in), $pem ], '>', \$public) or BAIL_OUT('openssl pkey');
	$public = chr($algorithm) . substr($public, -32);
	my $id = substr(sha256("$name\n$public"), 0, 4);
	return { name => $name, pem => $pem, id => $id, algorithm => $algorithm,
		vkey => "$name+" . unpack('H*', $id) . '+' . encode_base64($public, '') };
}

# The signature line of a checkpoint's text.
sub signature_line
{
	my ($key, $text, $time) = @_;
	my $message = $key->{algorithm} == 4 ? "cosignature/v1\ntime $time\n$text" : $text;
	my $signature;

	IPC::Run::run([ qw(openssl pkeyutl -sign -rawin -inkey), $key->{pem}, '-in', save_text('message', $message) ],
		'>', \$signature) or BAIL_OUT('openssl pkeyutl');
	$signature = pack('Q>', $time) . $signature if $key->{algorithm} == 4;
	return "\xe2\x80\x94 $key->{name} " . encode_base64($key->{id} . $signature, '') . "\n";
}

my $log_key = make_key($origin, 1);
my $witness = make_key('witness.example/w', 4);
my $stranger = make_key('stranger.example', 1);
my @known = ('--key', $log_key->{vkey});

sub checkpoint_and_sign
{
	my $text = run_sql('select runlink_checkpoint()') . "\n";
	$text =~ s/\n+\z/\n/;
	my $note = "$text\n" . signature_line($log_key, $text) . signature_line($witness, $text, 1790000000);

	run_sql("select status from runlink_add_signature(\$note\$$note\$note\$)");
	return $note;
}

# ---- runs ----

my $json = '[' x 3000 . ']' x 3000;
run_sql(qq{
	create extension runlink;
	\\i $root/test/fixture/schema.sql
	\\i $root/test/fixture/defaults.sql
	alter table aos_trace_steps
		add c_char char(12), add c_name name, add c_smallint smallint, add c_bigint bigint, add c_numeric numeric,
		add c_real real, add c_double double precision, add c_tz timestamptz, add c_ts timestamp, add c_date date,
		add c_uuid uuid, add c_bytea bytea, add c_json json;
	create function begin_trace(trace text, run text) returns void language sql as \$\$
		insert into runs (id, tenant_id) values (run, 'tenant "é"') on conflict do nothing;
		insert into aos_traces (trace_id, run_id, tenant_id, status, started_at) values (trace, run, 'tenant "é"', 'running', now()) \$\$;
	create function add_steps(trace text, first integer, last integer) returns void language sql as \$\$
		insert into aos_trace_steps (trace_id, step_index, skill_name, params)
		select trace, i, 'skill ' || i, jsonb_build_object('secret', 'payload-of-' || i) from generate_series(first, last) as i \$\$;
	create function end_trace(ended text) returns void language sql as \$\$
		update aos_traces set status = 'completed' where trace_id = ended \$\$;
	create function whole_run(run text) returns void language sql as \$\$
		select begin_trace(run || '-trace', run); select add_steps(run || '-trace', 0, 2); select end_trace(run || '-trace') \$\$;
});

run_sql(q{select whole_run('old'), whole_run('backfilled')});
run_sql('select runlink_enable_sealing()');
run_sql(q{select count(*) from runlink_seal_pending(null, 'backfilled')});
run_sql(qq{select runlink_create_log('$origin'), name from runlink_add_key('$log_key->{vkey}')});
run_sql(qq{select name from runlink_add_key('$witness->{vkey}')});

# Two traces, one of them in two seals with a hole between.
run_sql(q{select begin_trace('good-a', 'good'), add_steps('good-a', 0, 2), end_trace('good-a')});
run_sql(q{select begin_trace('good-b', 'good'), add_steps('good-b', 0, 1), end_trace('good-b')});
run_sql(q{select add_steps('good-b', 7, 8)});
run_sql(q{select count(*) from runlink_seal_pending(null, 'good')});
run_sql(q{select begin_trace('small-trace', 'small'), add_steps('small-trace', 0, 1), end_trace('small-trace')});

# Every type, every edge.
my @values = (
	[ c_char => q{' a '}, q{'é🚀'} ], [ c_name => q{'q"q'} ], [ c_smallint => -32768 ],
	[ c_bigint => q{'-9223372036854775808'}, '9007199254740993' ],
	[ c_numeric => '1.00', '-0.0', '1e1000', '1e-1000', q{'NaN'}, q{'-Infinity'}, '123456789012345678901234567890.5' ],
	[ c_real => '0.1', q{'-0'}, '1e-45', '16777217', '3.4028235e38', q{'NaN'}, '1e21' ],
	[ c_double => '0.1', '5e-324', '1e23', '1.7976931348623157e308', q{'Infinity'}, '9007199254740993', '1e-7' ],
	[ c_tz => q{'infinity'}, q{'4714-11-24 00:00:00+00 BC'}, q{'294276-12-31 23:59:59.999999+00'} ],
	[ c_ts => q{'-infinity'}, q{'2026-01-15 09:30:00'} ], [ c_date => q{'0044-03-15 BC'}, q{'5874897-12-31'} ],
	[ c_uuid => q{'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'} ], [ c_bytea => q{'\\x00ff'}, q{''} ],
	[ c_json => q{'null'}, q{' { "b" : 1.50, "a" : [ ], "b" : 2 } '}, q{'[1e2, -0.0, 1e400]'} ],
	[ skill_name => q{e'\\x01\\b\\t\\n\\f\\r\\x1f"\\\\/\\x7f'}, q{chr(65535) || chr(57344) || chr(8232) || '🚀'} ],
	[ params => map { "'$_'" } 'null', '1.00', '1e400', '4.5e-324', '-0.0', '1e21', '999999999999999999999', '0.000001', '1e-7',
		'123456789012345678901234567890', '333333333.33333329', '1e-400', '"\\b\\u001f\\u2028\\ud83d\\ude80"',
		'{"\\ue000":1,"\\ud800\\udc00":2,"\\uffff":3,"":4,"aa":5,"b":6}', $json ]);
my $step = 0;
run_sql(q{select begin_trace('types-trace', 'types')});
foreach my $column (@values)
{
	my ($name, @of) = @$column;
	my $params = $name eq 'params' ? '' : ', params';
	my $empty = $name eq 'params' ? '' : q{, '{}'};
	run_sql("insert into aos_trace_steps (trace_id, step_index, $name$params) values ('types-trace', " . $step++ . ", $_$empty)") foreach @of;
}
run_sql(q{select end_trace('types-trace')});

run_sql(qq{select whole_run('$_')}) foreach qw(altered missing inserted reordered archived moved gone erased forged);
run_sql(q{insert into runs (id, tenant_id) values ('empty', 'tenant "é"'); select begin_trace('hollow-trace', 'hollow'), end_trace('hollow-trace')});
run_sql(q{select begin_trace('running-trace', 'running'), add_steps('running-trace', 0, 2)});
run_sql(q{select begin_trace('hashed-trace', 'hashed'), add_steps('hashed-trace', 0, 0)});
run_sql(q{insert into aos_trace_steps (trace_id, step_index, skill_name, params, input_hash) values ('hashed-trace', 1, 's', '{"a": 1}', 'hash of it');
	update aos_traces set status = 'completed' where trace_id = 'hashed-trace'});
my $first_note = checkpoint_and_sign();

run_sql(q{select from runlink_erase('erased-trace', 1, 'asked for by the customer')});
run_sql(q{select from runlink_erase('hashed-trace', 1, 'asked for by the customer')});
run_sql(q{
	set session_replication_role = replica;
	update aos_trace_steps set status = 'failed' where trace_id = 'altered-trace' and step_index = 1;
	delete from aos_trace_steps where trace_id = 'missing-trace' and step_index = 1;
	insert into aos_trace_steps (trace_id, step_index, skill_name) values ('inserted-trace', 3, 's');
	update aos_trace_steps set step_index = 5 - step_index where trace_id = 'reordered-trace' and step_index > 0;
	update aos_trace_steps set step_index = step_index - 2 where trace_id = 'reordered-trace' and step_index > 2;
	with t as (delete from aos_traces where trace_id = 'archived-trace' returning *),
		s as (delete from aos_trace_steps where trace_id = 'archived-trace') insert into aos_traces_archive select * from t;
	update aos_traces set run_id = 'elsewhere' where trace_id = 'moved-trace';
	delete from aos_trace_steps where trace_id = 'gone-trace'; delete from aos_traces where trace_id = 'gone-trace';
	update runlink.seal set step_count = 4 where trace_id = 'forged-trace';
});
run_sql(q{select whole_run('unlogged'), whole_run('unsigned')});

# ---- packages ----

my $evidence = qr/evidence_not_hashed/;
my $accept = '--accept=evidence_not_hashed';
my %package;

sub package_of
{
	my ($run, $payloads) = @_;
	$payloads //= 'true';
	return $package{"$run $payloads"} //= save("$run-$payloads.json", "select runlink_package('$run', $payloads)");
}

foreach my $payloads ('true', 'false')
{
	my $report = verdict_is("good, payloads $payloads", 3, $evidence, package_of('good', $payloads), @known);
	like($report, qr/trace "good-a": 3 steps: .* fixed/, 'the first trace is proved');
	like($report, qr/trace "good-b": 4 steps: .* 2 seals fixed/, 'and the second, by two seals');
	like($report, qr/was signed by "\Q$origin\E"/, 'and who signed it');
	like($report, qr/whether the run had other traces than the 2 here, or these were sealed again since/, 'that it is all of the run is not claimed');
	unlike($report, qr/WRONG|not_logged|not_signed|steps_/, 'and nothing is wrong with it');
	verdict_is("types, payloads $payloads", 0, qr/Result: good$/m, package_of('types', $payloads), @known, $accept);
}
verdict_is('good, where that evidence is not hashed is accepted', 0, qr/Result: good$/m, package_of('good'), @known, $accept, '--run', 'good', '--origin', $origin);
verdict_is('without a key', 3, qr/no key was given.*nothing here is signed by a key that was given/s, package_of('good'), $accept);
verdict_is('another run asked for', 1, qr/it is of run "good", not of "bad"/, package_of('good'), @known, '--run', 'bad');
verdict_is('what is told ends no quotes', 1, qr/not of "x\\" \\\\ \\u001b\[2J\\u202e"/, package_of('good'), '--run', qq{x" \\ \e[2J\xe2\x80\xae});
verdict_is('another log asked for', 1, qr/is of the log "\Q$origin\E", not of "other"/, package_of('good'), @known, '--origin', 'other');
verdict_is('another key', 1, qr/signed, but by none of the keys given/, package_of('good'), '--key', $stranger->{vkey});
verdict_is('two keys', 0, qr/signed by "\Q$origin\E".*signed by "witness/s, package_of('good'), @known, '--keys', save_text('keys', "# keys\n\n$witness->{vkey}\n"), $accept);
verdict_is('the witness alone, who signs for other logs too', 3, qr/signed by witnesses alone.*--origin/, package_of('good'), '--key', $witness->{vkey}, $accept);
verdict_is('the witness alone, of the log that was asked for', 0, qr/signed by "witness/, package_of('good'), '--key', $witness->{vkey}, $accept, '--origin', $origin);
verdict_is('a key nobody used beside one that was', 0, qr/signed by/, package_of('good'), @known, '--key', $stranger->{vkey}, $accept);

verdict_is('a run that is missing', 3, qr/no_trace.*has no tenant, or is missing/s, package_of('nowhere'));
verdict_is('a run with nothing', 3, qr/no_trace/, package_of('empty'));
verdict_is('a trace without steps', 0, qr/0 steps/, package_of('hollow'), @known, $accept);
verdict_is('never sealed', 3, qr/steps_unsealed: trace "old-trace": 3.*no_seal/s, package_of('old'), @known);
verdict_is('backfilled', 3, qr/steps_backfilled: trace "backfilled-trace": 3/, package_of('backfilled'), @known, $accept);
verdict_is('running', 3, qr/steps_not_sealed: trace "running-trace": 3/, package_of('running'), @known, $accept);
verdict_is('altered', 1, qr/step 1 was altered/, package_of('altered', $_), @known) foreach 'true', 'false';
verdict_is('missing', 1, qr/step 1 is missing/, package_of('missing'), @known);
verdict_is('inserted', 1, qr/step 3 was inserted/, package_of('inserted'), @known);
verdict_is('reordered', 1, qr/step 1 was reordered.*step 2 was reordered/s, package_of('reordered'), @known);
verdict_is('archived', 3, qr/trace_archived.*its steps are gone/, package_of('archived'), @known, $accept);
verdict_is('moved', 1, qr/is filed under another run/, package_of('moved'), @known);
verdict_is('where it was moved to', 1, qr/was recorded for run "moved"/, package_of('elsewhere'), @known);
verdict_is('gone', 1, qr/is missing from the application's tables/, package_of('gone'), @known);
verdict_is('a forged seal', 1, qr/counts other steps than it has/, package_of('forged'), @known);
verdict_is('erased', 3, qr/step 1 was erased at .* by .*asked for by the customer/, package_of('erased', $_), @known, $accept) foreach 'true', 'false';
unlike(slurp_file(package_of('erased')), qr/"payload_digest": null/, 'the digest of an erased payload is there');
verdict_is('erased, with hashes of its payload', 3, qr/here, but for those of 1 erased steps, give.*step 1: the digest of its payload was erased too/s, package_of('hashed'), @known, $accept);
# Its row could have had a hash of the payload, as far as the file tells: then nothing proves its other values.
verdict_is('an erased step whose digest was taken away', 1, qr/step 1: the digest of its payload was erased too.*the manifest has another digest of traces/s,
	save_text('taken.json', slurp_file(package_of('erased')) =~ s/("verdict": "erased".*?"payload_digest": )"[0-9a-f]+"/$1null/sr), @known);
verdict_is('sealed, not in the log', 3, qr/not_logged/, package_of('unlogged'), @known, $accept);
run_sql('select runlink_checkpoint()');
verdict_is('in the log, not signed', 3, qr/not_signed/, package_of('unsigned'), @known, $accept);

# A package without payloads shows neither these nor salts.
my $salts = run_sql(q{select string_agg(encode(substr(leaves, 33 + 48 * i, 16), 'hex'), '|') from runlink.seal, generate_series(0, 1) as i
	where trace_id like 'good-%'});
my $without = slurp_file(package_of('good', 'false'));
unlike($without, qr/payload-of|secret|"salt"|"payload": \[/, 'without payloads nothing of them is in the text');
unlike($without, qr/$salts/, 'nor a salt');
like(slurp_file(package_of('good')), qr/payload-of-2.*$salts|$salts.*payload-of-2/s, 'with payloads both are');
unlike(slurp_file(package_of('erased')), qr/payload-of-1/, 'an erased payload is in none');
is(run_sql(q{select bool_and(p = p::text::jsonb) from (select runlink_package(r, b) from unnest('{good,types,old,erased,archived,empty}'::text[]) as r,
	unnest('{t,f}'::boolean[]) as b) as a(p)}), 't', 'a package is what its text says');

# ---- step proofs ----

sub step_proof
{
	my ($run, $trace, $index, $payload) = @_;
	return save("step-$trace-$index-$payload.json", "select runlink_step_proof('$run', '$trace', $index, $payload)");
}

foreach my $payload ('true', 'false')
{
	foreach my $at ([ 'good-a', 0 ], [ 'good-a', 1 ], [ 'good-a', 2 ], [ 'good-b', 0 ], [ 'good-b', 8 ])
	{
		verdict_is("step @$at, payload $payload", 0, qr/its values give the leaf/, step_proof('good', @$at, $payload), @known);
	}
}
unlike(slurp_file(step_proof('good', 'good-a', 1, 'true')), qr/skill 0|skill 2|payload-of-0|payload-of-2/, 'no other step is shown');
unlike(slurp_file(step_proof('good', 'good-a', 1, 'false')), qr/payload-of|"salt"/, 'nor its own payload, unless wanted');
verdict_is('step of another run', 1, qr/it is of run "good", not of "x"/, step_proof('good', 'good-a', 1, 'true'), @known, '--run', 'x');
verdict_is('an altered step', 1, qr/altered/, step_proof('altered', 'altered-trace', 1, 'false'), @known);
verdict_is('a step beside it', 0, qr/Result: good$/m, step_proof('altered', 'altered-trace', 0, 'false'), @known);
verdict_is('a missing step', 1, qr/missing/, step_proof('missing', 'missing-trace', 1, 'false'), @known);
verdict_is('an erased step', 3, qr/erased/, step_proof('erased', 'erased-trace', 1, 'true'), @known);
verdict_is('an erased step that gives no leaf', 3, qr/step 1 \(erased\): a leaf was recorded of it/, step_proof('hashed', 'hashed-trace', 1, 'true'), @known);
verdict_is('a backfilled step', 3, qr/steps_backfilled/, step_proof('backfilled', 'backfilled-trace', 1, 'true'), @known);
verdict_is('a step not in the log', 3, qr/not_signed/, step_proof('unlogged', 'unlogged-trace', 1, 'true'), @known);
run_sql(q{select whole_run('wide'), begin_trace('wide-2', 'wide'), add_steps('wide-2', 0, 9000), end_trace('wide-2')});
verdict_is("step $_ of 9001", 3, qr/number @{[ $_ + 1 ]} of the 9001/, step_proof('wide', 'wide-2', $_, 'true'), @known) foreach 0, 4095, 4096, 9000;
verdict_is('a trace of three seals', 3, qr/9001 steps.*3 seals fixed/, package_of('wide', 'false'), @known);

# ---- files that were changed ----

sub mutations_are_seen
{
	my ($what, $file, $wanted) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'python3', '-B', "$root/test/package/mutate.py", $verifier, $file, $wanted, @known ], '>', \$out, '2>', \$err);
	is($err, '', "$what: nothing fails");
	like($out, qr/\A(\d+) changes, (\d+) of them with digests made anew: 0 taken for good\n\z/, "$what: no change is taken for good");
	my ($changes) = $out =~ /(\d+) changes/;
	cmp_ok($changes // 0, '>', 500, "$what: @{[ $changes // 0 ]} changes were tried");
}

mutations_are_seen('a package', package_of('small'), 3);
mutations_are_seen('a package without payloads', package_of('small', 'false'), 3);
mutations_are_seen('a step proof', step_proof('good', 'good-b', 7, 'true'), 0);

# ---- files that are no such files ----

my $good = slurp_file(package_of('good'));
foreach my $length (0, 1, 10, length($good) / 2, length($good) - 3)
{
	my ($status) = verify(save_text('cut', substr($good, 0, $length)), @known);
	is($status, 2, 'cut at byte ' . int($length) . ': not usable');
}
my %unusable = (
	'a duplicate key' => [ '{"format":"runlink-package/v1","format":"x"}', qr/twice/ ],
	'NaN' => [ '{"format":NaN}', qr/NaN is no JSON/ ], 'Infinity' => [ '{"a":-Infinity}', qr/Infinity is no JSON/ ],
	'half a surrogate pair' => [ '{"format":"\\ud800"}', qr/surrogate/ ],
	'a string that does not end' => [ '{"a":"' . '\\"' x 1000000, qr/Unterminated/ ],
	'a duplicate key at the end of many' => [ '{' . join(',', map { qq{"$_":0} } 1 .. 200000) . ',"200000":1}', qr/twice/ ],
	'a seal that says it adds millions of steps' => [ $good =~ s/"steps": \[\[0, 2\]\]/'"steps": [' . join(',', map { '[' . 5000 * $_ . ',' . (5000 * $_ + 4095) . ']' } 0 .. 99999) . ']'/er,
		qr/adds more than 4096 steps/ ],
	'an omission of no trace' => [ $good =~ s/"what": "evidence_not_hashed"/"what": "evidence_not_hashed", "trace_id": [1]/r, qr/trace_id of an omission/ ],
	'deep nesting' => [ '[' x 100000 . ']' x 100000, qr/nested deeper/ ],
	'not closed, deep' => [ '{"a":' x 100000, qr/nested deeper/ ],
	'no UTF-8' => [ "{\"a\":\"\xff\"}", qr/not UTF-8: see byte 6/ ],
	'a number out of range' => [ '{"a":1e99999999999999999999999}', qr/no JSON that can be read/ ],
	'an array' => [ '[]', qr/format is unknown/ ], 'a scalar' => [ '1', qr/Result: not usable/ ],
	'another format' => [ '{"format":"runlink-package/v2"}', qr/format is unknown/ ],
	'a format that is no string' => [ '{"format":["runlink-package/v1"]}', qr/format is unknown/ ],
	'random bytes' => [ join('', map { chr(($_ * 7919) % 256) } 1 .. 1000), qr/not usable/ ],
	'text' => [ "hello\n", qr/not usable/ ], 'a long digit string' => [ '{"a":' . '1' x 5000 . '}', qr/format is unknown/ ]);
foreach my $what (sort keys %unusable)
{
	verdict_is($what, 2, $unusable{$what}[1], save_text('unusable', $unusable{$what}[0]));
}
verdict_is('no file', 2, qr/cannot be read/, "$directory/nowhere");
verdict_is('a malformed key', 2, qr/is not name\+id\+base64/, package_of('good'), '--key', 'x');
verdict_is('a key whose id is not its own', 2, qr/the id of the key/, package_of('good'), '--key', $log_key->{vkey} =~ s/\+[0-9a-f]{8}\+/+00000000+/r);
{
	local $ENV{PATH} = '';
	my ($out, $python) = ('', `command -v python3`);
	chomp($python ||= '/usr/bin/python3');
	IPC::Run::run([ '/usr/bin/python3', '-B', $verifier, package_of('good'), @known ], '>', \$out);
	is($? >> 8, 2, 'without openssl a signature cannot be checked');
	like($out, qr/openssl cannot be run/, 'and that is said');
}

# ---- checkpoints ----

my $note = save_text('first.note', $first_note);
verdict_is('a checkpoint', 0, qr/signed by "\Q$origin\E"/, $note, @known);
verdict_is('a checkpoint, no key', 3, qr/no key was given/, $note);
verdict_is('a checkpoint without signature', 3, qr/no signature/, save_text('u.note', $first_note =~ s/\n\n.*/\n\n/sr), @known);
verdict_is('a checkpoint of another size', 1, qr/does not verify/, save_text('w.note', $first_note =~ s/\n(\d+)\n/"\n" . ($1 + 1) . "\n"/er), @known);
verdict_is('a carriage return', 2, qr/carriage return at byte \d+/, save_text('cr.note', $first_note =~ s/\n/\r\n/gr), @known);
verdict_is('an origin that a terminal obeys', 2, qr/cannot be shown: "example\\u009b2J/, save_text('c1.note', $first_note =~ s/^example/example\xc2\x9b2J/r), @known);
verdict_is('17 signatures', 2, qr/more than 16 signatures/, save_text('17.note', $first_note =~ s/\n\n(.*?\n).*/"\n\n" . $1 x 17/esr), @known);
verdict_is('cut', 2, qr/not usable/, save_text('cut.note', substr($first_note, 0, length($first_note) - 5)), @known);
verdict_is('an extension line', 2, qr/three lines/, save_text('e.note', $first_note =~ s/\n\n/\nmore\n\n/r), @known);
verdict_is('a leading zero', 2, qr/no number/, save_text('z.note', $first_note =~ s/\n(\d+)\n/\n0$1\n/r), @known);

my ($old_size) = $first_note =~ /\n(\d+)\n/;
my $second_note = checkpoint_and_sign();
my ($new_size) = $second_note =~ /\n(\d+)\n/;
my $consistency = run_sql("select runlink_consistency_proof($old_size, $new_size)") . "\n";
my $file = save_text('consistency', $consistency);
verdict_is('growth', 0, qr/the first $old_size entries.*What may be signed|What may be signed.*the first $old_size entries/s, $file, '--held', $note, @known);
verdict_is('growth, no key', 0, qr/Result: good$/m, $file, '--held', $note);
verdict_is('nothing held', 2, qr/give it by --held/, $file);
verdict_is('held of another size', 1, qr/the proof begins at $old_size/, $file, '--held', save_text('second.note', $second_note));
verdict_is('held is not signed', 1, qr/held is not signed/, $file, '--held', save_text('u.note', $first_note =~ s/\n\n.*/\n\n/sr), @known);
verdict_is('held of another root', 1, qr/FORKED/, $file, '--held', save_text('f.note', $first_note =~ s/\n[^\n]{43}=\n/"\n" . encode_base64(sha256('x'), '') . "\n"/er));
verdict_is('held of another log', 1, qr/of another log/, $file, '--held', save_text('o.note', "x$first_note"));
verdict_is('--held with a package', 2, qr/--held is for a consistency proof/, package_of('good'), '--held', $note);
my @hashes = $consistency =~ /^([A-Za-z0-9+\/]{43}=)$/mg;
foreach my $i (0 .. $#hashes - 1)
{
	my $other = $consistency =~ s/^\Q$hashes[$i]\E$/encode_base64(sha256("x$i"), '')/emr;
	my $less = $consistency =~ s/^\Q$hashes[$i]\E\n//mr;
	verdict_is("hash $i changed", 1, qr/FORKED/, save_text('c', $other), '--held', $note);
	verdict_is("hash $i left out", 1, qr/FORKED/, save_text('c', $less), '--held', $note);
}

# ---- the vectors of doc/format.md ----

my ($vectors) = slurp_file("$root/doc/format.md") =~ /^## Worked vectors of a log\n(.*?)^## /ms;
my @blocks = $vectors =~ /^```\w*\n(.*?)^```$/msg;
is(scalar(@blocks), 5, 'the page has its vectors');
my @published = map { ('--key', $_) } split /\n/, $blocks[1];
verdict_is('the checkpoint of the page', 0, qr/signed by "example\.org\/log".*signed by "witness\.example\/w"/s, save_text('v.note', $blocks[2]), @published);
verdict_is('its growth', 0, qr/the first 2 entries/, save_text('v.txt', $blocks[3]), '--held', "$directory/v.note", @published);
verdict_is('its step proof', 0, qr/number 1 of the 2.*entry 0 of 3/s, save_text('v.json', $blocks[4]), @published);

my ($status, $help) = verify('--help');
is($status, 0, '--help is good');
like($help, qr/Exit status: 0 good, 1 bad.*2 not usable.*3 good/s, 'and tells the exit statuses');

done_testing();
