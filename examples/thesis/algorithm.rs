//! The three algorithms of the experiments.

use clap::ValueEnum;

use crate::model::{Loss, Task};

/// An algorithm: a loss by another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Algorithm {
    /// Squared error.
    LinearRegression,
    /// Log loss.
    LogisticRegression,
    /// Hinge loss.
    LinearSvm,
}

impl Algorithm {
    /// Its name on the command line and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::LinearRegression => "linear_regression",
            Algorithm::LogisticRegression => "logistic_regression",
            Algorithm::LinearSvm => "linear_svm",
        }
    }

    /// What it makes small.
    pub fn loss(self) -> Loss {
        match self {
            Algorithm::LinearRegression => Loss::Squared,
            Algorithm::LogisticRegression => Loss::Log,
            Algorithm::LinearSvm => Loss::Hinge,
        }
    }

    /// Those that fit a task: one for numbers, two for classes.
    pub fn of(task: Task) -> &'static [Algorithm] {
        match task {
            Task::Regression => &[Algorithm::LinearRegression],
            Task::Classes(_) => &[Algorithm::LogisticRegression, Algorithm::LinearSvm],
        }
    }
}
