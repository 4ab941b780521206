//! Small statistics, each compared with scipy in its tests.

mod effects;
mod order;
mod sign;
mod slope;

pub use effects::{by_chance, corrected_interval, interaction, main_effect};
pub use order::{median, quantile};
pub use sign::{holm, sign_test};
pub use slope::{slope_between, theil_sen, thinned};
