//! Replies to lines.

use serde::Serialize;

use super::VERSION;
use super::row::{ExplainRow, ListRow};
use crate::model::{Refusal, Reply, StopNotice, Welcome};

/// A reply as one line, LF included.
pub fn render(reply: &Reply) -> String {
    let line = match reply {
        Reply::Welcome(welcome) => json(&WelcomeLine::of(welcome)),
        Reply::Error(refusal) => json(&ErrorLine::of(refusal)),
        Reply::Stop(notice) => json(&StopLine::of("stop", notice)),
        Reply::Go(step) => json(&Go { kind: "go", step: *step }),
        Reply::Stopped(notice) => json(&StopLine::of("stopped", notice)),
        Reply::Trials(trials) => {
            let trials = trials.iter().map(|(view, may_see)| ListRow::of(view, *may_see)).collect();
            json(&OkLine { trials: Some(trials), ..OkLine::default() })
        }
        Reply::Explained(view) => json(&OkLine { explain: Some(Box::new(ExplainRow::of(view))), ..OkLine::default() }),
        Reply::Stopping(id) => json(&OkLine { id: Some(id.to_string()), ..OkLine::default() }),
        Reply::Reloaded { files, rules } => {
            json(&OkLine { files: Some(*files), rules: Some(*rules), ..OkLine::default() })
        }
        Reply::Bye => json(&Bye { kind: "bye" }),
    };
    line + "\n"
}

fn json<T: Serialize>(line: &T) -> String {
    serde_json::to_string(line).expect("our own lines have string keys only and nothing that can fail to serialize")
}

#[derive(Serialize)]
struct WelcomeLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    v: u64,
    experiment: &'a str,
    trial: &'a str,
    run: String,
    attempt: u32,
    last_step: u64,
    stopped_before: Option<&'a str>,
    visible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl WelcomeLine<'_> {
    fn of(welcome: &Welcome) -> WelcomeLine<'_> {
        WelcomeLine {
            kind: "welcome",
            v: VERSION,
            experiment: welcome.experiment.as_str(),
            trial: welcome.trial.as_str(),
            run: welcome.run.to_string(),
            attempt: welcome.attempt,
            last_step: welcome.last_step,
            stopped_before: welcome.stopped_before.as_deref(),
            visible: welcome.visible,
            hint: welcome.hint.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    message: &'a str,
    hint: &'a str,
}

impl ErrorLine<'_> {
    fn of(refusal: &Refusal) -> ErrorLine<'_> {
        let Refusal { code, message, hint } = refusal;
        ErrorLine { kind: "error", code: code.as_str(), message, hint }
    }
}

#[derive(Serialize)]
struct StopLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    rule: &'a str,
    reason: &'a str,
    deadline_ms: u64,
}

impl StopLine<'_> {
    fn of<'a>(kind: &'static str, notice: &'a StopNotice) -> StopLine<'a> {
        let StopNotice { id, rule, reason, deadline_ms } = notice;
        StopLine { kind, id: id.to_string(), rule, reason, deadline_ms: *deadline_ms }
    }
}

#[derive(Serialize)]
struct OkLine {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trials: Option<Vec<ListRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Box<ExplainRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<usize>,
}

impl Default for OkLine {
    fn default() -> OkLine {
        OkLine { kind: "ok", trials: None, explain: None, id: None, files: None, rules: None }
    }
}

#[derive(Serialize)]
struct Go {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
}

#[derive(Serialize)]
struct Bye {
    #[serde(rename = "type")]
    kind: &'static str,
}
