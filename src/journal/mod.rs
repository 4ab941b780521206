//! What came in and what was done: the journal (SQLite, for replay and for the next life) and the ledger (a mapped file,
//! written ahead of every signal).

mod body;
mod bytes;
mod ledger;
mod machine;
mod packed;

pub use body::{Broken, Dropped, Input, Start};
pub use ledger::{Ledger, OpenStop, Recovered};
pub use machine::Machine;
