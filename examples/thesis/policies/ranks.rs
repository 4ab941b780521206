//! Ranks of treatments over blocks: Friedman's test, and Nemenyi's and Bonferroni's critical differences (Demsar 2006).

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, Normal};

/// Nemenyi's q at 0.05 for 2 to 10 treatments: the studentized range at infinite degrees of freedom over sqrt 2.
const Q_05: [f64; 9] = [1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164];

/// What ranks say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranks {
    pub blocks: usize,
    pub treatments: Vec<String>,
    /// Mean rank of each; 1 is best, ties share.
    pub mean: Vec<f64>,
    pub chi2: f64,
    pub p: f64,
    /// The same corrected for ties.
    pub chi2_ties: f64,
    pub p_ties: f64,
    /// Iman and Davenport's, of the uncorrected one.
    pub f: f64,
    pub p_f: f64,
    /// Mean ranks that differ by so much differ at 0.05, of all pairs; none for more than 10 treatments.
    pub nemenyi: Option<f64>,
    /// The same of all pairs by Bonferroni.
    pub bonferroni: f64,
    pub remark: String,
}

/// Ranks costs, a row a block, a column a treatment: the lowest is best. None without two of both.
pub fn ranks(treatments: &[String], costs: &[Vec<f64>]) -> Option<Ranks> {
    let (n, k) = (costs.len(), treatments.len());
    if n < 2 || k < 2 || costs.iter().any(|row| row.len() != k || row.iter().any(|cost| cost.is_nan())) {
        return None;
    }
    let (blocks, arms) = (n as f64, k as f64);
    let rows: Vec<Vec<f64>> = costs.iter().map(|row| ranked(row)).collect();
    let mean: Vec<f64> = (0..k).map(|arm| rows.iter().map(|row| row[arm]).sum::<f64>() / blocks).collect();
    let squares: f64 = mean.iter().map(|rank| rank * rank).sum();
    let chi2 = 12.0 * blocks / (arms * (arms + 1.0)) * (squares - arms * (arms + 1.0).powi(2) / 4.0);
    let ties: f64 = costs.iter().map(|row| tied(row)).sum();
    let correction = 1.0 - ties / (blocks * (arms.powi(3) - arms));
    // Where all are equal in every block there is nothing to tell apart.
    let chi2_ties = if correction > 0.0 { chi2 / correction } else { 0.0 };
    let f = (blocks - 1.0) * chi2 / (blocks * (arms - 1.0) - chi2);
    let chi = ChiSquared::new(arms - 1.0).ok()?;
    let fisher = FisherSnedecor::new(arms - 1.0, (arms - 1.0) * (blocks - 1.0)).ok()?;
    let error = (arms * (arms + 1.0) / (6.0 * blocks)).sqrt();
    let pairs = arms * (arms - 1.0) / 2.0;
    let z = Normal::standard().inverse_cdf(1.0 - 0.05 / pairs / 2.0);
    let p_ties = chi.sf(chi2_ties.max(0.0));
    let nemenyi = Q_05.get(k - 2).map(|q| q * error);
    Some(Ranks {
        blocks: n,
        treatments: treatments.to_vec(),
        chi2,
        p: chi.sf(chi2.max(0.0)),
        chi2_ties,
        p_ties,
        f,
        // Perfect agreement makes the denominator 0.
        p_f: if f.is_finite() { fisher.sf(f.max(0.0)) } else { 0.0 },
        nemenyi,
        bonferroni: z * error,
        remark: remark(n, &mean, nemenyi.unwrap_or(z * error), p_ties),
        mean,
    })
}

