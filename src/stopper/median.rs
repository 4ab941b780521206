//! Worse than the median of the others, as seven tools mean it. They share the name and little else.

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::column::Ranked;
use super::field::{Population, Quantity};
use super::percentile::Percentile;
use crate::model::MedianDialect;

/// Ray's `min_samples_required`, and where a paper or a manual names no number.
const SAMPLES: usize = 3;
/// Syne Tune's `grace_population` is 5, the trial itself among them.
const POPULATION: usize = 4;
/// Katib's `start_step`, and its `min_trials_required`.
const START_STEP: usize = 4;
const MIN_TRIALS: usize = 3;

/// The median rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Median {
    /// Whose.
    pub dialect: MedianDialect,
}

/// A dialect that compares a figure of the trial with the middle of a figure of the others: stop iff it is worse.
struct Middle {
    own: Quantity,
    what: &'static str,
    population: Population,
    others: Quantity,
    against: &'static str,
    middle: fn(&Ranked<'_>) -> Option<f64>,
    peers: usize,
}

/// Golovin et al. 2017, 3.2.2; for want of a number there, as many peers as Ray wants.
const VIZIER: Middle = Middle {
    own: Quantity::Best,
    what: "best so far",
    population: Population::Complete,
    others: Quantity::Mean,
    against: "the median of the running means of {} finished trials",
    middle: |ranked| ranked.median(),
    peers: SAMPLES,
};

/// Of two in the middle the worse, in both modes.
const NNI: Middle = Middle {
    against: "the lower median of the running means of {} finished trials",
    middle: |ranked| ranked.lower_median(),
    peers: 1,
    ..VIZIER
};

/// Means from the grace period's end on, which the case says; one that is not finite leaves its trial out.
const RAY: Middle = Middle {
    population: Population::Reached,
    others: Quantity::StrictMeanFrom(f64::NEG_INFINITY),
    against: "the median of the running means of {} trials",
    ..VIZIER
};

/// The current value, not the best; previous training jobs, however they ended.
const SAGEMAKER: Middle = Middle {
    own: Quantity::Value,
    what: "value",
    population: Population::Reached,
    against: "the median of the running means of {} trials",
    ..VIZIER
};

impl Median {
    fn judge(&self, case: &mut Case<'_>) -> Result<Verdict, Unknown> {
        match self.dialect {
            MedianDialect::Vizier => VIZIER.judge(case),
            MedianDialect::Nni => NNI.judge(case),
            MedianDialect::Ray => ray(case),
            MedianDialect::Optuna => Ok(Percentile { p: 50.0 }.decide(case)),
            MedianDialect::Sagemaker => SAGEMAKER.judge(case),
            MedianDialect::SyneTune => syne_tune(case),
            MedianDialect::Katib => katib(case),
        }
    }
}

impl Middle {
    fn judge(&self, case: &mut Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let own = case.own(self.own).ok_or(Unknown::Value)?;
        let (peers, bar) = self.bar(case)?;
        if own.is_nan() {
            return Err(Unknown::Value);
        }
        Ok(Verdict::when(own < bar, self.evidence(case, own, (peers, bar), None)))
    }

    /// How many they are, and the middle of them.
    fn bar(&self, case: &mut Case<'_>) -> Result<(usize, f64), Unknown> {
        let ranked = case.field.ranked(self.population, self.others, case.at, case.unit);
        let (peers, bar) = (ranked.len(), (self.middle)(&ranked));
        case.enough(peers, self.peers)?;
        Ok((peers, bar.filter(|bar| !bar.is_nan()).ok_or(Unknown::Peers(peers, 1))?))
    }

