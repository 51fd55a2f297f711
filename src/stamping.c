/*-------------------------------------------------------------------------
 *
 * stamping.c
 *	  Run stamping: events of the audit ledger carry the run that the writer's
 *	  session says it is in, where they name none themselves.
 *
 * The run is in a setting, which the application sets for a transaction; so
 * nothing needs to be loaded or connected beforehand, and a pool that hands its
 * connections from client to client passes nothing on.  The trigger never makes
 * an insert fail: what can be foreseen to stand in the way is looked at
 * beforehand and told in a warning, one a statement.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#include "app_trigger.h"
#include "core/jsonb_add.h"
#include "enabling.h"
#include "stamping.h"
#include "state.h"

PG_FUNCTION_INFO_V1(runlink_enable_run_stamping);
PG_FUNCTION_INFO_V1(runlink_disable_run_stamping);
PG_FUNCTION_INFO_V1(runlink_stamp_run);

#define KEY_RUN		"run_id"
#define KEY_SOURCE	"source_run_id"
#define KEY_MARK	"run_id_stamped_by"

static char *current_run = NULL;

static TriggerWarning not_stamped = {
	.not_done = "stamped with their run",
	.hint = "They are inserted as they are. See runlink_schema_check() and runlink_enable_run_stamping().",
};

void
stamping_init(void)
{
	DefineCustomStringVariable("runlink.run_id",
							   "The run that audit_ledger rows are stamped with by runlink_enable_run_stamping().",
							   "Set it with SET LOCAL, in the transaction that inserts. Empty: no run.",
							   &current_run, "", PGC_USERSET, 0, NULL, NULL, NULL);
}

static char *
lock_ledger(const Enabling *enabling, const char *mode)
{
	char	   *ledger = psprintf("%s.audit_ledger", enabling->schema);

	enabling_table(enabling, APP_AUDIT_LEDGER);
	run_sql(psprintf("lock table %s in %s mode", ledger, mode));
	return ledger;
}

/* A domain may have constraints, which nobody would check of what the trigger makes. */
static void
check_columns(const Enabling *enabling, const char *ledger)
{
	Oid			relid = enabling_table(enabling, APP_AUDIT_LEDGER);
	Oid			type;

	enabling_column(enabling, APP_AUDIT_LEDGER, "after_state", JSONBOID);
	enabling_column(enabling, APP_AUDIT_LEDGER, "before_state", JSONBOID);
	type = get_atttype(relid, get_attnum(relid, "after_state"));
	if (type != JSONBOID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"after_state\" of %s is of a domain", ledger),
				 errdetail("What a trigger changes is not checked against the constraints of %s.",
						   format_type_be(type)),
				 errhint("Make its type jsonb, with the constraints in CHECK constraints of the table.")));
}

static void
require_privilege(const char *function)
{
	require_superuser(function, "It makes a trigger on a table of the application.");
}

/*
 * runlink_enable_run_stamping() returns void
 */
Datum
runlink_enable_run_stamping(PG_FUNCTION_ARGS)
{
	Enabling	enabling;
	char	   *ledger;

	require_privilege("runlink_enable_run_stamping");
	enabling = begin_enabling(fcinfo->flinfo->fn_oid, "Run stamping");
	ledger = lock_ledger(&enabling, "share row exclusive");
	check_columns(&enabling, ledger);
	run_sql(psprintf("create or replace trigger " STAMP_TRIGGER " before insert on %s"
					 " for each row execute function %s.runlink_stamp_run()", ledger, enabling.schema));
	run_sql(psprintf("alter table %s enable trigger " STAMP_TRIGGER, ledger));
	end_enabling(&enabling);
	PG_RETURN_VOID();
}

/*
 * runlink_disable_run_stamping() returns void
 *
 * What was stamped stays.
 */
Datum
runlink_disable_run_stamping(PG_FUNCTION_ARGS)
{
	Enabling	enabling;
	char	   *ledger;

	require_privilege("runlink_disable_run_stamping");
	enabling = begin_enabling(fcinfo->flinfo->fn_oid, "Run stamping");
	ledger = lock_ledger(&enabling, "access exclusive");
	run_sql(psprintf("drop trigger if exists " STAMP_TRIGGER " on %s", ledger));
	end_enabling(&enabling);
	PG_RETURN_VOID();
}

/* Is a run id in the way of what has to be done with it? */
static const char *
run_obstacle(const char *run)
{
	size_t		length = strlen(run);

	/* A setting of a connection string is bytes that nobody looked at. */
	if (!pg_verifymbstr(run, length, true))
		return "the setting runlink.run_id is not text in the encoding of the database";
	if (!state_can_index(CStringGetTextDatum(run)))
		return "the setting runlink.run_id is longer than an index has room for";
	return NULL;
}

