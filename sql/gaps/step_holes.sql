-- Traces that ended and whose steps do not follow each other from 0 on.

create function runlink_gap_step_holes()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 100
as $$
  select 'step_holes'::pg_catalog.text, 'error'::pg_catalog.text, 'logs'::pg_catalog.text,
    'steps with holes'::pg_catalog.text, t.run_id, t.tenant_id, 'aos_traces'::pg_catalog.text, t.trace_id,
    pg_catalog.concat(
      pg_catalog.format('Of the steps 0 to %s of the trace %s are not there, the first of them %s. ',
        there.last, (there.last operator(pg_catalog.+) 1::pg_catalog.int8)
          operator(pg_catalog.-) there.steps,
        case when there.first operator(pg_catalog.>) 0::pg_catalog.int8 then 0::pg_catalog.int8 else
          (select pg_catalog.min(s.step_index)::pg_catalog.int8 operator(pg_catalog.+) 1::pg_catalog.int8
            from (
              select s.step_index, pg_catalog.lead(s.step_index) over (order by s.step_index) as next
              from @extschema@.aos_trace_steps s
              where s.trace_id operator(pg_catalog.=) t.trace_id and s.step_index operator(pg_catalog.>=) 0
            ) as s
            where s.next::pg_catalog.int8 operator(pg_catalog.>)
              (s.step_index::pg_catalog.int8 operator(pg_catalog.+) 1::pg_catalog.int8))
        end),
      case when there.only_first_missing then
        'The others follow each other, so the writer may have counted from 1. '
      end,
      'A step that was lost cannot come back: see to it that an INSERT of a step that fails is tried again '
      'before the next. runlink_proof tells of steps that were there when they were sealed.'),
    null::pg_catalog.text,
    case when there.only_first_missing then 'likely'::pg_catalog.text else 'certain'::pg_catalog.text end,
    null::pg_catalog.text
  from (
      select run_id::pg_catalog.text, tenant_id::pg_catalog.text, trace_id::pg_catalog.text,
        status::pg_catalog.text
      from @extschema@.aos_traces
    ) as t
    left join @extschema@.runs r on r.id operator(pg_catalog.=) t.run_id
    cross join lateral (
      select s.steps, s.first, s.last,
        s.first operator(pg_catalog.=) 1::pg_catalog.int8
          and s.steps operator(pg_catalog.=) s.last as only_first_missing
      from (
        select pg_catalog.count(distinct s.step_index) as steps,
          pg_catalog.min(s.step_index)::pg_catalog.int8 as first,
          pg_catalog.max(s.step_index)::pg_catalog.int8 as last
        from @extschema@.aos_trace_steps s
        where s.trace_id operator(pg_catalog.=) t.trace_id and s.step_index operator(pg_catalog.>=) 0
      ) as s
    ) as there
  where (t.status operator(pg_catalog.<>) 'running'::pg_catalog.text
      or r.status operator(pg_catalog.=) any ('{succeeded,failed,halted}'::pg_catalog.text[]))
    and there.steps operator(pg_catalog.<=) there.last
$$;

comment on function runlink_gap_step_holes() is
'@omit
Rule of runlink_gaps: a trace that ended, or whose run did, and that lacks a step_index between 0 and its
highest. Steps with a negative one do not count.
Out: a row a trace, of level error; detail says how many are missing and the first. Where 0 alone is missing
confidence is likely, else certain. No remedy: lost steps cannot come back.
Errors: as a SELECT from runs, aos_traces and aos_trace_steps.
Reads, locks, inlining, volatility and parallel mark as runlink_gap_run_without_trace.';
