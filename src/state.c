/*-------------------------------------------------------------------------
 *
 * state.c
 *	  The state: where it is, whether it is what runlink made, and the only
 *	  ways to touch it.
 *
 * Its tables belong to runlink_owner, a role that can do nothing else, so that
 * nobody but a superuser can forge, replace or drop them.  They are touched as
 * that role, never as a superuser, and only after they were found to be plain
 * tables of that role with the columns expected and no trigger or rule but our
 * own: a table put in their place cannot make anyone run its code.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "state.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(runlink_guard_state);

/* Bytes; a third of a page, which is what an index takes, less what comes with it. */
#define LONGEST_KEY 2000

static State current;
static bool current_valid = false;

/* Counts what may have changed the state; never wraps in practice. */
static uint64 invalidations = 0;

/* Above 0 while runlink itself changes the state. */
static int	writing = 0;

static void
relation_changed(Datum arg pg_attribute_unused(), Oid relid)
{
	for (int id = 0; id < STATE_TABLE_COUNT; id++)
	{
		if (!OidIsValid(relid) || current.relids[id] == relid)
		{
			invalidations++;
			current_valid = false;
		}
	}
}

static void
names_changed(Datum arg pg_attribute_unused(), SysCacheIdentifier cacheid pg_attribute_unused(),
			  uint32 hashvalue pg_attribute_unused())
{
	invalidations++;
	current_valid = false;
}

void
state_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, names_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, names_changed, (Datum) 0);
}

/* Was sealing ever enabled in this database? */
bool
state_made(void)
{
	return OidIsValid(get_namespace_oid(STATE_SCHEMA, true));
}

Oid
namespace_owner(Oid namespace)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(namespace));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", namespace);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* What may not be NULL is read without a look. */
static bool
may_be_null(const StateColumn *column)
{
	return column->declared != NULL && strstr(column->declared, "not null") == NULL;
}

static bool
columns_match(Relation relation, const StateColumn *columns)
{
	TupleDesc	tupdesc = RelationGetDescr(relation);
	int			i = 0;

	for (; columns[i].name != NULL; i++)
	{
		Form_pg_attribute attribute;

		if (i >= tupdesc->natts)
			return false;
		attribute = TupleDescAttr(tupdesc, i);
		if (attribute->attisdropped || attribute->atttypid != columns[i].type ||
			strcmp(NameStr(attribute->attname), columns[i].name) != 0 ||
			(!attribute->attnotnull && !may_be_null(&columns[i])))
			return false;
	}
	return tupdesc->natts == i;
}

/* Constraints and defaults would be code of somebody's, run as runlink_owner. */
static bool
has_foreign_code(Relation relation)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	return constraints != NULL && (constraints->num_check > 0 || constraints->num_defval > 0);
}

static bool
owner_may_use(Oid relid, Oid owner)
{
	const AclMode needed = ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE;

	return pg_class_aclmask(relid, owner, needed, ACLMASK_ALL) == needed;
}

/*
 * Are the indexes over columns alone, and none unique but the key?  One that is
 * not valid is being made or was left by REINDEX CONCURRENTLY.
 */
static bool
has_foreign_index(Relation relation)
{
	List	   *indexes = RelationGetIndexList(relation);
	bool		foreign = false;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (RelationGetIndexExpressions(index) != NIL || RelationGetIndexPredicate(index) != NIL ||
			(index->rd_index->indisunique && !index->rd_index->indisprimary &&
			 index->rd_index->indisvalid) ||
			index->rd_index->indisexclusion)
			foreign = true;
		index_close(index, AccessShareLock);
	}
	return foreign;
}

/* Are the table's triggers all our guard, of which a superuser owns the function? */
static bool
has_foreign_trigger(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Oid			function = triggers->triggers[i].tgfoid;
		char	   *name = get_func_name(function);
		HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
		bool		is_guard = HeapTupleIsValid(tuple) && name != NULL &&
			strcmp(name, "runlink_guard_state") == 0 &&
			superuser_arg(((Form_pg_proc) GETSTRUCT(tuple))->proowner);

		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
		if (!is_guard)
			return true;
	}
	return false;
}

/* How many characters a column of type varchar takes; -1: any. */
static int32
column_length(Relation relation, const char *name)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(relation), name);
	int32		typmod = TupleDescAttr(RelationGetDescr(relation), attnum - 1)->atttypmod;

	return typmod < 0 ? -1 : typmod - (int32) VARHDRSZ;
}

