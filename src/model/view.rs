//! The outside of a trial: what /metrics, `list`, `top`, `explain` and the rules read. Plain data; the engine keeps it
//! true and hands out copies.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ExitStatus, Mode, Moment, Name, Objective, Pair, ProcKey, RunId, StopId, TreeSample};

/// The state of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrialState {
    /// It runs.
    Running,
    /// It is on a ladder.
    Stopping,
    /// It came to its end.
    Completed,
    /// It was stopped, by a rule, by hand or by itself.
    Stopped,
    /// It failed.
    Failed,
    /// It ended while nobody looked.
    Lost,
}

impl TrialState {
    /// All states, in the order of the exposition.
    pub const ALL: [TrialState; 6] = [
        TrialState::Running,
        TrialState::Stopping,
        TrialState::Completed,
        TrialState::Stopped,
        TrialState::Failed,
        TrialState::Lost,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            TrialState::Running => "running",
            TrialState::Stopping => "stopping",
            TrialState::Completed => "completed",
            TrialState::Stopped => "stopped",
            TrialState::Failed => "failed",
            TrialState::Lost => "lost",
        }
    }

    /// Whether the trial still lives.
    pub fn is_living(self) -> bool {
        matches!(self, TrialState::Running | TrialState::Stopping)
    }
}

/// Why a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCause {
    /// It came to its end: `done` said so, or exit code 0.
    Completed,
    /// It left by itself before its end.
    Itself,
    /// A rule stopped it.
    Rule,
    /// A person stopped it.
    Manual,
    /// The kernel's out-of-memory killer.
    OomKernel,
    /// A signal from somebody else.
    Signal,
    /// Nobody saw.
    Unknown,
}

impl ExitCause {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            ExitCause::Completed => "completed",
            ExitCause::Itself => "self",
            ExitCause::Rule => "rule",
            ExitCause::Manual => "manual",
            ExitCause::OomKernel => "oom_kernel",
            ExitCause::Signal => "signal",
            ExitCause::Unknown => "unknown",
        }
    }
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Why.
    pub cause: ExitCause,
    /// The root's status, where it is known.
    pub status: Option<ExitStatus>,
}

/// How a stop came out; one a stop, when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StopOutcome {
    /// It left when asked.
    Asked,
    /// It left on a signal it could have handled.
    Terminated,
    /// SIGKILL ended it.
    Killed,
    /// Somebody of the tree still lives or may not be signalled.
    Failed,
    /// An ask-only trial went on all the same.
    Ignored,
    /// Only observed.
    Observed,
    /// Held out of the learning rules.
    HeldOut,
    /// The guard or `max_stops` refused it.
    Limited,
}

impl StopOutcome {
    /// All outcomes, in the order of the exposition.
    pub const ALL: [StopOutcome; 8] = [
        StopOutcome::Asked,
        StopOutcome::Terminated,
        StopOutcome::Killed,
        StopOutcome::Failed,
        StopOutcome::Ignored,
        StopOutcome::Observed,
        StopOutcome::HeldOut,
        StopOutcome::Limited,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            StopOutcome::Asked => "asked",
            StopOutcome::Terminated => "terminated",
            StopOutcome::Killed => "killed",
            StopOutcome::Failed => "failed",
            StopOutcome::Ignored => "ignored",
            StopOutcome::Observed => "observed",
            StopOutcome::HeldOut => "held_out",
            StopOutcome::Limited => "limited",
        }
    }
}

/// The state of a rule for a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleState {
    /// It cannot be said: data are missing.
    Unknown,
    /// The condition does not hold.
    #[default]
    Inactive,
    /// It holds, but not long enough yet.
    Pending,
    /// It holds.
    Firing,
}

impl RuleState {
    /// The value of `trial_rule_state`.
    pub fn as_number(self) -> f64 {
        match self {
            RuleState::Unknown => -1.0,
            RuleState::Inactive => 0.0,
            RuleState::Pending => 1.0,
            RuleState::Firing => 2.0,
        }
    }

    /// The word in `list` and `explain`.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleState::Unknown => "unknown",
            RuleState::Inactive => "inactive",
            RuleState::Pending => "pending",
            RuleState::Firing => "firing",
        }
    }
}

