//! The states of rules, one per trial and label set, as Prometheus keeps those of alerts.

use std::sync::Arc;

use crate::model::{Action, AlertView, Evaluate, Loudness, Moment, RemoteQuestion, Rule, RuleState, RunId};
use crate::promql::{Element, Labels, NAME, Selector, Source};
use crate::state::windows::{Fresh, MemoryRead, Need, Present};
use crate::stopper::{Unknown, Verdict};

use super::Engine;
use super::derived::Demands;
use super::judge::{About, Prepared, Results};
use super::learning::{Heard, Learners};
use super::reasons;
use super::records::Facts;
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
    /// The first tick at which it no longer held: `keep_firing_for` counts from there, as in Prometheus.
    pub missed: Option<Moment>,
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
    /// When the condition did not hold with proportional memory.
    pub spared: Option<Moment>,
    /// A result named a trial as this one is called, and several experiments have one of that name.
    pub ambiguous: bool,
    /// What a rule over learning curves said last.
    pub heard: Option<Heard>,
}

impl Standing {
    /// Takes the values of an evaluation that worked.
    pub fn take(&mut self, rule: &Rule, met: Vec<Element>, now: Moment) {
        for Element { labels, value } in met {
            match self.active.iter_mut().find(|a| a.labels == labels) {
                Some(active) => (active.value, active.held) = (value, now),
                None => self.active.push(Active { labels, value, since: now, held: now, missed: None, firing: false }),
            }
        }
        let enough_reports = rule.for_reports.is_none_or(|n| self.met >= n);
        for active in &mut self.active {
            active.firing |= active.held == now && now.since(active.since) >= rule.hold_ns && enough_reports;
        }
        self.active.retain_mut(|a| {
            a.missed = if a.held == now { None } else { a.missed.or(Some(now)) };
            a.missed.is_none_or(|since| a.firing && now.since(since) < rule.keep_firing_ns)
        });
        let state = match self.active.iter().map(|a| a.firing).max() {
            None => RuleState::Inactive,
            Some(false) => RuleState::Pending,
            Some(true) => RuleState::Firing,
        };
        self.show(state, now);
    }

    /// Counts a report that met the condition, or did not, for `for_reports`.
    pub fn count(&mut self, met: bool) {
        self.met = if met { self.met.saturating_add(1) } else { 0 };
    }

    /// Takes what a rule over learning curves says at a report; between two places of decision what it said before stands.
    pub fn hear(&mut self, heard: Heard) {
        if heard.verdict != Verdict::NotDue {
            self.count(matches!(heard.verdict, Verdict::Stop(_)));
            self.heard = Some(heard);
        }
    }

    /// What a rule over learning curves says as of now: the trial's own figure where it shall end; `None` where nobody can
    /// say.
    pub fn said(&self) -> Option<Option<f64>> {
        match self.heard.as_ref().map(|h| &h.verdict) {
            None | Some(Verdict::NotDue | Verdict::Unknown(Unknown::Grace) | Verdict::Continue(_)) => Some(None),
            Some(Verdict::Unknown(_)) => None,
            Some(Verdict::Stop(evidence)) => Some(Some(evidence.own)),
        }
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
    pub fn strongest(&self, now: Moment) -> Option<&Active> {
        self.active.iter().filter(|a| a.firing && a.held == now).min_by_key(|a| a.since)
    }
}

/// Whether a rule is about a trial.
pub(super) fn is_about(rule: &Rule, trial: &Trial) -> bool {
    rule.filter.globs.is_empty() || Facts::of(&trial.view).pass(&rule.filter)
}

/// Whether the rule is still in its warmup for this trial.
pub(super) fn warming_up(rule: &Rule, trial: &Trial, now: Moment) -> bool {
    now.since(trial.view.started) < rule.warmup_ns || trial.view.progress.steps_total < rule.warmup_steps
}

impl Engine {
    /// Evaluates every rule and looks what it says of every living trial: a tick's last act.
    pub(super) fn judge(&mut self, at: i64, now: Moment) {
        let prepared = self.prepared.clone();
        if prepared.is_empty() {
            return;
        }
        let living: Vec<RunId> = self.living.to_vec();
        let directory = self.directory();
        for (index, prepared) in prepared.iter().enumerate() {
            let from = (self.meter)();
            let mut results = self.results(prepared, &directory, at, now);
            let totals = self.rule_totals.entry(prepared.rule.name.clone()).or_default();
            totals.evaluations += 1;
            totals.failures += u64::from(results.is_err());
            let mut firing = Vec::new();
            for run in &living {
                firing.extend(self.judge_one(*run, index, prepared, &mut results, now));
            }
            let totals = self.rule_totals.entry(prepared.rule.name.clone()).or_default();
            totals.seconds += (self.meter)().saturating_sub(from) as f64 / 1e9;
            for (run, new) in firing {
                self.fire(run, index, &prepared.rule, new, now);
            }
        }
    }

