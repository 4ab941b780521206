//! From a curve's beginning to what it may come to.
//!
//! The model: `z = u + v h(x) + drift + noise`, where `h` is one of the shapes at one node of its grid, moved and scaled so
//! that it is 0 at the first value and 1 at the end. So `u` is where the curve begins and `v` what it gains until the end,
//! whatever the shape. The drift is a random walk in `ln x`, the part of a curve that no shape has: the more of it the
//! residuals show, the wider the forecast fans out.
//!
//! Domhan et al. sample the posterior over all figures of all families with MCMC. Given the node and the drift's size,
//! everything left is linear: a weighted least-squares fit whose posterior is known in closed form (normal-inverse-gamma),
//! the fit's weight too. So the integral is a sum over some hundred nodes: no chain that must mix, no start value, no
//! optimum that is only local, and the same answer every time. (Variable projection: Golub and Pereyra 1973. Averaging over
//! models by marginal likelihood: Hoeting et al. 1999. Misfit as a process of its own: Kennedy and O'Hagan 2001.)

use super::forecast::{Component, Forecast};
use super::prefix::{Bin, Prefix};
use super::shape::{Cell, Shape};

/// Prior mean and standard deviation of the gain until the end, in units of the rise so far.
const GAIN: (f64, f64) = (1.0, 1.0);

/// Prior standard deviation of where the curve begins.
const BEGIN: f64 = 1.0;

/// The drift's variance over the whole length, in units of the noise's: none, as much as one report's noise, ...
const DRIFTS: [f64; 5] = [0.0, 1.0, 10.0, 100.0, 1000.0];

/// The noise that neighbours show counts as much as so many half observations.
const NOISE_PRIOR: f64 = 1.5;

/// So often each shape's cell that weighs most is looked at more closely ...
const SPLITS: usize = 8;

/// ... and then so often the one that weighs most of all.
const MORE_SPLITS: usize = 24;

/// A cell that weighs less than this share of all is fine enough.
const FINE: f64 = 0.02;

/// What it comes to.
///
/// Each shape's figures are looked at in a few cells; then, again and again, the cell that weighs most is split. So the nodes
/// gather where the curve may lie: far apart where a noisy curve leaves much open, close together where it leaves little.
pub(super) fn forecast(prefix: &Prefix) -> Forecast {
    let filters = DRIFTS.map(|drift| Filter::new(prefix, drift));
    let mut looked = Look { prefix, filters: &filters, h: Vec::new(), fits: Vec::new(), cells: Vec::new() };
    for shape in Shape::ALL {
        let (cells, first) = (shape.cells(prefix.ln_end), looked.cells.len());
        let ln_share = -((cells.len() * filters.len()) as f64).ln();
        cells.into_iter().for_each(|cell| looked.at(shape, cell, ln_share));
        // A curve with little noise lies in a corner of one cell, and may look unlikely from the middle.
        looked.closer(first, SPLITS);
    }
    looked.closer(0, MORE_SPLITS);
    average(prefix, looked.fits)
}

/// All that was looked at so far.
struct Look<'p> {
    prefix: &'p Prefix,
    filters: &'p [Filter],
    /// A shape's values; kept to be used again.
    h: Vec<f64>,
    fits: Vec<Fit>,
    /// Cells that can be split.
    cells: Vec<Looked>,
}

/// A cell, and what it weighs.
struct Looked {
    shape: Shape,
    cell: Cell,
    ln_share: f64,
    ln_weight: f64,
    /// Where its fits are.
    fits: std::ops::Range<usize>,
}

