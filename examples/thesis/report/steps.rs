//! What `full` ran, what it left out, and why.

use std::error::Error;
use std::path::Path;

use super::page::{Cell, Section, Table};
use crate::command;
use crate::full::ledger::{self, Became, Entry};

/// The steps of the whole; nothing where the folder is not one of `full`.
pub fn section(out: &Path, this: &str) -> Result<Option<Section>, Box<dyn Error>> {
    let entries = ledger::read(out)?;
    // Of the page itself nobody knows yet how it ends.
    let entries: Vec<Entry> = entries.into_iter().filter(|entry| entry.step != "report").collect();
    if entries.is_empty() {
        return Ok(None);
    }
    let source = format!("{}, written by `full`. This page: {this}", ledger::file(out).display());
    Ok(Some(Section { source, ..told(&entries) }))
}

fn told(entries: &[Entry]) -> Section {
    let missing = |became: Became| {
        let of = entries.iter().filter(|entry| entry.became == became);
        of.map(|entry| format!("{} ({})", entry.step, entry.reason.as_deref().unwrap_or("nobody said why"))).collect()
    };
    let (skipped, failed): (Vec<String>, Vec<String>) = (missing(Became::Skipped), missing(Became::Failed));
    let done = entries.iter().filter(|entry| entry.became == Became::Done).count();
    let mut answer = format!("{done} of {} steps were done.", entries.len());
    for (what, which) in [("Missing on this page", skipped), ("Failed", failed)] {
        if !which.is_empty() {
            answer += &format!(" {what}: {}.", which.join("; "));
        }
    }
    let row = |entry: &Entry| {
        vec![
            Cell::text(&*entry.step),
            Cell::text(&*entry.why),
            Cell::text(entry.became.as_str()),
            Cell::number((entry.became != Became::Skipped).then_some(entry.seconds)),
            entry.reason.as_deref().map_or(Cell::None, Cell::text),
            Cell::text(command::typed(&entry.arguments)),
        ]
    };
    let head = vec!["step", "what it answers", "became", "seconds", "why", "command"];
    let caption =
        "Steps of the whole, in their order. Seconds are of the run in which the step came to its end.".into();
    let rows = entries.iter().map(row).collect();
    let tables = vec![Table { name: "steps", caption, head, rows, shown: usize::MAX }];
    Section { title: "What was run".into(), answer, tables, ..Section::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_the_reason() {
        let entry = |step: &str, became, reason: Option<&str>| Entry {
            step: step.into(),
            why: "w".into(),
            arguments: vec!["search".into(), "a b".into()],
            became,
            reason: reason.map(String::from),
            seconds: 2.0,
        };
        let section = told(&[
            entry("search", Became::Done, None),
            entry("ray", Became::Skipped, Some("no Python")),
            entry("cost", Became::Failed, Some("exit code 1")),
        ]);
        let said = "1 of 3 steps were done. Missing on this page: ray (no Python). Failed: cost (exit code 1).";
        assert_eq!(section.answer, said);
        assert_eq!(section.tables[0].rows[1][3], Cell::None);
        assert!(matches!(&section.tables[0].rows[0][5], Cell::Text(line) if line.ends_with("-- search 'a b'")));
        let folder = tempfile::tempdir().expect("a folder");
        assert!(super::section(folder.path(), "x").expect("nothing there").is_none());
    }
}
