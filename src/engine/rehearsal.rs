//! Rules over given series, without trials, processes or a clock: for unit tests of policies. The expressions, the states
//! and whom a result is about are the engine's own; what a daemon adds (unsure, gaps, brakes, ladders) is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Evaluate, MILLI, Moment, Policy, Rule, RunId};
use crate::promql::{Element, Labels, Limits, Selector, Source};

use super::judge::{About, Directory, Prepared};
use super::rules::Standing;

/// A trial as series know it: experiment and name.
pub type Who = (String, String);

/// A label set for which a rule's condition holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its labels, without the name of a metric.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
    /// Whether it has held long enough.
    pub firing: bool,
}

/// One rule's way through the series.
struct Act {
    prepared: Prepared,
    /// By label set alone, as Prometheus keeps its alerts.
    all: Standing,
    /// By trial.
    each: BTreeMap<Who, Standing>,
    /// Trials for which it has fired.
    fired: BTreeMap<Who, String>,
    failure: Option<String>,
}

/// Rules in rehearsal.
pub struct Rehearsal {
    acts: Vec<Act>,
    limits: Limits,
    /// When each trial was seen first, milliseconds.
    seen: BTreeMap<Who, i64>,
}

/// The name of a trial's experiment where its series have none.
const DEFAULT: &str = "default";

impl Rehearsal {
    /// Of a policy.
    pub fn new(policy: &Policy) -> Rehearsal {
        let act = |rule: &Arc<Rule>| Act {
            prepared: Prepared::new(rule),
            all: Standing::default(),
            each: BTreeMap::new(),
            fired: BTreeMap::new(),
            failure: None,
        };
        let acts = policy.rules.iter().map(act).collect();
        Rehearsal { acts, limits: Limits::default(), seen: BTreeMap::new() }
    }

    /// A tick at this time, milliseconds: every rule is evaluated.
    pub fn tick(&mut self, source: &dyn Source, at: i64) {
        let ms = u64::try_from(at).unwrap_or(0);
        let now = Moment { boot_ns: ms * MILLI, mono_ns: ms * MILLI, wall_ms: at };
        let trials = living(source, at, self.limits.lookback);
        for who in &trials {
            self.seen.entry(who.clone()).or_insert(at);
        }
        // The engine's directory goes by run: here a trial's place in the list.
        let directory = Directory::of(trials.iter().zip(0..).map(|((e, t), n)| (RunId(n), t.clone(), e.clone())));
        for act in &mut self.acts {
            let rule = act.prepared.rule.clone();
            let found = match rule.evaluate {
                Evaluate::Local => act.prepared.evaluate(source, at, &self.limits),
                Evaluate::Remote => Err("it is evaluated elsewhere (evaluate = \"remote\")".to_string()),
            };
            act.failure = found.as_ref().err().cloned();
            let elements = found.unwrap_or_default();
            act.all.count(!elements.is_empty());
            act.all.take(&rule, elements.iter().map(nameless).collect(), now);
            let mut met: BTreeMap<usize, Vec<Element>> = BTreeMap::new();
            for element in elements {
                if let About::Trials(runs) = directory.about(&element.labels, rule.scope) {
                    runs.iter().for_each(|run| met.entry(run.0 as usize).or_default().push(element.clone()));
                }
            }
            for (n, who) in trials.iter().enumerate() {
                let since = now.wall_ms - self.seen[who];
                let warm = since as u64 * MILLI >= rule.warmup_ns && steps(source, who, at) >= rule.warmup_steps;
                let met = met.remove(&n).filter(|_| warm && fits(source, &rule, who, at)).unwrap_or_default();
                let standing = act.each.entry(who.clone()).or_default();
                // Here a tick is a report: series know of no others.
                standing.count(!met.is_empty());
                standing.take(&rule, met, now);
                if let Some(active) = standing.strongest(now) {
                    let reason = || {
                        super::reasons::told(&rule, active.value, &who.1, &who.0, &|label| info(source, who, label, at))
                    };
                    act.fired.entry(who.clone()).or_insert_with(reason);
                }
            }
        }
    }

