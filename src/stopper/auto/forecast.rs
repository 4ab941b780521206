//! From one rung to the next: regressions that are chained to a forecast of the end.

use super::past::{COLUMNS, Row};
use super::rungs::RUNGS;

/// So many trials' worth of "what comes does not hang on what was".
const PRIOR: f64 = 2.0;

/// From so many trials on, the gain since the rung before is looked at, too.
const FOR_LAST_GAIN: usize = 6;

/// And from so many on, the gain since half way.
const FOR_LONG_GAIN: usize = 8;

/// A link is learnt from so many of the newest trials that came so far.
const NEWEST: usize = 300;

/// Predictors of a link.
const MOST: usize = 3;

/// How a rung (or the end) follows from the rung before.
#[derive(Clone, Debug)]
struct Link {
    constant: f64,
    /// Columns and what is multiplied with them.
    weights: [(usize, f64); MOST],
    variance: f64,
    /// What it missed, scaled to the variance.
    errors: Vec<f64>,
}

/// Forecasts of the final value from each rung.
#[derive(Clone, Debug)]
pub(super) struct Forecast {
    constants: [f64; RUNGS],
    weights: [[f64; RUNGS]; RUNGS],
    /// Of the final value, as seen from each rung.
    pub variances: [f64; RUNGS],
    /// What the way from each rung to the next may do to the forecast: sorted, the best last.
    pub shocks: Vec<Vec<f64>>,
}

impl Forecast {
    /// Learns from those that came from one rung to the next, be they complete or not: a stop is decided on nothing but the
    /// values that the link takes, so that those that were stopped bias nothing. Nothing where a link has fewer than two.
    pub fn learn(rows: &[Row], rungs: usize) -> Option<Forecast> {
        let links: Vec<Link> = (1..=rungs).map(|k| Link::learn(rows, k, rungs)).collect::<Option<_>>()?;
        let mut forecast = Forecast {
            constants: [0.0; RUNGS],
            weights: [[0.0; RUNGS]; RUNGS],
            variances: [0.0; RUNGS],
            shocks: vec![Vec::new(); rungs],
        };
        // From the end back: what the final value is made of, with all later rungs put in terms of earlier ones.
        let mut made_of = [0.0; COLUMNS];
        made_of[rungs] = 1.0;
        let (mut constant, mut variance) = (0.0, 0.0);
        for (k, mut link) in links.into_iter().enumerate().map(|(i, link)| (i + 1, link)).rev() {
            let effect = std::mem::take(&mut made_of[k]);
            constant += effect * link.constant;
            variance += effect * effect * link.variance;
            for (column, weight) in link.weights {
                made_of[column] += effect * weight;
            }
            link.errors.iter_mut().for_each(|e| *e *= effect);
            link.errors.sort_unstable_by(f64::total_cmp);
            forecast.constants[k - 1] = constant;
            forecast.weights[k - 1][..k].copy_from_slice(&made_of[..k]);
            forecast.variances[k - 1] = variance;
            forecast.shocks[k - 1] = link.errors;
        }
        Some(forecast)
    }

    /// Whether all of it is numbers.
    pub fn is_finite(&self) -> bool {
        let weights = self.weights.iter().flatten();
        weights.chain(&self.constants).chain(&self.variances).all(|figure| figure.is_finite())
    }

    /// The final value that is to be expected at a rung.
    pub fn mean(&self, rung: usize, values: &[f64; COLUMNS]) -> f64 {
        self.weights[rung][..=rung].iter().zip(values).fold(self.constants[rung], |sum, (w, v)| sum + w * v)
    }
}

