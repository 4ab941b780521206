//! How much of what differs goes with one factor, or with two together, by ranks.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Rounds at most in which the effects of two factors are taken apart; a whole grid needs one.
const ROUNDS: usize = 200;

/// Ranks from 1; equal values share the mean of theirs.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let before = order.partition_point(|place| values[*place].total_cmp(&values[equal[0]]).is_lt());
        equal.iter().for_each(|place| ranks[*place] = before as f64 + (equal.len() + 1) as f64 / 2.0);
    }
    ranks
}

/// Epsilon squared of a factor: Kruskal and Wallis' H, corrected for ties, over n - 1, which is the share of the ranks'
/// variance that lies between the levels. `None` if the factor or the values do not differ.
pub fn main_effect(values: &[f64], factor: &[usize]) -> Option<f64> {
    let ranks = ranks(values);
    let (total, left) = (squares(&ranks), squares(&without(&ranks, factor)));
    (total > 0.0 && levels(factor) > 1).then(|| 1.0 - left / total)
}

/// The share of the ranks' variance that two factors explain together and not by the sum of what each does (least
/// squares, so that a grid with holes is no harm). `None` if a factor or the values do not differ.
pub fn interaction(values: &[f64], first: &[usize], second: &[usize]) -> Option<f64> {
    let ranks = ranks(values);
    let total = squares(&ranks);
    let mut additive = ranks.clone();
    for _ in 0..ROUNDS {
        let next = without(&without(&additive, first), second);
        let moved = next.iter().zip(&additive).map(|(next, before)| (next - before).abs()).fold(0.0, f64::max);
        additive = next;
        if moved < 1e-12 {
            break;
        }
    }
    let cells: Vec<usize> = pairs(first, second);
    let left = squares(&without(&ranks, &cells));
    let differ = total > 0.0 && levels(first) > 1 && levels(second) > 1;
    differ.then(|| ((squares(&additive) - left) / total).max(0.0))
}

/// What both would come to if nothing depended on anything: degrees of freedom over n - 1.
pub fn by_chance(first: &[usize], second: Option<&[usize]>) -> f64 {
    let freedom = match second {
        None => levels(first) as f64 - 1.0,
        Some(second) => (levels(&pairs(first, second)) + 1) as f64 - (levels(first) + levels(second)) as f64,
    };
    freedom.max(0.0) / (first.len() as f64 - 1.0)
}

/// The mean over the folds and its 95 % bounds by the corrected resampled variance (Nadeau and Bengio 2003): folds share
/// training rows, so that the plain variance of the mean is too small; `ratio` is test rows over training rows.
pub fn corrected_interval(values: &[f64], ratio: f64) -> Option<(f64, f64, f64)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0);
    let quantile = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.975);
    let half = quantile * ((1.0 / count + ratio) * variance).sqrt();
    Some((mean, mean - half, mean + half))
}

fn levels(factor: &[usize]) -> usize {
    let mut levels = factor.to_vec();
    levels.sort_unstable();
    levels.dedup();
    levels.len()
}

/// Each pair of levels as a level of its own.
fn pairs(first: &[usize], second: &[usize]) -> Vec<usize> {
    let width = second.iter().max().map_or(1, |most| most + 1);
    first.iter().zip(second).map(|(first, second)| first * width + second).collect()
}

/// The values less the mean of their level.
fn without(values: &[f64], factor: &[usize]) -> Vec<f64> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (value, level) in values.iter().zip(factor) {
        let (sum, count) = sums.entry(*level).or_default();
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
    values.iter().zip(factor).map(|(value, level)| value - sums[level].0 / sums[level].1).collect()
}

/// Squared distances from the mean.
fn squares(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean) * (value - mean)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: [usize; 12] = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2];
    const SECOND: [usize; 12] = [0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1];
    const VALUES: [f64; 12] = [1.0, 2.0, 1.5, 4.0, 3.0, 8.0, 2.0, 9.0, 7.0, 5.0, 6.0, 2.0];

    #[track_caller]
    fn near(found: Option<f64>, wanted: f64) {
        assert!(found.is_some_and(|found| (found - wanted).abs() < 1e-9), "{found:?} {wanted}");
    }

    #[test]
    fn main_effects_are_scipys_kruskal() {
        // scipy 1.17.1: kruskal(groups).statistic / (n - 1), ties among the values.
        near(main_effect(&VALUES, &FIRST), 0.417_021_276_595_744_6);
        let values = [1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0, 2.0, 5.0, 5.0];
        near(main_effect(&values, &[0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2]), 0.498_397_435_897_436_57);
        assert_eq!(main_effect(&[1.0, 1.0], &[0, 1]), None);
        assert_eq!(main_effect(&[1.0, 2.0], &[0, 0]), None);
    }

    #[test]
    fn interactions_are_numpys_least_squares() {
        // numpy 2, lstsq on scipy's rankdata: explained by cells less explained by two factors, an unbalanced design.
        near(interaction(&VALUES, &FIRST, &SECOND), 0.173_099_125_845_291_66);
        near(interaction(&[1.0, 2.0, 3.0, 4.0], &[0, 0, 1, 1], &[0, 1, 0, 1]), 0.0);
        near(Some(by_chance(&FIRST, Some(&SECOND))), 2.0 / 11.0);
        near(Some(by_chance(&FIRST, None)), 2.0 / 11.0);
    }

    #[test]
    fn intervals_are_wider_than_those_of_independent_folds() {
        // scipy 1.17.1: t.ppf(.975, 9) * sqrt((1/10 + 1/9) * var), mean 0.53.
        let folds = [0.5, 0.55, 0.6, 0.45, 0.52, 0.58, 0.49, 0.51, 0.57, 0.53];
        let (mean, low, high) = corrected_interval(&folds, 1.0 / 9.0).expect("ten folds");
        near(Some(mean), 0.53);
        near(Some(low), 0.482_495_364_535_087);
        near(Some(high), 0.577_504_635_464_913);
        assert_eq!(corrected_interval(&[0.5], 1.0 / 9.0), None);
    }
}
