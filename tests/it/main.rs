//! Integration tests: one binary, a module per border.

mod api;
mod borders;
mod cli;
mod differential;
mod export;
mod expr;
mod eyes;
mod faults;
mod fixture;
mod hands;
mod hostile;
mod policy;
mod prometheus;
mod promqltest;
mod pty;
mod readme;
mod remote;
mod rules;
mod run;
mod stage;
mod support;
mod terminal;
mod thesis;
mod tidy;
mod whole;
mod wire;
