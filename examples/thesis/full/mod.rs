//! `thesis full`: all experiments, one after the other, each a command of this program.
//!
//! In reading order: [`step`] and [`python`] say what they are, [`estimate`] how long they take; [`screen`] tells that;
//! [`ledger`] keeps what became of each.

mod estimate;
pub mod ledger;
mod python;
mod screen;
mod step;

use std::collections::HashSet;
use std::error::Error;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use crate::command;
use crate::data::{Source, known_names};
use crate::process::tied_to;
use crate::progress::duration;
use crate::search::worker::Effort;
use crate::sets;
use estimate::Estimate;
use ledger::{Became, Entry};
use step::{Step, Steps};

/// The first step's name.
const DATA: &str = "data";

/// Run all experiments, and write the report
///
/// Fetches the data, then runs the other commands one after the other, all into one folder; what each took and said is in
/// the report. At its start it tells how long it will take. Run it again with the same --out, and it goes on where it was
/// cut off. The sidecar looks every 10 ms.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where everything goes
    #[arg(long, value_name = "DIR", default_value = "thesis-full")]
    out: PathBuf,
    /// The sets: names, or numbers on OpenML [default: the four of the experiments]
    #[arg(long, value_name = "SET", num_args = 1..)]
    sets: Vec<String>,
    /// A Python that has examples/thesis/trainers/requirements.txt; without it those trainers are left out
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Search only so many configurations of each set, and nothing beyond the grid's edge [default: the whole grid]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    configurations: Option<u32>,
    /// Configurations of each set for long trials and for the trainers in Python
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    part: u32,
    /// Seconds that long trials last at least
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = crate::search::pace::seconds)]
    at_least: f64,
    /// End each trial after so many steps, and keep all else short, too: only to see that it runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Trials at a time [default: the cores less one, which is left to the sidecar and the system]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    source: Source,
}

