-- The sides of bench/fleet, and how they are timed. Loaded after bench/fleet.sql.

-- nanoseconds of processor time of this backend
create function processor_time() returns bigint language sql volatile as $$
  select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint
$$;

-- A chain as SQL can have one: over the text of the rows, a head a trace kept apart.
create function link(head bytea, step text) returns bytea language sql immutable parallel safe as $$
  select sha256(head || sha256(convert_to(step, 'UTF8')))
$$;
create aggregate chain(text) (sfunc = link, stype = bytea, initcond = '');
create table plain_head as
  select s.trace_id, chain(s::text order by s.step_index) as head from aos_trace_steps as s group by s.trace_id;
alter table plain_head add primary key (trace_id);

create function side_scan() returns bigint language sql as $$
  select count(archived_at) from (select * from aos_trace_steps offset 0) as s
$$;
create function side_verify() returns bigint language sql as $$
  select failed + unsealed from runlink_verify_summary()
$$;
create function side_row_text() returns bigint language sql as $$
  select count(h) - count(*) from (select sha256(convert_to(s::text, 'UTF8')) as h from aos_trace_steps as s offset 0) as s
$$;
create function side_aggregate() returns bigint language sql as $$
  select count(*) from (
    select s.trace_id, chain(s::text order by s.step_index) as head from aos_trace_steps as s group by s.trace_id) as c
  join plain_head as p using (trace_id) where p.head <> c.head
$$;
-- The loop with the sha256() of Postgres, and with pgcrypto.
select format($side$
create function side_%s() returns bigint language plpgsql as $$
declare
  step record;
  trace text;
  head bytea;
  expected bytea;
  wrong bigint := 0;
begin
  for step in select s.trace_id, s::text as row_text, p.head
      from aos_trace_steps as s join plain_head as p using (trace_id) order by s.trace_id, s.step_index loop
    if step.trace_id is distinct from trace then
      wrong := wrong + (head is distinct from expected)::integer;
      trace := step.trace_id;
      expected := step.head;
      head := '';
    end if;
    head := %s;
  end loop;
  return wrong + (head is distinct from expected)::integer;
end $$;
$side$, name, hash)
from (values
    ('plpgsql', $$sha256(head || sha256(convert_to(step.row_text, 'UTF8')))$$),
    ('pgcrypto', $$digest(head || digest(step.row_text, 'sha256'), 'sha256')$$)
  ) as side (name, hash)
\gexec

-- Seconds of processor time that a side takes; it is to find nothing wrong.
create function side_time(side text) returns numeric language plpgsql as $$
declare
  before bigint := processor_time();
  wrong bigint;
begin
  execute format('select side_%s()', side) into wrong;
  if wrong <> 0 then
    raise 'side % finds % traces that are not as they were', side, wrong;
  end if;
  return round((processor_time() - before) / 1e9, 3);
end $$;

-- What a backend had of its own at most, after it verified a tenant's traces, or all.
create function memory_of(tenant text) returns text language plpgsql as $$
declare
  traces bigint;
  status text;
begin
  select s.traces into traces from runlink_verify_summary(tenant) as s;
  status := pg_read_file('/proc/self/status');
  return format('%s kB for %s traces', substring(status from 'VmHWM:\s*(\d+)')::integer
    - substring(status from 'RssFile:\s*(\d+)')::integer - substring(status from 'RssShmem:\s*(\d+)')::integer, traces);
end $$;
