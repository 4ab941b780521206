//! Repeats a case and measures how far it comes out from scikit-learn.

use std::error::Error;
use std::fmt;

use super::case::Case;
use crate::data::{Frame, Kind};
use crate::model::{LinearModel, Rows, Sgd, Task};
use crate::split::Scaler;

/// A value smaller than this share of its array's largest is compared as if it were that large: near 0 a relative
/// difference means nothing. So 1e-9 is never more than 1e-9 of the value plus 1e-12 of the largest.
const NEAR_ZERO: f64 = 1e-3;

/// The largest relative differences.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distance {
    /// Of the weights.
    pub coef: f64,
    /// Of the intercepts.
    pub intercept: f64,
    /// Of the batch losses.
    pub losses: f64,
    /// Of RMSE or accuracy.
    pub score: f64,
    /// Of our own mean and scale from those that the case gives.
    pub scaler: f64,
    /// Whether as many rows are predicted rightly.
    pub counts_agree: bool,
}

impl Distance {
    /// The largest of all.
    pub fn largest(&self) -> f64 {
        // Not f64::max, to which a NaN is nothing.
        let all = [self.coef, self.intercept, self.losses, self.score, self.scaler];
        all.into_iter().fold(0.0, |largest, one| if one > largest || one.is_nan() { one } else { largest })
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Distance { coef, intercept, losses, score, scaler, .. } = self;
        write!(f, "{coef:>8.1e}  {intercept:>9.1e}  {losses:>8.1e}  {score:>8.1e}  {scaler:>8.1e}")
    }
}

/// Trains as the case did, and compares.
pub fn distance(case: &Case, frame: &Frame) -> Result<Distance, Box<dyn Error>> {
    let sgd = case.sgd()?;
    let data = Data::of(case, frame)?;
    let (model, losses) = train(case, &sgd, &data);
    let coef: Vec<f64> = model.coef().into_iter().collect();
    let want: Vec<f64> = case.coef.iter().flatten().copied().collect();
    let test = data.rows(&data.test, &data.test_y, 0..data.test_y.len());
    let (score, counts_agree) = match sgd.task {
        Task::Regression => (apart(&[model.rmse(test)], &one(case.test.rmse, "rmse")?), true),
        Task::Classes(_) => {
            let correct = model.correct(test);
            let accuracy = correct as f64 / case.test_rows.len() as f64;
            let agree = case.test.n_correct.is_none_or(|n| n == correct);
            (apart(&[accuracy], &one(case.test.accuracy, "accuracy")?), agree)
        }
    };
    Ok(Distance {
        coef: apart(&coef, &want),
        intercept: apart(model.intercept(), &case.intercept),
        losses: of_losses(case, &losses)?,
        score,
        scaler: data.scaler_apart,
        counts_agree,
    })
}

fn one(value: Option<f64>, name: &str) -> Result<[f64; 1], String> {
    value.map(|value| [value]).ok_or_else(|| format!("test.{name} is missing"))
}

/// All steps; gives the mean loss of each batch before its step.
fn train(case: &Case, sgd: &Sgd, data: &Data) -> (LinearModel, Vec<f64>) {
    let mut model = sgd.new_model(data.features);
    let mut losses = Vec::new();
    let count = data.train_y.len();
    for _ in 0..case.epochs {
        for start in (0..count).step_by(case.batch_size) {
            let end = start.saturating_add(case.batch_size).min(count);
            let batch = data.rows(&data.train, &data.train_y, start..end);
            losses.push(model.mean_loss(sgd.loss, batch));
            sgd.partial_fit(&mut model, batch);
        }
    }
    (model, losses)
}

fn of_losses(case: &Case, losses: &[f64]) -> Result<f64, String> {
    let of_step = |step: usize| step.checked_sub(1).and_then(|place| losses.get(place)).copied();
    let mut largest = 0.0;
    for (which, want) in &case.batch_loss_before_update {
        let got = match which.as_str() {
            "last" => losses.last().copied(),
            "sum_of_all_steps" => Some(losses.iter().sum()),
            step => step.parse().ok().and_then(of_step),
        };
        let got = got.ok_or_else(|| format!("batch_loss_before_update: there is no step `{which}`"))?;
        let apart = apart(&[got], &[*want]);
        largest = if apart > largest || apart.is_nan() { apart } else { largest };
    }
    Ok(largest)
}

