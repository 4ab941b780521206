//! What the daemon says, read again by a client.

use std::sync::Arc;

use serde::Deserialize;

use super::row::{ExplainRow, ListRow};
use crate::model::{ErrorCode, Name, Refusal, RunId, StopId, StopNotice, Welcome};

/// A line of the daemon.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To hello, `watch` and a joining `run`.
    Welcome(Welcome),
    /// A refusal.
    Error(Refusal),
    /// The trainer is asked to stop.
    Stop(StopNotice),
    /// To a step that asked for an answer: go on.
    Go(Option<u64>),
    /// To a joined `run`: its trial was stopped.
    Stopped(StopNotice),
    /// To `list`.
    Trials(Vec<ListRow>),
    /// To `explain`.
    Explained(Box<ExplainRow>),
    /// To `stop`.
    Stopping(StopId),
    /// To `reload`: the policy that is in force now.
    Reloaded {
        /// Files it was read from; 0: the daemon has no policy to read.
        files: usize,
        /// Rules in them.
        rules: usize,
    },
    /// To anything that only had to be taken.
    Done,
    /// To a joined `run` that told of its command's end.
    Bye,
    /// A type that this client does not know: from a newer daemon, to be passed over.
    Other(String),
}

/// Reads a line of the daemon.
///
/// # Errors
/// In words what is wrong with it; a daemon of the same version never sends such a line.
pub fn parse(line: &[u8]) -> Result<Answer, String> {
    let fields: Fields = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    fields.answer().map_err(|missing| format!("no or a wrong {missing:?} in it"))
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    kind: String,
    experiment: Option<String>,
    trial: Option<String>,
    run: Option<String>,
    attempt: Option<u32>,
    last_step: Option<u64>,
    stopped_before: Option<String>,
    visible: Option<bool>,
    hint: Option<String>,
    code: Option<String>,
    message: Option<String>,
    id: Option<String>,
    rule: Option<String>,
    reason: Option<String>,
    deadline_ms: Option<u64>,
    trials: Option<Vec<ListRow>>,
    explain: Option<Box<ExplainRow>>,
    files: Option<usize>,
    rules: Option<usize>,
    step: Option<u64>,
}

impl Fields {
    fn answer(self) -> Result<Answer, &'static str> {
        Ok(match self.kind.as_str() {
            "welcome" => Answer::Welcome(self.welcome()?),
            "error" => Answer::Error(self.refusal()?),
            "stop" => Answer::Stop(self.notice()?),
            "go" => Answer::Go(self.step),
            "stopped" => Answer::Stopped(self.notice()?),
            "bye" => Answer::Bye,
            "ok" => match (self.trials, self.explain, self.id) {
                (Some(trials), _, _) => Answer::Trials(trials),
                (_, Some(explained), _) => Answer::Explained(explained),
                (_, _, Some(id)) => Answer::Stopping(StopId::parse(&id).ok_or("id")?),
                _ => match (self.files, self.rules) {
                    (Some(files), Some(rules)) => Answer::Reloaded { files, rules },
                    _ => Answer::Done,
                },
            },
            _ => Answer::Other(self.kind),
        })
    }

    fn welcome(self) -> Result<Welcome, &'static str> {
        let name = |text: Option<String>| text.and_then(|text| Name::new(&text).ok());
        Ok(Welcome {
            experiment: name(self.experiment).ok_or("experiment")?,
            trial: name(self.trial).ok_or("trial")?,
            run: self.run.and_then(|run| RunId::parse(&run)).ok_or("run")?,
            attempt: self.attempt.ok_or("attempt")?,
            last_step: self.last_step.ok_or("last_step")?,
            stopped_before: self.stopped_before.map(Arc::from),
            visible: self.visible.ok_or("visible")?,
            hint: self.hint,
        })
    }

    fn refusal(self) -> Result<Refusal, &'static str> {
        let code = self.code.ok_or("code")?;
        let code = ErrorCode::ALL.into_iter().find(|c| c.as_str() == code).ok_or("code")?;
        Ok(Refusal { code, message: self.message.ok_or("message")?, hint: self.hint.unwrap_or_default() })
    }

    fn notice(self) -> Result<StopNotice, &'static str> {
        Ok(StopNotice {
            id: self.id.and_then(|id| StopId::parse(&id)).ok_or("id")?,
            rule: self.rule.ok_or("rule")?.into(),
            reason: self.reason.ok_or("reason")?,
            deadline_ms: self.deadline_ms.ok_or("deadline_ms")?,
        })
    }
}
