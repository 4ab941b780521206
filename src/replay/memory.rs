//! What a daemon remembers that comes back: trials of its journal's earlier lives, and of the journals of earlier commands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::{Remembered, Scribe};
use crate::journal::{Input, JournalError, Reader};
use crate::model::{Policy, Settings, TrialView};

/// So many journals of earlier commands are read, the latest: half a second's work.
const JOURNALS: usize = 500;

/// Listens to journals.
pub struct Recollection {
    scribe: Scribe,
}

impl Recollection {
    /// Of what the rules of a policy read.
    pub fn new(settings: &Settings, policy: &Arc<Policy>) -> Recollection {
        Recollection { scribe: Scribe::new(settings, policy) }
    }

    /// Listens to a whole journal.
    ///
    /// # Errors
    /// It cannot be read, or is damaged. What was read of it before stays.
    pub fn read(&mut self, path: &Path) -> Result<(), JournalError> {
        self.listen(path, i64::MAX)?;
        let heads = Reader::open(path)?.heads()?;
        self.settle(heads.iter());
        Ok(())
    }

    /// Listens to what came in before this place of a journal; who lives and how others ended is for the caller to say.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(super) fn listen(&mut self, path: &Path, before: i64) -> Result<(), JournalError> {
        for recorded in Reader::open(path)?.without_samples() {
            let recorded = recorded?;
            match recorded.input {
                _ if recorded.seq >= before => break,
                Input::Started(_) => self.scribe.begin_life(),
                Input::Event(event) => self.scribe.hear(recorded.at, &event),
                Input::Ended | Input::Dropped(_) | Input::Policy(_) => {}
            }
        }
        Ok(())
    }

    /// How trials stand at the end of what was read.
    pub(super) fn settle<'v>(&mut self, heads: impl Iterator<Item = &'v TrialView>) {
        heads.for_each(|view| self.scribe.settle(view));
    }

    /// What is remembered.
    pub fn finish(self) -> Remembered {
        self.scribe.finish()
    }
}

/// The journals of earlier commands in a folder, the oldest first: their names are ULIDs. `own` is left out.
pub fn earlier(folder: &Path, own: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path != own && path.extension().is_some_and(|e| e == "sqlite")).collect();
    found.sort();
    found.drain(..found.len().saturating_sub(JOURNALS));
    found
}
