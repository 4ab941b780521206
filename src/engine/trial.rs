//! A trial as the engine keeps it: its outside and the machinery behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    ConnId, Exited, Mode, Moment, Name, Pair, Position, ProcKey, ProcessUse, Root, RunId, TrialSpec, TrialState,
    TrialView,
};

use super::progress::Epochs;
use super::rules::Standing;
use super::stop::Stop;

/// A connection that reports for a trial.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    /// The worker's name.
    pub worker: String,
    /// Whether it speaks for the trial.
    pub primary: bool,
    /// Its process.
    pub key: Option<ProcKey>,
    /// Step, phase and time of its last report.
    pub last: Option<(u64, Option<String>, Moment)>,
}

/// Where a trial's system series come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// A tree of its own.
    Tree(Root),
    /// One of several in a process: system series only while it is alone there.
    Shared(ProcKey),
    /// A peer that this pid namespace cannot see.
    None,
}

/// One trial.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// The outside.
    pub view: Arc<TrialView>,
    /// Where its system series come from.
    pub sight: Sight,
    /// Whether somebody chose its name; a made-up one is replaced by hello's.
    pub named: bool,
    /// Whether anything may stop it (`[[discover]]` without `stop` only watches).
    pub may_stop: bool,
    /// The connection of a `run` that joined and wants to know how it ends.
    pub runner: Option<ConnId>,
    /// Who reports for it.
    pub speakers: BTreeMap<ConnId, Speaker>,
    /// Modes of metrics, the objective's included.
    pub modes: BTreeMap<String, Mode>,
    /// Steps before this run.
    pub start_step: u64,
    /// The highest step that counted, and the samples at the last report.
    pub counted: Option<u64>,
    /// Samples at the last report.
    pub samples_seen: u64,
    /// Where its epochs lie.
    pub epochs: Epochs,
    /// Wall seconds by phase since CPU was last shared out.
    pub unshared: BTreeMap<String, f64>,
    /// Since when the phase counts into `unshared`.
    pub phase_counted: Moment,
    /// CPU seconds at the last sharing out.
    pub cpu_shared: f64,
    /// Metrics whose NaN or infinity waits for a tick (`false`) or was seen by one (`true`).
    pub held: BTreeMap<String, bool>,
    /// What each rule thinks of it, in the policy's order.
    pub standings: Vec<Standing>,
    /// Complete samples so far.
    pub complete: u32,
    /// Complete looks so far, those between ticks included, but not the burst of a stop that is confirmed.
    pub looks: u32,
    /// The last complete sample.
    pub complete_at: Option<Moment>,
    /// A heartbeat since the last gap.
    pub heard_since_gap: bool,
    /// The rule that waits for a fresh look, and since when.
    pub confirming: Option<(usize, Moment)>,
    /// The way down, while it is on one.
    pub stop: Option<Stop>,
    /// How the root ended.
    pub exited: Option<Exited>,
    /// Since when its tree is empty.
    pub empty_since: Option<Moment>,
    /// What `done` said.
    pub done: Option<crate::model::DoneStatus>,
    /// The moment of the last sample on demand.
    pub demanded: Option<Moment>,
    /// Since when a look on demand is under way.
    pub looking: Option<Moment>,
    /// Whose it is.
    pub uid: u32,
    /// Its own hello founded it: its process may go on to another trial.
    pub by_hello: bool,
    /// Shared memory of its root, last seen, bytes.
    pub root_shared: Option<u64>,
}

/// Who a new trial is.
pub(super) struct Identity {
    pub run: RunId,
    pub attempt: u32,
    pub experiment: Name,
    pub trial: Name,
    pub named: bool,
    pub parent: Option<RunId>,
    pub uid: u32,
    pub sight: Sight,
    pub may_stop: bool,
    pub by_hello: bool,
}

impl Trial {
    /// A trial that begins now.
    pub fn new(now: Moment, who: Identity, spec: &TrialSpec) -> Trial {
        let root = match who.sight {
            Sight::Tree(root) => Some(root.key),
            Sight::Shared(key) => Some(key),
            Sight::None => None,
        };
        let view = TrialView {
            run: who.run,
            attempt: who.attempt,
            experiment: who.experiment,
            trial: who.trial,
            labels: Arc::new(spec.labels.clone()),
            params: Arc::new(spec.params.clone()),
            objective: spec.objective.clone(),
            group: spec.group.clone(),
            fold: spec.fold.clone(),
            parent: who.parent,
            uid: who.uid,
            root,
            ask_only: !matches!(who.sight, Sight::Tree(_)),
            state: TrialState::Running,
            started: now,
            ended: None,
            exit: None,
            tree: None,
            totals: Default::default(),
            progress: Default::default(),
            metrics: BTreeMap::new(),
            rules: Vec::new(),
            stops: BTreeMap::new(),
            saved: BTreeMap::new(),
            stop: None,
        };
        Trial {
            view: Arc::new(view),
            sight: who.sight,
            named: who.named,
            may_stop: who.may_stop,
            runner: None,
            speakers: BTreeMap::new(),
            modes: BTreeMap::new(),
            start_step: 0,
            counted: None,
            samples_seen: 0,
            epochs: Epochs::default(),
            unshared: BTreeMap::new(),
            phase_counted: now,
            cpu_shared: 0.0,
            held: BTreeMap::new(),
            standings: Vec::new(),
            complete: 0,
            looks: 0,
            complete_at: None,
            heard_since_gap: true,
            confirming: None,
            stop: None,
            exited: None,
            empty_since: None,
            done: None,
            demanded: None,
            looking: None,
            uid: who.uid,
            by_hello: who.by_hello,
            root_shared: None,
        }
    }

