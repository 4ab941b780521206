//! What came against what was wanted.

use std::collections::HashSet;

use earlystop::promql::{Element, Labels, Point, Span, Track, Value};

use super::script::{Order, Wanted, Written};

/// Whether a value is what it should be, to a relative error of `epsilon`: equal, or both NaN, or close. A result that
/// ought to be 0 must be 0.
pub fn close(a: f64, b: f64, epsilon: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

/// What upstream's runner allows.
const EPSILON: f64 = 1e-6;

/// Whether a value is what was wanted.
///
/// # Errors
/// The first difference in words.
pub fn check(wanted: &Wanted, came: &Value) -> Result<(), String> {
    match (wanted, came) {
        (Wanted::Failure, _) => Err("no error".to_owned()),
        (Wanted::Text(text), Value::Text(came)) if text == came => Ok(()),
        (Wanted::Scalar(number), Value::Scalar(came)) if close(*number, *came, EPSILON) => Ok(()),
        (Wanted::Vector(series, order), Value::Vector(elements)) => vector(series, *order, elements),
        (Wanted::Matrix(series, span), Value::Matrix(tracks)) => matrix(series, *span, tracks),
        (Wanted::Text(_), Value::Text(_)) | (Wanted::Scalar(_), Value::Scalar(_)) => Err("another value".to_owned()),
        _ => Err(format!("a result of another type: {}", came.kind().as_str())),
    }
}

fn vector(wanted: &[Written], order: Order, came: &[Element]) -> Result<(), String> {
    same_series(wanted, came.iter().map(|element| &element.labels))?;
    for (place, (labels, values)) in wanted.iter().enumerate() {
        let [Some(value)] = values[..] else { return Err(format!("{labels} wants one value, not {values:?}")) };
        let found = match order {
            Order::Listed => came.get(place).filter(|element| element.labels == *labels),
            Order::Any => came.iter().find(|element| element.labels == *labels),
        };
        let Some(found) = found else { return Err(format!("{labels} is not at place {}", place + 1)) };
        if !close(value, found.value, EPSILON) {
            return Err(format!("{labels}: {} and not {value}", found.value));
        }
    }
    Ok(())
}

fn matrix(wanted: &[Written], span: Span, came: &[Track]) -> Result<(), String> {
    same_series(wanted, came.iter().map(|track| &track.labels))?;
    for (labels, values) in wanted {
        let track = came.iter().find(|track| track.labels == *labels).expect("it was compared");
        let points = expected(values, span);
        let times = |points: &[Point]| points.iter().map(|point| point.t).collect::<Vec<_>>();
        if times(&points) != times(&track.points) {
            return Err(format!("{labels}: samples at {:?} and not at {:?}", times(&track.points), times(&points)));
        }
        if let Some((a, b)) = points.iter().zip(&track.points).find(|(a, b)| !close(a.v, b.v, EPSILON)) {
            return Err(format!("{labels} at {} ms: {} and not {}", a.t, b.v, a.v));
        }
    }
    Ok(())
}

/// The samples that values stand for.
fn expected(values: &[Option<f64>], span: Span) -> Vec<Point> {
    let times = (0..).map(|step| span.start + step * span.step);
    values.iter().zip(times).filter_map(|(value, t)| value.map(|v| Point { t, v })).collect()
}

/// No label set may be missing, be too many or come twice.
fn same_series<'a>(wanted: &[Written], came: impl Iterator<Item = &'a Labels>) -> Result<(), String> {
    let wanted: HashSet<&Labels> = wanted.iter().map(|(labels, _)| labels).collect();
    let mut seen = HashSet::new();
    for labels in came {
        if !wanted.contains(labels) {
            return Err(format!("{labels} is not wanted"));
        }
        if !seen.insert(labels) {
            return Err(format!("{labels} comes twice"));
        }
    }
    match wanted.iter().find(|labels| !seen.contains(**labels)) {
        Some(labels) => Err(format!("{labels} is missing")),
        None => Ok(()),
    }
}

#[test]
fn close_is_close() {
    assert!(close(1.0, 1.0 + 1e-7, EPSILON) && !close(1.0, 1.0 + 1e-5, EPSILON));
    assert!(close(f64::NAN, f64::NAN, EPSILON) && !close(f64::NAN, 1.0, EPSILON));
    assert!(close(f64::INFINITY, f64::INFINITY, EPSILON) && !close(f64::INFINITY, f64::NEG_INFINITY, EPSILON));
    assert!(!close(f64::INFINITY, f64::MAX, EPSILON));
    assert!(close(0.0, -0.0, EPSILON) && !close(0.0, 1e-300, EPSILON));
}

#[test]
fn differences_are_seen() {
    let (labels, _) = earlystop::promql::parse_series("up{a=\"1\"}").expect("a series");
    let (other, _) = earlystop::promql::parse_series("up").expect("a series");
    let element = |labels: &Labels, value| Element { labels: labels.clone(), value };
    let both = vec![(labels.clone(), vec![Some(1.0)]), (other.clone(), vec![Some(2.0)])];
    let (one, two) = (element(&labels, 1.0), element(&other, 2.0));
    let any = Wanted::Vector(both.clone(), Order::Any);
    let listed = Wanted::Vector(both, Order::Listed);
    assert_eq!(check(&any, &Value::Vector(vec![two.clone(), one.clone()])), Ok(()));
    assert_eq!(check(&listed, &Value::Vector(vec![one.clone(), two.clone()])), Ok(()));
    assert!(check(&listed, &Value::Vector(vec![two.clone(), one.clone()])).is_err());
    assert!(check(&any, &Value::Vector(vec![two.clone()])).is_err());
    assert!(check(&any, &Value::Vector(vec![two.clone(), one.clone(), one.clone()])).is_err());
    assert!(check(&any, &Value::Vector(vec![element(&labels, 1.1), two])).is_err());
    assert!(check(&any, &Value::Matrix(Vec::new())).is_err());
    assert!(check(&Wanted::Vector(Vec::new(), Order::Any), &Value::Vector(vec![one])).is_err());
    assert!(check(&Wanted::Failure, &Value::Scalar(1.0)).is_err());
    assert!(check(&Wanted::Scalar(1.0), &Value::Scalar(2.0)).is_err());
    assert!(check(&Wanted::Text("a".to_owned()), &Value::Text("b".to_owned())).is_err());
    let span = Span { start: 0, end: 20, step: 10 };
    let wanted = Wanted::Matrix(vec![(labels.clone(), vec![Some(1.0), None, Some(3.0)])], span);
    let track = |points: &[(i64, f64)]| {
        let points = points.iter().map(|(t, v)| Point { t: *t, v: *v }).collect();
        Value::Matrix(vec![Track { labels: labels.clone(), points }])
    };
    assert_eq!(check(&wanted, &track(&[(0, 1.0), (20, 3.0)])), Ok(()));
    assert!(check(&wanted, &track(&[(0, 1.0)])).is_err());
    assert!(check(&wanted, &track(&[(0, 1.0), (10, 3.0)])).is_err());
    assert!(check(&wanted, &track(&[(0, 1.0), (20, 4.0)])).is_err());
}
