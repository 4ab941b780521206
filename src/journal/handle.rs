//! The journal as the main loop sees it: it hands records over and never waits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::body::{Dropped, Start};
use super::error::JournalError;
use super::item::{Item, Origin};
use super::machine::Machine;
use super::newcomers::Newcomers;
use super::restore::{Restored, restore};
use super::store::{Refused, Store};
use super::tally::{Left, Noted, Tally};
use super::writer::Writer;
use crate::model::{
    Counters, DropReason, Effect, Event, Line, Moment, Request, Root, RunId, Said, Settings, Snapshot, TreeSample,
    TrialView,
};

/// Records that may wait for the writer.
const CHANNEL: usize = 8192;
/// Bytes that they may hold while they wait.
const WAITING: usize = 16 << 20;
/// So many beginnings are remembered until the trial's first head comes.
const ORIGINS: usize = 4096;

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// Bytes that it may take; the oldest ended trials go first.
    pub max_size: u64,
    /// How long ended trials are kept, nanoseconds.
    pub max_age_ns: u64,
    /// What the engine is made with: a replay needs it.
    pub settings: Settings,
    /// Names of the journals beside this one whose trials are remembered.
    pub remembered: Vec<String>,
    /// Whether samples of single processes are kept.
    pub detail: Detail,
    /// Now.
    pub at: Moment,
    /// Where records, losses and errors are counted.
    pub counters: Arc<Counters>,
}

impl Config {
    /// The contract's default of `max_size`: 2 GiB.
    pub const MAX_SIZE: u64 = 2 << 30;
    /// The contract's default of `max_age`: 30 days.
    pub const MAX_AGE_NS: u64 = 30 * 86_400 * crate::model::SECOND;
}

/// How much of a tick is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// One row a trial.
    #[default]
    Trees,
    /// That and every process: only while a rule reads them.
    Processes,
}

/// The journal. Records are handed to a thread of its own; what it cannot take is counted and told.
#[derive(Debug)]
pub struct Journal {
    sender: Option<SyncSender<(Moment, Item)>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
    detail: Detail,
    lost: Option<Dropped>,
    origins: BTreeMap<RunId, Origin>,
    roots: BTreeMap<RunId, Root>,
    living: BTreeSet<RunId>,
    newcomers: Newcomers,
    tally: Option<Tally>,
}

impl Journal {
    /// Opens the journal and reads what the last life left. Errors are for a person to mend: another daemon has it, a
    /// later version wrote it, it is damaged. On a full or read-only disk it begins without its file and tries on.
    pub fn open(config: Config) -> Result<(Journal, Restored), JournalError> {
        let machine = Machine::here();
        let mut store = match Store::open(&config.path, &machine, config.at) {
            Ok(store) => Some(store),
            Err(Refused::Forever(error)) => return Err(error),
            Err(Refused::ForNow(why)) => {
                tracing::warn!("{}: no journal for now: {why}; the daemon goes on without", config.path.display());
                config.counters.journal_errors.fetch_add(1, Ordering::Relaxed);
                None
            }
        };
        let (mut tally, left) = match Tally::beside(&config.path, machine.clone()) {
            Ok((tally, left)) => (Some(tally), left),
            Err(error) => {
                tracing::warn!("{}: counters will not outlive a crash: {error}", config.path.display());
                (None, Left::default())
            }
        };
        let restored = match &mut store {
            Some(store) => {
                take_over(store, tally.as_mut(), &left);
                restore(&store.db, left.figures, config.at, config.settings.ended_retention_ns)
                    .map_err(|error| JournalError::Damaged { path: config.path.clone(), what: error.to_string() })?
            }
            None => Restored::default(),
        };
        restored.damage.iter().for_each(|what| tracing::warn!("{}: {what}", config.path.display()));
        config.counters.journal_up.store(store.is_some(), Ordering::Relaxed);
        let mut journal = Journal::start(&config, machine.clone(), store, tally);
        journal.living = restored.trials.iter().map(|t| t.view.run).collect();
        journal.send(config.at, Item::Start(Box::new(start_of(&config, machine))));
        Ok((journal, restored))
    }