    /// What a rule holds of its label sets at the last tick; `None` if there is no such rule.
    pub fn alerts(&self, rule: &str) -> Option<Vec<Alert>> {
        let act = self.act(rule)?;
        let alert = |a: &super::rules::Active| Alert { labels: a.labels.clone(), value: a.value, firing: a.firing };
        Some(act.all.active.iter().map(alert).collect())
    }

    /// The trials for which a rule has fired up to the last tick, with the reason of the first time.
    pub fn fired(&self, rule: &str) -> Option<&BTreeMap<Who, String>> {
        Some(&self.act(rule)?.fired)
    }

    /// Why a rule could not be evaluated at the last tick.
    pub fn failure(&self, rule: &str) -> Option<&str> {
        self.act(rule)?.failure.as_deref()
    }

    /// The rule of an alert, and the words of its summary or reason.
    pub fn reason(&self, rule: &str, alert: &Alert) -> Option<String> {
        let rule = &self.act(rule)?.prepared.rule;
        let (trial, experiment) = (alert.labels.get("trial"), alert.labels.get("experiment"));
        Some(super::reasons::told(rule, alert.value, trial, experiment, &|label| {
            Some(alert.labels.get(label).to_string())
        }))
    }

    fn act(&self, rule: &str) -> Option<&Act> {
        self.acts.iter().find(|act| &*act.prepared.rule.name == rule)
    }
}

fn nameless(element: &Element) -> Element {
    Element { labels: element.labels.nameless(), value: element.value }
}

/// The last value of a series at a time.
fn value(points: &[crate::promql::Point], at: i64, lookback: i64) -> Option<f64> {
    let last = points[..points.partition_point(|p| p.t <= at)].last()?;
    (last.t > at - lookback && !crate::promql::is_stale(last.v)).then_some(last.v)
}

/// Trials that have a series with a value at a time.
fn living(source: &dyn Source, at: i64, lookback: i64) -> Vec<Who> {
    let every = Selector { matchers: Vec::new(), shift: Default::default() };
    let series = source.select(&every, at - lookback, at);
    let named = series.iter().filter(|s| !s.labels.get("trial").is_empty() && value(&s.points, at, lookback).is_some());
    let who = |s: &crate::promql::Series<'_>| {
        let experiment = Some(s.labels.get("experiment")).filter(|e| !e.is_empty()).unwrap_or(DEFAULT);
        (experiment.to_string(), s.labels.get("trial").to_string())
    };
    let found: std::collections::BTreeSet<Who> = named.map(who).collect();
    found.into_iter().collect()
}

/// The series of one name that a trial has.
fn of_trial<'s>(source: &'s dyn Source, who: &Who, name: &str, at: i64) -> Vec<crate::promql::Series<'s>> {
    let every = Selector { matchers: Vec::new(), shift: Default::default() };
    let its = |s: &crate::promql::Series<'_>| {
        let experiment = [who.0.as_str(), if who.0 == DEFAULT { "" } else { who.0.as_str() }];
        s.labels.name() == name && s.labels.get("trial") == who.1 && experiment.contains(&s.labels.get("experiment"))
    };
    source.select(&every, at - Limits::default().lookback, at).into_iter().filter(its).collect()
}

/// Steps done, 0 where no series says so.
fn steps(source: &dyn Source, who: &Who, at: i64) -> u64 {
    let series = of_trial(source, who, "trial_steps_total", at);
    let steps = series.first().and_then(|s| value(&s.points, at, Limits::default().lookback));
    steps.map_or(0, |v| v as u64)
}

/// A label of the trial, as `trial_info` has it.
fn info(source: &dyn Source, who: &Who, label: &str, at: i64) -> Option<String> {
    let series = of_trial(source, who, "trial_info", at);
    series.first().map(|s| s.labels.get(label).to_string()).filter(|v| !v.is_empty())
}

/// Whether `where` chooses the trial: labels and params as `trial_info` has them.
fn fits(source: &dyn Source, rule: &Rule, who: &Who, at: i64) -> bool {
    rule.filter.globs.iter().all(|(key, glob)| {
        let value = match key.as_str() {
            "experiment" => Some(who.0.clone()),
            "trial" => Some(who.1.clone()),
            other => info(source, who, &other.replace("param.", "param_"), at),
        };
        value.is_some_and(|v| glob.is_match(v))
    })
}
