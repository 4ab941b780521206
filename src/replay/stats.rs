//! Means, medians, intervals.

use super::dice::Dice;

/// The value below which a share of sorted values lies, interpolated linearly (as NumPy does).
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    // The difference of two infinities is none.
    if below == above { below } else { below + (above - below) * place.fract() }
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Between these lie 95 % of the values.
pub fn middle_95(values: &[f64]) -> (f64, f64) {
    let sorted = sorted(values);
    (quantile(&sorted, 0.025), quantile(&sorted, 0.975))
}

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;

/// 95 % limits of the mean: the percentile bootstrap.
pub fn bootstrap(values: &[f64], dice: &mut Dice) -> (f64, f64) {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        let only = values.first().copied().unwrap_or(f64::NAN);
        return (only, only);
    }
    let one = |_| (0..values.len()).map(|_| values[dice.below(values.len())]).sum::<f64>() / values.len() as f64;
    middle_95(&(0..RESAMPLES).map(one).collect::<Vec<_>>())
}

/// 95 % limits of a share of zeros and ones (Wilson 1927): right at its ends, too, where a bootstrap sees no doubt.
pub fn wilson(values: &[f64]) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let (n, share) = (values.len() as f64, mean(values));
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let bound = |x: f64| (x / (1.0 + Z * Z / n)).clamp(0.0, 1.0);
    // A share of all or none has that end exactly.
    let low = if share == 0.0 { 0.0 } else { bound(middle - half) };
    (low, if share == 1.0 { 1.0 } else { bound(middle + half) })
}

/// The median.
pub fn median(values: &[f64]) -> f64 {
    quantile(&sorted(values), 0.5)
}

/// In rising order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&sorted, 0.5), 2.5);
        assert_eq!((quantile(&sorted, 0.0), quantile(&sorted, 1.0)), (1.0, 4.0));
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(median(&[3.0, 1.0, f64::INFINITY]), 3.0);
        assert_eq!(quantile(&[f64::INFINITY, f64::INFINITY], 0.3), f64::INFINITY);
    }

    #[test]
    fn limits_hold_the_truth() {
        let share = |ones: usize, n: usize| (0..n).map(|i| f64::from(i < ones)).collect::<Vec<f64>>();
        // R: binom.confint(970, 1000, methods = "wilson") gives 0.9575 to 0.9789.
        let (low, high) = wilson(&share(970, 1000));
        assert!((low - 0.9575).abs() < 1e-4 && (high - 0.9789).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(&share(30, 30));
        assert!((low - 0.8865).abs() < 1e-4 && high == 1.0, "{low} {high}");
        assert_eq!(wilson(&share(0, 30)).0, 0.0);
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let (low, high) = bootstrap(&values, &mut Dice::new(1, 1));
        // The mean is 499.5, its standard error 9.1.
        assert!((475.0..488.0).contains(&low) && (511.0..524.0).contains(&high), "{low} {high}");
        assert_eq!(bootstrap(&[2.0; 9], &mut Dice::new(1, 1)), (2.0, 2.0));
    }
}
