//! Rules: a condition and what to do when it holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Ladder, Limits, RemoteServer, Shorthand, StopperSpec};

/// What a firing rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Ends the trial by its ladder.
    #[default]
    Stop,
    /// Says so in the log, in /metrics and in `list`.
    Warn,
}

/// Which trials a rule is about: globs on `experiment`, `trial`, labels and `param.NAME`.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Key (`experiment`, `trial`, `group`, a label, `param.NAME`) and the glob its value must match.
    pub globs: Vec<(String, globset::GlobMatcher)>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        let texts = |f: &Filter| -> Vec<(String, String)> {
            f.globs.iter().map(|(k, g)| (k.clone(), g.glob().glob().to_string())).collect()
        };
        texts(self) == texts(other)
    }
}

/// A rule, resolved and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique over all files.
    pub name: Arc<str>,
    /// File and line, for messages.
    pub place: (PathBuf, usize),
    /// What must hold, in PromQL.
    pub expr: Arc<str>,
    /// The same as it was written, where it was written in the shorthand; reasons are told from it.
    pub shorthand: Option<Shorthand>,
    /// A rule over learning curves in place of an expression, which is empty then.
    pub stopper: Option<Arc<StopperSpec>>,
    /// The condition in words, for reasons: `memory > 512 MiB`; PromQL as it is.
    pub words: String,
    /// In which unit its values are, for reasons.
    pub measure: Measure,
    /// Whom a result may be about.
    pub scope: Scope,
    /// Who evaluates it.
    pub evaluate: Evaluate,
    /// How far back the expression looks, nanoseconds.
    pub looks_back_ns: u64,
    /// It is about heartbeats: after a gap it waits for a new one.
    pub reads_heartbeats: bool,
    /// It reads what the trainer measured: the guard protects trials from it.
    pub learns: bool,
    /// How long it must hold, nanoseconds (`for`).
    pub hold_ns: u64,
    /// How long it goes on firing after it no longer holds, nanoseconds.
    pub keep_firing_ns: u64,
    /// How many reports in a row must meet it, where that is asked for.
    pub for_reports: Option<u32>,
    /// Which trials.
    pub filter: Filter,
    /// Time from the trial's start in which the condition counts as false, nanoseconds.
    pub warmup_ns: u64,
    /// Steps before which the condition counts as false.
    pub warmup_steps: u64,
    /// What to do.
    pub action: Action,
    /// How a stop goes.
    pub ladder: Arc<Ladder>,
    /// Only say what it would do.
    pub observe: bool,
    /// The share of runs that it spares, 0 to 1, so that somebody learns what they would have become.
    pub holdout: f64,
    /// At most so many stops in so many nanoseconds, per experiment.
    pub max_stops: Option<(u32, u64)>,
    /// Before the first rung the condition must hold with proportional memory in place of RSS - shared, too.
    pub confirm_proportional: bool,
    /// No new stop by it while any stop is under way or less than so many nanoseconds over.
    pub serial_ns: Option<u64>,
    /// A stop takes the whole group.
    pub stop_group: bool,
    /// Template of the reason, with `{{ value | bytes }}` and the like.
    pub summary: Option<String>,
}

impl Rule {
    /// Whether it is the same rule with the same condition: across a reload its states go on.
    pub fn same_condition(&self, other: &Rule) -> bool {
        self.name == other.name
            && self.expr == other.expr
            && self.evaluate == other.evaluate
            && self.stopper == other.stopper
    }
}

/// A unit in which values are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// None, or not known.
    #[default]
    Plain,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// Whom a result without the label `trial` is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nobody: a result names its trial.
    #[default]
    Trial,
    /// All running trials of the experiment that it names.
    Experiment,
    /// All running trials.
    All,
}

/// Who evaluates a rule's expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evaluate {
    /// The sidecar, over its own windows.
    #[default]
    Local,
    /// A Prometheus or its like, over all hosts.
    Remote,
}

/// The brake on learning rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// At most this share of an experiment's trials may be stopped by learning rules.
    pub max_share: f64,
    /// From how many trials of the experiment on the share is counted; before, nothing is refused.
    pub after: u32,
    /// So many of the best by objective are not stopped.
    pub keep_best: u32,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { max_share: 0.8, after: 5, keep_best: 1 }
    }
}

/// All rules in force and the texts they came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// In the order of file name and place.
    pub rules: Vec<Arc<Rule>>,
    /// The brake, `None` where it was switched off.
    pub guard: Option<Guard>,
    /// `[ladder.gentle]` as the policy has it: for stops that no rule's own ladder is for, those by hand above all. `None`
    /// without a policy: the built-in one.
    pub gentle: Option<Arc<Ladder>>,
    /// Who evaluates the rules that are evaluated elsewhere; the policy's own `[remote]`, else the configuration's.
    pub remote: Option<Arc<RemoteServer>>,
    /// File and text, for the journal.
    pub texts: BTreeMap<PathBuf, String>,
}

/// What the engine needs to know beside the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time between ticks, nanoseconds.
    pub interval_ns: u64,
    /// How far back the last sample of a series may lie, nanoseconds.
    pub lookback_ns: u64,
    /// No signal, no ask: only say what would be done.
    pub observe: bool,
    /// How long a heartbeat rule waits for a new heartbeat after a gap, nanoseconds.
    pub gap_grace_ns: u64,
    /// How long an ended trial stays on /metrics, nanoseconds.
    pub ended_retention_ns: u64,
    /// How many processes get series of their own; 0 = none.
    pub process_series: usize,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        const MINUTE: u64 = 60 * super::SECOND;
        Settings {
            interval_ns: super::SECOND,
            // Prometheus's `query.lookback-delta`.
            lookback_ns: 5 * MINUTE,
            observe: false,
            gap_grace_ns: MINUTE,
            ended_retention_ns: 15 * MINUTE,
            process_series: 5000,
            limits: Limits::default(),
        }
    }
}
