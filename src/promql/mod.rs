//! PromQL: "Prometheus 3.14, float samples, stable functions", read and evaluated inside the process.
//!
//! Reading order: [`Expr`] (what was written), [`parse`] (text to expression, by the crate promql-parser, with the
//! dialect's refusals), [`Labels`], [`Point`] and [`Value`], [`Source`] (where series come from), [`instant`] and [`range`]
//! (evaluation), [`FUNCTIONS`] (one row each), [`parse_series`] (series as tests write them).
//!
//! Timestamps and durations are milliseconds, as in Prometheus. An expression is parsed once and evaluated many times;
//! evaluation has no clock, no I/O and no state, and its cost is bounded by [`Limits`].

mod eval;
mod expr;
mod functions;
mod labels;
mod parse;
mod print;
mod reach;
mod regexes;
mod series;
mod source;
mod value;

pub use eval::{EvalError, Limits, Part, Span, dissect, instant, range};
pub use expr::{
    Aggregation, At, Cardinality, Expr, Grouping, Match, Matcher, Matching, Node, Operator, Place, Selector, Shift,
};
pub use functions::{FUNCTIONS, Function, function};
pub use labels::{Labels, NAME};
pub use parse::{Problem, parse, parse_selector};
pub use print::Duration;
pub use series::parse_series;
pub use source::{Series, Source};
pub use value::{Element, Kind, Point, STALE, Track, Value, is_stale};
