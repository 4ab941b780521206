//! A part of the training rows: 10 % of them tell how far a little data goes, and foretell what all of it comes to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::plan::Fold;
use crate::split::shuffled;

/// The smallest share: less is a handful of rows, whatever the set.
const LEAST: f64 = 0.001;

/// A share of the training rows, 0.001 to 1. Its text form is the number, `0.1`; it is read as `0.1` and as `10%`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Share(f64);

impl Share {
    /// As a number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// For people.
    pub fn percent(self) -> String {
        // Off by a rounding in the last digits: 0.07 * 100 is 7.000000000000001.
        format!("{} %", (self.0 * 1e5).round() / 1e3)
    }

    /// So many of a fold's training rows, drawn at random by the seed, in their old order. Of the same seed and fold a
    /// smaller share is a part of a larger one, so that between two shares only the amount of data differs. At least one
    /// row is left.
    pub fn of(self, rows: &[usize], seed: u64, fold: Fold) -> Vec<usize> {
        let count = ((rows.len() as f64 * self.value()).round() as usize).max(1);
        // The whole set was shuffled by the seed itself; another order for each fold.
        let own = match fold {
            Fold::Without(fold) => fold as u64 + 1,
            Fold::Whole => 0,
        };
        let mut drawn = shuffled(rows.len(), seed ^ (0x5aa2_e000 + own));
        drawn.truncate(count);
        drawn.sort_unstable();
        drawn.into_iter().map(|place| rows[place]).collect()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        // As an exponent, a percentage is read to the nearest number: 33.3 / 100 would not be 0.333.
        let number = text.trim_end().strip_suffix('%').map(|percent| format!("{}e-2", percent.trim_end()));
        let value: Option<f64> = number.as_deref().unwrap_or(text).parse().ok();
        match value {
            Some(value) if (LEAST..=1.0).contains(&value) => Ok(Share(value)),
            Some(_) => Err("a share is 0.1% to 100%, or 0.001 to 1".into()),
            None => Err("a share is a number like 10% or 0.1".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_numbers_are_the_same() {
        let read = |text: &str| text.parse::<Share>();
        assert_eq!(read("10%"), read("0.1"));
        assert_eq!(read("33.3 %").expect("sound").to_string(), "0.333");
        assert_eq!(read("7%").expect("sound").percent(), "7 %");
        for wrong in ["", "%", "ten", "0", "0%", "101%", "1.5", "-0.1", "nan", "inf"] {
            assert!(read(wrong).expect_err(wrong).starts_with("a share is "), "{wrong}");
        }
    }

    #[test]
    fn rows_are_drawn_by_the_seed_and_a_smaller_share_is_in_a_larger_one() {
        let rows: Vec<usize> = (0..1000).map(|row| row * 3).collect();
        let of = |share: f64, seed, fold| Share(share).of(&rows, seed, Fold::Without(fold));
        let (small, large) = (of(0.1, 42, 0), of(0.3, 42, 0));
        assert_eq!((small.len(), large.len()), (100, 300));
        assert!(small.iter().all(|row| large.contains(row)) && large.is_sorted());
        assert_eq!(small, of(0.1, 42, 0));
        assert!(small != of(0.1, 7, 0) && small != of(0.1, 42, 1) && small != Share(0.1).of(&rows, 42, Fold::Whole));
        assert_eq!((of(1.0, 42, 0), of(0.001, 42, 0).len()), (rows, 1));
        assert_eq!(Share(0.001).of(&[5], 1, Fold::Whole), [5]);
    }
}
