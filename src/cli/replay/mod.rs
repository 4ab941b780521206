//! `earlystop replay`: what a policy would have done to what was recorded.

mod expect;
mod html;
mod json;
mod page;
mod permuted;
mod plot;
mod recorded;
mod text;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::Failure;
use super::diagnostics::{self, Style};
use crate::model::{Mode, Objective, Policy};
use crate::policy;
use crate::replay::{Cost, Expectation, Question, Select, Tape};
use page::Page;

/// Arguments of `earlystop replay`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A policy file, or a folder of which every *.toml is taken; may be repeated [default: the journal's own policies]
    #[arg(long, value_name = "FILE|DIR")]
    pub policy: Vec<PathBuf>,
    /// Journals, as a daemon or `earlystop import` writes them
    #[arg(value_name = "JOURNAL", required = true)]
    pub journals: Vec<PathBuf>,
    /// Print one JSON object, for programs
    #[arg(long)]
    pub json: bool,
    /// Write a page for people, with a plot of what is used and what is kept; nothing in it comes from elsewhere
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Exit with 1 unless this holds: 'kept >= 0.95 and speedup >= 2'
    #[arg(long, value_name = "EXPRESSION", value_parser = Expectation::parse)]
    pub expect: Option<Expectation>,
    /// The unit in which the speed-up is told [default: steps where trials report any, else seconds]
    #[arg(long, value_name = "UNIT", value_enum)]
    pub cost: Option<Unit>,
    /// Which value of a trial counts: the last or the best one
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Which::Last)]
    pub select: Which,
    /// Judge trials by this metric, whatever objective they named
    #[arg(long, value_name = "NAME", requires = "mode")]
    pub metric: Option<String>,
    /// Which way that metric is better
    #[arg(long, value_name = "min|max", value_enum, requires = "metric")]
    pub mode: Option<Better>,
    /// Draw so many random samples of complete trials, each on a clock of its own, one after the other
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "policy")]
    pub permutations: Option<u32>,
    /// Trials (or groups of folds) in a permutation [default: 100, or all where there are fewer]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..), requires = "permutations")]
    pub sample: Option<u32>,
    /// Where chance begins: the same seed gives the same figures
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "permutations")]
    pub seed: u64,
    /// How many trials run at once; the next begins when one has ended
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096), requires = "permutations")]
    pub workers: u32,
    /// Intervals over 100 random halves of the corpus, too: how much other trials would have changed the figures
    #[arg(long, requires = "permutations")]
    pub halves: bool,
    /// Threads [default: as many as the machine has cores]; the figures are the same with any number
    #[arg(long, value_name = "N", requires = "permutations")]
    pub threads: Option<std::num::NonZero<usize>>,
}

const AFTER: &str = "\
Without --policy the journal's own policies are replayed, and the verdicts are
compared with what the journal says was done, byte by byte.
A trial that the policy stops ends there; all others keep their recorded times.
Names for --expect are those of the JSON: kept, speedup, regret, stopped,
censored.needed_beyond_record, ... An interval counts by its worse end.
Exit codes: 0 fine; 1 --expect does not hold, or nobody can know whether it does;
2 wrong usage, a journal or a policy that cannot be read.";

/// Units of cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Unit {
    /// Steps as reported
    Steps,
    /// Seconds of each trial's own clock
    Seconds,
    /// CPU seconds of each trial's processes
    #[value(name = "cpu_seconds")]
    CpuSeconds,
}

impl From<Unit> for Cost {
    fn from(unit: Unit) -> Cost {
        match unit {
            Unit::Steps => Cost::Steps,
            Unit::Seconds => Cost::Seconds,
            Unit::CpuSeconds => Cost::CpuSeconds,
        }
    }
}

/// Which value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// The last one
    Last,
    /// The best one
    Best,
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Better {
    /// Lower
    Min,
    /// Higher
    Max,
}

impl Args {
    fn question(&self) -> Question {
        let mode = match self.mode {
            Some(Better::Max) => Mode::Max,
            _ => Mode::Min,
        };
        let objective = self.metric.clone().map(|metric| Objective { metric, mode });
        let select = match self.select {
            Which::Last => Select::Last,
            Which::Best => Select::Best,
        };
        Question { objective, select }
    }

    fn cost(&self) -> Option<Cost> {
        self.cost.map(Cost::from)
    }
}

/// Replays, tells, and looks whether it is as expected: 0 it is, 1 it is not.
///
/// # Errors
/// A journal or a policy cannot be read; a name in `--expect` that is none.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let tapes = args.journals.iter().map(|path| Tape::open(path).map_err(unreadable)).collect::<Result<Vec<_>, _>>()?;
    if let Some(tape) = tapes.iter().find(|tape| tape.has_made_up_times() && args.cost == Some(Unit::Seconds)) {
        let message =
            format!("{}: its source had no times, and seconds of made-up ones mean nothing", tape.path().display());
        return Err(Failure::new(message, "say --cost steps"));
    }
    let told = match args.permutations {
        Some(count) => permuted::run(args, count as usize, &tapes)?,
        None => recorded::run(args, &tapes)?,
    };
    tell(args, &told.0, &told.1)
}

/// Prints what was found, and the answer to `--expect`.
fn tell(args: &Args, report: &Value, page: &Page) -> Result<u8, Failure> {
    // A name that is none is told before anything is printed.
    let verdict = args.expect.as_ref().map(|expectation| expect::verdict(expectation, report)).transpose()?;
    if let Some(path) = &args.html {
        std::fs::write(path, html::render(page)).map_err(|error| {
            Failure::new(format!("{}: cannot be written: {error}", path.display()), "give another file by --html")
        })?;
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{report}")?;
    } else {
        page.lines(width()).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    drop(out);
    Ok(match verdict {
        Some(Err(why)) => {
            eprintln!("earlystop: {why}");
            1
        }
        _ => 0,
    })
}

/// How wide a table may be: as wide as it likes where nobody's terminal is.
fn width() -> Option<usize> {
    let out = std::io::stdout();
    let columns = || rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col)).filter(|n| *n > 0);
    if out.is_terminal() { columns() } else { None }
}

/// The policy that was given, as it is understood for a journal; `None`: the record's own.
fn given(args: &Args, tape: &Tape) -> Result<Option<Arc<Policy>>, Failure> {
    if args.policy.is_empty() {
        return Ok(None);
    }
    let (policy, warnings) = policy::load(&args.policy, &tape.context()).map_err(|findings| {
        let _ = diagnostics::print(&findings, Style::of(&std::io::stderr()), &mut std::io::stderr().lock());
        Failure::new("the policy is refused", "`earlystop check` says the same, for all of its files")
    })?;
    // Who replays a policy on ten journals need not read its warnings ten times.
    if tape.path() == args.journals.first().map_or(tape.path(), |first| first.as_path()) {
        let _ = diagnostics::print(&warnings, Style::of(&std::io::stderr()), &mut std::io::stderr().lock());
    }
    Ok(Some(Arc::new(policy)))
}

fn unreadable(error: crate::journal::JournalError) -> Failure {
    Failure::new(
        error.to_string(),
        "give journals of earlystop: STATE/HOST/journal.sqlite, or what `earlystop import` wrote",
    )
}
