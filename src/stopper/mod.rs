//! Stopping rules over learning curves. No I/O, no clock; what is compared comes in as a [`Field`] of [`Curve`]s.
//!
//! Reading order: [`Curve`] (one trial), [`Field`] (all that are compared, and how they rank), [`Case`] and [`Verdict`] (the
//! question and the answer), then one file a kind of rule.

mod asha;
mod auto;
mod bandit;
mod case;
mod column;
mod curve;
mod curve_fit;
mod cv_futility;
mod ends;
mod field;
#[cfg(test)]
mod fixture;
mod folds;
mod kinds;
mod median;
mod memo;
mod outlook;
mod patience;
mod percentile;
mod plateau;
mod prechelt;
mod prediction;
mod proportion;
mod signed_rank;
mod threshold;
mod wilcoxon;
mod words;

pub use case::{Case, Evidence, Stopper, Unknown, Verdict, numbers};
pub use column::Ranked;
pub use curve::{Curve, Point};
pub use curve_fit::{CurveFit, Forecast};
pub use field::{End, Field, Peer, Population, Quantity};
pub use kinds::{KINDS, KindRow, of, row};
pub use prediction::{NuSvr, NuSvrFit, Prediction, Ridge, RidgeFit, SYSTEM, Sight};
pub use proportion::clopper_pearson;
