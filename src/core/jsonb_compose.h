/*-------------------------------------------------------------------------
 *
 * jsonb_compose.h
 *	  Large jsonb values put together from smaller ones, as these lie.
 *
 * What Postgres has for this takes every value apart and keeps all pieces until
 * the end, in many times the memory.  Here bytes are copied.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_JSONB_COMPOSE_H
#define RUNLINK_JSONB_COMPOSE_H

#include "compat.h"

#include "utils/jsonb.h"

/* Bytes of values, one after another. */
typedef struct JsonbData
{
	char	   *bytes;
	Size		length;
	Size		capacity;
} JsonbData;

/* Elements of an array to be.  Lives in the memory context it was begun in. */
typedef struct JsonbList
{
	uint32		count;
	uint32		capacity;
	JEntry	   *entries;		/* type and length of each */
	JsonbData	data;
} JsonbList;

typedef struct JsonbMember
{
	const char *key;
	const Jsonb *value;
} JsonbMember;

extern void jsonb_list_begin(JsonbList *list);
extern void jsonb_list_add(JsonbList *list, const Jsonb *value);
extern Jsonb *jsonb_list_end(JsonbList *list);
extern Jsonb *jsonb_of_members(JsonbMember *members, int count);
extern Jsonb *jsonb_from_text(const char *json);
extern Jsonb *jsonb_from_string(const char *string, int length);

#endif							/* RUNLINK_JSONB_COMPOSE_H */
