/*-------------------------------------------------------------------------
 *
 * verify_parallel.c
 *	  Batches of traces, checked by several processes under one snapshot.
 *
 * The leader hands out chunks of seals, takes some itself, and hears from the
 * workers of the traces that did not pass.  What is wrong with these it finds
 * out alone.  An error of a worker is the leader's, who then does everything
 * once more without workers: in a worker nothing can be caught.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "verify.h"

#define FEWEST_CHUNKS_EACH 2
#define QUEUE_BYTES 65536

enum
{
	KEY_SHARED = 1,
	KEY_TENANT_ID,
	KEY_QUEUES
};

typedef struct SharedVerify
{
	Oid			function;
	bool		summary;
	VerifyFilter filter;		/* but for the tenant, which is a pointer */
	VerifyChunks chunks;
	VerifyCounts counts[FLEXIBLE_ARRAY_MEMBER]; /* of each worker */
} SharedVerify;

extern PGDLLEXPORT void runlink_verify_worker(dsm_segment *segment, shm_toc *toc);

/* Can workers read a table, under our snapshot? */
static bool
workers_can_read(Oid relid)
{
	List	   *relids;
	ListCell   *cell;

	if (!OidIsValid(relid))
		return true;
	if (get_rel_relkind(relid) != RELKIND_RELATION && get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return false;
	relids = find_all_inheritors(relid, AccessShareLock, NULL);
	foreach(cell, relids)
	{
		char		kind = get_rel_relkind(lfirst_oid(cell));

		if ((kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) ||
			get_rel_persistence(lfirst_oid(cell)) == RELPERSISTENCE_TEMP)
			return false;
	}
	return true;
}

static int
workers_wanted(const Verify *verify)
{
	return Min(max_parallel_workers_per_gather, (int) (verify->chunks.count / FEWEST_CHUNKS_EACH) - 1);
}

/* Is it worth it, and possible?  The tables are to be tables, not views of anything. */
bool
can_verify_in_parallel(const Verify *verify)
{
	const Oid  *relids = verify->verifier.binding->relids;

	return workers_wanted(verify) > 0 && verify->chunks.blocks >= 16 && !IsInParallelMode() &&
		workers_can_read(relids[APP_AOS_TRACES]) && workers_can_read(relids[APP_AOS_TRACE_STEPS]) &&
		workers_can_read(relids[APP_AOS_TRACES_ARCHIVE]);
}

/* Takes in what a worker has told so far; waits until it is done where that is asked. */
static void
hear_of_suspects(Verify *verify, shm_mq_handle **queue, bool wait)
{
	while (*queue != NULL)
	{
		Size		length;
		void	   *message;
		shm_mq_result result = shm_mq_receive(*queue, &length, &message, !wait);

		if (result == SHM_MQ_WOULD_BLOCK)
			return;
		if (result == SHM_MQ_DETACHED)
		{
			*queue = NULL;
			return;
		}
		put_suspect(verify, cstring_to_text_with_len(message, length));
	}
}

static ParallelContext *
create_context(Verify *verify, int workers, SharedVerify **shared, shm_mq_handle **queues)
{
	ParallelContext *context = CreateParallelContext("runlink", "runlink_verify_worker", workers);
	const VerifyFilter *filter = &verify->verifier.filter;
	const text *tenant_id = filter->nulls[2] == 'n' ? NULL : DatumGetTextPP(filter->values[2]);
	Size		tenant_bytes = tenant_id != NULL ? VARSIZE_ANY(tenant_id) : 1;
	Size		shared_bytes = offsetof(SharedVerify, counts) + sizeof(VerifyCounts) * workers;
	char	   *space;

	shm_toc_estimate_chunk(&context->estimator, shared_bytes);
	shm_toc_estimate_chunk(&context->estimator, tenant_bytes);
	shm_toc_estimate_chunk(&context->estimator, (Size) QUEUE_BYTES * workers);
	shm_toc_estimate_keys(&context->estimator, 3);
	InitializeParallelDSM(context);
	if (context->seg == NULL)
		return context;			/* no shared memory to be had, and so no workers */

	*shared = shm_toc_allocate(context->toc, shared_bytes);
	memset(*shared, 0, shared_bytes);
	(*shared)->function = verify->verifier.function;
	(*shared)->summary = (verify->verifier.call == &app_call_verify_summary);
	(*shared)->filter = *filter;
	(*shared)->chunks = verify->chunks;
	pg_atomic_init_u32(&(*shared)->chunks.next, 0);
	shm_toc_insert(context->toc, KEY_SHARED, *shared);

	space = shm_toc_allocate(context->toc, tenant_bytes);
	if (tenant_id != NULL)
		memcpy(space, tenant_id, tenant_bytes);
	shm_toc_insert(context->toc, KEY_TENANT_ID, space);

	space = shm_toc_allocate(context->toc, (Size) QUEUE_BYTES * workers);
	shm_toc_insert(context->toc, KEY_QUEUES, space);
	for (int i = 0; i < workers; i++)
	{
		shm_mq	   *queue = shm_mq_create(space + (Size) QUEUE_BYTES * i, QUEUE_BYTES);

		shm_mq_set_receiver(queue, MyProc);
		queues[i] = shm_mq_attach(queue, context->seg, NULL);
	}
	return context;
}

/* The leader's share of the chunks. */
static void
take_chunks(Verify *verify, SharedVerify *shared, shm_mq_handle **queues, int workers)
{
	Verifier   *verifier = &verify->verifier;
	uint32		chunk;

	while (next_chunk(&shared->chunks, &chunk))
	{
		ListCell   *cell;

		run_chunk(verifier, &shared->chunks, chunk);
		foreach(cell, verifier->suspects)
			put_suspect(verify, lfirst(cell));
		verifier->suspects = NIL;
		for (int i = 0; i < workers; i++)
			hear_of_suspects(verify, &queues[i], false);
		pg_atomic_write_u32(&verify->chunks.next, pg_atomic_read_u32(&shared->chunks.next));
		tell_progress(verify);
	}
}

static void
add_counts(VerifyCounts *counts, const VerifyCounts *more)
{
	counts->traces += more->traces;
	counts->steps += more->steps;
	counts->verified += more->verified;
	counts->failed += more->failed;
	counts->unsealed += more->unsealed;
	counts->archived += more->archived;
	counts->without_steps += more->without_steps;
	counts->hashed += more->hashed;
}

/* Checks every chunk with the help of workers, as many as are to be had, maybe none. */
void
verify_in_parallel(Verify *verify, void *argument pg_attribute_unused())
{
	int			wanted = workers_wanted(verify);
	shm_mq_handle **queues = palloc0(sizeof(shm_mq_handle *) * wanted);
	SharedVerify *shared = NULL;
	ParallelContext *context;

	EnterParallelMode();
	context = create_context(verify, wanted, &shared, queues);
	if (shared != NULL)
	{
		LaunchParallelWorkers(context);
		for (int i = 0; i < wanted; i++)
		{
			if (i < context->nworkers_launched)
				shm_mq_set_handle(queues[i], context->worker[i].bgwhandle);
			else
				queues[i] = NULL;
		}
		take_chunks(verify, shared, queues, context->nworkers_launched);
		for (int i = 0; i < context->nworkers_launched; i++)
			hear_of_suspects(verify, &queues[i], true);
		WaitForParallelWorkersToFinish(context);
		for (int i = 0; i < context->nworkers_launched; i++)
			add_counts(&verify->verifier.counts, &shared->counts[i]);
		verify->chunks.step_rows = shared->chunks.step_rows;
		verify->workers = context->nworkers_launched;
		pg_atomic_write_u32(&verify->chunks.next, verify->chunks.count);
	}
	DestroyParallelContext(context);
	ExitParallelMode();
}

/* A worker: takes chunks until there are none, and tells of traces that did not pass. */
void
runlink_verify_worker(dsm_segment *segment, shm_toc *toc)
{
	SharedVerify *shared = shm_toc_lookup(toc, KEY_SHARED, false);
	char	   *queues = shm_toc_lookup(toc, KEY_QUEUES, false);
	shm_mq	   *queue = (shm_mq *) (queues + (Size) QUEUE_BYTES * ParallelWorkerNumber);
	Verifier	verifier = {.filter = shared->filter};
	shm_mq_handle *handle;
	int64		hashed_before;
	uint32		chunk;

	shm_mq_set_sender(queue, MyProc);
	handle = shm_mq_attach(queue, segment, NULL);
	verifier.filter.values[2] = PointerGetDatum(shm_toc_lookup(toc, KEY_TENANT_ID, false));
	SPI_connect();
	verifier_begin(&verifier, shared->function, shared->summary ? &app_call_verify_summary : &app_call_verify);
	hashed_before = sha256_hashed;
	while (next_chunk(&shared->chunks, &chunk))
	{
		ListCell   *cell;

		run_chunk(&verifier, &shared->chunks, chunk);
		foreach(cell, verifier.suspects)
		{
			text	   *trace_id = lfirst(cell);

			if (shm_mq_send(handle, VARSIZE_ANY_EXHDR(trace_id), VARDATA_ANY(trace_id), false, true) !=
				SHM_MQ_SUCCESS)
				elog(ERROR, "the leader of the verification is gone");
		}
	}
	SPI_finish();
	verifier.counts.hashed = sha256_hashed - hashed_before;
	shared->counts[ParallelWorkerNumber] = verifier.counts;
	shm_mq_detach(handle);
}
