//! Why a journal cannot be opened, in words for a person.

use std::path::PathBuf;

/// Why a journal cannot be used at all. A full or read-only disk is none of these: the daemon goes on without.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another daemon writes it.
    #[error(
        "{}: another daemon writes this journal{}; stop that one first, or give this one a folder of its own with --state",
        path.display(),
        named(holder)
    )]
    Held {
        /// The journal.
        path: PathBuf,
        /// Who, as far as the lock file tells.
        holder: Option<Holder>,
    },
    /// A daemon writes it (only for reading back).
    #[error(
        "{}: a daemon writes this journal{}; end the daemon first (its trials run on), or wait for the end of its `earlystop \
         run`, then read it again; `earlystop list` and `earlystop explain` show what happens now",
        path.display(),
        named(holder)
    )]
    Written {
        /// The journal.
        path: PathBuf,
        /// Who, as far as the lock file tells.
        holder: Option<Holder>,
    },
    /// No daemon has it, but somebody has.
    #[error(
        "{}: another program has this journal open (another command that reads it, or an sqlite3 shell?); wait for its end, \
         then try again",
        path.display()
    )]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "{}: written by a later earlystop (schema {found}, this one knows {known}); use that version, or move the file away \
         and a new one is begun",
        path.display()
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The highest that this program knows.
        known: i64,
    },
    /// It is another kind of file or damaged.
    #[error(
        "{}: {what}; move it away (keep its -wal with it) and a new one is begun; `sqlite3 FILE .recover` may save what is \
         in it",
        path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It cannot be read (only for reading back; a daemon goes on without).
    #[error("{}: {what}", path.display())]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Who holds a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The daemon's process, in its own pid namespace.
    pub pid: u32,
    /// When it took the journal, UTC, for people.
    pub since: String,
}

fn named(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|h| format!(" (pid {}, since {})", h.pid, h.since)).unwrap_or_default()
}
