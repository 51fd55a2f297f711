-- Traces of three steps, first to last, each sealed as it ends.

select insert_trace('trace ' || n), insert_steps('trace ' || n, 3) from generate_series(:first, :last) as n;
update aos_traces set status = 'completed' where status = 'running';
