//! What a daemon that comes back finds of the life before: heads in the journal, figures in the tally, open stops in the ledger.
//! Kept here from the engine's effects, as the real ones are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::engine::{Engine, LastAttempt, Returning, lost};
use crate::model::{
    Effect, Event, Line, MILLI, Moment, Name, ProcKey, ProcessUse, Request, Root, RunId, SECOND, Said, Shot, Signal,
    SignalResult, StopId, StopRecord, TrialState, TrialView,
};

/// A process younger than this when it was last seen cannot be told from another of its number, where inodes of pidfds do not
/// tell (as in the daemon's own restore).
const YOUNG_NS: u64 = 20 * MILLI;

/// Clock ticks a second (`getconf CLK_TCK`: 100 on every Linux of today).
const CLOCK_TICKS: u64 = 100;

/// How a trial was founded.
#[derive(Clone, Copy, Debug)]
struct Origin {
    may_stop: bool,
    by_hello: bool,
    shared: bool,
}

/// A stop that is not over.
#[derive(Clone, Debug)]
struct OpenStop {
    record: StopRecord,
    /// What the rung it stands on has given, and what came of it.
    shots: BTreeMap<(ProcKey, Signal), (Shot, Option<SignalResult>)>,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Book {
    heads: BTreeMap<RunId, Arc<TrialView>>,
    roots: HashMap<RunId, Root>,
    origins: HashMap<RunId, Origin>,
    open: HashMap<StopId, OpenStop>,
    /// What was shown last of living trials, near the end of a life.
    figures: HashMap<RunId, Arc<TrialView>>,
    /// The last input.
    last: Option<Moment>,
}

/// What the next life begins with.
pub(super) struct Found {
    pub living: Vec<Returning>,
    pub ended: Vec<Arc<TrialView>>,
    pub attempts: HashMap<(Name, Name), LastAttempt>,
    /// Stops whose trial is gone.
    pub orphans: Vec<StopRecord>,
}

impl Book {
    /// An input comes.
    pub fn event(&mut self, at: Moment, event: &Event) {
        self.last = Some(at);
        let own = |may_stop| Origin { may_stop, by_hello: false, shared: false };
        match event {
            Event::Register(register) => drop(self.origins.insert(register.run, own(register.may_stop))),
            Event::Line(Line { said: Said::Hello(hello, run), .. }) => {
                let shared = hello.process == ProcessUse::Shared;
                self.origins.insert(*run, Origin { may_stop: true, by_hello: true, shared });
            }
            Event::Line(Line { said: Said::Request(Request::Watch(watch)), .. }) => {
                self.origins.insert(watch.run, own(true));
            }
            Event::Signalled(signalled) => {
                let shot = signalled.shot;
                if let Some(stop) = self.open.get_mut(&shot.stop).filter(|stop| stop.record.rung == shot.rung)
                    && let Some((_, result)) = stop.shots.get_mut(&(shot.key, shot.signal))
                {
                    *result = Some(signalled.result);
                }
            }
            _ => {}
        }
    }

