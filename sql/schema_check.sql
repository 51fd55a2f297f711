create function runlink_schema_check()
returns table (
  check_id text,
  level text,
  status text,
  domain text,
  object text,
  expected text,
  found text,
  needed_by text,
  why text,
  remedy text
)
as 'MODULE_PATHNAME', 'runlink_schema_check'
language c stable parallel restricted rows 200
set search_path = pg_catalog, pg_temp;

comment on function runlink_schema_check() is
'What the application''s schema lacks for the linkage plan and the calls of runlink, and the SQL that
mends it: tables, columns, types, keys, link indexes, guard triggers, constraints that are not
valid, and the caller''s SELECT privilege.
Out: a row for each thing checked, also for what is ok, in the order of the tables:
check_id (a stable name), level (required: a call fails or the plan stops without it; recommended;
info), status (ok, missing, wrong_type, not_valid, disabled, no_privilege), domain (activity,
incidents, policies, controls, logs), object, expected, found (NULL when there is nothing),
needed_by (the calls and writers that want it), why (the reason, and the locks that the remedy
takes), remedy (one statement without a semicolon, fit for \gexec; NULL where there is none).
What is miswired is never an error.
Reads the catalogues only and takes no lock on a table of the application.
Stable, parallel restricted; works on a standby.';

create function runlink_require_schema()
returns void
as 'MODULE_PATHNAME', 'runlink_require_schema'
language c stable parallel restricted
set search_path = pg_catalog, pg_temp;

comment on function runlink_require_schema() is
'Raises an error (55000) when something that runlink_schema_check() calls required is not ok; its
DETAIL names every such object with its remedy, or with the reason where there is none.
Out: nothing.
Locks, volatility and parallel mark as runlink_schema_check().';