/// A rule as it stands for a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleView {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Its highest state over all series of the trial.
    pub state: RuleState,
    /// Since when.
    pub since: Moment,
    /// In words why it is so: the values it saw, what is missing, what holds it back.
    pub why: String,
    /// The parts of its expression, from the whole to the series; only where a person asks.
    pub parts: Vec<PartView>,
}

/// A part of a rule's expression and what it gives.
#[derive(Clone, Debug, PartialEq)]
pub struct PartView {
    /// How many of the parts listed before it are around it.
    pub depth: usize,
    /// The part, as PromQL.
    pub text: String,
    /// Its value for the trial.
    pub value: String,
}

/// A stop under way, or the one that ended the trial.
#[derive(Clone, Debug, PartialEq)]
pub struct StopView {
    /// Its id.
    pub id: StopId,
    /// The rule that has the credit, or `manual`.
    pub rule: Arc<str>,
    /// Why, in words.
    pub reason: String,
    /// The rung it stands on, from 0.
    pub rung: usize,
    /// Since when it stands there.
    pub since: Moment,
}

/// Bounds of `trial_step_duration_seconds`, seconds: 1-2.5-5 from 1 us to 1000 s.
pub const STEP_BUCKETS: [f64; 28] = [
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0,
];

/// A histogram of step durations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepTimes {
    /// Observations by bucket, not cumulated; the last is above every bound.
    pub buckets: [u64; STEP_BUCKETS.len() + 1],
    /// Sum of all, seconds.
    pub sum: f64,
}

impl StepTimes {
    /// Adds `n` observations of `seconds` each.
    pub fn observe(&mut self, seconds: f64, n: u64) {
        let at = STEP_BUCKETS.partition_point(|bound| *bound < seconds);
        self.buckets[at] += n;
        self.sum += seconds * n as f64;
    }

    /// How many observations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// One metric of the trainer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricView {
    /// The last value reported.
    pub last: f64,
    /// The value at which this tick looks: the last, or a NaN or infinity that came between.
    pub seen: f64,
    /// The best so far, where the mode is known.
    pub best: Option<f64>,
    /// The step of the best.
    pub best_step: Option<u64>,
    /// The how-manieth report was the best.
    pub best_report: Option<u64>,
    /// The same by the measure of rules that ask for more than any better value.
    pub improvements: Vec<Improvement>,
    /// Median of the other trials' running means at its step, where a rule reads it.
    pub peer_median: Option<f64>,
    /// The step of the last report.
    pub step: Option<u64>,
    /// Which way is better.
    pub mode: Option<Mode>,
    /// Reports so far.
    pub reports: u64,
    /// A final figure (`done`), where there is one.
    pub last_word: Option<f64>,
}

/// The last time a metric was better by more than a rule's `min_delta`, or by a rule's own mode.
#[derive(Clone, Debug, PartialEq)]
pub struct Improvement {
    /// The rule's mode, where it says one; else the trainer's counts.
    pub mode: Option<Mode>,
    /// By how much a value must be better.
    pub min_delta: f64,
    /// The best so far in this sense.
    pub best: f64,
    /// Its step.
    pub step: Option<u64>,
    /// The how-manieth report it was.
    pub report: u64,
}

/// How far a trial has come, as its trainer says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// When its trainer said hello; `None` for a trainer that knows nothing of us.
    pub hello: Option<Moment>,
    /// The step as reported.
    pub step: Option<u64>,
    /// Steps of a full run.
    pub target_steps: Option<u64>,
    /// Epochs of a full run.
    pub total_epochs: Option<f64>,
    /// The epoch as reported.
    pub epoch: Option<f64>,
    /// Steps in all, over segments.
    pub steps_total: u64,
    /// Samples in all.
    pub samples_total: u64,
    /// Heartbeats in all, a trainer's own hello included.
    pub heartbeats: u64,
    /// The last heartbeat.
    pub last_heartbeat: Option<Moment>,
    /// The last time the step moved.
    pub last_step_at: Option<Moment>,
    /// Seconds since then in phases that are over, `""` for none; of the phase it is in see [`Progress::since_step_in`].
    pub since_step: BTreeMap<String, f64>,
    /// The phase it is in.
    pub phase: Option<String>,
    /// Since when it is in that phase.
    pub phase_since: Option<Moment>,
    /// Time by phase: wall and CPU seconds.
    pub phases: BTreeMap<String, Pair<f64>>,
    /// Step durations.
    pub step_times: StepTimes,
    /// Steps of the workers, where there is more than one.
    pub workers: BTreeMap<String, u64>,
}

