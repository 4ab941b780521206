//! Lines of commands: list, explain, stop, reload, watch, and what a joined `run` says.

use std::borrow::Cow;

use serde::Deserialize;

use super::line::{bad_value, read};
use super::spec::SpecFields;
use super::value::{Amount, Count};
use super::{ClientLine, Dropped, Message, Speaker, Watch};
use crate::model::{ExitStatus, ExitUsage, Limits, Name, Refusal, Request, RunId, Said, StopRequest};

/// Longest reason of a stop by hand, bytes: it goes into the journal and to every trainer asked.
const REASON_BYTES: usize = 1024;
/// Longest TRIAL argument: EXPERIMENT/NAME.
const TRIAL_BYTES: usize = 2 * Name::MAX + 1;

/// A control line but `watch`.
pub(super) fn request(kind: &str, text: &str) -> Result<ClientLine, Refusal> {
    let request = match kind {
        "list" => Request::List,
        "reload" => Request::Reload,
        "explain" => Request::Explain(trial(read::<ExplainFields<'_>>(text)?.trial)?),
        "stop" => stop(text)?,
        _ => exited(text)?,
    };
    let message = Message::Said(Said::Request(request));
    Ok(ClientLine { message, of: Speaker::Peer, dropped: Dropped::default() })
}

#[derive(Deserialize)]
struct ExplainFields<'a> {
    #[serde(borrow)]
    trial: Option<Cow<'a, str>>,
}

fn trial(text: Option<Cow<'_, str>>) -> Result<String, Refusal> {
    match text {
        Some(text) if !text.is_empty() && text.len() <= TRIAL_BYTES => Ok(text.into_owned()),
        _ => Err(bad_value("trial: none is named", "give NAME, EXPERIMENT/NAME or a run id")),
    }
}

#[derive(Deserialize)]
struct StopFields<'a> {
    #[serde(borrow)]
    trial: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    now: Option<bool>,
}

fn stop(text: &str) -> Result<Request, Refusal> {
    let fields: StopFields<'_> = read(text)?;
    if let Some(long) = fields.reason.as_ref().filter(|r| r.len() > REASON_BYTES) {
        let message = format!("reason: it has {} bytes, at most {REASON_BYTES} are taken", long.len());
        return Err(bad_value(message, "say it shorter"));
    }
    Ok(Request::Stop(StopRequest {
        trial: trial(fields.trial)?,
        reason: fields.reason.map(Cow::into_owned),
        now: fields.now.unwrap_or(false),
    }))
}

#[derive(Deserialize)]
struct ExitedFields<'a> {
    #[serde(borrow)]
    run: Option<Cow<'a, str>>,
    code: Option<Count>,
    signal: Option<Count>,
    user_seconds: Amount,
    system_seconds: Amount,
    max_resident: Count,
}

fn exited(text: &str) -> Result<Request, Refusal> {
    let fields: ExitedFields<'_> = read(text)?;
    let run = fields.run.as_deref().and_then(RunId::parse);
    let run = run.ok_or_else(|| bad_value("run: it is no run id", "send the \"run\" of the welcome line"))?;
    let byte = |count: Count| u8::try_from(count.0).ok();
    let status = match (fields.code, fields.signal) {
        (Some(code), None) => byte(code).map(ExitStatus::Code),
        (None, Some(signal)) => byte(signal).map(ExitStatus::Signal),
        _ => None,
    };
    let status = status.ok_or_else(|| bad_value("an end has a code or a signal, 0 to 255", "send one of the two"))?;
    let usage = ExitUsage {
        user_seconds: fields.user_seconds.0,
        system_seconds: fields.system_seconds.0,
        max_resident: fields.max_resident.0,
    };
    Ok(Request::Exited(run, status, usage))
}

#[derive(Deserialize)]
struct WatchFields<'a> {
    #[serde(borrow)]
    fallback: Option<Cow<'a, str>>,
    subreaper: Option<bool>,
}

/// A `watch` line.
pub(super) fn watch(text: &str, limits: &Limits) -> Result<ClientLine, Refusal> {
    let fields: WatchFields<'_> = read(text)?;
    let mut dropped = Dropped::default();
    let watch = Watch {
        spec: read::<SpecFields<'_>>(text)?.check(limits, &mut dropped)?,
        fallback: fields.fallback.map(|text| Name::made_of(&text)),
        subreaper: fields.subreaper.unwrap_or(false),
    };
    Ok(ClientLine { message: Message::Watch(Box::new(watch)), of: Speaker::Peer, dropped })
}
