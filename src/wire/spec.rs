//! What may be said of a trial before it runs: the fields that hello and watch share, and hello itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::line::{bad_value, name, read};
use super::report::Of;
use super::value::{Amount, Count, Members, Scalar};
use super::{ClientLine, Dropped, Message};
use crate::model::{ErrorCode, Hello, Limits, Mode, Objective, ProcessUse, Refusal, Resume, TrialSpec, Voice};

/// Label names that a trial cannot have: they are ours on some metric of section 4 of the contract, or Prometheus's.
const RESERVED: [&str; 29] = [
    "trial",
    "experiment",
    "job",
    "instance",
    "state",
    "mode",
    "gpu",
    "type",
    "phase",
    "metric",
    "rule",
    "outcome",
    "cause",
    "status",
    "signal",
    "worker",
    "le",
    "pid",
    "comm",
    "group",
    "fold",
    "run",
    "attempt",
    "resource",
    "kind",
    "source",
    "code",
    "reason",
    "result",
];

/// Whether a trial may have a label of this name: `[a-zA-Z_][a-zA-Z0-9_]*`, not begun with `__` or `param_`, not one of ours.
///
/// # Errors
/// `bad_label`, with what is wrong with the name.
pub fn check_label(label: &str) -> Result<(), Refusal> {
    let shown: String = label.chars().take(64).collect();
    let refuse = |message: String, hint: String| Err(Refusal::new(ErrorCode::BadLabel, message, hint));
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !label.starts_with(first) || !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let hint = "label names are [a-zA-Z_][a-zA-Z0-9_]*, as in Prometheus";
        return refuse(format!("labels: {shown:?} is no name of a label"), hint.into());
    }
    if label.starts_with("__") {
        return refuse(format!("labels: {shown} begins with __"), "such names are Prometheus's own".into());
    }
    if let Some(rest) = shown.strip_prefix("param_") {
        return refuse(format!("labels: {shown} begins with param_"), format!("say it in params: {{{rest:?}: ...}}"));
    }
    if RESERVED.contains(&label) {
        return refuse(
            format!("labels: {label} is a label of earlystop's own"),
            format!("take another, such as my_{label}"),
        );
    }
    Ok(())
}

/// The name of a param as it will be a label, `param_` before it: other characters than `[a-zA-Z0-9_]` become `_`.
pub fn param_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The fields of a trial's description, as hello and watch have them.
#[derive(Deserialize)]
pub(super) struct SpecFields<'a> {
    #[serde(borrow)]
    trial: Option<Cow<'a, str>>,
    #[serde(borrow)]
    experiment: Option<Cow<'a, str>>,
    #[serde(borrow)]
    labels: Option<Members<Scalar<'a>>>,
    #[serde(borrow)]
    params: Option<Members<Scalar<'a>>>,
    #[serde(borrow)]
    objective: Option<ObjectiveFields<'a>>,
    modes: Option<Members<ModeWord>>,
    total_steps: Option<Count>,
    total_epochs: Option<Amount>,
    start_step: Option<Count>,
    #[serde(borrow)]
    group: Option<Cow<'a, str>>,
    #[serde(borrow)]
    fold: Option<Scalar<'a>>,
}

#[derive(Deserialize)]
struct ObjectiveFields<'a> {
    #[serde(borrow)]
    metric: Cow<'a, str>,
    mode: ModeWord,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeWord {
    Min,
    Max,
}

impl ModeWord {
    fn mode(self) -> Mode {
        match self {
            ModeWord::Min => Mode::Min,
            ModeWord::Max => Mode::Max,
        }
    }
}

impl SpecFields<'_> {
    /// Checks the fields; what is above a limit is left out and counted.
    pub(super) fn check(self, limits: &Limits, dropped: &mut Dropped) -> Result<TrialSpec, Refusal> {
        let named = |field, text: Option<Cow<'_, str>>| text.map(|text| name(field, &text)).transpose();
        Ok(TrialSpec {
            trial: named("trial", self.trial)?,
            experiment: named("experiment", self.experiment)?,
            labels: labels(self.labels, limits, dropped)?,
            params: params(self.params, limits, dropped)?,
            objective: self.objective.map(|o| objective(o, limits)).transpose()?,
            modes: modes(self.modes, limits, dropped)?,
            total_steps: self.total_steps.map(|c| c.0),
            total_epochs: self.total_epochs.map(|a| a.0),
            start_step: self.start_step.map_or(0, |c| c.0),
            group: named("group", self.group)?,
            fold: self.fold.map(|f| short("fold", &f.0, limits)).transpose()?,
        })
    }
}

