//! Learning rules: what they keep, what they lose, what they save.

use std::fmt::Write;

use earlystop::model::Mode;
use serde::Serialize;

use super::choice::{Choice, regret};
use super::ground::{Answer, Set};
use super::measure::rule_name;
use crate::search::worker::EPOCH_LOSS;

/// A learning rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// scikit-learn's `n_iter_no_change` and `tol`: so many epochs whose mean loss was not lower than the lowest by that much.
    Patience { epochs: u32, tol: f64 },
    /// Worse than the median of the others.
    Median,
    /// Successive halving without waiting.
    Asha,
    /// The forecast.
    Auto,
}

/// The rules of the experiment.
pub const RULES: [Rule; 10] = [
    Rule::Patience { epochs: 5, tol: 1e-1 },
    Rule::Patience { epochs: 5, tol: 1e-2 },
    Rule::Patience { epochs: 5, tol: 1e-3 },
    Rule::Patience { epochs: 5, tol: 1e-4 },
    Rule::Patience { epochs: 5, tol: 1e-5 },
    Rule::Patience { epochs: 2, tol: 1e-3 },
    Rule::Patience { epochs: 10, tol: 1e-3 },
    Rule::Median,
    Rule::Asha,
    Rule::Auto,
];

/// What a learning rule did on a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learned {
    pub set: String,
    pub rule: String,
    pub trials: usize,
    pub stopped: usize,
    /// Stops that the guard held back, over all sets.
    pub held_back: usize,
    pub best: Option<String>,
    pub best_score: Option<f64>,
    /// The best configuration none of whose folds was stopped before its end.
    pub best_kept: Option<String>,
    pub kept_score: Option<f64>,
    /// Whether the best was kept.
    pub kept: bool,
    /// What was lost, as a share of the best.
    pub regret: Option<f64>,
    /// The same where stopped trials count with the model that they were stopped with.
    pub regret_as_stopped: Option<f64>,
    pub saved_steps: f64,
    pub saved_seconds: f64,
    pub saved_cpu: f64,
    pub note: &'static str,
}

impl Rule {
    /// Its name: `patience-5-0.001`, `median`.
    pub fn name(self) -> String {
        match self {
            Rule::Patience { epochs, tol } => format!("patience-{epochs}-{tol}"),
            Rule::Median => "median".into(),
            Rule::Asha => "asha".into(),
            Rule::Auto => "auto".into(),
        }
    }

    /// The policy, with the rules of each set.
    pub fn policy(self, sets: &[Set]) -> String {
        let mut text = String::new();
        for set in sets {
            let mode = if set.mode == Mode::Min { "min" } else { "max" };
            let (kind, metric, mode) = match self {
                Rule::Patience { epochs, tol } => {
                    let kind =
                        format!("kind = \"patience\", patience = {epochs}, min_delta = {tol}, dialect = \"sklearn\"");
                    (kind, EPOCH_LOSS, "min")
                }
                Rule::Median => {
                    ("kind = \"median\", grace = \"30 %\", dialect = \"vizier\"".into(), &*set.metric, mode)
                }
                Rule::Asha => ("kind = \"asha\", eta = 3, grace = \"10 %\"".into(), &*set.metric, mode),
                Rule::Auto => ("kind = \"auto\"".into(), &*set.metric, mode),
            };
            let name = rule_name(&self.name(), &set.name);
            let _ = write!(
                text,
                "[[rule]]\nname = \"{name}\"\nstopper = {{ {kind}, metric = \"{metric}\", mode = \"{mode}\" }}\n\
                 where = {{ experiment = \"{}\" }}\n\n",
                set.name
            );
        }
        text
    }

    /// How it did on a set.
    pub fn judge(self, choice: &Choice<'_>, answer: &Answer) -> Learned {
        let set = choice.set;
        let stopped = set.trials.iter().filter(|view| answer.stopped.contains_key(&view.run)).count();
        let (all, kept) = (choice.of_all(), choice.of_kept(answer));
        let regret_as_stopped = regret(set.mode, all.as_ref(), choice.as_stopped(answer).as_ref());
        let saved = set.saved(answer).share_of(set.spent());
        let regret = regret(set.mode, all.as_ref(), kept.as_ref());
        let note = match stopped {
            0 => "stops none",
            all if all == set.trials.len() => "stops all",
            _ => "",
        };
        Learned {
            set: set.name.clone(),
            rule: self.name(),
            trials: set.trials.len(),
            stopped,
            held_back: answer.held_back,
            best_score: all.as_ref().map(|one| one.mean),
            best: all.map(|one| one.configuration),
            kept_score: kept.as_ref().map(|one| one.mean),
            best_kept: kept.map(|one| one.configuration),
            kept: regret == Some(0.0),
            regret,
            regret_as_stopped,
            saved_steps: saved.steps,
            saved_seconds: saved.seconds,
            saved_cpu: saved.cpu,
            note,
        }
    }
}
