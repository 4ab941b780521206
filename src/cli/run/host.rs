//! Who watches the command: a daemon that was joined, or one that `run` carries itself. The rest of `run` sees no
//! difference.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::Pid;

use super::Args;
use crate::cli::configure::{self, Setup};
use crate::cli::{Failure, daemons};
use crate::daemon::{self, DaemonConfig, DaemonHandle, Ended, Registered, Standing};
use crate::model::{Exited, Name, Refusal, RunId, StopNotice, TrialSpec, Welcome};
use crate::sys::places::Places;
use crate::sys::process::Proc;
use crate::wire::answer::Answer;
use crate::wire::client::Client;
use crate::wire::{Watch, write};

/// What is decided before the fork.
#[derive(Debug)]
pub enum Plan {
    /// Join the daemon that answered.
    Join(Box<Client>, PathBuf),
    /// Carry one: its setup and its socket.
    Carry(Box<Setup>, PathBuf),
}

/// What to register.
#[derive(Debug)]
pub struct Registration {
    /// The id of this start, if the daemon is our own.
    pub run: RunId,
    /// What is known of the trial.
    pub spec: TrialSpec,
    /// Its made-up name, if the spec has none.
    pub fallback: Name,
    /// The held child.
    pub command: Pid,
}

/// What the host has to say.
#[derive(Debug)]
pub enum HostNews {
    /// The joined daemon went away.
    Gone,
    /// The trial's record is closed and no ladder is on it; the stop, if one ended it.
    Closed(Option<StopNotice>),
}

/// The daemon that watches the command.
pub struct Host {
    bell: Arc<EventFd>,
    news: Receiver<HostNews>,
    kind: Kind,
}

enum Kind {
    /// The connection, to say on it that the command ended.
    Joined(UnixStream),
    Carried(Box<Carried>),
}

/// A daemon of our own.
struct Carried {
    daemon: Arc<DaemonHandle>,
    /// The trial, until a thread waits for its end.
    trial: Cell<Option<Registered>>,
    waiter: Cell<Option<JoinHandle<()>>>,
    teller: Teller,
}

/// A year; a ladder on a process in uninterruptible sleep has no end of its own.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// How news come to the main loop: a message, and a bell that poll(2) hears.
#[derive(Clone, Debug)]
struct Teller {
    bell: Arc<EventFd>,
    news: Sender<HostNews>,
    /// The last news were told.
    closed: Arc<AtomicBool>,
}

impl Teller {
    fn tell(&self, news: HostNews) {
        self.closed.store(true, Ordering::Relaxed);
        // Neither can fail while the main loop lives, and nobody listens when it does not.
        let _ = self.news.send(news);
        let _ = self.bell.write(1);
    }
}

impl Teller {
    fn has_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

impl Plan {
    /// Decides whether to join a daemon, and reads the configuration and the policies if not.
    ///
    /// # Errors
    /// The policy or the configuration is refused.
    pub fn make(args: &Args) -> Result<Plan, Failure> {
        let places = Places::here();
        if !args.watching.asks_for_its_own() {
            // The daemon of an outer `run` is there for that one's command only.
            let shared = places.client_sockets().into_iter().filter(|path| !belongs_to_a_run(path));
            if let Some((client, path)) = shared.into_iter().find_map(|path| Some((Client::connect(&path).ok()?, path)))
            {
                return Ok(Plan::Join(Box::new(client), path));
            }
        }
        let mut setup = configure::load(None, &args.watching)?;
        // The file's socket is the daemon's; each `run` has its own.
        let socket = places.run_socket(std::process::id());
        setup.config.socket = Some(socket.clone());
        Ok(Plan::Carry(Box::new(setup), socket))
    }

    /// The socket that the command's tree will talk to.
    pub fn socket(&self) -> &Path {
        match self {
            Plan::Join(_, socket) | Plan::Carry(_, socket) => socket,
        }
    }

    /// Starts what has to be started and registers the trial. Threads begin here: only after the fork.
    ///
    /// # Errors
    /// The daemon could not start, or refused the trial.
    pub fn start(self, registration: &Registration) -> Result<(Host, Welcome), Failure> {
        let (sender, news) = channel();
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let bell = bell.map_err(|e| Failure::new(format!("cannot make an eventfd: {e}"), "raise `ulimit -n`"))?;
        let bell = Arc::new(bell);
        let teller = Teller { bell: bell.clone(), news: sender, closed: Arc::default() };
        let (kind, welcome) = match self {
            Plan::Join(client, _) => join(*client, registration, teller)?,
            Plan::Carry(setup, _) => carry(*setup, registration, teller)?,
        };
        Ok((Host { bell, news, kind }, welcome))
    }
}

impl Host {
    /// Readable when there are news.
    pub fn bell(&self) -> &EventFd {
        &self.bell
    }

    /// The news so far.
    pub fn news(&self) -> Vec<HostNews> {
        let _ = self.bell.read();
        self.news.try_iter().collect()
    }

    /// Says that the command ended; [`HostNews::Closed`] or [`HostNews::Gone`] follows.
    pub fn ended(&self, exited: Exited) {
        match &self.kind {
            Kind::Joined(stream) => {
                let (Some(status), Some(usage)) = (exited.status, exited.usage) else { return };
                // A daemon that is gone is noticed by the thread that reads.
                let _ = (&mut &*stream).write_all(write::exited(exited.run, status, &usage).as_bytes());
            }
            Kind::Carried(carried) => carried.ended(exited),
        }
    }

    /// Whether a ladder goes on without this process.
    pub fn outlives_us(&self) -> bool {
        matches!(self.kind, Kind::Joined(_))
    }

