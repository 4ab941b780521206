//! The slope of a noisy series, and how sure it is.

use super::order::{median, quantile};
use crate::split::SplitMix;

/// How often a series is drawn again.
const DRAWS: usize = 200;

/// The median of the slopes between all pairs of points (Theil and Sen). `None` if no two points lie apart.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (place, (x, y)) in points.iter().enumerate() {
        slopes.extend(points[..place].iter().filter(|(before, _)| before != x).map(|(u, v)| (y - v) / (x - u)));
    }
    median(&slopes)
}

/// At most `count` points, each the medians of as many neighbours.
pub fn thinned(points: &[(f64, f64)], count: usize) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(count).max(1);
    let middle = |part: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| median(&part.iter().map(of).collect::<Vec<_>>());
    points.chunks(size).filter_map(|part| Some((middle(part, |p| p.0)?, middle(part, |p| p.1)?))).collect()
}

/// A slope with the bounds between which 95 % of the slopes lie when blocks of neighbours are drawn again: what lies close
/// in time is alike, so points drawn one by one would make it look surer than it is. A block is the cube root of the
/// number of points long (the rate of Kunsch 1989).
pub fn slope_between(points: &[(f64, f64)], seed: u64) -> Option<(f64, f64, f64)> {
    let slope = theil_sen(points)?;
    let length = (points.len() as f64).cbrt().ceil() as usize;
    let mut dice = SplitMix(seed);
    let draw = |_| {
        let mut drawn = Vec::with_capacity(points.len() + length);
        while drawn.len() < points.len() {
            let start = dice.below((points.len() - length + 1) as u64) as usize;
            drawn.extend_from_slice(&points[start..start + length]);
        }
        drawn.truncate(points.len());
        theil_sen(&drawn)
    };
    let slopes: Vec<f64> = (0..DRAWS).filter_map(draw).collect();
    Some((slope, quantile(&slopes, 0.025)?, quantile(&slopes, 0.975)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_scipys() {
        // scipy 1.17.1: theilslopes(y, x).slope
        let x = [0.0, 1.0, 2.0, 3.5, 4.0, 5.0, 7.0, 8.0];
        let y = [1.0, 1.2, 3.0, 2.5, 9.0, 4.1, 5.5, 6.0];
        let points: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        assert!((theil_sen(&points).expect("points") - 0.638_095_238_095_238_2).abs() < 1e-12);
        assert_eq!(theil_sen(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn points_are_thinned_by_medians() {
        let points: Vec<(f64, f64)> = (0..10).map(|n| (f64::from(n), f64::from(n * n))).collect();
        assert_eq!(thinned(&points, 5)[0], (0.5, 0.5));
        assert_eq!(thinned(&points, 100), points);
    }

    #[test]
    fn bounds_hold_the_slope_of_a_line_and_of_noise() {
        let line: Vec<(f64, f64)> = (0..60).map(|n| (f64::from(n), 3.0 * f64::from(n))).collect();
        assert_eq!(slope_between(&line, 1), Some((3.0, 3.0, 3.0)));
        let mut dice = SplitMix(7);
        let noise: Vec<(f64, f64)> = (0..60).map(|n| (f64::from(n), dice.below(1000) as f64)).collect();
        let (slope, low, high) = slope_between(&noise, 1).expect("points");
        assert!(low < 0.0 && high > 0.0 && low < slope && slope < high, "{low} {slope} {high}");
        assert_eq!(slope_between(&noise, 1), slope_between(&noise, 1), "the seed decides");
        assert_eq!(slope_between(&[], 1), None);
    }
}
