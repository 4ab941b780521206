//! Processes: who they are, where they stand, how they ended.

use super::RunId;

/// The identity of a process. A bare pid never crosses a module border: this does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcKey {
    /// The number in the daemon's pid namespace.
    pub pid: u32,
    /// Start time, clock ticks since boot (`/proc/PID/stat` field 22).
    pub start: u64,
    /// Inode of its pidfd where the kernel makes it unique (pidfs), else 0.
    pub inode: u64,
}

/// The process that a trial's tree grows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The root itself.
    pub key: ProcKey,
    /// The `run` process above it, if there is one: every descendant of it belongs to the trial, itself excluded.
    pub subreaper: Option<ProcKey>,
}

/// Where a process stands with regard to the trees that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// In no tree.
    Outside,
    /// The root of this running trial.
    Root(RunId),
    /// A member, not the root, of this running trial (the one of its nearest root).
    Inside(RunId),
}

/// The process at the other end of a connection, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// The process, or `None` where this pid namespace cannot see it.
    pub key: Option<ProcKey>,
    /// Where it stands.
    pub position: Position,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It left with this code.
    Code(u8),
    /// This signal ended it.
    Signal(u8),
}

/// What `wait4` says of an ended process and the children it waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExitUsage {
    /// User CPU, seconds.
    pub user_seconds: f64,
    /// System CPU, seconds.
    pub system_seconds: f64,
    /// Largest resident memory of the process or of one child it waited for, bytes, shared pages included; 0: not known.
    pub max_resident: u64,
}
