//! What others may look at between two events: trials as they stand, and stops under way. For replays, which answer the
//! engine in the place of the world.

use std::sync::Arc;

use crate::model::{RunId, StopRecord, TrialView};

use super::Engine;

impl Engine {
    /// A trial from outside, without its rules; `None` if it never was or is forgotten.
    pub fn view(&self, run: RunId) -> Option<&Arc<TrialView>> {
        self.trials.get(&run).map(|trial| &trial.view)
    }

    /// All that live, in the order of their start, without their rules.
    pub fn living(&self) -> impl Iterator<Item = &Arc<TrialView>> {
        self.living.iter().filter_map(|run| self.view(*run))
    }

    /// The stop that a trial is on.
    pub fn stop_under_way(&self, run: RunId) -> Option<&StopRecord> {
        self.trials.get(&run)?.stop.as_ref().map(|stop| &stop.record)
    }

    /// Nothing happened between the last tick and the next, however much time lies between them: it is no gap. For clocks that
    /// somebody made up.
    pub fn close_gap(&mut self) {
        self.last_tick = None;
    }
}
