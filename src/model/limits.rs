//! Bounds on what clients can make the daemon hold. Each can be set in `[limits]`.

/// The bounds, with the contract's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Running trials.
    pub running_trials: usize,
    /// Ended trials on /metrics.
    pub ended_trials: usize,
    /// Labels a trial.
    pub labels: usize,
    /// Params a trial.
    pub params: usize,
    /// Bytes of a label's or param's value.
    pub value_bytes: usize,
    /// Metrics a trial.
    pub metrics: usize,
    /// Phases a trial.
    pub phases: usize,
    /// Processes a trial.
    pub processes: usize,
    /// Workers a trial.
    pub workers: usize,
    /// Connections to the socket.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            running_trials: 4096,
            ended_trials: 1000,
            labels: 32,
            params: 64,
            value_bytes: 256,
            metrics: 64,
            phases: 16,
            processes: 10_000,
            workers: 1024,
            connections: 4096,
        }
    }
}

/// Why something was dropped, for `earlystop_dropped_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// A trial above the limit.
    Trials,
    /// A label above the limit.
    Labels,
    /// A param above the limit.
    Params,
    /// A metric above the limit.
    Metrics,
    /// A phase above the limit.
    Phases,
    /// A process above the limit.
    Processes,
    /// A worker above the limit.
    Workers,
    /// A connection above the limit.
    Connections,
    /// A line above 64 KiB.
    LongLine,
    /// A step for a trial that is not (any longer) running.
    NoTrial,
    /// A sample on demand within the same millisecond.
    Sample,
    /// An input the journal could not take.
    Journal,
    /// A tick that the history of queries could not take in time.
    QueryTick,
    /// A series that found no room in the history of queries.
    QuerySeries,
}

impl DropReason {
    /// All reasons, in the order of the exposition.
    pub const ALL: [DropReason; 14] = [
        DropReason::Trials,
        DropReason::Labels,
        DropReason::Params,
        DropReason::Metrics,
        DropReason::Phases,
        DropReason::Processes,
        DropReason::Workers,
        DropReason::Connections,
        DropReason::LongLine,
        DropReason::NoTrial,
        DropReason::Sample,
        DropReason::Journal,
        DropReason::QueryTick,
        DropReason::QuerySeries,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::Trials => "trials",
            DropReason::Labels => "labels",
            DropReason::Params => "params",
            DropReason::Metrics => "metrics",
            DropReason::Phases => "phases",
            DropReason::Processes => "processes",
            DropReason::Workers => "workers",
            DropReason::Connections => "connections",
            DropReason::LongLine => "long_line",
            DropReason::NoTrial => "no_trial",
            DropReason::Sample => "sample",
            DropReason::Journal => "journal",
            DropReason::QueryTick => "query_tick",
            DropReason::QuerySeries => "query_series",
        }
    }
}
