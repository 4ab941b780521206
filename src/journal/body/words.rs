//! Closed lists of the vocabulary as words.

use serde_json::Value;

use super::{Broken, Format, Json, Times};
use crate::model::{
    DoneStatus, DropReason, ExitCause, Mode, ProcessUse, ReadingCause, Resume, RuleState, RunState, SignalResult,
    SourceName, StopOutcome, Target, TrialState, Voice,
};

/// Each value and its word, once; the compiler sees to it that none is forgotten.
macro_rules! words {
    ($ty:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl Json for $ty {
            fn put(&self) -> Value {
                match self {
                    $($ty::$variant => $word.into(),)+
                }
            }
            fn take(value: &Value) -> Result<Self, Broken> {
                match value.as_str() {
                    $(Some($word) => Ok($ty::$variant),)+
                    _ => super::wanted(concat!("one of", $(" ", $word),+), value),
                }
            }
        }
    };
}

words!(Format { Csv = "csv", MlflowFile = "mlflow_file", MlflowServer = "mlflow_server", TensorBoard = "tensorboard" });
words!(Times { Recorded = "recorded", MadeUp = "made_up" });
words!(Mode { Min = "min", Max = "max" });
words!(Resume { New = "new", Continue = "continue", Never = "never" });
words!(ProcessUse { Own = "own", Shared = "shared" });
/// Left out where it is the trainer itself, as it was before the two were told apart.
impl Json for Voice {
    fn put(&self) -> Value {
        match self {
            Voice::Own => Value::Null,
            Voice::Command => "command".into(),
        }
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        match value {
            Value::Null => Ok(Voice::Own),
            Value::String(word) if word == "command" => Ok(Voice::Command),
            _ => super::wanted("\"command\" or nothing", value),
        }
    }
}

words!(DoneStatus { Completed = "completed", Failed = "failed", Stopped = "stopped" });
words!(Target { Tree = "tree", Trainer = "trainer" });
words!(RunState { Alive = "alive", Stopped = "stopped", Uninterruptible = "uninterruptible", Zombie = "zombie" });
words!(ReadingCause { Confirm = "confirm", Weigh = "weigh", Demand = "demand", Exit = "exit" });
words!(SignalResult { Sent = "sent", Gone = "gone", Denied = "denied", Unsure = "unsure", Error = "error" });
words!(RuleState { Unknown = "unknown", Inactive = "inactive", Pending = "pending", Firing = "firing" });
words!(TrialState {
    Running = "running",
    Stopping = "stopping",
    Completed = "completed",
    Stopped = "stopped",
    Failed = "failed",
    Lost = "lost",
});
words!(ExitCause {
    Completed = "completed",
    Itself = "self",
    Rule = "rule",
    Manual = "manual",
    OomKernel = "oom_kernel",
    Signal = "signal",
    Unknown = "unknown",
});
words!(StopOutcome {
    Asked = "asked",
    Terminated = "terminated",
    Killed = "killed",
    Failed = "failed",
    Ignored = "ignored",
    Observed = "observed",
    HeldOut = "held_out",
    Limited = "limited",
});
words!(SourceName {
    Processes = "processes",
    Io = "io",
    Status = "status",
    Proportional = "proportional",
    Cgroup = "cgroup",
    HostMemory = "host_memory",
    HostCpu = "host_cpu",
    Pressure = "pressure",
});
words!(DropReason {
    Trials = "trials",
    Labels = "labels",
    Params = "params",
    Metrics = "metrics",
    Phases = "phases",
    Processes = "processes",
    Workers = "workers",
    Connections = "connections",
    LongLine = "long_line",
    NoTrial = "no_trial",
    Sample = "sample",
    Journal = "journal",
    QueryTick = "query_tick",
    QuerySeries = "query_series",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_exposition() {
        TrialState::ALL.iter().for_each(|v| assert_eq!(v.put(), v.as_str()));
        StopOutcome::ALL.iter().for_each(|v| assert_eq!(v.put(), v.as_str()));
        SourceName::ALL.iter().for_each(|v| assert_eq!(v.put(), v.as_str()));
        DropReason::ALL.iter().for_each(|v| assert_eq!(v.put(), v.as_str()));
        SignalResult::ALL.iter().for_each(|v| assert_eq!(v.put(), v.as_str()));
        assert_eq!(ExitCause::Itself.put(), ExitCause::Itself.as_str());
        assert!(Mode::take(&"min".into()).is_ok());
        assert!(Mode::take(&"most".into()).unwrap_err().to_string().contains("one of min max"));
    }
}
