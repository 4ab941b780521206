//! Instant and range selection: the last sample of each series, or all of a range; both ranges are open on the left.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use super::EvalError;
use super::query::{Chosen, Query, Ready, Times};
use super::unique::names_differ;
use crate::promql::{Element, Expr, Node, Point, Selector, Series, Shift, Track, is_stale};

/// A left-open range of time: after `start`, up to and with `end`; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Excluded.
    pub(super) start: i64,
    /// Included.
    pub(super) end: i64,
}

impl Stretch {
    /// The samples in it.
    pub(super) fn of<'p>(&self, points: &'p [Point]) -> &'p [Point] {
        let end = count_until(points, self.end);
        let start = count_until(&points[..end], self.start);
        &points[start..end]
    }
}

/// How many samples are not after a time. The last ones are asked for most often.
fn count_until(points: &[Point], time: i64) -> usize {
    match points.last() {
        Some(last) if last.t > time => points.partition_point(|point| point.t <= time),
        _ => points.len(),
    }
}

impl<'a> Chosen<'a> {
    /// These series, ready for functions that drop names.
    pub(super) fn new(series: Vec<Series<'a>>) -> Chosen<'a> {
        let clash = names_differ(series.iter().map(|one| &one.labels));
        Chosen { series, claims: clash.then(|| RefCell::new(HashMap::new())) }
    }
}

/// Asks for the series of an instant selector for evaluations at these times.
pub(super) fn load_instant(query: &mut Query, expr: &Expr, chosen: &Selector, times: Times) -> Result<(), EvalError> {
    let stretch = stretch(query, &chosen.shift, query.limits.lookback, times);
    let series = select(query, chosen, stretch)?;
    query.keep(expr, Ready::Chosen(Chosen { series, claims: None }));
    Ok(())
}

/// Asks for the series of a range selector for evaluations at these times.
pub(super) fn load_range(
    query: &mut Query,
    expr: &Expr,
    chosen: &Selector,
    range: i64,
    times: Times,
) -> Result<(), EvalError> {
    let stretch = stretch(query, &chosen.shift, range, times);
    let mut series = select(query, chosen, stretch)?;
    let mut copied = 0;
    for one in &mut series {
        if one.points.iter().fold(false, |stale, point| stale | is_stale(point.v)) {
            one.points.to_mut().retain(|point| !is_stale(point.v));
            copied += one.points.len();
        }
    }
    query.budget.hold(copied)?;
    series.retain(|one| !one.points.is_empty());
    query.keep(expr, Ready::Chosen(Chosen::new(series)));
    Ok(())
}

/// The time that a selector or subquery covers in all evaluations at these times.
pub(super) fn stretch(query: &Query, shift: &Shift, range: i64, times: Times) -> Stretch {
    let start = query.anchor(shift, times.first).saturating_sub(range);
    Stretch { start, end: query.anchor(shift, times.last) }
}

/// The source's series with their samples in the stretch and no others.
fn select<'a>(query: &Query<'a>, chosen: &Selector, stretch: Stretch) -> Result<Vec<Series<'a>>, EvalError> {
    if stretch.end <= stretch.start {
        return Ok(Vec::new());
    }
    let mut series = query.source.select(chosen, stretch.start.saturating_add(1), stretch.end);
    query.budget.numbers(series.len())?;
    let mut copied = 0;
    for one in &mut series {
        match &mut one.points {
            Cow::Borrowed(points) => *points = stretch.of(points),
            Cow::Owned(points) => {
                points.truncate(count_until(points, stretch.end));
                points.drain(..count_until(points, stretch.start));
                copied += points.len();
            }
        }
        query.budget.look(one.points.len())?;
    }
    query.budget.hold(copied)?;
    series.retain(|one| !one.points.is_empty());
    Ok(series)
}

/// The last sample of a series in the stretch, if the series had not ended by then.
pub(super) fn last_in(stretch: Stretch, points: &[Point]) -> Option<Point> {
    let last = *points[..count_until(points, stretch.end)].last()?;
    (last.t > stretch.start && !is_stale(last.v)).then_some(last)
}

