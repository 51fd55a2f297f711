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
'Compares the application''s tables, columns, types, keys, indexes, triggers, constraints and the caller''s SELECT privilege with what the linkage plan and the runlink calls need. One row a check, those that are ok included: check_id (stable name), level (required, recommended, info), status (ok, missing, wrong_type, not_valid, disabled, no_privilege), domain, object, expected, found (NULL when missing), needed_by, why, remedy (one statement that mends it, without a semicolon, or NULL where there is none; why says the locks). For \gexec: select remedy from runlink_schema_check() where level = ''required'' and status <> ''ok''. Reads the catalogues only and locks no table of the application. Never an error for what is miswired. Stable, parallel restricted.';

create function runlink_require_schema()
returns void
as 'MODULE_PATHNAME', 'runlink_require_schema'
language c stable parallel restricted
set search_path = pg_catalog, pg_temp;

comment on function runlink_require_schema() is
'Raises an error (SQLSTATE 55000) when runlink_schema_check() has a required row that is not ok; its DETAIL names every such object with its remedy. Returns nothing otherwise. Stable, parallel restricted.';
