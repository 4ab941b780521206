//! The ledger: the write-ahead of stops. What is about to be done to a process is in a mapped file before it is done, so
//! that a daemon killed at any moment comes back and gives no signal twice.

mod entry;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use super::machine::Machine;
use super::page::Turns;
use crate::model::{ProcKey, RunId, Shot, Signal, SignalResult, Signalled, StopId, StopOutcome, StopRecord};
use entry::Entry;

/// Bytes of a file at first: 400 stops with their shots. It grows when more are open at once.
const SIZE: u64 = 256 * 1024;

/// A stop that was under way when the last daemon died.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenStop {
    /// The stop as it last stood.
    pub record: StopRecord,
    /// Signals intended on its current rung and what became of them. One without an outcome counts as taken, except
    /// SIGKILL, which is sent again (and is not listed here).
    pub shots: Vec<(Shot, Option<SignalResult>)>,
    /// Who was of the tree when it was last read, and perhaps some who had left it by then.
    pub members: Vec<ProcKey>,
}

/// What an earlier life left behind.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Stops to go on with, in the order of their ids.
    pub open: Vec<OpenStop>,
    /// Stops of another boot or pid namespace: whoever they were about is gone.
    pub gone: Vec<StopRecord>,
    /// What was wrong with the files, for the log.
    pub damage: Option<String>,
}

/// The handle; clones share one ledger.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    turns: Option<Turns>,
    machine: Machine,
    paths: Option<[PathBuf; 2]>,
    open: BTreeMap<StopId, Open>,
    trouble: Option<String>,
}

/// An open stop; its shots by process and signal, since a tree may have ten thousand.
struct Open {
    record: StopRecord,
    shots: BTreeMap<(ProcKey, Signal), (Shot, Option<SignalResult>)>,
    members: BTreeSet<ProcKey>,
}

impl Open {
    fn told(&self) -> OpenStop {
        let (shots, members) = (self.shots.values().copied().collect(), self.members.iter().copied().collect());
        OpenStop { record: self.record.clone(), shots, members }
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        let shots = self.shots.values().map(|(shot, result)| match result {
            Some(result) => Entry::Outcome(Signalled { shot: *shot, result: *result }),
            None => Entry::Intent(*shot),
        });
        let members = Entry::Members(self.record.id, self.members.iter().copied().collect());
        [Entry::Stop(self.record.clone()), members].into_iter().chain(shots)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("Ledger").field("paths", &inner.paths).field("open", &inner.open.len()).finish()
    }
}

impl Ledger {
    /// Opens the ledger beside `journal` (`X.sqlite`: `X.ledger-a` and `X.ledger-b`) and says what an earlier life left
    /// open. Where the files cannot be had (a full or read-only disk) it works in memory alone; [`Ledger::trouble`] says so.
    pub fn beside(journal: &Path, machine: Machine) -> (Ledger, Recovered) {
        let paths = ["ledger-a", "ledger-b"].map(|end| journal.with_extension(end));
        let mut inner = Inner::new(machine);
        inner.paths = Some(paths.clone());
        let recovered = inner.recover(&paths).unwrap_or_else(|error| {
            inner.give_up(&error);
            Recovered::default()
        });
        (Ledger { inner: Arc::new(Mutex::new(inner)) }, recovered)
    }

    /// A ledger that no file backs: for `--observe`, where nothing is ever given, and for tests.
    pub fn in_memory() -> Ledger {
        Ledger { inner: Arc::new(Mutex::new(Inner::new(Machine::here()))) }
    }

    /// The stops that are open, in the order of their ids.
    pub fn open_stops(&self) -> Vec<OpenStop> {
        self.lock().open.values().map(Open::told).collect()
    }

