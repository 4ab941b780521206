//! The sampler: a thread that owns everything that is read from `/proc`, reads it every interval and on demand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::Duration;

use super::lineage::Reader;
use super::watch::Watch;
use crate::model::{Counters, Event, Limits, MILLI, Moment, Position, ReadingCause, Root, RunId};
use crate::sys::clock;
use crate::sys::process::Proc;
use crate::sys::roster::Roster;

/// A tree on a ladder is read so often,
const FOLLOW_NS: u64 = 10 * MILLI;
/// a large one (above [`LARGE`] members) only so often.
const FOLLOW_LARGE_NS: u64 = 50 * MILLI;
const LARGE: usize = 200;

/// How to sample.
#[derive(Clone, Debug)]
pub struct SamplerConfig {
    /// Time between ticks, 10 ms and up.
    pub interval: Duration,
    /// Bounds; the sampler heeds `processes`.
    pub limits: Limits,
    /// Where `/proc` is; another folder in tests.
    pub proc_root: PathBuf,
    /// Whether ticks carry a sample for each process.
    pub per_process: bool,
    /// How often the proportional set size is read, if at all.
    pub pss: Option<Duration>,
}

impl Default for SamplerConfig {
    fn default() -> SamplerConfig {
        SamplerConfig {
            interval: Duration::from_secs(1),
            limits: Limits::default(),
            proc_root: PathBuf::from("/proc"),
            per_process: true,
            pss: None,
        }
    }
}

/// Takes what the sampler saw. Called on its thread: it must not block.
pub type Events = Box<dyn Fn(Moment, Event) + Send>;
type Placed = Box<dyn FnOnce(Position) + Send>;
type ParentPlaced = Box<dyn FnOnce(Option<(Arc<Proc>, Position)>) + Send>;
/// Hears of processes that are in no tree.
pub type Strangers = Box<dyn Fn(Vec<Arc<Proc>>) + Send>;

enum Command {
    Track(RunId, Root),
    TakeBack(RunId, Vec<Arc<Proc>>),
    Untrack(RunId),
    Read(RunId, ReadingCause),
    Follow(RunId),
    Unfollow(RunId),
    Locate(Arc<Proc>, Placed),
    LocateParent(Arc<Proc>, ParentPlaced),
    Lineage(RunId, Box<dyn FnOnce(Option<Reader>) + Send>),
    Interval(Duration),
    Strangers(Option<Strangers>),
    Stop,
}

/// Starts the sampler.
pub struct Sampler;

/// Tells the sampler what to do; any number of these may exist.
#[derive(Clone)]
pub struct SamplerHandle {
    commands: Sender<Command>,
}

impl Sampler {
    /// Starts the thread. It ends on [`SamplerHandle::stop`] or when the last handle is gone. Errors: no thread can be
    /// had.
    pub fn start(
        config: SamplerConfig,
        roster: Arc<Roster>,
        counters: Arc<Counters>,
        events: Events,
    ) -> std::io::Result<SamplerHandle> {
        let (commands, received) = channel();
        let thread = std::thread::Builder::new().name("sampler".into());
        thread.spawn(move || Loop::new(config, roster, counters, events).work(&received))?;
        Ok(SamplerHandle { commands })
    }
}

impl SamplerHandle {
    /// Watches the tree of a trial. The uid is its owner's: whom it may signal is for others to judge.
    pub fn track(&self, run: RunId, root: Root, _uid: u32) {
        self.tell(Command::Track(run, root));
    }

    /// These belong to the trial although no way leads to them any more: a daemon before this one had seen them in it.
    pub fn take_back(&self, run: RunId, members: Vec<Arc<Proc>>) {
        self.tell(Command::TakeBack(run, members));
    }

    /// Watches it no longer; who still lives belongs to the tree around it.
    pub fn untrack(&self, run: RunId) {
        self.tell(Command::Untrack(run));
    }

    /// Reads the tree now: answered by [`Event::Reading`]; nothing comes for a trial that is not watched.
    pub fn read(&self, run: RunId, cause: ReadingCause) {
        self.tell(Command::Read(run, cause));
    }

    /// Sends [`Event::Tree`] at once, then every 10 ms (50 ms for more than 200 members).
    pub fn follow(&self, run: RunId) {
        self.tell(Command::Follow(run));
    }

    /// No longer.
    pub fn unfollow(&self, run: RunId) {
        self.tell(Command::Unfollow(run));
    }

    /// Tells where a process stands, on the sampler's thread. The process comes into the roster.
    pub fn locate(&self, proc: Arc<Proc>, reply: impl FnOnce(Position) + Send + 'static) {
        self.tell(Command::Locate(proc, Box::new(reply)));
    }

    /// Tells who the parent of a process is and where it stands, on the sampler's thread; `None` when the process or
    /// its parent is gone. The parent comes into the roster.
    pub fn locate_parent(&self, child: Arc<Proc>, reply: impl FnOnce(Option<(Arc<Proc>, Position)>) + Send + 'static) {
        self.tell(Command::LocateParent(child, Box::new(reply)));
    }

