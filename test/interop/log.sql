-- For test/interop/note and test/interop/sigstore: a log of 37 seals, grown by checkpoints of 1, 2, 3, 5, 8,
-- 20, 32 and 37 entries.
set client_min_messages = warning;
create extension runlink;
\i test/fixture/schema.sql
\i test/fixture/defaults.sql
\o /dev/null
select runlink_enable_sealing();
select runlink_create_log('example.com/interop');
create procedure grow(first integer, last integer) language plpgsql as $$
begin
  for i in first .. last loop
    insert into aos_traces (trace_id, run_id, tenant_id, status) values ('trace "' || i || '"', 'run ' || i, 'tenant é', 'running');
    insert into aos_trace_steps (trace_id, step_index, skill_name, params)
      select 'trace "' || i || '"', s, 's', jsonb_build_object('i', i) from generate_series(0, i % 5) as s;
    update aos_traces set status = 'completed' where run_id = 'run ' || i;
    commit;
  end loop;
  perform runlink_checkpoint();
end $$;
call grow(1, 1);
call grow(2, 2);
call grow(3, 3);
call grow(4, 5);
call grow(6, 8);
call grow(9, 20);
call grow(21, 32);
call grow(33, 37);
