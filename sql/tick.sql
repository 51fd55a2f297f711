create function runlink_tick(max bigint default 10000)
returns table (
  sealed bigint,
  verified bigint,
  failed bigint,
  unsealed bigint,
  skipped bigint,
  findings bigint,
  unverified_left bigint,
  seconds double precision
)
as 'MODULE_PATHNAME', 'runlink_tick'
language c volatile parallel unsafe rows 1 cost 1000000;

revoke all on function runlink_tick(bigint) from public;

comment on function runlink_tick(bigint) is
'Upkeep for a scheduler: seals what is pending, verifies what is new, and keeps the answers in
runlink.verification, where runlink_verify(), runlink_runs and runlink_trace_integrity read them. Called
again with nothing new it changes nothing; interrupted it leaves nothing behind.
In: max, how many traces to seal at most and how many to verify at most, not negative (22023), NULL: no limit.
It seals, the earliest started_at first, traces that ended, or had no step for runlink.idle_after, and of
which something is recorded and not sealed, or that have no seal. Leaves are computed for traces alone of
which it was not recorded what run and tenant they began with, and only at their first seal, which says for
good that they are backfilled: those from before sealing was enabled. A step without a leaf in any other
trace came past the triggers, and stays UNSEALED until someone calls runlink_seal_pending(), as does a
trace whose seals are gone.
It verifies, as runlink_verify does, traces sealed since they were verified, then those that had findings,
the longest ago first, and traces whose verification is gone or is not of the seals that are there. A trace
that runs and has no seal has no verification kept. A trace that cannot be read has FAILED, and the
rest goes on; what keeps it from finding or sealing traces is a warning.
Out: one row: sealed (traces), verified, failed and unsealed (traces verified now, by the
verification_status of their proof), skipped (archived, or without steps), findings (rows that
runlink_verify has of them), unverified_left (traces sealed since they were verified, which are left to the
next call; it verifies those with findings again besides), seconds (it took).
A trace that another tick or sealer is at work on is left to it.
Errors: those of runlink_verify and runlink_seal_pending; a standby or a transaction that is read only
(25006); in REPEATABLE READ and above, a conflict with another tick or sealer (40001).
Privileges: EXECUTE is not for PUBLIC; the caller is an auditor as runlink_verify wants one, with SELECT on
what runlink_seal_pending reads.
All of a call is one transaction. Locks: rows of schema runlink; writers of the application are never held
up, and it waits for nobody. Reads the application''s tables as the caller. Volatile, parallel unsafe.';
