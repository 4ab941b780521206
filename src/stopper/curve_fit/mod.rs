//! Kind `curve`: a parametric curve is laid through what was reported, and a trial that will hardly become the best is
//! stopped (T. Domhan, J. T. Springenberg, F. Hutter: Speeding up automatic hyperparameter optimization of deep neural
//! networks by extrapolation of learning curves. IJCAI 2015).
//!
//! Their conservative rule: stop when the probability that the value at the end is above the best of the others is below `p`.
//! [`shape`] has their eleven families, [`posterior`] says how they are fitted and averaged, and in what that is not their
//! way. Beyond theirs: how the forecasts of complete trials came out is reckoned with ([`forecast::Record`]).

mod forecast;
mod posterior;
mod prefix;
mod shape;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use super::case::{Case, Evidence, Stopper, Unknown, Verdict};
use super::curve::{Curve, Point};
use super::field::{End, Field, Population, Quantity};
use super::outlook::{self, Place, Wait};
use super::words::brief;
pub use forecast::Forecast;
use forecast::Record;
use prefix::{MIN_POINTS, Prefix};

/// Where a rule says nothing of grace: before a fifth of the length a curve's bend is not to be seen.
const GRACE: f64 = 0.2;

/// The forecasts of so many complete trials are compared with what came.
const CHECKED: usize = 20;

/// A trial is compared with if it came at least so far of the length.
const WHOLE: f64 = 0.95;

/// So many forecasts are remembered (some 50 bytes each); then all are forgotten and made anew when they are asked for.
const REMEMBERED: usize = 1 << 16;

/// The kind `curve`.
#[derive(Debug)]
pub struct CurveFit {
    p: f64,
    /// Forecasts by all that goes into one (a hash of it, the number of points, the last of them): what is remembered is
    /// what would be computed.
    made: Mutex<HashMap<(u64, usize, u64), Option<f64>>>,
}

impl CurveFit {
    /// Stops when the probability to beat the best is below `p`.
    pub fn new(p: f64) -> CurveFit {
        CurveFit { p, made: Mutex::default() }
    }

    /// What a curve, as far as it is known, is thought to come to at `end`; nothing from fewer than four finite values.
    pub fn forecast(curve: &Curve, end: f64) -> Option<Forecast> {
        look_ahead(curve.points(), end)
    }

    /// The mean of a forecast at `end`.
    fn mean(&self, points: &[Point], end: f64) -> Option<f64> {
        let mut hasher = DefaultHasher::new();
        end.to_bits().hash(&mut hasher);
        points.iter().for_each(|p| (p.at.to_bits(), p.value.to_bits()).hash(&mut hasher));
        let last = points.last().map_or(0, |p| p.value.to_bits());
        let key = (hasher.finish(), points.len(), last);
        // A poisoned lock holds whole entries all the same.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= REMEMBERED {
            made.clear();
        }
        *made.entry(key).or_insert_with(|| look_ahead(points, end).map(|forecast| forecast.mean))
    }

    /// How the forecasts of complete trials, made at this place, came out.
    fn record(&self, field: &Field, place: Place) -> Record {
        let mut record = Record::default();
        let trials = (0..field.units()).rev().flat_map(|unit| field.members(unit));
        let complete = trials.filter(|peer| peer.end == End::Complete && peer.curve.reached(WHOLE * place.end));
        for peer in complete {
            // As much of it as was there when a decision was due here.
            let points = peer.curve.points();
            let known = points.partition_point(|p| p.at < place.at) + 1;
            let forecast = points.get(..known).and_then(|points| self.mean(points, place.end));
            if let (Some(forecast), Some(came)) = (forecast, outlook::outcome(&peer.curve, place.end)) {
                record.push(forecast, came);
            }
            if record.len() == CHECKED {
                break;
            }
        }
        record
    }

    fn judge(&self, case: &Case<'_>, place: Place) -> Result<Verdict, Unknown> {
        let (best, peers) = outlook::best_of_others(case.field, case.unit, place.end).unwrap_or((f64::NAN, 0));
        case.enough(peers, 1)?;
        let points = case.curve().map_or(&[][..], Curve::points);
        let finite = points.iter().filter(|p| p.value.is_finite()).count();
        if finite == 0 {
            return Err(Unknown::Value);
        }
        let forecast = look_ahead(points, place.end).ok_or(Unknown::Reports(finite, MIN_POINTS))?;
        let record = self.record(case.field, place);
        // Where folds are compared as one, this fold must carry the mean over the bar.
        let (sum, folds) = outlook::other_folds(case, place.end);
        let bar = best * (folds + 1.0) - sum;
        let chance = record.above(&forecast, bar);
        let evidence = Evidence {
            own: case.raw((record.mean(&forecast) + sum) / (folds + 1.0)),
            what: "forecast of the end",
            bar: case.raw(best),
            against: "the best that {} other trials have to show",
            peers,
            at: case.at,
            note: Some(self.words(chance, &forecast, &record)),
        };
        // Who has beaten the best already is not stopped for what may come.
        let beaten = folds == 0.0 && case.curve().and_then(outlook::finite_best).is_some_and(|own| own > best);
        Ok(Verdict::when(chance < self.p && !beaten, evidence))
    }

    fn words(&self, chance: f64, forecast: &Forecast, record: &Record) -> String {
        let (chance, p, sd) = (brief(chance), brief(self.p), brief(forecast.sd));
        let mut words = format!("the chance to beat it is {chance}, it takes {p}; standard deviation {sd}");
        if let Some((low, high)) = record.range() {
            let (count, low, high) = (record.len(), brief(low), brief(high));
            words += &format!("; the forecasts of {count} finished trials were off by {low} to {high}, up is better");
        }
        words
    }
}

impl Stopper for CurveFit {
    fn decide(&self, case: &mut Case<'_>) -> Verdict {
        match outlook::due(case, GRACE) {
            Ok(place) => self.judge(case, place).unwrap_or_else(Verdict::Unknown),
            Err(Wait::NotDue) => Verdict::NotDue,
            Err(Wait::Unknown(why)) => Verdict::Unknown(why),
        }
    }

    fn population(&self) -> Option<(Population, Quantity)> {
        Some((Population::Reached, Quantity::Best))
    }
}

/// The forecast of the value at `end`; nothing from too few values.
fn look_ahead(points: &[Point], end: f64) -> Option<Forecast> {
    Some(posterior::forecast(&Prefix::new(points, end)?))
}

#[cfg(test)]
mod tests;
