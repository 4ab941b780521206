//! The main loop's inbox: what the edges saw goes first, clients' lines after it and a bounded number at a time, so that no
//! flood of lines delays a tick or a stop.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{Event, Moment};
use crate::source::socket::Batch;

/// Batches of lines that are taken between two looks at what is urgent.
const BATCHES_AT_ONCE: usize = 64;

/// One thing for the main loop.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events, and few wait at once")]
pub enum Item {
    /// Something the edges saw.
    Event(Moment, Event),
    /// Lines of one client.
    Lines(Batch),
    /// The daemon is to end.
    Shutdown,
}

#[derive(Debug, Default)]
struct Queues {
    urgent: VecDeque<Item>,
    lines: VecDeque<Batch>,
}

/// Two queues and a bell.
#[derive(Debug, Default)]
pub struct Inbox {
    queues: Mutex<Queues>,
    bell: Condvar,
}

impl Inbox {
    /// Puts in what an edge saw. How much of it there is, is bounded by the edges: ticks, readings on demand, outcomes.
    pub fn event(&self, at: Moment, event: Event) {
        self.urgent(Item::Event(at, event));
    }

    /// Puts in something urgent.
    pub fn urgent(&self, item: Item) {
        self.lock().urgent.push_back(item);
        self.bell.notify_one();
    }

    /// Puts in lines of a client, which may have no more than this one batch here.
    pub fn lines(&self, batch: Batch) {
        self.lock().lines.push_back(batch);
        self.bell.notify_one();
    }

    /// What there is, urgent things first; waits for something at most so long.
    pub fn take(&self, at_most: Duration) -> Vec<Item> {
        let until = Instant::now() + at_most;
        let mut queues = self.lock();
        while queues.urgent.is_empty() && queues.lines.is_empty() {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Vec::new();
            };
            queues = self.bell.wait_timeout(queues, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut items: Vec<Item> = queues.urgent.drain(..).collect();
        let count = queues.lines.len().min(BATCHES_AT_ONCE);
        items.extend(queues.lines.drain(..count).map(Item::Lines));
        items
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