/// The value of an instant selector.
pub(super) fn last_of_each(query: &Query, expr: &Expr, chosen: &Selector, at: i64) -> Result<Vec<Element>, EvalError> {
    let stretch = stretch(query, &chosen.shift, query.limits.lookback, Times { first: at, last: at });
    let series = &query.chosen(expr)?.series;
    let mut elements = Vec::with_capacity(series.len());
    elements.extend(series.iter().filter_map(|one| {
        let last = last_in(stretch, &one.points)?;
        Some(Element { labels: one.labels.clone(), value: last.v })
    }));
    Ok(elements)
}

/// The time that a range selector or subquery covers at one time.
pub(super) fn stretch_of(query: &Query, expr: &Expr, at: i64) -> Stretch {
    let (shift, range) = match &expr.node {
        Node::Matrix(chosen, range) => (chosen.shift, *range),
        Node::Subquery { shift, range, .. } => (*shift, *range),
        _ => (Shift::default(), 0),
    };
    stretch(query, &shift, range, Times { first: at, last: at })
}

/// The value of a range selector or subquery, where no function looks at the samples in their place.
pub(super) fn copies(query: &Query, expr: &Expr, at: i64) -> Result<Vec<Track>, EvalError> {
    let stretch = stretch_of(query, expr, at);
    let mut tracks = Vec::new();
    for one in &query.chosen(expr)?.series {
        let points = stretch.of(&one.points);
        query.budget.look(points.len())?;
        query.budget.hold(points.len())?;
        if !points.is_empty() {
            tracks.push(Track { labels: one.labels.clone(), points: points.to_vec() });
        }
    }
    Ok(tracks)
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;

    #[test]
    fn the_last_sample_counts_until_the_lookback_is_over() {
        let memory = load(10, &["up 1 2", "late _ _ _ 4"]);
        assert_eq!(memory.at(10.0, "up"), ["up 2"]);
        assert_eq!(memory.at(9.999, "up"), ["up 1"]);
        assert_eq!(memory.at(309.999, "up"), ["up 2"]);
        assert_eq!(memory.at(310.0, "up"), [""; 0], "exactly the lookback ago is too long ago");
        assert_eq!(memory.at(20.0, "late"), [""; 0]);
    }

    #[test]
    fn a_series_that_ended_is_gone_until_it_comes_back() {
        let memory = load(10, &["up 1 stale _ 3", "odd NaN"]);
        assert_eq!(memory.at(10.0, "up"), [""; 0]);
        assert_eq!(memory.at(25.0, "up"), [""; 0]);
        assert_eq!(memory.at(30.0, "up"), ["up 3"]);
        assert_eq!(memory.at(30.0, "odd"), ["odd NaN"]);
        assert_eq!(memory.at(30.0, "up[1m]"), ["up 1@0 3@30"]);
    }

    #[test]
    fn a_range_is_open_on_the_left() {
        let memory = load(10, &["up 1 2 3 4"]);
        assert_eq!(memory.at(30.0, "up[20s]"), ["up 3@20 4@30"]);
        assert_eq!(memory.at(30.0, "up[20001ms]"), ["up 2@10 3@20 4@30"]);
        assert_eq!(memory.at(60.0, "up[20s]"), [""; 0]);
    }

    #[test]
    fn offset_and_at_move_the_time() {
        let memory = load(10, &["up 1 2 3 4 5 6 7 8 9 10"]);
        assert_eq!(memory.at(50.0, "up offset 20s"), ["up 4"]);
        assert_eq!(memory.at(50.0, "up offset -20s"), ["up 8"]);
        assert_eq!(memory.at(0.0, "up @ 70"), ["up 8"]);
        assert_eq!(memory.at(0.0, "up @ 70 offset 10s"), ["up 7"]);
        assert_eq!(memory.at(0.0, "up offset 10s @ 70"), ["up 7"]);
        assert_eq!(memory.at(0.0, "up[20s] @ 70 offset 10s"), ["up 6@50 7@60"]);
        assert_eq!(memory.at(40.0, "up[15s] offset -10s"), ["up 5@40 6@50"]);
        assert_eq!(memory.over(20, 40, 10, "up @ start() + up @ end()"), ["{} 8@20 8@30 8@40"]);
    }

    #[test]
    fn times_at_the_ends_of_time_are_no_problem() {
        let memory = load(10, &["up 1"]);
        assert_eq!(memory.at(-9.2e15, "up offset 100y"), [""; 0]);
        assert_eq!(memory.at(9.2e15, "up[100y] offset -100y"), [""; 0]);
    }
}
