//! What an evaluation may still use.

use std::cell::Cell;

use super::{EvalError, Limits};

/// Units of work for a labelled number and for a part's evaluation; a sample is one unit. Measured: a sample in a regression
/// takes about 3 ns, a labelled number with its labels 20 to 100 ns.
const NUMBER: u64 = 10;
/// Bytes of labels for a unit: they are matched, copied and hashed.
const BYTES: u64 = 4;

/// Counts down while an evaluation goes on.
pub(super) struct Budget {
    samples: Cell<usize>,
    work: Cell<u64>,
    series: usize,
}

impl Budget {
    /// All that the limits allow.
    pub(super) fn new(limits: &Limits) -> Budget {
        Budget { samples: Cell::new(limits.samples), work: Cell::new(limits.work), series: limits.series }
    }

    /// So many samples more are held from now on.
    pub(super) fn hold(&self, samples: usize) -> Result<(), EvalError> {
        let left = self.samples.get().checked_sub(samples).ok_or_else(|| {
            EvalError::TooMuch(
                "query processing would load too many samples into memory in query execution".to_string(),
            )
        })?;
        self.samples.set(left);
        Ok(())
    }

    /// So many samples are held no more.
    pub(super) fn release(&self, samples: usize) {
        self.samples.set(self.samples.get() + samples);
    }

    /// So many samples are looked at.
    pub(super) fn look(&self, samples: usize) -> Result<(), EvalError> {
        self.spend(samples as u64)
    }

    /// A part is evaluated.
    pub(super) fn part(&self) -> Result<(), EvalError> {
        self.spend(NUMBER)
    }

    /// A part gave so many labelled numbers.
    pub(super) fn numbers(&self, count: usize) -> Result<(), EvalError> {
        if count > self.series {
            let message = format!("a part of the query gives {count} series at one time, more than {}", self.series);
            return Err(EvalError::TooMuch(message));
        }
        self.spend(NUMBER * count as u64)
    }

    /// A function made so many bytes of labels.
    pub(super) fn write(&self, bytes: usize) -> Result<(), EvalError> {
        self.spend(bytes as u64 / BYTES)
    }

    fn spend(&self, units: u64) -> Result<(), EvalError> {
        let left = self.work.get().checked_sub(units).ok_or_else(|| {
            EvalError::TooMuch("the query takes too much work: ask for fewer series, steps or samples".to_string())
        })?;
        self.work.set(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;
    use super::*;

    const SAMPLES: &str = "too much: query processing would load too many samples into memory in query execution";

    #[test]
    fn samples_that_are_held_are_counted() {
        let memory = load(10, &["up 0+1x100", "down 0+1x100 stale"]);
        let few = Limits { samples: 50, ..Limits::default() };
        assert_eq!(memory.at_within(1000.0, "up[100s]", &few).len(), 1);
        assert_eq!(memory.at_within(1000.0, "up[10m]", &few), [SAMPLES]);
        assert_eq!(memory.at_within(1000.0, "sum_over_time(up[10m])", &few), ["{} 4230"], "lent samples are free");
        assert_eq!(memory.at_within(1010.0, "sum_over_time(down[10m])", &few), [SAMPLES], "copied ones are not");
        assert_eq!(memory.at_within(1000.0, "sum_over_time(up[10m:10s])", &few), [SAMPLES]);
        assert_eq!(memory.over_within(0, 1000, 10, "up", &few), [SAMPLES]);
    }

    #[test]
    fn series_and_levels_are_counted() {
        let memory = load(10, &["up{x=\"1\"} 1", "up{x=\"2\"} 1", "down{x=\"3\"} 1"]);
        let two = Limits { series: 2, ..Limits::default() };
        assert_eq!(memory.at_within(0.0, "up", &two).len(), 2);
        let refused = "too much: a part of the query gives 3 series at one time, more than 2";
        assert_eq!(memory.at_within(0.0, "up or down", &two), [refused]);
        let flat = Limits { depth: 3, ..Limits::default() };
        assert_eq!(memory.at_within(0.0, "((1))", &flat), ["1"]);
        let refused = "too much: the expression has more than 3 levels of parts within parts";
        assert_eq!(memory.at_within(0.0, "(((1)))", &flat), [refused]);
    }

    #[test]
    fn a_hostile_query_ends() {
        let memory = load(10, &["up 1"]);
        let little = Limits { work: 1_000_000, ..Limits::default() };
        let refused = "too much: the query takes too much work: ask for fewer series, steps or samples";
        for hostile in [
            "count_over_time(nothing[200y:1ms])",
            "sum_over_time(sum_over_time(sum_over_time(nothing[1y:1s])[1y:1s])[1y:1s])",
            "sum_over_time(sum_over_time(vector(1)[2000s:1s])[2000s:1s])",
        ] {
            assert_eq!(memory.at_within(0.0, hostile, &little), [refused], "{hostile}");
        }
    }
}
