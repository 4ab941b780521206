//! A parity case: one training run of scikit-learn, with all that is needed to repeat it and all that came out.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::model::{Loss, Sgd, Task};

/// The layout that is understood.
const FORMAT: &str = "earlystop-sklearn-parity/1";

/// One case, as its file holds it.
#[derive(Debug, Deserialize)]
pub struct Case {
    format: String,
    /// Its name.
    pub name: String,
    /// What it was trained on.
    pub dataset: DatasetOf,
    loss: String,
    params: Params,
    /// Rows a step; the last step of an epoch may have fewer.
    pub batch_size: usize,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Steps of the whole run.
    pub n_steps: Option<usize>,
    /// Rows to train on, in the order of use.
    pub train_rows: Vec<usize>,
    /// Rows to judge by.
    pub test_rows: Vec<usize>,
    /// How features are standardised.
    pub scaler: ScalerOf,
    /// Mean loss of a batch before its step, by the step's number; also of the `last`, and `sum_of_all_steps`.
    pub batch_loss_before_update: BTreeMap<String, f64>,
    /// Weights, a row a model.
    pub coef: Vec<Vec<f64>>,
    /// One a model.
    pub intercept: Vec<f64>,
    /// How good the model is.
    pub test: Score,
}

/// What a case was trained on.
#[derive(Debug, Deserialize)]
pub struct DatasetOf {
    /// A name in the folder of data.
    pub file: String,
    /// Whether the data are made up.
    #[serde(default)]
    pub synthetic: bool,
    /// Rows of the whole file.
    pub n_rows_in_file: Option<usize>,
    /// The column to predict.
    pub target: String,
    /// Columns that are no features.
    #[serde(default)]
    pub dropped_columns: Vec<String>,
    /// The classes in their order; none for regression.
    pub labels: Option<Vec<String>>,
    /// Features of a row.
    pub n_features: usize,
}

#[derive(Debug, Deserialize)]
struct Params {
    alpha: f64,
    eta0: f64,
    learning_rate: String,
    penalty: String,
    #[serde(default)]
    shuffle: bool,
    random_state: Option<u32>,
    #[serde(default)]
    average: bool,
    #[serde(default = "yes")]
    fit_intercept: bool,
}

fn yes() -> bool {
    true
}

/// Mean and spread of each feature.
#[derive(Debug, Deserialize)]
pub struct ScalerOf {
    /// Mean.
    pub mean: Vec<f64>,
    /// Population standard deviation, 1 where it is 0.
    pub scale: Vec<f64>,
}

/// How good a model is on the test rows.
#[derive(Debug, Default, Deserialize)]
pub struct Score {
    /// For regression.
    pub rmse: Option<f64>,
    /// For classes.
    pub accuracy: Option<f64>,
    /// For classes.
    pub n_correct: Option<usize>,
}

impl Case {
    /// Reads one, and checks what can be checked without the data.
    pub fn read(path: &Path) -> Result<Case, Box<dyn Error>> {
        let wrong = |what: String| format!("{}: {what}", path.display());
        let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let case: Case = serde_json::from_str(&text).map_err(|e| wrong(format!("this is no parity case: {e}")))?;
        case.check().map_err(wrong)?;
        Ok(case)
    }

    fn check(&self) -> Result<(), String> {
        let Params { learning_rate, penalty, average, fit_intercept, shuffle, random_state, alpha, eta0 } =
            &self.params;
        let models = self.task()?.models();
        let steps = self.train_rows.len().div_ceil(self.batch_size.max(1)) * self.epochs;
        let reasons = [
            (self.format != FORMAT, format!("format is `{}`; only `{FORMAT}` is known", self.format)),
            (penalty != "l2", format!("penalty `{penalty}`; only l2 is trained here")),
            (learning_rate != "constant", format!("learning_rate `{learning_rate}`; only constant is trained here")),
            (*average, "average: true; averaged weights are not trained here".into()),
            (!fit_intercept, "fit_intercept: false; an intercept is always trained here".into()),
            (*shuffle && random_state.is_none(), "shuffle: true without random_state cannot be repeated".into()),
            (*alpha < 0.0 || *eta0 <= 0.0, format!("alpha {alpha} or eta0 {eta0} is out of its range")),
            (self.batch_size == 0 || self.epochs == 0, "batch_size and epochs have to be 1 or more".into()),
            (
                self.train_rows.is_empty() || self.test_rows.is_empty(),
                "there are no rows to train on or to test".into(),
            ),
            (self.n_steps.is_some_and(|n| n != steps), format!("n_steps is not {steps}, as rows and batches make it")),
            (
                self.coef.len() != models || self.intercept.len() != models,
                format!("coef or intercept is not {models} long"),
            ),
            (
                self.coef.iter().any(|row| row.len() != self.dataset.n_features),
                "a row of coef is not n_features long".into(),
            ),
            (self.scaler.mean.len() != self.dataset.n_features, "scaler.mean is not n_features long".into()),
            (self.scaler.scale.len() != self.dataset.n_features, "scaler.scale is not n_features long".into()),
            (self.scaler.scale.contains(&0.0), "scaler.scale has a 0".into()),
        ];
        reasons.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, what)| Err(what))
    }

    /// What is predicted.
    pub fn task(&self) -> Result<Task, String> {
        let loss: Loss = self.loss.parse()?;
        match (&self.dataset.labels, loss) {
            (None, Loss::Squared) => Ok(Task::Regression),
            (Some(labels), Loss::Log | Loss::Hinge) if labels.len() >= 2 => Ok(Task::Classes(labels.len())),
            (Some(labels), Loss::Log | Loss::Hinge) => Err(format!("{} labels; two are needed", labels.len())),
            (labels, _) => Err(format!(
                "loss {} with {} labels; numbers are trained by squared_error, classes by log_loss or hinge",
                self.loss,
                labels.as_ref().map_or("no".into(), |labels| labels.len().to_string())
            )),
        }
    }

    /// How it was trained.
    pub fn sgd(&self) -> Result<Sgd, String> {
        Ok(Sgd {
            task: self.task()?,
            loss: self.loss.parse()?,
            learning_rate: self.params.eta0,
            alpha: self.params.alpha,
            shuffle: self.params.random_state.filter(|_| self.params.shuffle),
        })
    }
}
