//! A line of a client, understood.

use serde::Deserialize;

use super::bare::quote_bare_words;
use super::{VERSION, control, report, spec};
use crate::model::{ErrorCode, Hello, Limits, Name, Refusal, Said, TrialSpec};

/// A line of a client.
#[derive(Clone, Debug)]
pub struct ClientLine {
    /// What it says.
    pub message: Message,
    /// Of which process.
    pub of: Speaker,
    /// What was left out of it, to be counted.
    pub dropped: Dropped,
}

/// What a line says; where the server has to add what only it knows, the parts.
#[derive(Clone, Debug)]
pub enum Message {
    /// A trainer begins.
    Hello(Box<Hello>),
    /// `watch`, or a `run` that joins: the process comes as a pidfd beside the line.
    Watch(Box<Watch>),
    /// Anything else, complete.
    Said(Said),
}

/// The text of a `watch` line.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// What is known of the trial.
    pub spec: TrialSpec,
    /// A name to take if the spec has none.
    pub fallback: Option<Name>,
    /// The caller is a subreaper above the process (`run`).
    pub subreaper: bool,
}

/// The process that a line is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaker {
    /// The process at the other end of the connection.
    #[default]
    Peer,
    /// Its parent (`"of":"parent"`).
    Parent,
}

/// How much of a line was above a limit and left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Labels: too many, or a value too long.
    pub labels: usize,
    /// Params: too many, a value too long, or two of one name.
    pub params: usize,
    /// Metrics: too many in a line, or a name too long.
    pub metrics: usize,
    /// Phases: a name too long.
    pub phases: usize,
}

/// Understands one line (without its LF). `limits` bounds what one line may bring; what a whole trial may hold is for
/// the engine to bound.
///
/// # Errors
/// A [`Refusal`] for the client: `bad_json`, `bad_type`, `bad_version`, `bad_name`, `bad_label` or `bad_value`.
pub fn parse(line: &[u8], limits: &Limits) -> Result<ClientLine, Refusal> {
    let text = std::str::from_utf8(line).map_err(|e| {
        let message = format!("the line is not UTF-8: byte {} begins no character", e.valid_up_to());
        Refusal::new(ErrorCode::BadJson, message, "write JSON in UTF-8, one object a line")
    })?;
    match understand(text, limits) {
        Err(refusal) if refusal.code == ErrorCode::BadJson => match quote_bare_words(line) {
            Some(quoted) => understand(&String::from_utf8_lossy(&quoted), limits),
            None => Err(refusal),
        },
        done => done,
    }
}

/// How nearly every line of a trainer begins; saves it the first pass that looks for the type.
const STEP: &str = "{\"type\":\"step\",";
const STEP_SPACED: &str = "{\"type\": \"step\",";

fn understand(text: &str, limits: &Limits) -> Result<ClientLine, Refusal> {
    if text.starts_with(STEP) || text.starts_with(STEP_SPACED) {
        return report::step(text, limits);
    }
    let head: Head<'_> = read(text)?;
    if head.v.is_some_and(|v| v.0 != VERSION) {
        return Err(wrong_version(&format!("version {}", head.v.map_or(0, |v| v.0))));
    }
    let kind = head.kind.as_deref().unwrap_or("");
    let talks_of_version = matches!(kind, "hello" | "list" | "explain" | "stop" | "reload" | "watch" | "exited");
    if talks_of_version && head.v.is_none() {
        return Err(wrong_version("no version"));
    }
    match kind {
        "step" => report::step(text, limits),
        "done" => report::done(text, limits),
        "ack" => report::ack(text),
        "hello" => spec::hello(text, limits),
        "watch" => control::watch(text, limits),
        "list" | "explain" | "stop" | "reload" | "exited" => control::request(kind, text),
        "" => Err(Refusal::new(
            ErrorCode::BadType,
            "the line has no \"type\"",
            "begin with {\"type\":\"hello\",\"v\":1,...}, then {\"type\":\"step\",...}",
        )),
        other => Err(unknown_type(other)),
    }
}

/// Every type of line that a client may send.
const TYPES: [&str; 10] = ["hello", "step", "done", "ack", "list", "explain", "stop", "reload", "watch", "exited"];

fn unknown_type(kind: &str) -> Refusal {
    let kind: String = kind.chars().take(64).collect();
    let near = TYPES.iter().max_by(|a, b| strsim::jaro(a, &kind).total_cmp(&strsim::jaro(b, &kind)));
    let hint = match near.filter(|near| strsim::jaro(near, &kind) > 0.7) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("types are {}", TYPES[..9].join(", ")),
    };
    Refusal::new(ErrorCode::BadType, format!("there is no type {kind:?}"), hint)
}

fn wrong_version(found: &str) -> Refusal {
    let hint = format!("this daemon speaks version {VERSION}: send \"v\":{VERSION}");
    Refusal::new(ErrorCode::BadVersion, format!("the line has {found} of the protocol"), hint)
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<std::borrow::Cow<'a, str>>,
    v: Option<super::value::Count>,
}

/// Reads a line as `T`; what is no JSON object is `bad_json`, what does not fit is `bad_value`.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    // A struct of serde would take an array for an object; a line is an object.
    if !text.trim_start().starts_with('{') {
        let hint = "send one JSON object a line: {\"type\":\"step\",\"step\":1}";
        return Err(Refusal::new(ErrorCode::BadJson, "the line is no JSON object", hint));
    }
    serde_json::from_str(text).map_err(|e| refuse(text, &e))
}

fn refuse(text: &str, error: &serde_json::Error) -> Refusal {
    let told = error.to_string();
    let cause = told.split(" at line ").next().unwrap_or(&told);
    // A number beyond any double is a value that is wrong, though serde_json calls it syntax.
    if !error.is_data() && !cause.starts_with("number out of range") {
        let message = format!("the line is no JSON: {cause}, at character {}", error.column());
        return Refusal::new(ErrorCode::BadJson, message, "write each line with a JSON library, LF at its end only");
    }
    let place = key_before(text, error.column()).map_or(String::new(), |key| format!("{key}: "));
    Refusal::new(ErrorCode::BadValue, format!("{place}{cause}"), "see the section on the socket in README.md")
}

/// The key whose value ends at or holds `column` (counted in bytes from 1), for messages.
fn key_before(text: &str, column: usize) -> Option<&str> {
    let before = text.get(..column).or_else(|| text.get(..column.checked_sub(1)?))?;
    let colon = before.rfind("\":")?;
    let key = &before[..colon];
    Some(&key[key.rfind('"')? + 1..])
}

/// A refused value.
pub(super) fn bad_value(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadValue, message, hint)
}

/// A name out of the field `field`.
pub(super) fn name(field: &str, text: &str) -> Result<Name, Refusal> {
    Name::new(text).map_err(|e| {
        let shown: String = text.chars().take(Name::MAX).collect();
        let hint = format!("for example {:?}", Name::made_of(&shown).as_str());
        Refusal::new(ErrorCode::BadName, format!("{field}: {e}"), hint)
    })
}
