//! What trainers say.

use std::collections::BTreeMap;

use super::Name;

/// Whether a metric is better low or high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Lower is better.
    Min,
    /// Higher is better.
    Max,
}

impl Mode {
    /// `min` or `max`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Min => "min",
            Mode::Max => "max",
        }
    }

    /// Whether `a` is better than `b`. NaN is never better.
    pub fn better(self, a: f64, b: f64) -> bool {
        match self {
            Mode::Min => a < b,
            Mode::Max => a > b,
        }
    }
}

/// What a trial is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// The metric's name.
    pub metric: String,
    /// Which way is better.
    pub mode: Mode,
}

/// What an earlier attempt of the same name means for a new hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// Curve and counters from 0.
    #[default]
    New,
    /// The same curve goes on.
    Continue,
    /// The name must be unused.
    Never,
}

/// How trials and processes go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessUse {
    /// One running trial in the process.
    #[default]
    Own,
    /// One of several in the process: ask only, never a signal.
    Shared,
}

/// Who says hello for a trainer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Voice {
    /// The trainer itself: its hello is a heartbeat.
    #[default]
    Own,
    /// A command that it started, such as `earlystop heartbeat`, one each report: the heartbeat is what follows.
    Command,
}

/// Everything that may be said of a trial before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialSpec {
    /// The trial's name, `None` if it has to be made up.
    pub trial: Option<Name>,
    /// The experiment, `None` for the default.
    pub experiment: Option<Name>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Hyperparameters, as text.
    pub params: BTreeMap<String, String>,
    /// What it is judged by.
    pub objective: Option<Objective>,
    /// Modes of further metrics.
    pub modes: BTreeMap<String, Mode>,
    /// Steps of a full run.
    pub total_steps: Option<u64>,
    /// Epochs of a full run.
    pub total_epochs: Option<f64>,
    /// Steps done before this run.
    pub start_step: u64,
    /// The configuration that its folds share.
    pub group: Option<Name>,
    /// Its fold.
    pub fold: Option<String>,
}

/// A trainer's first line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hello {
    /// The trial.
    pub spec: TrialSpec,
    /// Own process or shared.
    pub process: ProcessUse,
    /// What an earlier attempt means.
    pub resume: Resume,
    /// The worker's name (data parallel), "0" if it said none.
    pub worker: String,
    /// Whether this worker speaks for the trial; `None`: worker "0" does.
    pub primary: Option<bool>,
    /// Who says it.
    pub voice: Voice,
}

/// A progress report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Steps done so far.
    pub step: Option<u64>,
    /// Epochs done so far.
    pub epoch: Option<f64>,
    /// Samples seen so far.
    pub samples: Option<u64>,
    /// Steps since this worker's last report.
    pub n: Option<u64>,
    /// Seconds those took.
    pub seconds: Option<f64>,
    /// What the time went into.
    pub phase: Option<String>,
    /// Steps of a full run, if it changed.
    pub total_steps: Option<u64>,
    /// Values of metrics at this step.
    pub metrics: Vec<(String, f64)>,
    /// Several values of a metric: name, then (step, value).
    pub points: Vec<(String, Vec<(u64, f64)>)>,
    /// Read memory and CPU now and journal them with this step.
    pub sample: bool,
    /// The trainer waits for an answer: rules over learning curves act on this step at once and not at the next tick, and it
    /// hears whether to go on.
    pub answer: bool,
}

/// How a trainer says that it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoneStatus {
    /// The whole run is through.
    Completed,
    /// It failed.
    Failed,
    /// It stopped early, by itself or because it was asked.
    Stopped,
}

/// A trainer's last line.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// How it ended.
    pub status: DoneStatus,
    /// Final figures.
    pub metrics: Vec<(String, f64)>,
}
