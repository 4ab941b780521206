//! What of a curve is fitted: finite values behind the flat start, few enough to be quick, outliers with less weight.

use crate::stopper::curve::Point;

/// No forecast from fewer values: offset, factor, and one or two figures of shape.
pub(super) const MIN_POINTS: usize = 4;

/// So many values are fitted at most; of longer curves, means over stretches that are equally long in the logarithm of `x`.
const MAX_BINS: usize = 48;

/// The flat start ends where this share of the rise so far is passed (Domhan et al. cut at 0.05 of an accuracy) ...
const FLAT: f64 = 0.05;

/// ... by so many values in a row.
const LOOK_AHEAD: usize = 5;

/// Nobody's noise is taken for smaller than this share of the rise so far: it is what a shape may miss by.
const LEAST_NOISE: f64 = 0.005;

/// Values that lie farther off their neighbours than so many standard deviations count less (Huber's weights).
const HUBER: f64 = 2.5;

/// Some values in one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bin {
    /// The logarithm of the place, in units of the first one's distance from the origin.
    pub ln_x: f64,
    /// The weighted mean, in units of the rise so far, from the first value on.
    pub z: f64,
    /// How much it counts: 1 is one value without doubt.
    pub weight: f64,
}

/// A curve's beginning, made ready.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    /// Ascending by place.
    pub bins: Vec<Bin>,
    /// The logarithm of `x` at the end.
    pub ln_end: f64,
    /// The first value: where `z` is 0.
    pub base: f64,
    /// The rise so far: what `z = 1` is.
    pub scale: f64,
    /// Standard deviation of the noise, in `z`, as neighbours tell it.
    pub noise: f64,
}

impl Prefix {
    /// Makes the points ready for a forecast at `end`; nothing of fewer than [`MIN_POINTS`] finite values.
    pub(super) fn new(points: &[Point], end: f64) -> Option<Prefix> {
        let values: Vec<(f64, f64)> = points.iter().filter(|p| p.value.is_finite()).map(|p| (p.at, p.value)).collect();
        if values.len() < MIN_POINTS {
            return None;
        }
        let (origin, kept) = cut_flat_start(&values);
        let noise = noise(kept);
        let smooth: Vec<f64> = (0..kept.len()).map(|i| middle(kept, i, 1)).collect();
        let rise = smooth.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b))
            - smooth.iter().fold(f64::INFINITY, |a, b| a.min(*b));
        let base = kept[0].1;
        // A curve that never moves has no unit of its own.
        let scale = if rise > 0.0 { rise } else { noise.max(base.abs() * 1e-6).max(f64::MIN_POSITIVE) };
        let noise = (noise / scale).max(LEAST_NOISE);
        let unit = kept[0].0 - origin;
        let ready: Vec<Bin> = (0..kept.len())
            .map(|i| {
                let off = (kept[i].1 - middle(kept, i, 2)).abs() / scale;
                Bin {
                    ln_x: ((kept[i].0 - origin) / unit).ln(),
                    z: (kept[i].1 - base) / scale,
                    weight: (HUBER * noise / off).min(1.0),
                }
            })
            .collect();
        let ln_end = ((end - origin) / unit).ln();
        Some(Prefix { bins: bins(ready), ln_end, base, scale, noise })
    }
}

/// Where `x` begins, and the values behind the flat start (all of them where there is none).
fn cut_flat_start(values: &[(f64, f64)]) -> (f64, &[(f64, f64)]) {
    let spacing = (values[values.len() - 1].0 - values[0].0) / (values.len() - 1) as f64;
    // An axis may begin at 0; a curve's `x` may not.
    let origin = if values[0].0 > 0.5 * spacing { 0.0 } else { values[0].0 - spacing };
    let first = values[0].1;
    let best = values.iter().fold(first, |best, (_, v)| best.max(*v));
    let bound = first + (FLAT * (best - first)).max(2.0 * noise(values));
    let above = |i: usize| values[i..].iter().take(LOOK_AHEAD).all(|(_, v)| *v > bound);
    match (1..values.len()).find(|i| above(*i)) {
        // The last flat value stays, as the first of the rise.
        Some(start) if start >= LOOK_AHEAD && values.len() - start + 1 >= MIN_POINTS => {
            (values[start - 1].0 - spacing.min(values[start - 1].0 - origin), &values[start - 1..])
        }
        _ => (origin, values),
    }
}

/// The standard deviation of the noise, from the second differences: a curve that bends little has none but by its noise.
/// The median makes it proof against jumps; 1.4826 turns the normal distribution's median deviation into its standard
/// deviation, and a second difference has six times the variance.
fn noise(values: &[(f64, f64)]) -> f64 {
    let mut seconds: Vec<f64> = values.windows(3).map(|w| (w[2].1 - 2.0 * w[1].1 + w[0].1).abs()).collect();
    if seconds.is_empty() {
        return 0.0;
    }
    let half = seconds.len() / 2;
    let (_, median, _) = seconds.select_nth_unstable_by(half, f64::total_cmp);
    1.4826 * *median / 6f64.sqrt()
}

