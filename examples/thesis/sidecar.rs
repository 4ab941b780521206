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
use earlystop::policy::{self, Config, Context};

use crate::process::Ended;

/// Time between two looks: the trials are short.
const INTERVAL_NS: u64 = 50 * MILLI;

/// How long the sidecar may take to close the record of a trial that has ended. It needs a few milliseconds.
const CLOSING: Duration = Duration::from_secs(10);

/// A running sidecar.
pub struct Sidecar {
    daemon: DaemonHandle,
    /// The journal lies here, and goes with it.
    _state: tempfile::TempDir,
}

impl Sidecar {
    /// Starts it with the policy in this text; `path` is for messages. Errors: findings in the policy, rendered, or
    /// why the daemon cannot start.
    pub fn start(text: &str, path: &Path) -> Result<Sidecar, Box<dyn Error>> {
        let (policy, warnings) = policy::parse(text, path, &context()).map_err(|findings| rendered(&findings))?;
        eprint!("{}", rendered(&warnings));
        let state = tempfile::Builder::new().prefix("earlystop-thesis-").tempdir()?;
        let mut config = Config { state: Some(state.path().to_path_buf()), ..Config::default() };
        config.settings.interval_ns = INTERVAL_NS;
        let standing = Standing::Inside(RunId(ulid::Ulid::generate().0));
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
    pub fn record_of(&self, trial: &str, ended: Ended) -> io::Result<Arc<TrialView>> {
        let unknown = || io::Error::other(format!("{trial} ended ({:?}) and never said hello", ended.status));
        let run = self.find(trial).ok_or_else(unknown)?.run;
        let (status, usage) = (Some(ended.status), Some(ended.usage));
        self.daemon.exited(Exited { run, status, usage, oom: false });
        let used = ended.usage.user_seconds + ended.usage.system_seconds;
        let closed = |view: &TrialView| {
            let cpu = view.totals.cpu.first + view.totals.cpu.second;
            // Summed in another order the figures may differ in the last digit.
            !view.state.is_living() && cpu >= used - 1e-6
        };
        let until = Instant::now() + CLOSING;
        loop {
            match self.find(trial).filter(|view| closed(view)) {
                Some(view) => return Ok(view),
                None if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
                None => return Err(io::Error::other(format!("the record of {trial} is not closed after {CLOSING:?}"))),
            }
        }
    }

    fn find(&self, trial: &str) -> Option<Arc<TrialView>> {
        self.daemon.snapshot().trials.iter().find(|view| view.trial.as_str() == trial).cloned()
    }

    /// Ends it.
    pub fn shutdown(self) {
        self.daemon.shutdown();
    }
}

/// What the meaning of a policy depends on here.
pub fn context() -> Context {
    Context { interval_ns: INTERVAL_NS, ..Context::default() }
}

fn rendered(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| render(finding, Style::of(&io::stderr()))).collect()
}
