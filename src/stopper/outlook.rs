//! What rules that look ahead share: where they decide, what a trial came to, and the best that is to be beaten.

use super::case::{Case, Unknown};
use super::curve::Curve;
use super::field::{End, Field, Peer};

/// Rules that look ahead decide so often over the whole length: each decision costs a fit.
const PLACES: f64 = 20.0;

/// Positions that are computed twice in different ways still fall together.
const SLACK: f64 = 1e-9;

/// Where a decision is due: the first report at or behind a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Where, in the axis's unit.
    pub at: f64,
    /// The whole length.
    pub end: f64,
}

/// Why nothing is decided at a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wait {
    /// Nobody can say.
    Unknown(Unknown),
    /// What was said before stands.
    NotDue,
}

/// The place that this report is the first to reach: the grace period's end and every 5 % of the whole length from there on.
/// `grace`: where the rule says nothing, this share of the whole length.
pub(super) fn due(case: &Case<'_>, grace: f64) -> Result<Place, Wait> {
    let end = case.max.filter(|max| *max > 0.0).ok_or(Wait::Unknown(Unknown::Length))?;
    let first = case.grace.unwrap_or(grace * end);
    let step = end / PLACES;
    let number = |at: f64| ((at - first) / step + SLACK).floor();
    let now = number(case.at);
    if now < 0.0 {
        return Err(Wait::Unknown(Unknown::Grace));
    }
    if case.at >= end * (1.0 - SLACK) || case.before.is_some_and(|before| number(before) >= now) {
        return Err(Wait::NotDue);
    }
    Ok(Place { at: first + now * step, end })
}

/// What a trial came to at `end`: its last finite value up to there.
pub(super) fn outcome(curve: &Curve, end: f64) -> Option<f64> {
    let points = curve.points();
    let reached = points.partition_point(|p| p.at <= end * (1.0 + SLACK));
    points[..reached].iter().rev().map(|p| p.value).find(|v| v.is_finite())
}

/// The best finite value so far.
pub(super) fn finite_best(curve: &Curve) -> Option<f64> {
    let best = curve.last()?.best;
    if best.is_finite() {
        return Some(best);
    }
    let finite = curve.points().iter().map(|p| p.value).filter(|v| v.is_finite());
    finite.max_by(f64::total_cmp)
}

/// What a trial has to show: once it is complete, what it came to; before, the best so far.
fn shows(peer: &Peer, end: f64) -> Option<f64> {
    match peer.end {
        End::Complete => outcome(&peer.curve, end),
        End::Running | End::Cut => finite_best(&peer.curve),
    }
}

/// The best that others have to show, and how many have something; where folds are compared as one, the mean over a
/// configuration's folds.
pub(super) fn best_of_others(field: &Field, but: usize, end: f64) -> Option<(f64, usize)> {
    let mut best: Option<(f64, usize)> = None;
    for unit in (0..field.units()).filter(|unit| *unit != but) {
        let (mut sum, mut count) = (0.0, 0.0);
        for value in field.members(unit).filter_map(|peer| shows(peer, end)) {
            (sum, count) = (sum + value, count + 1.0);
        }
        if count > 0.0 {
            let so_far = best.unwrap_or((f64::NEG_INFINITY, 0));
            best = Some((so_far.0.max(sum / count), so_far.1 + 1));
        }
    }
    best
}

/// What the other folds of a trial's configuration came to: their sum, and how many. Nothing where trials stand for themselves.
pub(super) fn other_folds(case: &Case<'_>, end: f64) -> (f64, f64) {
    if !case.field.is_grouped() {
        return (0.0, 0.0);
    }
    let own = case.field.peer(case.run).map(|peer| peer.name.clone());
    let others =
        case.field.members(case.unit).filter(|peer| peer.end == End::Complete && Some(&peer.name) != own.as_ref());
    let values = others.filter_map(|peer| outcome(&peer.curve, end));
    values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0))
}
