//! Sums, means and variances that lose little to rounding: running sums with a second number for what the first could
//! not hold (Neumaier's form of Kahan's sum, as Prometheus has it).

/// A compensated running sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    sum: f64,
    rest: f64,
}

impl Sum {
    /// A sum that begins with this value.
    pub fn of(first: f64) -> Sum {
        Sum { sum: first, rest: 0.0 }
    }

    /// Adds a value. A sum that overflows or meets an infinity forgets its rest.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let total = self.sum + value;
        let (large, small) = if self.sum.abs() >= value.abs() { (self.sum, value) } else { (value, self.sum) };
        let rest = self.rest + ((large - total) + small);
        self.rest = if total.is_infinite() { 0.0 } else { rest };
        self.sum = total;
    }

    /// The sum with its rest; an infinite sum has none.
    #[inline]
    pub fn value(self) -> f64 {
        self.sum + self.rest
    }

    /// Both parts times a factor.
    fn scaled(self, factor: f64) -> Sum {
        Sum { sum: self.sum * factor, rest: self.rest * factor }
    }
}

/// A running mean: of the sum while that fits a float, of the means so far from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// The sum, or the mean once `overflown`.
    sum: Sum,
    count: f64,
    overflown: bool,
}

impl Mean {
    /// Of values that are all there: one pass without a question, and a second one only where the sum did not fit.
    pub fn of(mut values: impl Iterator<Item = f64> + Clone) -> Mean {
        let again = values.clone();
        let Some(first) = values.next() else { return Mean::default() };
        let (mut sum, mut count) = (Sum::of(first), 1.0);
        values.for_each(|value| {
            sum.add(value);
            count += 1.0;
        });
        // A sum that was infinite once never becomes finite again.
        if sum.sum.is_finite() {
            return Mean { sum, count, overflown: false };
        }
        let mut mean = Mean::default();
        again.for_each(|value| mean.add(value));
        mean
    }

    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum = Sum::of(value);
            return;
        }
        if !self.overflown {
            let mut sum = self.sum;
            sum.add(value);
            if !sum.sum.is_infinite() {
                self.sum = sum;
                return;
            }
            self.overflown = true;
            // Divided and not multiplied by the inverse: Prometheus divides, and so the last bit agrees.
            let before = self.count - 1.0;
            self.sum = Sum { sum: self.sum.sum / before, rest: self.sum.rest / before };
        }
        self.sum = self.sum.scaled((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    /// The mean; NaN of nothing.
    pub fn value(self) -> f64 {
        if self.overflown { self.sum.value() } else { self.sum.sum / self.count + self.sum.rest / self.count }
    }
}

/// A running variance of a population (Welford's method on compensated sums).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variance {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Variance {
    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean.value();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (value - self.mean.value()));
    }

    /// The variance; NaN of nothing.
    pub fn value(self) -> f64 {
        self.squares.value() / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = Sum::default();
        values.iter().for_each(|v| sum.add(*v));
        sum.value()
    }

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::default();
        values.iter().for_each(|v| mean.add(*v));
        assert_eq!(Mean::of(values.iter().copied()).value().to_bits(), mean.value().to_bits());
        mean.value()
    }

    fn variance(values: &[f64]) -> f64 {
        let mut variance = Variance::default();
        values.iter().for_each(|v| variance.add(*v));
        variance.value()
    }

    #[test]
    fn small_values_survive_large_ones() {
        // Plain addition gives 0 for the first and 0.9999999999999999 for the second.
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(mean(&[5e30, 1.0, -5e30, 2.0]), 0.75);
    }

    #[test]
    fn infinities_and_nan_come_through() {
        assert_eq!(sum(&[1.0, f64::INFINITY, 2.0]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(sum(&[1.0, f64::NAN]).is_nan());
        assert_eq!(mean(&[f64::NEG_INFINITY, 1.0, 2.0]), f64::NEG_INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(variance(&[f64::INFINITY]).is_nan() && variance(&[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn a_mean_of_numbers_whose_sum_is_too_large() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(mean(&[1.5e308, 1.5e308, -1.5e308, -1.5e308]), 0.0);
        assert!(mean(&[]).is_nan());
        assert_eq!(mean(&[f64::MAX]), f64::MAX);
    }

    #[test]
    fn variances_by_hand() {
        assert_eq!(variance(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 4.0);
        // The shortcut by the mean of squares gives 0 here.
        assert_eq!(variance(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]), 2.0 / 3.0);
        assert_eq!(variance(&[5.0]), 0.0);
        assert!(variance(&[]).is_nan());
    }
}
