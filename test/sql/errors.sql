-- Bad arguments, and tables that cannot be read: an error with its SQLSTATE, DETAIL
-- and HINT, never an empty answer.
\pset null NULL
\pset format unaligned

begin;
create function error_of(query text, out state text, out message text, out detail text, out hint text) as $$
begin
  execute query;
  state := 'no error';
exception when others then
  get stacked diagnostics state = returned_sqlstate, message = message_text,
    detail = pg_exception_detail, hint = pg_exception_hint;
end
$$ language plpgsql;
create table calls (call text, n serial);
insert into calls values ('runlink_linkage'), ('runlink_evidence'), ('runlink_evidence_json'), ('runlink_governance'),
  ('runlink_proof'), ('runlink_proof_steps'), ('runlink_proof_json'), ('runlink_gaps'), ('runlink_report');

-- Arguments.
select c.call, e.* from calls as c, error_of(format('select %s(null)', call)) as e order by n;
select c.call, e.* from calls as c, error_of(format('select %s('''')', call)) as e order by n;
select c.call, e.* from calls as c, error_of(format('select %s(''run-linkage-test-001'', '''')', call)) as e order by n;

-- run_id and tenant_id in each other's place
select c.call, e.* from calls as c,
    error_of(format('select %s(''tenant-test-001'', ''run-linkage-test-001'')', call)) as e
  order by n;

