//! Reasons, in words.

use crate::model::{Rule, TrialView};
use crate::policy::template::{self, Facts};
use crate::policy::words;

/// Why a rule fires for a trial: its summary filled in, or its condition with the value seen.
pub(super) fn reason(rule: &Rule, view: &TrialView, value: f64) -> String {
    let label = |name: &str| view.labels.get(name).cloned();
    told(rule, value, view.trial.as_str(), view.experiment.as_str(), &label)
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
