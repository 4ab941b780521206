//! Functions: what they take and give, and how each is computed.
//!
//! The table has one row each ([`FUNCTIONS`]); the files beside it compute: [`rate`] (rates of counters and gauges),
//! [`over_time`], [`trend`] (lines through samples), [`math`], [`trig`], [`date`], [`label`], [`sort`], [`histogram`]
//! (classic ones) and [`shape`] (scalar to vector and back). [`sum`] and [`quantile`] are shared with the aggregations.

mod date;
mod histogram;
mod label;
mod math;
mod over_time;
pub(super) mod quantile;
mod rate;
mod shape;
mod sort;
pub(super) mod sum;
mod table;
mod trend;
mod trig;

use super::{Element, EvalError, Kind, Labels, Point, Value};

pub use table::FUNCTIONS;

/// A function of the language.
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Types of its arguments; the last may be left out or come again, as `variadic` says.
    pub takes: &'static [Kind],
    /// As in Prometheus: 0 = exactly those arguments; n > 0 = up to n more of the last type, which is itself optional;
    /// below 0 = any number of the last type, which is itself optional.
    pub variadic: i32,
    /// Type of its result.
    pub returns: Kind,
    /// How it is computed.
    pub call: Call,
    /// One line for a person: what it gives, with units.
    pub help: &'static str,
}

/// How a function is computed.
#[derive(Clone, Copy)]
pub enum Call {
    /// Of each element of its one instant vector, with the scalar arguments in their order; `__name__` is dropped. Where
    /// the vector was left out it is `vector(time())`.
    Each(fn(f64, &[f64]) -> f64),
    /// Of the samples of each series of its one range vector; `None` gives no element; `__name__` is dropped.
    Range(fn(&Window<'_>) -> Option<f64>),
    /// As `Range`, and `__name__` stays.
    RangeNamed(fn(&Window<'_>) -> Option<f64>),
    /// Of everything at once.
    Whole(fn(&Arguments<'_>) -> Result<Value, EvalError>),
    /// Computed by the evaluator itself, which knows what no function is told (`timestamp`, `absent`,
    /// `absent_over_time`).
    Evaluator,
}

/// The samples of one series in a range.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// In the order of time, without staleness markers, at least one; all in `(start, end]`.
    pub points: &'a [Point],
    /// The range's beginning, excluded, milliseconds.
    pub start: i64,
    /// The range's end, milliseconds.
    pub end: i64,
    /// The evaluation's time, milliseconds; differs from `end` under an offset or `@`.
    pub at: i64,
    /// The scalar arguments in their order.
    pub scalars: &'a [f64],
}

/// The arguments of a function that sees everything.
pub struct Arguments<'a> {
    /// As written; paren'd literals are visible to those that look at how an argument was written (`absent`).
    pub written: &'a [super::Expr],
    /// Their values.
    pub values: &'a [Value],
    /// The evaluation's time, milliseconds.
    pub at: i64,
}

impl<'a> Arguments<'a> {
    /// The argument of this index where it is a number, NaN where there is none: the parser has checked types.
    fn scalar(&self, index: usize) -> f64 {
        match self.values.get(index) {
            Some(Value::Scalar(value)) => *value,
            _ => f64::NAN,
        }
    }

    /// The argument of this index where it is an instant vector, nothing where it is not.
    fn vector(&self, index: usize) -> &'a [Element] {
        match self.values.get(index) {
            Some(Value::Vector(elements)) => elements,
            _ => &[],
        }
    }

    /// The argument of this index where it is a text, `""` where it is not.
    fn text(&self, index: usize) -> &'a str {
        match self.values.get(index) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

/// The function of a name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|index| &FUNCTIONS[index])
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// An element without its name.
pub fn nameless(labels: &Labels, value: f64) -> Element {
    Element { labels: labels.nameless(), value }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Selector, Series, Source, instant, parse};
    use super::*;

    /// A store of nothing.
    struct Nothing;

    impl Source for Nothing {
        fn select(&self, _: &Selector, _: i64, _: i64) -> Vec<Series<'_>> {
            Vec::new()
        }
    }

    /// The only value and the labels of an answer.
    fn answer(text: &str) -> String {
        match instant(&parse(text).unwrap(), &Nothing, 1_700_000_000_000, &Limits::default()) {
            Ok(Value::Scalar(value)) => value.to_string(),
            Ok(Value::Vector(elements)) => {
                elements.iter().map(|e| format!("{} {}", e.labels, e.value)).collect::<Vec<_>>().join(", ")
            }
            other => format!("{other:?}"),
        }
    }

    /// As Prometheus 2.42.0 on x86 answered, asked at 1700000000.
    #[test]
    fn corners_are_as_in_prometheus() {
        for (text, expected) in [
            ("day_of_week(vector(NaN))", "{} 0"),
            ("day_of_year(vector(NaN))", "{} 339"),
            ("days_in_month(vector(-Inf))", "{} 31"),
            ("year(vector(-9.3e18))", "{} 292277026596"),
            ("year(vector(9.2e18))", "{} 291536396232"),
            ("year(vector(-9.2233720e18))", "{} -292277021490"),
            ("hour(vector(-0.5))", "{} 0"),
            ("hour()", "{} 22"),
            ("year()", "{} 2023"),
            ("asinh(vector(-1e308))", "{} -709.889355822726"),
            ("clamp_min(vector(NaN), Inf)", "{} inf"),
            ("clamp_max(vector(NaN), -Inf)", "{} -inf"),
            ("clamp(vector(5), NaN, 3)", "{} NaN"),
            ("clamp(vector(5), 4, NaN)", "{} NaN"),
            ("clamp(vector(5), 4, 3)", ""),
            ("round(vector(2.5), 0)", "{} NaN"),
            ("round(vector(2.34), 0.1)", "{} 2.3"),
            (r#"label_replace(vector(1), "a", "$1-$$-${x}-$1x-${1}x-$", "b", "()")"#, r#"{a="-$---x-$"} 1"#),
            (r#"label_replace(vector(1), "a", "$01|${00}|$0", "b", ".*")"#, r#"{a="||"} 1"#),
            (r#"label_join(vector(1), "a", "-")"#, "{} 1"),
            (r#"histogram_quantile(0.5, label_replace(vector(1), "le", "+Inf", "", ""))"#, "{} NaN"),
            ("log2(vector(0))", "{} -inf"),
            ("ln(vector(-1))", "{} NaN"),
            ("sgn(vector(-0.0))", "{} -0"),
            (r#"scalar(vector(1) or label_replace(vector(1), "a", "b", "", ""))"#, "NaN"),
            (r#"absent(x{a="b", c=~"d"})"#, r#"{a="b"} 1"#),
            ("time()", "1700000000"),
        ] {
            assert_eq!(answer(text), expected, "{text}");
        }
    }
}
