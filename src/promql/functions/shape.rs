//! Numbers as vectors and back, and numbers from nothing.

use super::super::{Element, EvalError, Labels, Value};
use super::Arguments;

pub fn pi(_: &Arguments<'_>) -> Result<Value, EvalError> {
    Ok(Value::Scalar(std::f64::consts::PI))
}

/// The evaluation's time, seconds.
pub fn time(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    Ok(Value::Scalar(arguments.at as f64 / 1000.0))
}

/// The value of the only element; NaN where there is none or are several.
pub fn scalar(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    Ok(Value::Scalar(if let [only] = arguments.vector(0) { only.value } else { f64::NAN }))
}

/// One element without labels.
pub fn vector(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    Ok(Value::Vector(vec![Element { labels: Labels::empty(), value: arguments.scalar(0) }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(function: fn(&Arguments<'_>) -> Result<Value, EvalError>, values: &[Value]) -> Value {
        function(&Arguments { written: &[], values, at: 1_500 }).unwrap()
    }

    #[test]
    fn there_and_back() {
        assert_eq!(of(time, &[]), Value::Scalar(1.5));
        let one = of(vector, &[Value::Scalar(3.0)]);
        assert_eq!(one, Value::Vector(vec![Element { labels: Labels::empty(), value: 3.0 }]));
        assert_eq!(of(scalar, &[one]), Value::Scalar(3.0));
    }

    #[test]
    fn none_and_several_are_no_number() {
        let element = Element { labels: Labels::empty(), value: 1.0 };
        for elements in [vec![], vec![element.clone(), element]] {
            let Value::Scalar(value) = of(scalar, &[Value::Vector(elements)]) else { panic!("no scalar") };
            assert!(value.is_nan());
        }
    }
}
