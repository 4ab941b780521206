//! Training: scikit-learn's `partial_fit` with a constant learning rate and an L2 penalty, number for number.

use std::marker::PhantomData;

use linfa::traits::{Fit, FitWith};
use linfa::{DatasetBase, Error};
use ndarray::{ArrayBase, Data, Ix1, Ix2};

use super::kernel::{self, Rows};
use super::linear::{LinearModel, Task};
use super::loss::{Hinge, Log, Loss, LossFunction, Squared};
use super::shuffle;

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    /// What the model predicts.
    pub task: Task,
    /// What is made small.
    pub loss: Loss,
    /// Learning rate, the same at every update.
    pub learning_rate: f64,
    /// Strength of the L2 penalty.
    pub alpha: f64,
    /// The rows of each call are taken in an order drawn with this seed (scikit-learn's `random_state`); without it, in
    /// their own.
    pub shuffle: Option<u32>,
}

impl Sgd {
    /// One step: one update for each row of the batch. scikit-learn does not average over the batch either, so the batch
    /// size changes how many steps an epoch has and what they cost, not what is learned.
    ///
    /// # Panics
    /// If the model has another task, or other features than the rows.
    pub fn partial_fit(&self, model: &mut LinearModel, rows: Rows<'_>) {
        assert_eq!((model.task, model.features), (self.task, rows.features), "the model is of another kind");
        match self.loss {
            Loss::Squared => self.fit_by::<Squared>(model, rows),
            Loss::Log => self.fit_by::<Log>(model, rows),
            Loss::Hinge => self.fit_by::<Hinge>(model, rows),
        }
    }

    fn fit_by<L: LossFunction>(&self, model: &mut LinearModel, rows: Rows<'_>) {
        match (self.shuffle, self.task) {
            (Some(seed), Task::Regression) => {
                let order = shuffle::of_regression(seed, rows.y.len());
                self.fit_blocks::<1, L>(model, Rows { order: Some(&order), ..rows });
            }
            (Some(seed), Task::Classes(2)) => {
                let order = shuffle::of_two_classes(seed, rows.y.len());
                self.fit_blocks::<1, L>(model, Rows { order: Some(&order), ..rows });
            }
            (Some(seed), Task::Classes(_)) => self.fit_one_by_one::<L>(model, rows, seed),
            (None, _) => match model.lanes {
                1 => self.fit_blocks::<1, L>(model, rows),
                8 => self.fit_blocks::<8, L>(model, rows),
                12 => self.fit_blocks::<12, L>(model, rows),
                _ => self.fit_blocks::<16, L>(model, rows),
            },
        }
    }

    /// All models, in blocks of `N` side by side.
    fn fit_blocks<const N: usize, L: LossFunction>(&self, model: &mut LinearModel, rows: Rows<'_>) {
        let (weights, _) = model.weights.as_mut_slice().as_chunks_mut::<N>();
        let (intercepts, _) = model.intercept.as_chunks_mut::<N>();
        for (block, intercept) in intercepts.iter_mut().enumerate() {
            kernel::run(kernel::Fit {
                weights: &mut weights[block * model.features..(block + 1) * model.features],
                intercept,
                models: self.task.models() - block * N,
                rows,
                answer: self.task.answer(block * N),
                learning_rate: self.learning_rate,
                alpha: self.alpha,
                loss: PhantomData::<L>,
            });
        }
    }

    /// Each model alone: where rows are shuffled, each class has an order of its own.
    fn fit_one_by_one<L: LossFunction>(&self, model: &mut LinearModel, rows: Rows<'_>, seed: u32) {
        let orders = shuffle::of_classes(seed, rows.y.len(), self.task.models());
        for (class, order) in orders.iter().enumerate() {
            let places: Vec<usize> = (0..model.features).map(|feature| model.place(class, feature)).collect();
            let mut weights: Vec<[f64; 1]> = places.iter().map(|place| [model.weights.as_slice()[*place]]).collect();
            let mut intercept = [model.intercept[class]];
            kernel::run(kernel::Fit {
                weights: &mut weights,
                intercept: &mut intercept,
                models: 1,
                rows: Rows { order: Some(order), ..rows },
                answer: self.task.answer(class),
                learning_rate: self.learning_rate,
                alpha: self.alpha,
                loss: PhantomData::<L>,
            });
            model.intercept[class] = intercept[0];
            for (place, [weight]) in places.iter().zip(&weights) {
                model.weights.as_mut_slice()[*place] = *weight;
            }
        }
    }

    /// A model of this task for rows of so many features, with all weights 0.
    pub fn new_model(&self, features: usize) -> LinearModel {
        LinearModel::new(self.task, features)
    }
}

/// One pass over the data as one batch, from zero. Classes are their places, as numbers.
impl<D: Data<Elem = f64>, T: Data<Elem = f64>> Fit<ArrayBase<D, Ix2>, ArrayBase<T, Ix1>, Error> for Sgd {
    type Object = LinearModel;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, ArrayBase<T, Ix1>>) -> Result<LinearModel, Error> {
        self.fit_with(None, dataset)
    }
}

/// One more pass over the data as one batch: linfa's name for `partial_fit`.
impl<'a, D, T> FitWith<'a, ArrayBase<D, Ix2>, ArrayBase<T, Ix1>, Error> for Sgd
where
    D: Data<Elem = f64>,
    T: Data<Elem = f64>,
{
    type ObjectIn = Option<LinearModel>;
    type ObjectOut = LinearModel;

    fn fit_with(
        &self,
        model: Option<LinearModel>,
        dataset: &'a DatasetBase<ArrayBase<D, Ix2>, ArrayBase<T, Ix1>>,
    ) -> Result<LinearModel, Error> {
        let (x, y) = (dataset.records.as_standard_layout(), dataset.targets.as_standard_layout());
        let features = x.ncols();
        if x.nrows() != y.len() {
            return Err(Error::Parameters(format!("{} rows and {} targets", x.nrows(), y.len())));
        }
        let mut model = model.unwrap_or_else(|| self.new_model(features));
        if model.task != self.task || model.features != features {
            return Err(Error::Parameters("the model is of another kind than the data".into()));
        }
        let in_order = "it was just brought into standard layout";
        let (x, y) = (x.as_slice().expect(in_order), y.as_slice().expect(in_order));
        self.partial_fit(&mut model, Rows { x, y, features, order: None });
        Ok(model)
    }
}
