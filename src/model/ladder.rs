//! Ladders: the rungs that end a trial.

use std::fmt;
use std::sync::Arc;

use super::SECOND;

/// A signal that a rung may give.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(pub i32);

/// Names and numbers of the signals that a policy may name (Linux, asm-generic/signal.h).
const SIGNALS: [(&str, i32); 8] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGTERM", 15),
    ("SIGCONT", 18),
];

impl Signal {
    /// Asks a process to end.
    pub const TERM: Signal = Signal(15);
    /// Ends a process.
    pub const KILL: Signal = Signal(9);
    /// Wakes a stopped process.
    pub const CONT: Signal = Signal(18);

    /// The signal of this name, with or without `SIG`.
    pub fn named(name: &str) -> Option<Signal> {
        let full = |n: &str| n == name || n.strip_prefix("SIG") == Some(name);
        SIGNALS.iter().find(|(n, _)| full(n)).map(|(_, number)| Signal(*number))
    }

    /// The names a policy may use.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SIGNALS.iter().map(|(name, _)| *name).filter(|name| *name != "SIGCONT")
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIGNALS.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.pad(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Who gets a rung's signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Every process of the tree.
    #[default]
    Tree,
    /// The process that said hello, else the root.
    Trainer,
}

/// One rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Tell a connected trainer to stop.
    pub ask: bool,
    /// The signal to give.
    pub signal: Option<Signal>,
    /// Who gets it.
    pub to: Target,
    /// How long to wait for the tree to end, nanoseconds.
    pub wait_ns: u64,
    /// How long an `ack` may lengthen the wait to, nanoseconds.
    pub max_ns: u64,
}

/// The way down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Its name in the policy.
    pub name: Arc<str>,
    /// From the first to the last.
    pub rungs: Vec<Rung>,
}

impl Ladder {
    /// The default: ask and wait 10 s (5 min if a checkpoint is being written), SIGTERM and wait 10 s, SIGKILL.
    pub fn gentle() -> Ladder {
        let rung = |ask, signal, wait, max| Rung {
            ask,
            signal,
            to: Target::Tree,
            wait_ns: wait * SECOND,
            max_ns: max * SECOND,
        };
        Ladder {
            name: "gentle".into(),
            rungs: vec![
                rung(true, None, 10, 300),
                rung(false, Some(Signal::TERM), 10, 10),
                rung(false, Some(Signal::KILL), 0, 0),
            ],
        }
    }

    /// The default for rules on memory, swap and the host: ask and SIGTERM together, 2 s, SIGKILL.
    pub fn urgent() -> Ladder {
        let rung = |ask, signal, wait| Rung {
            ask,
            signal: Some(signal),
            to: Target::Tree,
            wait_ns: wait * SECOND,
            max_ns: wait * SECOND,
        };
        Ladder { name: "urgent".into(), rungs: vec![rung(true, Signal::TERM, 2), rung(false, Signal::KILL, 0)] }
    }

    /// Time until its last rung begins if nobody leaves earlier, nanoseconds.
    pub fn length_ns(&self) -> u64 {
        self.rungs.iter().map(|r| r.wait_ns).sum()
    }
}