impl Progress {
    /// Since when the time since the last step goes to the phase it is in: the step or the phase, what came later.
    fn idle_from(&self) -> Option<Moment> {
        let step = self.last_step_at?;
        Some(self.phase_since.map_or(step, |phase| phase.max(step)))
    }

    /// Seconds since the last step by phase, `""` for none; nothing before the first step.
    pub fn since_step_in(&self, now: Moment) -> BTreeMap<&str, f64> {
        let Some(from) = self.idle_from() else { return BTreeMap::new() };
        let mut all: BTreeMap<&str, f64> = self.since_step.iter().map(|(p, s)| (p.as_str(), *s)).collect();
        *all.entry(self.phase.as_deref().unwrap_or("")).or_default() += now.seconds_since(from);
        all
    }

    /// The phase it is in is about to change: its share of the time since the last step is put by.
    pub fn close_phase(&mut self, now: Moment) {
        if let Some(from) = self.idle_from() {
            *self.since_step.entry(self.phase.clone().unwrap_or_default()).or_default() += now.seconds_since(from);
        }
    }

    /// A step came: nothing before it counts any more.
    pub fn step_moved(&mut self, now: Moment) {
        self.last_step_at = Some(now);
        self.since_step.clear();
    }
}

/// Counters that stay after the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// CPU seconds, user and system.
    pub cpu: Pair<f64>,
    /// Bytes read and written.
    pub io: Option<Pair<u64>>,
    /// Major page faults.
    pub major_faults: Option<u64>,
    /// Context switches, voluntary and involuntary.
    pub switches: Option<Pair<u64>>,
    /// Highest RSS - shared seen, bytes.
    pub memory_peak: Option<u64>,
}

/// A trial from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialView {
    /// This start of it.
    pub run: RunId,
    /// The how-manieth start of the name.
    pub attempt: u32,
    /// Its experiment.
    pub experiment: Name,
    /// Its name.
    pub trial: Name,
    /// Free labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Hyperparameters.
    pub params: Arc<BTreeMap<String, String>>,
    /// What it is judged by.
    pub objective: Option<Objective>,
    /// Its configuration, where folds share one.
    pub group: Option<Name>,
    /// Its fold.
    pub fold: Option<String>,
    /// The outer trial.
    pub parent: Option<RunId>,
    /// Whose it is.
    pub uid: u32,
    /// The root process.
    pub root: Option<ProcKey>,
    /// Ask only: a shared process or one this pid namespace cannot see.
    pub ask_only: bool,
    /// Its state.
    pub state: TrialState,
    /// When it began.
    pub started: Moment,
    /// When it ended.
    pub ended: Option<Moment>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// The last complete look at it; `None` before the first and where reading failed.
    pub tree: Option<TreeSample>,
    /// Counters.
    pub totals: Totals,
    /// Progress.
    pub progress: Progress,
    /// Metrics by name.
    pub metrics: BTreeMap<String, MetricView>,
    /// Rules that are about it.
    pub rules: Vec<RuleView>,
    /// Stops by rule and outcome.
    pub stops: BTreeMap<(Arc<str>, StopOutcome), u64>,
    /// Seconds saved by rule, estimated.
    pub saved: BTreeMap<Arc<str>, f64>,
    /// The stop under way or the one that ended it.
    pub stop: Option<StopView>,
}

impl TrialView {
    /// EXPERIMENT/NAME, as commands take it.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.experiment, self.trial)
    }

    /// Seconds from its start to its end or to `now`.
    pub fn elapsed(&self, now: Moment) -> f64 {
        self.ended.unwrap_or(now).seconds_since(self.started)
    }
}
