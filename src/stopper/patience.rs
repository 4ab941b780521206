//! No better for so many reports: Keras' EarlyStopping, scikit-learn's `n_iter_no_change` and `tol`.

use crate::model::PatienceDialect;

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::curve::Point;

/// Stops at the `patience`-th report in a row that is not better, by more than `min_delta`, than the last that was.
///
/// The first report is the best so far, whatever it is; after that NaN is no better than anything, and any number is better
/// than NaN (to Keras nothing is better than a NaN that came first). A patience of 0 is one of 1, as in Keras. Within the
/// grace period reports count, but nobody is stopped.
///
/// To scikit-learn (`_sgd_fast`, without early_stopping) a report is no better unless it is better, by `min_delta` at least,
/// than the best that there was: a curve that rises by less than that from report to report is stopped, though what it gains
/// adds up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// So many reports.
    pub patience: u32,
    /// Only by more than this is better; not negative.
    pub min_delta: f64,
    /// Whose definition.
    pub dialect: PatienceDialect,
}

impl Patience {
    fn judge(&self, case: &Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let points = case.curve().ok_or(Unknown::Value)?.points();
        let patience = (self.patience as usize).max(1);
        let (best, waited) = match self.dialect {
            PatienceDialect::Keras => self.waited(points),
            PatienceDialect::Sklearn => self.waited_for_best(points, patience),
        };
        let evidence = Evidence {
            own: case.raw(best),
            what: "best so far",
            bar: patience as f64,
            against: "",
            peers: 0,
            at: case.at,
            note: Some(match waited {
                0 => "is the last report".to_owned(),
                1 => "did not improve for 1 report".to_owned(),
                _ => format!("did not improve for {waited} reports"),
            }),
        };
        Ok(Verdict::when(waited >= patience, evidence))
    }

    /// The best so far, and how many reports in a row were no better than the best before them; `most` of these are counted.
    fn waited_for_best(&self, points: &[Point], most: usize) -> (f64, usize) {
        let is_better = |pair: &[Point]| {
            let (before, now) = (pair[0].best, pair[1].value);
            now >= before + self.min_delta || before.is_nan() && !now.is_nan()
        };
        let waited = points.windows(2).rev().take(most).take_while(|pair| !is_better(pair)).count();
        (points.last().map_or(f64::NAN, |last| last.best), waited)
    }

    /// The last that was better, and how many came since. From one that counts as better to the next, not from report to
    /// report: there may be a million of these, and they are looked through at every one.
    fn waited(&self, points: &[Point]) -> (f64, usize) {
        let (mut best, mut since) = (points.first().map_or(f64::NAN, |first| first.value), points.len().min(1));
        while let Some(ahead) = self.next(&points[since..], best) {
            best = points[since + ahead].value;
            since += ahead + 1;
        }
        (best, points.len() - since)
    }

    /// The first that is better than `best`. The best so far never falls, and the first value above a bound is the first best
    /// above it: a search with growing strides finds it.
    fn next(&self, points: &[Point], best: f64) -> Option<usize> {
        let better = |point: &Point| match best.is_nan() {
            true => !point.best.is_nan(),
            false => point.best - self.min_delta > best,
        };
        if !points.last().is_some_and(better) {
            return None;
        }
        let mut end = 1;
        while end < points.len() && !better(&points[end - 1]) {
            end = (2 * end).min(points.len());
        }
        Some(points[..end].partition_point(|point| !better(point)))
    }
}

impl Stopper for Patience {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use crate::model::{Mode, PatienceDialect, StopperKind};

    fn play(patience: u32, min_delta: f64) -> Play {
        Play::new(&StopperKind::Patience { patience, min_delta, dialect: PatienceDialect::Keras })
    }

    #[test]
    fn so_many_reports_without_a_better_one() {
        for (mode, sign) in [(Mode::Max, 1.0), (Mode::Min, -1.0)] {
            let stops = |patience, min_delta, values: &[f64]| {
                let mut play = play(patience, min_delta);
                play.mode = mode;
                let values: Vec<f64> = values.iter().map(|v| sign * v).collect();
                play.stops("x", &values)
            };
            let values = [0.1, 0.5, 0.5, 0.4, 0.6, 0.55, 0.6, 0.3];
            assert_eq!(stops(2, 0.0, &values), Some(4), "as good is not better");
            assert_eq!(stops(3, 0.0, &values), Some(8));
            assert_eq!(stops(3, 0.2, &values), Some(5), "better by too little");
            assert_eq!(stops(4, 0.0, &values), None);
            // Small steps up add up: the bar is the last that counted as better.
            assert_eq!(stops(3, 0.15, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), None);
            assert_eq!(stops(0, 0.0, &[0.5, 0.6, 0.6]), Some(3));
        }
    }

    /// Mean losses an epoch that scikit-learn 1.3.2's SGDRegressor printed (verbose=1, shuffle=False, constant learning rate
    /// of 0.003, 0.3 and 0.02) for make_regression(60, 4, noise=20, random_state=3), targets standardised; it ended at the last.
    #[test]
    fn scikit_learn_stops_where_it_stopped() {
        let slow = [
            0.441856, 0.332940, 0.255763, 0.200505, 0.160548, 0.131390, 0.109934, 0.094024, 0.082147, 0.073227,
            0.066493, 0.061385, 0.057496, 0.054525,
        ];
        let settling = [0.259968, 0.075672, 0.052369, 0.048716, 0.048098, 0.047992, 0.047974, 0.047973, 0.047974];
        let cases: [(u32, f64, &[f64]); 5] = [
            (3, 0.01, &slow[..12]),
            (5, 0.01, &slow),
            (3, 0.05, &slow[..7]),
            (2, 0.01, &[0.437857, 0.493433, 0.633574]),
            (5, 0.002, &settling),
        ];
        for (patience, min_delta, losses) in cases {
            let dialect = PatienceDialect::Sklearn;
            let mut play = Play::new(&StopperKind::Patience { patience, min_delta, dialect });
            play.mode = Mode::Min;
            assert_eq!(play.stops("x", losses), Some(losses.len()), "{patience} {min_delta}");
        }
        let mut keras = play(3, 0.01);
        keras.mode = Mode::Min;
        assert_eq!(keras.stops("x", &slow), None, "what it gains adds up");
        let mut nan =
            Play::new(&StopperKind::Patience { patience: 2, min_delta: 0.0, dialect: PatienceDialect::Sklearn });
        assert_eq!(nan.stops("x", &[f64::NAN, 0.5, f64::NAN, f64::NAN]), Some(4));
    }

    #[test]
    fn nan_waits() {
        assert_eq!(play(2, 0.0).stops("x", &[0.5, f64::NAN, f64::NAN]), Some(3));
        assert_eq!(play(1, 0.0).stops("x", &[f64::NAN, f64::NAN]), Some(2), "never at the first report");
        assert_eq!(play(2, 0.5).stops("x", &[f64::NAN, 0.1, 0.2, f64::NEG_INFINITY]), Some(4));
        assert_eq!(play(2, 0.0).stops("x", &[f64::NEG_INFINITY, f64::NEG_INFINITY, 0.1, 0.1, 0.1]), Some(5));
        // The best so far is infinite from here on, and the search looks at the best.
        assert_eq!(play(2, 0.5).stops("x", &[0.1, f64::INFINITY, f64::INFINITY, 0.1]), Some(4));
        let mut late = play(1, 0.0);
        late.grace = Some(4.0);
        assert_eq!(late.stops("x", &[0.5, 0.4, 0.4, 0.4]), Some(4));
    }
}
