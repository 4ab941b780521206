//! Stops: one trial's way down a ladder.

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::{
    Effect, Ladder, Loudness, MILLI, Member, Moment, ProcKey, ReadingCause, Reply, Rule, RunId, RunState, Rung, SECOND,
    Shot, Signal, StopId, StopOutcome, StopRecord, Swept, Target, Tree, TrialState,
};

use crate::policy::words;

use super::Engine;
use super::guard::Brake;
use super::stop::{Force, Stop};
use super::trial::Trial;

/// How long a tree that proportional memory spared is not weighed again, nanoseconds: reading `smaps_rollup` takes the
/// target's mmap lock and milliseconds a process, too much for every tick.
pub(super) const WEIGHED_AGAIN: u64 = 10 * SECOND;

/// The rule name of a stop by hand.
pub const MANUAL: &str = "manual";

impl Engine {
    /// A rule wants to stop a trial: brakes first, then a fresh look, then the ladder.
    pub(super) fn wants_stop(&mut self, run: RunId, index: usize, rule: &Arc<Rule>, reason: String, now: Moment) {
        let Some(trial) = self.trials.get(&run) else { return };
        if trial.stop.is_some() {
            return self.hasten(run, rule, &reason, now);
        }
        if trial.standings[index].spared.is_some_and(|at| now.since(at) < WEIGHED_AGAIN) {
            return;
        }
        let fresh = |since: Moment| now.since(since) <= 3 * self.settings.interval_ns;
        if trial.confirming.is_some_and(|(_, since)| fresh(since)) {
            return;
        }
        match self.brake(run, rule, now) {
            Some(Brake::Wait) => return,
            Some(Brake::Refuse(outcome, why)) => return self.refuse(run, index, outcome, &reason, &why),
            None => {}
        }
        if self.trials[&run].has_tree() {
            if let Some(trial) = self.trials.get_mut(&run) {
                trial.confirming = Some((index, now));
            }
            let cause = if rule.confirm_proportional { ReadingCause::Weigh } else { ReadingCause::Confirm };
            self.out.push(Effect::Read(run, cause));
        } else {
            self.stop_by_rule(run, rule, reason, now);
        }
    }

    /// The fresh look is there: the condition is looked at once more, and only then the first rung is taken.
    pub(super) fn confirmed(&mut self, run: RunId, now: Moment) {
        let Some((index, _)) = self.trials.get_mut(&run).and_then(|t| t.confirming.take()) else { return };
        let Some(rule) = self.policy.rules.get(index).cloned() else { return };
        let whole = self.trials.get(&run).is_some_and(|t| t.complete_at == Some(now) && t.stop.is_none());
        if !whole || !self.still_holds(run, index, now) {
            return self.spare(run, index, &rule, now);
        }
        let Some(trial) = self.trials.get(&run) else { return };
        let value = trial.standings[index].active.iter().find(|a| a.firing).map_or(f64::NAN, |a| a.value);
        let reason = super::reasons::reason(&rule, trial, &trial.standings[index], value);
        // Others may have been stopped since the rule asked: of two that fire in one tick the brakes may spare the second.
        match self.brake(run, &rule, now) {
            Some(Brake::Wait) => {}
            Some(Brake::Refuse(outcome, why)) => self.refuse(run, index, outcome, &reason, &why),
            None => self.stop_by_rule(run, &rule, reason, now),
        }
    }

    /// The condition does not hold at the second look.
    fn spare(&mut self, run: RunId, index: usize, rule: &Rule, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let look = match (rule.confirm_proportional, trial.view.tree.as_ref().and_then(|t| t.proportional)) {
            (false, _) => "no longer holds at a second look".to_string(),
            (true, Some(pss)) => format!("does not hold with proportional memory ({})", words::bytes(pss as f64)),
            (true, None) => "proportional memory could not be read: nothing is done".to_string(),
        };
        if rule.confirm_proportional {
            trial.standings[index].spared = Some(now);
        }
        let text = format!("{}: rule {} fired, but {look}", trial.view.full_name(), rule.name);
        self.note(Loudness::Info, text);
    }

    /// A rule stops a trial, and its group if it says so.
    fn stop_by_rule(&mut self, run: RunId, rule: &Arc<Rule>, reason: String, now: Moment) {
        let Some(trial) = self.trials.get(&run) else { return };
        let view = trial.view.clone();
        self.braking.count(rule, &view.experiment, now);
        if let Some(record) = self.records.get_mut(run) {
            record.stopped = Some(rule.name.clone());
        }
        self.begin(run, rule.name.clone(), reason.clone(), rule.ladder.clone(), now);
        let Some(group) = view.group.as_ref().filter(|_| rule.stop_group) else { return };
        let mates = self.living.iter().filter(|r| **r != run).filter(|r| {
            let mate = &self.trials[r];
            mate.view.group.as_ref() == Some(group) && mate.view.experiment == view.experiment && mate.may_stop
        });
        for mate in mates.copied().collect::<Vec<_>>() {
            let reason = format!("its group {group} is stopped: {}: {reason}", view.trial);
            self.begin(mate, rule.name.clone(), reason, rule.ladder.clone(), now);
        }
    }

