//! `earlystop reload`: make every daemon of the user read its policy again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Failure, daemons};
use crate::wire::answer::Answer;
use crate::wire::client::{Client, ClientError};
use crate::wire::write;

/// Arguments of `earlystop reload`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It asks the daemon and every `earlystop run --policy` of this user, and says of each what came of it.\n\
If a file has an error, that daemon's old policy stays in force. `earlystop check` shows what is wrong."
)]
pub struct Args {}

/// How long a daemon may take: it reads files, perhaps over a network.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks all daemons at once, then waits for each.
///
/// # Errors
/// No daemon; else the exit code is 2 where a policy is refused or a daemon does not answer, which is said on stderr.
pub fn run(_: &Args) -> Result<u8, Failure> {
    let mut code = 0;
    // Asked all at once: `collect` comes before the first answer is waited for.
    let asked: Vec<_> = daemons::own()?.into_iter().map(ask).collect();
    for (path, asked) in asked {
        match asked.and_then(|mut client| client.answer(PATIENCE)) {
            Ok(Answer::Reloaded { files: 0, .. }) => {
                writeln!(std::io::stdout(), "{}: it has no policy to read", path.display())?;
            }
            Ok(Answer::Reloaded { files, rules }) => {
                let (rules, files) = (counted(rules, "rule"), counted(files, "file"));
                writeln!(std::io::stdout(), "{}: the new policy is in force ({rules} in {files})", path.display())?;
            }
            // A `run` may end while it is asked.
            Err(ClientError::Closed) => writeln!(std::io::stdout(), "{}: it has just ended", path.display())?,
            Ok(other) => code = report(&path, &daemons::unexpected(&other)),
            Err(e) => code = report(&path, &e),
        }
    }
    Ok(code)
}

fn ask((path, mut client): (PathBuf, Client)) -> (PathBuf, Result<Client, ClientError>) {
    let sent = client.send(&write::reload());
    (path, sent.map(|()| client))
}

fn report(path: &Path, trouble: &ClientError) -> u8 {
    let mut failure = daemons::failure(trouble);
    failure.message = format!("{}: {}", path.display(), failure.message);
    eprint!("{failure}");
    Failure::USAGE
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
