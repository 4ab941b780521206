//! The chance that a trial ends above the best final value so far, as seen from each rung.

use super::forecast::Forecast;
use super::rungs::RUNGS;

/// Tables run over how far a forecast lies above the best final value, in standard deviations of the forecast, in even steps.
pub(super) const POINTS: usize = 61;
const LOWEST: f64 = -8.0;
const STEP: f64 = 0.2;

/// A place of the tables.
pub(super) fn place(point: usize) -> f64 {
    LOWEST + STEP * point as f64
}

/// One figure a place.
pub(super) type Table = [f64; POINTS];

/// A figure between two places; outside of the table the nearest.
fn read(table: &Table, z: f64) -> f64 {
    let place = (z - LOWEST) / STEP;
    if place <= 0.0 {
        return table[0];
    }
    let below = place as usize;
    if below >= POINTS - 1 {
        return table[POINTS - 1];
    }
    table[below] + (place - below as f64) * (table[below + 1] - table[below])
}

/// The best shocks count one by one, the others in groups: what is asked is how likely the very good ones are.
const SINGLE: usize = 8;
const GROUPS: usize = 16;

/// Where the way from a rung to the next may lead: places are scaled, then shifted by this much with this probability.
#[derive(Clone, Debug)]
struct Fan {
    scale: f64,
    shifts: Vec<(f64, f64)>,
}

impl Fan {
    /// `shocks` sorted, the best last, in standard deviations of `unit`.
    fn new(shocks: &[f64], scale: f64, unit: f64) -> Fan {
        let n = shocks.len();
        let share = |count: usize| count as f64 / n as f64;
        if n <= SINGLE + GROUPS {
            return Fan { scale, shifts: shocks.iter().map(|e| (e / unit, share(1))).collect() };
        }
        let (rest, best) = shocks.split_at(n - SINGLE);
        let mut shifts: Vec<(f64, f64)> = best.iter().map(|e| (e / unit, share(1))).collect();
        for group in 0..GROUPS {
            let part = &rest[group * rest.len() / GROUPS..(group + 1) * rest.len() / GROUPS];
            shifts.push((part.iter().sum::<f64>() / part.len() as f64 / unit, share(part.len())));
        }
        Fan { scale, shifts }
    }

    /// What is to be expected of something after the way.
    fn expect(&self, z: f64, of: impl Fn(f64) -> f64) -> f64 {
        let z = z * self.scale;
        self.shifts.iter().fold(0.0, |sum, (shift, probability)| sum + probability * of(z + shift))
    }
}

/// Chances from every rung.
#[derive(Clone, Debug)]
pub(super) struct Chance {
    /// The standard deviation of the forecast at each rung.
    pub deviations: [f64; RUNGS],
    tables: Vec<Table>,
    fans: Vec<Fan>,
}

impl Chance {
    /// `best` is the best final value: forecasts are not told apart more finely than its last digits.
    pub fn new(forecast: &Forecast, best: f64) -> Chance {
        let least = (1e-9 * best.abs()).max(1e-300);
        let deviations = forecast.variances.map(|v| v.sqrt().max(least));
        let rungs = forecast.shocks.len();
        let mut chance = Chance { deviations, tables: vec![[0.0; POINTS]; rungs], fans: Vec::with_capacity(rungs) };
        for (rung, shocks) in forecast.shocks.iter().enumerate() {
            let unit = match rung + 1 < rungs {
                true => deviations[rung + 1],
                // Behind the last rung a shock is smoothed: a few errors are no smooth distribution.
                false => 0.9 * (shocks.len() as f64).powf(-0.2) * deviations[rung],
            };
            chance.fans.push(Fan::new(shocks, deviations[rung] / unit, unit));
        }
        for rung in (0..rungs).rev() {
            let fan = &chance.fans[rung];
            let next = chance.tables.get(rung + 1);
            chance.tables[rung] = std::array::from_fn(|point| match next {
                Some(next) => fan.expect(place(point), |z| of_table(next, z)),
                None => fan.expect(place(point), normal),
            });
        }
        chance
    }

