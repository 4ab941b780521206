//! Not among the best: Optuna's PercentilePruner, and at 50 its MedianPruner.

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::field::{Population, Quantity};
use crate::model::Mode;

/// Optuna's `n_startup_trials`.
pub(super) const STARTUP: usize = 5;

/// Stops whose best so far is worse than the `p`-th percentile (from the best) of what complete trials had here.
///
/// A trial that has reported nothing but NaN is stopped. `min_peers` counts complete trials, whether they came so far or not,
/// as `n_startup_trials` does; one of them must have come so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Percentile {
    /// 0 to 100; 25 keeps the best quarter.
    pub p: f64,
}

impl Percentile {
    fn judge(&self, case: &mut Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let own = case.own(Quantity::Best).ok_or(Unknown::Value)?;
        let p = if case.mode == Mode::Max { 100.0 - self.p } else { self.p };
        let ranked = case.field.ranked(Population::Complete, Quantity::Value, case.at, case.unit);
        let (peers, nan, bar) = (ranked.len(), ranked.nan(), ranked.raw_percentile(p, case.mode));
        let needed = case.min_peers.unwrap_or(STARTUP).max(1);
        // Who is not counted here may be complete all the same; all are only looked at where that decides.
        if peers + nan < needed {
            let complete = case.field.complete(case.unit);
            if complete < needed {
                return Err(Unknown::Peers(complete, needed));
            }
        }
        let evidence = |bar, note| Evidence {
            own: case.raw(own),
            what: "best so far",
            bar,
            against: if self.p == 50.0 {
                "the median of the values of {} finished trials"
            } else {
                "the percentile that is asked for of the values of {} finished trials"
            },
            peers,
            at: case.at,
            note,
        };
        if own.is_nan() {
            let note = "every value that it reported is NaN";
            return Ok(Verdict::Stop(evidence(bar.unwrap_or(f64::NAN), Some(note.into()))));
        }
        let bar = bar.filter(|bar| !bar.is_nan()).ok_or(Unknown::Peers(peers, 1))?;
        let stop = match case.mode {
            Mode::Max => case.raw(own) < bar,
            Mode::Min => case.raw(own) > bar,
        };
        Ok(Verdict::when(stop, evidence(bar, None)))
    }
}

impl Stopper for Percentile {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }

    fn population(&self) -> Option<(Population, Quantity)> {
        Some((Population::Complete, Quantity::Value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::StopperKind;
    use crate::stopper::End;

    #[test]
    fn the_best_quarter_goes_on() {
        for (mode, sign) in [(Mode::Max, 1.0), (Mode::Min, -1.0)] {
            let mut play = Play::new(&StopperKind::Percentile { p: 25.0 });
            play.mode = mode;
            for (i, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
                play.whole(name, &[sign * i as f64]);
            }
            // The best quarter of 0 to 4 begins at 3.
            assert_eq!(play.stops("x", &[sign * 3.0]), None);
            assert_eq!(play.stops("y", &[sign * 2.99]), Some(1));
        }
    }

    #[test]
    fn without_anybody_else_nobody_is_stopped() {
        let mut play = Play::new(&StopperKind::Percentile { p: 25.0 });
        play.min_peers = Some(0);
        assert_eq!(play.report("x", f64::NAN), Verdict::Unknown(Unknown::Peers(0, 1)));
        play.whole("a", &[0.5]);
        assert!(matches!(play.report("x", f64::NAN), Verdict::Stop(_)));
    }

    #[test]
    fn start_up_trials_count_though_they_never_came_so_far() {
        let mut play = Play::new(&StopperKind::Percentile { p: 50.0 });
        for name in ["a", "b", "c", "d"] {
            play.whole(name, &[0.5]);
        }
        play.end("d", End::Cut);
        play.whole("long", &[0.5, 0.6]);
        assert_eq!(play.report("x", 0.1), Verdict::Unknown(Unknown::Peers(4, 5)));
        play.end("d", End::Complete);
        assert!(matches!(play.report("x", 0.2), Verdict::Stop(Evidence { peers: 1, .. })));
        assert_eq!(play.report("x", 0.2), Verdict::Unknown(Unknown::Peers(0, 1)), "nobody came to 3");
    }
}