/// The largest relative difference of two arrays, and NaN if anything is no number.
fn apart(got: &[f64], want: &[f64]) -> f64 {
    let scale = got.iter().chain(want).fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let one = |(got, want): (&f64, &f64)| {
        let size = got.abs().max(want.abs()).max(NEAR_ZERO * scale);
        if got == want { 0.0 } else { (got - want).abs() / size }
    };
    let all = got.iter().zip(want).map(one);
    all.fold(0.0, |largest, one| if one > largest || one.is_nan() { one } else { largest })
}

/// The case's rows, standardised as it says.
struct Data {
    features: usize,
    train: Vec<f64>,
    train_y: Vec<f64>,
    test: Vec<f64>,
    test_y: Vec<f64>,
    scaler_apart: f64,
}

impl Data {
    fn of(case: &Case, frame: &Frame) -> Result<Data, Box<dyn Error>> {
        let set = &case.dataset;
        let count = frame.rows();
        if set.n_rows_in_file.is_some_and(|rows| rows != count) {
            return Err(format!("{} has {count} rows, not those that the case was made with", set.file).into());
        }
        if let Some(row) = case.train_rows.iter().chain(&case.test_rows).find(|row| **row >= count) {
            return Err(format!("row {row} is not in {}, which has {count}", set.file).into());
        }
        let target = frame.place(&set.target)?;
        let dropped = set.dropped_columns.iter().map(|name| frame.place(name)).collect::<Result<Vec<_>, _>>()?;
        let features: Vec<usize> =
            (0..frame.columns.len()).filter(|place| *place != target && !dropped.contains(place)).collect();
        if features.len() != set.n_features {
            return Err(format!("{} has {} features, the case {}", set.file, features.len(), set.n_features).into());
        }
        let y = |rows: &[usize]| targets(case, frame, target, rows);
        let raw = frame.pick(&case.train_rows, &features);
        let mut data = Data {
            features: features.len(),
            scaler_apart: scaler_apart(case, &raw)?,
            train: raw,
            train_y: y(&case.train_rows)?,
            test: frame.pick(&case.test_rows, &features),
            test_y: y(&case.test_rows)?,
        };
        standardise(&mut data.train, case);
        standardise(&mut data.test, case);
        if data.train.iter().chain(&data.test).chain(&data.train_y).chain(&data.test_y).any(|v| !v.is_finite()) {
            return Err(format!("{} has missing values in the case's rows or columns", set.file).into());
        }
        Ok(data)
    }

    fn rows<'a>(&self, x: &'a [f64], y: &'a [f64], range: std::ops::Range<usize>) -> Rows<'a> {
        let features = self.features;
        Rows { x: &x[range.start * features..range.end * features], y: &y[range], features, order: None }
    }
}

/// Targets of some rows; classes by the case's own order.
fn targets(case: &Case, frame: &Frame, target: usize, rows: &[usize]) -> Result<Vec<f64>, String> {
    let raw = frame.pick(rows, &[target]);
    match (&case.dataset.labels, &frame.columns[target].kind) {
        (None, Kind::Number) => Ok(raw),
        (Some(labels), Kind::Classes(classes)) => {
            let place = |class: &String| labels.iter().position(|label| label == class);
            let places: Vec<Option<usize>> = classes.iter().map(place).collect();
            let one = |value: f64| match places.get(value as usize) {
                Some(Some(place)) if value.is_finite() => Ok(*place as f64),
                _ => Err("a row's class is none of the case's labels".to_string()),
            };
            raw.into_iter().map(one).collect()
        }
        (None, _) => Err(format!("column `{}` holds no numbers, and the case has no labels", case.dataset.target)),
        (Some(_), _) => Err(format!("column `{}` holds no classes, but the case has labels", case.dataset.target)),
    }
}

fn standardise(x: &mut [f64], case: &Case) {
    let features = case.dataset.n_features;
    for row in x.chunks_exact_mut(features) {
        for (value, (mean, scale)) in row.iter_mut().zip(case.scaler.mean.iter().zip(&case.scaler.scale)) {
            *value = (*value - mean) / scale;
        }
    }
}

/// How far our own scaler lies from the case's.
fn scaler_apart(case: &Case, raw: &[f64]) -> Result<f64, Box<dyn Error>> {
    let x = ndarray::ArrayView2::from_shape((case.train_rows.len(), case.dataset.n_features), raw)?;
    let own = Scaler::of(&x.to_owned());
    let mean = apart(&own.mean.to_vec(), &case.scaler.mean);
    let scale = apart(&own.scale.to_vec(), &case.scaler.scale);
    Ok(if scale > mean || scale.is_nan() { scale } else { mean })
}