impl Look<'_> {
    /// Fits the shape with the figures in the middle of a cell that has this share of all figures.
    fn at(&mut self, shape: Shape, cell: Cell, ln_share: f64) {
        if !fill(&mut self.h, self.prefix, shape.at(cell.middle())) {
            return;
        }
        let first = self.fits.len();
        self.fits.extend(self.filters.iter().filter_map(|filter| filter.fit(&self.h, ln_share)));
        let fits = first..self.fits.len();
        let ln_weight = ln_sum(self.fits[fits.clone()].iter().map(|fit| fit.ln_weight));
        self.cells.push(Looked { shape, cell, ln_share, ln_weight, fits });
    }

    /// Splits the cell that weighs most of those from `first` on, so many times.
    fn closer(&mut self, first: usize, times: usize) {
        for _ in 0..times {
            let all = ln_sum(self.cells[first..].iter().map(|cell| cell.ln_weight));
            let top = self.cells[first..].iter_mut().max_by(|a, b| a.ln_weight.total_cmp(&b.ln_weight));
            let Some(top) = top.filter(|top| top.ln_weight > all + FINE.ln()) else { return };
            let (shape, parts) = (top.shape, top.cell.split());
            if parts.is_empty() {
                return;
            }
            let ln_share = top.ln_share - (parts.len() as f64).ln();
            // The parts stand in for the whole.
            top.ln_weight = f64::NEG_INFINITY;
            self.fits[top.fits.clone()].iter_mut().for_each(|fit| fit.ln_weight = f64::NEG_INFINITY);
            parts.into_iter().for_each(|part| self.at(shape, part, ln_share));
        }
    }
}

/// The logarithm of a sum, from the logarithms of what is summed.
fn ln_sum(logarithms: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = logarithms.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY { top } else { top + logarithms.map(|ln| (ln - top).exp()).sum::<f64>().ln() }
}

/// A shape at a node, 0 at the first value and 1 at the end. False if it ends where it begins: it has no scale then.
fn fill(h: &mut Vec<f64>, prefix: &Prefix, shape: impl Fn(f64) -> f64) -> bool {
    h.clear();
    h.extend(prefix.bins.iter().map(|bin| shape(bin.ln_x)));
    let (first, end) = (h[0], shape(prefix.ln_end));
    let span = h.iter().fold(0.0f64, |span, v| span.max((v - first).abs())).max((end - first).abs());
    let gain = end - first;
    // Also false where something is not finite.
    if !(gain.abs() > 0.1 * span && span > 1e-9 * (first.abs() + end.abs())) {
        return false;
    }
    h.iter_mut().for_each(|v| *v = (*v - first) / gain);
    true
}

/// A fit at one node: the logarithm of its weight, and what it says of the end (in `z`).
struct Fit {
    ln_weight: f64,
    mean: f64,
    scale: f64,
}

/// The weighted average of all fits, in the metric's unit.
fn average(prefix: &Prefix, fits: Vec<Fit>) -> Forecast {
    let top = fits.iter().fold(f64::NEG_INFINITY, |top, fit| top.max(fit.ln_weight));
    let total: f64 = fits.iter().map(|fit| (fit.ln_weight - top).exp()).sum();
    let components = fits.iter().map(|fit| Component {
        weight: (fit.ln_weight - top).exp() / total,
        mean: prefix.base + prefix.scale * fit.mean,
        scale: prefix.scale * fit.scale,
    });
    Forecast::new(components.collect(), freedom(&prefix.bins))
}

fn freedom(bins: &[Bin]) -> f64 {
    2.0 * NOISE_PRIOR + bins.len() as f64
}

/// For one size of drift: how to turn columns of the regression into columns whose errors are independent. This is the
/// Kalman filter of a random walk seen through noise.
struct Filter {
    /// For each bin, one over the standard deviation of what is new in it, and how much of that the drift takes.
    steps: Vec<(f64, f64)>,
    /// The sum of the logarithms of those variances.
    ln_det: f64,
    /// Variance of drift and noise at the end, given all bins.
    at_end: f64,
    one: Column,
    z: Column,
    one_one: f64,
    one_z: f64,
    z_z: f64,
    /// Prior precision of gain and beginning, in units of the noise's.
    precision: (f64, f64),
    noise_variance: f64,
    freedom: f64,
}

