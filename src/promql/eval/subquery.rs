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
}
