-- A log of as many entries, of traces that are not there, with its whole tree and a checkpoint.

select runlink_create_log('example.com/bench');
set session_replication_role = replica;
set max_parallel_workers_per_gather = 0;
set work_mem = '256MB';

alter table runlink.log_entry drop constraint log_entry_pkey;
drop index runlink.log_entry_trace_id_idx;
insert into runlink.log_entry (entry, seal_no, trace_id, seal_hash)
  select i, 0, 'past ' || i, sha256(int8send(i)) from generate_series(0, :entries - 1) as i;
alter table runlink.log_entry add primary key (entry);
create index on runlink.log_entry (trace_id);

create temp table level as select entry as position, seal_hash as hash from runlink.log_entry;
do $$
declare
  added bigint;
begin
  for n in 1..62 loop
    create temp table next_level as
      select position >> 1 as position, sha256('\x01' || hash || next) as hash
      from (select position, hash, lead(hash) over (order by position) as next from level) as pair
      where position & 1 = 0 and next is not null;
    insert into runlink.log_node (position, level, hash) select position, n, hash from next_level;
    get diagnostics added = row_count;
    drop table level;
    alter table next_level rename to level;
    exit when added = 0;
  end loop;
end $$;
vacuum (analyze) runlink.log_entry, runlink.log_node;

-- The root: of the complete subtrees, from the last to the first.
do $$
declare
  size constant bigint := (select count(*) from runlink.log_entry);
  root bytea;
begin
  for n in 0..62 loop
    continue when (size >> n) & 1 = 0;
    root := coalesce(sha256('\x01' || h.hash || root), h.hash)
      from (select seal_hash as hash from runlink.log_entry where n = 0 and entry = size - 1
        union all select hash from runlink.log_node where level = n and position = (size >> n) - 1) as h;
  end loop;
  insert into runlink.checkpoint values (size, now(), root);
end $$;
