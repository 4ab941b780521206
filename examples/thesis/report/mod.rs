//! `thesis report`: a page of what a search found and took, from its journal.
//!
//! In reading order: [`runs`] reads the journal; [`outcomes`] says who won and what it took, [`trials`] of each trial;
//! [`growth`] answers the first question from [`series`] over time ([`lasting`] trials have more to see), [`factors`] the
//! second, [`stopping`] the third;
//! [`trainers`] puts searches by different trainers side by side, [`components`] what each part of a trainer adds;
//! [`phases`] is what each phase and the sidecar itself take;
//! [`steps`] tells what `full` ran;
//! [`page`] and [`plot`] write it all down; [`crate::stats`] are the statistics.

mod components;
mod factors;
mod growth;
mod lasting;
mod outcomes;
mod page;
mod phases;
mod plot;
mod series;
mod steps;
mod stopping;
mod trainers;
mod trials;

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::command;
use crate::components::row;
use crate::control;
use crate::energy::Energy;
use crate::runs::{self, Run};
use crate::search::{cost, prepared, record};
use lasting::Lasting;
use page::{Cell, Section};
use stopping::Found;

/// Write a page of what a search found and took: report.html, and its tables as CSV
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the search wrote its journal and records
    #[arg(long, value_name = "DIR", default_value = "thesis-search")]
    out: PathBuf,
    /// Where the page goes [default: DIR/report]
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,
    /// The folder of a search of the same sets by another trainer, to show side by side
    #[arg(long, value_name = "DIR")]
    beside: Vec<PathBuf>,
    /// Where `policies` wrote its tables [default: DIR/policies, if it is there]
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
}

/// Reads, computes, writes, and tells a person the short of it.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let out = arguments.out.as_path();
    let journal = runs::journal_in(out);
    let read = runs::read(&journal).map_err(|e| format!("{e}; `-- search --out {}` makes one", out.display()))?;
    let runs = read.runs;
    let records = record::read(&out.join("trials.jsonl"))?;
    if runs.is_empty() {
        return Err(format!("{} holds no trial: there is nothing to report", journal.display()).into());
    }
    let source = source(out, &journal, read.dropped);
    let (controls, of_controls) = controls(out)?;
    let lasting = Lasting::read(out)?;
    let (over_time, of_lasting) = lasting.beside(&runs);
    let cost = cost::read(out)?;
    let of_cost = match command::noted(&out.join(cost::FOLDER)).as_slice() {
        [] => String::new(),
        made => format!(". Own cost: {}, made by: {}", out.join(cost::FOLDER).display(), made.join("; ")),
    };
    let mut sections: Vec<Section> = vec![
        Section { source: source.clone(), ..outcomes::section(&runs, &records, &Energy::read(out)?) },
        Section {
            source: format!("{source}{of_lasting}{of_controls}"),
            ..lasting.told(growth::section(&over_time, &controls))
        },
        Section { source: source.clone(), ..factors::section(&runs) },
        Section { source: format!("{source}{of_cost}"), ..phases::section(&runs, &prepared::read(out)?, &cost) },
    ];
    let found = policies(arguments)?;
    let stopping = match &found {
        Some(found) => stopping::sections(found, &format!("This page: {}", command::line())),
        None => vec![Section { source: source.clone(), ..stopping::unasked(out, &journal) }],
    };
    let last = sections.split_off(3);
    sections.extend(trainers::section(out, &runs, &arguments.beside)?);
    sections.push(components::section(out, &row::read(out)?));
    sections.extend(stopping.into_iter().chain(last));
    sections.extend(steps::section(out, &command::line())?);
    let folder = arguments.page.clone().unwrap_or_else(|| out.join("report"));
    page::write(&folder, "Early stopping by system metrics: what a search found and took", &sections)?;
    summary(&runs, &sections);
    println!("The page is {}, its tables lie beside it. {source}", folder.join("report.html").display());
    Ok(())
}

/// What `policies` found: where that is said it has to be there.
fn policies(arguments: &Arguments) -> Result<Option<Found>, String> {
    match &arguments.policies {
        None => stopping::read(&arguments.out.join("policies")),
        Some(folder) => match stopping::read(folder)? {
            None => Err(format!("there is no policies.json in {}; `-- policies` writes it", folder.display())),
            found => Ok(found),
        },
    }
}

/// The controls, if they were run, and where their numbers come from.
fn controls(out: &Path) -> Result<(Vec<Run>, String), Box<dyn Error>> {
    let folder = out.join(control::FOLDER);
    let journal = runs::journal_in(&folder);
    if !journal.is_file() {
        return Ok((Vec::new(), String::new()));
    }
    let read = runs::read(&journal)?;
    let made = command::noted(&folder).join("; ");
    Ok((read.runs, format!(". Controls: {}, made by: {made}", journal.display())))
}

/// Which journal and which commands the numbers come from.
fn source(folder: &Path, journal: &Path, dropped: u64) -> String {
    let made = match command::noted(folder).as_slice() {
        [] => "a command that was not noted".to_string(),
        commands => commands.join("; "),
    };
    let lacks = if dropped > 0 { format!(" (it says that it lacks {dropped} inputs)") } else { String::new() };
    format!("Journal: {}{lacks}, made by: {made}. This page: {}", journal.display(), command::line())
}

/// The answer of each part, and the winners.
fn summary(runs: &[Run], sections: &[Section]) {
    println!("{} trials.", runs.len());
    for section in sections {
        println!("{}: {}", section.title, section.answer);
    }
    let Some(winners) = sections.iter().flat_map(|section| &section.tables).find(|table| table.name == "winners")
    else {
        return;
    };
    for row in winners.rows.iter().take(SUMMARY) {
        let cells = winners.head.iter().zip(row).filter(|(_, cell)| **cell != Cell::None);
        let cells: Vec<String> = cells.map(|(head, cell)| format!("{head} {}", cell.shown())).collect();
        println!("  {}", cells.join(", "));
    }
    if winners.rows.len() > SUMMARY {
        println!("  and {} more winners on the page", winners.rows.len() - SUMMARY);
    }
    println!();
}

/// Winners that the terminal shows.
const SUMMARY: usize = 8;
