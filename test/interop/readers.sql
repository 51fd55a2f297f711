-- What the interop tests of the views read: the documented example, sealed, beside another tenant's run
-- that the role reader must not see.

set client_min_messages = warning;
create extension runlink;
\i test/fixture/schema.sql
select runlink_enable_sealing();
\i test/fixture/example.sql
insert into runs (id, tenant_id, agent_id, goal, status, attempts, max_attempts, priority, origin_system_id)
  values ('run-other', 'tenant-other', 'agent', 'goal', 'queued', 0, 1, 0, 'test');

create role reader login;
grant select on all tables in schema public to reader;
select format('alter table %I enable row level security', relname),
  format('create policy reader on %I to reader using (%s)', relname,
    case relname when 'aos_trace_steps' then 'exists (select from aos_traces as t where t.trace_id = aos_trace_steps.trace_id)'
    else 'tenant_id = ''tenant-test-001''' end)
from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
\gexec
