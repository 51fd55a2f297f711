/*-------------------------------------------------------------------------
 *
 * report.h
 *	  runlink_report: what its sections and its formats share.
 *
 * A section is a query over what the other calls answered, which report.c keeps
 * under these names: linkage, evidence, proof, governance, gaps and schema (the
 * rows of runlink_schema_check that are not ok).  Every format writes the same
 * sections in the same order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_REPORT_H
#define RUNLINK_REPORT_H

#include "postgres.h"

#include "executor/tuptable.h"

#include "run.h"

#define REPORT_TITLE "Linkage report of a run"
#define REPORT_MAX_COLUMNS 16

typedef enum ReportShape
{
	REPORT_RECORD,				/* one row, of which each column is told on a line */
	REPORT_TABLE,
	REPORT_STATEMENTS			/* SQL to be run, in the first column */
} ReportShape;

typedef struct ReportSection
{
	const char *key;			/* its member of the JSON; NULL: its columns are members,
								 * those with a dot in their name of an object */
	const char *heading;
	ReportShape shape;
	const char *note;			/* a sentence for people, or NULL */
	const char *when_empty;		/* ... where there are no rows */
	const char *null_text;		/* what stands for NULL in a record */
	const char *headings[REPORT_MAX_COLUMNS];	/* of the first columns; what is past
												 * them is for machines only */
	KeptQuery	query;			/* its columns are named as in the JSON */
} ReportSection;

typedef struct Report
{
	const Run  *run;
	const struct ReportFormat *format;
	StringInfoData text;
	const ReportSection *section;	/* under way */
	int64		rows;			/* of the section, so far */
} Report;

/* How a format writes; what a section has no rows for is called without begin_rows. */
typedef struct ReportFormat
{
	const char *name;
	void		(*begin) (Report *report);
	void		(*begin_section) (Report *report);
	void		(*begin_rows) (Report *report);
	void		(*write_row) (Report *report, TupleTableSlot *slot);
	void		(*end_section) (Report *report);
	void		(*end) (Report *report);
} ReportFormat;

/* report_sections.c */
extern ReportSection report_sections[];
extern const int report_section_count;

/* report.c */
extern char *report_value(TupleTableSlot *slot, int column);
extern char *report_time(TimestampTz time);

extern const ReportFormat report_markdown;
extern const ReportFormat report_json;
extern const ReportFormat report_html;

/* report_html.c, report_timeline.c */
extern void append_html(StringInfo html, const char *text);
extern void append_timeline(StringInfo html, const Run *run);

#endif							/* RUNLINK_REPORT_H */
