//! `thesis quality`: how good the models are, over many splits of the data.

use std::error::Error;

use ndarray::Axis;

use crate::algorithm::Algorithm;
use crate::data::{Source, Table};
use crate::model::{Sgd, Task};
use crate::split::{Part, Scaler, Split};

/// Rows of mnist_784 that are its training set; the rest is its test set, and there is no other split.
const MNIST_TRAINING: usize = 60_000;

/// Rows a step.
const BATCH: usize = 32;

/// Strength of the L2 penalty.
const ALPHA: f64 = 1e-4;

/// The sets that are judged if nobody names any.
const SETS: [&str; 3] = ["red_wine", "diabetes", "mnist_784"];

/// Judge the models: the mean over seeded 70/30 splits
///
/// Prints a line for each set and algorithm: mean, standard deviation, lowest and highest score on the rows held out
/// (RMSE, or the share of rows whose class is right). red_wine is judged without its 240 duplicate rows too; of
/// mnist_784, rows 1 to 60000 are trained on and the rest is tested, once.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The sets [default: red_wine, diabetes, mnist_784]
    #[arg(value_name = "SET")]
    sets: Vec<String>,
    /// How many splits; their seeds are 1, 2, ...
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    splits: u64,
    /// Passes over the training rows
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Learning rate
    #[arg(long, value_name = "X", default_value_t = 0.001)]
    learning_rate: f64,
    #[command(flatten)]
    source: Source,
}

/// Judges all sets. The first that cannot be had ends it.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { learning_rate, epochs, splits, .. } = arguments;
    println!(
        "SGD: learning rate {learning_rate}, alpha {ALPHA}, {epochs} epochs in batches of {BATCH}, seeds 1 to {splits}"
    );
    println!(
        "{:<34} {:<20} {:>6} {:>7}  {:<8} {:>7} {:>7} {:>7} {:>7}",
        "set", "algorithm", "rows", "splits", "score", "mean", "std", "lowest", "highest"
    );
    let named: Vec<&str> = arguments.sets.iter().map(String::as_str).collect();
    for set in if named.is_empty() { &SETS[..] } else { &named } {
        let table = arguments.source.load(set)?;
        judge(&table, &table.title(), arguments);
        if table.name == "red_wine" {
            let table = table.without_duplicates();
            judge(&table, &format!("{} without duplicates", table.title()), arguments);
        }
    }
    Ok(())
}

fn judge(table: &Table, title: &str, arguments: &Arguments) {
    for algorithm in Algorithm::of(table.task) {
        let sgd = Sgd {
            task: table.task,
            loss: algorithm.loss(),
            learning_rate: arguments.learning_rate,
            alpha: ALPHA,
            shuffle: None,
        };
        let scores: Vec<f64> = if table.name == "mnist_784" && table.rows() > MNIST_TRAINING {
            vec![score(&sgd, &halves(table, MNIST_TRAINING), arguments.epochs)]
        } else {
            let split = |seed| score(&sgd, &Split::new(&table.data, seed), arguments.epochs);
            (1..=arguments.splits).map(split).collect()
        };
        let word = if table.task == Task::Regression { "RMSE" } else { "accuracy" };
        let [mean, deviation, low, high] = summary(&scores);
        println!(
            "{title:<34} {:<20} {:>6} {:>7}  {word:<8} {mean:>7.4} {deviation:>7.4} {low:>7.4} {high:>7.4}",
            algorithm.as_str(),
            table.rows(),
            scores.len()
        );
    }
}

/// The first rows to train on, the others to judge by.
fn halves(table: &Table, training: usize) -> Split {
    let (x, other_x) = table.data.records.view().split_at(Axis(0), training);
    let (y, other_y) = table.data.targets.view().split_at(Axis(0), training);
    let x = x.to_owned();
    let scaler = Scaler::of(&x);
    Split {
        train: Part { x: scaler.apply(x), y: y.to_owned() },
        validation: Part { x: scaler.apply(other_x.to_owned()), y: other_y.to_owned() },
    }
}

fn score(sgd: &Sgd, split: &Split, epochs: u32) -> f64 {
    let mut model = sgd.new_model(split.train.x.ncols());
    let rows = split.train.y.len();
    for _ in 0..epochs {
        for start in (0..rows).step_by(BATCH) {
            sgd.partial_fit(&mut model, split.train.rows(start..(start + BATCH).min(rows)));
        }
    }
    model.score(split.validation.all())
}

/// Mean, standard deviation (over n - 1; 0 for a single one), lowest, highest.
fn summary(scores: &[f64]) -> [f64; 4] {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let squares: f64 = scores.iter().map(|score| (score - mean) * (score - mean)).sum();
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [mean, (squares / (n - 1.0).max(1.0)).sqrt(), low, high]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::red_wine;

    #[test]
    fn red_wine_is_foretold_within_two_thirds_of_a_grade() {
        let sgd = Sgd {
            task: Task::Regression,
            loss: crate::model::Loss::Squared,
            learning_rate: 0.001,
            alpha: ALPHA,
            shuffle: None,
        };
        let table = red_wine();
        let scores: Vec<f64> = (1..=30).map(|seed| score(&sgd, &Split::new(&table.data, seed), 20)).collect();
        let [mean, deviation, low, high] = summary(&scores);
        assert!((0.645..=0.665).contains(&mean), "{mean}");
        assert!(low < mean && mean < high && (0.005..0.05).contains(&deviation), "{scores:?}");
    }

    #[test]
    fn a_summary_of_one_has_no_spread() {
        assert_eq!(summary(&[0.5]), [0.5, 0.0, 0.5, 0.5]);
        assert_eq!(summary(&[1.0, 3.0]), [2.0, 2f64.sqrt(), 1.0, 3.0]);
    }
}
