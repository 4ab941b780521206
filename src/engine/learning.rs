//! Stopping rules over learning curves at work: every report is put to every rule that reads its metric, in order; what the
//! rule says then stands until it says something else. A tick acts on it like on any other condition.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{Axis, Mode, Moment, Name, Rule, RunId, StopperSpec};
use crate::stopper::{self, Case, End, Field, Peer, SYSTEM, Stopper, Unknown, Verdict};

use super::Engine;
use super::records::{Drawn, Record, Records, Report};
use super::rules::{is_about, warming_up};
use super::trial::Trial;

/// What a rule said of a trial last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    /// What.
    pub verdict: Verdict,
    /// Over which axis.
    axis: Axis,
    /// Which way is better.
    mode: Mode,
}

impl Heard {
    /// In words.
    pub fn words(&self) -> String {
        self.verdict.words(self.axis, self.mode).unwrap_or_default()
    }
}

/// One rule and the fields of trials that it compares: one an experiment and user.
pub(super) struct Learner {
    /// Which rule of the policy.
    rule: usize,
    spec: Arc<StopperSpec>,
    stopper: Arc<dyn Stopper>,
    beside: Vec<Arc<str>>,
    arenas: HashMap<(Name, u32), Arena>,
    /// In which arena a trial is.
    seats: HashMap<RunId, (Name, u32)>,
}

/// The trials that are compared with each other.
pub(super) struct Arena {
    field: Field,
    axis: Axis,
    /// The axis was not chosen by the rule.
    automatic: bool,
    mode: Mode,
}

impl Arena {
    /// Turned so that higher is better.
    fn turn(&self, value: f64) -> f64 {
        match self.mode {
            Mode::Max => value,
            Mode::Min => -value,
        }
    }

    /// Takes a trial in with all that it has reported.
    fn enter(&mut self, spec: &StopperSpec, beside: &[Arc<str>], run: RunId, record: &Record) {
        let peer = Peer {
            name: record.facts.trial.as_str().into(),
            group: record.facts.group.as_ref().map(|g| g.as_str().into()),
            fold: record.facts.fold.as_deref().map(Into::into),
            params: record.facts.params.clone(),
            end: record.end,
            ..Peer::default()
        };
        self.field.enter(run, peer);
        let curve = |name: &str| record.curve(name).unwrap_or_default();
        for report in curve(&spec.metric) {
            if let Some(at) = report.at(self.axis) {
                self.field.report(run, at, self.turn(report.value));
            }
        }
        for name in beside {
            for report in curve(name) {
                if let Some(at) = report.at(self.axis) {
                    self.field.report_beside(run, name, at, report.value);
                }
            }
        }
    }

    /// Takes a report of a trial that is in.
    fn report(&mut self, spec: &StopperSpec, beside: &[Arc<str>], run: RunId, (name, at, value): (&str, f64, f64)) {
        if name == spec.metric {
            self.field.report(run, at, self.turn(value));
        }
        if let Some(name) = beside.iter().find(|b| ***b == *name) {
            self.field.report_beside(run, name, at, value);
        }
    }

    /// The verdict at a trial's last report, where one is due.
    fn decide(&mut self, spec: &StopperSpec, stopper: &dyn Stopper, trial: &Trial) -> Verdict {
        let run = trial.run();
        let Some((before, at)) = self.field.peer(run).and_then(|p| p.curve.way()) else {
            return Verdict::Unknown(Unknown::Value);
        };
        let total = total(trial, self.axis);
        let max = spec.max.map_or(total, |max| max.of(total));
        let grace = match spec.grace.map(|grace| grace.of(max)) {
            Some(None) => return Verdict::Unknown(Unknown::Length),
            Some(Some(grace)) if at < grace => return Verdict::Unknown(Unknown::Grace),
            other => other.flatten(),
        };
        let mut last_due = before;
        if let Some(every) = spec.every {
            let Some(every) = every.of(max) else { return Verdict::Unknown(Unknown::Length) };
            let begin = grace.unwrap_or(0.0);
            let count = |at: f64| ((at - begin) / every).floor();
            if before.is_some_and(|before| count(before) >= count(at)) {
                return Verdict::NotDue;
            }
            // A place that was passed between two decisions is passed now.
            let curve = self.field.peer(run).map(|peer| &peer.curve);
            let decided = |before: f64| curve.and_then(|c| c.from(begin + count(before) * every)).map(|p| p.at);
            last_due = before.and_then(|before| if count(before) < 0.0 { Some(before) } else { decided(before) });
        }
        let before = last_due;
        let Some(unit) = self.field.unit(run) else { return Verdict::Unknown(Unknown::Value) };
        let min_peers = spec.min_peers.map(|n| n as usize);
        let mode = self.mode;
        stopper.decide(&mut Case { field: &mut self.field, run, unit, at, before, max, grace, min_peers, mode })
    }
}