/// A text that must be there and within the limit.
fn short(field: &str, text: &str, limits: &Limits) -> Result<String, Refusal> {
    match text.len() {
        0 => Err(bad_value(format!("{field}: it is empty"), "leave the field out instead")),
        n if n > limits.value_bytes => {
            let message = format!("{field}: it has {n} bytes, at most {} are taken", limits.value_bytes);
            Err(bad_value(message, "use a shorter one"))
        }
        _ => Ok(text.to_owned()),
    }
}

fn objective(fields: ObjectiveFields<'_>, limits: &Limits) -> Result<Objective, Refusal> {
    Ok(Objective { metric: short("objective.metric", &fields.metric, limits)?, mode: fields.mode.mode() })
}

fn labels(
    members: Option<Members<Scalar<'_>>>,
    limits: &Limits,
    dropped: &mut Dropped,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut kept = BTreeMap::new();
    for (label, Scalar(value)) in members.map_or(Vec::new(), |m| m.0) {
        check_label(&label)?;
        if label.len().max(value.len()) > limits.value_bytes || kept.len() >= limits.labels {
            dropped.labels += 1;
            continue;
        }
        kept.insert(label, value.into_owned());
    }
    Ok(kept)
}

fn params(
    members: Option<Members<Scalar<'_>>>,
    limits: &Limits,
    dropped: &mut Dropped,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut kept = BTreeMap::new();
    for (param, Scalar(value)) in members.map_or(Vec::new(), |m| m.0) {
        if param.is_empty() {
            return Err(bad_value("params: a name is empty", "give every param a name: {\"learning_rate\":0.01}"));
        }
        let param = param_name(&param);
        let above = param.len().max(value.len()) > limits.value_bytes || kept.len() >= limits.params;
        // Two names may become one (`a-b`, `a.b`): the first stays, or the exposition would have a label twice.
        if above || kept.contains_key(&param) {
            dropped.params += 1;
            continue;
        }
        kept.insert(param, value.into_owned());
    }
    Ok(kept)
}

fn modes(
    members: Option<Members<ModeWord>>,
    limits: &Limits,
    dropped: &mut Dropped,
) -> Result<BTreeMap<String, Mode>, Refusal> {
    let mut kept = BTreeMap::new();
    for (metric, mode) in members.map_or(Vec::new(), |m| m.0) {
        if metric.len() > limits.value_bytes || kept.len() >= limits.metrics {
            dropped.metrics += 1;
            continue;
        }
        kept.insert(short("modes", &metric, limits)?, mode.mode());
    }
    Ok(kept)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProcessWord {
    Own,
    Shared,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResumeWord {
    New,
    Continue,
    Never,
}

#[derive(Deserialize)]
struct HelloFields<'a> {
    process: Option<ProcessWord>,
    resume: Option<ResumeWord>,
    #[serde(borrow)]
    worker: Option<Scalar<'a>>,
    primary: Option<bool>,
    of: Option<Of>,
}

/// A `hello` line.
pub(super) fn hello(text: &str, limits: &Limits) -> Result<ClientLine, Refusal> {
    // Two passes over one line in a run's life: serde's `flatten` would take every value apart into a tree first.
    let fields: HelloFields<'_> = read(text)?;
    let mut dropped = Dropped::default();
    let hello = Hello {
        spec: read::<SpecFields<'_>>(text)?.check(limits, &mut dropped)?,
        process: match fields.process {
            Some(ProcessWord::Shared) => ProcessUse::Shared,
            Some(ProcessWord::Own) | None => ProcessUse::Own,
        },
        resume: match fields.resume {
            Some(ResumeWord::Continue) => Resume::Continue,
            Some(ResumeWord::Never) => Resume::Never,
            Some(ResumeWord::New) | None => Resume::New,
        },
        worker: fields.worker.map_or(Ok("0".to_owned()), |w| short("worker", &w.0, limits))?,
        primary: fields.primary,
        voice: match fields.of {
            Some(Of::Parent) => Voice::Command,
            None => Voice::Own,
        },
    };
    Ok(ClientLine { message: Message::Hello(Box::new(hello)), of: Of::speaker(fields.of), dropped })
}
