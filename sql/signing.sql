create function runlink_add_key(vkey text)
returns table (
  name text,
  key_id text,
  algorithm text
)
as 'MODULE_PATHNAME', 'runlink_add_key'
language c volatile parallel unsafe rows 1;

revoke all on function runlink_add_key(text) from public;

comment on function runlink_add_key(text) is
'Registers the public key of somebody whose signatures of checkpoints count: the log''s own signer, or a
witness.
In: vkey, a verifier key of c2sp.org/signed-note, "name+id+key", of type Ed25519 (0x01) or of
cosignature/v1 (0x04); its name of at most 255 bytes.
Out: one row: name, key_id (8 hex digits) and algorithm (Ed25519 or cosignature/v1). A key that is
registered already is left as it is.
Errors: the caller is no superuser (42501); vkey is NULL (22004); it is malformed, its id is not the one
of its name, type and key, or another key is registered under that name and id (22023, each with what is
wrong); a key of another type (0A000); sealing was never enabled, or the state is not as runlink made it
(55000); the database is not in UTF8 (0A000); a standby or a transaction that is read only (25006).
Signatures that were brought before the key was registered count once their note is brought again.
Locks: as any INSERT into runlink.signing_key. Volatile, parallel unsafe.';

create function runlink_add_signature(note text)
returns table (
  name text,
  key_id text,
  status text,
  checkpoint_size bigint
)
as 'MODULE_PATHNAME', 'runlink_add_signature'
language c volatile parallel unsafe rows 1;

revoke all on function runlink_add_signature(text) from public;

comment on function runlink_add_signature(text) is
'Takes signatures of a checkpoint, made outside: verifies those of registered keys and keeps them.
In: note, a signed note (c2sp.org/signed-note) whose text is a checkpoint of this log, as it is stored:
its last newline belongs to it.
Out: a row a signature, in the order of the note: name and key_id of its key, status, and
checkpoint_size:
added: it was verified against a registered key and is kept; known: that was so before, of a cosignature
whatever its time;
unknown_signer: no key of that name and id is registered; it is kept apart and counts for nothing;
unknown_signer_dropped: likewise, and it was not kept: the checkpoint was not made here, or has 100 such
signatures already, or the name has more than 1000 bytes;
rolled_back: a registered key signed it, and the log has fewer entries than the checkpoint; forked: the
log has another root at that size. These are kept too, with a WARNING, and from then on
runlink_checkpoint() refuses to go on.
Errors, which store nothing (22023, each with its reason): a note that is malformed (not UTF-8, a
control character or carriage return, no newline at its end, a signature line that is none, base64 that
is none or not canonical, more than 16 signatures, more than 131072 bytes), not signed, or no checkpoint
of three lines; one of another log; a signature that says to be of a registered key and does not
verify, or whose time is beyond 2^63 - 1; a checkpoint that no registered key signed and that is not one
of this log. Further: note is NULL (22004); no log was made, or the state is not as runlink made it (55000);
REPEATABLE READ and above, or a database that is not in UTF8 (0A000); a standby or a transaction that is
read only (25006).
Privileges: EXECUTE, which PUBLIC does not have, and none on the state: it is written as runlink_owner.
Locks: the row of runlink.log until the transaction ends: one such call or runlink_checkpoint() at a
time. Sealing is never held up. Volatile, parallel unsafe.';

create function runlink_verify_note(note text, vkey text)
returns boolean
as 'MODULE_PATHNAME', 'runlink_verify_note'
language c immutable strict parallel safe;

comment on function runlink_verify_note(text, text) is
'Did a key sign a note?
In: note, any signed note (c2sp.org/signed-note), of which nothing need be registered; vkey, a verifier
key of type Ed25519 (0x01) or cosignature/v1 (0x04). NULL gives NULL.
Out: true where the note has a signature of that name and key id, and every such one verifies; false
where it has none or one that does not.
Errors: a malformed note or vkey, with what is wrong (22023); a vkey of another type, or a database that
is not in UTF8 (0A000).
Reads nothing. Immutable, strict, parallel safe.';

create function runlink_verify_checkpoint(note text)
returns table (
  first_entry bigint,
  entry_count bigint,
  status text,
  trace_id text,
  detail text
)
as 'MODULE_PATHNAME', 'runlink_verify_checkpoint'
language c stable parallel restricted rows 10 cost 1000000;

comment on function runlink_verify_checkpoint(text) is
'The log and the seals in it against a checkpoint that was kept outside: the seal of every entry up to
its size is hashed anew and the root made of them.
In: note, a checkpoint of this log as a signed note, or its text without signatures.
Out: first a row with the verdict on the entries that the checkpoint covers (first_entry 0, entry_count
its size); detail says why, and which registered keys signed the note:
anchored: every entry''s seal is there and they give the checkpoint''s root;
altered: the log''s entries give it and the seals no longer do, or the other way round;
rolled_back: the log has fewer entries, and no checkpoint of that size was made: the database is of an
earlier time; truncated: the log has fewer, or lacks some, and had them: entries were taken away;
forked: it has as many entries, and they give another root.
Then, where there are any: unanchored (first_entry, entry_count: the entries after the checkpoint) and
unlogged (entry_count: how many traces were sealed since they last entered the log): of these the
checkpoint says nothing. Then the findings, in the order of the log, at most 1000: seal_missing and
seal_altered (with first_entry, trace_id and what is wrong), entry_missing (first_entry, entry_count);
and more_findings (entry_count: how many more).
It is about seals; that steps are as they were sealed is for runlink_proof and runlink_verify to say.
Errors: note is NULL (22004); it is malformed, a checkpoint of another log, or has a signature that says
to be of a registered key and does not verify (22023, with the reason); no log was made, or the state is
not as runlink made it (55000); the caller may not read schema runlink and its tables (42501); a
database that is not in UTF8 (0A000).
Reads one snapshot, as an auditor; nothing is written, and a standby will do. Memory does not grow with
the log. ACCESS SHARE locks as any SELECT. Stable, parallel restricted.';
