/*-------------------------------------------------------------------------
 *
 * report_timeline.c
 *	  The run in time, as SVG in the HTML report.
 *
 * The query places everything and puts together what is too close to be told
 * apart, so that a picture is never of more than a few thousand marks, however
 * long the run is.  Pauses that would leave the rest no room are shortened, which
 * is the rule where a run is sealed or judged long after it ended.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "receiver.h"
#include "report.h"

/* In units of the SVG's viewBox. */
#define LEFT 120				/* names of the lanes */
#define WIDTH 850				/* of the time drawn */
#define TOTAL_WIDTH 1000
#define TOP 14
#define LANE_HEIGHT 36
#define PAUSE_WIDTH 46
#define STEP_WIDTH 4
#define MARK_WIDTH 14
#define LABEL_WIDTH 132			/* of a time */

#define MAX_PAUSES "8"
#define MAX_TITLE "200"			/* characters of a title; the tables have it whole */

/* In the order drawn; the query numbers them. */
static const char *const lanes[] = {
	"Steps", "Incidents", "Decisions", "Limit breaches", "Ledger events", "Seals"
};

#define AXIS_Y (TOP + (int) lengthof(lanes) * LANE_HEIGHT)

/* What a row of the query tells. */
typedef enum RowKind
{
	ROW_EXTENT,					/* the first, always there: all that is drawn */
	ROW_PAUSE,					/* from one time to another */
	ROW_MARK					/* one or more of a lane */
} RowKind;

typedef struct TimelineRow
{
	RowKind		kind;
	int			lane;
	double		x;				/* of a pause: its left end */
	int64		count;			/* together here; of the extent: all */
	int64		wrong;			/* of these; of the extent: those without a time */
	int64		in_lane;
	TimestampTz first;
	TimestampTz last;
	char	   *what;			/* of a single one; else NULL */
} TimelineRow;

typedef struct Timeline
{
	StringInfoData marks;
	StringInfoData axis;
	StringInfoData caption;
	int			lanes_named;	/* so far */
	int			pauses;
	double		label_end;		/* of the last time written below */
	bool		grouped;		/* something is put together */
	bool		wrong;			/* a step failed, or is not as recorded */
	TimelineRow extent;
} Timeline;

#define EPOCH(time) "pg_catalog.date_part('epoch', " time ")"
#define UNITS(number) CppAsString2(number)
#define OP(op) " OPERATOR(pg_catalog." op ") "

