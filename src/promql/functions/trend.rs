//! Lines through samples.

use super::super::Point;
use super::Window;
use super::sum::Sum;

/// Slope of the line, per second.
pub fn deriv(window: &Window<'_>) -> Option<f64> {
    // Times near zero lose least.
    Some(line(window.points, window.points.first()?.t)?.slope)
}

/// The line's value so many seconds after the evaluation's time.
pub fn predict_linear(window: &Window<'_>) -> Option<f64> {
    let line = line(window.points, window.at)?;
    Some(line.slope * window.scalars.first()? + line.height)
}

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    /// Per second.
    slope: f64,
    /// At the time it was asked for.
    height: f64,
}

/// The line through samples that is off by the least squares, and its height at a time (milliseconds); none through fewer
/// than two.
fn line(points: &[Point], at: i64) -> Option<Line> {
    let [first, _, ..] = points else { return None };
    let [mut x, mut y, mut xy, mut xx] = [Sum::default(); 4];
    let mut level = true;
    for point in points {
        level &= point.v == first.v;
        let time = (point.t - at) as f64 / 1000.0;
        x.add(time);
        y.add(point.v);
        xy.add(time * point.v);
        xx.add(time * time);
    }
    if level {
        // Without rounding; infinite samples have no line.
        let line = Line { slope: 0.0, height: first.v };
        return Some(if first.v.is_infinite() { Line { slope: f64::NAN, height: f64::NAN } } else { line });
    }
    let count = points.len() as f64;
    let [x, y, xy, xx] = [x, y, xy, xx].map(Sum::value);
    let slope = (xy - x * y / count) / (xx - x * x / count);
    Some(Line { slope, height: y / count - slope * x / count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(samples: &[(i64, f64)]) -> Vec<Point> {
        samples.iter().map(|(t, v)| Point { t: t * 1000, v: *v }).collect()
    }

    fn predicted(samples: &[(i64, f64)], at: i64, ahead: f64) -> Option<f64> {
        let (points, at) = (points(samples), at * 1000);
        predict_linear(&Window { points: &points, start: 0, end: at, at, scalars: &[ahead] })
    }

    #[test]
    fn a_straight_line_is_found_and_continued() {
        let samples = [(10, 5.0), (20, 10.0), (30, 15.0)];
        assert_eq!(line(&points(&samples), 30_000), Some(Line { slope: 0.5, height: 15.0 }));
        assert_eq!(predicted(&samples, 40, 60.0), Some(50.0));
        assert_eq!(predicted(&samples, 40, -40.0), Some(0.0));
    }

    #[test]
    fn the_line_through_scattered_samples() {
        // Means 2 and 4; slope (2 + 0 + 1) / 2 = 1.5.
        let line = line(&points(&[(1, 2.0), (2, 5.0), (3, 5.0)]), 2_000).unwrap();
        assert_eq!(line, Line { slope: 1.5, height: 4.0 });
    }

    #[test]
    fn a_level_line_is_level_to_the_last_bit() {
        let samples: Vec<(i64, f64)> = (0..100).map(|t| (1_700_000_000 + 7 * t, 0.1)).collect();
        assert_eq!(line(&points(&samples), 0), Some(Line { slope: 0.0, height: 0.1 }));
        assert_eq!(predicted(&samples, 1_700_001_000, 1e9), Some(0.1));
    }

    #[test]
    fn infinite_nan_and_too_few() {
        assert!(predicted(&[(1, f64::INFINITY), (2, f64::INFINITY)], 2, 1.0).unwrap().is_nan());
        assert!(predicted(&[(1, f64::NAN), (2, f64::NAN)], 2, 1.0).unwrap().is_nan());
        assert_eq!(predicted(&[(1, 1.0)], 2, 1.0), None);
        assert_eq!(deriv(&Window { points: &points(&[(1, 1.0)]), start: 0, end: 0, at: 0, scalars: &[] }), None);
    }
}
