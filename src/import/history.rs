//! A history, ready to be told: who ran when, what each reported, how each ended.

use std::collections::BTreeMap;

use crate::journal::{Format, Times};
use crate::model::{Name, Objective};

/// A history, ready to be told.
#[derive(Clone, Debug)]
pub struct History {
    /// The source, without passwords.
    pub source: String,
    /// What kind it is.
    pub format: Format,
    /// Whether its times mean anything.
    pub times: Times,
    /// What trials are judged by.
    pub objective: Objective,
    /// Names of the metrics, the objective's first.
    pub metrics: Vec<String>,
    /// The trials, in the source's order.
    pub trials: Vec<Ended>,
    /// What a person should know of how it was read.
    pub remarks: Vec<String>,
}

/// A trial that ended. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name; no other of its experiment has it.
    pub name: Name,
    /// Its experiment.
    pub experiment: Name,
    /// Hyperparameters.
    pub params: BTreeMap<String, String>,
    /// Whatever else was noted of it.
    pub labels: BTreeMap<String, String>,
    /// The configuration that its folds share.
    pub group: Option<Name>,
    /// Its fold.
    pub fold: Option<String>,
    /// Steps of a full run.
    pub total: Option<u64>,
    /// When it began.
    pub began: i64,
    /// When it ended, not before its last report.
    pub ended: i64,
    /// What it reported, times and steps rising; each has a time.
    pub reports: Vec<Report>,
    /// How it ended.
    pub end: End,
}

/// One report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// When, nanoseconds since the Unix epoch.
    pub at: Option<i64>,
    /// Steps done; `None` where it only brings `points`.
    pub step: Option<u64>,
    /// Values at this step: which metric, and its value.
    pub values: Vec<(usize, f64)>,
    /// Values of metrics that count steps of their own: which metric, its step, its value.
    pub points: Vec<(usize, u64, f64)>,
}

impl Report {
    /// Whether it brings a value of the objective.
    pub fn has_objective(&self) -> bool {
        self.values.iter().any(|(metric, _)| *metric == 0)
    }
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It came to its end.
    Completed,
    /// It failed.
    Failed,
    /// Something stopped it.
    Stopped,
    /// Nobody knows what came after its last report.
    Lost,
}
