//! Steps that ask for an answer: rules over learning curves act on them at once, and the trainer hears whether to go on.
//!
//! Who trains for milliseconds is over before the next tick. Trainers of Optuna and Ray Tune wait at every report until it is
//! judged; so does one that asks here, and the verdict is about this very report. Where it wants to be looked at as well
//! (`sample`), it is judged, and answered, when the look is there: a rule acts on nobody that it has not seen twice.

use crate::model::{ConnId, Effect, Moment, Reply, Rule, RuleState, RunId};

use super::Engine;
use super::rules::{Standing, condemned, is_about, warming_up};
use super::stop::Force;
use super::trial::Trial;

/// A trainer that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    run: RunId,
    conn: ConnId,
    step: Option<u64>,
    judged: bool,
    since: Moment,
}

impl Engine {
    /// A step, taken in already, asks for an answer.
    pub(super) fn asked(&mut self, run: RunId, conn: ConnId, step: Option<u64>, now: Moment) {
        self.asked.push(Asked { run, conn, step, judged: false, since: now });
    }

    /// Lets rules over learning curves that condemn a trial act now, as a tick would.
    fn judge_report(&mut self, run: RunId, now: Moment) {
        let prepared = self.prepared.clone();
        for (index, rule) in prepared.iter().map(|p| &p.rule).enumerate().filter(|(_, rule)| rule.stopper.is_some()) {
            // One that has ended meanwhile has no standings any more.
            let Some(trial) = self.trials.get(&run) else { return };
            let Some(Some(own)) = trial.standings.get(index).and_then(Standing::said) else { continue };
            if !is_about(rule, trial) || warming_up(rule, trial, now) || self.is_unsure(run, rule, now) {
                continue;
            }
            let met = vec![condemned(trial, own)];
            let Some(trial) = self.trials.get_mut(&run) else { return };
            let Some(standing) = trial.standings.get_mut(index) else { return };
            let before = standing.state;
            standing.take(rule, met, now);
            if standing.strongest(now).is_some() {
                self.fire(run, index, rule, before != RuleState::Firing, now);
            }
        }
    }

    /// Whether nobody can say yet, or any more: as at a tick, but looks on demand count too.
    fn is_unsure(&self, run: RunId, rule: &Rule, now: Moment) -> bool {
        let Some(trial) = self.trials.get(&run) else { return true };
        let seen = trial.complete_at.is_some_and(|at| now.since(at) <= 3 * self.settings.interval_ns);
        let watched = !trial.has_tree() || trial.looks >= 2 && seen;
        let gap = self.gap.filter(|gap| trial.view.started <= *gap);
        !watched || gap.is_some_and(|gap| now.since(gap) < rule.looks_back_ns)
    }

    /// Judges and answers whom nothing keeps waiting: no look on demand, and no stop that is being confirmed. One that is asked
    /// to stop has that for an answer.
    pub(super) fn answer_asked(&mut self, now: Moment) {
        if self.asked.is_empty() {
            return;
        }
        for mut asked in std::mem::take(&mut self.asked) {
            // What takes longer than a rule would be sure of keeps nobody waiting.
            let may_wait = now.since(asked.since) <= 3 * self.settings.interval_ns;
            if !asked.judged {
                let looking = |trial: &Trial| trial.looking.is_some() && trial.view.state.is_living();
                if may_wait && self.trials.get(&asked.run).is_some_and(looking) {
                    self.asked.push(asked);
                    continue;
                }
                asked.judged = true;
                self.judge_report(asked.run, now);
            }
            let Some(trial) = self.trials.get(&asked.run) else { continue };
            if may_wait && trial.confirming.is_some() && trial.view.state.is_living() {
                self.asked.push(asked);
            } else if trial.stop.as_ref().is_none_or(|stop| stop.force < Force::Asked) {
                self.out.push(Effect::Send(asked.conn, Reply::Go(asked.step)));
            }
        }
    }
}
