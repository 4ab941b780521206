//! Small statistics, each compared with scipy in its tests.

mod order;
mod sign;
mod slope;

pub use order::{median, quantile};
pub use sign::{holm, sign_test};
pub use slope::slope_between;
