//! The few raw system calls: pidfds and process identity, peers, clocks, folders, limits.

pub mod clock;
pub mod limits;
pub mod look;
pub mod peer;
pub mod pidfd;
pub mod places;
pub mod process;
pub mod random;
pub mod roster;
pub mod text;
pub mod tree;
