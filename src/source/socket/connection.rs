//! One client: its lines in order to the engine, its replies in order back.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::outbox::Outbox;
use super::{Batch, Server, Ticket, World};
use crate::model::{
    ConnId, DropReason, ErrorCode, Event, Line, Name, Peer, Position, Refusal, Reply, Request, RunId, Said,
    WatchRequest,
};
use crate::sys::process::Proc;
use crate::sys::{clock, peer};
use crate::wire::frame::{Frame, Lines};
use crate::wire::{ClientLine, Dropped, MAX_LINE, Message, Speaker, Watch, parse, render};

/// Most events in a batch.
const BATCH: usize = 256;
/// How long a client that will say no more is kept for an answer that is due: a reload reads files.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Serves one client to its end.
pub(super) async fn run<W: World>(id: ConnId, stream: UnixStream, server: Arc<Server<W>>) {
    let (uid, process) = match peer::of(&stream) {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!("a client is turned away, the kernel does not say who it is: {error}"),
    };
    let outbox = server.connections.open(id);
    let mut client = Client {
        id,
        uid,
        process,
        placed: [None; 2],
        said_hello: false,
        lines: Lines::new(MAX_LINE),
        fd: None,
        turn: Arc::new(Semaphore::new(1)),
        outbox: outbox.clone(),
        server: server.clone(),
    };
    let (listening, talking) = (client.listen(&stream), talk(&stream, &outbox));
    tokio::pin!(listening, talking);
    tokio::select! {
        () = &mut listening => {
            let settled = tokio::time::timeout(LAST_ANSWER, outbox.settled());
            tokio::select! { _ = settled => {} _ = talking => {} }
        }
        // Who does not read is cut off. Who left before a reply came may have said something before that.
        left = &mut talking => if left.is_err() { listening.await },
    }
    server.connections.close(id);
    let closed = vec![Event::Closed(id)];
    server.world.deliver(Batch { at: clock::now(), events: closed, ticket: Ticket::default() });
}

/// Bytes read at once: some 300 step lines, so that the system call is no longer what a line costs, and a flood gives
/// the next client its turn after a fraction of a millisecond.
const READ: usize = 32 * 1024;

thread_local! {
    /// One buffer for all connections of the thread; what was read moves on before anybody waits.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Waits for bytes and appends them to `lines`. Returns how many came (0: the client will say no more) and the
/// descriptor that came with them.
async fn receive(stream: &UnixStream, lines: &mut Lines) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut receive = |scratch: &mut Vec<u8>| {
        let (count, fd) = peer::receive_with_fd(stream, scratch)?;
        lines.push(&scratch[..count]);
        Ok((count, fd))
    };
    stream.async_io(Interest::READABLE, || SCRATCH.with_borrow_mut(&mut receive)).await
}

/// Writes replies until the client is cut off. Errors: it is gone.
async fn talk(stream: &UnixStream, outbox: &Outbox) -> io::Result<()> {
    while let Some((reply, weight)) = outbox.next().await {
        let line = render(&reply);
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match stream.try_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::select! {
                        ready = stream.writable() => ready?,
                        () = outbox.changed() => {}
                    }
                    if outbox.is_cut_off() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        outbox.written(&reply, weight);
    }
    Ok(())
}

/// The listening half.
struct Client<W: World> {
    id: ConnId,
    uid: u32,
    process: Option<Arc<Proc>>,
    /// Where the peer and its parent stand, once asked.
    placed: [Option<Peer>; 2],
    said_hello: bool,
    lines: Lines,
    /// A descriptor that came beside the bytes and is nobody's yet.
    fd: Option<OwnedFd>,
    /// Free when the engine has no batch of this connection.
    turn: Arc<Semaphore>,
    outbox: Arc<Outbox>,
    server: Arc<Server<W>>,
}

