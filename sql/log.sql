create function runlink_create_log(origin text)
returns void
as 'MODULE_PATHNAME', 'runlink_create_log'
language c volatile parallel unsafe;

revoke all on function runlink_create_log(text) from public;

comment on function runlink_create_log(text) is
'Makes the log: the append-only tree (RFC 6962) into which runlink_checkpoint() takes seals, so that an
outsider who holds a checkpoint can tell whether any of them was changed or taken away since.
In: origin, the first line of every checkpoint and the name of the key that signs them: 1 to 255 bytes
without control characters, spaces and ''+''. No other log may have it, not even one of this database
that was ended.
Out: nothing.
Errors: the caller is no superuser (42501); origin is NULL (22004) or not as above (22023); sealing was
never enabled, the state is not as runlink made it, or there is a log already (55000): its origin is
settled for good; REPEATABLE READ and above (0A000); a database that is not in UTF8 (0A000). An error
changes nothing.
Locks: SHARE ROW EXCLUSIVE on runlink.log until the transaction ends. Sealing is not held up.
Volatile, parallel unsafe.';

create function runlink_checkpoint()
returns text
as 'MODULE_PATHNAME', 'runlink_checkpoint'
language c volatile parallel unsafe cost 1000000;

revoke all on function runlink_checkpoint() from public;

comment on function runlink_checkpoint() is
'Takes the newest seal of each trace that was sealed since the last checkpoint into the log, and returns
the checkpoint (c2sp.org/tlog-checkpoint) to be signed outside: the origin, the number of entries and
the root of the tree over them, each on a line. Where nothing is new it is that of the last one again.
Entries of one checkpoint are in the order of sealed_at, then trace_id; the hash of an entry is that of
the seal, as doc/format.md has it.
Out: three lines of text, each ending in a newline.
A seal that is damaged or gone does not enter: a WARNING (XX001) counts these and names the first, and
it waits for the next checkpoint.
Errors: there is no log, or the state is not as runlink made it (55000); ROLLED_BACK (55000): a
checkpoint, or a signature that a registered key made, is of a size above the number of entries;
FORKED (55000): the newest checkpoint, the newest signed one, or one signed that is none of those kept
here has another root than the log has at its size; an entry or a node that is needed is missing, or is
there before its time (XX001); no USAGE on schema runlink or no SELECT on its tables (42501); REPEATABLE
READ and above (0A000). An error changes nothing: nothing is signed over what was shown before.
Locks: the row of runlink.log, so that there is one checkpoint at a time: a second call waits, then goes
on from the first. Sealing is neither waited for nor held up.
All seals enter in the transaction of the call; memory does not grow with their number.
Volatile, parallel unsafe.';
