//! Who stands in for the world: answers the engine's effects, and says what of the record it still gets.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::Engine;
use crate::model::{Effect, Event, Moment, Policy, Settings};

/// Where the replay stands: the input that is fed, and the engine after it.
pub(super) struct Scene<'e> {
    /// The input's place in the journal.
    pub seq: i64,
    /// Its moment.
    pub at: Moment,
    /// The engine, after the event.
    pub engine: &'e Engine,
}

/// Stands in for the world.
pub(super) trait Cast {
    /// What the engine is made with, where a daemon's was made with this.
    fn settings(&self, recorded: &Settings) -> Settings {
        recorded.clone()
    }

    /// The policy from the beginning of a life on; `None`: that of the record, which comes next.
    fn standing(&mut self, settings: &Settings) -> Option<Arc<Policy>>;

    /// The record has another policy from now on.
    fn policy(&mut self, texts: &BTreeMap<PathBuf, String>, settings: &Settings) -> Option<Arc<Policy>>;

    /// An input of the record as the engine is to get it, if it still can happen.
    fn admit(&mut self, seq: i64, at: Moment, event: Event, engine: &Engine) -> Option<Event>;

    /// The engine did this; what follows from it at once goes into `answers`.
    fn effect(&mut self, scene: &Scene<'_>, effect: &Effect, answers: &mut VecDeque<Event>);

    /// An input of the record and all that followed from it is over.
    fn after(&mut self, _scene: &Scene<'_>) {}

    /// Another daemon takes over: connections are gone.
    fn new_life(&mut self, _at: Moment) {}
}
