//! One evaluation: what it may use, what it has loaded, and the way from a part to its value.

use std::cell::RefCell;
use std::collections::HashMap;

use super::budget::Budget;
use super::{EvalError, Limits, aggregate, binary, call, selector, unique};
use crate::promql::{At, Element, Expr, Labels, Node, Series, Shift, Source, Value};

/// The first and the last time of several evaluations, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// The earliest.
    pub(super) first: i64,
    /// The latest.
    pub(super) last: i64,
}

/// One evaluation of one expression.
pub(super) struct Query<'a> {
    /// Where series come from.
    pub(super) source: &'a dyn Source,
    /// Its bounds.
    pub(super) limits: &'a Limits,
    /// What is left of them.
    pub(super) budget: Budget,
    /// `start()` and `end()`.
    span: Times,
    /// What was loaded or computed ahead, by the part's address; the expression stays where it is during an evaluation.
    ready: HashMap<usize, Ready<'a>>,
}

/// What a part's evaluation starts from.
pub(super) enum Ready<'a> {
    /// Series of a selector or a subquery, for all times at which it is evaluated.
    Chosen(Chosen<'a>),
    /// The part's value, which is the same at all times.
    Fixed(Value),
}

/// The series of one selector or subquery.
pub(super) struct Chosen<'a> {
    /// The series, none without samples.
    pub(super) series: Vec<Series<'a>>,
    /// Where two of them may be equal without their names: which of them a nameless label set went to. Prometheus refuses
    /// two that go to one set even if they do so at different times.
    pub(super) claims: Option<RefCell<HashMap<Labels, usize>>>,
}

impl<'a> Query<'a> {
    /// An evaluation that has loaded nothing yet.
    pub(super) fn new(source: &'a dyn Source, limits: &'a Limits, span: Times) -> Query<'a> {
        Query { source, limits, budget: Budget::new(limits), span, ready: HashMap::new() }
    }

    /// Notes what a part starts from.
    pub(super) fn keep(&mut self, expr: &Expr, ready: Ready<'a>) {
        self.ready.insert(address(expr), ready);
    }

    /// The series of a selector or subquery.
    pub(super) fn chosen(&self, expr: &Expr) -> Result<&Chosen<'a>, EvalError> {
        match self.ready.get(&address(expr)) {
            Some(Ready::Chosen(chosen)) => Ok(chosen),
            _ => Err(EvalError::Failed("a selector was evaluated before it was loaded".to_string())),
        }
    }

    /// The time that a selector or subquery looks back from.
    pub(super) fn anchor(&self, shift: &Shift, at: i64) -> i64 {
        let from = match shift.at {
            None => at,
            Some(At::Time(time)) => time,
            Some(At::Start) => self.span.first,
            Some(At::End) => self.span.last,
        };
        from.saturating_sub(shift.offset)
    }

    /// The value of a part at a time for which it was prepared.
    pub(super) fn value(&self, expr: &Expr, at: i64) -> Result<Value, EvalError> {
        self.budget.part()?;
        if let Some(Ready::Fixed(value)) = self.ready.get(&address(expr)) {
            return Ok(value.clone());
        }
        let value = match &expr.node {
            Node::Number(number) => return Ok(Value::Scalar(*number)),
            Node::Text(text) => return Ok(Value::Text(text.clone())),
            Node::Paren(inner) => return self.value(inner, at),
            Node::Vector(selector) => Value::Vector(selector::last_of_each(self, expr, selector, at)?),
            Node::Matrix(..) | Node::Subquery { .. } => Value::Matrix(selector::copies(self, expr, at)?),
            Node::Negate(inner) => negate(self.value(inner, at)?)?,
            Node::Call(function, args) => call::call(self, function, args, at)?,
            Node::Aggregate { .. } => Value::Vector(aggregate::aggregate(self, expr, at)?),
            Node::Binary { .. } => binary::binary(self, expr, at)?,
        };
        if let Value::Vector(elements) = &value {
            self.budget.numbers(elements.len())?;
        }
        Ok(value)
    }

    /// The value of a part that is an instant vector.
    pub(super) fn vector(&self, expr: &Expr, at: i64) -> Result<Vec<Element>, EvalError> {
        match self.value(expr, at)? {
            Value::Vector(elements) => Ok(elements),
            other => Err(mismatch("an instant vector", &other)),
        }
    }

    /// The value of a part that is a number.
    pub(super) fn scalar(&self, expr: &Expr, at: i64) -> Result<f64, EvalError> {
        match self.value(expr, at)? {
            Value::Scalar(number) => Ok(number),
            other => Err(mismatch("a scalar", &other)),
        }
    }
}

/// The error where a part has another type than the place it stands in; the parser refuses such expressions.
pub(super) fn mismatch(expected: &str, found: &Value) -> EvalError {
    EvalError::Failed(format!("expected {expected}, found {}", found.kind().as_str()))
}

/// A part without the brackets around it.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match &expr.node {
        Node::Paren(inner) => bare(inner),
        _ => expr,
    }
}

fn address(expr: &Expr) -> usize {
    std::ptr::from_ref(expr) as usize
}

fn negate(value: Value) -> Result<Value, EvalError> {
    match value {
        Value::Scalar(number) => Ok(Value::Scalar(-number)),
        Value::Vector(mut elements) => {
            for element in &mut elements {
                element.value = -element.value;
            }
            unique::drop_names(&mut elements)?;
            Ok(Value::Vector(elements))
        }
        other => Err(mismatch("a scalar or an instant vector", &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;

    #[test]
    fn literals_brackets_and_signs() {
        let memory = load(10, &["a{x=\"1\"} 1", "b{x=\"1\"} 2", "b{x=\"2\"} NaN"]);
        assert_eq!(memory.at(0.0, "((1.5))"), ["1.5"]);
        assert_eq!(memory.at(0.0, "(\"text\")"), ["\"text\""]);
        assert_eq!(memory.at(0.0, "-a"), ["{x=\"1\"} -1"]);
        assert_eq!(memory.at(0.0, "+a"), ["a{x=\"1\"} 1"]);
        assert_eq!(memory.at(0.0, "-1 ^ 2"), ["-1"]);
        let clash = ["failed: vector cannot contain metrics with the same labelset"];
        assert_eq!(memory.at(0.0, "-{x=\"1\", __name__=~\".+\"}"), clash);
    }
}
