//! What came in and what was done: the journal (SQLite, for replay and for the next life) and the ledger (a mapped file,
//! written ahead of every signal).

mod body;
mod bytes;
mod error;
mod handle;
mod item;
mod ledger;
mod lock;
mod machine;
mod newcomers;
mod packed;
mod page;
mod prune;
mod reader;
mod recorder;
mod restore;
mod still;
mod store;
mod tally;
mod verdicts;
mod writer;

pub use body::{Broken, Dropped, Format, Imported, Input, Start, Times};
pub use error::{Holder, JournalError};
pub use handle::{Config, Detail, Journal};
pub use item::Origin;
pub use ledger::{Ledger, OpenStop, Recovered};
pub use lock::utc;
pub use machine::Machine;
pub use reader::{Reader, Recorded};
pub use recorder::Recorder;
pub use restore::{Attempt, Restored, RestoredTrial};
pub use still::Still;
pub use verdicts::{Difference, Verdicts};
