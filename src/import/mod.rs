//! Histories that others recorded, as a journal: what a daemon would have written, had it been there.
//!
//! In reading order: [`Ask`] is what a person wants; [`read`] looks what kind of source it is and has it read (`csv`,
//! `mlflow`, `tensorboard`) into trials as the source has them (`past`); `settle` makes a [`History`] of them (names, totals,
//! ends, `times`); `timeline` puts all that was said in the order of time; [`write()`] lets the engine listen and keeps the
//! journal.

mod ask;
mod csv;
mod history;
mod past;
mod settle;
mod timeline;
mod times;
mod trouble;
mod write;

pub use ask::{Ask, First};
pub use history::{End, Ended, History, Report};
pub use trouble::Trouble;
pub use write::{Written, write};

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a source.
///
/// # Errors
/// What a person has to know: the place, the cause, what to do.
pub fn read(source: &str, ask: &Ask) -> Result<History, Trouble> {
    let path = Path::new(source);
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
    read.map_err(|error| {
        Trouble::new(source, error.to_string(), "give a CSV file, an MLflow file or address, or event files")
    })?;
    settle::settle(csv::read(path, ask)?, ask)
}
