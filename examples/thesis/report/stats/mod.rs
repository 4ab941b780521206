//! Small statistics, each compared with scipy in its tests.

mod order;

pub use order::median;
