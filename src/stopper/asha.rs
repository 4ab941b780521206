//! Asynchronous successive halving that stops: at rungs only the best 1/eta go on (Li et al. 2018), as four tools decide.

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::field::{Population, Quantity};
use crate::model::AshaDialect;

/// The first rung where the rule names none: the `grace_period`, `min_resource` of all tools is 1.
const FIRST_RUNG: f64 = 1.0;

/// Rungs at `grace * eta^k`. A rung records the first report at or behind it; "the others" are all who have come to it by
/// now, however they ended. A trial that has come to its whole length is left alone: stopping would save nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asha {
    /// Reduction factor, above 1.
    pub eta: f64,
    /// Whose.
    pub dialect: AshaDialect,
}

/// What a trial is measured by at a rung.
struct Rung {
    place: f64,
    own: f64,
    /// How many others came so far with a value, and how many of them are better.
    others: usize,
    better: usize,
    min_peers: Option<usize>,
}

impl Asha {
    fn judge(&self, case: &mut Case<'_>) -> Result<Verdict, Unknown> {
        let first = case.grace.filter(|grace| *grace > 0.0).unwrap_or(FIRST_RUNG);
        if case.at < first {
            return Err(Unknown::Grace);
        }
        if case.max.is_some_and(|max| case.at >= max) {
            return Ok(Verdict::NotDue);
        }
        let newly: Vec<f64> = self.reached(first, case).collect();
        match self.dialect {
            // Where one report passes several rungs, only the highest looks at it.
            AshaDialect::Ray | AshaDialect::SyneTune => match newly.last() {
                Some(place) => self.at_rung(case, *place),
                None => Ok(Verdict::NotDue),
            },
            // Each rung has to be passed.
            AshaDialect::Optuna | AshaDialect::Pure => {
                let mut said = Ok(Verdict::NotDue);
                for place in newly {
                    said = self.at_rung(case, place);
                    if matches!(said, Ok(Verdict::Stop(_))) {
                        break;
                    }
                }
                said
            }
        }
    }

    /// The rungs that this report is the first to come to, from below.
    fn reached(&self, first: f64, case: &Case<'_>) -> impl Iterator<Item = f64> {
        let (at, before) = (case.at, case.before);
        // Also where eta is no reduction: then there is one rung.
        let rungs = if self.eta > 1.0 { self.rungs(first, case.max) } else { 1 };
        let place = move |k: u32| first * self.eta.powi(k as i32);
        (0..rungs).map(place).take_while(move |p| *p <= at).filter(move |p| before.is_none_or(|before| before < *p))
    }

    /// How many rungs there are. Where the length is known, as Ray counts them, rounding down whatever the logarithms' last
    /// bits are: of 1, 3, ..., 243 it drops 243. That is the length itself there, where nobody is stopped any more.
    fn rungs(&self, first: f64, max: Option<f64>) -> u32 {
        match max {
            Some(max) => ((max / first).ln() / self.eta.ln() + 1.0).max(0.0) as u32,
            None => i32::MAX as u32,
        }
    }

    fn at_rung(&self, case: &mut Case<'_>, place: f64) -> Result<Verdict, Unknown> {
        let own = case.field.read(case.unit, Quantity::First, place).ok_or(Unknown::Value)?;
        if own.is_nan() {
            return self.without_value(case, place);
        }
        let ranked = case.field.ranked(Population::Reached, Quantity::First, place, case.unit);
        let rung = Rung { place, own, others: ranked.len(), better: ranked.above(own), min_peers: case.min_peers };
        let keep = self.keep(rung.others + 1);
        let (stop, bar, against) = match self.dialect {
            AshaDialect::Ray => {
                rung.enough(1)?;
                let cutoff = ranked.percentile((1.0 - 1.0 / self.eta) * 100.0).ok_or(Unknown::Peers(0, 1))?;
                (own < cutoff, cutoff, "the cutoff of {} trials that were at the rung before")
            }
            AshaDialect::SyneTune => {
                rung.enough(1)?;
                let share = rung.better as f64 / (rung.others + 1) as f64;
                (share > 1.0 / self.eta, ranked.best().unwrap_or(own), "the best of {} trials at the rung")
            }
            AshaDialect::Optuna | AshaDialect::Pure => {
                let pure = self.dialect == AshaDialect::Pure;
                // With fewer than eta, nobody is among the best 1/eta: Optuna keeps one all the same.
                rung.enough(if pure { self.eta.ceil() as usize - 1 } else { 0 })?;
                let keep = if pure { keep } else { keep.max(1) };
                let last = keep.checked_sub(1).and_then(|i| ranked.values().rev().nth(i));
                (rung.better >= keep, last.unwrap_or(own), "the last that goes on of {} other trials at the rung")
            }
        };
        if bar.is_nan() {
            return Err(Unknown::Value);
        }
        Ok(Verdict::when(stop, rung.evidence(case, bar, against)))
    }

    /// How many of so many go on.
    fn keep(&self, all: usize) -> usize {
        (all as f64 / self.eta) as usize
    }

    /// Optuna prunes what has no number; with the others it is not compared.
    fn without_value(&self, case: &Case<'_>, place: f64) -> Result<Verdict, Unknown> {
        if self.dialect != AshaDialect::Optuna {
            return Err(Unknown::Value);
        }
        Ok(Verdict::Stop(Evidence {
            own: f64::NAN,
            what: "value",
            bar: f64::NAN,
            against: "",
            peers: 0,
            at: case.at,
            note: Some(format!("at rung {}", super::words::brief(place))),
        }))
    }
}

impl Rung {
    fn enough(&self, default: usize) -> Result<(), Unknown> {
        let needed = self.min_peers.unwrap_or(default);
        if self.others < needed { Err(Unknown::Peers(self.others, needed)) } else { Ok(()) }
    }