impl Learner {
    /// The rule at this place of the policy, if it is one over learning curves.
    pub fn new(place: usize, rule: &Rule) -> Option<Learner> {
        let spec = rule.stopper.clone()?;
        let stopper = stopper::of(&spec.kind)?;
        let beside = stopper.beside().iter().map(|name| Arc::from(name.as_str())).collect();
        Some(Learner { rule: place, spec, stopper, beside, arenas: HashMap::new(), seats: HashMap::new() })
    }

    /// What it reads of a trial's reports.
    pub fn reads(&self, name: &str) -> bool {
        self.spec.metric == name || self.beside.iter().any(|b| **b == *name)
    }

    /// All that it reads.
    fn metrics(&self) -> impl Iterator<Item = Arc<str>> {
        self.beside.iter().cloned().chain([Arc::from(self.spec.metric.as_str())])
    }

    /// Which way the metric is better, where the rule says so.
    pub fn mode(&self) -> Option<(&str, Mode)> {
        Some((&self.spec.metric, self.spec.mode?))
    }

    /// Everything is compared anew: the records are no longer those it was built from.
    pub fn clear(&mut self) {
        self.arenas.clear();
        self.seats.clear();
    }

    /// Over which axis a trial is compared, and which way is better; for words.
    fn scale(&self, run: RunId) -> (Axis, Mode) {
        let arena = self.seats.get(&run).and_then(|key| self.arenas.get(key));
        arena.map_or((Axis::Step, Mode::Max), |arena| (arena.axis, arena.mode))
    }

    /// A trial has ended.
    pub fn end(&mut self, run: RunId, end: End) {
        if let Some(key) = self.seats.remove(&run)
            && let Some(arena) = self.arenas.get_mut(&key)
        {
            arena.field.end(run, end);
        }
    }

    /// Builds the field of an experiment and user from the records, if it is not there yet.
    fn build(&mut self, key: &(Name, u32), rule: &Rule, records: &Records, mode: Mode) {
        if self.arenas.contains_key(key) {
            return;
        }
        let metric = self.spec.metric.as_str();
        let peers: Vec<(RunId, &Record)> = records
            .of(&key.0)
            .filter(|(_, r)| r.facts.uid == key.1 && r.curve(metric).is_some())
            .filter(|(_, r)| r.facts.pass(&rule.filter))
            .collect();
        let by_epoch = |(_, r): &(RunId, &Record)| {
            r.curve(metric).unwrap_or_default().iter().all(|report| report.epoch.is_finite())
        };
        let axis = self.spec.at.unwrap_or(if peers.iter().all(by_epoch) { Axis::Epoch } else { Axis::Step });
        let mut arena = Arena { field: Field::default(), axis, automatic: self.spec.at.is_none(), mode };
        for (run, record) in peers {
            arena.enter(&self.spec, &self.beside, run, record);
            if record.end == End::Running {
                self.seats.insert(run, key.clone());
            }
        }
        arena.field.ended_in(records.ended());
        self.arenas.insert(key.clone(), arena);
    }

