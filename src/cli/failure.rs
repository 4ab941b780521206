//! How a command says that it could not do its work: the thing, the cause, what to do.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The thing and the cause. Empty: it was said already.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The reader of our standard output went away: no error.
    closed_pipe: bool,
}

impl Failure {
    /// Usage, configuration, no daemon, unknown trial.
    pub const USAGE: u8 = 2;

    /// A failure with exit code 2.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { code: Failure::USAGE, message: message.into(), hint: Some(hint.into()), closed_pipe: false }
    }

    /// The same failure with another exit code.
    pub fn with_code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }

    /// Says it on stderr, unless nobody reads our output any more.
    pub fn report(&self) -> ExitCode {
        if self.closed_pipe {
            return ExitCode::SUCCESS;
        }
        if !self.message.is_empty() {
            eprint!("{self}");
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "earlystop: {}", self.message)?;
        match &self.hint {
            Some(hint) => writeln!(f, "  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Writing to standard output failed.
impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        let closed_pipe = e.kind() == io::ErrorKind::BrokenPipe;
        let hint = Some("is the disk full?".to_string());
        Failure { code: Failure::USAGE, message: format!("cannot write the output: {e}"), hint, closed_pipe }
    }
}
