//! What comes into the engine and what comes out of it.

use std::sync::Arc;

use super::{
    ConnId, Done, ExitStatus, ExitUsage, Hello, Ladder, Peer, Policy, ProcKey, RemoteAnswer, RemoteQuestion,
    RemoteServer, Reply, Request, Root, RunId, RunState, Signal, Step, StopId, Tick, TreeSample, TrialSpec,
};

/// An input of the engine. A closed list: all that it knows came in here, outcomes of its own effects included.
#[derive(Clone, Debug)]
pub enum Event {
    /// A policy is in force from now on.
    Policy(Arc<Policy>),
    /// A policy could not be taken; the old one stays.
    ReloadFailed(String),
    /// A pass over all trees.
    Tick(Tick),
    /// An extra look at one tree.
    Reading(Reading),
    /// The members of a tree that is on a ladder.
    Tree(Tree),
    /// The root of a trial is gone, with its status where somebody could tell.
    Exited(Exited),
    /// `run`, `watch` and `[[discover]]` register a trial.
    Register(Register),
    /// A line from a client.
    Line(Line),
    /// A client went away.
    Closed(ConnId),
    /// A signal was given, or could not be.
    Signalled(Signalled),
    /// A sweep came to its end.
    Swept(Swept),
    /// A remote Prometheus answered, or did not.
    Remote(RemoteAnswer),
    /// Nothing but time has passed.
    Wake,
}

/// Why somebody looked at one tree between ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingCause {
    /// A rule wants to act: does its condition still hold?
    Confirm,
    /// The same, with proportional memory: the dear reading is taken of every process of the tree.
    Weigh,
    /// A step asked for it.
    Demand,
    /// The root went away: is anybody left?
    Exit,
}

/// An extra look at one tree. It changes no window, only the present.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Why.
    pub cause: ReadingCause,
    /// What was seen.
    pub sample: TreeSample,
}

/// A member of a tree that is on a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub key: ProcKey,
    /// What it does.
    pub state: RunState,
}

/// The members of a tree, read afresh. Zombies are not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Whose.
    pub run: RunId,
    /// Who lives.
    pub members: Vec<Member>,
}

/// The end of a root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exited {
    /// Whose.
    pub run: RunId,
    /// How, where the kernel told.
    pub status: Option<ExitStatus>,
    /// What it used, where somebody waited for it.
    pub usage: Option<ExitUsage>,
    /// Whether the kernel's out-of-memory killer was counted in its cgroup meanwhile.
    pub oom: bool,
}

/// A new trial that did not say hello.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// The id to give it.
    pub run: RunId,
    /// What is known of it.
    pub spec: TrialSpec,
    /// A name to take if the spec has none.
    pub fallback: super::Name,
    /// Where its tree grows from.
    pub root: Root,
    /// Whose it is.
    pub uid: u32,
    /// Where its root stands now.
    pub position: super::Position,
    /// Whether rules may stop it (`[[discover]]` without `stop = true` only watches).
    pub may_stop: bool,
    /// The connection that waits for an answer.
    pub conn: Option<ConnId>,
}

/// A line from a client, understood.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which connection.
    pub conn: ConnId,
    /// Who is at the other end.
    pub peer: Peer,
    /// What it says.
    pub said: Said,
}

/// What a client can say.
#[derive(Clone, Debug)]
pub enum Said {
    /// A trainer begins; the id is for the trial that it may found.
    Hello(Box<Hello>, RunId),
    /// Progress.
    Step(Box<Step>),
    /// The end.
    Done(Done),
    /// A stop was understood; the trainer needs so many more milliseconds.
    Ack(StopId, Option<u64>),
    /// A command.
    Request(Request),
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignalResult {
    /// Given.
    Sent,
    /// The process was gone.
    Gone,
    /// The kernel refused (EPERM).
    Denied,
    /// The identity could not be made sure: nothing was given.
    Unsure,
    /// Another error.
    Error,
}

impl SignalResult {
    /// All results, in the order of the exposition.
    pub const ALL: [SignalResult; 5] =
        [SignalResult::Sent, SignalResult::Gone, SignalResult::Denied, SignalResult::Unsure, SignalResult::Error];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            SignalResult::Sent => "sent",
            SignalResult::Gone => "gone",
            SignalResult::Denied => "denied",
            SignalResult::Unsure => "unsure",
            SignalResult::Error => "error",
        }
    }
}

