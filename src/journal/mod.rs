//! What came in and what was done: the journal (SQLite, for replay and for the next life) and the ledger (a mapped file,
//! written ahead of every signal).

mod bytes;
mod ledger;
mod machine;

pub use ledger::{Ledger, OpenStop, Recovered};
pub use machine::Machine;
