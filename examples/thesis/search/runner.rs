//! Runs trials, one a core, in an order drawn by a seed.

use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::hands::Hands;
use super::pace::Pace;
use super::plan::Planned;
use super::record::{Record, Records};
use super::shared;
use super::worker::Arguments;
use crate::progress::{Progress, Unit};
use crate::sidecar::Sidecar;
use crate::split::shuffled;

/// What all trials need.
pub struct Ground<'a> {
    /// Watches them.
    pub sidecar: &'a Sidecar,
    /// Where the folds' rows are.
    pub rows: &'a Path,
    /// How much is trained.
    pub pace: &'a Pace,
    /// The cores of the trials; a trial at a time on each.
    pub cores: &'a [usize],
    /// Who starts them.
    pub hands: &'a Hands<'a>,
    /// Where they are written down.
    pub records: &'a Records,
}

impl Ground<'_> {
    /// Runs all that are not among `there` yet; gives all records, old ones first.
    pub fn run(&self, planned: &[Planned], there: Vec<Record>, seed: u64) -> Result<Vec<Record>, Box<dyn Error>> {
        let is_over: HashSet<(&str, &str)> =
            there.iter().filter(|record| record.is_final()).map(|r| (r.set.as_str(), r.trial.as_str())).collect();
        let order = shuffled(planned.len(), seed).into_iter().map(|place| &planned[place]);
        let left: VecDeque<&Planned> =
            order.filter(|p| !is_over.contains(&(p.configuration.set.as_str(), p.name().as_str()))).collect();
        let before = (planned.len() - left.len()) as u64;
        let shown = Mutex::new((before, 0, Progress::new("trials", Unit::Count, before, Some(planned.len() as u64))));
        let left = Mutex::new(left);
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let slot = |core: usize| -> io::Result<Vec<Record>> {
            let mut records = Vec::new();
            while let Some(planned) = next() {
                let record = self.one(planned, core)?;
                self.records.add(&record)?;
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                let (done, bad, progress) = &mut *shown;
                *done += 1;
                *bad += u64::from(!record.is_final());
                let more = if *bad > 0 { format!(", {bad} failed") } else { String::new() };
                progress.show(*done, &more);
                records.push(record);
            }
            Ok(records)
        };
        let new = thread::scope(|scope| {
            let slots: Vec<_> = self.cores.iter().map(|core| scope.spawn(|| slot(*core))).collect();
            let join = |slot: thread::ScopedJoinHandle<'_, _>| match slot.join() {
                Ok(records) => records,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            slots.into_iter().map(join).collect::<io::Result<Vec<_>>>()
        })?;
        shown.into_inner().unwrap_or_else(PoisonError::into_inner).2.clear();
        Ok(there.into_iter().chain(new.into_iter().flatten()).collect())
    }

    /// One trial from its start to the sidecar's record of its end.
    fn one(&self, planned: &Planned, core: usize) -> io::Result<Record> {
        let (set, fold) = (&planned.configuration.set, planned.fold.name());
        let rows = shared::path(self.rows, set, &fold);
        let effort = self.pace.of(&planned.configuration, self.rows, core, self.hands)?;
        let mut arguments = Arguments::of(&planned.configuration, &rows, &fold, &effort);
        arguments.push(format!("--core={core}"));
        let view = self.hands.run(&arguments, set, &planned.name(), self.sidecar)?;
        Ok(Record::of(planned, &view))
    }
}
