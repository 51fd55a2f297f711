-- Rules of runlink_gaps about traces and steps: each fires, stays silent where nothing is wrong, and is gone
-- once its remedy, where it has one, was run as it is printed.

begin;
select plan(44);
set local client_min_messages = warning;

create extension runlink schema public;
\i test/fixture/schema.sql
\i test/fixture/example.sql
\i test/fixture/defaults.sql

create temp view gap as
  select * from runlink_gap_run_without_trace() union all select * from runlink_gap_trace_without_run()
  union all select * from runlink_gap_several_traces() union all select * from runlink_gap_trace_without_steps()
  union all select * from runlink_gap_step_holes() union all select * from runlink_gap_negative_step()
  union all select * from runlink_gap_ended_run_running_trace() union all select * from runlink_gap_unsealed_trace()
  union all select * from runlink_gap_sealed_short() union all select * from runlink_gap_steps_missing()
  union all select * from runlink_gap_duplicate_retry();

-- The gaps of runs whose id begins so, in a line each.
create function pg_temp.told(prefix text) returns setof text language sql stable as $$
  select concat_ws(' ', gap, level, run_id, tenant_id, source_table, record_id, confidence,
    case when remedy is null then 'no remedy' else 'remedy' end, proposed_run_id)
  from gap where starts_with(run_id, prefix) order by gap collate "C", record_id collate "C"
$$;
create function pg_temp.add_run(run text, status text default 'succeeded', tenant text default 'tenant-a') returns void
language sql as $$
  insert into runs (id, tenant_id, status, started_at, attempts) values (run, tenant, status, '2026-01-01', 1);
$$;
create function pg_temp.add_trace(run text, steps integer[], status text default 'completed', trace text default null,
  tenant text default 'tenant-a', at timestamptz default '2026-01-01') returns void language sql as $$
  insert into aos_traces (trace_id, run_id, tenant_id, status, started_at)
    values (coalesce(trace, 'trace_' || run), run, tenant, 'running', at);
  insert into aos_trace_steps (trace_id, step_index, "timestamp")
    select coalesce(add_trace.trace, 'trace_' || run), i, at from unnest(steps) as i;
  update aos_traces as t set status = add_trace.status where t.trace_id = coalesce(add_trace.trace, 'trace_' || run);
$$;

-- Before sealing is enabled.

select results_eq(
  'select gap, level, run_id, tenant_id, source_table, record_id, remedy, confidence from gap',
  $$ values ('unsealed_trace', 'info', null, null, 'aos_traces', null, 'select public.runlink_enable_sealing()', 'certain') $$,
  'where sealing was never enabled that is one gap, and the documented example has no other');
select is_empty($$ select * from gap where run_id = 'run-linkage-test-001' $$, 'and it is no gap of a run');
savepoint no_trace;
delete from aos_traces;
select is_empty($$ select * from runlink_gap_unsealed_trace() $$, 'without a trace there is nothing to seal');
rollback to no_trace;
select pg_temp.add_run('h-early', 'halted'), pg_temp.add_trace('h-early', '{0,1}', 'running') \g /dev/null
select is_empty($$ select * from pg_temp.told('h-early') $$,
  'a halted run leaves its trace running: without sealing that is no gap');

\o /dev/null
select remedy from gap where gap = 'unsealed_trace' \gexec
\o
select results_eq($$ select gap, run_id, level, remedy, confidence from gap order by run_id $$,
  $$ values ('ended_run_running_trace', 'h-early', 'info', 'select * from public.runlink_seal_pending(run_id => ''h-early'')', 'certain'),
       ('unsealed_trace', 'run-linkage-test-001', 'warn',
         'select * from public.runlink_seal_pending(run_id => ''run-linkage-test-001'')', 'certain') $$,
  'its remedy enables it; then the traces that are not sealed are told');
\o /dev/null
select remedy from gap order by 1 \gexec
\o
select is_empty('select * from gap', 'whose remedies seal them');
select is((select status from aos_traces where run_id = 'h-early'), 'running', 'the one of the halted run as running');

-- What is no gap.

