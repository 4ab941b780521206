//! What the HTTP server shows: the last snapshot, and its rendering.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::api::Pool;
use super::chunks::{Chunks, Turns};
use super::history::History;
use super::own::Own;
use super::text;
use crate::model::{Counters, Snapshot};

/// Shared by the main loop, which publishes, and the HTTP server, which shows.
#[derive(Debug)]
pub struct ExportState {
    snapshot: Mutex<Arc<Snapshot>>,
    counters: Arc<Counters>,
    own: Own,
    history: Option<Arc<History>>,
    queries: Pool,
    turns: Arc<Turns>,
}

/// How a client wants the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// Compressed.
    Gzip,
}

impl ExportState {
    /// Begins with an empty snapshot: healthy, not ready. Queries have nothing to be answered from.
    pub fn new(counters: Arc<Counters>) -> ExportState {
        ExportState::with_history(counters, None)
    }

    /// The same with a history, which [`ExportState::remember`] fills.
    pub fn with_history(counters: Arc<Counters>, history: Option<Arc<History>>) -> ExportState {
        let (snapshot, queries, turns) = Default::default();
        ExportState { snapshot, counters, own: Own::new(), history, queries, turns }
    }

    /// The history, where one is kept.
    pub fn history(&self) -> Option<&Arc<History>> {
        self.history.as_ref()
    }

    /// Where queries run.
    pub(super) fn queries(&self) -> &Pool {
        &self.queries
    }

    /// Fills the history with what is published, until [`ExportState::retire`]: the work of a thread of its own.
    pub fn remember(&self) {
        if let Some(history) = &self.history {
            history.run(&self.own);
        }
    }

    /// Nothing more is published.
    pub fn retire(&self) {
        if let Some(history) = &self.history {
            history.end();
        }
    }

    /// Shows this snapshot from now on.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        if let Some(history) = &self.history {
            history.offer(&snapshot);
        }
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// Counts a pass of the sampler for `earlystop_sample_duration_seconds`; once after each tick.
    pub fn observe_tick(&self, seconds: f64) {
        self.own.observe_tick(seconds);
    }

    /// The snapshot that is shown.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the first tick is in.
    pub fn is_ready(&self) -> bool {
        self.snapshot().last_tick.is_some()
    }

    /// The exposition of this moment, written while it is read.
    pub fn exposition(self: &Arc<Self>, encoding: Encoding) -> Chunks {
        let state = self.clone();
        Chunks::written_by(&self.turns, move |out| {
            let snapshot = state.snapshot();
            let render = |out: &mut dyn Write| text::render(&snapshot, &state.counters, &state.own, out);
            match encoding {
                Encoding::Plain => render(out),
                Encoding::Gzip => {
                    // The fast level: a scrape of 5,000 processes has megabytes of much alike lines.
                    let mut gzip = GzEncoder::new(out, Compression::fast());
                    render(&mut gzip)?;
                    gzip.finish().map(drop)
                }
            }
        })
    }
}
