//! What a trial is worth: its objective's final value, and the order of values.

use crate::model::{Mode, Objective, TrialView};

/// Which value of a trial counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The last one reported.
    #[default]
    Last,
    /// The best one reported.
    Best,
}

/// What the unit of cost is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Steps as reported.
    Steps,
    /// Seconds of a trial's own clock.
    Seconds,
    /// CPU seconds of its tree.
    CpuSeconds,
}

impl Cost {
    /// As the command line and the JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Cost::Steps => "steps",
            Cost::Seconds => "seconds",
            Cost::CpuSeconds => "cpu_seconds",
        }
    }
}

/// The final value of a trial by an objective; missing and NaN are `None`, which is worst.
pub fn final_value(view: &TrialView, objective: &Objective, select: Select) -> Option<f64> {
    let metric = view.metrics.get(&objective.metric)?;
    let value = match select {
        Select::Last => metric.last,
        Select::Best => metric.best.unwrap_or(metric.last),
    };
    (!value.is_nan()).then_some(value)
}

/// The best of some values.
pub fn best(mode: Mode, values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|a, b| if mode.better(b, a) { b } else { a })
}

/// The worst of some values.
pub fn worst(mode: Mode, values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|a, b| if mode.better(a, b) { b } else { a })
}

/// How much worse `kept` is than `best`, not negative.
fn loss(mode: Mode, best: f64, kept: f64) -> f64 {
    match mode {
        Mode::Min => (kept - best).max(0.0),
        Mode::Max => (best - kept).max(0.0),
    }
}

/// The share of a scale that was lost; 0 where nothing was, infinite where the scale is 0.
pub fn regret(mode: Mode, best: f64, kept: f64, scale: f64) -> f64 {
    let lost = loss(mode, best, kept);
    if lost == 0.0 { 0.0 } else { lost / scale.abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_a_share_of_the_best() {
        assert_eq!(best(Mode::Min, [3.0, 1.0, 2.0].into_iter()), Some(1.0));
        assert_eq!(worst(Mode::Min, [3.0, 1.0, 2.0].into_iter()), Some(3.0));
        assert_eq!(regret(Mode::Max, 0.8, 0.6, 0.8), 0.20000000000000007 / 0.8);
        assert_eq!(regret(Mode::Min, 2.0, 3.0, 2.0), 0.5);
        assert_eq!(regret(Mode::Min, -2.0, -1.0, -2.0), 0.5, "a scale has no sign");
        assert_eq!(regret(Mode::Max, 0.0, 0.0, 0.0), 0.0);
        assert!(regret(Mode::Max, 0.0, -1.0, 0.0).is_infinite());
    }
}
