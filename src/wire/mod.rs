//! Socket lines.
