//! Derived series: what PromQL cannot say because it knows time and not steps. Kept only where a rule reads it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{Improvement, MetricView, Mode, Name, RunId};
use crate::promql::{Match, Selector};

use super::Engine;
use super::judge::Prepared;
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

    fn reads_peers_of(&self, metric: &str) -> bool {
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

/// The running means of one metric of one trial.
#[derive(Clone, Debug, Default)]
struct Curve {
    sum: f64,
    count: f64,
    /// Step and mean of the finite values up to it.
    means: Vec<(u64, f64)>,
}

impl Curve {
    fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        (self.sum, self.count) = (self.sum + value, self.count + 1.0);
        let mean = self.sum / self.count;
        match self.means.last_mut() {
            Some(last) if last.0 == step => last.1 = mean,
            // A smaller step than before begins a new segment: what it did there counts once more from here.
            Some(last) if last.0 > step => {
                self.means.retain(|(s, _)| *s < step);
                self.means.push((step, mean));
            }
            _ => self.means.push((step, mean)),
        }
    }

    /// The mean at a step, if it has come so far.
    fn at(&self, step: u64) -> Option<f64> {
        self.means.last().filter(|last| last.0 >= step)?;
        let after = self.means.partition_point(|(s, _)| *s <= step);
        self.means.get(after.checked_sub(1)?).map(|(_, mean)| *mean)
    }
}

/// The curves of all trials that this daemon has seen from their first report on; of one that was running before only a part
/// is known, and its mean would be another.
#[derive(Clone, Debug, Default)]
pub(super) struct Curves {
    curves: HashMap<RunId, BTreeMap<String, Curve>>,
    partial: BTreeSet<RunId>,
    /// A report came since the medians were computed.
    changed: bool,
}

impl Curves {
    /// Of this trial only a part will be seen.
    pub fn leave_out(&mut self, run: RunId) {
        self.partial.insert(run);
    }

    /// Forgets a trial.
    pub fn forget(&mut self, run: RunId) {
        self.curves.remove(&run);
        self.partial.remove(&run);
    }

    fn push(&mut self, run: RunId, name: &str, step: u64, value: f64) {
        if !self.partial.contains(&run) {
            self.curves.entry(run).or_default().entry(name.to_string()).or_default().push(step, value);
            self.changed = true;
        }
    }
}

impl Engine {
    /// Takes a reported value to the curves.
    pub(super) fn draw(&mut self, run: RunId, name: &str, step: Option<u64>, value: f64) {
        if let Some(step) = step.filter(|_| self.demands.reads_peers_of(name)) {
            self.curves.push(run, name, step, value);
        }
    }

    /// The medians of peers, if anything was reported since the last time: a tick's work before its samples are taken.
    pub(super) fn compare_peers(&mut self) {
        if !self.demands.reads_peers() || !std::mem::take(&mut self.curves.changed) {
            return;
        }
        // Attempts of one name are one trial: none is a peer of another.
        let mut peers: HashMap<(&Name, &str), Vec<(&Name, &Curve)>> = HashMap::new();
        for (run, curves) in &self.curves.curves {
            let Some(trial) = self.trials.get(run) else { continue };
            for (metric, curve) in curves {
                peers.entry((&trial.view.experiment, metric)).or_default().push((&trial.view.trial, curve));
            }
        }
        let mut medians: Vec<(RunId, String, Option<f64>)> = Vec::new();
        for run in &self.living {
            let Some(trial) = self.trials.get(run) else { continue };
            for (name, metric) in trial.view.metrics.iter().filter(|(name, _)| self.demands.reads_peers_of(name)) {
                let others = peers.get(&(&trial.view.experiment, name.as_str())).into_iter().flatten();
                let others = others.filter(|(other, _)| **other != trial.view.trial);
                let median = metric.step.and_then(|step| median(others.filter_map(|(_, c)| c.at(step)).collect()));
                if median != metric.peer_median {
                    medians.push((*run, name.clone(), median));
                }
            }
        }
        for (run, name, median) in medians {
            if let Some(metric) = self.trials.get_mut(&run).and_then(|t| t.view_mut().metrics.get_mut(&name)) {
                metric.peer_median = median;
            }
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(values[middle - 1].midpoint(values[middle])),
    }
}
