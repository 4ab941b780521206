//! The log: lines on stderr, their loudness by EARLYSTOP_LOG.

use std::io::{self, IsTerminal};

pub use tracing::Level;
use tracing_subscriber::EnvFilter;

/// Sends the log to stderr: everything from `level` on, or as EARLYSTOP_LOG says (`debug`, `warn,earlystop::act=trace`).
pub fn start(level: Level) {
    let asked = std::env::var("EARLYSTOP_LOG").ok().and_then(|text| text.parse::<EnvFilter>().ok());
    let filter = asked.unwrap_or_else(|| EnvFilter::new(level.as_str()));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // An error means that the program that embeds us has a log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .try_init();
}
