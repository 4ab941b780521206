//! What the models learn, and that it is what scikit-learn learns.

use linfa::Dataset;
use linfa::traits::{Fit, FitWith, Predict};
use ndarray::{Array1, Array2, Axis, array};

use super::*;
use crate::data::red_wine;
use crate::split::{SEED, Split};

fn sgd(task: Task, loss: Loss, learning_rate: f64, alpha: f64) -> Sgd {
    Sgd { task, loss, learning_rate, alpha, shuffle: None }
}

/// Five rows of two features.
fn five() -> Array2<f64> {
    array![[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5], [0.5, 1.0], [-1.0, -1.5]]
}

/// Three calls on the five rows with alpha 0.1 and eta0 0.05; gives weights and intercept.
fn three_calls(task: Task, loss: Loss, shuffle: Option<u32>, y: Array1<f64>) -> (Vec<f64>, f64) {
    let data = Dataset::new(five(), y);
    let sgd = Sgd { shuffle, ..sgd(task, loss, 0.05, 0.1) };
    let mut model = sgd.fit(&data).expect("the data fit");
    for _ in 0..2 {
        model = sgd.fit_with(Some(model), &data).expect("the data fit");
    }
    (model.coef().into_raw_vec_and_offset().0, model.intercept()[0])
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-9 * want.abs() + 1e-15, "{got} is not {want}");
    }
}

#[test]
fn three_steps_agree_with_scikit_learn() {
    // scikit-learn 1.9.1: SGDRegressor or SGDClassifier, alpha=0.1, eta0=0.05, 3 x partial_fit.
    let numbers = array![1.5, 2.0, -1.0, 0.7, -2.2];
    let classes = array![1.0, 1.0, 0.0, 1.0, 0.0];
    let (w, b) = three_calls(Task::Regression, Loss::Squared, None, numbers);
    assert_close(&[w[0], w[1], b], &[0.7345432391158939, 0.401992610864683, 0.024357442527554604]);
    let (w, b) = three_calls(Task::Classes(2), Loss::Log, None, classes.clone());
    assert_close(&[w[0], w[1], b], &[0.4338706389960814, 0.18819032091781382, 0.063201295588923]);
    let (w, b) = three_calls(Task::Classes(2), Loss::Hinge, None, classes.clone());
    assert_close(&[w[0], w[1], b], &[0.69377115560163, 0.35960029451776887, 0.05]);
    let (w, b) = three_calls(Task::Classes(2), Loss::Hinge, Some(0), classes);
    assert_close(&[w[0], w[1], b], &[0.6432994114522462, 0.2642300774335379, 0.0]);
}

#[test]
fn classes_side_by_side_are_the_classes_one_by_one() {
    // 3 classes fill a block of 8 lanes in part, 10 one of 12, 19 one of 16 and a bit: each has to equal a model of its own.
    let wine = Split::new(&red_wine().data, SEED).train;
    for classes in [3, 10, 19] {
        for loss in [Loss::Squared, Loss::Log, Loss::Hinge] {
            let y: Vec<f64> = (0..wine.y.len()).map(|row| ((row * 7 + row / 5) % classes) as f64).collect();
            let x = wine.x.as_slice().expect("C order");
            let together = sgd(Task::Classes(classes), loss, 0.01, 0.2);
            let mut model = together.new_model(11);
            for (x, y) in x.chunks(32 * 11).zip(y.chunks(32)) {
                together.partial_fit(&mut model, Rows { x, y, features: 11, order: None });
            }
            for class in 0..classes {
                let alone = sgd(Task::Classes(2), loss, 0.01, 0.2);
                let y: Vec<f64> = y.iter().map(|y| f64::from(*y == class as f64)).collect();
                let mut one = alone.new_model(11);
                for (x, y) in x.chunks(32 * 11).zip(y.chunks(32)) {
                    alone.partial_fit(&mut one, Rows { x, y, features: 11, order: None });
                }
                assert_eq!(one.coef().row(0), model.coef().row(class), "{loss:?}, class {class} of {classes}");
                assert_eq!(one.intercept()[0], model.intercept()[class]);
            }
        }
    }
}

#[test]
fn a_loss_is_summed_over_the_classes_and_averaged_over_the_rows() {
    let x = five();
    let y = array![0.0, 1.0, 2.0, 1.0, 0.0];
    let rows = Rows { x: x.as_slice().expect("C order"), y: y.as_slice().expect("C order"), features: 2, order: None };
    let model = LinearModel::new(Task::Classes(3), 2);
    assert!((model.mean_loss(Loss::Log, rows) - 3.0 * 2f64.ln()).abs() < 1e-15);
    assert_eq!(model.mean_loss(Loss::Hinge, rows), 3.0);
    // All values are equal: the first class wins.
    assert_eq!(model.predict_rows(rows), [0.0; 5]);
    assert_eq!(model.correct(rows), 2);
}

#[test]
fn a_penalty_of_one_zeroes_the_weights_before_each_update() {
    let data = Dataset::new(array![[2.0], [1.0]], array![1.0, 3.0]);
    let model = sgd(Task::Regression, Loss::Squared, 1.0, 1.0).fit(&data).expect("the data fit");
    // First row: w = 0 - 1 * (0 - 1) * 2 = 2, b = 1. Second: p = 3, no error, so the weight is only zeroed.
    assert_eq!((model.coef()[(0, 0)], model.intercept()[0]), (0.0, 1.0));
}

#[test]
fn a_good_learning_rate_foretells_the_grade_within_two_thirds() {
    let split = Split::new(&red_wine().data, SEED);
    let train = Dataset::new(split.train.x.clone(), split.train.y.clone());
    let sgd = sgd(Task::Regression, Loss::Squared, 0.001, 0.0001);
    let model = (0..20).try_fold(None, |model, _| sgd.fit_with(model, &train).map(Some)).expect("the data fit");
    let predicted = model.expect("20 passes").predict(&split.validation.x);
    let rmse = (predicted - &split.validation.y).mapv(|e| e * e).mean().expect("rows").sqrt();
    assert!((0.60..0.70).contains(&rmse), "{rmse}");
}

#[test]
fn a_learning_rate_too_high_diverges_and_stays_finite() {
    let split = Split::new(&red_wine().data, SEED);
    let train = Dataset::new(split.train.x.clone(), split.train.y.clone());
    let sgd = sgd(Task::Regression, Loss::Squared, 0.1, 0.0001);
    let model = (0..20).try_fold(None, |model, _| sgd.fit_with(model, &train).map(Some)).expect("the data fit");
    let model = model.expect("20 passes");
    let largest = model.coef().iter().fold(0.0, |largest: f64, w| largest.max(w.abs()));
    assert!(largest.is_finite() && largest > 1e6, "{largest}");
}

#[test]
fn data_of_another_shape_are_refused() {
    let sgd = sgd(Task::Regression, Loss::Squared, 0.1, 0.0001);
    let model = sgd.new_model(3);
    let data = Dataset::new(five(), Array1::zeros(5));
    assert!(sgd.fit_with(Some(model), &data).is_err());
    assert!(sgd.fit(&Dataset::new(five().select(Axis(0), &[0, 1]), Array1::zeros(2))).is_ok());
}