/// The median of the values around `i`, as many to the left as to the right.
fn middle(values: &[(f64, f64)], i: usize, reach: usize) -> f64 {
    let reach = reach.min(i).min(values.len() - 1 - i);
    let mut around = [0.0; 5];
    let around = &mut around[..2 * reach + 1];
    for (slot, (_, v)) in around.iter_mut().zip(&values[i - reach..]) {
        *slot = *v;
    }
    around.sort_by(f64::total_cmp);
    around[reach]
}

/// Not more than [`MAX_BINS`] of them.
fn bins(all: Vec<Bin>) -> Vec<Bin> {
    if all.len() <= MAX_BINS {
        return all;
    }
    let (first, last) = (all[0].ln_x, all[all.len() - 1].ln_x);
    let number =
        |bin: &Bin| ((bin.ln_x - first) / (last - first) * MAX_BINS as f64).min(MAX_BINS as f64 - 1.0) as usize;
    all.chunk_by(|a, b| number(a) == number(b))
        .map(|chunk| {
            let weight: f64 = chunk.iter().map(|bin| bin.weight).sum();
            let mean = |of: fn(&Bin) -> f64| chunk.iter().map(|bin| of(bin) * bin.weight).sum::<f64>() / weight;
            Bin { ln_x: mean(|bin| bin.ln_x), z: mean(|bin| bin.z), weight }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stopper::Curve;

    fn prefix(values: &[f64], end: f64) -> Option<Prefix> {
        let mut curve = Curve::default();
        values.iter().enumerate().for_each(|(i, v)| {
            curve.push(i as f64 + 1.0, *v);
        });
        Prefix::new(curve.points(), end)
    }

    #[test]
    fn only_finite_values_count_and_there_must_be_four() {
        assert!(prefix(&[0.1, f64::NAN, 0.2, f64::INFINITY, 0.3], 20.0).is_none());
        let p = prefix(&[0.1, f64::NAN, 0.2, 0.25, 0.3], 20.0).expect("four values");
        assert_eq!(p.bins.len(), 4);
        assert!((p.bins[3].ln_x - 5f64.ln()).abs() < 1e-12 && (p.ln_end - 20f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_scale_and_a_shift_change_nothing_of_what_is_fitted() {
        let values: Vec<f64> = (1..15).map(|i| 0.7 - 0.5 / f64::from(i) + 0.01 * f64::from(i * 7 % 5)).collect();
        let scaled: Vec<f64> = values.iter().map(|v| 4096.0 * v - 8192.0).collect();
        let (a, b) = (prefix(&values, 50.0).expect("ready"), prefix(&scaled, 50.0).expect("ready"));
        for (a, b) in a.bins.iter().zip(&b.bins) {
            assert!((a.z - b.z).abs() < 1e-9 && (a.weight - b.weight).abs() < 1e-6 && a.ln_x == b.ln_x);
        }
        assert!((a.noise - b.noise).abs() < 1e-9);
    }

    #[test]
    fn the_flat_start_is_cut_and_the_count_begins_at_the_rise() {
        let mut values = vec![0.1; 10];
        values.extend((1..15).map(|i| 0.1 + 0.6 * (1.0 - (-0.3 * f64::from(i)).exp())));
        let p = prefix(&values, 60.0).expect("ready");
        assert_eq!((p.bins.len(), p.bins[0].ln_x), (15, 0.0));
        assert!((p.ln_end - 51f64.ln()).abs() < 1e-12);
        let flat = prefix(&[0.1; 12], 60.0).expect("ready");
        assert_eq!(flat.bins.len(), 12, "a curve that never rises is left whole");
    }

    #[test]
    fn a_spike_counts_little_and_a_steep_start_counts_in_full() {
        let mut values: Vec<f64> = (1..20).map(|i| 1.0 - 1.0 / f64::from(i) + 0.003 * f64::from(i % 3)).collect();
        values[12] -= 0.5;
        let p = prefix(&values, 60.0).expect("ready");
        assert!(p.bins[12].weight < 0.1, "{}", p.bins[12].weight);
        assert_eq!(p.bins[0].weight, 1.0);
        assert!(p.bins.iter().filter(|bin| bin.weight < 0.5).count() <= 2, "{:?}", p.bins);
    }

    #[test]
    fn long_curves_become_few_bins_that_weigh_as_much() {
        let values: Vec<f64> = (1..=500).map(|i| f64::from(i).ln()).collect();
        let p = prefix(&values, 1000.0).expect("ready");
        assert!(p.bins.len() <= MAX_BINS);
        assert!(p.bins.is_sorted_by(|a, b| a.ln_x < b.ln_x));
        assert!((p.bins.iter().map(|bin| bin.weight).sum::<f64>() - 500.0).abs() < 1.0);
    }
}
