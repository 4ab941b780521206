//! What each policy takes and loses, and how soon it has found what it finds.

use std::sync::Arc;

use earlystop::model::TrialView;
use serde::Serialize;

use super::Policy;
use super::choice::{Choice, Chosen, is_better, regret, score_as_stopped};
use super::ground::{Answer, score};

/// A policy that loses more than this share of the best score has failed.
pub const LOST: f64 = 0.001;

/// The name of what one does without a policy.
pub const NONE: &str = "no policy";

/// What a policy took of a data set's whole compute, and what it lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    pub set: String,
    pub policy: String,
    /// `budget`, `rule`, `baseline` or `none`.
    pub kind: &'static str,
    pub trials: usize,
    pub stopped: usize,
    /// Shares of what all trials took without a policy.
    pub used_steps: f64,
    pub used_seconds: f64,
    pub used_cpu: f64,
    /// How much worse the best that one has under the policy is, as a share of the best: under a budget only what was not
    /// stopped may be had, under a rule also the model that a trial was stopped with. None where nothing is left.
    pub regret: Option<f64>,
    /// Whether that is more than 0.1 %, or nothing is left.
    pub failed: bool,
}

/// The best score known after so much compute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Known {
    pub set: String,
    pub policy: String,
    /// CPU seconds of all trials until then.
    pub cpu_seconds: f64,
    /// The same as a share of what all take without a policy.
    pub cpu_share: f64,
    /// Configurations done by then.
    pub configurations: usize,
    pub best_score: f64,
    pub regret: f64,
}

impl Point {
    /// What a policy came to on a set.
    pub fn of(policy: Policy, choice: &Choice<'_>, answer: &Answer) -> Point {
        let set = choice.set;
        let saved = set.saved(answer).share_of(set.spent());
        let left = match policy {
            Policy::Budget(_) => choice.of_kept(answer),
            Policy::Learning(_) | Policy::None => choice.as_stopped(answer),
        };
        let regret = regret(set.mode, choice.of_all().as_ref(), left.as_ref());
        Point {
            set: set.name.clone(),
            policy: policy.name(),
            kind: policy.kind(),
            trials: set.trials.len(),
            stopped: set.trials.iter().filter(|view| answer.stopped.contains_key(&view.run)).count(),
            used_steps: 1.0 - saved.steps,
            used_seconds: 1.0 - saved.seconds,
            used_cpu: 1.0 - saved.cpu,
            failed: regret.is_none_or(|regret| regret > LOST),
            regret,
        }
    }
}

/// The way to the best score: as if the configurations were done one after another, all folds of each, in the order in
/// which the record began them. The last point is where all are done.
pub fn way(policy: Policy, choice: &Choice<'_>, answer: &Answer) -> Vec<Known> {
    let set = choice.set;
    let of_all = choice.of_all();
    let (whole, name) = (set.spent().cpu, policy.name());
    let value = |view: &Arc<TrialView>| match policy {
        Policy::Budget(_) => {
            let is_kept = answer.stopped.get(&view.run).is_none_or(|stopped| stopped.finished);
            score(view, &set.metric).filter(|_| is_kept)
        }
        Policy::Learning(_) | Policy::None => score_as_stopped(view, set, answer),
    };
    let mut configurations: Vec<_> = choice.configurations().into_iter().collect();
    configurations.sort_by_key(|(_, folds)| folds.iter().map(|view| view.started).min());
    let (mut used, mut best, mut way) = (0.0, None::<Chosen>, Vec::new());
    let all = configurations.len();
    for (place, (name_of, folds)) in configurations.into_iter().enumerate() {
        used += folds.iter().map(|view| taken(view, answer)).sum::<f64>();
        let mean = choice.mean(&folds, value);
        let better = mean.filter(|mean| best.as_ref().is_none_or(|best| is_better(set.mode, *mean, best.mean)));
        if let Some(mean) = better {
            best = Some(Chosen { configuration: name_of.to_string(), mean });
        }
        let Some(known) = best.as_ref().filter(|_| better.is_some() || place + 1 == all) else { continue };
        way.push(Known {
            set: set.name.clone(),
            policy: name.clone(),
            cpu_seconds: used,
            cpu_share: if whole > 0.0 { used / whole } else { 0.0 },
            configurations: place + 1,
            best_score: known.mean,
            regret: regret(set.mode, of_all.as_ref(), Some(known)).unwrap_or(0.0),
        });
    }
    way
}

/// CPU seconds that a trial takes under the policy.
fn taken(view: &Arc<TrialView>, answer: &Answer) -> f64 {
    let whole = view.totals.cpu.first + view.totals.cpu.second;
    let saved = answer.stopped.get(&view.run).map_or(0.0, |stopped| stopped.saved.cpu_seconds);
    (whole - saved).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::choice::tests::three;
    use super::*;

    #[test]
    fn without_a_policy_all_is_taken_and_nothing_lost() {
        let (set, diverged) = three([0.1, 0.7, 0.6]);
        let choice = Choice { set: &set, diverged: &diverged };
        let point = Point::of(Policy::None, &choice, &Answer::default());
        assert_eq!((point.used_cpu, point.regret, point.failed), (1.0, Some(0.0), false));
        assert_eq!((point.policy.as_str(), point.kind, point.stopped), (NONE, "none", 0));
        let way = way(Policy::None, &choice, &Answer::default());
        let steps: Vec<(usize, f64)> = way.iter().map(|known| (known.configurations, known.best_score)).collect();
        // Of the first, which diverged, nothing is known; its compute counts.
        assert_eq!(steps, [(2, 0.7), (3, 0.6)]);
        assert!((way[0].cpu_share - 2.0 / 3.0).abs() < 1e-12 && way[1].cpu_share == 1.0, "{way:?}");
        assert!(way[0].regret > 0.1 && way[1].regret == 0.0);
    }
}
