/*-------------------------------------------------------------------------
 *
 * log_standing.h
 *	  How a trace stands in the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_LOG_STANDING_H
#define RUNLINK_LOG_STANDING_H

#include "encoding.h"
#include "log.h"

typedef struct LogStanding
{
	const char *damage;			/* what contradicts what, in words; NULL: nothing */
	bool		logged;			/* a checkpoint covers its newest seal */
	bool		is_signed;		/* that checkpoint is signed by a registered key */
	uint64		checkpoint_size;
} LogStanding;

extern void look_at_standing(const Log *log, const Encoding *encodings, text *trace_id,
							 LogStanding *standing);

#endif							/* RUNLINK_LOG_STANDING_H */
