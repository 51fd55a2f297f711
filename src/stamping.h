/*-------------------------------------------------------------------------
 *
 * stamping.h
 *	  Run stamping: what others need of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_STAMPING_H
#define RUNLINK_STAMPING_H

/*
 * Triggers fire in the order of their names: this one last, so that it sees
 * what the application's own make of a row.
 */
#define STAMP_TRIGGER "zz_runlink_stamp_run"

/* Value of the mark that a stamp has. */
#define STAMPED_BY "runlink"

extern void stamping_init(void);

#endif							/* RUNLINK_STAMPING_H */
