//! TOML to rules and configuration, in two stages: syntax with spans, then meaning. Every problem of every file is
//! collected; a file with an error is refused as a whole, and so is the policy it belongs to.
//!
//! Where the contract leaves a choice, this is what rules mean:
//!
//! - `above` and `below` together hold in between; for "outside of" write two rules. `above` must be the smaller one.
//! - `nan = true` without a bound holds for NaN and for both infinities. With a bound NaN counts as bad anyway (only what
//!   a trainer reports can be NaN), infinities only as far as they are above or below it.
//! - `mean_over` with `step_time` or `steps_per_second` takes the place of their minute.
//! - `io_read` and `io_written` are bytes so far; `cpu_seconds` is user and system together.
//! - A file may define `gentle` and `urgent` anew; then the new ones are the defaults. A ladder ends with SIGKILL to the
//!   tree, and every rung before says how long it waits.
//! - `serial` without `settle` waits 5 seconds. `*` in a glob stands for any text, `/` included.
//! - `[remote]` stands in the configuration, which is each host's own. It may stand in a policy too (`run --policy` needs no
//!   other file then): there it takes the place of the configuration's as a whole, for all files of the policy.
//! - Warnings are findings too: `check` then exits with 1, the daemon takes the policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Diagnostic, Policy, RemoteServer, SECOND};

pub mod config;
mod remote;
pub mod template;
pub mod words;

mod carries;
mod condition;
mod explain;
mod expression;
mod file;
mod ladders;
mod lints;
mod load;
mod names;
mod reads;
mod rules;
mod stoppers;
mod syntax;
mod trend;
mod units;

pub use config::Config;
pub use explain::explain;
pub use reads::Reads;

/// The code of findings about files that cannot be read at all.
pub const UNREADABLE: &str = "unreadable";

/// What the meaning of a policy depends on beside its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Time between ticks, nanoseconds: a window must hold two of them.
    pub interval_ns: u64,
    /// Whether proportional memory is read (`pss = "30s"` in the configuration).
    pub proportional: bool,
    /// The remote Prometheus of the configuration (`[remote]`): rules can be evaluated there.
    pub remote: Option<Arc<RemoteServer>>,
}

impl Default for Context {
    fn default() -> Context {
        Context { interval_ns: SECOND, proportional: false, remote: None }
    }
}

/// A policy with the warnings it earned, or everything that is wrong with it.
pub type Loaded<T> = Result<(T, Vec<Diagnostic>), Vec<Diagnostic>>;

/// Reads a policy: files, and folders of which every `*.toml` is taken in the order of names.
///
/// # Errors
/// All findings, warnings included, of all files, in the order of files and places, if one of them is an error.
pub fn load(paths: &[PathBuf], context: &Context) -> Loaded<Policy> {
    load::load(paths, context)
}

/// Understands the text of one policy; `path` is only for messages.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, path: &Path, context: &Context) -> Loaded<Policy> {
    load::parse(text, path, context)
}

/// Understands the texts of one policy of several files, as a journal has them.
///
/// # Errors
/// As [`load`].
pub fn parse_all(texts: &BTreeMap<PathBuf, String>, context: &Context) -> Loaded<Policy> {
    load::parse_all(texts, context)
}

/// Reads a duration as policies write it (`500ms`, `1h30m`), in nanoseconds; for flags that stand for a key.
///
/// # Errors
/// In words what is wrong with it.
pub fn duration(text: &str) -> Result<u64, String> {
    units::duration(&file::Scalar::Text(text.to_string())).map_err(|e| format!("{e}; {}", units::DURATION_HINT))
}