static SavedQuery timeline_query = {
	.sql_template = "WITH event (lane, happened_at, wrong, what) AS MATERIALIZED ("
	"SELECT 0, s.\"timestamp\"::pg_catalog.timestamptz,"
	" s.status" SQL_EQ "ANY ('{failed,failure}'::pg_catalog.text[])"
	" OR s.step_index" SQL_EQ "COALESCE(p.first_bad_step, -1),"
	" pg_catalog.concat('step ', s.step_index, ' ', s.skill_name, ': ', s.status,"
	" CASE WHEN s.step_index" SQL_EQ "p.first_bad_step THEN ', not as recorded' END)"
	" FROM proof AS p JOIN @extschema@.aos_traces AS t ON t.trace_id" SQL_EQ "p.trace_id"
	" AND t.run_id" SQL_EQ "p.run_id AND t.tenant_id" SQL_EQ "p.tenant_id"
	" JOIN @extschema@.aos_trace_steps AS s ON s.trace_id" SQL_EQ "t.trace_id"
	" UNION ALL SELECT k.lane, e.occurred_at, false,"
	" pg_catalog.concat(k.name, ' ', e.record_id, ': ', e.outcome, ' ',"
	" pg_catalog.\"left\"(e.title, " MAX_TITLE "))"
	" FROM evidence AS e JOIN (VALUES ('incident', 1, 'incident'),"
	" ('decision', 2, 'decision'), ('limit_breach', 3, 'limit breach'),"
	" ('governance_event', 4, 'ledger event')) AS k (kind, lane, name)"
	" ON k.kind" SQL_EQ "e.kind"
	" UNION ALL SELECT 5, p.sealed_at, false,"
	" pg_catalog.concat('newest seal of ', p.trace_id) FROM proof AS p"
	" WHERE p.sealed_at IS NOT NULL"
	"), mark AS MATERIALIZED (SELECT e.*, " EPOCH("e.happened_at") " AS second"
	" FROM event AS e WHERE pg_catalog.isfinite(e.happened_at)"
	"), extent AS MATERIALIZED (SELECT pg_catalog.min(m.second) AS first_second,"
	" pg_catalog.max(m.second)" OP("-") "pg_catalog.min(m.second) AS seconds,"
	" pg_catalog.min(m.happened_at) AS first_at, pg_catalog.max(m.happened_at) AS last_at,"
	" pg_catalog.count(*) AS marks FROM mark AS m"
	/* a pause is longer than three tenths of the time that longer ones leave, and leaves some */
	"), pause AS MATERIALIZED (SELECT b.*, pg_catalog.row_number() OVER (ORDER BY b.until) AS place"
	" FROM (SELECT g.*, pg_catalog.bool_and(g.seconds" OP(">") "(g.rest" OP("*") "0.3)"
	" AND g.rest" OP(">") "g.seconds)"
	" OVER (ORDER BY g.seconds DESC, g.until ROWS UNBOUNDED PRECEDING) AS is_pause"
	" FROM (SELECT l.*, x.seconds" OP("-") "COALESCE(pg_catalog.sum(l.seconds)"
	" OVER (ORDER BY l.seconds DESC, l.until ROWS BETWEEN UNBOUNDED PRECEDING"
	" AND 1 PRECEDING), 0) AS rest FROM extent AS x CROSS JOIN (SELECT"
	" m.second AS until, m.happened_at AS until_at,"
	" m.second" OP("-") "pg_catalog.lag(m.second) OVER w AS seconds,"
	" pg_catalog.lag(m.happened_at) OVER w AS from_at FROM mark AS m"
	" WINDOW w AS (ORDER BY m.second) ORDER BY 3 DESC NULLS LAST, 1 LIMIT " MAX_PAUSES ") AS l"
	" WHERE l.seconds" OP(">") "0) AS g) AS b WHERE b.is_pause"
	/* the scale: what is left of the width, over what is left of the time */
	"), scale AS MATERIALIZED (SELECT x.first_second,"
	" CASE WHEN x.seconds" OP("-") "p.seconds" OP(">") "0.001 THEN"
	" (" UNITS(WIDTH) OP("-") "(" UNITS(PAUSE_WIDTH) OP("*") "p.pauses))"
	OP("/") "(x.seconds" OP("-") "p.seconds) ELSE 0 END AS width"
	" FROM extent AS x CROSS JOIN (SELECT pg_catalog.count(*) AS pauses,"
	" COALESCE(pg_catalog.sum(g.seconds), 0) AS seconds FROM pause AS g) AS p"
	"), placed AS (SELECT m.*, c.width" OP("*") "(m.second" OP("-") "c.first_second"
	OP("-") "b.seconds)" OP("+") "(" UNITS(PAUSE_WIDTH) OP("*") "b.pauses) AS x"
	" FROM mark AS m CROSS JOIN scale AS c CROSS JOIN LATERAL ("
	"SELECT COALESCE(pg_catalog.sum(g.seconds), 0) AS seconds, pg_catalog.count(*) AS pauses"
	" FROM pause AS g WHERE g.until" OP("<=") "m.second) AS b"
	"), drawn AS (SELECT m.lane, pg_catalog.min(m.x) AS x, pg_catalog.count(*) AS count,"
	" pg_catalog.count(*) FILTER (WHERE m.wrong) AS wrong,"
	" pg_catalog.min(m.happened_at) AS first_at, pg_catalog.max(m.happened_at) AS last_at,"
	" pg_catalog.min(m.what) AS what FROM placed AS m"
	" GROUP BY m.lane, pg_catalog.floor(m.x" OP("/")
	"CASE WHEN m.lane" SQL_EQ "0 THEN " UNITS(STEP_WIDTH) " ELSE " UNITS(MARK_WIDTH) " END)"
	") SELECT r.kind, r.lane, r.x, r.count, r.wrong, r.in_lane, r.first_at, r.last_at, r.what"
	" FROM (SELECT 0, 0, 0::pg_catalog.float8, x.marks, (SELECT pg_catalog.count(*) FROM event AS e"
	" WHERE pg_catalog.isfinite(e.happened_at) IS NOT TRUE), 0::pg_catalog.int8,"
	" x.first_at, x.last_at, NULL::pg_catalog.text FROM extent AS x"
	" UNION ALL SELECT 1, 0, c.width" OP("*") "(g.until" OP("-") "c.first_second"
	OP("-") "pg_catalog.sum(g.seconds) OVER (ORDER BY g.until))"
	OP("+") "(" UNITS(PAUSE_WIDTH) OP("*") "(g.place" OP("-") "1)),"
	" 0, 0, 0, g.from_at, g.until_at, NULL FROM pause AS g CROSS JOIN scale AS c"
	" UNION ALL SELECT 2, d.lane, d.x, d.count, d.wrong,"
	" pg_catalog.sum(d.count) OVER (PARTITION BY d.lane)::pg_catalog.int8,"
	" d.first_at, d.last_at, d.what FROM drawn AS d"
	") AS r (kind, lane, x, count, wrong, in_lane, first_at, last_at, what)"
	" ORDER BY r.kind, r.lane, r.x"
};

