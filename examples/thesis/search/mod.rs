//! `thesis search`: a grid with ten-fold cross-validation, every trial a process of its own beside the sidecar.
//!
//! In reading order: [`plan`] says what is tried, [`part`] how much of that, [`pace`] how long; [`folds`] splits the data, or a [`share`] of
//! them, into files that trials share ([`shared`]);
//! [`worker`] is a trial's process (or another program's: [`trainer`]), pinned to a core ([`pin`]); [`runner`] has them all
//! started by this program or by [`ray`] ([`hands`], [`orphans`]), and writes down what became of each ([`record`]); [`choose`] finds the winners; [`audit`] looks the journal through.
//! [`prepared`] measures what comes before the trials, [`cost`] what the sidecar takes.

mod audit;
pub mod axis;
pub mod choose;
pub mod cost;
pub mod folds;
mod hands;
pub mod kept;
mod orphans;
pub mod pace;
mod part;
mod pin;
pub mod plan;
pub mod prepared;
pub mod ray;
pub mod record;
mod runner;
pub mod share;
pub mod shared;
pub mod trainer;
mod widen;
pub mod worker;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::data::Source;
use crate::energy::{Energy, Meter, POWERCAP};
use crate::sidecar::{Setup, Sidecar};
use folds::Prepared;
use hands::Hands;
use pace::Pace;
use part::Part;
use plan::{Configuration, FOLDS, Fold, Planned};
use record::{Record, Records};
use runner::Ground;
use share::Share;
use trainer::Trainer;
use widen::{Field, Found};
use worker::Effort;

/// Search a grid by ten-fold cross-validation, every trial a process of its own beside the sidecar
///
/// Batch sizes 2, 4, 8, ... up to a fold's rows, learning rates 0.1 to 0.0001, alphas 0.1 to 0.00001. 70 % of the rows
/// are searched with; the configuration of the best mean score is trained on all of these, and tested once on the rest.
/// Run it again with the same --out, and it goes on where it was cut off.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The sets: names, or numbers on OpenML
    #[arg(value_name = "SET", default_values_t = ["red_wine".to_string(), "diabetes".to_string()])]
    sets: Vec<String>,
    /// One more set, by its name or number
    #[arg(long, value_name = "ID")]
    dataset: Vec<String>,
    /// Where the journal, the rows and the records of trials go
    #[arg(long, value_name = "DIR", default_value = "thesis-search")]
    out: PathBuf,
    /// Where the folds' rows lie; searches of the same sets and seed may share them [default: rows in --out]
    #[arg(long, value_name = "DIR")]
    rows: Option<PathBuf>,
    /// Trials at a time [default: the cores less one, which is left to the sidecar and the system]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Try only so many configurations of each set, drawn by the seed [default: the whole grid]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    configurations: Option<u32>,
    /// Train on a part of each fold's rows, 10% or 0.1, drawn by the seed; the rows that judge stay the same [default: all]
    #[arg(long, value_name = "SHARE")]
    share: Option<Share>,
    /// Where the best lies on the grid's edge (learning rate, alpha), try what lies beyond, at most so many times
    #[arg(long, value_name = "N", default_value_t = 2, overrides_with = "widen", value_parser = clap::value_parser!(u32).range(..=9))]
    widen: u32,
    /// Seed of the splits and of the order of trials
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Rules (default: none)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Only say what the rules would stop
    #[arg(long)]
    observe: bool,
    /// Milliseconds between two looks of the sidecar
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    interval_ms: u64,
    /// Make trials longer, until each lasts so many seconds; they report about every 5 ms, not at each epoch's end
    #[arg(long, value_name = "SECONDS", value_parser = pace::seconds, conflicts_with = "steps")]
    at_least: Option<f64>,
    /// Where the kernel shows the processors' energy
    #[arg(long, value_name = "DIR", default_value = POWERCAP, hide = true)]
    powercap: PathBuf,
    #[command(flatten)]
    trainer: Trainer,
    #[command(flatten)]
    effort: Effort,
    #[command(flatten)]
    source: Source,
}