select pg_temp.add_run('ok-sealed'), pg_temp.add_trace('ok-sealed', '{0,1,2}');
select pg_temp.add_run('ok-failed', 'failed'), pg_temp.add_trace('ok-failed', '{}', 'failed');
select pg_temp.add_run('ok-running', 'running'), pg_temp.add_trace('ok-running', '{0,2}', 'running');
select pg_temp.add_run('ok-empty', 'running'), pg_temp.add_trace('ok-empty', '{}', 'running');
select pg_temp.add_run('ok-queued', 'queued'), pg_temp.add_run('ok-retry', 'retry'), pg_temp.add_run('ok-pending', 'pending_approval');
select pg_temp.add_run('ok-halted', 'halted'), pg_temp.add_trace('ok-halted', '{0,1}', 'running', at => now());
select pg_temp.add_run('ok-null', tenant => null), pg_temp.add_trace('ok-null', '{0}', tenant => 'any');
insert into runs (id, tenant_id, status) values ('ok-refused', 'tenant-a', 'halted'), ('ok-called-off', 'tenant-a', 'failed');
update runs set attempts = 2 where id = 'ok-running';
select pg_temp.add_run('ok-archived'), pg_temp.add_trace('ok-archived', '{0,1}');
insert into aos_traces_archive select * from aos_traces where run_id = 'ok-archived';
delete from aos_traces where run_id = 'ok-archived';
select is_empty('select * from gap', 'running, sealed, archived and halted runs, and runs that never began, have no gap');

-- A run that ended with no trace.

select pg_temp.add_run('n-''%s'), pg_temp.add_run('n-failed', 'failed'), pg_temp.add_run('n-halted', 'halted'),
  pg_temp.add_run('n-foreign'), pg_temp.add_trace('n-foreign', '{0}', tenant => 'tenant-b');
insert into runs (id, tenant_id, status) values ('n-succeeded', null, 'succeeded');
insert into aos_traces_archive select (t).* from (select t from aos_traces as t where run_id = 'n-foreign') as t;
select results_eq($$ select pg_temp.told('n-') $$,
  $$ values ('run_without_trace error n-''%s tenant-a runs n-''%s certain no remedy'),
       ('run_without_trace error n-failed tenant-a runs n-failed certain no remedy'),
       ('run_without_trace error n-foreign tenant-a runs n-foreign certain no remedy'),
       ('run_without_trace error n-halted tenant-a runs n-halted certain no remedy'),
       ('run_without_trace error n-succeeded runs n-succeeded certain no remedy') $$,
  'a run that ended with no trace of its tenant, archived or not');
select alike(detail, '%USE_POSTGRES_TRACES=true%cannot be brought back%', 'names the setting of the trace store, and why there is no remedy')
from gap where gap = 'run_without_trace' and run_id = 'n-failed';
savepoint no_archive;
drop table aos_traces_archive;
select results_eq($$ select run_id from gap where gap = 'run_without_trace' and run_id ~ 'archived|failed' order by 1 $$,
  $$ values ('n-failed'), ('ok-archived') $$, 'an installation may lack the archive');
rollback to no_archive;
savepoint narrow;
alter table runs drop column started_at, drop column attempts;
select bag_has($$ select run_id from runlink_gap_run_without_trace() $$, $$ values ('n-failed'), ('ok-refused') $$,
  'whether a run began is not known where no column says so: then it is a gap');
rollback to narrow;

-- A trace without run.

select pg_temp.add_trace('w-gone', '{0}'), pg_temp.add_trace('w-''%s', '{0}', tenant => 'te''nant');
select pg_temp.add_run('w2-named'), pg_temp.add_trace('w2-wrong', '{0}', trace => 'trace_w2-named');
select pg_temp.add_run('v-other', tenant => 'tenant-b'), pg_temp.add_trace('v-other', '{0}', tenant => 'tenant-b', trace => 'v'),
  pg_temp.add_trace('w3-wrong', '{0}', trace => 'trace_v-other');
select results_eq($$ select pg_temp.told('w') $$,
  $$ values ('run_without_trace error w2-named tenant-a runs w2-named certain no remedy'),
       ('trace_without_run error w3-wrong tenant-a aos_traces trace_v-other certain no remedy'),
       ('trace_without_run error w-''%s te''nant aos_traces trace_w-''%s certain no remedy'),
       ('trace_without_run error w-gone tenant-a aos_traces trace_w-gone certain no remedy'),
       ('trace_without_run error w2-wrong tenant-a aos_traces trace_w2-named likely no remedy w2-named') $$,
  'a trace whose run is not there; the run after which it is named is proposed, if it is of the same tenant');
