//! Commands.

pub mod check;
pub mod diagnostics;
