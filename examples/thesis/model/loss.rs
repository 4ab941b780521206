//! The three losses, formula for formula as scikit-learn 1.3.2 has them.

use std::str::FromStr;

/// What a model is trained to make small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Half the squared error: linear regression.
    Squared,
    /// Logistic loss: logistic regression.
    Log,
    /// Hinge: a linear support vector machine.
    Hinge,
}

impl Loss {
    /// The loss of the prediction `p` where `y` was right: a number for [`Loss::Squared`], else 1 or -1.
    pub fn value(self, p: f64, y: f64) -> f64 {
        match self {
            Loss::Squared => Squared::value(p, y),
            Loss::Log => Log::value(p, y),
            Loss::Hinge => Hinge::value(p, y),
        }
    }

    /// scikit-learn's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Loss::Squared => "squared_error",
            Loss::Log => "log_loss",
            Loss::Hinge => "hinge",
        }
    }
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(name: &str) -> Result<Loss, String> {
        let known = [Loss::Squared, Loss::Log, Loss::Hinge];
        let wrong = || format!("no loss `{name}`; there are squared_error, log_loss and hinge");
        known.into_iter().find(|loss| loss.as_str() == name).ok_or_else(wrong)
    }
}

/// A loss as a type: one kernel is compiled for each, so that no row asks which it is.
pub trait LossFunction {
    /// The loss itself.
    fn value(p: f64, y: f64) -> f64;
    /// Its derivative by `p`.
    fn slope(p: f64, y: f64) -> f64;
}

/// Half the squared error.
pub struct Squared;

impl LossFunction for Squared {
    #[inline(always)]
    fn value(p: f64, y: f64) -> f64 {
        0.5 * (p - y) * (p - y)
    }

    #[inline(always)]
    fn slope(p: f64, y: f64) -> f64 {
        p - y
    }
}

/// Beyond this the logistic function is taken as its limit (scikit-learn's number).
const FLAT: f64 = 18.0;

/// Logistic loss, y in {-1, 1}.
pub struct Log;

impl LossFunction for Log {
    #[inline(always)]
    fn value(p: f64, y: f64) -> f64 {
        match p * y {
            z if z > FLAT => (-z).exp(),
            z if z < -FLAT => -z,
            // Not ln_1p: scikit-learn has none here, and the last digits are to agree.
            z => (1.0 + (-z).exp()).ln(),
        }
    }

    #[inline(always)]
    fn slope(p: f64, y: f64) -> f64 {
        match p * y {
            z if z > FLAT => (-z).exp() * -y,
            z if z < -FLAT => -y,
            z => -y / (z.exp() + 1.0),
        }
    }
}

/// Hinge, y in {-1, 1}.
pub struct Hinge;

impl LossFunction for Hinge {
    #[inline(always)]
    fn value(p: f64, y: f64) -> f64 {
        let z = p * y;
        // Not f64::max, which would make 0 of NaN.
        if z <= 1.0 || z.is_nan() { 1.0 - z } else { 0.0 }
    }

    #[inline(always)]
    fn slope(p: f64, y: f64) -> f64 {
        if p * y <= 1.0 { -y } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_derivatives() {
        fn slope(loss: Loss, p: f64, y: f64) -> f64 {
            match loss {
                Loss::Squared => Squared::slope(p, y),
                Loss::Log => Log::slope(p, y),
                Loss::Hinge => Hinge::slope(p, y),
            }
        }
        for loss in [Loss::Squared, Loss::Log, Loss::Hinge] {
            for y in [-1.0, 1.0] {
                for p in [-30.0, -17.0, -2.0, -0.3, 0.0, 0.4, 3.0, 17.0, 30.0] {
                    let h = 1e-5;
                    let difference = (loss.value(p + h, y) - loss.value(p - h, y)) / (2.0 * h);
                    let got = slope(loss, p, y);
                    assert!((difference - got).abs() < 1e-6, "{loss:?} p={p} y={y}: {got}, not {difference}");
                }
            }
        }
    }

    #[test]
    fn the_bends_are_where_scikit_learn_has_them() {
        // The hinge's corner belongs to the slope; the logistic cut-offs are strict.
        assert_eq!((Hinge::slope(1.0, 1.0), Hinge::slope(1.0 + 1e-12, 1.0)), (-1.0, 0.0));
        assert_eq!(Log::slope(-18.1, 1.0), -1.0);
        assert!(Log::slope(-18.0, 1.0) > -1.0);
        assert!(Hinge::value(f64::NAN, 1.0).is_nan(), "a model gone wrong must not look perfect");
    }

    #[test]
    fn names_come_back() {
        for loss in [Loss::Squared, Loss::Log, Loss::Hinge] {
            assert_eq!(loss.as_str().parse(), Ok(loss));
        }
        assert!("huber".parse::<Loss>().is_err_and(|e| e.contains("squared_error")));
    }
}
