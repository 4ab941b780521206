//! The states of rules, one per trial and label set, as Prometheus keeps those of alerts.

use std::sync::Arc;

use crate::model::{Action, AlertView, Loudness, Moment, Rule, RuleState, RuleView, RunId};
use crate::policy::words;
use crate::state::windows::Labels;

use super::Engine;
use super::eval::{Missing, Scene, Values};
use super::reasons;
use super::trial::Trial;

/// A label set for which a condition holds or held a moment ago.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Active {
    /// The labels.
    pub labels: Labels,
    /// The value that met the condition last.
    pub value: f64,
    /// Since when the condition holds.
    pub since: Moment,
    /// When it last held.
    pub held: Moment,
    /// Whether it has held long enough.
    pub firing: bool,
}

/// What one rule thinks of one trial.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Label sets for which the condition holds.
    pub active: Vec<Active>,
    /// The state shown.
    pub state: RuleState,
    /// Since when.
    pub since: Moment,
    /// Reports in a row that met the condition, for `for_reports`.
    pub met: u32,
    /// A stop that is not to be (observed, limited) was said once.
    pub told: bool,
}

impl Standing {
    /// Takes the values of an evaluation that worked.
    fn take(&mut self, rule: &Rule, values: Vec<(Labels, f64)>, now: Moment) {
        for (labels, value) in values {
            match self.active.iter_mut().find(|a| a.labels == labels) {
                Some(active) => (active.value, active.held) = (value, now),
                None => self.active.push(Active { labels, value, since: now, held: now, firing: false }),
            }
        }
        let enough_reports = rule.for_reports.is_none_or(|n| self.met >= n);
        for active in &mut self.active {
            active.firing |= active.held == now && now.since(active.since) >= rule.hold_ns && enough_reports;
        }
        let keep = |a: &Active| a.held == now || (a.firing && now.since(a.held) < rule.keep_firing_ns);
        self.active.retain(keep);
        let state = match self.active.iter().map(|a| a.firing).max() {
            None => RuleState::Inactive,
            Some(false) => RuleState::Pending,
            Some(true) => RuleState::Firing,
        };
        self.show(state, now);
    }

    /// Forgets what was pending or firing: data are missing, or nobody knows how long they held.
    pub fn forget(&mut self, state: RuleState, now: Moment) {
        self.active.clear();
        self.show(state, now);
    }

    /// Shows another state from now on.
    fn show(&mut self, state: RuleState, now: Moment) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }

    /// The label set that has been met longest, among those that fire and hold right now.
    fn strongest(&self, now: Moment) -> Option<&Active> {
        self.active.iter().filter(|a| a.firing && a.held == now).min_by_key(|a| a.since)
    }
}

/// Whether a rule is about a trial.
pub(super) fn is_about(rule: &Rule, trial: &Trial) -> bool {
    let view = &trial.view;
    rule.filter.globs.iter().all(|(key, glob)| {
        let value = match key.as_str() {
            "experiment" => Some(view.experiment.as_str()),
            "trial" => Some(view.trial.as_str()),
            "group" => view.group.as_ref().map(|g| g.as_str()),
            "fold" => view.fold.as_deref(),
            other => match other.strip_prefix("param.") {
                Some(param) => view.params.get(param).map(String::as_str),
                None => view.labels.get(other).map(String::as_str),
            },
        };
        value.is_some_and(|v| glob.is_match(v))
    })
}

/// Whether the rule is still in its warmup for this trial.
fn warming_up(rule: &Rule, trial: &Trial, now: Moment) -> bool {
    now.since(trial.view.started) < rule.warmup_ns || trial.view.progress.steps_total < rule.warmup_steps
}

/// The condition's values, none during warmup.
fn condition(rule: &Rule, trial: &Trial, now: Moment) -> Values {
    if warming_up(rule, trial, now) {
        return Ok(Vec::new());
    }
    Scene { trial, now }.eval(&rule.condition)
}

