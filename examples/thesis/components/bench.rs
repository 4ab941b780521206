//! One run after the other on one core, beside a sidecar.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earlystop::model::{MILLI, TrialView};

use super::component::Component;
use crate::algorithm::Algorithm;
use crate::process::Trial;
use crate::search::plan::Configuration;
use crate::search::ray::{Session, store};
use crate::search::trainer::{Kind, Trainer};
use crate::search::worker::{Arguments, Effort};
use crate::search::{cores, shared};
use crate::sidecar::{Setup, Sidecar};

/// The data set, which needs no network.
const SET: &str = "red_wine";

/// Rows a step.
const BATCH: usize = 32;

/// Training time between two reports at least: a report each 100 steps of a microsecond would be all there is to see.
const SECONDS_A_REPORT: f64 = 0.005;

/// Steps between two reports at least, as in a search.
const STEPS_A_REPORT: u64 = 100;

/// Steps of the first run that is timed; it is repeated with more, up to so many, until it lasts half the time wanted.
const FIRST: u64 = 1000;
const MOST: u64 = 1 << 32;
const ENOUGH: f64 = 0.5;

/// How often the last of them is run.
const TIMED: u32 = 3;

/// Runs are made so much longer than asked for: a step may be faster than when it was timed.
const MARGIN: f64 = 1.5;

/// How long the runs of a trainer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Steps of a run.
    pub steps: u64,
    /// Steps between two reports, where there are any.
    pub steps_a_report: u64,
}

/// What all runs share.
pub struct Bench {
    folder: PathBuf,
    rows: PathBuf,
    an_epoch: u64,
    core: usize,
    sidecar: Sidecar,
    configuration: Configuration,
}

impl Bench {
    /// In this folder, with these folders' rows.
    pub fn new(folder: &Path, rows: &Path) -> Result<Bench, Box<dyn Error>> {
        let rows = shared::path(rows, SET, "fold0");
        let an_epoch = shared::Mapped::open(&rows)?.head.train.div_ceil(BATCH) as u64;
        let core = cores(Some(1))?[0];
        let state = folder.join("state");
        let setup = Setup { state: Some(&state), interval_ns: 10 * MILLI, observe: false };
        let sidecar = Sidecar::start("", "no policy".as_ref(), setup)?;
        let (set, algorithm) = (SET.to_string(), Algorithm::LinearRegression);
        let configuration = Configuration { set, algorithm, batch_size: BATCH, learning_rate: 1e-3, alpha: 1e-4 };
        Ok(Bench { folder: folder.to_path_buf(), rows, an_epoch, core, sidecar, configuration })
    }

    /// Makes the store of MLflow, so that no run has to.
    pub fn make_store(&self, trainer: &Trainer) -> Result<(), Box<dyn Error>> {
        let output = trainer.script("mlflow_run.py").arg(store(&self.folder)?).arg(SET).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("MLflow cannot make its store in {}: {}", self.folder.display(), said.trim()).into());
        }
        Ok(())
    }

    /// How many steps of the plain loop last so many seconds.
    pub fn length_of(&self, trainer: &Trainer, seconds: f64) -> Result<Length, Box<dyn Error>> {
        let kind = trainer.kind.as_str();
        let timed = |steps: u64, again: u32| -> Result<f64, Box<dyn Error>> {
            let name = format!("{kind}-timed-{steps}-{again}");
            let view = self.child(trainer, Component::Plain, Length { steps, steps_a_report: MOST }, &name)?;
            Ok(view.progress.phases.values().map(|used| used.first).sum())
        };
        let (mut steps, mut took) = (FIRST, timed(FIRST, 0)?);
        while took < ENOUGH * seconds && steps < MOST {
            let factor = (1.5 * ENOUGH * seconds / took.max(1e-6)).ceil() as u64;
            steps = (steps * factor.clamp(2, 100)).min(MOST);
            took = timed(steps, 0)?;
        }
        // On a machine that does other things too the fastest is what a step takes.
        for again in 1..TIMED {
            took = took.min(timed(steps, again)?);
        }
        let a_step = took / steps as f64;
        let steps_a_report = STEPS_A_REPORT.max((SECONDS_A_REPORT / a_step).ceil() as u64);
        Ok(Length { steps: (MARGIN * seconds / a_step).ceil() as u64, steps_a_report })
    }

    /// One run, in its own process or in one of Ray's.
    pub fn run(
        &self,
        trainer: &Trainer,
        component: Component,
        length: Length,
        repeat: u32,
    ) -> Result<(), Box<dyn Error>> {
        let name = format!("{}-{}-{repeat}", trainer.kind.as_str(), component.as_str());
        if component != Component::Ray {
            self.child(trainer, component, length, &name)?;
            return Ok(());
        }
        // A Ray of its own, so that none is there while the others are measured.
        let rows = [self.rows.clone()];
        let ray = Trainer { kind: Kind::Ray, python: trainer.python.clone() };
        let session =
            Session::start(&ray, &self.folder, &rows, 1, self.sidecar.socket(), Some(&format!("beside-{repeat}")))?;
        let trial = format!("{}-{name}", self.configuration.name());
        let before = self.sidecar.attempts(SET, &trial);
        let said = session.run(&self.words(length, &name), self.sidecar.socket())?;
        let record = self.sidecar.record_after(before, SET, &trial);
        record.map_err(|e| format!("{e}; Ray says: {}", said.as_deref().unwrap_or("nothing")))?;
        Ok(())
    }

    fn child(
        &self,
        trainer: &Trainer,
        component: Component,
        length: Length,
        name: &str,
    ) -> Result<Arc<TrialView>, Box<dyn Error>> {
        let mut words = self.words(length, name);
        match component {
            Component::Plain => words.push("--says=hello".into()),
            Component::Metrics | Component::Ray => {}
            Component::Mlflow => words.push(format!("--mlflow={}", store(&self.folder)?)),
        }
        let ended = Trial::spawn(trainer.command(&words)?, self.sidecar.socket())?.wait()?;
        Ok(self.sidecar.record_of(SET, &format!("{}-{name}", self.configuration.name()), ended)?)
    }

    fn words(&self, length: Length, name: &str) -> Vec<String> {
        let Length { steps, steps_a_report } = length;
        // A cast of a float ends at the largest number.
        let epochs = u32::try_from(steps.div_ceil(self.an_epoch)).unwrap_or(u32::MAX);
        let effort = Effort { epochs, steps: Some(steps), eval_rows: 2000, steps_a_report: Some(steps_a_report) };
        let mut words = Arguments::of(&self.configuration, &self.rows, name, &effort);
        words.push(format!("--core={}", self.core));
        words
    }

    /// Ends the sidecar: its journal is whole then.
    pub fn end(self) {
        self.sidecar.shutdown();
    }
}
