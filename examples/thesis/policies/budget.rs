//! System budgets: whom they stop, how early, and what they leave to choose from.

use std::collections::BTreeMap;
use std::sync::Arc;

use earlystop::model::TrialView;
use earlystop::replay::Stopped;
use serde::Serialize;

use super::choice::{Choice, Chosen, regret};
use super::ground::{Answer, Set, score};
use super::measure::{Measure, QUANTILES, quantile};

/// One budget on one data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    pub set: String,
    pub measure: &'static str,
    /// Of the full runs' measure, the quantile at which the budget is set.
    pub quantile: f64,
    /// The budget: bytes or seconds.
    pub bound: f64,
    pub trials: usize,
    /// Trials whose measure nobody saw; they are in none of the following counts.
    pub unmeasured: usize,
    /// Trials whose full run stays within.
    pub feasible: usize,
    pub stopped: usize,
    /// Stopped ones that were not feasible.
    pub rightly: usize,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    /// Median over rightly stopped trials, seconds from the start to the stop.
    pub detection_seconds: Option<f64>,
    /// The same as a share of the full run.
    pub detection_share: Option<f64>,
    pub saved_steps: f64,
    pub saved_seconds: f64,
    pub saved_cpu: f64,
    /// Configurations all of whose folds are feasible, and none of which diverged.
    pub feasible_configurations: usize,
    /// Configurations within the budget on all folds that are left out, for a fold of them diverged.
    pub diverged_configurations: usize,
    pub best: Option<String>,
    /// The best of the feasible configurations.
    pub best_feasible: Option<String>,
    /// How much worse that is than the best of all, as a share: what the budget costs.
    pub price: Option<f64>,
    /// The best configuration none of whose folds was stopped before its end.
    pub best_kept: Option<String>,
    /// Whether that is the best feasible one.
    pub feasible_kept: bool,
    pub note: &'static str,
}

/// The share of feasible trials among those with one value of a hyperparameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Selects {
    pub set: String,
    pub measure: &'static str,
    pub quantile: f64,
    pub parameter: String,
    pub value: String,
    pub trials: usize,
    pub feasible: f64,
}

/// A measure and a quantile, for all sets at once: one replay answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pub measure: Measure,
    pub quantile: f64,
}

impl Level {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Level> {
        let levels = |measure| QUANTILES.map(|quantile| Level { measure, quantile });
        Measure::ALL.into_iter().flat_map(levels)
    }

    /// Its name: `elapsed-q50`.
    pub fn name(self) -> String {
        format!("{}-q{:.0}", self.measure.as_str(), self.quantile * 100.0)
    }

    /// The budget of a set; none where nobody measured.
    pub fn bound(self, set: &Set) -> Option<f64> {
        let values: Vec<f64> = set.trials.iter().filter_map(|view| self.measure.of(view)).collect();
        quantile(&values, self.quantile)
    }

    /// The policy, a rule a set.
    pub fn policy(self, sets: &[Set]) -> String {
        sets.iter().filter_map(|set| Some(self.measure.rule(&set.name, self.bound(set)?))).collect()
    }

