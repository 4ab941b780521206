//! One trial's process: trains on a shared mapping, evaluates as a phase of its own, reports, and leaves when asked.
//!
//! In reading order: [`effort`] says how much; [`training`] does it; [`fault`] is what goes wrong in it where that is wanted.

mod effort;
mod fault;
mod training;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use earlystop::model::Step;
use earlystop::wire::trainer::Trainer;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::pin;
use super::plan::Configuration;
use super::shared::Mapped;
use crate::algorithm::Algorithm;
pub use effort::{Effort, next_report};
pub use fault::Fault;
pub use training::EPOCH_LOSS;
use training::Training;

/// How long to wait for a verdict: it comes within a millisecond unless the sidecar is in trouble.
const VERDICT: Duration = Duration::from_secs(1);

/// How long to wait for the sidecar at the start.
const WELCOME: Duration = Duration::from_secs(5);

/// What a trial says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Says {
    /// All there is to say.
    #[default]
    All,
    /// That it is there, and when it trains; it evaluates nothing.
    Hello,
}

/// One trial of a search; the search starts each of its trials like this
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The fold's rows
    #[arg(long)]
    rows: PathBuf,
    /// What is trained
    #[arg(long, value_enum)]
    algorithm: Algorithm,
    /// Rows a step
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Learning rate
    #[arg(long)]
    learning_rate: f64,
    /// Strength of the L2 penalty
    #[arg(long)]
    alpha: f64,
    /// Passes over the training rows
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Ends after so many steps, whatever the epochs are
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Rows an evaluation
    #[arg(long)]
    eval_rows: usize,
    /// Steps between two reports, and none at an epoch's end [default: 100, and each epoch's end]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    steps_a_report: Option<u64>,
    /// `foldN`, or `refit`: then the rows held out are looked at once, at the end
    #[arg(long)]
    fold: String,
    /// What it says of itself
    #[arg(long, value_enum, default_value_t)]
    says: Says,
    /// Plant a fault
    #[arg(long)]
    fault: Option<Fault>,
    /// The core to run on
    #[arg(long)]
    core: Option<usize>,
}

impl Arguments {
    /// Command-line arguments for a configuration on a file of rows.
    pub fn of(configuration: &Configuration, rows: &Path, fold: &str, effort: &Effort) -> Vec<String> {
        let Configuration { algorithm, batch_size, learning_rate, alpha, .. } = configuration;
        let mut arguments = vec![
            "fit".to_string(),
            format!("--rows={}", rows.display()),
            format!("--algorithm={}", algorithm.as_str()),
            format!("--batch-size={batch_size}"),
            format!("--learning-rate={learning_rate}"),
            format!("--alpha={alpha}"),
            format!("--fold={fold}"),
            format!("--epochs={}", effort.epochs),
            format!("--eval-rows={}", effort.eval_rows),
        ];
        arguments.extend(effort.steps.map(|steps| format!("--steps={steps}")));
        arguments.extend(effort.steps_a_report.map(|steps| format!("--steps-a-report={steps}")));
        arguments
    }
}

/// Trains to the end, or until the sidecar asks to stop. Without a sidecar it just trains.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // A search that is killed takes its trials with it.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if let Some(core) = arguments.core {
        pin::to([core])?;
    }
    let mapped = Mapped::open(&arguments.rows)?;
    let mut trial = Training::new(arguments, &mapped);
    let mut sidecar = Trainer::hello(trial.hello()?);
    // Some trials take a few milliseconds: they are not to be over before they are watched.
    let is_watched = sidecar.wait_for_welcome(WELCOME).is_some();
    sidecar.report(Step { phase: Some("train".into()), ..Step::default() });
    if arguments.says == Says::Hello {
        while trial.train()?.is_some() {
            trial.leave_out_epochs();
        }
        sidecar.completed(&[]);
        return Ok(());
    }
    while let Some(window) = trial.train()? {
        sidecar.report(trial.step(&window));
        if !trial.is_refit {
            sidecar.report(Step { phase: Some("eval".into()), ..Step::default() });
            let score = trial.evaluate();
            // Evaluation is over with this line. It trains on when it has heard that it may: of a trial that lasts
            // milliseconds nothing would be left to save by the next tick.
            let step = Step { phase: Some("wait".into()), ..trial.judged(score) };
            if sidecar.should_stop(step, VERDICT).is_some() {
                sidecar.stopped(&[]);
                return Ok(());
            }
            sidecar.report(Step { phase: Some("train".into()), ..Step::default() });
        } else {
            trial.leave_out_epochs();
        }
    }
    sidecar.report(Step { phase: Some("eval".into()), ..Step::default() });
    let score = trial.evaluate();
    if is_watched && sidecar.dropped() > 0 {
        eprintln!("thesis: {} reports of {} found no taker", sidecar.dropped(), trial.name());
    }
    sidecar.completed(&[(&trial.objective(), score)]);
    Ok(())
}
