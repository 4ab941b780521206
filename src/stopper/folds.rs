//! The folds of configurations: which are through, with what scores, and whose are the best.

use std::sync::Arc;

use super::case::{Case, Unknown};
use super::field::{End, Field, Peer};

/// The scores of a configuration's folds that are through; higher is better.
pub(super) struct Scores {
    /// Fold by fold; a fold that the trial did not name has none.
    pub folds: Vec<(Option<Arc<str>>, f64)>,
    /// Their mean.
    pub mean: f64,
}

impl Scores {
    /// Nothing without a fold, or where one has no number. The score of a fold is its last value.
    fn of<'p>(folds: impl Iterator<Item = &'p Peer>) -> Option<Scores> {
        let score = |fold: &Peer| fold.curve.last().map(|point| point.value).filter(|value| value.is_finite());
        let folds: Vec<_> = folds.map(|fold| Some((fold.fold.clone(), score(fold)?))).collect::<Option<_>>()?;
        let mean = folds.iter().map(|(_, score)| score).sum::<f64>() / folds.len() as f64;
        (!folds.is_empty()).then_some(Scores { folds, mean })
    }

    /// The worst of them.
    pub fn worst(&self) -> f64 {
        self.folds.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min)
    }
}

/// A configuration and the best of the others.
pub(super) struct Folds {
    /// The folds of the trial's own configuration that are through.
    pub own: Scores,
    /// The configuration with the best mean of those with all folds through.
    pub best: Scores,
    /// How many those are.
    pub rivals: usize,
    /// How many folds a configuration has: the most that any has.
    pub all: usize,
}

impl Folds {
    /// A fold is through when it is complete, or has come to its whole length.
    pub fn of(case: &Case<'_>) -> Result<Folds, Unknown> {
        if !case.field.is_grouped() {
            return Err(Unknown::Folds);
        }
        let through = |peer: &&Peer| match peer.end {
            End::Complete => true,
            End::Running => case.max.is_some_and(|max| peer.curve.reached(max)),
            End::Cut => false,
        };
        let own = Scores::of(case.field.members(case.unit).filter(through)).ok_or(Unknown::Reports(0, 1))?;
        let all = most(case.field);
        let others = (0..case.field.units()).filter(|unit| *unit != case.unit);
        let whole: Vec<Scores> = others.filter_map(|unit| complete(case.field, unit, all)).collect();
        case.enough(whole.len(), 1)?;
        let rivals = whole.len();
        let best = whole.into_iter().max_by(|a, b| a.mean.total_cmp(&b.mean)).ok_or(Unknown::Peers(0, 1))?;
        Ok(Folds { own, best, rivals, all })
    }
}

fn most(field: &Field) -> usize {
    (0..field.units()).map(|unit| field.members(unit).count()).max().unwrap_or(0)
}

/// The scores of a configuration with so many folds, all of them complete.
fn complete(field: &Field, unit: usize, all: usize) -> Option<Scores> {
    let standing = field.members(unit).count() == all && field.standing(unit) == End::Complete;
    Scores::of(field.members(unit)).filter(|_| standing)
}
