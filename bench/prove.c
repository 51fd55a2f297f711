/*-------------------------------------------------------------------------
 *
 * prove.c
 *	  Times runlink_proof beside what it cannot do without.
 *
 *		prove SECONDS
 *
 * Five sides take turns, one call each, for the given time a size: the proof;
 * the rows fetched by libpq; the rows deformed in the server, and nothing sent;
 * SHA-256 over the messages that the proof hashes, here; and SELECT 1.  Medians
 * are of what this client sees over a unix socket.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>
#include <openssl/evp.h>

#define MOST 100000

enum
{
	PROOF,
	ROWS,
	DEFORMED,
	HASHED,
	NOTHING,
	SIDES
};

static const char *const sql[SIDES] = {
	[PROOF] = "select verification_status from runlink_proof('run ' || $1)",
	[ROWS] = "select * from aos_trace_steps where trace_id = $1 order by step_index",
	[DEFORMED] = "select count(archived_at) from (select * from aos_trace_steps"
	" where trace_id = $1 order by step_index offset 0) as s",
	[NOTHING] = "select 1 where $1::text is not null",
};

static PGconn *connection;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static PGresult *
run(const char *name, const char *argument)
{
	PGresult   *result = PQexecPrepared(connection, name, 1, &argument, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(connection));
		exit(1);
	}
	return result;
}

/* Hashes what the proof of a trace hashes: two messages a step, a link and a node. */
static void
hash(int steps, int payload, int others)
{
	static unsigned char message[65536];
	static EVP_MD *digest = NULL;
	static EVP_MD_CTX *context;
	unsigned char value[32];
	int			lengths[4] = {payload, others, 65, 65};

	if (digest == NULL)
	{
		digest = EVP_MD_fetch(NULL, "SHA2-256", NULL);
		context = EVP_MD_CTX_new();
	}
	for (int i = 0; i < steps; i++)
	{
		for (int m = 0; m < 4; m++)
		{
			EVP_DigestInit_ex2(context, digest, NULL);
			EVP_DigestUpdate(context, message, lengths[m]);
			EVP_DigestFinal_ex(context, value, NULL);
		}
	}
}

static int
compare(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return left < right ? -1 : left > right;
}

static double
median(double *values, int count)
{
	qsort(values, count, sizeof(double), compare);
	return values[count / 2];
}

int
main(int argc, char **argv)
{
	static double times[SIDES][MOST];
	static const int sizes[] = {1, 50, 1000, 10000};
	double		seconds = argc > 1 ? atof(argv[1]) : 10;

	connection = PQconnectdb("");
	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(connection));
		return 1;
	}
	PQclear(PQexec(connection, "set plan_cache_mode = force_generic_plan"));
	for (int side = 0; side < SIDES; side++)
	{
		char		name[16];

		snprintf(name, sizeof(name), "s%d", side);
		if (sql[side] != NULL)
			PQclear(PQprepare(connection, name, sql[side], 0, NULL));
	}
	PQclear(PQprepare(connection, "lengths", "select avg(l.payload)::int, avg(l.others)::int"
					  " from aos_trace_steps as s, message_lengths(s) as l where s.trace_id = $1", 0, NULL));

	printf("%6s %10s %10s %10s %10s %10s   %s\n", "steps", "proof", "rows", "deformed", "SHA-256",
		   "SELECT 1", "us, medians");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		char		trace[16];
		double		middle[SIDES];
		double		start = now();
		int			count = 0;
		PGresult   *lengths;
		int			payload;
		int			others;

		snprintf(trace, sizeof(trace), "%d", sizes[s]);
		lengths = run("lengths", trace);
		payload = atoi(PQgetvalue(lengths, 0, 0));
		others = atoi(PQgetvalue(lengths, 0, 1));
		PQclear(lengths);

		while (count < MOST && (count < 20 || now() - start < seconds * 1e6))
		{
			for (int side = 0; side < SIDES; side++)
			{
				char		name[16];
				double		before = now();

				if (side == HASHED)
					hash(sizes[s], payload, others);
				else
				{
					PGresult   *result;

					snprintf(name, sizeof(name), "s%d", side);
					result = run(name, trace);
					if (side == PROOF && strcmp(PQgetvalue(result, 0, 0), "VERIFIED") != 0)
					{
						fprintf(stderr, "trace %s is %s\n", trace, PQgetvalue(result, 0, 0));
						return 1;
					}
					PQclear(result);
				}
				times[side][count] = now() - before;
			}
			count++;
		}
		for (int side = 0; side < SIDES; side++)
			middle[side] = median(times[side], count);
		printf("%6d %10.0f %10.0f %10.0f %10.0f %10.0f   proof/rows %.2f, proof/(deformed + SHA-256) %.2f"
			   " (%d calls; messages of %d and %d bytes)\n",
			   sizes[s], middle[PROOF], middle[ROWS], middle[DEFORMED], middle[HASHED], middle[NOTHING],
			   middle[PROOF] / middle[ROWS], middle[PROOF] / (middle[DEFORMED] + middle[HASHED]), count,
			   payload, others);
	}
	return 0;
}
