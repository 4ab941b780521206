//! Linear models trained by stochastic gradient descent, number for number as scikit-learn 1.3.2's `SGDRegressor` and
//! `SGDClassifier` with `partial_fit`, a constant learning rate and an L2 penalty.
//!
//! In reading order: [`loss`]; [`linear`], the model; [`sgd`] trains it, by the inner loops of [`kernel`], in the order
//! of [`shuffle`]; [`aligned`] holds the weights.

mod aligned;
mod kernel;
mod linear;
mod loss;
mod sgd;
mod shuffle;
#[cfg(test)]
mod tests;

pub use kernel::Rows;
pub use linear::{LinearModel, Task};
pub use loss::Loss;
pub use sgd::Sgd;
