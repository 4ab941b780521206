//! Integration tests: one binary, a module per border.

mod export;
mod eyes;
mod fixture;
mod policy;
mod prometheus;
mod support;
mod tidy;