impl<W: World> Client<W> {
    /// Reads until the client says no more.
    async fn listen(&mut self, stream: &UnixStream) {
        loop {
            match receive(stream, &mut self.lines).await {
                Ok((0, _)) | Err(_) => return,
                Ok((_, None)) => {}
                Ok((_, fd)) => self.fd = fd,
            }
            self.pass_on().await;
            if !self.lines.is_torn() {
                self.fd = None;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Passes on every whole line that has come.
    async fn pass_on(&mut self) {
        if !self.said_hello {
            // It may have become a member since: only hello makes the place certain.
            self.placed = [None; 2];
        }
        let mut batch = Vec::new();
        while let Some(frame) = self.lines.next_line() {
            let line = match frame {
                Frame::Line([]) => continue,
                Frame::Line(line) => parse(line, &self.server.limits),
                Frame::TooLong => {
                    self.server.counters.drop_one(DropReason::LongLine);
                    Err(too_long())
                }
            };
            let founds = line.as_ref().is_ok_and(|l| matches!(l.message, Message::Hello(_) | Message::Watch(_)));
            match line {
                Ok(line) => match self.event(line).await {
                    Ok(event) => batch.push(event),
                    Err(refusal) => self.refuse(refusal),
                },
                Err(refusal) => self.refuse(refusal),
            }
            // What follows a hello is read only when the engine has it: the forest knows the trial by then.
            if founds || batch.len() >= BATCH {
                self.deliver(std::mem::take(&mut batch)).await;
                if founds {
                    self.wait_until_taken().await;
                }
            }
        }
        self.deliver(batch).await;
    }

    fn refuse(&self, refusal: Refusal) {
        self.server.counters.protocol_error(refusal.code);
        self.outbox.push_refusal(Reply::Error(refusal));
    }

    /// Waits for this connection's turn and for room with the engine, then passes the events on.
    async fn deliver(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let turn = self.turn.clone().acquire_owned().await.ok();
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let room = self.server.room.clone().acquire_many_owned(count).await.ok();
        let ticket = Ticket { _turn: turn, _room: room };
        self.server.world.deliver(Batch { at: clock::now(), events, ticket });
    }

    async fn wait_until_taken(&self) {
        let _ = self.turn.acquire().await;
    }

    /// The line as an event, with what only the server knows.
    async fn event(&mut self, line: ClientLine) -> Result<Event, Refusal> {
        self.count(&line.dropped);
        let (peer, said) = match line.message {
            Message::Hello(hello) => {
                self.placed = [None; 2];
                let peer = self.place(line.of).await?;
                self.said_hello = true;
                self.outbox.asked();
                (peer, Said::Hello(hello, new_run()))
            }
            Message::Watch(watch) => {
                let request = self.watch(*watch).await?;
                let peer = self.place(line.of).await?;
                self.outbox.asked();
                (peer, Said::Request(Request::Watch(Box::new(request))))
            }
            Message::Said(said @ Said::Request(_)) => {
                self.outbox.asked();
                (self.unplaced(), said)
            }
            Message::Said(said) => (self.place(line.of).await?, said),
        };
        Ok(Event::Line(Line { conn: self.id, peer, said }))
    }

    fn count(&self, dropped: &Dropped) {
        let Dropped { labels, params, metrics, phases } = *dropped;
        let reasons = [
            (labels, DropReason::Labels),
            (params, DropReason::Params),
            (metrics, DropReason::Metrics),
            (phases, DropReason::Phases),
        ];
        for (count, reason) in reasons {
            (0..count).for_each(|_| self.server.counters.drop_one(reason));
        }
    }

    /// The peer, for lines to which its place in the forest says nothing.
    fn unplaced(&self) -> Peer {
        let key = self.process.as_ref().map(|process| process.key);
        Peer { uid: self.uid, key, position: Position::Outside }
    }

    /// The process that a line is about, with its place in the forest; asked once a connection and hello.
    async fn place(&mut self, of: Speaker) -> Result<Peer, Refusal> {
        let slot = of as usize;
        if let Some(peer) = self.placed[slot] {
            return Ok(peer);
        }
        let process = match (of, &self.process) {
            (_, None) => return Ok(self.unplaced()),
            (Speaker::Peer, Some(process)) => process.clone(),
            (Speaker::Parent, Some(process)) => process.parent().map_err(|_| no_parent())?,
        };
        let key = Some(process.key);
        let position = self.server.world.locate(process).await;
        let peer = Peer { uid: self.uid, key, position };
        self.placed[slot] = Some(peer);
        Ok(peer)
    }

    /// `watch` with the process behind the pidfd.
    async fn watch(&mut self, watch: Watch) -> Result<WatchRequest, Refusal> {
        let fd = self.fd.take().ok_or_else(|| {
            let hint = "hand it over beside the line (SCM_RIGHTS); no pid in a text is believed";
            Refusal::new(ErrorCode::BadValue, "no pidfd came with the watch line", hint)
        })?;
        let adopted = Proc::from_pidfd(fd).and_then(|process| Ok((process.uid()?, process)));
        let (uid, process) = adopted.map_err(|error| {
            let message = format!("the process that was handed over cannot be watched: {error}");
            Refusal::new(ErrorCode::NotFound, message, "it may have ended; it must be in the daemon's pid namespace")
        })?;
        let target = process.key;
        let position = self.server.world.locate(process).await;
        let made_up = || Name::made_of(&format!("pid-{}", target.pid));
        Ok(WatchRequest {
            target,
            spec: watch.spec,
            fallback: watch.fallback.unwrap_or_else(made_up),
            subreaper: watch.subreaper,
            run: new_run(),
            uid,
            position,
        })
    }
}

fn new_run() -> RunId {
    RunId(ulid::Ulid::generate().0)
}

fn too_long() -> Refusal {
    let message = format!("the line is longer than {MAX_LINE} bytes; it was skipped");
    Refusal::new(ErrorCode::LineTooLong, message, "send fewer points a line; the connection stays")
}

fn no_parent() -> Refusal {
    let message = "the parent of the process that sent this is gone or cannot be seen";
    Refusal::new(ErrorCode::NotFound, message, "leave out \"of\", or keep the parent until the line is answered")
}
