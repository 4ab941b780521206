//! What an aggregation keeps of one group while elements come in, and what it makes of it: as Prometheus counts, step for
//! step, so that rounding is the same.

use crate::promql::Aggregation;

/// A running sum with what rounding has lost (Kahan and Babuska, after Neumaier).
#[derive(Clone, Copy, Default)]
struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    fn add(self, value: f64) -> Sum {
        let total = self.total + value;
        let lost = if total.is_infinite() {
            0.0
        } else if self.total.abs() >= value.abs() {
            self.lost + ((self.total - total) + value)
        } else {
            self.lost + ((value - total) + self.total)
        };
        Sum { total, lost }
    }

    fn scaled(self, factor: f64) -> Sum {
        Sum { total: self.total * factor, lost: self.lost * factor }
    }
}

/// One group.
pub(super) struct Tally {
    op: Aggregation,
    count: f64,
    sum: Sum,
    /// The sum would overflow, so `sum` is the running mean.
    is_mean: bool,
    /// Welford's running mean; `sum.total` is then the sum of squared differences from it.
    mean: f64,
    /// All values, where all are needed.
    values: Vec<f64>,
}

impl Tally {
    /// Of a group's first element.
    pub(super) fn new(op: Aggregation, first: f64) -> Tally {
        let total = match op {
            Aggregation::Group => 1.0,
            Aggregation::Stddev | Aggregation::Stdvar if first.is_finite() => 0.0,
            Aggregation::Stddev | Aggregation::Stdvar => f64::NAN,
            _ => first,
        };
        let values = if op == Aggregation::Quantile { vec![first] } else { Vec::new() };
        Tally { op, count: 1.0, sum: Sum { total, lost: 0.0 }, is_mean: false, mean: first, values }
    }

    /// One element more.
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        match self.op {
            Aggregation::Sum => self.sum = self.sum.add(value),
            Aggregation::Avg => self.average(value),
            Aggregation::Min if self.sum.total > value || self.sum.total.is_nan() => self.sum.total = value,
            Aggregation::Max if self.sum.total < value || self.sum.total.is_nan() => self.sum.total = value,
            Aggregation::Stddev | Aggregation::Stdvar => {
                let delta = value - self.mean;
                self.mean += delta / self.count;
                self.sum.total += delta * (value - self.mean);
            }
            Aggregation::Quantile => self.values.push(value),
            _ => {}
        }
    }

    /// The mean is the sum over the count while the sum does not overflow, and moves by shares of the values from then on.
    fn average(&mut self, value: f64) {
        if !self.is_mean {
            let sum = self.sum.add(value);
            if !sum.total.is_infinite() {
                self.sum = sum;
                return;
            }
            self.is_mean = true;
            self.sum = Sum { total: self.sum.total / (self.count - 1.0), lost: self.sum.lost / (self.count - 1.0) };
        }
        self.sum = self.sum.scaled((self.count - 1.0) / self.count).add(value / self.count);
    }

    /// The group's value; `parameter` is the quantile.
    pub(super) fn value(mut self, parameter: f64) -> f64 {
        match self.op {
            Aggregation::Sum => self.sum.total + self.sum.lost,
            Aggregation::Avg if self.is_mean => self.sum.total + self.sum.lost,
            Aggregation::Avg => self.sum.total / self.count + self.sum.lost / self.count,
            Aggregation::Count => self.count,
            Aggregation::Stdvar => self.sum.total / self.count,
            Aggregation::Stddev => (self.sum.total / self.count).sqrt(),
            Aggregation::Quantile => quantile(parameter, &mut self.values),
            _ => self.sum.total,
        }
    }
}

/// The value that a share of the values is not above, with weights between two; NaN counts as the smallest.
fn quantile(share: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || share.is_nan() {
        return f64::NAN;
    }
    if share < 0.0 {
        return f64::NEG_INFINITY;
    }
    if share > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
    let rank = share * (values.len() - 1) as f64;
    let lower = rank.floor();
    let upper = (lower as usize + 1).min(values.len() - 1);
    let weight = rank - lower;
    values[lower as usize] * (1.0 - weight) + values[upper] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(op: Aggregation, parameter: f64, values: &[f64]) -> f64 {
        let mut tally = Tally::new(op, values[0]);
        values[1..].iter().for_each(|value| tally.add(*value));
        tally.value(parameter)
    }

    #[test]
    fn a_sum_keeps_what_rounding_would_lose() {
        assert_eq!(of(Aggregation::Sum, 0.0, &[1e16, 1.0, 1.0, -1e16]), 2.0);
        assert_eq!(of(Aggregation::Sum, 0.0, &[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(of(Aggregation::Sum, 0.0, &[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn a_mean_does_not_overflow() {
        assert_eq!(of(Aggregation::Avg, 0.0, &[f64::MAX, f64::MAX, f64::MAX]), f64::MAX);
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
