//! Kind `prediction`: a regression learns from complete trials what a curve's beginning comes to, and a trial that will very
//! likely not become the best is stopped (B. Baker, O. Gupta, R. Raskar, N. Naik: Accelerating neural architecture search
//! using performance prediction. 2017, arXiv 1705.10823).
//!
//! One regression for each place of decision; [`features`] says what it sees, [`model`] how it is chosen. Sigma is the
//! standard deviation of its errors on trials that were left out ([`ridge`]: and more for a trial unlike all of them); a trial
//! is stopped iff `Phi((best - predicted) / sigma) >= delta`.
//!
//! **When it learns.** With `n` usable complete trials it has learned from the first `c` of them in the order of their start,
//! where `c` is the largest of `train_trials`, then a tenth more each time (rounded up), that is not above `n`. So what it
//! says follows from the field alone; the models that are remembered are found by all that went into them.

mod features;
mod model;
mod nu_svr;
mod ridge;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use statrs::distribution::{ContinuousCDF, Normal};

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::curve::Curve;
use super::field::{End, Field, Peer, Population, Quantity};
use super::outlook::{self, Place, Wait};
use super::words::brief;
use crate::model::PredictionDialect;
pub use features::{SYSTEM, Sight};
use model::Model;
pub use nu_svr::{NuSvr, NuSvrFit};
pub use ridge::{Ridge, RidgeFit};

/// Where a rule says nothing of grace.
const GRACE: f64 = 0.2;

/// A trial is learned from if it came at least so far of the length.
const WHOLE: f64 = 0.95;

/// From fewer than so many trials no regression can tell anything: three folds of a search need a row each, and one more.
const LEAST_TRIALS: usize = 4;

/// More than so many trials make no regression better that anybody would notice, and all slower.
const MOST_TRIALS: usize = 2000;

/// The published search is dear, and goes with the third power of the trials: from more than the hundred that Baker et al.
/// train on, it would keep a daemon's tick waiting.
const MOST_FOR_SVR: usize = 100;

/// So many models are remembered; then all are forgotten and trained anew when they are asked for.
const REMEMBERED: usize = 256;

/// Models by all that went into them; nothing where no model can be made of it.
type Trained = HashMap<(u64, u64), Option<Arc<Model>>>;

/// The kind `prediction`.
#[derive(Debug)]
pub struct Prediction {
    delta: f64,
    train_trials: usize,
    dialect: PredictionDialect,
    sight: Sight,
    trained: Mutex<Trained>,
}

impl Prediction {
    /// Stops when the best is better with a probability of at least `delta`, once `train_trials` trials are complete.
    pub fn new(delta: f64, train_trials: u32, dialect: PredictionDialect, sight: Sight) -> Prediction {
        let train_trials = (train_trials as usize).max(LEAST_TRIALS);
        Prediction { delta, train_trials, dialect, sight, trained: Mutex::default() }
    }

    /// Of so many complete trials, how many it has learned from; nothing before there are enough.
    fn learned_from(&self, complete: usize) -> Option<usize> {
        let mut count = self.train_trials;
        if complete < count {
            return None;
        }
        let most = match self.dialect {
            PredictionDialect::Ridge => MOST_TRIALS,
            PredictionDialect::NuSvr => MOST_FOR_SVR.max(count),
        };
        loop {
            let next = count + count.div_ceil(10);
            if next > complete.min(most) {
                return Some(count);
            }
            count = next;
        }
    }

    fn model(&self, trials: &[&Peer], place: Place) -> Option<Arc<Model>> {
        let key = (ingredients(trials, place, 1), ingredients(trials, place, 2));
        // A poisoned lock holds whole entries all the same.
        if let Some(known) = self.trained.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let model = Model::train(trials, place, self.dialect, self.sight).map(Arc::new);
        let mut trained = self.trained.lock().unwrap_or_else(PoisonError::into_inner);
        if trained.len() >= REMEMBERED {
            trained.clear();
        }
        trained.insert(key, model.clone());
        model
    }

    fn judge(&self, case: &Case<'_>, place: Place) -> Result<Verdict, Unknown> {
        let (best, peers) = outlook::best_of_others(case.field, case.unit, place.end).unwrap_or((f64::NAN, 0));
        case.enough(peers, 1)?;
        let own = case.field.peer(case.run).ok_or(Unknown::Value)?;
        if !own.curve.points().iter().any(|p| p.value.is_finite()) {
            return Err(Unknown::Value);
        }
        let complete = complete(case.field, place);
        let count = self.learned_from(complete.len()).ok_or(Unknown::Peers(complete.len(), self.train_trials))?;
        let model = self.model(&complete[..count], place).ok_or(Unknown::Value)?;
        let (predicted, sigma) = model.predict(own);
        // Where folds are compared as one, this fold must carry the mean over the bar.
        let (sum, folds) = outlook::other_folds(case, place.end);
        let bar = best * (folds + 1.0) - sum;
        let sure = Normal::standard().cdf((bar - predicted) / sigma);
        let (sigma, name) = (brief(sigma), model.name());
        let (probability, delta, trials) = (brief(sure), brief(self.delta), model.trials);
        let evidence = Evidence {
            own: case.raw((predicted + sum) / (folds + 1.0)),
            what: "predicted end",
            bar: case.raw(best),
            against: "the best that {} other trials have to show",
            peers,
            at: case.at,
            note: Some(format!(
                "it stays below that with probability {probability}, it takes {delta}; {name} on {trials} finished trials, \
                 standard deviation {sigma}"
            )),
        };
        // Who has beaten the best already is not stopped for what may come.
        let beaten = folds == 0.0 && outlook::finite_best(&own.curve).is_some_and(|own| own > best);
        Ok(Verdict::when(sure >= self.delta && !beaten, evidence))
    }
}

impl Stopper for Prediction {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        match outlook::due(case, GRACE) {
            Ok(place) => self.judge(case, place).unwrap_or_else(Verdict::Unknown),
            Err(Wait::NotDue) => Verdict::NotDue,
            Err(Wait::Unknown(why)) => Verdict::Unknown(why),
        }
    }

    fn population(&self) -> Option<(Population, Quantity)> {
        Some((Population::Complete, Quantity::Value))
    }

    fn beside(&self) -> Vec<String> {
        features::SYSTEM.map(str::to_owned).to_vec()
    }
}

/// Complete trials that can be learned from, in the order of their start.
fn complete(field: &Field, place: Place) -> Vec<&Peer> {
    let usable = |peer: &&Peer| {
        let curve = &peer.curve;
        let begins = curve.points().first().is_some_and(|p| p.at <= place.at);
        peer.end == End::Complete
            && begins
            && curve.reached(WHOLE * place.end)
            && outlook::outcome(curve, place.end).is_some()
    };
    (0..field.units()).flat_map(|unit| field.members(unit)).filter(usable).collect()
}

/// A hash of all that goes into a model.
fn ingredients(trials: &[&Peer], place: Place, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, place.at.to_bits(), place.end.to_bits()).hash(&mut hasher);
    let curve = |curve: &Curve, hasher: &mut DefaultHasher| {
        let points = curve.points();
        points.len().hash(hasher);
        points.iter().for_each(|p| (p.at.to_bits(), p.value.to_bits()).hash(hasher));
    };
    for peer in trials {
        curve(&peer.curve, &mut hasher);
        peer.params.hash(&mut hasher);
        for (name, beside) in &peer.beside {
            name.hash(&mut hasher);
            curve(beside, &mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
