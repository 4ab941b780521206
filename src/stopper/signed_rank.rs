//! Wilcoxon's signed-rank test, as `scipy.stats.wilcoxon(zero_method="zsplit", alternative="less")` does it.

use statrs::distribution::{ContinuousCDF, Normal};

/// Up to here without ties, and up to the next with them, every way to give signs is counted; beyond, the normal
/// approximation (scipy 1.13 and later).
const EXACT: usize = 50;
const EXACT_WITH_TIES: usize = 13;

/// How likely differences like these, or lower ones, are if their signs are by chance. None: 1.
pub(super) fn probability_of_less(differences: &[f64]) -> f64 {
    let ranks = Ranks::of(differences);
    let n = differences.len();
    if n == 0 {
        return 1.0;
    }
    if n <= if ranks.tied { EXACT_WITH_TIES } else { EXACT } { ranks.exactly() } else { ranks.nearly(n) }
}

/// The ranks of the sizes, doubled, so that the mean of two is a whole number.
struct Ranks {
    /// Of those that are not zero.
    doubled: Vec<usize>,
    /// Sum of those of positive differences.
    positive: usize,
    /// Half the sum of those of zeros: they count for both sides.
    zeros: f64,
    /// Equal sizes, or zeros.
    tied: bool,
    /// Sum of t^3 - t over groups of t equal sizes.
    correction: f64,
}

impl Ranks {
    fn of(differences: &[f64]) -> Ranks {
        let mut sorted = differences.to_vec();
        sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let mut ranks = Ranks { doubled: Vec::new(), positive: 0, zeros: 0.0, tied: false, correction: 0.0 };
        let mut before = 0;
        for equal in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
            let t = equal.len();
            // The ranks before + 1 to before + t; twice their mean.
            let doubled = 2 * before + t + 1;
            before += t;
            ranks.correction += (t as f64).powi(3) - t as f64;
            ranks.tied |= t > 1 || equal[0] == 0.0;
            if equal[0] == 0.0 {
                ranks.zeros = (t * doubled) as f64 / 4.0;
                continue;
            }
            ranks.doubled.extend(std::iter::repeat_n(doubled, t));
            ranks.positive += doubled * equal.iter().filter(|d| **d > 0.0).count();
        }
        ranks
    }

    /// The share of all ways to give signs with no larger sum of positive ranks.
    fn exactly(&self) -> f64 {
        let total: usize = self.doubled.iter().sum();
        let mut ways = vec![0.0_f64; total + 1];
        ways[0] = 1.0;
        let mut reached = 0;
        for rank in &self.doubled {
            for sum in (0..=reached).rev() {
                ways[sum + rank] += ways[sum];
            }
            reached += rank;
        }
        ways[..=self.positive].iter().sum::<f64>() / 2.0_f64.powi(self.doubled.len() as i32)
    }

    /// By the normal distribution, corrected for ties.
    fn nearly(&self, n: usize) -> f64 {
        let n = n as f64;
        let mean = n * (n + 1.0) * 0.25;
        let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - self.correction / 2.0) / 24.0;
        let statistic = self.positive as f64 / 2.0 + self.zeros;
        if variance > 0.0 { Normal::standard().cdf((statistic - mean) / variance.sqrt()) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &[(&[f64], f64)] = &[
        (&[-1.0, -2.0, 3.0, -4.0, -5.0, -6.0], 0.078125),
        (&[-1.0, -1.0, 2.0, -3.0], 0.3125),
        (&[0.0, 0.0, -1.0, -2.0, 3.0, -4.0], 0.25),
        (&[0.0, 0.0], 1.0),
        (&[-1.0, -2.0], 0.25),
        (&[1.0, 2.0, 3.0], 1.0),
        (&[-0.5, -0.25, -0.125, -0.0625, -0.7, -0.9, -1.2, 0.3], 0.02734375),
        (&[-1.0, 1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 2.0, -2.0, -3.0, -3.0, 4.0, -4.0], 0.1380615234375),
        (&[5.0], 1.0),
    ];
    const LONG: f64 = 0.11434734371968441;
    const TIED: f64 = 0.006408848742322799;
    fn close(ours: f64, theirs: f64) -> bool {
        // statrs' normal distribution is good to about 5e-11; what is counted is exact.
        (ours - theirs).abs() <= 1e-9 * theirs.abs()
    }

    #[test]
    fn the_golden_vector() {
        let mut d = [0.02, 0.03, -0.01, 0.04, 0.05];
        // W = 14 of 15, p = 0.0625 that they are greater: that their negatives are less.
        d.iter_mut().for_each(|d| *d = -*d);
        assert_eq!(Ranks::of(&d).positive, 2);
        assert_eq!(probability_of_less(&d), 0.0625);
    }

    #[test]
    fn the_figures_of_scipy() {
        // scipy 1.17.1: wilcoxon(d, alternative="less", zero_method="zsplit").pvalue
        for (d, p) in GOLDEN {
            assert!(close(probability_of_less(d), *p), "{d:?}: {} is not {p}", probability_of_less(d));
        }
        let long: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 61) - 33.0).collect();
        assert!(close(probability_of_less(&long), LONG), "{}", probability_of_less(&long));
        let tied: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 5) - 3.0).collect();
        assert!(close(probability_of_less(&tied), TIED), "{}", probability_of_less(&tied));
    }
}
