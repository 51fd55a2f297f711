/*-------------------------------------------------------------------------
 *
 * jsonb.c
 *	  Damages jsonb values at random and makes their canonical form: nothing
 *	  outside a value may be read, whatever its bytes.
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

#include <time.h>

#define MOST_VALUES 1000

MemoryContext CurrentMemoryContext = NULL;

void *
palloc(Size size)
{
	return malloc(size);
}

void *
palloc0(Size size)
{
	return calloc(1, size);
}

void *
repalloc_huge(void *pointer, Size size)
{
	return realloc(pointer, size);
}

void *
MemoryContextAlloc(MemoryContext context pg_attribute_unused(), Size size)
{
	return malloc(size);
}

void *
MemoryContextAllocHuge(MemoryContext context pg_attribute_unused(), Size size)
{
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

int
main(int argc, char **argv)
{
	static Value values[MOST_VALUES];
	int			count = argc == 3 ? read_values(argv[1], values) : 0;
	time_t		end = time(NULL) + (argc == 3 ? atoi(argv[2]) : 0);
	Canonical  *canonical = canonical_create();
	long		tried = 0;
	long		refused = 0;

	if (count == 0)
	{
		fprintf(stderr, "usage: jsonb VALUES SECONDS\n");
		return 2;
	}
	for (int i = 0; i < count; i++)
	{
		if (canonical_jsonb(canonical, canonical_begin(canonical),
							(const JsonbContainer *) values[i].bytes, values[i].length) == NULL)
		{
			fprintf(stderr, "value %d is refused as it is\n", i);
			return 1;
		}
	}
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
