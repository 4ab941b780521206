//! Reasons, in words.

use crate::model::Rule;
use crate::policy::template::{self, Facts};
use crate::policy::words;

use super::rules::Standing;
use super::trial::Trial;

/// Why a rule fires for a trial: its summary filled in, what it said of the curve, or its condition with the value seen.
pub(super) fn reason(rule: &Rule, trial: &Trial, standing: &Standing, value: f64) -> String {
    let view = &trial.view;
    match &standing.heard {
        Some(heard) if rule.summary.is_none() => format!("{}: {}", rule.words, heard.words()),
        _ => {
            let label = |name: &str| view.labels.get(name).cloned();
            told(rule, value, view.trial.as_str(), view.experiment.as_str(), &label)
        }
    }
}

/// The same of a trial that only series know.
pub(super) fn told(
    rule: &Rule,
    value: f64,
    trial: &str,
    experiment: &str,
    label: &dyn Fn(&str) -> Option<String>,
) -> String {
    match &rule.summary {
        Some(summary) => template::render(summary, &Facts { value, trial, experiment, label }),
        None => words::reason(rule, value),
    }
}
