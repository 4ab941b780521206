//! What was learnt from the trials that have ended: made when it is asked for, kept in the field until it is due again.

use super::chance::Chance;
use super::forecast::Forecast;
use super::past::{Habits, Past, Row, Scale};
use super::price::{Price, Walk};
use super::rungs::{RUNGS, Rungs};
use crate::stopper::field::Field;

/// Up to so many ended trials all is learnt anew with each; from there on with every 2 % more.
const EACH: usize = 50;

/// Models of so many lengths are kept; of more, the one that was made first is made again when it is needed.
const KEPT: usize = 4;

/// How many of `ended` trials are learnt from: which ones is the same after a restart and in a replay, for it hangs on nothing
/// but how many there are and in which order they ended.
fn learnt_of(ended: usize) -> (usize, usize) {
    let (mut count, mut next) = (ended.min(EACH), ended.min(EACH) + 1);
    while next <= ended {
        count = next;
        next += (count / EACH).max(1);
    }
    (count, next)
}

/// What is made of trials that have ended.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub forecast: Forecast,
    pub chance: Chance,
    pub price: Price,
}

impl Model {
    /// Nothing where there are too few, or their values are beyond reckoning.
    fn learn(past: &Past, rungs: &Rungs) -> Option<Model> {
        let best = past.best_but(usize::MAX)?;
        let forecast = Forecast::learn(past.rows(), rungs.len()).filter(|_| rungs.len() > 0)?;
        if !forecast.is_finite() {
            return None;
        }
        let chance = Chance::new(&forecast, best);
        let walk = |row: &Row| {
            let mut above = [0.0; RUNGS];
            (row.first..row.reached).for_each(|rung| above[rung] = forecast.mean(rung, &row.values) - best);
            Walk { first: row.first, reached: row.reached, above }
        };
        let walks: Vec<Walk> = past.rows().iter().map(walk).collect();
        let price = Price::find(&chance, rungs, &walks);
        Some(Model { forecast, chance, price })
    }
}

/// What was learnt for trials of one length.
#[derive(Clone, Debug)]
pub(super) struct School {
    pub rungs: Rungs,
    pub scale: Scale,
    pub past: Past,
    pub model: Option<Model>,
    /// From so many that have ended.
    count: usize,
}

/// All that was learnt from a field.
#[derive(Debug, Default)]
pub(super) struct Memory {
    revision: u64,
    habits: Habits,
    /// With so many that have ended it is time to learn anew.
    next: usize,
    schools: Vec<School>,
}

impl Memory {
    /// Sees who has ended since.
    pub fn catch_up(&mut self, field: &Field) {
        let ended = field.ended().len();
        if self.revision != field.revision() {
            *self = Memory { revision: field.revision(), ..Memory::default() };
        }
        if ended >= self.next {
            let (count, next) = learnt_of(ended);
            self.habits.take(field, count);
            self.next = next;
        }
    }

    /// What is learnt for trials of a length. `may_be_log`: the metric is better low, and the trial that asks reported
    /// nothing but values above zero.
    pub fn school(&mut self, field: &Field, length: f64, may_be_log: bool) -> &School {
        let scale = if may_be_log && self.habits.is_positive { Scale::Log } else { Scale::Linear };
        let rungs = Rungs::new(length, self.habits.from(), self.habits.is_whole);
        let known = self.schools.iter().position(|s| s.rungs == rungs && s.scale == scale);
        let place = known.unwrap_or_else(|| {
            if self.schools.len() >= KEPT {
                self.schools.remove(0);
            }
            self.schools.push(School { rungs, scale, past: Past::default(), model: None, count: 0 });
            self.schools.len() - 1
        });
        let school = &mut self.schools[place];
        if school.count != self.habits.count {
            school.count = self.habits.count;
            school.past.take(field, school.count, &school.rungs, scale);
            school.model = Model::learn(&school.past, &school.rungs);
        }
        school
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_have_ended_the_more_it_takes_to_learn_anew() {
        let mut learnt: Vec<usize> = (0..=2000).map(|ended| learnt_of(ended).0).collect();
        assert_eq!(learnt[..103], (0..=100).chain([100, 102]).collect::<Vec<_>>());
        for ended in 0..=2000 {
            let (count, next) = learnt_of(ended);
            assert!(count <= ended && ended < next && ended - count <= ended / EACH, "{ended}: {count}, {next}");
            assert_eq!(learnt_of(count), (count, next), "asked then, it was the same");
        }
        learnt.dedup();
        assert!(learnt.len() < 300, "{}", learnt.len());
    }
}
