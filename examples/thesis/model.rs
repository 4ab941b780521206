//! Linear regression by stochastic gradient descent, number for number as scikit-learn's
//! `SGDRegressor(loss="squared_error", penalty="l2", learning_rate="constant", shuffle=False).partial_fit`.

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// The gradient is cut to plus or minus this (scikit-learn's `MAX_DLOSS`): a diverging model grows huge, not infinite.
const MAX_GRADIENT: f64 = 1e12;

/// Below this the common factor of the weights is multiplied out, lest it vanish (scikit-learn's, for doubles).
const MIN_FACTOR: f64 = 1e-9;

/// A linear model under training.
#[derive(Clone, Debug, PartialEq)]
pub struct SgdRegressor {
    /// One weight a feature.
    pub weights: Array1<f64>,
    /// The prediction where all features are 0. Never penalised.
    pub intercept: f64,
    /// Learning rate, the same at every update.
    pub learning_rate: f64,
    /// Strength of the L2 penalty.
    pub alpha: f64,
}

impl SgdRegressor {
    /// A model with all weights 0.
    pub fn new(features: usize, learning_rate: f64, alpha: f64) -> SgdRegressor {
        SgdRegressor { weights: Array1::zeros(features), intercept: 0.0, learning_rate, alpha }
    }

    /// One step: one update for each row of the batch, in order. scikit-learn does not average over the batch either,
    /// so the batch size changes how many steps an epoch has and what they cost, not what is learned.
    ///
    /// Gives the mean loss of the rows, each taken right before its own update.
    ///
    /// # Panics
    /// If the rows are not contiguous in memory (they are in an array of C order).
    pub fn partial_fit(&mut self, x: ArrayView2<f64>, y: ArrayView1<f64>) -> f64 {
        let shrink = (1.0 - self.learning_rate * self.alpha).max(0.0);
        let weights = self.weights.as_slice_mut().expect("an owned vector is contiguous");
        // The weights are `weights * factor`: the penalty shrinks one number instead of all.
        let mut factor = 1.0;
        let mut loss = 0.0;
        for (row, target) in x.axis_iter(Axis(0)).zip(y) {
            let row = row.to_slice().expect("rows are contiguous");
            let error = dot(weights, row) * factor + self.intercept - target;
            loss += 0.5 * error * error;
            let update = -self.learning_rate * error.clamp(-MAX_GRADIENT, MAX_GRADIENT);
            factor *= shrink;
            if factor < MIN_FACTOR {
                weights.iter_mut().for_each(|w| *w *= factor);
                factor = 1.0;
            }
            if update != 0.0 {
                let scaled = update / factor;
                weights.iter_mut().zip(row).for_each(|(w, value)| *w += value * scaled);
                self.intercept += update;
            }
        }
        weights.iter_mut().for_each(|w| *w *= factor);
        loss / x.nrows() as f64
    }

    /// Root of the mean squared error of predictions, in the unit of the target.
    pub fn rmse(predicted: &Array1<f64>, target: &Array1<f64>) -> f64 {
        let squares = predicted.iter().zip(target).map(|(p, y)| (p - y) * (p - y));
        (squares.sum::<f64>() / target.len() as f64).sqrt()
    }
}

/// linfa's trait, so that the model can be used like any of linfa's own.
impl PredictInplace<Array2<f64>, Array1<f64>> for SgdRegressor {
    fn predict_inplace<'a>(&'a self, x: &'a Array2<f64>, y: &mut Array1<f64>) {
        let weights = self.weights.as_slice().expect("an owned vector is contiguous");
        for (row, predicted) in x.axis_iter(Axis(0)).zip(y.iter_mut()) {
            *predicted = dot(weights, row.to_slice().expect("rows are contiguous")) + self.intercept;
        }
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}

/// Sum of the products, added up from the first to the last: another order would round differently.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

#[cfg(test)]
mod tests {
    use linfa::traits::Predict;
    use ndarray::{array, s};

    use super::*;
    use crate::data::red_wine;
    use crate::split::{SEED, Scaler, Split};