    /// The engine did this.
    pub fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Track(run, root, _) => drop(self.roots.insert(*run, *root)),
            Effect::Head(view) => drop(self.heads.insert(view.run, view.clone())),
            Effect::Record(record) => {
                let mut shots = self.open.remove(&record.id).map(|old| old.shots).unwrap_or_default();
                shots.retain(|_, (shot, _)| shot.rung == record.rung);
                self.open.insert(record.id, OpenStop { record: record.clone(), shots });
            }
            Effect::Signal(shot) if shot.signal != Signal::KILL => {
                if let Some(stop) = self.open.get_mut(&shot.stop) {
                    stop.shots.entry((shot.key, shot.signal)).or_insert((*shot, None));
                }
            }
            Effect::Close(record, _) => drop(self.open.remove(&record.id)),
            _ => {}
        }
    }

    /// This is what was shown last.
    pub fn keep(&mut self, engine: &Engine) {
        self.figures = engine.living().map(|view| (view.run, view.clone())).collect();
    }

    /// The last head of every trial, in the order of runs.
    pub fn heads(&self) -> &BTreeMap<RunId, Arc<TrialView>> {
        &self.heads
    }

    /// What a daemon finds that comes back now; `lives` says which trials' processes it will see. Their stops stay open.
    pub fn found(&mut self, now: Moment, retention_ns: u64, lives: impl Fn(RunId) -> bool) -> Found {
        let attempts = self.attempts(now, retention_ns);
        let mut ended: Vec<Arc<TrialView>> = self.retained(now, retention_ns).cloned().collect();
        ended.sort_by_key(|view| view.ended.map(|at| at.wall_ms));
        let (mut living, mut taken) = (Vec::new(), HashSet::new());
        for view in self.heads.values().filter(|view| view.state.is_living()) {
            let stop = self.open.values().find(|stop| stop.record.run == view.run);
            let shown = self.shown(view);
            match self.roots.get(&view.run).filter(|_| lives(view.run)) {
                Some(root) => {
                    taken.extend(stop.map(|stop| stop.record.id));
                    living.push(self.returning(shown, *root, stop));
                }
                None => ended.push(Arc::new(lost(shown, stop.map(|stop| &stop.record), now))),
            }
        }
        let orphans = self.open.values().filter(|stop| !taken.contains(&stop.record.id));
        let mut orphans: Vec<StopRecord> = orphans.map(|stop| stop.record.clone()).collect();
        orphans.sort_by_key(|record| record.id);
        self.open.retain(|id, _| taken.contains(id));
        Found { living, ended, attempts, orphans }
    }

    /// A head with the figures that were shown last.
    fn shown(&self, head: &TrialView) -> TrialView {
        let mut view = head.clone();
        if let Some(last) = self.figures.get(&head.run) {
            view.totals = last.totals.clone();
            view.progress = last.progress.clone();
            view.metrics = last.metrics.clone();
            view.stops = last.stops.clone();
            view.saved = last.saved.clone();
        }
        view
    }

    fn returning(&self, view: TrialView, root: Root, stop: Option<&OpenStop>) -> Returning {
        let none = Origin { may_stop: true, by_hello: false, shared: false };
        let origin = self.origins.get(&view.run).copied().unwrap_or(none);
        let given = |(shot, result): &(Shot, Option<SignalResult>)| match result {
            None => shot.signal != Signal::KILL,
            Some(result) => *result == SignalResult::Sent,
        };
        let stop = stop.map(|stop| {
            let keys = stop.shots.values().filter(|shot| given(shot)).map(|(shot, _)| shot.key);
            (stop.record.clone(), keys.collect())
        });
        Returning {
            view: Arc::new(view),
            root: Some(root),
            may_stop: origin.may_stop && self.is_sure(root.key),
            by_hello: origin.by_hello,
            shared: origin.shared,
            stop,
        }
    }

    /// Whether nobody else could have this identity when the life before ended.
    fn is_sure(&self, key: ProcKey) -> bool {
        let started = key.start.saturating_mul(SECOND / CLOCK_TICKS);
        key.inode != 0 || self.last.is_some_and(|at| at.boot_ns.saturating_sub(started) >= YOUNG_NS)
    }

    /// Ended trials that /metrics still shows.
    fn retained(&self, now: Moment, retention_ns: u64) -> impl Iterator<Item = &Arc<TrialView>> {
        let since = now.wall_ms.saturating_sub((retention_ns / MILLI) as i64);
        self.heads.values().filter(move |view| view.ended.is_some_and(|at| at.wall_ms >= since))
    }

    /// The latest attempt of every name.
    fn attempts(&self, now: Moment, retention_ns: u64) -> HashMap<(Name, Name), LastAttempt> {
        let kept: HashMap<RunId, Arc<TrialView>> =
            self.retained(now, retention_ns).map(|view| (view.run, view.clone())).collect();
        let mut attempts: HashMap<(Name, Name), LastAttempt> = HashMap::new();
        for view in self.heads.values() {
            let name = (view.experiment.clone(), view.trial.clone());
            if attempts.get(&name).is_some_and(|last| last.attempt > view.attempt) {
                continue;
            }
            let stopped = view.stop.as_ref().filter(|_| view.state == TrialState::Stopped);
            let last = LastAttempt {
                attempt: view.attempt,
                run: view.run,
                stopped_by: stopped.map(|stop| stop.rule.clone()),
                last_step: view.progress.step.unwrap_or(0),
                curve: kept.get(&view.run).cloned(),
            };
            attempts.insert(name, last);
        }
        attempts
    }
}
