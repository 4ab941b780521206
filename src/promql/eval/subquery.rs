//! Subqueries: an expression evaluated at multiples of a step becomes series like any others.

use std::borrow::Cow;

use super::query::{Chosen, Query, Ready, Times};
use super::{EvalError, range, selector};
use crate::promql::{Expr, Node, Series};

/// Evaluates a subquery for all times at which it will be looked at.
pub(super) fn load(query: &mut Query, expr: &Expr, times: Times, levels: usize) -> Result<(), EvalError> {
    let Node::Subquery { inner, range, step, shift } = &expr.node else { return Ok(()) };
    let step = step.unwrap_or(query.limits.subquery_step).max(1);
    let stretch = selector::stretch(query, shift, *range, times);
    let mut series = Vec::new();
    if let Some(inside) = multiples(stretch, step) {
        query.prepare_at(inner, inside, levels)?;
        let tracks = range::tracks(query, inner, inside, step)?;
        series
            .extend(tracks.into_iter().map(|track| Series { labels: track.labels, points: Cow::Owned(track.points) }));
    }
    query.keep(expr, Ready::Chosen(Chosen::new(series)));
    Ok(())
}

/// The first and the last multiple of a step in a stretch of time. They do not move with the evaluation's time, so that
/// one evaluation sees what the one before it saw.
fn multiples(stretch: selector::Stretch, step: i64) -> Option<Times> {
    let first = stretch.start.checked_sub(stretch.start.rem_euclid(step))?.checked_add(step)?;
    let last = stretch.end.checked_sub(stretch.end.rem_euclid(step))?;
    (first <= last).then_some(Times { first, last })
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;
    use super::*;
    use selector::Stretch;

    #[test]
    fn multiples_are_absolute_and_the_left_end_is_open() {
        let of = |start, end, step| multiples(Stretch { start, end }, step).map(|times| (times.first, times.last));
        assert_eq!(of(0, 60, 10), Some((10, 60)));
        assert_eq!(of(-95, 3, 10), Some((-90, 0)));
        assert_eq!(of(-90, 3, 10), Some((-80, 0)));
        assert_eq!(of(1, 9, 10), None);
        assert_eq!(of(i64::MIN, i64::MAX, 1_000), None);
    }

    #[test]
    fn an_expression_at_several_times() {
        let memory = load(10, &["up 0 1 2 3 4 5 6 7 8 9 10"]);
        assert_eq!(memory.at(55.0, "up[30s:10s]"), ["up 3@30 4@40 5@50"]);
        assert_eq!(memory.at(60.0, "(up * 2)[20s:5s]"), ["{} 8@45 10@50 10@55 12@60"]);
        assert_eq!(memory.at(60.0, "up[20s:10s] offset 20s"), ["up 3@30 4@40"]);
        assert_eq!(memory.at(0.0, "up[20s:10s] @ 60 offset 10s"), ["up 4@40 5@50"]);
        assert_eq!(memory.at(100.0, "up[2m:]"), ["up 0@0 6@60"], "a minute unless it says");
        assert_eq!(memory.at(60.0, "sum_over_time((up @ 50)[30s:10s])"), ["{} 15"]);
        assert_eq!(memory.at(60.0, "vector(time())[20s:10s]"), ["{} 50@50 60@60"]);
    }

    #[test]
    fn subqueries_within_subqueries_and_range_queries() {
        let memory = load(10, &["up 0 1 2 3 4 5 6 7 8 9 10"]);
        assert_eq!(memory.at(60.0, "max_over_time(sum_over_time(up[20s:10s])[30s:10s])"), ["{} 11"]);
        assert_eq!(memory.over(40, 60, 10, "sum_over_time(up[20s:10s])"), ["{} 7@40 9@50 11@60"]);
        assert_eq!(memory.over(40, 60, 10, "sum_over_time(up[20s:10s] @ 30)"), ["{} 5@40 5@50 5@60"]);
        assert_eq!(memory.over(40, 60, 10, "sum_over_time(up[20s:10s] @ end())"), ["{} 11@40 11@50 11@60"]);
        // The times of start() and end() are the query's, not the subquery's.
        assert_eq!(memory.over(40, 60, 10, "sum_over_time((up @ start())[20s:10s])"), ["{} 8@40 8@50 8@60"]);
    }
}
