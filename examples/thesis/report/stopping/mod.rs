//! The third question: what stopping would have done, from the tables that `thesis policies` wrote.
//!
//! [`found`] reads them, [`row`] is one of their rows; [`budgets`], [`rules`], [`together`], [`live`], [`forecasts`] and
//! [`ranks`] are a section each, and so is [`tolerance`], which belongs to the second question.

mod budgets;
mod forecasts;
mod found;
mod live;
mod ranks;
mod row;
mod rules;
mod selects;
mod together;
mod tolerance;

use std::path::Path;

use super::page::Section;
pub use found::{Found, read};

/// The sections of the second question, then those of the third; `page` says how the page itself is made.
pub fn sections(found: &Found, page: &str) -> Vec<Section> {
    let mut sections = vec![tolerance::section(&found.extents), budgets::section(found)];
    sections.extend([rules::section(found), together::section(found), live::section(&found.live)]);
    sections.extend([forecasts::section(&found.forecasts, &found.shares), ranks::section(found.ranks.as_ref())]);
    let source = format!("{}. {page}", found.source());
    sections.into_iter().map(|section| Section { source: source.clone(), ..section }).collect()
}

/// What stands there as long as nobody asked.
pub fn unasked(out: &Path, journal: &Path) -> Section {
    let words = format!(
        "`-- policies --replay-only --journal {} --out {}` replays budgets and rules over this record; without \
         --replay-only, and with the search's sets and options after `--`, it runs three of them for real.",
        journal.display(),
        out.join(found::FOLDER).display()
    );
    Section {
        title: "RQ3: what stopping saves and loses".into(),
        answer: "Not answered yet: no policies were replayed over this record.".into(),
        words: vec![words],
        ..Section::default()
    }
}