select is_empty($$ select pg_temp.told('v-') $$, 'a trace that names its run is none, whatever its name');

-- Several traces of a run.

select pg_temp.add_run('s-'), pg_temp.add_trace('s-', '{0}', trace => 's-2', at => '2026-01-02'),
  pg_temp.add_trace('s-', '{0}', trace => 's-1'), pg_temp.add_trace('s-', '{0}', trace => 's-3''', at => '2026-01-02'),
  pg_temp.add_trace('s-', '{0}', trace => 's-replay', at => '2026-01-03'), pg_temp.add_trace('s-', '{0}', trace => 's-foreign', tenant => 'tenant-b');
update aos_traces set replay_mode = 'FULL' where trace_id = 's-replay';
select pg_temp.add_run('s-no-tenant', tenant => null), pg_temp.add_trace('s-no-tenant', '{0}', trace => 's-n1'),
  pg_temp.add_trace('s-no-tenant', '{0}', trace => 's-n2', tenant => 'tenant-b');
select results_eq($$ select pg_temp.told('s-') $$,
  $$ values ('several_traces warn s- tenant-a aos_traces s-2 certain no remedy'),
       ('several_traces warn s- tenant-a aos_traces s-3'' certain no remedy'),
       ('several_traces warn s-no-tenant tenant-b aos_traces s-n2 certain no remedy'),
       ('several_traces info s- tenant-a aos_traces s-replay unknown no remedy') $$,
  'each trace of a run after its first, of its tenant; which may be a replay');
select alike(detail, 'Trace 3 of its run; the first is s-1.%', 'says which it is and the first') from gap where record_id = 's-3''';

-- Steps.

select pg_temp.add_run('t-empty'), pg_temp.add_trace('t-empty', '{}');
select pg_temp.add_run('t-holes'), pg_temp.add_trace('t-holes', '{0,1,4,5,7}');
select pg_temp.add_run('t-first'), pg_temp.add_trace('t-first', '{2,3,4}');
select pg_temp.add_run('t-from-1'), pg_temp.add_trace('t-from-1', '{1,2,3}');
select pg_temp.add_run('t-halted', 'halted'), pg_temp.add_trace('t-halted', '{0,2147483647}', 'running', at => now());
select pg_temp.add_run('t-negative', 'running'), pg_temp.add_trace('t-negative', '{-3,-1,0,1}', 'running');
select pg_temp.add_run('t-only-negative'), pg_temp.add_trace('t-only-negative', '{-1}', 'failed');
select results_eq($$ select pg_temp.told('t-') $$,
  $$ values ('negative_step error t-negative tenant-a aos_traces trace_t-negative certain no remedy'),
       ('negative_step error t-only-negative tenant-a aos_traces trace_t-only-negative certain no remedy'),
       ('step_holes error t-first tenant-a aos_traces trace_t-first certain no remedy'),
       ('step_holes error t-from-1 tenant-a aos_traces trace_t-from-1 likely no remedy'),
       ('step_holes error t-halted tenant-a aos_traces trace_t-halted certain no remedy'),
       ('step_holes error t-holes tenant-a aos_traces trace_t-holes certain no remedy'),
       ('trace_without_steps error t-empty tenant-a aos_traces trace_t-empty certain no remedy') $$,
  'a completed trace without steps, steps with holes, and before the first');
select results_eq($$ select run_id, substring(detail from '^[^.]*\.') from gap where gap in ('step_holes', 'negative_step') order by run_id collate "C" $$,
  $$ values ('t-first', 'Of the steps 0 to 4 of the trace 2 are not there, the first of them 0.'),
       ('t-from-1', 'Of the steps 0 to 3 of the trace 1 are not there, the first of them 0.'),
       ('t-halted', 'Of the steps 0 to 2147483647 of the trace 2147483646 are not there, the first of them 1.'),
       ('t-holes', 'Of the steps 0 to 7 of the trace 3 are not there, the first of them 2.'),
       ('t-negative', 'Steps with a negative step_index: 2, the lowest -3.'),
       ('t-only-negative', 'Steps with a negative step_index: 1, the lowest -1.') $$,
  'which say how many and where');

