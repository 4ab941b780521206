//! Reasons and explanations, in words.

use crate::model::{Expr, Moment, Rule, Selector, TrialView};
use crate::policy::template::{self, Facts};
use crate::policy::words;
use crate::state::windows;

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

/// What each series of a condition reads at the moment: ` (trial_memory_bytes = 400 MiB)`.
pub(super) fn readings(condition: &Expr, view: &TrialView, now: Moment) -> String {
    let mut selectors: Vec<&Selector> = Vec::new();
    condition.visit(&mut |expr| {
        if let Expr::Series(s) | Expr::Sum(s) | Expr::Mean(s, _) | Expr::Rate(s, _) = expr
            && !selectors.contains(&s)
        {
            selectors.push(s);
        }
    });
    let show = |s: &Selector| {
        let values = windows::read(s, view, now).into_iter().map(|(_, v)| written(&s.metric, v)).collect::<Vec<_>>();
        let name = s.labels.iter().find(|(k, _)| k == "metric").map_or(s.metric.as_str(), |(_, metric)| metric);
        format!("{name} = {}", if values.is_empty() { "no value".to_string() } else { values.join(", ") })
    };
    match selectors[..] {
        [] => String::new(),
        _ => format!(" ({})", selectors.into_iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

/// A value in the unit that the metric's name tells.
fn written(metric: &str, value: f64) -> String {
    match metric {
        m if m.ends_with("_bytes") => words::bytes(value),
        m if m.ends_with("_timestamp_seconds") => words::number(value),
        m if m.ends_with("_seconds") || m.ends_with("_seconds_total") => words::seconds(value),
        _ => words::number(value),
    }
}
