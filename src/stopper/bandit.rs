//! Too far behind the best of all: HyperDrive's (Azure ML) bandit policy.

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::field::{Population, Quantity};
use crate::model::Slack;

/// Stops whose best so far is worse than the best that anybody had here, less the slack.
///
/// A ratio of `s` allows best / (1 + s) where higher is better and best * (1 + s) where lower is. With the other sign these
/// would ask for more than the best; there the one takes the other's place, so that slack is always allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bandit {
    /// How far.
    pub slack: Slack,
}

impl Bandit {
    fn judge(&self, case: &mut Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let own = case.own(Quantity::Best).filter(|own| !own.is_nan()).ok_or(Unknown::Value)?;
        let ranked = case.field.ranked(Population::Reached, Quantity::Best, case.at, case.unit);
        let (peers, best) = (ranked.len(), ranked.best());
        case.enough(peers, 1)?;
        let best = best.ok_or(Unknown::Peers(0, 1))?;
        let bar = self.bar(best);
        if bar.is_nan() {
            return Err(Unknown::Value);
        }
        let evidence = Evidence {
            own: case.raw(own),
            what: "best so far",
            bar: case.raw(bar),
            against: "what the slack allows behind the best of {} trials",
            peers,
            at: case.at,
            note: Some(format!("the best is {}", super::words::brief(case.raw(best)))),
        };
        Ok(Verdict::when(own < bar, evidence))
    }

    /// Higher is better; a metric of which less is better comes in with its sign turned.
    fn bar(&self, best: f64) -> f64 {
        match self.slack {
            Slack::Ratio(slack) if best >= 0.0 => best / (1.0 + slack),
            Slack::Ratio(slack) => best * (1.0 + slack),
            Slack::Amount(slack) => best - slack,
        }
    }
}

impl Stopper for Bandit {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }

    fn population(&self) -> Option<(Population, Quantity)> {
        Some((Population::Reached, Quantity::Best))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::{Mode, StopperKind};

    /// Whether it stops at `own` when the best is `best`.
    fn stops(slack: Slack, mode: Mode, best: f64, own: f64) -> bool {
        let mut play = Play::new(&StopperKind::Bandit { slack });
        play.mode = mode;
        play.report("best", best);
        play.report("worst", if mode == Mode::Max { -1e9 } else { 1e9 });
        play.stops("x", &[own]).is_some()
    }

    #[test]
    fn the_ratio_of_azure() {
        // Azure's manual: 0.8 with a slack of 0.2 is 0.66.
        let ratio = Slack::Ratio(0.2);
        assert!(stops(ratio, Mode::Max, 0.8, 0.66) && !stops(ratio, Mode::Max, 0.8, 0.67));
        assert!(stops(ratio, Mode::Min, 0.5, 0.61) && !stops(ratio, Mode::Min, 0.5, 0.6));
        // Log-likelihoods, better high; negative losses, better low.
        assert!(stops(ratio, Mode::Max, -10.0, -12.1) && !stops(ratio, Mode::Max, -10.0, -12.0));
        assert!(stops(ratio, Mode::Min, -12.0, -9.9) && !stops(ratio, Mode::Min, -12.0, -10.0));
    }

    #[test]
    fn the_amount() {
        let amount = Slack::Amount(0.25);
        for (mode, sign) in [(Mode::Max, 1.0), (Mode::Min, -1.0)] {
            for best in [0.5, -0.5, 0.0] {
                assert!(!stops(amount, mode, sign * best, sign * (best - 0.25)));
                assert!(stops(amount, mode, sign * best, sign * (best - 0.2501)));
            }
        }
    }

    #[test]
    fn who_is_best_is_never_stopped_and_nobody_alone() {
        let mut play = Play::new(&StopperKind::Bandit { slack: Slack::Amount(0.0) });
        assert_eq!(play.report("a", 0.5), Verdict::Unknown(Unknown::Peers(0, 1)));
        assert_eq!(play.stops("b", &[0.5]), None, "as good is no slack behind");
        play.report("diverged", f64::NAN);
        assert_eq!(play.stops("c", &[0.6, f64::NAN]), None);
        play.report("wild", f64::INFINITY);
        assert_eq!(play.stops("d", &[f64::INFINITY]), None);
        let mut odd = Play::new(&StopperKind::Bandit { slack: Slack::Amount(f64::INFINITY) });
        odd.report("wild", f64::INFINITY);
        assert_eq!(odd.report("x", 0.5), Verdict::Unknown(Unknown::Value));
    }
}
