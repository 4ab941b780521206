//! How trials end.

use crate::model::{
    Done, DoneStatus, Effect, Exit, ExitCause, ExitStatus, Exited, Moment, Pair, ReadingCause, Reply, RunId, SECOND,
    StopRecord, TrialState,
};

use super::Engine;
use super::ladder::MANUAL;
use super::records;
use super::trial::{Sight, Trial};

/// How long an empty tree waits for word of how its root ended, and for the last of its trainer's, nanoseconds: the kernel tells at once, a `run` that joined
/// tells as soon as it is scheduled.
const WORD_OF_EXIT: u64 = SECOND;

impl Engine {
    /// The root of a trial is gone, and with it the root of every trial that the same process founded.
    pub(super) fn on_exited(&mut self, exited: &Exited, now: Moment) {
        let Some(root) = self.trials.get(&exited.run).map(|t| t.view.root) else { return };
        self.root_is_gone(exited, now);
        let same = |run: &&RunId| **run != exited.run && self.trials[run].view.root == root && root.is_some();
        for run in self.living.iter().filter(same).copied().collect::<Vec<_>>() {
            // What the process used in all is not what its last trial used.
            self.root_is_gone(&Exited { run, usage: None, ..*exited }, now);
        }
    }

    fn root_is_gone(&mut self, exited: &Exited, now: Moment) {
        let Some(trial) = self.trials.get_mut(&exited.run) else { return };
        let known = trial.exited.is_some_and(|e| e.usage.is_some() && exited.usage.is_none());
        if !known {
            trial.exited = Some(Exited { status: exited.status.or(trial.exited.and_then(|e| e.status)), ..*exited });
        }
        take_usage(trial, exited);
        if !trial.view.state.is_living() {
            // `done` came first: the exit figures still belong to the record.
            let status = exited.status;
            if let Some(exit) = trial.view_mut().exit.as_mut() {
                exit.status = status.or(exit.status);
            }
            return self.close_record(exited.run);
        }
        match trial.sight {
            Sight::Tree(_) => self.out.push(Effect::Read(exited.run, ReadingCause::Exit)),
            Sight::Shared(_) | Sight::None => self.end_by_exit(exited.run, now),
        }
    }

    /// A look at a tree found nobody, or somebody.
    pub(super) fn on_emptiness(&mut self, run: RunId, empty: bool, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        if !empty {
            trial.empty_since = None;
            return;
        }
        let since = *trial.empty_since.get_or_insert(now);
        // What it wrote before it left may still be on its way: its connections end after it.
        let all_said = trial.exited.is_some() && trial.speakers.is_empty();
        let word = all_said || now.since(since) >= WORD_OF_EXIT;
        match (&trial.stop, word) {
            // A stop ends by the readings that follow it: they look twice before they say that nobody is left.
            (Some(_), _) => {}
            (None, true) => self.end_by_exit(run, now),
            (None, false) => {}
        }
    }

    /// A trial whose processes are gone without a stop.
    fn end_by_exit(&mut self, run: RunId, now: Moment) {
        let Some(trial) = self.trials.get(&run) else { return };
        let status = trial.exited.and_then(|e| e.status);
        let oom = trial.exited.is_some_and(|e| e.oom);
        let (state, cause) = match (trial.done, status) {
            (Some(DoneStatus::Completed), _) => (TrialState::Completed, ExitCause::Completed),
            (Some(DoneStatus::Failed), _) => (TrialState::Failed, ExitCause::Itself),
            (Some(DoneStatus::Stopped), _) => (TrialState::Stopped, ExitCause::Itself),
            (None, Some(ExitStatus::Code(0))) => (TrialState::Completed, ExitCause::Completed),
            (None, Some(ExitStatus::Code(_))) => (TrialState::Failed, ExitCause::Itself),
            (None, Some(ExitStatus::Signal(9))) if oom => (TrialState::Failed, ExitCause::OomKernel),
            (None, Some(ExitStatus::Signal(_))) => (TrialState::Failed, ExitCause::Signal),
            (None, None) => (TrialState::Lost, ExitCause::Unknown),
        };
        self.end(run, state, Exit { cause, status }, now);
    }

    /// A trial that its ladder ended.
    pub(super) fn end_stopped(&mut self, run: RunId, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let Some(stop) = trial.stop.take() else { return };
        let status = trial.exited.and_then(|e| e.status);
        trial.view_mut().stop = Some(stop.view());
        save_estimate(trial, &stop.record, now);
        let cause = if &*stop.record.rule == MANUAL { ExitCause::Manual } else { ExitCause::Rule };
        if let Some(runner) = trial.runner {
            self.out.push(Effect::Send(runner, Reply::Stopped(stop.notice(now))));
        }
        self.end(run, TrialState::Stopped, Exit { cause, status }, now);
    }

