//! A client for training loops: it never waits.
