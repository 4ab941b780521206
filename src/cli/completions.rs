//! `earlystop completions`: a completion script for a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Failure;
use super::args::Cli;

/// Arguments of `earlystop completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  earlystop completions bash > ~/.local/share/bash-completion/completions/earlystop")]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Those of standard output.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "earlystop", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(0)
}
