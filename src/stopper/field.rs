//! The trials that a rule compares: their curves, who has come how far, and how they rank there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::column::{Column, Ranked};
use super::curve::Curve;
use super::ends::{Ended, Ends};
use super::memo::Memo;
use crate::model::RunId;

/// How a trial stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    #[default]
    Running,
    /// It came to its end as it was meant to.
    Complete,
    /// It was stopped, or failed: what it would have become is not known.
    Cut,
}

/// One run of a trial.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The trial's name.
    pub name: Arc<str>,
    /// The configuration of which it is a fold.
    pub group: Option<Arc<str>>,
    /// Which fold; rules that pair folds need it.
    pub fold: Option<Arc<str>>,
    /// Its curve along the rule's axis.
    pub curve: Curve,
    /// Other metrics along the same axis: what a rule reads beside, by name.
    pub beside: BTreeMap<Arc<str>, Curve>,
    /// Hyperparameters.
    pub params: Arc<BTreeMap<String, String>>,
    /// How it stands.
    pub end: End,
}

/// What is read of a curve at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// The value there, interpolated.
    Value,
    /// The value of the first report there or behind it: what a rung records.
    First,
    /// The best up to there.
    Best,
    /// The mean of the finite values up to there.
    Mean,
    /// The mean of the finite values from this place on.
    MeanFrom(f64),
    /// The mean of all values from this place on; NaN where one of them is not finite.
    StrictMeanFrom(f64),
}

impl Quantity {
    fn key(self) -> (u8, u64) {
        match self {
            Quantity::Value => (0, 0),
            Quantity::First => (1, 0),
            Quantity::Best => (2, 0),
            Quantity::Mean => (3, 0),
            Quantity::MeanFrom(from) => (4, from.to_bits()),
            Quantity::StrictMeanFrom(from) => (5, from.to_bits()),
        }
    }

    fn of(self, curve: &Curve, at: f64) -> Option<f64> {
        match self {
            Quantity::Value => curve.value_at(at),
            Quantity::First => curve.from(at).map(|p| p.value),
            Quantity::Best => curve.up_to(at).map(|p| p.best),
            Quantity::Mean => curve.up_to(at).map(|p| p.mean()),
            Quantity::MeanFrom(from) => curve.mean_between(from, at),
            Quantity::StrictMeanFrom(from) => curve.strict_mean_between(from, at),
        }
    }
}

/// Who is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Population {
    /// Trials that came to their end as they were meant to.
    Complete,
    /// Everybody who has come so far: running, complete or cut.
    Reached,
}

/// What is compared: a trial, or all folds of a configuration. Attempts of one name are one trial; the latest counts.
#[derive(Clone, Debug, Default)]
struct Unit {
    name: Arc<str>,
    /// Places in `peers`.
    members: Vec<usize>,
    /// How far the furthest of them has come; below everything where none has reported. Kept, like `standing`, because it is
    /// asked of everybody who has not come so far, at every decision.
    reach: f64,
    standing: End,
}

/// So many columns are kept; an axis on which no two trials report at one place (time) would else fill the memory.
const COLUMNS: usize = 4096;

/// All trials that one rule compares.
#[derive(Clone, Debug, Default)]
pub struct Field {
    peers: Vec<Peer>,
    runs: HashMap<RunId, usize>,
    units: Vec<Unit>,
    /// The unit of each of `peers`; nothing for an attempt whose place a later one took.
    seats: Vec<Option<usize>>,
    unit_of: HashMap<Arc<str>, usize>,
    /// Trials without a group: where there is one, folds are trials of their own.
    lone: usize,
    columns: HashMap<(Population, (u8, u64), u64), Column>,
    ends: Ends,
    memo: Memo,
}

impl Field {
    /// Takes a trial in; a run that is known already is left as it is.
    pub fn enter(&mut self, run: RunId, peer: Peer) {
        if self.runs.contains_key(&run) {
            return;
        }
        let place = self.peers.len();
        let was_grouped = self.is_grouped();
        self.lone += usize::from(peer.group.is_none());
        let has_ended = peer.end != End::Running;
        self.peers.push(peer);
        self.runs.insert(run, place);
        match was_grouped == self.is_grouped() {
            true if self.seat(place) => self.list_ends(),
            true => {}
            false => self.reseat(),
        }
        if has_ended {
            self.ends.push(place, self.seats[place]);
        }
    }

