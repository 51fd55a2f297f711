/*-------------------------------------------------------------------------
 *
 * receiver.h
 *	  A receiver of a query's rows that hands each to a function.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_RECEIVER_H
#define RUNLINK_RECEIVER_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "tcop/dest.h"

typedef void (*ReceiveRow) (TupleTableSlot *slot, void *sink);
typedef void (*ReceiveColumns) (TupleDesc tupdesc, void *sink);

typedef struct RowReceiver
{
	DestReceiver receiver;
	ReceiveRow	receive;
	ReceiveColumns begin;		/* told the columns first; may be NULL */
	void	   *sink;
	MemoryContext context;		/* that these are called in */
} RowReceiver;

extern DestReceiver *row_receiver(RowReceiver *receiver, ReceiveRow receive, void *sink);

#endif							/* RUNLINK_RECEIVER_H */
