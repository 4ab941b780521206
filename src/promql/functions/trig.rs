//! Angles and hyperbolic functions of one value.

use std::f64::consts::{LN_2, PI};

pub fn sin(value: f64, _: &[f64]) -> f64 {
    value.sin()
}

pub fn cos(value: f64, _: &[f64]) -> f64 {
    value.cos()
}

pub fn tan(value: f64, _: &[f64]) -> f64 {
    value.tan()
}

pub fn asin(value: f64, _: &[f64]) -> f64 {
    value.asin()
}

pub fn acos(value: f64, _: &[f64]) -> f64 {
    value.acos()
}

pub fn atan(value: f64, _: &[f64]) -> f64 {
    value.atan()
}

pub fn sinh(value: f64, _: &[f64]) -> f64 {
    value.sinh()
}

pub fn cosh(value: f64, _: &[f64]) -> f64 {
    value.cosh()
}

pub fn tanh(value: f64, _: &[f64]) -> f64 {
    value.tanh()
}

/// From here on `x + sqrt(x * x - 1)` is `2 x` to the last bit, and the standard library would overflow.
const LARGE: f64 = (1u64 << 28) as f64;

pub fn asinh(value: f64, _: &[f64]) -> f64 {
    if value.abs() > LARGE { (value.abs().ln() + LN_2).copysign(value) } else { value.asinh() }
}

pub fn acosh(value: f64, _: &[f64]) -> f64 {
    if value > LARGE { value.ln() + LN_2 } else { value.acosh() }
}

pub fn atanh(value: f64, _: &[f64]) -> f64 {
    value.atanh()
}

pub fn rad(value: f64, _: &[f64]) -> f64 {
    value * PI / 180.0
}

pub fn deg(value: f64, _: &[f64]) -> f64 {
    value * 180.0 / PI
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        a == b || (a - b).abs() <= 1e-14 * b.abs()
    }

    #[test]
    fn inverses_of_large_values_do_not_overflow() {
        // ln(2) + ln(1e308) = 0.6931... + 709.1962...
        assert!(near(asinh(1e308, &[]), 709.889355822726) && near(asinh(-1e308, &[]), -709.889355822726));
        assert!(near(acosh(1e308, &[]), 709.889355822726));
        assert!(near(asinh(3e8, &[]), (3e8f64).asinh()) && near(acosh(3e8, &[]), (3e8f64).acosh()));
        assert_eq!([asinh(f64::NEG_INFINITY, &[]), acosh(f64::INFINITY, &[])], [f64::NEG_INFINITY, f64::INFINITY]);
    }

    #[test]
    fn outside_of_the_domain_is_nan() {
        assert!([asin(1.1, &[]), acos(-1.1, &[]), acosh(0.9, &[]), atanh(2.0, &[])].iter().all(|v| v.is_nan()));
        assert_eq!([atanh(1.0, &[]), atanh(-1.0, &[])], [f64::INFINITY, f64::NEG_INFINITY]);
    }

    #[test]
    fn a_half_turn() {
        assert_eq!([rad(180.0, &[]), deg(PI, &[])], [PI, 180.0]);
    }
}