    /// Takes the files away if no stop is open: an embedded daemon leaves nothing behind but its journal.
    pub fn retire(self) {
        let mut inner = self.lock();
        if inner.open.is_empty() && inner.turns.take().is_some() {
            for path in inner.paths.iter().flatten() {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// A stop began, or changed its rung or deadline.
    pub fn record(&self, record: &StopRecord) {
        self.lock().take(Entry::Stop(record.clone()));
    }

    /// Who is of the tree of a trial that is being stopped, read just now. Whoever is signalled may leave descendants behind to
    /// whom no way leads any more, and the journal is written too late for a daemon that is killed at that moment.
    pub fn remember(&self, run: RunId, members: impl IntoIterator<Item = ProcKey>) {
        let mut inner = self.lock();
        let Some(open) = inner.open.values_mut().find(|open| open.record.run == run) else { return };
        let now: BTreeSet<ProcKey> = members.into_iter().collect();
        let new: Vec<ProcKey> = now.difference(&open.members).copied().collect();
        let stop = open.record.id;
        // Whoever has left is forgotten here, and in the file at its next turn.
        open.members = now;
        if !new.is_empty() {
            inner.take(Entry::Members(stop, new));
        }
    }

    /// A signal is about to be given. On return it is in the file.
    pub fn intend(&self, shot: &Shot) {
        self.lock().take(Entry::Intent(*shot));
    }

    /// What became of a signal.
    pub fn outcome(&self, signalled: &Signalled) {
        self.lock().take(Entry::Outcome(*signalled));
    }

    /// The stop is over.
    pub fn close(&self, stop: StopId, outcome: StopOutcome) {
        self.lock().take(Entry::Closed(stop, outcome));
    }

    /// Why no file backs it, where that is so; each reason is said once.
    pub fn trouble(&self) -> Option<String> {
        self.lock().trouble.take()
    }

    /// Whether a file backs it.
    pub fn is_backed(&self) -> bool {
        self.lock().turns.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn new(machine: Machine) -> Inner {
        Inner { turns: None, machine, paths: None, open: BTreeMap::new(), trouble: None }
    }

    /// Opens the files, takes over what they hold and writes it anew.
    fn recover(&mut self, paths: &[PathBuf; 2]) -> io::Result<Recovered> {
        let mut recovered = Recovered::default();
        let (turns, found) = Turns::open(paths, SIZE, self.machine.clone())?;
        if let Some(found) = found {
            let entries: Option<Vec<Entry>> = found.entries.iter().map(|bytes| Entry::decode(bytes)).collect();
            if found.torn || entries.is_none() {
                let text = format!("{}: an entry is damaged, what came after it is not known", self.place());
                recovered.damage = Some(text);
            }
            let entries = entries.unwrap_or_else(|| found.entries.iter().map_while(|b| Entry::decode(b)).collect());
            entries.into_iter().for_each(|e| apply(&mut self.open, e));
            if !found.machine.same_pids(&self.machine) {
                recovered.gone = std::mem::take(&mut self.open).into_values().map(|o| o.record).collect();
            }
        }
        recovered.open = self.open.values().map(Open::told).collect();
        self.turns = Some(turns);
        if let Err(error) = self.turn(0) {
            self.give_up(&error);
        }
        Ok(recovered)
    }

    fn take(&mut self, entry: Entry) {
        let bytes = entry.encode();
        apply(&mut self.open, entry);
        // On a turn `open` already holds the entry, so the other file will hold it too.
        let room = self.turns.as_mut().is_none_or(|turns| turns.append(&bytes));
        if !room && let Err(error) = self.turn(bytes.len()) {
            self.give_up(&error);
        }
    }

    fn turn(&mut self, more: usize) -> io::Result<()> {
        let entries: Vec<Vec<u8>> = self.open.values().flat_map(Open::entries).map(|e| e.encode()).collect();
        self.turns.as_mut().map_or(Ok(()), |turns| turns.turn(&entries, more))
    }

    fn give_up(&mut self, error: &io::Error) {
        self.turns = None;
        self.trouble = Some(format!(
            "{}: {error}; stops go on, but a daemon that is killed meanwhile will not remember them. Make room or make the \
             folder writable, then restart the daemon",
            self.place()
        ));
    }

    fn place(&self) -> std::path::Display<'_> {
        self.paths.as_ref().map_or(Path::new("ledger"), |paths| &paths[0]).display()
    }
}

/// What an entry changes. SIGKILL may be sent again, so its shots are not kept: a tree that forks would pile them up.
fn apply(open: &mut BTreeMap<StopId, Open>, entry: Entry) {
    match entry {
        Entry::Stop(record) => {
            let old = open.remove(&record.id).map(|old| (old.shots, old.members));
            let (mut shots, members) = old.unwrap_or_default();
            shots.retain(|_, (shot, _)| shot.rung == record.rung);
            open.insert(record.id, Open { record, shots, members });
        }
        Entry::Intent(shot) => note(open, shot, None),
        Entry::Outcome(Signalled { shot, result }) => note(open, shot, Some(result)),
        Entry::Members(stop, keys) => {
            if let Some(stop) = open.get_mut(&stop) {
                stop.members.extend(keys);
            }
        }
        Entry::Closed(stop, _) => {
            open.remove(&stop);
        }
    }
}

fn note(open: &mut BTreeMap<StopId, Open>, shot: Shot, result: Option<SignalResult>) {
    let Some(stop) = open.get_mut(&shot.stop) else { return };
    if shot.signal == Signal::KILL || shot.rung != stop.record.rung {
        return;
    }
    let known = stop.shots.entry((shot.key, shot.signal)).or_insert((shot, None));
    known.1 = result.or(known.1);
}

#[cfg(test)]
mod tests {
    use super::entry::tests::{record, shot};
    use super::*;

    fn ledger(folder: &tempfile::TempDir) -> (Ledger, Recovered) {
        Ledger::beside(&folder.path().join("journal.sqlite"), Machine::here())
    }

    #[test]
    fn open_stops_come_back_with_their_shots() {
        let folder = tempfile::tempdir().unwrap();
        let (first, none) = ledger(&folder);
        assert!(none.open.is_empty() && first.is_backed());
        first.record(&record(1));
        first.record(&record(2));
        first.intend(&shot(1, 10));
        first.intend(&shot(1, 11));
        first.outcome(&Signalled { shot: shot(1, 10), result: SignalResult::Sent });
        first.intend(&Shot { signal: Signal::KILL, ..shot(1, 12) });
        first.close(StopId(2), StopOutcome::Asked);
        drop(first);

        let (second, recovered) = ledger(&folder);
        let shots = vec![(shot(1, 10), Some(SignalResult::Sent)), (shot(1, 11), None)];
        assert_eq!(recovered.open, vec![OpenStop { record: record(1), shots, members: vec![] }]);
        let next = StopRecord { rung: 2, ..record(1) };
        second.record(&next);
        drop(second);
        assert_eq!(ledger(&folder).1.open, vec![OpenStop { record: next, shots: vec![], members: vec![] }]);
    }

    #[test]
    fn the_members_of_a_tree_come_back_with_its_stop() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = ledger(&folder);
        let key = |pid| ProcKey { pid, start: 7, inode: 9 };
        let run = record(1).run;
        first.remember(run, [key(9)]);
        first.record(&record(1));
        first.remember(run, [key(10), key(11)]);
        first.record(&StopRecord { rung: 2, ..record(1) });
        first.remember(run, [key(11), key(12)]);
        assert_eq!(first.open_stops()[0].members, [key(11), key(12)], "who left is forgotten");
        drop(first);
        let (second, recovered) = ledger(&folder);
        assert_eq!(recovered.open[0].members, [key(10), key(11), key(12)], "the file only grows until its turn");
        // A large tree, read again and again.
        let crowd = || (0..10_000).map(key);
        (0..50).for_each(|round| second.remember(run, crowd().skip(round)));
        drop(second);
        let (third, recovered) = ledger(&folder);
        assert!(crowd().skip(50).all(|key| recovered.open[0].members.contains(&key)));
        assert!(third.is_backed());
    }

    #[test]
    fn a_ledger_of_another_boot_holds_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let other = Machine { boot_id: "another".into(), ..Machine::here() };
        Ledger::beside(&path, other).0.record(&record(1));
        let (_, recovered) = ledger(&folder);
        assert!(recovered.open.is_empty());
        assert_eq!(recovered.gone, vec![record(1)]);
        assert!(ledger(&folder).1.gone.is_empty());
    }

    #[test]
    fn it_grows_to_4096_open_stops_of_full_length() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = ledger(&folder);
        let long = "x".repeat(1000);
        for id in 0..4096 {
            first.record(&StopRecord { reason: long.clone(), ..record(id) });
            (0..8).for_each(|pid| first.intend(&shot(id, pid)));
        }
        assert!(first.is_backed());
        drop(first);
        let (_, recovered) = ledger(&folder);
        assert_eq!(recovered.open.len(), 4096);
        assert!(recovered.open.iter().all(|o| o.shots.len() == 8 && o.record.reason == long));
    }

