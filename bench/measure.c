/*-------------------------------------------------------------------------
 *
 * measure.c
 *	  Times runlink_evidence beside the same lookups as plain prepared SELECTs.
 *
 *		measure LOOKUPS.SQL RUNS
 *
 * Server time is the server's own: with log_duration on and client_min_messages
 * at log, it sends the duration of each Bind and each Execute as a notice, taken
 * before the notice is made.  A statement's server time is their sum.  Messages
 * cost round trips, so what the client sees is timed in turns without them.
 *
 * All sides answer for the same runs, each in its own order: no call finds the
 * rows of its run in the processor's caches because another side just read them.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#define WARM_UP 2000			/* calls a side before the first that counts */
#define BLOCK 250				/* calls a side between turns of the two clocks */

#define GOAL_MEDIAN 1.0
#define GOAL_P99 3.0
#define GOAL_RATIO 1.5

typedef enum Arguments
{
	RUN_ONLY,
	RUN_AND_TENANT,
	INCIDENTS_AND_TENANT
} Arguments;

typedef struct Lookup
{
	const char *name;			/* prepared by LOOKUPS.SQL */
	const char *kind;			/* kind of evidence that its rows are */
	Arguments	arguments;
} Lookup;

/* The run comes first, for its tenant; incidents before their events. */
static const Lookup lookups[] = {
	{"run", "run", RUN_ONLY},
	{"incident", "incident", RUN_AND_TENANT},
	{"incident_llm_run_id", "incident", RUN_AND_TENANT},
	{"policy_evaluation", "policy_evaluation", RUN_AND_TENANT},
	{"policy_evaluation_blocked", "policy_evaluation", RUN_AND_TENANT},
	{"policy_evaluation_original", "policy_evaluation", RUN_AND_TENANT},
	{"policy_enforcement", "policy_enforcement", RUN_AND_TENANT},
	{"limit_breach", "limit_breach", RUN_AND_TENANT},
	{"event_after_run_id", "governance_event", RUN_AND_TENANT},
	{"event_after_source_run_id", "governance_event", RUN_AND_TENANT},
	{"event_before_run_id", "governance_event", RUN_AND_TENANT},
	{"event_before_source_run_id", "governance_event", RUN_AND_TENANT},
	{"event_of_incident", "governance_event", INCIDENTS_AND_TENANT},
	{"trace", "trace", RUN_AND_TENANT},
	{"llm_run_record", "llm_run_record", RUN_AND_TENANT},
};

#define LOOKUPS ((int) (sizeof(lookups) / sizeof(lookups[0])))

/* What is timed: each lookup, the lookups of a run together, and the calls. */
enum
{
	PLAIN = LOOKUPS,
	EVIDENCE,
	GOVERNANCE,
	LINKAGE,
	SERIES
};

/* Sides take turns; a side is the last of the series that it fills. */
static const int sides[] = {PLAIN, EVIDENCE, GOVERNANCE, LINKAGE};

#define SIDES ((int) (sizeof(sides) / sizeof(sides[0])))

enum
{
	SERVER,
	CLIENT,
	CLOCKS
};

/* What a side found for a run, for comparison. */
typedef struct Found
{
	size_t		records;
	uint64_t	sum;			/* of the hashes of kind and id */
} Found;

static PGconn *connection;
static int	run_count;
static char **run_ids;
static double *samples[CLOCKS][SERIES];		/* by run, ms */
static Found *found_plain;
static Found *found_evidence;

static double waiting_share;	/* of the backend's time ready to run; -1: unknown */

static double notified_ms;		/* of the statement under way */
static int	notified_count;

