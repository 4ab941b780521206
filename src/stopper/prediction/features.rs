//! What a regression sees of a trial: the beginning of its curve, that curve's first and second differences, its
//! hyperparameters, and what its beginning cost in memory, CPU and time.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::LN_2;

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::stopper::case::numbers;
use crate::stopper::curve::Curve;
use crate::stopper::field::Peer;
use crate::stopper::outlook::Place;

/// What no trainer reports and rules may read beside a metric, where it is there, as it was when the metric was reported:
/// RSS - shared in bytes, CPU utilization (1 = one core), the mean time of a step in seconds.
pub const SYSTEM: [&str; 3] = ["memory_bytes", "cpu_utilization", "step_seconds"];

/// A curve's beginning is read at so many places of the whole length at most.
const CELLS: usize = 64;

/// A text parameter with more values than this says nothing that could be learned.
const LEVELS: usize = 12;

/// A number that is positive and reaches over more than a factor of this is taken by its logarithm, as learning rates are.
const DECADE: f64 = 8.0;

/// Values farther from the middle half than so many times its width are taken for as far as that: a diverged trial would
/// make all others look alike.
const FENCE: f64 = 4.0;

/// Which of the features are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The curve alone.
    Curve,
    /// The curve and the hyperparameters.
    Parameters,
    /// The curve and early system metrics.
    System,
    /// All of them.
    All,
}

impl Sight {
    fn parameters(self) -> bool {
        matches!(self, Sight::Parameters | Sight::All)
    }

    fn system(self) -> bool {
        matches!(self, Sight::System | Sight::All)
    }
}

/// One column beside the curve's.
#[derive(Clone, Debug, PartialEq)]
enum Beside {
    Number(String),
    Level(String, String),
    System(&'static str),
}

/// How a trial becomes a row.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where the curve is read.
    places: Vec<f64>,
    beside: Vec<Beside>,
    columns: Vec<Scale>,
}

/// How a column is made ready: its logarithm, its fences, then mean 0 and standard deviation 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    logarithm: bool,
    fences: (f64, f64),
    mean: f64,
    deviation: f64,
}

impl Plan {
    /// For these trials at a place, and their rows.
    pub(super) fn new(trials: &[&Peer], place: Place, sight: Sight) -> (Plan, Array2<f64>) {
        let mut plan = Plan { places: places(trials, place), beside: beside(trials, sight), columns: Vec::new() };
        let width = plan.width();
        let mut rows = Array2::zeros((trials.len(), width));
        for (mut row, trial) in rows.rows_mut().into_iter().zip(trials) {
            row.assign(&plan.raw(trial));
        }
        // Differences of a curve are no quantities whose logarithm means anything, and its values keep their differences.
        let curve = width - plan.beside.len();
        for (i, mut column) in rows.columns_mut().into_iter().enumerate() {
            let scale = Scale::of(column.view(), i >= curve);
            column.mapv_inplace(|value| scale.apply(value));
            plan.columns.push(scale);
        }
        (plan, rows)
    }

    fn width(&self) -> usize {
        let points = self.places.len();
        points + points.saturating_sub(1) + points.saturating_sub(2) + self.beside.len()
    }

    /// A trial's row.
    pub(super) fn row(&self, trial: &Peer) -> Array1<f64> {
        let mut row = self.raw(trial);
        row.iter_mut().zip(&self.columns).for_each(|(value, scale)| *value = scale.apply(*value));
        row
    }

    /// The same before it is made ready; NaN where something is not known.
    fn raw(&self, trial: &Peer) -> Array1<f64> {
        let curve = read(&trial.curve, &self.places);
        let first = differences(&curve);
        let second = differences(&first);
        let end = self.places.last().copied().unwrap_or(f64::NAN);
        let beside = self.beside.iter().map(|column| match column {
            Beside::Number(name) => {
                numbers(&trial.params).find(|(n, _)| n == name).map_or(f64::NAN, |(_, number)| number)
            }
            Beside::Level(name, level) => f64::from(u8::from(trial.params.get(name) == Some(level))),
            Beside::System(name) => trial.beside.get(*name).map_or(f64::NAN, |curve| early(curve, end)),
        });
        curve.iter().chain(&first).chain(&second).copied().chain(beside).collect()
    }
}