    #[test]
    fn a_damaged_entry_ends_the_reading_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = ledger(&folder);
        first.record(&record(1));
        first.record(&record(2));
        drop(first);
        let path = folder.path().join("journal.ledger-b");
        let mut bytes = std::fs::read(&path).unwrap();
        let first_entry = Entry::Stop(record(1)).encode();
        let second = bytes.windows(first_entry.len()).position(|w| w == first_entry).unwrap() + first_entry.len();
        bytes[second + 20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (_, recovered) = ledger(&folder);
        assert_eq!(recovered.open.len(), 1);
        assert!(recovered.damage.unwrap().contains("journal.ledger-a: an entry is damaged"));
    }

    #[test]
    fn a_second_holder_works_in_memory_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (_first, _) = ledger(&folder);
        let (second, _) = ledger(&folder);
        assert!(!second.is_backed());
        assert!(second.trouble().unwrap().contains("another process holds it"));
        assert_eq!(second.trouble(), None);
        second.record(&record(1));
        assert_eq!(second.open_stops().len(), 1);
    }

    #[test]
    fn an_embedded_ledger_goes_away_unless_a_stop_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = ledger(&folder);
        first.record(&record(1));
        first.clone().retire();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        first.close(StopId(1), StopOutcome::Killed);
        first.retire();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
