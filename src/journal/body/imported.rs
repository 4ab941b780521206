//! What a journal says of a history that no daemon recorded.

use super::record;

/// Where an imported history came from. It stands in the journal's `started` record ([`Start::imported`](super::Start)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The file, folder or address, as it was given; never with a password.
    pub source: String,
    /// What kind of source it is.
    pub format: Format,
    /// Whether its times mean anything.
    pub times: Times,
}
record!(Imported { source, format, times });

/// Kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table in a text file.
    Csv,
    /// The SQLite file of an MLflow tracking server.
    MlflowFile,
    /// A running MLflow tracking server.
    MlflowServer,
    /// TensorBoard's event files.
    TensorBoard,
}

/// Where an imported history has its times from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// From the source.
    Recorded,
    /// The source has none: trials run one after the other in its order, one second a step. Nothing that depends on time may
    /// be concluded from them.
    MadeUp,
}
