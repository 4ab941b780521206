//! Reads the world.

pub mod socket;
