//! Faults as trainers have them in life, planted on purpose in some trials.

use std::io::{self, Read};

use clap::ValueEnum;

/// What goes wrong in a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Keeps a copy of the model after every step, "to go back to the best one later".
    Leak,
    /// Half way through it waits for its next batch on standard input, where nobody writes.
    Hang,
}

impl Fault {
    /// The name on the command line, in the trial's label and at the front of its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Leak => "leak",
            Fault::Hang => "hang",
        }
    }

    /// A trial's name: the fault stands in front, if one is planted.
    pub fn named(fault: Option<Fault>, trial: &str) -> String {
        fault.map_or(trial.to_string(), |fault| format!("{}-{trial}", fault.as_str()))
    }
}

/// The planted hang: reads a batch that nobody sends. Ends only with the process, or, with an error, when whoever
/// holds the other end goes away.
pub fn await_a_batch_from(source: &mut impl Read) -> io::Result<()> {
    match source.read(&mut [0; 8])? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "whoever was to send the next batch is gone")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_from_nobody_is_an_error_once_they_are_gone() {
        assert!(await_a_batch_from(&mut io::empty()).is_err());
    }
}
