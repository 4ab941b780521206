//! Memory over time: what a trial held, added up.

use std::collections::HashMap;

use crate::model::{Moment, RunId, SECOND, Tick};

/// Byte-seconds by trial.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(HashMap<RunId, Held>);

#[derive(Clone, Copy, Debug)]
struct Held {
    byte_seconds: f64,
    bytes: f64,
    seen: Moment,
}

/// Memory is held as it was seen until it is seen again, for so many intervals at most: beyond them nobody looked.
const INTERVALS: u64 = 3;

impl Meter {
    /// A tick of the record.
    pub fn tick(&mut self, tick: &Tick, interval_ns: u64) {
        let longest = (INTERVALS * interval_ns).max(SECOND);
        for tree in &tick.trees {
            let Some(memory) = tree.memory else { continue };
            let bytes = memory.private() as f64;
            let held = self.0.entry(tree.run).or_insert(Held { byte_seconds: 0.0, bytes, seen: tick.at });
            let passed = tick.at.since(held.seen).min(longest) as f64 / SECOND as f64;
            held.byte_seconds += held.bytes * passed;
            (held.bytes, held.seen) = (bytes, tick.at);
        }
    }

    /// What a trial has held so far, GiB-hours.
    pub fn gib_hours(&self, run: RunId) -> f64 {
        const GIB_HOUR: f64 = (1_u64 << 30) as f64 * 3600.0;
        self.0.get(&run).map_or(0.0, |held| held.byte_seconds / GIB_HOUR)
    }
}
