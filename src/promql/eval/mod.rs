//! Evaluation.
//!
//! Reading order: [`Limits`], [`query`](Query) (one evaluation: what it may use and what it has loaded), `prepare` (every
//! selector is asked for once, every subquery and fixed part is computed once), then a file for each kind of part:
//! `selector`, `subquery`, `call`, `aggregate` (with `tally` and `rank`), `binary` (with `matching` and `sets`). `keys` says
//! which label sets belong together, `unique` that no two are equal, `range` evaluates at several times.

mod aggregate;
mod binary;
mod budget;
mod call;
mod dissect;
mod keys;
mod matching;
mod prepare;
mod query;
mod range;
mod rank;
mod selector;
mod sets;
mod subquery;
mod tally;
#[cfg(test)]
mod testing;
mod unique;

pub use dissect::{Part, dissect};
pub use range::{Span, range};

use super::{Expr, Source, Value};
use query::{Query, Times};

/// Bounds of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How far back the last sample of a series may lie, milliseconds.
    pub lookback: i64,
    /// Time between two evaluations of a subquery that does not say, milliseconds.
    pub subquery_step: i64,
    /// Most samples that one evaluation may hold at once (Prometheus's `query.max-samples`): those of subqueries, of range
    /// vectors that are not seen through a function, and of the answer. Samples that a source only lends do not count.
    pub samples: usize,
    /// Most labelled numbers that any part may give at one time.
    pub series: usize,
    /// Most evaluation times of a range query.
    pub steps: usize,
    /// Most work: a unit for each sample that is looked at, ten for each labelled number that a part gives and for each part
    /// that is evaluated, at each time; one for four bytes of labels that a function gives. A unit takes 1 to 10 ns.
    pub work: u64,
    /// Most levels of parts within parts.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // Lookback, subquery step (the default evaluation interval) and steps are Prometheus's; samples a tenth of its
            // 50 million. Work ends a hostile query within seconds; an hour at 15 s of a rate over 2 m of 1,000 series at
            // 1 s takes 35 million. The parser refuses more than 64 levels.
            lookback: 300_000,
            subquery_step: 60_000,
            samples: 5_000_000,
            series: 200_000,
            steps: 11_000,
            work: 500_000_000,
            depth: 128,
        }
    }
}

/// Why an evaluation gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The data do not allow it, or an argument is out of its range; in the words of Prometheus where it has some.
    #[error("{0}")]
    Failed(String),
    /// A bound of [`Limits`] was reached.
    #[error("{0}")]
    TooMuch(String),
}

/// Evaluates an expression at one time. The order of a vector is that of the source, or what `sort`, `topk` and their like
/// made of it; the tracks of a matrix are sorted by their labels.
///
/// # Errors
/// As [`EvalError`] says.
pub fn instant(expr: &Expr, source: &dyn Source, at: i64, limits: &Limits) -> Result<Value, EvalError> {
    let mut query = Query::new(source, limits, Times { first: at, last: at });
    query.prepare(expr, Times { first: at, last: at })?;
    let mut value = query.value(expr, at)?;
    if let Value::Matrix(tracks) = &mut value {
        tracks.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    Ok(value)
}
