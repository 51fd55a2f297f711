-- runlink_json_string: the value of a top-level key, if it is a string.
\pset null NULL

-- every kind of value, and every kind of state
select state, runlink_json_string(state, 'run_id')
  from (values
    (1, '{"run_id": "run-1"}'::jsonb),
    (2, '{"run_id": ""}'),
    (3, '{"run_id": "null"}'),
    (4, '{"run_id": null}'),
    (5, '{"run_id": 1}'),
    (6, '{"run_id": true}'),
    (7, '{"run_id": ["run-1"]}'),
    (8, '{"run_id": {"run_id": "run-1"}}'),
    (9, '{"after": {"run_id": "run-1"}}'),
    (10, '{"RUN_ID": "run-1", "run_id ": "run-1", "": "run-1"}'),
    (11, '{"run_id": "run-1", "run_id": "run-2"}'),
    (12, '{}'),
    (13, '[]'),
    (14, '["run_id", "run-1"]'),
    (15, '[{"run_id": "run-1"}]'),
    (16, '"run_id"'),
    (17, '1'),
    (18, 'true'),
    (19, 'null'),
    (20, null)
  ) as v (n, state)
  order by n;

-- keys and values are compared and returned as they are
select runlink_json_string('{"": "empty"}', '') as empty_key,
  runlink_json_string('{"a": "x"}', null) as null_key,
  runlink_json_string('{"schl\u00fcssel": "\ud83d\ude80 \"\\ %"}', 'schlüssel') as unicode;

-- long keys and values, and an object of many keys
select length(runlink_json_string(jsonb_build_object(repeat('k', 100000), repeat('ü', 100000)), repeat('k', 100000)));
select runlink_json_string(jsonb_object_agg('key' || i, 'value' || i), 'key777')
  from generate_series(1, 1000) as i;

-- what it is for: an index that a lookup by run id uses
begin;
create index audit_ledger_test_idx on audit_ledger (runlink_json_string(after_state, 'run_id'));
set local enable_seqscan = off;
explain (costs off)
  select id from audit_ledger where runlink_json_string(after_state, 'run_id') = 'run-linkage-test-001';
select id from audit_ledger where runlink_json_string(after_state, 'run_id') = 'run-linkage-test-001' order by id;
rollback;
