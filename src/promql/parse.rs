//! Text to expression: parsing by the crate promql-parser, then names, types and the dialect's refusals.

use super::{Expr, Matcher, Place};

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, in bytes of the text; `0..0` where it is not known.
    pub place: Place,
    /// What.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// Understands an expression.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Expr, Problem> {
    let _ = text;
    todo!()
}

/// Understands a series selector alone, as `match[]` of the API has it: `up{job="x"}`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Problem> {
    let _ = text;
    todo!()
}
