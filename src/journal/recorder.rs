//! A journal written in one go, for a history that was recorded elsewhere: nothing waits, nothing is lost, and the file
//! appears under its name only when it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::body::{Imported, Start};
use super::error::JournalError;
use super::item::{Item, Origin};
use super::lock;
use super::machine::Machine;
use super::store::{Refused, Store};
use crate::model::{Effect, Event, Line, Moment, RunId, Said, Settings};

/// So many records go into the file at once.
const BATCH: usize = 8192;

/// Writes a journal beside its place and puts it there when it is whole.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    /// Where it grows; gone again if the recorder is dropped before its end.
    draft: PathBuf,
    store: Option<Store>,
    pending: Vec<(Moment, Item)>,
    origins: BTreeMap<RunId, Origin>,
}

impl Recorder {
    /// Begins a journal that will lie at `path`.
    ///
    /// # Errors
    /// Something lies at `path` already, or nothing can be written beside it.
    pub fn create(path: &Path, settings: &Settings, imported: Imported, at: Moment) -> Result<Recorder, JournalError> {
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        let draft = draft_of(path);
        // Nobody else's: our number is in its name.
        remove(&draft);
        // Pids of another machine mean nothing here, and this history has none.
        let nowhere = Machine { boot_id: String::new(), pid_ns: 0 };
        let store = Store::open(&draft, &nowhere, at).map_err(|refused| match refused {
            Refused::Forever(error) => error,
            Refused::ForNow(what) => unwritable(path, what),
        })?;
        let mut recorder = Recorder {
            path: path.to_path_buf(),
            draft,
            store: Some(store),
            pending: Vec::new(),
            origins: BTreeMap::new(),
        };
        recorder.sqlite(|store| {
            // The draft is thrown away if anything fails: only the whole has to reach the disk.
            store.db.pragma_update(None, "synchronous", "OFF")
        })?;
        let start = Start {
            version: env!("CARGO_PKG_VERSION").into(),
            boot_id: String::new(),
            pid_ns: 0,
            pid: 0,
            settings: settings.clone(),
            remembered: Vec::new(),
            imported: Some(imported),
        };
        recorder.push(at, Item::Start(Box::new(start)))?;
        Ok(recorder)
    }

    /// The engine gets this now.
    ///
    /// # Errors
    /// The disk.
    pub fn event(&mut self, at: Moment, event: Event) -> Result<(), JournalError> {
        if let Event::Line(Line { said: Said::Hello(hello, run), .. }) = &event {
            self.origins.insert(*run, Origin::Hello(hello.clone()));
        }
        self.push(at, Item::Input(Box::new(event)))
    }

    /// The engine did this; heads of trials are kept.
    ///
    /// # Errors
    /// The disk.
    pub fn effect(&mut self, at: Moment, effect: Effect) -> Result<(), JournalError> {
        let Effect::Head(view) = effect else { return Ok(()) };
        let origin = self.origins.remove(&view.run);
        self.push(at, Item::Head { view, origin, root: None, number: 0 })
    }

    /// The history ends: what waits is written, and the journal takes its place.
    ///
    /// # Errors
    /// The disk; somebody put another file there meanwhile.
    pub fn finish(mut self, at: Moment) -> Result<(), JournalError> {
        self.push(at, Item::End)?;
        self.flush()?;
        self.sqlite(|store| {
            // The file alone is the whole journal.
            store.db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        })?;
        self.store = None;
        let synced = File::open(&self.draft).and_then(|file| file.sync_all());
        synced.map_err(|error| unwritable(&self.path, error.to_string()))?;
        place(&self.draft, &self.path)
    }

    fn push(&mut self, at: Moment, item: Item) -> Result<(), JournalError> {
        self.pending.push((at, item));
        if self.pending.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        let batch = std::mem::take(&mut self.pending);
        self.sqlite(|store| store.write(&batch).map(drop))
    }

    fn sqlite(&mut self, what: impl FnOnce(&mut Store) -> rusqlite::Result<()>) -> Result<(), JournalError> {
        let path = &self.path;
        self.store.as_mut().map_or(Ok(()), what).map_err(|error| unwritable(path, error.to_string()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.store = None;
        remove(&self.draft);
    }
}

/// A hidden file beside the journal that bears our number.
fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// Gives the draft its name, and never takes another file's.
fn place(draft: &Path, path: &Path) -> Result<(), JournalError> {
    let moved = match rustix::fs::renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it.
        Err(Errno::INVAL | Errno::NOSYS) if path.symlink_metadata().is_err() => rustix::fs::rename(draft, path),
        Err(Errno::INVAL | Errno::NOSYS) => Err(Errno::EXIST),
        moved => moved,
    };
    moved.map_err(|error| if error == Errno::EXIST { taken(path) } else { unwritable(path, error.to_string()) })
}

/// Whatever a draft may have left.
fn remove(draft: &Path) {
    let beside = |end: &str| {
        let mut name = draft.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let files = [draft.to_path_buf(), beside("-wal"), beside("-shm"), beside("-journal"), lock::path_of(draft)];
    for file in files {
        let _ = std::fs::remove_file(file);
    }
}

fn taken(path: &Path) -> JournalError {
    JournalError::Unreadable {
        path: path.to_path_buf(),
        what: "there is a file of this name already, and it stays as it is; take another name, or remove it first"
            .into(),
    }
}

fn unwritable(path: &Path, what: String) -> JournalError {
    JournalError::Unreadable { path: path.to_path_buf(), what: format!("the journal cannot be written: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Format, Input, Reader, Times};

    fn imported() -> Imported {
        Imported { source: "runs.csv".into(), format: Format::Csv, times: Times::MadeUp }
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_journal_appears_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.sqlite");
        let mut recorder = Recorder::create(&path, &Settings::default(), imported(), Moment::default()).unwrap();
        recorder.event(Moment::default().plus(5), Event::Wake).unwrap();
        assert!(!path.exists(), "not before its end");
        recorder.finish(Moment::default().plus(9)).unwrap();
        assert_eq!(files(folder.path()), ["j.sqlite"]);
        let read: Vec<_> = Reader::open(&path).unwrap().map(|r| r.unwrap()).collect();
        let Input::Started(start) = &read[0].input else { panic!("{read:?}") };
        assert_eq!(start.imported, Some(imported()));
        assert!(matches!(read[1].input, Input::Event(Event::Wake)) && matches!(read[2].input, Input::Ended));
        assert_eq!(read[2].at, Moment::default().plus(9));
    }

    #[test]
    fn a_journal_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.sqlite");
        drop(Recorder::create(&path, &Settings::default(), imported(), Moment::default()).unwrap());
        assert!(files(folder.path()).is_empty());
    }

    #[test]
    fn no_file_is_ever_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.sqlite");
        let recorder = Recorder::create(&path, &Settings::default(), imported(), Moment::default()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let late = recorder.finish(Moment::default()).unwrap_err();
        let early = Recorder::create(&path, &Settings::default(), imported(), Moment::default()).unwrap_err();
        for error in [late, early] {
            assert!(error.to_string().contains("a file of this name already"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(files(folder.path()), ["j.sqlite"]);
    }
}
