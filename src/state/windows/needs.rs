//! What an expression reads and how far back.

use crate::promql::{Expr, Node, Selector, Shift};

/// A selector and how long its samples must be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// What is read.
    pub selector: Selector,
    /// Milliseconds; 0 for the newest sample alone.
    pub keep: i64,
}

/// All that an expression reads. `lookback` is how far back the last sample of a series may lie, milliseconds.
pub fn needs(expr: &Expr, lookback: i64) -> Vec<Need> {
    let mut found = Vec::new();
    collect(expr, 0, lookback, &mut found);
    found
}

/// `back`: how far before the evaluation this part is evaluated at most.
fn collect(expr: &Expr, back: i64, lookback: i64, found: &mut Vec<Need>) {
    let shifted = |shift: &Shift| back.saturating_add(shift.offset.max(0));
    match &expr.node {
        Node::Vector(selector) => {
            let back = shifted(&selector.shift);
            // At the tick itself there is a sample or a staleness marker: nothing older counts.
            let keep = if back == 0 { 0 } else { back.saturating_add(lookback) };
            found.push(Need { selector: selector.clone(), keep });
        }
        Node::Matrix(selector, range) => {
            found.push(Need { selector: selector.clone(), keep: shifted(&selector.shift).saturating_add(*range) });
        }
        Node::Subquery { inner, range, shift, .. } => {
            collect(inner, shifted(shift).saturating_add(*range), lookback, found);
        }
        _ => expr.parts().into_iter().for_each(|part| collect(part, back, lookback, found)),
    }
}
