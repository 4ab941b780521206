//! The value of each part of an expression, for those who ask why.

use super::{EvalError, Limits, instant};
use crate::promql::{Expr, Node, Place, Source, Value};

/// One part of an expression and what it gave.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it stands in the text; `0..0` where that is not known.
    pub place: Place,
    /// The part, written out.
    pub text: String,
    /// How many of the parts listed before it are around it.
    pub depth: usize,
    /// Its value.
    pub value: Result<Value, EvalError>,
}

/// Evaluates an expression and every part of it at one time, each part before those that it is made of. Left out are
/// literals, brackets, the parts of what is always the same number, and what is inside a subquery: it has many values,
/// and the subquery shows them.
pub fn dissect(expr: &Expr, source: &dyn Source, at: i64, limits: &Limits) -> Vec<Part> {
    let mut parts = Vec::new();
    add(expr, 0, &mut parts, &|part| instant(part, source, at, limits));
    parts
}

fn add(expr: &Expr, depth: usize, parts: &mut Vec<Part>, value: &dyn Fn(&Expr) -> Result<Value, EvalError>) {
    let below = match &expr.node {
        Node::Number(_) | Node::Text(_) => return,
        Node::Paren(_) => depth,
        _ => {
            parts.push(Part { place: expr.place.clone(), text: expr.to_string(), depth, value: value(expr) });
            depth + 1
        }
    };
    let is_constant = matches!(expr.node, Node::Binary { .. } | Node::Negate(_)) && !varies(expr);
    if is_constant || matches!(expr.node, Node::Subquery { .. }) {
        return;
    }
    for part in expr.parts() {
        add(part, below, parts, value);
    }
}

/// Whether there is anything but numbers and operators in an expression.
fn varies(expr: &Expr) -> bool {
    let mut varies = false;
    expr.visit(&mut |part| varies |= matches!(part.node, Node::Vector(_) | Node::Matrix(..) | Node::Call(..)));
    varies
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;
    use super::*;
    use crate::promql::parse;

    #[test]
    fn every_part_has_its_value() {
        let memory = load(10, &["used{x=\"1\"} 1 5", "size{x=\"1\"} 10 10", "size{x=\"2\"} 0 0"]);
        let expr = parse("(used / size > 1 / 4) and max_over_time(size[15s:5s]) < -(1)").unwrap();
        let parts = dissect(&expr, &memory, 10_000, &Limits::default());
        let shown: Vec<String> = parts
            .iter()
            .map(|part| {
                let count = match part.value.as_ref().unwrap() {
                    Value::Vector(elements) => format!("{} elements", elements.len()),
                    Value::Matrix(tracks) => format!("{} tracks", tracks.len()),
                    Value::Scalar(number) => number.to_string(),
                    Value::Text(text) => text.clone(),
                };
                format!("{} {} = {count}", ">".repeat(part.depth), part.text)
            })
            .collect();
        assert_eq!(
            shown,
            [
                " (used / size > 1 / 4) and max_over_time(size[15s:5s]) < -(1) = 0 elements",
                "> used / size > 1 / 4 = 1 elements",
                ">> used / size = 1 elements",
                ">>> used = 1 elements",
                ">>> size = 2 elements",
                ">> 1 / 4 = 0.25",
                "> max_over_time(size[15s:5s]) < -(1) = 0 elements",
                ">> max_over_time(size[15s:5s]) = 2 elements",
                ">>> size[15s:5s] = 2 tracks",
                ">> -(1) = -1",
            ]
        );
    }

    #[test]
    fn a_part_that_fails_does_not_hide_the_others() {
        let memory = load(10, &["a{x=\"1\"} 1", "b{x=\"1\"} 1"]);
        let expr = parse("-{x=\"1\"} > 0").unwrap();
        let parts = dissect(&expr, &memory, 0, &Limits::default());
        assert_eq!(parts.iter().map(|part| part.value.is_ok()).collect::<Vec<_>>(), [false, false, true]);
    }
}
