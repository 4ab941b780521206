//! What a stopper is asked, and what it answers.

use std::collections::BTreeMap;

use super::curve::Curve;
use super::field::{Field, Population, Quantity};
use crate::model::{Mode, RunId};

/// A report has come in: shall the trial go on? Everything is turned so that higher is better.
#[derive(Debug)]
pub struct Case<'f> {
    /// All that are compared, the trial itself among them, its report taken in.
    pub field: &'f mut Field,
    /// The trial.
    pub run: RunId,
    /// Its unit in the field.
    pub unit: usize,
    /// Where on the axis this report is.
    pub at: f64,
    /// Where the report before was; nothing at the first.
    pub before: Option<f64>,
    /// The whole length (R) on the axis, where it is known.
    pub max: Option<f64>,
    /// No verdict before; nothing where the rule does not say so.
    pub grace: Option<f64>,
    /// No verdict with fewer peers; nothing where the rule does not say so.
    pub min_peers: Option<usize>,
    /// Which way the metric is better: for words, and for rules whose formula wants the value as it was reported.
    pub mode: Mode,
}

impl Case<'_> {
    /// The trial's own quantity here; the mean over the folds that have come so far, where folds are compared as one.
    pub fn own(&self, quantity: Quantity) -> Option<f64> {
        self.field.read(self.unit, quantity, self.at)
    }

    /// The trial's own curve.
    pub fn curve(&self) -> Option<&Curve> {
        self.field.peer(self.run).map(|peer| &peer.curve)
    }

    /// Nothing is said before the grace period's end; a kind without one of its own has none.
    pub(super) fn after_grace(&self) -> Result<(), Unknown> {
        match self.grace {
            Some(grace) if self.at < grace => Err(Unknown::Grace),
            _ => Ok(()),
        }
    }

    /// Nothing is said with fewer peers than the rule wants; `default` where it does not say.
    pub(super) fn enough(&self, peers: usize, default: usize) -> Result<(), Unknown> {
        let needed = self.min_peers.unwrap_or(default);
        if peers < needed { Err(Unknown::Peers(peers, needed)) } else { Ok(()) }
    }

    /// Whether this report is the first at or behind `place`.
    pub fn crosses(&self, place: f64) -> bool {
        self.at >= place && self.before.is_none_or(|before| before < place)
    }

    /// A value as it was reported.
    pub fn raw(&self, value: f64) -> f64 {
        match self.mode {
            Mode::Max => value,
            Mode::Min => -value,
        }
    }
}

/// What a stopper says of a trial at a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It shall end.
    Stop(Evidence),
    /// It may go on.
    Continue(Evidence),
    /// This is no place to decide: what was said before stands.
    NotDue,
    /// Nobody can say: too few peers, no length, no value. No action, and what was said before no longer stands.
    Unknown(Unknown),
}

impl Verdict {
    /// Stop or go on.
    pub(super) fn when(stop: bool, evidence: Evidence) -> Verdict {
        if stop { Verdict::Stop(evidence) } else { Verdict::Continue(evidence) }
    }
}

/// Why nobody can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Before the grace period's end.
    Grace,
    /// Fewer peers than it takes: how many there are, how many it takes.
    Peers(usize, usize),
    /// The whole length is not known.
    Length,
    /// The trial has no value that could be compared.
    Value,
    /// Too few reports of its own: how many there are, how many it takes.
    Reports(usize, usize),
    /// It compares folds, and the trial says of no group.
    Folds,
    /// The metric that it reads beside is not reported.
    Beside,
    /// Which way the metric is better is not known, or trials contradict each other.
    Mode,
    /// The report does not say where on the axis it is.
    Place,
    /// Only a part of the trial's curve is known: the rest came while nobody listened.
    Partial,
}

/// What a verdict rests on; numbers as they were reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The trial's own figure.
    pub own: f64,
    /// What that is: "best so far".
    pub what: &'static str,
    /// The figure that it is compared with.
    pub bar: f64,
    /// What that is: "the median of the running means".
    pub against: &'static str,
    /// Of how many others.
    pub peers: usize,
    /// Where on the axis.
    pub at: f64,
    /// Further words, where figures do not say enough.
    pub note: Option<String>,
}

/// A stopping rule.
pub trait Stopper: std::fmt::Debug + Send + Sync {
    /// What it says of a trial at a report.
    fn decide(&self, case: &mut Case<'_>) -> Verdict;

    /// Whether it must know which way the metric is better.
    fn is_directed(&self) -> bool {
        true
    }

    /// What it reads of the others here, for `explain`: who, and the figures.
    fn population(&self) -> Option<(Population, Quantity)> {
        None
    }

    /// Names of metrics that it reads beside the one it judges by.
    fn beside(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Hyperparameters as numbers: those that are one, by name.
pub fn numbers(params: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, f64)> {
    params.iter().filter_map(|(name, text)| Some((name.as_str(), text.parse::<f64>().ok().filter(|v| v.is_finite())?)))
}