impl Engine {
    /// Evaluates every rule over every living trial: a tick's last act.
    pub(super) fn judge(&mut self, now: Moment) {
        let policy = self.policy.clone();
        let living: Vec<RunId> = self.living.to_vec();
        for (index, rule) in policy.rules.iter().enumerate() {
            let from = (self.meter)();
            let mut firing = Vec::new();
            for run in &living {
                let doubt = self.doubt(*run, rule, now);
                let Some(trial) = self.trials.get_mut(run).filter(|t| is_about(rule, t)) else { continue };
                let totals = self.rule_totals.entry(rule.name.clone()).or_default();
                totals.evaluations += 1;
                let values = match doubt {
                    Some(Doubt::Skip) => continue,
                    Some(Doubt::Unsure(_)) => Err(Missing(String::new())),
                    None => condition(rule, trial, now),
                };
                let standing = &mut trial.standings[index];
                let before = standing.state;
                match values {
                    Ok(values) => standing.take(rule, values, now),
                    Err(_) => standing.forget(RuleState::Unknown, now),
                }
                if standing.strongest(now).is_some() {
                    firing.push((*run, before != RuleState::Firing));
                }
            }
            let totals = self.rule_totals.entry(rule.name.clone()).or_default();
            totals.seconds += (self.meter)().saturating_sub(from) as f64 / 1e9;
            for (run, new) in firing {
                self.fire(run, index, rule, new, now);
            }
        }
    }

    /// A rule fires for a trial.
    fn fire(&mut self, run: RunId, index: usize, rule: &Arc<Rule>, new: bool, now: Moment) {
        let reason = self.reason(run, index, rule, now);
        match rule.action {
            Action::Warn if new => {
                let name = self.trials[&run].view.full_name();
                self.note(Loudness::Warning, format!("{name}: rule {} fires: {reason}", rule.name));
            }
            Action::Warn => {}
            Action::Stop => self.wants_stop(run, index, rule, reason, now),
        }
    }

    /// After the fresh look: does the condition still hold?
    pub(super) fn still_holds(&self, run: RunId, index: usize, now: Moment) -> bool {
        let (Some(trial), Some(rule)) = (self.trials.get(&run), self.policy.rules.get(index)) else { return false };
        condition(rule, trial, now).is_ok_and(|values| !values.is_empty())
    }

    /// Counts a report towards `for_reports`.
    pub(super) fn count_report(&mut self, run: RunId, now: Moment) {
        let policy = self.policy.clone();
        for (index, rule) in policy.rules.iter().enumerate().filter(|(_, r)| r.for_reports.is_some()) {
            let Some(trial) = self.trials.get_mut(&run).filter(|t| is_about(rule, t)) else { continue };
            let met = condition(rule, trial, now).is_ok_and(|values| !values.is_empty());
            let standing = &mut trial.standings[index];
            standing.met = if met { standing.met + 1 } else { 0 };
        }
    }

    /// Why a rule fires, in words: its summary, or the condition with the value seen.
    fn reason(&self, run: RunId, index: usize, rule: &Rule, now: Moment) -> String {
        let trial = &self.trials[&run];
        let active = trial.standings[index].strongest(now);
        let value = active.map_or(f64::NAN, |a| a.value);
        reasons::reason(rule, &trial.view, value)
    }

    /// What keeps a rule from judging a trial at this tick.
    fn doubt(&self, run: RunId, rule: &Rule, now: Moment) -> Option<Doubt> {
        let trial = self.trials.get(&run)?;
        let patience = 3 * self.settings.interval_ns;
        if trial.has_tree() {
            let seen = trial.complete_at.map(|at| now.since(at));
            match seen {
                _ if trial.complete < 2 => return Some(Doubt::Unsure("fewer than two complete samples")),
                Some(0) => {}
                Some(ago) if ago <= patience => return Some(Doubt::Skip),
                _ => return Some(Doubt::Unsure("the last complete sample is older than 3 intervals")),
            }
        } else if now.since(trial.view.started) < 2 * self.settings.interval_ns {
            return Some(Doubt::Unsure("fewer than two ticks"));
        }
        let gap = self.gap.filter(|gap| trial.view.started <= *gap)?;
        if now.since(gap) < rule.condition.looks_back() {
            return Some(Doubt::Unsure("it looks back on a gap"));
        }
        let waits = rule.condition.reads_heartbeats() && !trial.heard_since_gap;
        let within_grace = now.since(gap) < self.settings.gap_grace_ns;
        (waits && within_grace).then_some(Doubt::Unsure("no heartbeat yet since a gap"))
    }

