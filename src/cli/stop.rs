//! `earlystop stop`: end a trial by hand.

use std::io::Write;

use super::{Failure, daemons, resolve};
use crate::model::StopRequest;
use crate::wire::answer::Answer;
use crate::wire::write;

/// Arguments of `earlystop stop`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The trial goes down the gentle ladder: it is asked, then gets SIGTERM, then SIGKILL.\n\n\
Examples:\n  earlystop stop lr0.1 --reason 'no longer needed'\n  earlystop stop red_wine/lr0.1 --now")]
pub struct Args {
    /// NAME, EXPERIMENT/NAME or a run id
    pub trial: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask first; begin at the first signal
    #[arg(long)]
    pub now: bool,
}

/// Stops the trial; comes back when the stop has begun.
///
/// # Errors
/// No daemon, no such trial, several, one that has ended, a daemon that only observes.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (mut client, row) = daemons::trial(&args.trial)?;
    let name = resolve::full_name(&row);
    if !resolve::is_living(&row) {
        return Err(Failure::new(
            format!("the trial {name} has ended already ({})", row.state),
            "see `earlystop list`",
        ));
    }
    let request = StopRequest { trial: row.run, reason: args.reason.clone(), now: args.now };
    match client.ask(&write::stop(&request), daemons::PATIENCE).map_err(|e| daemons::failure(&e))? {
        Answer::Stopping(id) => writeln!(std::io::stdout(), "stopping {name} (stop {id})")?,
        other => return Err(daemons::failure(&daemons::unexpected(&other))),
    }
    Ok(0)
}