    /// Puts a trial and the trials within it on the ladder. Does nothing for one that is on its way already.
    pub(super) fn begin(&mut self, run: RunId, rule: Arc<str>, reason: String, ladder: Arc<Ladder>, now: Moment) {
        self.ids += 1;
        let id = StopId::from_parts(now.wall_ms, (run.0 << 16) & (u128::MAX >> 48) | u128::from(self.ids & 0xffff));
        let Some(trial) = self.trials.get_mut(&run) else { return };
        if trial.stop.is_some() || !trial.view.state.is_living() {
            return;
        }
        let record = StopRecord {
            id,
            run,
            rule: rule.clone(),
            reason: reason.clone(),
            ladder: ladder.clone(),
            rung: 0,
            rung_since_ns: now.boot_ns,
            rung_until_ns: now.boot_ns,
        };
        let force = Force::None;
        trial.stop = Some(Stop {
            record,
            since: now,
            given: HashSet::new(),
            woken: HashSet::new(),
            lengthened: false,
            force,
            sweeping: false,
            counted: false,
        });
        trial.view_mut().state = TrialState::Stopping;
        trial.confirming = None;
        let name = trial.view.full_name();
        self.note(Loudness::Info, format!("{name}: stop {id} by {rule}: {reason}"));
        if self.trials[&run].has_tree() {
            self.out.push(Effect::Follow(run));
        }
        self.enter(run, 0, now);
        let within = |t: &&Trial| t.view.parent == Some(run) && t.may_stop;
        let mut inner: Vec<RunId> = self.trials.values().filter(within).map(Trial::run).collect();
        // A map has no order, and the ids of their stops are counted: a replay counts them in the same one.
        inner.sort_unstable();
        for inner in inner {
            self.begin(
                inner,
                rule.clone(),
                format!("its outer trial {name} is stopped: {reason}"),
                ladder.clone(),
                now,
            );
        }
        self.head(run);
    }

    /// Stands on a rung from now on; rungs that do not apply are skipped.
    fn enter(&mut self, run: RunId, rung: usize, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let speaker = trial.primary();
        let has_tree = trial.has_tree();
        let Some(stop) = &mut trial.stop else { return };
        let Some(step) = stop.record.ladder.rungs.get(rung).cloned() else {
            return self.out_of_rungs(run, now);
        };
        let asks = step.ask && speaker.is_some();
        let signals = step.signal.is_some() && has_tree;
        if !asks && !signals {
            return self.enter(run, rung + 1, now);
        }
        stop.record.rung = rung;
        stop.record.rung_since_ns = now.boot_ns;
        stop.record.rung_until_ns = now.boot_ns + step.wait_ns;
        (stop.since, stop.lengthened) = (now, false);
        stop.given.clear();
        stop.woken.clear();
        self.out.push(Effect::Record(stop.record.clone()));
        if let Some(conn) = speaker.filter(|_| asks) {
            stop.force = stop.force.max(Force::Asked);
            self.out.push(Effect::Send(conn, Reply::Stop(stop.notice(now))));
        }
        let text = match step.signal.filter(|_| signals) {
            Some(signal) => format!("rung {} ({signal})", rung + 1),
            None => format!("rung {} (ask)", rung + 1),
        };
        let name = trial.view.full_name();
        self.note(Loudness::Info, format!("{name}: {text}"));
        if signals {
            // The members that follow-readings have shown may be a moment old: a rung begins with a fresh one.
            self.out.push(Effect::Follow(run));
        }
        self.show_stop(run);
    }