/* What is wrong with a table of the state; NULL if nothing. */
static const char *
table_obstacle(State *state, StateTableId id)
{
	const StateTable *table = &state_tables[id];
	Oid			relid = state->relids[id];
	Oid			owner = state->owner;
	Relation	relation = NULL;
	Form_pg_class form;
	const char *obstacle = NULL;

	if (OidIsValid(relid))
	{
		if (get_rel_relkind(relid) != RELKIND_RELATION)
			return psprintf("runlink.%s is no table", table->name);
		relation = try_table_open(relid, AccessShareLock);
	}
	if (relation == NULL)		/* or gone before we had the lock */
		return psprintf("there is no table runlink.%s", table->name);
	form = RelationGetForm(relation);
	if (form->relowner != owner)
		obstacle = "runlink.%s is not owned by runlink_owner";
	else if (form->relpersistence != RELPERSISTENCE_PERMANENT || form->relam != HEAP_TABLE_AM_OID)
		obstacle = "runlink.%s is not an ordinary table";
	else if (!columns_match(relation, table->columns))
		obstacle = "runlink.%s has other columns than runlink gave it";
	else if (form->relhasrules || form->relrowsecurity || form->relispartition || form->relhassubclass)
		obstacle = "runlink.%s has rules, policies or inheritance";
	else if (has_foreign_code(relation))
		obstacle = "runlink.%s has constraints or defaults that are not runlink's";
	else if (!owner_may_use(relid, owner))
		obstacle = "runlink_owner may not use runlink.%s, its own table";
	else if (has_foreign_trigger(relation))
		obstacle = "runlink.%s has a trigger that is not runlink's";
	else if (has_foreign_index(relation))
		obstacle = "runlink.%s has an index that is not runlink's";
	else if (id == STATE_LEAF)
		state->trace_id_length = column_length(relation, "trace_id");
	table_close(relation, AccessShareLock);
	return obstacle != NULL ? psprintf(obstacle, table->name) : NULL;
}

static const char *
look_at_state(State *state)
{
	Oid			schema = get_namespace_oid(STATE_SCHEMA, true);

	if (!OidIsValid(schema))
		return "sealing was never enabled";
	state->owner = get_role_oid(STATE_OWNER, true);
	if (!OidIsValid(state->owner))
		return "there is no role runlink_owner";
	if (superuser_arg(state->owner))
		return "the role runlink_owner is a superuser";
	if (namespace_owner(schema) != state->owner ||
		pg_namespace_aclcheck(schema, state->owner, ACL_USAGE) != ACLCHECK_OK)
		return "schema runlink is not owned by runlink_owner, or it may not use it";

	for (int id = 0; id < STATE_TABLE_COUNT; id++)
	{
		const char *obstacle;

		state->relids[id] = get_relname_relid(state_tables[id].name, schema);
		obstacle = table_obstacle(state, id);
		if (obstacle != NULL)
			return obstacle;
	}
	return NULL;
}

/*
 * The state, or NULL where it is not there or not as runlink made it; *obstacle
 * then says why, in words.
 */
const State *
state_open(const char **obstacle)
{
	if (!current_valid)
	{
		uint64		before = invalidations;

		current.generation++;
		*obstacle = look_at_state(&current);
		if (*obstacle != NULL)
			return NULL;
		/* What changed meanwhile makes us look again, as does an error. */
		current_valid = (invalidations == before);
	}
	return &current;
}

/*
 * Likewise, for who writes into some of the tables, a bit each: they are locked as
 * for any insert, and stay as they were found until the transaction ends.
 */
const State *
state_open_to_write(int tables, const char **obstacle)
{
	for (;;)
	{
		const State *state = state_open(obstacle);
		Oid			locked[STATE_TABLE_COUNT];

		if (state == NULL)
			return NULL;
		memcpy(locked, state->relids, sizeof(locked));
		for (int id = 0; id < STATE_TABLE_COUNT; id++)
		{
			if (tables & STATE_BIT(id))
				LockRelationOid(locked[id], RowExclusiveLock);
		}
		if (current_valid)
			return state;

		/* Something changed before we had the locks: what is found now stays. */
		state = state_open(obstacle);
		if (state == NULL || memcmp(locked, state->relids, sizeof(locked)) == 0)
			return state;
		for (int id = 0; id < STATE_TABLE_COUNT; id++)
		{
			if (tables & STATE_BIT(id))
				UnlockRelationOid(locked[id], RowExclusiveLock);
		}
	}
}

/* Is an id, a text value, short enough to be the key of an index? */
bool
state_can_index(Datum id)
{
	return VARSIZE_ANY_EXHDR(PG_DETOAST_DATUM_PACKED(id)) <= LONGEST_KEY;
}

/* Is a trace_id, a text value, no longer than the state's columns allow? */
bool
state_has_room(const State *state, Datum trace_id)
{
	struct varlena *text = PG_DETOAST_DATUM_PACKED(trace_id);

	if (!state_can_index(trace_id))
		return false;
	return state->trace_id_length < 0 ||
		(int32) VARSIZE_ANY_EXHDR(text) <= state->trace_id_length ||
		pg_mbstrlen_with_len(VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)) <= state->trace_id_length;
}