/* A length of time in a few characters, palloc'd. */
static char *
duration(TimestampTz from, TimestampTz until)
{
	static const struct
	{
		double		seconds;
		const char *unit;
	}			units[] = {
		{365.25 * 86400, "y"}, {86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}, {0.001, "ms"}
	};
	double		seconds = ((double) until - (double) from) / USECS_PER_SEC;

	for (size_t i = 0; i < lengthof(units); i++)
	{
		if (seconds >= units[i].seconds)
			return psprintf("%.0f %s", floor(seconds / units[i].seconds), units[i].unit);
	}
	return pstrdup("0 s");
}

/* Names the lanes up to one, with how many are drawn in it. */
static void
name_lanes(Timeline *timeline, int up_to, int64 in_lane)
{
	for (; timeline->lanes_named <= up_to; timeline->lanes_named++)
	{
		int			lane = timeline->lanes_named;
		int			y = TOP + lane * LANE_HEIGHT;

		appendStringInfo(&timeline->marks,
						 "<path class=\"line\" d=\"M%d %dH%d\"/>"
						 "<text x=\"0\" y=\"%d\"%s>%s (" INT64_FORMAT ")</text>\n",
						 LEFT, y + LANE_HEIGHT / 2, LEFT + WIDTH,
						 y + LANE_HEIGHT / 2 + 4, lane == up_to && in_lane > 0 ? "" : " class=\"soft\"",
						 lanes[lane], lane == up_to ? in_lane : 0);
	}
}

/* Writes a time below, unless there is no room to the left or right of it. */
static void
label_time(Timeline *timeline, double x, TimestampTz time)
{
	/* where all is at one instant, it is drawn at the left */
	bool		is_last = time == timeline->extent.last && time != timeline->extent.first;
	double		from = is_last ? LEFT + WIDTH - LABEL_WIDTH : x;

	if (from < timeline->label_end ||
		(!is_last && from + LABEL_WIDTH > LEFT + WIDTH - LABEL_WIDTH && time != timeline->extent.first))
		return;
	appendStringInfo(&timeline->axis, "<text class=\"soft\" x=\"%.1f\" y=\"%d\"%s>%s</text>\n",
					 is_last ? (double) (LEFT + WIDTH) : x, AXIS_Y + 30,
					 is_last ? " text-anchor=\"end\"" : "",
					 report_time(time - time % USECS_PER_SEC));
	timeline->label_end = from + LABEL_WIDTH + 8;
}