    /// Whether folds of a configuration are compared as one: every trial says of which it is.
    pub fn is_grouped(&self) -> bool {
        self.lone == 0 && !self.peers.is_empty()
    }

    /// Gives a trial its unit. True if it took the place of an attempt before.
    fn seat(&mut self, place: usize) -> bool {
        let peer = &self.peers[place];
        let name = match &peer.group {
            Some(group) if self.lone == 0 => group.clone(),
            _ => peer.name.clone(),
        };
        let next = self.units.len();
        let unit = *self.unit_of.entry(name.clone()).or_insert(next);
        self.seats.resize(self.peers.len(), None);
        self.seats[place] = Some(unit);
        if unit == next {
            self.units.push(Unit { name, members: vec![place], ..Unit::default() });
            self.look(place);
            return false;
        }
        let members = &mut self.units[unit].members;
        let earlier = members.iter_mut().find(|m| self.peers[**m].name == peer.name);
        let is_again = earlier.is_some();
        match earlier {
            // A new attempt: what the one before did no longer counts.
            Some(earlier) => self.seats[std::mem::replace(earlier, place)] = None,
            None => members.push(place),
        }
        self.look(place);
        self.columns.clear();
        is_again
    }

    /// Looks again how far the unit of one of `peers` has come, and how it stands.
    fn look(&mut self, place: usize) {
        let Some(unit) = self.seats[place] else { return };
        let last = |peer: &Peer| peer.curve.last().map_or(f64::NEG_INFINITY, |point| point.at);
        let reach = self.members(unit).map(last).fold(f64::NEG_INFINITY, f64::max);
        let standing = self.standing_of_all(unit);
        let unit = &mut self.units[unit];
        (unit.reach, unit.standing) = (reach, standing);
    }

    fn reseat(&mut self) {
        self.units.clear();
        self.seats.clear();
        self.unit_of.clear();
        self.columns.clear();
        for place in 0..self.peers.len() {
            self.seat(place);
        }
        self.list_ends();
    }

    /// The list of those that have ended, made anew: who is compared, or as what, has changed.
    fn list_ends(&mut self) {
        self.ends.seat(|place| self.seats[place]);
    }

    /// Those that have ended and are compared, in the order of their ends; what a rule learns of them is the same after a
    /// restart and in a replay.
    pub fn ended(&self) -> impl ExactSizeIterator<Item = (usize, &Peer)> + DoubleEndedIterator {
        self.ends.listed().iter().map(|Ended { place, unit }| (*unit, &self.peers[*place]))
    }

    /// Changes whenever something is said anew of a trial that has ended, or one of them is no longer compared: what was
    /// learnt of them may no longer hold.
    pub fn revision(&self) -> u64 {
        self.ends.revision()
    }

    /// Those that entered with their end known have ended in this order, and before all others.
    pub fn ended_in(&mut self, order: impl Iterator<Item = RunId>) {
        let places: Vec<usize> = order.filter_map(|run| self.runs.get(&run).copied()).collect();
        self.ends.order(&places);
        self.list_ends();
    }

    /// What a rule has worked out from this field, and kept in it.
    pub(super) fn memo(&mut self) -> &mut Memo {
        &mut self.memo
    }

    /// A trial by its run.
    pub fn peer(&self, run: RunId) -> Option<&Peer> {
        self.runs.get(&run).map(|place| &self.peers[*place])
    }

    /// Takes a report of a trial; `at` must be finite, `value` turned so that higher is better.
    pub fn report(&mut self, run: RunId, at: f64, value: f64) {
        let Some(place) = self.runs.get(&run).copied() else { return };
        let peer = &mut self.peers[place];
        if peer.curve.push(at, value) {
            self.columns.clear();
        }
        if peer.end != End::Running {
            self.ends.revise();
        }
        self.look(place);
    }

