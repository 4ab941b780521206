//! Rules that are evaluated elsewhere: what is asked of a remote Prometheus, and what it answers.

use std::sync::Arc;

use super::Moment;

/// An expression that is asked again and again, until other questions take its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteQuestion {
    /// For which rule.
    pub rule: Arc<str>,
    /// The expression, as PromQL.
    pub expr: Arc<str>,
}

/// One labelled number of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSeries {
    /// In the order of their names, `__name__` and those of the identity among them.
    pub labels: Vec<(String, String)>,
    /// May be NaN or infinite.
    pub value: f64,
}

impl RemoteSeries {
    /// The value of a label, if it is there.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// The answer to a question. It says itself what was asked, so that an answer to an old policy is never taken for another rule
/// of the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteAnswer {
    /// For which rule.
    pub rule: Arc<str>,
    /// The expression that was asked.
    pub expr: Arc<str>,
    /// When it was asked.
    pub asked: Moment,
    /// How long after that it may be acted on, nanoseconds.
    pub good_for_ns: u64,
    /// Series that carry this host's identity; or why nobody knows, in words for a person.
    pub result: Result<Vec<RemoteSeries>, String>,
}

impl RemoteAnswer {
    /// Whether it answers this question.
    pub fn answers(&self, question: &RemoteQuestion) -> bool {
        self.rule == question.rule && self.expr == question.expr
    }
}

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RemoteOutcome {
    /// A whole answer.
    Ok,
    /// The server said that it could not answer.
    Error,
    /// The server did not let us in (401, 403).
    Refused,
    /// An answer with warnings: parts may be missing.
    Partial,
    /// No answer within the time.
    Timeout,
    /// No connection, or it broke.
    Unreachable,
    /// An answer that is none: no instant vector, damaged, too large.
    Invalid,
}

impl RemoteOutcome {
    /// All outcomes, in the order of the exposition.
    pub const ALL: [RemoteOutcome; 7] = [
        RemoteOutcome::Ok,
        RemoteOutcome::Error,
        RemoteOutcome::Refused,
        RemoteOutcome::Partial,
        RemoteOutcome::Timeout,
        RemoteOutcome::Unreachable,
        RemoteOutcome::Invalid,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            RemoteOutcome::Ok => "ok",
            RemoteOutcome::Error => "error",
            RemoteOutcome::Refused => "refused",
            RemoteOutcome::Partial => "partial",
            RemoteOutcome::Timeout => "timeout",
            RemoteOutcome::Unreachable => "unreachable",
            RemoteOutcome::Invalid => "invalid",
        }
    }
}
