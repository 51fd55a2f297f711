/*-------------------------------------------------------------------------
 *
 * report_json.c
 *	  The report in JSON, for machines.
 *
 * It is text of ours around values that Postgres's own functions write, so that
 * whatever text can hold is valid, and rows need not be together in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/datetime.h"

#include "report.h"

static void
append_value(StringInfo json, Datum value, bool isnull, Oid type)
{
	char		time[MAXDATELEN + 1];
	int			utc = 0;
	char	   *string;

	if (isnull)
	{
		appendStringInfoString(json, "null");
		return;
	}
	switch (type)
	{
		case BOOLOID:
			appendStringInfoString(json, DatumGetBool(value) ? "true" : "false");
			break;
		case INT4OID:
			appendStringInfo(json, "%d", DatumGetInt32(value));
			break;
		case INT8OID:
			appendStringInfo(json, INT64_FORMAT, DatumGetInt64(value));
			break;
		case TIMESTAMPTZOID:
			JsonEncodeDateTime(time, value, TIMESTAMPTZOID, &utc);
			appendStringInfo(json, "\"%s\"", time);
			break;
		case TEXTOID:
			string = TextDatumGetCString(value);
			escape_json(json, string);
			pfree(string);
			break;
		case JSONBOID:
			{
				Jsonb	   *jsonb = DatumGetJsonbP(value);

				JsonbToCString(json, &jsonb->root, VARSIZE(jsonb));
				if ((Pointer) jsonb != DatumGetPointer(value))
					pfree(jsonb);
				break;
			}
		default:
			elog(ERROR, "a section of the report has a column of type %u", type);
	}
}

/*
 * Appends the members of a row.  Those whose names share what is before a dot
 * stand together and are the members of an object of that name.
 */
static void
append_members(StringInfo json, TupleTableSlot *slot)
{
	TupleDesc	tupdesc = slot->tts_tupleDescriptor;
	const char *object = "";
	int			object_length = 0;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(tupdesc, i);
		const char *name = NameStr(column->attname);
		const char *dot = strchr(name, '.');
		int			length = dot != NULL ? dot - name : 0;
		bool		same = length == object_length && strncmp(name, object, length) == 0;

		if (!same && object_length > 0)
			appendStringInfoChar(json, '}');
		if (i > 0)
			appendStringInfoString(json, ", ");
		if (!same && length > 0)
			appendStringInfo(json, "\"%.*s\": {", length, name);
		object = name;
		object_length = length;
		appendStringInfo(json, "\"%s\": ", dot != NULL ? dot + 1 : name);
		append_value(json, slot->tts_values[i], slot->tts_isnull[i], column->atttypid);
	}
	if (object_length > 0)
		appendStringInfoChar(json, '}');
}

static void
begin(Report *report)
{
	appendStringInfoChar(&report->text, '{');
}

static void
begin_section(Report *report)
{
	if (report->section != report_sections)
		appendStringInfoString(&report->text, ",\n");
	if (report->section->key != NULL)
		appendStringInfo(&report->text, "\"%s\": [", report->section->key);
}

static void
begin_rows(Report *report pg_attribute_unused())
{
}

static void
write_row(Report *report, TupleTableSlot *slot)
{
	if (report->section->key == NULL)
		append_members(&report->text, slot);
	else
	{
		appendStringInfoString(&report->text, report->rows > 1 ? ",\n{" : "\n{");
		append_members(&report->text, slot);
		appendStringInfoChar(&report->text, '}');
	}
}

static void
end_section(Report *report)
{
	if (report->section->key != NULL)
		appendStringInfoChar(&report->text, ']');
}

static void
end(Report *report)
{
	appendStringInfoString(&report->text, "}\n");
}

const ReportFormat report_json = {
	"json", begin, begin_section, begin_rows, write_row, end_section, end
};
