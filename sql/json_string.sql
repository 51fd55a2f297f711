create function runlink_json_string(state jsonb, key text)
returns text
as 'MODULE_PATHNAME', 'runlink_json_string'
language c immutable strict leakproof parallel safe;

comment on function runlink_json_string(jsonb, text) is
'The value of a top-level key of a JSON object, if it is a string; NULL for a value of another type, a missing key, and a state that is no object. Raises no error for any value and is leakproof, so an index on it serves readers under row-level security: runlink_schema_check() gives the indexes of audit_ledger that use it. Immutable, strict, parallel safe.';
