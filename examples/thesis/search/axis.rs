//! The axes of the grid, their ends, and what lies beyond: where the best lies on an end, something better may lie further out.
//!
//! Only learning rate and alpha are widened, and only at the winner's batch size. The batch size is no axis of learning:
//! `partial_fit` takes the rows of a batch one by one, so that after the same epochs batches of all sizes have made the same
//! updates in the same order, and the weights are the same but for rounding. A wider batch has nothing to find, and what is
//! found beyond a learning rate at one batch size holds for all of them. (Where --steps ends a trial earlier, batch sizes see
//! different amounts of rows; the winner's is then the best known place to look from.)

use std::collections::BTreeMap;
use std::fmt;

use super::plan::{ALPHAS, Configuration, LEARNING_RATES};

/// An axis that can be widened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Learning rate.
    LearningRate,
    /// Strength of the penalty.
    Alpha,
}

/// An end of an axis on which a configuration lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The axis.
    pub axis: Axis,
    /// The end.
    pub end: f64,
    /// The first value beyond it.
    pub beyond: f64,
}

impl Axis {
    /// All of them.
    pub const ALL: [Axis; 2] = [Axis::LearningRate, Axis::Alpha];

    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Axis::LearningRate => "learning rate",
            Axis::Alpha => "alpha",
        }
    }

    /// Its name among a trial's hyperparameters.
    fn param(self) -> &'static str {
        match self {
            Axis::LearningRate => "learning_rate",
            Axis::Alpha => "alpha",
        }
    }

    /// A configuration's place on it.
    pub fn of(self, configuration: &Configuration) -> f64 {
        match self {
            Axis::LearningRate => configuration.learning_rate,
            Axis::Alpha => configuration.alpha,
        }
    }

    fn planned(self) -> &'static [f64] {
        match self {
            Axis::LearningRate => &LEARNING_RATES,
            Axis::Alpha => &ALPHAS,
        }
    }

    /// The grid's values and those that were tried beyond, from the largest down.
    fn values(self, tried: &[Configuration]) -> Vec<f64> {
        let mut values: Vec<f64> = self.planned().to_vec();
        values.extend(tried.iter().map(|one| self.of(one)));
        values.sort_by(|a, b| b.total_cmp(a));
        values.dedup();
        values
    }

    fn edge(self, configuration: &Configuration, tried: &[Configuration]) -> Option<Edge> {
        let (values, end) = (self.values(tried), self.of(configuration));
        let step = match end {
            end if values.first() == Some(&end) => 1,
            end if values.last() == Some(&end) => -1,
            _ => return None,
        };
        Some(Edge { axis: self, end, beyond: power_of_ten(end.log10().round() as i32 + step) })
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.axis.as_str(), self.end)
    }
}

/// The nearest number to it: 1e-4 / 10 may be one digit off, and would have another name.
fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().expect("a number in Rust's own notation")
}

/// Whether the grid holds it as it was planned; else widening came to it.
pub fn is_planned(configuration: &Configuration) -> bool {
    Axis::ALL.iter().all(|axis| axis.planned().contains(&axis.of(configuration)))
}

/// The same of hyperparameters as a trial says them; a trial without them is no part of widening.
pub fn are_planned(params: &BTreeMap<String, String>) -> bool {
    let value = |axis: Axis| params.get(axis.param())?.parse::<f64>().ok();
    Axis::ALL.iter().all(|axis| value(*axis).is_none_or(|value| axis.planned().contains(&value)))
}

/// The ends of axes on which a configuration lies, of the grid and what was `tried` beyond it for the same set and algorithm.
pub fn edges(configuration: &Configuration, tried: &[Configuration]) -> Vec<Edge> {
    Axis::ALL.iter().filter_map(|axis| axis.edge(configuration, tried)).collect()
}

/// What is to be tried beyond these ends: the whole new line, or both new lines and their corner, at this batch size.
pub fn beyond(of: &Configuration, edges: &[Edge], tried: &[Configuration]) -> Vec<Configuration> {
    let with_new = |axis: Axis| {
        let new = edges.iter().filter(move |edge| edge.axis == axis).map(|edge| edge.beyond);
        axis.values(tried).into_iter().chain(new).collect::<Vec<f64>>()
    };
    let is_new = |one: &Configuration| edges.iter().any(|edge| edge.axis.of(one) == edge.beyond);
    let alphas = with_new(Axis::Alpha);
    let line = |learning_rate: f64| {
        let configuration = move |alpha: &f64| Configuration { learning_rate, alpha: *alpha, ..of.clone() };
        alphas.iter().map(configuration).collect::<Vec<_>>()
    };
    with_new(Axis::LearningRate).into_iter().flat_map(line).filter(|one| is_new(one) && !tried.contains(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;

    fn at(learning_rate: f64, alpha: f64) -> Configuration {
        let (set, algorithm) = ("red_wine".to_string(), Algorithm::LinearRegression);
        Configuration { set, algorithm, batch_size: 8, learning_rate, alpha }
    }

    #[test]
    fn ends_are_named_and_what_lies_beyond_is_a_round_number() {
        assert_eq!(edges(&at(0.01, 0.001), &[]), []);
        let found = edges(&at(0.0001, 0.1), &[]);
        let said: Vec<String> = found.iter().map(|edge| format!("{edge}: {}", edge.beyond)).collect();
        assert_eq!(said, ["learning rate 0.0001: 0.00001", "alpha 0.1: 1"]);
        let up = edges(&at(1.0, 0.00001), &[at(1.0, 0.1)]);
        assert_eq!(up.iter().map(|edge| edge.beyond).collect::<Vec<_>>(), [10.0, 0.000_001]);
        assert_eq!(edges(&at(0.1, 0.01), &[at(1.0, 0.1)]), [], "beyond it something was tried");
    }

    #[test]
    fn a_line_is_added_at_the_winners_batch_size() {
        let winner = at(0.1, 0.01);
        let line = beyond(&winner, &edges(&winner, &[]), &[]);
        assert_eq!(line, [1e-1, 1e-2, 1e-3, 1e-4, 1e-5].map(|alpha| at(1.0, alpha)));
        assert!(line.iter().all(|one| !is_planned(one) && !are_planned(&one.params())));
        assert!(is_planned(&winner) && are_planned(&winner.params()) && are_planned(&BTreeMap::new()));
        assert_eq!(beyond(&winner, &edges(&winner, &[]), &line), [], "nothing is tried twice");
    }

    #[test]
    fn a_corner_adds_both_lines() {
        let winner = at(0.1, 0.1);
        let lines = beyond(&winner, &edges(&winner, &[]), &[]);
        // 5 alphas at the new learning rate, 4 learning rates at the new alpha, and the corner.
        assert_eq!(lines.len(), 10);
        assert!(lines.contains(&at(1.0, 1.0)) && lines.contains(&at(0.0001, 1.0)) && lines.contains(&at(1.0, 0.00001)));
    }
}
