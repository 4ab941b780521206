//! Integration tests: one binary, a module per border.

mod policy;
mod support;
mod tidy;
