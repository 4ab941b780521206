//! What a full run comes to, foretold early, beside "as it stands": from its beginning, and from runs on a part of the rows.
//!
//! [`known`] is what is known early and in the end, [`regression`] foretells the one from the other, [`share`] reads runs on
//! parts of the rows.

mod known;
mod regression;
pub mod share;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::algorithm::Algorithm;
use crate::runs::Run;
use clap::ValueEnum;
use known::{Known, Quantity};
use regression::{Errors, Example, errors};
use share::Shared;

/// Shares of a run's steps after which it is foretold.
const PREFIXES: [f64; 4] = [0.1, 0.2, 0.3, 0.5];

/// Hyperparameters that a forecast reads, as logarithms.
const PARAMS: [&str; 3] = ["batch_size", "learning_rate", "alpha"];

/// How well one quantity is foretold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// The data set.
    pub set: String,
    /// From what: `prefix 10 %` of the steps, or a run on `share 10 %` of the rows.
    pub from: String,
    /// What is foretold.
    pub quantity: &'static str,
    /// Runs that were foretold.
    pub trials: usize,
    /// Runs that diverged; they are not foretold.
    pub diverged: usize,
    /// Median absolute error of the regression, in this unit.
    pub error: f64,
    /// The same of "as it stands": score and memory as they are, time and CPU as if it went on as it went (of a share: times
    /// so many).
    pub error_last: f64,
    /// The metric of a score; `share of the value` of all others.
    pub unit: String,
}

/// All data sets, all that is known early, all quantities.
pub fn forecasts(runs: &[Run], shares: &[Shared]) -> Vec<Forecast> {
    let mut sets: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.is_refit() && run.whole_steps().is_some()) {
        sets.entry(run.set()).or_default().push(run);
    }
    let mut rows = Vec::new();
    for (set, all) in &sets {
        let (diverged, sound): (Vec<&Run>, Vec<&Run>) = all.iter().copied().partition(|run| run.diverged());
        for prefix in PREFIXES {
            let from = format!("prefix {} %", prefix * 100.0);
            let examples = examples(&sound, |run| Known::after(run, prefix));
            rows.extend(told(set, &from, &sound, &examples, diverged.len()));
        }
        for of in shares {
            // A run that is sound on all rows may diverge on fewer: such a one foretells nothing.
            let lost = |run: &&&Run| of.of(run).is_some_and(Run::diverged);
            let compared = |run: &&Run| of.of(run).is_some();
            let diverged = diverged.iter().copied().filter(compared).count() + sound.iter().filter(lost).count();
            let early = |run: &Run| of.of(run).filter(|run| !run.diverged());
            let examples = examples(&sound, |run| Some(Known::scaled(early(run)?, of.source.share.value())));
            rows.extend(told(set, &format!("share {}", of.source.share.percent()), &sound, &examples, diverged));
        }
    }
    rows
}

/// The runs of which something is known early.
fn examples<'a>(runs: &[&'a Run], early: impl Fn(&Run) -> Option<Known>) -> Vec<Example<'a>> {
    let example = |run: &&'a Run| {
        let (group, early, whole) = (run.group(), early(run)?, Known::whole(run));
        Some(Example { group, given: given(run), early, whole })
    };
    runs.iter().filter_map(example).collect()
}

/// What was known of a run before it began: its hyperparameters, and which algorithm it is.
fn given(run: &Run) -> Vec<f64> {
    let params = PARAMS.iter().map(|name| run.param(name).map_or(0.0, f64::ln));
    let algorithms = Algorithm::value_variants().iter().map(|one| f64::from(run.label("algorithm") == one.as_str()));
    params.chain(algorithms).collect()
}

/// A row for each quantity that enough is known of.
fn told(set: &str, from: &str, sound: &[&Run], examples: &[Example<'_>], diverged: usize) -> Vec<Forecast> {
    let metric = sound.first().and_then(|run| run.view.objective.as_ref()).map(|objective| objective.metric.clone());
    let row = |quantity: Quantity| {
        let Errors { trials, regression: error, last: error_last } = errors(examples, quantity)?;
        let unit = if quantity.is_score() { metric.clone() } else { Some("share of the value".to_string()) };
        let (set, from, quantity) = (set.to_string(), from.to_string(), quantity.as_str());
        Some(Forecast { set, from, quantity, trials, diverged, error, error_last, unit: unit.unwrap_or_default() })
    };
    Quantity::ALL.into_iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::tests::run;

    #[test]
    fn a_straight_way_down_is_foretold_and_the_last_value_is_behind() {
        let runs: Vec<Run> = (0..20)
            .map(|place| {
                let (end, slope) = (1.0 + f64::from(place) / 10.0, 1.0 + f64::from(place) / 7.0);
                run(&format!("g{place:02}"), 100, |step| end + slope * (100 - step) as f64 / 100.0)
            })
            .collect();
        let rows = forecasts(&runs, &[]);
        let find = |from: &str, quantity: &str| {
            rows.iter().find(|row| row.from == from && row.quantity == quantity).expect("a row")
        };
        let half = find("prefix 50 %", "score");
        assert!(half.trials == 20 && half.error < 0.05 && half.error_last > 0.5, "{half:?}");
        assert_eq!((half.unit.as_str(), half.set.as_str(), half.diverged), ("val_rmse", "s", 0));
        for quantity in ["elapsed seconds", "CPU seconds"] {
            let row = find("prefix 50 %", quantity);
            assert!(row.error_last < 1e-9 && row.unit == "share of the value", "time goes on as it went: {row:?}");
        }
        assert_eq!(rows.len(), 16, "four beginnings, four quantities");
    }
}
