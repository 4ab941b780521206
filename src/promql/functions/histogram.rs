//! Classic histograms: a counter for each upper bound (label `le`), each counting all observations up to it.

use std::collections::HashMap;

use super::super::{Element, EvalError, Labels, Value};
use super::{Arguments, nameless};

/// `histogram_quantile`.
pub fn quantile(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    let q = arguments.scalar(0);
    Ok(each(arguments.vector(1), |buckets| quantile_of(q, buckets)))
}

/// `histogram_fraction`.
pub fn fraction(arguments: &Arguments<'_>) -> Result<Value, EvalError> {
    let (lower, upper) = (arguments.scalar(0), arguments.scalar(1));
    Ok(each(arguments.vector(2), |buckets| fraction_of(lower, upper, buckets)))
}

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    /// The largest value it counts.
    bound: f64,
    /// Observations up to there.
    count: f64,
}

/// A number for each histogram among the elements: those with equal labels but `le`. What has no number there is passed over.
fn each(elements: &[Element], mut compute: impl FnMut(Vec<Bucket>) -> f64) -> Value {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut histograms: Vec<(Labels, Vec<Bucket>)> = Vec::new();
    for element in elements {
        let Ok(bound) = element.labels.get("le").parse::<f64>() else { continue };
        let labels = element.labels.with("le", "");
        let place = *places.entry(labels.clone()).or_insert(histograms.len());
        if place == histograms.len() {
            histograms.push((labels, Vec::new()));
        }
        histograms[place].1.push(Bucket { bound, count: element.value });
    }
    Value::Vector(histograms.into_iter().map(|(labels, buckets)| nameless(&labels, compute(buckets))).collect())
}

/// Buckets by their bounds, those of one bound as one; nothing where the last bound is not +Inf.
fn sorted(mut buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match merged.last_mut() {
            Some(last) if last.bound == bucket.bound => last.count += bucket.count,
            _ => merged.push(bucket),
        }
    }
    (merged.last()?.bound == f64::INFINITY).then_some(merged)
}

/// Lets counts grow from bound to bound: a count that is less than one before it is raised to that, and one that differs by
/// no more than rounding makes equal to it.
fn straighten(buckets: &mut [Bucket]) {
    /// Relative; Prometheus's.
    const ROUNDING: f64 = 1e-12;
    let Some(first) = buckets.first() else { return };
    let mut reached = first.count;
    for bucket in &mut buckets[1..] {
        if nearly(reached, bucket.count, ROUNDING) || bucket.count < reached {
            bucket.count = reached;
        } else {
            reached = bucket.count;
        }
    }
}

/// Whether two numbers differ by less than a share of both together.
fn nearly(a: f64, b: f64, share: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (apart, both) = ((a - b).abs(), a.abs() + b.abs());
    if a == 0.0 || b == 0.0 || both < f64::MIN_POSITIVE {
        return apart < share * f64::MIN_POSITIVE;
    }
    apart / both.min(f64::MAX) < share
}

/// The value that so many of the observations are not above; between two bounds as if they were spread evenly, below the first
/// bound from 0 on if that is above 0.
fn quantile_of(q: f64, buckets: Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let Some(mut buckets) = sorted(buckets) else { return f64::NAN };
    straighten(&mut buckets);
    let [finite @ .., all] = &*buckets else { return f64::NAN };
    let (Some(lowest), Some(highest)) = (finite.first(), finite.last()) else { return f64::NAN };
    if all.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * all.count;
    // A NaN among the counts is never reached.
    let place = finite.partition_point(|bucket| bucket.count < rank || bucket.count.is_nan() || rank.is_nan());
    let Some(bucket) = finite.get(place) else { return highest.bound };
    if place == 0 && lowest.bound <= 0.0 {
        return lowest.bound;
    }
    let below = if place == 0 { Bucket { bound: 0.0, count: 0.0 } } else { finite[place - 1] };
    below.bound + (bucket.bound - below.bound) * ((rank - below.count) / (bucket.count - below.count))
}

