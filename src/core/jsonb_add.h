/*-------------------------------------------------------------------------
 *
 * jsonb_add.h
 *	  Members added to a jsonb object.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_JSONB_ADD_H
#define RUNLINK_JSONB_ADD_H

#include "compat.h"

#include "utils/jsonb.h"

typedef struct StringMember
{
	const char *key;
	const char *value;
} StringMember;

/* Bytes of an object that members can be added to: far from every limit of jsonb. */
#define JSONB_ADD_LIMIT (64 * 1024 * 1024)

extern Jsonb *jsonb_add_strings(const Jsonb *object, const StringMember *members, int count);

#endif							/* RUNLINK_JSONB_ADD_H */
