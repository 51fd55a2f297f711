/*-------------------------------------------------------------------------
 *
 * package.h
 *	  Evidence packages and step proofs: the pieces both are made of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_PACKAGE_H
#define RUNLINK_PACKAGE_H

#include "core/jsonb_compose.h"
#include "log.h"
#include "run.h"
#include "seal.h"
#include "trace_check.h"
#include "traces.h"

/* ---- package.c ---- */

extern void require_package_reader(const Run *run, const State *state, const AppCall *call);
extern void open_package_run(FunctionCallInfo fcinfo, const AppCall *call, NullableDatum tenant_id,
							 Run *run);

/* ---- package_seals.c ---- */

/* What a package needs to know of a seal once it has it. */
typedef struct PackageSeal
{
	int32		seal_no;
	int32		encoding;
	bool		backfilled;		/* the leaves that it adds were made later than their steps */
	StepSet		steps;
} PackageSeal;

typedef struct PackageSeals
{
	int			count;
	int			capacity;
	PackageSeal *seals;
	int			found;			/* the last that was looked for */
	const char *damage;			/* what cannot be read, in words; or NULL */
} PackageSeals;

typedef void (*TellSeal) (void *sink, const Seal *seal);

extern const char *for_each_seal(const State *state, const Encoding *encodings, text *trace_id,
								 TellSeal tell, void *sink);
extern Jsonb *package_seals(const State *state, const Encoding *encodings, text *trace_id,
							PackageSeals *seals);
extern const PackageSeal *find_package_seal(PackageSeals *seals, int32 step_index);
extern char *append_seal_json(Canonical *to, char *at, const Seal *seal, bool with_steps);

/* ---- package_step.c ---- */

/* A step as a package shows it. */
typedef struct PackageStep
{
	const char *verdict;
	bool		step_index_isnull;
	int32		step_index;
	const PackageSeal *seal;	/* NULL: none holds it */
	const Encoding *encoding;	/* of the values; NULL: they cannot be shown */
	const uint8 *leaf;			/* recorded or sealed; NULL: none */
	const uint8 *salt;
	const Datum *values;		/* of the row; NULL: it is not there */
	const bool *isnull;
} PackageStep;

extern Jsonb *package_step(const PackageStep *step, const State *state, text *trace_id,
						   bool payloads, Canonical *writer);

/* ---- package_encodings.c ---- */

extern Jsonb *package_encoding(const Encoding *encoding);
extern List *keep_package_encoding(List *encodings, const Encoding *encoding);

/* ---- package_log.c ---- */

/* What proves that a seal of a trace is in the log. */
typedef struct PackageLog
{
	bool		found;
	LogEntry	entry;
	bool		is_signed;
	Checkpoint	checkpoint;
	char	   *note;
	Jsonb	   *json;			/* null where nothing is found */
} PackageLog;

extern void package_log(const State *state, text *trace_id, PackageLog *log);

/* ---- package_manifest.c ---- */

extern Jsonb *package_manifest(JsonbMember *members, int count, Jsonb *omissions);
extern void add_omission(JsonbList *omissions, const char *what, const char *why,
						 const text *trace_id, int64 count);
extern Jsonb *package_time(void);
extern Jsonb *jsonb_of_text(const text *value);

/* ---- package_trace.c ---- */

/* A package being made. */
typedef struct Package
{
	const Run  *run;
	TraceChecker checker;
	bool		payloads;
	MemoryContext context;
	Canonical  *writer;
	JsonbList	traces;
	JsonbList	omissions;
	List	   *encodings;		/* that were used */
	uint64		checkpoint_size;	/* of the largest checkpoint that a proof rests on */
	char	   *checkpoint;		/* its note; NULL: there is none */
} Package;

extern void add_package_trace(void *package, const Trace *trace);

#endif							/* RUNLINK_PACKAGE_H */
