//! A journal that holds still: itself, or a copy of one that a daemon writes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::JournalError;
use super::reader::Reader;

/// So often a copy is begun anew because the daemon began its log anew meanwhile: it does so each few megabytes.
const TRIES: u32 = 20;

/// Length of the header of a write-ahead log (SQLite's file format, section 4.1); its salts change when the log begins anew.
const WAL_HEADER: usize = 32;

/// A journal that can be read as often as it is needed, and is the same each time.
#[derive(Debug)]
pub struct Still {
    path: PathBuf,
    /// The folder of the copy, removed with it.
    copy: Option<TempDir>,
}

impl Still {
    /// Of a journal; if a daemon writes it, of a copy as of its last commit.
    ///
    /// # Errors
    /// It cannot be read, or not be copied.
    pub fn of(path: &Path) -> Result<Still, JournalError> {
        match Reader::open(path) {
            Ok(_) => Ok(Still { path: path.to_path_buf(), copy: None }),
            Err(JournalError::Written { .. } | JournalError::InUse { .. }) => copy(path).map_err(|why| {
                let what = format!("a daemon writes it, and it cannot be copied: {why}");
                JournalError::Unreadable { path: path.to_path_buf(), what }
            }),
            Err(other) => Err(other),
        }
    }

    /// Where it is to be read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a daemon writes the original: what it has not committed yet is missing.
    pub fn is_copy(&self) -> bool {
        self.copy.is_some()
    }
}

/// Copies the file, then its log. While the log is the same, what a checkpoint moves into the file meanwhile stands in the log
/// as well, and SQLite takes it from there; a last frame that was torn counts as never written.
fn copy(path: &Path) -> io::Result<Still> {
    let folder = tempfile::Builder::new().prefix("earlystop-journal-").tempdir()?;
    let to = folder.path().join("journal.sqlite");
    for _ in 0..TRIES {
        let before = stamp(path)?;
        std::fs::copy(path, &to)?;
        let log = with(&to, "-wal");
        match std::fs::copy(with(path, "-wal"), &log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(std::fs::remove_file(&log)),
            other => drop(other?),
        }
        if stamp(path)? == before {
            return Ok(Still { path: to, copy: Some(folder) });
        }
    }
    Err(io::Error::other("it changes faster than it can be copied"))
}

/// What tells whether a copy is of one piece: the header of the log; without one the file's change counter, and whether a
/// transaction is under way.
fn stamp(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let head = |path: &Path, length: usize| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match head(&with(path, "-wal"), WAL_HEADER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let under_way = std::fs::metadata(with(path, "-journal")).is_ok_and(|m| m.len() > 0);
            // Bytes 24 to 27 of a database are its change counter.
            Ok((head(path, 28)?, under_way))
        }
        other => Ok((other?, false)),
    }
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
