//! Trials that ended while no daemon was there.

use super::MANUAL;
use crate::model::{Exit, ExitCause, Moment, StopRecord, TrialState, TrialView};

/// A trial that ended while nobody looked; one that was on a ladder was stopped by it.
pub fn lost(mut view: TrialView, stop: Option<&StopRecord>, now: Moment) -> TrialView {
    let (state, cause) = match stop {
        Some(record) if &*record.rule == MANUAL => (TrialState::Stopped, ExitCause::Manual),
        Some(_) => (TrialState::Stopped, ExitCause::Rule),
        None => (TrialState::Lost, ExitCause::Unknown),
    };
    (view.state, view.ended, view.tree) = (state, Some(now), None);
    view.exit = Some(Exit { cause, status: None });
    view.rules.clear();
    view
}
