/*-------------------------------------------------------------------------
 *
 * report_markdown.c
 *	  The report in Markdown, for people.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <ctype.h>
#include <strings.h>

#include "report.h"

/* Does a character of a cell mean something to Markdown where it stands? */
static bool
is_markup(const char *text, const char *c)
{
	switch (*c)
	{
		case '|':
		case '\\':
		case '`':
		case '*':
		case '~':
		case '[':
		case ']':
		case '$':				/* formulas, where Markdown has them */
			return true;
		case '_':
			/* within a word, as in most of our ids, it does not */
			return c == text || !isalnum((unsigned char) c[-1]) || !isalnum((unsigned char) c[1]);
		/* GitHub's Markdown makes a link of a bare address */
		case ':':
			return c[1] == '/' && c[2] == '/';
		case '.':
			return c - text >= 3 && strncasecmp(c - 3, "www", 3) == 0;
		default:
			return false;
	}
}

/* Appends text as a cell of a Markdown table that cannot break out of it. */
static void
append_cell(StringInfo markdown, const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c == '<')
			appendStringInfoString(markdown, "&lt;");
		else if (*c == '>')
			appendStringInfoString(markdown, "&gt;");
		else if (*c == '&')
			appendStringInfoString(markdown, "&amp;");
		else if ((unsigned char) *c < ' ')
			appendStringInfoChar(markdown, ' ');	/* a line break would end the row */
		else
		{
			if (is_markup(text, c))
				appendStringInfoChar(markdown, '\\');
			appendStringInfoChar(markdown, *c);
		}
	}
}

/* Appends SQL as indented code, which no statement can end. */
static void
append_statement(StringInfo markdown, const char *statement)
{
	appendStringInfoString(markdown, "    ");
	for (const char *c = statement; *c != '\0'; c++)
	{
		appendStringInfoChar(markdown, *c);
		/* a carriage return alone ends a line of Markdown too */
		if (*c == '\n' || (*c == '\r' && c[1] != '\n'))
			appendStringInfoString(markdown, "    ");
	}
	appendStringInfoString(markdown, ";\n");
}

static void
begin(Report *report)
{
	appendStringInfoString(&report->text, "# " REPORT_TITLE "\n");
}

static void
begin_section(Report *report)
{
	appendStringInfo(&report->text, "\n## %s\n\n", report->section->heading);
}

static void
begin_rows(Report *report)
{
	const ReportSection *section = report->section;
	int			columns = 0;

	if (section->note != NULL)
		appendStringInfo(&report->text, "%s\n\n", section->note);
	if (section->shape == REPORT_RECORD)
		appendStringInfoString(&report->text, "| Item | Result |\n|---|---|\n");
	if (section->shape != REPORT_TABLE)
		return;

	for (; columns < REPORT_MAX_COLUMNS && section->headings[columns] != NULL; columns++)
		appendStringInfo(&report->text, "| %s ", section->headings[columns]);
	appendStringInfoString(&report->text, "|\n|");
	for (int i = 0; i < columns; i++)
		appendStringInfoString(&report->text, "---|");
	appendStringInfoChar(&report->text, '\n');
}

static void
write_row(Report *report, TupleTableSlot *slot)
{
	const ReportSection *section = report->section;

	for (int i = 0; i < REPORT_MAX_COLUMNS && section->headings[i] != NULL; i++)
	{
		char	   *value = report_value(slot, i);

		if (section->shape == REPORT_STATEMENTS)
			append_statement(&report->text, value);
		else if (section->shape == REPORT_RECORD)
		{
			appendStringInfo(&report->text, "| %s | ", section->headings[i]);
			append_cell(&report->text, value != NULL ? value : section->null_text);
			appendStringInfoString(&report->text, " |\n");
		}
		else
		{
			appendStringInfoString(&report->text, i == 0 ? "| " : " | ");
			append_cell(&report->text, value != NULL ? value : "");
		}
		if (value != NULL)
			pfree(value);
	}
	if (section->shape == REPORT_TABLE)
		appendStringInfoString(&report->text, " |\n");
}

static void
end_section(Report *report)
{
	if (report->rows == 0)
		appendStringInfo(&report->text, "%s\n", report->section->when_empty);
}

static void
end(Report *report pg_attribute_unused())
{
}

const ReportFormat report_markdown = {
	"markdown", begin, begin_section, begin_rows, write_row, end_section, end
};
