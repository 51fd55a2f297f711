create function runlink_json_string(state jsonb, key text)
returns text
as 'MODULE_PATHNAME', 'runlink_json_string'
language c immutable strict leakproof parallel safe;

comment on function runlink_json_string(jsonb, text) is
'The string at a top-level key of a JSON object.
In: state, any jsonb; key, compared exactly.
Out: the string; NULL for a value of another type, a missing key, a state that is no object, and
a NULL argument.
Raises no error for any value, and is leakproof: an index on it serves readers under row-level
security. runlink_schema_check() gives the indexes of audit_ledger that are made of it.
Immutable, strict, parallel safe. No locks.';
