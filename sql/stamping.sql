create function runlink_enable_run_stamping()
returns void
as 'MODULE_PATHNAME', 'runlink_enable_run_stamping'
language c volatile parallel unsafe
set search_path = pg_catalog, pg_temp;

revoke all on function runlink_enable_run_stamping() from public;

comment on function runlink_enable_run_stamping() is
'Makes the trigger zz_runlink_stamp_run on audit_ledger, which adds the run in the setting runlink.run_id
to the after_state of rows that name no run. Twice is safe, and mends a trigger that was changed or disabled.
Out: nothing.
Errors: the caller is no superuser (42501); audit_ledger is missing (42P01), no table (42809), or lacks
after_state or before_state (42703) or has it of another type than jsonb (42804; a domain as after_state,
0A000); others did not let it have its lock within lock_timeout, which counts as 2 s where it is 0 (55P03).
An error changes nothing.
Locks: SHARE ROW EXCLUSIVE on audit_ledger until the transaction ends: it waits for writers and holds
them off.
Volatile, parallel unsafe.';

create function runlink_disable_run_stamping()
returns void
as 'MODULE_PATHNAME', 'runlink_disable_run_stamping'
language c volatile parallel unsafe
set search_path = pg_catalog, pg_temp;

revoke all on function runlink_disable_run_stamping() from public;

comment on function runlink_disable_run_stamping() is
'Drops the trigger that runlink_enable_run_stamping() made. Rows that were stamped stay as they are.
Out: nothing.
Errors: as runlink_enable_run_stamping(), of the caller, the table and its lock.
Locks: ACCESS EXCLUSIVE on audit_ledger until the transaction ends.
Volatile, parallel unsafe.';

create function runlink_stamp_run()
returns trigger
as 'MODULE_PATHNAME', 'runlink_stamp_run'
language c volatile parallel unsafe;

revoke all on function runlink_stamp_run() from public;

comment on function runlink_stamp_run() is
'Trigger of runlink_enable_run_stamping(), before each row inserted into audit_ledger, after the
application''s own. Where the setting runlink.run_id is not empty it adds two keys to after_state: run_id, the
setting as it is, and run_id_stamped_by, ''runlink''. An after_state that is NULL becomes an object of
the two.
Left alone are rows whose after_state is another JSON value than an object, or has a key run_id,
source_run_id or run_id_stamped_by with whatever value, and rows whose before_state has a string as
run_id or source_run_id. Nothing is ever overwritten.
It never makes an insert fail itself; a constraint, an index or a policy that refuses the row with its stamp does.
What can be foreseen (a run id of more than 2000 bytes or in another encoding,
an after_state of more than 64 MB or not of type jsonb, partitions by after_state, another table) is a WARNING,
one a statement, and leaves the row alone. Called otherwise than before the insert of a row it is an
error (39P01). Volatile, parallel unsafe.';
