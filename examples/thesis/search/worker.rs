//! One trial's process: trains on a shared mapping, evaluates as a phase of its own, reports, and leaves when asked.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use earlystop::model::{Hello, Mode, Name, Objective, Step, TrialSpec};
use earlystop::wire::trainer::Trainer;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::pin;
use super::plan::Configuration;
use super::share::Share;
use super::shared::Mapped;
use crate::algorithm::Algorithm;
use crate::model::{LinearModel, Rows, Sgd, Task};

/// Steps between two reports.
const STEPS_A_REPORT: u64 = 100;

/// How long to wait for the sidecar at the start.
const WELCOME: Duration = Duration::from_secs(5);

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
    /// `foldN`, or `refit`: then the rows held out are looked at once, at the end
    #[arg(long)]
    fold: String,
    /// The core to run on
    #[arg(long)]
    core: Option<usize>,
}

impl Arguments {
    /// Command-line arguments for a configuration on a file of rows.
    pub fn of(configuration: &Configuration, rows: &std::path::Path, fold: &str, effort: &Effort) -> Vec<String> {
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
        arguments
    }
}

/// How much is trained and evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Effort {
    /// Passes over the training rows
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// End each trial after so many steps, whatever the epochs are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Rows an evaluation: the first of the fold that is held out
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub eval_rows: usize,
}

/// Trains to the end, or until the sidecar asks to stop. Without a sidecar it just trains.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // A search that is killed takes its trials with it.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if let Some(core) = arguments.core {
        pin::to([core])?;
    }
    let mapped = Mapped::open(&arguments.rows)?;
    let mut trial = Trial::new(arguments, &mapped);
    let mut sidecar = Trainer::hello(trial.hello()?);
    // Some trials take a few milliseconds: they are not to be over before they are watched.
    sidecar.wait_for_welcome(WELCOME);
    sidecar.report(Step { phase: Some("train".into()), ..Step::default() });
    while let Some(window) = trial.train() {
        sidecar.report(trial.step(&window));
        if sidecar.stop_requested().is_some() {
            sidecar.stopped(&[]);
            return Ok(());
        }
        if !trial.is_refit {
            sidecar.report(Step { phase: Some("eval".into()), ..Step::default() });
            let score = trial.evaluate();
            // Evaluation is over with this line; what comes next is training.
            let metrics = vec![(trial.objective(), score)];
            sidecar.report(Step { phase: Some("train".into()), metrics, ..Step::default() });
        }
    }
    sidecar.report(Step { phase: Some("eval".into()), ..Step::default() });
    let score = trial.evaluate();
    if sidecar.dropped() > 0 {
        eprintln!("thesis: {} reports of {} found no taker", sidecar.dropped(), trial.name());
    }
    sidecar.completed(&[(&trial.objective(), score)]);
    Ok(())
}

/// Steps between two reports.
#[derive(Clone, Copy, Debug)]
struct Window {
    steps: u64,
    seconds: f64,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
}

/// A training run under way.
struct Trial<'a> {
    of: &'a Arguments,
    set: &'a str,
    synthetic: bool,
    share: Option<Share>,
    is_refit: bool,
    sgd: Sgd,
    model: LinearModel,
    train: Rows<'a>,
    held_out: Rows<'a>,
    step: u64,
    samples: u64,
}

