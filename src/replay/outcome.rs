//! What came of it: what was saved, what was kept, and what nobody can know.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::past::{Lived, Past};
use super::retold::{Retold, Stop};
use super::score::{self, Cost, Select};
use crate::model::{ExitCause, Moment, Name, Objective, RunId, TrialState, TrialView};

/// What was used, in every unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// Steps as reported.
    pub steps: f64,
    /// Seconds.
    pub seconds: f64,
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Memory over time.
    pub gib_hours: f64,
}

impl Used {
    /// In one unit.
    pub fn of(&self, cost: Cost) -> f64 {
        match cost {
            Cost::Steps => self.steps,
            Cost::Seconds => self.seconds,
            Cost::CpuSeconds => self.cpu_seconds,
        }
    }

    fn add(&mut self, other: Used) {
        self.steps += other.steps;
        self.seconds += other.seconds;
        self.cpu_seconds += other.cpu_seconds;
        self.gib_hours += other.gib_hours;
    }

    fn less(self, other: Used) -> Used {
        Used {
            steps: (self.steps - other.steps).max(0.0),
            seconds: (self.seconds - other.seconds).max(0.0),
            cpu_seconds: (self.cpu_seconds - other.cpu_seconds).max(0.0),
            gib_hours: (self.gib_hours - other.gib_hours).max(0.0),
        }
    }

    /// By a trial until a moment.
    fn by(view: &TrialView, until: Moment, gib_hours: f64) -> Used {
        let cpu = view.totals.cpu;
        Used {
            steps: view.progress.steps_total as f64,
            seconds: view.elapsed(until),
            cpu_seconds: cpu.first + cpu.second,
            gib_hours,
        }
    }
}

/// A trial that the policy stopped.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The trial as the record has it.
    pub view: Arc<TrialView>,
    /// The stop.
    pub stop: Stop,
    /// What the rest of its record took.
    pub saved: Used,
    /// The record ends before the trial would have: at least so much is saved.
    pub at_least: bool,
    /// Its last report of the objective was there already: it counts as finished.
    pub finished: bool,
}

/// Bounds on one figure: the one that is worst for the policy, and the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lowest that it can be; may be infinite.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Bounds {
    /// What is known.
    pub fn exact(value: f64) -> Bounds {
        Bounds { low: value, high: value }
    }
}

/// One experiment's objective.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name.
    pub name: Name,
    /// What it is judged by.
    pub objective: Objective,
    /// Trials whose end the record has.
    pub complete: usize,
    /// Of the censored trials, those that the policy would have let go on beyond the record.
    pub beyond: usize,
    /// The best of all, and the best that was kept.
    pub best: f64,
    /// `None`: none survived.
    pub kept_best: Option<f64>,
    /// 1 if the best was kept, 0 if not.
    pub kept: Bounds,
    /// What was lost as a share of the best.
    pub regret: Bounds,
    /// What was lost as a share of what the best is better than the median.
    pub regret_scaled: Bounds,
}

/// What came of it, over all journals.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// All trials of the record.
    pub trials: usize,
    /// What the record took.
    pub recorded: Used,
    /// What would have been used.
    pub used: Used,
    /// What that can be in steps where trials would have gone on beyond the record, if their totals are known.
    pub beyond_steps: Option<f64>,
    /// Trials that the policy stopped, in the order of the stops.
    pub stopped: Vec<Stopped>,
    /// Trials that never began.
    pub never: usize,
    /// Trials whose end the record does not have.
    pub censored: usize,
    /// Of these, those that the policy would have let go on.
    pub beyond: usize,
    /// Experiments with an objective and a trial that ended.
    pub experiments: Vec<Experiment>,
    /// Experiments without, by name.
    pub without: Vec<Name>,
}

/// Whether the record has the trial's own end: nobody and nothing else ended it.
fn is_known(view: &TrialView) -> bool {
    let by_itself = view.exit.is_some_and(|exit| exit.cause == ExitCause::Itself);
    view.state == TrialState::Completed || (view.state == TrialState::Stopped && by_itself)
}

/// What is asked of the outcome.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// In the place of the trials' own objectives.
    pub objective: Option<Objective>,
    /// Which value of a trial counts.
    pub select: Select,
}

