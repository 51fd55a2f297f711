/*-------------------------------------------------------------------------
 *
 * jsonb.c
 *	  Damages jsonb values at random and makes their canonical form: nothing
 *	  outside a value may be read, whatever its bytes.  Before that, lets memory
 *	  run out at each allocation in turn: what was going on then may be begun anew.
 *
 *		jsonb VALUES SECONDS
 *
 * VALUES has a value a line, in hexadecimal: a jsonb container as it lies on
 * disk.  Made with sanitizers, and with malloc in place of memory contexts, so
 * that reading a byte too far ends the program.
 *
 *-------------------------------------------------------------------------
 */
#include "core/canonical.h"

#include <setjmp.h>
#include <time.h>

#define MOST_VALUES 1000

MemoryContext CurrentMemoryContext = NULL;

/* The allocation that fails, counted down to 0; below, none does. */
static int	allocations_left = -1;
static jmp_buf out_of_memory;

/* Leaves by an error, as the server does, once the countdown is over. */
static void
count_allocation(void)
{
	if (allocations_left == 0)
		longjmp(out_of_memory, 1);
	allocations_left--;
}

void *
palloc(Size size)
{
	count_allocation();
	return malloc(size);
}

void *
palloc0(Size size)
{
	count_allocation();
	return calloc(1, size);
}

void *
repalloc_huge(void *pointer, Size size)
{
	count_allocation();
	return realloc(pointer, size);
}

void *
MemoryContextAlloc(MemoryContext context pg_attribute_unused(), Size size)
{
	count_allocation();
	return malloc(size);
}

void *
MemoryContextAllocHuge(MemoryContext context pg_attribute_unused(), Size size)
{
	count_allocation();
	return malloc(size);
}

void
pfree(void *pointer)
{
	free(pointer);
}

typedef struct Value
{
	char	   *bytes;
	size_t		length;
} Value;

static int
read_values(const char *path, Value *values)
{
	FILE	   *file = fopen(path, "r");
	static char line[1024 * 1024];
	int			count = 0;

	while (file != NULL && count < MOST_VALUES && fgets(line, sizeof(line), file) != NULL)
	{
		size_t		length = strcspn(line, "\n") / 2;
		unsigned int byte;

		values[count].bytes = malloc(length);
		values[count].length = length;
		for (size_t i = 0; i < length; i++)
		{
			sscanf(line + 2 * i, "%2x", &byte);
			values[count].bytes[i] = (char) byte;
		}
		count++;
	}
	return count;
}

static bool
append_value(Canonical *canonical, const Value *value)
{
	char	   *end = canonical_jsonb(canonical, canonical_begin(canonical),
									  (const JsonbContainer *) value->bytes, value->length);

	if (end != NULL)
		canonical_end(canonical, end);
	return end != NULL;
}

/*
 * Makes the form of each value with memory running out at the failing-th
 * allocation, and once more with enough of it; returns how often it ran out.
 */
static int
run_out_of_memory(const Value *values, int count, int failing, Canonical *expected)
{
	volatile int ran_out = 0;

	for (volatile int i = 0; i < count; i++)
	{
		Canonical  *canonical = canonical_create();

		if (setjmp(out_of_memory) == 0)
		{
			allocations_left = failing;
			append_value(canonical, &values[i]);
		}
		else
			ran_out++;
		allocations_left = -1;
		if (!append_value(canonical, &values[i]) || !append_value(expected, &values[i]) ||
			canonical->length != expected->length ||
			memcmp(canonical->data, expected->data, expected->length) != 0)
		{
			fprintf(stderr, "value %d has another form once memory ran out at allocation %d\n", i, failing);
			exit(1);
		}
	}
	return ran_out;
}

int
main(int argc, char **argv)
{
	static Value values[MOST_VALUES];
	int			count = argc == 3 ? read_values(argv[1], values) : 0;
	time_t		end = time(NULL) + (argc == 3 ? atoi(argv[2]) : 0);
	Canonical  *canonical = canonical_create();
	long		tried = 0;
	long		refused = 0;
	int			ran_out;

	if (count == 0)
	{
		fprintf(stderr, "usage: jsonb VALUES SECONDS\n");
		return 2;
	}
	for (int i = 0; i < count; i++)
	{
		if (!append_value(canonical, &values[i]))
		{
			fprintf(stderr, "value %d is refused as it is\n", i);
			return 1;
		}
	}
	for (int failing = 0; (ran_out = run_out_of_memory(values, count, failing, canonical)) > 0; failing++)
		printf("memory ran out at allocation %d of %d values\n", failing, ran_out);
	srandom(time(NULL));
	while (time(NULL) < end)
	{
		for (int i = 0; i < 1000; i++)
		{
			Value	   *value = &values[random() % count];
			/* one byte shorter now and then; in a block of its own, with nothing behind it */
			size_t		length = value->length - (random() % 8 == 0 && value->length > 0);
			char	   *damaged = malloc(length);

			memcpy(damaged, value->bytes, length);
			for (int faults = 1 + random() % 4; faults > 0 && length > 0; faults--)
			{
				size_t		within = 64 + random() % 1024;	/* mostly where the entries are */

				damaged[random() % Min(length, within)] ^= 1 << random() % 8;
			}
			refused += canonical_jsonb(canonical, canonical_begin(canonical),
									   (const JsonbContainer *) damaged, length) == NULL;
			canonical_trim(canonical);
			free(damaged);
			tried++;
		}
	}
	printf("%d values, %ld damaged, %ld of these refused\n", count, tried, refused);
	return 0;
}