    /// The outside, to be changed.
    pub fn view_mut(&mut self) -> &mut TrialView {
        Arc::make_mut(&mut self.view)
    }

    /// Its run.
    pub fn run(&self) -> RunId {
        self.view.run
    }

    /// Takes over what a hello or a registration says beside the name.
    pub fn take_spec(&mut self, spec: &TrialSpec) {
        let view = Arc::make_mut(&mut self.view);
        if !spec.labels.is_empty() {
            let mut labels = (*view.labels).clone();
            labels.extend(spec.labels.clone());
            view.labels = Arc::new(labels);
        }
        if !spec.params.is_empty() {
            let mut params = (*view.params).clone();
            params.extend(spec.params.clone());
            view.params = Arc::new(params);
        }
        if let Some(objective) = &spec.objective {
            view.objective = Some(objective.clone());
            self.modes.insert(objective.metric.clone(), objective.mode);
        }
        self.modes.extend(spec.modes.clone());
        view.group = spec.group.clone().or(view.group.take());
        view.fold = spec.fold.clone().or(view.fold.take());
        let progress = &mut view.progress;
        progress.target_steps = spec.total_steps.or(progress.target_steps);
        progress.total_epochs = spec.total_epochs.or(progress.total_epochs);
        if spec.start_step > 0 {
            self.start_step = spec.start_step;
        }
    }

    /// The connection that speaks for it, if one is there.
    pub fn primary(&self) -> Option<ConnId> {
        self.speakers.iter().find(|(_, s)| s.primary).map(|(conn, _)| *conn)
    }

    /// The process that said hello for it, else the root.
    pub fn trainer_key(&self) -> Option<ProcKey> {
        self.speakers.values().find(|s| s.primary).and_then(|s| s.key).or(self.view.root)
    }

    /// Whether its tree is read.
    pub fn has_tree(&self) -> bool {
        matches!(self.sight, Sight::Tree(_))
    }

    /// Time in the phase it is in, up to now, is counted.
    pub fn count_phase(&mut self, now: Moment) {
        let seconds = now.seconds_since(self.phase_counted);
        self.phase_counted = now;
        let Some(phase) = self.view.progress.phase.clone() else { return };
        if seconds > 0.0 {
            let view = Arc::make_mut(&mut self.view);
            view.progress.phases.entry(phase.clone()).or_default().first += seconds;
            *self.unshared.entry(phase).or_default() += seconds;
        }
    }

    /// Shares the CPU used since the last time out over the phases of that time, by their length.
    pub fn share_cpu(&mut self, now: Moment) {
        self.count_phase(now);
        let total = self.view.totals.cpu.first + self.view.totals.cpu.second;
        let used = (total - self.cpu_shared).max(0.0);
        self.cpu_shared = total;
        let wall: f64 = self.unshared.values().sum();
        let shares = std::mem::take(&mut self.unshared);
        let view = Arc::make_mut(&mut self.view);
        for (phase, seconds) in shares {
            view.progress.phases.entry(phase).or_default().second += used * seconds / wall;
        }
    }
}

/// The trial that a position speaks of.
pub(super) fn run_at(position: Position) -> Option<RunId> {
    match position {
        Position::Outside => None,
        Position::Root(run) | Position::Inside(run) => Some(run),
    }
}

/// Raises a counter pair; it never falls.
pub(super) fn raise<T: PartialOrd + Copy + Default>(held: &mut Option<Pair<T>>, seen: Option<Pair<T>>) {
    let Some(seen) = seen else { return };
    let held = held.get_or_insert_with(Pair::default);
    if seen.first > held.first {
        held.first = seen.first;
    }
    if seen.second > held.second {
        held.second = seen.second;
    }
}

/// Whether a process is shared by several trials.
pub(super) fn is_shared(hello: &crate::model::Hello) -> bool {
    hello.process == ProcessUse::Shared
}
