//! The daemons that a command may ask, and how it says that there is none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Failure;
use crate::sys::places::Places;
use crate::wire::answer::Answer;
use crate::wire::client::{Client, ClientError};
use crate::wire::row::{ListRow, TrialRow};
use crate::wire::write;

/// How long a daemon may take for an answer. Its main loop answers in milliseconds; a machine that swaps takes longer.
pub const PATIENCE: Duration = Duration::from_secs(5);

const NO_DAEMON: &str = "start one with `earlystop daemon`, or put `earlystop run --` in front of the command";

const ROOTS: &str = "only root can make it read its policy again: sudo earlystop reload";

/// Connects to the daemon that this user's trials report to.
///
/// # Errors
/// None answers, or it is not to be trusted.
pub fn find() -> Result<Client, Failure> {
    Client::find(Places::here().client_sockets()).map_err(|e| failure(&e))
}

/// A daemon and its trials.
#[derive(Debug)]
pub struct Answered {
    /// The connection, for another question.
    pub client: Client,
    /// What `list` gave.
    pub rows: Vec<ListRow>,
}

/// Asks every daemon of the user for its trials; those of `run` too. Sockets that nobody serves any more are passed over.
///
/// # Errors
/// None answered.
pub fn ask_all() -> Result<Vec<Answered>, Failure> {
    let sockets = Places::here().all_sockets();
    let mut answered = Vec::new();
    let mut trouble = None;
    for path in &sockets {
        match ask(path) {
            Ok(found) => answered.push(found),
            // Sockets of a `run` that was killed stay behind; a `run` may end while it is asked.
            Err(ClientError::Absent { .. } | ClientError::Closed) => {}
            Err(e) => trouble = Some(e),
        }
    }
    match (answered.is_empty(), trouble) {
        (true, Some(e)) => Err(failure(&e)),
        (true, None) => Err(failure(&ClientError::Nowhere(sockets))),
        (false, Some(e)) => {
            eprintln!("earlystop: one of the daemons is left out: {e}");
            Ok(answered)
        }
        (false, None) => Ok(answered),
    }
}

/// Connects to every daemon that runs as this user; those of `run` too.
///
/// # Errors
/// There is none. Where others' daemons answer, it says that they are theirs.
pub fn own() -> Result<Vec<(PathBuf, Client)>, Failure> {
    let sockets = Places::here().all_sockets();
    let mut found = Vec::new();
    let mut others = None;
    for path in &sockets {
        match Client::connect(path) {
            Ok(client) if client.is_own()? => found.push((path.clone(), client)),
            Ok(_) => others = Some(Failure::new(format!("{}: this daemon is root's", path.display()), ROOTS)),
            Err(ClientError::Absent { .. }) => {}
            Err(e) => others = Some(failure(&e)),
        }
    }
    match found.is_empty() {
        true => Err(others.unwrap_or_else(|| failure(&ClientError::Nowhere(sockets)))),
        false => Ok(found),
    }
}

fn ask(path: &Path) -> Result<Answered, ClientError> {
    let mut client = Client::connect(path)?;
    match client.ask(&write::list(), PATIENCE)? {
        Answer::Trials(rows) => Ok(Answered { client, rows }),
        other => Err(unexpected(&other)),
    }
}

/// A trial as a person named it, and the daemon that has it.
///
/// # Errors
/// No daemon; no such trial; several of them; another user's.
pub fn trial(named: &str) -> Result<(Client, TrialRow), Failure> {
    let mut all = ask_all()?;
    let rows: Vec<(usize, &ListRow)> =
        all.iter().enumerate().flat_map(|(at, a)| a.rows.iter().map(move |row| (at, row))).collect();
    let (at, row) = super::resolve::resolve(named, &rows)?;
    let row = row.clone();
    Ok((all.swap_remove(at).client, row))
}

/// An answer that does not belong to the question.
pub fn unexpected(answer: &Answer) -> ClientError {
    ClientError::Garbled(format!("{answer:?} is no answer to the question"))
}

/// What a person is told when a daemon could not be asked.
pub fn failure(e: &ClientError) -> Failure {
    match e {
        ClientError::Absent { .. } | ClientError::Nowhere(_) => Failure::new(e.to_string(), NO_DAEMON),
        ClientError::Stranger { .. } => {
            Failure::new(e.to_string(), "set EARLYSTOP_SOCKET to the socket of a daemon of yours")
        }
        ClientError::Refused(refusal) => Failure::new(refusal.message.clone(), refusal.hint.clone()),
        ClientError::Late(_) => Failure::new(e.to_string(), "is the machine overloaded, or the daemon stopped?"),
        _ => Failure::new(e.to_string(), "is the daemon of the same version?"),
    }
}
