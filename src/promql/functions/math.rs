//! Arithmetic of one value.

use super::super::{EvalError, Value};
use super::{Arguments, nameless};

pub fn abs(value: f64, _: &[f64]) -> f64 {
    value.abs()
}

pub fn ceil(value: f64, _: &[f64]) -> f64 {
    value.ceil()
}

pub fn floor(value: f64, _: &[f64]) -> f64 {
    value.floor()
}

pub fn exp(value: f64, _: &[f64]) -> f64 {
    value.exp()
}

pub fn ln(value: f64, _: &[f64]) -> f64 {
    value.ln()
}

pub fn log2(value: f64, _: &[f64]) -> f64 {
    value.log2()
}

pub fn log10(value: f64, _: &[f64]) -> f64 {
    value.log10()
}

pub fn sqrt(value: f64, _: &[f64]) -> f64 {
    value.sqrt()
}

/// -1, 1, or the value itself: a zero with its sign, or NaN.
pub fn sgn(value: f64, _: &[f64]) -> f64 {
    match value {
        v if v < 0.0 => -1.0,
        v if v > 0.0 => 1.0,
        v => v,
    }
}

/// To the nearest multiple of the argument, 1 where it was left out; half is rounded up.
pub fn round(value: f64, scalars: &[f64]) -> f64 {
    // By the inverse, as Prometheus does: 0.1 has none that is exact, 10 has.
    let inverse = 1.0 / scalars.first().copied().unwrap_or(1.0);
    (value * inverse + 0.5).floor() / inverse
}

pub fn clamp_min(value: f64, scalars: &[f64]) -> f64 {
    larger(scalars[0], value)
}

pub fn clamp_max(value: f64, scalars: &[f64]) -> f64 {
    smaller(scalars[0], value)
}

/// Between two numbers; nothing at all where the upper is below the lower.
pub fn clamp(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    let (lower, upper) = (arguments.scalar(1), arguments.scalar(2));
    if upper < lower {
        return Ok(Value::Vector(Vec::new()));
    }
    let limited = |value| larger(lower, smaller(upper, value));
    Ok(Value::Vector(arguments.vector(0).iter().map(|e| nameless(&e.labels, limited(e.value))).collect()))
}

/// The larger; NaN where one is NaN, unless the other is +Inf.
fn larger(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        return f64::INFINITY;
    }
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The smaller; NaN where one is NaN, unless the other is -Inf.
fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Element, Labels};
    use super::*;

    #[test]
    fn rounding_goes_up_from_the_half() {
        let round = |value, nearest: &[f64]| round(value, nearest);
        assert_eq!([round(2.5, &[]), round(-2.5, &[]), round(2.4, &[])], [3.0, -2.0, 2.0]);
        assert_eq!([round(2.34, &[0.1]), round(17.0, &[5.0])], [2.3, 15.0]);
        assert!(round(1.0, &[0.0]).is_nan());
    }

    #[test]
    fn signs() {
        assert_eq!([sgn(-3.0, &[]), sgn(0.0, &[]), sgn(f64::INFINITY, &[])], [-1.0, 0.0, 1.0]);
        assert!(sgn(f64::NAN, &[]).is_nan());
    }

    #[test]
    fn limits_and_nan() {
        assert_eq!([clamp_min(1.0, &[2.0]), clamp_max(1.0, &[-2.0])], [2.0, -2.0]);
        assert!(clamp_min(f64::NAN, &[0.0]).is_nan() && clamp_max(1.0, &[f64::NAN]).is_nan());
        assert_eq!(clamp_min(f64::NAN, &[f64::INFINITY]), f64::INFINITY);
        assert_eq!(clamp_max(f64::NAN, &[f64::NEG_INFINITY]), f64::NEG_INFINITY);
    }

    #[test]
    fn crossed_limits_give_nothing() {
        let vector = Value::Vector(vec![Element { labels: Labels::new([("__name__", "x"), ("a", "b")]), value: 7.0 }]);
        let clamped = |lower, upper| {
            let values = [vector.clone(), Value::Scalar(lower), Value::Scalar(upper)];
            clamp(&Arguments { written: &[], values: &values, at: 0 }).unwrap()
        };
        let of = |value| Value::Vector(vec![Element { labels: Labels::new([("a", "b")]), value }]);
        assert_eq!(clamped(0.0, 5.0), of(5.0));
        assert_eq!(clamped(8.0, 9.0), of(8.0));
        assert_eq!(clamped(1.0, 0.0), Value::Vector(Vec::new()));
    }
}
