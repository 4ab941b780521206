//! A configuration whose first folds are already worse than the best one (Bergman, Purucker, Hutter 2024).

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::folds::Folds;
use crate::model::FutilityVariant;

/// Stops a fold when the mean over the folds of its configuration that are through is not better than the incumbent's mean
/// (aggressive) or its worst fold (forgiving); as good stops, too.
///
/// A fold is through when it is complete or has come to its whole length; its score is its last value. The incumbent is the
/// configuration with the best mean of those with all folds through, where "all" is as many as any configuration has.
#[derive(Clone, Copy, Debug)]
pub(super) struct CvFutility {
    /// How early.
    pub variant: FutilityVariant,
}

impl CvFutility {
    fn judge(&self, case: &Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let Folds { own, best, rivals, all } = Folds::of(case)?;
        // With all its folds through there is nothing left to save.
        if own.folds.len() >= all {
            return Ok(Verdict::NotDue);
        }
        let (bar, against) = match self.variant {
            FutilityVariant::Aggressive => (best.mean, "the mean over the folds of the best of {} configurations"),
            FutilityVariant::Forgiving => (best.worst(), "the worst fold of the best of {} configurations"),
        };
        let evidence = Evidence {
            own: case.raw(own.mean),
            what: "mean over the folds so far",
            bar: case.raw(bar),
            against,
            peers: rivals,
            at: case.at,
            note: Some(format!("{} of {all} folds", own.folds.len())),
        };
        Ok(Verdict::when(own.mean <= bar, evidence))
    }
}

impl Stopper for CvFutility {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::{Mode, StopperKind};
    use crate::stopper::End;

    /// An incumbent with folds of 0.8, 0.6, 0.7; the mean is 0.7, the worst 0.6.
    fn play(variant: FutilityVariant) -> Play {
        let mut play = Play::new(&StopperKind::CvFutility { variant });
        for (fold, score) in [("best/0", 0.8), ("best/1", 0.6), ("best/2", 0.7)] {
            play.whole(fold, &[0.1, score]);
        }
        for fold in ["poor/0", "poor/1", "poor/2"] {
            play.whole(fold, &[0.1, 0.2]);
        }
        play
    }

    fn stops(variant: FutilityVariant, folds: &[f64]) -> bool {
        let mut play = play(variant);
        for (i, score) in folds.iter().enumerate() {
            play.whole(&format!("x/{i}"), &[0.0, *score]);
        }
        matches!(play.report(&format!("x/{}", folds.len()), 0.9), Verdict::Stop(_))
    }

    #[test]
    fn aggressive_looks_at_the_mean_forgiving_at_the_worst_fold() {
        use FutilityVariant::{Aggressive, Forgiving};
        assert!(stops(Aggressive, &[0.65]) && !stops(Aggressive, &[0.71]));
        assert!(!stops(Forgiving, &[0.65]) && stops(Forgiving, &[0.59]));
        assert!(stops(Forgiving, &[0.6]), "as good stops");
        assert!(!stops(Aggressive, &[0.65, 0.8]), "the mean of both is better");
        assert!(stops(Aggressive, &[0.8, 0.59]));
    }

    #[test]
    fn less_may_be_better() {
        let mut play = Play::new(&StopperKind::CvFutility { variant: FutilityVariant::Aggressive });
        play.mode = Mode::Min;
        for (fold, score) in [("best/0", 0.2), ("best/1", 0.4), ("x/0", 0.35)] {
            play.whole(fold, &[score]);
        }
        let Verdict::Stop(evidence) = play.report("x/1", 9.0) else { panic!(".35 is worse than .3") };
        assert_eq!((evidence.own, evidence.bar), (0.35, 0.30000000000000004));
    }

    #[test]
    fn who_is_compared() {
        let variant = FutilityVariant::Aggressive;
        let mut first = Play::new(&StopperKind::CvFutility { variant });
        first.whole("a/0", &[0.9]);
        assert_eq!(first.report("b/0", 0.1), Verdict::Unknown(Unknown::Reports(0, 1)), "no fold is through");
        first.whole("b/0", &[0.1]);
        first.whole("b/1", &[0.1]);
        // Of "a" only one of two folds is through.
        assert_eq!(first.report("b/2", 0.1), Verdict::Unknown(Unknown::Peers(0, 1)));
        let mut nan = play(variant);
        nan.whole("x/0", &[f64::NAN]);
        assert_eq!(nan.report("x/1", 0.1), Verdict::Unknown(Unknown::Reports(0, 1)));
        let mut lone = play(variant);
        lone.run("alone");
        assert_eq!(lone.report("x/1", 0.1), Verdict::Unknown(Unknown::Folds));
        let mut cut = play(variant);
        cut.report("x/0", 0.1);
        cut.end("x/0", End::Cut);
        assert_eq!(
            cut.report("x/1", 0.1),
            Verdict::Unknown(Unknown::Reports(0, 1)),
            "a fold that was cut has no score"
        );
    }

    #[test]
    fn a_fold_at_its_whole_length_is_through() {
        let mut play = play(FutilityVariant::Aggressive);
        play.max = Some(2.0);
        assert_eq!(play.report("x/0", 0.1), Verdict::Unknown(Unknown::Reports(0, 1)));
        assert!(matches!(play.report("x/0", 0.1), Verdict::Stop(_)));
    }
}
