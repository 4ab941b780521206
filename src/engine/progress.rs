//! Heartbeats: what trainers report while they run.

use std::sync::Arc;

use crate::model::{
    ConnId, DropReason, Effect, MILLI, MetricView, Mode, Moment, Peer, Progress, ReadingCause, Reply, RunId, Step,
    TrialView,
};

use super::Engine;
use super::derived::Demands;
use super::learning::Learners;
use super::records::Report;
use super::trial::{Speaker, Trial, run_at};

impl Engine {
    /// A progress report from a connection.
    pub(super) fn on_step(&mut self, conn: ConnId, peer: Peer, step: &Step, now: Moment) {
        // Without a hello it is from a command inside a trial's tree (`earlystop heartbeat`), and about that trial.
        let run = self.conns.get(&conn).copied().or(run_at(peer.position));
        let Some(run) = run else { return self.drop_one(DropReason::NoTrial) };
        let Some(trial) = self.trials.get_mut(&run).filter(|t| t.view.state.is_living()) else {
            return self.drop_one(DropReason::NoTrial);
        };
        self.heartbeats += 1;
        let limits = self.settings.limits;
        trial.hear(now);
        trial.count_heartbeat();
        let guest = || Speaker { worker: "0".to_string(), primary: true, key: peer.key, last: None };
        let speaker = trial.speakers.get(&conn).cloned().unwrap_or_else(guest);
        let dropped = trial.take_worker_step(conn, &speaker, step, limits.workers, now);
        if dropped {
            self.drop_one(DropReason::Workers);
        }
        if step.answer && !speaker.primary {
            // The trial is judged by what its primary worker reports.
            self.out.push(Effect::Send(conn, Reply::Go(step.step)));
        }
        let Some(trial) = self.trials.get_mut(&run).filter(|_| speaker.primary) else { return };
        if trial.take_phase(step, limits.phases, now) {
            self.drop_one(DropReason::Phases);
        }
        let Some(trial) = self.trials.get_mut(&run) else { return };
        trial.take_progress(&speaker, step, now);
        let points = step.points.iter().flat_map(|(name, p)| p.iter().map(move |(s, v)| (name.as_str(), Some(*s), *v)));
        let own = step.metrics.iter().map(|(name, value)| (name.as_str(), step.step, *value));
        let mut values: Vec<(&str, Option<u64>, f64)> = points.chain(own).collect();
        // What a rule reads beside is there when it judges.
        values.sort_by_key(|(name, ..)| !self.learners.read_beside(name));
        self.take_metrics(run, values.into_iter(), now);
        if step.sample {
            self.demand(run, now);
        }
        if step.answer {
            self.asked(run, conn, step.step, now);
        }
    }

    /// Reported values, in their order.
    pub(super) fn take_metrics<'a>(
        &mut self,
        run: RunId,
        values: impl Iterator<Item = (&'a str, Option<u64>, f64)>,
        now: Moment,
    ) {
        let most = self.settings.limits.metrics;
        let counts_reports = self.policy.rules.iter().any(|r| r.for_reports.is_some());
        for (name, step, value) in values {
            let Some(trial) = self.trials.get_mut(&run) else { return };
            let Some(at) = trial.take_metric(name, step, value, most, (&self.demands, &self.learners)) else {
                self.drop_one(DropReason::Metrics);
                continue;
            };
            self.learn(run, name, at, value, now);
            if counts_reports {
                self.count_report(run, now);
            }
        }
    }

    /// A reading on demand, at most one a millisecond and trial.
    fn demand(&mut self, run: RunId, now: Moment) {
        let Some(trial) = self.trials.get_mut(&run).filter(|t| t.has_tree()) else { return };
        if trial.demanded.is_some_and(|at| now.since(at) < MILLI) {
            return self.drop_one(DropReason::Sample);
        }
        (trial.demanded, trial.looking) = (Some(now), Some(now));
        self.out.push(Effect::Read(run, ReadingCause::Demand));
    }
}

impl Trial {
    /// A sign of life.
    pub(super) fn hear(&mut self, now: Moment) {
        self.heard_since_gap = true;
        self.view_mut().progress.last_heartbeat = Some(now);
    }

