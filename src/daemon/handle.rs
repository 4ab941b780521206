//! A running daemon, for the program that started it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::hub::Locals;
use super::inbox::{Inbox, Item};
use crate::export::ExportState;
use crate::model::{
    ConnId, ErrorCode, Event, Exited, Line, Name, Peer, Position, Refusal, Register, Reply, Request, Root, RunId, Said,
    Snapshot, StopNotice, TrialSpec, Welcome,
};
use crate::source::sampler::SamplerHandle;
use crate::sys::clock;
use crate::sys::process::Proc;
use crate::sys::roster::Roster;

/// How long an answer of the main loop may take. It answers within a tick; a machine that swaps may be slower.
const ANSWER: Duration = Duration::from_secs(30);

/// A command to be watched.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The id of this start.
    pub run: RunId,
    /// What is known of the trial.
    pub spec: TrialSpec,
    /// Its name, if the spec has none.
    pub fallback: Name,
    /// The process: a child of this one that has not been waited for.
    pub root: Arc<Proc>,
    /// The subreaper above it, if there is one (PR_SET_CHILD_SUBREAPER).
    pub subreaper: Option<Arc<Proc>>,
}

/// How a trial's record was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No stop was under way.
    ByItself,
    /// A rule or a person stopped it.
    Stopped(StopNotice),
    /// Not within the time.
    NotYet,
}

/// A trial that this process registered.
#[derive(Debug)]
pub struct Registered {
    /// What the daemon answered.
    pub welcome: Welcome,
    conn: ConnId,
    replies: Receiver<Reply>,
}

/// A running daemon. Dropping it ends it.
pub struct DaemonHandle {
    inbox: Arc<Inbox>,
    locals: Locals,
    sampler: SamplerHandle,
    export: Arc<ExportState>,
    roster: Arc<Roster>,
    socket: PathBuf,
    http: String,
    stop_serving: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    /// Connections inside this process are numbered downwards from the top.
    next: AtomicU64,
}

impl DaemonHandle {
    #[expect(clippy::too_many_arguments, reason = "called once, where all of them are made")]
    pub(super) fn new(
        inbox: Arc<Inbox>,
        locals: Locals,
        sampler: SamplerHandle,
        export: Arc<ExportState>,
        roster: Arc<Roster>,
        socket: PathBuf,
        http: String,
        stop_serving: oneshot::Sender<()>,
        threads: Vec<JoinHandle<()>>,
    ) -> DaemonHandle {
        let next = AtomicU64::new(u64::MAX);
        let stop_serving = Some(stop_serving);
        DaemonHandle { inbox, locals, sampler, export, roster, socket, http, stop_serving, threads, next }
    }

    /// The socket that trainers talk to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The address of the HTTP server: `127.0.0.1:9877` or `unix:PATH`.
    pub fn http_address(&self) -> &str {
        &self.http
    }

    /// Everything as of the last tick or change.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.export.snapshot()
    }

    /// Watches a command of this process from now on.
    ///
    /// # Errors
    /// The daemon's refusal: the name is taken, a limit is reached.
    pub fn register(&self, registration: Registration) -> Result<Registered, Refusal> {
        let conn = ConnId(self.next.fetch_sub(1, Ordering::Relaxed));
        let (tell, replies) = channel();
        self.locals.lock().unwrap_or_else(PoisonError::into_inner).insert(conn, tell);
        let root = self.roster.insert(&registration.root);
        let subreaper = registration.subreaper.map(|proc| self.roster.insert(&proc).key);
        let register = Register {
            run: registration.run,
            spec: registration.spec,
            fallback: registration.fallback,
            root: Root { key: root.key, subreaper },
            uid: nix::unistd::geteuid().as_raw(),
            position: self.position(root.clone()),
            may_stop: true,
            conn: Some(conn),
        };
        self.inbox.event(clock::now(), Event::Register(register));
        match replies.recv_timeout(ANSWER) {
            Ok(Reply::Welcome(welcome)) => Ok(Registered { welcome, conn, replies }),
            Ok(Reply::Error(refusal)) => Err(refusal),
            _ => Err(Refusal::new(ErrorCode::NotFound, "the daemon does not answer", "see its log")),
        }
    }

    fn position(&self, proc: Arc<Proc>) -> Position {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.sampler.locate(proc, move |position| {
            // Nobody waits any more where this fails.
            let _ = tell.send(position);
        });
        told.recv_timeout(ANSWER).unwrap_or(Position::Outside)
    }

    /// The command ended, as `wait4` said.
    pub fn exited(&self, exited: Exited) {
        self.inbox.event(clock::now(), Event::Exited(exited));
    }

    /// Waits until a trial's record is closed and no ladder is on it.
    pub fn wait_closed(&self, trial: &Registered, at_most: Duration) -> Ended {
        let until = Instant::now() + at_most;
        let mut stop = None;
        loop {
            match trial.replies.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Reply::Stopped(notice)) => stop = Some(notice),
                Ok(Reply::Bye) => break,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ended::NotYet,
            }
        }
        self.locals.lock().unwrap_or_else(PoisonError::into_inner).remove(&trial.conn);
        stop.map_or(Ended::ByItself, Ended::Stopped)
    }

    /// Reads the policy again.
    pub fn reload(&self) {
        let peer = Peer { uid: 0, key: None, position: Position::Outside };
        let said = Said::Request(Request::Reload);
        self.inbox.event(clock::now(), Event::Line(Line { conn: ConnId(0), peer, said }));
    }

    /// Ends the daemon: trials run on, its socket goes, the journal is written to its end.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop_serving.take() {
            // An error means that the servers have ended already.
            let _ = stop.send(());
        }
        self.inbox.urgent(Item::Shutdown);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the daemon had panicked");
            }
        }
    }
}

impl Drop for DaemonHandle {
    fn drop(&mut self) {
        self.end();
    }
}