impl Outcome {
    /// Adds one journal.
    pub fn add(&mut self, past: &Past, told: &Retold, question: &Question) {
        let mut experiments: BTreeMap<&Name, Vec<Told<'_>>> = BTreeMap::new();
        for (run, lived) in &past.trials {
            let one = Told::new(*run, lived, past, told, question);
            self.trials += 1;
            self.recorded.add(one.recorded);
            self.used.add(one.used);
            self.never += usize::from(one.never);
            self.censored += usize::from(!one.known);
            if one.goes_beyond() {
                self.beyond += 1;
                let left = lived.view.progress.target_steps.map(|r| r.saturating_sub(lived.view.progress.steps_total));
                let so_far = if self.beyond == 1 { Some(0.0) } else { self.beyond_steps };
                self.beyond_steps = so_far.zip(left).map(|(sum, left)| sum + left as f64);
            }
            if let Some(stop) = one.stop {
                self.stopped.push(Stopped {
                    view: lived.view.clone(),
                    stop: stop.clone(),
                    saved: one.recorded.less(one.used),
                    at_least: !one.known,
                    finished: one.finished,
                });
            }
            experiments.entry(&lived.view.experiment).or_default().push(one);
        }
        self.stopped.sort_by_key(|stopped| stopped.stop.at);
        for (name, trials) in experiments {
            match Experiment::of(name, &trials, question) {
                Some(experiment) => self.experiments.push(experiment),
                None => self.without.push(name.clone()),
            }
        }
    }

    /// Recorded cost over used cost. The lower bound has what trials would have used beyond the record; 0 where nobody knows.
    pub fn speedup(&self, cost: Cost) -> Bounds {
        let ratio = |recorded: f64, used: f64| if recorded == used { 1.0 } else { recorded / used };
        let (recorded, used) = (self.recorded.of(cost), self.used.of(cost));
        let high = ratio(recorded, used);
        let low = match (self.beyond, cost, self.beyond_steps) {
            (0, ..) => high,
            (_, Cost::Steps, Some(more)) => ratio(recorded, used + more),
            _ => 0.0,
        };
        Bounds { low, high }
    }
}

/// One trial, before and after.
struct Told<'a> {
    lived: &'a Lived,
    stop: Option<&'a Stop>,
    recorded: Used,
    used: Used,
    known: bool,
    never: bool,
    finished: bool,
    value: Option<f64>,
}

impl<'a> Told<'a> {
    fn new(run: RunId, lived: &'a Lived, past: &Past, told: &'a Retold, question: &Question) -> Told<'a> {
        let view = &*lived.view;
        let stop = told.stops.get(&run);
        let never = told.never.contains(&run);
        let recorded = Used::by(view, past.end, lived.gib_hours);
        let used = match stop {
            _ if never => Used::default(),
            Some(stop) if !stop.in_record => Used::by(&stop.view, stop.at, stop.gib_hours),
            _ => recorded,
        };
        let objective = question.objective.as_ref().or(view.objective.as_ref());
        let reports = |view: &TrialView| objective.and_then(|o| view.metrics.get(&o.metric)).map_or(0, |m| m.reports);
        let finished = stop.is_some_and(|stop| reports(view) > 0 && reports(&stop.view) >= reports(view));
        let value = objective.and_then(|o| score::final_value(view, o, question.select));
        Told { lived, stop, recorded, used, known: is_known(view), never, finished, value }
    }

    fn survives(&self) -> bool {
        !self.never && (self.stop.is_none() || self.finished)
    }

    /// The record ends, and the policy would have let it go on.
    fn goes_beyond(&self) -> bool {
        !self.known && !self.never && self.stop.is_none_or(|stop| &*stop.rule == crate::engine::MANUAL)
    }
}

impl Experiment {
    /// `None` where there is no objective, or no trial ended with a value.
    fn of(name: &Name, trials: &[Told<'_>], question: &Question) -> Option<Experiment> {
        let own = trials.iter().rev().find_map(|t| t.lived.view.objective.clone());
        let objective = question.objective.clone().or(own)?;
        let mode = objective.mode;
        let known = || trials.iter().filter(|t| t.known);
        let all: Vec<f64> = known().filter_map(|t| t.value).collect();
        let best = score::best(mode, all.iter().copied())?;
        let worst = score::worst(mode, all.iter().copied())?;
        let kept_best = score::best(mode, known().filter(|t| t.survives()).filter_map(|t| t.value));
        let beyond = trials.iter().filter(|t| t.goes_beyond()).count();
        let achieved = kept_best.unwrap_or(worst);
        let middle = median_final(known().map(|t| t.value), worst);
        let open = |value: f64| match beyond {
            0 => Bounds::exact(value),
            // One that would have gone on may have become better than the best by nobody knows how much.
            _ => Bounds { low: value, high: f64::INFINITY },
        };
        let kept = f64::from(kept_best == Some(best));
        Some(Experiment {
            name: name.clone(),
            complete: known().count(),
            beyond,
            best,
            kept_best,
            kept: if beyond == 0 { Bounds::exact(kept) } else { Bounds { low: 0.0, high: kept } },
            regret: open(score::regret(mode, best, achieved, best)),
            regret_scaled: open(score::regret(mode, best, achieved, best - middle)),
            objective,
        })
    }
}

/// The median final value, where a missing one is as bad as the worst.
pub(super) fn median_final(values: impl Iterator<Item = Option<f64>>, worst: f64) -> f64 {
    super::stats::median(&values.map(|value| value.unwrap_or(worst)).collect::<Vec<_>>())
}