/* Would a row be in another partition with another value in the column? */
static bool
partition_depends_on(Relation relation, int column)
{
	Bitmapset  *attributes = NULL;

	if (!RelationGetForm(relation)->relispartition)
		return false;
	pull_varattnos((Node *) RelationGetPartitionQual(relation), 1, &attributes);
	return bms_is_member(column + 1 - FirstLowInvalidHeapAttributeNumber, attributes) ||
		bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attributes);
}

static bool
has_key(Jsonb *object, const char *key)
{
	JsonbValue	value;

	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), &value) != NULL;
}

static bool
has_string(Jsonb *object, const char *key)
{
	JsonbValue	value;

	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), &value) != NULL &&
		value.type == jbvString;
}

/* Does a state before the event link it to a run, as runlink_governance has it? */
static bool
links_to_run(Jsonb *state)
{
	return JB_ROOT_IS_OBJECT(state) && (has_string(state, KEY_RUN) || has_string(state, KEY_SOURCE));
}

/*
 * Is there something in an after_state that is the writer's to say: something
 * else than an object, a key that names a run, with whatever value, or our mark?
 */
static bool
is_to_be_left(Jsonb *state)
{
	return !JB_ROOT_IS_OBJECT(state) ||
		has_key(state, KEY_RUN) || has_key(state, KEY_SOURCE) || has_key(state, KEY_MARK);
}

/* An event without a state after it gets one of the stamp alone. */
static Jsonb *
empty_object(void)
{
	Jsonb	   *object = palloc(offsetof(Jsonb, root.children));

	SET_VARSIZE(object, offsetof(Jsonb, root.children));
	object->root.header = JB_FOBJECT;
	return object;
}

/*
 * The row with its stamp, or the row as it is: where that was in spite of the
 * writer, *obstacle says why.
 */
static HeapTuple
stamp(HeapTuple row, Relation relation, const char **obstacle)
{
	TupleDesc	tupdesc = RelationGetDescr(relation);
	int			after = find_column(tupdesc, "after_state", JSONBOID, obstacle);
	int			before = find_column(tupdesc, "before_state", JSONBOID, obstacle);
	int			attnum = after + 1;
	StringMember members[2] = {{KEY_RUN, current_run}, {KEY_MARK, STAMPED_BY}};
	Jsonb	   *state;
	Datum		value;
	bool		isnull;

	if (after < 0 || before < 0)
		return row;
	value = heap_getattr(row, attnum, tupdesc, &isnull);
	state = isnull ? empty_object() : DatumGetJsonbP(value);
	if (is_to_be_left(state))
		return row;
	value = heap_getattr(row, before + 1, tupdesc, &isnull);
	if (!isnull && links_to_run(DatumGetJsonbP(value)))
		return row;

	*obstacle = run_obstacle(current_run);
	if (TupleDescAttr(tupdesc, after)->atttypid != JSONBOID)
		*obstacle = "after_state is of a domain, whose constraints the stamp might break";
	else if (partition_depends_on(relation, after))
		*obstacle = "rows are put into partitions by after_state";
	else if (VARSIZE(state) > JSONB_ADD_LIMIT)
		*obstacle = "an after_state has more than 64 MB";
	else if (row->t_len > MaxAllocSize - 2 * JSONB_ADD_LIMIT)
		*obstacle = "a row is nearly as large as one can be";
	if (*obstacle != NULL)
		return row;
	state = jsonb_add_strings(state, members, lengthof(members));
	if (state == NULL)
	{
		*obstacle = "an after_state is damaged";
		return row;
	}
	value = JsonbPGetDatum(state);
	isnull = false;
	return heap_modify_tuple_by_cols(row, tupdesc, 1, &attnum, &value, &isnull);
}

/*
 * runlink_stamp_run() returns trigger
 *
 * Before the insert of each row of audit_ledger: adds the run of the setting
 * runlink.run_id to after_state, if the row names none.
 */
Datum
runlink_stamp_run(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	row;
	const char *obstacle = NULL;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("runlink_stamp_run can only be called as a trigger, before each row inserted")));

	row = trigger->tg_trigtuple;
	if (current_run == NULL || current_run[0] == '\0')
		return PointerGetDatum(row);
	if (is_table_of_application(trigger->tg_relation, fcinfo->flinfo->fn_oid, APP_AUDIT_LEDGER))
		row = stamp(row, trigger->tg_relation, &obstacle);
	else
		obstacle = "it is not the audit_ledger in the schema of runlink";
	if (obstacle != NULL)
		warn_once(&not_stamped, trigger->tg_relation, obstacle);
	return PointerGetDatum(row);
}
