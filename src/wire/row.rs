//! Rows of `list --json` and `explain --json`, as section 6 of the contract names their fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::value::write_number;
use crate::model::{ExitStatus, Moment, PartView, RuleView, TrialView};

/// A trial as `list` shows it. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRow {
    /// Its name.
    pub trial: String,
    /// Its experiment.
    pub experiment: String,
    /// This start of it.
    pub run: String,
    /// The how-manieth start of the name.
    pub attempt: u32,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Hyperparameters.
    pub params: BTreeMap<String, String>,
    /// Its configuration, where folds share one.
    pub group: Option<String>,
    /// Its fold.
    pub fold: Option<String>,
    /// The run of the outer trial.
    pub parent: Option<String>,
    /// Whose it is.
    pub uid: u32,
    /// The root process.
    pub pid: Option<u32>,
    /// running, stopping, completed, stopped, failed or lost.
    pub state: String,
    /// When it began.
    pub started: f64,
    /// When it ended.
    pub ended: Option<f64>,
    /// The step as reported.
    pub step: Option<u64>,
    /// Steps of a full run.
    pub target_steps: Option<u64>,
    /// The epoch as reported.
    pub epoch: Option<f64>,
    /// RSS - shared over its tree, as of the last complete look; nothing once it ended.
    pub memory_bytes: Option<u64>,
    /// Rules that are about it.
    pub rules: Vec<RuleRow>,
    /// The stop under way or the one that ended it.
    pub stop: Option<StopRow>,
    /// How it ended.
    pub exit: Option<ExitRow>,
}

/// A rule as it stands for a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleRow {
    /// The rule.
    pub rule: String,
    /// unknown, inactive, pending or firing.
    pub state: String,
    /// Since when.
    pub since: f64,
}

/// A stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRow {
    /// Its id.
    pub id: String,
    /// The rule, or `manual`.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// The rung it stands on, from 0.
    pub rung: usize,
    /// Since when it stands there.
    pub since: f64,
}

/// An end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRow {
    /// completed, self, rule, manual, oom_kernel, signal or unknown.
    pub cause: String,
    /// The exit code, where the root left with one.
    pub status: Option<u8>,
    /// The signal that ended the root, where one did.
    pub signal: Option<u8>,
}

/// What `list` shows of another user's trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignRow {
    /// Its name.
    pub trial: String,
    /// Its experiment: the other half of its name.
    pub experiment: String,
    /// Its state.
    pub state: String,
}

/// A row of `list`, as much of it as the caller may see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ListRow {
    /// One's own trial (root: any).
    Own(Box<TrialRow>),
    /// Another user's.
    Foreign(ForeignRow),
}

/// A part of a rule's expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartRow {
    /// How many of the parts listed before it are around it.
    pub depth: usize,
    /// The part, as PromQL.
    pub text: String,
    /// What it gives for the trial.
    pub value: String,
}

/// `explain`: the row, and why things stand as they do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainRow {
    /// The row of `list`.
    #[serde(flatten)]
    pub row: TrialRow,
    /// For every rule of [`TrialRow::rules`]: the values it saw, what is missing, what holds it back.
    pub why: BTreeMap<String, String>,
    /// For every rule the parts of its expression and what each gives, the whole first.
    #[serde(default)]
    pub parts: BTreeMap<String, Vec<PartRow>>,
    /// Reported metrics.
    pub metrics: BTreeMap<String, MetricRow>,
    /// The phase it is in.
    pub phase: Option<String>,
    /// Heartbeats so far, a trainer's own hello included.
    pub heartbeats: u64,
    /// When the last one came.
    pub last_heartbeat: Option<f64>,
    /// It is asked only, never signalled.
    pub ask_only: bool,
    /// Living processes of its tree.
    pub processes: Option<u32>,
    /// CPU seconds so far.
    pub cpu_seconds: f64,
    /// Highest RSS - shared seen.
    pub memory_peak_bytes: Option<u64>,
    /// Stops that are over: rule, outcome, how often.
    pub stops: Vec<StopCount>,
}

/// A reported metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// The last value; "NaN", "Infinity" and "-Infinity" as on the socket.
    #[serde(serialize_with = "write_number", deserialize_with = "read_number")]
    pub last: f64,
    /// The best, where the mode is known; never NaN.
    pub best: Option<f64>,
    /// The step of the best.
    pub best_step: Option<u64>,
    /// Reports so far.
    pub reports: u64,
}

