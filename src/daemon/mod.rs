//! Wiring: brings the engine and the edges together, standing alone or inside another program.
//!
//! - [`start`] and [`DaemonHandle`]: here.
//! - `setup`: sockets, journal, policy; what can go wrong before anything runs.
//! - `inbox`, `hub`: the main loop.
//! - `world`: what the socket server asks.
//! - `reload`, `restore`: the policy again; the daemon before this one.

mod handle;
mod hub;
mod inbox;
mod reload;
mod restore;
mod setup;
mod world;

pub use handle::{DaemonHandle, Ended, Registered, Registration};
pub use reload::Render;
pub use setup::StartError;

use crate::model::{Policy, RunId};
use crate::policy::Config;

/// How a daemon stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// `earlystop daemon`: the user's one, on the well-known socket.
    Alone,
    /// Inside another process, for its own trials; the id names its journal.
    Inside(RunId),
}

/// What a daemon is started with.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// The configuration, flags included.
    pub config: Config,
    /// The rules in force from the start; a reload reads the files that the configuration names.
    pub policy: Policy,
    /// Alone or inside another process.
    pub standing: Standing,
    /// How findings in policies become text.
    pub render: Render,
}

/// Starts a daemon: its threads, its socket, its HTTP server.
///
/// # Errors
/// Nothing was started; see [`StartError`].
pub fn start(config: DaemonConfig) -> Result<DaemonHandle, StartError> {
    setup::Setup::prepare(config)?.launch()
}
