//! Which configuration one would choose: the best mean over the folds, of all, and of those that are left.

use std::collections::BTreeMap;
use std::sync::Arc;

use earlystop::model::{Mode, TrialView};

use super::ground::{Answer, Set, score};

/// A configuration and its mean score over the folds.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Its name.
    pub configuration: String,
    /// Its mean score.
    pub mean: f64,
}

/// The best configuration by these values, of those all of whose trials have one. Of equal ones the first by name wins, so
/// that the answer is the same every time.
pub fn best(set: &Set, value: impl Fn(&Arc<TrialView>) -> Option<f64>) -> Option<Chosen> {
    let mut groups: BTreeMap<&str, Vec<&Arc<TrialView>>> = BTreeMap::new();
    for view in &set.trials {
        groups.entry(view.group.as_ref().unwrap_or(&view.trial).as_str()).or_default().push(view);
    }
    // One of which a fold is missing is not compared with those that have them all.
    let folds = groups.values().map(Vec::len).max()?;
    let mut best: Option<Chosen> = None;
    for (name, views) in groups.into_iter().filter(|(_, views)| views.len() == folds) {
        let Some(scores) = views.iter().map(|view| value(view)).collect::<Option<Vec<f64>>>() else {
            continue;
        };
        let mean = scores.iter().sum::<f64>() / folds as f64;
        let is_better = best.as_ref().is_none_or(|best| set.mode.better(mean, best.mean));
        if mean.is_finite() && is_better {
            best = Some(Chosen { configuration: name.to_string(), mean });
        }
    }
    best
}

/// The best of all, as they came to their ends.
pub fn of_all(set: &Set) -> Option<Chosen> {
    best(set, |view| score(view, &set.metric))
}

/// The best of those none of whose folds was stopped before its end.
pub fn of_kept(set: &Set, answer: &Answer) -> Option<Chosen> {
    let is_kept = |view: &Arc<TrialView>| answer.stopped.get(&view.run).is_none_or(|stopped| stopped.finished);
    best(set, |view| score(view, &set.metric).filter(|_| is_kept(view)))
}

/// The best of all, each as it was when it was stopped: scikit-learn, too, keeps the model that it stopped with.
pub fn as_stopped(set: &Set, answer: &Answer) -> Option<Chosen> {
    best(set, |view| match answer.stopped.get(&view.run) {
        Some(stopped) => score(&stopped.stop.view, &set.metric),
        None => score(view, &set.metric),
    })
}

/// How much worse what was kept is, as a share of the best; none where nothing was kept.
pub fn regret(mode: Mode, best: Option<&Chosen>, kept: Option<&Chosen>) -> Option<f64> {
    let (best, kept) = (best?.mean, kept?.mean);
    let lost = match mode {
        Mode::Min => kept - best,
        Mode::Max => best - kept,
    };
    Some(if lost <= 0.0 { 0.0 } else { lost / best.abs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(mean: f64) -> Chosen {
        Chosen { configuration: "c".into(), mean }
    }

    #[test]
    fn what_is_lost_is_a_share_of_the_best() {
        assert_eq!(regret(Mode::Min, Some(&chosen(2.0)), Some(&chosen(2.5))), Some(0.25));
        assert_eq!(regret(Mode::Max, Some(&chosen(0.8)), Some(&chosen(0.6))), Some((0.8 - 0.6) / 0.8));
        assert_eq!(regret(Mode::Max, Some(&chosen(0.8)), Some(&chosen(0.8))), Some(0.0));
        assert_eq!(regret(Mode::Min, Some(&chosen(2.0)), None), None);
    }
}
