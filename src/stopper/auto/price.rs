//! What going on is worth: a new best has a price in trials, and the price is the lowest at which the stops so far are not
//! expected to have hidden a better trial.

use super::chance::{Chance, POINTS, Table, place};
use super::rungs::{RUNGS, Rungs};

/// All stops together may have hidden a trial better than the best with this expected number. The one constant that matters:
/// higher is faster and loses more.
pub(super) const BUDGET: f64 = 0.03;

/// The lowest price of a new best, in whole trials; each further one is twice the one before.
const LOWEST_PRICE: f64 = 10.0;

/// So many prices: up to 5,120 trials.
const PRICES: u32 = 10;

/// How far above the best final value the forecasts of a trial were, rung by rung as far as it came.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The first rung with a value.
    pub first: usize,
    /// Behind the last rung that it reached.
    pub reached: usize,
    /// By rung.
    pub above: [f64; RUNGS],
}

/// From which forecast on a trial goes on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Price {
    /// What a new best is worth, in whole trials.
    pub price: f64,
    /// How far above the best final value a forecast must lie at each rung; mostly below 0.
    pub least: [f64; RUNGS],
    /// The expected number of hidden better trials, had this been the policy so far.
    pub hidden: f64,
}

impl Price {
    /// The lowest price that keeps to the budget, with the trials so far; the highest where none does.
    pub fn find(chance: &Chance, rungs: &Rungs, walks: &[Walk]) -> Price {
        // Higher prices stop less and hide less: the first that fits is searched for in halves.
        let (mut low, mut high, mut found) = (0, PRICES - 1, None);
        while low < high {
            let middle = low + (high - low) / 2;
            let price = Price::at(middle, chance, rungs, walks);
            if price.hidden <= BUDGET {
                (high, found) = (middle, Some(price));
            } else {
                low = middle + 1;
            }
        }
        found.unwrap_or_else(|| Price::at(high, chance, rungs, walks))
    }

    fn at(number: u32, chance: &Chance, rungs: &Rungs, walks: &[Walk]) -> Price {
        let price = LOWEST_PRICE * f64::from(1 << number);
        let least = least(price, chance, rungs);
        let hidden = walks.iter().map(|walk| walk.hidden(chance, &least)).sum();
        Price { price, least, hidden }
    }
}

impl Walk {
    /// The chance that a stop would have hidden a better trial.
    fn hidden(&self, chance: &Chance, least: &[f64; RUNGS]) -> f64 {
        let stop = (self.first..self.reached).find(|rung| self.above[*rung] < least[*rung]);
        stop.map_or(0.0, |rung| chance.of(rung, self.above[rung]))
    }
}

/// The lowest forecasts with which going on is worth its cost, from the last rung back: on to the end, or to the next rung to
/// look again and stop there.
fn least(price: f64, chance: &Chance, rungs: &Rungs) -> [f64; RUNGS] {
    let mut least = [f64::INFINITY; RUNGS];
    let mut worth_later: Table = [0.0; POINTS];
    for rung in (0..chance.rungs()).rev() {
        let mut worth: Table = [0.0; POINTS];
        for point in (0..POINTS).rev() {
            let to_end = price * chance.at_point(rung, point) - rungs.cost_of_all(rung);
            let look_again = match rung + 1 < chance.rungs() {
                true => chance.after_next(rung, point, &worth_later) - rungs.cost_of_next(rung),
                false => to_end,
            };
            worth[point] = to_end.max(look_again);
            if worth[point] <= 0.0 {
                // Worse forecasts are worth no more.
                worth[point] = 0.0;
                break;
            }
            least[rung] = place(point) * chance.deviations[rung];
        }
        worth_later = worth;
    }
    least
}

#[cfg(test)]
mod tests {
    use super::super::forecast::Forecast;
    use super::super::past::{COLUMNS, Row};
    use super::*;

    /// Thirty complete trials whose forecasts are off by up to `noise`.
    fn learned(noise: f64) -> (Chance, Rungs, Vec<Walk>) {
        let rungs = Rungs::new(20.0, 1.0, true);
        let row = |i: u32| {
            let mut values = [f64::NAN; COLUMNS];
            let off = |k: usize| noise * f64::from((i * 7 + k as u32 * 5) % 11) / 11.0;
            values[..=RUNGS].iter_mut().enumerate().for_each(|(k, v)| *v = f64::from(i % 10) + off(k));
            Row { unit: i as usize, values, first: 0, reached: RUNGS, is_complete: true }
        };
        let rows: Vec<Row> = (0..30).map(row).collect();
        let best = rows.iter().map(|row| row.values[RUNGS]).fold(0.0, f64::max);
        let forecast = Forecast::learn(&rows, RUNGS).expect("thirty trials");
        let above = |row: &Row| std::array::from_fn(|rung| forecast.mean(rung, &row.values) - best);
        let walks = rows.iter().map(|row| Walk { first: 0, reached: RUNGS, above: above(row) }).collect();
        (Chance::new(&forecast, best), rungs, walks)
    }

    #[test]
    fn the_higher_the_price_the_worse_a_forecast_may_be() {
        let (chance, rungs, walks) = learned(3.0);
        let prices: Vec<Price> = (0..PRICES).map(|n| Price::at(n, &chance, &rungs, &walks)).collect();
        for pair in prices.windows(2) {
            assert!((0..RUNGS).all(|rung| pair[1].least[rung] <= pair[0].least[rung]));
            assert!(pair[1].hidden <= pair[0].hidden + 1e-12);
        }
        assert!(prices.iter().all(|price| price.least.iter().all(|least| least.is_finite())));
    }

    #[test]
    fn it_is_the_lowest_that_keeps_to_the_budget() {
        for noise in [0.1, 1.0, 3.0, 9.0] {
            let (chance, rungs, walks) = learned(noise);
            let fits = |n: &u32| Price::at(*n, &chance, &rungs, &walks).hidden <= BUDGET;
            let lowest = (0..PRICES).find(fits).unwrap_or(PRICES - 1);
            assert_eq!(Price::find(&chance, &rungs, &walks), Price::at(lowest, &chance, &rungs, &walks), "{noise}");
        }
    }
}