impl Link {
    /// To column `k` of `rungs` and the end.
    fn learn(rows: &[Row], k: usize, rungs: usize) -> Option<Link> {
        let came = |row: &&Row| row.has(k - 1) && if k == rungs { row.is_complete } else { row.has(k) };
        let rows: Vec<&Row> = rows.iter().rev().filter(came).take(NEWEST).collect();
        let n = rows.len();
        if n < 2 {
            return None;
        }
        let mut columns = vec![k - 1];
        columns.extend((k >= 2 && n >= FOR_LAST_GAIN).then(|| k - 2));
        columns.extend((k / 2 + 2 < k && n >= FOR_LONG_GAIN).then_some(k / 2));
        let (n, m) = (n as f64, columns.len());
        let design = Design { rows, columns, k };
        let (means, middle) = design.means();
        let slopes = solve(design.products(&means, middle), m, 1.0 + PRIOR / n, design.rounding());
        let mut errors: Vec<f64> = (design.rows.iter())
            .map(|row| {
                (0..m).fold(row.values[k] - row.values[k - 1] - middle, |e, i| {
                    e - slopes[i] * (design.predictor(row, i) - means[i])
                })
            })
            .collect();
        let squares: f64 = errors.iter().map(|e| e * e).sum();
        // Shrunken slopes use up less than a degree of freedom each.
        let freedom = (n - 1.0 - m as f64 * n / (n + PRIOR)).max(0.5);
        // What is not known of the coefficients, and Student's heavier tails.
        let tails = if freedom > 2.0 { (freedom / (freedom - 2.0)).min(3.0) } else { 3.0 };
        let variance = squares / freedom * (1.0 + (1.0 + m as f64) / n) * tails;
        let scale = if squares > 0.0 { (variance * n / squares).sqrt() } else { 0.0 };
        errors.iter_mut().for_each(|e| *e *= scale);
        let constant = (0..m).fold(middle, |sum, i| sum - slopes[i] * means[i]);
        let mut weights = [(k - 1, 1.0 + slopes.iter().sum::<f64>()), (k - 1, 0.0), (k - 1, 0.0)];
        for i in 1..m {
            weights[i] = (design.columns[i], -slopes[i]);
        }
        Some(Link { constant, weights, variance, errors })
    }
}

/// The gain from a rung to the next against what was there before.
struct Design<'r> {
    rows: Vec<&'r Row>,
    columns: Vec<usize>,
    k: usize,
}

impl Design<'_> {
    /// The value at the rung before, or how much it is above an earlier one.
    fn predictor(&self, row: &Row, i: usize) -> f64 {
        let last = row.values[self.k - 1];
        if i == 0 { last } else { last - row.values[self.columns[i]] }
    }

    fn gain(&self, row: &Row) -> f64 {
        row.values[self.k] - row.values[self.k - 1]
    }

    /// Sums of squares below this come from the last digits of the values.
    fn rounding(&self) -> f64 {
        1e-20 * self.rows.iter().map(|row| row.values[self.k - 1].powi(2)).sum::<f64>()
    }

    fn means(&self) -> ([f64; MOST], f64) {
        let (n, mut means, mut middle) = (self.rows.len() as f64, [0.0; MOST], 0.0);
        for row in &self.rows {
            (0..self.columns.len()).for_each(|i| means[i] += self.predictor(row, i) / n);
            middle += self.gain(row) / n;
        }
        (means, middle)
    }

    /// Sums of products of predictors, and in the last column of predictors with the gain, all from their means.
    fn products(&self, means: &[f64; MOST], middle: f64) -> [[f64; MOST + 1]; MOST] {
        let m = self.columns.len();
        let mut sums = [[0.0; MOST + 1]; MOST];
        for row in &self.rows {
            let mut u = [0.0; MOST];
            (0..m).for_each(|i| u[i] = self.predictor(row, i) - means[i]);
            let gain = self.gain(row) - middle;
            for i in 0..m {
                (0..m).for_each(|j| sums[i][j] += u[i] * u[j]);
                sums[i][MOST] += u[i] * gain;
            }
        }
        sums
    }
}

