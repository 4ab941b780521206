//! Tests of signs, and of many hypotheses at once.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Two-sided p of the sign test: how likely so uneven signs are if both are equally likely. 1 if there are none.
pub fn sign_test(positive: usize, negative: usize) -> f64 {
    let count = (positive + negative) as u64;
    let half = Binomial::new(0.5, count).expect("a half is a probability");
    (2.0 * half.cdf(positive.min(negative) as u64)).min(1.0)
}

/// Holm's adjusted p: reject those at most alpha, and one wrong rejection among all is at most so likely.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut adjusted, mut highest) = (vec![1.0; p.len()], 0.0_f64);
    for (rank, place) in order.into_iter().enumerate() {
        highest = highest.max((p.len() - rank) as f64 * p[place]).min(1.0);
        adjusted[place] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_scipys() {
        // scipy 1.17.1: binomtest(k, n, 0.5).pvalue for k, n = 9 10, 8 10, 5 10, 0 6, 3 3.
        let wanted = [(9, 1, 0.021484375), (8, 2, 0.109375), (5, 5, 1.0), (0, 6, 0.03125), (3, 0, 0.25), (0, 0, 1.0)];
        for (positive, negative, p) in wanted {
            assert!((sign_test(positive, negative) - p).abs() < 1e-12, "{positive} {negative}");
        }
    }

    #[test]
    fn holm_steps_down() {
        // By hand, and numpy's maximum.accumulate of (m - rank) * p: [0.03, 0.06, 0.06, 0.02].
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        assert!(found.iter().zip([0.03, 0.06, 0.06, 0.02]).all(|(found, wanted)| (found - wanted).abs() < 1e-12));
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
