//! A training run under way.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::time::Instant;

use earlystop::model::{Hello, Mode, Name, Objective, Step, TrialSpec};

use super::Arguments;
use super::effort::next_report;
use super::fault::{Fault, await_a_batch_from};
use crate::model::{LinearModel, Rows, Sgd, Task};
use crate::search::plan::Configuration;
use crate::search::share::Share;
use crate::search::shared::Mapped;

/// The mean loss of an epoch, each row's before the step that it is in: what scikit-learn's `tol` is about.
pub const EPOCH_LOSS: &str = "epoch_loss";

/// Losses of epochs.
#[derive(Debug, Default)]
struct Epochs {
    sum: f64,
    rows: usize,
    /// Those that have ended and were not told: the last step, and the mean.
    ended: Vec<(u64, f64)>,
}

impl Epochs {
    /// The mean loss of so many rows, and the step if an epoch ends with it.
    fn take(&mut self, loss: f64, rows: usize, end: Option<u64>) {
        self.sum += loss * rows as f64;
        self.rows += rows;
        if let Some(step) = end {
            self.ended.push((step, self.sum / self.rows as f64));
            (self.sum, self.rows) = (0.0, 0);
        }
    }
}

/// Steps between two reports.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    steps: u64,
    seconds: f64,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
}

/// A trial's model, its rows, and how far it is.
pub struct Training<'a> {
    of: &'a Arguments,
    set: &'a str,
    synthetic: bool,
    share: Option<Share>,
    /// Whether this is the winner's last training: then the rows held out are looked at once, at the end.
    pub is_refit: bool,
    sgd: Sgd,
    model: LinearModel,
    train: Rows<'a>,
    held_out: Rows<'a>,
    step: u64,
    samples: u64,
    epochs: Epochs,
    /// What a planted leak keeps.
    kept: Vec<LinearModel>,
}

