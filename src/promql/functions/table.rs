//! The table of functions: those of Prometheus 3.14 that are stable and about floats, and `first_over_time`.
//!
//! Names, arguments and results as in Prometheus's documentation; sorted by name.

use super::super::Kind::{self, Matrix, Scalar, Text, Vector};
use super::Call::{self, Each, Evaluator, Range, RangeNamed, Whole};
use super::{Function, date, histogram, label, math, over_time, rate, shape, sort, trend, trig};

/// One row: the types it takes (after a semicolon how many more, see [`Function::variadic`]), the type it gives, how,
/// and a line for a person.
macro_rules! table {
    ($($name:literal ($($takes:expr),*$(; $more:expr)?) -> $returns:ident $call:expr, $help:literal;)*) => {
        &[$(row($name, &[$($takes),*], 0 $(+ $more)?, $returns, $call, $help)),*]
    };
}

const fn row(
    name: &'static str,
    takes: &'static [Kind],
    variadic: i32,
    returns: Kind,
    call: Call,
    help: &'static str,
) -> Function {
    Function { name, takes, variadic, returns, call, help }
}

/// All functions, sorted by name.
pub static FUNCTIONS: &[Function] = table! {
    "abs" (Vector) -> Vector Each(math::abs), "absolute value, in the unit of the argument";
    "absent" (Vector) -> Vector Evaluator, "1 where the vector is empty, nothing where it is not; labels from its = matchers";
    "absent_over_time" (Matrix) -> Vector Evaluator, "1 where no series has a sample in the range, else nothing; labels from its = matchers";
    "acos" (Vector) -> Vector Each(trig::acos), "arc cosine, in radians";
    "acosh" (Vector) -> Vector Each(trig::acosh), "inverse hyperbolic cosine";
    "asin" (Vector) -> Vector Each(trig::asin), "arc sine, in radians";
    "asinh" (Vector) -> Vector Each(trig::asinh), "inverse hyperbolic sine";
    "atan" (Vector) -> Vector Each(trig::atan), "arc tangent, in radians";
    "atanh" (Vector) -> Vector Each(trig::atanh), "inverse hyperbolic tangent";
    "avg_over_time" (Matrix) -> Vector Range(over_time::avg), "mean of the samples in the range, in their unit";
    "ceil" (Vector) -> Vector Each(math::ceil), "rounded up to the next integer";
    "changes" (Matrix) -> Vector Range(rate::changes), "how often the value changed between two samples in the range";
    "clamp" (Vector, Scalar, Scalar) -> Vector Whole(math::clamp), "limited to at least the first and at most the second number; nothing where they cross";
    "clamp_max" (Vector, Scalar) -> Vector Each(math::clamp_max), "limited to at most the number";
    "clamp_min" (Vector, Scalar) -> Vector Each(math::clamp_min), "limited to at least the number";
    "cos" (Vector) -> Vector Each(trig::cos), "cosine of an angle in radians";
    "cosh" (Vector) -> Vector Each(trig::cosh), "hyperbolic cosine";
    "count_over_time" (Matrix) -> Vector Range(over_time::count), "number of samples in the range";
    "day_of_month" (Vector; 1) -> Vector Each(date::day_of_month), "day of the month (1 to 31, UTC) of a time in seconds since 1970, without argument now";
    "day_of_week" (Vector; 1) -> Vector Each(date::day_of_week), "day of the week (0 = Sunday to 6, UTC) of a time in seconds since 1970, without argument now";
    "day_of_year" (Vector; 1) -> Vector Each(date::day_of_year), "day of the year (1 to 366, UTC) of a time in seconds since 1970, without argument now";
    "days_in_month" (Vector; 1) -> Vector Each(date::days_in_month), "days (28 to 31) of the month in which a time in seconds since 1970 lies (UTC), without argument now";
    "deg" (Vector) -> Vector Each(trig::deg), "radians as degrees";
    "delta" (Matrix) -> Vector Range(rate::delta), "difference of a gauge over the range, extrapolated to its ends, in the gauge's unit";
    "deriv" (Matrix) -> Vector Range(trend::deriv), "slope of the line through a gauge's samples in the range (least squares), in its unit per second";
    "exp" (Vector) -> Vector Each(math::exp), "e to the power of the value";
    "first_over_time" (Matrix) -> Vector RangeNamed(over_time::first), "the first sample in the range (experimental in Prometheus)";
    "floor" (Vector) -> Vector Each(math::floor), "rounded down to the next integer";
    "histogram_fraction" (Scalar, Scalar, Vector) -> Vector Whole(histogram::fraction), "share (0 to 1) of a histogram's observations between two values, from its buckets (label le)";
    "histogram_quantile" (Scalar, Vector) -> Vector Whole(histogram::quantile), "quantile (0 to 1) of a histogram's observations, from its buckets (label le), in the unit of le";
    "hour" (Vector; 1) -> Vector Each(date::hour), "hour of the day (0 to 23, UTC) of a time in seconds since 1970, without argument now";
    "idelta" (Matrix) -> Vector Range(rate::idelta), "difference of the last two samples of a gauge, in its unit";
    "increase" (Matrix) -> Vector Range(rate::increase), "increase of a counter over the range, resets allowed for, extrapolated to its ends, in its unit";
    "irate" (Matrix) -> Vector Range(rate::irate), "per-second increase of a counter between its last two samples";
    "label_join" (Vector, Text, Text, Text; -1) -> Vector Whole(label::join), "label (2nd argument) set to the values of other labels (from the 4th on), joined by the 3rd";
    "label_replace" (Vector, Text, Text, Text, Text) -> Vector Whole(label::replace), "label (2nd argument) set to the 3rd ($1 = group) where the label named by the 4th fits the 5th, a whole-value regex";
    "last_over_time" (Matrix) -> Vector RangeNamed(over_time::last), "the last sample in the range";
    "ln" (Vector) -> Vector Each(math::ln), "natural logarithm";
    "log10" (Vector) -> Vector Each(math::log10), "decimal logarithm";
    "log2" (Vector) -> Vector Each(math::log2), "binary logarithm";
    "max_over_time" (Matrix) -> Vector Range(over_time::max), "largest sample in the range";
    "min_over_time" (Matrix) -> Vector Range(over_time::min), "smallest sample in the range";
    "minute" (Vector; 1) -> Vector Each(date::minute), "minute of the hour (0 to 59, UTC) of a time in seconds since 1970, without argument now";
    "month" (Vector; 1) -> Vector Each(date::month), "month of the year (1 to 12, UTC) of a time in seconds since 1970, without argument now";
    "pi" () -> Scalar Whole(shape::pi), "the number pi";
    "predict_linear" (Matrix, Scalar) -> Vector Range(trend::predict_linear), "value of a gauge so many seconds from now, on the line through its samples in the range (least squares)";
    "present_over_time" (Matrix) -> Vector Range(over_time::present), "1 where the series has a sample in the range";
    "quantile_over_time" (Scalar, Matrix) -> Vector Range(over_time::quantile), "quantile (0 to 1) of the samples in the range, in their unit";
    "rad" (Vector) -> Vector Each(trig::rad), "degrees as radians";
    "rate" (Matrix) -> Vector Range(rate::rate), "per-second increase of a counter over the range, resets allowed for, extrapolated to its ends";
    "resets" (Matrix) -> Vector Range(rate::resets), "how often a counter fell between two samples in the range";
    "round" (Vector, Scalar; 1) -> Vector Each(math::round), "rounded to the nearest multiple of the number (1 where left out), half up";
    "scalar" (Vector) -> Scalar Whole(shape::scalar), "the value of a vector's only element; NaN where it has none or several";
    "sgn" (Vector) -> Vector Each(math::sgn), "sign: -1, 0 or 1";
    "sin" (Vector) -> Vector Each(trig::sin), "sine of an angle in radians";
    "sinh" (Vector) -> Vector Each(trig::sinh), "hyperbolic sine";
    "sort" (Vector) -> Vector Whole(sort::up), "sorted by value, smallest first; only the order of an instant query's answer";
    "sort_desc" (Vector) -> Vector Whole(sort::down), "sorted by value, largest first; only the order of an instant query's answer";
    "sqrt" (Vector) -> Vector Each(math::sqrt), "square root";
    "stddev_over_time" (Matrix) -> Vector Range(over_time::stddev), "standard deviation of the samples in the range (of a population), in their unit";
    "stdvar_over_time" (Matrix) -> Vector Range(over_time::stdvar), "variance of the samples in the range (of a population), in their unit squared";
    "sum_over_time" (Matrix) -> Vector Range(over_time::sum), "sum of the samples in the range, in their unit";
    "tan" (Vector) -> Vector Each(trig::tan), "tangent of an angle in radians";
    "tanh" (Vector) -> Vector Each(trig::tanh), "hyperbolic tangent";
    "time" () -> Scalar Whole(shape::time), "the evaluation's time, in seconds since 1970";
    "timestamp" (Vector) -> Vector Evaluator, "time of each element's sample, in seconds since 1970";
    "vector" (Scalar) -> Vector Whole(shape::vector), "the number as a vector of one element without labels";
    "year" (Vector; 1) -> Vector Each(date::year), "year (UTC) of a time in seconds since 1970, without argument now";
};

#[cfg(test)]
mod tests {
    use super::super::function;
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_row_is_found_and_explained() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for row in FUNCTIONS {
            assert_eq!(function(row.name).map(|f| f.name), Some(row.name));
            assert!(row.help.len() > 5 && !row.help.ends_with('.'), "{}", row.name);
        }
        assert!(function("holt_winters").is_none());
    }

    #[test]
    fn a_row_takes_what_its_way_of_computing_needs() {
        for row in FUNCTIONS {
            let count = |kind| row.takes.iter().filter(|k| **k == kind).count();
            match row.call {
                Each(_) => {
                    assert!(row.takes[0] == Vector && count(Matrix) == 0 && row.returns == Vector, "{}", row.name)
                }
                Range(_) | RangeNamed(_) => assert!(count(Matrix) == 1 && count(Vector) == 0, "{}", row.name),
                Whole(_) => assert_eq!(count(Matrix), 0, "{}", row.name),
                Evaluator => assert_eq!(row.takes.len(), 1, "{}", row.name),
            }
        }
    }
}