    /// Takes a report in, and says what the rule makes of it. The report is in the records already.
    fn hear(&mut self, rule: &Rule, records: &Records, trial: &Trial, name: &str, report: &Report) -> Verdict {
        let run = trial.run();
        let Some(record) = records.get(run) else { return Verdict::Unknown(Unknown::Value) };
        if record.is_late(&self.spec.metric) {
            return Verdict::Unknown(Unknown::Partial);
        }
        let own_mode = trial.modes.get(&self.spec.metric).copied();
        let any = (!self.stopper.is_directed()).then_some(Mode::Max);
        let Some(mode) = self.spec.mode.or(own_mode).or(any) else { return Verdict::Unknown(Unknown::Mode) };
        let key = (record.facts.experiment.clone(), record.facts.uid);
        let without_epoch = |a: &Arena| a.automatic && a.axis == Axis::Epoch && !report.epoch.is_finite();
        if self.arenas.get(&key).is_some_and(without_epoch) {
            // Not every trial reports epochs: from here on steps are compared.
            self.clear();
        }
        let seated = self.seats.contains_key(&run);
        self.build(&key, rule, records, mode);
        let (stopper, spec, beside) = (self.stopper.clone(), self.spec.clone(), self.beside.clone());
        let Some(arena) = self.arenas.get_mut(&key).filter(|a| a.mode == mode) else {
            return Verdict::Unknown(Unknown::Mode);
        };
        let at = report.at(arena.axis);
        // A field that was built just now, and a trial that enters with what it has reported, have this report already.
        match (at, seated) {
            (Some(at), true) => arena.report(&spec, &beside, run, (name, at, report.value)),
            (None, true) => {}
            (_, false) => {
                if arena.field.peer(run).is_none() {
                    arena.enter(&spec, &beside, run, record);
                }
                self.seats.insert(run, key);
            }
        }
        match at {
            _ if name != spec.metric => Verdict::NotDue,
            None => Verdict::Unknown(Unknown::Place),
            Some(_) => arena.decide(&spec, &*stopper, trial),
        }
    }
}

/// The trial's whole length on an axis, as it says itself.
pub(super) fn total(trial: &Trial, axis: Axis) -> Option<f64> {
    let progress = &trial.view.progress;
    let steps = progress.target_steps.map(|steps| steps as f64);
    match axis {
        // It said how many steps it will do, and says of how many steps an epoch is.
        Axis::Epoch => progress.total_epochs.or_else(|| {
            let done = progress.step.filter(|step| *step > 0)? as f64;
            let epochs = progress.epoch? * steps? / done;
            // A millionth is the rounding of epochs that were printed with few digits.
            Some(if (epochs - epochs.round()).abs() <= 1e-6 * epochs { epochs.round() } else { epochs })
        }),
        Axis::Step => steps,
        Axis::Fraction => Some(1.0),
        Axis::Samples | Axis::Elapsed | Axis::CpuSeconds | Axis::Report => None,
    }
}

impl Trial {
    /// What the system says of it as of its last sample; `None` where that is not known.
    fn readings(&self) -> [(&'static str, Option<f64>); 3] {
        let tree = self.view.tree.as_ref();
        let times = &self.view.progress.step_times;
        let steps = times.count();
        let [memory, cpu, step] = SYSTEM;
        [
            (memory, tree.and_then(|t| t.memory).map(|m| m.private() as f64)),
            (cpu, tree.and_then(|t| t.utilization)),
            (step, (steps > 0).then(|| times.sum / steps as f64)),
        ]
    }
}

/// All rules over learning curves.
#[derive(Default)]
pub(super) struct Learners {
    learners: Vec<Learner>,
    /// What they read.
    metrics: BTreeSet<Arc<str>>,
    /// Which way metrics are better by rules, where their trainers do not say so.
    modes: BTreeMap<String, Mode>,
}

impl Learners {
    /// Of these rules; what they compare is built from the records when a trial reports.
    pub fn of(rules: &[Arc<Rule>]) -> Learners {
        let learners: Vec<Learner> = rules.iter().enumerate().filter_map(|(i, r)| Learner::new(i, r)).collect();
        let modes = learners.iter().filter_map(|l| l.mode()).map(|(metric, mode)| (metric.to_string(), mode)).collect();
        let metrics = learners.iter().flat_map(Learner::metrics).collect();
        Learners { learners, metrics, modes }
    }

    /// Who only takes down what these rules would read.
    pub fn deaf(rules: &[Arc<Rule>]) -> Learners {
        Learners { learners: Vec::new(), ..Learners::of(rules) }
    }

    /// Whether a rule that judges by a metric reads beside it what the system says.
    fn read_system_with(&self, metric: &str) -> bool {
        let system = |l: &Learner| l.beside.iter().any(|name| SYSTEM.contains(&&**name));
        self.learners.iter().any(|l| l.spec.metric == metric && system(l))
    }

    /// Whether a rule reads a metric beside the one that it judges by.
    pub fn read_beside(&self, name: &str) -> bool {
        self.learners.iter().any(|l| l.beside.iter().any(|b| **b == *name))
    }

