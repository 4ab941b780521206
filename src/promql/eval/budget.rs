//! What an evaluation may still use.

use std::cell::Cell;

use super::{EvalError, Limits};

/// Units of work for a labelled number and for a part's evaluation; a sample is one unit. Measured: a sample in a regression
/// takes about 3 ns, a labelled number with its labels 20 to 100 ns.
const NUMBER: u64 = 10;

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

    fn spend(&self, units: u64) -> Result<(), EvalError> {
        let left = self.work.get().checked_sub(units).ok_or_else(|| {
            EvalError::TooMuch("the query takes too much work: ask for fewer series, steps or samples".to_string())
        })?;
        self.work.set(left);
        Ok(())
    }
}
