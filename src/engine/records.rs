//! What is remembered of every trial for those that come after it: its curves, with every axis that they can be compared over,
//! and how it ended. It outlives the trial's place on /metrics.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{Axis, ExitCause, Filter, Name, RunId, TrialState, TrialView};
use crate::stopper::End;

/// A curve keeps so many reports; beyond, every second of what it has is let go. A plot of it looks the same, and no trainer
/// can fill the memory.
const REPORTS: usize = 4096;

/// So many ended trials are remembered; beyond, the oldest go, a tenth at a time (what compares them is built anew then).
const ENDED: usize = 10_000;

/// One reported value with where it stands on every axis; NaN where that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Report {
    /// Steps done.
    pub step: f64,
    /// Epochs done.
    pub epoch: f64,
    /// Samples seen.
    pub samples: f64,
    /// Share of the trial's own total.
    pub fraction: f64,
    /// Seconds since the trial began.
    pub elapsed: f64,
    /// CPU seconds so far.
    pub cpu_seconds: f64,
    /// Which report of the metric it is, from 1.
    pub number: f64,
    /// The value.
    pub value: f64,
}

impl Report {
    /// Where it stands on an axis, if that is known.
    pub fn at(&self, axis: Axis) -> Option<f64> {
        let at = match axis {
            Axis::Epoch => self.epoch,
            Axis::Step => self.step,
            Axis::Samples => self.samples,
            Axis::Fraction => self.fraction,
            Axis::Elapsed => self.elapsed,
            Axis::CpuSeconds => self.cpu_seconds,
            Axis::Report => self.number,
        };
        at.is_finite().then_some(at)
    }
}

/// Who a trial is, as far as rules choose by it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    pub experiment: Name,
    pub trial: Name,
    pub uid: u32,
    pub group: Option<Name>,
    pub fold: Option<String>,
    pub labels: Arc<BTreeMap<String, String>>,
    pub params: Arc<BTreeMap<String, String>>,
}

impl Facts {
    /// Of a trial as it is now.
    pub fn of(view: &TrialView) -> Facts {
        Facts {
            experiment: view.experiment.clone(),
            trial: view.trial.clone(),
            uid: view.uid,
            group: view.group.clone(),
            fold: view.fold.clone(),
            labels: view.labels.clone(),
            params: view.params.clone(),
        }
    }
}

impl Facts {
    /// Whether `where` chooses it.
    pub fn pass(&self, filter: &Filter) -> bool {
        filter.globs.iter().all(|(key, glob)| self.value(key).is_some_and(|value| glob.is_match(value)))
    }

    /// What it has under a key of `where`: `experiment`, `trial`, `group`, `fold`, a label, `param.NAME`.
    fn value(&self, key: &str) -> Option<&str> {
        match key {
            "experiment" => Some(self.experiment.as_str()),
            "trial" => Some(self.trial.as_str()),
            "group" => self.group.as_ref().map(|g| g.as_str()),
            "fold" => self.fold.as_deref(),
            other => match other.strip_prefix("param.") {
                Some(param) => self.params.get(param).map(String::as_str),
                None => self.labels.get(other).map(String::as_str),
            },
        }
    }
}

/// One run of a trial.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Who it is.
    pub facts: Facts,
    /// How it stands.
    pub end: End,
    /// Metrics of which only the later part of the curve is known: nothing is compared by them.
    late: BTreeSet<Arc<str>>,
    /// The last value of its objective, NaN without one.
    pub score: f64,
    /// The rule that stopped it.
    pub stopped: Option<Arc<str>>,
    /// A learning rule has condemned it, whatever came of that; known at its end.
    pub condemned: bool,
    /// By metric.
    pub curves: BTreeMap<Arc<str>, Vec<Report>>,
}

impl Record {
    /// Its curve by a metric, if all of it is known.
    pub fn curve(&self, metric: &str) -> Option<&[Report]> {
        self.curves.get(metric).filter(|_| !self.late.contains(metric)).map(Vec::as_slice)
    }

    /// Whether a part of its curve is missing.
    pub fn is_late(&self, metric: &str) -> bool {
        self.late.contains(metric)
    }
}

/// A report as it was put down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drawn {
    /// With its number.
    pub report: Report,
    /// The curve has been thinned out.
    pub thinned: bool,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    records: HashMap<RunId, Record>,
    /// In the order of their start, by experiment.
    experiments: HashMap<Name, Vec<RunId>>,
    /// In the order of their end.
    ended: VecDeque<RunId>,
}

impl Records {
    /// A trial's record; made with its first report, or its end.
    pub fn open(&mut self, view: &TrialView) -> &mut Record {
        let facts = || Facts::of(view);
        let runs = &mut self.experiments;
        self.records.entry(view.run).or_insert_with(|| {
            runs.entry(view.experiment.clone()).or_default().push(view.run);
            Record {
                facts: facts(),
                end: End::Running,
                late: BTreeSet::new(),
                score: f64::NAN,
                stopped: None,
                condemned: false,
                curves: BTreeMap::new(),
            }
        })
    }