    fn start(config: &Config, machine: Machine, store: Option<Store>, tally: Option<Tally>) -> Journal {
        let (sender, receiver) = sync_channel(CHANNEL);
        let waiting = Arc::new(AtomicUsize::new(0));
        let written = tally.as_ref().map(Tally::written).unwrap_or_default();
        let writer = Writer::new(config.clone(), machine, waiting.clone(), receiver, store, written);
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run());
        let thread = thread.inspect_err(|e| tracing::error!("no thread for the journal: {e}")).ok();
        Journal {
            sender: Some(sender),
            waiting,
            thread,
            counters: config.counters.clone(),
            detail: config.detail,
            lost: None,
            origins: BTreeMap::new(),
            roots: BTreeMap::new(),
            living: BTreeSet::new(),
            newcomers: Newcomers::default(),
            tally,
        }
    }

    /// From now on so much of a tick is kept.
    pub fn set_detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// The engine gets this now.
    pub fn event(&mut self, at: Moment, event: &Event) {
        self.remember_origin(event);
        self.remember_members(at, event);
        let item = Item::Input(Box::new(self.slim(event)));
        self.send(at, item);
    }

    /// The engine did this. Only what the journal keeps is taken: heads, stops, signals.
    pub fn effect(&mut self, at: Moment, effect: &Effect) {
        match effect {
            Effect::Track(run, root, _) => {
                self.roots.insert(*run, *root);
                if self.living.contains(run) {
                    self.send(at, Item::Root(*run, *root));
                }
            }
            Effect::Untrack(run) => {
                self.roots.remove(run);
                self.newcomers.forget(*run);
            }
            Effect::Head(view) => self.head(at, view),
            Effect::Record(record) => drop(self.send(at, Item::Stop(record.clone()))),
            Effect::Close(record, outcome) => drop(self.send(at, Item::Close(record.clone(), *outcome))),
            Effect::Signal(shot) => drop(self.send(at, Item::Shot(*shot))),
            // Everything else is recomputed by a replay.
            _ => {}
        }
    }

    /// The head is in the tally at once and in SQLite soon.
    fn head(&mut self, at: Moment, view: &Arc<TrialView>) {
        let run = view.run;
        match view.state.is_living() {
            true => self.living.insert(run),
            false => self.living.remove(&run),
        };
        let (origin, root) = (self.origins.remove(&run), self.roots.get(&run).copied());
        let noted = Noted { view: (**view).clone(), origin, root };
        let number = match self.tally.as_mut().map_or(Ok(0), |tally| tally.note(&noted)) {
            Ok(number) => number,
            Err(error) => self.lose_tally(&error),
        };
        let sent = self.send(at, Item::Head { view: view.clone(), origin: noted.origin.clone(), root, number });
        if !sent && let Some(origin) = noted.origin {
            self.origins.insert(run, origin);
        }
    }

    fn lose_tally(&mut self, error: &std::io::Error) -> u64 {
        tracing::warn!("counters will not outlive a crash: {error}");
        self.tally.take().into_iter().for_each(Tally::remove);
        0
    }

    /// This is what a scrape may see from now on: counters of living trials are kept in a mapped file, so that the next
    /// life never shows lower ones. To be called before the snapshot is published; copies memory, waits for nothing.
    pub fn keep(&mut self, snapshot: &Snapshot) {
        let kept = self.tally.as_mut().map_or(Ok(()), |tally| tally.keep(snapshot));
        if let Err(error) = kept {
            self.lose_tally(&error);
        }
    }

    /// The daemon ends in good order: writes what waits, then lets go of the file.
    pub fn close(mut self, at: Moment) {
        self.send(at, Item::End);
        self.finish();
        match self.tally.take() {
            Some(tally) if self.living.is_empty() => tally.remove(),
            Some(mut tally) => drop(tally.settle()),
            None => {}
        }
    }

    fn finish(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Whether the writer took it. Never waits. A loss is told at its place, before the next record that goes through.
    fn send(&mut self, at: Moment, item: Item) -> bool {
        if let Some(lost) = self.lost.take()
            && !self.offer(at, Item::Dropped(lost.clone()))
        {
            self.lost = Some(Dropped { count: lost.count + 1, last: at, ..lost });
            return false;
        }
        let sent = self.offer(at, item);
        if !sent {
            self.lost = Some(Dropped { count: 1, first: at, last: at });
        }
        sent
    }

    fn offer(&mut self, at: Moment, item: Item) -> bool {
        let weight = item.weight();
        let room = self.waiting.fetch_add(weight, Ordering::Relaxed) + weight <= WAITING;
        let sent = room && self.sender.as_ref().is_some_and(|sender| sender.try_send((at, item)).is_ok());
        if !sent {
            self.waiting.fetch_sub(weight, Ordering::Relaxed);
            self.counters.journal_dropped.fetch_add(1, Ordering::Relaxed);
            self.counters.drop_one(DropReason::Journal);
        }
        sent
    }

    /// A copy without what is not kept.
    fn slim(&self, event: &Event) -> Event {
        let mut event = event.clone();
        if self.detail == Detail::Trees {
            let bare = |tree: &mut TreeSample| tree.members = Arc::from([]);
            match &mut event {
                Event::Tick(tick) => tick.trees.iter_mut().for_each(bare),
                Event::Reading(reading) => bare(&mut reading.sample),
                _ => {}
            }
        }
        event
    }

    /// Who came into a tree is written down.
    fn remember_members(&mut self, at: Moment, event: &Event) {
        let Event::Tick(tick) = event else { return };
        for tree in &tick.trees {
            let new = self.newcomers.of(tree);
            if !new.is_empty() {
                self.send(at, Item::Members(tree.run, new));
            }
        }
    }

    fn remember_origin(&mut self, event: &Event) {
        let (run, origin) = match event {
            Event::Register(register) => (register.run, Origin::Register(Box::new(register.clone()))),
            Event::Line(Line { said: Said::Hello(hello, run), .. }) => (*run, Origin::Hello(hello.clone())),
            Event::Line(Line { said: Said::Request(Request::Watch(watch)), .. }) => {
                (watch.run, Origin::Watch(watch.clone()))
            }
            _ => return,
        };
        self.origins.insert(run, origin);
        if self.origins.len() > ORIGINS {
            // ULIDs: the first is the oldest, a hello that founded nothing.
            self.origins.pop_first();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Heads that a killed daemon had not written yet go into the file before anything is read from it.
fn take_over(store: &mut Store, tally: Option<&mut Tally>, left: &Left) {
    let (Some(tally), Some(machine)) = (tally, &left.machine) else { return };
    let written = store.write_left(machine, &left.heads).map_err(|e| e.to_string());
    if let Err(error) = written.and_then(|()| tally.all_written().map_err(|e| e.to_string())) {
        tracing::warn!("{}: the last heads cannot be written yet: {error}", store.path.display());
    }
}

fn start_of(config: &Config, machine: Machine) -> Start {
    Start {
        version: env!("CARGO_PKG_VERSION").into(),
        boot_id: machine.boot_id,
        pid_ns: machine.pid_ns,
        pid: std::process::id(),
        settings: config.settings.clone(),
        remembered: config.remembered.clone(),
        imported: None,
    }
}
