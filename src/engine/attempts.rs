//! Earlier starts of the same name.

use std::sync::Arc;

use crate::model::{ErrorCode, Mode, Refusal, Resume, RunId, TrialView};

use super::Engine;
use super::hello::FullName;
use super::trial::Trial;

/// What is known of the last start of a name.
#[derive(Clone, Debug)]
pub struct LastAttempt {
    /// Which start it was.
    pub attempt: u32,
    /// Its run.
    pub run: RunId,
    /// The rule that stopped it, if one did.
    pub stopped_by: Option<Arc<str>>,
    /// The step it came to.
    pub last_step: u64,
    /// Its curve and counters, while they are kept.
    pub curve: Option<Arc<TrialView>>,
}

/// How many names are remembered; beyond it attempts of new names count from 1 again.
const MOST_NAMES: usize = 100_000;

impl Engine {
    /// Which start of the name the next one is.
    pub(super) fn attempt_after(&self, name: &FullName, resume: Resume) -> Result<u32, Refusal> {
        match (self.attempts.get(name), resume) {
            (None, _) => Ok(1),
            (Some(last), Resume::New | Resume::Continue) => Ok(last.attempt + 1),
            (Some(last), Resume::Never) => Err(Refusal::new(
                ErrorCode::NameUsed,
                format!("a trial {}/{} ran before (run {}) and resume is \"never\"", name.0, name.1, last.run),
                "give this one another name, or say \"resume\":\"new\" or \"continue\"",
            )),
        }
    }

    /// The start of a run's name before this one.
    pub(super) fn last_attempt(&self, run: RunId) -> Option<LastAttempt> {
        self.before.get(&run).cloned()
    }

    /// This start is the last one of its name from now on.
    pub(super) fn remember_attempt(&mut self, run: RunId) {
        let Some(trial) = self.trials.get(&run) else { return };
        let view = &trial.view;
        let name = (view.experiment.clone(), view.trial.clone());
        let living = view.state.is_living();
        let rule = view.exit.filter(|e| e.cause == crate::model::ExitCause::Rule).and(view.stop.as_ref());
        let last = LastAttempt {
            attempt: view.attempt,
            run,
            stopped_by: rule.map(|s| s.rule.clone()),
            last_step: super::progress::last_step(view),
            curve: (!living).then(|| view.clone()),
        };
        if self.attempts.len() >= MOST_NAMES && !self.attempts.contains_key(&name) {
            return;
        }
        let before = self.attempts.insert(name, last);
        match before.filter(|b| b.run != run) {
            Some(before) => drop(self.before.insert(run, before)),
            None if !living => drop(self.before.remove(&run)),
            None => {}
        }
    }

    /// A made-up name gave way to another.
    pub(super) fn forget_attempt(&mut self, name: &FullName) {
        self.attempts.remove(name);
    }

    /// An ended trial leaves memory; its name is remembered without its curve.
    pub(super) fn forget_curve(&mut self, view: &TrialView) {
        let name = (view.experiment.clone(), view.trial.clone());
        if let Some(last) = self.attempts.get_mut(&name).filter(|l| l.run == view.run) {
            last.curve = None;
        }
    }
}

impl Trial {
    /// The curve and the counters of an attempt before go on.
    pub(super) fn go_on_from(&mut self, last: &TrialView) {
        let modes: Vec<(String, Mode)> =
            last.metrics.iter().filter_map(|(name, m)| m.mode.map(|mode| (name.clone(), mode))).collect();
        self.modes.extend(modes);
        self.counted = last.progress.step;
        self.samples_seen = last.progress.samples_total;
        let view = self.view_mut();
        let own = std::mem::take(&mut view.progress);
        view.progress = last.progress.clone();
        view.progress.hello = own.hello;
        view.progress.last_heartbeat = own.last_heartbeat;
        view.progress.last_step_at = None;
        view.progress.since_step.clear();
        view.metrics = last.metrics.clone();
        view.metrics.values_mut().for_each(|m| m.last_word = None);
    }
}