    /// Takes a value of another metric of a trial.
    pub fn report_beside(&mut self, run: RunId, name: &Arc<str>, at: f64, value: f64) {
        if let Some(place) = self.runs.get(&run) {
            self.peers[*place].beside.entry(name.clone()).or_default().push(at, value);
        }
    }

    /// A trial has come to an end.
    pub fn end(&mut self, run: RunId, end: End) {
        let Some(place) = self.runs.get(&run).copied() else { return };
        let before = std::mem::replace(&mut self.peers[place].end, end);
        match (before, end) {
            (End::Running, End::Running) => {}
            (End::Running, _) => self.ends.push(place, self.seats[place]),
            (_, End::Running) => {
                self.ends.forget(place);
                self.list_ends();
            }
            (_, _) => self.ends.revise(),
        }
        self.look(place);
    }

    /// The unit that a run belongs to.
    pub fn unit(&self, run: RunId) -> Option<usize> {
        let place = *self.runs.get(&run)?;
        let peer = &self.peers[place];
        let name = if self.is_grouped() { peer.group.as_ref() } else { Some(&peer.name) };
        self.unit_of.get(name?).copied()
    }

    /// How many units there are.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// The name of a unit: a trial's, or a group's.
    pub fn name(&self, unit: usize) -> &Arc<str> {
        &self.units[unit].name
    }

    /// The trials of a unit: one, or the folds.
    pub fn members(&self, unit: usize) -> impl Iterator<Item = &Peer> + Clone {
        self.units[unit].members.iter().map(|place| &self.peers[*place])
    }

    /// How a unit stands: it runs while one of its folds does, and is complete when all are.
    pub fn standing(&self, unit: usize) -> End {
        self.units[unit].standing
    }

    fn standing_of_all(&self, unit: usize) -> End {
        let mut end = End::Complete;
        for peer in self.members(unit) {
            match peer.end {
                End::Running => return End::Running,
                End::Cut => end = End::Cut,
                End::Complete => {}
            }
        }
        end
    }

    /// How many units but `but` are complete.
    pub fn complete(&self, but: usize) -> usize {
        (0..self.units()).filter(|unit| *unit != but && self.standing(*unit) == End::Complete).count()
    }

    /// A quantity of a unit at a place, the mean over those of its folds that have come so far.
    pub fn read(&self, unit: usize, quantity: Quantity, at: f64) -> Option<f64> {
        let members = &self.units[unit].members;
        if let [one] = members[..] {
            return quantity.of(&self.peers[one].curve, at);
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for value in self.members(unit).filter_map(|peer| quantity.of(&peer.curve, at)) {
            (sum, count) = (sum + value, count + 1.0);
        }
        (count > 0.0).then(|| sum / count)
    }

    /// How the others rank at a place by a quantity, the unit `but` left out.
    pub fn ranked(&mut self, population: Population, quantity: Quantity, at: f64, but: usize) -> Ranked<'_> {
        if self.columns.len() >= COLUMNS {
            self.columns.clear();
        }
        let key = (population, quantity.key(), at.to_bits());
        // What a group has at a place changes with every fold that comes to it: nothing of it can be kept.
        let mut column = match self.is_grouped() {
            true => Column::default(),
            false => self.columns.remove(&key).unwrap_or_default(),
        };
        column.take_up_to(self.units.len());
        column.fold(|unit| self.counts(population, quantity, at, unit));
        let own = match self.counts(population, quantity, at, but) {
            Fold::Value(value) => Some(value),
            _ => None,
        };
        Ranked::new(self.columns.entry(key).insert_entry(column).into_mut(), but, own)
    }

    /// The same as a list of values and units, the best first, for people.
    pub fn listed(&self, population: Population, quantity: Quantity, at: f64, but: usize) -> Vec<(f64, usize)> {
        let others = (0..self.units.len()).filter(|unit| *unit != but);
        let mut found: Vec<(f64, usize)> = others
            .filter_map(|unit| match self.counts(population, quantity, at, unit) {
                Fold::Value(value) => Some((value, unit)),
                Fold::NotYet | Fold::Never => None,
            })
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found
    }

