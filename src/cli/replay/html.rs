//! A page for people that needs nothing from elsewhere: styles, plot and tables are in it.

use std::fmt::Write;

use super::page::{Page, Section};
use super::plot::{self, escape};
use crate::cli::table::Align;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #5a636e; --line: #d9dde2; --ground: #ffffff; --policy: #c2410c;
  --rule: #1d6fb8; --baseline: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a3abb5; --line: #3a4149; --ground: #16191d;
  --policy: #fb923c; --rule: #60a5fa; --baseline: #9ca3af; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --ground: #fff; --policy: #c2410c;
  --rule: #1d6fb8; --baseline: #6b7280; } main { max-width: none; padding: 0; } .plot, table { break-inside: avoid; } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1.25rem; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; } p { margin: .3rem 0; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1.5rem 0 .5rem; }
.plot { flex: 1 1 26rem; max-width: 34rem; min-width: 0; font-size: 12px; }
.grid { stroke: var(--line); fill: none; } .front { stroke: var(--soft); stroke-dasharray: 4 3; fill: none; }
text { fill: var(--ink); } .tick, .axis { fill: var(--soft); } .end { text-anchor: end; } .mid { text-anchor: middle; }
.title { font-size: 14px; font-weight: 600; }
.name { font-size: 11px; paint-order: stroke; stroke: var(--ground); stroke-width: 3px; stroke-linejoin: round; }
circle.policy { fill: var(--policy); } circle.rule { fill: var(--rule); } rect.baseline { fill: var(--baseline); }
.bounds { stroke-width: 1.5; } .bounds.policy { stroke: var(--policy); } .bounds.rule { stroke: var(--rule); }
.bounds.baseline { stroke: var(--baseline); } .name.policy { fill: var(--policy); font-weight: 600; }
.name.rule { fill: var(--rule); } .name.baseline { fill: var(--soft); }
.legend span { margin-right: 1.2rem; white-space: nowrap; } .legend { color: var(--soft); font-size: .85rem; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .4em; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 1.2rem 0 .4rem; font-size: .85rem; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } .right { text-align: right; font-variant-numeric: tabular-nums; }
.notes { color: var(--soft); margin-top: 1.5rem; }
";

/// The whole page.
pub fn render(page: &Page) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    out +=
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>earlystop replay</title>\n";
    let _ = write!(out, "<style>{STYLE}</style>\n<main>\n<h1>earlystop replay</h1>\n<p>{}</p>\n", escape(&page.title));
    page.lead.iter().for_each(|line| paragraph(&mut out, line));
    if !page.points.is_empty() {
        let _ = write!(out, "<div class=\"plots\">\n{}</div>\n", plot::render(&page.points));
        out += LEGEND;
    }
    // A page is read from its top: what it comes to, then each trial.
    let (details, sums): (Vec<&Section>, Vec<&Section>) = page.sections.iter().partition(|section| section.detail);
    sums.into_iter().chain(details).for_each(|section| table(&mut out, section));
    out += "<div class=\"notes\">\n";
    page.notes.iter().for_each(|note| paragraph(&mut out, note));
    out += "</div>\n</main>\n</html>\n";
    out
}

const LEGEND: &str = "<p class=\"legend\">
<span><i class=\"dot\" style=\"background: var(--policy)\"></i>the policy</span>
<span><i class=\"dot\" style=\"background: var(--rule)\"></i>each rule alone</span>
<span><i class=\"dot\" style=\"background: var(--baseline); border-radius: 0\"></i>baselines: all report for so much of a run, then
the best are finished</span>
<span>dashed: nobody does better with less</span></p>\n";

fn paragraph(out: &mut String, text: &str) {
    let _ = writeln!(out, "<p>{}</p>", escape(text));
}

fn table(out: &mut String, section: &Section) {
    if !section.caption.is_empty() {
        paragraph(out, &section.caption);
    }
    let class = |column: usize| match section.head.get(column) {
        Some((_, Align::Right)) => " class=\"right\"",
        _ => "",
    };
    *out += "<div class=\"wide\"><table>\n<tr>";
    for (column, (title, _)) in section.head.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", class(column), escape(title));
    }
    *out += "</tr>\n";
    for row in &section.rows {
        *out += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(column), escape(cell));
        }
        *out += "</tr>\n";
    }
    *out += "</table></div>\n";
    section.after.iter().for_each(|line| paragraph(out, line));
}