    /// One report more.
    pub(super) fn count_heartbeat(&mut self) {
        self.view_mut().progress.heartbeats += 1;
    }

    /// The step of a worker; true if there are too many workers to keep it.
    fn take_worker_step(&mut self, conn: ConnId, speaker: &Speaker, step: &Step, most: usize, now: Moment) -> bool {
        let at = step.step.or(speaker.last.as_ref().map(|(s, _, _)| *s)).unwrap_or(self.start_step);
        if let Some(speaker) = self.speakers.get_mut(&conn) {
            let phase = step.phase.clone().or_else(|| speaker.last.as_ref().and_then(|(_, p, _)| p.clone()));
            speaker.last = Some((at, phase, now));
        }
        let several = self.speakers.len() > 1 || !self.view.progress.workers.is_empty();
        if !several || step.step.is_none() {
            return false;
        }
        let workers = &mut self.view_mut().progress.workers;
        if workers.len() >= most && !workers.contains_key(&speaker.worker) {
            return true;
        }
        workers.insert(speaker.worker.clone(), at);
        false
    }

    /// The phase; true if there are too many to keep it.
    fn take_phase(&mut self, step: &Step, most: usize, now: Moment) -> bool {
        let Some(phase) = &step.phase else { return false };
        if self.view.progress.phase.as_ref() == Some(phase) {
            return false;
        }
        let known = &self.view.progress.phases;
        if known.len() >= most && !known.contains_key(phase) {
            return true;
        }
        self.count_phase(now);
        let progress = &mut self.view_mut().progress;
        progress.close_phase(now);
        progress.phases.entry(phase.clone()).or_default();
        (progress.phase, progress.phase_since) = (Some(phase.clone()), Some(now));
        false
    }

    /// Steps, epochs, samples and durations.
    fn take_progress(&mut self, speaker: &Speaker, step: &Step, now: Moment) {
        let start = self.start_step;
        let counted = self.counted;
        let samples_seen = self.samples_seen;
        let view = Arc::make_mut(&mut self.view);
        let progress = &mut view.progress;
        let mut grown = 0;
        if let Some(at) = step.step {
            let before = counted.unwrap_or(start);
            // A smaller step than before begins a new segment: what it did before this report is what it says in `n`.
            grown = at.checked_sub(before).unwrap_or(step.n.unwrap_or(0));
            self.counted = Some(at);
            if progress.step != Some(at) {
                progress.step_moved(now);
            }
            progress.step = Some(at);
        } else if let Some(n) = step.n {
            grown = n;
            progress.step_moved(now);
        }
        progress.steps_total += grown;
        progress.epoch = step.epoch.or(progress.epoch);
        self.epochs.take(progress.step, step.epoch);
        progress.target_steps = step.total_steps.or(progress.target_steps);
        if let Some(samples) = step.samples {
            progress.samples_total += samples.checked_sub(samples_seen).unwrap_or(samples);
            self.samples_seen = samples;
        }
        observe_durations(progress, speaker, step, grown, now);
    }

    /// One reported value; its step, or nothing if there are too many metrics to keep it.
    fn take_metric(
        &mut self,
        name: &str,
        step: Option<u64>,
        value: f64,
        most: usize,
        (demands, learners): (&Demands, &Learners),
    ) -> Option<Option<u64>> {
        let by_rules = || demands.mode(name).or_else(|| learners.mode(name));
        let mode = self.modes.get(name).copied().or_else(by_rules);
        let view = Arc::make_mut(&mut self.view);
        if !view.metrics.contains_key(name) {
            if view.metrics.len() >= most {
                return None;
            }
            view.metrics.insert(name.to_string(), MetricView::default());
        }
        let at = step.or(view.progress.step);
        let metric = view.metrics.get_mut(name)?;
        (metric.last, metric.step, metric.mode) = (value, at, mode);
        metric.reports += 1;
        if better(metric.mode, value, metric.best) {
            (metric.best, metric.best_step, metric.best_report) = (Some(value), at, Some(metric.reports));
        }
        demands.improve(name, metric, value);
        match self.held.get(name) {
            // A NaN or infinity that no tick has seen yet stays in sight.
            Some(false) => {}
            _ => metric.seen = value,
        }
        match value.is_finite() {
            false => drop(self.held.insert(name.to_string(), false)),
            true if self.held.get(name) == Some(&true) => drop(self.held.remove(name)),
            true => {}
        }
        Some(at)
    }