static void
draw_pause(Timeline *timeline, const TimelineRow *row)
{
	double		x = LEFT + row->x;

	appendStringInfo(&timeline->axis,
					 "<g><title>pause of %s, from %s to %s</title>"
					 "<rect class=\"pause\" x=\"%.1f\" y=\"%d\" width=\"%d\" height=\"%d\"/>"
					 "<text class=\"soft\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text></g>\n",
					 duration(row->first, row->last), report_time(row->first), report_time(row->last),
					 x + 8, TOP, PAUSE_WIDTH - 16, AXIS_Y - TOP,
					 x + PAUSE_WIDTH / 2.0, AXIS_Y + 14, duration(row->first, row->last));
	timeline->pauses++;
	if (row->last != timeline->extent.last)
		label_time(timeline, x + PAUSE_WIDTH, row->last);
}

/* What a mark says when it is pointed at. */
static void
append_mark_title(StringInfo svg, const TimelineRow *row)
{
	appendStringInfo(svg, "<title>%s", report_time(row->first));
	if (row->count == 1)
	{
		appendStringInfoChar(svg, ' ');
		append_html(svg, row->what);
	}
	else
	{
		appendStringInfo(svg, " to %s: " INT64_FORMAT " together", report_time(row->last), row->count);
		if (row->wrong > 0)
			appendStringInfo(svg, ", of which " INT64_FORMAT " failed or not as recorded", row->wrong);
	}
	appendStringInfoString(svg, "</title>");
}

static void
draw_mark(Timeline *timeline, const TimelineRow *row)
{
	StringInfo	svg = &timeline->marks;
	double		x = LEFT + row->x;
	int			y = TOP + row->lane * LANE_HEIGHT + LANE_HEIGHT / 2;
	double		r = row->count > 1 ? 8 : 6;
	const char *class = psprintf("mark lane%d%s", row->lane, row->wrong > 0 ? " wrong" : "");

	name_lanes(timeline, row->lane, row->in_lane);
	if (row->count > 1)
		timeline->grouped = true;
	if (row->wrong > 0)
		timeline->wrong = true;
	appendStringInfoString(svg, "<g>");
	append_mark_title(svg, row);
	if (row->lane == 0)
	{
		double		height = Min(10 + 3 * log2((double) row->count), LANE_HEIGHT - 6);

		appendStringInfo(svg, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>",
						 class, x, y - height / 2, STEP_WIDTH - 1, height);
	}
	else if (row->lane == 1)
		appendStringInfo(svg, "<path class=\"%s\" d=\"M%.1f %.1fl%.1f %.1fh%.1fz\"/>",
						 class, x, y - r - 2, r + 1, 2 * r + 2, -2 * (r + 1));
	else if (row->lane == 2 || row->lane == 5)
		appendStringInfo(svg, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
						 class, x - r, y - r, 2 * r, 2 * r);
	else if (row->lane == 3)
		appendStringInfo(svg, "<path class=\"%s\" d=\"M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz\"/>",
						 class, x, y - r - 2, r + 2, r + 2, -r - 2, r + 2, -r - 2, -r - 2);
	else
		appendStringInfo(svg, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%d\" r=\"%.1f\"/>", class, x, y, r);
	if (row->count > 1 && row->lane > 0)
		appendStringInfo(svg, "<text class=\"number\" x=\"%.1f\" y=\"%d\">%s</text>",
						 x, y + (row->lane == 1 ? 7 : 4),
						 row->count < 100 ? psprintf("%d", (int) row->count) : "99+");
	appendStringInfoString(svg, "</g>\n");
}

