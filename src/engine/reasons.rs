//! Reasons, in words.

use crate::model::{Rule, TrialView};
use crate::policy::template::{self, Facts};
use crate::policy::words;

/// Why a rule fires for a trial: its summary filled in, or its condition with the value seen.
pub(super) fn reason(rule: &Rule, view: &TrialView, value: f64) -> String {
    let Some(summary) = &rule.summary else { return words::reason(rule, value) };
    let facts = Facts {
        value,
        trial: view.trial.as_str(),
        experiment: view.experiment.as_str(),
        label: &|name| view.labels.get(name).cloned(),
    };
    template::render(summary, &facts)
}
