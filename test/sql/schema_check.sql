-- runlink_schema_check and runlink_require_schema: what is miswired, and the SQL
-- that mends it.
\pset null NULL

begin;
-- for a role that may read everything, so that no name depends on the machine
create role regress_runlink_reader;
grant select on all tables in schema public to regress_runlink_reader;

-- all that is checked, of the undamaged schema
set local role regress_runlink_reader;
select check_id, level, status, expected, found from runlink_schema_check();
reset role;

-- every row says of what it is, who needs it and why
select domain, count(*) as checks, count(object) as objects, count(needed_by) as needed, count(why) as explained
  from runlink_schema_check() group by domain order by domain;
select domain, object, needed_by from runlink_schema_check() where check_id like 'table.%';

-- what is not ok, and the statement that mends it; nothing to mend where it is info
\pset format unaligned
\pset expanded on
select check_id, object, needed_by, why, remedy from runlink_schema_check() where status <> 'ok';
\pset format aligned
\pset expanded off

-- With the recommended remedies, in a transaction and so without CONCURRENTLY,
-- nothing recommended is missing.
\set ECHO none
select replace(remedy, 'concurrently ', '') from runlink_schema_check() where level = 'recommended' and status <> 'ok'
\gexec
\set ECHO all
select check_id, level, status, found from runlink_schema_check() where status <> 'ok' or check_id like 'index.%';
create temp table whole as select * from runlink_schema_check();
create temp view damage as
  select * from runlink_schema_check()
    where status <> 'ok' and check_id not in
      ('column.runs.updated_at', 'constraint.incidents.incidents_source_run_id_fkey', 'sealing.state',
       'stamping.stamp_run');

-- a damage of every kind that has a remedy
savepoint whole;
alter table prevention_records drop column run_id;
alter table runs drop column policy_violation, drop column policy_draft_count, drop column risk_level;
alter table incidents drop column source_run_id;
alter table limit_breaches drop column run_id;
alter table incidents alter severity type char(20);
alter table limits drop constraint limits_pkey;
alter table aos_trace_steps drop constraint aos_trace_steps_trace_id_step_index_key;
alter table audit_ledger disable trigger audit_ledger_reject_delete;
alter table aos_traces enable replica trigger aos_traces_reject_update;
update pg_index set indisvalid = false where indexrelid = 'policy_enforcements_run_id_idx'::regclass;
select check_id, level, status, expected, found from damage;
\pset format unaligned
\pset expanded on
select check_id, why, remedy from damage where check_id !~ '^index' or status <> 'missing';
\pset format aligned
\pset expanded off
select check_id as lock_not_told from damage where remedy is not null and why !~ 'lock';

-- the required remedies run as they are, then the others: all is as it was, but for
-- the foreign key that went with its column
\set ECHO none
select remedy from runlink_schema_check() where level = 'required' and status <> 'ok'
\gexec
select replace(remedy, 'concurrently ', '') from damage where level <> 'required' and remedy is not null
\gexec
\set ECHO all
select * from runlink_schema_check() except select * from whole;
select check_id from whole except select check_id from runlink_schema_check();
rollback to whole;

-- a remedy runs where the table has another primary key, or the column a default
alter table limits drop constraint limits_pkey, add primary key (tenant_id, id);
alter table runs alter policy_violation drop default,
  alter policy_violation type integer using policy_violation::integer, alter policy_violation set default 0;
\set ECHO none
select remedy from damage
\gexec
\set ECHO all
select check_id, status, found from damage;
rollback to whole;

-- What has no remedy here: tables and columns that only the application's
-- migrations can fill, and guards that only it can write.
drop table llm_run_records, policy_enforcements, limits;
create sequence limits;
alter table incidents drop column title, drop column category;
drop trigger audit_ledger_reject_update on audit_ledger;
\pset format unaligned
\pset expanded on
select check_id, level, status, found is not null as found, why, remedy from damage;
\pset format aligned
\pset expanded off
rollback to whole;

-- A view serves as a table: what is behind it is not checked, and its columns are
-- not altered.
alter table limits rename to all_limits;
create view limits as select id, tenant_id, 0 as name from all_limits;
select check_id, level, status, expected, found, remedy from runlink_schema_check()
  where check_id ~ '\.limits($|\.)' and check_id not like 'privilege.%';
rollback to whole;

-- SELECT on the table serves, or on each of the columns that are read
revoke select on runs, incidents, limits from regress_runlink_reader;
grant select (id, tenant_id, name) on limits to regress_runlink_reader;
grant select (id, tenant_id) on runs to regress_runlink_reader;
grant select on damage to regress_runlink_reader;
set local role regress_runlink_reader;
select check_id, level, status, expected, found, remedy from damage;
rollback to whole;

-- Indexes that do not serve a link: of another first column, of some rows only, of
-- another collation, or of a kind that cannot look an id up.
drop index limit_breaches_run_id_idx;
create index on limit_breaches (tenant_id, run_id);
create index on limit_breaches (run_id) where breach_type = 'BREACHED';
create index on limit_breaches (run_id collate "POSIX");
create index on limit_breaches (lower(run_id));
create index on limit_breaches using brin (run_id);
select check_id, status, found from damage;
create index limit_breaches_wide on limit_breaches (run_id, breached_at) include (limit_id);
select check_id, status, found from damage;
-- one of the values alone serves as well: what equals a run id is not null
drop index limit_breaches_wide;
create index limit_breaches_some on limit_breaches (run_id) where run_id is not null;
select check_id, status, found from damage;
select found from runlink_schema_check() where check_id = 'index.limit_breaches.run_id';
rollback to whole;

-- a unique index of some rows, or checked late, is no key
alter table aos_traces drop constraint aos_traces_trace_id_key cascade;
create unique index on aos_traces (trace_id) where archived_at is null;
alter table aos_traces add unique (trace_id) deferrable;
select check_id, status, found, remedy from damage;
rollback to whole;

-- runlink_require_schema asks for what is required, and for no more
drop index limit_breaches_run_id_idx;
drop table policy_enforcements;
select runlink_require_schema();
rollback;
