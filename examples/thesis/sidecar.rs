//! The sidecar, carried by this program: it watches the trials, applies the policy, and keeps the record of each.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use earlystop::cli::diagnostics::{Style, render};
use earlystop::daemon::{self, DaemonConfig, DaemonHandle, Standing};
use earlystop::model::{Diagnostic, Exited, MILLI, RunId, TrialView};
use earlystop::policy::config::Listen;
use earlystop::policy::{self, Config, Context};
use earlystop::sys::places::Places;

use crate::process::Ended;

/// Time between two looks: the trials are short.
const INTERVAL_NS: u64 = 50 * MILLI;

/// How long the sidecar may take to close the record of a trial that has ended. It needs a few milliseconds.
const CLOSING: Duration = Duration::from_secs(10);

/// Time between two looks at a record that is not closed yet.
const LOOK: Duration = Duration::from_millis(2);

/// Ended trials that rules and the metrics page still see: each costs a little at every tick, and a search ends thousands.
const ENDED: usize = 100;

/// Bytes of a journal that is to keep everything: far more than any search writes.
const UNBOUNDED: u64 = 1 << 50;

/// How a sidecar is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Where its journal lies; without it the journal goes with the sidecar.
    pub state: Option<&'a Path>,
    /// Time between two looks, nanoseconds.
    pub interval_ns: u64,
    /// Only says what it would stop.
    pub observe: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup { state: None, interval_ns: INTERVAL_NS, observe: false }
    }
}

/// A running sidecar.
pub struct Sidecar {
    daemon: DaemonHandle,
    /// A journal that goes with it lies here.
    _state: Option<tempfile::TempDir>,
}

impl Sidecar {
    /// Starts it with the policy in this text; `path` is for messages. Errors: findings in the policy, rendered, or
    /// why the daemon cannot start.
    pub fn start(text: &str, path: &Path, setup: Setup<'_>) -> Result<Sidecar, Box<dyn Error>> {
        let context = Context { interval_ns: setup.interval_ns, ..Context::default() };
        let (policy, warnings) = policy::parse(text, path, &context).map_err(|findings| rendered(&findings))?;
        eprint!("{}", rendered(&warnings));
        let mut config = Config::default();
        (config.settings.interval_ns, config.settings.observe) = (setup.interval_ns, setup.observe);
        config.settings.limits.ended_trials = ENDED;
        let (state, standing) = match setup.state {
            Some(folder) => {
                config.state = Some(folder.to_path_buf());
                config.journal.max_size = UNBOUNDED;
                // Alone, so that its journal has one name and a search that goes on goes on in it; but at a place of its
                // own, so that it is in nobody's way.
                config.socket = Some(Places::here().run_socket(std::process::id()));
                config.listen = Some(Listen::parse("127.0.0.1:0")?);
                (None, Standing::Alone)
            }
            None => {
                // Beside that of a search in this process, if there is one.
                let socket = Places::here().runtime().join(format!("thesis-{}.sock", std::process::id()));
                config.socket = Some(socket);
                let folder = tempfile::Builder::new().prefix("earlystop-thesis-").tempdir()?;
                config.state = Some(folder.path().to_path_buf());
                (Some(folder), Standing::Inside(RunId(ulid::Ulid::generate().0)))
            }
        };
        let daemon = daemon::start(DaemonConfig { config, policy, standing, render: rendered })?;
        Ok(Sidecar { daemon, _state: state })
    }

    /// Where trainers say hello.
    pub fn socket(&self) -> &Path {
        self.daemon.socket()
    }

    /// Where everything can be seen while it runs.
    pub fn http_address(&self) -> &str {
        self.daemon.http_address()
    }

    /// Tells how a trial's process ended, and gives the trial's record once it is closed.
    pub fn record_of(&self, experiment: &str, trial: &str, ended: Ended) -> io::Result<Arc<TrialView>> {
        let missing = || format!("{trial} ended ({:?}) and never said hello", ended.status);
        let run = self.wait_for(experiment, trial, |_| true, missing)?.run;
        let (status, usage) = (Some(ended.status), Some(ended.usage));
        self.daemon.exited(Exited { run, status, usage, oom: false });
        let used = ended.usage.user_seconds + ended.usage.system_seconds;
        let closed = |view: &TrialView| {
            let cpu = view.totals.cpu.first + view.totals.cpu.second;
            // Summed in another order the figures may differ in the last digit.
            !view.state.is_living() && cpu >= used - 1e-6
        };
        self.wait_for(experiment, trial, closed, || not_closed(trial))
    }

    /// How often a trial was begun.
    pub fn attempts(&self, experiment: &str, trial: &str) -> u32 {
        self.find(experiment, trial).map_or(0, |view| view.attempt)
    }

    /// The record of a trial that is no child of this process, once it is closed: of the attempt after so many.
    pub fn record_after(&self, attempts: u32, experiment: &str, trial: &str) -> io::Result<Arc<TrialView>> {
        let missing = || format!("{trial} ended and never said hello");
        self.wait_for(experiment, trial, |view| view.attempt > attempts, missing)?;
        let closed = |view: &TrialView| view.attempt > attempts && !view.state.is_living();
        self.wait_for(experiment, trial, closed, || not_closed(trial))
    }

    /// The last attempt of a trial as soon as it is as wanted; an error with these words if it does not become so.
    fn wait_for(
        &self,
        experiment: &str,
        trial: &str,
        wanted: impl Fn(&TrialView) -> bool,
        otherwise: impl Fn() -> String,
    ) -> io::Result<Arc<TrialView>> {
        let until = Instant::now() + CLOSING;
        loop {
            match self.find(experiment, trial).filter(|view| wanted(view)) {
                Some(view) => return Ok(view),
                None if Instant::now() < until => thread::sleep(LOOK),
                None => return Err(io::Error::other(otherwise())),
            }
        }
    }

    /// The last attempt of a trial.
    fn find(&self, experiment: &str, trial: &str) -> Option<Arc<TrialView>> {
        let snapshot = self.daemon.snapshot();
        let is_it = |view: &&Arc<TrialView>| view.trial.as_str() == trial && view.experiment.as_str() == experiment;
        snapshot.trials.iter().filter(is_it).max_by_key(|view| view.attempt).cloned()
    }

    /// Ends it.
    pub fn shutdown(self) {
        self.daemon.shutdown();
    }
}

fn not_closed(trial: &str) -> String {
    format!("the record of {trial} is not closed after {CLOSING:?}")
}

/// What the meaning of the example's own policy depends on.
#[cfg(test)]
pub fn context() -> Context {
    Context { interval_ns: INTERVAL_NS, ..Context::default() }
}

fn rendered(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| render(finding, Style::of(&io::stderr()))).collect()
}