-- An ended run with a running trace.

select pg_temp.add_run('e-''%I'), pg_temp.add_trace('e-''%I', '{0,1}', 'running', trace => 'e-1''%s\'),
  pg_temp.add_run('e-failed', 'failed'), pg_temp.add_trace('e-failed', '{0}', 'running'),
  pg_temp.add_run('e-halted', 'halted'), pg_temp.add_trace('e-halted', '{0,1}', 'running'),
  pg_temp.add_run('e-other'), pg_temp.add_trace('e-other', '{0}'),
  pg_temp.add_trace('e-other', '{0}', 'running', tenant => 'tenant-b', trace => 'e-foreign');
select results_eq($$ select pg_temp.told('e-') $$,
  $$ values ('ended_run_running_trace warn e-''%I tenant-a aos_traces e-1''%s\ likely remedy'),
       ('ended_run_running_trace warn e-failed tenant-a aos_traces trace_e-failed likely remedy'),
       ('ended_run_running_trace info e-halted tenant-a aos_traces trace_e-halted certain remedy') $$,
  'an ended run with a running trace of its tenant');
select remedy as moved from gap where run_id = 'e-failed' \gset
savepoint reviewed;
update runs set status = 'retry' where id = 'e-failed';
:moved;
select is((select status from aos_traces where run_id = 'e-failed'), 'running', 'the remedy changes nothing where the run is not what it was');
rollback to reviewed;
\o /dev/null
select remedy from gap where run_id ~ '^e-' \gexec
\o
select is_empty($$ select pg_temp.told('e-') $$, 'the remedies mend them');
select results_eq($$ select trace_id::text, status::text, (select final from runlink_trace_seal(trace_id)) from aos_traces where run_id ~ '^e-' order by trace_id collate "C" $$,
  $$ values ('e-1''%s\', 'completed', true), ('e-foreign', 'running', false), ('trace_e-failed', 'failed', true),
       ('trace_e-halted', 'running', false), ('trace_e-other', 'completed', true) $$,
  'of the trace of the run and of no other; a halted run''s stays running');
insert into aos_trace_steps (trace_id, step_index, "timestamp") values ('trace_e-halted', 2, now() - interval '30 min');
select is_empty($$ select pg_temp.told('e-') $$, 'a halted run''s trace that is not idle is left alone');
set local runlink.idle_after = '20min';
select results_eq($$ select gap, run_id from gap where run_id ~ '^e-' $$, $$ values ('ended_run_running_trace', 'e-halted') $$,
  'once it is idle its new step is told');
reset runlink.idle_after;

-- Traces unsealed and sealed short.

select pg_temp.add_run('u-''%L'), pg_temp.add_run('u-recorded'), pg_temp.add_run('u-short'), pg_temp.add_run('u-late'),
  pg_temp.add_run('u-missing'), pg_temp.add_run('u-unknown'), pg_temp.add_run('u-aborted', 'failed'), pg_temp.add_run('u-was-running');
set local session_replication_role = replica;
select pg_temp.add_trace('u-''%L', '{0,1}', trace => 'u-''%s'), pg_temp.add_trace('u-aborted', '{}', 'aborted');
set local session_replication_role = origin;
select pg_temp.add_trace('u-short', '{0,1}'), pg_temp.add_trace('u-late', '{0,1}'), pg_temp.add_trace('u-missing', '{0,1,2}'),
  pg_temp.add_trace('u-unknown', '{0,1}'), pg_temp.add_trace('u-recorded', '{0,1}', 'running'), pg_temp.add_trace('u-was-running', '{0,1}', 'running');
select runlink_seal_pending(run_id => 'u-was-running') \g /dev/null
insert into aos_trace_steps (trace_id, step_index) values ('trace_u-late', 2);
set local session_replication_role = replica;
update aos_traces set status = 'completed' where run_id in ('u-recorded', 'u-was-running');
insert into aos_trace_steps (trace_id, step_index) values ('trace_u-short', 2);
delete from aos_trace_steps where trace_id = 'trace_u-missing' and step_index = 2;
update runlink.seal set backfilled = step_count + 1 where trace_id = 'trace_u-unknown';
set local session_replication_role = origin;
select results_eq($$ select pg_temp.told('u-') $$,
  $$ values ('sealed_short warn u-late tenant-a aos_traces trace_u-late certain remedy'),
       ('sealed_short warn u-short tenant-a aos_traces trace_u-short certain no remedy'),
       ('sealed_short warn u-was-running tenant-a aos_traces trace_u-was-running certain remedy'),
       ('steps_missing error u-missing tenant-a aos_traces trace_u-missing certain no remedy'),
       ('unsealed_trace info u-aborted tenant-a aos_traces trace_u-aborted certain remedy'),
       ('unsealed_trace info u-recorded tenant-a aos_traces trace_u-recorded certain remedy'),
       ('unsealed_trace warn u-unknown tenant-a aos_traces trace_u-unknown unknown no remedy'),
       ('unsealed_trace warn u-''%L tenant-a aos_traces u-''%s certain remedy') $$,
  'ended traces that are not sealed, sealed short, and sealed with more than there is');
\o /dev/null
select remedy from gap where run_id ~ '^u-' \gexec
\o
select results_eq($$ select gap, run_id from gap where run_id ~ '^u-' order by 1 $$,
  $$ values ('sealed_short', 'u-short'), ('steps_missing', 'u-missing'), ('unsealed_trace', 'u-unknown') $$,
  'the remedies seal what can be sealed: what is missing, slipped in or not known stays');
select results_eq($$ select step_index, verdict from runlink_proof_steps('u-short') where verdict <> 'ok' $$, $$ values (2, 'inserted') $$,
  'no remedy makes a step good that was slipped in after the end');
savepoint halted;
select pg_temp.add_run('e-slipped', 'halted'), pg_temp.add_trace('e-slipped', '{0,1}');
set local session_replication_role = replica;
insert into aos_trace_steps (trace_id, step_index, "timestamp") values ('trace_e-slipped', 2, '2026-01-01');
update aos_traces set status = 'running' where trace_id = 'trace_e-slipped';
set local session_replication_role = origin;
select results_eq($$ select pg_temp.told('e-slipped') $$,
  $$ values ('ended_run_running_trace info e-slipped tenant-a aos_traces trace_e-slipped certain no remedy') $$,
  'nor where the trace was made to run again, of a halted run');
rollback to halted;
select pg_temp.add_trace('u-short', '{0,1}', 'running', trace => 'u-short-2');
set local session_replication_role = replica;
update aos_traces set status = 'completed' where trace_id = 'u-short-2';
set local session_replication_role = origin;
select results_eq($$ select gap, remedy from gap where record_id = 'u-short-2' and gap = 'unsealed_trace' $$, $$ values ('unsealed_trace', null) $$,
  'nor one of another trace of the run');
select alike(detail, '%no remedy%', 'as detail says') from gap where record_id = 'u-short-2' and gap = 'unsealed_trace';

-- A run that is tried again writes into the trace that its attempt before ended.

select pg_temp.add_run('v-again', 'running'), pg_temp.add_trace('v-again', '{0,1}', 'failed');
insert into aos_trace_steps (trace_id, step_index) values ('trace_v-again', 2);
select is_empty($$ select pg_temp.told('v-') $$, 'a retry that goes on is no gap');
update runs set status = 'succeeded' where id = 'v-again';
select results_eq($$ select pg_temp.told('v-') $$, $$ values ('sealed_short warn v-again tenant-a aos_traces trace_v-again certain remedy') $$,
  'once the run is over it is');
select pg_temp.add_trace('', '{0}', trace => 'trace of no name');
set local session_replication_role = replica;
insert into aos_trace_steps (trace_id, step_index) values ('trace of no name', 1);
set local session_replication_role = origin;
select results_eq($$ select gap, remedy from gap where run_id = '' order by 1 $$, $$ values ('sealed_short', null), ('trace_without_run', null) $$,
  'a run_id that is empty cannot be sealed by it');
select alike(detail, '%run_id is empty%', 'as detail says') from gap where run_id = '' and gap = 'sealed_short';

-- Retries with one set of steps.

select pg_temp.add_run('r-twice'), pg_temp.add_trace('r-twice', '{0,1}'), pg_temp.add_run('r-once'), pg_temp.add_trace('r-once', '{0,1}'),
  pg_temp.add_run('r-again', 'retry'), pg_temp.add_trace('r-again', '{0,1}', 'running'), pg_temp.add_run('r-no-steps', 'failed'),
  pg_temp.add_trace('r-no-steps', '{}', 'failed'), pg_temp.add_run('r-no-trace', 'running'), pg_temp.add_run('r-two'), pg_temp.add_trace('r-two', '{0}'),
  pg_temp.add_trace('r-two', '{0}', trace => 'two', at => '2026-01-02');
update runs set attempts = 3 where id ~ '^r-' and id <> 'r-once';
select results_eq($$ select pg_temp.told('r-') $$,
  $$ values ('duplicate_retry info r-twice tenant-a runs r-twice likely no remedy'),
       ('several_traces warn r-two tenant-a aos_traces two certain no remedy') $$,
  'a run that is over, had several attempts and one set of steps');

-- Of all rules.

select pg_temp.add_run('z'), pg_temp.add_trace('z', '{0}', 'running');
select set_eq('select distinct gap from gap',
  '{run_without_trace,trace_without_run,several_traces,trace_without_steps,step_holes,negative_step,unsealed_trace,sealed_short,steps_missing,duplicate_retry,ended_run_running_trace}'::text[],
  'every rule has fired');
select is_empty($$ select * from gap where gap is null or level is null or level not in ('error', 'warn', 'info') or domain <> 'logs' or title is null
    or source_table is null or record_id is null or detail !~ '\.$' or confidence is null or confidence not in ('certain', 'likely', 'unknown') $$,
  'each says all of it');
select is_empty($$ select remedy from gap where remedy !~ ' public\.' or remedy ~ ';\s*$' $$, 'remedies name the schema, in one statement');

-- What lies on the search_path is not called.

create temp table answered as select * from gap;
\i test/fixture/hostile_path.sql
set local search_path = hostile, public, tap, pg_catalog;
create temp table answered_there as select * from gap;
set local search_path = public, tap;
select set_eq('select * from answered_there', 'select * from answered', 'hostile operators and functions on the path change no answer');
select isnt_empty('select * from answered', 'of which there are some');

-- A tenant's role, which may not read leaves and seals itself, is told of its own.

create role runlink_test_tenant;
grant usage on schema public, tap to runlink_test_tenant;
grant select on all tables in schema public to runlink_test_tenant;
grant select on answered to runlink_test_tenant;
alter table runs enable row level security;
alter table aos_traces enable row level security;
create policy own on runs using (tenant_id = 'tenant-a' or tenant_id is null);
create policy own on aos_traces using (tenant_id in ('tenant-a', 'any'));
-- A view of another owner would be read as its owner.
select format('create temp view gap_of_reader with (security_invoker) as %s', pg_get_viewdef('gap'::regclass)) \gexec
grant select on gap_of_reader to runlink_test_tenant;
set local role runlink_test_tenant;
select bag_eq('select * from gap_of_reader', $$ select * from answered where tenant_id = 'tenant-a' or tenant_id is null $$, 'and of nothing else');
reset role;
alter table runs disable row level security;
alter table aos_traces disable row level security;

-- One run is looked up, whatever plan is kept; of the archive only that of runs without a trace, in whatever index it has.

\i test/fixture/asking.sql
set local jit = off;
set local enable_seqscan = off;
set local plan_cache_mode = force_generic_plan;
prepare of_run(text) as select * from gap where run_id = $1;
select unalike(replace(pg_temp.plan_of('execute of_run(''t-holes'')'), 'Seq Scan on aos_traces_archive', ''), '%Seq Scan%', 'no table is read whole');
select alike(pg_temp.plan_of('execute of_run(''t-holes'')'), '%Index Cond%runlink_trace_seal%', 'seals are looked up');
execute of_run('t-holes') \gset one_
select is(:'one_record_id'::text, 'trace_t-holes', 'the gap of the run is found so');

select * from finish();
rollback;