impl<'a> Training<'a> {
    /// No step is done yet.
    pub fn new(of: &'a Arguments, mapped: &'a Mapped) -> Training<'a> {
        let task = mapped.head.task();
        let loss = of.algorithm.loss();
        let sgd = Sgd { task, loss, learning_rate: of.learning_rate, alpha: of.alpha, shuffle: None };
        let model = sgd.new_model(mapped.head.features);
        let (set, synthetic, is_refit) = (mapped.head.set.as_str(), mapped.head.synthetic, of.fold == "refit");
        let held_out = mapped.held_out(if is_refit { usize::MAX } else { of.eval_rows });
        let (train, share, kept) = (mapped.train(), mapped.head.share, Vec::new());
        let (step, samples, epochs) = (0, 0, Epochs::default());
        Training { of, set, synthetic, share, is_refit, sgd, model, train, held_out, step, samples, epochs, kept }
    }

    fn configuration(&self) -> Configuration {
        let Arguments { algorithm, learning_rate, alpha, .. } = *self.of;
        let (set, batch_size) = (self.set.to_string(), self.batch());
        Configuration { set, algorithm, batch_size, learning_rate, alpha }
    }

    /// The trial's name.
    pub fn name(&self) -> String {
        Fault::named(self.of.fault, &format!("{}-{}", self.configuration().name(), self.of.fold))
    }

    fn batch(&self) -> usize {
        self.of.batch_size as usize
    }

    fn steps_an_epoch(&self) -> u64 {
        self.train.y.len().div_ceil(self.batch()) as u64
    }

    fn total_steps(&self) -> u64 {
        let all = self.steps_an_epoch() * u64::from(self.of.epochs);
        self.of.steps.map_or(all, |steps| steps.min(all))
    }

    /// The metric that the trial is judged by.
    pub fn objective(&self) -> String {
        let part = if self.is_refit { "test" } else { "val" };
        let score = if self.sgd.task == Task::Regression { "rmse" } else { "accuracy" };
        format!("{part}_{score}")
    }

    /// Who we are, what we are judged by, and how far there is to go.
    pub fn hello(&self) -> Result<Hello, Box<dyn Error>> {
        let configuration = self.configuration();
        let mode = if self.sgd.task == Task::Regression { Mode::Min } else { Mode::Max };
        let mut labels = BTreeMap::from([
            ("dataset".to_string(), self.set.to_string()),
            ("algorithm".to_string(), self.of.algorithm.as_str().to_string()),
        ]);
        if self.synthetic {
            labels.insert("synthetic".into(), "true".into());
        }
        labels.extend(self.share.map(|share| ("share".to_string(), share.to_string())));
        labels.extend(self.of.fault.map(|fault| ("fault".to_string(), fault.as_str().to_string())));
        let spec = TrialSpec {
            trial: Some(Name::new(&self.name())?),
            experiment: Some(Name::new(self.set)?),
            labels,
            params: configuration.params(),
            objective: Some(Objective { metric: self.objective(), mode }),
            modes: ["train_loss", EPOCH_LOSS].map(|loss| (loss.to_string(), Mode::Min)).into(),
            total_steps: Some(self.total_steps()),
            total_epochs: Some(self.of.epochs.into()),
            group: Some(Name::new(&configuration.name())?),
            fold: Some(self.of.fold.clone()),
            ..TrialSpec::default()
        };
        Ok(Hello { spec, ..Hello::default() })
    }

    /// Trains up to the next report; `None` when all is done. Errors: a planted hang whose other end is gone.
    pub fn train(&mut self) -> io::Result<Option<Window>> {
        let (from, total, an_epoch) = (self.step, self.total_steps(), self.steps_an_epoch());
        if from == total {
            return Ok(None);
        }
        if self.of.fault == Some(Fault::Hang) && from >= total / 2 {
            await_a_batch_from(&mut io::stdin().lock())?;
        }
        let until = next_report(from, self.of.steps_a_report, an_epoch, total);
        let steps = until - from;
        let mut window =
            Window { steps, seconds: 0.0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, last: 0.0 };
        let start = Instant::now();
        while self.step < until {
            let batch = self.batch_at(self.step % an_epoch);
            let loss = self.model.mean_loss(self.sgd.loss, batch);
            self.sgd.partial_fit(&mut self.model, batch);
            window.sum += loss;
            window.min = if loss < window.min || loss.is_nan() { loss } else { window.min };
            window.max = if loss > window.max || loss.is_nan() { loss } else { window.max };
            window.last = loss;
            self.step += 1;
            self.samples += batch.y.len() as u64;
            self.epochs.take(loss, batch.y.len(), self.step.is_multiple_of(an_epoch).then_some(self.step));
            if self.of.fault == Some(Fault::Leak) {
                self.kept.push(self.model.clone());
            }
        }
        window.seconds = start.elapsed().as_secs_f64();
        Ok(Some(window))
    }

    fn batch_at(&self, place: u64) -> Rows<'a> {
        let (rows, features) = (self.train, self.train.features);
        let start = place as usize * self.batch();
        let end = (start + self.batch()).min(rows.y.len());
        Rows { x: &rows.x[start * features..end * features], y: &rows.y[start..end], ..rows }
    }

    /// A window as the sidecar is told of it.
    pub fn step(&self, window: &Window) -> Step {
        let metrics = [
            ("train_loss", window.sum / window.steps as f64),
            ("train_loss_min", window.min),
            ("train_loss_max", window.max),
            ("train_loss_last", window.last),
        ];
        Step {
            step: Some(self.step),
            epoch: Some(self.step as f64 / self.steps_an_epoch() as f64),
            samples: Some(self.samples),
            n: Some(window.steps),
            seconds: Some(window.seconds),
            phase: Some("train".into()),
            metrics: metrics.map(|(name, value)| (name.to_string(), value)).into(),
            sample: true,
            ..Step::default()
        }
    }

    /// Leaves out the losses of epochs that ended: nobody is told of them, and kept they would be a growth that no trainer has.
    pub fn leave_out_epochs(&mut self) {
        self.epochs.ended.clear();
    }

    /// A score as the sidecar is told of it, with the losses of epochs that ended since the score before.
    pub fn judged(&mut self, score: f64) -> Step {
        let losses = std::mem::take(&mut self.epochs.ended);
        let points = if losses.is_empty() { Vec::new() } else { vec![(EPOCH_LOSS.to_string(), losses)] };
        Step { metrics: vec![(self.objective(), score)], points, ..Step::default() }
    }

    /// The score on the rows held out.
    pub fn evaluate(&self) -> f64 {
        self.model.score(self.held_out)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::algorithm::Algorithm;
    use crate::data::red_wine;
    use crate::search::plan::Fold;
    use crate::search::worker::Says;
    use crate::search::{folds, shared};

    fn arguments(rows: &Path, batch_size: u32, fault: Option<Fault>) -> Arguments {
        Arguments {
            rows: rows.to_path_buf(),
            algorithm: Algorithm::LinearRegression,
            batch_size,
            learning_rate: 1e-3,
            alpha: 1e-4,
            epochs: 20,
            steps: None,
            eval_rows: 2000,
            steps_a_report: None,
            fold: "fold0".into(),
            says: Says::All,
            fault,
            core: None,
        }
    }

    fn mapped(folder: &Path) -> Mapped {
        folds::prepare(&red_wine(), 42, None, folder).expect("the folder is ours");
        Mapped::open(&shared::path(folder, "red_wine", &Fold::Without(0).name())).expect("it was just written")
    }

    #[test]
    fn windows_cover_every_step_once_and_batch_sizes_learn_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let mapped = mapped(folder.path());
        let end = |batch_size: u32, steps_a_report: Option<u64>| {
            let of = Arguments { steps_a_report, ..arguments(folder.path(), batch_size, None) };
            let mut training = Training::new(&of, &mapped);
            let windows = std::iter::from_fn(|| training.train().expect("nothing is read"));
            let steps: u64 = windows.map(|window| window.steps).sum();
            assert_eq!((steps, training.samples), (training.total_steps(), 20 * 1008));
            assert!(training.kept.is_empty(), "nothing leaks but the planted leak");
            (steps, training.evaluate())
        };
        let ((small_steps, small), (large_steps, large)) = (end(2, None), end(256, Some(7)));
        assert_eq!((small_steps, large_steps), (20 * 504, 20 * 4));
        assert!((small - large).abs() < 1e-9 && (0.55..0.75).contains(&small), "{small} {large}");
    }

    #[test]
    fn the_leak_keeps_a_model_of_every_step_and_says_who_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let mapped = mapped(folder.path());
        let of = arguments(folder.path(), 32, Some(Fault::Leak));
        let mut training = Training::new(&of, &mapped);
        while training.train().expect("nothing is read").is_some() {}
        assert_eq!(training.kept.len() as u64, training.total_steps());
        let hello = training.hello().expect("its names are legal");
        assert_eq!(hello.spec.labels.get("fault").map(String::as_str), Some("leak"));
        assert_eq!(training.name(), "leak-linear_regression-b32-lr0.001-a0.0001-fold0");
    }
}
