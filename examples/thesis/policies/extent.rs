//! How far each trial gets under scikit-learn's rule, by tolerance and by patience: what it has taken when it is stopped.

use std::collections::HashSet;
use std::sync::Arc;

use earlystop::model::{RunId, TrialView};
use serde::{Deserialize, Serialize};

use super::ground::{Answer, Set};
use super::learning::Rule;

/// One trial under one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    pub set: String,
    pub algorithm: String,
    pub configuration: String,
    pub fold: String,
    /// The rule's `n_iter_no_change`, epochs.
    pub n_iter_no_change: u32,
    /// The rule's `tol`, in the loss's unit.
    pub tol: f64,
    pub diverged: bool,
    pub stopped: bool,
    pub steps: f64,
    /// Steps as a share of the full run's.
    pub share_of_steps: f64,
    pub elapsed_seconds: f64,
    pub cpu_seconds: f64,
    /// Highest RSS - shared seen so far; none where nobody had looked yet.
    pub memory_peak_bytes: Option<f64>,
}

/// All trials of a set under a rule; none if the rule is not scikit-learn's.
pub fn extents(rule: Rule, set: &Set, diverged: &HashSet<RunId>, answer: &Answer) -> Vec<Extent> {
    let Rule::Patience { epochs, tol } = rule else { return Vec::new() };
    let row = |full: &Arc<TrialView>| {
        let stopped = answer.stopped.get(&full.run);
        let then = stopped.map_or(full, |stopped| &stopped.stop.view);
        let elapsed = stopped.map_or(full.elapsed(full.started), |one| one.stop.at.seconds_since(full.started));
        let (steps, all) = (then.progress.steps_total as f64, full.progress.steps_total as f64);
        Extent {
            set: set.name.clone(),
            algorithm: full.labels.get("algorithm").cloned().unwrap_or_default(),
            configuration: full.group.as_ref().unwrap_or(&full.trial).to_string(),
            fold: full.fold.clone().unwrap_or_default(),
            n_iter_no_change: epochs,
            tol,
            diverged: diverged.contains(&full.run),
            stopped: stopped.is_some(),
            steps,
            share_of_steps: if all > 0.0 { steps / all } else { 1.0 },
            elapsed_seconds: elapsed,
            cpu_seconds: then.totals.cpu.first + then.totals.cpu.second,
            memory_peak_bytes: then.totals.memory_peak.filter(|peak| *peak > 0).map(|peak| peak as f64),
        }
    };
    set.trials.iter().map(row).collect()
}
