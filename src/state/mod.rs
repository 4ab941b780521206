//! Windows and the table of metrics.