impl<'a> Trial<'a> {
    fn new(of: &'a Arguments, mapped: &'a Mapped) -> Trial<'a> {
        let task = mapped.head.task();
        let loss = of.algorithm.loss();
        let sgd = Sgd { task, loss, learning_rate: of.learning_rate, alpha: of.alpha, shuffle: None };
        let model = sgd.new_model(mapped.head.features);
        let (set, synthetic, is_refit) = (mapped.head.set.as_str(), mapped.head.synthetic, of.fold == "refit");
        let held_out = mapped.held_out(if is_refit { usize::MAX } else { of.eval_rows });
        let share = mapped.head.share;
        Trial { of, set, synthetic, share, is_refit, sgd, model, train: mapped.train(), held_out, step: 0, samples: 0 }
    }

    fn configuration(&self) -> Configuration {
        let Arguments { algorithm, learning_rate, alpha, .. } = *self.of;
        let (set, batch_size) = (self.set.to_string(), self.batch());
        Configuration { set, algorithm, batch_size, learning_rate, alpha }
    }

    fn name(&self) -> String {
        format!("{}-{}", self.configuration().name(), self.of.fold)
    }

    fn batch(&self) -> usize {
        self.of.batch_size as usize
    }

    fn steps_an_epoch(&self) -> u64 {
        self.train.y.len().div_ceil(self.batch()) as u64
    }

    fn total_steps(&self) -> u64 {
        let all = self.steps_an_epoch() * u64::from(self.of.epochs);
        self.of.steps.map_or(all, |steps| steps.min(all))
    }

    /// The metric that the trial is judged by.
    fn objective(&self) -> String {
        let part = if self.is_refit { "test" } else { "val" };
        let score = if self.sgd.task == Task::Regression { "rmse" } else { "accuracy" };
        format!("{part}_{score}")
    }

    fn hello(&self) -> Result<Hello, Box<dyn Error>> {
        let configuration = self.configuration();
        let mode = if self.sgd.task == Task::Regression { Mode::Min } else { Mode::Max };
        let mut labels = std::collections::BTreeMap::from([
            ("dataset".to_string(), self.set.to_string()),
            ("algorithm".to_string(), self.of.algorithm.as_str().to_string()),
        ]);
        if self.synthetic {
            labels.insert("synthetic".into(), "true".into());
        }
        labels.extend(self.share.map(|share| ("share".to_string(), share.to_string())));
        let spec = TrialSpec {
            trial: Some(Name::new(&self.name())?),
            experiment: Some(Name::new(self.set)?),
            labels,
            params: configuration.params(),
            objective: Some(Objective { metric: self.objective(), mode }),
            modes: [("train_loss".to_string(), Mode::Min)].into(),
            total_steps: Some(self.total_steps()),
            total_epochs: Some(self.of.epochs.into()),
            group: Some(Name::new(&configuration.name())?),
            fold: Some(self.of.fold.clone()),
            ..TrialSpec::default()
        };
        Ok(Hello { spec, ..Hello::default() })
    }

    /// Trains up to the next report: every 100 steps, at an epoch's end, at the last step. `None` when all is done.
    fn train(&mut self) -> Option<Window> {
        let (total, an_epoch) = (self.total_steps(), self.steps_an_epoch());
        if self.step == total {
            return None;
        }
        let until =
            total.min((self.step / STEPS_A_REPORT + 1) * STEPS_A_REPORT).min((self.step / an_epoch + 1) * an_epoch);
        let steps = until - self.step;
        let mut window =
            Window { steps, seconds: 0.0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, last: 0.0 };
        let start = Instant::now();
        while self.step < until {
            let batch = self.batch_at(self.step % an_epoch);
            let loss = self.model.mean_loss(self.sgd.loss, batch);
            self.sgd.partial_fit(&mut self.model, batch);
            window.sum += loss;
            window.min = if loss < window.min || loss.is_nan() { loss } else { window.min };
            window.max = if loss > window.max || loss.is_nan() { loss } else { window.max };
            window.last = loss;
            self.step += 1;
            self.samples += batch.y.len() as u64;
        }
        window.seconds = start.elapsed().as_secs_f64();
        Some(window)
    }

    fn batch_at(&self, place: u64) -> Rows<'a> {
        let (rows, features) = (self.train, self.train.features);
        let start = place as usize * self.batch();
        let end = (start + self.batch()).min(rows.y.len());
        Rows { x: &rows.x[start * features..end * features], y: &rows.y[start..end], ..rows }
    }

    fn step(&self, window: &Window) -> Step {
        let metrics = [
            ("train_loss", window.sum / window.steps as f64),
            ("train_loss_min", window.min),
            ("train_loss_max", window.max),
            ("train_loss_last", window.last),
        ];
        Step {
            step: Some(self.step),
            epoch: Some(self.step as f64 / self.steps_an_epoch() as f64),
            samples: Some(self.samples),
            n: Some(window.steps),
            seconds: Some(window.seconds),
            phase: Some("train".into()),
            metrics: metrics.map(|(name, value)| (name.to_string(), value)).into(),
            sample: true,
            ..Step::default()
        }
    }

    fn evaluate(&self) -> f64 {
        self.model.score(self.held_out)
    }
}
