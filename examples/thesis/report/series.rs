//! What changes while a trial trains, as series of points.

use crate::runs::Run;
use crate::stats::median;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// RSS - shared, bytes.
    Memory,
    /// CPU used a second, 1 is a core.
    Cpu,
    /// Seconds a step.
    StepTime,
}

/// Against what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// Seconds since the start.
    Elapsed,
    /// Epochs done.
    Epoch,
}

/// CPU is a difference of two looks; closer ones say more of the clock than of the trial.
const SHORTEST: f64 = 0.02;

impl Measure {
    /// All, in the order of the report.
    pub const ALL: [Measure; 3] = [Measure::Memory, Measure::Cpu, Measure::StepTime];

    /// Its name and unit.
    pub fn title(self) -> &'static str {
        match self {
            Measure::Memory => "memory, MiB",
            Measure::Cpu => "CPU, cores",
            Measure::StepTime => "step time, µs",
        }
    }

    /// The points of a trial: what it is measured against, and the value in the unit of the title.
    pub fn points(self, run: &Run, against: Against) -> Vec<(f64, f64)> {
        let x = |at: f64, epoch: f64| if against == Against::Elapsed { at } else { epoch };
        let looks = run.looks.iter();
        match self {
            Measure::Memory => looks.map(|look| (x(look.at, look.epoch), look.memory / 1_048_576.0)).collect(),
            Measure::Cpu => {
                let mut last = run.looks.first();
                let used = looks.filter_map(|look| {
                    let before = last.filter(|before| look.at - before.at >= SHORTEST)?;
                    last = Some(look);
                    Some((x(look.at, look.epoch), (look.cpu - before.cpu) / (look.at - before.at)))
                });
                used.collect()
            }
            Measure::StepTime => {
                let windows = run.windows.iter().filter(|window| window.steps > 0);
                windows.map(|w| (x(w.at, w.epoch), 1e6 * w.seconds / w.steps as f64)).collect()
            }
        }
    }
}

/// A series at these places: the median of the points since the place before, else the last value there was.
pub fn at_places(points: &[(f64, f64)], places: &[f64]) -> Vec<Option<f64>> {
    let (mut next, mut last) = (0, None);
    let mut at = |place: &f64| {
        let from = next;
        while points.get(next).is_some_and(|point| point.0 <= *place) {
            next += 1;
        }
        last = median(&points[from..next].iter().map(|point| point.1).collect::<Vec<_>>()).or(last);
        // Beyond its end a trial is not there; its last value is no measurement.
        last.filter(|_| points.last().is_some_and(|end| end.0 >= *place || from < next))
    };
    places.iter().map(&mut at).collect()
}

/// The share of all growth that is in its five largest jumps. `None` where nothing grew.
pub fn jumpiness(values: &[f64]) -> Option<f64> {
    let mut jumps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).filter(|jump| *jump > 0.0).collect();
    jumps.sort_by(|a, b| b.total_cmp(a));
    let all: f64 = jumps.iter().sum();
    (all > 0.0).then(|| jumps.iter().take(5).sum::<f64>() / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_not_jumpy_and_a_stair_is() {
        let line: Vec<f64> = (0..101).map(f64::from).collect();
        assert!((jumpiness(&line).expect("it grows") - 0.05).abs() < 1e-12);
        let stair: Vec<f64> = (0..100).map(|n| f64::from(n / 30)).collect();
        assert_eq!(jumpiness(&stair), Some(1.0));
        assert_eq!(jumpiness(&[3.0, 3.0, 2.0]), None);
    }

    #[test]
    fn points_are_placed_by_medians() {
        let points: Vec<(f64, f64)> = (0..10).map(|n| (f64::from(n), f64::from(n * n))).collect();
        let placed = at_places(&points, &[-1.0, 0.5, 2.0, 2.5, 9.0, 12.0]);
        assert_eq!(placed, [None, Some(0.0), Some(2.5), Some(2.5), Some(36.0), None]);
    }
}
