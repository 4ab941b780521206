//! The writer's thread: records come through a bounded channel and go into the file in batches. It may wait for the disk;
//! nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::body::Dropped;
use super::item::Item;
use super::machine::Machine;
use super::prune;
use super::store::{Refused, Store, is_of_the_disk};
use super::{Config, JournalError};
use crate::model::{Counters, DropReason, MILLI, Moment};

/// How long records are gathered before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// So many records are written at once.
const BATCH: usize = 4096;
/// How long after a failure the next try comes.
const RETRY: Duration = Duration::from_secs(1);
/// How often size and age are looked at.
const PRUNE: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    pub config: Config,
    pub machine: Machine,
    pub counters: Arc<Counters>,
    pub waiting: Arc<AtomicUsize>,
    pub receiver: Receiver<(Moment, Item)>,
    pub store: Option<Store>,
    pub written: Arc<AtomicU64>,
    pending: Vec<(Moment, Item)>,
    told: Option<String>,
    prune_at: Instant,
}

impl Writer {
    pub fn new(
        config: Config,
        machine: Machine,
        waiting: Arc<AtomicUsize>,
        receiver: Receiver<(Moment, Item)>,
        store: Option<Store>,
        written: Arc<AtomicU64>,
    ) -> Writer {
        let counters = config.counters.clone();
        let (pending, told, prune_at) = (Vec::new(), None, Instant::now());
        Writer { config, machine, counters, waiting, receiver, store, written, pending, told, prune_at }
    }

    /// Writes until every sender is gone and all is written, or cannot be.
    pub fn run(mut self) {
        loop {
            let open = self.gather();
            if !self.pending.is_empty() {
                self.flush();
            }
            if !open {
                break;
            }
            self.look_at_size();
        }
        if let Some(store) = &self.store {
            // So that the file alone is the whole journal.
            let _ = store.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }

    /// Waits for records; false when no more will come.
    fn gather(&mut self) -> bool {
        if self.told.is_some() && !self.pending.is_empty() {
            // The last batch did not go in: more of them would only have to wait here instead of in the channel.
            return self.wait_for_the_disk();
        }
        let mut until = self.prune_at.max(Instant::now());
        while self.pending.len() < BATCH {
            match self.receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(record) => {
                    if self.pending.is_empty() {
                        until = Instant::now() + GATHER;
                    }
                    self.pending.push(record);
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Takes records on while there is room, until the next try is due.
    fn wait_for_the_disk(&mut self) -> bool {
        let until = Instant::now() + RETRY;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.pending.len() >= 4 * BATCH {
                std::thread::sleep(left);
                return true;
            }
            match self.receiver.recv_timeout(left) {
                Ok(record) => self.pending.push(record),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn flush(&mut self) {
        if self.store.is_none() && !self.reopen() {
            return;
        }
        let Some(store) = &mut self.store else { return };
        match store.write(&self.pending) {
            Ok(records) => {
                self.counters.journal_records.fetch_add(records, Ordering::Relaxed);
                self.counters.journal_bytes.store(store.bytes(), Ordering::Relaxed);
                self.counters.journal_up.store(true, Ordering::Relaxed);
                if self.told.take().is_some() {
                    tracing::info!("{}: the journal can be written again", self.config.path.display());
                }
                let heads = self.pending.iter().filter_map(|(_, item)| match item {
                    Item::Head { number, .. } => Some(*number),
                    _ => None,
                });
                self.written.fetch_max(heads.max().unwrap_or(0), Ordering::Relaxed);
                self.done();
            }
            Err(error) if is_of_the_disk(&error) => self.fail(&error.to_string(), disk_is_full(&error)),
            Err(error) => {
                self.fail(&error.to_string(), true);
                self.give_up_batch();
            }
        }
    }

    /// The batch is written, or lost: what it held is free again.
    fn done(&mut self) {
        let weight: usize = self.pending.drain(..).map(|(_, item)| item.weight()).sum();
        self.waiting.fetch_sub(weight, Ordering::Relaxed);
    }

    fn fail(&mut self, error: &str, keep_store: bool) {
        self.counters.journal_errors.fetch_add(1, Ordering::Relaxed);
        self.counters.journal_up.store(false, Ordering::Relaxed);
        if self.told.as_deref() != Some(error) {
            tracing::warn!(
                "{}: cannot write the journal: {error}; the daemon goes on and tries again every second",
                self.config.path.display()
            );
            self.told = Some(error.to_string());
        }
        if !keep_store {
            self.store = None;
        }
    }

    /// A batch that SQLite will never take (no fault of the disk) must not hold up all that comes after it.
    fn give_up_batch(&mut self) {
        let (Some(first), Some(last)) = (self.pending.first(), self.pending.last()) else { return };
        let (first, last, count) = (first.0, last.0, self.pending.len() as u64);
        for _ in 0..count {
            self.counters.journal_dropped.fetch_add(1, Ordering::Relaxed);
            self.counters.drop_one(DropReason::Journal);
        }
        self.done();
        let item = Item::Dropped(Dropped { count, first, last });
        self.waiting.fetch_add(item.weight(), Ordering::Relaxed);
        self.pending.push((last, item));
    }

    fn reopen(&mut self) -> bool {
        let at = self.pending.first().map_or(self.config.at, |(at, _)| *at);
        let why = match Store::open(&self.config.path, &self.machine, at) {
            Ok(store) => {
                self.store = Some(store);
                return true;
            }
            Err(Refused::ForNow(why)) => why,
            Err(Refused::Forever(error)) => JournalError::to_string(&error),
        };
        self.fail(&why, false);
        false
    }

    fn look_at_size(&mut self) {
        let now = Instant::now();
        if now < self.prune_at || self.told.is_some() {
            return;
        }
        self.prune_at = now + PRUNE;
        let Some(store) = &mut self.store else { return };
        let wall_ms = crate::sys::clock::now().wall_ms;
        let oldest = wall_ms.saturating_sub((self.config.max_age_ns / MILLI) as i64);
        match prune::prune(&mut store.db, self.config.max_size, oldest) {
            // There may be more to do than one go allows.
            Ok(true) => self.prune_at = now,
            Ok(false) => {}
            Err(error) => self.fail(&error.to_string(), true),
        }
        if let Some(store) = &self.store {
            self.counters.journal_bytes.store(store.bytes(), Ordering::Relaxed);
        }
    }
}

fn disk_is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}
