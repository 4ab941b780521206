//! Trials as a source has them, before anything was concluded.

use std::collections::BTreeMap;

use crate::journal::Format;

use super::First;
use super::history::Report;

/// A source as it was read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// As it was given, without passwords.
    pub place: String,
    /// What it is.
    pub format: Format,
    /// The experiment of trials that name none.
    pub experiment: String,
    /// Names of the metrics, the objective's first.
    pub metrics: Vec<String>,
    /// The trials, in the source's order.
    pub trials: Vec<Past>,
    /// What a person should know of how it was read.
    pub remarks: Vec<String>,
}

impl Source {
    /// Leaves out what was reported at step 0, where that is asked for.
    pub fn begin_at(&mut self, first: First) {
        if first == First::Counts {
            return;
        }
        let mut left_out = 0;
        for past in &mut self.trials {
            let before = past.reports.len();
            past.reports.retain(|report| report.step != Some(0));
            left_out += before - past.reports.len();
        }
        self.remarks.push(format!("reports left out since they are of step 0: {left_out}"));
    }
}

/// A trial as a source has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// Its name there.
    pub name: String,
    /// What tells it from others of that name.
    pub id: String,
    /// Its experiment, where the source has several.
    pub experiment: Option<String>,
    /// Hyperparameters.
    pub params: BTreeMap<String, String>,
    /// Whatever else was noted of it.
    pub labels: BTreeMap<String, String>,
    /// The configuration that its folds share.
    pub group: Option<String>,
    /// Its fold.
    pub fold: Option<String>,
    /// Steps of a full run.
    pub total: Option<u64>,
    /// When it began, nanoseconds since the Unix epoch.
    pub began: Option<i64>,
    /// When it ended.
    pub ended: Option<i64>,
    /// What it reported, steps rising. All of a source's reports have times, or none has.
    pub reports: Vec<Report>,
    /// How it ended, where the source says so.
    pub status: Option<Status>,
}

/// How a trial ended, in the words of those who keep such records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It came to its end.
    Finished,
    /// It failed.
    Failed,
    /// Somebody or something stopped it.
    Stopped,
    /// It has not ended, or nobody noticed.
    Open,
}

impl Status {
    /// The words of MLflow, W&B, Ray Tune, Optuna, NNI and of people.
    pub fn of(word: &str) -> Option<Status> {
        match word.trim().to_ascii_lowercase().as_str() {
            "finished" | "completed" | "complete" | "done" | "success" | "succeeded" | "terminated" => {
                Some(Status::Finished)
            }
            "failed" | "fail" | "failure" | "error" | "errored" | "crashed" => Some(Status::Failed),
            "stopped" | "killed" | "pruned" | "cancelled" | "canceled" | "early_stopped" | "user_canceled" => {
                Some(Status::Stopped)
            }
            "running" | "scheduled" | "pending" | "waiting" | "paused" | "lost" | "unknown" | "" => Some(Status::Open),
            _ => None,
        }
    }
}