/// A column with independent errors, and the part of the drift that it leaves at the end.
struct Column {
    white: Vec<f64>,
    left: f64,
}

impl Filter {
    fn new(prefix: &Prefix, drift: f64) -> Filter {
        let bins = &prefix.bins;
        // The drift per unit of ln x: `drift` over the whole length.
        let rate = drift / prefix.ln_end.max(f64::MIN_POSITIVE);
        let (mut variance, mut ln_x, mut ln_det) = (0.0, bins[0].ln_x, 0.0);
        let mut steps = Vec::with_capacity(bins.len());
        for bin in bins {
            variance += rate * (bin.ln_x - ln_x);
            let new = variance + 1.0 / bin.weight;
            let share = variance / new;
            steps.push((1.0 / new.sqrt(), share));
            variance *= 1.0 - share;
            ln_det += new.ln();
            ln_x = bin.ln_x;
        }
        let at_end = variance + rate * (prefix.ln_end - ln_x).max(0.0) + 1.0;
        let one = whiten(&steps, bins.iter().map(|_| 1.0));
        let z = whiten(&steps, bins.iter().map(|bin| bin.z));
        let noise_variance = prefix.noise * prefix.noise;
        Filter {
            one_one: dot(&one.white, &one.white),
            one_z: dot(&one.white, &z.white),
            z_z: dot(&z.white, &z.white),
            steps,
            ln_det,
            at_end,
            one,
            z,
            precision: (noise_variance / (BEGIN * BEGIN), noise_variance / (GAIN.1 * GAIN.1)),
            noise_variance,
            freedom: freedom(bins),
        }
    }

    /// Fits beginning and gain to a shape; nothing where that cannot be told.
    fn fit(&self, h: &[f64], ln_prior: f64) -> Option<Fit> {
        let (mut hh, mut h1, mut hz, mut level) = (0.0, 0.0, 0.0, 0.0);
        for (i, (value, (inverse, share))) in h.iter().zip(&self.steps).enumerate() {
            let new = value - level;
            level += share * new;
            let white = new * inverse;
            hh += white * white;
            h1 += white * self.one.white[i];
            hz += white * self.z.white[i];
        }
        let (a, b, c) = (self.one_one + self.precision.0, h1, hh + self.precision.1);
        let det = a * c - b * b;
        // What is fitted is how far the gain is from the one that is expected.
        let (one_z, h_z) = (self.one_z - GAIN.0 * h1, hz - GAIN.0 * hh);
        let z_z = self.z_z - 2.0 * GAIN.0 * hz + GAIN.0 * GAIN.0 * hh;
        let begin = (c * one_z - b * h_z) / det;
        let more = (a * h_z - b * one_z) / det;
        let gain = GAIN.0 + more;
        let rest = NOISE_PRIOR * self.noise_variance + 0.5 * (z_z - begin * one_z - more * h_z).max(0.0);
        let half = 0.5 * self.freedom;
        let ln_weight =
            ln_prior + 0.5 * (self.precision.0 * self.precision.1 / det).ln() - 0.5 * self.ln_det - half * rest.ln();
        // At the end h is 1; of what the filter took for drift, the part that begin and gain explain is taken back.
        let (to_begin, to_gain) = (1.0 - self.one.left, 1.0 - level);
        let mean = to_begin * begin + to_gain * gain + self.z.left;
        let doubt = (c * to_begin * to_begin - 2.0 * b * to_begin * to_gain + a * to_gain * to_gain) / det;
        let scale = (rest / half * (doubt + self.at_end)).sqrt();
        (ln_weight.is_finite() && mean.is_finite() && scale.is_finite()).then_some(Fit { ln_weight, mean, scale })
    }
}

fn whiten(steps: &[(f64, f64)], column: impl Iterator<Item = f64>) -> Column {
    let mut left = 0.0;
    let white = column
        .zip(steps)
        .map(|(value, (inverse, share))| {
            let new = value - left;
            left += share * new;
            new * inverse
        })
        .collect();
    Column { white, left }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
