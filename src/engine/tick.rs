//! Ticks: samples come in, gaps are noticed, rules are judged.

use std::sync::Arc;

use crate::model::{Effect, Loudness, Moment, Reading, ReadingCause, RuleState, RunId, SECOND, Tick, TreeSample};

use super::Engine;
use super::trial::{Sight, Trial, raise};

/// By how much the clocks may move apart between two ticks before it counts as a gap, nanoseconds.
const CLOCKS_APART: i64 = SECOND as i64;

impl Engine {
    /// A pass over all trees.
    pub(super) fn on_tick(&mut self, tick: &Tick) {
        let now = tick.at;
        self.notice_gap(now);
        self.last_tick = Some(now);
        self.host = tick.host.clone();
        self.up = tick.up.clone();
        self.overruns = tick.overruns;
        self.tick_seconds = tick.took_ns as f64 / SECOND as f64;
        let mut empty = Vec::new();
        for run in &self.living {
            if let Some(trial) = self.trials.get_mut(run) {
                trial.let_go_of_seen();
                // A look that was not taken (its trial had just left the forest) keeps nobody waiting.
                trial.looking = trial.looking.filter(|since| now.since(*since) <= 3 * self.settings.interval_ns);
                trial.view_mut().tree = None;
            }
        }
        for sample in &tick.trees {
            let alone = self.is_alone(sample.run);
            let Some(trial) = self.trials.get_mut(&sample.run).filter(|t| t.view.state.is_living()) else { continue };
            if alone {
                trial.take_sample(sample, now);
            }
            if trial.has_tree() {
                empty.push((sample.run, sample.processes == 0 && sample.complete));
            }
        }
        for (run, empty) in empty {
            self.on_emptiness(run, empty, now);
        }
        for run in &self.living {
            let Some(trial) = self.trials.get_mut(run) else { continue };
            trial.share_cpu(now);
        }
        self.compare_peers();
        let at = self.sample(now);
        self.judge(at, now);
        self.sweep_again();
        self.retire(now);
    }

    /// Every series that rules read gets its sample; gives the tick's time, milliseconds since the Unix epoch.
    fn sample(&mut self, now: Moment) -> i64 {
        let at = self.windows.begin(now);
        self.windows.sample_host(&self.host);
        for run in self.living.iter().chain(&self.ended) {
            if let Some(trial) = self.trials.get(run) {
                self.windows.sample(&trial.view, now);
            }
        }
        at
    }

    /// Whether a process's system series belong to this trial alone.
    fn is_alone(&self, run: RunId) -> bool {
        match self.trials.get(&run).map(|t| t.sight) {
            Some(Sight::Shared(key)) => self.shared.get(&key).is_some_and(|runs| runs.len() == 1),
            Some(Sight::Tree(_)) => true,
            _ => false,
        }
    }

    /// A gap: the daemon did not run, was stopped, the machine slept, or the clocks moved apart. What was pending then is
    /// forgotten: nobody knows whether it held.
    fn notice_gap(&mut self, now: Moment) {
        let Some(last) = self.last_tick else { return };
        let passed = |m: Moment| m.boot_ns as i64 - m.mono_ns as i64;
        let slept = (passed(now) - passed(last)).abs() > CLOCKS_APART;
        let wall = |m: Moment| m.wall_ms * 1_000_000 - m.boot_ns as i64;
        let set = (wall(now) - wall(last)).abs() > CLOCKS_APART;
        let silent = now.since(last) > (3 * self.settings.interval_ns).max(SECOND);
        if !(slept || set || silent) {
            return;
        }
        let why = match (slept, set) {
            (true, _) => "the machine slept",
            (_, true) => "the clock was set",
            _ => "earlystop did not run",
        };
        self.note(Loudness::Warning, format!("a gap of {:.1} s: {why}", now.seconds_since(last)));
        self.begin_gap(now);
    }

    /// From now on rules are unsure about everything before.
    pub(super) fn begin_gap(&mut self, now: Moment) {
        self.gap = Some(now);
        for run in &self.living {
            let Some(trial) = self.trials.get_mut(run) else { continue };
            trial.heard_since_gap = false;
            (trial.complete, trial.looks, trial.complete_at, trial.confirming) = (0, 0, None, None);
            for standing in &mut trial.standings {
                standing.forget(RuleState::Unknown, now);
                standing.met = 0;
            }
        }
    }

    /// An extra look at one tree: the present, no window.
    pub(super) fn on_reading(&mut self, reading: &Reading, now: Moment) {
        let run = reading.sample.run;
        let Some(trial) = self.trials.get_mut(&run).filter(|t| t.view.state.is_living()) else { return };
        if trial.has_tree() {
            let (complete, looks) = (trial.complete, trial.looks);
            trial.take_sample(&reading.sample, now);
            // Two complete samples means two ticks: a burst of looks at one moment says nothing of time.
            trial.complete = complete;
            if reading.cause != ReadingCause::Demand {
                trial.looks = looks;
            }
        }
        let empty = reading.sample.processes == 0 && reading.sample.complete;
        match reading.cause {
            ReadingCause::Confirm | ReadingCause::Weigh if empty => self.on_emptiness(run, true, now),
            ReadingCause::Confirm | ReadingCause::Weigh => self.confirmed(run, now),
            ReadingCause::Exit => self.on_emptiness(run, empty, now),
            ReadingCause::Demand => {
                if let Some(trial) = self.trials.get_mut(&run) {
                    trial.looking = None;
                }
            }
        }
    }

    /// A last rung goes on at every tick until nobody is left.
    fn sweep_again(&mut self) {
        let stuck = |t: &&mut Trial| t.stop.as_ref().is_some_and(|s| s.counted && !s.sweeping);
        for trial in self.trials.values_mut().filter(stuck) {
            let owner = trial.uid;
            if let Some(stop) = &mut trial.stop {
                stop.sweeping = true;
                self.out.push(Effect::Sweep(stop.stretch(owner)));
            }
        }
    }
}

impl Trial {
    /// A sample of its tree.
    fn take_sample(&mut self, sample: &TreeSample, now: Moment) {
        if sample.complete && sample.processes > 0 {
            self.complete = self.complete.saturating_add(1);
            self.looks = self.looks.saturating_add(1);
            self.complete_at = Some(now);
        }
        let root = self.view.root;
        let shared = sample.members.iter().find(|m| Some(m.key) == root).and_then(|m| m.memory).map(|m| m.shared);
        self.root_shared = shared.or(self.root_shared);
        let view = Arc::make_mut(&mut self.view);
        let totals = &mut view.totals;
        let mut cpu = Some(totals.cpu);
        raise(&mut cpu, Some(sample.cpu));
        totals.cpu = cpu.unwrap_or_default();
        raise(&mut totals.io, sample.io);
        raise(&mut totals.switches, sample.switches);
        totals.major_faults = totals.major_faults.max(sample.major_faults);
        totals.memory_peak = totals.memory_peak.max(sample.memory.map(|m| m.private()));
        view.tree = (sample.processes > 0).then(|| sample.clone());
    }
}
