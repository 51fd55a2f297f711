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

create function runlink_inclusion_proof(run_id text, tenant_id text default null)
returns table (
  trace_id text,
  seal_no integer,
  entry bigint,
  seal_hash text,
  checkpoint_size bigint,
  proof text
)
as 'MODULE_PATHNAME', 'runlink_inclusion_proof'
language c stable parallel restricted rows 1 cost 10000;

comment on function runlink_inclusion_proof(text, text) is
'That the seals of a run are in the log, for somebody who holds a checkpoint of it.
In: as runlink_proof.
Out: a row for each trace of the run that has a seal, in the order of runlink_proof: trace_id, seal_no
and seal_hash (of its newest seal in the log: lower-case hex of SHA-256 over 0x00 and the seal''s text,
which is the leaf hash of the entry), entry (its number in the log, from 0), checkpoint_size and proof
(c2sp.org/tlog-proof: the entry''s number, the inclusion proof and the checkpoint with its signatures,
which is the smallest one that a registered key signed and that covers the entry, else the smallest one
that covers it). A trace that is sealed and not in the log has its newest seal, and entry,
checkpoint_size and proof NULL.
Errors: as runlink_proof; there is no log, or the state is not as runlink made it (55000); entry, nodes
and checkpoint contradict each other, or one that is needed is missing (XX001).
The log is read as runlink_owner, only for traces of the run that the caller is told of.
Reads one snapshot, some dozen rows a trace however long the log is; ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';

create function runlink_consistency_proof(old bigint, new bigint)
returns text
as 'MODULE_PATHNAME', 'runlink_consistency_proof'
language c stable parallel restricted cost 1000;

comment on function runlink_consistency_proof(bigint, bigint) is
'That the log of the checkpoint of size new begins with all entries of the one of size old: what a
witness (c2sp.org/tlog-witness, add-checkpoint) is sent.
In: old, the size of the checkpoint that is held, 0 where none is; new, the size of a checkpoint that was
made here, not below old.
Out: a line ''old'' and the size, the consistency proof (RFC 6962), a hash a line in base64, an empty
line, and the checkpoint of size new as a note with the signatures that registered keys made, the log''s
own first, at most 16.
Errors: old or new is NULL (22004); old is negative or above new, or no checkpoint is of size new
(22023); there is no log, or the state is not as runlink made it (55000); no USAGE on schema runlink or
no SELECT on its tables (42501); the proof does not lead to the checkpoint''s root, or a node is missing (XX001).
Reads one snapshot, some dozen rows however long the log is; ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';

create function runlink_verify_inclusion(
  leaf_hash bytea, entry bigint, size bigint, proof bytea[], root bytea)
returns boolean
as 'MODULE_PATHNAME', 'runlink_verify_inclusion'
language c immutable strict parallel safe;

comment on function runlink_verify_inclusion(bytea, bigint, bigint, bytea[], bytea) is
'Does an inclusion proof hold (RFC 9162, 2.1.3.2; SHA-256)?
In: leaf_hash of the entry, its number, from 0, the size and root of the tree, and the proof, the leaf''s
sibling first.
Out: true only where the proof holds: it has exactly as many hashes as it needs, entry is below size, and
it leads to root. Whatever is no proof (a hash that is not of 32 bytes, NULL among them, a negative
number) is false. NULL where an argument is.
Errors: none of its own. Reads nothing, takes no lock. Immutable, strict, parallel safe.';

create function runlink_verify_consistency(
  old_size bigint, new_size bigint, old_root bytea, new_root bytea, proof bytea[])
returns boolean
as 'MODULE_PATHNAME', 'runlink_verify_consistency'
language c immutable strict parallel safe;

comment on function runlink_verify_consistency(bigint, bigint, bytea, bytea, bytea[]) is
'Does a consistency proof hold (RFC 9162, 2.1.4.2; SHA-256): does the tree of old_size and old_root begin
that of new_size and new_root?
Out: true only where the proof holds, with exactly as many hashes as it needs. Where the sizes are equal
the proof has to be empty and the roots equal; where old_size is 0 the proof has to be empty and old_root
that of the empty tree, SHA-256 of nothing, as new_root has to be where new_size is 0. Whatever is no
proof (a hash that is not of 32 bytes, NULL among them, a negative number, old_size above new_size) is
false. NULL where an argument is.
Errors: none of its own. Reads nothing, takes no lock. Immutable, strict, parallel safe.';
