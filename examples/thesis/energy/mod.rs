//! The CPU's energy, where the kernel tells it, and what part of it a trial may have used: an estimate, wherever it is shown.
//!
//! [`rapl`] reads the counters; [`meter`] does so once a second while a search runs and writes them down; [`spent`] shares
//! what was written out to trials, by CPU time.

mod meter;
mod rapl;
mod spent;

pub use meter::Meter;
pub use spent::{Energy, Used};

/// Where the kernel shows the counters.
pub const POWERCAP: &str = "/sys/class/powercap";
