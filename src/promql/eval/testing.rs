//! Series in memory and answers as text, for tests.

use std::borrow::Cow;

use super::{EvalError, Limits, Span, instant, range};
use crate::promql::{Labels, Point, Selector, Series, Source, Track, Value, parse, parse_series};

/// Series in the order in which they were written.
pub(super) struct Memory(pub(super) Vec<(Labels, Vec<Point>)>);

impl Source for Memory {
    fn select(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'_>> {
        // It gives more than it was asked for, as a source may.
        let around = from.saturating_sub(7_000)..=to.saturating_add(7_000);
        let chosen = self.0.iter().filter(|(labels, _)| selector.fits(labels));
        let series = chosen.map(|(labels, points)| {
            let start = points.partition_point(|point| point.t < *around.start());
            let end = points.partition_point(|point| point.t <= *around.end());
            Series { labels: labels.clone(), points: Cow::Borrowed(&points[start..end]) }
        });
        series.collect()
    }
}

/// The series of these lines, in the notation of Prometheus's tests; value i is at second i * `step`.
pub(super) fn load(step: i64, lines: &[&str]) -> Memory {
    let series = lines.iter().map(|line| {
        let (labels, values) = parse_series(line).expect("a right series");
        let points =
            values.iter().enumerate().filter_map(|(i, value)| value.map(|v| Point { t: i as i64 * step * 1000, v }));
        (labels, points.collect())
    });
    Memory(series.collect())
}

impl Memory {
    /// The answer at a second, an element or a track a line; an error in its words.
    pub(super) fn at(&self, second: f64, text: &str) -> Vec<String> {
        self.at_within(second, text, &Limits::default())
    }

    /// As `at`, with other limits.
    pub(super) fn at_within(&self, second: f64, text: &str, limits: &Limits) -> Vec<String> {
        let expr = parse(text).expect("a right expression");
        lines(instant(&expr, self, (second * 1000.0) as i64, limits))
    }

    /// The answer at seconds from `start` to `end`.
    pub(super) fn over(&self, start: i64, end: i64, step: i64, text: &str) -> Vec<String> {
        self.over_within(start, end, step, text, &Limits::default())
    }

    /// As `over`, with other limits.
    pub(super) fn over_within(&self, start: i64, end: i64, step: i64, text: &str, limits: &Limits) -> Vec<String> {
        let expr = parse(text).expect("a right expression");
        let span = Span { start: start * 1000, end: end * 1000, step: step * 1000 };
        lines(range(&expr, self, span, limits).map(Value::Matrix))
    }
}

fn lines(answer: Result<Value, EvalError>) -> Vec<String> {
    match answer {
        Ok(Value::Scalar(number)) => vec![number.to_string()],
        Ok(Value::Text(text)) => vec![format!("{text:?}")],
        Ok(Value::Vector(elements)) => elements.iter().map(|e| format!("{} {}", e.labels, e.value)).collect(),
        Ok(Value::Matrix(tracks)) => tracks.iter().map(line).collect(),
        Err(EvalError::Failed(message)) => vec![format!("failed: {message}")],
        Err(EvalError::TooMuch(message)) => vec![format!("too much: {message}")],
    }
}

/// `labels value@second value@second`
fn line(track: &Track) -> String {
    let points = track.points.iter().map(|point| format!(" {}@{}", point.v, point.t as f64 / 1000.0));
    format!("{}{}", track.labels, points.collect::<String>())
}
