//! A regression from what is seen of trials at a place to what they come to.
//!
//! On the three public corpora ridge regression foretells trials that were left out better than nu-SVR nearly everywhere, most
//! of all from few trials, and is a hundred times as quick: it is the default (figures: `docs/lookahead.md`). Its penalty and
//! the settings of nu-SVR are chosen by cross-validation.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2};

use super::features::{Plan, Sight, standard};
use super::nu_svr::{NuSvr, NuSvrFit};
use super::ridge::{Ridge, RidgeFit};
use crate::model::PredictionDialect;
use crate::stopper::field::Peer;
use crate::stopper::outlook::{self, Place};

/// The folds of the published search.
const FOLDS: usize = 3;

/// So many settings are drawn.
const DRAWS: usize = 30;

/// Where a search begins to draw: the same trials give the same settings.
const SEED: u64 = 0x6561_726c_7973_746f;

/// One that was fitted, and how it misses.
#[derive(Clone, Debug)]
pub(super) struct Model {
    plan: Plan,
    fit: Fitted,
    mean: f64,
    unit: f64,
    /// Standard deviation of its errors on trials that it had not seen.
    deviation: f64,
    /// How many trials it has learned from.
    pub trials: usize,
}

#[derive(Clone, Debug)]
enum Fitted {
    Ridge(RidgeFit),
    NuSvr(NuSvrFit),
}

type Data = DatasetBase<Array2<f64>, Array1<f64>>;

impl Model {
    /// Learns from complete trials at a place.
    pub(super) fn train(trials: &[&Peer], place: Place, dialect: PredictionDialect, sight: Sight) -> Option<Model> {
        let came: Option<Vec<f64>> = trials.iter().map(|peer| outlook::outcome(&peer.curve, place.end)).collect();
        let (mean, unit, targets) = standard(&came?);
        let (plan, rows) = Plan::new(trials, place, sight);
        let data = Data::new(rows, targets);
        let (fit, deviation) = fit(&data, dialect)?;
        Some(Model { plan, fit, mean, unit, deviation, trials: trials.len() })
    }

    /// What a trial comes to, and the standard deviation of that.
    pub(super) fn predict(&self, trial: &Peer) -> (f64, f64) {
        let row = self.plan.row(trial);
        let (value, sigma) = match &self.fit {
            Fitted::Ridge(fit) => (fit.value(row.view()), fit.deviation(row.view())),
            // As published: the same for all.
            Fitted::NuSvr(fit) => (fit.value(row.view()), self.deviation),
        };
        // Errors that are all but 0 are luck: no regression knows more than six digits.
        (self.mean + self.unit * value, self.unit * sigma.max(1e-6))
    }

    /// Its name, for words.
    pub(super) fn name(&self) -> &'static str {
        match self.fit {
            Fitted::Ridge(_) => "ridge regression",
            Fitted::NuSvr(_) => "nu-SVR",
        }
    }
}

/// The regression, and the standard deviation of its errors on rows that it has not seen.
fn fit(data: &Data, dialect: PredictionDialect) -> Option<(Fitted, f64)> {
    match dialect {
        PredictionDialect::NuSvr => search(data),
        PredictionDialect::Ridge => {
            let fit = Ridge.fit(data).ok()?;
            let deviation = spread(&fit.left_out);
            Some((Fitted::Ridge(fit), deviation))
        }
    }
}

/// The published search: settings drawn at random, the best by cross-validation fitted to all rows.
fn search(data: &Data) -> Option<(Fitted, f64)> {
    let mut draw = Draw(SEED);
    let mut best: Option<(NuSvr, f64)> = None;
    for _ in 0..DRAWS {
        let settings = NuSvr { c: draw.log(1e-5, 10.0), nu: draw.one(), gamma: draw.log(1e-5, 10.0) };
        let deviation = folded(data, |train| settings.fit(train).ok())?;
        if best.is_none_or(|(_, least)| deviation < least) {
            best = Some((settings, deviation));
        }
    }
    let (settings, deviation) = best?;
    Some((Fitted::NuSvr(settings.fit(data).ok()?), deviation))
}

/// The error on rows of folds that were left out.
fn folded<F>(data: &Data, fit: impl Fn(&Data) -> Option<F>) -> Option<f64>
where
    F: for<'r> Predict<&'r Array2<f64>, Array1<f64>>,
{
    let mut misses = Vec::with_capacity(data.targets().len());
    for (train, left) in data.fold(FOLDS.min(data.targets().len())) {
        let seen = fit(&train)?.predict(left.records());
        misses.extend((left.targets() - &seen).iter());
    }
    Some(spread(&Array1::from(misses)))
}

/// The root of the mean square.
fn spread(misses: &Array1<f64>) -> f64 {
    misses.pow2().mean().map_or(f64::INFINITY, f64::sqrt)
}

/// Splitmix64.
struct Draw(u64);

impl Draw {
    /// Between 0 and 1.
    fn one(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Between two bounds, equally likely in the logarithm.
    fn log(&mut self, low: f64, high: f64) -> f64 {
        (low.ln() + self.one() * (high / low).ln()).exp()
    }
}
