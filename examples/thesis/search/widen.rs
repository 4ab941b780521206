//! Winners, and how the grid is widened where one lies on its edge.

use std::error::Error;

use super::axis::{self, Edge};
use super::choose::{self, Winner};
use super::folds::Prepared;
use super::on_all_folds;
use super::plan::{Configuration, Fold, LEARNING_RATES, Planned};
use super::record::Record;
use super::runner::Ground;
use crate::algorithm::Algorithm;
use crate::model::Task;

/// Said once, whatever is found.
const BATCHES: &str = "Batch size is no axis of learning (rows are learnt one by one: after the same epochs the weights are \
                       the same, whatever the batch): where a winner has the smallest or largest, nothing is widened.";

/// One set's configurations of one algorithm, as far as they were tried.
pub struct Field<'a> {
    of: &'a Prepared,
    algorithm: Algorithm,
    tried: Vec<Configuration>,
}

/// A winner, what it is to be trained on at the end, and where it was found.
pub struct Found {
    /// All about it in a line for people, but the test.
    line: String,
    /// Its last trial.
    pub refit: Planned,
}

impl<'a> Field<'a> {
    /// The fields of a set's grid.
    pub fn of(of: &'a Prepared, grid: &[Configuration]) -> Vec<Field<'a>> {
        let field = |algorithm: &Algorithm| {
            let tried = grid.iter().filter(|one| one.algorithm == *algorithm).cloned().collect();
            Field { of, algorithm: *algorithm, tried }
        };
        Algorithm::of(of.task).iter().map(field).collect()
    }

    fn title(&self) -> String {
        format!("{}, {}", self.of.title, self.algorithm.as_str())
    }

    fn winner(&self, done: &[Record]) -> Option<Winner> {
        choose::best(&self.tried, done, self.of.task)
    }

    /// Adds what lies beyond the edge on which the winner lies; gives it.
    fn widen(&mut self, done: &[Record]) -> Vec<Configuration> {
        let Some(winner) = self.winner(done) else { return Vec::new() };
        let edges = axis::edges(&winner.configuration, &self.tried);
        let new = axis::beyond(&winner.configuration, &edges, &self.tried);
        if !new.is_empty() {
            let (at, beyond) = (said(&edges), edges.iter().map(beyond).collect::<Vec<_>>().join(" and "));
            let (title, batch) = (self.title(), winner.configuration.batch_size);
            println!(
                "{title}: the best lies on the grid's edge ({at}). Widened to {beyond}, batch size {batch}: {} more \
                 configurations.",
                new.len()
            );
            self.tried.extend(new.iter().cloned());
        }
        new
    }

    /// Learning rates beyond the grid, among these configurations, at which no trial at all came to a number. None of them
    /// can win, so widening ends there by itself.
    fn diverged(&self, new: &[Configuration], done: &[Record]) -> Vec<f64> {
        let mut rates: Vec<f64> = new.iter().map(|one| one.learning_rate).collect();
        rates.retain(|rate| !LEARNING_RATES.contains(rate));
        rates.dedup();
        let has_score = |one: &Configuration| {
            let name = one.name();
            done.iter().any(|record| record.set == one.set && record.group == name && record.score.is_some())
        };
        rates.retain(|rate| !self.tried.iter().any(|one| one.learning_rate == *rate && has_score(one)));
        rates
    }

    /// The winner, told with all that is known of it.
    pub fn found(&self, done: &[Record]) -> Option<Found> {
        let Some(Winner { configuration, mean, deviation }) = self.winner(done) else {
            println!("{}: no configuration completed all folds", self.title());
            return None;
        };
        let word = if self.of.task == Task::Regression { "RMSE" } else { "accuracy" };
        let name = configuration.name();
        let mut line = format!("{}, {name}: {word} {mean:.4} (std {deviation:.4}) over the folds.", self.of.title);
        if !axis::is_planned(&configuration) {
            let planned: Vec<Configuration> = self.tried.iter().filter(|one| axis::is_planned(one)).cloned().collect();
            let before = choose::best(&planned, done, self.of.task);
            let before =
                before.map_or("nothing".into(), |w| format!("{}, {word} {:.4}", w.configuration.name(), w.mean));
            line += &format!(" It was found by widening; before, the best was {before}.");
        }
        let edges = axis::edges(&configuration, &self.tried);
        if !edges.is_empty() {
            line += &format!(" It lies on the grid's edge ({}): a wider grid (--widen) may find better.", said(&edges));
        }
        Some(Found { line, refit: Planned { configuration, fold: Fold::Whole } })
    }
}

/// Tells all winners, with what came of their last trials.
pub fn tell(found: &[Found], all: &[Record]) {
    for Found { line, refit } in found {
        let set = &refit.configuration.set;
        let test = all.iter().rev().find(|record| record.set == *set && record.trial == refit.name());
        let score = test.and_then(|record| record.score);
        println!("{line} On the test rows: {}.", score.map_or("none".into(), |score| format!("{score:.4}")));
    }
    if !found.is_empty() {
        println!("{BATCHES}");
    }
}

/// Widens the fields, at most so many times; gives all records, and the trials that were added.
pub fn widen(
    fields: &mut [Field<'_>],
    rounds: u32,
    ground: &Ground<'_>,
    mut done: Vec<Record>,
    seed: u64,
) -> Result<(Vec<Record>, Vec<Planned>), Box<dyn Error>> {
    let mut added = Vec::new();
    for _ in 0..rounds {
        let new: Vec<Vec<Configuration>> = fields.iter_mut().map(|field| field.widen(&done)).collect();
        let planned: Vec<Planned> = new.iter().flatten().flat_map(on_all_folds).collect();
        if planned.is_empty() {
            break;
        }
        done = ground.run(&planned, done, seed)?;
        added.extend(planned);
        for (field, new) in fields.iter().zip(&new) {
            for rate in field.diverged(new, &done) {
                println!("{}: learning rate {rate} diverges on all folds; nothing is tried beyond it.", field.title());
            }
        }
    }
    Ok((done, added))
}

fn said(edges: &[Edge]) -> String {
    edges.iter().map(Edge::to_string).collect::<Vec<_>>().join(" and ")
}

fn beyond(edge: &Edge) -> String {
    format!("{} {}", edge.axis.as_str(), edge.beyond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::choose::tests::record;
    use crate::search::plan;

    fn wine() -> Prepared {
        let (set, title) = ("red_wine".to_string(), "red_wine".to_string());
        Prepared { set, title, task: Task::Regression, training: 2, whole: 2 }
    }

    /// Ten folds of each configuration, all with the score of it.
    fn records(of: &[Configuration], score: impl Fn(&Configuration) -> f64) -> Vec<Record> {
        of.iter().flat_map(on_all_folds).map(|planned| record(&planned, score(&planned.configuration))).collect()
    }

    #[test]
    fn a_better_one_beyond_the_edge_wins_and_says_what_was_best_before() {
        let wine = wine();
        let grid = plan::grid("red_wine", Task::Regression, 2);
        let mut field = Field::of(&wine, &grid).remove(0);
        // The larger the learning rate, and the nearer the alpha to 0.001, the better.
        let score = |one: &Configuration| 1.0 - 0.1 * one.learning_rate.log10() + (one.alpha.log10() + 3.0).powi(2);
        let mut done = records(&grid, score);
        let before = field.found(&done).expect("a winner");
        assert!(
            before.line.contains("-lr0.1-a0.001: RMSE 1.1000")
                && before.line.contains("grid's edge (learning rate 0.1)")
        );
        let new = field.widen(&done);
        assert_eq!(new.len(), 5);
        done.extend(records(&new, score));
        let found = field.found(&done).expect("a winner");
        let said = "-lr1-a0.001: RMSE 1.0000 (std 0.0000) over the folds. It was found by widening; before, the best was \
                    linear_regression-b2-lr0.1-a0.001, RMSE 1.1000. It lies on the grid's edge (learning rate 1)";
        assert!(found.line.contains(said), "{}", found.line);
        assert_eq!(found.refit.fold, Fold::Whole);
        assert!(field.diverged(&new, &done).is_empty());
    }

    #[test]
    fn a_learning_rate_that_diverges_ends_widening_that_way() {
        let wine = wine();
        let grid = plan::grid("red_wine", Task::Regression, 2);
        let mut field = Field::of(&wine, &grid).remove(0);
        let mut done = records(&grid, |one| 1.0 - one.learning_rate + (one.alpha - 0.01).abs());
        let new = field.widen(&done);
        done.extend(records(&new, |_| f64::NAN));
        assert_eq!(field.diverged(&new, &done), [1.0]);
        assert!(field.widen(&done).is_empty(), "the best lies where it lay, and what is beyond was tried");
        let found = field.found(&done).expect("a winner");
        assert!(!found.line.contains("edge") && !found.line.contains("widening"), "{}", found.line);
    }
}
