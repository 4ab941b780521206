//! How long the experiments will take, and how much they will write: from the number of trials, and from how fast this
//! machine trains on made-up rows of the same shape. A rough guess: it says whether to wait or to come back tomorrow.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::algorithm::Algorithm;
use crate::model::{Rows, Sgd};
use crate::search::plan::{self, FOLDS};
use crate::search::worker::{Effort, next_report};
use crate::sets::Shape;
use crate::split::SplitMix;

/// Seconds that each trial takes a slot for beyond its training: its process starts, says hello, and its record is closed.
/// 403 trials of red_wine and diabetes that trained for 2 s in all took 3 slots 25 s, on 4 busy cores.
pub const A_TRIAL: f64 = 0.15;

/// Bytes of the journal a report, with all that belongs to it (the phases, the score, the look on demand, its part of the
/// ticks): 19.8 MB for the 13,198 reports of the same trials.
const BYTES_A_REPORT: f64 = 1_500.0;

/// Reports that a replay reads in a second: 13 policies took 335 s for the 61,845 reports and 105,000 ticks of 546 trials of
/// all four sets, on a busy machine.
pub const REPLAYED_A_SECOND: f64 = 2_500.0;

/// Seconds that a trial waits for the verdict on each score: 10 pairs with and without the sidecar differ by 11 µs a step,
/// and there is a score every 32 steps.
const A_VERDICT: f64 = 0.0004;

/// Share of a set's rows that a fold trains on: nine tenths of 70 %.
const TRAINED_ON: f64 = 0.63;

/// Time a figure, and rows it is measured on.
const MEASURED: Duration = Duration::from_millis(20);
const ROWS: usize = 256;

/// Bytes that the rows of a set's folds take on disk, those of its shares included: ten folds of 70 % and all rows once,
/// and about as much again as 60 % of that for shares of 10 % and 30 %, whose rows to judge by are not fewer.
pub fn rows_on_disk(shape: &Shape) -> f64 {
    1.6 * 8.0 * (shape.rows * (shape.features + 1) * size_of::<f64>()) as f64
}

/// What a search of a set comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Configurations.
    pub configurations: usize,
    /// Trials.
    pub trials: usize,
    /// Steps of all of them.
    pub steps: f64,
    /// Reports of all of them.
    pub reports: f64,
    /// Seconds of all of them, one after the other.
    pub seconds: f64,
}

impl Estimate {
    /// Bytes of its journal.
    pub fn bytes(&self) -> f64 {
        self.reports * BYTES_A_REPORT
    }

    /// Both together.
    pub fn and(self, other: Estimate) -> Estimate {
        Estimate {
            configurations: self.configurations + other.configurations,
            trials: self.trials + other.trials,
            steps: self.steps + other.steps,
            reports: self.reports + other.reports,
            seconds: self.seconds + other.seconds,
        }
    }
}

/// Seconds that training and evaluating take on this machine.
#[derive(Clone, Copy, Debug)]
struct Pace {
    a_step: f64,
    a_row: f64,
    a_row_evaluated: f64,
}

/// A search of a set: of its whole grid, or of so many configurations.
pub fn search(shape: &Shape, configurations: Option<u32>, effort: &Effort) -> Estimate {
    let rows = ((shape.rows as f64 * TRAINED_ON) as usize).max(2);
    let evaluated = (rows / (FOLDS - 1)).min(effort.eval_rows) as f64;
    let grid = plan::grid(&shape.set, shape.task(), rows);
    let paces: Vec<(Algorithm, Pace)> =
        Algorithm::of(shape.task()).iter().map(|algorithm| (*algorithm, measured(shape, *algorithm))).collect();
    let mut whole = Estimate::default();
    for one in &grid {
        let Some((_, pace)) = paces.iter().find(|(algorithm, _)| *algorithm == one.algorithm) else { continue };
        let an_epoch = rows.div_ceil(one.batch_size) as u64;
        let steps = effort.steps.unwrap_or(u64::MAX).min(an_epoch * u64::from(effort.epochs));
        let reports = reports(steps, an_epoch) as f64;
        let trained = steps as f64 * (pace.a_step + pace.a_row * rows.min(one.batch_size) as f64);
        let seconds = A_TRIAL + trained + reports * (evaluated * pace.a_row_evaluated + A_VERDICT);
        let one = Estimate { configurations: 1, trials: FOLDS, steps: steps as f64, reports, seconds };
        let folds = FOLDS as f64;
        whole = whole.and(Estimate {
            steps: folds * steps as f64,
            reports: folds * reports,
            seconds: folds * seconds,
            ..one
        });
    }
    // Which ones are drawn does not matter for a guess.
    let tried = configurations.map_or(grid.len(), |count| grid.len().min(count as usize));
    let share = tried as f64 / grid.len() as f64;
    Estimate {
        configurations: tried,
        trials: tried * FOLDS,
        steps: whole.steps * share,
        reports: whole.reports * share,
        seconds: whole.seconds * share,
    }
}

