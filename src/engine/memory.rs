//! What is remembered of trials when a daemon comes back: learned from what they said to the daemons before.

use std::sync::Arc;

use crate::model::{Event, Exit, ExitCause, Moment, Name, Policy, Said, Settings, TrialState, TrialView};

use super::Engine;
use super::learning::Learners;
use super::records::Records;

/// The curves of all trials, and how they ended.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    records: Records,
}

/// Listens to what trials said once, and remembers what rules read of it.
pub struct Scribe {
    engine: Engine,
}

impl Scribe {
    /// Takes down what the rules of a policy read.
    pub fn new(settings: &Settings, policy: &Arc<Policy>) -> Scribe {
        let mut settings = settings.clone();
        // Who ended unseen lives on here: there must be room for all who come after.
        settings.limits.running_trials = usize::MAX;
        let mut engine = Engine::new(settings, || 0, Moment::default());
        engine.step(Moment::default(), &Event::Policy(policy.clone()));
        engine.learners = Learners::deaf(&policy.rules);
        Scribe { engine }
    }

    /// A daemon began: connections of the life before are no more.
    pub fn begin_life(&mut self) {
        self.engine.conns.clear();
    }

    /// An input of then.
    pub fn hear(&mut self, at: Moment, event: &Event) {
        let name = match event {
            Event::Register(register) => Some((&register.spec, register.run)),
            Event::Line(line) => match &line.said {
                Said::Hello(hello, run) => Some((&hello.spec, *run)),
                _ => None,
            },
            _ => None,
        };
        // It was taken in then: whoever had the name before had ended, seen or unseen.
        if let Some((spec, run)) = name.filter(|(_, run)| !self.engine.trials.contains_key(run))
            && let Some(trial) = &spec.trial
        {
            let experiment = spec.experiment.clone().unwrap_or_else(Name::default_experiment);
            let has = |view: &TrialView| view.experiment == experiment && view.trial == *trial && view.run != run;
            let before = self.engine.living.iter().find(|r| has(&self.engine.trials[r].view)).copied();
            let joins = matches!(event, Event::Line(line) if super::trial::run_at(line.peer.position) == before);
            if let Some(before) = before.filter(|_| !joins) {
                self.engine.end(before, TrialState::Lost, Exit { cause: ExitCause::Unknown, status: None }, at);
            }
        }
        self.engine.step(at, event);
    }

    /// A trial as the journal has it at the end.
    pub fn settle(&mut self, view: &TrialView) {
        self.engine.records.settle(view);
    }

    /// What is remembered.
    pub fn finish(mut self) -> Remembered {
        self.engine.records.forget_readings();
        Remembered { records: self.engine.records }
    }
}

impl Engine {
    /// Trials of daemons before this one are compared with as if they had been this one's; before [`Engine::restore`].
    pub fn remember(&mut self, memory: Remembered) {
        self.records = memory.records;
        self.forget_fields();
    }
}
