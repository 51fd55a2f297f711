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
#include "record.h"
#include "seal_pending.h"
#include "spi.h"
#include "stamping.h"
#include "state.h"
#include "verify.h"

RUNLINK_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	binding_init();
	saved_query_init();
	state_init();
	record_init();
	seal_pending_init();
	stamping_init();
	verify_init();
}
