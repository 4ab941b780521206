//! earlystop: a sidecar that watches trainers and stops trials by rules.
//!
//! The rooms, in the order to read them; imports only ever run from an upper one to a lower one.
//!
//! - [`cli`]: one file per command.
//! - [`daemon`]: wiring, main loop, reload, shutdown.
//! - [`source`], [`act`], [`export`], [`import`]: the edges; they read the world, signal, tell the world, and read histories
//!   that others recorded.
//! - [`replay`]: what a policy would have done to what was recorded.
//! - [`engine`]: one decision function without I/O: `step(now, &event) -> effects`.
//! - [`policy`]: TOML to rules.
//! - [`state`]: windows and the table of metrics.
//! - [`promql`]: the language of rules: expressions, functions, evaluation over any source of series.
//! - [`stopper`]: stopping rules over learning curves.
//! - [`wire`], [`journal`], [`sys`]: socket lines, SQLite, raw system calls.
//! - [`model`]: the vocabulary; imports nothing.
#![warn(missing_docs)]

pub mod cli;

pub mod daemon;

pub mod act;
pub mod export;
pub mod import;
pub mod source;

pub mod replay;

pub mod engine;

pub mod policy;

pub mod state;

pub mod promql;

pub mod stopper;

pub mod journal;
pub mod sys;
pub mod wire;

pub mod model;
