//! Quantiles of values.

use std::cmp::Ordering;

/// The quantile of values, which are put in order; between two of them by their weighted mean. NaN is the smallest
/// value. NaN of nothing and for a NaN as `q`, -Inf below 0 and +Inf above 1.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = rank.floor() as usize;
    let weight = rank - rank.floor();
    // Only the two values at the rank need their place.
    let (_, at, above) = values.select_nth_unstable_by(lower, |a, b| order(*a, *b));
    let at = *at;
    let next = above.iter().copied().min_by(|a, b| order(*a, *b)).unwrap_or(at);
    at * (1.0 - weight) + next * weight
}

/// NaN first, then from the smallest to the largest.
pub fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_values_it_is_their_weighted_mean() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(0.75, &mut [0.0, 1.0]), 0.75);
        assert_eq!(quantile(0.0, &mut [4.0, 3.0]), 3.0);
        assert_eq!(quantile(1.0, &mut [4.0, 3.0]), 4.0);
        assert_eq!(quantile(0.8, &mut [7.0]), 7.0);
    }

    #[test]
    fn outside_and_nan() {
        assert_eq!(quantile(-0.1, &mut [1.0]), f64::NEG_INFINITY);
        assert_eq!(quantile(1.1, &mut [1.0]), f64::INFINITY);
        assert!(quantile(f64::NAN, &mut [1.0]).is_nan());
        assert!(quantile(0.5, &mut []).is_nan());
        assert_eq!(quantile(1.0, &mut [2.0, f64::NAN, 1.0]), 2.0);
        assert!(quantile(0.0, &mut [2.0, f64::NAN, 1.0]).is_nan());
    }
}
