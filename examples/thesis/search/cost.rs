//! What the sidecar costs a trial: the same training with and without it, in pairs, the order changing from pair to pair.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use earlystop::model::MILLI;
use serde::{Deserialize, Serialize};

use super::plan::Configuration;
use super::worker::{self, Effort};
use super::{folds, shared};
use crate::algorithm::Algorithm;
use crate::command;
use crate::data::red_wine;
use crate::process::Trial;
use crate::sidecar::{Setup, Sidecar};

/// Folder of the measurements, beside a search's journal.
pub const FOLDER: &str = "cost";

/// Rows a step.
const BATCH: usize = 32;

/// Steps a report: 2 to 5 ms of training. A trainer waits for the verdict on each, and few report more often.
const STEPS_A_REPORT: u64 = 3200;

/// Measure what the sidecar costs: the same training with and without it, in alternating pairs
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder of the search that it is for
    #[arg(long, value_name = "DIR", default_value = "thesis-search")]
    out: PathBuf,
    /// Pairs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Passes over the red wine data in each run
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Which pair.
    pub pair: u32,
    /// Whether the sidecar watched it.
    pub watched: bool,
    /// Seconds from the process's start to its end.
    pub seconds: f64,
    /// CPU seconds of the process.
    pub cpu_seconds: f64,
    /// Steps.
    pub steps: u64,
    /// Reports, each of which waits for its verdict.
    pub reports: u64,
}

/// Runs the pairs one after the other on one core; the sidecar, which looks every 10 ms, keeps to another where there is one.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = arguments.out.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let rows = folder.join("rows");
    folds::prepare(&red_wine(), 42, None, &rows)?;
    command::note(&folder)?;
    let core = super::cores(Some(1))?[0];
    let state = folder.join("state");
    let setup = Setup { state: Some(&state), interval_ns: 10 * MILLI, observe: false };
    let sidecar = Sidecar::start("", "no policy".as_ref(), setup)?;
    let mut measured = Vec::new();
    for pair in 0..arguments.pairs {
        for watched in [pair % 2 == 0, pair % 2 == 1] {
            measured.push(one(&sidecar, &rows, core, arguments.epochs, pair, watched)?);
        }
    }
    sidecar.shutdown();
    let path = folder.join("cost.jsonl");
    let mut file = fs::File::create(&path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    for run in &measured {
        writeln!(file, "{}", serde_json::to_string(run)?)?;
    }
    println!("{} runs are in {}; `-- report` tells what they say.", measured.len(), path.display());
    Ok(())
}

fn one(
    sidecar: &Sidecar,
    rows: &Path,
    core: usize,
    epochs: u32,
    pair: u32,
    watched: bool,
) -> Result<Measured, Box<dyn Error>> {
    let (set, algorithm) = ("red_wine".to_string(), Algorithm::LinearRegression);
    let configuration = Configuration { set, algorithm, batch_size: BATCH, learning_rate: 1e-3, alpha: 1e-4 };
    let path = shared::path(rows, "red_wine", "fold0");
    let steps = shared::Mapped::open(&path)?.head.train.div_ceil(BATCH) as u64 * u64::from(epochs);
    let fold = format!("pair{pair}");
    let mut words = worker::Arguments::of(
        &configuration,
        &path,
        &fold,
        &Effort { epochs, steps: None, eval_rows: 2000, steps_a_report: Some(STEPS_A_REPORT) },
    );
    words.push(format!("--core={core}"));
    // Nobody listens there: the trainer just trains.
    let nowhere = rows.join("no-sidecar.sock");
    let start = Instant::now();
    let ended = Trial::start(&words, if watched { sidecar.socket() } else { &nowhere })?.wait()?;
    let seconds = start.elapsed().as_secs_f64();
    if watched {
        sidecar.record_of("red_wine", &format!("{}-{fold}", configuration.name()), ended)?;
    }
    let cpu_seconds = ended.usage.user_seconds + ended.usage.system_seconds;
    Ok(Measured { pair, watched, seconds, cpu_seconds, steps, reports: steps.div_ceil(STEPS_A_REPORT) })
}

/// What was measured for a search; nothing if it was not.
pub fn read(out: &Path) -> Result<Vec<Measured>, Box<dyn Error>> {
    crate::lines::read(&out.join(FOLDER).join("cost.jsonl"))
}