__attribute__((noreturn, format(printf, 1, 2)))
static void
fail(const char *format, ...)
{
	va_list		arguments;

	va_start(arguments, format);
	fputs("measure: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

static void *
allocate(size_t count, size_t size)
{
	void	   *memory = calloc(count, size);

	if (memory == NULL)
		fail("out of memory");
	return memory;
}

static void
receive_notice(void *arg, const PGresult *result)
{
	double		ms;
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	(void) arg;
	if (message != NULL && sscanf(message, "duration: %lf ms", &ms) == 1)
	{
		notified_ms += ms;
		notified_count++;
	}
	else
		fprintf(stderr, "%s", PQresultErrorMessage(result));
}

static PGresult *
run_sql(const char *sql)
{
	PGresult   *result = PQexec(connection, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail("%s%s", PQerrorMessage(connection), sql);
	return result;
}

/* Executes a prepared statement and returns its time by the clock, in ms. */
static double
execute(int clock, const char *name, int count, const char *const *values, PGresult **result)
{
	struct timespec start,
				end;

	notified_ms = 0;
	notified_count = 0;
	clock_gettime(CLOCK_MONOTONIC, &start);
	*result = PQexecPrepared(connection, name, count, values, NULL, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (PQresultStatus(*result) != PGRES_TUPLES_OK)
		fail("%s: %s", name, PQerrorMessage(connection));

	if (clock == CLIENT)
		return (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6;
	if (notified_count != 2)
		fail("%s: %d durations where those of Bind and Execute were expected", name, notified_count);
	return notified_ms;
}

/* FNV-1a, 64 bits. */
static uint64_t
hash(uint64_t state, const char *text)
{
	for (; *text != '\0'; text++)
		state = (state ^ (unsigned char) *text) * UINT64_C(1099511628211);
	return state;
}

static uint64_t
hash_record(const char *kind, const char *id)
{
	return hash(hash(hash(UINT64_C(14695981039346656037), kind), "/"), id);
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	left = *(const uint64_t *) a;
	uint64_t	right = *(const uint64_t *) b;

	return (left > right) - (left < right);
}

/* Adds up distinct records: an event may be found by several keys. */
static Found
sum_up(uint64_t *hashes, size_t count)
{
	Found		found = {0};

	qsort(hashes, count, sizeof(uint64_t), compare_hashes);
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0 && hashes[i] == hashes[i - 1])
			continue;
		found.records++;
		found.sum += hashes[i];
	}
	return found;
}

/* A text[] literal of the ids in the first columns of some results. */
static char *
id_array(PGresult *const *results, int count)
{
	size_t		size = sizeof("{}");
	char	   *array;
	char	   *end;

	for (int i = 0; i < count; i++)
		for (int row = 0; row < PQntuples(results[i]); row++)
			size += PQgetlength(results[i], row, 0) + strlen("\"\",");
	end = array = allocate(size, 1);
	*end++ = '{';
	for (int i = 0; i < count; i++)
		for (int row = 0; row < PQntuples(results[i]); row++)
			end += sprintf(end, "%s\"%s\"", end > array + 1 ? "," : "", PQgetvalue(results[i], row, 0));
	strcpy(end, "}");
	return array;
}

/* The plain SELECTs of a run, one after another. */
static void
time_plain(int clock, int run)
{
	PGresult   *results[LOOKUPS];
	const char *tenant = NULL;
	double		total = 0;
	size_t		rows = 0;
	uint64_t   *hashes;

	for (int i = 0; i < LOOKUPS; i++)
	{
		const char *values[] = {run_ids[run], tenant};
		char	   *incidents = NULL;
		double		ms;

		if (lookups[i].arguments == INCIDENTS_AND_TENANT)
			values[0] = incidents = id_array(&results[1], 2);
		ms = execute(clock, lookups[i].name, lookups[i].arguments == RUN_ONLY ? 1 : 2, values,
					 &results[i]);
		free(incidents);
		samples[clock][i][run] = ms;
		total += ms;
		rows += PQntuples(results[i]);
		if (i == 0 && !PQgetisnull(results[0], 0, 1))
			tenant = PQgetvalue(results[0], 0, 1);
	}
	samples[clock][PLAIN][run] = total;

	hashes = allocate(rows + 1, sizeof(uint64_t));
	rows = 0;
	for (int i = 0; i < LOOKUPS; i++)
	{
		for (int row = 0; row < PQntuples(results[i]); row++)
			hashes[rows++] = hash_record(lookups[i].kind, PQgetvalue(results[i], row, 0));
		PQclear(results[i]);
	}
	found_plain[run] = sum_up(hashes, rows);
	free(hashes);
}

static void
time_evidence(int clock, int run)
{
	const char *values[] = {run_ids[run]};
	PGresult   *result;
	size_t		rows = 0;
	uint64_t   *hashes;
	int			kind,
				record_id;

	samples[clock][EVIDENCE][run] = execute(clock, "evidence", 1, values, &result);
	kind = PQfnumber(result, "kind");
	record_id = PQfnumber(result, "record_id");
	hashes = allocate(PQntuples(result) + 1, sizeof(uint64_t));
	for (int row = 0; row < PQntuples(result); row++)
	{
		/* Decisions are evaluations once more: a client makes them itself. */
		if (strcmp(PQgetvalue(result, row, kind), "decision") != 0)
			hashes[rows++] = hash_record(PQgetvalue(result, row, kind),
										 PQgetvalue(result, row, record_id));
	}
	PQclear(result);
	found_evidence[run] = sum_up(hashes, rows);
	free(hashes);
}

static void
time_call(int clock, int series, const char *name, int run)
{
	const char *values[] = {run_ids[run]};
	PGresult   *result;

	samples[clock][series][run] = execute(clock, name, 1, values, &result);
	PQclear(result);
}

static void
time_side(int clock, int side, int run)
{
	switch (side)
	{
		case PLAIN:
			time_plain(clock, run);
			break;
		case EVIDENCE:
			time_evidence(clock, run);
			break;
		case GOVERNANCE:
			time_call(clock, GOVERNANCE, "governance", run);
			break;
		case LINKAGE:
			time_call(clock, LINKAGE, "linkage", run);
			break;
	}
}

static void
shuffle(int *numbers, int count)
{
	for (int i = count - 1; i > 0; i--)
	{
		int			j = random() % (i + 1);
		int			swapped = numbers[i];

		numbers[i] = numbers[j];
		numbers[j] = swapped;
	}
}

static int *
shuffled(int count)
{
	int		   *numbers = allocate(count, sizeof(int));

	for (int i = 0; i < count; i++)
		numbers[i] = i;
	shuffle(numbers, count);
	return numbers;
}

/* One call of each side, in random order, for the runs that are next in theirs. */
static void
take_turns(int clock, int *const *orders, int position)
{
	int			turns[SIDES];

	for (int i = 0; i < SIDES; i++)
		turns[i] = i;
	shuffle(turns, SIDES);
	for (int i = 0; i < SIDES; i++)
		time_side(clock, sides[turns[i]], orders[turns[i]][position]);
}

static void
set_clock(int clock)
{
	PQclear(run_sql(clock == SERVER ? "set log_duration = on" : "set log_duration = off"));
}

/* How long the backend has run, and how long it was ready and had no processor, in ns. */
static bool
read_schedule(double *running, double *waiting)
{
	char		name[50];
	FILE	   *file;
	bool		known;

	snprintf(name, sizeof(name), "/proc/%d/schedstat", PQbackendPID(connection));
	file = fopen(name, "r");
	if (file == NULL)
		return false;
	known = fscanf(file, "%lf %lf", running, waiting) == 2;
	fclose(file);
	return known;
}

static void
measure(void)
{
	int		   *orders[CLOCKS][SIDES];
	double		running[2] = {0},
				waiting[2] = {0};
	bool		known;

	for (int clock = 0; clock < CLOCKS; clock++)
	{
		for (int side = 0; side < SIDES; side++)
			orders[clock][side] = shuffled(run_count);
		set_clock(clock);
		for (int i = 0; i < WARM_UP / CLOCKS; i++)
			take_turns(clock, orders[clock], random() % run_count);
	}
	known = read_schedule(&running[0], &waiting[0]);
	for (int start = 0; start < run_count; start += BLOCK)
	{
		for (int clock = 0; clock < CLOCKS; clock++)
		{
			set_clock(clock);
			for (int i = start; i < start + BLOCK && i < run_count; i++)
				take_turns(clock, orders[clock], i);
		}
	}
	known = known && read_schedule(&running[1], &waiting[1]);
	running[1] -= running[0];
	waiting[1] -= waiting[0];
	waiting_share = known ? waiting[1] / (running[1] + waiting[1]) : -1;

	for (int run = 0; run < run_count; run++)
	{
		if (found_plain[run].records != found_evidence[run].records ||
			found_plain[run].sum != found_evidence[run].sum)
			fail("run %s: the SELECTs found %zu records, evidence %zu or others", run_ids[run],
				 found_plain[run].records, found_evidence[run].records);
	}
}

static int
compare_doubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return (left > right) - (left < right);
}

/* The smallest sample that a share of them do not exceed; they are sorted. */
static double
percentile(const double *sorted, double share)
{
	int			rank = (int) (share * run_count + 0.999999);

	return sorted[rank < 1 ? 0 : rank - 1];
}

static void
print_row(const char *label, int series)
{
	printf("%-32s", label);
	for (int clock = 0; clock < CLOCKS; clock++)
	{
		const double *sorted = samples[clock][series];

		printf("%10.3f %8.3f %8.3f", percentile(sorted, 0.5), percentile(sorted, 0.99),
			   sorted[run_count - 1]);
	}
	putchar('\n');
}

static void
print_goal(const char *label, double value, double goal, bool below)
{
	printf("%-46s %8.3f   goal %s %.1f: %s\n", label, value, below ? "<" : "<=", goal,
		   (below ? value < goal : value <= goal) ? "met" : "MISSED");
}

static void
report(void)
{
	const double *evidence = samples[SERVER][EVIDENCE];
	const double *plain = samples[SERVER][PLAIN];
	double	   *records = allocate(run_count, sizeof(double));
	double		all_records = 0;
	double		sum_of_medians = 0;

	for (int clock = 0; clock < CLOCKS; clock++)
		for (int series = 0; series < SERIES; series++)
			qsort(samples[clock][series], run_count, sizeof(double), compare_doubles);
	for (int run = 0; run < run_count; run++)
	{
		records[run] = found_evidence[run].records;
		all_records += records[run];
	}
	qsort(records, run_count, sizeof(double), compare_doubles);
	for (int i = 0; i < LOOKUPS; i++)
		sum_of_medians += percentile(samples[SERVER][i], 0.5);

	printf("%d random runs; records of a run: median %.0f, mean %.1f, p99 %.0f, max %.0f; "
		   "both sides found the same.\n\n", run_count, percentile(records, 0.5), all_records / run_count,
		   percentile(records, 0.99), records[run_count - 1]);
	printf("%-32s%28s%27s\n", "", "server time, ms", "seen by the client, ms");
	printf("%-32s%10s %8s %8s%10s %8s %8s\n", "", "median", "p99", "max", "median", "p99", "max");
	for (int i = 0; i < LOOKUPS; i++)
		print_row(lookups[i].name, i);
	print_row("the SELECTs of a run together", PLAIN);
	print_row("runlink_evidence", EVIDENCE);
	print_row("runlink_governance", GOVERNANCE);
	print_row("runlink_linkage", LINKAGE);
	putchar('\n');
	print_goal("runlink_evidence, server time, median, ms", percentile(evidence, 0.5), GOAL_MEDIAN, true);
	print_goal("runlink_evidence, server time, p99, ms", percentile(evidence, 0.99), GOAL_P99, true);
	print_goal("its median / median of the SELECTs together", percentile(evidence, 0.5) / percentile(plain, 0.5),
			   GOAL_RATIO, false);
	printf("%-46s %8.3f\n", "its median / sum of the SELECTs' medians",
		   percentile(evidence, 0.5) / sum_of_medians);
	printf("%-46s %8.3f\n", "its p99 / p99 of the SELECTs together",
		   percentile(evidence, 0.99) / percentile(plain, 0.99));
	printf("%-46s %8.3f\n", "seen by the client: ratio of medians",
		   percentile(samples[CLIENT][EVIDENCE], 0.5) / percentile(samples[CLIENT][PLAIN], 0.5));
	if (waiting_share >= 0)
		printf("%-46s %7.1f%%\n", "server's process ready, but without processor", waiting_share * 100);
}

static char *
read_file(const char *name)
{
	FILE	   *file = fopen(name, "r");
	char	   *text;
	long		size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
		fail("cannot read %s", name);
	rewind(file);
	text = allocate(size + 1, 1);
	if (fread(text, 1, size, file) != (size_t) size)
		fail("cannot read %s", name);
	fclose(file);
	return text;
}

static void
choose_runs(int wanted)
{
	char		sql[100];
	PGresult   *result;

	snprintf(sql, sizeof(sql), "select id from runs order by md5('bench ' || id) limit %d", wanted);
	result = run_sql(sql);
	run_count = PQntuples(result);
	if (run_count == 0)
		fail("no runs");
	run_ids = allocate(run_count, sizeof(char *));
	for (int i = 0; i < run_count; i++)
		run_ids[i] = strdup(PQgetvalue(result, i, 0));
	PQclear(result);
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		fail("usage: measure LOOKUPS.SQL RUNS");
	connection = PQconnectdb("");
	if (PQstatus(connection) != CONNECTION_OK)
		fail("%s", PQerrorMessage(connection));
	PQsetNoticeReceiver(connection, receive_notice, NULL);

	/* Plans that suit any run on both sides; no duration goes to the server's log. */
	PQclear(run_sql("set plan_cache_mode = force_generic_plan;"
					"set log_min_messages = fatal;"
					"set client_min_messages = log"));
	PQclear(run_sql(read_file(argv[1])));
	choose_runs(atoi(argv[2]));
	for (int clock = 0; clock < CLOCKS; clock++)
		for (int series = 0; series < SERIES; series++)
			samples[clock][series] = allocate(run_count, sizeof(double));
	found_plain = allocate(run_count, sizeof(Found));
	found_evidence = allocate(run_count, sizeof(Found));

	measure();
	report();
	PQfinish(connection);
	return 0;
}
