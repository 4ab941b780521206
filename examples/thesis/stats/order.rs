//! Quantiles.

/// The quantile at a share between 0 and 1, between two values by a straight line (numpy's default). `None` of nothing.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(if low == high { low } else { low + (high - low) * place.fract() })
}

/// The middle value.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy 2: np.quantile([3, 1, 4, 1, 5, 9, 2, 6], [0, .1, .25, .5, .9, 1]).
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let found = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0].map(|share| quantile(&values, share).expect("some"));
        for (found, wanted) in found.into_iter().zip([1.0, 1.0, 1.75, 3.5, 6.9, 9.0]) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert_eq!((median(&[]), median(&[f64::NAN]), median(&[2.0])), (None, None, Some(2.0)));
    }
}