    /// What a unit puts into a column: its value, nothing ever, or nothing yet.
    fn counts(&self, population: Population, quantity: Quantity, at: f64, unit: usize) -> Fold {
        let Unit { reach, standing, .. } = self.units[unit];
        let due = reach >= at && (population == Population::Reached || standing == End::Complete);
        match due.then(|| self.read(unit, quantity, at)).flatten() {
            Some(value) => Fold::Value(value),
            None if standing == End::Running => Fold::NotYet,
            None => Fold::Never,
        }
    }
}

/// What a unit puts into a column.
pub(super) enum Fold {
    /// This.
    Value(f64),
    /// It may come so far.
    NotYet,
    /// It never will.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trials by name with their values at 1, 2, ...
    pub(crate) fn field(trials: &[(&str, &[f64], End)]) -> Field {
        let mut field = Field::default();
        for (i, (name, values, end)) in trials.iter().enumerate() {
            let run = RunId(i as u128);
            field.enter(run, Peer { name: (*name).into(), ..Peer::default() });
            for (at, value) in values.iter().enumerate() {
                field.report(run, at as f64 + 1.0, *value);
            }
            field.end(run, *end);
        }
        field
    }

    #[test]
    fn who_has_not_come_so_far_is_counted_once_it_has() {
        let mut f = field(&[
            ("a", &[0.1, 0.2], End::Complete),
            ("b", &[0.3], End::Running),
            ("c", &[0.5, 0.6], End::Cut),
            ("me", &[0.4, 0.4], End::Running),
        ]);
        let all = |f: &mut Field, who| f.ranked(who, Quantity::Value, 2.0, 3).values().collect::<Vec<_>>();
        assert_eq!(all(&mut f, Population::Reached), [0.2, 0.6]);
        assert_eq!(all(&mut f, Population::Complete), [0.2]);
        f.report(RunId(1), 2.0, 0.35);
        assert_eq!(all(&mut f, Population::Reached), [0.2, 0.35, 0.6]);
        f.end(RunId(1), End::Complete);
        assert_eq!(all(&mut f, Population::Complete), [0.2, 0.35]);
    }

    #[test]
    fn a_new_attempt_takes_the_place_of_the_one_before() {
        let mut f = field(&[("a", &[0.1], End::Cut), ("me", &[0.4], End::Running)]);
        assert_eq!(f.ranked(Population::Reached, Quantity::Value, 1.0, 1).len(), 1);
        f.enter(RunId(9), Peer { name: "a".into(), ..Peer::default() });
        assert_eq!(f.ranked(Population::Reached, Quantity::Value, 1.0, 1).len(), 0);
        f.report(RunId(9), 1.0, 0.7);
        assert_eq!(f.ranked(Population::Reached, Quantity::Value, 1.0, 1).median(), Some(0.7));
    }

    #[test]
    fn folds_are_compared_as_one_when_every_trial_has_a_group() {
        let mut f = Field::default();
        let fold = |name: &str, group: Option<&str>| Peer {
            name: name.into(),
            group: group.map(Arc::from),
            ..Peer::default()
        };
        f.enter(RunId(1), fold("a0", Some("a")));
        f.enter(RunId(2), fold("a1", Some("a")));
        f.enter(RunId(3), fold("b0", Some("b")));
        for (run, value) in [(1, 0.2), (2, 0.4), (3, 0.9)] {
            f.report(RunId(run), 1.0, value);
        }
        assert_eq!((f.units(), f.is_grouped()), (2, true));
        assert_eq!(f.read(0, Quantity::Value, 1.0), Some(0.30000000000000004));
        f.report(RunId(2), 2.0, 0.6);
        assert_eq!(f.read(0, Quantity::Value, 2.0), Some(0.6), "only the folds that have come so far");
        f.enter(RunId(4), fold("c", None));
        assert_eq!((f.units(), f.is_grouped()), (4, false), "one trial without a group: folds stand for themselves");
    }
}
