//! A learning curve: positions on an axis and what was measured there, turned so that higher is better.

/// One metric of one trial along one axis.
///
/// Values are turned: those of a metric that is better low are negated when they are put in. NaN stays NaN: it was reported,
/// it is never best, and no mean counts it. Positions never fall; what is reported twice at one position replaces what was
/// there, and a smaller position (a trainer that went back to a checkpoint) cuts off what lay at it or behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    points: Vec<Point>,
}

/// One point of a curve, with what was seen up to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where, in the axis's unit.
    pub at: f64,
    /// The value reported, higher is better.
    pub value: f64,
    /// The best up to here; NaN while every value was NaN.
    pub best: f64,
    /// Sum of the finite values up to here.
    sum: f64,
    /// How many those are.
    count: f64,
}

impl Point {
    /// The mean of the finite values up to here; NaN without any.
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }
}

impl Curve {
    /// Puts a reported value at the end; `at` must be finite. True if something was cut off: what was read of the curve
    /// before may no longer be so.
    pub fn push(&mut self, at: f64, value: f64) -> bool {
        let whole = self.points.len();
        while self.points.last().is_some_and(|last| last.at >= at) {
            self.points.pop();
        }
        let cut = self.points.len() < whole;
        let last = self.points.last();
        let best = last.map_or(f64::NAN, |p| p.best);
        let (sum, count) = last.map_or((0.0, 0.0), |p| (p.sum, p.count));
        let counts = value.is_finite();
        self.points.push(Point {
            at,
            value,
            // `max` passes over NaN.
            best: best.max(value),
            sum: if counts { sum + value } else { sum },
            count: if counts { count + 1.0 } else { count },
        });
        cut
    }

    /// All points in their order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How far it has come.
    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// Where the report before the last and where the last one is.
    pub fn way(&self) -> Option<(Option<f64>, f64)> {
        let last = self.points.len().checked_sub(1)?;
        let before = last.checked_sub(1).map(|i| self.points[i].at);
        Some((before, self.points[last].at))
    }

    /// Whether it has come to `at`.
    pub fn reached(&self, at: f64) -> bool {
        self.last().is_some_and(|last| last.at >= at)
    }

    /// The last point at or before `at`, if the curve has come so far.
    pub fn up_to(&self, at: f64) -> Option<&Point> {
        let last = self.last().filter(|last| last.at >= at)?;
        if last.at == at {
            return Some(last);
        }
        let after = self.points.partition_point(|p| p.at <= at);
        self.points.get(after.checked_sub(1)?)
    }

    /// The first point at or behind `at`, if the curve has come so far.
    pub fn from(&self, at: f64) -> Option<&Point> {
        self.points.get(self.points.partition_point(|p| p.at < at))
    }

    /// The value at `at`, between two reports on the straight line that joins them; nothing outside of what was reported.
    pub fn value_at(&self, at: f64) -> Option<f64> {
        let before = self.up_to(at)?;
        if before.at == at {
            return Some(before.value);
        }
        let after = self.from(at)?;
        let share = (at - before.at) / (after.at - before.at);
        Some(before.value + share * (after.value - before.value))
    }

    /// The mean of the finite values at or behind `from` and up to `to`; nothing where there is none or it has not come to `to`.
    pub fn mean_between(&self, from: f64, to: f64) -> Option<f64> {
        let end = self.up_to(to)?;
        let first = self.points.partition_point(|p| p.at < from);
        let before = first.checked_sub(1).map(|i| &self.points[i]);
        let (sum, count) = before.map_or((0.0, 0.0), |p| (p.sum, p.count));
        let mean = (end.sum - sum) / (end.count - count);
        (end.count > count).then_some(mean)
    }

    /// The mean of all values at or behind `from` and up to `to`, NaN where one of them is not finite; nothing where there is
    /// none or it has not come to `to`.
    pub fn strict_mean_between(&self, from: f64, to: f64) -> Option<f64> {
        let end = self.up_to(to)?;
        let first = self.points.partition_point(|p| p.at < from);
        let all = self.points.partition_point(|p| p.at <= to).checked_sub(first).filter(|n| *n > 0)?;
        let before = first.checked_sub(1).map_or(0.0, |i| self.points[i].count);
        let finite = end.count - before;
        if finite < all as f64 { Some(f64::NAN) } else { self.mean_between(from, to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[(f64, f64)]) -> Curve {
        let mut curve = Curve::default();
        for (at, value) in values {
            curve.push(*at, *value);
        }
        curve
    }

    #[test]
    fn between_two_reports_lies_the_line_that_joins_them() {
        let c = curve(&[(1.0, 0.1), (3.0, 0.5)]);
        assert_eq!(c.value_at(2.0), Some(0.30000000000000004));
        assert_eq!(c.value_at(3.0), Some(0.5));
        assert_eq!((c.value_at(0.5), c.value_at(3.5)), (None, None), "nothing is guessed beyond the reports");
    }

    #[test]
    fn nan_is_reported_but_never_best_and_in_no_mean() {
        let c = curve(&[(1.0, f64::NAN), (2.0, 0.4), (3.0, f64::NAN), (4.0, 0.2)]);
        let best: Vec<f64> = c.points().iter().map(|p| p.best).collect();
        assert!(best[0].is_nan());
        assert_eq!(best[1..], [0.4, 0.4, 0.4]);
        assert_eq!(c.up_to(4.0).map(Point::mean), Some(0.30000000000000004));
        assert!(c.value_at(3.0).is_some_and(f64::is_nan));
    }

    #[test]
    fn a_step_back_cuts_off_what_lay_behind() {
        let mut c = curve(&[(1.0, 0.1), (2.0, 0.9), (3.0, 0.8)]);
        assert!(c.push(2.0, 0.3));
        let points: Vec<(f64, f64, f64)> = c.points().iter().map(|p| (p.at, p.value, p.best)).collect();
        assert_eq!(points, [(1.0, 0.1, 0.1), (2.0, 0.3, 0.3)]);
    }

    #[test]
    fn a_mean_from_a_start_on_leaves_out_what_lies_before() {
        let c = curve(&[(1.0, 1.0), (2.0, 2.0), (3.0, 4.0), (4.0, 6.0)]);
        assert_eq!(c.mean_between(2.0, 3.0), Some(3.0));
        assert_eq!(c.mean_between(0.0, 4.0), Some(3.25));
        assert_eq!(c.mean_between(5.0, 6.0), None);
    }

    #[test]
    fn a_strict_mean_is_nan_with_one_that_is_not_finite() {
        let c = curve(&[(1.0, f64::NAN), (2.0, 2.0), (3.0, 4.0), (4.0, f64::INFINITY)]);
        assert_eq!(c.strict_mean_between(2.0, 3.0), Some(3.0));
        assert!(c.strict_mean_between(1.0, 3.0).is_some_and(f64::is_nan));
        assert!(c.strict_mean_between(2.0, 4.0).is_some_and(f64::is_nan));
        assert_eq!((c.strict_mean_between(2.0, 5.0), c.strict_mean_between(4.5, 5.0)), (None, None));
    }
}