/// What so few blocks can say at all.
fn remark(n: usize, mean: &[f64], critical: f64, p: f64) -> String {
    let k = mean.len();
    let worst = mean.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let best = mean.iter().copied().fold(f64::INFINITY, f64::min);
    let verdict = match worst - best > critical {
        true if p <= 0.05 => "some pairs differ",
        true => {
            "some pairs are that far apart, but Friedman's test does not reject that all are alike, so that none is taken to differ"
        }
        false => "no pair differs",
    };
    format!(
        "{n} data sets and {k} policies: two mean ranks must be {critical:.3} apart, of {} at most; {verdict} at 0.05. Even \
         four data sets decide almost nothing, and folds are no blocks, for they share their rows.",
        k - 1
    )
}

/// Ranks of one block; ties share the mean of their places.
fn ranked(row: &[f64]) -> Vec<f64> {
    let rank = |own: &f64| {
        let less = row.iter().filter(|other| *other < own).count() as f64;
        let equal = row.iter().filter(|other| *other == own).count() as f64;
        less + (equal + 1.0) / 2.0
    };
    row.iter().map(rank).collect()
}

/// The sum of t^3 - t over groups of t equal ones: each member of one adds t^2 - 1.
fn tied(row: &[f64]) -> f64 {
    let equal = |own: &f64| row.iter().filter(|other| *other == own).count() as f64;
    row.iter().map(|own| equal(own).powi(2) - 1.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, digits: i32) {
        assert!((got - want).abs() < 0.6 * 10f64.powi(-digits), "{got} is not {want}");
    }

    fn names(k: usize) -> Vec<String> {
        (0..k).map(|arm| format!("p{arm}")).collect()
    }

    #[test]
    fn six_sets_and_four_methods_as_scipy_has_them() {
        // Scores, of which higher ones are better. scipy's friedmanchisquare gives the tie-corrected figure.
        let scores = [
            [0.90, 0.88, 0.91, 0.80],
            [0.85, 0.85, 0.86, 0.79],
            [0.70, 0.71, 0.74, 0.69],
            [0.93, 0.90, 0.95, 0.90],
            [0.60, 0.62, 0.61, 0.55],
            [0.77, 0.75, 0.79, 0.70],
        ];
        let costs: Vec<Vec<f64>> = scores.iter().map(|row| row.iter().map(|score| -score).collect()).collect();
        let ranks = ranks(&names(4), &costs).expect("two of both");
        for (got, want) in ranks.mean.iter().zip([2.416667, 2.5, 1.166667, 3.916667]) {
            close(*got, want, 6);
        }
        close(ranks.chi2, 13.65, 6);
        close(ranks.p, 0.00342243, 8);
        close(ranks.chi2_ties, 14.120690, 6);
        close(ranks.p_ties, 0.00274539, 8);
        close(ranks.f, 15.689655, 6);
        close(ranks.p_f, 6.80e-5, 7);
        close(ranks.nemenyi.expect("four have one"), 1.914820, 6);
        assert!(ranks.bonferroni > 1.914820 && ranks.remark.contains("some pairs differ"));
    }

    #[test]
    fn four_sets_decide_almost_nothing() {
        for (k, want) in [(3, 1.657), (4, 2.345), (5, 3.050)] {
            let costs = vec![(0..k).map(|arm| arm as f64).collect(); 4];
            close(ranks(&names(k), &costs).and_then(|ranks| ranks.nemenyi).expect("a figure"), want, 2);
        }
        let mixed = [vec![1.0, 2.0], vec![2.0, 1.0], vec![1.0, 2.0], vec![2.0, 1.0]];
        assert!(ranks(&names(2), &mixed).expect("two of both").remark.contains("no pair differs"));
    }

    #[test]
    fn equal_ones_and_too_few_are_no_findings() {
        let equal = ranks(&names(3), &[vec![1.0; 3], vec![1.0; 3]]).expect("two of both");
        assert_eq!((equal.chi2_ties, equal.p_ties), (0.0, 1.0));
        assert_eq!(ranks(&names(3), &[vec![1.0; 3]]), None);
        assert_eq!(ranks(&names(2), &[vec![1.0, f64::NAN], vec![1.0, 2.0]]), None);
    }
}
