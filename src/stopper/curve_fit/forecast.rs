//! What a curve is thought to come to: a mixture of Student's t distributions, one for each curve that may be it.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// One curve that may be it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Component {
    /// How likely it is.
    pub weight: f64,
    /// What it says.
    pub mean: f64,
    /// Give or take: the scale of the t distribution.
    pub scale: f64,
}

/// A value that is still to come.
#[derive(Clone, Debug)]
pub struct Forecast {
    components: Vec<Component>,
    freedom: f64,
    /// The mean over all curves that may be it.
    pub mean: f64,
    /// The standard deviation, within and between them.
    pub sd: f64,
}

/// Components that together weigh less than this are left out.
const NEGLIGIBLE: f64 = 1e-4;

impl Forecast {
    /// Of components whose weights add up to 1, with more than two degrees of freedom.
    pub(super) fn new(mut components: Vec<Component>, freedom: f64) -> Forecast {
        components.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let mut left = 1.0;
        let enough = components.iter().position(|c| {
            left -= c.weight;
            left < NEGLIGIBLE
        });
        components.truncate(enough.map_or(components.len(), |last| last + 1));
        let total: f64 = components.iter().map(|c| c.weight).sum();
        components.iter_mut().for_each(|c| c.weight /= total);
        let mean: f64 = components.iter().map(|c| c.weight * c.mean).sum();
        let spread = freedom / (freedom - 2.0);
        let variance: f64 =
            components.iter().map(|c| c.weight * (c.scale * c.scale * spread + (c.mean - mean).powi(2))).sum();
        Forecast { components, freedom, mean, sd: variance.sqrt() }
    }

    /// How likely the value is above `bar`.
    pub fn above(&self, bar: f64) -> f64 {
        let above = |c: &Component| StudentsT::new(c.mean, c.scale, self.freedom).map_or(f64::NAN, |t| t.sf(bar));
        self.components.iter().map(|c| c.weight * above(c)).sum()
    }
}

/// How the forecasts of complete trials came out: by how much what came was above what was forecast.
///
/// A jump that trials make at one epoch (a learning rate that falls) is beyond any shape. Where others made it, it is one of
/// the things that may happen to the next: each error seen is as likely as any other, and the forecast as it stands is as
/// likely as [`PRIOR`] of them. (The idea of conformal prediction; the jackknife+ of Barber et al. 2021 adds held-out errors
/// to a forecast in the same way.)
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    errors: Vec<f64>,
}

/// The forecast as it stands counts as much as so many errors.
const PRIOR: f64 = 4.0;

impl Record {
    /// Takes in what was forecast and what came.
    pub(super) fn push(&mut self, forecast: f64, came: f64) {
        self.errors.push(came - forecast);
    }

    /// How many are looked at.
    pub(super) fn len(&self) -> usize {
        self.errors.len()
    }

    /// The smallest and the largest error.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let first = *self.errors.first()?;
        Some(self.errors.iter().fold((first, first), |(low, high), e| (low.min(*e), high.max(*e))))
    }

    /// The mean of a forecast, errors reckoned with.
    pub(super) fn mean(&self, forecast: &Forecast) -> f64 {
        forecast.mean + self.errors.iter().sum::<f64>() / (PRIOR + self.errors.len() as f64)
    }

    /// How likely a value that was forecast is above `bar`, errors reckoned with.
    pub(super) fn above(&self, forecast: &Forecast, bar: f64) -> f64 {
        let normal = Normal::standard();
        // Errors hold some of the forecast's own spread already: what is made of both is too wide rather than too narrow.
        let after = |error: &f64| normal.cdf((forecast.mean + error - bar) / forecast.sd);
        let seen: f64 = self.errors.iter().map(after).sum();
        (PRIOR * forecast.above(bar) + seen) / (PRIOR + self.errors.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(components: &[(f64, f64, f64)]) -> Forecast {
        let all =
            components.iter().map(|(weight, mean, scale)| Component { weight: *weight, mean: *mean, scale: *scale });
        Forecast::new(all.collect(), 6.0)
    }

    fn record(errors: &[f64]) -> Record {
        let mut record = Record::default();
        errors.iter().for_each(|error| record.push(0.5, 0.5 + error));
        record
    }

    #[test]
    fn a_mixture_has_the_mean_and_spread_of_its_parts() {
        let f = forecast(&[(0.5, 1.0, 0.2), (0.5, 3.0, 0.2)]);
        assert!((f.mean - 2.0).abs() < 1e-12 && (f.sd - (0.04f64 * 1.5 + 1.0).sqrt()).abs() < 1e-12);
        assert!((f.above(2.0) - 0.5).abs() < 1e-12);
        // scipy.stats.t.sf(1.943180280515303, 6) = 0.05
        assert!((forecast(&[(1.0, 1.0, 0.2)]).above(1.0 + 0.2 * 1.943_180_280_515_303) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn what_weighs_next_to_nothing_is_left_out() {
        let f = forecast(&[(0.6, 1.0, 0.1), (0.399_99, 2.0, 0.1), (0.000_01, 1e9, 0.1)]);
        assert!(f.mean < 2.0 && f.components.len() == 2);
    }

    #[test]
    fn what_all_others_did_is_expected_of_the_next() {
        let f = forecast(&[(1.0, 0.5, 0.01)]);
        assert_eq!(Record::default().above(&f, 0.58), f.above(0.58));
        assert!(f.above(0.58) < 0.001);
        let jumped = record(&[0.1; 16]);
        assert!(jumped.above(&f, 0.55) > 0.79 && jumped.above(&f, 0.55) < 0.81);
        assert!((jumped.mean(&f) - 0.58).abs() < 1e-9);
    }

    #[test]
    fn what_one_in_ten_did_is_a_tenth_as_likely() {
        let mut errors = vec![0.0; 18];
        errors.extend([0.2, 0.2]);
        let f = forecast(&[(1.0, 0.5, 0.01)]);
        let chance = record(&errors).above(&f, 0.6);
        assert!((chance - 2.0 / 24.0).abs() < 0.001, "{chance}");
        assert_eq!(record(&errors).range().map(|(low, high)| (low.abs() < 1e-12, high > 0.19)), Some((true, true)));
    }
}
