//! What a rule's expression reads, as far as the engine must know before it evaluates it.

use crate::model::MILLI;
use crate::promql::Expr;

/// Series that tell of heartbeats: after a gap a rule about them waits for a new one.
const HEARTBEATS: [&str; 3] =
    ["trial_last_heartbeat_timestamp_seconds", "trial_since_step_seconds", "trial_startup_seconds"];

/// How the names of series begin that the trainer measured.
const LEARNING: [&str; 4] = ["trial_metric", "trial_steps_since_", "trial_reports_since_", "trial_final_metric"];

/// What an expression reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// How far back, nanoseconds.
    pub looks_back_ns: u64,
    /// Heartbeats.
    pub heartbeats: bool,
    /// What the trainer measured.
    pub learning: bool,
}

impl Reads {
    /// Of an expression.
    pub fn of(expr: &Expr) -> Reads {
        let names: Vec<&str> = expr.selectors().iter().filter_map(|s| s.name()).collect();
        let any = |fits: &dyn Fn(&str) -> bool| names.iter().any(|name| fits(name));
        let looks_back = u64::try_from(expr.looks_back()).unwrap_or(0);
        Reads {
            looks_back_ns: looks_back.saturating_mul(MILLI),
            heartbeats: any(&|name| HEARTBEATS.contains(&name)),
            learning: any(&|name| LEARNING.iter().any(|begin| name.starts_with(begin))),
        }
    }
}