    #[test]
    fn three_steps_by_hand_agree_with_scikit_learn() {
        // scikit-learn 1.9.1, SGDRegressor(alpha=0.1, eta0=0.05, shuffle=False), 3 x partial_fit.
        let x = array![[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5], [0.5, 1.0], [-1.0, -1.5]];
        let y = array![1.5, 2.0, -1.0, 0.7, -2.2];
        let mut model = SgdRegressor::new(2, 0.05, 0.1);
        for _ in 0..3 {
            model.partial_fit(x.view(), y.view());
        }
        assert!((model.weights[0] - 0.7345432391158939).abs() < 1e-15, "{model:?}");
        assert!((model.weights[1] - 0.401992610864683).abs() < 1e-15, "{model:?}");
        assert!((model.intercept - 0.024357442527554604).abs() < 1e-15, "{model:?}");
    }

    #[test]
    fn a_penalty_of_one_zeroes_the_weights_before_each_update() {
        let mut model = SgdRegressor::new(1, 1.0, 1.0);
        model.partial_fit(array![[2.0], [1.0]].view(), array![1.0, 3.0].view());
        // First row: w = 0 - 1 * (0 - 1) * 2 = 2, b = 1. Second: p = 3, no error, so the weight is only zeroed.
        assert_eq!((model.weights[0], model.intercept), (0.0, 1.0));
    }

    #[test]
    fn a_good_learning_rate_foretells_the_grade_within_two_thirds() {
        let split = Split::new(&red_wine(), SEED);
        let mut model = SgdRegressor::new(11, 0.001, 0.0001);
        for _ in 0..20 {
            model.partial_fit(split.train.x.view(), split.train.y.view());
        }
        let rmse = SgdRegressor::rmse(&model.predict(&split.validation.x), &split.validation.y);
        assert!((0.60..0.70).contains(&rmse), "{rmse}");
    }

    #[test]
    fn a_learning_rate_too_high_diverges_and_stays_finite() {
        let split = Split::new(&red_wine(), SEED);
        let mut model = SgdRegressor::new(11, 0.1, 0.0001);
        for _ in 0..20 {
            model.partial_fit(split.train.x.view(), split.train.y.view());
        }
        let rmse = SgdRegressor::rmse(&model.predict(&split.validation.x), &split.validation.y);
        assert!(rmse.is_finite() && rmse > 1e6, "{rmse}");
    }

    /// Two whole runs of scikit-learn 1.3.2 on these data; each file says how it was made.
    #[test]
    fn whole_runs_agree_with_scikit_learn() {
        let cases = [
            include_str!("testdata/sklearn-red_wine-linear_regression-b32-eta0.01-alpha0.0001.json"),
            include_str!("testdata/sklearn-red_wine-linear_regression-b256-eta0.0001-alpha0.01.json"),
        ];
        for case in cases {
            same_as(&serde_json::from_str(case).expect("a case is JSON"));
        }
    }

    fn same_as(case: &serde_json::Value) {
        let numbers = |v: &serde_json::Value| -> Vec<f64> {
            v.as_array().expect("an array").iter().map(|n| n.as_f64().expect("a number")).collect()
        };
        let rows = |key: &str| -> Vec<usize> { numbers(&case[key]).iter().map(|n| *n as usize).collect() };
        let number = |v: &serde_json::Value| v.as_f64().expect("a number");
        let data = red_wine();
        let scaler =
            Scaler { mean: numbers(&case["scaler"]["mean"]).into(), scale: numbers(&case["scaler"]["scale"]).into() };
        let (train, test) = (rows("train_rows"), rows("test_rows"));
        let x = scaler.apply(data.records.select(Axis(0), &train));
        let y = data.targets.select(Axis(0), &train);
        let (alpha, eta) = (number(&case["params"]["alpha"]), number(&case["params"]["eta0"]));
        let mut model = SgdRegressor::new(11, eta, alpha);
        let batch = number(&case["batch_size"]) as usize;
        for _ in 0..number(&case["epochs"]) as usize {
            for start in (0..y.len()).step_by(batch) {
                let end = (start + batch).min(y.len());
                model.partial_fit(x.slice(s![start..end, ..]), y.slice(s![start..end]));
            }
        }
        let close = |got: f64, want: f64| (got - want).abs() <= 1e-9 * got.abs().max(want.abs());
        for (got, want) in model.weights.iter().zip(numbers(&case["coef"][0])) {
            assert!(close(*got, want), "{got} is not {want}");
        }
        assert!(close(model.intercept, number(&case["intercept"][0])));
        let (x, y) = (scaler.apply(data.records.select(Axis(0), &test)), data.targets.select(Axis(0), &test));
        let rmse = SgdRegressor::rmse(&model.predict(&x), &y);
        assert!(close(rmse, number(&case["test"]["rmse"])), "{rmse}");
    }
}