    fn evidence(&self, case: &Case<'_>, own: f64, (peers, bar): (usize, f64), note: Option<String>) -> Evidence {
        Evidence {
            own: case.raw(own),
            what: self.what,
            bar: case.raw(bar),
            against: self.against,
            peers,
            at: case.at,
            note,
        }
    }
}

/// In Ray a trial without any number is worse than every median.
fn ray(case: &mut Case<'_>) -> Result<Verdict, Unknown> {
    case.after_grace()?;
    let from = case.grace.unwrap_or(f64::NEG_INFINITY);
    let rule = Middle { others: Quantity::StrictMeanFrom(from), ..RAY };
    let own = case.own(rule.own).ok_or(Unknown::Value)?;
    let bar = rule.bar(case)?;
    let note = own.is_nan().then(|| "every value that it reported is NaN".to_owned());
    let stop = own.is_nan() || own < bar.1;
    Ok(Verdict::when(stop, rule.evidence(case, own, bar, note)))
}

/// More than half of all who came so far, the trial among them, have a better running mean; NaN is worse than any number.
fn syne_tune(case: &mut Case<'_>) -> Result<Verdict, Unknown> {
    let mean = Quantity::StrictMeanFrom(f64::NEG_INFINITY);
    case.after_grace()?;
    let own = case.own(mean).ok_or(Unknown::Value)?;
    let ranked = case.field.ranked(Population::Reached, mean, case.at, case.unit);
    let better = if own.is_nan() { ranked.len() } else { ranked.above(own) };
    let (peers, bar) = (ranked.len() + ranked.nan(), ranked.median().unwrap_or(f64::NAN));
    case.enough(peers, POPULATION)?;
    let share = better as f64 / (peers + 1) as f64;
    let evidence = Evidence {
        own: case.raw(own),
        what: "running mean",
        bar: case.raw(bar),
        against: "the median of the running means of {} trials",
        peers,
        at: case.at,
        note: Some(format!("{better} of {} are better", peers + 1)),
    };
    Ok(Verdict::when(share > 0.5, evidence))
}

/// One look, at the first report behind the grace period (else at the fourth): the best so far against the mean of the means
/// that succeeded trials had there. Katib takes those that had succeeded when the trial was launched; here it is now.
fn katib(case: &mut Case<'_>) -> Result<Verdict, Unknown> {
    let place = match (case.grace, case.curve()) {
        (Some(grace), _) => grace,
        (None, Some(curve)) => match curve.points().get(START_STEP - 1) {
            Some(point) => point.at,
            None => return Err(Unknown::Reports(curve.points().len(), START_STEP)),
        },
        (None, None) => return Err(Unknown::Value),
    };
    if case.at < place {
        return Err(Unknown::Grace);
    }
    if !case.crosses(place) {
        return Ok(Verdict::NotDue);
    }
    let own = case.own(Quantity::Best).filter(|own| !own.is_nan()).ok_or(Unknown::Value)?;
    let ranked = case.field.ranked(Population::Complete, Quantity::Mean, place, case.unit);
    let peers = ranked.len();
    let bar = ranked.values().sum::<f64>() / peers as f64;
    case.enough(peers, MIN_TRIALS.max(1))?;
    let evidence = Evidence {
        own: case.raw(own),
        what: "best so far",
        bar: case.raw(bar),
        against: "the mean of the running means of {} finished trials",
        peers,
        at: case.at,
        note: None,
    };
    Ok(Verdict::when(own < bar, evidence))
}

impl Stopper for Median {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }

