/*-------------------------------------------------------------------------
 *
 * auditor.h
 *	  Who may read the whole state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_AUDITOR_H
#define RUNLINK_AUDITOR_H

#include "state.h"

extern void require_auditor(const State *state, const char *call);

#endif							/* RUNLINK_AUDITOR_H */
