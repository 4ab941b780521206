//! What a person wants of a source.

use globset::GlobMatcher;

use crate::model::{Mode, Objective};

/// What is to be imported, and how the source is to be understood.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The metric that trials are judged by.
    pub metric: String,
    /// Which way it is better.
    pub mode: Mode,
    /// Which columns of a table are the curve; `None`: guessed.
    pub columns: Option<GlobMatcher>,
    /// The first value of every curve is of a model that has not learned yet.
    pub first: First,
    /// The experiment: which one of a source that holds several, by its name or id there; else its name in the journal, where
    /// characters that names cannot have become `_`.
    pub experiment: Option<String>,
    /// Steps of a full run; `None`: as the source says, else the longest curve.
    pub total: Option<u64>,
    /// The column that names the trial.
    pub trial_column: Option<String>,
    /// The column of the step.
    pub step_column: Option<String>,
    /// The column of the time.
    pub time_column: Option<String>,
    /// The column that says how the trial ended.
    pub status_column: Option<String>,
}

/// What the first value of a curve is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum First {
    /// A value as any other.
    #[default]
    Counts,
    /// That of random weights, step 0: it is left out.
    Skipped,
}

impl Ask {
    /// The objective.
    pub fn objective(&self) -> Objective {
        Objective { metric: self.metric.clone(), mode: self.mode }
    }
}
