//! The last reports hardly differ: Ray's TrialPlateauStopper.

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};

/// Stops when the standard deviation (that of a whole, not of a sample) of the last `window` values is at most `std`.
///
/// Ray asks for less than `std`: there a bound of 0 can never be met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plateau {
    /// So many reports.
    pub window: u32,
    /// Their standard deviation is at most this.
    pub std: f64,
}

impl Plateau {
    fn judge(&self, case: &Case<'_>) -> Result<Verdict, Unknown> {
        case.after_grace()?;
        let points = case.curve().ok_or(Unknown::Value)?.points();
        // The deviation of one value is always 0.
        let window = (self.window as usize).max(2);
        let Some(start) = points.len().checked_sub(window) else {
            return Err(Unknown::Reports(points.len(), window));
        };
        let values = points[start..].iter().map(|point| point.value);
        let mean = values.clone().sum::<f64>() / window as f64;
        let own = (values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / window as f64).sqrt();
        if own.is_nan() {
            return Err(Unknown::Value);
        }
        let than = if own <= self.std { "at most" } else { "more than" };
        let evidence = Evidence {
            own,
            what: "standard deviation",
            bar: self.std,
            against: "",
            peers: 0,
            at: case.at,
            note: Some(format!("of the last {window} reports is {than} {}", self.std)),
        };
        Ok(Verdict::when(own <= self.std, evidence))
    }
}

impl Stopper for Plateau {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        self.judge(case).unwrap_or_else(Verdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Play;
    use super::*;
    use crate::model::{Mode, StopperKind};

    fn play(window: u32, std: f64) -> Play {
        Play::new(&StopperKind::Plateau { window, std })
    }

    #[test]
    fn the_last_four_hardly_differ() {
        for mode in [Mode::Max, Mode::Min] {
            let mut play = play(4, 0.01);
            play.mode = mode;
            // numpy.std([.5, .51, .52, .51]) is .0070711, of [.4, .5, .51, .52] .0480.
            assert_eq!(play.stops("x", &[0.1, 0.4, 0.5, 0.51, 0.52, 0.51]), Some(6));
        }
    }

    #[test]
    fn a_window_is_full_and_of_numbers() {
        let mut play = play(3, 0.0);
        play.grace = Some(2.0);
        assert_eq!(play.report("x", 0.5), Verdict::Unknown(Unknown::Grace));
        assert_eq!(play.report("x", 0.5), Verdict::Unknown(Unknown::Reports(2, 3)));
        assert_eq!(play.report("x", f64::NAN), Verdict::Unknown(Unknown::Value));
        assert_eq!(play.report("x", f64::INFINITY), Verdict::Unknown(Unknown::Value));
        assert_eq!(play.stops("x", &[0.5, 0.5, 0.5]), Some(3), "no deviation at all is at most 0");
        assert_eq!(play.report("y", 0.5), Verdict::Unknown(Unknown::Grace));
    }

    #[test]
    fn one_report_is_no_window() {
        assert_eq!(play(1, 0.1).report("x", 0.5), Verdict::Unknown(Unknown::Reports(1, 2)));
        assert_eq!(play(0, 0.1).report("x", 0.5), Verdict::Unknown(Unknown::Reports(1, 2)));
    }
}
