/*-------------------------------------------------------------------------
 *
 * binding.h
 *	  The linkage map bound to the tables of one schema.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_BINDING_H
#define RUNLINK_BINDING_H

#include "application.h"

#include "lib/stringinfo.h"

typedef struct Binding
{
	char	   *schema;			/* name of the application's schema, unquoted */
	uint64		version;		/* changes whenever SQL made from it may change */
	Oid			relids[APP_TABLE_COUNT];	/* InvalidOid: there is no such table */
} Binding;

/* Appends the select list for the records that a link finds as an item. */
typedef void (*AppendSelectList) (StringInfo sql, const Binding *binding, AppTableId table,
								  const AppLink *link, const AppItem *item);

extern void binding_init(void);
extern const Binding *binding_open(Oid function, const AppCall *call);

extern bool type_fits(Oid wanted, Oid type);
extern bool relkind_is_readable(char relkind);
extern bool table_readable(const AppTable *table, Oid relid, const AppCall *call);

extern void append_template(StringInfo sql, const Binding *binding, const char *sql_template);
extern void append_title(StringInfo sql, const Binding *binding, AppTableId table,
						 const AppItem *item);
extern void append_detail(StringInfo sql, AppTableId table, const AppItem *item);
extern void append_linked_records(StringInfo sql, const Binding *binding, AppTableSet tables,
								  bool as_evidence, AppendSelectList append_select_list);

#endif							/* RUNLINK_BINDING_H */
