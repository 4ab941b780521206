//! What the socket server asks of the rest of the daemon.

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::inbox::Inbox;
use crate::model::{Moment, Position, ProcKey};
use crate::source::sampler::SamplerHandle;
use crate::source::socket::{Batch, World};
use crate::sys::process::Proc;
use crate::sys::{clock, peer};

/// The daemon as the socket server sees it.
pub struct Surroundings {
    /// Places peers in the forest.
    pub sampler: SamplerHandle,
    /// Takes batches.
    pub inbox: Arc<Inbox>,
}

impl World for Surroundings {
    type Process = Arc<Proc>;

    fn now(&self) -> Moment {
        clock::now()
    }

    fn identify(&self, socket: BorrowedFd<'_>) -> io::Result<(u32, Option<Arc<Proc>>)> {
        peer::of(socket)
    }

    fn adopt(&self, fd: OwnedFd) -> io::Result<(u32, Arc<Proc>)> {
        let proc = Proc::from_pidfd(fd)?;
        Ok((proc.uid()?, proc))
    }

    fn parent(&self, process: &Arc<Proc>) -> Option<Arc<Proc>> {
        process.parent().ok()
    }

    fn key(process: &Arc<Proc>) -> ProcKey {
        process.key
    }

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
