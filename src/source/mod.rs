//! Reads the world.