    /// Writes what is left to write and lets go. One's own daemon is not waited for if it is still on a ladder.
    pub fn finish(self) {
        if let Kind::Carried(carried) = self.kind {
            carried.finish();
        }
    }
}

impl Carried {
    fn ended(&self, exited: Exited) {
        self.daemon.exited(exited);
        let Some(trial) = self.trial.take() else { return };
        let (daemon, teller) = (self.daemon.clone(), self.teller.clone());
        let wait = move || match daemon.wait_closed(&trial, FOREVER) {
            Ended::Stopped(stop) => teller.tell(HostNews::Closed(Some(stop))),
            Ended::ByItself => teller.tell(HostNews::Closed(None)),
            // Its main loop is gone, which is a bug of ours; the command's exit code still counts.
            Ended::NotYet => teller.tell(HostNews::Gone),
        };
        match std::thread::Builder::new().name("closing".into()).spawn(wait) {
            Ok(waiter) => self.waiter.set(Some(waiter)),
            Err(_) => self.teller.tell(HostNews::Closed(None)),
        }
    }

    fn finish(self) {
        match self.waiter.take() {
            Some(waiter) if waiter.is_finished() || self.teller.has_closed() => {
                let _ = waiter.join();
            }
            // Somebody was impatient: the ladder is left where it is, and the process ends over it.
            Some(_) => return,
            None => {}
        }
        if let Some(daemon) = Arc::into_inner(self.daemon) {
            daemon.shutdown();
        }
    }
}

fn belongs_to_a_run(socket: &Path) -> bool {
    let name = socket.file_name().unwrap_or(OsStr::new("")).to_string_lossy();
    name.strip_prefix("run-").and_then(|rest| rest.strip_suffix(".sock")).is_some_and(|pid| pid.parse::<u32>().is_ok())
}

/// Hands the held child to the daemon, and reads on what it says from a thread.
fn join(mut client: Client, what: &Registration, teller: Teller) -> Result<(Kind, Welcome), Failure> {
    let gone = |e: &dyn std::fmt::Display| Failure::new(format!("cannot hand the command over: {e}"), "try again");
    let process = Proc::open(what.command.as_raw().unsigned_abs()).map_err(|e| gone(&e))?;
    let pidfd = process.fd().ok_or_else(|| gone(&"it has no pidfd"))?;
    let watch = Watch { spec: what.spec.clone(), fallback: Some(what.fallback.clone()), subreaper: true };
    let answer = client.ask_with(&write::watch(&watch), pidfd, daemons::PATIENCE).map_err(|e| daemons::failure(&e))?;
    let Answer::Welcome(welcome) = answer else { return Err(daemons::failure(&daemons::unexpected(&answer))) };
    let stream = OwnedFd::from(client.stream().try_clone().map_err(|e| gone(&e))?);
    let reader = std::thread::Builder::new().name("joined".into());
    reader.spawn(move || listen(client, &teller)).map_err(|e| gone(&e))?;
    Ok((Kind::Joined(UnixStream::from(stream)), welcome))
}

/// Reads what the daemon says until it has said all.
fn listen(mut client: Client, teller: &Teller) {
    const A_WHILE: Duration = Duration::from_secs(3600);
    let mut stop = None;
    loop {
        match client.receive(A_WHILE) {
            Ok(Answer::Stopped(notice)) => stop = Some(notice),
            Ok(Answer::Bye) => return teller.tell(HostNews::Closed(stop)),
            Ok(_) | Err(crate::wire::client::ClientError::Late(_)) => {}
            Err(_) => return teller.tell(HostNews::Gone),
        }
    }
}

/// Starts a daemon of our own and registers the held child with it.
fn carry(setup: Setup, what: &Registration, teller: Teller) -> Result<(Kind, Welcome), Failure> {
    let unseen = |e: std::io::Error| Failure::new(format!("cannot look at the command: {e}"), "is /proc mounted?");
    let root = Proc::open(what.command.as_raw().unsigned_abs()).map_err(unseen)?;
    let subreaper = Some(Proc::open(std::process::id()).map_err(unseen)?);
    let Setup { config, policy } = setup;
    let ruleless = config.policy.is_empty();
    let standing = Standing::Inside(what.run);
    let daemon = daemon::start(DaemonConfig { config, policy, standing, render: configure::render })
        .map_err(|e| configure::start_failure(&e))?;
    let registration = daemon::Registration {
        run: what.run,
        spec: what.spec.clone(),
        fallback: what.fallback.clone(),
        root,
        subreaper,
    };
    let refused = |refusal: Refusal| Failure::new(refusal.message, refusal.hint);
    let trial = daemon.register(registration).map_err(refused)?;
    let welcome = trial.welcome.clone();
    let metrics = configure::metrics_url(daemon.http_address());
    let rules = if ruleless { " (no policy is given, so no rule will stop it)" } else { "" };
    eprintln!("earlystop: watching {}/{}, metrics at {metrics}{rules}", welcome.experiment, welcome.trial);
    let (daemon, trial) = (Arc::new(daemon), Cell::new(Some(trial)));
    Ok((Kind::Carried(Box::new(Carried { daemon, trial, waiter: Cell::new(None), teller })), welcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_a_run_are_known_by_name() {
        assert!(belongs_to_a_run(Path::new("/run/earlystop/run-4711.sock")));
        assert!(!belongs_to_a_run(Path::new("/run/earlystop/earlystop.sock")));
        assert!(!belongs_to_a_run(Path::new("/tmp/run-mine.sock")));
    }
}