    /// The members of a tree on a ladder: each gets the rung's signal once.
    pub(super) fn on_tree(&mut self, tree: &Tree, now: Moment) {
        let Some(trial) = self.trials.get_mut(&tree.run) else { return };
        let (trainer, owner) = (trial.trainer_key(), trial.uid);
        let Some(stop) = &mut trial.stop else { return };
        if tree.members.is_empty() {
            return self.finish(tree.run, now);
        }
        let Some(signal) = stop.rung().signal else { return };
        if signal == Signal::KILL && stop.is_last() {
            if !stop.sweeping {
                stop.sweeping = true;
                stop.force = Force::Killed;
                self.out.push(Effect::Sweep(stop.stretch(owner)));
            }
            return;
        }
        let target = stop.rung().to;
        let meant = |m: &&Member| target == Target::Tree || Some(m.key) == trainer;
        for member in tree.members.iter().filter(meant) {
            let (id, rung) = (stop.record.id, stop.record.rung);
            let shot = |signal, wake| Shot { stop: id, run: tree.run, rung, key: member.key, signal, wake, owner };
            let stopped = signal == Signal::TERM && member.state == RunState::Stopped;
            if !stop.given.insert(member.key) {
                // It stopped after it had the signal, or was on its way to stop: it cannot answer before it goes on.
                if stopped && stop.woken.insert(member.key) {
                    self.out.push(Effect::Signal(shot(Signal::CONT, false)));
                }
                continue;
            }
            let force = if signal == Signal::KILL { Force::Killed } else { Force::Signalled };
            stop.force = stop.force.max(force);
            self.out.push(Effect::Signal(shot(signal, stopped)));
        }
    }

    /// A stretch of killing is over.
    pub(super) fn on_swept(&mut self, swept: &Swept, now: Moment) {
        let Some(trial) = self.trials.get_mut(&swept.run) else { return };
        let name = trial.view.full_name();
        let Some(stop) = trial.stop.as_mut().filter(|s| s.record.id == swept.stop) else { return };
        stop.sweeping = false;
        if swept.cleared {
            return self.finish(swept.run, now);
        }
        if !std::mem::replace(&mut stop.counted, true) {
            let stuck = swept.left.iter().filter(|m| m.state == RunState::Uninterruptible).count();
            let text = match swept.left.len() {
                0 => format!("{name}: its processes fork and leave faster than SIGKILL reaches them"),
                n => format!(
                    "{name}: {n} of its processes still live after SIGKILL ({stuck} of them in uninterruptible sleep)"
                ),
            };
            self.count_stop(swept.run, StopOutcome::Failed);
            self.note(Loudness::Error, text);
        }
    }

    /// Time has passed: rungs whose time is over give way to the next.
    pub(super) fn climb_down(&mut self, now: Moment) {
        let due = |t: &&Trial| t.stop.as_ref().is_some_and(|s| !s.is_last() && s.record.rung_until_ns <= now.boot_ns);
        let due: Vec<RunId> = self.trials.values().filter(due).map(Trial::run).collect();
        for run in due {
            let rung = self.trials[&run].stop.as_ref().map_or(0, |s| s.record.rung);
            self.enter(run, rung + 1, now);
        }
        let asked_in_vain = |t: &&Trial| {
            let over = t.stop.as_ref().is_some_and(|s| s.is_last() && s.record.rung_until_ns <= now.boot_ns);
            over && !t.has_tree()
        };
        let in_vain: Vec<RunId> = self.trials.values().filter(asked_in_vain).map(Trial::run).collect();
        in_vain.into_iter().for_each(|run| self.out_of_rungs(run, now));
    }

    /// When the next rung is due, boot clock.
    pub(super) fn next_rung(&self) -> Option<u64> {
        let open = |s: &&Stop| !s.is_last();
        let stops = self.trials.values().filter_map(|t| t.stop.as_ref().map(|s| (s, t.has_tree())));
        stops.filter(|(s, has_tree)| open(s) || !has_tree).map(|(s, _)| s.record.rung_until_ns).min()
    }

    /// No rung is left: an ask-only trial goes on, and that is said.
    fn out_of_rungs(&mut self, run: RunId, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        if trial.has_tree() {
            return;
        }
        let Some(stop) = trial.stop.take() else { return };
        trial.view_mut().state = TrialState::Running;
        trial.view_mut().stop = None;
        *trial.view_mut().stops.entry((stop.record.rule.clone(), StopOutcome::Ignored)).or_default() += 1;
        let name = trial.view.full_name();
        self.count_outcome(&stop.record.rule, StopOutcome::Ignored);
        self.braking.over = Some(now);
        self.out.push(Effect::Close(stop.record, StopOutcome::Ignored));
        self.note(Loudness::Warning, format!("{name}: was asked to stop and goes on; no signal may be sent for it"));
        self.head(run);
    }

    /// Nobody of the tree is left: the stop is over.
    pub(super) fn finish(&mut self, run: RunId, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let Some(stop) = &trial.stop else { return };
        let (record, outcome, counted) = (stop.record.clone(), stop.outcome(), stop.counted);
        if !counted {
            self.count_stop(run, outcome);
        }
        let shown = if counted { StopOutcome::Failed } else { outcome };
        self.out.push(Effect::Unfollow(run));
        self.braking.over = Some(now);
        self.out.push(Effect::Close(record, shown));
        self.end_stopped(run, now);
    }

