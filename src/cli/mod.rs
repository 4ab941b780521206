//! Commands: one file each. All are thin: they read their arguments, ask a daemon or carry one, and print.

pub mod args;
pub mod check;
pub mod completions;
pub mod configure;
pub mod daemon;
pub mod daemons;
pub mod diagnostics;
pub mod explain;
mod failure;
pub mod heartbeat;
pub mod import;
pub mod list;
mod log;
pub mod reload;
pub mod replay;
mod resolve;
pub mod run;
pub mod stop;
pub mod table;
pub mod test;
pub mod top;
pub mod watch;

use std::process::ExitCode;

use clap::Parser;

pub use failure::Failure;

/// Reads the arguments, does what they ask for, and gives the exit code: 0 fine, 1 findings, 2 usage, configuration, no
/// daemon, unknown trial; `run` mirrors its command.
pub fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // A closed pipe below `--help | head` is no error; neither is there anybody left to tell.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    match cli.command.run() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(),
    }
}
