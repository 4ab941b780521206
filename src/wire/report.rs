//! Lines of a running trainer: step, done, ack.

use std::borrow::Cow;

use serde::Deserialize;

use super::line::{bad_value, read};
use super::value::{Amount, Count, Members, Number};
use super::{ClientLine, Dropped, Message, Speaker};
use crate::model::{Done, DoneStatus, Limits, Refusal, Said, Step, StopId};

/// `"of":"parent"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Of {
    /// The peer's parent is the trial's process.
    Parent,
}

impl Of {
    /// Whom a line is about that has or has not such a field.
    pub(super) fn speaker(of: Option<Of>) -> Speaker {
        of.map_or(Speaker::Peer, |Of::Parent| Speaker::Parent)
    }
}

#[derive(Deserialize)]
struct StepLine<'a> {
    step: Option<Count>,
    epoch: Option<Amount>,
    samples: Option<Count>,
    n: Option<Count>,
    seconds: Option<Amount>,
    #[serde(borrow)]
    phase: Option<Cow<'a, str>>,
    total_steps: Option<Count>,
    #[serde(default)]
    metrics: Option<Members<Number>>,
    #[serde(default)]
    points: Option<Members<Points>>,
    sample: Option<bool>,
    answer: Option<bool>,
    of: Option<Of>,
}

#[derive(Deserialize)]
struct Points {
    step: Vec<Count>,
    value: Vec<Number>,
}

/// A `step` line.
pub(super) fn step(text: &str, limits: &Limits) -> Result<ClientLine, Refusal> {
    let line: StepLine<'_> = read(text)?;
    let mut dropped = Dropped::default();
    let metrics = metrics(line.metrics, limits, &mut dropped)?;
    let points = points(line.points, limits, &mut dropped)?;
    let phase = phase(line.phase, limits, &mut dropped)?;
    let step = Step {
        step: line.step.map(|c| c.0),
        epoch: line.epoch.map(|a| a.0),
        samples: line.samples.map(|c| c.0),
        n: line.n.map(|c| c.0),
        seconds: line.seconds.map(|a| a.0),
        phase,
        total_steps: line.total_steps.map(|c| c.0),
        metrics,
        points,
        sample: line.sample.unwrap_or(false),
        answer: line.answer.unwrap_or(false),
    };
    Ok(ClientLine { message: Message::Said(Said::Step(Box::new(step))), of: Of::speaker(line.of), dropped })
}

fn phase(phase: Option<Cow<'_, str>>, limits: &Limits, dropped: &mut Dropped) -> Result<Option<String>, Refusal> {
    match phase {
        Some(phase) if phase.is_empty() => Err(bad_value("phase: it is empty", "leave the field out instead")),
        Some(phase) if phase.len() > limits.value_bytes => {
            dropped.phases += 1;
            Ok(None)
        }
        phase => Ok(phase.map(Cow::into_owned)),
    }
}

/// Keeps the first metrics of a line whose names can be kept; none may be without a name.
fn keep<T>(members: &mut Vec<(String, T)>, limits: &Limits, dropped: &mut Dropped) -> Result<(), Refusal> {
    if members.iter().any(|(name, _)| name.is_empty()) {
        return Err(bad_value("metrics: a name is empty", "give every metric a name: {\"train_loss\":0.31}"));
    }
    let came = members.len();
    members.retain(|(name, _)| name.len() <= limits.value_bytes);
    members.truncate(limits.metrics);
    dropped.metrics += came - members.len();
    Ok(())
}

fn metrics(
    members: Option<Members<Number>>,
    limits: &Limits,
    dropped: &mut Dropped,
) -> Result<Vec<(String, f64)>, Refusal> {
    let Some(Members(mut members)) = members else { return Ok(Vec::new()) };
    keep(&mut members, limits, dropped)?;
    Ok(members.into_iter().map(|(name, value)| (name, value.0)).collect())
}

type PointList = Vec<(String, Vec<(u64, f64)>)>;

fn points(members: Option<Members<Points>>, limits: &Limits, dropped: &mut Dropped) -> Result<PointList, Refusal> {
    let Some(Members(mut members)) = members else { return Ok(Vec::new()) };
    keep(&mut members, limits, dropped)?;
    let pair = |(name, points): (String, Points)| {
        let (steps, values) = (points.step.len(), points.value.len());
        if steps != values {
            let message = format!("points: {name} has {steps} steps and {values} values");
            return Err(bad_value(message, "give every value its step: {\"step\":[1,2],\"value\":[0.7,0.6]}"));
        }
        Ok((name, points.step.iter().map(|c| c.0).zip(points.value.iter().map(|n| n.0)).collect()))
    };
    members.into_iter().map(pair).collect()
}

#[derive(Deserialize)]
struct DoneLine<'a> {
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(default)]
    metrics: Option<Members<Number>>,
    of: Option<Of>,
}

/// A `done` line; without a status it is `completed`.
pub(super) fn done(text: &str, limits: &Limits) -> Result<ClientLine, Refusal> {
    let line: DoneLine<'_> = read(text)?;
    let status = match line.status.as_deref() {
        None | Some("completed") => DoneStatus::Completed,
        Some("failed") => DoneStatus::Failed,
        Some("stopped") => DoneStatus::Stopped,
        Some(other) => {
            let message = format!("status: there is no {:?}", other.chars().take(64).collect::<String>());
            return Err(bad_value(message, "it is completed, failed or stopped"));
        }
    };
    let mut dropped = Dropped::default();
    let metrics = metrics(line.metrics, limits, &mut dropped)?;
    Ok(ClientLine { message: Message::Said(Said::Done(Done { status, metrics })), of: Of::speaker(line.of), dropped })
}

#[derive(Deserialize)]
struct AckLine<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    need_ms: Option<Count>,
    of: Option<Of>,
}

/// An `ack` line.
pub(super) fn ack(text: &str) -> Result<ClientLine, Refusal> {
    let line: AckLine<'_> = read(text)?;
    let id =
        line.id.as_deref().and_then(StopId::parse).ok_or_else(|| {
            bad_value("id: it is no id of a stop", "send back the \"id\" of the stop line as it came")
        })?;
    let said = Said::Ack(id, line.need_ms.map(|c| c.0));
    Ok(ClientLine { message: Message::Said(said), of: Of::speaker(line.of), dropped: Dropped::default() })
}
