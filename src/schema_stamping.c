/*-------------------------------------------------------------------------
 *
 * schema_stamping.c
 *	  The schema check of run stamping: the trigger on the audit ledger.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "schema_check.h"
#include "stamping.h"

static const OwnTrigger stamp_run = {
	STAMP_TRIGGER, "runlink_stamp_run",
	TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT
};

/*
 * The trigger that stamps.  There is nothing but the trigger itself to tell
 * that stamping was enabled: without one it is the administrator's to decide.
 */
void
check_stamping(const SchemaCheck *check)
{
	const char *ledger = app_tables[APP_AUDIT_LEDGER].name;
	Oid			relid = get_relname_relid(ledger, check->namespace);
	char		relkind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';
	Finding		finding = {
		.check_id = "stamping.stamp_run",
		.level = "recommended",
		.status = "ok",
		.domain = app_tables[APP_AUDIT_LEDGER].domain,
		.object = psprintf("%s on %s", stamp_run.name, ledger),
		.needed_by = psprintf("%s (policy and limit events)", app_call_governance.name),
		.why = "it adds the run in the setting runlink.run_id to the after_state of events that name none",
	};

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		return;					/* a view cannot have it; no table is told elsewhere */
	if (!OidIsValid(get_trigger_oid(relid, stamp_run.name, true)))
	{
		finding.level = "info";
		finding.status = "missing";
		finding.expected = psprintf("trigger %s, enabled", stamp_run.name);
		finding.why = "run stamping is not enabled, so an event belongs to a run only if its writer names "
			"the run: to enable it, call runlink_enable_run_stamping() as a superuser";
	}
	else if (!own_trigger_is_ok(check, relid, &stamp_run, &finding))
	{
		finding.remedy = psprintf("select %s.runlink_enable_run_stamping()",
								  quote_identifier(check->schema));
		finding.why = psprintf("%s; the remedy needs a superuser, and holds a SHARE ROW EXCLUSIVE lock on "
							   "audit_ledger for a moment", finding.why);
	}
	check->report(check->sink, &finding);
}