/* Inserts a row into an index; false where the index is the key and has such a row. */
static bool
insert_into_index(Relation index, HeapTuple row, Relation table, const Datum *values, const bool *isnull)
{
	IndexInfo  *info = BuildIndexInfo(index);
	bool		is_key = index->rd_index->indisprimary;
	Datum		keys[INDEX_MAX_KEYS];
	bool		key_isnull[INDEX_MAX_KEYS];
	bool		is_new;

	if (!info->ii_ReadyForInserts)
		return true;
	for (int i = 0; i < info->ii_NumIndexKeyAttrs; i++)
	{
		keys[i] = values[info->ii_IndexAttrNumbers[i] - 1];
		key_isnull[i] = isnull[info->ii_IndexAttrNumbers[i] - 1];
	}
	is_new = index_insert(index, keys, key_isnull, &row->t_self, table,
						  is_key ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_NO, false, info);
	return is_new || !is_key;
}

/*
 * Inserts a row, unless the table has one with its key; returns whether it did.
 * Takes no lock but that of any insert, which it keeps as any does, and waits for
 * nobody: a row with its key that another transaction is inserting counts as
 * there.  A row that is not inserted after all is never seen, neither here nor by
 * logical decoding.  Goes past triggers and privileges, which were looked at when
 * the state was opened to write into the table.
 */
bool
state_insert(Oid relid, const Datum *values, const bool *isnull)
{
	Relation	table = table_open(relid, RowExclusiveLock);
	HeapTuple	row = heap_form_tuple(RelationGetDescr(table), unconstify(Datum *, values),
									  unconstify(bool *, isnull));
	List	   *indexes = RelationGetIndexList(table);
	bool		inserted = true;
	ListCell   *cell;

	/*
	 * Without the lock that goes with a token: nobody waits for it but who
	 * inserts the same row by hand, and has to look again then.
	 */
	HeapTupleHeaderSetSpeculativeToken(row->t_data, 1);
	heap_insert(table, row, GetCurrentCommandId(true), HEAP_INSERT_SPECULATIVE, NULL);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (!insert_into_index(index, row, table, values, isnull))
			inserted = false;
		index_close(index, NoLock);
	}
	if (inserted)
		heap_finish_speculative(table, &row->t_self);
	else
		heap_abort_speculative(table, &row->t_self);
	table_close(table, NoLock);
	return inserted;
}

/* Who was the caller before runlink_owner. */
typedef struct Caller
{
	Oid			user;
	int			context;
} Caller;

/* Until end_as_owner, or the error that ends the (sub)transaction. */
static Caller
begin_as_owner(const State *state)
{
	Caller		caller;

	GetUserIdAndSecContext(&caller.user, &caller.context);
	SetUserIdAndSecContext(state->owner, caller.context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	return caller;
}

static void
end_as_owner(Caller caller)
{
	SetUserIdAndSecContext(caller.user, caller.context);
}

/*
 * Runs a query over the state as runlink_owner.  Rows go to receiver, or to
 * SPI_tuptable where it is NULL.  SPI must be connected.
 */
void
state_execute(const State *state, KeptQuery *query, const Datum *values, const char *nulls,
			  StateView view, DestReceiver *receiver)
{
	Caller		caller = begin_as_owner(state);

	writing++;
	PG_TRY();
	{
		execute_kept_query(query, values, nulls, view == STATE_SNAPSHOT, receiver);
	}
	PG_FINALLY();
	{
		writing--;
	}
	PG_END_TRY();
	end_as_owner(caller);
}

/* Opens a cursor over the state, under the caller's snapshot. */
Portal
state_cursor(const State *state, KeptQuery *query, const Datum *values)
{
	Caller		caller = begin_as_owner(state);
	Portal		portal = open_kept_query(query, values);

	end_as_owner(caller);
	return portal;
}

/* Fetches rows of such a cursor into SPI_tuptable. */
void
state_fetch(const State *state, Portal portal, long count)
{
	Caller		caller = begin_as_owner(state);

	fetch_rows(portal, count);
	end_as_owner(caller);
}

/*
 * runlink_guard_state() returns trigger
 *
 * Raises an error (55000) before any UPDATE, DELETE or TRUNCATE of the state
 * that is not runlink's own.
 */
Datum
runlink_guard_state(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("runlink_guard_state can only be called as a trigger")));
	if (writing == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("runlink.%s cannot be changed", RelationGetRelationName(trigger->tg_relation)),
				 errdetail("Leaves and seals are what the record of a run is checked against."),
				 errhint("Only runlink's own functions change them.")));
	return PointerGetDatum(NULL);
}
