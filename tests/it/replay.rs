//! `earlystop replay`: what was recorded, and what another policy would have made of it.

mod ci;
mod history;
mod live;
