//! Windows and the table of metrics.

pub mod table;
pub mod windows;
