//! Commands and answers on the socket, in plain words; `wire` writes them as JSON.

use std::sync::Arc;

use super::{ExitStatus, ExitUsage, Name, Position, ProcKey, RunId, StopId, StopNotice, TrialSpec, TrialView};

/// A command of a client that is no trainer.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// All trials.
    List,
    /// One trial, its rules and why they stand as they do.
    Explain(String),
    /// End a trial: NAME, EXPERIMENT/NAME or run id; the reason; begin at the first signal.
    Stop(StopRequest),
    /// Read the policy again.
    Reload,
    /// Follow a process (`watch`), or the command of `run`, of which the caller is the subreaper.
    Watch(Box<WatchRequest>),
    /// The command of `run` ended.
    Exited(RunId, ExitStatus, ExitUsage),
}

/// `stop TRIAL [--reason R] [--now]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopRequest {
    /// NAME, EXPERIMENT/NAME or run id.
    pub trial: String,
    /// Why, for the record.
    pub reason: Option<String>,
    /// Begin at the first rung with a signal.
    pub now: bool,
}

/// `watch PID`, and what a joining `run` asks.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchRequest {
    /// The process, by the pidfd that was handed over.
    pub target: ProcKey,
    /// What is known of the trial.
    pub spec: TrialSpec,
    /// A name to take if the spec has none.
    pub fallback: Name,
    /// The caller is a subreaper above the process (`run`).
    pub subreaper: bool,
    /// The id to give it.
    pub run: RunId,
    /// Who owns the process.
    pub uid: u32,
    /// Where the process stands.
    pub position: Position,
}

/// Error codes of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// No JSON object, or not UTF-8.
    BadJson,
    /// Unknown or missing `type`, or a line out of place.
    BadType,
    /// Another protocol version.
    BadVersion,
    /// A name that is none.
    BadName,
    /// A label that is not allowed.
    BadLabel,
    /// A value of the wrong kind or out of range.
    BadValue,
    /// The name runs elsewhere.
    NameTaken,
    /// The name was used and `resume` is `never`.
    NameUsed,
    /// The process has a running trial.
    ProcessTaken,
    /// More than 64 KiB in a line.
    LineTooLong,
    /// A bound of `[limits]`.
    Limit,
    /// No such trial or process.
    NotFound,
    /// Another user's.
    NotYours,
    /// Nothing is stopped under --observe.
    ObserveOnly,
}

impl ErrorCode {
    /// All codes, in the order of the exposition.
    pub const ALL: [ErrorCode; 14] = [
        ErrorCode::BadJson,
        ErrorCode::BadType,
        ErrorCode::BadVersion,
        ErrorCode::BadName,
        ErrorCode::BadLabel,
        ErrorCode::BadValue,
        ErrorCode::NameTaken,
        ErrorCode::NameUsed,
        ErrorCode::ProcessTaken,
        ErrorCode::LineTooLong,
        ErrorCode::Limit,
        ErrorCode::NotFound,
        ErrorCode::NotYours,
        ErrorCode::ObserveOnly,
    ];

    /// The code as the contract writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BadJson => "bad_json",
            ErrorCode::BadType => "bad_type",
            ErrorCode::BadVersion => "bad_version",
            ErrorCode::BadName => "bad_name",
            ErrorCode::BadLabel => "bad_label",
            ErrorCode::BadValue => "bad_value",
            ErrorCode::NameTaken => "name_taken",
            ErrorCode::NameUsed => "name_used",
            ErrorCode::ProcessTaken => "process_taken",
            ErrorCode::LineTooLong => "line_too_long",
            ErrorCode::Limit => "limit",
            ErrorCode::NotFound => "not_found",
            ErrorCode::NotYours => "not_yours",
            ErrorCode::ObserveOnly => "observe_only",
        }
    }
}

/// A refusal, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// The thing and the cause.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    /// A refusal with a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), hint: hint.into() }
    }
}

/// The answer to hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The experiment.
    pub experiment: Name,
    /// The trial's name.
    pub trial: Name,
    /// The run.
    pub run: RunId,
    /// The how-manieth start of the name.
    pub attempt: u32,
    /// The step an earlier attempt had come to, with `resume: continue`; else the start step.
    pub last_step: u64,
    /// The rule that stopped the attempt before, if one did.
    pub stopped_before: Option<Arc<str>>,
    /// Whether the daemon can see the process.
    pub visible: bool,
    /// Advice, where something is not as it should be.
    pub hint: Option<String>,
}

/// Anything the daemon says on the socket.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To hello, `watch` and a joining `run`.
    Welcome(Welcome),
    /// A refusal.
    Error(Refusal),
    /// A trainer is asked to stop.
    Stop(StopNotice),
    /// To a step that asked for an answer: go on. With the number of that step, if it had one.
    Go(Option<u64>),
    /// To `list`: the trials, and whether the caller may see more of each than name and state.
    Trials(Vec<(Arc<TrialView>, bool)>),
    /// To `explain`.
    Explained(Arc<TrialView>),
    /// To `stop`: the stop's id.
    Stopping(StopId),
    /// To `reload`: the policy that is in force now.
    Reloaded {
        /// Files it was read from; 0: the daemon has no policy to read.
        files: usize,
        /// Rules in them.
        rules: usize,
    },
    /// To a `run` that joined: its trial was stopped by a rule or by hand.
    Stopped(StopNotice),
    /// To `Exited`: the trial's record is closed; `run` may leave.
    Bye,
}
