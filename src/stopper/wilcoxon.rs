//! A signed-rank test against the best trial: Optuna's WilcoxonPruner.

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::curve::Point;
use super::field::End;
use super::folds::Folds;
use super::signed_rank::probability_of_less;

/// Optuna's `n_startup_steps`; with fewer than two pairs there is no test.
const PAIRS: usize = 2;

/// Stops when values like these, or worse ones against the best finished trial's, are less likely than `p` if both were as
/// good, unless the trial's own mean is as good as the best one's.
///
/// Where folds are compared as one, the pairs are the folds that are through; else values at one place, and then best is who
/// has the best mean, as an objective that is a mean over instances has it. Looked at again with every pair, more trials are
/// stopped by chance than `p` says: nobody corrects for that, Optuna neither.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wilcoxon {
    /// 0 to 1.
    pub p: f64,
}

/// What is tested.
struct Pairs {
    differences: Vec<f64>,
    own: f64,
    best: f64,
    peers: usize,
    against: &'static str,
}

impl Wilcoxon {
    fn judge(&self, case: &Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let pairs = if case.field.is_grouped() { by_fold(case)? } else { by_place(case)? };
        let count = pairs.differences.len();
        if count < PAIRS {
            return Err(Unknown::Reports(count, PAIRS));
        }
        let p = probability_of_less(&pairs.differences);
        let evidence = Evidence {
            own: case.raw(pairs.own),
            what: "mean",
            bar: case.raw(pairs.best),
            against: pairs.against,
            peers: pairs.peers,
            at: case.at,
            note: Some(format!("{count} pairs, p = {}", super::words::brief(p))),
        };
        Ok(Verdict::when(p < self.p && pairs.own < pairs.best, evidence))
    }
}

fn by_fold(case: &Case<'_>) -> Result<Pairs, Unknown> {
    let Folds { own, best, rivals, .. } = Folds::of(case)?;
    let mut differences = Vec::with_capacity(own.folds.len());
    for (fold, score) in &own.folds {
        let name = fold.as_ref().ok_or(Unknown::Folds)?;
        let twin = best.folds.iter().find(|(fold, _)| fold.as_ref() == Some(name));
        differences.extend(twin.map(|(_, twin)| score - twin));
    }
    let against = "the mean over the folds of the best of {} configurations";
    Ok(Pairs { differences, own: own.mean, best: best.mean, peers: rivals, against })
}

fn by_place(case: &Case<'_>) -> Result<Pairs, Unknown> {
    let own = case.curve().ok_or(Unknown::Value)?.points();
    let others =
        (0..case.field.units()).filter(|unit| *unit != case.unit && case.field.standing(*unit) == End::Complete);
    let curves = others.flat_map(|unit| case.field.members(unit)).filter_map(|peer| {
        let points = peer.curve.points();
        Some((mean(points), points)).filter(|(mean, _)| !mean.is_nan())
    });
    let (mut best, mut peers): (Option<(f64, &[Point])>, usize) = (None, 0);
    for (mean, points) in curves {
        peers += 1;
        if best.is_none_or(|(best, _)| mean > best) {
            best = Some((mean, points));
        }
    }
    case.enough(peers, 1)?;
    let (best, twins) = best.ok_or(Unknown::Peers(0, 1))?;
    if own.iter().chain(twins).any(|point| !point.value.is_finite()) {
        return Err(Unknown::Value);
    }
    let differences = differences(own, twins);
    Ok(Pairs { differences, own: mean(own), best, peers, against: "the mean of the best of {} finished trials" })
}

fn mean(points: &[Point]) -> f64 {
    points.last().map_or(f64::NAN, Point::mean)
}

/// Of values at the same place.
fn differences(own: &[Point], twins: &[Point]) -> Vec<f64> {
    let mut rest = twins.iter().peekable();
    let pairs = own.iter().filter_map(|point| {
        while rest.next_if(|twin| twin.at < point.at).is_some() {}
        rest.next_if(|twin| twin.at == point.at).map(|twin| point.value - twin.value)
    });
    pairs.collect()
}

impl Stopper for Wilcoxon {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::{Mode, StopperKind};

    const BEST: [f64; 5] = [0.70, 0.75, 0.72, 0.80, 0.78];
    /// Worse by .02, .03, -.01, .04, .05: p = .0625 with all five.
    const OTHER: [f64; 5] = [0.68, 0.72, 0.73, 0.76, 0.73];

    #[test]
    fn the_golden_vector_by_places() {
        for (mode, sign) in [(Mode::Max, 1.0), (Mode::Min, -1.0)] {
            for (p, stopped) in [(0.07, Some(5)), (0.0625, None)] {
                let mut play = Play::new(&StopperKind::Wilcoxon { p });
                play.mode = mode;
                play.whole("best", &BEST.map(|v| sign * v));
                assert_eq!(play.stops("x", &OTHER.map(|v| sign * v)), stopped, "as likely as p is not less likely");
            }
        }
    }

    #[test]
    fn the_golden_vector_by_folds() {
        let mut play = Play::new(&StopperKind::Wilcoxon { p: 0.07 });
        // In another order than those of the best.
        play.whole("best/5", &[0.7]);
        for (i, value) in BEST.iter().enumerate().rev() {
            play.whole(&format!("best/{i}"), &[*value]);
        }
        for (i, value) in OTHER.iter().enumerate() {
            let said = play.report(&format!("x/{i}"), *value);
            assert!(!matches!(said, Verdict::Stop(_)), "{i} pairs are too few");
            play.end(&format!("x/{i}"), End::Complete);
        }
        let Verdict::Stop(evidence) = play.report("x/5", 0.9) else { panic!("five pairs are enough") };
        assert_eq!(evidence.note.as_deref(), Some("5 pairs, p = 0.0625"));
    }

    #[test]
    fn whose_mean_is_as_good_goes_on() {
        let mut play = Play::new(&StopperKind::Wilcoxon { p: 0.3 });
        play.whole("best", &[0.5, 0.5, 0.5, 0.5]);
        // Worse at three of four places, by less than it is better at the fourth.
        assert_eq!(play.stops("x", &[0.9, 0.4, 0.4, 0.4]), None);
        assert_eq!(play.stops("y", &[0.4, 0.4]), Some(2));
    }

    #[test]
    fn what_is_not_finite_is_not_tested() {
        let mut play = Play::new(&StopperKind::Wilcoxon { p: 0.5 });
        assert_eq!(play.report("x", 0.1), Verdict::Unknown(Unknown::Peers(0, 1)));
        play.whole("best", &[0.5, 0.6, 0.7]);
        assert_eq!(play.at("y", 0.5, 0.1), Verdict::Unknown(Unknown::Reports(0, 2)), "nobody was at this place");
        assert_eq!(play.report("z", f64::NAN), Verdict::Unknown(Unknown::Value));
        assert_eq!(play.stops("z", &[0.1, 0.1]), None);
        play.whole("wild", &[f64::INFINITY, 0.9]);
        assert_eq!(play.report("w", 0.1), Verdict::Unknown(Unknown::Value));
    }
}
