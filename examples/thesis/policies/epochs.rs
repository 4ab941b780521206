//! The baseline that needs no daemon: train all for a few epochs, keep the best, and train only that one to its end (Egele
//! and others 2024).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use earlystop::model::{RunId, TrialView};

use super::choice::{Choice, regret};
use super::frontier::{LOST, Point};
use super::ground::{Spent, score};
use crate::runs::Run;

/// Epochs that all are trained for.
pub const EPOCHS: [u32; 3] = [1, 3, 5];

/// Where a trial was after so many epochs: the share of its steps, and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Early {
    share: f64,
    score: f64,
}

/// What the baseline takes and loses on a set; none where some trial does not get so far, or says too little.
pub fn point(epochs: u32, choice: &Choice<'_>, runs: &[Run]) -> Option<Point> {
    let set = choice.set;
    let runs: HashMap<RunId, &Run> = runs.iter().map(|run| (run.view.run, run)).collect();
    let early = |view: &TrialView| runs.get(&view.run).and_then(|run| early(run, epochs));
    let places: HashMap<RunId, Early> =
        set.trials.iter().map(|view| Some((view.run, early(view)?))).collect::<Option<_>>()?;
    // Nobody knows then who will diverge later.
    let blind = Choice { set, diverged: &HashSet::new() };
    let chosen = blind.best(|view| places.get(&view.run).map(|early| early.score).filter(|score| score.is_finite()))?;
    let goes_on = |view: &Arc<TrialView>| view.group.as_ref().unwrap_or(&view.trial).as_str() == chosen.configuration;
    let share = |view: &Arc<TrialView>| if goes_on(view) { 1.0 } else { places[&view.run].share };
    let used = set.trials.iter().fold(Spent::default(), |sum, view| Spent {
        steps: sum.steps + share(view) * view.progress.steps_total as f64,
        seconds: sum.seconds + share(view) * view.elapsed(view.started),
        cpu: sum.cpu + share(view) * (view.totals.cpu.first + view.totals.cpu.second),
    });
    let used = used.share_of(set.spent());
    let left = choice.best(|view| score(view, &set.metric).filter(|_| goes_on(view)));
    let regret = regret(set.mode, choice.of_all().as_ref(), left.as_ref());
    Some(Point {
        set: set.name.clone(),
        policy: format!("epochs-{epochs}"),
        kind: "baseline",
        trials: set.trials.len(),
        stopped: set.trials.iter().filter(|view| !goes_on(view)).count(),
        used_steps: used.steps,
        used_seconds: used.seconds,
        used_cpu: used.cpu,
        failed: regret.is_none_or(|regret| regret > LOST),
        regret,
    })
}

/// The first score after so many epochs.
fn early(run: &Run, epochs: u32) -> Option<Early> {
    let progress = &run.view.progress;
    // The head has the last of both, even where the journal lacks reports.
    let (all, whole) = (progress.step? as f64, progress.epoch.filter(|epoch| *epoch > 0.0)?);
    let wanted = all / whole * f64::from(epochs);
    // Epochs are counted by division.
    let score = run.scores.iter().find(|score| score.step as f64 >= wanted - 0.5)?;
    Some(Early { share: score.step as f64 / all, score: score.value })
}

#[cfg(test)]
mod tests {
    use earlystop::model::Mode;

    use super::*;
    use crate::runs::tests::run;

    /// Ten epochs of ten steps.
    fn made(place: u128, group: &str, score: impl Fn(u64) -> f64) -> Run {
        let mut run = run(group, 100, score);
        run.view.run = RunId(place);
        (run.view.progress.step, run.view.progress.epoch) = (Some(100), Some(10.0));
        run
    }

    #[test]
    fn who_is_best_early_goes_on_alone() {
        let slow = made(1, "slow", |step| 2.0 - step as f64 / 100.0);
        let quick = made(2, "quick", |_| 1.25);
        let astray = made(3, "astray", |step| step as f64);
        let runs = [slow, quick, astray];
        let trials = runs.iter().map(|run| Arc::new(run.view.clone())).collect();
        let set = crate::policies::ground::Set { name: "s".into(), metric: "val_rmse".into(), mode: Mode::Min, trials };
        let diverged = [RunId(3)].into();
        let choice = Choice { set: &set, diverged: &diverged };
        let one = point(1, &choice, &runs).expect("all get so far");
        assert_eq!((one.policy.as_str(), one.stopped, one.regret, one.failed), ("epochs-1", 2, Some(0.25), true));
        assert!((one.used_cpu - (1.0 + 0.1 + 0.1) / 3.0).abs() < 1e-9, "{one:?}");
        let all = point(10, &choice, &runs).expect("all get so far");
        assert_eq!((all.regret, all.failed), (Some(0.0), false));
        assert_eq!(point(11, &choice, &runs), None, "nobody gets so far");
        // Of the one that goes astray later nobody knows that early; who chooses it has nothing.
        let good_first = made(3, "astray", |step| if step <= 10 { 0.0 } else { 1e9 });
        let runs = [runs[0].clone(), runs[1].clone(), good_first];
        assert_eq!(point(1, &choice, &runs).expect("all get so far").regret, None);
    }
}
