/*-------------------------------------------------------------------------
 *
 * report_style.h
 *	  How the HTML report looks: on a screen, by day and night, and on paper.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_REPORT_STYLE_H
#define RUNLINK_REPORT_STYLE_H

#define REPORT_STYLE \
	":root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;\n" \
	"  --band: #f6f8fa; --good: #116329; --bad: #a40e26; --open: #7d4e00; --step: #57606a;\n" \
	"  --incident: #bc4c00; --decision: #6639ba; --breach: #a40e26; --event: #0550ae; --seal: #116329 }\n" \
	"@media (prefers-color-scheme: dark) {\n" \
	"  :root { --paper: #0d1117; --ink: #e6edf3; --soft: #9ea7b3; --line: #3d444d; --band: #161b22;\n" \
	"    --good: #56d364; --bad: #ff8b85; --open: #e3b341; --step: #9ea7b3; --incident: #ffa657;\n" \
	"    --decision: #d2a8ff; --breach: #ff8b85; --event: #79c0ff; --seal: #56d364 } }\n" \
	"* { box-sizing: border-box }\n" \
	"body { margin: 0; background: var(--paper); color: var(--ink);\n" \
	"  font: 15px/1.5 system-ui, 'Liberation Sans', 'DejaVu Sans', sans-serif }\n" \
	"main { max-width: 1200px; margin: 0 auto; padding: 16px 20px 48px }\n" \
	"h1 { font-size: 26px; line-height: 1.2; margin: 12px 0 0 }\n" \
	"h2 { font-size: 19px; margin: 32px 0 10px; padding-bottom: 4px; border-bottom: 1px solid var(--line) }\n" \
	"p, figcaption { margin: 0 0 10px; color: var(--soft) }\n" \
	"figure { margin: 0 }\n" \
	".wide { overflow-x: auto }\n" \
	"table { border-collapse: collapse; width: 100%; font-size: 14px }\n" \
	"th, td { text-align: left; vertical-align: top; padding: 6px 10px; border-bottom: 1px solid var(--line);\n" \
	"  overflow-wrap: break-word }\n" \
	"th { font-weight: 600 }\n" \
	"thead th { background: var(--band); overflow-wrap: normal; white-space: nowrap }\n" \
	".time bdi, .good bdi, .bad bdi, .open bdi { white-space: nowrap }\n" \
	".text { min-width: 15em }\n" \
	".word { overflow-wrap: anywhere; min-width: 13em }\n" \
	".record { width: auto; max-width: 100% }\n" \
	".record th { width: 17em; background: var(--band) }\n" \
	".record td { overflow-wrap: anywhere }\n" \
	"bdi { white-space: pre-wrap }\n" \
	".good, .bad, .open { font-weight: 600 }\n" \
	".good { color: var(--good) }\n" \
	".bad { color: var(--bad) }\n" \
	".open { color: var(--open) }\n" \
	".long { max-height: 11em; overflow: auto; min-width: 16em }\n" \
	".turn::before { content: attr(data-code); font: 11px monospace; border: 1px solid currentColor;\n" \
	"  border-radius: 3px; padding: 0 2px; opacity: .8 }\n" \
	"pre { margin: 0 0 8px; padding: 8px 12px; background: var(--band); border: 1px solid var(--line);\n" \
	"  border-radius: 4px; max-height: 22em; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;\n" \
	"  font: 13px/1.5 ui-monospace, 'Liberation Mono', 'DejaVu Sans Mono', monospace }\n" \
	"svg { display: block; width: 100%; min-width: 760px; height: auto; font-size: 12px; fill: var(--ink) }\n" \
	"svg .soft { fill: var(--soft) }\n" \
	"svg .line { stroke: var(--line); fill: none }\n" \
	"svg .pause { fill: var(--band) }\n" \
	"svg .number { font-size: 10px; font-weight: 600; fill: var(--paper); text-anchor: middle }\n" \
	"svg .mark { stroke: var(--paper); stroke-width: 1 }\n" \
	"svg .lane0 { fill: var(--step); stroke-width: 0 }\n" \
	"svg .lane1 { fill: var(--incident) }\n" \
	"svg .lane2 { fill: var(--decision) }\n" \
	"svg .lane3 { fill: var(--breach) }\n" \
	"svg .lane4 { fill: var(--event) }\n" \
	"svg .lane5 { fill: var(--seal) }\n" \
	"svg .wrong { fill: var(--bad) }\n" \
	":focus-visible { outline: 2px solid var(--event); outline-offset: 1px }\n" \
	"@media (max-width: 600px) {\n" \
	"  main { padding: 8px 12px 32px }\n" \
	"  .record th { width: 9em }\n" \
	"  .text { min-width: 22em } }\n" \
	"@media print {\n" \
	"  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #999; --band: #f2f2f2;\n" \
	"    --good: #116329; --bad: #a40e26; --open: #7d4e00; --step: #444; --incident: #bc4c00;\n" \
	"    --decision: #6639ba; --breach: #a40e26; --event: #0550ae; --seal: #116329 }\n" \
	"  @page { size: A4 landscape; margin: 12mm }\n" \
	"  body { font-size: 10pt }\n" \
	"  main { max-width: none; padding: 0 }\n" \
	"  table { font-size: 8pt }\n" \
	"  th, td { padding: 3px 5px }\n" \
	"  .time bdi { white-space: normal }\n" \
	"  .text, .word { min-width: 8em }\n" \
	"  thead th { white-space: normal }\n" \
	"  thead { display: table-header-group }\n" \
	"  h2 { break-after: avoid }\n" \
	"  tr, figure { break-inside: avoid }\n" \
	"  tr:has(.long) { break-inside: auto }\n" \
	"  .wide { overflow: visible }\n" \
	"  svg { min-width: 0 }\n" \
	"  .long, pre { max-height: none; overflow: visible; min-width: 0 }\n" \
	"  svg, th, pre { print-color-adjust: exact } }\n"

#endif							/* RUNLINK_REPORT_STYLE_H */