    fn population(&self) -> Option<(Population, Quantity)> {
        Some(match self.dialect {
            MedianDialect::Vizier | MedianDialect::Nni | MedianDialect::Katib => (Population::Complete, Quantity::Mean),
            MedianDialect::Optuna => (Population::Complete, Quantity::Value),
            MedianDialect::Ray | MedianDialect::Sagemaker | MedianDialect::SyneTune => {
                (Population::Reached, Quantity::Mean)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::{Mode, StopperKind};
    use crate::stopper::End;

    const A: [f64; 4] = [0.5, 0.6, 0.7, 0.8];
    const B: [f64; 4] = [0.4, 0.5, 0.6, 0.7];
    const C: [f64; 4] = [0.2, 0.3, 0.4, 0.5];
    const X: [f64; 4] = [0.45, 0.45, 0.5, 0.48];

    /// The golden vector: three trials are through, where does the rule stop the fourth?
    fn golden(dialect: MedianDialect, mode: Mode, set: impl Fn(&mut Play)) -> Option<usize> {
        let mut play = Play::new(&StopperKind::Median { dialect });
        play.mode = mode;
        set(&mut play);
        let turn = |values: [f64; 4]| values.map(|v| if mode == Mode::Max { v } else { -v });
        for (name, values) in [("a", A), ("b", B), ("c", C)] {
            play.whole(name, &turn(values));
        }
        play.stops("x", &turn(X))
    }

    #[test]
    fn the_golden_vector_of_the_dialects() {
        for mode in [Mode::Max, Mode::Min] {
            let at = |dialect, set: fn(&mut Play)| golden(dialect, mode, set);
            assert_eq!(at(MedianDialect::Vizier, |_| ()), Some(4), "equal to the median at 3: goes on");
            assert_eq!(at(MedianDialect::Nni, |_| ()), Some(4));
            assert_eq!(at(MedianDialect::Ray, |p| p.grace = Some(1.0)), Some(4));
            assert_eq!(at(MedianDialect::Sagemaker, |_| ()), Some(4));
            assert_eq!(at(MedianDialect::Optuna, |p| p.min_peers = Some(3)), Some(2));
            assert_eq!(at(MedianDialect::SyneTune, |_| ()), None);
            assert_eq!(at(MedianDialect::SyneTune, |p| p.min_peers = Some(0)), None);
            assert_eq!(at(MedianDialect::Katib, |p| p.grace = Some(2.0)), None);
        }
    }

    #[test]
    fn the_verdict_says_what_was_compared() {
        let mut play = Play::new(&StopperKind::Median { dialect: MedianDialect::Vizier });
        play.mode = Mode::Min;
        for (name, values) in [("a", A), ("b", B), ("c", C)] {
            play.whole(name, &values);
        }
        let Verdict::Stop(evidence) = play.report("x", 0.45) else { panic!("worse than 0.4") };
        assert_eq!((evidence.own, evidence.bar, evidence.peers, evidence.at), (0.45, 0.4, 3, 1.0));
    }

    #[test]
    fn katib_looks_once() {
        let mut play = Play::new(&StopperKind::Median { dialect: MedianDialect::Katib });
        for (name, values) in [("a", A), ("b", B), ("c", C)] {
            play.whole(name, &values);
        }
        // The mean of .65, .55, .35 is .516667.
        assert_eq!(play.report("x", 0.3), Verdict::Unknown(Unknown::Reports(1, 4)));
        assert_eq!(play.stops("x", &[0.4, 0.4, 0.51]), Some(3));
        assert_eq!(play.report("x", 0.1), Verdict::NotDue);
    }

    #[test]
    fn two_in_the_middle() {
        let at = |dialect, own| {
            let mut play = Play::new(&StopperKind::Median { dialect });
            play.min_peers = Some(1);
            play.whole("a", &[0.2]);
            play.whole("b", &[0.4]);
            play.stops("x", &[own])
        };
        assert_eq!((at(MedianDialect::Vizier, 0.25), at(MedianDialect::Nni, 0.25)), (Some(1), None));
        assert_eq!(at(MedianDialect::Nni, 0.15), Some(1));
    }

    #[test]
    fn who_counts() {
        let at = |dialect, end| {
            let mut play = Play::new(&StopperKind::Median { dialect });
            for name in ["a", "b", "c", "d"] {
                play.report(name, 0.5);
                play.end(name, end);
            }
            play.stops("x", &[0.1])
        };
        use MedianDialect::{Nni, Optuna, Ray, Sagemaker, SyneTune, Vizier};
        for dialect in [Vizier, Nni, Optuna] {
            assert_eq!((at(dialect, End::Running), at(dialect, End::Cut)), (None, None), "{dialect:?}");
        }
        for dialect in [Ray, Sagemaker, SyneTune] {
            assert_eq!((at(dialect, End::Running), at(dialect, End::Cut)), (Some(1), Some(1)), "{dialect:?}");
        }
    }

    #[test]
    fn a_number_that_is_none_stops_nobody_else() {
        for dialect in MedianDialect::ALL {
            let mut play = Play::new(&StopperKind::Median { dialect });
            play.min_peers = Some(0);
            assert!(!matches!(play.report("alone", 0.1), Verdict::Stop(_)), "{dialect:?} alone");
            for name in ["a", "b", "c"] {
                play.whole(name, &[f64::NAN; 5]);
            }
            for value in [0.5, f64::NEG_INFINITY, f64::INFINITY, 0.1, 0.0] {
                let verdict = play.report("x", value);
                assert!(!matches!(verdict, Verdict::Stop(_)), "{dialect:?}: {verdict:?}");
            }
        }
    }

    #[test]
    fn only_nan_of_its_own() {
        for dialect in MedianDialect::ALL {
            let mut play = Play::new(&StopperKind::Median { dialect });
            for name in ["a", "b", "c", "d", "e"] {
                play.whole(name, &[0.1; 4]);
            }
            let stopped = play.stops("x", &[f64::NAN; 4]);
            use MedianDialect::{Optuna, Ray, SyneTune};
            assert_eq!(stopped.is_some(), matches!(dialect, Optuna | Ray | SyneTune), "{dialect:?}");
        }
    }
}
