//! Counts that the edges keep of themselves; read by the exporter, written without a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{DropReason, ErrorCode, RemoteOutcome, Signal, SignalResult};

/// A row of counters, one for each of a closed list.
#[derive(Debug)]
pub struct Row<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Row<N> {
    fn default() -> Self {
        Row(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Row<N> {
    /// Adds one to the counter at `index`.
    pub fn add(&self, index: usize) {
        self.0[index].fetch_add(1, Ordering::Relaxed);
    }

    /// The counter at `index`.
    pub fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }
}

/// Signals that are counted by name: all that a policy may name, and the SIGCONT beside SIGTERM.
pub const COUNTED_SIGNALS: [&str; 8] =
    ["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT"];

/// All counts of the edges.
#[derive(Debug, Default)]
pub struct Counters {
    /// Socket errors, in the order of [`ErrorCode::ALL`].
    pub protocol_errors: Row<{ ErrorCode::ALL.len() }>,
    /// Drops, in the order of [`DropReason::ALL`].
    pub dropped: Row<{ DropReason::ALL.len() }>,
    /// Signals by name and result: index = name * 5 + result.
    pub signals: Row<{ COUNTED_SIGNALS.len() * SignalResult::ALL.len() }>,
    /// Queries of a remote Prometheus, in the order of [`RemoteOutcome::ALL`].
    pub remote_queries: Row<{ RemoteOutcome::ALL.len() }>,
    /// Whether the journal takes records.
    pub journal_up: AtomicBool,
    /// Bytes of the journal's files.
    pub journal_bytes: AtomicU64,
    /// Records written.
    pub journal_records: AtomicU64,
    /// Records lost.
    pub journal_dropped: AtomicU64,
    /// Writes that failed.
    pub journal_errors: AtomicU64,
    /// Series in the history of queries.
    pub query_series: AtomicU64,
    /// Bytes that history takes.
    pub query_bytes: AtomicU64,
    /// Time of its oldest sample, milliseconds since the Unix epoch; 0 where there is none.
    pub query_oldest_ms: AtomicU64,
}

impl Counters {
    /// Counts a socket error.
    pub fn protocol_error(&self, code: ErrorCode) {
        self.protocol_errors.add(ErrorCode::ALL.iter().position(|c| *c == code).unwrap_or(0));
    }

    /// Counts a drop.
    pub fn drop_one(&self, reason: DropReason) {
        self.dropped.add(DropReason::ALL.iter().position(|r| *r == reason).unwrap_or(0));
    }

    /// Counts a query of a remote Prometheus.
    pub fn remote_query(&self, outcome: RemoteOutcome) {
        self.remote_queries.add(RemoteOutcome::ALL.iter().position(|o| *o == outcome).unwrap_or(0));
    }

    /// Counts a signal.
    pub fn signal(&self, signal: Signal, result: SignalResult) {
        let name = signal.to_string();
        let row = COUNTED_SIGNALS.iter().position(|s| *s == name).unwrap_or(COUNTED_SIGNALS.len() - 1);
        let column = SignalResult::ALL.iter().position(|r| *r == result).unwrap_or(0);
        self.signals.add(row * SignalResult::ALL.len() + column);
    }
}
