//! Runs the configurations, a few at a time, each in a process of its own.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::config::Config;
use crate::process::Trial;
use crate::sidecar::Sidecar;
use crate::table::Row;
use crate::trial::EXPERIMENT;

/// How many trials run at once if nobody says: one core is left to the sidecar and the system, but two trials at least.
pub fn default_jobs() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores - 1).clamp(2, 16)
}

/// Runs all of them; the rows come in the order of the configurations, whatever order they ended in.
pub fn run(configs: &[Config], jobs: usize, sidecar: &Sidecar) -> io::Result<Vec<Row>> {
    let waiting: Mutex<VecDeque<(usize, &Config)>> = Mutex::new(configs.iter().enumerate().collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let ended = AtomicUsize::new(0);
    let worker = || -> io::Result<Vec<(usize, Row)>> {
        let mut rows = Vec::new();
        while let Some((place, config)) = next() {
            let row = one(config, sidecar)?;
            let count = ended.fetch_add(1, Ordering::Relaxed) + 1;
            eprintln!("[{count:>2}/{}] {:<28} {:5.1} s  {}", configs.len(), row.trial, row.elapsed, row.why);
            rows.push((place, row));
        }
        Ok(rows)
    };
    let mut rows = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(rows) => rows,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect::<io::Result<Vec<_>>>()
    })?
    .concat();
    rows.sort_by_key(|(place, _)| *place);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// One trial from its start to the sidecar's record of its end.
fn one(config: &Config, sidecar: &Sidecar) -> io::Result<Row> {
    let arguments: Vec<String> = std::iter::once("trial".to_string()).chain(config.arguments()).collect();
    let ended = Trial::start(&arguments, sidecar.socket())?.wait()?;
    let view = sidecar.record_of(EXPERIMENT, &config.name(), ended)?;
    Ok(Row::of(&view))
}