impl Scale {
    fn of(column: ArrayView1<'_, f64>, may_take_logarithm: bool) -> Scale {
        let mut known: Vec<f64> = column.iter().copied().filter(|v| v.is_finite()).collect();
        known.sort_by(f64::total_cmp);
        let logarithm = may_take_logarithm
            && matches!((known.first(), known.last()), (Some(low), Some(high)) if *low > 0.0 && high / low >= DECADE);
        if logarithm {
            known.iter_mut().for_each(|v| *v = v.ln());
        }
        let fences = fences(&known);
        known.iter_mut().for_each(|v| *v = v.clamp(fences.0, fences.1));
        let known = Array1::from(known);
        let (mean, deviation) = (known.mean().unwrap_or(0.0), if known.is_empty() { 0.0 } else { known.std(0.0) });
        Scale { logarithm, fences, mean, deviation }
    }

    fn apply(&self, value: f64) -> f64 {
        let value = match self.logarithm && value.is_finite() {
            true => value.max(f64::MIN_POSITIVE).ln(),
            false => value,
        };
        // What is not known is thought to be in the middle; a column that never differs says nothing.
        if !value.is_finite() || self.deviation <= 1e-12 * self.mean.abs() {
            return 0.0;
        }
        (value.clamp(self.fences.0, self.fences.1) - self.mean) / self.deviation
    }
}