    /// A value that it reports now, with where it stands on every axis.
    pub(super) fn report(&self, step: Option<u64>, value: f64, now: Moment) -> Report {
        let progress = &self.view.progress;
        let share = |done: f64, total: Option<f64>| total.filter(|t| *t > 0.0).map(|total| done / total);
        let at = step.map_or(f64::NAN, |s| s as f64);
        let epoch = self.epochs.at(step);
        let seen = |total: f64| if total > 0.0 { total } else { f64::NAN };
        let by_steps = share(at, progress.target_steps.map(|t| t as f64)).filter(|f| f.is_finite());
        Report {
            step: at,
            epoch,
            samples: seen(progress.samples_total as f64),
            fraction: by_steps.or(share(epoch, progress.total_epochs)).unwrap_or(f64::NAN),
            elapsed: now.seconds_since(self.view.started),
            cpu_seconds: seen(self.view.totals.cpu.first + self.view.totals.cpu.second),
            number: f64::NAN,
            value,
        }
    }

    /// A tick looks at the metrics: values that were held for it are let go at the tick after.
    pub(super) fn let_go_of_seen(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let view = Arc::make_mut(&mut self.view);
        self.held.retain(|name, ticked| {
            let Some(metric) = view.metrics.get_mut(name) else { return false };
            if std::mem::replace(ticked, true) {
                metric.seen = metric.last;
                return false;
            }
            true
        });
    }
}

/// Where on the axis of epochs a trial's steps lie: as its last two lines that said so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Epochs {
    /// Step and epoch.
    before: Option<(f64, f64)>,
    last: Option<(f64, f64)>,
    /// What the line that is being read says.
    line: Option<f64>,
}

impl Epochs {
    /// A line begins.
    fn take(&mut self, step: Option<u64>, epoch: Option<f64>) {
        self.line = epoch;
        if let (Some(step), Some(epoch)) = (step, epoch) {
            (self.before, self.last) = (self.last, Some((step as f64, epoch)));
        }
    }

    /// The epoch of a value that the line reports for a step; between two lines on the straight line that joins them. NaN
    /// where it is not known.
    fn at(&self, step: Option<u64>) -> f64 {
        let step = step.map(|s| s as f64);
        match (self.line, step, self.before, self.last) {
            (Some(line), None, ..) => line,
            (_, Some(step), _, Some((last, epoch))) if step == last => epoch,
            (Some(_), Some(step), Some((s0, e0)), Some((s1, e1))) if s0 < step && step < s1 => {
                e0 + (e1 - e0) * (step - s0) / (s1 - s0)
            }
            (Some(_), Some(step), None, Some((s1, e1))) if step < s1 => e1 * step / s1,
            _ => f64::NAN,
        }
    }
}

/// Whether a value is the best so far. Without a mode there is no best; NaN never is.
fn better(mode: Option<Mode>, value: f64, best: Option<f64>) -> bool {
    match (mode, best) {
        (None, _) => false,
        (Some(_), None) => !value.is_nan(),
        (Some(mode), Some(best)) => mode.better(value, best),
    }
}

/// `n` observations of `seconds / n` while it trains (or says no phase).
fn observe_durations(p: &mut Progress, speaker: &Speaker, step: &Step, grown: u64, now: Moment) {
    let phase = step.phase.as_ref().or(p.phase.as_ref());
    if phase.is_some_and(|p| p != "train") {
        return;
    }
    let n = step.n.unwrap_or(grown);
    let same_phase = |last: &Option<String>| step.phase.is_none() || *last == step.phase;
    let since_last =
        speaker.last.as_ref().filter(|(_, last, _)| same_phase(last)).map(|(_, _, at)| now.seconds_since(*at));
    let Some(seconds) = step.seconds.or(since_last).filter(|s| s.is_finite() && *s >= 0.0) else { return };
    if n > 0 {
        p.step_times.observe(seconds / n as f64, n);
    }
}

/// The step a trial has come to.
pub(super) fn last_step(view: &TrialView) -> u64 {
    view.progress.step.unwrap_or(0)
}
