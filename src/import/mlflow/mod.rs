//! MLflow: its SQLite file (`database`) and its server (`server`).

mod database;
mod run;
mod server;

use std::path::Path;

use super::past::Source;
use super::{Ask, Trouble};
use crate::journal::Format;

/// Reads the SQLite file of a tracking server; nothing is written to it.
///
/// # Errors
/// It is none, or has no such metric or experiment.
pub(super) fn read_file(path: &Path, ask: &Ask) -> Result<Source, Trouble> {
    let place = path.display().to_string();
    let found = database::read(path, ask)?;
    run::source(place, Format::MlflowFile, found, ask)
}

/// Asks a tracking server.
///
/// # Errors
/// It cannot be reached, refuses, or has no such metric or experiment.
pub(super) fn read_server(address: &str, ask: &Ask) -> Result<Source, Trouble> {
    let (place, found) = server::read(address, ask)?;
    run::source(place, Format::MlflowServer, found, ask)
}