    fn evidence(&self, case: &Case<'_>, bar: f64, against: &'static str) -> Evidence {
        let place = super::words::brief(self.place);
        let note = format!("rung {place}: {} of {} others are better", self.better, self.others);
        Evidence {
            own: case.raw(self.own),
            what: "value",
            bar: case.raw(bar),
            against,
            peers: self.others,
            at: case.at,
            note: Some(note),
        }
    }
}

impl Stopper for Asha {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }

    fn population(&self) -> Option<(Population, Quantity)> {
        Some((Population::Reached, Quantity::First))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::{Mode, StopperKind};

    fn play(dialect: AshaDialect) -> Play {
        Play::new(&StopperKind::Asha { eta: 3.0, dialect })
    }

    /// Each value comes to the rung at 1 with another trial: C goes on, S stops.
    fn arrivals(mut play: Play, values: &[f64]) -> String {
        let letter = |verdict| if matches!(verdict, Verdict::Stop(_)) { 'S' } else { 'C' };
        values.iter().enumerate().map(|(i, value)| letter(play.report(&i.to_string(), *value))).collect()
    }

    #[test]
    fn the_golden_vector_of_the_dialects() {
        const VALUES: [f64; 9] = [0.50, 0.60, 0.40, 0.55, 0.70, 0.65, 0.30, 0.72, 0.71];
        for (dialect, golden) in [
            (AshaDialect::Ray, "CCSCCCSCC"),
            (AshaDialect::SyneTune, "CCSCCCSCC"),
            (AshaDialect::Optuna, "CCSSCCSCC"),
            (AshaDialect::Pure, "SSSSCCSCC"),
        ] {
            let mut max = play(dialect);
            if dialect == AshaDialect::Pure {
                max.min_peers = Some(0);
            }
            assert_eq!(arrivals(max, &VALUES), golden, "{dialect:?}");
            let mut min = play(dialect);
            min.mode = Mode::Min;
            min.min_peers = (dialect == AshaDialect::Pure).then_some(0);
            assert_eq!(arrivals(min, &VALUES.map(|v| -v)), golden, "{dialect:?}, lower is better");
        }
    }

    #[test]
    fn below_eta_the_pure_rule_says_nothing() {
        let mut play = play(AshaDialect::Pure);
        assert_eq!(play.report("a", 0.5), Verdict::Unknown(Unknown::Peers(0, 2)));
        assert_eq!(play.report("b", 0.5), Verdict::Unknown(Unknown::Peers(1, 2)));
        assert!(matches!(play.report("c", 0.4), Verdict::Stop(_)));
    }

    #[test]
    fn between_rungs_and_at_the_end_nothing_is_due() {
        let mut play = play(AshaDialect::Ray);
        (play.grace, play.max) = (Some(2.0), Some(18.0));
        play.whole("a", &[0.9; 18]);
        let said: Vec<usize> = (1..=18)
            .filter(|i| !matches!(play.at("x", f64::from(*i), 0.1), Verdict::NotDue | Verdict::Unknown(_)))
            .map(|i| i as usize)
            .collect();
        assert_eq!(said, [2, 6], "rungs at 2, 6, and 18 that is the length");
        assert_eq!(play.at("x", 1.0, 0.1), Verdict::Unknown(Unknown::Grace));
    }

    #[test]
    fn a_rung_records_the_first_report_behind_it() {
        let mut play = play(AshaDialect::Ray);
        play.grace = Some(10.0);
        play.at("a", 9.0, 0.9);
        play.at("a", 11.0, 0.5);
        play.at("a", 12.0, 0.7);
        // Interpolated at 10 it would be 0.7.
        let Verdict::Continue(evidence) = play.at("x", 13.0, 0.6) else { panic!("0.6 is better than 0.5") };
        assert_eq!((evidence.own, evidence.bar), (0.6, 0.5));
    }

    #[test]
    fn a_report_that_passes_several_rungs() {
        for (dialect, stops) in [(AshaDialect::Ray, false), (AshaDialect::Optuna, true)] {
            let mut play = play(dialect);
            play.at("a", 1.0, 0.9);
            play.at("b", 1.0, 0.8);
            play.at("c", 3.0, 0.5);
            // Better than all at 3, worse than the best third at 1.
            assert_eq!(matches!(play.at("x", 4.0, 0.6), Verdict::Stop(_)), stops, "{dialect:?}");
        }
    }

    #[test]
    fn rays_count_of_rungs() {
        let rule = Asha { eta: 3.0, dialect: AshaDialect::Ray };
        assert_eq!(
            (rule.rungs(1.0, Some(243.0)), rule.rungs(1.0, Some(81.0)), rule.rungs(1.0, Some(100.0))),
            (5, 5, 5)
        );
        assert_eq!(rule.rungs(50.0, Some(20.0)), 0);
    }

    #[test]
    fn odd_values() {
        for dialect in AshaDialect::ALL {
            let mut play = play(dialect);
            play.min_peers = Some(1);
            for (i, value) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5, 0.5].into_iter().enumerate() {
                let verdict = play.report(&i.to_string(), value);
                let stops = matches!(verdict, Verdict::Stop(_));
                assert!(!value.is_nan() || stops == (dialect == AshaDialect::Optuna), "{dialect:?}: {verdict:?}");
                assert!(value != f64::INFINITY || !stops, "{dialect:?}: {verdict:?}");
            }
        }
        let mut play = Play::new(&StopperKind::Asha { eta: 1.0, dialect: AshaDialect::Ray });
        assert!(matches!(play.report("a", 0.1), Verdict::Unknown(_)), "no reduction: one rung, and it ends");
        assert_eq!(play.report("a", 0.1), Verdict::NotDue);
    }
}
