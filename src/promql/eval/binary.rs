//! Arithmetic and comparison.

use super::query::{Query, mismatch};
use super::{EvalError, matching, sets, unique};
use crate::promql::{Element, Expr, Node, Operator, Value};

/// The value of a binary operation.
pub(super) fn binary(query: &Query, expr: &Expr, at: i64) -> Result<Value, EvalError> {
    let Node::Binary { op, left, right, matching, returns_bool } = &expr.node else {
        return Err(EvalError::Failed("this is no binary operation".to_string()));
    };
    let effect = Effect::of(*op, *returns_bool);
    match (query.value(left, at)?, query.value(right, at)?) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(numbers(*op, left, right))),
        (Value::Vector(left), Value::Vector(right)) if op.is_set() => {
            Ok(Value::Vector(sets::combine(*op, left, right, &matching.labels)))
        }
        (Value::Vector(left), Value::Vector(right)) => {
            matching::combine(*op, effect, left, right, matching).map(Value::Vector)
        }
        (Value::Vector(vector), Value::Scalar(right)) => {
            scaled(effect, vector, |value| outcome(*op, value, right)).map(Value::Vector)
        }
        (Value::Scalar(left), Value::Vector(vector)) => {
            scaled(effect, vector, |value| outcome(*op, left, value)).map(Value::Vector)
        }
        (Value::Matrix(_) | Value::Text(_), other) | (other, _) => Err(mismatch("scalars or instant vectors", &other)),
    }
}

/// What an operation does to the elements of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Gives new values; the name goes.
    Computes,
    /// Keeps those for which the comparison holds, as they are.
    Filters,
    /// Says 0 or 1 of each; the name goes.
    Judges,
}

impl Effect {
    fn of(op: Operator, returns_bool: bool) -> Effect {
        match (op.compares(), returns_bool) {
            (false, _) => Effect::Computes,
            (true, false) => Effect::Filters,
            (true, true) => Effect::Judges,
        }
    }

    /// The value that stays, given the operation's outcome and the value as it was; `None` where the element goes.
    pub(super) fn apply(self, outcome: Outcome, was: f64) -> Option<f64> {
        match (self, outcome) {
            (_, Outcome::Number(number)) => Some(number),
            (Effect::Filters, Outcome::Holds(holds)) => holds.then_some(was),
            (_, Outcome::Holds(holds)) => Some(f64::from(u8::from(holds))),
        }
    }
}

/// What an operation on two numbers gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Arithmetic.
    Number(f64),
    /// A comparison.
    Holds(bool),
}

/// Two numbers under an operator that is no set operator.
pub(super) fn outcome(op: Operator, left: f64, right: f64) -> Outcome {
    match op {
        Operator::Add => Outcome::Number(left + right),
        Operator::Sub => Outcome::Number(left - right),
        Operator::Mul => Outcome::Number(left * right),
        Operator::Div => Outcome::Number(left / right),
        Operator::Mod => Outcome::Number(left % right),
        Operator::Pow => Outcome::Number(left.powf(right)),
        Operator::Atan2 => Outcome::Number(left.atan2(right)),
        Operator::Eq => Outcome::Holds(left == right),
        Operator::NotEq => Outcome::Holds(left != right),
        Operator::Gt => Outcome::Holds(left > right),
        Operator::Lt => Outcome::Holds(left < right),
        Operator::GtEq => Outcome::Holds(left >= right),
        Operator::LtEq => Outcome::Holds(left <= right),
        // The parser refuses set operators between numbers.
        Operator::And | Operator::Or | Operator::Unless => Outcome::Number(f64::NAN),
    }
}

fn numbers(op: Operator, left: f64, right: f64) -> f64 {
    match outcome(op, left, right) {
        Outcome::Number(number) => number,
        Outcome::Holds(holds) => f64::from(u8::from(holds)),
    }
}

/// A vector against a number. What a filter keeps is the vector's value, on whichever side it stands.
fn scaled(
    effect: Effect,
    mut elements: Vec<Element>,
    outcome: impl Fn(f64) -> Outcome,
) -> Result<Vec<Element>, EvalError> {
    elements.retain_mut(|element| match effect.apply(outcome(element.value), element.value) {
        Some(value) => {
            element.value = value;
            true
        }
        None => false,
    });
    if effect != Effect::Filters {
        unique::drop_names(&mut elements)?;
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;

    #[test]
    fn numbers_with_numbers() {
        let memory = load(10, &[]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("1 + 2 * 3 ^ 2 - 8 / 4"), ["17"]);
        assert_eq!(at("-7 % 3"), ["-1"]);
        assert_eq!(at("7 % -3"), ["1"]);
        assert_eq!(at("7.5 % 0"), ["NaN"]);
        assert_eq!(at("5 % Inf"), ["5"]);
        assert_eq!(at("1 / 0"), ["inf"]);
        assert_eq!(at("NaN ^ 0"), ["1"]);
        assert_eq!(at("1 atan2 -1"), [(1.0f64).atan2(-1.0).to_string()]);
        assert_eq!(at("1 > bool 2"), ["0"]);
        assert_eq!(at("NaN == bool NaN"), ["0"]);
        assert_eq!(at("NaN != bool NaN"), ["1"]);
    }

    #[test]
    fn a_comparison_filters_and_keeps_the_element_as_it_is() {
        let memory = load(10, &["up{x=\"1\"} 1", "up{x=\"2\"} 2", "up{x=\"3\"} NaN"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("up > 1"), ["up{x=\"2\"} 2"]);
        assert_eq!(at("1 < up"), ["up{x=\"2\"} 2"]);
        assert_eq!(at("up != 1"), ["up{x=\"2\"} 2", "up{x=\"3\"} NaN"]);
        assert_eq!(at("up >= bool 2"), ["{x=\"1\"} 0", "{x=\"2\"} 1", "{x=\"3\"} 0"]);
    }

    #[test]
    fn arithmetic_drops_the_name() {
        let memory = load(10, &["a{x=\"1\"} 1", "b{x=\"1\"} 2"]);
        assert_eq!(memory.at(0.0, "a * 2"), ["{x=\"1\"} 2"]);
        assert_eq!(memory.at(0.0, "7 % b"), ["{x=\"1\"} 1"]);
        let clash = ["failed: vector cannot contain metrics with the same labelset"];
        assert_eq!(memory.at(0.0, "{x=\"1\"} * 2"), clash);
        assert_eq!(memory.at(0.0, "{x=\"1\"} > bool 2"), clash);
        assert_eq!(memory.at(0.0, "{x=\"1\"} > 1"), ["b{x=\"1\"} 2"]);
    }
}