    /// A reader of the trial's tree for another thread; waits for the sampler, a pass at most. `None` when the trial is
    /// not watched or the sampler has ended.
    pub fn lineage(&self, run: RunId) -> Option<Reader> {
        let (tell, told) = sync_channel(1);
        self.tell(Command::Lineage(run, Box::new(move |reader| drop(tell.send(reader)))));
        told.recv().ok().flatten()
    }

    /// Changes the time between ticks.
    pub fn set_interval(&self, interval: Duration) {
        self.tell(Command::Interval(interval));
    }

    /// Wants to hear of processes that are in no tree: of all there are with the next tick, then of new ones; `None`:
    /// no longer. Called on the sampler's thread: it must not block.
    pub fn on_strangers(&self, hear: Option<Strangers>) {
        self.tell(Command::Strangers(hear));
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.tell(Command::Stop);
    }

    fn tell(&self, command: Command) {
        // An error means that the sampler has ended: the daemon is going down, nobody waits for readings any more.
        let _ = self.commands.send(command);
    }
}

/// The thread's state.
struct Loop {
    watch: Watch,
    roster: Arc<Roster>,
    events: Events,
    strangers: Option<Strangers>,
    interval_ns: u64,
    /// On the monotonic clock: a machine that slept has missed no tick.
    next_tick_ns: u64,
    overruns: u64,
    /// Trials on a ladder and when to look at them next.
    followed: BTreeMap<RunId, u64>,
}

/// The shortest interval.
const SHORTEST: Duration = Duration::from_millis(10);

fn nanoseconds(interval: Duration) -> u64 {
    interval.max(SHORTEST).as_nanos().min(u128::from(u64::MAX / 4)) as u64
}

impl Loop {
    fn new(config: SamplerConfig, roster: Arc<Roster>, counters: Arc<Counters>, events: Events) -> Loop {
        let interval_ns = nanoseconds(config.interval);
        let watch = Watch::new(&config, roster.clone(), counters);
        let next_tick_ns = clock::mono_ns();
        let followed = BTreeMap::new();
        Loop { watch, roster, events, strangers: None, interval_ns, next_tick_ns, overruns: 0, followed }
    }

    fn work(mut self, commands: &Receiver<Command>) {
        loop {
            let due = self.followed.values().copied().fold(self.next_tick_ns, u64::min);
            let wait = Duration::from_nanos(due.saturating_sub(clock::mono_ns()));
            match commands.recv_timeout(wait) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Commands do not put off what is due: a flood of them must not keep ticks away.
            self.follow();
            if clock::mono_ns() >= self.next_tick_ns {
                self.tick();
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Track(run, root) => self.watch.track(run, root),
            Command::TakeBack(run, members) => self.watch.take_back(run, members),
            Command::Untrack(run) => {
                self.followed.remove(&run);
                self.watch.untrack(run);
            }
            Command::Read(run, cause) => {
                let at = clock::now();
                if let Some(reading) = self.watch.read(at, run, cause) {
                    (self.events)(at, Event::Reading(reading));
                }
            }
            Command::Follow(run) => {
                self.followed.insert(run, 0);
            }
            Command::Unfollow(run) => {
                self.followed.remove(&run);
            }
            Command::Locate(proc, reply) => reply(self.watch.locate(&proc)),
            Command::LocateParent(child, reply) => reply(child.parent().ok().map(|parent| {
                let parent = self.roster.insert(&parent);
                let position = self.watch.locate(&parent);
                (parent, position)
            })),
            Command::Lineage(run, reply) => reply(self.watch.lineage(run)),
            Command::Interval(interval) => {
                self.interval_ns = nanoseconds(interval);
                self.watch.set_interval(interval);
                self.next_tick_ns = clock::mono_ns() + self.interval_ns;
            }
            Command::Strangers(hear) => {
                self.watch.discover(hear.is_some());
                self.strangers = hear;
            }
            Command::Stop => {}
        }
    }

    fn follow(&mut self) {
        let now = clock::mono_ns();
        let due: Vec<RunId> = self.followed.iter().filter(|(_, at)| **at <= now).map(|(run, _)| *run).collect();
        for run in due {
            let at = clock::now();
            let Some(tree) = self.watch.members(at, run) else {
                self.followed.remove(&run);
                continue;
            };
            let pause = if tree.members.len() > LARGE { FOLLOW_LARGE_NS } else { FOLLOW_NS };
            (self.events)(at, Event::Tree(tree));
            self.followed.insert(run, clock::mono_ns() + pause);
        }
    }

    fn tick(&mut self) {
        let at = clock::now();
        let missed = at.mono_ns.saturating_sub(self.next_tick_ns) / self.interval_ns;
        self.overruns += missed;
        self.next_tick_ns += (missed + 1) * self.interval_ns;
        let (tick, strangers) = self.watch.tick(at, self.overruns);
        (self.events)(at, Event::Tick(tick));
        if let Some(hear) = self.strangers.as_ref().filter(|_| !strangers.is_empty()) {
            hear(strangers);
        }
    }
}