/// The whole search.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let out = arguments.out.as_path();
    fs::create_dir_all(out)
        .map_err(|e| format!("cannot make the folder {}: {e}; --out names another", out.display()))?;
    arguments.trainer.check()?;
    let state = same_as_before(arguments, out)?;
    crate::command::note(out)?;
    let (records, there) = Records::open(&out.join("trials.jsonl"))?;
    let there = in_the_journal(there, &state)?;
    let rows = arguments.rows.clone().unwrap_or_else(|| out.join("rows"));
    let sets = arguments.sets.iter().chain(&arguments.dataset);
    let prepared = sets
        .map(|set| {
            let table = prepared::measured(out, set, "load", || arguments.source.load(set))?;
            prepared::measured(out, set, "preprocess", || {
                folds::prepare(&table, arguments.seed, arguments.share, &rows)
            })
        })
        .collect::<Result<Vec<Prepared>, _>>()?;
    let cores = cores(arguments.jobs)?;
    let sidecar = start_sidecar(arguments, &state)?;
    let files = prepared.iter().flat_map(|of| folds::all().map(|fold| shared::path(&rows, &of.set, &fold.name())));
    let hands = Hands::new(&arguments.trainer, out, &files.collect::<Vec<_>>(), cores.len(), &sidecar)?;
    let pace = Pace::new(arguments.effort, arguments.at_least, arguments.trainer.kind, out)?;
    let ground =
        Ground { sidecar: &sidecar, rows: &rows, pace: &pace, cores: &cores, hands: &hands, records: &records };
    let Arguments { configurations, seed, share, .. } = *arguments;
    let (grids, said): (Vec<Vec<Configuration>>, Vec<Vec<String>>) =
        prepared.iter().map(|of| Part { configurations, seed, share }.of(of)).unzip();
    said.iter().flatten().for_each(|line| println!("{line}"));
    let planned: Vec<Planned> = grids.iter().flatten().flat_map(on_all_folds).collect();
    eprintln!("{} trials on {} cores. Metrics: {}/metrics", planned.len(), cores.len(), sidecar.http_address());
    let meter = Meter::start(&arguments.powercap, out)?;
    let done = ground.run(&planned, there, arguments.seed)?;
    let mut fields: Vec<Field<'_>> = prepared.iter().zip(&grids).flat_map(|(of, grid)| Field::of(of, grid)).collect();
    let (done, added) = widen::widen(&mut fields, arguments.widen, &ground, done, arguments.seed)?;
    let found: Vec<Found> = fields.iter().filter_map(|field| field.found(&done)).collect();
    let wanted: Vec<Planned> = found.iter().map(|found| found.refit.clone()).collect();
    let all = ground.run(&wanted, done, arguments.seed)?;
    drop((meter, hands));
    sidecar.shutdown();
    widen::tell(&found, &all);
    if !added.is_empty() {
        println!("{} of the trials were added by widening.", added.len());
    }
    pace.tell(&all)?;
    println!("{}", Energy::read(out)?.said());
    let planned: Vec<&Planned> = planned.iter().chain(&added).chain(&wanted).collect();
    audit::account(&planned, &all, &journal_in(&state), start)
}

fn on_all_folds(configuration: &Configuration) -> impl Iterator<Item = Planned> {
    (0..FOLDS).map(|fold| Planned { configuration: configuration.clone(), fold: Fold::Without(fold) })
}

/// Another run in the same folder has to be the same search. It may widen the grid further: that only adds trials.
fn same_as_before(arguments: &Arguments, out: &Path) -> Result<PathBuf, String> {
    let now = format!(
        "seed {}, {}, configurations {:?}, observe {}{}{}{}",
        arguments.seed,
        arguments.effort.said(),
        arguments.configurations,
        arguments.observe,
        arguments.trainer.kind.said(),
        arguments.share.map(|share| format!(", share {share}")).unwrap_or_default(),
        arguments.at_least.map(|seconds| format!(", at least {seconds} s")).unwrap_or_default()
    );
    kept::claim(out, &now)?;
    Ok(out.join("state"))
}

fn journal_in(state: &Path) -> PathBuf {
    state.join(earlystop::sys::places::host_name()).join("journal.sqlite")
}

/// Those of an earlier run that the journal holds whole: of one that was killed, the last moments may be missing there.
/// Such trials are run again.
fn in_the_journal(there: Vec<Record>, state: &Path) -> Result<Vec<Record>, Box<dyn Error>> {
    if there.is_empty() {
        return Ok(there);
    }
    let whole = audit::audit(&journal_in(state))?.whole;
    let (kept, lost): (Vec<_>, Vec<_>) =
        there.into_iter().partition(|record| whole.contains(&(record.set.clone(), record.trial.clone())));
    if !lost.is_empty() {
        eprintln!("{} trials were cut off before the journal had them; they are run again", lost.len());
    }
    Ok(kept)
}

/// The cores of the trials. This process and the sidecar in it keep to the one that is left, where one is.
pub fn cores(jobs: Option<u16>) -> Result<Vec<usize>, Box<dyn Error>> {
    let all = pin::cores()?;
    let own = all.first().copied().ok_or("no core may be used")?;
    let free = if all.len() > 1 { &all[1..] } else { &all[..] };
    pin::to([own])?;
    let jobs = jobs.map_or(free.len(), usize::from);
    Ok(free.iter().copied().cycle().take(jobs).collect())
}

fn start_sidecar(arguments: &Arguments, state: &Path) -> Result<Sidecar, Box<dyn Error>> {
    let (text, path) = match &arguments.policy {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            (text, path.clone())
        }
        None => (String::new(), PathBuf::from("no policy")),
    };
    let interval_ns = arguments.interval_ms * earlystop::model::MILLI;
    Sidecar::start(&text, &path, Setup { state: Some(state), interval_ns, observe: arguments.observe })
}
