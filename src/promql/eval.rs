//! Evaluation.

use super::{Expr, Source, Track, Value};

/// Bounds of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How far back the last sample of a series may lie, milliseconds.
    pub lookback: i64,
    /// Time between two evaluations of a subquery that does not say, milliseconds.
    pub subquery_step: i64,
    /// Most samples that one evaluation may hold at once (Prometheus's `query.max-samples`).
    pub samples: usize,
    /// Most labelled numbers that any part may give at one time.
    pub series: usize,
    /// Most evaluation times of a range query.
    pub steps: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        // Lookback, subquery step (the default evaluation interval) and steps are Prometheus's; samples a tenth of its 50 million.
        Limits { lookback: 300_000, subquery_step: 60_000, samples: 5_000_000, series: 200_000, steps: 11_000 }
    }
}

/// Evaluation times of a range query: `start`, `start + step`, ... up to `end`; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub start: i64,
    /// None is later.
    pub end: i64,
    /// Between two; above 0.
    pub step: i64,
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

/// Evaluates an expression at one time.
///
/// # Errors
/// As [`EvalError`] says.
pub fn instant(expr: &Expr, source: &dyn Source, at: i64, limits: &Limits) -> Result<Value, EvalError> {
    let _ = (expr, source, at, limits);
    todo!()
}

/// Evaluates an expression (a scalar or an instant vector) at several times. The tracks are sorted by their labels.
///
/// # Errors
/// As [`EvalError`] says.
pub fn range(expr: &Expr, source: &dyn Source, span: Span, limits: &Limits) -> Result<Vec<Track>, EvalError> {
    let _ = (expr, source, span, limits);
    todo!()
}
