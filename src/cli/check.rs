//! `earlystop check`: policies and the configuration, without running anything.

use std::io::{self, Write};
use std::path::PathBuf;

use super::diagnostics::Style;

/// Arguments of `earlystop check`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Check {
    /// Policy files, or folders of which every *.toml is checked
    #[arg(value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Check this configuration too, and the policies under it (its interval decides how short a window may be)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the PromQL that each rule compiles to
    #[arg(long)]
    pub explain: bool,
}

/// Checks and writes what it finds. The exit code: 0 fine, 1 findings, 2 a file or folder cannot be read.
///
/// # Errors
/// Those of `out`.
pub fn run(check: &Check, style: Style, out: &mut dyn Write) -> io::Result<u8> {
    let _ = (check, style, out);
    todo!()
}
