//! For the unit tests of rules: trials that report, and what the rule says each time.

use std::collections::HashMap;
use std::sync::Arc;

use super::case::{Case, Stopper, Verdict};
use super::field::{End, Field, Peer};
use super::kinds;
use crate::model::{Mode, RunId, StopperKind};

/// A rule and the trials that it compares; values as they are reported.
pub(super) struct Play {
    stopper: Arc<dyn Stopper>,
    pub field: Field,
    pub mode: Mode,
    pub grace: Option<f64>,
    pub max: Option<f64>,
    pub min_peers: Option<usize>,
    runs: HashMap<String, RunId>,
}

impl Play {
    pub fn new(kind: &StopperKind) -> Play {
        Play {
            stopper: kinds::of(kind).expect("a kind with a rule"),
            field: Field::default(),
            mode: Mode::Max,
            grace: None,
            max: None,
            min_peers: None,
            runs: HashMap::new(),
        }
    }

    /// A trial by its name; "group/fold" is a fold of a group.
    pub fn run(&mut self, name: &str) -> RunId {
        let next = RunId(self.runs.len() as u128);
        let run = *self.runs.entry(name.into()).or_insert(next);
        if run == next {
            let (group, fold) = name.split_once('/').map(|(g, f)| (g.into(), f.into())).unzip();
            self.field.enter(run, Peer { name: name.into(), group, fold, ..Peer::default() });
        }
        run
    }

    /// A report at a place, and what the rule says.
    pub fn at(&mut self, name: &str, at: f64, value: f64) -> Verdict {
        let run = self.run(name);
        let before = self.field.peer(run).and_then(|peer| peer.curve.last()).map(|point| point.at);
        self.field.report(run, at, if self.mode == Mode::Max { value } else { -value });
        let unit = self.field.unit(run).expect("it is there");
        self.stopper.decide(&mut Case {
            run,
            unit,
            at,
            before,
            max: self.max,
            grace: self.grace,
            min_peers: self.min_peers,
            mode: self.mode,
            field: &mut self.field,
        })
    }

    /// The next report, at 1, 2, ...
    pub fn report(&mut self, name: &str, value: f64) -> Verdict {
        let run = self.run(name);
        let last = self.field.peer(run).and_then(|peer| peer.curve.last()).map_or(0.0, |point| point.at);
        self.at(name, last + 1.0, value)
    }

    /// A trial that ends as it was meant to.
    pub fn whole(&mut self, name: &str, values: &[f64]) {
        for value in values {
            self.report(name, *value);
        }
        self.end(name, End::Complete);
    }

    pub fn end(&mut self, name: &str, end: End) {
        let run = self.run(name);
        self.field.end(run, end);
    }

    /// The first of these reports (1, 2, ...) at which the rule says stop.
    pub fn stops(&mut self, name: &str, values: &[f64]) -> Option<usize> {
        values.iter().position(|value| matches!(self.report(name, *value), Verdict::Stop(_))).map(|i| i + 1)
    }
}