    /// One that is there.
    pub fn get(&self, run: RunId) -> Option<&Record> {
        self.records.get(&run)
    }

    /// One that is there, to be changed.
    pub fn get_mut(&mut self, run: RunId) -> Option<&mut Record> {
        self.records.get_mut(&run)
    }

    /// A trial as it stood when it was last written down.
    pub fn settle(&mut self, view: &TrialView) {
        self.introduce(view);
        let ended = self.ended.contains(&view.run);
        if !view.state.is_living() && !ended {
            self.ended.push_back(view.run);
        }
        let record = self.open(view);
        record.end = end_of(view.state);
        let objective = view.objective.as_ref().and_then(|o| view.metrics.get(&o.metric));
        record.score = objective.map_or(f64::NAN, |metric| metric.last);
        let by_rule = view.exit.is_some_and(|exit| exit.cause == ExitCause::Rule);
        record.stopped = view.stop.as_ref().filter(|_| by_rule).map(|stop| stop.rule.clone());
    }

    /// What a daemon that comes back does not know any more: how much CPU time a trial had used at a report.
    pub fn forget_readings(&mut self) {
        let curves = self.records.values_mut().flat_map(|record| record.curves.values_mut());
        curves.flatten().for_each(|report| report.cpu_seconds = f64::NAN);
    }

    /// Those of an experiment, in the order of their start.
    pub fn of<'r>(&'r self, experiment: &Name) -> impl Iterator<Item = (RunId, &'r Record)> {
        let runs = self.experiments.get(experiment).into_iter().flatten();
        runs.filter_map(|run| Some((*run, self.records.get(run)?)))
    }

    /// Those that have ended, in the order of their ends.
    pub fn ended(&self) -> impl Iterator<Item = RunId> {
        self.ended.iter().copied()
    }

    /// Puts a reported value into its trial's record.
    pub fn draw(&mut self, view: &TrialView, name: &str, mut report: Report) -> Drawn {
        let record = self.open(view);
        let curve = match record.curves.get_mut(name) {
            Some(curve) => curve,
            None => {
                let name: Arc<str> = name.into();
                // It has reported more than this one: to a daemon before, or before a rule asked for it.
                if view.metrics.get(&*name).is_some_and(|metric| metric.reports > 1) {
                    record.late.insert(name.clone());
                }
                record.curves.entry(name).or_default()
            }
        };
        report.number = curve.last().map_or(0.0, |last| last.number) + 1.0;
        curve.push(report);
        let thinned = curve.len() >= REPORTS;
        if thinned {
            // The last one stays: a rule may be asked about it in a moment.
            let mut behind = curve.len();
            curve.retain(|_| {
                behind -= 1;
                behind % 2 == 0
            });
        }
        Drawn { report, thinned }
    }

    /// A trial has ended. True if old ones had to go: what was built from the records is to be built anew.
    pub fn end(&mut self, view: &TrialView) -> bool {
        let record = self.open(view);
        record.end = end_of(view.state);
        self.ended.push_back(view.run);
        if self.ended.len() <= ENDED {
            return false;
        }
        for run in self.ended.drain(..ENDED / 10) {
            let Some(record) = self.records.remove(&run) else { continue };
            if let Some(runs) = self.experiments.get_mut(&record.facts.experiment) {
                runs.retain(|r| *r != run);
            }
        }
        self.experiments.retain(|_, runs| !runs.is_empty());
        true
    }

    /// A trial has said more of itself, or changed its name. True if it was there with reports: what was built from them is to
    /// be built anew.
    pub fn introduce(&mut self, view: &TrialView) -> bool {
        let record = self.open(view);
        let before = std::mem::replace(&mut record.facts, Facts::of(view));
        let compared = !record.curves.is_empty() && before != record.facts;
        if before.experiment != view.experiment {
            if let Some(runs) = self.experiments.get_mut(&before.experiment) {
                runs.retain(|run| *run != view.run);
            }
            self.experiments.entry(view.experiment.clone()).or_default().push(view.run);
        }
        compared
    }

    /// The curves of an attempt before go on.
    pub fn go_on_from(&mut self, before: RunId, view: &TrialView) {
        if let Some((curves, late)) = self.records.get(&before).map(|r| (r.curves.clone(), r.late.clone())) {
            let record = self.open(view);
            (record.curves, record.late) = (curves, late);
        }
    }
}

/// How a trial stands for those who are compared with it.
pub(super) fn end_of(state: TrialState) -> End {
    match state {
        TrialState::Running | TrialState::Stopping => End::Running,
        TrialState::Completed => End::Complete,
        TrialState::Stopped | TrialState::Failed | TrialState::Lost => End::Cut,
    }
}