/// How far values count in full, from sorted ones.
pub(super) fn fences(sorted: &[f64]) -> (f64, f64) {
    let at = |share: f64| sorted.get((share * (sorted.len() as f64 - 1.0)).round() as usize).copied();
    match (at(0.25), at(0.75)) {
        (Some(low), Some(high)) if high > low => (low - FENCE * (high - low), high + FENCE * (high - low)),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

/// Where curves are read: as densely as most trials report, from the first part of the length on up to the place.
fn places(trials: &[&Peer], place: Place) -> Vec<f64> {
    let reports = |peer: &&Peer| peer.curve.points().partition_point(|p| p.at <= place.end * (1.0 + 1e-9));
    let mut counts: Vec<usize> = trials.iter().map(reports).collect();
    counts.sort_unstable();
    let cells = counts.get(counts.len() / 2).copied().unwrap_or(1).clamp(1, CELLS);
    let at = |i: usize| place.end * i as f64 / cells as f64;
    (1..=cells).map(at).take_while(|at| *at <= place.at * (1.0 + 1e-9)).collect()
}

/// The columns beside the curve's that these trials have something to say in.
fn beside(trials: &[&Peer], sight: Sight) -> Vec<Beside> {
    let mut columns = Vec::new();
    if sight.parameters() {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, value) in trials.iter().flat_map(|trial| trial.params.iter()) {
            values.entry(name).or_default().insert(value);
        }
        for (name, values) in values.iter().filter(|(_, values)| values.len() > 1) {
            let is_number = |text: &&&str| text.parse().is_ok_and(f64::is_finite);
            match values.iter().filter(is_number).count() == values.len() {
                true => columns.push(Beside::Number((*name).to_owned())),
                false if values.len() > LEVELS => {}
                false => columns.extend(values.iter().map(|v| Beside::Level((*name).to_owned(), (*v).to_owned()))),
            }
        }
    }
    if sight.system() {
        let there =
            |name: &&str| trials.iter().filter(|trial| trial.beside.contains_key(*name)).count() * 2 > trials.len();
        columns.extend(SYSTEM.into_iter().filter(there).map(Beside::System));
    }
    columns
}

/// A curve at places: between reports on the line that joins them; where it has nothing finite, what lies nearest.
fn read(curve: &Curve, places: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = places
        .iter()
        .map(|at| {
            curve
                .value_at(*at)
                .or_else(|| curve.up_to(*at).map(|p| p.value))
                .filter(|v| v.is_finite())
                .unwrap_or(f64::NAN)
        })
        .collect();
    // Forward, then backward over what the curve begins with.
    for i in 1..values.len() {
        if values[i].is_nan() {
            values[i] = values[i - 1];
        }
    }
    for i in (0..values.len().saturating_sub(1)).rev() {
        if values[i].is_nan() {
            values[i] = values[i + 1];
        }
    }
    values
}

fn differences(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// The mean of a system's metric over the beginning; by the logarithm to 2 where that is possible, as memory and time go by
/// factors.
fn early(curve: &Curve, end: f64) -> f64 {
    let points = curve.points();
    let known = points[..points.partition_point(|p| p.at <= end)].iter().map(|p| p.value).filter(|v| v.is_finite());
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    let mean: f64 = sum / count;
    if mean > 0.0 { mean.ln() / LN_2 } else { mean }
}

/// Mean and spread of targets, with fences, so that what is predicted is of order 1.
pub(super) fn standard(targets: &[f64]) -> (f64, f64, Array1<f64>) {
    let mut sorted = targets.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = fences(&sorted);
    let fenced: Array1<f64> = targets.iter().map(|v| v.clamp(low, high)).collect();
    let mean = fenced.mean_axis(Axis(0)).map_or(0.0, |mean| mean.into_scalar());
    let deviation = if fenced.is_empty() { 0.0 } else { fenced.std(0.0) };
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    (mean, unit, fenced.mapv(|v| (v - mean) / unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn peer(values: &[f64], params: &[(&str, &str)], memory: f64) -> Peer {
        let mut peer = Peer::default();
        values.iter().enumerate().for_each(|(i, v)| _ = peer.curve.push(i as f64 + 1.0, *v));
        peer.params = Arc::new(params.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect());
        let mut curve = Curve::default();
        curve.push(1.0, memory);
        peer.beside.insert("memory_bytes".into(), curve);
        peer
    }

    const PLACE: Place = Place { at: 4.0, end: 6.0 };

    #[test]
    fn a_row_has_values_differences_parameters_and_early_metrics() {
        let a = peer(&[0.1, 0.3, 0.4, 0.6, 0.7, 0.7], &[("lr", "0.001"), ("opt", "sgd"), ("k", "3")], 1024.0);
        let b = peer(&[0.2, 0.3, 0.5, 0.5, 0.9, 0.9], &[("lr", "0.1"), ("opt", "adam"), ("k", "3")], 4096.0);
        let (plan, rows) = Plan::new(&[&a, &b], PLACE, Sight::All);
        let raw = plan.raw(&a);
        let known = [0.1, 0.3, 0.4, 0.6, 0.2, 0.1, 0.2, -0.1, 0.1, 0.001, 0.0, 1.0, 10.0];
        assert_eq!(raw.len(), known.len(), "four values, three and two differences, lr, two optimizers, memory");
        assert!(raw.iter().zip(known).all(|(seen, known)| (seen - known).abs() < 1e-12), "{raw}");
        assert_eq!(plan.row(&a), rows.row(0));
        assert!(plan.columns[9].logarithm && !plan.columns[0].logarithm);
        let count = |sight| Plan::new(&[&a, &b], PLACE, sight).1.ncols();
        assert_eq!((count(Sight::Curve), count(Sight::Parameters), count(Sight::System)), (9, 12, 10));
    }

    #[test]
    fn what_is_not_known_is_in_the_middle() {
        let a = peer(&[f64::NAN, 0.3, f64::NAN, 0.6, 0.7], &[("lr", "0.001")], f64::NAN);
        assert_eq!(read(&a.curve, &[1.0, 2.0, 3.0, 4.0]), [0.3, 0.3, 0.3, 0.6]);
        let b = peer(&[0.2, 0.3, 0.5, 0.5, 0.9], &[("lr", "0.1")], 4096.0);
        let c = peer(&[0.2, 0.3, 0.5, 0.5, 0.9], &[], 1024.0);
        let (_, rows) = Plan::new(&[&a, &b, &c], PLACE, Sight::All);
        assert!(rows.iter().all(|v| v.is_finite()));
        assert_eq!((rows[[2, rows.ncols() - 2]], rows[[0, rows.ncols() - 1]]), (0.0, 0.0));
        assert!(rows.columns().into_iter().all(|column| column.sum().abs() < 1e-9));
    }

    #[test]
    fn one_that_diverged_does_not_make_all_others_alike() {
        let mut targets: Vec<f64> = (0..20).map(f64::from).collect();
        targets.push(-1e9);
        let (_, unit, standard) = standard(&targets);
        assert!(unit < 20.0 && standard[19] - standard[0] > 1.0);
    }
}
