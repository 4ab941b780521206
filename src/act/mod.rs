//! Signals; the only room that gives any. What it is told to do it does once, through the pidfd taken when the process was
//! first seen, after a look at its identity, with the intent written ahead. What to do when is the engine's to say.

mod actor;
mod aim;
mod dry;
mod selftest;
mod sweep;

pub use actor::{Actor, ActorHandle, Tell};
pub use dry::Dry;
pub use selftest::{SelfTestError, self_test};
pub use sweep::{ReadTree, Sweep};

use crate::model::Shot;

/// Whoever carries out what the engine decided about signals.
pub trait Actuator: Send {
    /// Gives one signal; [`crate::model::Event::Signalled`] tells what became of it.
    fn signal(&self, shot: Shot);

    /// Reads a tree and gives SIGKILL until a reading finds nobody; [`crate::model::Event::Swept`] tells the end.
    fn sweep(&self, sweep: Sweep);
}