-- no error: ids of a megabyte, quotes and backslashes, a tenant that is not there
select c.call, arguments, e.*
  from calls as c,
    unnest(array[$$repeat('x', 1000000)$$, $$'x', repeat('x', 1000000)$$, $$'''"\', '''"\'$$, $$'run-linkage-test-001', 'nobody'$$]) as arguments,
    error_of(format('select %s(%s)', call, arguments)) as e
  where e.state <> 'no error';
select (select count(*) from runlink_evidence(repeat('x', 1000000))) as evidence,
  (select run_found from runlink_linkage(repeat('x', 1000000))) as run_found,
  (select failure_reason from runlink_proof(repeat('x', 1000000))) as proof;

-- the report's format
select e.* from error_of($$select runlink_report('run-linkage-test-001', null, 'pdf')$$) as e
union all
select e.* from error_of($$select runlink_report('run-linkage-test-001', null, 'Markdown')$$) as e
union all
select e.* from error_of($$select runlink_report('run-linkage-test-001', null, null)$$) as e;
select state, length(message) < 200 as short
  from error_of($$select runlink_report('run-linkage-test-001', null, repeat('x', 1000000))$$);

-- Tables. Each of these damages one thing, asks the calls, and undoes it. It
-- is foreseen where the schema check then calls something required that is not ok.
create function damaged(damage text, asked text default '', reader boolean default false, foresee boolean default false)
returns table (call text, state text, message text, detail text, hint text, foreseen boolean) as $$
declare
  answers jsonb;
  is_foreseen boolean;
begin
  begin
    execute damage;
    if reader then
      set local role regress_runlink_reader;
    end if;
    select jsonb_agg(to_jsonb(e) || jsonb_build_object('call', c.call) order by c.n) into answers
      from calls as c, error_of(format('select %s(''run-linkage-test-001'')', c.call)) as e
      where c.call ~ asked;
    is_foreseen := foresee and exists (select from runlink_schema_check() as s where s.level = 'required' and s.status <> 'ok');
    raise exception using errcode = 'RL000';
  exception when sqlstate 'RL000' then
    return query select *, is_foreseen
      from jsonb_to_recordset(answers) as a (call text, state text, message text, detail text, hint text);
  end;
end
$$ language plpgsql;
create view tables as
  select split_part(check_id, '.', 2) as name, level from runlink_schema_check() where check_id like 'table.%';
create view columns as
  select split_part(check_id, '.', 2) as table_name, split_part(check_id, '.', 3) as column_name, level, expected
    from runlink_schema_check() where check_id like 'column.%' and status = 'ok';
create role regress_runlink_reader;
grant select on all tables in schema public to regress_runlink_reader;
set client_min_messages = warning;

-- what the errors say: a table that is missing, a column that is, one of another type, no privilege
select call, state, message, detail, hint from damaged('drop table aos_traces cascade');
select call, state, message, detail, hint from damaged('alter table aos_trace_steps drop column duration_ms');
select call, state, message, detail, hint from damaged('alter table aos_traces alter completed_at type text');
select call, state, message, detail, hint from damaged('revoke select on aos_traces from regress_runlink_reader', reader => true);

-- what is no table, of any kind; and a schema that the caller may not use
select call, state, message, detail, hint
  from damaged('drop table policy_enforcements; create type policy_enforcements as (id varchar, tenant_id varchar, rule_id varchar,
    run_id varchar, action_taken varchar, triggered_at timestamptz)', 'evidence$');
select call, state, message, detail, hint from damaged('drop table limits; create sequence limits', 'evidence$');
-- a rule of which there are two
select call, state, message from damaged('alter table policy_rules drop constraint policy_rules_pkey cascade;
  insert into policy_rules select * from policy_rules') where state <> 'no error';
create schema elsewhere;
create view elsewhere.run_evidence as select * from runlink_evidence('run-linkage-test-001');
grant usage on schema elsewhere to regress_runlink_reader;
grant select on elsewhere.run_evidence to regress_runlink_reader;
savepoint usage;
create function elsewhere.error_of(query text, out state text, out message text, out detail text, out hint text) as $$
begin
  execute query;
exception when others then
  get stacked diagnostics state = returned_sqlstate, message = message_text,
    detail = pg_exception_detail, hint = pg_exception_hint;
end
$$ language plpgsql;
revoke usage on schema public from public;
set local role regress_runlink_reader;
select * from elsewhere.error_of('select count(*) from elsewhere.run_evidence');
rollback to usage;

-- A table that is missing, or may not be read, stops the calls that read it and no
-- other; an optional one may be missing.
select t.level, t.name, string_agg(d.call, ' ') filter (where d.state = '42P01') as stopped,
    string_agg(d.call || ' ' || d.state, ' ') filter (where d.state not in ('no error', '42P01')) as otherwise
  from tables as t, damaged(format('drop table %I cascade', t.name)) as d
  group by t.level, t.name order by t.name;
select t.level, t.name, string_agg(d.call, ' ') filter (where d.state = '42501') as stopped,
    string_agg(d.call || ' ' || d.state, ' ') filter (where d.state not in ('no error', '42501')) as otherwise
  from tables as t, damaged(format('revoke select on %I from regress_runlink_reader', t.name), reader => true) as d
  group by t.level, t.name order by t.name;

-- the same of each required column, missing or of another type
alter table incidents drop constraint incidents_source_run_id_fkey;
alter table aos_trace_steps drop constraint aos_trace_steps_trace_id_fkey;
create view damages as
  select table_name, column_name, '42703' as expected, format('alter table %I drop column %I', table_name, column_name) as damage
    from columns where level = 'required'
  union all
  select table_name, column_name, '42804',
      format('alter table %1$I alter %2$I drop default, alter %2$I type bytea using convert_to(%2$I::text, ''UTF8'')', table_name, column_name)
    from columns where level = 'required';
select table_name, stopped, expected as state, otherwise, string_agg(column_name, ' ' order by column_name) as columns
  from damages,
    lateral (select string_agg(d.call, ' ') filter (where d.state = expected) as stopped,
        string_agg(d.call || ' ' || d.state, ' ') filter (where d.state not in ('no error', expected)) as otherwise
      from damaged(damage, '(linkage|evidence|governance|proof)$') as d) as d
  group by table_name, stopped, expected, otherwise order by table_name, stopped, expected, otherwise;

-- A call that fails is foreseen: optional tables and columns may be missing, but not
-- unreadable, incomplete or of another type without the schema check requiring it.
select damage, d.state
  from (
      select table_name, column_name, format('alter table %I drop column %I', table_name, column_name)
        from columns where level <> 'required'
      union all
      select table_name, column_name,
          format('alter table %1$I alter %2$I drop default, alter %2$I type bytea using convert_to(%2$I::text, ''UTF8'')', table_name, column_name)
        from columns where level <> 'required' and expected <> 'any type'
      union all
      select name, '', format('revoke select on %I from regress_runlink_reader', name)
        from tables where level <> 'required'
    ) as v (table_name, column_name, damage),
    damaged(damage, 'evidence$', reader => column_name = '', foresee => true) as d
  where d.state <> 'no error' and not d.foreseen
  order by table_name, column_name, damage;

-- runlink_require_schema names everything that is missing
savepoint whole;
drop table limits;
alter table prevention_records drop column run_id;
alter table incidents alter source_run_id type bytea using null;
revoke select on aos_traces from regress_runlink_reader;
set local role regress_runlink_reader;
\pset tuples_only on
select concat_ws(E'\n', e.state, e.message, e.detail, e.hint) from error_of('select runlink_require_schema()') as e;
rollback to whole;
rollback;
