//! The vocabulary. Imports nothing of the house and reads nothing of the world.

mod counters;
mod diagnostic;
mod event;
mod heartbeat;
mod ladder;
mod limits;
mod name;
mod process;
mod remote;
mod rule;
mod sample;
mod server;
mod shorthand;
mod snapshot;
mod stopper;
mod talk;
mod time;
mod view;

pub use counters::{COUNTED_SIGNALS, Counters, Row};
pub use diagnostic::{Diagnostic, Severity};
pub use event::{
    Effect, Event, Exited, Line, Loudness, Member, Reading, ReadingCause, Register, Said, Shot, SignalResult,
    Signalled, StopNotice, StopRecord, Stretch, Swept, Tree,
};
pub use heartbeat::{Done, DoneStatus, Hello, Mode, Objective, ProcessUse, Resume, Step, TrialSpec, Voice};
pub use ladder::{Ladder, Rung, Signal, Target};
pub use limits::{DropReason, Limits};
pub use name::{BadName, ConnId, Name, RunId, StopId};
pub use process::{ExitStatus, ExitUsage, Peer, Position, ProcKey, Root};
pub use remote::{RemoteAnswer, RemoteOutcome, RemoteQuestion, RemoteSeries};
pub use rule::{Action, Evaluate, Filter, Guard, Measure, Policy, Rule, Scope, Settings};
pub use sample::{HostSample, Memory, Pair, ProcSample, RunState, SourceName, Tick, TreeSample};
pub use server::{Access, Endpoint, Password, RemoteServer, Secret, TlsFiles};
pub use shorthand::{Arithmetic, Comparison, SeriesName, Shorthand};
pub use snapshot::{AlertView, RuleTotals, Snapshot};
pub use stopper::{
    AshaDialect, Axis, Extent, FutilityVariant, MedianDialect, PatienceDialect, PrecheltCriterion, PredictionDialect,
    Slack, StopperKind, StopperSpec,
};
pub use talk::{ErrorCode, Refusal, Reply, Request, StopRequest, WatchRequest, Welcome};
pub use time::{MILLI, Moment, SECOND};
pub use view::{
    Exit, ExitCause, Improvement, MetricView, PartView, Progress, RuleState, RuleView, STEP_BUCKETS, StepTimes,
    StopOutcome, StopView, Totals, TrialState, TrialView,
};
