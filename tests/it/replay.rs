//! `earlystop replay`: what was recorded, and what another policy would have made of it.

mod ci;
mod folds;
mod history;
mod live;
