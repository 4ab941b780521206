//! What trials that have ended had to show at each rung, and what became of them.

use super::rungs::{RUNGS, Rungs, is_up_to};
use crate::stopper::curve::{Curve, Point};
use crate::stopper::field::{End, Field, Peer};

/// Values at the rungs, and behind them the final one.
pub(super) const COLUMNS: usize = RUNGS + 1;

/// So many complete trials it takes.
pub(super) const LEAST: usize = 3;

/// So many of the newest are learnt from.
pub(super) const REMEMBERED: usize = 1000;

/// How values are read: those at a place before the end are the best so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// As they are compared: higher is better.
    Linear,
    /// Of a metric that is better low and always above zero: minus its logarithm.
    Log,
}

impl Scale {
    /// A value that is compared, on this scale.
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => -(-value).ln(),
        }
    }

    /// The other way.
    pub fn undo(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => -(-value).exp(),
        }
    }

    /// A small difference at a value, the other way.
    pub fn undo_width(self, value: f64, width: f64) -> f64 {
        match self {
            Scale::Linear => width,
            Scale::Log => width * self.undo(value).abs(),
        }
    }
}

/// One trial, or a configuration with its folds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Its unit in the field.
    pub unit: usize,
    /// The best so far at each rung, and behind the last rung the final value. Before the first value stands that value.
    pub values: [f64; COLUMNS],
    /// The first rung with a value of its own.
    pub first: usize,
    /// So many rungs were reached; those from `first` on have values.
    pub reached: usize,
    /// It is complete, and came to a finite value.
    pub is_complete: bool,
}

impl Row {
    /// Of a trial's curves: its own, or those of its folds. `is_whole`: the curve has no more to come, what it has stands
    /// at every later rung.
    pub fn of<'p>(
        unit: usize,
        curves: &(impl Iterator<Item = (&'p Curve, bool)> + Clone),
        rungs: &Rungs,
        scale: Scale,
    ) -> Row {
        let mut row = Row { unit, values: [f64::NAN; COLUMNS], first: rungs.len(), reached: 0, is_complete: false };
        for rung in 0..rungs.len() {
            let place = rungs.place(rung);
            let (mut sum, mut finite, mut there) = (0.0, 0.0, false);
            for (curve, is_whole) in curves.clone() {
                if !is_whole && !curve.last().is_some_and(|last| is_up_to(place, last.at)) {
                    continue;
                }
                there = true;
                if let Some(best) = best_up_to(curve, place) {
                    (sum, finite) = (sum + best, finite + 1.0);
                }
            }
            if !there {
                break;
            }
            row.reached = rung + 1;
            let value = scale.apply(sum / finite);
            if value.is_finite() {
                row.first = row.first.min(rung);
                row.values[rung] = value;
            }
        }
        row.fill(rungs.len());
        row
    }

    /// Before the first value stands the first.
    fn fill(&mut self, rungs: usize) {
        if self.first < rungs {
            let first = self.values[self.first];
            self.values[..self.first].fill(first);
        }
        // Where folds are compared as one, a fold may come without a value.
        for rung in self.first + 1..self.reached {
            if !self.values[rung].is_finite() {
                self.values[rung] = self.values[rung - 1];
            }
        }
    }

    /// Whether it had a value of its own at a rung.
    pub fn has(&self, rung: usize) -> bool {
        (self.first..self.reached).contains(&rung)
    }
}

/// The points up to a place. Most trials report in even steps: the last of them is looked for where it then would be, which
/// reads one part of a long curve instead of many.
fn up_to(points: &[Point], place: f64) -> &[Point] {
    let is_in = |i: usize| points.get(i).is_some_and(|p| is_up_to(p.at, place));
    let even = match (points.first(), points.last()) {
        (Some(first), Some(last)) => (place - first.at) / (last.at - first.at) * (points.len() - 1) as f64,
        _ => 0.0,
    };
    // A little above: positions are rounded. Not a number and less than zero are 0.
    let guess = (even + 1e-6).min(points.len() as f64) as usize;
    if is_in(guess) && !is_in(guess + 1) {
        return &points[..=guess];
    }
    &points[..points.partition_point(|p| is_up_to(p.at, place))]
}

/// The best finite value up to a place.
fn best_up_to(curve: &Curve, place: f64) -> Option<f64> {
    let points = up_to(curve.points(), place);
    let best = points.last()?.best;
    if best.is_finite() {
        return Some(best);
    }
    points.iter().map(|p| p.value).filter(|v| v.is_finite()).max_by(f64::total_cmp)
}

/// The last value, if it is finite.
fn final_value(curve: &Curve) -> Option<f64> {
    curve.last().map(|p| p.value).filter(|v| v.is_finite())
}

/// Trials that have ended, the first to end first.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    rows: Vec<Row>,
    /// So many of those that the field lists as ended are in.
    taken: usize,
    /// How many are complete and came to a finite value.
    pub complete: usize,
    /// The best final values and whose they are, the best first.
    best: Vec<(f64, usize)>,
}

