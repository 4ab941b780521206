//! A journal to be replayed, as often as it is needed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::journal::{Input, JournalError, Reader, Start, Still, Times, Verdicts};
use crate::model::{RunId, Settings};
use crate::policy::Context;

/// A journal and what must be known of it before its first input is fed.
#[derive(Debug)]
pub struct Tape {
    path: PathBuf,
    /// What is read of it: a copy, if a daemon writes it.
    still: Still,
    /// The beginning of its first life.
    start: Option<Start>,
    last_seen: HashMap<RunId, i64>,
    last_ticks: HashSet<i64>,
    verdicts: Verdicts,
}

impl Tape {
    /// Looks through a journal.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Tape, JournalError> {
        let still = Still::of(path)?;
        let mut reader = Reader::open(still.path())?;
        let (last_seen, last_ticks) = (reader.last_seen()?, reader.last_ticks()?.into_iter().collect());
        let verdicts = reader.verdicts()?;
        let started = |recorded| match recorded {
            Ok(crate::journal::Recorded { input: Input::Started(start), .. }) => Some(Ok(start)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        };
        let start = reader.find_map(started).transpose()?;
        Ok(Tape { path: path.to_path_buf(), still, start, last_seen, last_ticks, verdicts })
    }

    /// What its first daemon's engine was made with.
    pub fn settings(&self) -> Settings {
        self.start.as_ref().map(|start| start.settings.clone()).unwrap_or_default()
    }

    /// Whether somebody made its times up: nothing that depends on time may be concluded from them.
    pub fn has_made_up_times(&self) -> bool {
        let imported = self.start.as_ref().and_then(|start| start.imported.as_ref());
        imported.is_some_and(|imported| imported.times == Times::MadeUp)
    }

    /// What a policy that is to be replayed on it is understood with.
    pub fn context(&self) -> Context {
        super::past::context(&self.settings())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its inputs are read: the journal itself, or a copy.
    pub(super) fn source(&self) -> &Path {
        self.still.path()
    }

    /// What it says was done.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Its inputs, from the first.
    ///
    /// # Errors
    /// It cannot be read any more.
    pub(super) fn inputs(&self) -> Result<Reader, JournalError> {
        Reader::open(self.still.path())
    }

    /// Whether a trial's processes are seen at this place or later.
    pub(super) fn is_seen_from(&self, run: RunId, seq: i64) -> bool {
        self.last_seen.get(&run).is_some_and(|last| *last >= seq)
    }

    /// Whether the input at this place is the last tick of a daemon's life.
    pub(super) fn is_last_tick(&self, seq: i64) -> bool {
        self.last_ticks.contains(&seq)
    }
}