/// Reports of a trial.
fn reports(steps: u64, an_epoch: u64) -> u64 {
    // All whole epochs are alike.
    let in_steps = |steps: u64| {
        let after = |step: &u64| (*step < steps).then(|| next_report(*step, None, an_epoch, steps));
        std::iter::successors(Some(0), after).skip(1).count() as u64
    };
    (steps / an_epoch) * in_steps(an_epoch) + in_steps(steps % an_epoch)
}

/// Times training and evaluation on made-up rows.
fn measured(shape: &Shape, algorithm: Algorithm) -> Pace {
    let mut random = SplitMix(1);
    let x: Vec<f64> = (0..ROWS * shape.features).map(|_| random.below(2000) as f64 / 1000.0 - 1.0).collect();
    let y: Vec<f64> = (0..ROWS).map(|_| random.below(shape.classes.unwrap_or(10) as u64) as f64).collect();
    let (features, loss) = (shape.features, algorithm.loss());
    let sgd = Sgd { task: shape.task(), loss, learning_rate: 1e-4, alpha: 1e-4, shuffle: None };
    let rows = |from: usize, count: usize| Rows {
        x: &x[from * features..(from + count) * features],
        y: &y[from..from + count],
        features,
        order: None,
    };
    let mut model = sgd.new_model(features);
    let mut a_row_in = |batch: usize| {
        per_row(|| {
            for from in (0..ROWS).step_by(batch) {
                black_box(model.mean_loss(loss, rows(from, batch)));
                sgd.partial_fit(&mut model, rows(from, batch));
            }
        })
    };
    let (small, large) = (a_row_in(2), a_row_in(ROWS));
    let a_row_evaluated = per_row(|| {
        black_box(model.score(rows(0, ROWS)));
    });
    Pace { a_step: (2.0 * (small - large)).max(0.0), a_row: large, a_row_evaluated }
}

/// Seconds a row of something that looks at all rows.
fn per_row(mut work: impl FnMut()) -> f64 {
    work();
    let (start, mut times) = (Instant::now(), 0);
    while start.elapsed() < MEASURED {
        work();
        times += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(times) / ROWS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wine() -> Shape {
        Shape { set: "red_wine".into(), title: "red_wine".into(), rows: 1599, features: 11, classes: None }
    }

    fn effort(steps: Option<u64>) -> Effort {
        Effort { epochs: 20, steps, eval_rows: 2000, steps_a_report: None }
    }

    #[test]
    fn trials_steps_and_reports_are_those_of_the_search() {
        let whole = search(&wine(), None, &effort(None));
        assert_eq!((whole.configurations, whole.trials), (180, 1800));
        let steps: usize = (1..=9).map(|power| 1007_usize.div_ceil(1 << power) * 20).sum();
        assert_eq!(whole.steps, (steps * 200) as f64);
        assert!(whole.seconds > 1800.0 * A_TRIAL && whole.bytes() > 0.0, "{whole:?}");
        let part = search(&wine(), Some(18), &effort(None));
        assert_eq!((part.configurations, part.trials, part.steps), (18, 180, whole.steps / 10.0));
        // Only the largest batch has epochs of two steps: it reports twice.
        let short = search(&wine(), Some(1), &effort(Some(3)));
        assert_eq!((short.trials, short.steps, short.reports), (10, 30.0, 10.0 * 200.0 / 180.0));
    }

    #[test]
    fn reports_come_every_hundred_steps_and_at_each_epochs_end() {
        assert_eq!((reports(250, 130), reports(100, 40), reports(0, 7)), (4, 3, 0));
    }
}
