//! Text to expression.
//!
//! Tokens with their places ([`tokens`]) are grouped into words ([`words`]): operands, operators with their modifiers,
//! brackets, and what follows an operand (`[5m]`, `offset`, `@`). The crate promql-parser decides how the words bind; it
//! gives no places, and checks names and types by the tables of an older Prometheus, so it is shown the shape alone, with
//! one and the same vector for every operand ([`shape`]). [`convert`] walks its tree and the words together, and
//! [`check`] sees to the types.

mod check;
mod convert;
mod literals;
mod operands;
mod refused;
mod regexes;
mod selector;
mod shape;
mod tokens;
mod words;

use super::{Expr, Matcher, Node, Place, Shift};

pub(super) use literals::UNITS;

/// The longest text, bytes.
const LONGEST_TEXT: usize = 8192;

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

fn problem(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { place, message: message.into(), hint: hint.into() }
}

/// Understands an expression.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Expr, Problem> {
    if text.len() > LONGEST_TEXT {
        let message = format!("the expression has {} bytes, at most {LONGEST_TEXT} are taken", text.len());
        return Err(problem(LONGEST_TEXT..text.len(), message, "split it into several rules"));
    }
    let tokens = tokens::tokens(text)?;
    let words = words::words(text, &tokens)?;
    let tree = shape::tree(&words).map_err(|message| problem(0..text.len(), message, ""))?;
    convert::convert(text, &words, &tree)
}

/// Understands a series selector alone, as `match[]` of the API has it: `up{job="x"}`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Problem> {
    let expr = parse(text)?;
    match expr.node {
        Node::Vector(selector) if selector.shift == Shift::default() => Ok(selector.matchers),
        Node::Vector(_) => Err(problem(expr.place, "a selector of series takes no offset and no @", "leave it out")),
        Node::Matrix(..) => Err(problem(expr.place, "a selector of series takes no range", "leave the [...] out")),
        _ => Err(problem(expr.place, "this is an expression and no selector of series", "write name{label=\"value\"}")),
    }
}
