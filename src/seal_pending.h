/*-------------------------------------------------------------------------
 *
 * seal_pending.h
 *	  The setting of runlink_seal_pending.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_SEAL_PENDING_H
#define RUNLINK_SEAL_PENDING_H

extern void seal_pending_init(void);

#endif							/* RUNLINK_SEAL_PENDING_H */
