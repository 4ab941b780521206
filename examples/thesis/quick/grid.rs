//! What the quick run tries, and how: a few at a time, each in a process of its own.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::table::Row;
use crate::algorithm::Algorithm;
use crate::process::Trial;
use crate::search::plan::{Configuration, Fold, Planned};
use crate::search::shared::Mapped;
use crate::search::worker::{Arguments, Effort, Fault};
use crate::sidecar::Sidecar;

/// The data set, and the experiment that all trials belong to.
pub const SET: &str = "red_wine";

/// All trials train on the same rows, so that their errors can be compared.
pub const FOLD: Fold = Fold::Without(0);

/// Reports of a whole trial.
const REPORTS: u64 = 200;

/// One trial of the quick run.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// What is trained.
    pub planned: Planned,
    /// What goes wrong in it.
    pub fault: Option<Fault>,
}

impl Try {
    fn new(batch_size: usize, learning_rate: f64, alpha: f64, fault: Option<Fault>) -> Try {
        let (set, algorithm) = (SET.to_string(), Algorithm::LinearRegression);
        let configuration = Configuration { set, algorithm, batch_size, learning_rate, alpha };
        Try { planned: Planned { configuration, fold: FOLD }, fault }
    }

    /// Its name.
    pub fn name(&self) -> String {
        Fault::named(self.fault, &self.planned.name())
    }

    /// What its process is told.
    fn arguments(&self, file: &Path, rows: usize, epochs: u32) -> Vec<String> {
        let steps = rows.div_ceil(self.planned.configuration.batch_size) as u64 * u64::from(epochs);
        let steps_a_report = Some(steps.div_ceil(REPORTS));
        let effort = Effort { epochs, steps: None, eval_rows: usize::MAX, steps_a_report };
        let mut arguments = Arguments::of(&self.planned.configuration, file, &FOLD.name(), &effort);
        arguments.extend(self.fault.map(|fault| format!("--fault={}", fault.as_str())));
        arguments
    }
}

/// A trial of each fault, then every batch size with every learning rate and alpha.
pub fn grid() -> Vec<Try> {
    // The faults begin first: the one that hangs uses no core, and so the others need not wait for it at the end. The
    // leak would end at some 200 MiB if nothing stopped it.
    let mut grid = vec![Try::new(32, 0.001, 0.0001, Some(Fault::Hang)), Try::new(64, 0.001, 0.0001, Some(Fault::Leak))];
    for batch_size in [2, 32, 256] {
        for learning_rate in [0.1, 0.01, 0.001] {
            grid.extend([0.1, 0.0001].map(|alpha| Try::new(batch_size, learning_rate, alpha, None)));
        }
    }
    grid
}

/// What all trials need.
pub struct Ground<'a> {
    /// Watches them.
    pub sidecar: &'a Sidecar,
    /// The fold's rows.
    pub rows: &'a Path,
    /// Passes over them, a trial.
    pub epochs: u32,
    /// The cores of the trials; a trial at a time on each.
    pub cores: &'a [usize],
}

impl Ground<'_> {
    /// Runs all of them; the rows come in the order of the grid, whatever order the trials ended in.
    pub fn run(&self, grid: &[Try]) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
        let rows = Mapped::open(self.rows)?.head.train;
        let waiting: Mutex<VecDeque<(usize, &Try)>> = Mutex::new(grid.iter().enumerate().collect());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let ended = AtomicUsize::new(0);
        let slot = |core: usize| -> io::Result<Vec<(usize, Row)>> {
            let mut ran = Vec::new();
            while let Some((place, one)) = next() {
                let mut arguments = one.arguments(self.rows, rows, self.epochs);
                arguments.push(format!("--core={core}"));
                let end = Trial::start(&arguments, self.sidecar.socket())?.wait()?;
                let row = Row::of(&*self.sidecar.record_of(SET, &one.name(), end)?);
                let count = ended.fetch_add(1, Ordering::Relaxed) + 1;
                eprintln!("[{count:>2}/{}] {:<47} {:5.1} s  {}", grid.len(), row.trial, row.elapsed, row.why);
                ran.push((place, row));
            }
            Ok(ran)
        };
        let mut ran = thread::scope(|scope| {
            let slots: Vec<_> = self.cores.iter().map(|core| scope.spawn(|| slot(*core))).collect();
            let join = |slot: thread::ScopedJoinHandle<'_, _>| match slot.join() {
                Ok(rows) => rows,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            slots.into_iter().map(join).collect::<io::Result<Vec<_>>>()
        })?
        .concat();
        ran.sort_by_key(|(place, _)| *place);
        Ok(ran.into_iter().map(|(_, row)| row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_legal() {
        let names: std::collections::BTreeSet<String> = grid().iter().map(Try::name).collect();
        assert_eq!(names.len(), 20);
        assert!(names.iter().all(|name| earlystop::model::Name::new(name).is_ok()));
        assert!(names.contains("hang-linear_regression-b32-lr0.001-a0.0001-fold0"));
    }

    #[test]
    fn a_trial_reports_two_hundred_times() {
        let one = Try::new(256, 0.001, 0.1, Some(Fault::Leak));
        let arguments = one.arguments("r".as_ref(), 1008, 40_000);
        assert!(arguments.contains(&"--steps-a-report=800".into()), "{arguments:?}");
        assert!(arguments.contains(&"--fault=leak".into()) && arguments.contains(&"--fold=fold0".into()));
    }
}
