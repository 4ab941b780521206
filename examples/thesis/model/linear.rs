//! A linear model: weights, intercepts, and what they predict.

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};

use super::aligned::Aligned;
use super::kernel::{self, Answer, Project, Rows};
use super::loss::Loss;

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A number.
    Regression,
    /// The place of one of so many classes, from 0; two or more.
    Classes(usize),
}

impl Task {
    /// Models that a task needs: one, or one for each class against all others if there are more than two.
    pub fn models(self) -> usize {
        match self {
            Task::Classes(classes) if classes > 2 => classes,
            _ => 1,
        }
    }

    /// What the lanes of the block that begins at this model make of a target.
    pub fn answer(self, first: usize) -> Answer {
        match self {
            Task::Regression => Answer::Number,
            Task::Classes(classes) if classes > 2 => Answer::OneOf(first),
            Task::Classes(_) => Answer::Sign,
        }
    }
}

/// A linear model, or one for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    /// What it predicts.
    pub task: Task,
    /// Features of a row.
    pub features: usize,
    /// Models side by side in memory: 1, 8, 12 or 16. What is left over in the last block stays 0.
    pub(super) lanes: usize,
    /// A block of `lanes` models after the other; in it, for each feature, the models' weights.
    pub(super) weights: Aligned,
    /// One a lane.
    pub(super) intercept: Vec<f64>,
}

impl LinearModel {
    /// A model with all weights 0.
    pub fn new(task: Task, features: usize) -> LinearModel {
        let lanes = match task.models() {
            1 => 1,
            2..=8 => 8,
            9..=12 => 12,
            _ => 16,
        };
        let places = task.models().next_multiple_of(lanes);
        LinearModel { task, features, lanes, weights: Aligned::zeros(places * features), intercept: vec![0.0; places] }
    }

    /// The weights, a row a model, as scikit-learn's `coef_`.
    pub fn coef(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.task.models(), self.features), |(model, feature)| {
            self.weights.as_slice()[self.place(model, feature)]
        })
    }

    /// The intercepts, as scikit-learn's `intercept_`.
    pub fn intercept(&self) -> &[f64] {
        &self.intercept[..self.task.models()]
    }

    /// Where a weight lies.
    pub(super) fn place(&self, model: usize, feature: usize) -> usize {
        let (block, lane) = (model / self.lanes, model % self.lanes);
        (block * self.features + feature) * self.lanes + lane
    }

    /// Mean loss of the rows under the weights as they are, summed over the models, the penalty left out.
    pub fn mean_loss(&self, loss: Loss, rows: Rows<'_>) -> f64 {
        let mut sum = 0.0;
        self.each(rows, |_, target, answer, values| {
            for (lane, value) in values.iter().enumerate() {
                sum += loss.value(*value, answer.of(target, lane));
            }
        });
        sum / rows.y.len() as f64
    }

    /// The prediction for each row: the number, or the place of the class. Of several classes it is the first with the
    /// largest value.
    pub fn predict_rows(&self, rows: Rows<'_>) -> Vec<f64> {
        let mut best = vec![(f64::NEG_INFINITY, 0); rows.y.len()];
        self.each(rows, |row, _, answer, values| {
            let first = if let Answer::OneOf(first) = answer { first } else { 0 };
            for (lane, value) in values.iter().enumerate() {
                if *value > best[row].0 || self.task == Task::Regression {
                    best[row] = (*value, first + lane);
                }
            }
        });
        let prediction = |(value, class): (f64, usize)| match self.task {
            Task::Regression => value,
            Task::Classes(2) => f64::from(value > 0.0),
            Task::Classes(_) => class as f64,
        };
        best.into_iter().map(prediction).collect()
    }

    /// Root of the mean squared error, in the unit of the target.
    pub fn rmse(&self, rows: Rows<'_>) -> f64 {
        let squares = self.predict_rows(rows).into_iter().zip(rows.y).map(|(p, y)| (p - y) * (p - y));
        (squares.sum::<f64>() / rows.y.len() as f64).sqrt()
    }

    /// Rows whose class is predicted rightly.
    pub fn correct(&self, rows: Rows<'_>) -> usize {
        self.predict_rows(rows).iter().zip(rows.y).filter(|(p, y)| p == y).count()
    }

    /// How good the model is on these rows: RMSE, where less is better, or the share of rows whose class is right.
    pub fn score(&self, rows: Rows<'_>) -> f64 {
        match self.task {
            Task::Regression => self.rmse(rows),
            Task::Classes(_) => self.correct(rows) as f64 / rows.y.len() as f64,
        }
    }

    /// Gives `each` every row's place, its target, what the target means and the models' values, a block at a time.
    fn each(&self, rows: Rows<'_>, mut each: impl FnMut(usize, f64, Answer, &[f64])) {
        match self.lanes {
            1 => self.each_of::<1>(rows, &mut each),
            8 => self.each_of::<8>(rows, &mut each),
            12 => self.each_of::<12>(rows, &mut each),
            _ => self.each_of::<16>(rows, &mut each),
        }
    }

    fn each_of<const N: usize>(&self, rows: Rows<'_>, each: &mut impl FnMut(usize, f64, Answer, &[f64])) {
        let (weights, _) = self.weights.as_slice().as_chunks::<N>();
        let (intercepts, _) = self.intercept.as_chunks::<N>();
        for (block, intercept) in intercepts.iter().enumerate() {
            let answer = self.task.answer(block * N);
            let models = (self.task.models() - block * N).min(N);
            let take = |row: usize, target: f64, sums: &[f64; N]| {
                let values: [f64; N] = std::array::from_fn(|lane| sums[lane] + intercept[lane]);
                each(row, target, answer, &values[..models]);
            };
            let weights = &weights[block * self.features..(block + 1) * self.features];
            kernel::run(Project { weights, rows, each: take });
        }
    }
}

/// linfa's trait, so that the model can be used like any of linfa's own. Classes are their places, as numbers.
impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for LinearModel {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<f64>) {
        y.assign(&Array1::from(self.predict(x.view())));
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}

impl LinearModel {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        let x = x.as_standard_layout();
        let nowhere = vec![0.0; x.nrows()];
        let x = x.as_slice().expect("it was just brought into standard layout");
        self.predict_rows(Rows { x, y: &nowhere, features: self.features, order: None })
    }
}
