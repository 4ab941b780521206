//! What became of the trials that learning rules condemned and did not stop: without some of those nobody knows how often a
//! rule is wrong.

use crate::model::{Mode, Rule, RunId, StopOutcome, TrialState, TrialView};
use crate::stopper::End;

use super::Engine;

/// Seed of the draws. Runs have random ids: another seed would spare others, not more.
const SEED: u64 = 0;

/// A number from 0 to 1 (1 excluded) that is a run's own: the same for every learning rule and in every replay.
pub(super) fn draw(run: RunId) -> f64 {
    // SplitMix64's finaliser (Steele, Lea, Flood 2014) over both halves.
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let golden = 0x9e37_79b9_7f4a_7c15_u64;
    let first = mix(SEED.wrapping_add(golden).wrapping_add((run.0 >> 64) as u64));
    let both = mix(first.wrapping_add(golden) ^ run.0 as u64);
    (both >> 11) as f64 / (1u64 << 53) as f64
}

/// Why a rule spares a run that its draw holds out.
pub(super) fn held_out(rule: &Rule, run: RunId) -> Option<String> {
    let draw = draw(run);
    (draw < rule.holdout).then(|| format!("held out: its draw {draw:.4} is below {}", rule.holdout))
}

/// Whether a trial was condemned by a rule and went on all the same, so that its end tells whether the rule was right.
fn was_spared_by(view: &TrialView, rule: &Rule) -> bool {
    [StopOutcome::HeldOut, StopOutcome::Observed].into_iter().any(|o| view.stops.contains_key(&(rule.name.clone(), o)))
}

impl Engine {
    /// A trial has ended: what it tells of the rules that condemned it, and whether any did.
    pub(super) fn learn_from_end(&mut self, run: RunId) {
        let Some(view) = self.trials.get(&run).map(|t| t.view.clone()) else { return };
        let learning: Vec<_> = self.policy.rules.iter().filter(|r| r.learns).cloned().collect();
        let condemns = |rule: &Rule| view.stops.keys().any(|(name, _)| *name == rule.name);
        if let Some(record) = self.records.get_mut(run) {
            record.condemned |= learning.iter().any(|rule| condemns(rule));
        }
        for rule in learning.iter().filter(|rule| was_spared_by(&view, rule)) {
            let verdict = self.was_wrong(&view, rule);
            let totals = self.rule_totals.entry(rule.name.clone()).or_default();
            match verdict {
                Some(wrong) => {
                    totals.spared_finished += 1;
                    totals.false_stops += u64::from(wrong);
                }
                None => totals.spared_censored += 1,
            }
        }
    }

    /// Whether a trial that a rule condemned finished better than the best that finished and was never condemned; `None`
    /// where nobody can say: it did not finish, or there is nothing to compare it with.
    fn was_wrong(&self, view: &TrialView, rule: &Rule) -> Option<bool> {
        if view.state != TrialState::Completed {
            return None;
        }
        let (metric, mode) = self.measure_of(view, rule)?;
        let last = |run: RunId| Some(self.records.get(run)?.curves.get(metric)?.last()?.value);
        let own = last(view.run).filter(|v| v.is_finite())?;
        let sound = |run: &RunId| {
            self.records
                .get(*run)
                .is_some_and(|r| r.end == End::Complete && !r.condemned && r.facts.trial != view.trial)
        };
        let runs = self.records.of(&view.experiment).map(|(run, _)| run).filter(sound);
        let best =
            runs.filter_map(last).filter(|v| v.is_finite()).reduce(|a, b| if mode.better(a, b) { a } else { b })?;
        Some(mode.better(own, best))
    }

    /// By which metric a learning rule is judged: its own, else the trial's objective.
    fn measure_of<'v>(&self, view: &'v TrialView, rule: &'v Rule) -> Option<(&'v str, Mode)> {
        let objective = view.objective.as_ref();
        match &rule.stopper {
            Some(spec) => {
                let told = || view.metrics.get(&spec.metric).and_then(|m| m.mode);
                Some((&spec.metric, spec.mode.or_else(told)?))
            }
            None => objective.map(|o| (o.metric.as_str(), o.mode)),
        }
    }
}
