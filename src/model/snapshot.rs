//! Everything at one moment: what is shown, exported and asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{HostSample, Moment, Policy, RunId, SourceName, StopOutcome, TrialView};

/// What a rule cost and did, over all trials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleTotals {
    /// Evaluations.
    pub evaluations: u64,
    /// Time they took, seconds.
    pub seconds: f64,
    /// Evaluations that failed.
    pub failures: u64,
    /// Trials that it condemned, that went on all the same (held out, observed) and finished, with something to compare them
    /// with.
    pub spared_finished: u64,
    /// The same that ended otherwise: nobody knows what they would have become.
    pub spared_censored: u64,
    /// Of those that finished: better than the best that finished and was never condemned.
    pub false_stops: u64,
    /// Stops by outcome, in the order of [`StopOutcome::ALL`].
    pub stops: [u64; StopOutcome::ALL.len()],
}

impl RuleTotals {
    /// So many trials must have been spared and have finished before a share of them says anything.
    const ENOUGH: u64 = 10;

    /// The share of false stops among spared trials that finished, 0 to 1; `None` below ten of them.
    pub fn false_stop_ratio(&self) -> Option<f64> {
        let enough = self.spared_finished >= RuleTotals::ENOUGH;
        enough.then(|| self.false_stops as f64 / self.spared_finished as f64)
    }
}

/// A label set for which a rule's condition holds, or held a moment ago: an alert, in Prometheus's words.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertView {
    /// The trial it is about.
    pub run: RunId,
    /// The rule's name.
    pub rule: Arc<str>,
    /// Labels beyond `trial` and `experiment`.
    pub labels: Vec<(String, String)>,
    /// Whether the condition has held long enough.
    pub firing: bool,
    /// Since when it holds.
    pub since: Moment,
    /// The value that met it last.
    pub value: f64,
}

/// Everything at one moment; immutable, shared by all who look.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was made.
    pub at: Moment,
    /// Living trials, then ended ones, each group by start.
    pub trials: Vec<Arc<TrialView>>,
    /// The host.
    pub host: HostSample,
    /// Sources and whether they could be read.
    pub up: Vec<(SourceName, bool)>,
    /// The time of the last tick.
    pub last_tick: Option<Moment>,
    /// Ticks left out.
    pub overruns: u64,
    /// How long the last tick's pass took, seconds.
    pub tick_seconds: f64,
    /// Rules by name, `manual` included.
    pub rules: BTreeMap<Arc<str>, RuleTotals>,
    /// Heartbeats in all.
    pub heartbeats: u64,
    /// Bytes that windows take.
    pub window_bytes: u64,
    /// Whether the last reload succeeded, and when one last did.
    pub reload: (bool, Moment),
    /// How many of the members get series of their own.
    pub process_series: usize,
    /// Time between two ticks, nanoseconds.
    pub interval_ns: u64,
    /// The rules in force.
    pub policy: Arc<Policy>,
    /// What is pending or firing, in the order of trials and rules.
    pub alerts: Vec<AlertView>,
}
