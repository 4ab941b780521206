//! What the HTTP server shows: the last snapshot, and its rendering, which scrapes of the same moment share.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::api::Pool;
use super::history::History;
use super::own::Own;
use super::text;
use crate::model::{Counters, Snapshot};

/// How long a rendering of a snapshot is handed out again: what the edges count may change meanwhile.
const FRESH: Duration = Duration::from_secs(1);

/// Shared by the main loop, which publishes, and the HTTP server, which shows.
#[derive(Debug)]
pub struct ExportState {
    snapshot: Mutex<Arc<Snapshot>>,
    counters: Arc<Counters>,
    own: Own,
    history: Option<Arc<History>>,
    queries: Pool,
    rendered: tokio::sync::Mutex<Option<Rendered>>,
}

#[derive(Clone, Debug)]
struct Rendered {
    of: Arc<Snapshot>,
    at: Instant,
    plain: Bytes,
    gzip: Option<Bytes>,
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
        let (snapshot, rendered) = (Mutex::default(), tokio::sync::Mutex::new(None));
        ExportState { snapshot, counters, own: Own::new(), history, queries: Pool::default(), rendered }
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

    /// The exposition. Rendering runs on a thread of its own; whoever asks meanwhile waits for it and shares it.
    pub async fn exposition(self: &Arc<Self>, encoding: Encoding) -> Bytes {
        let mut last = self.rendered.lock().await;
        let snapshot = self.snapshot();
        let fresh = |r: &Rendered| Arc::ptr_eq(&r.of, &snapshot) && r.at.elapsed() < FRESH;
        let mut rendered = match last.take().filter(fresh) {
            Some(rendered) => rendered,
            None => self.render(snapshot).await,
        };
        if encoding == Encoding::Gzip && rendered.gzip.is_none() {
            let plain = rendered.plain.clone();
            rendered.gzip = Some(blocking(move || compress(&plain)).await);
        }
        *last = Some(rendered.clone());
        match (encoding, rendered.gzip) {
            (Encoding::Gzip, Some(gzip)) => gzip,
            _ => rendered.plain,
        }
    }

    async fn render(self: &Arc<Self>, of: Arc<Snapshot>) -> Rendered {
        let (state, snapshot) = (self.clone(), of.clone());
        let at = Instant::now();
        let plain = blocking(move || {
            let mut out = Vec::new();
            text::render(&snapshot, &state.counters, &state.own, &mut out);
            out.shrink_to_fit();
            Bytes::from(out)
        })
        .await;
        Rendered { of, at, plain, gzip: None }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("rendering does not panic, and nobody cancels it")
}

/// The fast level: a scrape of 5,000 processes has megabytes of much alike lines.
fn compress(plain: &[u8]) -> Bytes {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let written = gzip.write_all(plain).and_then(|()| gzip.finish());
    Bytes::from(written.expect("a Vec takes every byte"))
}
