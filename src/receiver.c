/*-------------------------------------------------------------------------
 *
 * receiver.c
 *	  A receiver of a query's rows that hands each to a function.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "receiver.h"

static bool
hand_over_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old_context = MemoryContextSwitchTo(receiver->context);

	receiver->receive(slot, receiver->sink);
	MemoryContextSwitchTo(old_context);
	return true;
}

static void
start(DestReceiver *self, int operation pg_attribute_unused(), TupleDesc tupdesc)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old_context = MemoryContextSwitchTo(receiver->context);

	if (receiver->begin != NULL)
		receiver->begin(tupdesc, receiver->sink);
	MemoryContextSwitchTo(old_context);
}

static void
end(DestReceiver *self pg_attribute_unused())
{
}

/*
 * Makes *receiver one that calls receive(slot, sink) for each row, in the memory
 * context that is current now.
 */
DestReceiver *
row_receiver(RowReceiver *receiver, ReceiveRow receive, void *sink)
{
	*receiver = (RowReceiver) {
		.receiver = {
			.receiveSlot = hand_over_row,
			.rStartup = start,
			.rShutdown = end,
			.rDestroy = end,
			.mydest = DestTuplestore,	/* any that SPI takes for rows */
		},
		.receive = receive,
		.sink = sink,
		.context = CurrentMemoryContext,
	};
	return &receiver->receiver;
}