    /// How the budget did on a set.
    pub fn judge(self, choice: &Choice<'_>, answer: &Answer) -> Option<Budget> {
        let set = choice.set;
        let bound = self.bound(set)?;
        let measured: Vec<(&Arc<TrialView>, f64)> =
            set.trials.iter().filter_map(|view| Some((view, self.measure.of(view)?))).collect();
        let is_feasible = |view: &Arc<TrialView>| self.measure.of(view).is_some_and(|value| value <= bound);
        let stopped: Vec<(&Stopped, bool)> = measured
            .iter()
            .filter_map(|(view, value)| Some((answer.stopped.get(&view.run)?, *value > bound)))
            .collect();
        let rightly: Vec<&Stopped> = stopped.iter().filter(|(_, right)| *right).map(|(stopped, _)| *stopped).collect();
        let at = |one: &Stopped| one.stop.at.seconds_since(one.view.started);
        let seconds: Vec<f64> = rightly.iter().map(|one| at(one)).collect();
        let shares: Vec<f64> = rightly.iter().map(|one| at(one) / one.view.elapsed(one.stop.at)).collect();
        let feasible = measured.iter().filter(|(view, _)| is_feasible(view)).count();
        let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        let saved = set.saved(answer).share_of(set.spent());
        let (all, kept) = (choice.of_all(), choice.of_kept(answer));
        let within = choice.best(|view| score(view, &set.metric).filter(|_| is_feasible(view)));
        let configurations = choice.configurations();
        let (diverged, sound): (Vec<_>, Vec<_>) = configurations
            .values()
            .filter(|folds| folds.iter().all(|view| is_feasible(view)))
            .partition(|folds| folds.iter().any(|view| choice.diverged.contains(&view.run)));
        let note = match stopped.len() {
            0 => "stops none",
            all if all == measured.len() => "stops all",
            _ if within.is_none() => "no configuration is feasible on all folds",
            _ => "",
        };
        Some(Budget {
            set: set.name.clone(),
            measure: self.measure.as_str(),
            quantile: self.quantile,
            bound,
            trials: set.trials.len(),
            unmeasured: set.trials.len() - measured.len(),
            feasible,
            stopped: stopped.len(),
            rightly: rightly.len(),
            precision: share(rightly.len(), stopped.len()),
            recall: share(rightly.len(), measured.len() - feasible),
            detection_seconds: quantile(&seconds, 0.5),
            detection_share: quantile(&shares, 0.5),
            saved_steps: saved.steps,
            saved_seconds: saved.seconds,
            saved_cpu: saved.cpu,
            feasible_configurations: sound.len(),
            diverged_configurations: diverged.len(),
            price: regret(set.mode, all.as_ref(), within.as_ref()),
            // Where nobody is feasible, nobody can be kept.
            feasible_kept: within.as_ref().is_some_and(|within| {
                let keeps = |kept: &Chosen| !set.mode.better(within.mean, kept.mean);
                kept.as_ref().is_some_and(keeps)
            }),
            best: all.map(|one| one.configuration),
            best_feasible: within.map(|one| one.configuration),
            best_kept: kept.map(|one| one.configuration),
            note,
        })
    }

    /// Which hyperparameters the budget selects.
    pub fn selects(self, set: &Set) -> Vec<Selects> {
        let Some(bound) = self.bound(set) else { return Vec::new() };
        let mut counts: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
        for view in &set.trials {
            let Some(value) = self.measure.of(view) else { continue };
            for (parameter, at) in view.params.iter() {
                let count = counts.entry((parameter, at)).or_default();
                *count = (count.0 + 1, count.1 + usize::from(value <= bound));
            }
        }
        let row = |((parameter, value), (trials, feasible)): ((&str, &str), (usize, usize))| Selects {
            set: set.name.clone(),
            measure: self.measure.as_str(),
            quantile: self.quantile,
            parameter: parameter.to_string(),
            value: value.to_string(),
            trials,
            feasible: feasible as f64 / trials as f64,
        };
        counts.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::tests::three;
    use super::*;

    #[test]
    fn a_diverged_configuration_fits_a_budget_and_is_left_out() {
        let (set, diverged) = three([0.1, 0.7, 0.6]);
        let choice = Choice { set: &set, diverged: &diverged };
        let level = Level { measure: Measure::PeakMemory, quantile: 0.5 };
        let budget = level.judge(&choice, &Answer::default()).expect("all are measured");
        assert_eq!((budget.bound, budget.feasible, budget.stopped, budget.note), (2000.0, 2, 0, "stops none"));
        assert_eq!((budget.feasible_configurations, budget.diverged_configurations), (1, 1));
        assert_eq!((budget.best.as_deref(), budget.best_feasible.as_deref()), (Some("c2"), Some("c1")));
        assert!(budget.price.is_some_and(|price| (price - 1.0 / 6.0).abs() < 1e-12), "{budget:?}");
        // Nobody was stopped: all that there is to choose from is still there.
        assert!(budget.feasible_kept && budget.recall == Some(0.0) && budget.precision.is_none());
        assert_eq!(budget.best_kept.as_deref(), Some("c2"));
    }
}
