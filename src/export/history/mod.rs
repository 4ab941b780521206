//! The history that queries are answered from: every series of /metrics, as a scrape at each tick would have read it,
//! for `query_retention` and within `query_memory`.
//!
//! - `chunk`: the samples of a series over a block of ticks.
//! - `store`: all series; what goes first when it is too much.
//! - `pass`: a tick into the store.
//! - `source`: what a query sees.
//!
//! It is filled by a thread of its own from the snapshots that the main loop publishes. Series of single processes are not
//! kept, only their newest sample: 5,000 processes would be 25,000 series.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::own::{Own, Scrape};
use crate::model::{Counters, DropReason, MILLI, Moment, Snapshot};
use crate::policy::config::QuerySettings;

mod chunk;
mod pass;
mod source;
mod store;

#[cfg(test)]
mod tests;

pub use source::View;
use store::Store;

/// Ticks that may wait. One is read while the next comes in; whoever is further behind does not catch up by keeping more.
const WAITING: usize = 2;

/// The history, and the hand-over to it.
#[derive(Debug)]
pub struct History {
    store: Mutex<Store>,
    inbox: Mutex<Inbox>,
    bell: Condvar,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: VecDeque<Arc<Snapshot>>,
    last_tick: Option<Moment>,
    over: bool,
}

impl History {
    /// An empty history; `None` where the retention is 0.
    pub fn new(settings: QuerySettings, counters: Arc<Counters>) -> Option<Arc<History>> {
        let retention_ms = i64::try_from(settings.retention_ns / MILLI).unwrap_or(i64::MAX / 2);
        let store = Store::new(retention_ms, usize::try_from(settings.memory).unwrap_or(usize::MAX / 2));
        let (store, inbox) = (Mutex::new(store), Mutex::default());
        (settings.retention_ns > 0).then(|| Arc::new(History { store, inbox, bell: Condvar::new(), counters }))
    }

    /// Hands a snapshot over if it is of a new tick. Never waits: when too many wait already, the tick is dropped and
    /// counted.
    pub(super) fn offer(&self, snapshot: &Arc<Snapshot>) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshot.last_tick.is_none() || inbox.last_tick == snapshot.last_tick {
            return;
        }
        inbox.last_tick = snapshot.last_tick;
        if inbox.waiting.len() == WAITING {
            return self.counters.drop_one(DropReason::QueryTick);
        }
        inbox.waiting.push_back(snapshot.clone());
        self.bell.notify_one();
    }

    /// The next snapshot that was handed over; `None` at the end.
    fn next(&self) -> Option<Arc<Snapshot>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if inbox.over {
                return None;
            }
            if let Some(snapshot) = inbox.waiting.pop_front() {
                return Some(snapshot);
            }
            inbox = self.bell.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes in what is handed over, until [`History::end`].
    pub(super) fn run(&self, own: &Own) {
        while let Some(snapshot) = self.next() {
            self.take(&snapshot, own);
        }
    }

    /// Lets [`History::run`] return.
    pub(super) fn end(&self) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.bell.notify_one();
    }

    /// Appends one tick.
    pub(super) fn take(&self, snapshot: &Snapshot, own: &Own) {
        let scrape = Scrape { snapshot, counters: &self.counters, own };
        let mut store = self.store();
        pass::take(&mut store, &scrape);
        let refused = store.refused();
        (0..refused).for_each(|_| self.counters.drop_one(DropReason::QuerySeries));
        let oldest = store.oldest_time().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
        self.counters.query_series.store(store.len() as u64, Ordering::Relaxed);
        self.counters.query_bytes.store(store.bytes() as u64, Ordering::Relaxed);
        self.counters.query_oldest_ms.store(oldest, Ordering::Relaxed);
    }

    /// The time of the newest tick in it, milliseconds since the Unix epoch.
    pub fn newest(&self) -> Option<i64> {
        self.store().last_time()
    }

    /// What a query sees: everything up to the last tick, at most so many samples, nothing once `stop` is set.
    pub(super) fn view(self: &Arc<Self>, snapshot: Arc<Snapshot>, samples: usize, stop: Arc<AtomicBool>) -> View {
        View::new(self.clone(), snapshot, samples, stop)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
