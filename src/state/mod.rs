//! Windows and the table of metrics.

pub mod table;
