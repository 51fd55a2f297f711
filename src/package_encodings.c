/*-------------------------------------------------------------------------
 *
 * package_encodings.c
 *	  The encodings that a package's leaves were made by.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "nodes/pg_list.h"

#include "package.h"
#include "record.h"

/* An encoding with its id. */
Jsonb *
package_encoding(const Encoding *encoding)
{
	Canonical  *scratch = leaf_scratch();
	char	   *to = canonical_literal(scratch, canonical_begin(scratch), "{\"id\":");

	to = canonical_hex(scratch, to, encoding->id, SHA256_BYTES);
	to = canonical_literal(scratch, to, ",\"encoding\":");
	to = canonical_bytes(scratch, to, encoding->text, strlen(encoding->text));
	canonical_bytes(scratch, to, "}", sizeof("}"));
	return jsonb_from_text(scratch->data);
}

/* Adds an encoding to a list of them, as they stand in a package, unless it is there. */
List *
keep_package_encoding(List *encodings, const Encoding *encoding)
{
	ListCell   *cell;
	Encoding   *kept;

	foreach(cell, encodings)
	{
		if (memcmp(((Encoding *) lfirst(cell))->id, encoding->id, SHA256_BYTES) == 0)
			return encodings;
	}
	kept = palloc0(sizeof(Encoding));
	memcpy(kept->id, encoding->id, SHA256_BYTES);
	kept->text = pstrdup(encoding->text);
	return lappend(encodings, kept);
}
