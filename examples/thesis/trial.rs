//! One trial: train, validate, report, and leave when asked.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use earlystop::model::{Hello, Mode, Name, Objective, Step, TrialSpec};
use earlystop::wire::trainer::Trainer;

use crate::config::{Config, Fault};
use crate::data::red_wine;
use crate::model::{LinearModel, Loss, Sgd, Task};
use crate::split::{SEED, Split};

/// The validation error is taken every so many steps, and the best weights are kept.
const STEPS_A_VALIDATION: u64 = 5;

/// How many progress reports a whole trial makes.
pub const REPORTS: u64 = 200;

/// The experiment that all trials of the example belong to.
pub const EXPERIMENT: &str = "thesis";

/// Trains, with heartbeats, until the end or until the sidecar asks to stop. Without a sidecar it just trains.
pub fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut training = Training::new(config.clone());
    let mut sidecar = Trainer::hello(hello(config, training.total_steps())?);
    let mut last = f64::NAN;
    while let Some(report) = training.next_report()? {
        last = report.val_rmse;
        sidecar.report(report.into());
        if sidecar.stop_requested().is_some() {
            // A real trainer would save its best weights here.
            sidecar.stopped(&[("val_rmse", last), ("best_val_rmse", training.best_rmse())]);
            return Ok(());
        }
    }
    sidecar.completed(&[("val_rmse", last), ("best_val_rmse", training.best_rmse())]);
    Ok(())
}

/// Who we are, what we are judged by, and how far there is to go.
fn hello(config: &Config, total_steps: u64) -> Result<Hello, Box<dyn std::error::Error>> {
    let spec = TrialSpec {
        trial: Some(Name::new(&config.name())?),
        experiment: Some(Name::new(EXPERIMENT)?),
        labels: config.labels(),
        params: config.params(),
        objective: Some(Objective { metric: "val_rmse".into(), mode: Mode::Min }),
        modes: [("train_loss".into(), Mode::Min)].into(),
        total_steps: Some(total_steps),
        total_epochs: Some(config.epochs.into()),
        ..TrialSpec::default()
    };
    Ok(Hello { spec, ..Hello::default() })
}

/// What one report says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Steps done.
    pub step: u64,
    /// Steps since the report before.
    pub steps: u64,
    /// Time those took, validation left out.
    pub trained: Duration,
    /// Passes over the training rows.
    pub epoch: f64,
    /// Rows seen.
    pub samples: u64,
    /// Mean loss of the steps since the report before.
    pub train_loss: f64,
    /// Error on the held-out rows, in grades.
    pub val_rmse: f64,
}

impl From<Report> for Step {
    fn from(report: Report) -> Step {
        Step {
            step: Some(report.step),
            epoch: Some(report.epoch),
            samples: Some(report.samples),
            n: Some(report.steps),
            seconds: Some(report.trained.as_secs_f64()),
            phase: Some("train".into()),
            metrics: vec![("train_loss".into(), report.train_loss), ("val_rmse".into(), report.val_rmse)],
            ..Step::default()
        }
    }
}

/// A training run under way.
pub struct Training {
    config: Config,
    split: Split,
    sgd: Sgd,
    model: LinearModel,
    best: (f64, LinearModel),
    kept: Vec<Vec<f64>>,
    step: u64,
    samples: u64,
}

impl Training {
    /// Loads, splits and standardises the data; no step is done yet.
    pub fn new(config: Config) -> Training {
        let split = Split::new(&red_wine().data, SEED);
        let (task, loss) = (Task::Regression, Loss::Squared);
        let sgd = Sgd { task, loss, learning_rate: config.learning_rate, alpha: config.alpha, shuffle: None };
        let model = sgd.new_model(split.train.x.ncols());
        let best = (f64::INFINITY, model.clone());
        Training { config, split, sgd, model, best, kept: Vec::new(), step: 0, samples: 0 }
    }

    /// Steps of one pass over the training rows; the last may be a smaller batch.
    fn steps_an_epoch(&self) -> u64 {
        (self.split.train.y.len() as u64).div_ceil(self.config.batch_size.into())
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.steps_an_epoch() * u64::from(self.config.epochs)
    }

    /// The lowest validation error so far.
    pub fn best_rmse(&self) -> f64 {
        self.best.0
    }