    /// The rules as they stand for a trial; with `why` in words where a person asks.
    pub(super) fn rule_views(&self, trial: &Trial, explain: Explain) -> Vec<RuleView> {
        let about = self.policy.rules.iter().zip(&trial.standings).filter(|(rule, _)| is_about(rule, trial));
        about
            .map(|(rule, standing)| RuleView {
                rule: rule.name.clone(),
                state: standing.state,
                since: standing.since,
                why: match explain {
                    Explain::No => String::new(),
                    Explain::Yes => self.why(trial, rule, standing),
                },
            })
            .collect()
    }

    /// Everything that is pending or firing.
    pub(super) fn alerts(&self) -> Vec<AlertView> {
        let mut alerts = Vec::new();
        for (run, trial) in self.living.iter().filter_map(|run| Some((*run, self.trials.get(run)?))) {
            for (rule, standing) in self.policy.rules.iter().zip(&trial.standings) {
                alerts.extend(standing.active.iter().map(|active| AlertView {
                    run,
                    rule: rule.name.clone(),
                    labels: active.labels.clone(),
                    firing: active.firing,
                    since: active.since,
                    value: active.value,
                }));
            }
        }
        alerts
    }

    /// Why a rule stands as it does, in words.
    fn why(&self, trial: &Trial, rule: &Rule, standing: &Standing) -> String {
        let now = self.last_tick.unwrap_or(self.now);
        if let Some(Doubt::Unsure(why)) = self.doubt(trial.run(), rule, now) {
            return format!("unsure: {why}");
        }
        if warming_up(rule, trial, now) {
            return "in its warmup".to_string();
        }
        let seen = reasons::readings(&rule.condition, &trial.view, now);
        let held = match standing.active.iter().map(|a| now.since(a.since)).max() {
            Some(ns) if standing.state == RuleState::Pending => {
                format!("; holds for {} of {}", words::duration(ns), words::duration(rule.hold_ns))
            }
            _ => String::new(),
        };
        match (Scene { trial, now }).eval(&rule.condition) {
            Err(Missing(what)) => format!("{}: {what} has no value", rule.words),
            Ok(values) if values.is_empty() => format!("not {}{seen}{held}", rule.words),
            Ok(_) => format!("{}{seen}{held}", rule.words),
        }
    }

    /// Every trial keeps the windows and standings that the policy asks for; states of rules that stayed the same stay.
    pub(super) fn adopt(&mut self, old: &[Arc<Rule>], now: Moment) {
        let rules = self.policy.rules.clone();
        let wanted: Vec<_> = rules.iter().flat_map(|r| r.condition.windows()).collect();
        let fresh = || Standing { since: now, ..Standing::default() };
        for run in &self.living {
            let Some(trial) = self.trials.get_mut(run) else { continue };
            let before = std::mem::take(&mut trial.standings);
            let same = |new: &Rule| old.iter().position(|o| o.name == new.name && o.condition == new.condition);
            trial.standings =
                rules.iter().map(|r| same(r).and_then(|i| before.get(i).cloned()).unwrap_or_else(fresh)).collect();
            trial.windows.keep(&wanted);
            trial.confirming = None;
        }
    }

    /// A new trial gets standings and windows.
    pub(super) fn equip(&self, trial: &mut Trial, now: Moment) {
        let fresh = Standing { since: now, ..Standing::default() };
        trial.standings = vec![fresh; self.policy.rules.len()];
        let wanted: Vec<_> = self.policy.rules.iter().flat_map(|r| r.condition.windows()).collect();
        trial.windows.keep(&wanted);
    }
}

/// What keeps a rule from judging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// This tick's sample is not whole: the states stay as they are.
    Skip,
    /// Nobody can say: the state is unknown.
    Unsure(&'static str),
}

/// Whether a person wants to know why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Explain {
    /// The states are enough.
    No,
    /// In words, please.
    Yes,
}