    /// How many rungs there are.
    pub fn rungs(&self) -> usize {
        self.tables.len()
    }

    /// The chance from a place of the table.
    pub fn at_point(&self, rung: usize, point: usize) -> f64 {
        self.tables[rung][point]
    }

    /// The chance of a trial whose forecast lies so far above the best final value.
    pub fn of(&self, rung: usize, above: f64) -> f64 {
        of_table(&self.tables[rung], above / self.deviations[rung])
    }

    /// What is to be expected of a table of the next rung.
    pub fn after_next(&self, rung: usize, point: usize, table: &Table) -> f64 {
        self.fans[rung].expect(place(point), |z| read(table, z))
    }
}

/// Above the table nobody loses any more.
fn of_table(table: &Table, z: f64) -> f64 {
    if z > place(POINTS - 1) { 1.0 } else { read(table, z) }
}

/// The share of a standard normal distribution below `z`, to 1e-7 (Abramowitz and Stegun 26.2.17): a table takes 1,500 of
/// these, and they are far in the tails, where the exact one is slow.
fn normal(z: f64) -> f64 {
    const TERMS: [f64; 5] = [0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
    if z.abs() > 8.0 {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let t = 1.0 / (1.0 + 0.2316419 * z.abs());
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    let tail = density * t * TERMS.iter().rev().fold(0.0, |sum, term| sum * t + term);
    if z > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Normal};

    #[test]
    fn the_quick_normal_distribution_is_the_exact_one() {
        for z in (-90..=90).map(|i| f64::from(i) / 10.0) {
            assert!((normal(z) - Normal::standard().cdf(z)).abs() < 1e-7, "{z}");
        }
    }

    #[test]
    fn a_fan_keeps_mean_and_probability() {
        let shocks: Vec<f64> = (0..100).map(|i| f64::from(i).powi(2) / 100.0).collect();
        let mean = shocks.iter().sum::<f64>() / 100.0;
        for n in [3, 24, 25, 100] {
            let fan = Fan::new(&shocks[100 - n..], 1.0, 2.0);
            assert!((fan.expect(0.0, |_| 1.0) - 1.0).abs() < 1e-12);
            let expected = shocks[100 - n..].iter().sum::<f64>() / n as f64 / 2.0;
            assert!((fan.expect(0.0, |z| z) - expected).abs() < 1e-12, "{n}");
        }
        assert!(mean > 0.0);
    }

    #[test]
    fn tables_are_read_between_their_places() {
        let table: Table = std::array::from_fn(place);
        for z in [-8.0, -7.95, 0.0, 1.23, 4.0] {
            assert!((read(&table, z) - z).abs() < 1e-12, "{z}");
        }
        assert_eq!((read(&table, -100.0), read(&table, 100.0)), (-8.0, table[POINTS - 1]));
        assert_eq!((of_table(&table, 4.1), of_table(&table, -9.0)), (1.0, -8.0));
    }

    fn forecast(shocks: Vec<Vec<f64>>, variances: &[f64]) -> Forecast {
        let mut forecast = Forecast::learn(&[], 0).expect("no rung, no link");
        forecast.variances[..variances.len()].copy_from_slice(variances);
        forecast.shocks = shocks;
        forecast
    }

    #[test]
    fn the_chance_rises_with_the_forecast_and_sharpens_towards_the_end() {
        let shocks = vec![vec![-1.0, 0.0, 1.0]; 2];
        let chance = Chance::new(&forecast(shocks, &[4.0 / 3.0, 2.0 / 3.0]), 0.5);
        for rung in 0..2 {
            assert!((chance.of(rung, 0.0) - 0.5).abs() < 0.01, "even odds in the middle");
            let rising = (1..POINTS).all(|i| chance.at_point(rung, i) >= chance.at_point(rung, i - 1));
            assert!(rising);
        }
        assert!(chance.of(0, -1.5) > chance.of(1, -1.5), "two more ways up make more possible than one");
        assert_eq!(chance.of(1, 9.0), 1.0);
    }
}
