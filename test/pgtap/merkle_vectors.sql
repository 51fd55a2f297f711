-- The verifiers of proofs against the vectors that transparency-dev/merkle publishes; see
-- test/vectors/merkle/README.md.

begin;
select * from no_plan();
set local client_min_messages = warning;

create schema app;
create extension runlink schema app;
set local search_path = app, public, tap;

\set inclusion `cat test/vectors/merkle/inclusion.jsonl`
\set consistency `cat test/vectors/merkle/consistency.jsonl`
create temp table vector as
select line::jsonb ->> 'file' as file, line::jsonb as v
from regexp_split_to_table(:'inclusion' || e'\n' || :'consistency', e'\n') as line
where line <> '';

select results_eq(
  $$ select split_part(file, '/', 1), count(*), count(*) filter (where not (v ->> 'wantErr')::boolean) from vector group by 1 order by 1 $$,
  $$ values ('consistency', 98::bigint, 6::bigint), ('inclusion', 98, 6) $$, 'all vectors are there');

create function pg_temp.hash(value text) returns bytea immutable language sql return decode(value, 'base64');
create function pg_temp.proof(value jsonb) returns bytea[] immutable language sql
return (select coalesce(array_agg(pg_temp.hash(h) order by n), '{}')
  from jsonb_array_elements_text(case when jsonb_typeof(value) = 'array' then value else '[]' end) with ordinality as p(h, n));
-- A number above 2^63 is none of Postgres's bigint: it comes as the negative number of the same bits.
create function pg_temp.number(value jsonb) returns bigint immutable language sql
return case when value::numeric < 2::numeric ^ 63 then value::numeric::bigint else (value::numeric - 2::numeric ^ 64)::bigint end;

create temp table answer as
select file, not (v ->> 'wantErr')::boolean as expected,
  case when file like 'inclusion/%'
    then runlink_verify_inclusion(pg_temp.hash(v ->> 'leafHash'), pg_temp.number(v -> 'leafIdx'),
      pg_temp.number(v -> 'treeSize'), pg_temp.proof(v -> 'proof'), pg_temp.hash(v ->> 'root'))
    else runlink_verify_consistency(pg_temp.number(v -> 'size1'), pg_temp.number(v -> 'size2'),
      pg_temp.hash(v ->> 'root1'), pg_temp.hash(v ->> 'root2'), pg_temp.proof(v -> 'proof')) end as found
from vector;

-- Where the answer is another than published, and why.
create temp table exception (file text primary key, found boolean, why text);
insert into exception values
  ('consistency/additional/sizes-are-equal-one-and-proof-is-empty.json', false,
   'its roots are the words "don''t care", which are no SHA-256');

select results_eq('select file, found from answer where found is distinct from expected order by file',
  'select file, found from exception order by file', 'every proof is taken or refused as published, but for the exceptions');
select ok(not runlink_verify_consistency(1, 1, 'don''t care 1', 'don''t care 1', '{}')
    and runlink_verify_consistency(1, 1, sha256('don''t care 1'), sha256('don''t care 1'), '{}'),
  'with roots that are hashes the exception is no exception');

select * from finish();
rollback;
