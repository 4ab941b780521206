//! The order of an answer.

use std::cmp::Ordering;

use super::super::{Element, EvalError, Value};
use super::Arguments;
use super::quantile::order;

/// The smallest value first, NaN last.
pub fn up(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    sorted(arguments, |a, b| a.is_nan().cmp(&b.is_nan()).then(order(a, b)))
}

/// The largest value first, NaN last.
pub fn down(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    sorted(arguments, |a, b| order(b, a))
}

fn sorted(arguments: &Arguments<'_>, order: fn(f64, f64) -> Ordering) -> Result<Value, EvalError> {
    let mut elements: Vec<Element> = arguments.vector(0).to_vec();
    elements.sort_by(|a, b| order(a.value, b.value));
    Ok(Value::Vector(elements))
}

#[cfg(test)]
mod tests {
    use super::super::super::Labels;
    use super::*;

    fn order_of(function: fn(&Arguments<'_>) -> Result<Value, EvalError>, values: &[f64]) -> String {
        let element =
            |(index, value): (usize, &f64)| Element { labels: Labels::new([("n", index.to_string())]), value: *value };
        let values = [Value::Vector(values.iter().enumerate().map(element).collect())];
        let Value::Vector(sorted) = function(&Arguments { written: &[], values: &values, at: 0 }).unwrap() else {
            panic!("no vector")
        };
        sorted.iter().map(|element| element.labels.get("n").to_string()).collect()
    }

    #[test]
    fn nan_is_last_either_way_and_equal_values_keep_their_places() {
        let values = [2.0, f64::NAN, 1.0, f64::INFINITY, 2.0, f64::NAN, f64::NEG_INFINITY];
        assert_eq!(order_of(up, &values), "6204315");
        assert_eq!(order_of(down, &values), "3042615");
    }
}
