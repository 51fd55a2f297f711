/*-------------------------------------------------------------------------
 *
 * json_string.c
 *	  runlink_json_string: the key that the audit ledger is indexed by.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(runlink_json_string);

/*
 * runlink_json_string(state jsonb, key text) returns text
 *
 * The value of a top-level key of an object, if it is a string; NULL for any
 * other value, for a missing key and for anything but an object.  Immutable,
 * strict and leakproof: there is no value that it raises an error for.
 */
Datum
runlink_json_string(PG_FUNCTION_ARGS)
{
	Jsonb	   *state = PG_GETARG_JSONB_P(0);
	text	   *key = PG_GETARG_TEXT_PP(1);
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(state) ||
		getKeyJsonValueFromContainer(&state->root, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
									 &value) == NULL ||
		value.type != jbvString)
		PG_RETURN_NULL();

	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.val.string.val, value.val.string.len));
}
