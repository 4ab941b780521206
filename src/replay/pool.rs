//! What can be drawn: complete trials of one experiment with their curves, folds of one configuration together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::corpus::{At, Corpus, Piece, Recording};
use super::outcome::{Question, Used};
use super::score::{self, Cost, Select};
use crate::model::{Event, Line, Mode, Name, Objective, Said};

/// A value of the objective, and what had been used when it was reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported {
    pub value: f64,
    pub used: Used,
}

/// One trial of a unit.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub recording: Arc<Recording>,
    /// When it began, nanoseconds from the unit's beginning.
    pub begins_ns: u64,
    /// The place of its last report: a verdict from then on saves nothing and loses nothing.
    pub last_report: usize,
    pub curve: Vec<Reported>,
    pub total: Used,
}

/// What is drawn as one: a trial, or all folds of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub parts: Vec<Part>,
    /// Everything that happens, in the order of time: when, to which part, which piece.
    pub pieces: Vec<(u64, u32, u32)>,
    /// Its final value: the mean over its folds; `None` where it is missing or NaN, which is worst.
    pub value: Option<f64>,
}

impl Unit {
    fn new(recordings: Vec<Arc<Recording>>, objective: &Objective, select: Select) -> Unit {
        let began = recordings.iter().map(|r| r.view.started).min_by_key(|at| at.boot_ns).unwrap_or_default();
        let part = |recording: &Arc<Recording>| {
            let (curve, last_report) = curve(recording, &objective.metric);
            let said = recording.pieces.iter().rev().find_map(|at| at.used).unwrap_or_default();
            let cpu = recording.view.totals.cpu;
            let seconds = recording.view.elapsed(recording.view.started);
            Part {
                begins_ns: recording.view.started.since(began),
                last_report,
                curve,
                total: Used { seconds, cpu_seconds: cpu.first + cpu.second, ..said },
                recording: recording.clone(),
            }
        };
        let parts: Vec<Part> = recordings.iter().map(part).collect();
        let mut pieces: Vec<(u64, u32, u32)> = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            let all = part.recording.pieces.iter().enumerate();
            pieces.extend(all.map(|(place, at)| (part.begins_ns + at.offset_ns, n as u32, place as u32)));
        }
        pieces.sort_unstable();
        let finals: Vec<Option<f64>> = parts.iter().map(|part| part.value(objective.mode, select)).collect();
        let value = finals.iter().copied().sum::<Option<f64>>().map(|sum| sum / finals.len() as f64);
        Unit { parts, pieces, value }
    }

    /// What it took in the record.
    pub fn cost(&self, cost: Cost) -> f64 {
        self.parts.iter().map(|part| part.total.of(cost)).sum()
    }

    /// What it had used after so many reports.
    pub fn cost_at(&self, cost: Cost, reports: usize) -> f64 {
        let used = |part: &Part| match part.curve.get(reports - 1) {
            Some(reported) => reported.used.of(cost),
            None => part.total.of(cost),
        };
        self.parts.iter().map(used).sum()
    }

    /// Its value after so many reports, the mean over its folds.
    pub fn value_at(&self, reports: usize) -> Option<f64> {
        let value = |part: &Part| {
            let reported = part.curve.get(reports - 1).or(part.curve.last())?;
            (!reported.value.is_nan()).then_some(reported.value)
        };
        self.parts.iter().map(value).sum::<Option<f64>>().map(|sum| sum / self.parts.len() as f64)
    }

    /// Reports of the objective, those of its longest fold.
    pub fn reports(&self) -> usize {
        self.parts.iter().map(|part| part.curve.len()).max().unwrap_or(0)
    }
}

impl Part {
    fn value(&self, mode: Mode, select: Select) -> Option<f64> {
        match select {
            Select::Last => self.curve.last().map(|reported| reported.value).filter(|value| !value.is_nan()),
            Select::Best => {
                let values = self.curve.iter().map(|reported| reported.value);
                score::best(mode, values.filter(|value| !value.is_nan()))
            }
        }
    }
}

/// The values of a metric that a trial reported, and the place of the last report: without any, of the last thing it said.
fn curve(recording: &Recording, metric: &str) -> (Vec<Reported>, usize) {
    let (mut curve, mut last, mut last_said) = (Vec::new(), None, 0);
    for (place, at) in recording.pieces.iter().enumerate() {
        let At { piece: Piece::Event(Event::Line(Line { said, .. })), used, .. } = at else { continue };
        let used = used.unwrap_or_default();
        let mut take = |value: f64| {
            curve.push(Reported { value, used });
            last = Some(place);
        };
        match said {
            Said::Step(step) => {
                let points = step.points.iter().filter(|(name, _)| name == metric);
                points.flat_map(|(_, points)| points).for_each(|(_, value)| take(*value));
                step.metrics.iter().filter(|(name, _)| name == metric).for_each(|(_, value)| take(*value));
                last_said = place;
            }
            Said::Done(done) => {
                done.metrics.iter().filter(|(name, _)| name == metric).for_each(|(_, value)| take(*value));
            }
            _ => {}
        }
    }
    (curve, last.unwrap_or(last_said))
}

/// The units of one experiment.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The experiment.
    pub name: Name,
    /// What its trials are judged by.
    pub objective: Objective,
    pub(super) units: Vec<Unit>,
}

impl Pool {
    /// All experiments of a corpus that have an objective and a trial with a final value; and the names of the others.
    pub fn all(corpus: &Corpus, question: &Question) -> (Vec<Pool>, Vec<Name>) {
        let mut by_name: BTreeMap<Name, Vec<Arc<Recording>>> = BTreeMap::new();
        for recording in &corpus.recordings {
            by_name.entry(recording.view.experiment.clone()).or_default().push(recording.clone());
        }
        let (mut pools, mut without) = (Vec::new(), Vec::new());
        for (name, recordings) in by_name {
            let own = recordings.iter().rev().find_map(|r| r.view.objective.clone());
            let objective = question.objective.clone().or(own);
            let pool = objective.map(|objective| Pool {
                units: units(recordings, &objective, question.select),
                name: name.clone(),
                objective,
            });
            match pool.filter(|pool| pool.units.iter().any(|unit| unit.value.is_some())) {
                Some(pool) => pools.push(pool),
                None => without.push(name),
            }
        }
        (pools, without)
    }

    /// Whether its trials report steps.
    pub fn reports_steps(&self) -> bool {
        self.units.iter().any(|unit| unit.cost(Cost::Steps) > 0.0)
    }

    /// How many trials, or groups of folds, it has.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

/// Trials as units: those of a group are one.
fn units(recordings: Vec<Arc<Recording>>, objective: &Objective, select: Select) -> Vec<Unit> {
    let mut groups: BTreeMap<Name, Vec<Arc<Recording>>> = BTreeMap::new();
    let mut units = Vec::new();
    for recording in recordings {
        match recording.view.group.clone() {
            Some(group) => groups.entry(group).or_default().push(recording),
            None => units.push(Unit::new(vec![recording], objective, select)),
        }
    }
    units.extend(groups.into_values().map(|folds| Unit::new(folds, objective, select)));
    units
}
