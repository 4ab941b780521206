//! How a trial gets its process: this program starts it, or Ray does.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earlystop::model::TrialView;

use super::ray::Session;
use super::trainer::{Kind, Trainer};
use crate::process::Trial;
use crate::sidecar::Sidecar;

/// Starts trials.
pub enum Hands<'a> {
    /// Each is a child of this process, and the kernel tells what it used.
    Own(&'a Trainer),
    /// Ray starts them; what they used is what the sidecar saw.
    Ray(Session),
}

impl<'a> Hands<'a> {
    /// For a search in `out` whose trials are to have these rows, so many at a time.
    ///
    /// # Errors
    /// The trainer cannot train: no such Python, a package that is missing, Ray does not start.
    pub fn new(
        trainer: &'a Trainer,
        out: &Path,
        rows: &[PathBuf],
        slots: usize,
        sidecar: &Sidecar,
    ) -> Result<Hands<'a>, Box<dyn Error>> {
        match trainer.kind {
            Kind::Rust | Kind::Sklearn => Ok(Hands::Own(trainer)),
            Kind::Ray => Ok(Hands::Ray(Session::start(trainer, out, rows, slots, sidecar.socket(), None)?)),
        }
    }

    /// Trains one trial to its end, and gives the sidecar's record of it.
    pub fn run(&self, arguments: &[String], set: &str, name: &str, sidecar: &Sidecar) -> io::Result<Arc<TrialView>> {
        match self {
            Hands::Own(trainer) => {
                let ended = Trial::spawn(trainer.command(arguments)?, sidecar.socket())?.wait()?;
                sidecar.record_of(set, name, ended)
            }
            Hands::Ray(session) => {
                let before = sidecar.attempts(set, name);
                let said = session.run(arguments, sidecar.socket())?;
                let with_word = |e: io::Error| match &said {
                    Some(said) => io::Error::other(format!("{e}; Ray says: {said}")),
                    None => e,
                };
                sidecar.record_after(before, set, name).map_err(with_word)
            }
        }
    }
}
