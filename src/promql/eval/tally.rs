//! What an aggregation keeps of one group while elements come in, and what it makes of it: as Prometheus counts, step for
//! step, so that rounding is the same.

use crate::promql::Aggregation;
use crate::promql::functions::quantile::quantile;
use crate::promql::functions::sum::{Mean, Sum};

/// One group.
pub(super) enum Tally {
    /// sum
    Sum(Sum),
    /// avg
    Avg(Mean),
    /// count, and any other that needs no values
    Count(f64),
    /// group
    Group,
    /// min, max: any number is better than NaN
    Extreme(f64),
    /// stddev, stdvar: Welford's method, without compensation, as Prometheus has it here.
    Spread {
        /// Elements so far.
        count: f64,
        /// Their mean.
        mean: f64,
        /// Sum of squared differences from it.
        squares: f64,
    },
    /// quantile
    Values(Vec<f64>),
}

impl Tally {
    /// Of a group's first element.
    pub(super) fn new(op: Aggregation, first: f64) -> Tally {
        match op {
            Aggregation::Sum => Tally::Sum(Sum::of(first)),
            Aggregation::Avg => {
                let mut mean = Mean::default();
                mean.add(first);
                Tally::Avg(mean)
            }
            Aggregation::Group => Tally::Group,
            Aggregation::Min | Aggregation::Max => Tally::Extreme(first),
            Aggregation::Stddev | Aggregation::Stdvar => {
                Tally::Spread { count: 1.0, mean: first, squares: if first.is_finite() { 0.0 } else { f64::NAN } }
            }
            Aggregation::Quantile => Tally::Values(vec![first]),
            _ => Tally::Count(1.0),
        }
    }

    /// One element more.
    pub(super) fn add(&mut self, op: Aggregation, value: f64) {
        match self {
            Tally::Sum(sum) => sum.add(value),
            Tally::Avg(mean) => mean.add(value),
            Tally::Count(count) => *count += 1.0,
            Tally::Group => {}
            Tally::Extreme(extreme) => {
                let better = if op == Aggregation::Min { value < *extreme } else { value > *extreme };
                if better || extreme.is_nan() {
                    *extreme = value;
                }
            }
            Tally::Spread { count, mean, squares } => {
                *count += 1.0;
                let delta = value - *mean;
                *mean += delta / *count;
                *squares += delta * (value - *mean);
            }
            Tally::Values(values) => values.push(value),
        }
    }

    /// The group's value; `parameter` is the quantile.
    pub(super) fn value(self, op: Aggregation, parameter: f64) -> f64 {
        match self {
            Tally::Sum(sum) => sum.value(),
            Tally::Avg(mean) => mean.value(),
            Tally::Count(count) => count,
            Tally::Group => 1.0,
            Tally::Extreme(extreme) => extreme,
            Tally::Spread { count, squares, .. } if op == Aggregation::Stddev => (squares / count).sqrt(),
            Tally::Spread { count, squares, .. } => squares / count,
            Tally::Values(mut values) => quantile(parameter, &mut values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(op: Aggregation, parameter: f64, values: &[f64]) -> f64 {
        let mut tally = Tally::new(op, values[0]);
        values[1..].iter().for_each(|value| tally.add(op, *value));
        tally.value(op, parameter)
    }

    #[test]
    fn a_sum_keeps_what_rounding_would_lose() {
        assert_eq!(of(Aggregation::Sum, 0.0, &[1e16, 1.0, 1.0, -1e16]), 2.0);
        assert_eq!(of(Aggregation::Sum, 0.0, &[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(of(Aggregation::Sum, 0.0, &[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn a_mean_does_not_overflow() {
        assert_eq!(of(Aggregation::Avg, 0.0, &[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(of(Aggregation::Avg, 0.0, &[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(of(Aggregation::Avg, 0.0, &[f64::INFINITY, 2.0, 6.0]), f64::INFINITY);
        assert!(of(Aggregation::Avg, 0.0, &[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn smallest_and_largest_prefer_any_number_to_nan() {
        assert_eq!(of(Aggregation::Min, 0.0, &[f64::NAN, 3.0, f64::NAN, 2.0]), 2.0);
        assert_eq!(of(Aggregation::Max, 0.0, &[3.0, f64::NAN, 4.0]), 4.0);
        assert!(of(Aggregation::Max, 0.0, &[f64::NAN, f64::NAN]).is_nan());
    }

    #[test]
    fn spread() {
        assert_eq!(of(Aggregation::Stdvar, 0.0, &[1.0, 2.0, 3.0, 4.0]), 1.25);
        assert_eq!(of(Aggregation::Stddev, 0.0, &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 2.0);
        assert!(of(Aggregation::Stddev, 0.0, &[f64::INFINITY]).is_nan());
        assert_eq!(of(Aggregation::Stddev, 0.0, &[7.0]), 0.0);
    }

    #[test]
    fn quantiles_weigh_between_two_and_nan_is_smallest() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(of(Aggregation::Quantile, 0.5, &values), 2.5);
        assert_eq!(of(Aggregation::Quantile, 1.0, &values), 4.0);
        assert_eq!(of(Aggregation::Quantile, -0.1, &values), f64::NEG_INFINITY);
        assert_eq!(of(Aggregation::Quantile, 1.1, &values), f64::INFINITY);
        assert!(of(Aggregation::Quantile, f64::NAN, &values).is_nan());
        assert!(of(Aggregation::Quantile, 0.0, &[1.0, f64::NAN]).is_nan());
        assert_eq!(of(Aggregation::Quantile, 1.0, &[1.0, f64::NAN]), 1.0);
    }
}
