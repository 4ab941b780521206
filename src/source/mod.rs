//! Reads the world: the sampler thread, the socket, watching roots for their end, discovery of trials.

mod census;
mod cgroup;
pub mod discover;
pub mod exits;
mod forest;
mod host;
pub mod lineage;
mod member;
pub mod remote;
pub mod sampler;
pub mod socket;
mod totals;
mod tree;
mod watch;
