/*-------------------------------------------------------------------------
 *
 * report_html.c
 *	  The report as one HTML page, for people: no script, nothing from outside.
 *
 * Everything from the database is written by append_html, as text.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "report.h"
#include "report_style.h"

/* In bytes: longer values scroll on a screen (paper has them whole), are text, are words to be broken. */
#define LONG_VALUE 300
#define LONG_TEXT 32
#define LONG_WORD 28

/* Does a character change the direction of the text that follows it? */
static bool
turns_direction(pg_wchar c)
{
	return c == 0x061C || c == 0x200E || c == 0x200F ||
		(c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* May a character not stand in HTML or XML? */
static bool
is_forbidden(pg_wchar c)
{
	return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7F && c <= 0x9F) ||
		(c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
}

/*
 * Appends text as text, for elements, attributes and SVG.  What HTML has no place
 * for becomes U+FFFD.  Where isolate is set, characters that turn the direction
 * stand in an element of their own: they are there, and seen, and turn nothing.
 */
static void
append_escaped(StringInfo html, const char *text, bool isolate)
{
	for (const char *c = text; *c != '\0';)
	{
		int			length = pg_utf_mblen((const unsigned char *) c);

		switch (*c)
		{
			case '&':
				appendStringInfoString(html, "&amp;");
				break;
			case '<':
				appendStringInfoString(html, "&lt;");
				break;
			case '>':
				appendStringInfoString(html, "&gt;");
				break;
			case '"':
				appendStringInfoString(html, "&quot;");
				break;
			case '\'':
				appendStringInfoString(html, "&#39;");
				break;
			case '\r':
				appendStringInfoString(html, "&#13;");
				break;
			default:
				{
					pg_wchar	character = utf8_to_unicode((const unsigned char *) c);

					if (is_forbidden(character))
						appendStringInfoString(html, "\xEF\xBF\xBD");
					else if (isolate && turns_direction(character))
						appendStringInfo(html, "<bdi class=\"turn\" data-code=\"U+%04X\">%.*s</bdi>",
										 character, length, c);
					else
						appendBinaryStringInfo(html, c, length);
				}
		}
		c += length;
	}
}

void
append_html(StringInfo html, const char *text)
{
	append_escaped(html, text, false);
}

static bool
has_long_word(const char *text)
{
	for (size_t length; *text != '\0'; text += length + (text[length] != '\0'))
	{
		length = strcspn(text, " \n");
		if (length > LONG_WORD)
			return true;
	}
	return false;
}

/* A value of the database, kept from turning the direction of what is around it. */
static void
append_value(StringInfo html, const char *value)
{
	bool		is_long = strlen(value) > LONG_VALUE;

	if (is_long)
		appendStringInfoString(html, "<div class=\"long\" tabindex=\"0\">");
	appendStringInfoString(html, "<bdi>");
	append_escaped(html, value, true);
	appendStringInfoString(html, "</bdi>");
	if (is_long)
		appendStringInfoString(html, "</div>");
}

/* The class of a value that says how good something is; the column is ours, and so are its words. */
static const char *
class_of(const char *column, const char *value)
{
	static const struct
	{
		const char *column;
		const char *value;
		const char *class;
	}			classes[] = {
		{"verdict", "met", "good"},
		{"verdict", "not met", "bad"},
		{"verdict", "not applicable", "open"},
		{"verification_status", "VERIFIED", "good"},
		{"verification_status", "FAILED", "bad"},
		{"verification_status", NULL, "open"},
		{"level", "error", "bad"},
		{"level", "required", "bad"},
		{"level", NULL, "open"},
	};

	for (size_t i = 0; i < lengthof(classes); i++)
	{
		if (strcmp(column, classes[i].column) == 0 &&
			(classes[i].value == NULL || strcmp(value, classes[i].value) == 0))
			return classes[i].class;
	}
	return NULL;
}

static void
begin(Report *report)
{
	appendStringInfoString(&report->text,
						   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
						   "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
						   "<meta name=\"referrer\" content=\"no-referrer\">\n<title>" REPORT_TITLE ": ");
	append_html(&report->text, id_for_message(report->run->run_id));
	appendStringInfoString(&report->text, "</title>\n<style>\n" REPORT_STYLE "</style>\n</head>\n<body>\n"
						   "<main>\n<h1>" REPORT_TITLE "</h1>\n");
}

static void
begin_section(Report *report)
{
	appendStringInfo(&report->text, "<section>\n<h2>%s</h2>\n", report->section->heading);
}

static void
begin_rows(Report *report)
{
	const ReportSection *section = report->section;
	StringInfo	html = &report->text;

	if (section->note != NULL)
		appendStringInfo(html, "<p>%s</p>\n", section->note);
	if (section->shape == REPORT_RECORD)
		appendStringInfoString(html, "<table class=\"record\">\n<tbody>\n");
	if (section->shape != REPORT_TABLE)
		return;

	appendStringInfo(html,
					 "<div class=\"wide\" role=\"region\" aria-label=\"%s\" tabindex=\"0\">\n"
					 "<table>\n<thead>\n<tr>", section->heading);
	for (int i = 0; i < REPORT_MAX_COLUMNS && section->headings[i] != NULL; i++)
		appendStringInfo(html, "<th scope=\"col\">%s</th>", section->headings[i]);
	appendStringInfoString(html, "</tr>\n</thead>\n<tbody>\n");
}

static void
write_cell(StringInfo html, TupleTableSlot *slot, int column, const char *value)
{
	Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, column);
	const char *class;

	if (value == NULL)
	{
		appendStringInfoString(html, "<td></td>");
		return;
	}
	appendStringInfo(html, "<td class=\"%s%s%s\">",
					 attribute->atttypid == TIMESTAMPTZOID ? "time" : "",
					 strlen(value) > LONG_TEXT ? "text" : "",
					 has_long_word(value) ? " word" : "");
	class = class_of(NameStr(attribute->attname), value);
	if (class != NULL)
		appendStringInfo(html, "<span class=\"%s\">", class);
	append_value(html, value);
	appendStringInfoString(html, class != NULL ? "</span></td>" : "</td>");
}

static void
write_row(Report *report, TupleTableSlot *slot)
{
	const ReportSection *section = report->section;
	StringInfo	html = &report->text;

	if (section->shape == REPORT_TABLE)
		appendStringInfoString(html, "<tr>");
	for (int i = 0; i < REPORT_MAX_COLUMNS && section->headings[i] != NULL; i++)
	{
		char	   *value = report_value(slot, i);

		if (section->shape == REPORT_STATEMENTS)
		{
			appendStringInfoString(html, "<pre dir=\"ltr\" tabindex=\"0\"><code>");
			append_escaped(html, value, true);
			appendStringInfoString(html, ";</code></pre>\n");
		}
		else if (section->shape == REPORT_RECORD)
		{
			appendStringInfo(html, "<tr><th scope=\"row\">%s</th><td>", section->headings[i]);
			append_value(html, value != NULL ? value : section->null_text);
			appendStringInfoString(html, "</td></tr>\n");
		}
		else
			write_cell(html, slot, i, value);
		if (value != NULL)
			pfree(value);
	}
	if (section->shape == REPORT_TABLE)
		appendStringInfoString(html, "</tr>\n");
}

static void
end_section(Report *report)
{
	const ReportSection *section = report->section;
	StringInfo	html = &report->text;

	if (report->rows == 0)
		appendStringInfo(html, "<p>%s</p>\n", section->when_empty);
	else if (section->shape != REPORT_STATEMENTS)
		appendStringInfoString(html, section->shape == REPORT_TABLE
							   ? "</tbody>\n</table>\n</div>\n" : "</tbody>\n</table>\n");
	appendStringInfoString(html, "</section>\n");
	if (section->shape == REPORT_RECORD)
		append_timeline(html, report->run);
}

static void
end(Report *report)
{
	appendStringInfoString(&report->text, "</main>\n</body>\n</html>\n");
}

const ReportFormat report_html = {
	"html", begin, begin_section, begin_rows, write_row, end_section, end
};