/// A signal to be given to one process: also what the write-ahead ledger holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shot {
    /// By which stop.
    pub stop: StopId,
    /// On which trial.
    pub run: RunId,
    /// On which rung, from 0.
    pub rung: usize,
    /// To whom.
    pub key: ProcKey,
    /// Which signal.
    pub signal: Signal,
    /// SIGCONT goes with it, since the process is stopped.
    pub wake: bool,
    /// Whose trial it is: a process that this user could not signal gets nothing.
    pub owner: u32,
}

/// A stretch of reading a tree and giving SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// By which stop.
    pub stop: StopId,
    /// On which trial.
    pub run: RunId,
    /// On which rung, from 0.
    pub rung: usize,
    /// Whose trial it is, as in [`Shot::owner`].
    pub owner: u32,
}

/// A signal's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signalled {
    /// The signal.
    pub shot: Shot,
    /// What became of it.
    pub result: SignalResult,
}

/// The end of a stretch of reading the tree and killing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// By which stop.
    pub stop: StopId,
    /// On which trial.
    pub run: RunId,
    /// How many processes got SIGKILL.
    pub killed: u32,
    /// Who still lives (D state, EPERM, or new ones came faster than they went).
    pub left: Vec<Member>,
    /// The last reading found nobody, and nobody slipped away from it. Without this somebody may live although `left` is
    /// empty.
    pub cleared: bool,
}

/// A stop as a trainer is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopNotice {
    /// The stop.
    pub id: StopId,
    /// The rule, or `manual`.
    pub rule: Arc<str>,
    /// Why.
    pub reason: String,
    /// How long until the next rung, milliseconds.
    pub deadline_ms: u64,
}

/// A stop at its start, its rungs and its end: for the journal and the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct StopRecord {
    /// Its id.
    pub id: StopId,
    /// Whom it ends.
    pub run: RunId,
    /// The rule, or `manual`.
    pub rule: Arc<str>,
    /// Why, in words.
    pub reason: String,
    /// Its way.
    pub ladder: Arc<Ladder>,
    /// The rung it stands on, from 0.
    pub rung: usize,
    /// When that rung began, boot clock.
    pub rung_since_ns: u64,
    /// When that rung ends, boot clock.
    pub rung_until_ns: u64,
}

/// How loud a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// For the curious.
    Info,
    /// Somebody should know.
    Warning,
    /// Something did not work.
    Error,
}

/// An output of the engine.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Watch this tree (of this user).
    Track(RunId, Root, u32),
    /// Watch it no longer.
    Untrack(RunId),
    /// Read this tree now.
    Read(RunId, ReadingCause),
    /// Send [`Event::Tree`] of it at once and then often: it is on a ladder.
    Follow(RunId),
    /// No longer.
    Unfollow(RunId),
    /// The stop begins, changes its rung or its deadline: written ahead of everything it does.
    Record(StopRecord),
    /// The stop is over, with its outcome.
    Close(StopRecord, super::StopOutcome),
    /// Give a signal.
    Signal(Shot),
    /// Read the tree and SIGKILL until nobody is left, 5 s at most.
    Sweep(Stretch),
    /// Answer or tell a client.
    Send(ConnId, Reply),
    /// Read the policy again (a client asked; it waits for [`Event::Policy`] or [`Event::ReloadFailed`]).
    Reload,
    /// The trial began, changed or ended: the journal keeps its head.
    Head(Arc<super::TrialView>),
    /// Ask these of this server again and again, and nothing else.
    Ask(Option<Arc<RemoteServer>>, Vec<RemoteQuestion>),
    /// Something of a client's was dropped.
    Drop(super::DropReason),
    /// A line for the log.
    Note(Loudness, String),
}
