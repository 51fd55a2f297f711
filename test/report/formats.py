"""Compares reports in HTML and Markdown with the same report in JSON.

	python3 formats.py DIRECTORY

Every NAME.json in the directory has a NAME.html and a NAME.md beside it. HTML is read by Python's html.parser:
every element is closed, of the kinds that the report is made of, and holds as text what the JSON says; its SVG is
well-formed XML. Markdown is read back cell by cell.
"""
import html
import html.parser
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

ELEMENTS = set("html head meta title style body main h1 h2 section figure figcaption div p table thead tbody tr th td "
               "bdi span pre code svg desc g path rect circle text".split())
ATTRIBUTES = set("lang charset http-equiv content name class role aria-label aria-labelledby tabindex scope dir data-code "
                 "xmlns viewbox id d x y width height cx cy r text-anchor".split())

# heading: the member of the JSON, and its keys as the columns show them
SECTIONS = {
    "Evidence": ("evidence", "occurred_at kind record_id severity outcome title linked_by"),
    "Proof": ("proof", "trace_id model verification_status assurance chain_length sealed_length backfilled_length "
              "unsealed_length failure_reason coordinator_root_hash"),
    "Governance events": ("governance_events", "occurred_at record_id event_type entity_type entity_id actor_type "
                          "actor_id action_reason linked_by"),
    "Gaps in the records": ("gaps", "level gap source_table record_id title detail confidence proposed_run_id"),
    "Gaps in the schema": ("schema_gaps", "level object status needed_by why"),
    "Acceptance": ("acceptance", "criterion verdict requirement reason"),
    "Not evaluated": ("not_evaluated", "subject reason"),
}


def as_html(text):
    """A text as HTML can hold it: what it has no place for is U+FFFD."""
    return "".join("\ufffd" if (ord(c) < 32 and c not in "\t\n\r") or 0x7F <= ord(c) <= 0x9F
                   or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF else c for c in text)


