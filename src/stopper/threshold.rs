//! Past a bound: Optuna's ThresholdPruner.

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};

/// Stops at a value, as it was reported, above or below a bound, or NaN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threshold {
    /// Stop above this.
    pub above: Option<f64>,
    /// Stop below this.
    pub below: Option<f64>,
}

impl Threshold {
    fn judge(&self, case: &Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let last = case.curve().and_then(|curve| curve.last()).ok_or(Unknown::Value)?;
        let own = case.raw(last.value);
        let evidence = |bar: f64, note: String| Evidence {
            own,
            what: "value",
            bar,
            against: "",
            peers: 0,
            at: case.at,
            note: Some(note),
        };
        if own.is_nan() {
            let bar = self.above.or(self.below).unwrap_or(f64::NAN);
            return Ok(Verdict::Stop(evidence(bar, "is not a number".into())));
        }
        if let Some(bar) = self.above.filter(|bar| own > *bar) {
            return Ok(Verdict::Stop(evidence(bar, format!("is above {bar}"))));
        }
        if let Some(bar) = self.below.filter(|bar| own < *bar) {
            return Ok(Verdict::Stop(evidence(bar, format!("is below {bar}"))));
        }
        let bar = self.above.or(self.below).unwrap_or(f64::NAN);
        Ok(Verdict::Continue(evidence(bar, "is within the bounds".into())))
    }
}

impl Stopper for Threshold {
    fn is_directed(&self) -> bool {
        false
    }

    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::{Mode, StopperKind};

    #[test]
    fn bounds_are_those_of_reported_values() {
        for mode in [Mode::Max, Mode::Min] {
            let mut play = Play::new(&StopperKind::Threshold { above: Some(10.0), below: Some(-1.0) });
            play.mode = mode;
            play.grace = Some(2.0);
            assert_eq!(play.report("x", 99.0), Verdict::Unknown(Unknown::Grace));
            assert_eq!(play.stops("x", &[10.0, -1.0, 10.5]), Some(3));
            assert_eq!(play.stops("x", &[f64::NEG_INFINITY]), Some(1));
            assert_eq!(play.stops("x", &[f64::NAN]), Some(1));
        }
    }

    #[test]
    fn a_bound_that_is_not_there_bounds_nothing() {
        let mut play = Play::new(&StopperKind::Threshold { above: Some(10.0), below: None });
        assert_eq!(play.stops("x", &[-1e300, f64::NEG_INFINITY, f64::INFINITY]), Some(3));
    }
}
