//! What is tried: a grid of configurations, each on ten folds.

use std::collections::BTreeMap;

use crate::algorithm::Algorithm;
use crate::model::Task;

/// Learning rates of the grid, in the order of their axis.
pub const LEARNING_RATES: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];

/// Strengths of the penalty.
pub const ALPHAS: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

/// Parts of the training rows; each is held out once.
pub const FOLDS: usize = 10;

/// One point of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// The data set's name.
    pub set: String,
    /// What is trained.
    pub algorithm: Algorithm,
    /// Rows a step.
    pub batch_size: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Strength of the L2 penalty.
    pub alpha: f64,
}

impl Configuration {
    /// Its name within its set: the group of its folds.
    pub fn name(&self) -> String {
        let Configuration { algorithm, batch_size, learning_rate, alpha, .. } = self;
        format!("{}-b{batch_size}-lr{learning_rate}-a{alpha}", algorithm.as_str())
    }

    /// The hyperparameters as a heartbeat carries them.
    pub fn params(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("batch_size".into(), self.batch_size.to_string()),
            ("learning_rate".into(), self.learning_rate.to_string()),
            ("alpha".into(), self.alpha.to_string()),
        ])
    }
}

/// What a trial trains on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fold {
    /// All of the 70 % but this tenth, which judges it.
    Without(usize),
    /// All of the 70 %; the 30 % judge it, once.
    Whole,
}

impl Fold {
    /// Its name, in trials and files.
    pub fn name(self) -> String {
        match self {
            Fold::Without(fold) => format!("fold{fold}"),
            Fold::Whole => "refit".into(),
        }
    }
}

/// One trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its configuration.
    pub configuration: Configuration,
    /// Its fold.
    pub fold: Fold,
}

impl Planned {
    /// Its name within its set.
    pub fn name(&self) -> String {
        format!("{}-{}", self.configuration.name(), self.fold.name())
    }
}

/// Every configuration for a set: batches of 2, 4, 8, ... rows while a fold's `training` rows fill one.
pub fn grid(set: &str, task: Task, training: usize) -> Vec<Configuration> {
    let batches: Vec<usize> =
        std::iter::successors(Some(2), |size| Some(size * 2)).take_while(|size| *size <= training).collect();
    let mut grid = Vec::new();
    for algorithm in Algorithm::of(task) {
        for batch_size in &batches {
            for learning_rate in LEARNING_RATES {
                for alpha in ALPHAS {
                    let (set, algorithm, batch_size) = (set.to_string(), *algorithm, *batch_size);
                    grid.push(Configuration { set, algorithm, batch_size, learning_rate, alpha });
                }
            }
        }
    }
    grid
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn red_wine_and_diabetes_make_five_thousand_trials() {
        // 1599 and 768 rows: 1119 and 537 to train on, of which a fold leaves 1007 and 483.
        let wine = grid("red_wine", Task::Regression, 1007);
        let diabetes = grid("diabetes", Task::Classes(2), 483);
        assert_eq!((wine.len() + diabetes.len()) * FOLDS, 5000);
        let steps = |grid: &[Configuration], rows: usize| -> usize {
            grid.iter().map(|one| rows.div_ceil(one.batch_size) * 20 * FOLDS).sum()
        };
        assert_eq!(steps(&wine, 1007) + steps(&diabetes, 483), 7_908_000);
    }

    #[test]
    fn names_are_unique_and_legal() {
        let grid = grid("diabetes", Task::Classes(2), 483);
        let folds: Vec<Fold> = (0..FOLDS).map(Fold::Without).chain([Fold::Whole]).collect();
        let trials = grid.iter().flat_map(|configuration| {
            folds.iter().map(move |fold| Planned { configuration: configuration.clone(), fold: *fold }.name())
        });
        let names: BTreeSet<String> = trials.collect();
        assert_eq!(names.len(), grid.len() * 11);
        assert!(names.iter().all(|name| earlystop::model::Name::new(name).is_ok()));
        assert!(names.contains("linear_svm-b256-lr0.0001-a0.00001-fold9"));
    }
}