impl Past {
    /// The newest of them.
    pub fn rows(&self) -> &[Row] {
        &self.rows[self.rows.len().saturating_sub(REMEMBERED)..]
    }

    /// The best final value of all but one.
    pub fn best_but(&self, unit: usize) -> Option<f64> {
        self.best.iter().find(|(_, whose)| *whose != unit).map(|(value, _)| *value)
    }

    /// Takes in those that have ended until there are `count`.
    pub fn take(&mut self, field: &Field, count: usize, rungs: &Rungs, scale: Scale) {
        if field.is_grouped() {
            *self = Past { taken: count, ..Past::default() };
            return self.take_groups(field, count, rungs, scale);
        }
        for (unit, peer) in field.ended().skip(self.taken).take(count.saturating_sub(self.taken)) {
            self.push(unit, &[peer], peer.end == End::Complete, rungs, scale);
        }
        self.taken = count;
        if self.rows.len() > 2 * REMEMBERED {
            self.rows.drain(..self.rows.len() - REMEMBERED);
        }
    }

    /// Folds of a configuration are one. With fewer folds than others have, and none of them cut, it still goes on.
    fn take_groups(&mut self, field: &Field, count: usize, rungs: &Rungs, scale: Scale) {
        let mut groups: Vec<(usize, Vec<&Peer>)> = Vec::new();
        let mut seat = std::collections::HashMap::new();
        for (unit, peer) in field.ended().take(count) {
            let place = *seat.entry(unit).or_insert(groups.len());
            if place == groups.len() {
                groups.push((unit, Vec::new()));
            }
            groups[place].1.push(peer);
        }
        let folds = groups.iter().map(|(_, members)| members.len()).max().unwrap_or(0);
        for (unit, members) in groups {
            let is_cut = members.iter().any(|peer| peer.end == End::Cut);
            if is_cut || members.len() == folds {
                self.push(unit, &members, !is_cut, rungs, scale);
            }
        }
    }

    fn push(&mut self, unit: usize, members: &[&Peer], is_complete: bool, rungs: &Rungs, scale: Scale) {
        let curves = members.iter().map(|peer| (&peer.curve, peer.end == End::Complete));
        let mut row = Row::of(unit, &curves, rungs, scale);
        let finals: Option<Vec<f64>> = members.iter().map(|peer| final_value(&peer.curve)).collect();
        if let (true, Some(finals)) = (is_complete, finals) {
            let value = scale.apply(finals.iter().sum::<f64>() / finals.len() as f64);
            row.is_complete = value.is_finite();
            row.values[rungs.len()] = value;
            if row.is_complete {
                self.complete += 1;
                let place = self.best.partition_point(|(best, _)| *best >= value);
                self.best.insert(place, (value, unit));
                self.best.truncate(2);
            }
        }
        self.rows.push(row);
    }
}

/// What holds of all that have ended; the scale and the rungs hang on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Habits {
    /// Of so many.
    pub count: usize,
    /// Every value of a metric that is better low is above zero.
    pub is_positive: bool,
    /// The first report, the one in the middle and the last lie at whole numbers.
    pub is_whole: bool,
    /// Where the complete trials that were first to have a finite value had it, the first of them first.
    firsts: [f64; LEAST],
}

impl Default for Habits {
    fn default() -> Habits {
        Habits { count: 0, is_positive: true, is_whole: true, firsts: [f64::INFINITY; LEAST] }
    }
}

impl Habits {
    /// Takes in those that have ended until there are `count`.
    pub fn take(&mut self, field: &Field, count: usize) {
        for (_, peer) in field.ended().skip(self.count).take(count.saturating_sub(self.count)) {
            self.is_positive &= is_positive(&peer.curve);
            let points = peer.curve.points();
            let some = [points.first(), points.get(points.len() / 2), points.last()];
            self.is_whole &= some.into_iter().flatten().all(|p| p.at == p.at.trunc());
            let first = points.iter().find(|p| p.value.is_finite());
            if let (End::Complete, Some(first)) = (peer.end, first) {
                let last = &mut self.firsts[LEAST - 1];
                *last = last.min(first.at);
                self.firsts.sort_by(f64::total_cmp);
            }
        }
        self.count = count;
    }

    /// From here on [`LEAST`] complete trials had a value; infinitely far where there are fewer.
    pub fn from(&self) -> f64 {
        self.firsts[LEAST - 1]
    }
}

/// Whether every value of a metric that is better low, and was turned, is above zero.
pub(super) fn is_positive(curve: &Curve) -> bool {
    curve.last().is_none_or(|last| last.best.is_nan() || last.best < 0.0)
}
