create function runlink_package(run_id text, payloads boolean default true, tenant_id text default null)
returns jsonb
as 'MODULE_PATHNAME', 'runlink_package'
language c stable parallel restricted cost 100000;

comment on function runlink_package(text, boolean, text) is
'Everything about a run in one JSON value, with what it takes to check it without this database:
tools/runlink-verify does, and doc/format.md lets others write another verifier.
In: run_id and tenant_id as runlink_evidence; payloads, whether the payload of steps (their columns of
type json and jsonb) and its salts are shown, not NULL (22004). Without them a digest stands for each
payload, and nobody can try guesses against it; what other columns say of a payload they say still.
Out: an object of format (runlink-package/v1), run_id, tenant_id, made_at (when the statement began),
evidence (as runlink_evidence_json), encodings[] (what leaves cover), traces[] (in the order of
runlink_proof: trace_id, run_id and tenant_id as they were recorded, trace_status and where as the
application has it, seals[], steps[], log: entry, seal and tlog-proof text, or null), checkpoint (the
signed note of the largest checkpoint in it, or null) and manifest (parts: SHA-256 of the canonical form
of each part; omissions: what is left out, altered, missing, erased or not proved, each with why).
Values of steps are in their canonical form, payloads as readable JSON; doc/format.md has it all. A run
without traces, without seals or without a log gives a package that says so.
Errors: as runlink_evidence and runlink_proof; the caller lacks USAGE on schema runlink or SELECT on its
tables where there are any, or row-level security hides rows of aos_traces or aos_trace_steps from it
(42501): a package shows salts, and a step that is hidden would seem to be gone; an answer larger than a
jsonb value can be (54000); an entry or node of the log that is missing (XX001).
Reads one snapshot, the application''s tables as the caller, every step twice; memory grows with the
answer. ACCESS SHARE locks as any SELECT.
Stable, parallel restricted; works on a standby.';

create function runlink_step_proof(run_id text, trace_id text, step_index integer, payload boolean default false)
returns jsonb
as 'MODULE_PATHNAME', 'runlink_step_proof'
language c stable parallel restricted cost 100000;

comment on function runlink_step_proof(text, text, integer, boolean) is
'The proof of one step, through its seal to the log, without any other step; tools/runlink-verify checks it.
In: run_id as runlink_evidence; trace_id, of a trace that runlink_proof tells of the run, and step_index, of a
step of it that a seal holds; payload, whether its payload and salt are shown. None may be NULL (22004).
Out: an object of format (runlink-step-proof/v1), run_id, trace_id, encoding, step (as
runlink_package has it), position (of its leaf among those of the trace, from 0), path (hashes from its
leaf to the seal''s Merkle root, the leaf''s sibling first), seal (the text of the trace''s seal in the log
where it covers the step, else of the newest), log (entry and tlog-proof text; null where that seal is not
in it) and manifest (digests and omissions, as runlink_package). A step that was altered or is missing is
shown as such, and no verifier will take it for good.
Errors: as runlink_package; the run has no such trace, or the trace no such step (22023); no seal holds
the step, its seals are damaged, or sealing was never enabled (55000); the step has several rows (21000).
Reads, locks and privileges as runlink_package, but one step and the trace''s seals, in flat memory.
Stable, parallel restricted; works on a standby.';
