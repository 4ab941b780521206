//! `earlystop daemon`: the user's daemon, on the well-known socket.

use std::path::PathBuf;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use super::args::Watching;
use super::configure::Setup;
use super::{Failure, configure, log};
use crate::daemon::{self, DaemonConfig, Standing};

/// Arguments of `earlystop daemon`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The configuration [default: $EARLYSTOP_CONFIG, else ~/.config/earlystop/earlystop.toml, for root
    /// /etc/earlystop/earlystop.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where trainers and commands connect [default: earlystop.sock in the runtime folder]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// TLS and basic auth for /metrics, in the format of Prometheus's exporter toolkit
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,
    /// What it watches and how.
    #[command(flatten)]
    pub watching: Watching,
}

const EXAMPLES: &str = "\
SIGHUP or `earlystop reload` reads the policies again; SIGTERM or Ctrl-C ends
the daemon. Trials run on without it, and it takes them up again when it is back.

Examples:
  earlystop daemon --policy policies/
  earlystop daemon --policy policies/ --interval 100ms --observe";

/// Serves until a signal ends it.
///
/// # Errors
/// It could not start.
pub fn run(args: &Args) -> Result<u8, Failure> {
    log::start(log::Level::INFO);
    let Setup { mut config, policy } = configure::load(args.config.as_deref(), &args.watching)?;
    if let Some(socket) = &args.socket {
        config.socket = Some(configure::absolute(socket));
    }
    if let Some(file) = &args.web_config_file {
        config.web_config_file = Some(configure::absolute(file));
    }
    let ruleless = config.policy.is_empty();
    // Blocked before there is any thread, so that this one alone takes them.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    let blocked = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None);
    blocked.map_err(|e| Failure::new(format!("cannot block signals: {e}"), "try again"))?;
    let start = DaemonConfig { config, policy, standing: Standing::Alone, render: configure::render };
    let daemon = daemon::start(start).map_err(|e| configure::start_failure(&e))?;
    let metrics = configure::metrics_url(daemon.http_address());
    tracing::info!("listening on {}, metrics at {metrics}", daemon.socket().display());
    if ruleless {
        tracing::info!("no policy is given: nothing will be stopped by rules");
    }
    loop {
        match signals.wait() {
            Ok(Signal::SIGHUP) => daemon.reload(),
            Ok(signal) => {
                tracing::info!("{signal}: the daemon ends; trials run on");
                daemon.shutdown();
                return Ok(0);
            }
            // EINTR.
            Err(_) => {}
        }
    }
}