    /// A trial ends: its present leaves, its record stays.
    pub(super) fn end(&mut self, run: RunId, state: TrialState, exit: Exit, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run) else { return };
        trial.share_cpu(now);
        trial.standings.clear();
        trial.confirming = None;
        let view = trial.view_mut();
        (view.state, view.exit, view.ended, view.tree) = (state, Some(exit), Some(now), None);
        view.rules.clear();
        for metric in view.metrics.values_mut() {
            metric.last_word.get_or_insert(metric.last);
        }
        let (sight, name) = (trial.sight, trial.view.full_name());
        let view = trial.view.clone();
        if self.records.end(&view) {
            self.forget_fields();
        }
        self.learners.end(run, records::end_of(state));
        self.learn_from_end(run);
        self.living.retain(|r| *r != run);
        self.ended.push_back(run);
        match sight {
            Sight::Tree(_) => self.out.push(Effect::Untrack(run)),
            Sight::Shared(key) => self.leave_shared(key, run),
            Sight::None => {}
        }
        self.remember_attempt(run);
        self.note(crate::model::Loudness::Info, format!("{name}: {} ({})", state.as_str(), exit.cause.as_str()));
        self.close_record(run);
        let inner: Vec<RunId> = self.living.iter().copied().filter(|r| self.is_shared_in(*r, run)).collect();
        for inner in inner {
            self.end(inner, state, exit, now);
        }
    }

    /// Whether a trial lives as one of several in a process of this outer trial.
    fn is_shared_in(&self, run: RunId, outer: RunId) -> bool {
        let Some(trial) = self.trials.get(&run) else { return false };
        let gone = self.trials.get(&outer).is_none_or(|o| o.done.is_none());
        matches!(trial.sight, Sight::Shared(_)) && trial.view.parent == Some(outer) && gone
    }

    /// The trial's head goes to the journal, and a `run` that waits is told once its exit figures are in.
    fn close_record(&mut self, run: RunId) {
        self.head(run);
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let told = trial.exited.is_some() && !trial.view.state.is_living();
        if let Some(runner) = trial.runner.filter(|_| told) {
            trial.runner = None;
            self.out.push(Effect::Send(runner, Reply::Bye));
        }
    }

    /// The trainer says that it ended.
    pub(super) fn on_done(&mut self, run: RunId, done: &Done, now: Moment) {
        self.take_metrics(run, done.metrics.iter().map(|(n, v)| (n.as_str(), None, *v)), now);
        let Some(trial) = self.trials.get_mut(&run) else { return };
        trial.done = Some(done.status);
        for (name, value) in &done.metrics {
            if let Some(metric) = trial.view_mut().metrics.get_mut(name) {
                metric.last_word = Some(*value);
            }
        }
        if trial.stop.is_some() {
            // It answers a stop. Where the process is the trial it still has to go; a process that founded the trial by its
            // own hello may go on to the next one.
            return if trial.has_tree() && !trial.by_hello { self.head(run) } else { self.finish(run, now) };
        }
        let (state, cause) = match done.status {
            DoneStatus::Completed => (TrialState::Completed, ExitCause::Completed),
            DoneStatus::Failed => (TrialState::Failed, ExitCause::Itself),
            DoneStatus::Stopped => (TrialState::Stopped, ExitCause::Itself),
        };
        self.end(run, state, Exit { cause, status: None }, now);
    }

    /// Ended trials leave after their time, or when there are too many.
    pub(super) fn retire(&mut self, now: Moment) {
        while let Some(run) = self.ended.front().copied() {
            let ended = self.trials.get(&run).and_then(|t| t.view.ended);
            let old = ended.is_none_or(|at| now.since(at) >= self.settings.ended_retention_ns);
            if !old && self.ended.len() <= self.settings.limits.ended_trials {
                return;
            }
            self.ended.pop_front();
            self.windows.forget(run);
            if let Some(trial) = self.trials.remove(&run) {
                self.forget_curve(&trial.view);
            }
        }
    }
}

/// Exit figures are the last word on CPU and peak. `wait4` counts shared pages into its maximum, so the shared part that was
/// seen last is taken off; a trial that was never seen keeps the whole.
fn take_usage(trial: &mut Trial, exited: &Exited) {
    let Some(usage) = exited.usage else { return };
    let root = trial.view.root;
    let members = trial.view.tree.as_ref().map(|t| t.members.clone());
    let seen = members.iter().flat_map(|m| m.iter()).find(|m| Some(m.key) == root).and_then(|m| m.memory);
    let shared = seen.map_or(trial.root_shared.unwrap_or(0), |m| m.shared);
    let totals = &mut trial.view_mut().totals;
    let cpu = Pair { first: usage.user_seconds, second: usage.system_seconds };
    totals.cpu = Pair { first: totals.cpu.first.max(cpu.first), second: totals.cpu.second.max(cpu.second) };
    // 0: whoever waited for it could not tell.
    let peak = Some(usage.max_resident.saturating_sub(shared)).filter(|_| usage.max_resident > 0);
    totals.memory_peak = totals.memory_peak.max(peak);
}

/// What a stop saved: time already spent, scaled by the steps that were left. Only where a total is known.
fn save_estimate(trial: &mut Trial, record: &StopRecord, now: Moment) {
    let progress = &trial.view.progress;
    let (Some(target), Some(step)) = (progress.target_steps, progress.step) else { return };
    let done = step.saturating_sub(trial.start_step);
    if done == 0 || target <= step {
        return;
    }
    let saved = trial.view.elapsed(now) * (target - step) as f64 / done as f64;
    *trial.view_mut().saved.entry(record.rule.clone()).or_default() += saved;
}
