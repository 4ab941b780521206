//! Series in memory, for tests.
