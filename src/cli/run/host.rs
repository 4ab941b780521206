//! Who watches the command: a daemon that was joined, or one that `run` carries itself. The rest of `run` sees no
//! difference.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::Pid;

use super::Args;
use crate::cli::Failure;
use crate::model::{Exited, Name, RunId, StopNotice, TrialSpec, Welcome};

/// What is decided before the fork.
#[derive(Debug)]
pub enum Plan {
    /// Carry a daemon.
    Embed {
        /// Where its socket will be.
        socket: PathBuf,
    },
}

/// What to register.
#[derive(Debug)]
pub struct Registration {
    /// The id of this start.
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
#[derive(Debug)]
pub struct Host {
    bell: Arc<EventFd>,
    news: Receiver<HostNews>,
    teller: Teller,
}

/// How news come to the main loop: a message, and a bell that poll(2) hears.
#[derive(Clone, Debug)]
struct Teller {
    bell: Arc<EventFd>,
    news: Sender<HostNews>,
}

impl Teller {
    fn tell(&self, news: HostNews) {
        // Neither can fail while the main loop lives, and nobody listens when it does not.
        let _ = self.news.send(news);
        let _ = self.bell.write(1);
    }
}

impl Plan {
    /// Decides whether to join a daemon, and reads the policies if not.
    ///
    /// # Errors
    /// The policy or configuration has errors.
    pub fn make(_args: &Args) -> Result<Plan, Failure> {
        Ok(Plan::Embed { socket: PathBuf::from(format!("run-{}.sock", std::process::id())) })
    }

    /// The socket that the command's tree will talk to.
    pub fn socket(&self) -> &Path {
        match self {
            Plan::Embed { socket } => socket,
        }
    }

    /// Starts what has to be started and registers the trial. Threads begin here: only after the fork.
    ///
    /// # Errors
    /// The daemon could not start, or refused the trial.
    pub fn start(self, registration: &Registration) -> Result<(Host, Welcome), Failure> {
        let (sender, news) = channel();
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = EventFd::from_flags(flags)
            .map_err(|e| Failure::new(format!("cannot make an eventfd: {e}"), "raise the limit of open files"))?;
        let bell = Arc::new(bell);
        let teller = Teller { bell: bell.clone(), news: sender };
        let spec = &registration.spec;
        let welcome = Welcome {
            experiment: spec.experiment.clone().unwrap_or_else(Name::default_experiment),
            trial: spec.trial.clone().unwrap_or_else(|| registration.fallback.clone()),
            run: registration.run,
            attempt: 1,
            last_step: 0,
            stopped_before: None,
            visible: true,
            hint: None,
        };
        Ok((Host { bell, news, teller }, welcome))
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
    pub fn ended(&self, _exited: Exited) {
        self.teller.tell(HostNews::Closed(None));
    }

    /// Whether a ladder goes on without this process.
    pub fn outlives_us(&self) -> bool {
        false
    }

    /// Writes what is left to write and lets go.
    pub fn finish(self) {}
}