    /// What a rule's results say of one trial; whether it fires, and whether that is new.
    fn judge_one(
        &mut self,
        run: RunId,
        index: usize,
        prepared: &Prepared,
        results: &mut Result<Results, String>,
        now: Moment,
    ) -> Option<(RunId, bool)> {
        let rule = &prepared.rule;
        let trial = self.trials.get(&run).filter(|t| is_about(rule, t))?;
        let verdict = match (self.doubt(run, rule, now), results) {
            (Some(Doubt::Skip), _) => return None,
            (Some(Doubt::Unsure(_)), _) | (None, Err(_)) => None,
            (None, Ok(_)) if warming_up(rule, trial, now) => Some((Vec::new(), false)),
            (None, Ok(_)) if rule.stopper.is_some() => {
                let own = trial.standings[index].said();
                own.map(|own| (own.into_iter().map(|value| condemned(trial, value)).collect(), false))
            }
            (None, Ok(results)) => {
                let met = results.met.remove(&run).unwrap_or_default();
                let known = !met.is_empty() || self.has_data(run, prepared);
                known.then(|| (met, results.ambiguous.contains(&run)))
            }
        };
        let standing = &mut self.trials.get_mut(&run)?.standings[index];
        let before = standing.state;
        match verdict {
            Some((met, ambiguous)) => {
                standing.ambiguous = ambiguous;
                standing.take(rule, met, now);
            }
            None => standing.forget(RuleState::Unknown, now),
        }
        standing.strongest(now)?;
        Some((run, before != RuleState::Firing))
    }

    /// Whether there is anything that a rule could judge a trial by. Time without a step runs from the first one on: before,
    /// such a rule has nothing to say against the trial.
    fn has_data(&self, run: RunId, prepared: &Prepared) -> bool {
        let rule = &prepared.rule;
        let selectors: Vec<&Selector> = prepared.of_trials.iter().collect();
        let elsewhere = rule.evaluate == Evaluate::Remote || selectors.is_empty();
        elsewhere || rule.reads_heartbeats || self.windows.has_any(run, &selectors)
    }

