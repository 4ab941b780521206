//! The winner of each set and algorithm, by the mean score over the folds; never by the test rows.

use std::collections::BTreeMap;

use super::plan::{Configuration, FOLDS};
use super::record::Record;
use crate::model::Task;

/// A configuration and its mean score.
#[derive(Clone, Debug, PartialEq)]
pub struct Winner {
    /// The configuration.
    pub configuration: Configuration,
    /// Mean over the folds.
    pub mean: f64,
    /// Standard deviation over the folds (over n - 1).
    pub deviation: f64,
}

/// The best of these configurations of one task of which all folds completed with a number. Of equal ones the first of
/// the grid wins: batch sizes learn the same but for rounding, so small differences between them mean nothing.
pub fn best(grid: &[Configuration], records: &[Record], task: Task) -> Option<Winner> {
    let mut scores: BTreeMap<(&str, &str), BTreeMap<&str, f64>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.state == "completed") {
        if let Some(score) = record.score {
            scores.entry((&record.set, &record.group)).or_default().insert(&record.trial, score);
        }
    }
    let mut winner: Option<Winner> = None;
    for configuration in grid {
        let name = configuration.name();
        let Some(of) = scores.get(&(configuration.set.as_str(), name.as_str())) else { continue };
        let of: Vec<f64> = of.iter().filter(|(trial, _)| !trial.ends_with("-refit")).map(|(_, score)| *score).collect();
        if of.len() != FOLDS {
            continue;
        }
        let mean = of.iter().sum::<f64>() / FOLDS as f64;
        let squares: f64 = of.iter().map(|score| (score - mean) * (score - mean)).sum();
        let is_better = winner.as_ref().is_none_or(|best| match task {
            Task::Regression => mean < best.mean - 1e-12 * best.mean.abs(),
            Task::Classes(_) => mean > best.mean + 1e-12 * best.mean.abs(),
        });
        if is_better {
            let deviation = (squares / (FOLDS - 1) as f64).sqrt();
            winner = Some(Winner { configuration: configuration.clone(), mean, deviation });
        }
    }
    winner
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::search::plan::{Fold, Planned, grid};

    /// A trial that completed with this score; a NaN is none.
    pub fn record(planned: &Planned, score: f64) -> Record {
        Record {
            set: planned.configuration.set.clone(),
            trial: planned.name(),
            group: planned.configuration.name(),
            run: String::new(),
            state: "completed".into(),
            rule: None,
            score: score.is_finite().then_some(score),
            steps: None,
            cpu_seconds: 0.0,
            elapsed_seconds: 0.0,
            memory_peak: None,
            widened: false,
        }
    }

    #[test]
    fn the_best_mean_over_all_folds_wins() {
        let grid = grid("red_wine", Task::Regression, 7);
        let folds = |place: usize, count: usize, score: f64| {
            let configuration = grid[place].clone();
            (0..count)
                .map(move |fold| Planned { configuration: configuration.clone(), fold: Fold::Without(fold) })
                .map(move |planned| record(&planned, score))
        };
        // The third is best but lacks a fold, the fourth diverged; of the equal ones the first of the grid wins.
        let mut records: Vec<Record> = folds(0, 10, 0.9).chain(folds(1, 10, 0.7)).chain(folds(2, 9, 0.1)).collect();
        records.extend(folds(3, 10, f64::NAN).chain(folds(4, 10, 0.7 * (1.0 - 1e-15))));
        let refit = Planned { configuration: grid[0].clone(), fold: Fold::Whole };
        records.push(record(&refit, 0.0));
        let winner = best(&grid, &records, Task::Regression).expect("three are whole");
        assert_eq!(winner.configuration, grid[1]);
        assert!((winner.mean - 0.7).abs() < 1e-12 && winner.deviation < 1e-12);
        assert_eq!(best(&grid, &records, Task::Classes(2)).map(|w| w.configuration), Some(grid[0].clone()));
    }
}
