//! Which configuration one would choose: the best mean over the folds, of all, and of those that are left.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use earlystop::model::{Mode, RunId, TrialView};

use super::ground::{Answer, Set, score};

/// Scores nearer than this, as a share, are equal: batch sizes learn the same but for rounding.
const ROUNDING: f64 = 1e-12;

/// A configuration and its mean score over the folds.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Its name.
    pub configuration: String,
    /// Its mean score.
    pub mean: f64,
}

/// What there is to choose from: the configurations of a set, none of whose folds diverged.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The set.
    pub set: &'a Set,
    /// Trials that diverged; a configuration with one of them is never chosen, whatever its score.
    pub diverged: &'a HashSet<RunId>,
}

impl<'a> Choice<'a> {
    /// Its configurations that have all their folds, by name. One of which a fold is missing is not compared with others.
    pub fn configurations(&self) -> BTreeMap<&'a str, Vec<&'a Arc<TrialView>>> {
        let mut groups: BTreeMap<&str, Vec<&Arc<TrialView>>> = BTreeMap::new();
        for view in &self.set.trials {
            groups.entry(view.group.as_ref().unwrap_or(&view.trial).as_str()).or_default().push(view);
        }
        let folds = groups.values().map(Vec::len).max().unwrap_or(0);
        groups.retain(|_, views| views.len() == folds);
        groups
    }

    /// The mean of a configuration by these values; none if a fold has none, or diverged.
    pub fn mean(&self, folds: &[&Arc<TrialView>], value: impl Fn(&Arc<TrialView>) -> Option<f64>) -> Option<f64> {
        let sound = |view: &&Arc<TrialView>| value(view).filter(|_| !self.diverged.contains(&view.run));
        let scores = folds.iter().map(sound).collect::<Option<Vec<f64>>>()?;
        Some(scores.iter().sum::<f64>() / scores.len() as f64).filter(|mean| mean.is_finite())
    }

    /// The best configuration by these values, of those all of whose trials have one. Of equal ones the first by name
    /// wins, so that the answer is the same every time.
    pub fn best(&self, value: impl Fn(&Arc<TrialView>) -> Option<f64>) -> Option<Chosen> {
        let mut best: Option<Chosen> = None;
        for (name, folds) in self.configurations() {
            let Some(mean) = self.mean(&folds, &value) else { continue };
            if best.as_ref().is_none_or(|best| is_better(self.set.mode, mean, best.mean)) {
                best = Some(Chosen { configuration: name.to_string(), mean });
            }
        }
        best
    }

    /// The best of all, as they came to their ends.
    pub fn of_all(&self) -> Option<Chosen> {
        self.best(|view| score(view, &self.set.metric))
    }

    /// The best of those none of whose folds was stopped before its end.
    pub fn of_kept(&self, answer: &Answer) -> Option<Chosen> {
        let is_kept = |view: &Arc<TrialView>| answer.stopped.get(&view.run).is_none_or(|stopped| stopped.finished);
        self.best(|view| score(view, &self.set.metric).filter(|_| is_kept(view)))
    }

    /// The best of all, each as it was when it was stopped: scikit-learn, too, keeps the model that it stopped with.
    pub fn as_stopped(&self, answer: &Answer) -> Option<Chosen> {
        self.best(|view| score_as_stopped(view, self.set, answer))
    }
}

/// Whether a score is better by more than rounding.
pub fn is_better(mode: Mode, score: f64, before: f64) -> bool {
    mode.better(score, before) && (score - before).abs() > ROUNDING * before.abs()
}

/// A trial's score when it was stopped, or at its end.
pub fn score_as_stopped(view: &Arc<TrialView>, set: &Set, answer: &Answer) -> Option<f64> {
    match answer.stopped.get(&view.run) {
        Some(stopped) => score(&stopped.stop.view, &set.metric),
        None => score(view, &set.metric),
    }
}

/// How much worse what was kept is, as a share of the best; none where nothing was kept.
pub fn regret(mode: Mode, best: Option<&Chosen>, kept: Option<&Chosen>) -> Option<f64> {
    let (best, kept) = (best?.mean, kept?.mean);
    let lost = match mode {
        Mode::Min => kept - best,
        Mode::Max => best - kept,
    };
    Some(if lost <= ROUNDING * best.abs() { 0.0 } else { lost / best.abs() })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn chosen(mean: f64) -> Chosen {
        Chosen { configuration: "c".into(), mean }
    }

    /// Three configurations of one fold, with these scores; the first diverged.
    pub fn three(scores: [f64; 3]) -> (Set, HashSet<RunId>) {
        let trial = |(place, score): (usize, f64)| {
            let mut view = crate::runs::tests::run(&format!("c{place}"), 100, |_| score).view;
            view.run = RunId(place as u128);
            view.totals.memory_peak = Some(1000 * (place as u64 + 1));
            Arc::new(view)
        };
        let trials = scores.into_iter().enumerate().map(trial).collect();
        (Set { name: "s".into(), metric: "val_rmse".into(), mode: Mode::Min, trials }, [RunId(0)].into())
    }

    #[test]
    fn who_diverged_is_never_chosen() {
        let (set, diverged) = three([0.1, 0.7, 0.7 * (1.0 - 1e-15)]);
        let choice = Choice { set: &set, diverged: &diverged };
        // The two others are equal but for rounding: the first by name.
        assert_eq!(choice.of_all().map(|one| one.configuration).as_deref(), Some("c1"));
        let (set, nobody) = (three([f64::NAN, 0.7, 0.6]).0, HashSet::new());
        let choice = Choice { set: &set, diverged: &nobody };
        assert_eq!(choice.of_all().map(|one| one.configuration).as_deref(), Some("c2"));
        assert_eq!(choice.as_stopped(&Answer::default()), choice.of_kept(&Answer::default()));
    }

    #[test]
    fn what_is_lost_is_a_share_of_the_best() {
        assert_eq!(regret(Mode::Min, Some(&chosen(2.0)), Some(&chosen(2.5))), Some(0.25));
        assert_eq!(regret(Mode::Max, Some(&chosen(0.8)), Some(&chosen(0.6))), Some((0.8 - 0.6) / 0.8));
        assert_eq!(regret(Mode::Max, Some(&chosen(0.8)), Some(&chosen(0.8))), Some(0.0));
        assert_eq!(regret(Mode::Min, Some(&chosen(0.7)), Some(&chosen(0.7 * (1.0 + 1e-14)))), Some(0.0));
        assert_eq!(regret(Mode::Min, Some(&chosen(2.0)), None), None);
    }
}