/// Runs all of it.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let out = arguments.out.as_path();
    std::fs::create_dir_all(out)
        .map_err(|e| format!("cannot make the folder {}: {e}; --out names another", out.display()))?;
    command::note(out)?;
    let data = data(arguments);
    if let Ended::Failed(failed) = one(arguments, &data, "first", Before::Counts)? {
        return Err(format!("the data are not there ({failed}); red_wine needs no network: --sets red_wine").into());
    }
    let shapes = sets::read(out)?;
    let effort = Effort { epochs: 20, steps: arguments.steps, eval_rows: 2000, steps_a_report: None };
    let searches: Vec<Estimate> =
        shapes.iter().map(|shape| estimate::search(shape, arguments.configurations, &effort)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or((cores - 1).max(1), usize::from) as f64;
    let steps = Steps { of: arguments, shapes: &shapes, searches: &searches, jobs }.all();
    screen::tell(arguments, &shapes, &searches, &steps, jobs);
    let (mut failed, mut fresh) = (Vec::new(), HashSet::new());
    for (place, step) in steps.iter().enumerate() {
        let left: f64 = steps[place..].iter().map(|step| step.seconds).sum();
        let at = format!("{} of {}, about {} left", place + 1, steps.len(), duration(left));
        // The page is written anew each time: it also says what is missing.
        let is_stale = step.name == "report" || step.reads.iter().any(|read| fresh.contains(read));
        match one(arguments, step, &at, if is_stale { Before::IsStale } else { Before::Counts })? {
            Ended::Before => {}
            Ended::Now => drop(fresh.insert(step.name)),
            Ended::Failed(why) => failed.push(format!("{} ({why})", step.name)),
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        failed => Err(format!(
            "failed: {}. Run it again with the same --out: it tries these again, and keeps the others",
            failed.join(", ")
        )
        .into()),
    }
}

fn data(arguments: &Arguments) -> Step {
    let mut words = vec![DATA.to_string()];
    words.extend(if arguments.sets.is_empty() { known_names() } else { arguments.sets.clone() });
    words.extend(arguments.source.arguments());
    words.push(format!("--out={}", arguments.out.display()));
    Step::new(DATA, "fetch the data sets", words, 60.0)
}

/// What came of a step.
enum Ended {
    /// It was done before, or cannot be done.
    Before,
    /// It was done now.
    Now,
    /// It was not, for this reason.
    Failed(String),
}

/// What it means that a step was done before.
#[derive(PartialEq)]
enum Before {
    /// It need not be done again.
    Counts,
    /// What it read has changed.
    IsStale,
}

/// Runs a step, unless it is done already. Errors: somebody ended it.
fn one(arguments: &Arguments, step: &Step, at: &str, before: Before) -> Result<Ended, Box<dyn Error>> {
    let out = arguments.out.as_path();
    let known = ledger::read(out)?.into_iter().find(|entry| entry.step == step.name);
    let is_done = known.is_some_and(|entry| entry.became == Became::Done && entry.arguments == step.arguments);
    if is_done && before == Before::Counts {
        eprintln!("[{at}] {}: done before", step.name);
        return Ok(Ended::Before);
    }
    let entry = |became, reason: Option<String>, seconds| Entry {
        step: step.name.into(),
        why: step.why.clone(),
        arguments: step.arguments.clone(),
        became,
        reason,
        seconds,
    };
    if let Some(lacks) = &step.lacks {
        eprintln!("[{at}] {}: skipped: {lacks}", step.name);
        ledger::add(out, &entry(Became::Skipped, Some(lacks.clone()), 0.0))?;
        return Ok(Ended::Before);
    }
    eprintln!("[{at}] {}: {} (about {})", step.name, step.why, duration(step.seconds));
    eprintln!("  {}", command::typed(&step.arguments));
    let start = Instant::now();
    let mut child = Command::new(std::env::current_exe()?);
    let status = tied_to(child.args(&step.arguments)).status()?;
    let seconds = start.elapsed().as_secs_f64();
    let failed = failed(status);
    let became = if failed.is_some() { Became::Failed } else { Became::Done };
    ledger::add(out, &entry(became, failed.clone(), seconds))?;
    match status.signal() {
        // Somebody ended it, and so all of this.
        Some(signal) => Err(format!("{} was ended by signal {signal}; run it again to go on", step.name).into()),
        None => Ok(failed.map_or(Ended::Now, Ended::Failed)),
    }
}

fn failed(status: ExitStatus) -> Option<String> {
    (!status.success()).then(|| status.code().map_or(status.to_string(), |code| format!("exit code {code}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::sets::Shape;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        full: Arguments,
    }

    fn steps(words: &[&str]) -> Vec<Step> {
        let full = Line::parse_from(["full"].iter().chain(words)).full;
        let shapes =
            [Shape { set: "red_wine".into(), title: "red_wine".into(), rows: 1599, features: 11, classes: None }];
        Steps { of: &full, shapes: &shapes, searches: &[Estimate::default()], jobs: 3.0 }.all()
    }

    #[test]
    fn every_step_is_a_command_of_this_program() {
        for words in [&["--python=/no/such/python"][..], &["--steps=3", "--configurations=1", "--data=D"]] {
            let steps = steps(words);
            let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
            let wanted = ["parity", "quality", "speed", "controls", "cost", "search", "long", "components"];
            assert_eq!(names[..8], wanted);
            assert_eq!(names[names.len() - 2..], ["policies", "report"]);
            for step in &steps {
                let line = std::iter::once("thesis").chain(step.arguments.iter().map(String::as_str));
                let parsed = crate::Thesis::try_parse_from(line);
                assert!(
                    parsed.is_ok(),
                    "{:?}: {}",
                    step.arguments,
                    parsed.err().map(|e| e.to_string()).unwrap_or_default()
                );
            }
        }
    }

    #[test]
    fn searches_look_every_ten_milliseconds_and_what_lacks_is_said() {
        let steps = steps(&["--steps=3"]);
        let find = |name: &str| steps.iter().find(|step| step.name == name).expect("it is a step");
        for name in ["search", "long", "share10", "share30", "policies"] {
            assert!(find(name).arguments.contains(&"--interval-ms=10".into()), "{name}");
        }
        assert!(find("search").arguments.contains(&"--observe".into()));
        assert!(find("ray").lacks.as_ref().is_some_and(|lacks| lacks.starts_with("no --python was given")));
        assert!(!find("report").arguments.iter().any(|word| word.starts_with("--beside")));
    }
}
