//! What the socket server asks of the rest of the daemon.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::inbox::Inbox;
use crate::model::Position;
use crate::source::sampler::SamplerHandle;
use crate::source::socket::{Batch, World};
use crate::sys::process::Proc;

/// The daemon as the socket server sees it.
pub struct Surroundings {
    /// Places peers in the forest.
    pub sampler: SamplerHandle,
    /// Takes batches.
    pub inbox: Arc<Inbox>,
}

impl World for Surroundings {
    fn locate(&self, process: Arc<Proc>) -> impl Future<Output = Position> + Send {
        let (tell, told) = oneshot::channel();
        self.sampler.locate(process, move |position| {
            // The connection was closed meanwhile where this fails.
            let _ = tell.send(position);
        });
        // The sampler only ends with the daemon: then nobody is placed any more.
        async { told.await.unwrap_or(Position::Outside) }
    }

    fn deliver(&self, batch: Batch) {
        self.inbox.lines(batch);
    }
}
