//! Histories that others recorded, as a journal: what a daemon would have written, had it been there.
//!
//! In reading order: [`Ask`] is what a person wants; [`read`] looks what kind of source it is and has it read (`csv`,
//! `mlflow`, `tensorboard`) into trials as the source has them (`past`); `settle` makes a [`History`] of them (names, totals,
//! ends, `times`); `timeline` puts all that was said in the order of time; [`write()`] lets the engine listen and keeps the
//! journal.

mod ask;
mod csv;
mod history;
mod http;
mod mlflow;
mod past;
mod points;
mod settle;
mod tensorboard;
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

/// What an SQLite file begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Reads a source: what it is, it tells by its first bytes.
///
/// # Errors
/// What a person has to know: the place, the cause, what to do.
pub fn read(source: &str, ask: &Ask) -> Result<History, Trouble> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return settle::settle(mlflow::read_server(source, ask)?, ask);
    }
    let path = Path::new(source);
    let hint = "give a CSV file, an MLflow file or address, or a file or folder of TensorBoard";
    let mut head = Vec::new();
    if !path.is_dir() {
        let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
        read.map_err(|error| Trouble::new(source, error.to_string(), hint))?;
    }
    let found = match () {
        () if path.is_dir() || tensorboard::is_events(path, &head) => tensorboard::read(path, ask)?,
        () if head.starts_with(SQLITE) => mlflow::read_file(path, ask)?,
        () => csv::read(path, ask)?,
    };
    settle::settle(found, ask)
}
