-- Times a checkpoint of what waits, then proofs, one call after the other within the server.

\pset format unaligned
\pset tuples_only on
\pset fieldsep '\t'

select 'entries before: ' || count(*) from runlink.log_entry;
select 'seals that wait: ' || count(*) from runlink.unlogged;
\timing on
select 'checkpoint: size ' || split_part(runlink_checkpoint(), e'\n', 2);
select 'nothing new: size ' || split_part(runlink_checkpoint(), e'\n', 2);
\timing off
vacuum (analyze) runlink.log_entry, runlink.log_node, runlink.unlogged;

-- A checkpoint that is signed, so that the way to it is the one that is taken most.
insert into runlink.signature select size, now(), true, 'example.com/bench', '00000000', root, 'x' from runlink.checkpoint order by size desc limit 1;

create temp table took (what text, us double precision);
create procedure pg_temp.time_calls(what text, call text, calls integer) language plpgsql as $$
declare
  began timestamptz;
  argument text;
begin
  for n in -100..calls loop
    argument := 'run trace ' || 1 + floor(random() * current_setting('bench.seals')::integer)::integer;
    began := clock_timestamp();
    execute call using argument;
    if n > 0 then
      insert into took values (what, extract(epoch from clock_timestamp() - began) * 1e6);
    end if;
  end loop;
end $$;
select set_config('bench.seals', :'seals', false) \g /dev/null
call pg_temp.time_calls('nothing', 'select $1', :calls);
call pg_temp.time_calls('runlink_inclusion_proof', 'select * from runlink_inclusion_proof($1)', :calls);
call pg_temp.time_calls('runlink_inclusion_proof, a run without traces', $$ select * from runlink_inclusion_proof($1 || 'x') $$, :calls);
call pg_temp.time_calls('runlink_proof, 3 steps', 'select * from runlink_proof($1)', :calls);
call pg_temp.time_calls('runlink_consistency_proof',
  'select runlink_consistency_proof(hashtext($1)::bigint % (max(size) / 2) + max(size) / 2, max(size)) from runlink.checkpoint', :calls);

-- The same without the log.
create table kept as select * from runlink.log;
set session_replication_role = replica;
delete from runlink.log;
reset session_replication_role;
vacuum runlink.log;
call pg_temp.time_calls('runlink_proof, 3 steps, no log', 'select * from runlink_proof($1)', :calls);

\echo
\echo us within the server: median, p99
select what, percentile_disc(0.5) within group (order by us), percentile_disc(0.99) within group (order by us) from took group by what order by what;
