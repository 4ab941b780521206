//! Derived series: what PromQL cannot say because it knows time and not steps. Kept only where a rule reads it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{Axis, Improvement, MetricView, Mode, Name, RunId};
use crate::promql::{Match, Selector};
use crate::stopper::{Field, Peer, Population, Quantity};

use super::Engine;
use super::judge::Prepared;
use super::records::{Record, Records, Report};
use super::trial::Trial;

/// What rules ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Demands {
    /// Metric, mode and least difference of improvements.
    improvements: Vec<(String, Option<Mode>, f64)>,
    /// Metrics whose peers' median is read.
    peers: BTreeSet<String>,
    /// Of every metric.
    all_peers: bool,
    /// Which way is better by rules, `None` where they contradict each other.
    modes: BTreeMap<String, Option<Mode>>,
}

impl Demands {
    /// Of these rules.
    pub fn of(rules: &[Prepared]) -> Demands {
        let mut demands = Demands::default();
        for selector in rules.iter().filter_map(|r| r.expr.as_ref().ok()).flat_map(|e| e.selectors()) {
            match selector.name() {
                Some("trial_steps_since_improvement" | "trial_reports_since_improvement") => {
                    demands.improvements.extend(improvement_of(selector));
                }
                Some("trial_metric_peer_median") => match fixed(selector, "metric") {
                    Some(metric) => drop(demands.peers.insert(metric.to_string())),
                    None => demands.all_peers = true,
                },
                _ => {}
            }
        }
        for (metric, mode) in demands.improvements.iter().filter_map(|(metric, mode, _)| Some((metric, (*mode)?))) {
            let known = demands.modes.entry(metric.clone()).or_insert(Some(mode));
            *known = known.filter(|other| *other == mode);
        }
        demands
    }

    /// Which way a metric is better, where its trainer does not say so.
    pub fn mode(&self, metric: &str) -> Option<Mode> {
        self.modes.get(metric).copied().flatten()
    }

    pub fn reads_peers_of(&self, metric: &str) -> bool {
        self.all_peers || self.peers.contains(metric)
    }

    /// Whether there are any.
    fn reads_peers(&self) -> bool {
        self.all_peers || !self.peers.is_empty()
    }

    /// Takes a reported value to what rules count from it.
    pub fn improve(&self, name: &str, metric: &mut MetricView, value: f64) {
        for (_, mode, min_delta) in self.improvements.iter().filter(|(metric, ..)| metric == name) {
            let Some(better) = mode.or(metric.mode).filter(|_| !value.is_nan()) else { continue };
            let found = metric.improvements.iter_mut().find(|i| i.mode == *mode && i.min_delta == *min_delta);
            let (step, report) = (metric.step, metric.reports);
            let now = Improvement { mode: *mode, min_delta: *min_delta, best: value, step, report };
            match found {
                None => metric.improvements.push(now),
                Some(last) if beyond(better, value, last.best, *min_delta) => *last = now,
                Some(_) => {}
            }
        }
    }

    /// Lets go of what no rule counts any more.
    pub fn tidy(&self, trial: &mut Trial) {
        if trial.view.metrics.values().all(|m| m.improvements.is_empty() && m.peer_median.is_none()) {
            return;
        }
        for (name, metric) in &mut trial.view_mut().metrics {
            let wanted = |i: &Improvement| (name.clone(), i.mode, i.min_delta);
            metric.improvements.retain(|i| self.improvements.contains(&wanted(i)));
            metric.peer_median = metric.peer_median.filter(|_| self.reads_peers_of(name));
        }
    }
}

/// Whether a value is better than the best by more than `delta`.
fn beyond(mode: Mode, value: f64, best: f64, delta: f64) -> bool {
    match mode {
        Mode::Min => value < best - delta,
        Mode::Max => value > best + delta,
    }
}

/// The value that a selector fixes for a label.
fn fixed<'s>(selector: &'s Selector, label: &str) -> Option<&'s str> {
    let equal = |m: &&crate::promql::Matcher| m.label == label && matches!(m.test, Match::Equal);
    selector.matchers.iter().find(equal).map(|m| m.value.as_str())
}

fn improvement_of(selector: &Selector) -> Option<(String, Option<Mode>, f64)> {
    let mode = match fixed(selector, "mode") {
        Some("min") => Some(Mode::Min),
        Some("max") => Some(Mode::Max),
        _ => None,
    };
    Some((fixed(selector, "metric")?.to_string(), mode, fixed(selector, "min_delta")?.parse().ok()?))
}

/// The trials of an experiment by the means of one metric.
#[derive(Default)]
pub(super) struct Medians {
    fields: HashMap<(Name, String), Field>,
    /// A report came since the medians were computed.
    changed: bool,
}

impl Medians {
    /// Takes in what a trial has reported; its field is built from the records when somebody looks at it.
    fn push(&mut self, record: &Record, run: RunId, name: &str, report: &Report) {
        self.changed = true;
        let Some(field) = self.fields.get_mut(&(record.facts.experiment.clone(), name.to_string())) else { return };
        match (field.peer(run).is_some(), report.at(Axis::Step)) {
            (true, Some(at)) => field.report(run, at, report.value),
            (true, None) => {}
            (false, _) => enter(field, run, record, name),
        }
    }

    /// Everything is compared anew.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.changed = true;
    }

    fn field(&mut self, records: &Records, experiment: &Name, name: &str) -> &mut Field {
        self.fields.entry((experiment.clone(), name.to_string())).or_insert_with(|| {
            let mut field = Field::default();
            let known = records.of(experiment).filter(|(_, r)| r.curves.contains_key(name));
            known.for_each(|(run, record)| enter(&mut field, run, record, name));
            field
        })
    }
}

/// A trial enters with all that it has reported; one of which only a part is known has no mean that could be compared.
fn enter(field: &mut Field, run: RunId, record: &Record, name: &str) {
    field.enter(run, Peer { name: record.facts.trial.as_str().into(), ..Peer::default() });
    for report in record.curve(name).unwrap_or_default() {
        if let Some(at) = report.at(Axis::Step) {
            field.report(run, at, report.value);
        }
    }
}

impl Engine {
    /// Takes a reported value to the medians.
    pub(super) fn compare(&mut self, run: RunId, name: &str, report: &Report) {
        if let Some(record) = self.records.get(run).filter(|r| !r.is_late(name) && self.demands.reads_peers_of(name)) {
            self.medians.push(record, run, name, report);
        }
    }

    /// The medians of peers, if anything was reported since the last time: a tick's work before its samples are taken.
    pub(super) fn compare_peers(&mut self) {
        if !self.demands.reads_peers() || !std::mem::take(&mut self.medians.changed) {
            return;
        }
        for run in &self.living {
            let Some(trial) = self.trials.get_mut(run) else { continue };
            let view = trial.view.clone();
            for (name, metric) in view.metrics.iter().filter(|(name, _)| self.demands.reads_peers_of(name)) {
                let field = self.medians.field(&self.records, &view.experiment, name);
                // One of which nothing can be compared stands in the field all the same: attempts of its name are no peers.
                field.enter(*run, Peer { name: view.trial.as_str().into(), ..Peer::default() });
                let unit = field.unit(*run);
                let median = metric.step.zip(unit).and_then(|(step, unit)| {
                    field.ranked(Population::Reached, Quantity::Mean, step as f64, unit).median()
                });
                if median != metric.peer_median
                    && let Some(metric) = trial.view_mut().metrics.get_mut(name)
                {
                    metric.peer_median = median;
                }
            }
        }
    }
}