/// Slopes by elimination; the diagonal is lengthened by `ridge`. A predictor whose sum of squares is no more than `rounding`
/// never varies, and has none.
fn solve(mut sums: [[f64; MOST + 1]; MOST], m: usize, ridge: f64, rounding: f64) -> [f64; MOST] {
    let least: [f64; MOST] = std::array::from_fn(|i| rounding.max(1e-12 * sums[i][i]));
    (0..m).for_each(|i| sums[i][i] *= ridge);
    let is_flat = |sums: &[[f64; MOST + 1]; MOST], i: usize| sums[i][i] <= least[i];
    for i in 0..m {
        if is_flat(&sums, i) {
            continue;
        }
        for below in i + 1..m {
            let factor = sums[below][i] / sums[i][i];
            (i..=MOST).for_each(|j| sums[below][j] -= factor * sums[i][j]);
        }
    }
    let mut slopes = [0.0; MOST];
    for i in (0..m).rev() {
        let rest = (i + 1..m).fold(sums[i][MOST], |rest, j| rest - sums[i][j] * slopes[j]);
        slopes[i] = if is_flat(&sums, i) { 0.0 } else { rest / sums[i][i] };
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Complete trials with these values at the rungs and the end.
    fn rows<const N: usize>(all: &[[f64; N]]) -> Vec<Row> {
        let row = |given: &[f64; N]| {
            let mut values = [f64::NAN; COLUMNS];
            values[..N].copy_from_slice(given);
            Row { unit: 0, values, first: 0, reached: N - 1, is_complete: true }
        };
        all.iter().map(row).collect()
    }

    #[test]
    fn elimination_solves_and_leaves_out_what_never_varies() {
        let sums = [[4.0, 2.0, 0.0, 10.0], [2.0, 3.0, 0.0, 11.0], [0.0; 4]];
        let slopes = solve(sums, 3, 1.0, 0.0);
        assert!((slopes[0] - 1.0).abs() < 1e-12 && (slopes[1] - 3.0).abs() < 1e-12 && slopes[2] == 0.0, "{slopes:?}");
    }

    #[test]
    fn a_rung_that_always_gains_the_same_is_foretold_exactly() {
        let all: Vec<[f64; 3]> = (0..20).map(|i| f64::from(i) / 10.0).map(|x| [x, x + 0.5, x + 0.75]).collect();
        let forecast = Forecast::learn(&rows(&all), 2).expect("twenty trials");
        for (rung, own, end) in [(0, [0.3, f64::NAN], 1.05), (1, [0.3, 0.9], 1.15)] {
            let mut values = [f64::NAN; COLUMNS];
            values[..2].copy_from_slice(&own);
            assert!((forecast.mean(rung, &values) - end).abs() < 1e-9, "{rung}");
        }
        assert!(forecast.variances[..2].iter().all(|v| *v < 1e-20));
    }

    #[test]
    fn stopped_trials_bias_nothing() {
        // The end is twice the beginning; who began below 1 was stopped before it.
        let all: Vec<[f64; 3]> = (1..=40).map(|i| f64::from(i) / 20.0).map(|x| [x, 1.5 * x, 2.0 * x]).collect();
        let mut rows = rows(&all);
        for row in rows.iter_mut().filter(|row| row.values[0] < 1.0) {
            (row.is_complete, row.reached, row.values[2]) = (false, 2, f64::NAN);
        }
        let forecast = Forecast::learn(&rows, 2).expect("forty trials");
        let mean = forecast.mean(0, &[0.5; COLUMNS]);
        assert!((mean - 1.0).abs() < 0.1, "though every trial that is complete came to 2 or more: {mean}");
        assert!(forecast.variances[0] >= forecast.variances[1]);
    }

    #[test]
    fn a_link_takes_two_trials() {
        let two = rows(&[[0.1, 0.2], [0.2, 0.4]]);
        assert!(Forecast::learn(&two[..1], 1).is_none());
        let forecast = Forecast::learn(&two, 1).expect("two");
        assert!(forecast.is_finite() && forecast.shocks[0].len() == 2);
    }
}