    /// Trains up to the next report; `None` when the run is through.
    pub fn next_report(&mut self) -> io::Result<Option<Report>> {
        let (from, total) = (self.step, self.total_steps());
        if from == total {
            return Ok(None);
        }
        let until = total.min(from + total.div_ceil(REPORTS));
        let (mut trained, mut loss, mut val_rmse) = (Duration::ZERO, 0.0, f64::NAN);
        while self.step < until {
            if self.config.fault == Some(Fault::Hang) && self.step >= total / 2 {
                await_a_batch_from(&mut io::stdin().lock())?;
            }
            let start = Instant::now();
            for _ in 0..STEPS_A_VALIDATION.min(until - self.step) {
                loss += self.one_step();
            }
            trained += start.elapsed();
            val_rmse = self.validate();
        }
        let steps = self.step - from;
        let epoch = self.step as f64 / self.steps_an_epoch() as f64;
        let train_loss = loss / steps as f64;
        Ok(Some(Report { step: self.step, steps, trained, epoch, samples: self.samples, train_loss, val_rmse }))
    }

    /// One batch; gives its mean loss.
    fn one_step(&mut self) -> f64 {
        let (rows, size) = (self.split.train.y.len(), self.config.batch_size as usize);
        let start = (self.step % self.steps_an_epoch()) as usize * size;
        let end = (start + size).min(rows);
        self.step += 1;
        self.samples += (end - start) as u64;
        let rows = self.split.train.rows(start..end);
        let loss = self.model.mean_loss(self.sgd.loss, rows);
        self.sgd.partial_fit(&mut self.model, rows);
        loss
    }

    /// The error on the held-out rows; keeps the weights if they are the best so far.
    fn validate(&mut self) -> f64 {
        let rows = self.split.validation.all();
        let rmse = self.model.rmse(rows);
        if rmse < self.best.0 {
            self.best = (rmse, self.model.clone());
        }
        if self.config.fault == Some(Fault::Leak) {
            self.kept.push(self.model.predict_rows(rows));
        }
        rmse
    }
}

/// The planted hang: reads a batch that nobody sends. Ends only with the process, or, with an error, when whoever
/// holds the other end goes away.
fn await_a_batch_from(source: &mut impl Read) -> io::Result<()> {
    match source.read(&mut [0; 8])? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "whoever was to send the next batch is gone")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(batch_size: u32, fault: Option<Fault>) -> Config {
        Config { batch_size, learning_rate: 0.001, alpha: 0.0001, epochs: 20, fault }
    }

    fn reports(training: &mut Training) -> Vec<Report> {
        std::iter::from_fn(|| training.next_report().expect("nothing is read")).collect()
    }

    #[test]
    fn reports_cover_every_step_once() {
        for batch_size in [2, 32, 256, 5000] {
            let mut training = Training::new(config(batch_size, None));
            let total = training.total_steps();
            let reports = reports(&mut training);
            assert_eq!(reports.iter().map(|report| report.steps).sum::<u64>(), total);
            let last = reports.last().expect("at least one report");
            assert_eq!((last.step, last.samples, last.epoch), (total, 20 * 1119, 20.0));
            assert!(reports.len() as u64 <= REPORTS);
        }
    }

    #[test]
    fn the_batch_size_changes_the_number_of_steps_and_not_the_model() {
        let end = |batch_size| {
            let mut training = Training::new(config(batch_size, None));
            let last = reports(&mut training).pop().expect("at least one report");
            (last.step, last.val_rmse)
        };
        let ((small_steps, small), (large_steps, large)) = (end(2), end(256));
        assert_eq!((small_steps, large_steps), (20 * 560, 20 * 5));
        assert!((small - large).abs() < 1e-9 && (0.60..0.70).contains(&small), "{small} {large}");
    }

    #[test]
    fn the_leak_keeps_every_validation_and_nothing_else_does() {
        let mut leaking = Training::new(config(32, Some(Fault::Leak)));
        reports(&mut leaking);
        assert!(leaking.kept.len() as u64 >= leaking.total_steps() / STEPS_A_VALIDATION);
        let mut sound = Training::new(config(32, None));
        reports(&mut sound);
        assert!(sound.kept.is_empty());
    }

    #[test]
    fn a_batch_from_nobody_is_an_error_once_they_are_gone() {
        assert!(await_a_batch_from(&mut io::empty()).is_err());
    }
}
