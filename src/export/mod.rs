//! Tells the world.
