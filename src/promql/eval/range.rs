//! Range queries: one expression at several times.

use std::collections::HashMap;

use super::query::{Query, Times, mismatch};
use super::{EvalError, Limits, unique};
use crate::promql::{Element, Expr, Kind, Labels, Point, Source, Track, Value};

/// Evaluation times of a range query: `start`, `start + step`, ... up to `end`; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub start: i64,
    /// None is later.
    pub end: i64,
    /// Between two; above 0.
    pub step: i64,
}

/// Evaluates an expression (a scalar or an instant vector) at several times. The tracks are sorted by their labels.
///
/// # Errors
/// As [`EvalError`] says.
pub fn range(expr: &Expr, source: &dyn Source, span: Span, limits: &Limits) -> Result<Vec<Track>, EvalError> {
    check(expr, span, limits)?;
    let times = Times { first: span.start, last: span.end };
    let mut query = Query::new(source, limits, times);
    query.prepare(expr, times)?;
    let mut tracks = tracks(&query, expr, times, span.step)?;
    tracks.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(tracks)
}

fn check(expr: &Expr, span: Span, limits: &Limits) -> Result<(), EvalError> {
    if !matches!(expr.kind(), Kind::Scalar | Kind::Vector) {
        let kind = expr.kind().as_str();
        let message = format!("invalid expression type {kind:?} for range query, must be Scalar or instant Vector");
        return Err(EvalError::Failed(message));
    }
    if span.step <= 0 {
        let message = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(EvalError::Failed(message.to_string()));
    }
    if span.end < span.start {
        return Err(EvalError::Failed("end timestamp must not be before start time".to_string()));
    }
    // As Prometheus counts: one more time than this is allowed.
    let steps = (i128::from(span.end) - i128::from(span.start)) / i128::from(span.step);
    if steps > limits.steps as i128 {
        let message = format!(
            "exceeded maximum resolution of {} points per timeseries. Try decreasing the query resolution (?step=XX)",
            grouped(limits.steps)
        );
        return Err(EvalError::TooMuch(message));
    }
    Ok(())
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The values of a part at times for which it was prepared, in the order in which its label sets came up.
pub(super) fn tracks(query: &Query, expr: &Expr, times: Times, step: i64) -> Result<Vec<Track>, EvalError> {
    let mut gathered = Gathered::default();
    let mut time = Some(times.first);
    while let Some(at) = time.filter(|at| *at <= times.last) {
        match query.value(expr, at)? {
            Value::Scalar(value) => {
                query.budget.hold(1)?;
                gathered.add(0, Element { labels: Labels::empty(), value }, at)?;
            }
            Value::Vector(elements) => {
                query.budget.hold(elements.len())?;
                for (i, element) in elements.into_iter().enumerate() {
                    gathered.add(i, element, at)?;
                }
            }
            other => return Err(mismatch("a scalar or an instant vector", &other)),
        }
        time = at.checked_add(step);
    }
    Ok(gathered.tracks)
}

/// Tracks that grow.
#[derive(Default)]
struct Gathered {
    tracks: Vec<Track>,
    places: HashMap<Labels, usize>,
    /// Where the element at this position of a vector went the last time: mostly where it will go the next time.
    guesses: Vec<usize>,
}

impl Gathered {
    fn add(&mut self, position: usize, element: Element, at: i64) -> Result<(), EvalError> {
        let place = self.place(position, element.labels);
        let points = &mut self.tracks[place].points;
        if points.last().is_some_and(|last| last.t == at) {
            return Err(unique::same_labels());
        }
        points.push(Point { t: at, v: element.value });
        Ok(())
    }

    fn place(&mut self, position: usize, labels: Labels) -> usize {
        if let Some(guess) = self.guesses.get(position).filter(|guess| self.tracks[**guess].labels == labels) {
            return *guess;
        }
        let next = self.tracks.len();
        let place = *self.places.entry(labels.clone()).or_insert(next);
        if place == next {
            self.tracks.push(Track { labels, points: Vec::new() });
        }
        if position >= self.guesses.len() {
            self.guesses.resize(position + 1, place);
        }
        self.guesses[position] = place;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;
    use super::*;
    use crate::promql::parse;

    #[test]
    fn points_stand_only_where_there_is_a_value_and_tracks_are_sorted() {
        let memory = load(10, &["up{x=\"2\"} 1 stale 3", "up{x=\"1\"} _ 5 6"]);
        assert_eq!(memory.over(0, 20, 10, "up"), ["up{x=\"1\"} 5@10 6@20", "up{x=\"2\"} 1@0 3@20"]);
        assert_eq!(memory.over(0, 20, 10, "sort_desc(up)"), ["up{x=\"1\"} 5@10 6@20", "up{x=\"2\"} 1@0 3@20"]);
        assert_eq!(memory.over(0, 25, 10, "1 + 1"), ["{} 2@0 2@10 2@20"]);
        assert_eq!(memory.over(0, 20, 10, "time() - 1"), ["{} -1@0 9@10 19@20"]);
        assert_eq!(memory.over(0, 20, 10, "sum(up @ 20)"), ["{} 9@0 9@10 9@20"]);
        assert_eq!(memory.over(5, 5, 10, "up"), ["up{x=\"2\"} 1@5"]);
    }

    #[test]
    fn what_depends_on_the_time_is_not_computed_once() {
        let memory = load(10, &["up 0 1 2 3 4 5 6 7 8 9 10"]);
        assert_eq!(memory.over(0, 120, 60, "minute() + vector(pi() * 0)"), ["{} 0@0 1@60 2@120"]);
        assert_eq!(memory.over(0, 20, 10, "predict_linear(up[1m] @ 60, 0)"), ["{} 0@0 1@10 2@20"]);
        assert_eq!(memory.over(0, 20, 10, "sum_over_time(up[20s:10s] @ 60) + time()"), ["{} 11@0 21@10 31@20"]);
    }

    #[test]
    fn spans_and_types_that_are_refused() {
        let memory = load(10, &["up 1"]);
        assert_eq!(
            memory.over(0, 11_001, 1, "up"),
            ["too much: exceeded maximum resolution of 11,000 points per timeseries. \
              Try decreasing the query resolution (?step=XX)"]
        );
        assert_eq!(memory.over(0, 11_000, 1, "vector(1)").len(), 1);
        assert!(memory.over(0, 10, 0, "up")[0].starts_with("failed: zero or negative query resolution"));
        assert!(memory.over(10, 0, 1, "up")[0].starts_with("failed: end timestamp must not be before"));
        let refused =
            "failed: invalid expression type \"range vector\" for range query, must be Scalar or instant Vector";
        assert_eq!(memory.over(0, 10, 1, "up[1m]"), [refused]);
        let all = Span { start: i64::MIN, end: i64::MAX, step: i64::MAX };
        assert!(range(&parse("up").unwrap(), &memory, all, &Limits::default()).is_ok());
    }
}
