//! Readings of the system. Everything is an `Option` where a file may be missing or unreadable: a failed reading has no
//! value, never an old one.

use std::sync::Arc;

use super::{Moment, ProcKey, RunId};

/// Memory of one process or the sum over a tree, bytes, both from the same `statm` read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident pages.
    pub resident: u64,
    /// Resident pages that are backed by a file or shared memory (`statm` "shared").
    pub shared: u64,
}

impl Memory {
    /// RSS - shared, the figure the rules call `memory`.
    pub fn private(self) -> u64 {
        self.resident.saturating_sub(self.shared)
    }
}

/// What a process was doing when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Runs, waits or sleeps.
    Alive,
    /// Stopped by a signal (T) or traced (t).
    Stopped,
    /// In uninterruptible sleep (D): a signal waits.
    Uninterruptible,
    /// Ended, waits to be reaped.
    Zombie,
}

/// One process at one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcSample {
    /// Who.
    pub key: ProcKey,
    /// Its memory, if it could be read.
    pub memory: Option<Memory>,
    /// CPU of the process itself so far, seconds.
    pub cpu_seconds: f64,
    /// Command name, 15 characters, as of its first reading.
    pub comm: Arc<str>,
}

/// A counter split in two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pair<T> {
    /// Read, voluntary or user part.
    pub first: T,
    /// Written, involuntary or system part.
    pub second: T,
}

/// A whole tree at one tick: sums over its members. Counters never fall while the trial lives.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeSample {
    /// Whose tree.
    pub run: RunId,
    /// Whether every living member could be read; rules are unsure about an incomplete one.
    pub complete: bool,
    /// Summed memory; `None` when no member could be read.
    pub memory: Option<Memory>,
    /// Swapped out, bytes.
    pub swap: Option<u64>,
    /// Proportional set size, bytes, only where the dear reading is asked for.
    pub proportional: Option<u64>,
    /// Nearest cgroup limit, else the host's memory, bytes.
    pub limit: Option<u64>,
    /// CPU seconds, user and system, exited children included.
    pub cpu: Pair<f64>,
    /// CPU used since the reading before, 1 = one core.
    pub utilization: Option<f64>,
    /// Living processes (zombies do not count).
    pub processes: u32,
    /// Threads of the living processes.
    pub threads: u32,
    /// Bytes read from and written to storage.
    pub io: Option<Pair<u64>>,
    /// Major page faults.
    pub major_faults: Option<u64>,
    /// Context switches, voluntary and involuntary.
    pub switches: Option<Pair<u64>>,
    /// The members, in the order of pids.
    pub members: Arc<[ProcSample]>,
}

/// The host at one tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostSample {
    /// Memory that can be had without swapping, bytes.
    pub memory_available: Option<u64>,
    /// All memory, bytes.
    pub memory_total: Option<u64>,
    /// Busy share of all cores since the tick before, 0 to 1.
    pub cpu_utilization: Option<f64>,
    /// Stall time so far, seconds: resource (cpu, memory, io), kind (some, full).
    pub pressure: Vec<(&'static str, &'static str, f64)>,
}

/// A source of readings, for `earlystop_source_up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceName {
    /// `statm`, `stat` of processes.
    Processes,
    /// `/proc/PID/io`.
    Io,
    /// `/proc/PID/status` (swap, context switches).
    Status,
    /// `smaps_rollup`.
    Proportional,
    /// cgroup files.
    Cgroup,
    /// `/proc/meminfo`.
    HostMemory,
    /// `/proc/stat`.
    HostCpu,
    /// `/proc/pressure`.
    Pressure,
}

impl SourceName {
    /// All sources, in the order of the exposition.
    pub const ALL: [SourceName; 8] = [
        SourceName::Processes,
        SourceName::Io,
        SourceName::Status,
        SourceName::Proportional,
        SourceName::Cgroup,
        SourceName::HostMemory,
        SourceName::HostCpu,
        SourceName::Pressure,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceName::Processes => "processes",
            SourceName::Io => "io",
            SourceName::Status => "status",
            SourceName::Proportional => "proportional",
            SourceName::Cgroup => "cgroup",
            SourceName::HostMemory => "host_memory",
            SourceName::HostCpu => "host_cpu",
            SourceName::Pressure => "pressure",
        }
    }
}

/// One pass over everything that is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// When the pass began; the time of every sample in it.
    pub at: Moment,
    /// How long the pass took, nanoseconds.
    pub took_ns: u64,
    /// Ticks left out because this or an earlier pass took too long, since the daemon started.
    pub overruns: u64,
    /// The trees.
    pub trees: Vec<TreeSample>,
    /// The host.
    pub host: HostSample,
    /// Which sources could be read; a source nobody asked for is left out.
    pub up: Vec<(SourceName, bool)>,
}
