//! Integration tests: one binary, a module per border.

mod support;
mod tidy;