static void
receive_row(TupleTableSlot *slot, void *sink)
{
	Timeline   *timeline = sink;
	TimelineRow row;

	slot_getallattrs(slot);
	row = (TimelineRow) {
		.kind = DatumGetInt32(slot->tts_values[0]),
		.lane = DatumGetInt32(slot->tts_values[1]),
		.x = Min(Max(DatumGetFloat8(slot->tts_values[2]), 0), WIDTH),
		.count = DatumGetInt64(slot->tts_values[3]),
		.wrong = DatumGetInt64(slot->tts_values[4]),
		.in_lane = DatumGetInt64(slot->tts_values[5]),
		.first = slot->tts_isnull[6] ? 0 : DatumGetTimestampTz(slot->tts_values[6]),
		.last = slot->tts_isnull[7] ? 0 : DatumGetTimestampTz(slot->tts_values[7]),
		.what = slot->tts_isnull[8] ? NULL : TextDatumGetCString(slot->tts_values[8]),
	};
	switch (row.kind)
	{
		case ROW_EXTENT:
			timeline->extent = row;
			if (row.count > 0)
				label_time(timeline, LEFT, row.first);
			break;
		case ROW_PAUSE:
			draw_pause(timeline, &row);
			break;
		case ROW_MARK:
			draw_mark(timeline, &row);
			break;
	}
	if (row.what != NULL)
		pfree(row.what);
}

static void
write_caption(Timeline *timeline)
{
	const TimelineRow *extent = &timeline->extent;
	StringInfo	caption = &timeline->caption;

	appendStringInfo(caption, "From %s to %s.", report_time(extent->first), report_time(extent->last));
	if (timeline->grouped)
		appendStringInfoString(caption, " What is too close to be told apart is drawn as one mark: of steps a "
							   "higher bar, of all else a number.");
	if (timeline->pauses > 0)
		appendStringInfoString(caption, " Long pauses are shortened; their lengths stand below.");
	if (extent->wrong > 0)
		appendStringInfo(caption, " Without a time, and not drawn: " INT64_FORMAT ".", extent->wrong);
	if (timeline->wrong)
		appendStringInfoString(caption, " Red steps failed, or are the first of their trace that is not as recorded.");
	appendStringInfoString(caption, " Of each trace the newest seal is drawn.");
}

/* Appends the section with the timeline. */
void
append_timeline(StringInfo html, const Run *run)
{
	Timeline	timeline = {0};
	RowReceiver receiver;

	initStringInfo(&timeline.marks);
	initStringInfo(&timeline.axis);
	initStringInfo(&timeline.caption);
	execute_query(&timeline_query, run->binding, run->run_id, run->tenant_id,
				  row_receiver(&receiver, receive_row, &timeline));

	appendStringInfoString(html, "<section>\n<h2>Timeline</h2>\n");
	if (timeline.extent.count == 0)
	{
		appendStringInfo(html, "<p>Nothing that has a time is to be drawn; without one: " INT64_FORMAT
						 ".</p>\n</section>\n", timeline.extent.wrong);
		return;
	}
	name_lanes(&timeline, lengthof(lanes) - 1, 0);
	if (timeline.extent.last != timeline.extent.first)
		label_time(&timeline, LEFT + WIDTH, timeline.extent.last);
	write_caption(&timeline);
	appendStringInfo(html,
					 "<figure>\n<div class=\"wide\" role=\"region\" aria-label=\"Timeline\" tabindex=\"0\">\n"
					 "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
					 "aria-labelledby=\"timeline-title timeline-text\">\n"
					 "<title id=\"timeline-title\">Timeline of the run</title>\n"
					 "<desc id=\"timeline-text\">%s</desc>\n%s"
					 "<path class=\"line\" d=\"M%d %dH%d\"/>\n%s</svg>\n</div>\n"
					 "<figcaption>%s</figcaption>\n</figure>\n</section>\n",
					 TOTAL_WIDTH, AXIS_Y + 38, timeline.caption.data, timeline.axis.data,
					 LEFT, AXIS_Y, LEFT + WIDTH, timeline.marks.data, timeline.caption.data);
}
