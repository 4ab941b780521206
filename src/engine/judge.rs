//! What a rule's expression says, and whom its results are about.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Evaluate, Moment, RemoteSeries, Rule, RunId, Scope};
use crate::promql::{self, Element, Expr, Limits, Selector, Source, Value};
use crate::state::table;
use crate::state::windows::{Need, needs};

use super::Engine;

/// A rule made ready to be evaluated: nothing is parsed on a tick.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its expression; the policy was checked, so that a failure to understand it never happens.
    pub expr: Result<Expr, String>,
    /// Those of its selectors that choose series of trials.
    pub of_trials: Vec<Selector>,
}

impl Prepared {
    /// Makes a rule ready.
    pub fn new(rule: &Arc<Rule>) -> Prepared {
        let expr = match &rule.stopper {
            // It says what it has to say at every report.
            Some(_) => Err("a rule over learning curves has no expression".to_string()),
            None => promql::parse(&rule.expr).map_err(|problem| problem.message),
        };
        let reads_trials = |s: &&Selector| {
            let named = |row: &table::MetricRow| {
                s.matchers.iter().filter(|m| m.label == promql::NAME).all(|m| m.fits(row.name))
            };
            table::trial_series().any(named)
        };
        let selectors = expr.as_ref().map(Expr::selectors).unwrap_or_default();
        let of_trials = selectors.into_iter().filter(reads_trials).cloned().collect();
        Prepared { rule: rule.clone(), expr, of_trials }
    }

    /// What it reads of the windows.
    pub fn needs(&self, limits: &Limits) -> Vec<Need> {
        match (&self.expr, self.rule.evaluate) {
            (Ok(expr), Evaluate::Local) => needs(expr, limits.lookback),
            _ => Vec::new(),
        }
    }

    /// The results at a time (milliseconds since the Unix epoch).
    pub fn evaluate(&self, source: &dyn Source, at: i64, limits: &Limits) -> Result<Vec<Element>, String> {
        let expr = self.expr.as_ref().map_err(Clone::clone)?;
        match promql::instant(expr, source, at, limits) {
            Ok(Value::Vector(elements)) => Ok(elements),
            Ok(other) => Err(format!("it gives a {} and no instant vector", other.kind().as_str())),
            Err(why) => Err(why.to_string()),
        }
    }
}

/// Whom a result is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// These running trials.
    Trials(Vec<RunId>),
    /// One of these; the result does not say of which experiment.
    Ambiguous(Vec<RunId>),
}

/// Running trials by name.
#[derive(Debug, Default)]
pub(super) struct Directory {
    by_trial: HashMap<String, Vec<(String, RunId)>>,
    by_experiment: HashMap<String, Vec<RunId>>,
    all: Vec<RunId>,
}

impl Directory {
    /// Of these: run, trial, experiment.
    pub fn of(trials: impl Iterator<Item = (RunId, String, String)>) -> Directory {
        let mut directory = Directory::default();
        for (run, trial, experiment) in trials {
            directory.by_experiment.entry(experiment.clone()).or_default().push(run);
            directory.by_trial.entry(trial).or_default().push((experiment, run));
            directory.all.push(run);
        }
        directory
    }

    /// Whom the labels of a result choose. Only `trial` and `experiment` do; every other label is evidence.
    pub fn about(&self, labels: &promql::Labels, scope: Scope) -> About {
        let (trial, experiment) = (labels.get("trial"), labels.get("experiment"));
        match (trial, experiment, scope) {
            ("", "", Scope::All) => About::Trials(self.all.clone()),
            ("", "", _) => About::Trials(Vec::new()),
            ("", experiment, Scope::Experiment) => {
                About::Trials(self.by_experiment.get(experiment).cloned().unwrap_or_default())
            }
            ("", ..) => About::Trials(Vec::new()),
            (trial, experiment, _) => {
                let named = self.by_trial.get(trial).into_iter().flatten();
                let fits = |(e, run): &(String, RunId)| (experiment.is_empty() || e == experiment).then_some(*run);
                let found: Vec<RunId> = named.filter_map(fits).collect();
                if found.len() > 1 { About::Ambiguous(found) } else { About::Trials(found) }
            }
        }
    }
}

/// The results of one evaluation, by trial.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// What met the condition.
    pub met: HashMap<RunId, Vec<Element>>,
    /// Trials that a result may be about, or another of the same name.
    pub ambiguous: Vec<RunId>,
}

impl Engine {
    /// Running trials by name, as of now.
    pub(super) fn directory(&self) -> Directory {
        let views = self.living.iter().filter_map(|run| self.trials.get(run)).map(|t| &t.view);
        Directory::of(views.map(|view| (view.run, view.trial.to_string(), view.experiment.to_string())))
    }

    /// What a rule says at the tick of time `at`.
    pub(super) fn results(
        &self,
        prepared: &Prepared,
        directory: &Directory,
        at: i64,
        now: Moment,
    ) -> Result<Results, String> {
        let elements = match prepared.rule.evaluate {
            _ if prepared.rule.stopper.is_some() => Vec::new(),
            Evaluate::Local => prepared.evaluate(&self.windows, at, &self.evaluation)?,
            Evaluate::Remote => self.remote_elements(&prepared.rule, now)?,
        };
        let mut results = Results::default();
        for element in elements {
            match directory.about(&element.labels, prepared.rule.scope) {
                About::Trials(runs) => {
                    for run in runs {
                        results.met.entry(run).or_default().push(element.clone());
                    }
                }
                About::Ambiguous(runs) => results.ambiguous.extend(runs),
            }
        }
        Ok(results)
    }

    /// What the remote Prometheus said last of a rule.
    fn remote_elements(&self, rule: &Rule, now: Moment) -> Result<Vec<Element>, String> {
        let series = self.remote_answer(&rule.name, now).ok_or("no answer that still counts")??;
        let element = |s: &RemoteSeries| Element {
            labels: promql::Labels::new(s.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
            value: s.value,
        };
        Ok(series.iter().map(element).collect())
    }
}
