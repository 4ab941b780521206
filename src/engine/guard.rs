//! The brakes: what a rule may not do although it fires.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{Loudness, Moment, Name, Rule, RunId, StopOutcome};

use crate::policy::words;

use super::{Engine, holdout};

/// Stops of the past that brakes count.
#[derive(Clone, Debug, Default)]
pub(super) struct Braking {
    /// When a rule stopped trials of an experiment, for `max_stops`.
    stops: HashMap<(Arc<str>, Name), VecDeque<Moment>>,
    /// When the last stop on this host was over, for `serial`.
    pub over: Option<Moment>,
}

impl Braking {
    /// Counts a stop that begins.
    pub fn count(&mut self, rule: &Rule, experiment: &Name, now: Moment) {
        if let Some((_, per_ns)) = rule.max_stops {
            let past = self.stops.entry((rule.name.clone(), experiment.clone())).or_default();
            past.retain(|at| now.since(*at) < per_ns);
            past.push_back(now);
        }
    }
}

/// What holds a rule back from stopping a trial.
pub(super) enum Brake {
    /// Not now; it asks again at the next tick.
    Wait,
    /// Not at all: the outcome to record, and why.
    Refuse(StopOutcome, String),
}

impl Engine {
    /// What holds a rule back, if anything does.
    pub(super) fn brake(&self, run: RunId, rule: &Rule, now: Moment) -> Option<Brake> {
        let trial = self.trials.get(&run)?;
        if self.settings.observe || rule.observe || !trial.may_stop {
            return Some(Brake::Refuse(StopOutcome::Observed, "only observed".to_string()));
        }
        if let Some(settle) = rule.serial_ns {
            let busy = self.trials.values().any(|t| t.stop.is_some());
            if busy || self.braking.over.is_some_and(|at| now.since(at) < settle) {
                return Some(Brake::Wait);
            }
        }
        let limited = |why: String| Some(Brake::Refuse(StopOutcome::Limited, why));
        if let Some(why) = self.over_max_stops(run, rule, now) {
            return limited(why);
        }
        if !rule.learns {
            return None;
        }
        if let Some(why) = self.guarded(run) {
            return limited(why);
        }
        // Last of all: who is held out would else have been stopped.
        holdout::held_out(rule, run).map(|why| Brake::Refuse(StopOutcome::HeldOut, why))
    }

    /// Whether the rule has used up its `max_stops` in this experiment.
    fn over_max_stops(&self, run: RunId, rule: &Rule, now: Moment) -> Option<String> {
        let (most, per_ns) = rule.max_stops?;
        let experiment = self.trials.get(&run)?.view.experiment.clone();
        let past = self.braking.stops.get(&(rule.name.clone(), experiment))?;
        let recent = past.iter().filter(|at| now.since(**at) < per_ns).count();
        let per = words::duration(per_ns);
        (recent >= most as usize).then(|| format!("max_stops = \"{most} per {per}\" is used up"))
    }

    /// Whether the guard protects a trial from learning rules.
    fn guarded(&self, run: RunId) -> Option<String> {
        let guard = self.policy.guard?;
        let view = &self.trials.get(&run)?.view;
        let (mut all, mut stopped) = (0, 0);
        for (_, record) in self.records.of(&view.experiment) {
            all += 1;
            stopped += u32::from(record.stopped.as_ref().is_some_and(|rule| self.learns(rule)));
        }
        if all >= guard.after && f64::from(stopped + 1) > guard.max_share * f64::from(all) {
            let share = guard.max_share * 100.0;
            return Some(format!("the guard: {stopped} of {all} trials are stopped, more than {share} % may not be"));
        }
        let best = self.is_among_best(run, guard.keep_best as usize);
        best.then(|| format!("the guard: it is among the best {} of its experiment", guard.keep_best))
    }

    /// Whether a rule is one that learns; one of an earlier policy counts as such.
    fn learns(&self, name: &str) -> bool {
        self.policy.rules.iter().find(|rule| *rule.name == *name).is_none_or(|rule| rule.learns)
    }

    /// Whether a trial is among the best `keep` of its experiment by its objective's last value. A trial without a finite
    /// value is never best, and without another trial to compare with there is no best.
    fn is_among_best(&self, run: RunId, keep: usize) -> bool {
        let Some(view) = self.trials.get(&run).map(|t| &t.view) else { return false };
        let (Some(objective), Some(own)) = (&view.objective, self.records.get(run)) else { return false };
        if !own.score.is_finite() {
            return false;
        }
        let peers = self.records.of(&view.experiment).filter(|(other, _)| *other != run);
        let (mut others, mut better) = (0, 0);
        for score in peers.map(|(_, record)| record.score).filter(|score| score.is_finite()) {
            others += 1;
            better += usize::from(objective.mode.better(score, own.score));
        }
        others > 0 && better < keep
    }

    /// Records a stop that is not to be, once a trial and rule.
    pub(super) fn refuse(&mut self, run: RunId, index: usize, outcome: StopOutcome, reason: &str, why: &str) {
        let Some(rule) = self.policy.rules.get(index).cloned() else { return };
        let Some(trial) = self.trials.get_mut(&run) else { return };
        if std::mem::replace(&mut trial.standings[index].told, true) {
            return;
        }
        *trial.view_mut().stops.entry((rule.name.clone(), outcome)).or_default() += 1;
        let name = trial.view.full_name();
        self.count_outcome(&rule.name, outcome);
        let text = format!("{name}: rule {} would stop it: {reason}; not done: {why}", rule.name);
        self.note(Loudness::Warning, text);
        self.head(run);
    }
}
