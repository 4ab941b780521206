//! `earlystop reload`: make the daemon read its policies again.

use std::io::Write;
use std::time::Duration;

use super::{Failure, daemons};
use crate::wire::answer::Answer;
use crate::wire::write;

/// Arguments of `earlystop reload`.
#[derive(Debug, clap::Args)]
#[command(after_help = "If a file has an error, the old policy stays in force. `earlystop check` shows what is wrong.")]
pub struct Args {}

/// How long a daemon may take: it reads files, perhaps over a network.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the daemon and waits until it has.
///
/// # Errors
/// No daemon; a policy that is refused.
pub fn run(_: &Args) -> Result<u8, Failure> {
    let mut client = daemons::find()?;
    match client.ask(&write::reload(), PATIENCE).map_err(|e| daemons::failure(&e))? {
        Answer::Done => writeln!(std::io::stdout(), "the new policy is in force")?,
        other => return Err(daemons::failure(&daemons::unexpected(&other))),
    }
    Ok(0)
}
