-- Every rule of sql/gaps/, a line each.

create function runlink_gap_rows()
returns setof @extschema@.runlink_gap
language sql stable parallel restricted rows 1000
as $$
  select * from @extschema@.runlink_gap_breach_event_without_run()
  union all select * from @extschema@.runlink_gap_breach_without_run()
  union all select * from @extschema@.runlink_gap_constraint_not_valid()
  union all select * from @extschema@.runlink_gap_duplicate_retry()
  union all select * from @extschema@.runlink_gap_ended_run_running_trace()
  union all select * from @extschema@.runlink_gap_evaluation_without_run()
  union all select * from @extschema@.runlink_gap_event_cause_unknown()
  union all select * from @extschema@.runlink_gap_incident_count_differs()
  union all select * from @extschema@.runlink_gap_incident_event_without_run()
  union all select * from @extschema@.runlink_gap_incident_without_run()
  union all select * from @extschema@.runlink_gap_link_across_tenants()
  union all select * from @extschema@.runlink_gap_link_to_missing_run()
  union all select * from @extschema@.runlink_gap_negative_step()
  union all select * from @extschema@.runlink_gap_policy_event_without_run()
  union all select * from @extschema@.runlink_gap_policy_violation_differs()
  union all select * from @extschema@.runlink_gap_run_without_trace()
  union all select * from @extschema@.runlink_gap_sealed_short()
  union all select * from @extschema@.runlink_gap_several_traces()
  union all select * from @extschema@.runlink_gap_step_holes()
  union all select * from @extschema@.runlink_gap_steps_missing()
  union all select * from @extschema@.runlink_gap_trace_without_run()
  union all select * from @extschema@.runlink_gap_trace_without_steps()
  union all select * from @extschema@.runlink_gap_unsealed_trace()
$$;

comment on function runlink_gap_rows() is
'@omit
The rows of the view runlink_gap_list, whose comment says what they are.
Errors: a table or column that is missing (42P01, 42703) or may not be read (42501).
Reads one snapshot, as the caller, under row-level security; ACCESS SHARE locks as any SELECT. Inlined into
the query, so that a predicate on run_id reaches the indexes. Stable, parallel restricted; works on a standby.';

create view runlink_gap_list with (security_invoker) as
  select * from @extschema@.runlink_gap_rows();

grant select on runlink_gap_list to public;

comment on view runlink_gap_list is
'@foreignKey (run_id) references runlink_runs (run_id)
Missing and wrong links of the whole database, as runlink_gaps() has them: a row a gap. Nothing is changed by
reading them: a remedy is for its reader to run. A gap is told apart by gap, source_table, record_id and run_id,
of which the last two may be NULL.
Predicates on run_id reach the tables'' indexes; without one, every table is read.';
comment on column runlink_gap_list.gap is 'The rule that found it, a stable name';
comment on column runlink_gap_list.level is
'error: the records of a run are wrong or lost to it; warn: something is not linked as it should be; info:
it may be, or is for the application to decide';
comment on column runlink_gap_list.domain is 'activity, incidents, policies, controls or logs';
comment on column runlink_gap_list.title is 'The gap in a few words';
comment on column runlink_gap_list.run_id is
'The run that it concerns: the one that the record names, also where there is no such run, else the one
that is proposed; NULL where none can be told';
comment on column runlink_gap_list.tenant_id is 'The tenant of the record; NULL where there is no record';
comment on column runlink_gap_list.source_table is 'The table that the record is in';
comment on column runlink_gap_list.record_id is
'The record, or the constraint; NULL where the gap is of several records';
comment on column runlink_gap_list.detail is
'What was found, which writer to mend, and why there is no remedy where there is none';
comment on column runlink_gap_list.remedy is
'One statement without a semicolon, fit for \gexec, that changes nothing but what is shown here, or seals what
is not sealed of the run; NULL where mending would invent or alter evidence';
comment on column runlink_gap_list.confidence is
'certain: the rows alone prove it; likely: it follows from a legacy or indirect link; unknown: it cannot be
decided here';
comment on column runlink_gap_list.proposed_run_id is
'The run that the remedy writes into the record, or would if it could be; NULL: none';

create function runlink_gaps(run_id text default null, tenant_id text default null)
returns setof @extschema@.runlink_gap
as 'MODULE_PATHNAME', 'runlink_gaps'
language c stable parallel restricted rows 20 cost 1000;

comment on function runlink_gaps(text, text) is
'Missing and wrong links, and the SQL that mends them where it can be mended.
In: run_id, to narrow to the gaps that concern a run, any string but '''' (22023); NULL: the whole database,
every table of which is read; tenant_id, to narrow to the records of a tenant, any string but '''' (22023);
NULL: every tenant. The two in each other''s place are an error (22023).
Out: rows by level (error, warn, info), gap, source_table, record_id and run_id: gap (the rule that found it),
level, domain (activity, incidents, policies, controls, logs), title, run_id (the run that the record names,
also where there is no such run, else the one that is proposed; NULL where none can be told), tenant_id (of
the record), source_table, record_id, detail (what was found, which writer to mend, why there is no remedy),
remedy (one statement without a semicolon, fit for \gexec, that changes nothing but what was shown, or seals what
is not sealed of the run; NULL where mending would invent or alter evidence), confidence (certain: the rows
alone prove it; likely: it follows from a legacy or indirect link; unknown: it cannot be decided here), proposed_run_id. No row: no gap was found.
Nothing is changed unless a remedy is run. What is told of no run is only in the answer about the whole database.
Errors: a table that is missing (42P01), lacks a column (42703), has a column of a wrong type (42804) or may
not be read (42501), a relation of its name that is no table or view (42809), a run that is not unique in a
view named runs, unless tenant_id is given (21000); never an empty answer instead. policy_enforcements and
llm_run_records are read where they exist.
Reads one snapshot, as the caller, under row-level security, where a run that is hidden from the caller is to it
a run that does not exist; ACCESS SHARE locks as any SELECT. Stable, parallel restricted; works on a standby.';
