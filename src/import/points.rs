//! Single values with a step and a time, as MLflow and TensorBoard keep them, put together to reports.

use std::collections::BTreeMap;

use super::history::Report;

/// One value of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Which metric; the objective is 0.
    pub metric: usize,
    /// Its step, as the trainer said it.
    pub step: i64,
    /// When, nanoseconds since the Unix epoch.
    pub at: i64,
    /// The value, a NaN too: somebody reported it.
    pub value: f64,
}

/// What was odd about the points of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Odd {
    /// Values that came again for a step.
    pub again: usize,
    /// Trials that never said a step.
    pub stepless: usize,
    /// Values with a step below 0.
    pub negative: usize,
}

impl Odd {
    /// In words.
    pub fn remarks(self) -> Vec<String> {
        let said = |n: usize, text: &str| (n > 0).then(|| format!("{text}: {n}"));
        let all = [
            said(self.again, "values that came again for a step, of which the last counts"),
            said(self.stepless, "trials that report every value at step 0, so that their steps are counted from 1"),
            said(self.negative, "values left out since their step is below 0"),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Values of other metrics that came so close to one of the objective are of the same report, nanoseconds.
const TOGETHER: u64 = 1_000_000_000;

/// The reports of a trial. The objective's steps are its steps; other metrics may count differently (batches, epochs) and keep
/// steps of their own, unless they came together with the objective.
pub(super) fn reports(points: Vec<Point>, odd: &mut Odd) -> Vec<Report> {
    let mut curves: BTreeMap<usize, Vec<Point>> = BTreeMap::new();
    for point in points {
        match point.step {
            ..0 => odd.negative += 1,
            _ => curves.entry(point.metric).or_default().push(point),
        }
    }
    let mut curves: BTreeMap<usize, Vec<Point>> =
        curves.into_iter().map(|(metric, points)| (metric, in_order(metric, points, odd))).collect();
    let objective = curves.remove(&0).unwrap_or_default();
    let mut reports: Vec<Report> = Vec::with_capacity(objective.len());
    let mut by_step: BTreeMap<i64, usize> = BTreeMap::new();
    for point in objective {
        by_step.insert(point.step, reports.len());
        let values = vec![(0, point.value)];
        reports.push(Report { at: Some(point.at), step: Some(point.step as u64), values, points: vec![] });
    }
    let mut alone: BTreeMap<i64, Vec<(usize, u64, f64)>> = BTreeMap::new();
    for point in curves.into_values().flatten() {
        let same = by_step.get(&point.step).map(|place| &mut reports[*place]);
        match same.filter(|report| report.at.is_some_and(|at| at.abs_diff(point.at) <= TOGETHER)) {
            Some(report) => report.values.push((point.metric, point.value)),
            None => alone.entry(point.at).or_default().push((point.metric, point.step as u64, point.value)),
        }
    }
    reports.extend(alone.into_iter().map(|(at, points)| Report { at: Some(at), points, ..Report::default() }));
    // Stable: steps stay in their order.
    reports.sort_by_key(|report| report.at);
    reports
}

/// A metric's points with rising steps and times that never run backwards; of several at a step the last.
fn in_order(metric: usize, mut points: Vec<Point>, odd: &mut Odd) -> Vec<Point> {
    if points.len() > 1 && points.iter().all(|point| point.step == 0) {
        // A trainer that never says its step.
        odd.stepless += usize::from(metric == 0);
        points.sort_by_key(|point| point.at);
        points.iter_mut().zip(1..).for_each(|(point, step)| point.step = step);
    }
    points.sort_by_key(|point| (point.step, point.at));
    let all = points.len();
    points.reverse();
    points.dedup_by_key(|point| point.step);
    points.reverse();
    odd.again += all - points.len();
    let mut now = i64::MIN;
    for point in &mut points {
        now = now.max(point.at);
        point.at = now;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn point(metric: usize, step: i64, at: i64, value: f64) -> Point {
        Point { metric, step, at: at * S, value }
    }

    #[test]
    fn what_came_together_is_one_report() {
        let mut odd = Odd::default();
        let points = vec![
            point(1, 1, 10, 0.5),
            point(0, 1, 10, 0.4),
            point(0, 2, 20, 0.3),
            point(1, 2, 15, 0.4),
            point(2, 700, 12, 9.0),
        ];
        let told = reports(points, &mut odd);
        assert_eq!(told[0].values, [(0, 0.4), (1, 0.5)]);
        assert_eq!((told[1].step, &told[1].points[..]), (None, &[(2, 700, 9.0)][..]), "another count of steps");
        assert_eq!((told[2].step, &told[2].points[..]), (None, &[(1, 2, 0.4)][..]), "told five seconds before");
        assert_eq!((told[3].step, told.len(), odd), (Some(2), 4, Odd::default()));
    }

    #[test]
    fn of_several_values_at_a_step_the_last_counts() {
        let mut odd = Odd::default();
        // It went back to a checkpoint.
        let points = vec![
            point(0, 1, 1, 0.1),
            point(0, 2, 2, 0.2),
            point(0, 3, 3, 0.3),
            point(0, 2, 4, 0.25),
            point(0, -1, 5, 0.0),
        ];
        let told = reports(points, &mut odd);
        let curve: Vec<_> = told.iter().map(|r| (r.step.unwrap(), r.at.unwrap() / S, r.values[0].1)).collect();
        assert_eq!(curve, [(1, 1, 0.1), (2, 4, 0.25), (3, 4, 0.3)]);
        assert_eq!(odd, Odd { again: 1, negative: 1, stepless: 0 });
        assert_eq!(odd.remarks().len(), 2);
    }

    #[test]
    fn a_trainer_that_says_no_step_is_counted_for() {
        let mut odd = Odd::default();
        let told = reports(vec![point(0, 0, 2, 0.2), point(0, 0, 1, 0.1), point(0, 0, 3, f64::NAN)], &mut odd);
        let steps: Vec<_> = told.iter().map(|r| (r.step.unwrap(), r.values[0].1)).collect();
        assert_eq!(steps[..2], [(1, 0.1), (2, 0.2)]);
        assert!(steps[2].1.is_nan() && odd.stepless == 1);
        assert_eq!(reports(vec![point(0, 0, 2, 0.2)], &mut odd)[0].step, Some(0), "one value may be of step 0");
    }
}
