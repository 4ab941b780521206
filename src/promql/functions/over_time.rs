//! What the samples of a range come to.

use std::cell::RefCell;

use super::Window;
use super::sum::{Mean, Sum, Variance};

/// Their sum.
pub fn sum(window: &Window<'_>) -> Option<f64> {
    let mut sum = Sum::default();
    window.points.iter().for_each(|point| sum.add(point.v));
    Some(sum.value())
}

/// Their mean.
pub fn avg(window: &Window<'_>) -> Option<f64> {
    Some(Mean::of(window.points.iter().map(|point| point.v)).value())
}

/// Their variance.
pub fn stdvar(window: &Window<'_>) -> Option<f64> {
    let mut variance = Variance::default();
    window.points.iter().for_each(|point| variance.add(point.v));
    Some(variance.value())
}

/// Their standard deviation.
pub fn stddev(window: &Window<'_>) -> Option<f64> {
    stdvar(window).map(f64::sqrt)
}

/// The smallest; NaN only where all are.
pub fn min(window: &Window<'_>) -> Option<f64> {
    window.points.iter().map(|point| point.v).reduce(f64::min)
}

/// The largest; NaN only where all are.
pub fn max(window: &Window<'_>) -> Option<f64> {
    window.points.iter().map(|point| point.v).reduce(f64::max)
}

/// How many there are.
pub fn count(window: &Window<'_>) -> Option<f64> {
    Some(window.points.len() as f64)
}

/// 1.
pub fn present(_: &Window<'_>) -> Option<f64> {
    Some(1.0)
}

/// The first.
pub fn first(window: &Window<'_>) -> Option<f64> {
    window.points.first().map(|point| point.v)
}

/// The last.
pub fn last(window: &Window<'_>) -> Option<f64> {
    window.points.last().map(|point| point.v)
}

/// Their quantile.
pub fn quantile(window: &Window<'_>) -> Option<f64> {
    thread_local! {
        /// Kept from series to series: values have to be put in order somewhere.
        static VALUES: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
    }
    let q = *window.scalars.first()?;
    VALUES.with_borrow_mut(|values| {
        values.clear();
        values.extend(window.points.iter().map(|point| point.v));
        Some(super::quantile::quantile(q, values))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::Point;
    use super::*;

    fn over(function: fn(&Window<'_>) -> Option<f64>, scalars: &[f64], values: &[f64]) -> f64 {
        let points: Vec<Point> = values.iter().zip(1..).map(|(v, t)| Point { t, v: *v }).collect();
        let end = points.len() as i64;
        function(&Window { points: &points, start: 0, end, at: end, scalars }).unwrap()
    }

    #[test]
    fn by_hand() {
        let values = [4.0, 1.0, 3.0];
        let all = [sum, avg, min, max, count, present, first, last].map(|function| over(function, &[], &values));
        assert_eq!(all, [8.0, 8.0 / 3.0, 1.0, 4.0, 3.0, 1.0, 4.0, 3.0]);
        assert_eq!(over(stdvar, &[], &[1.0, 2.0, 3.0, 4.0]), 1.25);
        assert_eq!(over(stddev, &[], &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 2.0);
    }

    #[test]
    fn the_smallest_and_largest_pass_over_nan() {
        let values = [f64::NAN, 2.0, f64::NAN, 1.0];
        assert_eq!([over(min, &[], &values), over(max, &[], &values)], [1.0, 2.0]);
        assert!(over(min, &[], &[f64::NAN]).is_nan() && over(max, &[], &[f64::NAN, f64::NAN]).is_nan());
        assert!(over(sum, &[], &values).is_nan() && over(last, &[], &[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn quantiles() {
        assert_eq!(over(quantile, &[0.5], &[3.0, 1.0, 2.0, 10.0]), 2.5);
        assert_eq!(over(quantile, &[0.9], &[7.0]), 7.0);
        assert_eq!(over(quantile, &[2.0], &[7.0]), f64::INFINITY);
    }
}
