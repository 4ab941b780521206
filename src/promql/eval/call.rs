//! Calls: from the table of functions to the part's value.

use super::query::{Chosen, Query, Times, bare, mismatch};
use super::selector::{self, Stretch};
use super::{EvalError, unique};
use crate::promql::functions::{Arguments, Call, Window};
use crate::promql::{Element, Expr, Function, Kind, Labels, Match, NAME, Node, Selector, Series, Shift, Value};

/// The value of a function's call.
pub(super) fn call(query: &Query, function: &Function, args: &[Expr], at: i64) -> Result<Value, EvalError> {
    match function.call {
        Call::Each(compute) => each(query, args, at, compute).map(Value::Vector),
        Call::Range(compute) => over(query, args, at, compute, |series| series.labels.nameless()).map(Value::Vector),
        Call::RangeNamed(compute) => over(query, args, at, compute, |series| series.labels.clone()).map(Value::Vector),
        Call::Whole(compute) => whole(query, args, at, compute),
        Call::Evaluator => match function.name {
            "timestamp" => timestamp(query, args, at).map(Value::Vector),
            "absent" => absent(query, args, at).map(Value::Vector),
            "absent_over_time" => absent_over_time(query, args, at).map(Value::Vector),
            other => Err(EvalError::Failed(format!("unknown function with name {other:?}"))),
        },
    }
}

/// A function of each element of an instant vector.
fn each(query: &Query, args: &[Expr], at: i64, compute: fn(f64, &[f64]) -> f64) -> Result<Vec<Element>, EvalError> {
    let scalars = scalars(query, args, at)?;
    let mut elements = match args.iter().find(|arg| arg.kind() == Kind::Vector) {
        Some(vector) => query.vector(vector, at)?,
        None => vec![Element { labels: Labels::empty(), value: at as f64 / 1000.0 }],
    };
    for element in &mut elements {
        element.value = compute(element.value, &scalars);
    }
    unique::drop_names(&mut elements)?;
    Ok(elements)
}

/// A function of the samples of each series of a range vector.
fn over(
    query: &Query,
    args: &[Expr],
    at: i64,
    compute: fn(&Window<'_>) -> Option<f64>,
    labels: fn(&Series<'_>) -> Labels,
) -> Result<Vec<Element>, EvalError> {
    let scalars = scalars(query, args, at)?;
    let range = range_argument(args)?;
    let chosen = query.chosen(range)?;
    let Stretch { start, end } = selector::stretch_of(query, range, at);
    let mut elements = Vec::with_capacity(chosen.series.len());
    for (number, series) in chosen.series.iter().enumerate() {
        let points = Stretch { start, end }.of(&series.points);
        if points.is_empty() {
            continue;
        }
        query.budget.look(points.len())?;
        if let Some(value) = compute(&Window { points, start, end, at, scalars: &scalars }) {
            let labels = labels(series);
            claim(chosen, &labels, number)?;
            elements.push(Element { labels, value });
        }
    }
    Ok(elements)
}

/// Refuses that two series go by the same labels, now or at another time of the same query.
fn claim(chosen: &Chosen, labels: &Labels, number: usize) -> Result<(), EvalError> {
    let Some(claims) = &chosen.claims else { return Ok(()) };
    let owner = *claims.borrow_mut().entry(labels.clone()).or_insert(number);
    if owner == number { Ok(()) } else { Err(unique::same_labels()) }
}

/// A function that sees all its arguments.
fn whole(
    query: &Query,
    args: &[Expr],
    at: i64,
    compute: fn(&Arguments<'_>) -> Result<Value, EvalError>,
) -> Result<Value, EvalError> {
    let values = args.iter().map(|arg| query.value(arg, at)).collect::<Result<Vec<_>, _>>()?;
    let value = compute(&Arguments { written: args, values: &values, at })?;
    for value in &values {
        if let Value::Matrix(tracks) = value {
            query.budget.release(tracks.iter().map(|track| track.points.len()).sum());
        }
    }
    if let Value::Vector(elements) = &value {
        unique::check(elements)?;
    }
    Ok(value)
}

/// The time of each sample, of those that come straight from a selector; else the evaluation's time; seconds.
fn timestamp(query: &Query, args: &[Expr], at: i64) -> Result<Vec<Element>, EvalError> {
    let Some(arg) = args.first().map(bare) else { return Ok(Vec::new()) };
    let mut elements = if let Node::Vector(Selector { shift, .. }) = &arg.node {
        // Prometheus forgets the offset here if there is an `@` as well.
        let shift = if shift.at.is_some() { Shift { offset: 0, at: shift.at } } else { *shift };
        let stretch = selector::stretch(query, &shift, query.limits.lookback, Times { first: at, last: at });
        let of_sample = |series: &Series| {
            let last = selector::last_in(stretch, &series.points)?;
            Some(Element { labels: series.labels.clone(), value: last.t as f64 / 1000.0 })
        };
        query.chosen(arg)?.series.iter().filter_map(of_sample).collect()
    } else {
        let mut elements = query.vector(arg, at)?;
        for element in &mut elements {
            element.value = at as f64 / 1000.0;
        }
        elements
    };
    unique::drop_names(&mut elements)?;
    Ok(elements)
}

/// 1, with what the selector says of labels, where a vector has no element.
fn absent(query: &Query, args: &[Expr], at: i64) -> Result<Vec<Element>, EvalError> {
    let Some(arg) = args.first() else { return Ok(Vec::new()) };
    let missing = query.vector(arg, at)?.is_empty();
    Ok(missing.then(|| Element { labels: labels_of_absent(arg), value: 1.0 }).into_iter().collect())
}

/// As [`absent`], for a range without samples.
fn absent_over_time(query: &Query, args: &[Expr], at: i64) -> Result<Vec<Element>, EvalError> {
    let range = range_argument(args)?;
    let stretch = selector::stretch_of(query, range, at);
    let missing = query.chosen(range)?.series.iter().all(|series| stretch.of(&series.points).is_empty());
    Ok(missing.then(|| Element { labels: labels_of_absent(range), value: 1.0 }).into_iter().collect())
}

/// The labels that a selector fixes; a label with more than one condition is fixed by none of them.
fn labels_of_absent(arg: &Expr) -> Labels {
    let (Node::Vector(selector) | Node::Matrix(selector, _)) = &bare(arg).node else { return Labels::empty() };
    let mut labels = Labels::empty();
    let mut fixed: Vec<&str> = Vec::new();
    for matcher in selector.matchers.iter().filter(|matcher| matcher.label != NAME) {
        if matches!(matcher.test, Match::Equal) && !fixed.contains(&matcher.label.as_str()) {
            labels = labels.with(&matcher.label, &matcher.value);
            fixed.push(&matcher.label);
        } else {
            labels = labels.with(&matcher.label, "");
        }
    }
    labels
}

/// The numbers among the arguments, in their order.
fn scalars(query: &Query, args: &[Expr], at: i64) -> Result<Vec<f64>, EvalError> {
    args.iter().filter(|arg| arg.kind() == Kind::Scalar).map(|arg| query.scalar(arg, at)).collect()
}

/// The range vector among the arguments.
fn range_argument(args: &[Expr]) -> Result<&Expr, EvalError> {
    let found = args.iter().map(bare).find(|arg| matches!(arg.node, Node::Matrix(..) | Node::Subquery { .. }));
    found.ok_or_else(|| mismatch("a range vector", &Value::Vector(Vec::new())))
}