    /// Counts a stop's outcome for its trial and over all.
    fn count_stop(&mut self, run: RunId, outcome: StopOutcome) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let Some(rule) = trial.stop.as_ref().map(|s| s.record.rule.clone()) else { return };
        *trial.view_mut().stops.entry((rule.clone(), outcome)).or_default() += 1;
        self.count_outcome(&rule, outcome);
    }

    /// Counts an outcome over all trials.
    pub(super) fn count_outcome(&mut self, rule: &Arc<str>, outcome: StopOutcome) {
        let at = StopOutcome::ALL.iter().position(|o| *o == outcome).unwrap_or(0);
        self.rule_totals.entry(rule.clone()).or_default().stops[at] += 1;
    }

    /// A second rule for a trial on its way: evidence, and perhaps haste.
    fn hasten(&mut self, run: RunId, rule: &Arc<Rule>, reason: &str, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let name = trial.view.full_name();
        let Some(stop) = trial.stop.as_mut() else { return };
        if stop.record.rule == rule.name || stop.record.ladder.name == rule.ladder.name {
            return;
        }
        let left: u64 = stop.record.ladder.rungs[stop.record.rung + 1..].iter().map(|r| r.wait_ns).sum();
        let remaining = stop.record.rung_until_ns.saturating_sub(now.boot_ns) + left;
        if rule.ladder.length_ns() >= remaining {
            return;
        }
        let text = format!("{name}: rule {} fires too and shortens the stop: {reason}", rule.name);
        if stop.force < Force::Signalled {
            stop.record.ladder = rule.ladder.clone();
            self.note(Loudness::Warning, text);
            return self.enter(run, 0, now);
        }
        // Signals were given already: none is given again, the next rung only comes sooner.
        stop.record.rung_until_ns = stop.record.rung_until_ns.min(now.boot_ns + rule.ladder.length_ns());
        self.out.push(Effect::Record(stop.record.clone()));
        self.note(Loudness::Warning, text);
    }

    /// A person will not wait for an answer: the first rung with a signal comes now, unless it has come already.
    pub(super) fn press_on(&mut self, run: RunId, now: Moment) {
        let Some(stop) = self.trials.get(&run).and_then(|t| t.stop.as_ref()) else { return };
        let first = stop.record.ladder.rungs.iter().position(|rung| rung.signal.is_some());
        if let Some(first) = first.filter(|first| *first > stop.record.rung) {
            self.enter(run, first, now);
        }
    }

    /// A trainer needs longer: the rung is lengthened once, up to its bound.
    pub(super) fn on_ack(&mut self, run: RunId, id: StopId, need_ms: Option<u64>, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let Some(stop) = trial.stop.as_mut().filter(|s| s.record.id == id && s.rung().ask) else { return };
        let Some(need) = need_ms.filter(|_| !stop.lengthened) else { return };
        let latest = stop.record.rung_since_ns + stop.rung().max_ns.max(stop.rung().wait_ns);
        let until = now.boot_ns.saturating_add(need.saturating_mul(MILLI)).min(latest);
        stop.lengthened = true;
        stop.record.rung_until_ns = stop.record.rung_until_ns.max(until);
        self.out.push(Effect::Record(stop.record.clone()));
    }

    /// Brings the outside of a stop up to date.
    fn show_stop(&mut self, run: RunId) {
        if let Some(trial) = self.trials.get_mut(&run) {
            let stop = trial.stop.as_ref().map(Stop::view);
            trial.view_mut().stop = stop;
        }
    }

    /// Takes up a stop that a daemon before this one had begun. Who got the rung's signal already does not get it again.
    pub(super) fn take_up(&mut self, record: StopRecord, given: HashSet<ProcKey>, now: Moment) {
        let run = record.run;
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let signals = |s: &Rung| s.signal;
        let done: Vec<Signal> = record.ladder.rungs[..record.rung].iter().filter_map(signals).collect();
        let here = record.ladder.rungs[record.rung].signal.filter(|_| !given.is_empty());
        let force = match done.into_iter().chain(here).max_by_key(|s| *s == Signal::KILL) {
            Some(Signal::KILL) => Force::Killed,
            Some(_) => Force::Signalled,
            None => Force::Asked,
        };
        let since = Moment { boot_ns: record.rung_since_ns, ..now };
        let woken = HashSet::new();
        let stop = Stop { record, since, given, woken, lengthened: true, force, sweeping: false, counted: false };
        trial.stop = Some(stop);
        trial.view_mut().state = TrialState::Stopping;
        if trial.has_tree() {
            self.out.push(Effect::Follow(run));
        }
        self.show_stop(run);
    }
}
