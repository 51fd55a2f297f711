-- Prints jsonb values as they lie on disk, in hexadecimal, without their length word.
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
create extension pageinspect;
create table fuzzed (value jsonb);
alter table fuzzed alter value set storage plain;
insert into fuzzed values
  ('null'), ('true'), ('"text"'), ('12.5'), ('-1e30'), ('[]'), ('{}'), ('[[], {}, [[{}]]]'),
  ('{"a": 1, "bb": [true, false, null], "ccc": {"d": "e\n\"f\"", "g": 0.000001}}'),
  ('[123456789012345678901234567890, -0.5, 1e-7, 1e100, 9007199254740993]');
insert into fuzzed
  select jsonb_object_agg('key ' || n, case n % 4 when 0 then to_jsonb(n) when 1 then to_jsonb(md5(n::text))
    when 2 then jsonb_build_array(n * 1.5, null, n % 3 = 0) else jsonb_build_object('n', n, 'é', n / 7.0) end)
  from generate_series(1, 200) as s, lateral generate_series(1, s % 60) as n group by s;
insert into fuzzed select jsonb_agg(n % 1000) from generate_series(1, 40) as s, lateral generate_series(1, s) as n group by s;
-- more than the walk has room for at first: levels, members, digits, and bytes of the buffer
insert into fuzzed values
  ((repeat('[', 20) || repeat(']', 20))::jsonb), ((repeat('{"a":[', 30) || repeat(']}', 30))::jsonb), (('[' || repeat('9', 300) || ']')::jsonb);
insert into fuzzed select jsonb_object_agg('k' || n, n % 10) from generate_series(1, 150) as n;
insert into fuzzed select jsonb_build_object('first', jsonb_object_agg('k' || n, null), 'second', jsonb_object_agg('k' || n, true))
  from generate_series(1, 100) as n;
insert into fuzzed values (jsonb_build_array(repeat(e'\x01', 4000), repeat(e'\x02', 2000)));
-- the length word is of one byte or of four
select encode(substring(t_data from case get_byte(t_data, 0) & 1 when 1 then 2 else 5 end), 'hex')
from generate_series(0, pg_relation_size('fuzzed') / 8192 - 1) as page,
  heap_page_items(get_raw_page('fuzzed', page::int));