/// The share of observations between two values, spread in a bucket as [`quantile_of`] says.
fn fraction_of(lower: f64, upper: f64, buckets: Vec<Bucket>) -> f64 {
    let Some(buckets) = sorted(buckets) else { return f64::NAN };
    let count = buckets.last().map_or(0.0, |all| all.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let up_to =
        |value| observed(value, &buckets).map_or(count, |observed| if observed > count { count } else { observed });
    (up_to(upper) - up_to(lower)) / count
}

/// How many observations are below a value; nothing where it is beyond all bounds.
fn observed(value: f64, buckets: &[Bucket]) -> Option<f64> {
    let lowest = buckets.first()?.bound;
    let mut below = Bucket { bound: if lowest <= 0.0 { f64::NEG_INFINITY } else { 0.0 }, count: 0.0 };
    for bucket in buckets {
        if below.bound >= value {
            return Some(below.count);
        }
        if bucket.bound > value {
            // Nothing can be spread from -Inf on: all of the first bucket counts.
            let within = (bucket.count - below.count) * (value - below.bound) / (bucket.bound - below.bound);
            return Some(if below.bound == f64::NEG_INFINITY { bucket.count } else { below.count + within });
        }
        below = *bucket;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect()
    }

    const INF: f64 = f64::INFINITY;
    const PLAIN: [(f64, f64); 4] = [(1.0, 10.0), (2.0, 30.0), (4.0, 40.0), (INF, 50.0)];

    #[test]
    fn quantiles_by_hand() {
        let of = |q| quantile_of(q, buckets(&PLAIN));
        // Rank 5 of 10 up to 1; rank 20: 10 of 20 from 1 to 2; rank 35: 5 of 10 from 2 to 4; rank 45: beyond 4.
        assert_eq!([of(0.1), of(0.4), of(0.7), of(0.9), of(1.0), of(0.0)], [0.5, 1.5, 3.0, 4.0, 4.0, 0.0]);
        assert_eq!([of(-0.1), of(1.1)], [f64::NEG_INFINITY, INF]);
        assert!(of(f64::NAN).is_nan());
        assert_eq!(quantile_of(0.5, buckets(&[(-1.0, 9.0), (1.0, 10.0), (INF, 10.0)])), -1.0);
    }

    #[test]
    fn what_is_no_histogram_has_no_quantile() {
        assert!(quantile_of(0.5, buckets(&PLAIN[..3])).is_nan());
        assert!(quantile_of(0.5, buckets(&[(INF, 5.0)])).is_nan());
        assert!(quantile_of(0.5, buckets(&[(1.0, 0.0), (INF, 0.0)])).is_nan());
        assert!(quantile_of(0.5, buckets(&[(f64::NAN, 1.0), (INF, 2.0)])).is_nan());
    }

    #[test]
    fn order_equal_bounds_and_falling_counts_are_mended() {
        let mixed = [(INF, 50.0), (2.0, 15.0), (4.0, 40.0), (2.0, 15.0), (1.0, 10.0)];
        assert_eq!(quantile_of(0.4, buckets(&mixed)), 1.5);
        let mut falling = buckets(&[(1.0, 10.0), (2.0, 9.0), (3.0, 10.0 + 1e-12), (4.0, 12.0), (INF, 11.0)]);
        straighten(&mut falling);
        assert_eq!(falling, buckets(&[(1.0, 10.0), (2.0, 10.0), (3.0, 10.0), (4.0, 12.0), (INF, 12.0)]));
    }

    #[test]
    fn fractions_by_hand() {
        let of = |lower, upper| fraction_of(lower, upper, buckets(&PLAIN));
        assert_eq!([of(0.0, 1.0), of(1.5, 3.0), of(-5.0, INF), of(4.0, INF)], [0.2, 0.3, 1.0, 0.2]);
        assert_eq!([of(2.0, 2.0), of(3.0, 2.0), of(5.0, 6.0)], [0.0; 3]);
        assert!(of(f64::NAN, 1.0).is_nan() && fraction_of(0.0, 1.0, buckets(&PLAIN[..3])).is_nan());
        // Below the first bound nothing is known where it is not above 0.
        assert_eq!(fraction_of(-9.0, -1.0, buckets(&[(-1.0, 4.0), (INF, 8.0)])), 0.0);
        assert_eq!(fraction_of(f64::NEG_INFINITY, -1.0, buckets(&[(-1.0, 4.0), (INF, 8.0)])), 0.5);
    }

    #[test]
    fn each_histogram_is_by_its_labels_and_nothing_else_counts() {
        let element = |name: &str, le: &str, job: &str, value| Element {
            labels: Labels::new([("__name__", name), ("le", le), ("job", job)]),
            value,
        };
        let elements = vec![
            element("h", "1", "a", 1.0),
            element("h", "+Inf", "b", 4.0),
            element("h", "+Inf", "a", 2.0),
            element("h", "2e0", "b", 4.0),
            element("h", "", "a", 7.0),
            element("h", "high", "a", 7.0),
        ];
        let values = [Value::Scalar(0.5), Value::Vector(elements)];
        let answer = quantile(&Arguments { written: &[], values: &values, at: 0 }).unwrap();
        let expected =
            [("a", 1.0), ("b", 1.0)].map(|(job, value)| Element { labels: Labels::new([("job", job)]), value });
        assert_eq!(answer, Value::Vector(expected.to_vec()));
    }
}
