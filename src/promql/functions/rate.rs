//! Rates of counters and differences of gauges.

use super::super::Point;
use super::Window;

/// Per-second increase of a counter over the range.
pub fn rate(window: &Window<'_>) -> Option<f64> {
    let gained = grown(window.points)?;
    let seconds = (window.end - window.start) as f64 / 1000.0;
    Some(gained * (stretch(window, Some(gained))? / seconds))
}

/// Increase of a counter over the range.
pub fn increase(window: &Window<'_>) -> Option<f64> {
    let gained = grown(window.points)?;
    Some(gained * stretch(window, Some(gained))?)
}

/// Difference of a gauge over the range.
pub fn delta(window: &Window<'_>) -> Option<f64> {
    Some(difference(window.points)? * stretch(window, None)?)
}

/// Per-second increase of a counter between its last two samples.
pub fn irate(window: &Window<'_>) -> Option<f64> {
    let [.., before, last] = window.points else { return None };
    let seconds = apart(before, last)?;
    // After a reset the counter began at zero.
    let gained = if last.v < before.v { last.v } else { last.v - before.v };
    Some(gained / seconds)
}

/// Difference of the last two samples of a gauge.
pub fn idelta(window: &Window<'_>) -> Option<f64> {
    let [.., before, last] = window.points else { return None };
    apart(before, last)?;
    Some(last.v - before.v)
}

/// How often the value fell.
pub fn resets(window: &Window<'_>) -> Option<f64> {
    Some(pairs(window.points).filter(|(before, now)| now < before).count() as f64)
}

/// How often the value changed; from NaN to NaN is no change.
pub fn changes(window: &Window<'_>) -> Option<f64> {
    let changed = |(before, now): &(f64, f64)| now != before && !(now.is_nan() && before.is_nan());
    Some(pairs(window.points).filter(changed).count() as f64)
}

/// Each value with the one before it.
fn pairs(points: &[Point]) -> impl Iterator<Item = (f64, f64)> {
    points.windows(2).map(|pair| (pair[0].v, pair[1].v))
}

/// Seconds between two samples; nothing where they are at the same time.
fn apart(before: &Point, last: &Point) -> Option<f64> {
    (last.t != before.t).then(|| (last.t - before.t) as f64 / 1000.0)
}

/// The last value less the first; nothing of fewer than two.
fn difference(points: &[Point]) -> Option<f64> {
    let [first, .., last] = points else { return None };
    Some(last.v - first.v)
}

/// As [`difference`], of a counter: what it had reached before each reset is added.
fn grown(points: &[Point]) -> Option<f64> {
    let mut gained = difference(points)?;
    for (before, now) in pairs(points) {
        if now < before {
            gained += before;
        }
    }
    Some(gained)
}

/// By what the difference between the first and the last sample is multiplied to be one over the whole range.
///
/// The range is prolonged to each of its ends if the samples come about that near, up to 1.1 times their mean distance; else
/// the series is taken to begin or end half a distance from its outermost sample. Both numbers are Prometheus's. A counter,
/// of which is given how much it has `gained`, is never prolonged to before it was zero.
fn stretch(window: &Window<'_>, gained: Option<f64>) -> Option<f64> {
    let [first, .., last] = window.points else { return None };
    let sampled = (last.t - first.t) as f64 / 1000.0;
    let distance = sampled / (window.points.len() - 1) as f64;
    let near = distance * 1.1;
    let reach = |gap: i64| {
        let gap = gap as f64 / 1000.0;
        if gap >= near { distance / 2.0 } else { gap }
    };
    let mut before = reach(first.t - window.start);
    if let Some(gained) = gained
        && gained > 0.0
        && first.v >= 0.0
    {
        before = before.min(sampled * (first.v / gained));
    }
    Some((sampled + before + reach(window.end - last.t)) / sampled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function over samples `(seconds, value)` in the range from `start` to `end` seconds.
    fn over(function: fn(&Window<'_>) -> Option<f64>, start: i64, end: i64, samples: &[(i64, f64)]) -> Option<f64> {
        let points: Vec<Point> = samples.iter().map(|(t, v)| Point { t: t * 1000, v: *v }).collect();
        let (start, end) = (start * 1000, end * 1000);
        function(&Window { points: &points, start, end, at: end, scalars: &[] })
    }

    #[test]
    fn samples_up_to_both_ends_are_prolonged_to_them() {
        let samples = [(10, 100.0), (20, 110.0), (30, 120.0)];
        // 20 in 20 s; 10 s before and 5 s after are within 11 s: 35 s.
        assert_eq!(over(increase, 0, 35, &samples), Some(35.0));
        assert_eq!(over(rate, 0, 35, &samples), Some(1.0));
        assert_eq!(over(delta, 0, 35, &samples), Some(35.0));
    }

    #[test]
    fn far_ends_are_prolonged_by_half_a_distance() {
        // Both ends are 20 s away and more than 11 s: 5 s each.
        let samples = [(120, 1000.0), (130, 1010.0), (140, 1020.0)];
        assert_eq!(over(increase, 100, 160, &samples), Some(30.0));
        assert_eq!(over(rate, 100, 160, &samples), Some(0.5));
        assert_eq!(over(delta, 100, 160, &[(120, 20.0), (130, 10.0), (140, 0.0)]), Some(-30.0));
    }

    #[test]
    fn a_counter_is_not_prolonged_to_below_zero_and_a_gauge_is() {
        // 20 in 20 s from 2: it was zero 2 s before the first sample.
        let samples = [(10, 2.0), (20, 12.0), (30, 22.0)];
        assert_eq!(over(increase, 0, 30, &samples), Some(22.0));
        assert_eq!(over(delta, 0, 30, &samples), Some(30.0));
        // A counter below zero is none, and is treated as a gauge.
        assert_eq!(over(increase, 0, 30, &[(10, -2.0), (20, 8.0), (30, 18.0)]), Some(30.0));
    }

    #[test]
    fn a_reset_is_allowed_for() {
        let samples = [(10, 100.0), (20, 110.0), (30, 5.0), (40, 15.0)];
        // 15 - 100 + 110 = 25 in 30 s, prolonged by 10 s before.
        assert!((over(increase, 0, 40, &samples).unwrap() - 25.0 * 40.0 / 30.0).abs() < 1e-12);
        assert_eq!(over(resets, 0, 40, &samples), Some(1.0));
        assert_eq!(over(irate, 0, 30, &samples[..3]), Some(0.5));
        assert_eq!(over(irate, 0, 40, &samples), Some(1.0));
        assert_eq!(over(idelta, 0, 30, &samples[..3]), Some(-105.0));
    }

    #[test]
    fn one_sample_says_nothing() {
        for function in [rate, increase, delta, irate, idelta] {
            assert_eq!(over(function, 0, 10, &[(5, 1.0)]), None);
        }
        assert_eq!(over(resets, 0, 10, &[(5, 1.0)]), Some(0.0));
        assert_eq!(over(changes, 0, 10, &[(5, 1.0)]), Some(0.0));
    }

    #[test]
    fn nan_changes_once() {
        let samples = [(1, 1.0), (2, f64::NAN), (3, f64::NAN), (4, 1.0), (5, 1.0)];
        assert_eq!(over(changes, 0, 5, &samples), Some(2.0));
        assert_eq!(over(resets, 0, 5, &samples), Some(0.0));
    }
}