    /// Whether a rule reads a metric.
    pub fn read(&self, name: &str) -> bool {
        self.metrics.contains(name)
    }

    /// Which way a metric is better by the rules.
    pub fn mode(&self, metric: &str) -> Option<Mode> {
        self.modes.get(metric).copied()
    }

    /// A trial has ended.
    pub fn end(&mut self, run: RunId, end: End) {
        self.learners.iter_mut().for_each(|l| l.end(run, end));
    }

    /// Everything is compared anew.
    pub fn clear(&mut self) {
        self.learners.iter_mut().for_each(Learner::clear);
    }
}

/// A peer of a trial as it stands where that trial is: for `explain`.
pub(super) struct Rival {
    /// Its name.
    pub name: Arc<str>,
    /// How it stands.
    pub end: End,
    /// Its figure, as it was reported.
    pub value: f64,
}

impl Learners {
    /// The others that a rule compares a trial with, the best first, by what it reads of them where the trial is now.
    pub fn rivals(&self, rule: usize, run: RunId) -> Vec<Rival> {
        let Some(learner) = self.learners.iter().find(|l| l.rule == rule) else { return Vec::new() };
        let Some((population, quantity)) = learner.stopper.population() else { return Vec::new() };
        let Some(arena) = learner.seats.get(&run).and_then(|key| learner.arenas.get(key)) else { return Vec::new() };
        let place = arena.field.peer(run).and_then(|p| p.curve.last()).map(|p| p.at);
        let Some((at, unit)) = place.zip(arena.field.unit(run)) else { return Vec::new() };
        let rival = |(value, unit)| Rival {
            name: arena.field.name(unit).clone(),
            end: arena.field.standing(unit),
            value: arena.turn(value),
        };
        arena.field.listed(population, quantity, at, unit).into_iter().map(rival).collect()
    }
}

impl Engine {
    /// Takes a reported value to the records, and puts it to the rules that read it; what the system had to say of the trial
    /// at that moment first, where a rule reads that beside.
    pub(super) fn learn(&mut self, run: RunId, name: &str, step: Option<u64>, value: f64, now: Moment) {
        if self.learners.read_system_with(name)
            && let Some(readings) = self.trials.get(&run).map(Trial::readings)
        {
            for (reading, value) in readings.into_iter().filter_map(|(reading, value)| Some((reading, value?))) {
                self.take_down(run, reading, step, value, now);
            }
        }
        self.take_down(run, name, step, value, now);
    }

    fn take_down(&mut self, run: RunId, name: &str, step: Option<u64>, value: f64, now: Moment) {
        let Some(trial) = self.trials.get(&run) else { return };
        let is_objective = trial.view.objective.as_ref().is_some_and(|o| o.metric == name);
        if !is_objective && !self.learners.read(name) && !self.demands.reads_peers_of(name) {
            return;
        }
        let report = trial.report(step, value, now);
        let Drawn { report, thinned } = self.records.draw(&trial.view, name, report);
        if is_objective && let Some(record) = self.records.get_mut(run) {
            record.score = value;
        }
        if thinned {
            self.forget_fields();
        }
        self.compare(run, name, &report);
        let mut learners = std::mem::take(&mut self.learners);
        for learner in learners.learners.iter_mut().filter(|l| l.reads(name)) {
            self.put(learner, run, name, &report, now);
        }
        self.learners = learners;
    }

    /// What was built from the records is built anew: they have changed behind it.
    pub(super) fn forget_fields(&mut self) {
        self.learners.clear();
        self.medians.clear();
    }

    /// Puts a report to one rule.
    fn put(&mut self, learner: &mut Learner, run: RunId, name: &str, report: &Report, now: Moment) {
        let (Some(rule), Some(trial)) = (self.policy.rules.get(learner.rule).cloned(), self.trials.get(&run)) else {
            return;
        };
        let known = learner.seats.contains_key(&run);
        if !known && !is_about(&rule, trial) {
            return;
        }
        let verdict = learner.hear(&rule, &self.records, trial, name, report);
        let (axis, mode) = learner.scale(run);
        let warm = warming_up(&rule, trial, now);
        let Some(standing) = self.trials.get_mut(&run).and_then(|t| t.standings.get_mut(learner.rule)) else { return };
        if !warm {
            standing.hear(Heard { verdict, axis, mode });
        }
    }
}