def shown(key, value):
    """A value of the JSON as people are told it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in ("occurred_at", "reported_at"):
        return re.sub(r"T(.*)\+00:00", r" \1Z", value)
    return str(value)


def tables(report):
    """The tables of a report by heading, from its JSON."""
    counts = report["counts"]
    summary = [report["run_id"], shown("", report["run_found"]),
               "none: every tenant" if report["tenant_id"] is None else report["tenant_id"],
               report["application_schema"], shown("reported_at", report["reported_at"])]
    summary += [str(n) for n in counts.values()] + [report["evidence_result"], report["proof_result"]]
    answer = {"Summary": [[value] for value in summary]}
    for heading, (member, keys) in SECTIONS.items():
        answer[heading] = [[shown(key, item[key]) for key in keys.split()] for item in report[member]]
    return answer


class Page(html.parser.HTMLParser):
    """What a page holds; complains of what should not be there."""

    def __init__(self, complain):
        super().__init__(convert_charrefs=True)
        self.complain = complain
        self.open = []
        self.tables, self.statements, self.heading, self.title = {}, [], None, ""

    def handle_starttag(self, tag, attributes):
        if tag not in ELEMENTS:
            self.complain(f"element {tag}")
        for name, value in attributes:
            if name not in ATTRIBUTES:
                self.complain(f"attribute {name} of {tag}")
        if tag != "meta":
            self.open.append(tag)
        if tag == "h2":
            self.heading = ""
        elif tag == "tr" and "tbody" in self.open:
            self.tables.setdefault(self.heading, []).append([])
        elif tag == "td":
            self.tables[self.heading][-1].append("")
        elif tag == "pre":
            self.statements.append("")

    def handle_startendtag(self, tag, attributes):
        if "svg" not in self.open:
            self.complain(f"element {tag} without content")
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.complain(f"</{tag}> closes another element")

    def handle_data(self, data):
        if "td" in self.open:
            self.tables[self.heading][-1][-1] += data
        elif "pre" in self.open:
            self.statements[-1] += data
        elif "h2" in self.open:
            self.heading += data
        elif self.open[-1:] == ["title"] and "svg" not in self.open:
            self.title += data

    def handle_comment(self, data):
        self.complain("a comment")

    def unknown_decl(self, data):
        self.complain("a declaration")

    def handle_pi(self, data):
        self.complain("a processing instruction")


def check_html(text, report, complain):
    page = Page(complain)
    page.feed(text)
    page.close()
    if page.open:
        complain(f"not closed: {page.open}")
    if not text.startswith("<!DOCTYPE html>\n"):
        complain("no doctype")
    for heading, rows in tables(report).items():
        if page.tables.get(heading, []) != [[as_html(value) for value in row] for row in rows]:
            complain(f"HTML: {heading} is not as in the JSON")
    if page.statements != [as_html(fix["statement"]) + ";" for fix in report["recommended_fixes"]]:
        complain("HTML: the statements are not as in the JSON")
    # where a direction is turned, it is turned for one character alone
    turned = re.sub(r'<bdi class="turn" data-code="U\+[0-9A-F]{4}">.</bdi>', "", text)
    turned = re.sub(r"<title>.*?</title>", "", turned, flags=re.S)
    if re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", turned):
        complain("HTML: a character turns the direction of what follows")
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.S):
        root = xml.etree.ElementTree.fromstring(svg)
        names = {e.tag.split("}")[1] for e in root.iter()}
        if not names <= ELEMENTS:
            complain(f"SVG: elements {names - ELEMENTS}")


def markdown_cell(cell):
    return html.unescape(re.sub(r"\\([|\\`*~\[\]$_:.])", r"\1", cell))


def check_markdown(text, report, complain):
    found, heading = {}, None
    statements = text.split("\n## Recommended fixes\n", 1)[1].split("\n## Acceptance\n", 1)[0]
    for line in text.replace(statements, "").split("\n"):
        if "\r" in line or re.search(r"[<>]|(?<!\\)://|www\.", line, re.I):
            complain(f"Markdown: markup in {line[:80]!a}")
        if line.startswith("## "):
            heading, rows = line[3:], 0
            found[heading] = []
        elif line.startswith("|"):
            rows += 1
            cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)
            if rows == 1:
                width = len(cells)
            if len(cells) != width:
                complain(f"Markdown: {len(cells)} cells in {line[:80]!a}")
            if rows > 2:
                # split again, with what escapes belong to each cell
                cells = re.findall(r"\| ((?:[^|\\]|\\.)*) (?=\|)", line)
                found[heading].append([markdown_cell(cell) for cell in cells])
        elif line and not line.startswith("#") and not re.match(r"[A-Z][^|*_`\[]*$", line):
            complain(f"Markdown: a line {line[:80]!a}")
    for heading, rows in tables(report).items():
        expected = [[re.sub(r"[\x00-\x1f]", " ", value) for value in row] for row in rows]
        rows = [row[1:] for row in found[heading]] if heading == "Summary" else found[heading]
        if rows != expected:
            complain(f"Markdown: {heading} is not as in the JSON")
    for fix in report["recommended_fixes"]:
        if "\n    " + re.sub(r"\n|\r(?!\n)", r"\g<0>    ", fix["statement"]) + ";\n" not in statements:
            complain("Markdown: a statement is not as in the JSON")
    for line in re.split(r"\r\n|\r|\n", statements):
        if line and not line.startswith("    ") and not re.match(r"Each is one statement|None\.", line):
            complain(f"Markdown: outside of code: {line[:80]!a}")


def main():
    complaints = []
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
    for path in paths:
        def complain(what):
            complaints.append(f"{path.stem}: {what}")

        def read(suffix):
            return path.with_suffix(suffix).read_bytes().decode()

        report = json.loads(read(".json"))
        check_html(read(".html"), report, complain)
        check_markdown(read(".md"), report, complain)
    for complaint in complaints:
        print(complaint)
    print(f"{len(paths)} reports, {len(complaints)} complaints")
    return 1 if complaints or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
