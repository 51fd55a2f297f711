/*-------------------------------------------------------------------------
 *
 * runlink.c
 *	  Module entry.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"

#include "binding.h"
#include "spi.h"

RUNLINK_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	binding_init();
	saved_query_init();
}
