//! What is to be said to whom, until the client reads it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::{ConnId, Counters, Reply};

/// Bytes of replies that a client may leave unread before it is cut off. One reply may be larger than this (`list`).
const UNREAD: usize = 256 * 1024;
/// Bytes above which refused lines are no longer answered, only counted: a trainer that never reads stays connected.
const UNREAD_ERRORS: usize = 16 * 1024;
/// Bytes of replies that all clients together may leave unread.
const UNREAD_BY_ALL: usize = 64 * 1024 * 1024;

/// All open connections by number; shared by the server and the main loop.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<HashMap<ConnId, Arc<Outbox>>>,
    unread: Arc<AtomicUsize>,
    counters: Arc<Counters>,
}

impl Connections {
    /// No connection yet; errors sent are counted in `counters`.
    pub fn new(counters: Arc<Counters>) -> Connections {
        Connections { counters, ..Connections::default() }
    }

    /// Puts a reply where its connection's task writes it; never waits. A client with too much unread is cut off; one
    /// that has left meanwhile is nobody to tell.
    pub fn send(&self, conn: ConnId, reply: &Reply) {
        if let Reply::Error(refusal) = reply {
            self.counters.protocol_error(refusal.code);
        }
        let outbox = lock(&self.open).get(&conn).cloned();
        if let Some(outbox) = outbox {
            outbox.push(reply.clone());
        }
    }

    /// How many connections are open.
    pub fn count(&self) -> usize {
        lock(&self.open).len()
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn open(&self, conn: ConnId) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(self.unread.clone()));
        lock(&self.open).insert(conn, outbox.clone());
        outbox
    }

    pub(super) fn close(&self, conn: ConnId) {
        lock(&self.open).remove(&conn);
    }
}

/// A panic elsewhere leaves the maps whole: every change is one call.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replies of one connection.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    settled: Notify,
    unread_by_all: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Reply, usize)>,
    /// Bytes of all that is waiting or being written.
    bytes: usize,
    /// The client has too much unread.
    cut_off: bool,
    /// Questions put and answers written.
    asked: u64,
    answered: u64,
}

impl Outbox {
    fn new(unread_by_all: Arc<AtomicUsize>) -> Outbox {
        Outbox { state: Mutex::default(), changed: Notify::new(), settled: Notify::new(), unread_by_all }
    }

    /// Appends a reply, or cuts the client off.
    fn push(&self, reply: Reply) {
        let weight = weigh(&reply);
        let mut state = lock(&self.state);
        if state.cut_off {
            return;
        }
        let above = state.bytes > 0 && state.bytes + weight > UNREAD;
        if above || self.unread_by_all.load(Ordering::Relaxed) + weight > UNREAD_BY_ALL {
            state.cut_off = true;
        } else {
            self.append(&mut state, reply, weight);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Appends the answer to a refused line, unless too much is unread already.
    pub(super) fn push_refusal(&self, reply: Reply) {
        let weight = weigh(&reply);
        let mut state = lock(&self.state);
        if state.cut_off || state.bytes + weight > UNREAD_ERRORS {
            return;
        }
        state.asked += 1;
        self.append(&mut state, reply, weight);
        drop(state);
        self.changed.notify_one();
    }

    fn append(&self, state: &mut State, reply: Reply, weight: usize) {
        state.bytes += weight;
        self.unread_by_all.fetch_add(weight, Ordering::Relaxed);
        state.waiting.push_back((reply, weight));
    }

    /// The next reply and its weight, when there is one; `None` once the client is cut off.
    pub(super) async fn next(&self) -> Option<(Reply, usize)> {
        loop {
            {
                let mut state = lock(&self.state);
                if state.cut_off {
                    return None;
                }
                if let Some(next) = state.waiting.pop_front() {
                    return Some(next);
                }
            }
            self.changed.notified().await;
        }
    }

    /// Comes back when the client is cut off, though a write to it waits.
    pub(super) fn is_cut_off(&self) -> bool {
        lock(&self.state).cut_off
    }

    /// Waits for a change while a write is stuck.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A reply of that weight was written.
    pub(super) fn written(&self, reply: &Reply, weight: usize) {
        let mut state = lock(&self.state);
        state.bytes -= weight;
        self.unread_by_all.fetch_sub(weight, Ordering::Relaxed);
        if !matches!(reply, Reply::Stop(_) | Reply::Stopped(_) | Reply::Go(_)) {
            state.answered += 1;
        }
        drop(state);
        self.settled.notify_one();
    }

    /// A question was passed on; it will be answered.
    pub(super) fn asked(&self) {
        lock(&self.state).asked += 1;
    }

    /// Waits until every question is answered.
    pub(super) async fn settled(&self) {
        loop {
            {
                let state = lock(&self.state);
                if state.answered >= state.asked {
                    return;
                }
            }
            self.settled.notified().await;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.unread_by_all.fetch_sub(lock(&self.state).bytes, Ordering::Relaxed);
    }
}

/// About how many bytes a reply takes: rows of `list` are 600 to 900 bytes with a few labels, params and rules.
fn weigh(reply: &Reply) -> usize {
    match reply {
        Reply::Trials(trials) => 64 + 1024 * trials.len(),
        Reply::Explained(_) => 8 * 1024,
        Reply::Error(refusal) => 128 + refusal.message.len() + refusal.hint.len(),
        Reply::Stop(notice) | Reply::Stopped(notice) => 256 + notice.reason.len(),
        Reply::Welcome(_) => 512,
        Reply::Stopping(_) | Reply::Reloaded { .. } | Reply::Go(_) | Reply::Bye => 64,
    }
}
