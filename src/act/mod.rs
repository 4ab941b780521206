//! Signals; the only room that does.
