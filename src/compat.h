/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the supported major versions of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_COMPAT_H
#define RUNLINK_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "runlink needs PostgreSQL 15 or later"
#endif

/* 16 moved the macros of variable-length data out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16 made one function of those that check a privilege on an object. */
#if PG_VERSION_NUM >= 160000
#define pg_namespace_aclcheck(namespace, role, mode) \
	object_aclcheck(NamespaceRelationId, namespace, role, mode)
#endif

/* 16 lets the making of a range fail without an error. */
#if PG_VERSION_NUM >= 160000
#define make_nonempty_range(type, lower, upper) make_range(type, lower, upper, false, NULL)
#else
#define make_nonempty_range(type, lower, upper) make_range(type, lower, upper, false)
#endif

/* 19 made a type of the enumeration that numbers the system caches. */
#if PG_VERSION_NUM < 190000
typedef int SysCacheIdentifier;
#endif

/* 18 lets a module tell its name and version. */
#if PG_VERSION_NUM >= 180000
#define RUNLINK_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "runlink", .version = RUNLINK_VERSION)
#else
#define RUNLINK_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* RUNLINK_COMPAT_H */
