//! The socket server: connections to batches of events, replies back to lines.
//!
//! Everything about a connection is bounded: its unfinished line ([`crate::wire::MAX_LINE`]), the batches it may have
//! with the engine (one), the replies it has not read ([`outbox`]). A flood therefore slows only itself.
//!
//! - [`listen`]: the socket file.
//! - [`outbox`]: what is to be said to whom.
//! - [`connection`]: one client.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::model::{ConnId, Counters, DropReason, ErrorCode, Event, Limits, Moment, Position, Refusal, Reply};
use crate::sys::process::Proc;
use crate::wire::render;

mod connection;
mod listen;
mod outbox;

pub use listen::{BindError, Listening};
pub use outbox::Connections;

/// Events that all connections together may have waiting for the engine; 4096 flooding clients cannot fill the memory.
const EVENTS_WAITING: usize = 1 << 16;

/// What the server needs of the rest of the daemon.
pub trait World: Send + Sync + 'static {
    /// Where a process stands in the forest of watched processes. The forest keeps the handle, so that the engine may
    /// name the process by its key from now on. Asked for whoever says hello, reports without a hello, or is handed
    /// over by `watch`.
    fn locate(&self, process: Arc<Proc>) -> impl Future<Output = Position> + Send;

    /// Passes a batch to the engine, in order. Returns at once.
    fn deliver(&self, batch: Batch);
}

/// Events of one connection for the engine.
#[derive(Debug)]
pub struct Batch {
    /// When they were passed on.
    pub at: Moment,
    /// What came, in order.
    pub events: Vec<Event>,
    /// Dropped when the events have been handled: only then the connection is read any further.
    pub ticket: Ticket,
}

/// A connection's right to have a batch with the engine.
#[derive(Debug, Default)]
pub struct Ticket {
    _turn: Option<OwnedSemaphorePermit>,
    _room: Option<OwnedSemaphorePermit>,
}

/// What all connections share.
struct Server<W> {
    world: W,
    limits: Limits,
    counters: Arc<Counters>,
    connections: Arc<Connections>,
    room: Arc<Semaphore>,
}

/// Serves the socket until the future is dropped; that closes every connection.
///
/// # Errors
/// The listener cannot be used with the runtime.
pub async fn serve<W: World>(
    listener: StdListener,
    world: W,
    limits: Limits,
    connections: Arc<Connections>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let counters = connections.counters().clone();
    let room = Arc::new(Semaphore::new(EVENTS_WAITING));
    let server = Arc::new(Server { world, limits, counters, connections, room });
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut clients = JoinSet::new();
    let mut next = 1;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // No descriptors left (EMFILE) most likely: the connection stays in the queue until there are.
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            Some(_) = clients.join_next(), if !clients.is_empty() => continue,
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            turn_away(&stream, &server);
            continue;
        };
        let id = ConnId(next);
        next += 1;
        let server = server.clone();
        clients.spawn(async move {
            connection::run(id, stream, server).await;
            drop(place);
        });
    }
}

/// One connection above the limit: it is told so, as far as that goes without waiting, and closed.
fn turn_away<W>(stream: &UnixStream, server: &Server<W>) {
    let message = format!("{} connections are open, the most that [limits] allows", server.limits.connections);
    let refusal = Refusal::new(ErrorCode::Limit, message, "close some, or raise connections in [limits]");
    server.counters.drop_one(DropReason::Connections);
    server.counters.protocol_error(refusal.code);
    let _ = stream.try_write(render(&Reply::Error(refusal)).as_bytes());
}