/// Stops of one rule with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopCount {
    /// The rule.
    pub rule: String,
    /// The outcome.
    pub outcome: String,
    /// How many.
    pub count: u64,
}

impl TrialRow {
    /// The row of a trial.
    pub fn of(view: &TrialView) -> TrialRow {
        let living = view.state.is_living();
        TrialRow {
            trial: view.trial.to_string(),
            experiment: view.experiment.to_string(),
            run: view.run.to_string(),
            attempt: view.attempt,
            labels: (*view.labels).clone(),
            params: (*view.params).clone(),
            group: view.group.as_ref().map(ToString::to_string),
            fold: view.fold.clone(),
            parent: view.parent.map(|run| run.to_string()),
            uid: view.uid,
            pid: view.root.map(|key| key.pid),
            state: view.state.as_str().into(),
            started: view.started.unix_seconds(),
            ended: view.ended.map(Moment::unix_seconds),
            step: view.progress.step,
            target_steps: view.progress.target_steps,
            epoch: view.progress.epoch,
            memory_bytes: view.tree.as_ref().filter(|_| living).and_then(|t| t.memory).map(|m| m.private()),
            rules: view.rules.iter().map(rule).collect(),
            stop: view.stop.as_ref().map(|stop| StopRow {
                id: stop.id.to_string(),
                rule: stop.rule.to_string(),
                reason: stop.reason.clone(),
                rung: stop.rung,
                since: stop.since.unix_seconds(),
            }),
            exit: view.exit.map(|exit| ExitRow {
                cause: exit.cause.as_str().into(),
                status: exit.status.and_then(|s| if let ExitStatus::Code(code) = s { Some(code) } else { None }),
                signal: exit.status.and_then(|s| if let ExitStatus::Signal(n) = s { Some(n) } else { None }),
            }),
        }
    }
}

fn part(view: &PartView) -> PartRow {
    PartRow { depth: view.depth, text: view.text.clone(), value: view.value.clone() }
}

fn rule(view: &RuleView) -> RuleRow {
    RuleRow { rule: view.rule.to_string(), state: view.state.as_str().into(), since: view.since.unix_seconds() }
}

impl ListRow {
    /// The row of a trial for a caller who may see all of it or, of another user's, name and state only.
    pub fn of(view: &TrialView, may_see: bool) -> ListRow {
        match may_see {
            true => ListRow::Own(Box::new(TrialRow::of(view))),
            false => ListRow::Foreign(ForeignRow {
                trial: view.trial.to_string(),
                experiment: view.experiment.to_string(),
                state: view.state.as_str().into(),
            }),
        }
    }
}

impl ExplainRow {
    /// The whole of a trial.
    pub fn of(view: &TrialView) -> ExplainRow {
        let metric = |m: &crate::model::MetricView| MetricRow {
            last: m.last,
            best: m.best.filter(|b| b.is_finite()),
            best_step: m.best_step,
            reports: m.reports,
        };
        let count = |((rule, outcome), count): (&(std::sync::Arc<str>, crate::model::StopOutcome), &u64)| StopCount {
            rule: rule.to_string(),
            outcome: outcome.as_str().into(),
            count: *count,
        };
        ExplainRow {
            row: TrialRow::of(view),
            why: view.rules.iter().map(|r| (r.rule.to_string(), r.why.clone())).collect(),
            parts: view.rules.iter().map(|r| (r.rule.to_string(), r.parts.iter().map(part).collect())).collect(),
            metrics: view.metrics.iter().map(|(name, m)| (name.clone(), metric(m))).collect(),
            phase: view.progress.phase.clone(),
            heartbeats: view.progress.heartbeats,
            last_heartbeat: view.progress.last_heartbeat.map(Moment::unix_seconds),
            ask_only: view.ask_only,
            processes: view.tree.as_ref().filter(|_| view.state.is_living()).map(|t| t.processes),
            cpu_seconds: view.totals.cpu.first + view.totals.cpu.second,
            memory_peak_bytes: view.totals.memory_peak,
            stops: view.stops.iter().map(count).collect(),
        }
    }
}

fn read_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    super::value::Number::deserialize(from).map(|n| n.0)
}