    /// A rule fires for a trial.
    pub(super) fn fire(&mut self, run: RunId, index: usize, rule: &Arc<Rule>, new: bool, now: Moment) {
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

    /// After the fresh look: does the condition still hold? A remote rule has no fresher answer than its last.
    pub(super) fn still_holds(&self, run: RunId, index: usize, now: Moment) -> bool {
        let (Some(trial), Some(prepared)) = (self.trials.get(&run), self.prepared.get(index)) else { return false };
        if warming_up(&prepared.rule, trial, now) {
            return false;
        }
        let rule = &prepared.rule;
        if rule.stopper.is_some() {
            return matches!(trial.standings[index].said(), Some(Some(_)));
        }
        match rule.evaluate {
            Evaluate::Remote => {
                let results = self.results(prepared, &self.directory(), self.windows.time_after(now), now);
                results.is_ok_and(|r| r.met.contains_key(&run))
            }
            Evaluate::Local => {
                let memory = if rule.confirm_proportional { MemoryRead::Proportional } else { MemoryRead::Private };
                let fresh = Fresh { windows: &self.windows, view: &trial.view, now, memory };
                self.holds_for(run, prepared, &fresh, self.windows.time_after(now))
            }
        }
    }

    /// Whether a rule's condition holds for a trial over a source.
    fn holds_for(&self, run: RunId, prepared: &Prepared, source: &dyn Source, at: i64) -> bool {
        let Ok(elements) = prepared.evaluate(source, at, &self.evaluation) else { return false };
        let directory = self.directory();
        let is_it = |e: &Element| match directory.about(&e.labels, prepared.rule.scope) {
            About::Trials(runs) => runs.contains(&run),
            About::Ambiguous(_) => false,
        };
        elements.iter().any(is_it)
    }

    /// Counts a report towards `for_reports`: such a rule is about what was reported just now and nothing else.
    pub(super) fn count_report(&mut self, run: RunId, now: Moment) {
        let prepared = self.prepared.clone();
        for (index, prepared) in
            prepared.iter().enumerate().filter(|(_, p)| p.rule.for_reports.is_some() && p.rule.stopper.is_none())
        {
            let Some(trial) = self.trials.get(&run).filter(|t| is_about(&prepared.rule, t)) else { continue };
            let source = Present { view: &trial.view, now };
            let met = !warming_up(&prepared.rule, trial, now)
                && prepared.evaluate(&source, now.wall_ms, &self.evaluation).is_ok_and(|e| !e.is_empty());
            let Some(trial) = self.trials.get_mut(&run) else { continue };
            trial.standings[index].count(met);
        }
    }

    /// Why a rule fires, in words: its summary, or the condition with the value seen.
    fn reason(&self, run: RunId, index: usize, rule: &Rule, now: Moment) -> String {
        let trial = &self.trials[&run];
        let active = trial.standings[index].strongest(now);
        let value = active.map_or(f64::NAN, |a| a.value);
        reasons::reason(rule, trial, &trial.standings[index], value)
    }

    /// What keeps a rule from judging a trial at this tick.
    pub(super) fn doubt(&self, run: RunId, rule: &Rule, now: Moment) -> Option<Doubt> {
        let trial = self.trials.get(&run)?;
        if rule.evaluate == Evaluate::Remote && self.answered_before(&rule.name, trial.view.started) {
            return Some(Doubt::Unsure("no answer of the remote Prometheus since the trial began"));
        }
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
        if now.since(gap) < rule.looks_back_ns {
            return Some(Doubt::Unsure("it looks back on a gap"));
        }
        let waits = rule.reads_heartbeats && !trial.heard_since_gap;
        let within_grace = now.since(gap) < self.settings.gap_grace_ns;
        (waits && within_grace).then_some(Doubt::Unsure("no heartbeat yet since a gap"))
    }

    /// Everything that is pending or firing.
    pub(super) fn alerts(&self) -> Vec<AlertView> {
        let mut alerts = Vec::new();
        for (run, trial) in self.living.iter().filter_map(|run| Some((*run, self.trials.get(run)?))) {
            for (rule, standing) in self.policy.rules.iter().zip(&trial.standings) {
                alerts.extend(standing.active.iter().map(|active| AlertView {
                    run,
                    rule: rule.name.clone(),
                    labels: evidence(&active.labels),
                    firing: active.firing,
                    since: active.since,
                    value: active.value,
                }));
            }
        }
        alerts
    }

    /// Every trial has a standing for each rule, and what the policy looks back on is kept; states of rules that stayed the
    /// same stay.
    pub(super) fn adopt(&mut self, old: &[Arc<Rule>], now: Moment) {
        let rules = self.policy.rules.clone();
        self.prepared = rules.iter().map(Prepared::new).collect();
        let needs: Vec<Need> = self.prepared.iter().flat_map(|p| p.needs(&self.evaluation)).collect();
        self.windows.keep(&needs);
        let remote = rules.iter().filter(|r| r.evaluate == Evaluate::Remote);
        let question = |r: &Arc<Rule>| RemoteQuestion { rule: r.name.clone(), expr: r.expr.clone() };
        self.ask_elsewhere(remote.map(question).collect());
        self.demands = Demands::of(&self.prepared);
        self.learners = Learners::of(&rules);
        let fresh = || Standing { since: now, ..Standing::default() };
        for run in &self.living {
            let Some(trial) = self.trials.get_mut(run) else { continue };
            self.demands.tidy(trial);
            let before = std::mem::take(&mut trial.standings);
            let same = |new: &Rule| old.iter().position(|o| o.same_condition(new));
            trial.standings =
                rules.iter().map(|r| same(r).and_then(|i| before.get(i).cloned()).unwrap_or_else(fresh)).collect();
            trial.confirming = None;
        }
    }

    /// A new trial gets standings.
    pub(super) fn equip(&self, trial: &mut Trial, now: Moment) {
        trial.standings = vec![Standing { since: now, ..Standing::default() }; self.policy.rules.len()];
    }
}

/// A trial that a rule over learning curves condemns, as a result about it.
pub(super) fn condemned(trial: &Trial, value: f64) -> Element {
    let who = [("experiment", trial.view.experiment.as_str()), ("trial", trial.view.trial.as_str())];
    Element { labels: Labels::new(who), value }
}

/// What keeps a rule from judging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// This tick's sample is not whole: the states stay as they are.
    Skip,
    /// Nobody can say: the state is unknown.
    Unsure(&'static str),
}

/// Labels that do not choose a trial.
fn evidence(labels: &Labels) -> Vec<(String, String)> {
    let rest = labels.pairs().filter(|(name, _)| !["trial", "experiment", NAME].contains(name));
    rest.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
