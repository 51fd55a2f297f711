-- What every rule of runlink_gaps returns. A rule is a function runlink_gap_* in a file of its own, over the
-- whole database, inlined into the caller's query so that its predicate on run_id reaches the indexes; and a
-- line of runlink_gap_rows in ../gaps.sql.

create type runlink_gap as (
  gap text,
  level text,
  domain text,
  title text,
  run_id text,
  tenant_id text,
  source_table text,
  record_id text,
  detail text,
  remedy text,
  confidence text,
  proposed_run_id text
);

comment on type runlink_gap is
'@omit
A missing or wrong link, as runlink_gaps and runlink_gap_list return it.';
comment on column runlink_gap.gap is 'The rule that found it, a stable name';
comment on column runlink_gap.level is
'error: the records of a run are wrong or lost to it; warn: something is not linked as it should be; info:
it may be, or is for the application to decide';
comment on column runlink_gap.domain is 'activity, incidents, policies, controls or logs';
comment on column runlink_gap.title is 'The gap in a few words';
comment on column runlink_gap.run_id is
'The run that it concerns: the one that the record names, also where there is no such run, else the one
that is proposed; NULL where none can be told';
comment on column runlink_gap.tenant_id is 'The tenant of the record; NULL where there is no record';
comment on column runlink_gap.source_table is 'The table that the record is in';
comment on column runlink_gap.record_id is
'The record, or the constraint; NULL where the gap is of several records';
comment on column runlink_gap.detail is
'What was found, which writer to mend, and why there is no remedy where there is none';
comment on column runlink_gap.remedy is
'One statement without a semicolon, fit for \gexec, that changes nothing but what is shown here, or seals what
is not sealed of the run; NULL where mending would invent or alter evidence';
comment on column runlink_gap.confidence is
'certain: the rows alone prove it; likely: it follows from a legacy or indirect link; unknown: it cannot be
decided here';
comment on column runlink_gap.proposed_run_id is
'The run that the remedy writes into the record, or would if it could be; NULL: none';
