//! An actuator that gives nothing: it notes what it was told, for replay and for tests.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Actuator, Sweep};
use crate::model::{RunId, Shot, StopId};

/// Notes shots and sweeps; clones share their notes.
#[derive(Clone, Debug, Default)]
pub struct Dry {
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    shots: Vec<Shot>,
    sweeps: Vec<(StopId, RunId)>,
}

impl Dry {
    /// The shots so far.
    pub fn shots(&self) -> Vec<Shot> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).shots.clone()
    }

    /// The sweeps so far.
    pub fn sweeps(&self) -> Vec<(StopId, RunId)> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).sweeps.clone()
    }
}

impl Actuator for Dry {
    fn signal(&self, shot: Shot) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).shots.push(shot);
    }

    fn sweep(&self, sweep: Sweep) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).sweeps.push((sweep.stretch.stop, sweep.stretch.run));
    }
}
